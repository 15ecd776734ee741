//! Principal components, fitted on training windows only.

use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::matrix::{self, covariance, symmetric_eigen};

/// Affine projection, `(x - mean) . map`.
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
        // Eigenvalues ascend, so component k is column n - 1 - k.
        let (values, vectors) = symmetric_eigen(covariance.view());
        let n = values.len();
        let first = values.last().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let n_kept = (0..n.min(components))
            // Below this share an eigenvalue is rounding; whitening would turn it into noise of unit variance.
            .take_while(|&k| values[n - 1 - k] > 1e-9 * first)
            .count();
        let scale = |column: usize| match whiten {
            true => values[column].sqrt().recip(),
            false => 1.0,
        };
        let chosen = (0..n_kept).map(|k| (n - 1 - k, scale(n - 1 - k)));
        Self::of_columns(mean.to_vec(), &vectors, chosen)
    }

    /// Projection on some columns of `vectors`, each with its factor.
    pub(super) fn of_columns(
        mean: Vec<f64>,
        vectors: &Array2<f64>,
        chosen: impl ExactSizeIterator<Item = (usize, f64)>,
    ) -> Self {
        let mut map = Array2::zeros((vectors.nrows(), chosen.len()));
        for ((column, scale), mut to) in chosen.zip(map.columns_mut()) {
            to.assign(&(&vectors.column(column) * scale));
        }
        Self { mean, map }
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
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

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
}
