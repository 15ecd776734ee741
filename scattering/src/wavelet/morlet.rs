//! Morlet wavelets in Fourier: a Gaussian minus another one at zero frequency, so that the mean vanishes.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::wavelet::FilterNorm;

/// Bandwidth at which neighbours, a factor 2^(1/Q) apart, cross at 1/sqrt 2:
/// `sigma = xi (1 - a)/(1 + a) / sqrt(2 ln sqrt 2)`, `a = 2^(-1/Q)`.
pub(crate) fn bandwidth(center: f64, wavelets_per_octave: usize) -> f64 {
    let a = 0.5_f64.powf(1.0 / wavelets_per_octave as f64);
    center * (1.0 - a) / (1.0 + a) / (2.0 * 2.0_f64.sqrt().ln()).sqrt()
}

/// `psi_hat(f) = g(f) - (g(0)/l(0)) l(f)`, `g` and `l` the periodised Gaussians about `xi` and 0, on all `n_bins` bins.
pub(crate) fn band_pass(center: f64, sigma: f64, n_bins: usize, norm: FilterNorm) -> Vec<f64> {
    let gauss = periodized(center, sigma, n_bins);
    let at_zero = periodized(0.0, sigma, n_bins);
    let ratio = gauss[0] / at_zero[0];
    let mut values: Vec<f64> = gauss
        .iter()
        .zip(&at_zero)
        .map(|(g, l)| g - ratio * l)
        .collect();
    normalize(&mut values, norm);
    values
}

/// The periodised Gaussian `exp(-f^2 / 2 sigma^2)`, its impulse response of unit sum of moduli, on all `n_bins` bins.
pub(crate) fn low_pass(sigma: f64, n_bins: usize) -> Vec<f64> {
    let mut values = periodized(0.0, sigma, n_bins);
    normalize(&mut values, FilterNorm::L1);
    values
}

/// Mean of `exp(-(f - center)^2 / 2 sigma^2)` over the unit intervals that its tails reach. Frequencies are periodic
/// with the sampling rate, so a tail that leaves the interval [0, 1) returns at its other end.
fn periodized(center: f64, sigma: f64, n_bins: usize) -> Vec<f64> {
    // Tails below 1e-7 are cut; five intervals bound the work for wide filters.
    let reach = (1.0 + (-2.0 * sigma * sigma * 1e-7_f64.ln()).sqrt())
        .ceil()
        .min(5.0) as i32;
    let n_intervals = f64::from(2 * reach - 1);
    (0..n_bins)
        .map(|k| {
            let sum: f64 = (1 - reach..reach)
                .map(|interval| {
                    let f = k as f64 / n_bins as f64 + f64::from(interval) - center;
                    (-f * f / (2.0 * sigma * sigma)).exp()
                })
                .sum();
            sum / n_intervals
        })
        .collect()
}

/// Divides by the sum of moduli (L1) or the root of the sum of squares (L2) of the impulse response.
fn normalize(values: &mut [f64], norm: FilterNorm) {
    let mut response: Vec<Complex<f64>> = values.iter().map(|&v| Complex::new(v, 0.0)).collect();
    FftPlanner::new()
        .plan_fft_inverse(values.len())
        .process(&mut response);
    let n = values.len() as f64;
    let size = match norm {
        FilterNorm::L1 => response.iter().map(|z| z.norm()).sum::<f64>() / n,
        FilterNorm::L2 => response.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt() / n,
    };
    // A filter narrower than a bin can be 0 on all of them; the bank refuses it by its empty support.
    if size > 0.0 {
        values.iter_mut().for_each(|value| *value /= size);
    }
}
