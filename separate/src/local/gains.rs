//! Local levels of two clusters in one window.
//!
//! The power of a cell is `b B + a S`, with the clusters' spectra B and S as templates, and gains b and a that vary
//! from frame to frame, and between bands if there are several. Log gains are Gaussian a priori, with the mean and
//! the covariance between bands of those of the snippets, and a first-order autoregression in time. The gains are the
//! most probable ones given the window's power (Whittle's likelihood).

use super::grid::Bands;

/// Weight of a cell in the likelihood: frames that overlap by three quarters are not independent.
const CELL_WEIGHT: f64 = 0.5;
/// Sweeps over all gains.
// Steps of at most 1 in 30 sweeps reach every log gain within its bounds of -30 to 30.
const SWEEPS: usize = 30;
/// Added to relative band powers before their logarithm, which would be infinite for a silent band.
const QUIET: f64 = 1e-3;
/// Least power of a template, relative to its largest.
const LEAST_POWER: f64 = 1e-9;
/// Part of the correlation between bands that is kept.
const KEPT_CORRELATION: f64 = 0.9;

/// Powers of one snippet's cells, frame by frame.
pub(super) type Powers = Vec<Vec<f64>>;

/// Spectrum of a cluster in one time-frequency grid, and how its level varies.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// Mean power of each bin.
    pub template: Vec<f64>,
    /// Mean log gain of each band.
    mean: Vec<f64>,
    /// Inverse covariance of the bands' log gains, (J,J).
    precision: Vec<f64>,
    /// Correlation of a log gain with the frame before.
    inertia: f64,
}

impl Cluster {
    /// Estimates spectrum and gains from the powers of at least one snippet.
    pub fn new(snippets: &[&Powers], bands: &Bands) -> Self {
        let n_bins = bands.n_bins();
        let n_frames: usize = snippets.iter().map(|frames| frames.len()).sum();
        let mut template = vec![0.0; n_bins];
        for frame in snippets.iter().copied().flatten() {
            template.iter_mut().zip(frame).for_each(|(t, p)| *t += p);
        }
        let largest = template.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for t in &mut template {
            *t = t.max(LEAST_POWER * largest) / n_frames as f64;
        }
        let log_levels = |frames: &&Powers| -> Vec<Vec<f64>> {
            let of = |frame: &Vec<f64>| bands.log_levels(frame, &template, QUIET);
            frames.iter().map(of).collect()
        };
        let levels = LogLevels::new(snippets.iter().map(log_levels).collect(), bands.len());
        let own = levels.own_variances(bands);
        // Frames four apart share no sample.
        let later: f64 = (0..bands.len()).map(|j| levels.covariance(4, j, j)).sum();
        let inertia = (later / own.iter().sum::<f64>())
            // At 1 the prior precision 1 / (1 - rho^2) would be infinite, and no gain could change.
            .clamp(0.0, 0.95)
            .powf(0.25);
        Self {
            precision: inverse(&levels.shrunk_covariance(&own), bands.len()),
            mean: levels.mean,
            template,
            inertia,
        }
    }
}

/// Log levels of the bands of all snippets.
struct LogLevels {
    n_bands: usize,
    /// `[snippet][frame][band]`.
    levels: Vec<Vec<Vec<f64>>>,
    mean: Vec<f64>,
}

impl LogLevels {
    fn new(levels: Vec<Vec<Vec<f64>>>, n_bands: usize) -> Self {
        let n_frames: usize = levels.iter().map(Vec::len).sum();
        let mean = |j: usize| levels.iter().flatten().map(|l| l[j]).sum::<f64>() / n_frames as f64;
        Self {
            n_bands,
            mean: (0..n_bands).map(mean).collect(),
            levels,
        }
    }

    /// Covariance of band `i` with band `j` that is `lag` frames later.
    fn covariance(&self, lag: usize, i: usize, j: usize) -> f64 {
        let mut sum = 0.0;
        let mut count = 0;
        for frames in &self.levels {
            for (a, b) in frames.iter().zip(frames.iter().skip(lag)) {
                sum += (a[i] - self.mean[i]) * (b[j] - self.mean[j]);
                count += 1;
            }
        }
        sum / f64::from(count.max(1))
    }

