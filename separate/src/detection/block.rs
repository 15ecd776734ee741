//! One whitened block of a record, and the statistic D(t) over it.

use num_complex::Complex64;

use super::octaves::{FIRST_JUMP_OCTAVE, Levels, N_OCTAVES, Pace, octaves};
use super::spectrum::{interpolate, scaled, whitening};
use super::waveform::{Waveforms, kernels};
use crate::template::spectra::Fourier;

/// Decrease of chi-square that the second derivative must bring beyond the step alone on a channel: an additional free
/// amplitude brings 1 by chance, and 9 are three deviations.
pub(crate) const JUMP_COST: f64 = 9.0;
/// Shifts of an atom within a sample.
pub(crate) const SHIFTS: [f64; 2] = [0.0, 0.5];
/// Ramps, in template lengths: 0, 1.1, 2 and 3 s where a template lasts 51 s.
const RAMPS: [f64; 4] = [0.0, 0.0215, 0.039, 0.0586];

/// Shift and ramp of an atom, both in samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Atom {
    pub(crate) shift: f64,
    pub(crate) ramp: f64,
}

/// All atoms of a template of so many samples; those of one shift lie together.
pub(crate) fn atoms(template_samples: usize) -> Vec<Atom> {
    let length = template_samples as f64;
    let of = |shift: f64| {
        RAMPS.map(|ramp| Atom {
            shift,
            ramp: ramp * length,
        })
    };
    SHIFTS.into_iter().flat_map(of).collect()
}

/// Transforms and kernels for blocks of up to `n_samples`, shared by all blocks of a record.
pub(crate) struct Plan {
    pub(crate) fourier: Fourier,
    pub(crate) grid: Fourier,
    pub(crate) pace: Pace,
    /// Bounds of the octaves at the block's frequencies.
    bands: Vec<std::ops::Range<usize>>,
    pub(crate) atoms: Vec<Atom>,
    /// Step kernels at the block's frequencies, one per atom.
    steps: Vec<Vec<Complex64>>,
    /// Kernels of the second derivative, one per shift.
    jumps: Vec<Vec<Complex64>>,
    /// Longest block.
    pub(crate) n_samples: usize,
}

impl Plan {
    /// For blocks of `transform` samples less those of the grid, which keep correlations from wrapping round.
    pub(crate) fn new(transform: usize, template_samples: usize, grid_samples: usize) -> Self {
        let atoms = atoms(template_samples);
        let mut jumps = Vec::new();
        let mut steps = Vec::new();
        for (i, atom) in atoms.iter().enumerate() {
            let (step, jump) = kernels(transform, atom.ramp, atom.shift);
            steps.push(step);
            if i % RAMPS.len() == 0 {
                jumps.push(jump);
            }
        }
        let fourier = Fourier::new(transform);
        Self {
            bands: octaves(fourier.n_frequencies()),
            fourier,
            grid: Fourier::new(grid_samples),
            pace: Pace::new(template_samples),
            atoms,
            steps,
            jumps,
            n_samples: transform - grid_samples,
        }
    }
}

/// One channel of a block.
pub(crate) struct WhiteChannel {
    /// Whitening factors at the grid's frequencies, and at the block's.
    pub(crate) filter: Vec<f64>,
    block_filter: Vec<f64>,
    /// The whitened record.
    pub(crate) white: Vec<f64>,
    pub(crate) levels: Levels,
}

/// A whitened block: channels without a signal are `None`.
pub(crate) struct Block {
    pub(crate) n_samples: usize,
    pub(crate) channels: Vec<Option<WhiteChannel>>,
}

impl Block {
    /// Whitens a block of at most the plan's samples, of which `taken` is already explained by sources.
    ///
    /// Filters may be given so that a block keeps its whitening while sources are subtracted.
    pub(crate) fn new(plan: &Plan, channels: &[Vec<f64>], filters: Option<&Self>) -> Self {
        let n_samples = channels.first().map_or(0, Vec::len);
        let whiten = |(c, samples): (usize, &Vec<f64>)| -> Option<WhiteChannel> {
            let filter = match filters {
                Some(block) => block.channels[c].as_ref()?.filter.clone(),
                None => whitening(samples, &plan.grid)?,
            };
            let block_filter = interpolate(&filter, plan.fourier.n_frequencies());
            let spectrum = plan
                .fourier
                .forward(&tapered(samples, plan.grid.n_samples() / 16));
            let white = scaled(&spectrum, &block_filter);
            let levels = Levels::new(&white, n_samples, &plan.fourier, plan.pace);
            let mut series = plan.fourier.inverse(white);
            series.truncate(n_samples);
            Some(WhiteChannel {
                filter,
                block_filter,
                white: series,
                levels,
            })
        };
        Self {
            n_samples,
            channels: channels.iter().enumerate().map(whiten).collect(),
        }
    }

