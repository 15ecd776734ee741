//! The fit of a template at one onset: amplitudes, decrease of chi-square, and the misfit that is left.

use num_complex::Complex64;
use serde::{Deserialize, Serialize};

use super::block::{Block, JUMP_COST, Plan};
use super::octaves::{FIRST_JUMP_OCTAVE, N_OCTAVES, octaves};
use super::spectrum::scaled;
use super::waveform::{Waveforms, kernels};

/// Degrees of freedom per channel of the misfit: independent samples below 1 Hz in the 28 s around an onset where a
/// template lasts 51 s, the band and time in which a glitch's energy lies.
const FREEDOM: f64 = 56.0;

/// A place of the record at which a template decreases chi-square.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Find {
    /// Sample of the block at which the source begins.
    pub onset: f64,
    /// Length of the ramp, samples.
    pub ramp: f64,
    /// Amplitudes of step and second derivative on each channel, in units of the template's waveform.
    pub amplitudes: Vec<[f64; 2]>,
    /// Decrease of chi-square on each channel.
    pub decreases: Vec<f64>,
    /// Reduced chi-square that the fit leaves around the onset, in the octaves of the decrease.
    pub misfit: f64,
    /// Index of its atom.
    pub(crate) atom: usize,
    /// Onset as a whole sample, without the atom's shift.
    pub(crate) sample: usize,
}

impl Find {
    /// Decrease of chi-square on all channels, D.
    pub fn decrease(&self) -> f64 {
        self.decreases.iter().sum()
    }

    /// `F = D / max(q, 1)`.
    pub fn score(&self) -> f64 {
        self.decrease() / self.misfit.max(1.0)
    }

    /// Share of the misfit around the onset that the source explains: `D / (D + nu (q - 1))`. Gusts, of which a
    /// template explains a part by chance, have a small one.
    pub fn share(&self) -> f64 {
        let freedom = FREEDOM * self.decreases.iter().filter(|d| **d > 0.0).count().max(1) as f64;
        let d = self.decrease();
        d / (d + freedom * (self.misfit - 1.0).max(0.0))
    }
}

/// Waveforms on the grid as a fit needs them.
pub(crate) struct Fitter<'a> {
    plan: &'a Plan,
    block: &'a Block,
    /// Whitened spectra `[channel][frequency]`, the onset at sample 0.
    whitened: Vec<Vec<Complex64>>,
    steps: Vec<Vec<Complex64>>,
    jumps: Vec<Vec<Complex64>>,
    bands: Vec<std::ops::Range<usize>>,
}

/// Sums of a channel's fit in each octave.
#[derive(Default)]
struct Misfit {
    /// Decrease of chi-square times the misfit, and the decrease.
    weighted: f64,
    weight: f64,
}

impl<'a> Fitter<'a> {
    pub(crate) fn new(plan: &'a Plan, block: &'a Block, waveforms: &Waveforms) -> Self {
        let n = plan.grid.n_samples();
        let whitened = block.channels.iter().zip(&waveforms.spectra);
        let whitened = whitened.map(|(channel, h)| match channel {
            Some(channel) => scaled(h, &channel.filter),
            None => Vec::new(),
        });
        let kernels: Vec<_> = plan
            .atoms
            .iter()
            .map(|a| kernels(n, a.ramp, a.shift))
            .collect();
        let (steps, jumps) = kernels.into_iter().unzip();
        Self {
            plan,
            block,
            whitened: whitened.collect(),
            steps,
            jumps,
            bands: octaves(plan.grid.n_frequencies()),
        }
    }

    /// The fit of an atom with its onset at a sample of `white`, `[channel][sample]`.
    pub(crate) fn fit(&self, white: &[Vec<f64>], sample: usize, atom: usize) -> Find {
        let mut misfit = Misfit::default();
        let n_channels = self.whitened.len();
        let mut amplitudes = vec![[0.0; 2]; n_channels];
        let mut decreases = vec![0.0; n_channels];
        for c in 0..n_channels {
            if self.whitened[c].is_empty() {
                continue;
            }
            let (a, d) = self.channel(c, &white[c], sample, atom, &mut misfit);
            amplitudes[c] = a;
            decreases[c] = d;
        }
        let found = self.plan.atoms[atom];
        Find {
            onset: sample as f64 + found.shift,
            ramp: found.ramp,
            amplitudes,
            decreases,
            misfit: match misfit.weight > 0.0 {
                true => misfit.weighted / misfit.weight,
                false => 1.0,
            },
            atom,
            sample,
        }
    }

