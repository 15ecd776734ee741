//! Fit of a [`LinearDecoder`], and its errors on windows that were held out.

use nalgebra::{Cholesky, DMatrix};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{CoordinateKind, LinearDecoder};
use crate::error::{Error, Result};
use crate::features::matrix::symmetric_eigen;

/// Added to the variance of each input, which is about 1.
const RIDGE: f64 = 0.05;
/// Weight of the mean over all clusters in the mean of each, in windows that share no sample.
const PRIOR_WINDOWS: f64 = 4.0;
/// Windows that the directions are computed from, at most.
const DIRECTION_WINDOWS: usize = 512;
/// Directions, at most, and windows that each needs.
const MAX_DIRECTIONS: usize = 32;
const WINDOWS_A_DIRECTION: usize = 4;

/// Windows with their coordinates, inputs and clusters.
#[derive(Debug, Clone)]
pub struct DecoderFit {
    /// `(window, coordinate)`.
    pub coordinates: Array2<f64>,
    /// `(window, input)`; no columns where clusters alone decide.
    pub inputs: Array2<f64>,
    /// Cluster of each window.
    pub clusters: Vec<usize>,
    /// Number of clusters.
    pub n_clusters: usize,
    /// Number of neighbouring windows that share samples, at least 1.
    pub overlap: f64,
}

/// Root mean square deviations of one kind of coordinates, in their own units: nepers of power for the logarithms,
/// shares of the largest possible value for products.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KindError {
    /// From the decoder's expectation, given cluster and inputs.
    pub decoder: f64,
    /// From the mean of the window's cluster.
    pub cluster: f64,
    /// From the mean over all training windows.
    pub constant: f64,
}

impl DecoderFit {
    /// Fits a decoder by ridge regression within clusters, whose means are drawn a little to the common one.
    ///
    /// `input_deviation`: standard deviation of `p(x | z)` in each input.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two windows.
    pub fn fit(&self, input_deviation: f64) -> Result<LinearDecoder> {
        let n = self.coordinates.nrows();
        if n < 2 {
            return Err(Error::Data(format!(
                "{n} windows with signal in all bands and channels: samples need at least 2"
            )));
        }
        let (y, u) = (self.coordinates.view(), self.inputs.view());
        let (y_means, counts) = self.cluster_means(y);
        let (u_means, _) = self.cluster_means(u);
        let [y_centred, u_centred] = [(y, &y_means), (u, &u_means)].map(|(values, means)| {
            let mut centred = values.to_owned();
            for (mut row, &cluster) in centred.outer_iter_mut().zip(&self.clusters) {
                row -= &means.row(cluster);
            }
            centred
        });
        // Within clusters: between them the intercepts explain the difference, not the slopes.
        let slopes = ridge(u_centred.view(), y_centred.view());
        let intercepts = &y_means - &u_means.dot(&slopes);
        let rest = y_centred - u_centred.dot(&slopes);
        let (directions, scores) = directions(rest.view());
        let mut squares = Array2::<f64>::zeros((self.n_clusters, directions.nrows()));
        for (score, &cluster) in scores.outer_iter().zip(&self.clusters) {
            let mut row = squares.row_mut(cluster);
            row += &score.mapv(|v| v * v);
        }
        let common = squares.sum_axis(Axis(0)) / n as f64;
        let sizes = Array2::from_shape_fn(squares.dim(), |(k, r)| {
            // Shrinkage: the variance within a cluster of few windows is unreliable.
            let prior = PRIOR_WINDOWS * self.overlap;
            ((squares[[k, r]] + prior * common[r]) / (counts[k] as f64 + prior)).sqrt()
        });
        let (means, deviations) = self.moments();
        Ok(LinearDecoder {
            intercepts,
            slopes,
            directions,
            sizes,
            means,
            deviations,
            counts,
            input_deviation,
        })
    }

