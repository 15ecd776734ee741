//! Shape from observed sources, each weighted by its background's spectrum: shape and amplitudes in turns, from
//! several assumed precursor amplitudes.
//!
//! A source is `a h + b h''`. Where the observed sources have a ratio `b / a = g` in common, the fit ends with the
//! shape `h + g h''` and is stationary there. Other sources `h + r h''` are no sum of `h + g h''` and its second
//! derivative at high frequencies, but no small change of the shape makes them one. For a given g, however, the
//! observations determine the shape. So the fit is started once from each of many g, and the shape with the least
//! residual is kept.

use std::f64::consts::PI;

use num_complex::Complex64;

use super::cancel::Cancel;
use super::linear::{Cholesky, toeplitz};
use super::options::Layout;
use super::spectra::Fourier;
use super::waveform::Wave;

/// Relative error of a shape below which a stronger source has no more weight, so that the strongest do not dominate.
// Without it they reached 47 dB while many others remained at 15 to 25 dB.
const RELATIVE_ERROR: f64 = 0.01;
/// Misfit, in medians of all observations, at which a source has half its weight.
const HALF_WEIGHT_MISFIT: f64 = 0.3;
/// First frequency of the grid at which the discrepancy is measured.
// Below it the residual is that of the background: drifts that are longer than a shape.
const LOWEST: usize = 3;
/// Share of a shape from which it is tapered to its end.
const TAPER_FROM: f64 = 0.8;
/// Frequency from which a shape is not determined, since waveforms are tapered there, cycles per sample.
const UNDETERMINED_FROM: f64 = 0.42;
/// Iterations of shape, amplitudes and weights; after 4 of them one record of the benchmark lost 2 dB.
const ITERATIONS: usize = 8;
/// Least ratio of second derivative to response that is tried, samples^2, and how often it is doubled.
// Above 51 samples^2 the second derivative exceeds the response at all but the lowest frequencies.
const LEAST_RATIO: f64 = 0.1;
const DOUBLINGS: i32 = 9;

/// One source on one channel, with all other sources subtracted.
#[derive(Clone)]
pub(crate) struct Observation {
    /// Onset after the last sample of the grid's lead.
    pub(crate) delay: f64,
    /// Its waves, with their factors on the spectrum of h at amplitude 1.
    pub(crate) waves: Vec<(Wave, Vec<Complex64>)>,
    /// Amplitudes of the waves.
    pub(crate) amplitudes: Vec<f64>,
    /// Response of the whitening filter, W.
    pub(crate) response: Vec<Complex64>,
    /// Spectrum of the whitened record over a grid that begins `lead` samples before the onset, R.
    pub(crate) data: Vec<Complex64>,
}

impl Observation {
    /// Factor on the spectrum of h with the present amplitudes, G.
    fn kernel(&self) -> Vec<Complex64> {
        let mut sum = vec![Complex64::ZERO; self.data.len()];
        for ((_, wave), a) in self.waves.iter().zip(&self.amplitudes) {
            sum.iter_mut().zip(wave).for_each(|(sum, k)| *sum += a * k);
        }
        sum
    }

    /// Sets the amplitudes that fit best with this shape.
    fn refit(&mut self, shape: &[Complex64], weights: &[f64]) {
        let predicted: Vec<Vec<Complex64>> = self
            .waves
            .iter()
            .map(|(_, wave)| {
                (0..wave.len())
                    .map(|k| wave[k] * self.response[k] * shape[k])
                    .collect()
            })
            .collect();
        let n = predicted.len();
        let inner = |a: &[Complex64], b: &[Complex64]| -> f64 {
            (0..a.len())
                .map(|k| weights[k] * (a[k].conj() * b[k]).re)
                .sum()
        };
        let gram: Vec<f64> = (0..n * n)
            .map(|at| inner(&predicted[at / n], &predicted[at % n]))
            .collect();
        let right: Vec<f64> = predicted.iter().map(|p| inner(p, &self.data)).collect();
        self.amplitudes = Cholesky::new(&gram, n).solve(&right);
    }

    /// With a second derivative among its waves.
    fn with_second_derivative(mut self, fourier: &Fourier) -> Self {
        if self.waves.iter().all(|(wave, _)| wave.is_response()) {
            let wave = Wave::SecondDerivative;
            self.waves.push((wave, wave.kernel(fourier, self.delay)));
            self.amplitudes.push(0.0);
        }
        self
    }

    /// With a second derivative larger by `ratio` times the sum of its responses.
    fn with_ratio(&self, ratio: f64) -> Self {
        let mut observation = self.clone();
        let waves = self.waves.iter().zip(&self.amplitudes);
        let responses = waves.filter(|((wave, _), _)| wave.is_response());
        let sum: f64 = responses.map(|(_, a)| a).sum();
        for ((wave, _), a) in self.waves.iter().zip(&mut observation.amplitudes) {
            if !wave.is_response() {
                *a += ratio * sum;
            }
        }
        observation
    }
}

