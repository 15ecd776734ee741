//! First shape from the windows alone: the one that most others resemble, and those aligned with it.

use std::ops::Range;

use num_complex::Complex64;

use super::cancel::Cancel;
use super::options::Layout;
use super::segment::WhitenedSegment;
use super::shape_fit::Observation;
use super::spectra::{Fourier, at_level, cut};
use super::waveform::Wave;

/// Most windows that are compared, the strongest ones; every pair is correlated.
const MAX_WINDOWS: usize = 64;
/// Energy of a window above its background's, in standard deviations, from which it may hold a source.
// Twelve: gusts and the changes of the background within a segment reach ten.
pub(crate) const STRONG: f64 = 12.0;
/// Share of a window's energy that another one must explain to be aligned with it.
const MIN_ALIKE: f64 = 0.5;
/// Frequencies over which the power of a window is averaged, to each side.
// The power at a single frequency varies by its own mean.
const SMOOTHING: usize = 4;
/// Shortest target that can hold a source, samples.
const MIN_TARGET: usize = 8;
/// Share of the largest sample at which a snippet begins.
const ONSET_SHARE: f64 = 0.2;

/// Window that may hold a source, whitened.
pub(crate) struct Snippet {
    /// Index of its segment.
    pub(crate) segment: usize,
    /// Its first sample in the segment.
    pub(crate) start: isize,
    /// Spectrum of each channel, of the window's own samples only.
    spectra: Vec<Vec<Complex64>>,
    samples: usize,
    /// Energy above the background's, in standard deviations of the background's energy.
    strength: f64,
}

impl Snippet {
    /// Loudest part of a target, at most as long as a shape. `None` for a target that is too short.
    pub(crate) fn loudest(
        fourier: &Fourier,
        layout: Layout,
        (index, segment): (usize, &WhitenedSegment),
        target: Range<usize>,
    ) -> Option<Self> {
        let white = &segment.white;
        let n = white.first().map_or(0, Vec::len);
        let target = target.start.min(n)..target.end.min(n);
        if target.len() < MIN_TARGET {
            return None;
        }
        let middle = 0.5 * (target.start + target.end) as f64;
        let levels: Vec<f64> = segment.models.iter().map(|m| m.level(middle)).collect();
        let power_at = |t: usize| -> f64 {
            let channels = white.iter().zip(&levels);
            channels.map(|(x, l)| (x[t] / l).powi(2)).sum()
        };
        let power: Vec<f64> = target.clone().map(power_at).collect();
        let box_length = (layout.length / 16).clamp(1, power.len());
        let peak = target.start + loudest_box(&power, box_length);
        // A quarter of a shape before it, for sources whose loudest part is not their onset.
        let from = target.start.max(peak.saturating_sub(layout.length / 4));
        let to = target.end.min(from + layout.length);
        // Under the background alone the energy is chi-square: mean n, variance 2 n.
        let count = ((to - from) * white.len()) as f64;
        let energy: f64 = power[from - target.start..to - target.start].iter().sum();
        let channels = white.iter().zip(&levels);
        Some(Self {
            segment: index,
            start: from as isize,
            spectra: channels
                .map(|(x, l)| at_level(&fourier.forward(&x[from..to]), *l))
                .collect(),
            samples: to - from,
            strength: (energy - count) / (2.0 * count).sqrt(),
        })
    }
}

/// First sample of the box with the largest sum.
fn loudest_box(power: &[f64], length: usize) -> usize {
    let mut sum: f64 = power[..length].iter().sum();
    let (mut best, mut at) = (sum, 0);
    for i in length..power.len() {
        sum += power[i] - power[i - length];
        if sum > best {
            (best, at) = (sum, i + 1 - length);
        }
    }
    at
}

/// Snippet that resembles the chosen one.
pub(crate) struct Aligned {
    /// Index of its segment.
    segment: usize,
    /// Sample of the segment at which the source begins.
    onset: f64,
    /// Amplitude on each channel, relative to the chosen one's.
    amplitudes: Vec<f64>,
}

/// Snippets that resemble one of them, aligned with it; empty if none is strong.
pub(crate) fn align(
    fourier: &Fourier,
    mut snippets: Vec<Snippet>,
    cancel: &Cancel,
) -> Vec<Aligned> {
    snippets.retain(|s| s.strength > STRONG);
    // A total order, so that the result does not depend on that of the threads.
    snippets.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then(a.segment.cmp(&b.segment))
            .then(a.start.cmp(&b.start))
    });
    snippets.truncate(MAX_WINDOWS);
    let filtered = filtered(fourier, &snippets);
    let mut best: Option<(f64, usize, Vec<Match>)> = None;
    for (j, reference) in filtered.iter().enumerate() {
        if cancel.is_set() {
            break;
        }
        let matches: Vec<Match> = filtered
            .iter()
            .map(|snippet| Match::new(fourier, snippet, reference))
            .collect();
        let score: f64 = matches.iter().map(|m| m.explained).sum();
        if best.as_ref().is_none_or(|b| score > b.0) {
            best = Some((score, j, matches));
        }
    }
    let Some((_, chosen, matches)) = best else {
        return Vec::new();
    };
    let onset = onset_of(fourier, &filtered[chosen].spectra);
    matches
        .into_iter()
        .zip(&snippets)
        .filter(|(m, _)| m.explained > MIN_ALIKE)
        .map(|(m, s)| Aligned {
            segment: s.segment,
            onset: s.start as f64 + onset + m.lag,
            amplitudes: m.amplitudes,
        })
        .collect()
}

