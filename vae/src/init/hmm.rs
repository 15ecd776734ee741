//! Hidden Markov model of Gaussian clusters: coherence in time separates clusters that overlap window by window.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::gaussian::{TiedGaussians, one_hot};
use super::{InitError, KMeans, KMeansOptions, check_cancelled, check_labels, most_probable};
use crate::features::matrix;
use crate::progress::Progress;

/// Options of the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HmmOptions {
    /// k-means that gives the initial labels.
    pub kmeans: KMeansOptions,
    /// Steps of expectation maximisation.
    pub n_steps: usize,
    /// Added to the diagonal of the covariance.
    pub ridge: f64,
    /// Initial probability of remaining in a cluster from one window to the next.
    pub initial_stay: f64,
    /// Added to each expected number of transitions.
    pub transition_count: f64,
    /// Exponent of the Gaussian density, in (0, 1]. Windows that overlap r-fold repeat their evidence r times; 1/r
    /// weighs it once.
    pub emission_exponent: f64,
}

impl HmmOptions {
    /// 20 steps, ridge .05, initial probability of remaining .8, one added transition, exponent 1.
    pub fn new(n_clusters: usize, seed: u64) -> Self {
        Self {
            kmeans: KMeansOptions::new(n_clusters, seed),
            n_steps: 20,
            ridge: 0.05,
            initial_stay: 0.8,
            transition_count: 1.0,
            emission_exponent: 1.0,
        }
    }
}

/// A fitted model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hmm {
    /// Emission means and shared covariance.
    pub gaussians: TiedGaussians,
    /// `(from, to)`, rows add to 1.
    #[serde(with = "matrix")]
    pub transitions: Array2<f64>,
    /// Probability of each cluster at the beginning of a run.
    pub initial: Vec<f64>,
    /// Exponent of the Gaussian density.
    pub emission_exponent: f64,
}

/// Expected cluster of each row and expected transitions of one run.
struct Expectation {
    posteriors: Array2<f64>,
    transitions: Array2<f64>,
}

impl Hmm {
    /// Fits the model to `rows`, `(window, feature)`; `runs` are the ranges of rows that follow each other in time.
    ///
    /// Baum-Welch from k-means, with a covariance that all clusters share: free ones collapse on some seeds. It stops
    /// before a step that would leave less than six tenths of the clusters of k-means in use (the exponential of the
    /// entropy of their shares).
    ///
    /// # Errors
    /// As [`KMeans::fit`]; [`InitError::Singular`]; [`InitError::Length`] if a run leaves the rows.
    pub fn fit(
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
        options: &HmmOptions,
        progress: &dyn Progress,
    ) -> Result<Self, InitError> {
        check_runs(runs, rows.nrows())?;
        let kmeans = KMeans::fit(rows, &options.kmeans, progress)?;
        Self::fit_from(rows, runs, &kmeans.predict(rows)?, options, progress)
    }

    /// [`fit`](Self::fit) from given labels instead of k-means.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); [`InitError::Length`] also if there is not one label below K for each row.
    pub fn fit_from(
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
        labels: &[usize],
        options: &HmmOptions,
        progress: &dyn Progress,
    ) -> Result<Self, InitError> {
        let k = options.kmeans.n_clusters;
        super::kmeans::check_rows(rows, k)?;
        check_runs(runs, rows.nrows())?;
        check_labels(labels, k, rows.nrows())?;
        let hard = one_hot(labels, k);
        // The rest is shared equally by all other clusters.
        let leave = (1.0 - options.initial_stay) / (k.max(2) - 1) as f64;
        let mut fit = Self {
            gaussians: TiedGaussians::estimate(rows, hard.view(), options.ridge, None),
            transitions: Array2::from_shape_fn((k, k), |(i, j)| match (i == j, k) {
                (_, 1) => 1.0,
                (true, _) => options.initial_stay,
                (false, _) => leave,
            }),
            initial: vec![1.0 / k as f64; k],
            emission_exponent: options.emission_exponent,
        };
        let in_use = effective_clusters(&hard);
        for _ in 0..options.n_steps {
            check_cancelled(progress)?;
            let (next, posteriors) = fit.step(rows, runs, options)?;
            // Where emissions carry little evidence the likeliest model may be one cluster for everything; the initial
            // labels are better.
            if effective_clusters(&posteriors) < 0.6 * in_use {
                break;
            }
            fit = next;
        }
        Ok(fit)
    }

