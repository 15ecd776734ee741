//! Secondary steps of strong sources, with onset and ramp of their own on each channel, and amplitudes that allow for
//! what the shape does not describe.

use num_complex::Complex64;

use super::detect::{Candidate, EVALUATIONS, RAMP_SIDE, RAMPS};
use super::fit::{ChannelSolution, JointFit, Unknown};
use super::linear::{Cholesky, simplex};
use super::spectra::inner_product;
use super::waveform::Wave;
use super::whitened_data::WhitenedData;

/// Most secondary steps of a source on a channel.
const MAX_STEPS: usize = 2;
/// Chi-square decrease required of a secondary step: it has three parameters, found by a search.
const STEP_CHI2: f64 = 40.0;
/// Range around the onset in which secondary steps are searched, in shapes, and points of that search.
const RANGE: (f64, f64) = (-0.025, 0.09);
const POINTS: usize = 40;
/// Minimum z-score of sources that get secondary steps.
const MIN_Z: f64 = 12.0;
/// Share of a step that the other waves must not span, or its amplitude is arbitrary.
const LEAST_INDEPENDENT: f64 = 1e-5;

impl JointFit<'_> {
    /// Adds secondary steps channel by channel; true if any was added.
    // A second step with a time of its own fitted real glitches 4 dB better; another time for all waves gained nothing.
    pub(super) fn add_secondary_steps(&mut self) -> bool {
        let mut any = false;
        // One step of each source at a time: the second is searched in what the first leaves.
        for _ in 0..MAX_STEPS {
            let solved = self.eliminate();
            let found = self.secondary_steps(&solved);
            if found.is_empty() {
                break;
            }
            any = true;
            for (c, unknown) in found {
                self.unknowns[c].push(unknown);
            }
        }
        any
    }

    /// Significant steps next to those that are solved for, at most one for each source and channel.
    fn secondary_steps(&self, solved: &[ChannelSolution]) -> Vec<(usize, Unknown)> {
        let mut found = Vec::new();
        for (source, (_, z)) in self.strengths(solved).into_iter().enumerate() {
            if z < MIN_Z || self.cancel.is_set() {
                continue;
            }
            let candidate = self.candidates[source];
            let alone = self.with_source(solved, source);
            let cross = self
                .data
                .cross_spectra(&alone, candidate.onset.floor() as isize);
            for (c, cross) in cross.iter().enumerate() {
                let own = self.unknowns[c].iter().filter(|u| u.source == source);
                let own: Vec<Unknown> = own.copied().collect();
                if own.is_empty() {
                    continue;
                }
                let step = OwnWaves::new(self.data, candidate, c, &own, cross).best_further_step();
                found.extend(step.map(|(delay, ramp_length)| {
                    let wave = Wave::Response { ramp_length };
                    let unknown = Unknown {
                        source,
                        wave,
                        delay,
                    };
                    (c, unknown)
                }));
            }
        }
        found
    }

    /// Solves for the amplitudes of each source again, with what the shape does not describe as further noise.
    // The background's weights alone would fit the frequencies where it is low, at the cost of all others.
    pub(super) fn reweight_amplitudes(&self, solved: &mut [ChannelSolution]) {
        let data = self.data;
        if data.discrepancies.is_empty() {
            return;
        }
        for source in 0..self.candidates.len() {
            let onset = self.candidates[source].onset;
            let alone = self.with_source(solved, source);
            let cross = data.cross_spectra(&alone, onset.floor() as isize);
            for (c, solution) in solved.iter_mut().enumerate() {
                let group = solution.of_source(source);
                let responses = group
                    .iter()
                    .filter(|i| solution.unknowns[**i].wave.is_response());
                let size: f64 = responses.map(|i| solution.amplitudes[*i].abs()).sum();
                let Some(weights) = data.discrepancy_weights(c, size, onset) else {
                    continue;
                };
                let own: Vec<Unknown> = group.iter().map(|i| solution.unknowns[*i]).collect();
                let kernels = kernels(data, onset, &own);
                let n = kernels.len();
                let of =
                    |at: usize| data.weighted_gram(c, &kernels[at / n], &kernels[at % n], &weights);
                let gram: Vec<f64> = (0..n * n).map(of).collect();
                // Weighted least squares: (K' D K) a = K' D r, with D the weights by discrepancy.
                let weighted: Vec<Complex64> =
                    cross[c].iter().zip(&weights).map(|(a, w)| a * w).collect();
                let right: Vec<f64> = kernels
                    .iter()
                    .map(|k| inner_product(k, &weighted))
                    .collect();
                let amplitudes = Cholesky::new(&gram, n).solve(&right);
                for (i, a) in group.into_iter().zip(amplitudes) {
                    solution.amplitudes[i] = a;
                }
            }
        }
    }
}