    /// Variance of each band's log gain: that of its level beyond the chance of a few cells.
    fn own_variances(&self, bands: &Bands) -> Vec<f64> {
        (0..self.n_bands)
            .map(|j| {
                let variance = self.covariance(0, j, j);
                // The mean of k exponential powers is a Gamma variate; neighbours in frequency overlap a little.
                let chance = trigamma((0.8 * bands.width(j) as f64).max(1.0));
                (variance - chance).max(0.05 * variance + 1e-3)
            })
            .collect()
    }

    /// Covariance of the bands' log gains, with correlations shrunk so that it can be inverted.
    fn shrunk_covariance(&self, own: &[f64]) -> Vec<f64> {
        let n = self.n_bands;
        let measured: Vec<f64> = (0..n * n)
            .map(|at| self.covariance(0, at / n, at % n))
            .collect();
        let mut shrunk = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let scale = (measured[i * n + i] * measured[j * n + j]).sqrt();
                let correlation = if i == j {
                    1.0
                } else if scale > 0.0 {
                    KEPT_CORRELATION * measured[i * n + j] / scale
                } else {
                    // A band whose level never varies is correlated with none.
                    0.0
                };
                shrunk[i * n + j] = correlation * (own[i] * own[j]).sqrt();
            }
        }
        shrunk
    }
}

/// Power of both clusters in each cell, `[background, source]`, most probable given the powers of a window.
pub(super) fn local_powers(
    observed: &Powers,
    background: &Cluster,
    source: &Cluster,
    bands: &Bands,
) -> [Powers; 2] {
    let clusters = [background, source];
    let mut fit = GainFit {
        observed,
        bands,
        logs: [(); 2].map(|()| vec![0.0; observed.len() * bands.len()]),
        powers: clusters.map(|c| vec![c.template.clone(); observed.len()]),
    };
    for _ in 0..SWEEPS {
        for (which, cluster) in clusters.iter().enumerate() {
            for frame in 0..observed.len() {
                for band in 0..bands.len() {
                    fit.update(which, cluster, frame, band);
                }
            }
        }
    }
    fit.powers
}

/// Gains of a window in progress.
struct GainFit<'a> {
    observed: &'a Powers,
    bands: &'a Bands,
    /// Log gains of each cluster, `(frames, bands)`.
    logs: [Vec<f64>; 2],
    /// Power of each cluster in each cell.
    powers: [Powers; 2],
}

impl GainFit<'_> {
    /// Sum over the bands of a frame's deviations from the mean log gain, by one row of the precision.
    fn deviation(&self, which: usize, cluster: &Cluster, frame: usize, band: usize) -> f64 {
        let n = self.bands.len();
        let precision = &cluster.precision[band * n..(band + 1) * n];
        let log = &self.logs[which][frame * n..(frame + 1) * n];
        let all = log.iter().zip(&cluster.mean).zip(precision);
        all.map(|((l, mean), q)| q * (l - mean)).sum()
    }

    /// Newton step of one log gain, with all others fixed.
    fn update(&mut self, which: usize, cluster: &Cluster, m: usize, j: usize) {
        let (n_frames, n_bands) = (self.observed.len(), self.bands.len());
        let rho = cluster.inertia;
        // Precision of a first-order autoregression: (1 + rho^2) / (1 - rho^2) inside, 1 / (1 - rho^2) at the ends.
        let unit = 1.0 / (1.0 - rho * rho);
        let neighbours = [m.checked_sub(1), Some(m + 1)].into_iter().flatten();
        let neighbours: Vec<usize> = neighbours.filter(|n| *n < n_frames).collect();
        // The first and the last frame have one neighbour, and are known less.
        let inner = if neighbours.len() == 2 {
            rho * rho
        } else {
            0.0
        };
        let along = (1.0 + inner) * unit;
        let near = neighbours.iter();
        let near: f64 = near.map(|n| self.deviation(which, cluster, *n, j)).sum();
        let mut slope = rho * unit * near - along * self.deviation(which, cluster, m, j);
        let mut curvature = along * cluster.precision[j * n_bands + j];
        for f in self.bands.range(j) {
            let total = self.powers[0][m][f] + self.powers[1][m][f];
            let share = self.powers[which][m][f] / total;
            slope += CELL_WEIGHT * share * (self.observed[m][f] / total - 1.0);
            // The expected curvature, which is positive where the actual one need not be.
            curvature += CELL_WEIGHT * share * share;
        }
        let log = &mut self.logs[which][m * n_bands + j];
        // Bounded, since the first steps are far from the parabola that a Newton step assumes.
        *log = (*log + (slope / curvature).clamp(-1.0, 1.0)).clamp(-30.0, 30.0);
        let gain = log.exp();
        for f in self.bands.range(j) {
            self.powers[which][m][f] = gain * cluster.template[f];
        }
    }
}

