//! A first shape from the windows alone: the one that most others are like, and those aligned with it.

use num_complex::Complex64;

use super::learn::Observation;
use super::shape::{Layout, Wave};
use super::spectra::Fourier;

/// Windows that are compared, the strongest ones.
const MOST_WINDOWS: usize = 64;
/// A window must hold so many times the energy of its background's chance.
pub(crate) const STRONG: f64 = 12.0;
/// Windows whose energy is explained to this part by another one are aligned with it.
const ALIKE: f64 = 0.5;
/// Frequencies over which the spectrum of what stands out is averaged, to each side.
const SMOOTHING: usize = 4;

/// A window that may hold a source, whitened.
pub(crate) struct Snippet {
    /// Which stretch it is of.
    pub(crate) stretch: usize,
    /// Its first sample there.
    pub(crate) start: isize,
    /// Spectrum of each channel, only the window's own samples.
    spectra: Vec<Vec<Complex64>>,
    samples: usize,
    /// Energy above the background's, in deviations of chance.
    strength: f64,
}

impl Snippet {
    /// The loudest part of a target, at most a shape long; `white` is `[channel][sample]`.
    pub(crate) fn loudest(
        fourier: &Fourier,
        layout: Layout,
        stretch: usize,
        white: &[Vec<f64>],
        backgrounds: &[super::whitening::WhiteningModel],
        target: std::ops::Range<usize>,
    ) -> Option<Self> {
        let n = white.first().map_or(0, Vec::len);
        let target = target.start.min(n)..target.end.min(n);
        if target.len() < 8 {
            return None;
        }
        let middle = 0.5 * (target.start + target.end) as f64;
        let levels: Vec<f64> = backgrounds.iter().map(|b| b.level(middle)).collect();
        let power: Vec<f64> = target
            .clone()
            .map(|t| {
                white
                    .iter()
                    .zip(&levels)
                    .map(|(x, l)| (x[t] / l).powi(2))
                    .sum()
            })
            .collect();
        let box_length = (layout.length / 16).clamp(1, power.len());
        let mut sum: f64 = power[..box_length].iter().sum();
        let (mut best, mut at) = (sum, 0);
        for i in box_length..power.len() {
            sum += power[i] - power[i - box_length];
            if sum > best {
                (best, at) = (sum, i + 1 - box_length);
            }
        }
        let peak = target.start + at;
        let from = target.start.max(peak.saturating_sub(layout.length / 4));
        let to = target.end.min(from + layout.length);
        let count = ((to - from) * white.len()) as f64;
        let energy: f64 = power[from - target.start..to - target.start].iter().sum();
        Some(Self {
            stretch,
            start: from as isize,
            spectra: white
                .iter()
                .zip(&levels)
                .map(|(x, l)| super::learning::at_level(&fourier.forward(&x[from..to]), *l))
                .collect(),
            samples: to - from,
            strength: (energy - count) / (2.0 * count).sqrt(),
        })
    }
}

/// A snippet that is like the chosen one.
pub(crate) struct Aligned {
    pub(crate) stretch: usize,
    /// Sample of the stretch at which the source begins.
    pub(crate) onset: f64,
    /// Amplitude on each channel, relative to the chosen one's.
    pub(crate) amplitudes: Vec<f64>,
}

/// The snippets that are most alike, aligned; empty if none stands out.
pub(crate) fn align(fourier: &Fourier, mut snippets: Vec<Snippet>) -> Vec<Aligned> {
    snippets.retain(|s| s.strength > STRONG);
    snippets.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then(a.stretch.cmp(&b.stretch))
            .then(a.start.cmp(&b.start))
    });
    // The strongest would bring their own imperfections; the middle of a wide range is as good.
    snippets.truncate(MOST_WINDOWS);
    if snippets.is_empty() {
        return Vec::new();
    }
    let n_channels = snippets[0].spectra.len();
    let filters: Vec<Vec<f64>> = (0..n_channels)
        .map(|c| standing_out(fourier, &snippets, c))
        .collect();
    let filtered: Vec<Vec<Vec<Complex64>>> = snippets
        .iter()
        .map(|s| {
            s.spectra
                .iter()
                .zip(&filters)
                .map(|(x, f)| x.iter().zip(f).map(|(x, f)| x * f).collect())
                .collect()
        })
        .collect();
    let energy = |x: &[Complex64]| -> f64 {
        (0..x.len())
            .map(|k| fourier.weight(k) * x[k].norm_sqr())
            .sum()
    };
    let energies: Vec<Vec<f64>> = filtered
        .iter()
        .map(|channels| channels.iter().map(|x| energy(x)).collect())
        .collect();
    let n = snippets.len();
    let mut best: Option<(f64, usize, Vec<Match>)> = None;
    for j in 0..n {
        let matches: Vec<Match> = (0..n)
            .map(|i| {
                matched(
                    fourier,
                    &filtered[i],
                    &energies[i],
                    &filtered[j],
                    &energies[j],
                )
            })
            .collect();
        let score: f64 = matches.iter().map(|m| m.explained).sum();
        if best.as_ref().is_none_or(|b| score > b.0) {
            best = Some((score, j, matches));
        }
    }
    let Some((_, chosen, matches)) = best else {
        return Vec::new();
    };
    let onset = onset_of(fourier, &filtered[chosen]);
    matches
        .into_iter()
        .zip(&snippets)
        .filter(|(m, _)| m.explained > ALIKE)
        .map(|(m, s)| Aligned {
            stretch: s.stretch,
            onset: s.start as f64 + onset + m.lag,
            amplitudes: m.amplitudes,
        })
        .collect()
}

