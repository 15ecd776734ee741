//! Scattering statistics of a window without its level, and the distance of two windows in them.

use seismix_scattering::{
    CoefficientKind, CoefficientSet, Complex, ScatteringCovariance, Wavelet, WaveletTransform,
};

use crate::error::Error;
use crate::scattering::terms::ObjectiveOptions;
use crate::scattering::workspace::Workspace;

/// Least deviation of a coefficient over the snippets.
// A coefficient that is constant over the snippets would decide alone.
const LEAST_DEVIATION: f64 = 1e-2;

/// Statistics of windows of one length.
pub(super) struct Statistics {
    covariance: ScatteringCovariance<f64>,
}

/// Deviation of each coefficient over a cluster.
pub(super) struct Deviations(Vec<f64>);

impl Statistics {
    /// Plans the transform for windows of `n_samples`.
    ///
    /// # Errors
    /// Refusals of the transform.
    pub fn new(n_samples: usize, options: ObjectiveOptions) -> Result<Self, Error> {
        let transform = WaveletTransform::new(
            Wavelet::default(),
            options.octaves,
            n_samples,
            options.oversampling,
        )?;
        Ok(Self {
            covariance: ScatteringCovariance::new(transform, CoefficientSet::Cov)?,
        })
    }

    /// Logarithms of the powers, and the other coefficients over the roots of the powers that they belong to, without
    /// the mean.
    pub fn measure(&self, signal: &[f64]) -> Vec<Complex<f64>> {
        let mut work = Workspace::new(&self.covariance, 0);
        work.analyze_own(self.covariance.transform(), signal);
        let done = self.covariance.measure_layers(&work.layers, &mut work.phi);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
        let paths = self.covariance.paths();
        let power = |j: usize| -> f64 {
            let at = paths
                .iter()
                .position(|p| p.kind == CoefficientKind::PowerSpectrum && p.j1_left == j);
            at.map_or(1.0, |k| work.phi[k].re).max(f64::MIN_POSITIVE)
        };
        let all = paths.iter().zip(&work.phi);
        all.filter(|(path, _)| path.kind != CoefficientKind::Mean)
            .map(|(path, phi)| {
                // Dividing by the powers removes the level, so that a loud window is compared by its texture.
                let own = power(path.j1_left);
                let other = path.j1_right.map_or(own, power);
                match path.kind {
                    CoefficientKind::PowerSpectrum => Complex::new(own.ln(), 0.0),
                    CoefficientKind::Sparsity => phi / own.sqrt(),
                    _ => phi / (own * other).sqrt(),
                }
            })
            .collect()
    }

    /// Deviations over at least two windows.
    pub fn deviations(&self, snippets: &[Vec<f64>]) -> Deviations {
        let all: Vec<Vec<Complex<f64>>> = snippets.iter().map(|s| self.measure(s)).collect();
        let n = all.len() as f64;
        let deviation = |i: usize| {
            let mean = all.iter().map(|phi| phi[i]).sum::<Complex<f64>>() / n;
            let squares: f64 = all.iter().map(|phi| (phi[i] - mean).norm_sqr()).sum();
            (squares / n).sqrt().max(LEAST_DEVIATION)
        };
        Deviations((0..all[0].len()).map(deviation).collect())
    }
}

impl Deviations {
    /// Root mean square of the difference over the coefficients, in deviations.
    pub fn distance(&self, a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
        let squares = a
            .iter()
            .zip(b)
            .zip(&self.0)
            .map(|((a, b), d)| (a - b).norm_sqr() / (d * d));
        (squares.sum::<f64>() / self.0.len() as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loudness_moves_the_powers_alone() {
        let wave = |k: usize| -> Vec<f64> {
            (0..256)
                .map(|t| ((t * t + 7 * k * t) % 101) as f64 / 50.0 - 1.0)
                .collect()
        };
        let statistics = Statistics::new(256, ObjectiveOptions::floored(4)).unwrap();
        let snippets: Vec<Vec<f64>> = (0..5).map(wave).collect();
        let deviations = statistics.deviations(&snippets);
        let own = statistics.measure(&snippets[0]);
        assert_eq!(deviations.distance(&own, &own), 0.0);
        let louder: Vec<f64> = snippets[0].iter().map(|v| 3.0 * v).collect();
        let louder = statistics.measure(&louder);
        let moved = own
            .iter()
            .zip(&louder)
            .filter(|(a, b)| (*a - *b).norm() > 1e-9);
        assert_eq!(moved.count(), 5, "four octaves and the low-pass");
    }
}
