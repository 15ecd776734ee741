//! Noise levels that follow the record in octave and time.

use num_complex::Complex64;

use crate::template::spectra::Fourier;

/// Octaves: from half the sampling rate down, the lowest open to 0.
pub(crate) const N_OCTAVES: usize = 9;
/// First octave in which the second derivative may decrease chi-square: below, it is no more than an offset of the
/// record between two slow waves.
pub(crate) const FIRST_JUMP_OCTAVE: usize = 4;
/// Least level, in units of that of the block: silence is not background.
const LEAST_LEVEL: f64 = 0.22;
/// The running median is raised by at most this factor to the block's own mean.
const MOST_SKEW: f64 = 2.0;

/// Bounds of each octave as indices of a transform with `frequencies` bins, ascending in frequency.
pub(crate) fn octaves(frequencies: usize) -> Vec<std::ops::Range<usize>> {
    let edge = |i: usize| match i {
        0 => 0,
        i => (frequencies - 1) >> (N_OCTAVES - i),
    };
    (0..N_OCTAVES)
        .map(|i| {
            edge(i)..if i + 1 == N_OCTAVES {
                frequencies
            } else {
                edge(i + 1)
            }
        })
        .collect()
}

/// Weights `1 / level^2` of one channel, `[octave][hop]`, and the record weighted by them.
pub(crate) struct Levels {
    /// Reciprocal noise power at each hop, in units of the block's.
    pub(crate) weights: Vec<Vec<f64>>,
    /// Spectrum of the whitened record, each octave multiplied by its weights.
    pub(crate) weighted: Vec<Complex64>,
}

/// Samples of a hop, and hops of the running median's half-width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) hop: usize,
    pub(crate) reach: usize,
}

impl Pace {
    /// For templates of so many samples: levels change over a template's duration and more, not inside it.
    pub(crate) fn new(template_samples: usize) -> Self {
        let hop = (template_samples / 32).max(4);
        Self {
            hop,
            // 90 s to each side where a template lasts 51 s.
            reach: template_samples * 7 / 4 / hop,
        }
    }
}

impl Levels {
    /// Levels of a whitened channel with the spectrum `white`, whose first `n` samples are the block.
    pub(crate) fn new(white: &[Complex64], n: usize, fourier: &Fourier, pace: Pace) -> Self {
        let frequencies = white.len();
        let mut weighted = vec![0.0; fourier.n_samples()];
        let mut weights = Vec::with_capacity(N_OCTAVES);
        for band in octaves(frequencies) {
            let mut part = vec![Complex64::default(); frequencies];
            part[band.clone()].copy_from_slice(&white[band.clone()]);
            let series = fourier.inverse(part);
            let share = band.len() as f64 / frequencies as f64;
            let power = hop_power(&series[..n], pace.hop, share);
            let level = running_level(&power, pace, share);
            let weight: Vec<f64> = level.iter().map(|v| 1.0 / v).collect();
            for (t, sum) in weighted[..n].iter_mut().enumerate() {
                *sum += series[t] * at_sample(&weight, t, pace.hop);
            }
            weights.push(weight);
        }
        Self {
            weights,
            weighted: fourier.forward(&weighted),
        }
    }
}

/// Value at a sample of a series given at the middle of each hop, by linear interpolation.
fn at_sample(series: &[f64], t: usize, hop: usize) -> f64 {
    let at = (t as f64 / hop as f64 - 0.5).clamp(0.0, (series.len() - 1) as f64);
    let i = (at as usize).min(series.len().saturating_sub(2));
    let part = at - i as f64;
    let next = series.get(i + 1).copied().unwrap_or(series[i]);
    series[i] * (1.0 - part) + next * part
}

/// Mean square over each hop, over the share of white noise's power that the octave holds.
fn hop_power(series: &[f64], hop: usize, share: f64) -> Vec<f64> {
    series
        .chunks(hop)
        .map(|part| part.iter().map(|v| v * v).sum::<f64>() / (part.len() as f64 * share))
        .collect()
}

/// Noise power around each hop: running median of the power, smoothed over the octave's own memory and raised to the
/// mean, so that it is a power and not a median of one.
fn running_level(power: &[f64], pace: Pace, share: f64) -> Vec<f64> {
    // A band's power fluctuates over the reciprocal of its width, in samples 1 / share.
    let memory = ((1.0 / share) as usize / pace.hop).clamp(1, pace.reach);
    let smooth = running_mean(power, memory);
    let median = running_median(&smooth, pace.reach);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let skew = (mean(&smooth) / mean(&median).max(f64::MIN_POSITIVE)).clamp(1.0, MOST_SKEW);
    let least = LEAST_LEVEL * LEAST_LEVEL;
    median.iter().map(|v| (v * skew).max(least)).collect()
}

fn running_mean(values: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; values.len() + 1];
    for (i, v) in values.iter().enumerate() {
        sums[i + 1] = sums[i] + v;
    }
    (0..values.len())
        .map(|i| {
            let (from, to) = (
                i.saturating_sub(width / 2),
                (i + width.div_ceil(2)).min(values.len()),
            );
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

/// Median of the values within `reach` of each; fewer at the ends.
fn running_median(values: &[f64], reach: usize) -> Vec<f64> {
    // A sorted window, changed by one value in and one out: short windows make that cheaper than any tree.
    let mut window: Vec<f64> = Vec::with_capacity(2 * reach + 1);
    let place = |window: &[f64], v: f64| window.partition_point(|w| w.total_cmp(&v).is_lt());
    for v in values.iter().take(reach) {
        window.insert(place(&window, *v), *v);
    }
    (0..values.len())
        .map(|i| {
            if let Some(v) = values.get(i + reach) {
                window.insert(place(&window, *v), *v);
            }
            if i > reach {
                let old = values[i - reach - 1];
                window.remove(place(&window, old));
            }
            window[window.len() / 2]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_median_agrees_with_sorting() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 7919 % 101)).collect();
        let found = running_median(&values, 9);
        for i in 0..values.len() {
            let mut near = values[i.saturating_sub(9)..(i + 10).min(values.len())].to_vec();
            near.sort_by(f64::total_cmp);
            assert_eq!(found[i], near[near.len() / 2], "{i}");
        }
    }

    #[test]
    fn octaves_cover_every_frequency_once() {
        for frequencies in [2049, 32_769] {
            let bands = octaves(frequencies);
            assert_eq!(bands.len(), N_OCTAVES);
            assert_eq!(bands[0].start, 0);
            assert_eq!(bands[N_OCTAVES - 1].end, frequencies);
            assert!(bands.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
