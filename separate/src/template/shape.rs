//! A waveform that repeats, and what a source makes of it: steps, ramps and jumps at any fraction of a sample.

use num_complex::Complex64;
use serde::{Deserialize, Serialize};

use super::spectra::Fourier;

/// Frequency, in cycles a sample, from which atoms fade out towards half the sampling rate.
const FADE_FROM: f64 = 0.42;
/// Longest shape, samples.
const MOST_SAMPLES: usize = 2048;
/// Shortest shape, samples.
const LEAST_SAMPLES: usize = 128;

/// Sizes of shapes, all in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Samples of a shape before the onset.
    pub lead: usize,
    /// Samples of a shape, those before the onset included.
    pub length: usize,
    /// Samples of the transforms: a shape, its longest ramp, the whitening filter, and room to search in.
    pub grid: usize,
    /// Longest ramp.
    pub longest_rise: usize,
}

impl Layout {
    /// Samples of a stretch with a background of its own: twenty minutes where a shape takes fifty seconds.
    pub fn block(&self) -> usize {
        24 * self.length
    }

    /// For windows of so many samples. `order` is that of the background's autoregression.
    ///
    /// A source may run on past its window: shapes are as long as windows, 128 to 2048 samples.
    pub fn for_windows(window_samples: usize, order: usize) -> Self {
        let length = window_samples.clamp(LEAST_SAMPLES, MOST_SAMPLES);
        let lead = length / 24;
        let longest_rise = length / 8;
        let support = length + longest_rise + order + 2;
        Self {
            lead,
            length,
            grid: (support + support / 4).next_power_of_two(),
            longest_rise,
        }
    }
}

/// What of a shape h a source is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Wave {
    /// h smoothed by a box of so many samples: the response to a ramp, where h is that to a step.
    Step {
        /// Length of the ramp, samples.
        rise: f64,
    },
    /// Second derivative of h: the response to a jump two integrations below, the precursor of a step in tilt.
    Jump,
}

impl Wave {
    /// Factor on the spectrum of h, for a wave that begins `delay` samples after the onset.
    pub(crate) fn kernel(self, fourier: &Fourier, delay: f64) -> Vec<Complex64> {
        let n = fourier.n_samples() as f64;
        let centre = match self {
            Self::Step { rise } => delay + rise / 2.0,
            Self::Jump => delay,
        };
        let turn = Complex64::from_polar(1.0, -2.0 * std::f64::consts::PI * centre / n);
        let mut phase = Complex64::new(1.0, 0.0);
        (0..fourier.n_frequencies())
            .map(|k| {
                let f = k as f64 / n;
                if k % 64 == 0 {
                    phase = Complex64::from_polar(1.0, -2.0 * std::f64::consts::PI * centre * f);
                }
                let size = self.size(f);
                let factor = phase * size;
                phase *= turn;
                factor
            })
            .collect()
    }

    /// Size of the factor at a frequency in cycles a sample.
    fn size(self, f: f64) -> f64 {
        let fade = if f <= FADE_FROM {
            1.0
        } else {
            let x = (f - FADE_FROM) / (0.5 - FADE_FROM);
            0.5 * (1.0 + (std::f64::consts::PI * x).cos())
        };
        match self {
            Self::Step { rise } => {
                let x = std::f64::consts::PI * f * rise;
                if x.abs() < 1e-9 {
                    fade
                } else {
                    fade * x.sin() / x
                }
            }
            Self::Jump => -fade * (2.0 * std::f64::consts::PI * f).powi(2),
        }
    }
}

/// One waveform a channel that starts at the same instant on all, its largest sample 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// h of each channel, `(length,)`; the onset is at sample `lead` of the layout.
    pub channels: Vec<Vec<f64>>,
}

impl Shape {
    /// Spectra of all channels, times the responses of whitening filters.
    pub(crate) fn spectra(&self, fourier: &Fourier) -> Vec<Vec<Complex64>> {
        self.channels.iter().map(|h| fourier.forward(h)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_shift_smooth_and_differentiate() {
        let fourier = Fourier::new(256);
        let h: Vec<f64> = (0..256)
            .map(|i| (-((f64::from(i) - 100.0) / 8.0).powi(2)).exp())
            .collect();
        let spectrum = fourier.forward(&h);
        let made = |wave: Wave, delay: f64| {
            let product = wave.kernel(&fourier, delay);
            fourier.inverse(product.iter().zip(&spectrum).map(|(k, h)| k * h).collect())
        };
        let near = |found: &[f64], expected: &dyn Fn(f64) -> f64, tolerance: f64| {
            for (i, v) in found.iter().enumerate() {
                assert!((v - expected(i as f64)).abs() < tolerance, "{i}: {v}");
            }
        };
        let gauss = |t: f64| (-((t - 100.0) / 8.0).powi(2)).exp();
        near(
            &made(Wave::Step { rise: 0.0 }, 2.25),
            &|t| gauss(t - 2.25),
            1e-9,
        );
        // A box of 3 samples from the delay on, by the midpoint rule at fine steps.
        let smooth = |t: f64| {
            (0..300)
                .map(|i| gauss(t - 1.0 - (f64::from(i) + 0.5) / 100.0))
                .sum::<f64>()
                / 300.0
        };
        near(&made(Wave::Step { rise: 3.0 }, 1.0), &smooth, 1e-6);
        let second = |t: f64| (gauss(t + 1e-3) - 2.0 * gauss(t) + gauss(t - 1e-3)) / 1e-6;
        near(&made(Wave::Jump, 0.0), &second, 1e-6);
    }

    #[test]
    fn layouts_have_room() {
        for window in [1, 300, 1024, 100_000] {
            let layout = Layout::for_windows(window, 100);
            assert!(layout.grid > layout.length + layout.longest_rise + 100);
            assert!(layout.lead > 0 && layout.length <= 2048);
        }
    }
}
