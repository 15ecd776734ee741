//! A shape from the sources that were fitted with the one before, each weighed by its background's spectrum.

use num_complex::Complex64;

use super::linear::{Cholesky, toeplitz};
use super::shape::{Layout, Wave};
use super::spectra::Fourier;

/// Relative error of a shape below which more strength of a source does not count more: the strongest must not rule.
const RELATIVE_ERROR: f64 = 0.01;
/// A source counts half at so many median misfits: those that the shape fits best teach it.
const ROBUST: f64 = 0.3;
/// Frequencies of the grid below this one are not looked at for what a shape leaves.
const LOWEST: usize = 3;
/// Part of a shape from which it fades out to its end.
const FADE_FROM: f64 = 0.8;
/// Frequency from which nothing is asked of a shape, cycles a sample.
const IDLE_FROM: f64 = 0.42;

/// One source on one channel, with all other sources taken off.
#[derive(Clone)]
pub(crate) struct Observation {
    /// Onset after the sample that the grid's lead ends at.
    pub(crate) delay: f64,
    /// What its waves make of h, each at amplitude 1.
    pub(crate) waves: Vec<(Wave, Vec<Complex64>)>,
    /// Their amplitudes.
    pub(crate) amplitudes: Vec<f64>,
    /// The whitening filter's response `W`.
    pub(crate) response: Vec<Complex64>,
    /// Spectrum of the whitened record over a grid that begins `lead` samples before the onset.
    pub(crate) data: Vec<Complex64>,
}

impl Observation {
    /// What the source makes of h, with its amplitudes.
    fn kernel(&self) -> Vec<Complex64> {
        let mut sum = vec![Complex64::ZERO; self.data.len()];
        for ((_, wave), a) in self.waves.iter().zip(&self.amplitudes) {
            sum.iter_mut().zip(wave).for_each(|(sum, k)| *sum += a * k);
        }
        sum
    }

    /// The amplitudes that fit best with this shape.
    fn refit(&mut self, shape: &[Complex64], weights: &[f64]) {
        let made: Vec<Vec<Complex64>> = self
            .waves
            .iter()
            .map(|(_, wave)| {
                (0..wave.len())
                    .map(|k| wave[k] * self.response[k] * shape[k])
                    .collect()
            })
            .collect();
        let n = made.len();
        let inner = |a: &[Complex64], b: &[Complex64]| -> f64 {
            (0..a.len())
                .map(|k| weights[k] * (a[k].conj() * b[k]).re)
                .sum()
        };
        let gram: Vec<f64> = (0..n * n)
            .map(|at| inner(&made[at / n], &made[at % n]))
            .collect();
        let right: Vec<f64> = made.iter().map(|m| inner(m, &self.data)).collect();
        self.amplitudes = Cholesky::new(&gram, n).solve(&right);
    }
}

/// The shape h that fits best: `sum w |R - W G H|^2` is least for h that is zero outside its length, and for the
/// amplitudes in G, in turns; the observations keep those. Without a `previous` shape the first turn takes the
/// amplitudes as they are.
///
/// `w = robust / (noise + (0.01 |W G H|)^2)`, so that no source counts more than one whose shape is known to 1 %.
/// `None` if the observations do not tell it.
pub(crate) fn learn(
    observations: &mut [Observation],
    fourier: &Fourier,
    layout: Layout,
    previous: Option<&[f64]>,
    turns: usize,
) -> Option<Vec<f64>> {
    if observations.is_empty() {
        return None;
    }
    let n = fourier.n_samples();
    let mut shape: Option<Vec<f64>> = previous.map(<[f64]>::to_vec);
    for _ in 0..turns {
        let spectrum = shape.as_ref().map(|h| fourier.forward(h));
        let mut weights = weights(observations, fourier, spectrum.as_deref());
        if let Some(spectrum) = spectrum {
            for (observation, weights) in observations.iter_mut().zip(&weights) {
                observation.refit(&spectrum, weights);
            }
            weights = self::weights(observations, fourier, Some(&spectrum));
        }
        let mut normal = vec![0.0; fourier.n_frequencies()];
        let mut right = vec![Complex64::ZERO; fourier.n_frequencies()];
        for (observation, weights) in observations.iter().zip(&weights) {
            let kernel = observation.kernel();
            for k in 0..normal.len() {
                let made = kernel[k] * observation.response[k];
                normal[k] += weights[k] * made.norm_sqr();
                right[k] += weights[k] * made.conj() * observation.data[k];
            }
        }
        // Where atoms fade out, h is not asked for, and nothing may grow there.
        let idle = (IDLE_FROM * n as f64) as usize;
        let level = normal[idle.saturating_sub(n / 50)..idle.max(1)]
            .iter()
            .copied()
            .fold(0.0, f64::max);
        for (k, a) in normal.iter_mut().enumerate().skip(idle) {
            let x = (k - idle) as f64 / (n / 2 - idle).max(1) as f64;
            *a += level * x.min(1.0);
        }
        let row = fourier.inverse(normal.iter().map(|a| Complex64::new(*a, 0.0)).collect());
        let mut row = row[..layout.length].to_vec();
        row[0] *= 1.0 + 1e-12;
        let right = fourier.inverse(right);
        let mut h = toeplitz(&row, &right[..layout.length])?;
        fade(&mut h, layout);
        let peak = h.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if !(peak > 0.0 && peak.is_finite()) {
            return None;
        }
        shape = Some(h);
    }
    shape
}