    /// One step of expectation maximisation: the next model, and the posteriors it was made from.
    fn step(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
        options: &HmmOptions,
    ) -> Result<(Self, Array2<f64>), InitError> {
        let k = self.initial.len();
        let expectations = self.expect(rows, runs)?;
        let mut posteriors = Array2::zeros((rows.nrows(), k));
        // Added transitions keep every change of cluster possible.
        let mut transitions = Array2::from_elem((k, k), options.transition_count);
        // One count each, as for transitions.
        let mut initial = Array1::<f64>::ones(k);
        for (run, expectation) in runs.iter().zip(&expectations) {
            posteriors
                .slice_axis_mut(Axis(0), Slice::from(run.clone()))
                .assign(&expectation.posteriors);
            transitions += &expectation.transitions;
            if !run.is_empty() {
                initial += &expectation.posteriors.row(0);
            }
        }
        for mut row in transitions.outer_iter_mut() {
            let sum = row.sum();
            row /= sum;
        }
        let total = initial.sum();
        let next = Self {
            gaussians: TiedGaussians::estimate(
                rows,
                posteriors.view(),
                options.ridge,
                Some(&self.gaussians),
            ),
            transitions,
            initial: initial.iter().map(|value| value / total).collect(),
            emission_exponent: self.emission_exponent,
        };
        Ok((next, posteriors))
    }

    /// Expectation step, one run in each thread.
    fn expect(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
    ) -> Result<Vec<Expectation>, InitError> {
        let density = self.gaussians.log_density(rows)? * self.emission_exponent;
        Ok(runs
            .par_iter()
            .map(|run| {
                let mut emissions = density
                    .slice_axis(Axis(0), Slice::from(run.clone()))
                    .to_owned();
                for mut row in emissions.outer_iter_mut() {
                    let most = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                    // A floor keeps every cluster possible, so that no scaling factor can become zero.
                    // Relative to the best cluster: absolute densities underflow in 20 dimensions.
                    row.mapv_inplace(|value| (value - most).exp().max(1e-280));
                }
                self.forward_backward(emissions.view_mut())
            })
            .collect())
    }

    /// Scaled forward and backward recursions of one run (Rabiner 1989); `emissions`: `(window, cluster)`.
    fn forward_backward(&self, emissions: ArrayViewMut2<'_, f64>) -> Expectation {
        let (n, k) = emissions.dim();
        let mut forward = Array2::<f64>::zeros((n, k));
        let mut scales = vec![1.0f64; n];
        for t in 0..n {
            for to in 0..k {
                let prior = if t == 0 {
                    self.initial[to]
                } else {
                    (0..k)
                        .map(|from| forward[[t - 1, from]] * self.transitions[[from, to]])
                        .sum()
                };
                forward[[t, to]] = prior * emissions[[t, to]];
            }
            // Each row is scaled to 1: the plain product of probabilities underflows after some hundred windows.
            scales[t] = forward.row(t).sum().max(f64::MIN_POSITIVE);
            let scale = scales[t];
            forward.row_mut(t).mapv_inplace(|value| value / scale);
        }
        let mut backward = Array1::<f64>::ones(k);
        let mut posteriors = forward.clone();
        let mut transitions = Array2::<f64>::zeros((k, k));
        for t in (1..n).rev() {
            // With the forward scales: the posteriors' rows then sum to 1 up to rounding.
            let ahead = &emissions.row(t) * &backward / scales[t];
            for from in 0..k {
                let mut sum = 0.0;
                for to in 0..k {
                    let step = self.transitions[[from, to]] * ahead[to];
                    transitions[[from, to]] += forward[[t - 1, from]] * step;
                    sum += step;
                }
                backward[from] = sum;
            }
            let mut row = posteriors.row_mut(t - 1);
            row *= &backward;
            let total = row.sum().max(f64::MIN_POSITIVE);
            row /= total;
        }
        Expectation {
            posteriors,
            transitions,
        }
    }

    /// Probability of each cluster given the whole run a row lies in, `(window, cluster)`.
    ///
    /// `runs` must cover all rows, one after the other.
    ///
    /// # Errors
    /// [`InitError::Length`], [`InitError::Singular`].
    pub fn posteriors(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
    ) -> Result<Array2<f64>, InitError> {
        check_runs(runs, rows.nrows())?;
        let covered: usize = runs.iter().map(|run| run.len()).sum();
        if covered != rows.nrows() {
            return Err(InitError::Length {
                what: "windows covered by the runs",
                found: covered,
                expected: rows.nrows(),
            });
        }
        let mut posteriors = Array2::zeros((rows.nrows(), self.initial.len()));
        for (run, expectation) in runs.iter().zip(self.expect(rows, runs)?) {
            posteriors
                .slice_axis_mut(Axis(0), Slice::from(run.clone()))
                .assign(&expectation.posteriors);
        }
        Ok(posteriors)
    }