/// Fits the shape from several assumed precursor amplitudes and keeps the best.
///
/// Without a `previous` shape the first fit starts from the amplitudes of the observations. `None` if the
/// observations do not determine a shape.
pub(crate) fn fit_with_restarts(
    observations: &[Observation],
    fourier: &Fourier,
    layout: Layout,
    previous: Option<&[f64]>,
    cancel: &Cancel,
) -> Option<Vec<f64>> {
    let observations: Vec<Observation> = observations
        .iter()
        .map(|o| o.clone().with_second_derivative(fourier))
        .collect();
    let mut best: Option<(f64, Vec<f64>)> = None;
    let mut consider = |mut observations: Vec<Observation>, previous: Option<&[f64]>| {
        let fit = ShapeFit {
            fourier,
            layout,
            cancel,
        };
        if let Some(shape) = fit.run(&mut observations, previous) {
            let residual = log_residual(&mut observations, fourier, &shape);
            if best.as_ref().is_none_or(|(least, _)| residual < *least) {
                best = Some((residual, shape));
            }
        }
        cancel.advance();
    };
    consider(observations.clone(), previous);
    for ratio in ratios() {
        if cancel.is_set() {
            break;
        }
        let start = observations.iter().map(|o| o.with_ratio(ratio)).collect();
        consider(start, None);
    }
    best.map(|(_, shape)| shape)
}

/// Number of starts of [`fit_with_restarts`]: from the previous shape, and from each ratio.
pub(crate) fn n_starts() -> usize {
    1 + ratios().count()
}

/// Ratios of second derivative to response that are tried.
fn ratios() -> impl Iterator<Item = f64> {
    let sizes = (0..=DOUBLINGS).map(|i| LEAST_RATIO * 2.0_f64.powi(i));
    std::iter::once(0.0).chain(sizes.flat_map(|size| [size, -size]))
}

/// Fit of one shape.
struct ShapeFit<'a> {
    fourier: &'a Fourier,
    layout: Layout,
    cancel: &'a Cancel<'a>,
}

impl ShapeFit<'_> {
    /// Minimises `sum w |R - W G H|^2` over h that is zero outside its length and over the amplitudes in G, in turns.
    /// Without a `previous` shape the first turn keeps the amplitudes.
    ///
    /// `None` if the observations do not determine h.
    fn run(&self, observations: &mut [Observation], previous: Option<&[f64]>) -> Option<Vec<f64>> {
        if observations.is_empty() {
            return None;
        }
        let mut shape: Option<Vec<f64>> = previous.map(<[f64]>::to_vec);
        for _ in 0..ITERATIONS {
            if self.cancel.is_set() {
                return None;
            }
            let spectrum = shape.as_ref().map(|h| self.fourier.forward(h));
            let mut weights = weights(observations, self.fourier, spectrum.as_deref());
            if let Some(spectrum) = spectrum {
                for (observation, weights) in observations.iter_mut().zip(&weights) {
                    observation.refit(&spectrum, weights);
                }
                weights = self::weights(observations, self.fourier, Some(&spectrum));
            }
            let mut h = self.solve(observations, &weights)?;
            // Within the iteration, so that amplitudes and weights are those of the tapered shape.
            taper(&mut h, self.layout);
            let peak = h.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            if !(peak > 0.0 && peak.is_finite()) {
                return None;
            }
            shape = Some(h);
        }
        shape
    }

    /// Solves the normal equations for h, with the amplitudes given: in the frequency domain they are diagonal, and the
    /// restriction to the length of h makes them a Toeplitz system in time.
    fn solve(&self, observations: &[Observation], weights: &[Vec<f64>]) -> Option<Vec<f64>> {
        let fourier = self.fourier;
        let n = fourier.n_samples();
        let mut normal = vec![0.0; fourier.n_frequencies()];
        let mut right = vec![Complex64::ZERO; fourier.n_frequencies()];
        for (observation, weights) in observations.iter().zip(weights) {
            let kernel = observation.kernel();
            for k in 0..normal.len() {
                let predicted = kernel[k] * observation.response[k];
                normal[k] += weights[k] * predicted.norm_sqr();
                right[k] += weights[k] * predicted.conj() * observation.data[k];
            }
        }
        // Where waveforms are tapered the data say nothing about h, and without a ridge it would grow there.
        let from = (UNDETERMINED_FROM * n as f64) as usize;
        let level = normal[from.saturating_sub(n / 50)..from.max(1)]
            .iter()
            .copied()
            .fold(0.0, f64::max);
        for (k, a) in normal.iter_mut().enumerate().skip(from) {
            let x = (k - from) as f64 / (n / 2 - from).max(1) as f64;
            *a += level * x.min(1.0);
        }
        // The inverse transform of the diagonal normal matrix is its autocorrelation, the first Toeplitz row.
        let row = fourier.inverse(normal.iter().map(|a| Complex64::new(*a, 0.0)).collect());
        let mut row = row[..self.layout.length].to_vec();
        // Rounding may make the smallest eigenvalues negative.
        row[0] *= 1.0 + 1e-12;
        let right = fourier.inverse(right);
        toeplitz(&row, &right[..self.layout.length])
    }
}

