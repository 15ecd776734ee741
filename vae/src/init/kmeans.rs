//! k-means: k-means++ seeds, several restarts, Lloyd's iterations.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{InitError, check_cancelled};
use crate::features::matrix;
use crate::progress::Progress;

/// Options of k-means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KMeansOptions {
    /// Number of clusters, K.
    pub n_clusters: usize,
    /// Independent restarts; the one with the least inertia is kept, the first of equals.
    pub n_restarts: usize,
    /// Iterations of a restart, at most.
    pub max_iterations: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl KMeansOptions {
    /// 10 restarts of at most 200 iterations.
    pub fn new(n_clusters: usize, seed: u64) -> Self {
        Self {
            n_clusters,
            n_restarts: 10,
            max_iterations: 200,
            seed,
        }
    }
}

/// Cluster centres.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KMeans {
    /// `(cluster, feature)`.
    #[serde(with = "matrix")]
    pub centers: Array2<f64>,
    /// Sum over training rows of the squared distance to the nearest centre.
    pub inertia: f64,
}

impl KMeans {
    /// Fits centres to `rows`, `(window, feature)`.
    ///
    /// Minimises the sum of squared distances to the nearest centre (Lloyd 1982) from k-means++ seeds (Arthur and
    /// Vassilvitskii 2007). A cluster that runs empty is moved to the row farthest from its centre.
    ///
    /// # Errors
    /// [`InitError::TooFewRows`], [`InitError::Empty`], [`InitError::NotFinite`], [`InitError::Cancelled`].
    pub fn fit(
        rows: ArrayView2<'_, f64>,
        options: &KMeansOptions,
        progress: &dyn Progress,
    ) -> Result<Self, InitError> {
        check_rows(rows, options.n_clusters)?;
        let rows = rows.as_standard_layout();
        let fits: Vec<Self> = (0..options.n_restarts.max(1) as u64)
            .into_par_iter()
            .map(|restart| {
                // A stream of its own for each restart: the result does not depend on how threads share them.
                let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
                rng.set_stream(restart);
                let seeds = seeds(rows.view(), options.n_clusters, &mut rng);
                lloyd(rows.view(), seeds, options, progress)
            })
            .collect::<Result<_, InitError>>()?;
        let best = |best: Self, next: Self| match next.inertia < best.inertia {
            true => next,
            false => best,
        };
        fits.into_iter().reduce(best).ok_or(InitError::Empty {
            clusters: options.n_clusters,
            features: rows.ncols(),
        })
    }

    /// Nearest centre of each row, the first of equals.
    ///
    /// # Errors
    /// [`InitError::Length`] if rows have another number of features than the centres.
    pub fn predict(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<usize>, InitError> {
        check_width(rows, self.centers.ncols())?;
        Ok(rows
            .outer_iter()
            .map(|row| nearest(row, &self.centers).0)
            .collect())
    }
}

pub(super) fn check_rows(rows: ArrayView2<'_, f64>, clusters: usize) -> Result<(), InitError> {
    if clusters == 0 || rows.ncols() == 0 {
        return Err(InitError::Empty {
            clusters,
            features: rows.ncols(),
        });
    }
    if rows.nrows() < clusters {
        return Err(InitError::TooFewRows {
            rows: rows.nrows(),
            clusters,
        });
    }
    for (index, row) in rows.outer_iter().enumerate() {
        if row.iter().any(|value| !value.is_finite()) {
            return Err(InitError::NotFinite { row: index });
        }
    }
    Ok(())
}

pub(super) fn check_width(rows: ArrayView2<'_, f64>, expected: usize) -> Result<(), InitError> {
    if rows.ncols() == expected {
        Ok(())
    } else {
        Err(InitError::Length {
            what: "features a window",
            found: rows.ncols(),
            expected,
        })
    }
}

fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn nearest(row: ArrayView1<'_, f64>, centers: &Array2<f64>) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (cluster, center) in centers.outer_iter().enumerate() {
        let distance = squared_distance(row, center);
        if distance < best.1 {
            best = (cluster, distance);
        }
    }
    best
}

/// k-means++: each centre is a row drawn with a probability that grows with the squared distance to those before it.
fn seeds(rows: ArrayView2<'_, f64>, n_clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut centers = Array2::zeros((n_clusters, rows.ncols()));
    // Distance to the nearest centre so far; infinite before the first.
    let mut distances = vec![f64::INFINITY; rows.nrows()];
    for cluster in 0..n_clusters {
        let total: f64 = distances.iter().sum();
        let chosen = if cluster == 0 || total <= 0.0 {
            rng.random_range(0..rows.nrows())
        } else {
            // Rounding may leave a rest after the last row, so the last possible row is remembered.
            let mut left = rng.random::<f64>() * total;
            let mut chosen = 0;
            for (row, &distance) in distances.iter().enumerate() {
                if distance > 0.0 {
                    chosen = row;
                    left -= distance;
                    if left < 0.0 {
                        break;
                    }
                }
            }
            chosen
        };
        centers.row_mut(cluster).assign(&rows.row(chosen));
        for (distance, row) in distances.iter_mut().zip(rows.outer_iter()) {
            *distance = distance.min(squared_distance(row, rows.row(chosen)));
        }
    }
    centers
}

