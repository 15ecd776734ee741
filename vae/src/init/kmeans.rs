//! k-means: k-means++ seeds, several starts, Lloyd's iterations.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::StartError;
use crate::features::matrix;

/// How k-means runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KMeansOptions {
    /// Number of clusters, K.
    pub n_clusters: usize,
    /// Independent starts; the one with the least inertia is kept, the first of equals.
    pub n_starts: usize,
    /// Most iterations of a start.
    pub max_iterations: usize,
    /// Seed of everything random.
    pub seed: u64,
}

impl KMeansOptions {
    /// 10 starts of at most 200 iterations.
    pub fn new(n_clusters: usize, seed: u64) -> Self {
        Self {
            n_clusters,
            n_starts: 10,
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
    /// [`StartError::TooFewRows`], [`StartError::Empty`], [`StartError::NotFinite`].
    pub fn fit(rows: ArrayView2<'_, f64>, options: &KMeansOptions) -> Result<Self, StartError> {
        check_rows(rows, options.n_clusters)?;
        let rows = rows.as_standard_layout();
        let fits: Vec<Self> = (0..options.n_starts.max(1) as u64)
            .into_par_iter()
            .map(|start| {
                let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
                rng.set_stream(start);
                lloyd(
                    rows.view(),
                    seeds(rows.view(), options.n_clusters, &mut rng),
                    options,
                )
            })
            .collect();
        fits.into_iter()
            .reduce(|best, next| {
                if next.inertia < best.inertia {
                    next
                } else {
                    best
                }
            })
            .ok_or(StartError::Empty {
                clusters: options.n_clusters,
                features: rows.ncols(),
            })
    }

    /// Nearest centre of each row, the first of equals.
    ///
    /// # Errors
    /// [`StartError::Length`] if rows have another number of features than the centres.
    pub fn predict(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<usize>, StartError> {
        check_width(rows, self.centers.ncols())?;
        Ok(rows
            .outer_iter()
            .map(|row| nearest(row, &self.centers).0)
            .collect())
    }
}

pub(super) fn check_rows(rows: ArrayView2<'_, f64>, clusters: usize) -> Result<(), StartError> {
    if clusters == 0 || rows.ncols() == 0 {
        return Err(StartError::Empty {
            clusters,
            features: rows.ncols(),
        });
    }
    if rows.nrows() < clusters {
        return Err(StartError::TooFewRows {
            rows: rows.nrows(),
            clusters,
        });
    }
    for (index, row) in rows.outer_iter().enumerate() {
        if row.iter().any(|value| !value.is_finite()) {
            return Err(StartError::NotFinite { row: index });
        }
    }
    Ok(())
}

pub(super) fn check_width(rows: ArrayView2<'_, f64>, expected: usize) -> Result<(), StartError> {
    if rows.ncols() == expected {
        Ok(())
    } else {
        Err(StartError::Length {
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

fn seeds(rows: ArrayView2<'_, f64>, n_clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut centers = Array2::zeros((n_clusters, rows.ncols()));
    let mut distances = vec![f64::INFINITY; rows.nrows()];
    for cluster in 0..n_clusters {
        let total: f64 = distances.iter().sum();
        let chosen = if cluster == 0 || total <= 0.0 {
            rng.random_range(0..rows.nrows())
        } else {
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

fn lloyd(rows: ArrayView2<'_, f64>, mut centers: Array2<f64>, options: &KMeansOptions) -> KMeans {
    let n_clusters = centers.nrows();
    let mut labels = vec![usize::MAX; rows.nrows()];
    let mut distances = vec![0.0; rows.nrows()];
    for _ in 0..options.max_iterations.max(1) {
        let mut changed = false;
        for ((row, label), distance) in rows.outer_iter().zip(&mut labels).zip(&mut distances) {
            let (cluster, squared) = nearest(row, &centers);
            changed |= *label != cluster;
            (*label, *distance) = (cluster, squared);
        }
        if !changed {
            break;
        }
        let mut counts = vec![0usize; n_clusters];
        for &label in &labels {
            counts[label] += 1;
        }
        for empty in 0..n_clusters {
            if counts[empty] > 0 {
                continue;
            }
            let candidates = (0..labels.len()).filter(|&row| counts[labels[row]] > 1);
            if let Some(far) = candidates.max_by(|&a, &b| distances[a].total_cmp(&distances[b])) {
                counts[labels[far]] -= 1;
                counts[empty] = 1;
                labels[far] = empty;
                distances[far] = 0.0;
            }
        }
        centers.fill(0.0);
        for (row, &label) in rows.outer_iter().zip(&labels) {
            centers.row_mut(label).scaled_add(1.0, &row);
        }
        for (mut center, &count) in centers.outer_iter_mut().zip(&counts) {
            center /= count.max(1) as f64;
        }
    }
    let inertia = rows.outer_iter().map(|row| nearest(row, &centers).1).sum();
    KMeans { centers, inertia }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::agreement::adjusted_rand_index;

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
        let fit = KMeans::fit(rows.view(), &KMeansOptions::new(5, 0)).unwrap();
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
                KMeans::fit(rows.view(), &KMeansOptions::new(7, 11))
                    .unwrap()
                    .centers
            })
        };
        assert_eq!(fit(1), fit(4));
    }

    #[test]
    fn identical_rows_and_bad_rows_have_outcomes() {
        let rows = Array2::<f64>::ones((10, 2));
        let fit = KMeans::fit(rows.view(), &KMeansOptions::new(3, 0)).unwrap();
        assert_eq!(fit.inertia, 0.0);
        let error = KMeans::fit(rows.view(), &KMeansOptions::new(11, 0)).unwrap_err();
        assert_eq!(
            error,
            StartError::TooFewRows {
                rows: 10,
                clusters: 11
            }
        );
        let mut rows = rows;
        rows[[4, 1]] = f64::NAN;
        let error = KMeans::fit(rows.view(), &KMeansOptions::new(3, 0)).unwrap_err();
        assert_eq!(error, StartError::NotFinite { row: 4 });
    }
}
