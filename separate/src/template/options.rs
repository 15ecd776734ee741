//! Sizes of a template, and the thresholds that a source must exceed.

use serde::{Deserialize, Serialize};

/// Order of the background's autoregression.
// On InSight records 16 lost 2 to 3 dB, and 300 gained nothing over 100.
pub(crate) const AUTOREGRESSION_ORDER: usize = 100;
/// Chi-square decreases required of a source in the rounds of learning.
// Falling: the first shape fits strong sources only, and weak ones would add their noise to it.
pub(crate) const LEARNING_CHI2: [f64; 3] = [300.0, 200.0, 150.0];
/// Minimum z-score for a source to be used in training.
pub(crate) const MIN_TRAINING_Z: f64 = 12.0;
/// z-score above which the samples of a source are left out when the background is modelled.
// The shape is known to a few per cent, so what a stronger source leaves would exceed the background.
pub(crate) const MIN_MASKING_Z: f64 = 30.0;
/// Fewest windows that a shape is learned from.
pub(crate) const MIN_WINDOWS: usize = 4;
/// Share of the energy that a shape must explain in windows it was not learned from.
pub(crate) const MIN_EXPLAINED: f64 = 0.5;

/// Longest shape, samples.
const MAX_LENGTH: usize = 2048;
/// Shortest shape, samples.
const MIN_LENGTH: usize = 128;

/// Sizes of a shape, all in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Samples of a shape before the onset.
    pub lead: usize,
    /// Samples of a shape, those before the onset included.
    pub length: usize,
    /// Samples of the Fourier transforms: a shape, its longest ramp, the whitening filter, and room to search in.
    pub grid: usize,
    /// Longest ramp.
    #[serde(alias = "longest_rise")]
    pub longest_ramp: usize,
}

impl Layout {
    /// Samples of a segment with a background model of its own: twenty minutes for a shape of fifty seconds.
    pub fn block(&self) -> usize {
        24 * self.length
    }

    /// Sizes for windows of `window_samples`; `order` is that of the background's autoregression.
    ///
    /// Shapes are as long as windows, within 128 to 2048 samples, since a source may continue past its window.
    pub fn for_windows(window_samples: usize, order: usize) -> Self {
        let length = window_samples.clamp(MIN_LENGTH, MAX_LENGTH);
        let lead = length / 24;
        let longest_ramp = length / 8;
        // A placed waveform must not wrap around: shape, box of the ramp, and filter add up in a convolution.
        let support = length + longest_ramp + order + 2;
        Self {
            lead,
            length,
            grid: (support + support / 4).next_power_of_two(),
            longest_ramp,
        }
    }
}

/// Requirements that a source must meet to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DetectionThresholds {
    /// Decrease of chi-square, all channels together.
    pub(crate) chi2_decrease: f64,
    /// Decrease of chi-square required of every source of a target except its strongest.
    pub(crate) second_chi2_decrease: f64,
    /// Root of the largest decrease of chi-square on one channel.
    pub(crate) z: f64,
    /// Range of typical onsets, in samples after the start of their target.
    pub(crate) onset_range: Option<(f64, f64)>,
    /// Rounds of search, each with at most one new source in a target.
    pub(crate) rounds: usize,
    /// True if channels get secondary steps with onsets and ramps of their own.
    pub(crate) secondary_steps: bool,
}

impl DetectionThresholds {
    /// Requirements for the sources that are removed from the record.
    // A second source in a target is rarer than a shape that does not fit exactly, so more is required of it.
    pub(crate) const FINAL: Self = Self {
        chi2_decrease: 25.0,
        second_chi2_decrease: 100.0,
        z: 4.0,
        onset_range: None,
        rounds: 5,
        secondary_steps: true,
    };

    /// Requirements while a shape or a background model is not final.
    pub(crate) fn preliminary(chi2_decrease: f64) -> Self {
        Self {
            chi2_decrease,
            second_chi2_decrease: chi2_decrease,
            rounds: 2,
            secondary_steps: false,
            ..Self::FINAL
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_room() {
        for window in [0, 1, 300, 1024, 100_000] {
            let layout = Layout::for_windows(window, 100);
            assert!(layout.grid > layout.length + layout.longest_ramp + 100);
            assert!(layout.lead > 0 && layout.length <= 2048);
        }
    }
}