/// Weights of all frequencies of each observation: `robust / (noise + (0.01 |W G H|)^2)`, so that no source has more
/// weight than one whose shape is known to 1 %, and `robust = 1 / (1 + misfit / (0.3 median))`.
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
                    let predicted = kernel[k] * o.response[k] * shape[k];
                    let weight = 1.0 / (noise + RELATIVE_ERROR.powi(2) * predicted.norm_sqr());
                    misfit += weight * (o.data[k] - predicted).norm_sqr();
                    weight
                })
                .collect();
            (weights, misfit)
        })
        .collect();
    let misfits = all.iter().map(|(_, misfit)| *misfit).collect();
    // Observations without any misfit would divide 0 by 0.
    let median = upper_median(misfits).max(f64::MIN_POSITIVE);
    all.into_iter()
        .map(|(mut weights, misfit)| {
            let robust = 1.0 / (1.0 + misfit / (HALF_WEIGHT_MISFIT * median));
            weights.iter_mut().for_each(|w| *w *= robust);
            weights
        })
        .collect()
}

/// Mean over the observations of the logarithm of the residual energy, in units of the background's.
///
/// The amplitudes are fitted to the shape first.
fn log_residual(observations: &mut [Observation], fourier: &Fourier, shape: &[f64]) -> f64 {
    let spectrum = fourier.forward(shape);
    let weights = weights(observations, fourier, Some(&spectrum));
    let mut sum = 0.0;
    for (observation, weights) in observations.iter_mut().zip(&weights) {
        observation.refit(&spectrum, weights);
        let kernel = observation.kernel();
        let n = observation.data.len();
        let energy: f64 = (0..n)
            .map(|k| {
                let predicted = kernel[k] * observation.response[k] * spectrum[k];
                (observation.data[k] - predicted).norm_sqr()
            })
            .sum();
        let background = (n * fourier.n_samples()) as f64;
        // The logarithm keeps the strongest sources, which leave most, from deciding alone.
        sum += (energy / background).max(f64::MIN_POSITIVE).ln();
    }
    sum / observations.len().max(1) as f64
}

/// Energy of a source of amplitude 1 that a shape does not describe.
///
/// It is the median over the observations of the residual energy above the background's, over the squared amplitude.
pub(crate) fn discrepancy(observations: &[Observation], fourier: &Fourier, shape: &[f64]) -> f64 {
    let spectrum = fourier.forward(shape);
    let noise = fourier.n_samples() as f64;
    let of = |o: &Observation| {
        let kernel = o.kernel();
        let waves = o.waves.iter().zip(&o.amplitudes);
        let responses = waves.filter(|((wave, _), _)| wave.is_response());
        let size: f64 = responses.map(|(_, a)| a.abs()).sum();
        let energy: f64 = (LOWEST..o.data.len())
            .map(|k| {
                let white = (o.data[k] - kernel[k] * o.response[k] * spectrum[k]).norm_sqr();
                // A dead channel has no response.
                let response = o.response[k].norm_sqr().max(f64::MIN_POSITIVE);
                fourier.weight(k) * (white - noise) / response
            })
            .sum();
        if size > 0.0 {
            energy.max(0.0) / (size * size)
        } else {
            0.0
        }
    };
    upper_median(observations.iter().map(of).collect())
}

/// Median, the upper of two; 0 without values.
pub(crate) fn upper_median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Scales a shape so that its largest sample is 1.
pub(crate) fn normalised(mut shape: Vec<f64>) -> Vec<f64> {
    let larger = |m: f64, v: &f64| if v.abs() > m.abs() { *v } else { m };
    let peak = shape.iter().fold(0.0, larger);
    // A dead channel's shape is zero.
    if peak != 0.0 {
        shape.iter_mut().for_each(|v| *v /= peak);
    }
    shape
}

/// Tapers both ends of a shape to zero: a step at either would ring in all sources.
fn taper(shape: &mut [f64], layout: Layout) {
    let n = shape.len();
    let from = (TAPER_FROM * n as f64) as usize;
    for (i, v) in shape.iter_mut().enumerate().skip(from) {
        let x = (i - from) as f64 / (n - from).max(1) as f64;
        *v *= 0.5 * (1.0 + (PI * x).cos());
    }
    let ahead = (layout.lead / 2).max(1);
    for (i, v) in shape.iter_mut().enumerate().take(ahead) {
        let x = (i as f64 + 0.5) / ahead as f64;
        *v *= 0.5 * (1.0 - (PI * x).cos());
    }
}
