//! Calibration of the filters for one target: all are tried on mixtures of snippets that they were not made of, at the
//! target's level. These trials give the weights of the filters in the estimate, its uncertainty, and its expected SNR.

use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;
use seismix_core::progress::Progress;

use super::expected::{Line, features};
use super::filters::{Candidate, Filter, Filtered, Grids, Members};
pub(super) use super::trials::Trial;
use super::trials::{FOLDS, trials};
use super::weights::{best_factor, combine, combine_variances, fit_weights};
use crate::error::Error;

/// Half width of a band that holds 90 % of a Gaussian, in standard deviations.
const NINETY: f64 = 1.644_853_626_951_472_7;

/// SNR of a filter's background on the trials.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodScore {
    /// Name of the filter.
    pub name: String,
    /// Mean over the mixtures, dB.
    pub mean_db: f64,
    /// Standard deviation over the mixtures, dB.
    pub spread_db: f64,
    /// Its weight in the estimate; that of the mixture itself is the last.
    pub weight: f64,
}

/// Expected SNR of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedSnr {
    /// Its mean, dB.
    pub mean_db: f64,
    /// Its standard deviation, dB.
    pub spread_db: f64,
}

/// Mixture of snippets with the estimate from others.
pub(super) struct HeldOut {
    /// Snippets that the estimate was made of.
    pub members: Members,
    pub mixture: Vec<f64>,
    /// The background in it.
    pub truth: Vec<f64>,
    pub estimate: Vec<f64>,
}

/// Weights of the candidates, and the accuracy of their weighted sum.
pub(super) struct Calibration {
    candidates: Vec<Candidate>,
    pub scores: Vec<MethodScore>,
    weights: Vec<f64>,
    /// The candidate with the best mean SNR.
    pub best: Candidate,
    /// Factor on the standard deviation, so that 90 % of the samples are in the band.
    band: f64,
    /// Factor on the deviation of a draw.
    pub draw_scale: f64,
    estimate: Line,
    nothing: Line,
    /// Mean SNR over the mixtures beyond that of the mixture times its best factor.
    pub beyond_scaling_db: f64,
    pub held_out: Vec<HeldOut>,
}

/// Weighted estimate of a window.
pub(super) struct WeightedEstimate {
    pub background: Vec<f64>,
    pub deviation: Vec<f64>,
    pub expected: ExpectedSnr,
    /// Of the mixture itself.
    pub expected_nothing: ExpectedSnr,
}

impl Calibration {
    /// Tries `candidates`, all of `grids`' frame lengths, on `n_mixtures` mixtures.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn new(
        grids: &Grids<'_>,
        candidates: Vec<Candidate>,
        n_mixtures: usize,
        rng: &mut ChaCha8Rng,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let trials = trials(grids, &candidates, n_mixtures, rng, progress)?;
        let weights = fit_weights(&trials.iter().collect::<Vec<_>>());
        let found = cross_validated(&trials, &weights);
        let (band, draw_scale) = scales(&trials, &found);
        let features: Vec<[f64; 2]> = trials
            .iter()
            .zip(&found)
            .map(|(trial, (background, variance))| features(trial.mixture(), background, variance))
            .collect();
        let of = |estimate: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..trials.len()).map(estimate).collect()
        };
        let reached = of(&|i| snr_db(&trials[i].truth, &found[i].0));
        let untouched = of(&|i| snr_db(&trials[i].truth, trials[i].mixture()));
        let factor = best_factor(&trials);
        let scaled = of(&|i| {
            let scaled: Vec<f64> = trials[i].mixture().iter().map(|v| factor * v).collect();
            snr_db(&trials[i].truth, &scaled)
        });
        let scores = scores(&trials, &candidates, &weights);
        let best = (0..candidates.len())
            .max_by(|a, b| scores[*a].mean_db.total_cmp(&scores[*b].mean_db))
            .map_or(candidates[0], |c| candidates[c]);
        let held_out = trials
            .iter()
            .zip(found)
            .map(|(trial, (background, _))| HeldOut {
                members: trial.members.clone(),
                mixture: trial.mixture().to_vec(),
                truth: trial.truth.clone(),
                estimate: background,
            })
            .collect();
        Ok(Self {
            // The posterior mean of two equal clusters is half the mixture, which would pass for a gain of 3 dB.
            beyond_scaling_db: moments(&reached).0 - moments(&scaled).0,
            held_out,
            candidates,
            scores,
            weights,
            best,
            band,
            draw_scale,
            estimate: Line::new(&features, &reached),
            nothing: Line::new(&features, &untouched),
        })
    }

    /// Candidates with weight, each with its index. All of them if none has: the mixture is the estimate then, and its
    /// uncertainty is the mean of theirs.
    pub fn needed(&self) -> Vec<(usize, Candidate)> {
        let weighted = |c: usize| self.weights[c] > 0.0;
        // Without any filter there would be no variance, and the deviation would have no samples.
        let none = !(0..self.candidates.len()).any(weighted);
        let all = self.candidates.iter().copied().enumerate();
        all.filter(|(c, _)| none || weighted(*c)).collect()
    }

    /// The estimate of a window of T samples by the filters that [`needed`](Self::needed) names, in its order.
    pub fn apply(&self, mixture: &[f64], filters: &[Filter<'_>]) -> WeightedEstimate {
        let filtered: Vec<Filtered> = filters.par_iter().map(|f| f.apply(mixture)).collect();
        let (mut estimates, mut variances) = (Vec::new(), Vec::new());
        let mut weights = Vec::new();
        for (filtered, (c, _)) in filtered.into_iter().zip(self.needed()) {
            estimates.push(filtered.background);
            variances.push(filtered.variance);
            weights.push(self.weights[c]);
        }
        estimates.push(mixture.to_vec());
        weights.push(self.weights[self.weights.len() - 1]);
        let background = combine(&estimates, &weights);
        let variance = combine_variances(&variances, &weights);
        let at = features(mixture, &background, &variance);
        WeightedEstimate {
            deviation: variance.iter().map(|v| self.band * v.sqrt()).collect(),
            expected: self.estimate.at(at),
            expected_nothing: self.nothing.at(at),
            background,
        }
    }
}

