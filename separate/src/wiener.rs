//! First estimate of the background: cells of time and frequency that exceed the snippets' spectrum are shrunk to it.
//!
//! The scattering objective does not depend on the position of a source in the window; started from the mixture it
//! ends far from the truth if the source is strong. A local Wiener filter uses position and spectrum, and no texture,
//! so the objective starts from its estimate.

use realfft::num_complex::Complex;
use seismix_core::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, ChannelMethod, ChannelSeparation};
use crate::error::Error;
use crate::method::{Fit, FittedModel, SnippetUse};
use crate::scaling::PowerOfTwoScale;
use crate::scattering::acceptance::AcceptanceTest;
use crate::scattering::terms::ObjectiveOptions;
use crate::separation::EstimateKind;
use crate::short_time::{HOPS_A_FRAME, ShortTime};
use crate::window_method::{Cover, WindowMethod};

/// Quantile of the ratios of the snippets' own cells to the spectrum, up to which a cell is background.
// Two of a hundred cells of pure background are shrunk; a lower quantile would remove more of it.
const CLEAN_QUANTILE: f64 = 0.98;

/// Local Wiener filter of one channel: the snippets' spectrum, and the variation of its cells.
///
/// A cell whose power, averaged over its neighbours, is in the range of the snippets' cells remains unchanged. In the
/// others the mixture is multiplied by B / P, background over observed power. Frames have T/8 samples.
pub struct LocalWiener {
    transform: ShortTime,
    /// Power of the background in each bin.
    background: Vec<f64>,
    /// Ratio to the background's power up to which a cell is background.
    clean: f64,
    /// Energy that the filter removes from each snippet, with the spectrum of the others.
    removed_from_snippets: Vec<f64>,
}

impl LocalWiener {
    /// Fits the filter to snippets of `n_samples` samples.
    pub fn new(n_samples: usize, snippets: &[Vec<f64>]) -> Self {
        let frame = (n_samples / 8).max(16).next_multiple_of(HOPS_A_FRAME);
        let transform = ShortTime::new(n_samples, frame);
        let n_bins = frame / 2 + 1;
        let powers: Vec<Vec<Vec<f64>>> = snippets
            .iter()
            .map(|snippet| power(&transform.analyze(snippet)))
            .collect();
        // Mean power of each snippet in each bin.
        let means: Vec<Vec<f64>> = powers
            .iter()
            .map(|cells| {
                let of_bin = |f: usize| cells.iter().map(|frame| frame[f]).sum::<f64>();
                (0..n_bins)
                    .map(|f| of_bin(f) / cells.len() as f64)
                    .collect()
            })
            .collect();
        let total: Vec<f64> = (0..n_bins)
            .map(|f| means.iter().map(|mean| mean[f]).sum())
            .collect();
        let n = snippets.len().max(1) as f64;
        let background: Vec<f64> = total.iter().map(|sum| sum / n).collect();
        let mut ratios: Vec<f64> = Vec::new();
        for cells in &powers {
            for frame in smooth(cells) {
                let cells = frame.iter().zip(&background).filter(|(_, b)| **b > 0.0);
                ratios.extend(cells.map(|(p, b)| p / b));
            }
        }
        let at = (CLEAN_QUANTILE * ratios.len() as f64) as usize;
        let clean = if at < ratios.len() {
            *ratios.select_nth_unstable_by(at, f64::total_cmp).1
        } else {
            // Without any power in the snippets there is no background to shrink to, so every cell remains.
            f64::INFINITY
        };
        let removed_from_snippets = snippets
            .iter()
            .zip(&means)
            .map(|(snippet, mean)| {
                let others: Vec<f64> = total
                    .iter()
                    .zip(mean)
                    // Without its own power, since a mixture has no share in the spectrum either.
                    .map(|(total, own)| (total - own).max(0.0) / (n - 1.0).max(1.0))
                    .collect();
                energy_between(snippet, &filter(&transform, snippet, &others, clean))
            })
            .collect();
        Self {
            transform,
            background,
            clean,
            removed_from_snippets,
        }
    }

    /// Estimate of the background of `mixture` `(T,)`.
    pub fn estimate(&self, mixture: &[f64]) -> Vec<f64> {
        filter(&self.transform, mixture, &self.background, self.clean)
    }

