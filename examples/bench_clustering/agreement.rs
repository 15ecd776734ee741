//! Scores of clusters against known sources.

use std::collections::{BTreeMap, BTreeSet};

use seismix::vae::agreement::f1_of_union;

/// Share of windows whose true label is the commonest one of their cluster; 0 for no windows.
///
/// Grows with the number of clusters: compare at equal numbers.
pub fn purity(found: &[usize], truth: &[usize]) -> f64 {
    let mut table: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for (&cluster, &label) in found.iter().zip(truth) {
        *table.entry(cluster).or_default().entry(label).or_default() += 1;
    }
    let commonest = |labels: &BTreeMap<usize, usize>| labels.values().copied().max().unwrap_or(0);
    let agreed: usize = table.values().map(commonest).sum();
    agreed as f64 / found.len().min(truth.len()).max(1) as f64
}

/// Union of clusters with the best F1 as a detector of the windows in `truth`: `(F1, clusters)`.
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

    #[test]
    fn purity_is_the_share_of_the_commonest_label() {
        let found = purity(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 1, 1, 2]);
        assert!((found - 4.0 / 6.0).abs() < 1e-12);
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
