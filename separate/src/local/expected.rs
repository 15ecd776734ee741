//! Expected SNR of a window without known truth: a line through two observable features, fitted to mixtures with
//! known truth.

use super::calibration::{ExpectedSnr, dot, moments};

/// Features that predict an SNR: energy of the estimate over that of the removed part, and over the posterior
/// variance, in dB.
pub(super) fn features(mixture: &[f64], background: &[f64], variance: &[f64]) -> [f64; 2] {
    let stays = dot(background, background).max(f64::MIN_POSITIVE);
    let goes: f64 = mixture
        .iter()
        .zip(background)
        .map(|(x, n)| (x - n).powi(2))
        .sum();
    let uncertain: f64 = variance.iter().sum();
    // Bounded, so that a window from which nothing is removed does not determine the line alone.
    [goes, uncertain]
        .map(|other| (10.0 * (stays / other.max(1e-9 * stays)).log10()).clamp(-60.0, 60.0))
}

/// SNR as a linear function of two features, with the scatter about it.
pub(super) struct Line {
    center: [f64; 2],
    slope: [f64; 2],
    mean: f64,
    scatter: f64,
    /// Range of the values that it was fitted to.
    range: [f64; 2],
}

impl Line {
    pub fn new(features: &[[f64; 2]], values: &[f64]) -> Self {
        let n = values.len() as f64;
        let (mean, _) = moments(values);
        let center = [0, 1].map(|c| features.iter().map(|f| f[c]).sum::<f64>() / n);
        let centered: Vec<[f64; 2]> = features
            .iter()
            .map(|f| [f[0] - center[0], f[1] - center[1]])
            .collect();
        let product = |a: usize, b: usize| centered.iter().map(|f| f[a] * f[b]).sum::<f64>();
        let with = |a: usize| {
            centered
                .iter()
                .zip(values)
                .map(|(f, v)| f[a] * (v - mean))
                .sum::<f64>()
        };
        let (xx, xy, yy) = (product(0, 0), product(0, 1), product(1, 1));
        // Both features increase with the SNR, so they are correlated; the ridge bounds their slopes.
        let ridge = 0.1 * (xx + yy) / 2.0 + 1e-9;
        let (xx, yy) = (xx + ridge, yy + ridge);
        let determinant = xx * yy - xy * xy;
        let slope = [
            (with(0) * yy - with(1) * xy) / determinant,
            (with(1) * xx - with(0) * xy) / determinant,
        ];
        let rest: f64 = centered
            .iter()
            .zip(values)
            .map(|(f, v)| (v - mean - slope[0] * f[0] - slope[1] * f[1]).powi(2))
            .sum();
        let bound = |pick: fn(f64, f64) -> f64, from: f64| values.iter().copied().fold(from, pick);
        Self {
            center,
            slope,
            mean,
            // Three parameters were fitted, so n - 3 degrees of freedom remain.
            scatter: (rest / (n - 3.0).max(1.0)).sqrt(),
            range: [
                bound(f64::min, f64::INFINITY),
                bound(f64::max, f64::NEG_INFINITY),
            ],
        }
    }

    pub fn at(&self, features: [f64; 2]) -> ExpectedSnr {
        let moved = [0, 1].map(|c| self.slope[c] * (features[c] - self.center[c]));
        let mean_db = self.mean + moved[0] + moved[1];
        ExpectedSnr {
            // A line fitted to some 40 mixtures is not extrapolated by more than 3 dB.
            mean_db: mean_db.clamp(self.range[0] - 3.0, self.range[1] + 3.0),
            spread_db: self.scatter,
        }
    }
}