    /// Decrease of chi-square at each onset by the best atom, and that atom's index.
    pub(crate) fn statistic(&self, plan: &Plan, waveforms: &Waveforms) -> (Vec<f64>, Vec<u8>) {
        let n = self.n_samples;
        let mut best = vec![-1.0; n];
        let mut which = vec![0; n];
        let prepared: Vec<Option<Whitened>> = self
            .channels
            .iter()
            .enumerate()
            .map(|(c, channel)| Some(Whitened::new(plan, channel.as_ref()?, waveforms, c)))
            .collect();
        for (s, _) in SHIFTS.iter().enumerate() {
            let jumps: Vec<Option<Correlated>> = self
                .each(&prepared)
                .map(|pair| pair.map(|(channel, h)| h.jump(plan, channel, s, n)))
                .collect();
            for r in 0..RAMPS.len() {
                let atom = s * RAMPS.len() + r;
                let mut total = vec![0.0; n];
                for (pair, jump) in self.each(&prepared).zip(&jumps) {
                    if let (Some((channel, h)), Some(jump)) = (pair, jump) {
                        h.add_decrease(plan, channel, atom, jump, &mut total);
                    }
                }
                for t in 0..n {
                    if total[t] > best[t] {
                        best[t] = total[t];
                        which[t] = atom as u8;
                    }
                }
            }
        }
        (best, which)
    }

    fn each<'a>(
        &'a self,
        prepared: &'a [Option<Whitened>],
    ) -> impl Iterator<Item = Option<(&'a WhiteChannel, &'a Whitened)>> {
        let pairs = self.channels.iter().zip(prepared);
        pairs.map(|(channel, h)| Some((channel.as_ref()?, h.as_ref()?)))
    }

    /// Weight of an octave of a channel at a sample.
    pub(crate) fn weights_at(&self, plan: &Plan, channel: usize, t: usize) -> [f64; N_OCTAVES] {
        let mut found = [0.0; N_OCTAVES];
        if let Some(channel) = &self.channels[channel] {
            for (weight, series) in found.iter_mut().zip(&channel.levels.weights) {
                *weight = series[(t / plan.pace.hop).min(series.len() - 1)];
            }
        }
        found
    }
}

/// The whitened spectrum of one channel's waveform at the block's frequencies.
struct Whitened {
    spectrum: Vec<Complex64>,
}

/// A correlation of the weighted record with an atom, and the atom's squared norm in each octave.
struct Correlated {
    spectrum: Vec<Complex64>,
    series: Vec<f64>,
    norms: Vec<f64>,
}

impl Whitened {
    fn new(plan: &Plan, channel: &WhiteChannel, waveforms: &Waveforms, c: usize) -> Self {
        // The waveform is short, so its spectrum at the block's frequencies follows from its samples.
        let mut samples = plan.grid.inverse(waveforms.spectra[c].clone());
        let n = samples.len();
        // The onset is sample 0 of the grid's period: what lies before it is at the end, and stays at the end of the
        // longer period.
        let before = n / 4;
        let tail = samples.split_off(n - before);
        samples.resize(plan.fourier.n_samples() - before, 0.0);
        samples.extend(tail);
        let spectrum = scaled(&plan.fourier.forward(&samples), &channel.block_filter);
        Self { spectrum }
    }

    /// Correlation with the second derivative, in the octaves in which it may count.
    fn jump(&self, plan: &Plan, channel: &WhiteChannel, shift: usize, n: usize) -> Correlated {
        let mut spectrum: Vec<Complex64> = self
            .spectrum
            .iter()
            .zip(&plan.jumps[shift])
            .map(|(h, k)| h * k)
            .collect();
        spectrum[..plan.bands[FIRST_JUMP_OCTAVE].start].fill(Complex64::default());
        let series = correlation(plan, &channel.levels.weighted, &spectrum, n);
        let norms = inner_products(plan, &spectrum, &spectrum);
        Correlated {
            spectrum,
            series,
            norms,
        }
    }