    /// Deviations of these windows, which the decoder was not fitted on, from its expectation; `kinds`: of each
    /// coordinate of a channel, channels one after the other. `None` for a kind without coordinates, or without
    /// windows.
    pub fn errors(
        &self,
        decoder: &LinearDecoder,
        kinds: &[CoordinateKind],
    ) -> Vec<(CoordinateKind, Option<KindError>)> {
        let all: f64 = decoder.counts.iter().map(|&n| n as f64).sum();
        let mut constant = Array1::<f64>::zeros(decoder.n_coordinates());
        for (mean, &count) in decoder.means.outer_iter().zip(&decoder.counts) {
            constant.scaled_add(count as f64 / all.max(1.0), &mean);
        }
        let expected = self.inputs.dot(&decoder.slopes);
        let mut sums = vec![([0.0; 3], 0usize); CoordinateKind::ALL.len()];
        for (window, (row, &cluster)) in self
            .coordinates
            .outer_iter()
            .zip(&self.clusters)
            .enumerate()
        {
            let of_cluster = if decoder.counts[cluster] > 0 {
                decoder.means.row(cluster)
            } else {
                constant.view()
            };
            for (column, &value) in row.iter().enumerate() {
                let kind = kinds[column % kinds.len()];
                let (sums, n) = &mut sums[kind as usize];
                let expected = expected[[window, column]] + decoder.intercepts[[cluster, column]];
                for (sum, other) in
                    sums.iter_mut()
                        .zip([expected, of_cluster[column], constant[column]])
                {
                    *sum += (value - other).powi(2);
                }
                *n += 1;
            }
        }
        CoordinateKind::ALL
            .into_iter()
            .zip(sums)
            .map(|(kind, (sums, n))| {
                let [decoder, cluster, constant] = sums.map(|sum| (sum / n.max(1) as f64).sqrt());
                let error = KindError {
                    decoder,
                    cluster,
                    constant,
                };
                (kind, (n > 0).then_some(error))
            })
            .collect()
    }

    /// Means of each cluster, drawn a little to the common one, and how many windows each has.
    fn cluster_means(&self, values: ArrayView2<'_, f64>) -> (Array2<f64>, Vec<usize>) {
        let mut sums = Array2::<f64>::zeros((self.n_clusters, values.ncols()));
        let mut counts = vec![0usize; self.n_clusters];
        for (row, &cluster) in values.outer_iter().zip(&self.clusters) {
            let mut sum = sums.row_mut(cluster);
            sum += &row;
            counts[cluster] += 1;
        }
        let common = sums.sum_axis(Axis(0)) / values.nrows().max(1) as f64;
        for (mut sum, &count) in sums.outer_iter_mut().zip(&counts) {
            sum.scaled_add(PRIOR_WINDOWS * self.overlap, &common);
            sum /= count as f64 + PRIOR_WINDOWS * self.overlap;
        }
        (sums, counts)
    }

    /// Mean and standard deviation of the coordinates in each cluster; 0 where it has no window.
    fn moments(&self) -> (Array2<f64>, Array2<f64>) {
        let shape = (self.n_clusters, self.coordinates.ncols());
        let (mut means, mut squares) = (Array2::<f64>::zeros(shape), Array2::<f64>::zeros(shape));
        let mut counts = vec![0.0f64; self.n_clusters];
        for (row, &cluster) in self.coordinates.outer_iter().zip(&self.clusters) {
            counts[cluster] += 1.0;
            // Welford's update, in one pass.
            let share = 1.0 / counts[cluster];
            let moments = means
                .row_mut(cluster)
                .into_iter()
                .zip(squares.row_mut(cluster));
            for ((mean, square), &value) in moments.zip(row) {
                let before = value - *mean;
                *mean += before * share;
                *square += before * (value - *mean);
            }
        }
        for (mut row, count) in squares.outer_iter_mut().zip(&counts) {
            row.mapv_inplace(|square| (square / count.max(1.0)).sqrt());
        }
        (means, squares)
    }
}

