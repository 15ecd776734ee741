//! Subtraction of the part of a scale's features that its coarser clusters explain.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::InputsOptions;

/// Mean features of a cell, the windows that share the clusters of all coarser scales.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    /// Clusters from the largest scale downwards; fewer than there are coarser scales where the full cell is too small.
    pub clusters: Vec<usize>,
    /// Mean of each feature over the cell's training windows.
    pub mean: Vec<f32>,
}

/// Means of cells; a window's cell is the longest chain of coarser clusters that has one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deflation {
    /// Sorted by `clusters`.
    pub cells: Vec<Cell>,
}

impl Deflation {
    /// Cell means over training windows, none if deflation is off; `coarser`: labels of each coarser scale, the largest
    /// first.
    pub(super) fn fit(
        features: ArrayView2<'_, f32>,
        training: &[bool],
        coarser: &[&[usize]],
        options: &InputsOptions,
    ) -> Self {
        if !options.deflation {
            return Self::default();
        }
        let mut sums: BTreeMap<Vec<usize>, (usize, Vec<f64>)> = BTreeMap::new();
        for (window, row) in features.outer_iter().enumerate() {
            if !training[window] {
                continue;
            }
            // Every prefix of the chain is a cell, so that windows of a rare cell can use that of its coarser clusters.
            for depth in 1..=coarser.len() {
                let key: Vec<usize> = coarser[..depth]
                    .iter()
                    .map(|labels| labels[window])
                    .collect();
                let (count, sum) = sums.entry(key).or_insert_with(|| (0, vec![0.0; row.len()]));
                *count += 1;
                for (sum, &value) in sum.iter_mut().zip(row) {
                    *sum += f64::from(value);
                }
            }
        }
        let cells = sums
            .into_iter()
            .filter(|(_, (count, _))| *count >= options.min_cell_windows)
            .map(|(clusters, (count, sum))| Cell {
                clusters,
                mean: sum
                    .into_iter()
                    .map(|sum| (sum / count as f64) as f32)
                    .collect(),
            })
            .collect();
        Self { cells }
    }

    /// Subtracts each window's cell mean in place.
    pub(super) fn apply(&self, features: &mut Array2<f32>, coarser: &[&[usize]]) {
        let mut key = Vec::with_capacity(coarser.len());
        for (window, mut row) in features.outer_iter_mut().enumerate() {
            key.clear();
            key.extend(coarser.iter().map(|labels| labels[window]));
            // The longest chain first: `cells` is sorted, and small cells are absent from it.
            while !key.is_empty() {
                if let Ok(found) = self.cells.binary_search_by(|cell| cell.clusters.cmp(&key)) {
                    for (value, mean) in row.iter_mut().zip(&self.cells[found].mean) {
                        *value -= mean;
                    }
                    break;
                }
                key.pop();
            }
        }
    }

    pub(super) fn is_consistent(&self, n_features: usize) -> bool {
        self.cells.iter().all(|cell| cell.mean.len() == n_features)
            && self.cells.is_sorted_by(|a, b| a.clusters < b.clusters)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_fall_back_to_the_coarser_one() {
        let features = Array2::from_shape_fn((10, 1), |(row, _)| row as f32);
        let largest = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let middle = [0, 0, 0, 0, 2, 0, 0, 0, 0, 0];
        let training = [true, true, true, true, true, true, true, true, true, false];
        let options = InputsOptions {
            min_cell_windows: 2,
            ..InputsOptions::default()
        };
        let fitted = Deflation::fit(features.view(), &training, &[&largest, &middle], &options);
        let mut out = features.clone();
        fitted.apply(&mut out, &[&largest, &middle]);
        // Cell (0, 0) has mean 1.5; (0, 2) has one window, so all of cluster 0 (mean 2) replaces it; (1, 0) means 6.5.
        assert_eq!(out[[0, 0]], -1.5);
        assert_eq!(out[[4, 0]], 2.0);
        assert_eq!(out[[9, 0]], 2.5);
    }
}
