//! How well two partitions of the same windows agree.
//!
//! Labels are any numbers; windows are compared one by one, so both slices must have the same length (the shorter one
//! decides).

use std::collections::{BTreeMap, BTreeSet};

/// Counts of pairs of labels.
fn contingency(found: &[usize], truth: &[usize]) -> BTreeMap<(usize, usize), f64> {
    let mut table = BTreeMap::new();
    for (&a, &b) in found.iter().zip(truth) {
        *table.entry((a, b)).or_insert(0.0) += 1.0;
    }
    table
}

fn margins(
    table: &BTreeMap<(usize, usize), f64>,
) -> (BTreeMap<usize, f64>, BTreeMap<usize, f64>, f64) {
    let (mut left, mut right, mut total) = (BTreeMap::new(), BTreeMap::new(), 0.0);
    for (&(a, b), &count) in table {
        *left.entry(a).or_insert(0.0) += count;
        *right.entry(b).or_insert(0.0) += count;
        total += count;
    }
    (left, right, total)
}

/// Adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, about 0 for independent ones.
///
/// 1 as well if both put all windows together or both put each alone, and for fewer than two windows.
#[doc(alias = "ARI")]
pub fn adjusted_rand_index(found: &[usize], truth: &[usize]) -> f64 {
    let table = contingency(found, truth);
    let (left, right, total) = margins(&table);
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let together: f64 = table.values().map(|&count| pairs(count)).sum();
    let in_left: f64 = left.values().map(|&count| pairs(count)).sum();
    let in_right: f64 = right.values().map(|&count| pairs(count)).sum();
    let all = pairs(total);
    if all <= 0.0 {
        return 1.0;
    }
    let expected = in_left * in_right / all;
    let most = 0.5 * (in_left + in_right);
    if most == expected {
        1.0
    } else {
        (together - expected) / (most - expected)
    }
}

/// Mutual information over the arithmetic mean of the entropies: 1 for equal partitions, 0 for independent ones.
///
/// 1 if both put all windows together.
#[doc(alias = "NMI")]
pub fn normalised_mutual_information(found: &[usize], truth: &[usize]) -> f64 {
    let table = contingency(found, truth);
    let (left, right, total) = margins(&table);
    let entropy = |counts: &BTreeMap<usize, f64>| -> f64 {
        counts
            .values()
            .map(|&count| -(count / total) * (count / total).ln())
            .sum()
    };
    let mutual: f64 = table
        .iter()
        .map(|(&(a, b), &count)| {
            let independent = left[&a] * right[&b] / total;
            count / total * (count / independent).ln()
        })
        .sum();
    let mean = 0.5 * (entropy(&left) + entropy(&right));
    if mean <= 0.0 {
        1.0
    } else {
        (mutual / mean).clamp(0.0, 1.0)
    }
}

/// Share of windows whose true label is the commonest one of their cluster; 0 for no windows.
///
/// Grows with the number of clusters: compare at equal numbers.
pub fn purity(found: &[usize], truth: &[usize]) -> f64 {
    let table = contingency(found, truth);
    let (_, _, total) = margins(&table);
    let mut best: BTreeMap<usize, f64> = BTreeMap::new();
    for (&(a, _), &count) in &table {
        let most = best.entry(a).or_insert(0.0);
        *most = most.max(count);
    }
    if total > 0.0 {
        best.values().sum::<f64>() / total
    } else {
        0.0
    }
}

/// F1 of telling the windows in `truth` from the rest by membership in `clusters`.
///
/// 1 if there is nothing to find and nothing is claimed.
pub fn f1_of_union(found: &[usize], truth: &[bool], clusters: &[usize]) -> f64 {
    let (mut hits, mut misses, mut false_alarms) = (0.0, 0.0, 0.0);
    for (label, &positive) in found.iter().zip(truth) {
        match (clusters.contains(label), positive) {
            (true, true) => hits += 1.0,
            (true, false) => false_alarms += 1.0,
            (false, true) => misses += 1.0,
            (false, false) => {}
        }
    }
    let sum = 2.0 * hits + misses + false_alarms;
    if sum > 0.0 { 2.0 * hits / sum } else { 1.0 }
}

/// The union of clusters that tells the windows in `truth` from the rest best: `(F1, clusters)`.
///
/// Exact: the best union for F1 holds clusters above a threshold of precision, so only those orders are tried.
pub fn best_f1_union(found: &[usize], truth: &[bool]) -> (f64, Vec<usize>) {
    let labels: BTreeSet<usize> = found.iter().copied().collect();
    let precision = |cluster: usize| {
        let (mut hits, mut all) = (0.0, 0.0);
        for (&label, &positive) in found.iter().zip(truth) {
            if label == cluster {
                all += 1.0;
                hits += f64::from(u8::from(positive));
            }
        }
        if all > 0.0 { hits / all } else { 0.0 }
    };
    let mut order: Vec<(usize, f64)> = labels.into_iter().map(|c| (c, precision(c))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut best = (f1_of_union(found, truth, &[]), Vec::new());
    let mut union = Vec::new();
    for (cluster, _) in order {
        union.push(cluster);
        let f1 = f1_of_union(found, truth, &union);
        if f1 > best.0 {
            best = (f1, union.clone());
        }
    }
    best.1.sort_unstable();
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values of scikit-learn 1.x: adjusted_rand_score and normalized_mutual_info_score.
    #[test]
    fn known_values() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(
            adjusted_rand_index(&[0, 0, 1, 2], &[0, 0, 1, 1]),
            0.571_428_571_428_571_4,
        );
        close(adjusted_rand_index(&[0, 0, 0, 0], &[0, 1, 2, 3]), 0.0);
        close(adjusted_rand_index(&[0, 1, 0, 1], &[0, 0, 1, 1]), -0.5);
        close(adjusted_rand_index(&[5, 5, 9], &[1, 1, 0]), 1.0);
        close(
            normalised_mutual_information(&[0, 0, 1, 2], &[0, 0, 1, 1]),
            0.8,
        );
        close(
            normalised_mutual_information(&[0, 1, 0, 1], &[0, 0, 1, 1]),
            0.0,
        );
        close(
            normalised_mutual_information(&[3, 3, 1, 1], &[0, 0, 1, 1]),
            1.0,
        );
        close(purity(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 1, 1, 2]), 4.0 / 6.0);
    }

    #[test]
    fn degenerate_partitions_have_outcomes() {
        assert_eq!(adjusted_rand_index(&[], &[]), 1.0);
        assert_eq!(adjusted_rand_index(&[0, 0, 0], &[1, 1, 1]), 1.0);
        assert_eq!(normalised_mutual_information(&[0, 0, 0], &[1, 1, 1]), 1.0);
        assert_eq!(purity(&[], &[]), 0.0);
    }

    #[test]
    fn the_best_union_is_found() {
        let found = [0, 0, 1, 1, 2, 2, 2, 2];
        let truth = [true, true, true, false, false, false, false, false];
        let (f1, union) = best_f1_union(&found, &truth);
        // Cluster 0 alone: 2 hits, 1 miss, F1 = .8; with cluster 1: 3 hits, 1 false alarm, F1 = 6/7.
        assert!((f1 - 6.0 / 7.0).abs() < 1e-12);
        assert_eq!(union, [0, 1]);
        let mut most: f64 = 0.0;
        for subset in 0..8usize {
            let clusters: Vec<usize> = (0..3).filter(|c| subset >> c & 1 == 1).collect();
            most = most.max(f1_of_union(&found, &truth, &clusters));
        }
        assert_eq!(most, f1);
    }
}