/// `(u'u + ridge n)^-1 u'y`.
fn ridge(u: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Array2<f64> {
    let n = u.ncols();
    let mut normal = u.t().dot(&u);
    for i in 0..n {
        normal[[i, i]] += RIDGE * u.nrows() as f64;
    }
    let right = u.t().dot(&y);
    let normal = DMatrix::from_fn(n, n, |i, j| normal[[i, j]]);
    // A positive diagonal was added, so it fails for infinite inputs only, which are refused before.
    let Some(factor) = Cholesky::new(normal) else {
        return Array2::zeros((n, y.ncols()));
    };
    let solved = factor.solve(&DMatrix::from_fn(n, y.ncols(), |i, j| right[[i, j]]));
    Array2::from_shape_fn((n, y.ncols()), |(i, j)| solved[(i, j)])
}

/// Principal components of the rows, each coordinate over its standard deviation, in the coordinates' units; and
/// every row's scores. Some of the rows make them, evenly spread.
fn directions(rest: ArrayView2<'_, f64>) -> (Array2<f64>, Array2<f64>) {
    let n = rest.nrows();
    let deviation = rest
        .mapv(|v| v * v)
        .sum_axis(Axis(0))
        .mapv(|sum| (sum / n as f64).sqrt());
    let inverse = deviation.mapv(|d| if d > 0.0 { 1.0 / d } else { 0.0 });
    let standard = &rest * &inverse;
    // Eigenvectors of the small Gram matrix (windows x windows), not of coordinates x coordinates, which is thousands
    // wide.
    let step = n.div_ceil(DIRECTION_WINDOWS);
    let some = standard.slice(ndarray::s![..;step, ..]);
    let (values, vectors) = symmetric_eigen(some.dot(&some.t()).view());
    let m = values.len();
    let most = values.last().copied().unwrap_or(0.0);
    let kept = (0..m.min(MAX_DIRECTIONS).min(m / WINDOWS_A_DIRECTION))
        .take_while(|r| values[m - 1 - r] > 1e-9 * most)
        .count();
    let mut unit = Array2::<f64>::zeros((kept, rest.ncols()));
    for r in 0..kept {
        let k = m - 1 - r;
        // From eigenvectors of X X' to those of X' X.
        let row = some.t().dot(&vectors.column(k)) / values[k].sqrt();
        unit.row_mut(r).assign(&row);
    }
    let scores = standard.dot(&unit.t());
    (unit * &deviation, scores)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::noise::{NoiseKey, Purpose};

    /// Two clusters; two coordinates follow the input, one does not know it, all share an unknown direction.
    fn windows(n: usize, step: usize) -> DecoderFit {
        let key = NoiseKey {
            seed: 11,
            epoch: 0,
            step,
            purpose: Purpose::Latent,
            scale: 0,
        };
        let noise = key.normal(3 * n);
        let mut fit = DecoderFit {
            coordinates: Array2::zeros((n, 3)),
            inputs: Array2::zeros((n, 1)),
            clusters: (0..n).map(|w| usize::from(w % 3 == 0)).collect(),
            n_clusters: 3,
            overlap: 1.0,
        };
        for (w, noise) in noise.chunks(3).enumerate() {
            let cluster = fit.clusters[w] as f64;
            let [input, unknown, own] = [noise[0], noise[1], noise[2]].map(f64::from);
            fit.inputs[[w, 0]] = input + 2.0 * cluster;
            let input = fit.inputs[[w, 0]];
            let unknown = unknown * (1.0 + cluster);
            fit.coordinates[[w, 0]] = 3.0 * input + 5.0 * cluster + unknown;
            fit.coordinates[[w, 1]] = -input + 0.5 * unknown;
            fit.coordinates[[w, 2]] = 7.0 + 2.0 * unknown + 0.01 * own;
        }
        fit
    }

    #[test]
    fn the_fit_finds_slopes_clusters_and_what_is_unknown() {
        let kinds = [
            CoordinateKind::Power,
            CoordinateKind::Sparsity,
            CoordinateKind::Mean,
        ];
        let decoder = windows(3000, 0).fit(0.0).unwrap();
        // The ridge of 5 % takes a twentieth of each slope.
        assert!((decoder.slopes[[0, 0]] - 3.0 / 1.05).abs() < 0.1);
        assert!((decoder.slopes[[0, 1]] + 1.0 / 1.05).abs() < 0.05);
        assert_eq!(decoder.counts, [2000, 1000, 0]);
        let fresh = windows(1000, 1);
        let errors = fresh.errors(&decoder, &kinds);
        let of = |kind: CoordinateKind| errors[kind as usize].1.unwrap();
        let power = of(CoordinateKind::Power);
        // What is left is the unknown, of size 1 and 2 in two thirds and a third of the windows: sqrt(2).
        assert!((power.decoder - 1.42).abs() < 0.1, "{power:?}");
        assert!(power.cluster > 3.0 && power.constant > 5.0, "{power:?}");
        assert!(errors[CoordinateKind::PhaseEnvelope as usize].1.is_none());
    }

    #[test]
    fn samples_vary_as_the_windows_of_their_cluster_do() {
        let fit = windows(3000, 0);
        let decoder = fit.fit(0.0).unwrap();
        for cluster in 0..2 {
            let inputs: Vec<f64> = (0..3000)
                .filter(|&w| fit.clusters[w] == cluster)
                .map(|w| fit.inputs[[w, 0]])
                .collect();
            let inputs = Array2::from_shape_vec((inputs.len(), 1), inputs).unwrap();
            let drawn = decoder.draw(inputs.view(), cluster, 0, 5);
            let mean = drawn.mean_axis(Axis(0)).unwrap();
            let deviation = drawn.std_axis(Axis(0), 0.0);
            for p in 0..3 {
                let (wanted, spread) = (
                    decoder.means[[cluster, p]],
                    decoder.deviations[[cluster, p]],
                );
                assert!((mean[p] - wanted).abs() < 0.12 * spread, "{cluster} {p}");
                assert!((deviation[p] / spread - 1.0).abs() < 0.1, "{cluster} {p}");
            }
            let fewer = decoder.draw(inputs.slice(ndarray::s![..10, ..]), cluster, 0, 5);
            assert_eq!(fewer, drawn.slice(ndarray::s![..10, ..]));
            assert_ne!(drawn, decoder.draw(inputs.view(), cluster, 0, 6));
        }
    }

    #[test]
    fn a_decoder_survives_its_file_and_damage_is_said() {
        let decoder = windows(200, 0).fit(0.25).unwrap();
        let mut arrays = std::collections::BTreeMap::new();
        assert_eq!(LinearDecoder::load("d/0", &arrays).unwrap(), None);
        decoder.store("d/0", &mut arrays);
        let back = LinearDecoder::load("d/0", &arrays).unwrap().unwrap();
        assert!(
            (&back.slopes - &decoder.slopes)
                .iter()
                .all(|d| d.abs() < 1e-5)
        );
        assert_eq!(back.counts, decoder.counts);
        assert_eq!(back.input_deviation, 0.25);
        let file = arrays.clone();
        for name in file.keys().filter(|name| !name.ends_with("intercepts")) {
            let mut arrays = file.clone();
            arrays.remove(name);
            let error = LinearDecoder::load("d/0", &arrays).unwrap_err();
            assert!(error.to_string().contains("train it again"), "{name}");
        }
    }

    #[test]
    fn one_window_is_too_few() {
        assert!(windows(1, 0).fit(0.0).is_err());
        let decoder = windows(5, 0).fit(0.0).unwrap();
        assert!(decoder.slopes.iter().all(|v| v.is_finite()));
    }
}
