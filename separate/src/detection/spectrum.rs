//! Noise spectrum of a block, robust against the sources in it, and the filter that whitens by it.

use num_complex::Complex64;

use crate::template::spectra::Fourier;

/// Median of a chi-square variable with two degrees of freedom over its mean: a periodogram's bin is one.
const MEDIAN_OVER_MEAN: f64 = std::f64::consts::LN_2;
/// Relative half-width of the smoothing in frequency. Wide enough that the median over few segments is not noise,
/// narrow enough to keep the microseism and the instrument's resonances.
const SMOOTHING: f64 = 0.05;
/// Lowest bin that is used: below it a segment holds less than two periods, and drifts fill the bins.
const FIRST_BIN: usize = 2;
/// Range of the spectrum below its largest value that whitening follows; rounding makes what lies deeper.
const FLOOR: f64 = 1e-14;

/// Factor on each frequency of a transform of the grid's length that makes the noise white with unit variance.
///
/// Spectra of half-overlapping segments of `grid` samples with a Hann window, median over the segments: sources fill
/// few of them and leave the median nearly unchanged. Zero where the noise is not known (the lowest bins).
/// `None` if the channel has no signal.
pub(crate) fn whitening(samples: &[f64], grid: &Fourier) -> Option<Vec<f64>> {
    let n = grid.n_samples();
    let power = median_spectrum(samples, grid)?;
    let smooth = smooth(&power);
    let largest = smooth.iter().copied().fold(0.0, f64::max);
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    Some(
        smooth
            .iter()
            .enumerate()
            .map(|(k, power)| match k < FIRST_BIN {
                true => 0.0,
                // A white series of unit variance has the power n in each bin.
                false => (n as f64 / power.max(FLOOR * largest)).sqrt(),
            })
            .collect(),
    )
}

/// Power of a rectangular segment of `grid` samples, as the median over Hann segments shows it.
fn median_spectrum(samples: &[f64], grid: &Fourier) -> Option<Vec<f64>> {
    let n = grid.n_samples();
    let window: Vec<f64> = (0..n)
        .map(|i| 0.5 - 0.5 * (2.0 * std::f64::consts::PI * (i as f64 + 0.5) / n as f64).cos())
        .collect();
    let gain = window.iter().map(|w| w * w).sum::<f64>() / n as f64;
    let segments: Vec<Vec<f64>> = (0..)
        .map(|i| i * n / 2)
        .take_while(|start| start + n <= samples.len())
        .map(|start| {
            let part = &samples[start..start + n];
            let mean = part.iter().sum::<f64>() / n as f64;
            let tapered: Vec<f64> = part
                .iter()
                .zip(&window)
                .map(|(x, w)| (x - mean) * w)
                .collect();
            let spectrum = grid.forward(&tapered);
            spectrum.iter().map(|v| v.norm_sqr() / gain).collect()
        })
        .collect();
    if segments.is_empty() {
        return None;
    }
    let mut column = vec![0.0; segments.len()];
    let bins = (0..grid.n_frequencies()).map(|k| {
        for (value, segment) in column.iter_mut().zip(&segments) {
            *value = segment[k];
        }
        let middle = column.len() / 2;
        *column.select_nth_unstable_by(middle, f64::total_cmp).1 / MEDIAN_OVER_MEAN
    });
    Some(bins.collect())
}

/// Running mean over a band that widens with frequency.
fn smooth(power: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; power.len() + 1];
    for (k, value) in power.iter().enumerate() {
        sums[k + 1] = sums[k] + value;
    }
    (0..power.len())
        .map(|k| {
            let half = (k as f64 * SMOOTHING) as usize;
            let (from, to) = (k - half, (k + half + 1).min(power.len()));
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

/// A factor on the grid's frequencies, interpolated to those of a longer transform.
///
/// Linear in the factor, so that the filter's response stays within about the grid's length.
pub(crate) fn interpolate(factor: &[f64], frequencies: usize) -> Vec<f64> {
    let step = (factor.len() - 1) as f64 / (frequencies - 1) as f64;
    (0..frequencies)
        .map(|k| {
            let at = k as f64 * step;
            let i = (at as usize).min(factor.len() - 2);
            let part = at - i as f64;
            factor[i] * (1.0 - part) + factor[i + 1] * part
        })
        .collect()
}

/// Product of a spectrum and a real factor.
pub(crate) fn scaled(spectrum: &[Complex64], factor: &[f64]) -> Vec<Complex64> {
    spectrum.iter().zip(factor).map(|(v, f)| v * f).collect()
}