/// Spectra of a snippet with the background's share of each frequency removed.
struct Filtered {
    spectra: Vec<Vec<Complex64>>,
    /// Energy of each channel.
    energies: Vec<f64>,
}

/// Snippets times the mean share of the source in each frequency.
fn filtered(fourier: &Fourier, snippets: &[Snippet]) -> Vec<Filtered> {
    let n_channels = snippets.first().map_or(0, |s| s.spectra.len());
    let filters: Vec<Vec<f64>> = (0..n_channels)
        .map(|c| source_share(fourier, snippets, c))
        .collect();
    let energy = |x: &Vec<Complex64>| -> f64 {
        (0..x.len())
            .map(|k| fourier.weight(k) * x[k].norm_sqr())
            .sum()
    };
    let of = |s: &Snippet| {
        let channels = s.spectra.iter().zip(&filters);
        let spectra: Vec<Vec<Complex64>> = channels
            .map(|(x, f)| x.iter().zip(f).map(|(x, f)| x * f).collect())
            .collect();
        Filtered {
            energies: spectra.iter().map(energy).collect(),
            spectra,
        }
    };
    snippets.iter().map(of).collect()
}

/// Likeness of a snippet to another, shifted by one lag and scaled channel by channel.
struct Match {
    /// Share of the snippet's energy.
    explained: f64,
    lag: f64,
    amplitudes: Vec<f64>,
}

impl Match {
    fn new(fourier: &Fourier, snippet: &Filtered, reference: &Filtered) -> Self {
        let n = fourier.n_samples();
        let crosses: Vec<Vec<f64>> = snippet
            .spectra
            .iter()
            .zip(&reference.spectra)
            .map(|(a, b)| fourier.inverse(a.iter().zip(b).map(|(a, b)| a * b.conj()).collect()))
            .collect();
        // A dead channel has no energy.
        let energies = reference.energies.iter().map(|e| e.max(f64::MIN_POSITIVE));
        let energies: Vec<f64> = energies.collect();
        let total: f64 = snippet.energies.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let explained = |lag: usize| -> f64 {
            let channels = crosses.iter().zip(&energies);
            channels.map(|(x, e)| x[lag] * x[lag] / e).sum::<f64>() / total
        };
        let mut at = 0;
        let mut most = 0.0;
        for lag in 0..n {
            let found = explained(lag);
            if found > most {
                (most, at) = (found, lag);
            }
        }
        // Peak of the parabola through three lags.
        let (before, after) = (explained((at + n - 1) % n), explained((at + 1) % n));
        let curvature = before - 2.0 * most + after;
        let fraction = if curvature < 0.0 {
            (0.5 * (before - after) / curvature).clamp(-0.5, 0.5)
        } else {
            0.0
        };
        // The second half of a circular correlation holds negative lags.
        let whole = if at > n / 2 {
            at as f64 - n as f64
        } else {
            at as f64
        };
        Self {
            explained: most,
            lag: whole + fraction,
            amplitudes: crosses
                .iter()
                .zip(&energies)
                .map(|(x, e)| x[at] / e)
                .collect(),
        }
    }
}

/// Share of each frequency's power that is not background, on one channel, mean over the snippets.
fn source_share(fourier: &Fourier, snippets: &[Snippet], channel: usize) -> Vec<f64> {
    let n = fourier.n_frequencies();
    let mut mean = vec![0.0; n];
    for snippet in snippets {
        let x = &snippet.spectra[channel];
        for (k, mean) in mean.iter_mut().enumerate() {
            let near = &x[k.saturating_sub(SMOOTHING)..(k + SMOOTHING + 1).min(n)];
            let power = near.iter().map(Complex64::norm_sqr).sum::<f64>() / near.len() as f64;
            // Whitened background has unit variance, so its power is the number of samples.
            *mean += (1.0 - snippet.samples as f64 / power.max(f64::MIN_POSITIVE)).max(0.0);
        }
    }
    mean.iter().map(|m| m / snippets.len() as f64).collect()
}

/// First sample at which a snippet exceeds a fifth of its largest size.
fn onset_of(fourier: &Fourier, channels: &[Vec<Complex64>]) -> f64 {
    let signals: Vec<Vec<f64>> = channels
        .iter()
        .map(|x| fourier.inverse(x.clone()))
        .collect();
    let size: Vec<f64> = (0..fourier.n_samples())
        .map(|t| signals.iter().map(|x| x[t].abs()).sum())
        .collect();
    let largest = size.iter().fold(0.0, |m: f64, v| m.max(*v));
    let first = size.iter().position(|v| *v > ONSET_SHARE * largest);
    first.unwrap_or(0) as f64
}

/// Observations of the aligned snippets on one channel, as steps without a ramp.
pub(crate) fn observations(
    fourier: &Fourier,
    layout: Layout,
    aligned: &[Aligned],
    segments: &[WhitenedSegment],
    channel: usize,
) -> Vec<Observation> {
    let of = |a: &Aligned| {
        let segment = &segments[a.segment];
        let (samples, model) = (&segment.white[channel], &segment.models[channel]);
        let level = model.level(a.onset);
        let whole = a.onset.floor();
        let delay = a.onset - whole;
        let start = whole as isize - layout.lead as isize;
        let spectrum = fourier.forward(&cut(samples, start, fourier.n_samples()));
        Observation {
            delay,
            waves: vec![(Wave::STEP, Wave::STEP.kernel(fourier, delay))],
            // The snippets were in units of the level, the record is not.
            amplitudes: vec![a.amplitudes[channel] * level],
            response: at_level(&model.response(fourier), level),
            data: at_level(&spectrum, level),
        }
    };
    aligned.iter().map(of).collect()
}
