//! Standardisation of features, fitted on training windows only.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// Zero mean and unit standard deviation of the features that vary, then a bound on magnitudes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandardScaler {
    /// Number of input features.
    pub n_features: usize,
    /// Indices of the features that are kept, ascending.
    pub kept: Vec<usize>,
    /// Mean of each kept feature.
    pub mean: Vec<f64>,
    /// Population standard deviation of each kept feature.
    pub std: Vec<f64>,
    /// Bound on magnitudes after standardisation.
    pub clip: f64,
}

impl StandardScaler {
    /// Fits on the rows where `training` is true; features with a standard deviation below `min_std` are dropped.
    pub(super) fn fit(
        features: ArrayView2<'_, f32>,
        training: &[bool],
        min_std: f64,
        clip: f64,
    ) -> Self {
        let rows = || {
            let all = features.outer_iter().zip(training);
            all.filter(|&(_, &keep)| keep).map(|(row, _)| row)
        };
        let n = rows().count().max(1) as f64;
        let mut mean = vec![0.0; features.ncols()];
        for row in rows() {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= n);
        // A second pass over the deviations: the difference of two large sums would lose the variance of features whose
        // mean is far from zero.
        let mut variance = vec![0.0; features.ncols()];
        for row in rows() {
            for ((sum, &value), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(value) - mean).powi(2);
            }
        }
        let std: Vec<f64> = variance.iter().map(|sum| (sum / n).sqrt()).collect();
        let kept: Vec<usize> = (0..features.ncols())
            .filter(|&k| std[k] >= min_std && std[k] > 0.0)
            .collect();
        Self {
            n_features: features.ncols(),
            mean: kept.iter().map(|&k| mean[k]).collect(),
            std: kept.iter().map(|&k| std[k]).collect(),
            kept,
            clip,
        }
    }

    /// Divides all features by one number, the root of their mean variance, so that their units remain comparable.
    pub(super) fn keep_units(&mut self) {
        let mean = self.std.iter().map(|std| std * std).sum::<f64>() / self.std.len().max(1) as f64;
        self.std.fill(mean.sqrt());
    }

    /// `(window, kept)`; `features` must have `n_features` columns.
    pub(super) fn apply(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut out = Array2::<f32>::zeros((features.nrows(), self.kept.len()));
        for (from, mut to) in features.outer_iter().zip(out.outer_iter_mut()) {
            for (k, (&column, value)) in self.kept.iter().zip(to.iter_mut()).enumerate() {
                let standard = (f64::from(from[column]) - self.mean[k]) / self.std[k];
                // One extreme window must not decide the principal components of all.
                *value = standard.clamp(-self.clip, self.clip) as f32;
            }
        }
        out
    }

    pub(super) fn is_consistent(&self) -> bool {
        let n = self.kept.len();
        self.mean.len() == n
            && self.std.len() == n
            && self.kept.iter().all(|&k| k < self.n_features)
            && self.std.iter().all(|&std| std > 0.0)
            && self.clip > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_features_are_dropped_and_outliers_bounded() {
        let mut features = Array2::<f32>::from_shape_fn((100, 3), |(row, k)| match k {
            0 => row as f32,
            1 => 5.0 + 1e-5 * (row % 2) as f32,
            _ => (row % 7) as f32,
        });
        let training = vec![true; 100];
        let fitted = StandardScaler::fit(features.view(), &training, 1e-3, 8.0);
        assert_eq!(fitted.kept, [0, 2]);
        features[[3, 0]] = 1e9;
        assert_eq!(fitted.apply(features.view())[[3, 0]], 8.0);
    }
}