struct Match {
    explained: f64,
    lag: f64,
    amplitudes: Vec<f64>,
}

/// How far snippet i is snippet j, shifted by one lag and scaled channel by channel.
fn matched(
    fourier: &Fourier,
    i: &[Vec<Complex64>],
    energy_i: &[f64],
    j: &[Vec<Complex64>],
    energy_j: &[f64],
) -> Match {
    let n = fourier.n_samples();
    let crosses: Vec<Vec<f64>> = i
        .iter()
        .zip(j)
        .map(|(a, b)| fourier.inverse(a.iter().zip(b).map(|(a, b)| a * b.conj()).collect()))
        .collect();
    let total: f64 = energy_i.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let explained = |lag: usize| -> f64 {
        crosses
            .iter()
            .zip(energy_j)
            .map(|(x, e)| x[lag] * x[lag] / e.max(f64::MIN_POSITIVE))
            .sum::<f64>()
            / total
    };
    let mut at = 0;
    let mut most = 0.0;
    for lag in 0..n {
        let found = explained(lag);
        if found > most {
            (most, at) = (found, lag);
        }
    }
    let (before, after) = (explained((at + n - 1) % n), explained((at + 1) % n));
    let bend = before - 2.0 * most + after;
    let part = if bend < 0.0 {
        (0.5 * (before - after) / bend).clamp(-0.5, 0.5)
    } else {
        0.0
    };
    let whole = if at > n / 2 {
        at as f64 - n as f64
    } else {
        at as f64
    };
    Match {
        explained: most,
        lag: whole + part,
        amplitudes: crosses
            .iter()
            .zip(energy_j)
            .map(|(x, e)| x[at] / e.max(f64::MIN_POSITIVE))
            .collect(),
    }
}

/// Part of each frequency that is not background, on one channel, mean over the snippets.
fn standing_out(fourier: &Fourier, snippets: &[Snippet], channel: usize) -> Vec<f64> {
    let n = fourier.n_frequencies();
    let mut mean = vec![0.0; n];
    for snippet in snippets {
        let x = &snippet.spectra[channel];
        for (k, mean) in mean.iter_mut().enumerate() {
            let near = &x[k.saturating_sub(SMOOTHING)..(k + SMOOTHING + 1).min(n)];
            let power = near.iter().map(Complex64::norm_sqr).sum::<f64>() / near.len() as f64;
            *mean += (1.0 - snippet.samples as f64 / power.max(f64::MIN_POSITIVE)).max(0.0);
        }
    }
    mean.iter().map(|m| m / snippets.len() as f64).collect()
}

/// Where a snippet begins to stand out.
fn onset_of(fourier: &Fourier, channels: &[Vec<Complex64>]) -> f64 {
    let signals: Vec<Vec<f64>> = channels
        .iter()
        .map(|x| fourier.inverse(x.clone()))
        .collect();
    let n = fourier.n_samples();
    let size: Vec<f64> = (0..n)
        .map(|t| signals.iter().map(|x| x[t].abs()).sum())
        .collect();
    let largest = size.iter().fold(0.0, |m: f64, v| m.max(*v));
    size.iter().position(|v| *v > 0.2 * largest).unwrap_or(0) as f64
}

/// Observations of the aligned snippets on one channel.
pub(crate) fn observations(
    fourier: &Fourier,
    layout: Layout,
    aligned: &[Aligned],
    channel: usize,
    white: &dyn Fn(usize) -> (Vec<f64>, super::whitening::WhiteningModel),
) -> Vec<Observation> {
    aligned
        .iter()
        .map(|a| {
            let (samples, background) = white(a.stretch);
            let level = background.level(a.onset);
            let whole = a.onset.floor();
            let start = whole as isize - layout.lead as isize;
            let wave = Wave::Step { rise: 0.0 };
            Observation {
                delay: a.onset - whole,
                waves: vec![(wave, wave.kernel(fourier, a.onset - whole))],
                amplitudes: vec![a.amplitudes[channel] * level],
                response: super::learning::at_level(&background.response(fourier), level),
                data: super::learning::at_level(
                    &fourier.forward(&super::whitened_data::cut(
                        &samples,
                        start,
                        fourier.n_samples(),
                    )),
                    level,
                ),
            }
        })
        .collect()
}
