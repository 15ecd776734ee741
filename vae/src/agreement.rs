//! Agreement of two partitions of the same windows.
//!
//! Labels are any numbers; windows are compared one by one, so both slices must have the same length (the shorter one
//! decides).

use std::collections::BTreeMap;

/// Counts of pairs of labels.
fn contingency(found: &[usize], truth: &[usize]) -> BTreeMap<(usize, usize), f64> {
    let mut table = BTreeMap::new();
    for (&a, &b) in found.iter().zip(truth) {
        *table.entry((a, b)).or_insert(0.0) += 1.0;
    }
    table
}

/// Sums of rows and columns, and of all.
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
    // Expectation for independent partitions with the given sizes (hypergeometric).
    let expected = in_left * in_right / all;
    let most = 0.5 * (in_left + in_right);
    // Both partitions trivial: the ratio would be 0/0.
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
            // Pairs of labels that never occur are absent from the table, so no ln(0).
            let independent = left[&a] * right[&b] / total;
            count / total * (count / independent).ln()
        })
        .sum();
    let mean = 0.5 * (entropy(&left) + entropy(&right));
    // Both entropies are 0: one cluster each.
    if mean <= 0.0 {
        1.0
    } else {
        (mutual / mean).clamp(0.0, 1.0)
    }
}

/// F1 score of membership in `clusters` as a detector of the windows in `truth`.
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
    }

    #[test]
    fn degenerate_partitions_have_outcomes() {
        assert_eq!(adjusted_rand_index(&[], &[]), 1.0);
        assert_eq!(adjusted_rand_index(&[0, 0, 0], &[1, 1, 1]), 1.0);
        assert_eq!(normalised_mutual_information(&[0, 0, 0], &[1, 1, 1]), 1.0);
    }
}