/// Second derivative of ln Gamma: variance of the logarithm of a Gamma variate of this shape.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 8.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    sum + 1.0 / x + r / 2.0 + r / x * (1.0 / 6.0 - r * (1.0 / 30.0 - r / 42.0))
}

/// Inverse of a positive definite matrix (n,n), by elimination.
fn inverse(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut left = matrix.to_vec();
    let mut right: Vec<f64> = (0..n * n)
        .map(|at| f64::from(u8::from(at / n == at % n)))
        .collect();
    for p in 0..n {
        let pivot = left[p * n + p];
        for c in 0..n {
            left[p * n + c] /= pivot;
            right[p * n + c] /= pivot;
        }
        for r in (0..n).filter(|r| *r != p) {
            let factor = left[r * n + p];
            for c in 0..n {
                left[r * n + c] -= factor * left[p * n + c];
                right[r * n + c] -= factor * right[p * n + c];
            }
        }
    }
    right
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn trigamma_and_inverse_are_the_known_ones() {
        let pi = std::f64::consts::PI;
        assert!((trigamma(1.0) - pi * pi / 6.0).abs() < 1e-9);
        assert!((trigamma(0.5) - pi * pi / 2.0).abs() < 1e-9);
        let a = [4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0];
        let b = inverse(&a, 3);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| a[i * 3 + k] * b[k * 3 + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    /// Powers of a window whose background steps up fourfold half way, without chance: the gains must follow.
    #[test]
    fn gains_follow_a_step_of_one_cluster() {
        let bands = Bands::whole(33);
        let low = |f: usize| (-(f as f64) / 6.0).exp();
        let high = |f: usize| (-(32.0 - f as f64) / 6.0).exp();
        let snippet = |shape: &dyn Fn(usize) -> f64, k: usize| -> Powers {
            let level = |m: usize| {
                if (m / 8 + k).is_multiple_of(2) {
                    2.0
                } else {
                    0.5
                }
            };
            (0..40)
                .map(|m| (0..33).map(|f| level(m) * shape(f)).collect())
                .collect()
        };
        let fit = |shape: &dyn Fn(usize) -> f64| {
            let all: Vec<Powers> = (0..4).map(|k| snippet(shape, k)).collect();
            Cluster::new(&all.iter().collect::<Vec<_>>(), &bands)
        };
        let (background, source) = (fit(&low), fit(&high));
        let step = |m: usize| if m < 20 { 1.0 } else { 4.0 };
        let observed: Powers = (0..40)
            .map(|m| (0..33).map(|f| step(m) * low(f) + high(f)).collect())
            .collect();
        let [found, other] = local_powers(&observed, &background, &source, &bands);
        for m in [5, 10, 15, 25, 30, 35] {
            assert!((found[m][1] / (step(m) * low(1)) - 1.0).abs() < 0.2, "{m}");
            assert!((other[m][31] / high(31) - 1.0).abs() < 0.2, "{m}");
        }
    }
}