/// Kernels of waves of one source, on a grid that begins at the sample before its onset.
fn kernels(data: &WhitenedData, onset: f64, waves: &[Unknown]) -> Vec<Vec<Complex64>> {
    let fraction = onset - onset.floor();
    let kernel = |u: &Unknown| u.wave.kernel(data.fourier, fraction + u.delay);
    waves.iter().map(kernel).collect()
}

/// Waves of a source on a channel, to which one more may be added.
struct OwnWaves<'a> {
    data: &'a WhitenedData<'a>,
    channel: usize,
    onset: f64,
    cross: &'a [Complex64],
    kernels: Vec<Vec<Complex64>>,
    cholesky: Cholesky,
    /// Amplitudes without a further wave.
    amplitudes: Vec<f64>,
}

impl<'a> OwnWaves<'a> {
    fn new(
        data: &'a WhitenedData<'a>,
        candidate: Candidate,
        channel: usize,
        own: &[Unknown],
        cross: &'a [Complex64],
    ) -> Self {
        let kernels = kernels(data, candidate.onset, own);
        let n = kernels.len();
        let mut gram = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                gram[i * n + j] = data.gram(channel, &kernels[i], &kernels[j]);
                gram[j * n + i] = gram[i * n + j];
            }
        }
        let right: Vec<f64> = kernels.iter().map(|k| inner_product(k, cross)).collect();
        let cholesky = Cholesky::new(&gram, n);
        Self {
            amplitudes: cholesky.solve(&right),
            onset: candidate.onset,
            data,
            channel,
            cross,
            kernels,
            cholesky,
        }
    }

    /// Chi-square decrease by a further step: (b - g' a)^2 / (g - g' G^-1 g), the part of it that the others do not span.
    fn chi2_decrease(&self, delay: f64, ramp_length: f64) -> f64 {
        let data = self.data;
        if ramp_length > data.layout.longest_ramp as f64 {
            return 0.0;
        }
        let fraction = self.onset - self.onset.floor();
        let kernel = Wave::Response { ramp_length }.kernel(data.fourier, fraction + delay);
        let gram = |k: &Vec<Complex64>| data.gram(self.channel, k, &kernel);
        let cross: Vec<f64> = self.kernels.iter().map(gram).collect();
        let spanned = self.cholesky.solve(&cross);
        let norm = data.gram(self.channel, &kernel, &kernel);
        let own: f64 = cross.iter().zip(&spanned).map(|(a, b)| a * b).sum();
        let dot: f64 = cross.iter().zip(&self.amplitudes).map(|(a, b)| a * b).sum();
        let rest = norm - own;
        // The quotient of two roundings would be an arbitrary decrease.
        if rest < LEAST_INDEPENDENT * norm {
            return 0.0;
        }
        let variance = data.level(self.channel, self.onset).powi(2);
        (inner_product(&kernel, self.cross) - dot).powi(2) / rest / variance
    }

    /// Delay and ramp of the further step with the largest decrease, if it is significant.
    fn best_further_step(&self) -> Option<(f64, f64)> {
        let length = self.data.layout.length as f64;
        let (from, to) = (RANGE.0 * length, RANGE.1 * length);
        let mut best = (0.0, 0.0, 0.0);
        for ramp_length in RAMPS.map(|r| r * length) {
            for i in 0..=POINTS {
                let delay = from + (to - from) * i as f64 / POINTS as f64;
                let found = self.chi2_decrease(delay, ramp_length);
                if found > best.0 {
                    best = (found, delay, ramp_length);
                }
            }
        }
        let mut negative = |[delay, ramp_length]: [f64; 2]| {
            // Half a range more on either side, so that a maximum at its end can be found.
            if delay < 1.5 * from || delay > 1.5 * to {
                0.0
            } else {
                -self.chi2_decrease(delay, ramp_length.abs())
            }
        };
        let (corner, sides) = ([best.1, best.2], [1.0, RAMP_SIDE * length]);
        let (at, least) = simplex(&mut negative, corner, sides, 0.02, EVALUATIONS);
        (-least > STEP_CHI2).then_some((at[0], at[1].abs()))
    }
}