/// Lloyd's iterations from given centres.
fn lloyd(
    rows: ArrayView2<'_, f64>,
    mut centers: Array2<f64>,
    options: &KMeansOptions,
    progress: &dyn Progress,
) -> Result<KMeans, InitError> {
    let n_clusters = centers.nrows();
    let mut labels = vec![usize::MAX; rows.nrows()];
    let mut distances = vec![0.0; rows.nrows()];
    for _ in 0..options.max_iterations.max(1) {
        check_cancelled(progress)?;
        let mut changed = false;
        for ((row, label), distance) in rows.outer_iter().zip(&mut labels).zip(&mut distances) {
            let (cluster, squared) = nearest(row, &centers);
            changed |= *label != cluster;
            (*label, *distance) = (cluster, squared);
        }
        // Labels are the state of Lloyd's iteration: unchanged labels give unchanged centres.
        if !changed {
            break;
        }
        let mut counts = vec![0usize; n_clusters];
        for &label in &labels {
            counts[label] += 1;
        }
        refill_empty(&mut labels, &mut counts, &mut distances);
        centers.fill(0.0);
        for (row, &label) in rows.outer_iter().zip(&labels) {
            centers.row_mut(label).scaled_add(1.0, &row);
        }
        for (mut center, &count) in centers.outer_iter_mut().zip(&counts) {
            center /= count.max(1) as f64;
        }
    }
    // With the final centres: labels may lag by half an iteration.
    let inertia = rows.outer_iter().map(|row| nearest(row, &centers).1).sum();
    Ok(KMeans { centers, inertia })
}

/// Moves each empty cluster to the row farthest from its centre, among those of clusters of several rows.
fn refill_empty(labels: &mut [usize], counts: &mut [usize], distances: &mut [f64]) {
    for empty in 0..counts.len() {
        if counts[empty] > 0 {
            continue;
        }
        let candidates = (0..labels.len()).filter(|&row| counts[labels[row]] > 1);
        if let Some(far) = candidates.max_by(|&a, &b| distances[a].total_cmp(&distances[b])) {
            counts[labels[far]] -= 1;
            counts[empty] = 1;
            labels[far] = empty;
            // The next empty cluster must not take the same row.
            distances[far] = 0.0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::agreement::adjusted_rand_index;
    use crate::progress::{CancelWhen, NoProgress};

    fn blobs() -> (Array2<f64>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let truth: Vec<usize> = (0..300).map(|row| row % 5).collect();
        let rows = Array2::from_shape_fn((300, 3), |(row, k)| {
            let center = [(truth[row] * 7) % 5, (truth[row] * 3) % 5, truth[row]][k];
            4.0 * center as f64 + rng.random::<f64>()
        });
        (rows, truth)
    }

    #[test]
    fn separate_blobs_are_found() {
        let (rows, truth) = blobs();
        let fit = KMeans::fit(rows.view(), &KMeansOptions::new(5, 0), &NoProgress).unwrap();
        let labels = fit.predict(rows.view()).unwrap();
        assert_eq!(adjusted_rand_index(&labels, &truth), 1.0);
        let by_hand: f64 = rows
            .outer_iter()
            .zip(&labels)
            .map(|(row, &label)| squared_distance(row, fit.centers.row(label)))
            .sum();
        assert!((by_hand - fit.inertia).abs() < 1e-9 * by_hand);
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let (rows, _) = blobs();
        let fit = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                KMeans::fit(rows.view(), &KMeansOptions::new(7, 11), &NoProgress)
                    .unwrap()
                    .centers
            })
        };
        assert_eq!(fit(1), fit(4));
    }

    #[test]
    fn identical_rows_and_bad_rows_have_outcomes() {
        let rows = Array2::<f64>::ones((10, 2));
        let fit = KMeans::fit(rows.view(), &KMeansOptions::new(3, 0), &NoProgress).unwrap();
        assert_eq!(fit.inertia, 0.0);
        let error = KMeans::fit(rows.view(), &KMeansOptions::new(11, 0), &NoProgress).unwrap_err();
        assert_eq!(
            error,
            InitError::TooFewRows {
                rows: 10,
                clusters: 11
            }
        );
        let mut rows = rows;
        rows[[4, 1]] = f64::NAN;
        let error = KMeans::fit(rows.view(), &KMeansOptions::new(3, 0), &NoProgress).unwrap_err();
        assert_eq!(error, InitError::NotFinite { row: 4 });
    }

    #[test]
    fn a_cancelled_fit_ends_at_the_next_iteration() {
        let (rows, _) = blobs();
        let checks = std::sync::atomic::AtomicUsize::new(0);
        let cancel = CancelWhen(|| checks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 3);
        let fit = KMeans::fit(rows.view(), &KMeansOptions::new(5, 0), &cancel);
        assert_eq!(fit.unwrap_err(), InitError::Cancelled);
    }
}