    fn channel(
        &self,
        c: usize,
        white: &[f64],
        sample: usize,
        atom: usize,
        misfit: &mut Misfit,
    ) -> ([f64; 2], f64) {
        let weights = self.block.weights_at(self.plan, c, sample);
        let record = self.record(white, sample);
        let times = |kernel: &[Complex64]| -> Vec<Complex64> {
            self.whitened[c]
                .iter()
                .zip(kernel)
                .map(|(h, k)| h * k)
                .collect()
        };
        let step = times(&self.steps[atom]);
        let mut jump = times(&self.jumps[atom]);
        jump[..self.bands[FIRST_JUMP_OCTAVE].start].fill(Complex64::default());
        let product = |a: &[Complex64], b: &[Complex64]| self.product(a, b, &weights);
        let (g11, g22, g12) = (
            product(&step, &step),
            product(&jump, &jump),
            product(&step, &jump),
        );
        let (c1, c2) = (product(&step, &record), product(&jump, &record));
        if g11 <= 0.0 || g11.is_nan() {
            return ([0.0; 2], 0.0);
        }
        let det = (g11 * g22 - g12 * g12).max(1e-12 * g11 * g22 + f64::MIN_POSITIVE);
        let one = c1 * c1 / g11;
        let both = (g22 * c1 * c1 - 2.0 * g12 * c1 * c2 + g11 * c2 * c2) / det;
        let amplitudes = match both - JUMP_COST > one {
            true => [(g22 * c1 - g12 * c2) / det, (g11 * c2 - g12 * c1) / det],
            false => [c1 / g11, 0.0],
        };
        let [a, b] = amplitudes;
        let model: Vec<Complex64> = step.iter().zip(&jump).map(|(s, j)| s * a + j * b).collect();
        self.add_misfit(&record, &model, &weights, misfit);
        (amplitudes, one.max(both - JUMP_COST))
    }

    /// Adds the misfit around the onset, octave by octave, each weighted by its decrease of chi-square.
    fn add_misfit(
        &self,
        record: &[Complex64],
        model: &[Complex64],
        weights: &[f64; N_OCTAVES],
        misfit: &mut Misfit,
    ) {
        let grid = &self.plan.grid;
        let n = grid.n_samples();
        let length = n / 4;
        // From 3 s before to 25 s after the onset where a template lasts 51 s: there a source's energy lies.
        let (before, after) = (length / 16, length / 2);
        for (band, weight) in self.bands.iter().zip(weights) {
            let inside = band.clone();
            let decrease: f64 = inside
                .clone()
                .map(|k| {
                    let (x, m) = (record[k], model[k]);
                    2.0 * (m.re * x.re + m.im * x.im) - m.norm_sqr()
                })
                .sum::<f64>()
                * weight
                * 2.0
                / n as f64;
            if decrease <= 0.0 {
                continue;
            }
            let mut rest = vec![Complex64::default(); model.len()];
            for k in inside {
                rest[k] = record[k] - model[k];
            }
            let rest = grid.inverse(rest);
            let near = rest[n - before..].iter().chain(&rest[..after]);
            let power = near.map(|v| v * v).sum::<f64>() / (before + after) as f64;
            let share = band.len() as f64 / model.len() as f64;
            misfit.weighted += decrease * power / share * weight;
            misfit.weight += decrease;
        }
    }

    /// Spectrum of the record around a sample, which becomes sample 0 of the period.
    fn record(&self, white: &[f64], sample: usize) -> Vec<Complex64> {
        let n = self.plan.grid.n_samples();
        let before = n / 4;
        let at = |i: usize| white.get(i).copied().unwrap_or(0.0);
        let piece: Vec<f64> = (0..n)
            .map(|i| match i < n - before {
                true => at(sample + i),
                false => (sample + i).checked_sub(n).map_or(0.0, at),
            })
            .collect();
        self.plan.grid.forward(&piece)
    }

    fn product(&self, a: &[Complex64], b: &[Complex64], weights: &[f64; N_OCTAVES]) -> f64 {
        let inside = |band: &std::ops::Range<usize>| -> f64 {
            let pairs = a[band.clone()].iter().zip(&b[band.clone()]);
            pairs.map(|(a, b)| a.re * b.re + a.im * b.im).sum()
        };
        let bands = self.bands.iter().zip(weights);
        bands.map(|(band, w)| w * inside(band)).sum::<f64>() * 2.0
            / self.plan.grid.n_samples() as f64
    }

    /// Subtracts a find from a record, `[channel][sample]`, in the record's unit (`whitened` false) or whitened.
    pub(crate) fn subtract(&self, waveforms: &Waveforms, find: &Find, record: &mut [Vec<f64>]) {
        let n = self.plan.grid.n_samples();
        let before = n / 4;
        for (c, samples) in record.iter_mut().enumerate() {
            let [a, b] = find.amplitudes[c];
            if a == 0.0 && b == 0.0 {
                continue;
            }
            let kernels = self.steps[find.atom].iter().zip(&self.jumps[find.atom]);
            let spectrum = waveforms.spectra[c]
                .iter()
                .zip(kernels)
                .map(|(h, (s, j))| h * (s * a + j * b))
                .collect();
            let wave = self.plan.grid.inverse(spectrum);
            for (i, v) in wave.iter().enumerate() {
                let at = match i < n - before {
                    true => Some(find.sample + i),
                    false => (find.sample + i).checked_sub(n),
                };
                if let Some(x) = at.and_then(|at| samples.get_mut(at)) {
                    *x -= v;
                }
            }
        }
    }
}