/// Weights of all frequencies of each observation.
fn weights(
    observations: &[Observation],
    fourier: &Fourier,
    shape: Option<&[Complex64]>,
) -> Vec<Vec<f64>> {
    let noise = fourier.n_samples() as f64;
    let Some(shape) = shape else {
        return observations
            .iter()
            .map(|o| vec![1.0 / noise; o.data.len()])
            .collect();
    };
    let all: Vec<(Vec<f64>, f64)> = observations
        .iter()
        .map(|o| {
            let mut misfit = 0.0;
            let kernel = o.kernel();
            let weights = (0..o.data.len())
                .map(|k| {
                    let made = kernel[k] * o.response[k] * shape[k];
                    let weight = 1.0 / (noise + RELATIVE_ERROR.powi(2) * made.norm_sqr());
                    misfit += weight * (o.data[k] - made).norm_sqr();
                    weight
                })
                .collect();
            (weights, misfit)
        })
        .collect();
    let mut misfits: Vec<f64> = all.iter().map(|(_, misfit)| *misfit).collect();
    misfits.sort_by(f64::total_cmp);
    let median = misfits[misfits.len() / 2].max(f64::MIN_POSITIVE);
    all.into_iter()
        .map(|(mut weights, misfit)| {
            let robust = 1.0 / (1.0 + misfit / (ROBUST * median));
            weights.iter_mut().for_each(|w| *w *= robust);
            weights
        })
        .collect()
}

/// How much of the observations a shape leaves when their amplitudes are fitted to it: the mean over the observations of
/// the logarithm of what is left, in units of the background's energy.
pub(crate) fn left(observations: &mut [Observation], fourier: &Fourier, shape: &[f64]) -> f64 {
    let spectrum = fourier.forward(shape);
    let weights = weights(observations, fourier, Some(&spectrum));
    let mut sum = 0.0;
    for (observation, weights) in observations.iter_mut().zip(&weights) {
        observation.refit(&spectrum, weights);
        let kernel = observation.kernel();
        let n = observation.data.len();
        let energy: f64 = (0..n)
            .map(|k| {
                let made = kernel[k] * observation.response[k] * spectrum[k];
                (observation.data[k] - made).norm_sqr()
            })
            .sum();
        let background = (n * fourier.n_samples()) as f64;
        sum += (energy / background).max(f64::MIN_POSITIVE).ln();
    }
    sum / observations.len().max(1) as f64
}

/// What of sources a shape does not describe: the energy of what is left of one with amplitude 1, the median over the
/// observations, without the lowest frequencies, which belong to the background.
pub(crate) fn discrepancy(observations: &[Observation], fourier: &Fourier, shape: &[f64]) -> f64 {
    let spectrum = fourier.forward(shape);
    let noise = fourier.n_samples() as f64;
    let mut energies: Vec<f64> = observations
        .iter()
        .map(|o| {
            let kernel = o.kernel();
            let steps = o.waves.iter().zip(&o.amplitudes);
            let size: f64 = steps
                .filter(|((wave, _), _)| matches!(wave, Wave::Step { .. }))
                .map(|(_, a)| a.abs())
                .sum();
            let left: f64 = (LOWEST..o.data.len())
                .map(|k| {
                    let white = (o.data[k] - kernel[k] * o.response[k] * spectrum[k]).norm_sqr();
                    let response = o.response[k].norm_sqr().max(f64::MIN_POSITIVE);
                    fourier.weight(k) * (white - noise) / response
                })
                .sum();
            if size > 0.0 {
                left.max(0.0) / (size * size)
            } else {
                0.0
            }
        })
        .collect();
    energies.sort_by(f64::total_cmp);
    energies.get(energies.len() / 2).copied().unwrap_or(0.0)
}

/// Lets a shape begin and end at zero.
pub(crate) fn fade(shape: &mut [f64], layout: Layout) {
    let n = shape.len();
    let from = (FADE_FROM * n as f64) as usize;
    for (i, v) in shape.iter_mut().enumerate().skip(from) {
        let x = (i - from) as f64 / (n - from).max(1) as f64;
        *v *= 0.5 * (1.0 + (std::f64::consts::PI * x).cos());
    }
    let ahead = (layout.lead / 2).max(1);
    for (i, v) in shape.iter_mut().enumerate().take(ahead) {
        let x = (i as f64 + 0.5) / ahead as f64;
        *v *= 0.5 * (1.0 - (std::f64::consts::PI * x).cos());
    }
}
