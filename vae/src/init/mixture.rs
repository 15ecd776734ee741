//! Gaussian mixture with one tied covariance, fitted from k-means.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::gaussian::{TiedGaussians, one_hot};
use super::{InitError, KMeans, KMeansOptions, check_cancelled, most_probable};
use crate::progress::Progress;

/// Options of the mixture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MixtureOptions {
    /// k-means that gives the initial labels.
    pub kmeans: KMeansOptions,
    /// Steps of expectation maximisation.
    pub n_steps: usize,
    /// Added to the diagonal of the covariance.
    pub ridge: f64,
}

impl MixtureOptions {
    /// 20 steps, ridge .05.
    pub fn new(n_clusters: usize, seed: u64) -> Self {
        Self {
            kmeans: KMeansOptions::new(n_clusters, seed),
            n_steps: 20,
            ridge: 0.05,
        }
    }
}

/// A fitted mixture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mixture {
    /// Means and shared covariance.
    pub gaussians: TiedGaussians,
    /// Share of each cluster, adds to 1.
    pub weights: Vec<f64>,
}

impl Mixture {
    /// Fits a mixture to `rows`, `(window, feature)`, by expectation maximisation from k-means.
    ///
    /// # Errors
    /// As [`KMeans::fit`], and [`InitError::Singular`].
    pub fn fit(
        rows: ArrayView2<'_, f64>,
        options: &MixtureOptions,
        progress: &dyn Progress,
    ) -> Result<Self, InitError> {
        let kmeans = KMeans::fit(rows, &options.kmeans, progress)?;
        let n_clusters = options.kmeans.n_clusters;
        let hard = one_hot(&kmeans.predict(rows)?, n_clusters);
        let mut fit = Self::maximise(rows, hard.view(), options.ridge, None);
        for _ in 0..options.n_steps {
            check_cancelled(progress)?;
            let posteriors = fit.posteriors(rows)?;
            fit = Self::maximise(rows, posteriors.view(), options.ridge, Some(&fit.gaussians));
        }
        Ok(fit)
    }

    /// Maximisation step.
    fn maximise(
        rows: ArrayView2<'_, f64>,
        posteriors: ArrayView2<'_, f64>,
        ridge: f64,
        previous: Option<&TiedGaussians>,
    ) -> Self {
        // One window more in each cluster: a weight of 0 could never grow again.
        let counts = posteriors.sum_axis(Axis(0)) + 1.0;
        let total = counts.sum();
        Self {
            gaussians: TiedGaussians::estimate(rows, posteriors, ridge, previous),
            weights: counts.iter().map(|count| count / total).collect(),
        }
    }

    /// Probability of each cluster given each row, `(window, cluster)`.
    ///
    /// # Errors
    /// [`InitError::Length`], [`InitError::Singular`].
    pub fn posteriors(&self, rows: ArrayView2<'_, f64>) -> Result<Array2<f64>, InitError> {
        let mut density = self.gaussians.log_density(rows)?;
        if self.weights.len() != density.ncols() {
            return Err(InitError::Length {
                what: "cluster weights",
                found: self.weights.len(),
                expected: density.ncols(),
            });
        }
        for mut row in density.outer_iter_mut() {
            for (value, weight) in row.iter_mut().zip(&self.weights) {
                *value += weight.ln();
            }
            // Relative to the largest, so that not every exponential underflows.
            let most = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            row.mapv_inplace(|value| (value - most).exp());
            let sum = row.sum();
            row /= sum;
        }
        Ok(density)
    }

    /// Most probable cluster of each row.
    ///
    /// # Errors
    /// As [`posteriors`](Self::posteriors).
    pub fn predict(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<usize>, InitError> {
        Ok(most_probable(self.posteriors(rows)?.view()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::agreement::adjusted_rand_index;
    use crate::progress::NoProgress;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn elongated_clusters_need_the_covariance() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let truth: Vec<usize> = (0..600).map(|row| row % 2).collect();
        let rows = Array2::from_shape_fn((600, 2), |(row, k)| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            if k == 0 {
                2.5 * noise
            } else {
                6.0 * truth[row] as f64 + noise
            }
        });
        let fit = Mixture::fit(rows.view(), &MixtureOptions::new(2, 0), &NoProgress).unwrap();
        let labels = fit.predict(rows.view()).unwrap();
        assert!(adjusted_rand_index(&labels, &truth) > 0.98);
        let posteriors = fit.posteriors(rows.view()).unwrap();
        assert!(
            posteriors
                .sum_axis(Axis(1))
                .iter()
                .all(|sum| (sum - 1.0).abs() < 1e-12)
        );
        assert!((fit.gaussians.covariance[[0, 0]] - 6.3).abs() < 0.6);
    }
}
