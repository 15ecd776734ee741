//! Standardisation, principal components and temporal whitening, each fitted on training windows only.

use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::matrix::{self, covariance, symmetric_eigen};

/// Columns that vary, brought to zero mean and unit standard deviation, then bounded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandardScaler {
    /// Number of features that come in.
    pub n_features: usize,
    /// Features that are kept, ascending.
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
        let n_features = features.ncols();
        let mean = super::blocks::masked_mean(features, training);
        let mut variance = vec![0.0; n_features];
        let mut n = 0usize;
        for (row, _) in features
            .outer_iter()
            .zip(training)
            .filter(|&(_, &keep)| keep)
        {
            n += 1;
            for ((sum, &value), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(value) - mean).powi(2);
            }
        }
        let std: Vec<f64> = variance
            .iter()
            .map(|sum| (sum / n.max(1) as f64).sqrt())
            .collect();
        let kept: Vec<usize> = (0..n_features)
            .filter(|&k| std[k] >= min_std && std[k] > 0.0)
            .collect();
        Self {
            n_features,
            mean: kept.iter().map(|&k| mean[k]).collect(),
            std: kept.iter().map(|&k| std[k]).collect(),
            kept,
            clip,
        }
    }

    /// Divides all features by one number, the root of their mean variance, so that their units stay comparable.
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

/// A linear map after the mean is taken off: `(x - mean) . map`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Projection {
    /// Mean of the training rows.
    pub mean: Vec<f64>,
    /// `(features, components)`.
    #[serde(with = "matrix")]
    pub map: Array2<f64>,
}

impl Projection {
    /// Principal components of the training rows, each scaled to unit variance when `whiten`.
    ///
    /// At most `components`, and none whose variance is below 1e-9 of the first.
    pub(super) fn principal(
        training: ArrayView2<'_, f64>,
        components: usize,
        whiten: bool,
    ) -> Self {
        let (mean, covariance) = covariance(training);
        let (values, vectors) = symmetric_eigen(covariance.view());
        let n = values.len();
        let first = values.last().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let n_kept = (0..n.min(components))
            .take_while(|&k| values[n - 1 - k] > 1e-9 * first)
            .count();
        let mut map = Array2::zeros((n, n_kept));
        for k in 0..n_kept {
            let scale = if whiten {
                values[n - 1 - k].sqrt().recip()
            } else {
                1.0
            };
            let column = &vectors.column(n - 1 - k) * scale;
            map.column_mut(k).assign(&column);
        }
        Self {
            mean: mean.to_vec(),
            map,
        }
    }

    /// Directions that change least from a window to the next one that shares nothing with it.
    ///
    /// `whitened`: `(window, component)`, of unit covariance over training rows; `pairs`: training rows that lie one
    /// window length apart in one segment. W is half the covariance of their differences (1 where neighbours are independent, 0
    /// where nothing changes); the eigenvectors of W + `ridge` I with the smallest eigenvalues are kept, and with
    /// `unit_change` scaled so that the change, not the variance, is one (slow directions then weigh more).
    pub(super) fn slow(
        whitened: ArrayView2<'_, f64>,
        pairs: &[(usize, usize)],
        components: usize,
        ridge: f64,
        unit_change: bool,
    ) -> Self {
        let n = whitened.ncols();
        let mut change = Array2::<f64>::zeros((n, n));
        let chunk = pairs.len().div_ceil(64).max(1);
        let partial: Vec<Array2<f64>> = pairs
            .par_chunks(chunk)
            .map(|pairs| {
                let mut differences = Array2::<f64>::zeros((pairs.len(), n));
                for (&(earlier, later), mut row) in pairs.iter().zip(differences.outer_iter_mut()) {
                    row.assign(&(&whitened.row(later) - &whitened.row(earlier)));
                }
                differences.t().dot(&differences)
            })
            .collect();
        for part in &partial {
            change += part;
        }
        change /= 2.0 * pairs.len().max(1) as f64;
        change.diag_mut().mapv_inplace(|value| value + ridge);
        let (values, vectors) = symmetric_eigen(change.view());
        let n_kept = components.min(n);
        let mut map = Array2::zeros((n, n_kept));
        for k in 0..n_kept {
            let scale = if unit_change {
                values[k].max(ridge).sqrt().recip()
            } else {
                1.0
            };
            let column = &vectors.column(k) * scale;
            map.column_mut(k).assign(&column);
        }
        Self {
            // Principal components have no mean over training rows.
            mean: vec![0.0; n],
            map,
        }
    }

    /// `(window, components)`; `features` must have as many columns as the map has rows.
    pub(super) fn apply(&self, features: ArrayView2<'_, f64>) -> Array2<f64> {
        let mean = Array1::from(self.mean.clone());
        (&features - &mean).dot(&self.map)
    }

    pub(super) fn is_consistent(&self) -> bool {
        self.mean.len() == self.map.nrows()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn whitened_components_have_unit_covariance() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows = Array2::from_shape_fn((500, 6), |(_, k)| {
            (k + 1) as f64 * (rng.random::<f64>() - 0.5)
        });
        let projection = Projection::principal(rows.view(), 4, true);
        let (mean, covariance) = covariance(projection.apply(rows.view()).view());
        assert!(mean.iter().all(|m| m.abs() < 1e-10));
        for ((i, j), value) in covariance.indexed_iter() {
            assert!((value - f64::from(u8::from(i == j))).abs() < 1e-9);
        }
    }

    #[test]
    fn the_slow_direction_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        // Column 2 keeps its value for 20 rows, the others change at each.
        let mut held = 0.0;
        let rows = Array2::from_shape_fn((2000, 4), |(row, k)| {
            if k == 2 && row % 20 == 0 {
                held = rng.random::<f64>() - 0.5;
            }
            (if k == 2 {
                held
            } else {
                rng.random::<f64>() - 0.5
            }) * 12f64.sqrt()
        });
        let pairs: Vec<_> = (1..2000).map(|later| (later - 1, later)).collect();
        let slow = Projection::slow(rows.view(), &pairs, 1, 1e-3, false);
        assert!(slow.map[[2, 0]].abs() > 0.99, "{:?}", slow.map);
    }

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
