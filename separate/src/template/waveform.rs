//! Waveforms of a source: the shape h as response to a step or ramp, and its second derivative, placed at any fraction
//! of a sample.

use std::f64::consts::PI;

use num_complex::Complex64;
use serde::{Deserialize, Serialize};

use super::spectra::Fourier;

/// Frequency from which waveforms are tapered to zero at half the sampling rate, cycles per sample.
// An abrupt end of the spectrum would ring at every fractional shift.
const TAPER_FROM: f64 = 0.42;

/// Component of a source, made from the shape h.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Wave {
    /// h smoothed by a box: the response to a ramp, where h is the response to a step.
    #[serde(alias = "Step")]
    Response {
        /// Length of the ramp, samples.
        #[serde(alias = "rise")]
        ramp_length: f64,
    },
    /// Second derivative of h: the response to a step two integrations below, such as the precursor of a step in tilt.
    #[serde(alias = "Jump")]
    SecondDerivative,
}

impl Wave {
    /// Response to a step.
    pub(crate) const STEP: Self = Self::Response { ramp_length: 0.0 };

    /// True for the response to a step or ramp.
    pub(crate) fn is_response(self) -> bool {
        matches!(self, Self::Response { .. })
    }

    /// Factor on the spectrum of h for a wave that begins `delay` samples after the onset.
    pub(crate) fn kernel(self, fourier: &Fourier, delay: f64) -> Vec<Complex64> {
        let n = fourier.n_samples() as f64;
        // A box that begins at the delay is centred half a ramp later.
        let centre = match self {
            Self::Response { ramp_length } => delay + ramp_length / 2.0,
            Self::SecondDerivative => delay,
        };
        let step = Complex64::from_polar(1.0, -2.0 * PI * centre / n);
        let mut phase = Complex64::new(1.0, 0.0);
        (0..fourier.n_frequencies())
            .map(|k| {
                let f = k as f64 / n;
                // One multiplication per frequency instead of sine and cosine, and a fresh start before rounding adds up.
                if k % 64 == 0 {
                    phase = Complex64::from_polar(1.0, -2.0 * PI * centre * f);
                }
                let factor = phase * self.gain(f);
                phase *= step;
                factor
            })
            .collect()
    }

    /// Real gain of the factor at a frequency in cycles per sample: sinc(f r), or -(2 pi f)^2.
    fn gain(self, f: f64) -> f64 {
        let taper = if f <= TAPER_FROM {
            1.0
        } else {
            let x = (f - TAPER_FROM) / (0.5 - TAPER_FROM);
            0.5 * (1.0 + (PI * x).cos())
        };
        match self {
            Self::Response { ramp_length } => {
                let x = PI * f * ramp_length;
                // sin(x)/x is 0/0 without a ramp.
                if x.abs() < 1e-9 {
                    taper
                } else {
                    taper * x.sin() / x
                }
            }
            Self::SecondDerivative => -taper * (2.0 * PI * f).powi(2),
        }
    }
}

/// Waveform of each channel, all beginning at one instant, with largest sample 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// h of each channel, `(length,)`; the onset is at sample `lead` of the layout.
    pub channels: Vec<Vec<f64>>,
}

impl Shape {
    /// Spectra of all channels.
    pub(crate) fn spectra(&self, fourier: &Fourier) -> Vec<Vec<Complex64>> {
        self.channels.iter().map(|h| fourier.forward(h)).collect()
    }
}

/// Waveform at its position in a segment.
pub(crate) struct PlacedWaveform {
    /// Index of the first sample in the segment; may be negative.
    pub(crate) start: isize,
    pub(crate) values: Vec<f64>,
}