    /// Cluster of largest posterior probability for each row.
    ///
    /// # Errors
    /// As [`posteriors`](Self::posteriors).
    pub fn predict(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
    ) -> Result<Vec<usize>, InitError> {
        Ok(most_probable(self.posteriors(rows, runs)?.view()))
    }

    pub(crate) fn is_consistent(&self) -> bool {
        let k = self.initial.len();
        self.gaussians.is_consistent()
            && self.gaussians.means.nrows() == k
            && self.transitions.dim() == (k, k)
            && self.emission_exponent.is_finite()
    }
}

/// Number of clusters in use: the exponential of the entropy of their shares.
fn effective_clusters(posteriors: &Array2<f64>) -> f64 {
    let total = posteriors.sum().max(f64::MIN_POSITIVE);
    let shares = posteriors.sum_axis(Axis(0)) / total;
    let entropy: f64 = shares
        .iter()
        .filter(|&&share| share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

fn check_runs(runs: &[Range<usize>], n_rows: usize) -> Result<(), InitError> {
    let mut last = 0;
    for run in runs {
        if run.start < last || run.end > n_rows || run.start > run.end {
            return Err(InitError::Length {
                what: "rows reached by an orderly run",
                found: run.end,
                expected: n_rows,
            });
        }
        last = run.end;
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::single_range_in_vec_init
)]
mod tests {
    use super::*;
    use crate::agreement::adjusted_rand_index;
    use crate::progress::NoProgress;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};

    fn dwelling(seed: u64, n: usize, distance: f64) -> (Array2<f64>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut state = 0;
        let truth: Vec<usize> = (0..n)
            .map(|_| {
                if rng.random::<f64>() < 0.05 {
                    state = (state + rng.random_range(1..3)) % 3;
                }
                state
            })
            .collect();
        let rows = Array2::from_shape_fn((n, 3), |(row, k)| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            noise + if truth[row] == k { distance } else { 0.0 }
        });
        (rows, truth)
    }

    /// Posterior by summing over every path.
    fn naive(hmm: &Hmm, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        let (n, k) = (rows.nrows(), hmm.initial.len());
        let density = hmm.gaussians.log_density(rows).unwrap() * hmm.emission_exponent;
        let mut posteriors = Array2::<f64>::zeros((n, k));
        for code in 0..k.pow(n as u32) {
            let path: Vec<usize> = (0..n).map(|t| code / k.pow(t as u32) % k).collect();
            let mut weight = hmm.initial[path[0]];
            for t in 0..n {
                weight *= density[[t, path[t]]].exp();
                if t > 0 {
                    weight *= hmm.transitions[[path[t - 1], path[t]]];
                }
            }
            for t in 0..n {
                posteriors[[t, path[t]]] += weight;
            }
        }
        let total = posteriors.row(0).sum();
        posteriors / total
    }

    #[test]
    fn posteriors_are_the_sum_over_paths() {
        let (rows, _) = dwelling(1, 300, 2.0);
        let mut options = HmmOptions::new(3, 0);
        options.emission_exponent = 0.5;
        let hmm = Hmm::fit(rows.view(), &[0..100, 100..300], &options, &NoProgress).unwrap();
        let short = rows.slice_axis(Axis(0), Slice::from(40..47));
        let fast = hmm.posteriors(short, &[0..7]).unwrap();
        let slow = naive(&hmm, short);
        assert!((&fast - &slow).iter().all(|d| d.abs() < 1e-10));
    }

    #[test]
    fn time_helps_where_clusters_overlap() {
        let (rows, truth) = dwelling(2, 3000, 1.8);
        let options = HmmOptions::new(3, 0);
        let kmeans = KMeans::fit(rows.view(), &options.kmeans, &NoProgress).unwrap();
        let alone = adjusted_rand_index(&kmeans.predict(rows.view()).unwrap(), &truth);
        let runs = [0..1000, 1000..3000];
        let hmm = Hmm::fit(rows.view(), &runs, &options, &NoProgress).unwrap();
        let together = adjusted_rand_index(&hmm.predict(rows.view(), &runs).unwrap(), &truth);
        assert!(alone < 0.7 && together > 0.85, "{alone} {together}");
    }

    #[test]
    fn runs_must_be_orderly() {
        let (rows, _) = dwelling(3, 50, 3.0);
        let options = HmmOptions::new(3, 0);
        assert!(Hmm::fit(rows.view(), &[0..60], &options, &NoProgress).is_err());
        assert!(Hmm::fit(rows.view(), &[10..20, 0..5], &options, &NoProgress).is_err());
        let hmm = Hmm::fit(rows.view(), &[0..50], &options, &NoProgress).unwrap();
        assert!(hmm.posteriors(rows.view(), &[0..20]).is_err());
    }
}
