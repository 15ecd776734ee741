//! Local levels of two clusters in one window: the power of a cell is `b B + a S`, with the clusters' spectra B and S as
//! templates, and gains b and a that vary from frame to frame, and from band to band where there are several.
//!
//! Log gains are Gaussian a priori, with the mean and the covariance between bands of the snippets' own, and a first-order
//! autoregression in time; found is the most probable gains given the window's power (Whittle's likelihood).

use super::grid::Bands;

/// How much a cell counts: frames that overlap by three quarters are not independent.
const CELL_WEIGHT: f64 = 0.5;
/// Sweeps over all gains.
const SWEEPS: usize = 30;
/// Added to relative band powers before their logarithm, which a silent band has none of.
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
    /// From the powers of at least one snippet.
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
        // Log levels of each band, by snippet and frame.
        let levels: Vec<Vec<Vec<f64>>> = snippets
            .iter()
            .map(|frames| {
                frames
                    .iter()
                    .map(|frame| bands.log_levels(frame, &template, QUIET))
                    .collect()
            })
            .collect();
        let n_bands = bands.len();
        let mean: Vec<f64> = (0..n_bands)
            .map(|j| levels.iter().flatten().map(|l| l[j]).sum::<f64>() / n_frames as f64)
            .collect();
        let covariance = |lag: usize, i: usize, j: usize| -> f64 {
            let mut sum = 0.0;
            let mut count = 0;
            for frames in &levels {
                for (a, b) in frames.iter().zip(frames.iter().skip(lag)) {
                    sum += (a[i] - mean[i]) * (b[j] - mean[j]);
                    count += 1;
                }
            }
            sum / f64::from(count.max(1))
        };
        let measured: Vec<f64> = (0..n_bands * n_bands)
            .map(|at| covariance(0, at / n_bands, at % n_bands))
            .collect();
        // What the levels vary by beyond the chance of a few cells.
        let own: Vec<f64> = (0..n_bands)
            .map(|j| {
                let variance = measured[j * n_bands + j];
                let chance = trigamma((0.8 * bands.width(j) as f64).max(1.0));
                (variance - chance).max(0.05 * variance + 1e-3)
            })
            .collect();
        let mut shrunk = vec![0.0; n_bands * n_bands];
        for i in 0..n_bands {
            for j in 0..n_bands {
                let scale = (measured[i * n_bands + i] * measured[j * n_bands + j]).sqrt();
                let correlation = if scale > 0.0 {
                    KEPT_CORRELATION * measured[i * n_bands + j] / scale
                } else {
                    0.0
                };
                let correlation = if i == j { 1.0 } else { correlation };
                shrunk[i * n_bands + j] = correlation * (own[i] * own[j]).sqrt();
            }
        }
        // Frames four apart share no sample.
        let later: f64 = (0..n_bands).map(|j| covariance(4, j, j)).sum();
        let inertia = (later / own.iter().sum::<f64>())
            .clamp(0.0, 0.95)
            .powf(0.25);
        Self {
            template,
            mean,
            precision: inverse(&shrunk, n_bands),
            inertia,
        }
    }
}

/// Power of both clusters in each cell, `[background, source]`, most probable given the powers of a window.
pub(super) fn local_powers(
    observed: &Powers,
    background: &Cluster,
    source: &Cluster,
    bands: &Bands,
) -> [Powers; 2] {
    let (n_frames, n_bands) = (observed.len(), bands.len());
    let clusters = [background, source];
    let mut logs = [(); 2].map(|()| vec![0.0; n_frames * n_bands]);
    let mut powers = clusters.map(|c| vec![c.template.clone(); n_frames]);
    for _ in 0..SWEEPS {
        for (which, cluster) in clusters.iter().enumerate() {
            let rho = cluster.inertia;
            let unit = 1.0 / (1.0 - rho * rho);
            for m in 0..n_frames {
                let neighbours: Vec<usize> = [m.checked_sub(1), Some(m + 1)]
                    .into_iter()
                    .flatten()
                    .filter(|n| *n < n_frames)
                    .collect();
                let inner = if neighbours.len() == 2 {
                    rho * rho
                } else {
                    0.0
                };
                let along = (1.0 + inner) * unit;
                for j in 0..n_bands {
                    let precision = &cluster.precision[j * n_bands..(j + 1) * n_bands];
                    let weighted = |frame: usize| -> f64 {
                        let log = &logs[which][frame * n_bands..(frame + 1) * n_bands];
                        let all = log.iter().zip(&cluster.mean).zip(precision);
                        all.map(|((l, mean), q)| q * (l - mean)).sum()
                    };
                    let beside: f64 = neighbours.iter().map(|n| weighted(*n)).sum();
                    let mut slope = rho * unit * beside - along * weighted(m);
                    let mut curvature = along * precision[j];
                    for f in bands.range(j) {
                        let total = powers[0][m][f] + powers[1][m][f];
                        let share = powers[which][m][f] / total;
                        slope += CELL_WEIGHT * share * (observed[m][f] / total - 1.0);
                        curvature += CELL_WEIGHT * share * share;
                    }
                    let log = &mut logs[which][m * n_bands + j];
                    *log = (*log + (slope / curvature).clamp(-1.0, 1.0)).clamp(-30.0, 30.0);
                    let gain = log.exp();
                    for f in bands.range(j) {
                        powers[which][m][f] = gain * cluster.template[f];
                    }
                }
            }
        }
    }
    powers
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
