//! Strong isolated transients of a record, from which a template is first learned.

use num_complex::Complex64;

use crate::template::spectra::Fourier;

/// Least height in robust standard deviations.
const MIN_HEIGHT: f64 = 15.0;
/// Band in periods per template: .03 to 1 Hz where a template lasts 51 s.
const BAND: (f64, f64) = (1.5, 51.2);
/// Median absolute value of a normal variable, in standard deviations.
const MEDIAN: f64 = 0.6745;

/// A strong transient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transient {
    /// Sample of its largest band-passed value.
    pub sample: usize,
    /// That value on the channel where it is largest, in robust standard deviations.
    pub height: f64,
}

/// Transients of a gap-free block, `[channel][sample]`, at least .9 template lengths apart, highest first.
///
/// `template_samples`: samples of the template to be learned, which sets the band.
pub fn transients(channels: &[Vec<f64>], template_samples: usize) -> Vec<Transient> {
    let n = channels.first().map_or(0, Vec::len);
    let apart = template_samples * 9 / 10;
    if n < 4 * template_samples {
        return Vec::new();
    }
    let mut height = vec![0.0_f64; n];
    for samples in channels {
        let band = band_passed(samples, template_samples);
        let mut sizes: Vec<f64> = band.iter().map(|v| v.abs()).collect();
        let middle = sizes.len() / 2;
        let deviation = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1 / MEDIAN;
        if !(deviation > 0.0 && deviation.is_finite()) {
            continue;
        }
        for (most, v) in height.iter_mut().zip(&band) {
            *most = most.max(v.abs() / deviation);
        }
    }
    // Waveforms at the ends are cut.
    height[..apart].fill(0.0);
    height[n - template_samples * 14 / 10..].fill(0.0);
    let mut order: Vec<usize> = (0..n).filter(|t| height[*t] > MIN_HEIGHT).collect();
    order.sort_by(|a, b| height[*b].total_cmp(&height[*a]).then(a.cmp(b)));
    let mut found: Vec<Transient> = Vec::new();
    for sample in order {
        if found.iter().all(|f| f.sample.abs_diff(sample) >= apart) {
            found.push(Transient {
                sample,
                height: height[sample],
            });
        }
    }
    found
}

/// Zero-phase band-pass with raised-cosine edges half an octave wide.
fn band_passed(samples: &[f64], template_samples: usize) -> Vec<f64> {
    let n = samples.len();
    let mean = samples.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = samples.iter().map(|v| v - mean).collect();
    let fourier = Fourier::new((n + template_samples).next_power_of_two());
    let per_bin = template_samples as f64 / fourier.n_samples() as f64;
    let edge =
        |octaves: f64| 0.5 + 0.5 * (std::f64::consts::PI * (2.0 * octaves).clamp(-1.0, 0.0)).cos();
    let spectrum: Vec<Complex64> = fourier
        .forward(&centred)
        .into_iter()
        .enumerate()
        .map(|(k, v)| {
            let periods = k as f64 * per_bin;
            let gain = match k {
                0 => 0.0,
                _ => edge((periods / BAND.0).log2()) * edge((BAND.1 / periods).log2()),
            };
            v * gain
        })
        .collect();
    let mut band = fourier.inverse(spectrum);
    band.truncate(n);
    band
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn a_pulse_is_found_and_its_neighbour_is_not() {
        let n = 20_000;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
        let pulse = |i: usize, at: usize| match i >= at {
            true => 40.0 * (-((i - at) as f64) / 60.0).exp(),
            false => 0.0,
        };
        let samples: Vec<f64> = (0..n)
            .map(|i| 5000.0 + noise() + pulse(i, 8000) + 0.8 * pulse(i, 8300))
            .collect();
        let found = transients(&[samples, vec![1.0; n]], 1024);
        assert_eq!(found.len(), 1);
        assert!(found[0].sample.abs_diff(8000) < 60, "{found:?}");
    }
}