    /// Share of the snippets, 0 to 1, from which the filter removes less energy than from `mixture`.
    pub fn rank(&self, mixture: &[f64]) -> f64 {
        let removed = energy_between(mixture, &self.estimate(mixture));
        let below = self.removed_from_snippets.iter().filter(|r| **r < removed);
        below.count() as f64 / self.removed_from_snippets.len().max(1) as f64
    }
}

/// Estimate of the background of `mixture` `(T,)` by a [`LocalWiener`] filter fitted to `snippets`.
pub fn local_wiener(mixture: &[f64], snippets: &[Vec<f64>]) -> Vec<f64> {
    LocalWiener::new(mixture.len(), snippets).estimate(mixture)
}

/// Local Wiener filter ([`LocalWiener`]) alone, tested by the scattering objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WienerMethod {
    /// Loss that tests the result.
    pub objective: ObjectiveOptions,
}

impl ChannelMethod for WienerMethod {
    fn separate_with_progress(
        &self,
        channel: &Channel,
        progress: &dyn Progress,
    ) -> Result<ChannelSeparation, Error> {
        Error::if_cancelled(progress)?;
        PowerOfTwoScale::of_channel(channel)?.solve(channel, |channel| {
            let test = AcceptanceTest::new(channel, self.objective)?;
            Ok(test
                .without_method()
                .unwrap_or_else(|| test.verdict(test.wiener().estimate(&channel.mixture), None)))
        })
    }
}

impl WindowMethod for WienerMethod {
    const NAME: &'static str = "wiener";
    const FIT: fn(FittedModel) -> Fit = Fit::Ready;
    const COVER: Cover = Cover::Windows;
    const ESTIMATE: EstimateKind = EstimateKind::SpectralMean;
    const SNIPPETS: SnippetUse = SnippetUse::Background;

    fn objective(&self) -> ObjectiveOptions {
        self.objective
    }
}

fn filter(transform: &ShortTime, mixture: &[f64], background: &[f64], clean: f64) -> Vec<f64> {
    let mut cells = transform.analyze(mixture);
    // A single cell of noise varies by its own mean; the mean over nine cells varies less.
    let observed = smooth(&power(&cells));
    for (cells, observed) in cells.iter_mut().zip(observed) {
        for ((cell, p), b) in cells.iter_mut().zip(observed).zip(background) {
            if p > clean * b {
                *cell *= b / p;
            }
        }
    }
    transform.synthesize(cells)
}

fn energy_between(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn power(cells: &[Vec<Complex<f64>>]) -> Vec<Vec<f64>> {
    cells
        .iter()
        .map(|frame| frame.iter().map(|z| z.norm_sqr()).collect())
        .collect()
}

/// Mean over a cell and its neighbours in time and frequency.
fn smooth(cells: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..cells.len())
        .map(|m| {
            let frames = &cells[m.saturating_sub(1)..(m + 2).min(cells.len())];
            (0..cells[m].len())
                .map(|f| {
                    let bins = f.saturating_sub(1)..(f + 2).min(cells[m].len());
                    let values = frames.iter().flat_map(|frame| &frame[bins.clone()]);
                    let count = frames.len() * bins.len();
                    values.sum::<f64>() / count as f64
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_noise::white as noise;

    #[test]
    fn a_pulse_is_shrunk_and_the_rest_kept() {
        let snippets: Vec<Vec<f64>> = (10..30).map(|seed| noise(1024, seed)).collect();
        let truth = noise(1024, 5);
        let pulse = |t: usize| {
            if t < 500 {
                0.0
            } else {
                15.0 * (-(t as f64 - 500.0) / 60.0).exp()
            }
        };
        let mixture: Vec<f64> = truth
            .iter()
            .enumerate()
            .map(|(t, n)| n + pulse(t))
            .collect();
        let estimate = local_wiener(&mixture, &snippets);
        let error = |a: &[f64]| {
            a.iter()
                .zip(&truth)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
        };
        assert!(error(&estimate) < 0.05 * error(&mixture));
        // Where there is nothing but background, little changes.
        let untouched = local_wiener(&truth, &snippets);
        assert!(error(&untouched) < 0.1 * truth.iter().map(|v| v * v).sum::<f64>());
    }
}
