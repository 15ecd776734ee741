//! Gaussian clusters that share one full covariance.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::InitError;
use crate::features::matrix;

/// Means of K Gaussians and the covariance they share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TiedGaussians {
    /// `(cluster, feature)`.
    #[serde(with = "matrix")]
    pub means: Array2<f64>,
    /// `(feature, feature)`.
    #[serde(with = "matrix")]
    pub covariance: Array2<f64>,
}

impl TiedGaussians {
    /// Weighted means and within-cluster covariance; `weights`: `(window, cluster)`, rows sum to 1.
    ///
    /// `ridge` times the identity is added to the covariance. A cluster without weight keeps `previous`' mean.
    pub(super) fn estimate(
        rows: ArrayView2<'_, f64>,
        weights: ArrayView2<'_, f64>,
        ridge: f64,
        previous: Option<&Self>,
    ) -> Self {
        let n_rows = rows.nrows().max(1) as f64;
        let sums = weights.t().dot(&rows);
        let counts = weights.sum_axis(ndarray::Axis(0));
        let mut means = sums;
        for (cluster, mut mean) in means.outer_iter_mut().enumerate() {
            // A division by a smaller weight would blow rounding up into a mean.
            if counts[cluster] > 1e-8 {
                mean /= counts[cluster];
            } else if let Some(previous) = previous {
                mean.assign(&previous.means.row(cluster));
            }
        }
        // Within = total - between, both about the overall mean: far from zero the difference would lose its digits.
        let (center, total) = matrix::covariance(rows);
        let shifted = &means - &center;
        let weighted = &shifted * &counts.view().insert_axis(ndarray::Axis(1));
        let mut covariance = total - shifted.t().dot(&weighted) / n_rows;
        // Rounding may leave a tiny negative variance, which Cholesky would refuse.
        covariance
            .diag_mut()
            .mapv_inplace(|value| value.max(0.0) + ridge);
        Self { means, covariance }
    }

    /// `ln N(x; mean_k, covariance)`, `(window, cluster)`.
    ///
    /// # Errors
    /// [`InitError::Length`] for another number of features, [`InitError::Singular`].
    pub fn log_density(&self, rows: ArrayView2<'_, f64>) -> Result<Array2<f64>, InitError> {
        super::kmeans::check_width(rows, self.means.ncols())?;
        let n = self.means.ncols();
        if self.covariance.dim() != (n, n) {
            return Err(InitError::Singular);
        }
        let matrix = DMatrix::from_fn(n, n, |i, j| self.covariance[[i, j]]);
        let cholesky = matrix.cholesky().ok_or(InitError::Singular)?;
        // With Sigma = L L', (x - m)' Sigma^-1 (x - m) = |L^-1 (x - m)|^2: whiten once, then Euclidean distances.
        let lower = cholesky.l();
        let log_determinant: f64 = 2.0 * (0..n).map(|k| lower[(k, k)].ln()).sum::<f64>();
        let inverse = lower
            .solve_lower_triangular(&DMatrix::identity(n, n))
            .ok_or(InitError::Singular)?;
        let whiten = Array2::from_shape_fn((n, n), |(i, j)| inverse[(j, i)]);
        let constant = -0.5 * (log_determinant + n as f64 * (2.0 * std::f64::consts::PI).ln());
        let (rows, means) = (rows.dot(&whiten), self.means.dot(&whiten));
        let norms: Array1<f64> = means.outer_iter().map(|mean| mean.dot(&mean)).collect();
        let mut density = rows.dot(&means.t());
        for (row, mut density) in rows.outer_iter().zip(density.outer_iter_mut()) {
            let norm = row.dot(&row);
            for (value, mean_norm) in density.iter_mut().zip(&norms) {
                *value = constant - 0.5 * (norm - 2.0 * *value + mean_norm);
            }
        }
        Ok(density)
    }

    pub(crate) fn is_consistent(&self) -> bool {
        let n = self.means.ncols();
        n > 0 && self.means.nrows() > 0 && self.covariance.dim() == (n, n)
    }
}

/// `(window, cluster)` with 1 at each row's label.
pub(crate) fn one_hot(labels: &[usize], n_clusters: usize) -> Array2<f64> {
    Array2::from_shape_fn((labels.len(), n_clusters), |(row, cluster)| {
        f64::from(u8::from(labels[row] == cluster))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn density_is_the_formula() {
        let gaussians = TiedGaussians {
            means: arr2(&[[1.0, 2.0], [-1.0, 0.0]]),
            covariance: arr2(&[[2.0, 0.5], [0.5, 1.0]]),
        };
        let rows = arr2(&[[0.3, 1.0]]);
        let density = gaussians.log_density(rows.view()).unwrap();
        let determinant = 1.75f64;
        let (a, b, c) = (1.0 / determinant, -0.5 / determinant, 2.0 / determinant);
        for (k, mean) in [[1.0, 2.0], [-1.0, 0.0]].iter().enumerate() {
            let (dx, dy) = (0.3 - mean[0], 1.0 - mean[1]);
            let quadratic = a * dx * dx + 2.0 * b * dx * dy + c * dy * dy;
            let expected =
                -0.5 * (quadratic + determinant.ln() + 2.0 * (2.0 * std::f64::consts::PI).ln());
            assert!((density[[0, k]] - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn estimates_are_within_cluster_moments() {
        let rows = arr2(&[[0.0, 0.0], [2.0, 2.0], [10.0, 4.0], [12.0, 4.0]]);
        let weights = one_hot(&[0, 0, 1, 1], 2);
        let fit = TiedGaussians::estimate(rows.view(), weights.view(), 0.0, None);
        assert_eq!(fit.means, arr2(&[[1.0, 1.0], [11.0, 4.0]]));
        let expected = arr2(&[[1.0, 0.5], [0.5, 0.5]]);
        assert!(
            (&fit.covariance - &expected)
                .iter()
                .all(|d| d.abs() < 1e-12)
        );
    }
}