/// Estimate of each trial and its variance, with weights fitted to the trials of the other folds.
fn cross_validated(trials: &[Trial], weights: &[f64]) -> Vec<(Vec<f64>, Vec<f64>)> {
    // Weights that were fitted to a trial itself would predict too high an SNR for it.
    let by_fold: Vec<Vec<f64>> = (0..FOLDS)
        .map(|fold| {
            let others: Vec<&Trial> = trials.iter().filter(|t| t.fold != fold).collect();
            if others.is_empty() {
                weights.to_vec()
            } else {
                fit_weights(&others)
            }
        })
        .collect();
    let of = |trial: &Trial| {
        let weights = &by_fold[trial.fold];
        (
            combine(&trial.estimates, weights),
            combine_variances(&trial.variances, weights),
        )
    };
    trials.iter().map(of).collect()
}

/// Factors on the standard deviation: for a band with 90 % of the samples, and for draws with the energy of the
/// median error.
fn scales(trials: &[Trial], found: &[(Vec<f64>, Vec<f64>)]) -> (f64, f64) {
    let mut ratios: Vec<f64> = Vec::new();
    let mut energies: Vec<f64> = Vec::new();
    for (trial, (background, variance)) in trials.iter().zip(found) {
        let mut errors = 0.0;
        for ((t, e), v) in trial.truth.iter().zip(background).zip(variance) {
            let error = (t - e).powi(2);
            errors += error;
            // Silent samples have neither error nor variance.
            ratios.push((error / v.max(f64::MIN_POSITIVE)).sqrt());
        }
        energies.push(errors / variance.iter().sum::<f64>().max(f64::MIN_POSITIVE));
    }
    // Posterior variances assume known powers, so they are too small; the trials give the factor.
    let band = quantile(&mut ratios, 0.9) / NINETY;
    (band, quantile(&mut energies, 0.5).sqrt())
}

/// SNR of each candidate over the trials, and of the mixture itself.
fn scores(trials: &[Trial], candidates: &[Candidate], weights: &[f64]) -> Vec<MethodScore> {
    let score = |(c, weight): (usize, &f64)| {
        let of = |t: &Trial| snr_db(&t.truth, &t.estimates[c]);
        let (mean_db, spread_db) = moments(&trials.iter().map(of).collect::<Vec<_>>());
        let name = candidates.get(c).map(|c| c.name());
        MethodScore {
            name: name.unwrap_or_else(|| "the mixture itself".to_owned()),
            mean_db,
            spread_db,
            weight: *weight,
        }
    };
    weights.iter().enumerate().map(score).collect()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// 10 log10 of the energy of the truth over that of the error.
fn snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    let error: f64 = truth
        .iter()
        .zip(estimate)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    let own = dot(truth, truth).max(f64::MIN_POSITIVE);
    // An estimate without error has an infinite SNR, which no mean could include.
    (10.0 * (own / error.max(f64::MIN_POSITIVE)).log10()).clamp(-200.0, 200.0)
}

/// Mean and standard deviation.
pub(super) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((part * values.len() as f64) as usize).min(values.len().saturating_sub(1));
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}