    /// Adds a channel's decrease of chi-square by step and second derivative at each onset.
    ///
    /// With c the correlations and G the inner products of both atoms, the decrease is c' G^-1 c; the second derivative
    /// is used where it decreases chi-square by more than [`JUMP_COST`].
    fn add_decrease(
        &self,
        plan: &Plan,
        channel: &WhiteChannel,
        atom: usize,
        jump: &Correlated,
        total: &mut [f64],
    ) {
        let step: Vec<Complex64> = self
            .spectrum
            .iter()
            .zip(&plan.steps[atom])
            .map(|(h, k)| h * k)
            .collect();
        let series = correlation(plan, &channel.levels.weighted, &step, total.len());
        let own = inner_products(plan, &step, &step);
        let cross = inner_products(plan, &step, &jump.spectrum);
        let hop = plan.pace.hop;
        for (i, part) in total.chunks_mut(hop).enumerate() {
            // Weights change slowly over a waveform, so norms are those of a stationary record at the onset.
            let at = |norms: &[f64]| -> f64 {
                let weights = channel.levels.weights.iter();
                norms.iter().zip(weights).map(|(g, w)| g * w[i]).sum()
            };
            let (g11, g22, g12) = (at(&own), at(&jump.norms), at(&cross));
            let det = (g11 * g22 - g12 * g12).max(1e-9 * g11 * g22 + f64::MIN_POSITIVE);
            let from = i * hop;
            let pairs = series[from..].iter().zip(&jump.series[from..]);
            for (sum, (c1, c2)) in part.iter_mut().zip(pairs) {
                let one = c1 * c1 / g11;
                let both = (g22 * c1 * c1 - 2.0 * g12 * c1 * c2 + g11 * c2 * c2) / det;
                *sum += one.max(both - JUMP_COST);
            }
        }
    }
}

/// Correlation of a record with an atom at each lag from 0.
fn correlation(plan: &Plan, record: &[Complex64], atom: &[Complex64], n: usize) -> Vec<f64> {
    let product = record.iter().zip(atom).map(|(y, a)| y * a.conj()).collect();
    let mut series = plan.fourier.inverse(product);
    series.truncate(n);
    series
}

/// Inner product of two atoms in each octave.
fn inner_products(plan: &Plan, a: &[Complex64], b: &[Complex64]) -> Vec<f64> {
    let scale = 2.0 / plan.fourier.n_samples() as f64;
    let inside = |band: &std::ops::Range<usize>| -> f64 {
        let pairs = a[band.clone()].iter().zip(&b[band.clone()]);
        scale * pairs.map(|(a, b)| a.re * b.re + a.im * b.im).sum::<f64>()
    };
    plan.bands.iter().map(inside).collect()
}

/// A block without its mean and trend, faded at both ends, so that its edges are no steps.
fn tapered(samples: &[f64], fade: usize) -> Vec<f64> {
    let n = samples.len();
    let fade = fade.clamp(1, n / 4 + 1);
    let mean_of = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let (first, last) = (
        mean_of(&samples[..fade.min(n)]),
        mean_of(&samples[n - fade.min(n)..]),
    );
    let slope = (last - first) / (n.max(2) - 1) as f64;
    let edge = |i: usize| {
        let x = ((i as f64 + 0.5) / fade as f64).min(1.0);
        0.5 - 0.5 * (std::f64::consts::PI * x).cos()
    };
    samples
        .iter()
        .enumerate()
        .map(|(i, x)| (x - first - slope * i as f64) * edge(i.min(n - 1 - i)))
        .collect()
}

impl Block {
    /// The record around a sample, whitened by the block's filters; zero elsewhere.
    pub(crate) fn whiten_near(
        &self,
        plan: &Plan,
        record: &[Vec<f64>],
        sample: usize,
    ) -> Vec<Vec<f64>> {
        // A fit reads a template's grid around the onset, and the filter reaches as far again.
        let reach = 2 * plan.grid.n_samples();
        let from = sample.saturating_sub(reach);
        let to = (sample + reach).min(self.n_samples);
        let short = Fourier::new((2 * reach + plan.grid.n_samples()).next_power_of_two());
        self.channels
            .iter()
            .zip(record)
            .map(|(channel, samples)| {
                let Some(channel) = channel else {
                    return Vec::new();
                };
                let part = tapered(&samples[from..to], plan.grid.n_samples() / 16);
                let filter = interpolate(&channel.filter, short.n_frequencies());
                let near = short.inverse(scaled(&short.forward(&part), &filter));
                let mut white = vec![0.0; self.n_samples];
                white[from..to].copy_from_slice(&near[..to - from]);
                white
            })
            .collect()
    }
}