impl PlacedWaveform {
    /// Places a wave of the shape with this spectrum so that it begins `fraction` samples after sample `whole`; `lead`
    /// is the layout's.
    pub(crate) fn new(
        fourier: &Fourier,
        lead: usize,
        spectrum: &[Complex64],
        wave: Wave,
        (whole, fraction): (f64, f64),
    ) -> Self {
        let kernel = wave.kernel(fourier, fraction);
        Self {
            start: whole as isize - lead as isize,
            values: fourier.inverse(kernel.iter().zip(spectrum).map(|(k, h)| k * h).collect()),
        }
    }

    /// Part inside `0..n`: its first index in the segment, and its values.
    pub(crate) fn inside(&self, n: usize) -> (usize, &[f64]) {
        let from = self.start.clamp(0, n as isize);
        let to = (self.start + self.values.len() as isize).clamp(from, n as isize);
        let at = |i: isize| (i - self.start) as usize;
        // A waveform wholly outside has no valid index range.
        if from >= to {
            return (from as usize, &[]);
        }
        (from as usize, &self.values[at(from)..at(to)])
    }

    /// Value at a sample of the segment; 0 outside the waveform.
    pub(crate) fn at(&self, sample: usize) -> f64 {
        let index = usize::try_from(sample as isize - self.start).ok();
        let value = index.and_then(|at| self.values.get(at));
        value.copied().unwrap_or(0.0)
    }

    /// Adds a multiple of the waveform to a segment.
    pub(crate) fn add_to(&self, segment: &mut [f64], factor: f64) {
        let (from, values) = self.inside(segment.len());
        for (x, v) in segment[from..].iter_mut().zip(values) {
            *x += factor * v;
        }
    }

    /// Inner product with a segment.
    pub(crate) fn dot(&self, segment: &[f64]) -> f64 {
        let (from, values) = self.inside(segment.len());
        segment[from..].iter().zip(values).map(|(x, v)| x * v).sum()
    }

    /// Inner product with another waveform, both inside `0..n`.
    pub(crate) fn dot_placed(&self, other: &Self, n: usize) -> f64 {
        let (a, va) = self.inside(n);
        let (b, vb) = other.inside(n);
        let from = a.max(b);
        let to = (a + va.len()).min(b + vb.len());
        if from >= to {
            return 0.0;
        }
        va[from - a..to - a]
            .iter()
            .zip(&vb[from - b..to - b])
            .map(|(x, y)| x * y)
            .sum()
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
            PlacedWaveform::new(&fourier, 0, &spectrum, wave, (0.0, delay)).values
        };
        let near = |found: &[f64], expected: &dyn Fn(f64) -> f64, tolerance: f64| {
            for (i, v) in found.iter().enumerate() {
                assert!((v - expected(i as f64)).abs() < tolerance, "{i}: {v}");
            }
        };
        let gauss = |t: f64| (-((t - 100.0) / 8.0).powi(2)).exp();
        near(&made(Wave::STEP, 2.25), &|t| gauss(t - 2.25), 1e-9);
        // A box of 3 samples from the delay on, by the midpoint rule at fine steps.
        let smooth = |t: f64| {
            (0..300)
                .map(|i| gauss(t - 1.0 - (f64::from(i) + 0.5) / 100.0))
                .sum::<f64>()
                / 300.0
        };
        let ramp = Wave::Response { ramp_length: 3.0 };
        near(&made(ramp, 1.0), &smooth, 1e-6);
        let second = |t: f64| (gauss(t + 1e-3) - 2.0 * gauss(t) + gauss(t - 1e-3)) / 1e-6;
        near(&made(Wave::SecondDerivative, 0.0), &second, 1e-6);
    }

    #[test]
    fn a_waveform_outside_the_segment_has_no_samples() {
        for start in [-20, -4, 10, 40] {
            let placed = PlacedWaveform {
                start,
                values: vec![1.0; 4],
            };
            let mut segment = vec![0.0; 10];
            placed.add_to(&mut segment, 2.0);
            assert!(segment.iter().all(|v| *v == 0.0), "{start}");
            assert_eq!(placed.dot(&segment), 0.0);
            assert_eq!(placed.dot_placed(&placed, 10), 0.0);
        }
    }
}
