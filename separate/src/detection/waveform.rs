//! Waveforms of a template, and of decoys that no source has.

use num_complex::Complex64;

use crate::template::spectra::Fourier;
use crate::template::{Layout, Shape};

/// A waveform made from the template's that none of its sources has, but that meets the same noise.
///
/// Each guards against signals that the others do not see: gusts are causal and asymmetric (reversed in time does not
/// show them), swell oscillates (a faster waveform does not show it).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Decoy {
    /// Half the duration.
    Faster,
    /// Twice the duration.
    Slower,
    /// Reversed in time about the onset.
    Reversed,
}

impl Decoy {
    /// All decoys.
    pub const ALL: [Self; 3] = [Self::Faster, Self::Slower, Self::Reversed];
}

/// Waveforms on a grid of four template lengths, with the onset after the first.
#[derive(Debug, Clone)]
pub(crate) struct Waveforms {
    /// Spectra `[channel][frequency]`, turned so that the onset is sample 0 of the period.
    pub(crate) spectra: Vec<Vec<Complex64>>,
}

/// Sample of the onset on the grid.
pub(crate) fn onset(layout: Layout) -> usize {
    layout.length
}

/// Samples of the grid.
pub(crate) fn grid_samples(layout: Layout) -> usize {
    4 * layout.length
}

impl Waveforms {
    /// The template's own, or a decoy's.
    pub(crate) fn new(shape: &Shape, layout: Layout, decoy: Option<Decoy>, grid: &Fourier) -> Self {
        let placed: Vec<Vec<f64>> = shape
            .channels
            .iter()
            .map(|h| placed(h, layout, decoy))
            .collect();
        let n = grid.n_samples() as f64;
        let turn = 2.0 * std::f64::consts::PI * onset(layout) as f64 / n;
        let spectra = placed
            .iter()
            .map(|h| {
                let spectrum = grid.forward(h).into_iter().enumerate();
                spectrum
                    .map(|(k, v)| v * Complex64::from_polar(1.0, turn * k as f64))
                    .collect()
            })
            .collect();
        Self { spectra }
    }
}

/// A waveform on the grid, its time axis changed about the onset.
fn placed(h: &[f64], layout: Layout, decoy: Option<Decoy>) -> Vec<f64> {
    let stretch = match decoy {
        None => 1.0,
        Some(Decoy::Faster) => 0.5,
        Some(Decoy::Slower) => 2.0,
        Some(Decoy::Reversed) => -1.0,
    };
    let value = |at: f64| {
        let i = at.floor();
        let part = at - i;
        let sample = |i: f64| match i >= 0.0 && (i as usize) < h.len() {
            true => h[i as usize],
            false => 0.0,
        };
        sample(i) * (1.0 - part) + sample(i + 1.0) * part
    };
    (0..grid_samples(layout))
        .map(|t| {
            let after = (t as f64 - onset(layout) as f64) / stretch;
            value(after + layout.lead as f64)
        })
        .collect()
}

/// Factors of the step and of the second derivative at the frequencies of a transform of `n` samples.
///
/// Both are shifted by `shift` samples; the step is smoothed over a ramp of `ramp` samples. They fade out above 0.42
/// cycles per sample, where records are cut by the recorder's anti-alias filter.
pub(crate) fn kernels(n: usize, ramp: f64, shift: f64) -> (Vec<Complex64>, Vec<Complex64>) {
    use crate::template::Wave;
    let fourier = Fourier::new(n);
    // A ramp that starts at the onset delays the step by half its length.
    let step = Wave::Response { ramp_length: ramp }.kernel(&fourier, shift);
    let jump = Wave::SecondDerivative.kernel(&fourier, shift);
    (step, jump)
}
