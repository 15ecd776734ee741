//! What the filters are worth for one target: all are tried on mixtures of snippets that they were not made of, at the
//! target's level; their mean is weighed by what it would have got there, and so are its uncertainty and expected SNR.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::expected::{Line, features};
use super::filters::{Candidate, Clusters, Filter, Filtered, Grid, Members};

/// Parts that the snippets are dealt into; those of one part are mixed and given to filters made of the others.
const FOLDS: usize = 3;
/// Rounds in which the weights are found again with each mixture counting by its error.
const ROUNDS: usize = 4;
/// Half width of a band that holds 90 % of a Gaussian, in standard deviations.
const NINETY: f64 = 1.644_853_626_951_472_7;

/// One mixture of held-out snippets, with what every candidate made of it.
struct Trial {
    fold: usize,
    /// What the filters were made of.
    members: Members,
    truth: Vec<f64>,
    /// Estimates of the background by candidate; the last is the mixture itself.
    estimates: Vec<Vec<f64>>,
    variances: Vec<Vec<f64>>,
}

/// A filter's SNR of the background on the mixtures.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodScore {
    /// What it is.
    pub name: String,
    /// Mean over the mixtures, dB.
    pub mean_db: f64,
    /// Standard deviation over the mixtures, dB.
    pub spread_db: f64,
    /// Its weight in the estimate; that of the mixture itself is the last.
    pub weight: f64,
}

/// An SNR that is expected of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedSnr {
    /// Its mean, dB.
    pub mean_db: f64,
    /// Its standard deviation, dB.
    pub spread_db: f64,
}

/// A mixture of snippets with the estimate that others of them gave.
pub(super) struct HeldOut {
    /// What the estimate was made of.
    pub members: Members,
    pub mixture: Vec<f64>,
    /// The background in it.
    pub truth: Vec<f64>,
    pub estimate: Vec<f64>,
}

/// Weights of the candidates, and how good their mean is.
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

/// The weighed estimate of a window.
pub(super) struct WeightedEstimate {
    pub background: Vec<f64>,
    pub deviation: Vec<f64>,
    pub expected: ExpectedSnr,
    /// Of the mixture itself.
    pub expected_nothing: ExpectedSnr,
}

impl Calibration {
    /// Tries `candidates`, all of `grids`' frame lengths, on `n_mixtures` mixtures.
    pub fn new(
        clusters: &Clusters,
        grids: &[(usize, Grid)],
        candidates: Vec<Candidate>,
        n_mixtures: usize,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let trials = trials(clusters, grids, &candidates, n_mixtures, rng);
        let all: Vec<&Trial> = trials.iter().collect();
        let weights = weigh(&all);
        // The estimate is judged with weights from the other folds.
        let mut judged: Vec<(usize, Vec<f64>)> = Vec::new();
        for fold in 0..FOLDS {
            let others: Vec<&Trial> = trials.iter().filter(|t| t.fold != fold).collect();
            judged.push((
                fold,
                if others.is_empty() {
                    weights.clone()
                } else {
                    weigh(&others)
                },
            ));
        }
        let mut found = Vec::with_capacity(trials.len());
        for trial in &trials {
            let weights = &judged[trial.fold].1;
            found.push((
                combine(&trial.estimates, weights),
                combine_variances(&trial.variances, weights),
            ));
        }
        let mut ratios: Vec<f64> = Vec::new();
        let mut energies: Vec<f64> = Vec::new();
        for (trial, (background, variance)) in trials.iter().zip(&found) {
            let mut errors = 0.0;
            for ((t, e), v) in trial.truth.iter().zip(background).zip(variance) {
                let error = (t - e).powi(2);
                errors += error;
                ratios.push((error / v.max(f64::MIN_POSITIVE)).sqrt());
            }
            energies.push(errors / variance.iter().sum::<f64>().max(f64::MIN_POSITIVE));
        }
        let band = quantile(&mut ratios, 0.9) / NINETY;
        let draw_scale = quantile(&mut energies, 0.5).sqrt();
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
        let mut scores: Vec<MethodScore> = Vec::new();
        for (c, weight) in weights.iter().enumerate() {
            let (mean_db, spread_db) =
                moments(&of(&|i| snr_db(&trials[i].truth, &trials[i].estimates[c])));
            scores.push(MethodScore {
                name: candidates
                    .get(c)
                    .map_or_else(|| "the mixture itself".to_owned(), |c| c.name()),
                mean_db,
                spread_db,
                weight: *weight,
            });
        }
        let best = (0..candidates.len())
            .max_by(|a, b| scores[*a].mean_db.total_cmp(&scores[*b].mean_db))
            .map_or(candidates[0], |c| candidates[c]);
        let held_out = trials
            .iter()
            .zip(&found)
            .map(|(trial, (background, _))| HeldOut {
                members: trial.members.clone(),
                mixture: trial.mixture().to_vec(),
                truth: trial.truth.clone(),
                estimate: background.clone(),
            })
            .collect();
        let factor = best_factor(&trials);
        let scaled = of(&|i| {
            let scaled: Vec<f64> = trials[i].mixture().iter().map(|v| factor * v).collect();
            snr_db(&trials[i].truth, &scaled)
        });
        Self {
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
        }
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

impl Trial {
    fn mixture(&self) -> &[f64] {
        &self.estimates[self.estimates.len() - 1]
    }
}

fn trials(
    clusters: &Clusters,
    grids: &[(usize, Grid)],
    candidates: &[Candidate],
    n_mixtures: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Trial> {
    let mut orders = [clusters.background.len(), clusters.source.len()].map(|n| {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(rng);
        order
    });
    // Each fold's own snippets: every third of the shuffled ones.
    let own = |order: &[usize], fold: usize| -> Vec<usize> {
        order.iter().copied().skip(fold).step_by(FOLDS).collect()
    };
    let mut trials = Vec::new();
    for fold in 0..FOLDS {
        let [background, source] = [0, 1].map(|c| own(&orders[c], fold));
        let rest = |c: usize| -> Vec<usize> {
            let others = (0..FOLDS).filter(|other| *other != fold);
            let mut rest: Vec<usize> = others.flat_map(|other| own(&orders[c], other)).collect();
            rest.sort_unstable();
            rest
        };
        let members = Members {
            background: rest(0),
            source: rest(1),
        };
        if background.is_empty() || source.is_empty() {
            continue;
        }
        let filters: Vec<Filter<'_>> = candidates
            .par_iter()
            .map(|c| c.fit(grid_of(grids, c.frame), &members))
            .collect();
        let n = n_mixtures.div_ceil(FOLDS);
        let made: Vec<Trial> = (0..n)
            .into_par_iter()
            .map(|i| {
                let truth = clusters.background[background[i % background.len()]].clone();
                // Another partner each time round.
                let round = i / background.len();
                let source = &clusters.source[source[(i + round) % source.len()]];
                let mixture: Vec<f64> = truth.iter().zip(source).map(|(n, s)| n + s).collect();
                let (mut estimates, mut variances) = (Vec::new(), Vec::new());
                for filter in &filters {
                    let Filtered {
                        background,
                        variance,
                    } = filter.apply(&mixture);
                    estimates.push(background);
                    variances.push(variance);
                }
                estimates.push(mixture);
                Trial {
                    fold,
                    members: members.clone(),
                    truth,
                    estimates,
                    variances,
                }
            })
            .collect();
        trials.extend(made);
    }
    orders.iter_mut().for_each(Vec::clear);
    trials
}

/// The grid of frames of this length.
pub(super) fn grid_of(grids: &[(usize, Grid)], frame: usize) -> &Grid {
    let at = grids.iter().position(|(length, _)| *length == frame);
    &grids[at.unwrap_or(0)].1
}

/// Weights >= 0 of the estimates, so that the mean logarithm of the error energy is least.
fn weigh(trials: &[&Trial]) -> Vec<f64> {
    let n = trials[0].estimates.len();
    let grams: Vec<(Vec<f64>, Vec<f64>, f64)> = trials
        .par_iter()
        .map(|trial| {
            let e = &trial.estimates;
            let gram = (0..n * n).map(|at| dot(&e[at / n], &e[at % n])).collect();
            let right = (0..n).map(|c| dot(&e[c], &trial.truth)).collect();
            (gram, right, dot(&trial.truth, &trial.truth))
        })
        .collect();
    let mut counts: Vec<f64> = grams
        .iter()
        .map(|(_, _, own)| 1.0 / own.max(f64::MIN_POSITIVE))
        .collect();
    let mut weights = vec![1.0 / n as f64; n];
    for _ in 0..ROUNDS {
        let mut gram = vec![0.0; n * n];
        let mut right = vec![0.0; n];
        for ((g, r, _), count) in grams.iter().zip(&counts) {
            gram.iter_mut().zip(g).for_each(|(to, g)| *to += count * g);
            right.iter_mut().zip(r).for_each(|(to, r)| *to += count * r);
        }
        let ridge = 1e-3 * (0..n).map(|c| gram[c * n + c]).sum::<f64>() / n as f64;
        least_squares(&gram, &right, ridge, &mut weights);
        for ((g, r, own), count) in grams.iter().zip(&mut counts) {
            let mut error = *own;
            for a in 0..n {
                error -= 2.0 * weights[a] * r[a];
                for b in 0..n {
                    error += weights[a] * weights[b] * g[a * n + b];
                }
            }
            *count = 1.0 / error.max(1e-3 * own).max(f64::MIN_POSITIVE);
        }
    }
    weights
        .iter()
        .map(|w| if *w < 1e-3 { 0.0 } else { *w })
        .collect()
}

/// The factor on the mixtures themselves that [`weigh`] would find.
fn best_factor(trials: &[Trial]) -> f64 {
    let products = trials.iter().map(|t| {
        let (x, n) = (t.mixture(), &t.truth);
        [dot(x, x), dot(x, n), dot(n, n).max(f64::MIN_POSITIVE)]
    });
    let products: Vec<[f64; 3]> = products.collect();
    let mut factor: f64 = 1.0;
    for _ in 0..20 {
        let (mut right, mut own) = (0.0, 0.0);
        for [xx, xn, nn] in &products {
            let error = (nn - 2.0 * factor * xn + factor * factor * xx).max(1e-3 * nn);
            right += xn / error;
            own += xx / error;
        }
        factor = if own > 0.0 {
            (right / own).max(0.0)
        } else {
            0.0
        };
    }
    factor
}

/// Minimises `w' G w - 2 r' w + ridge |w|^2` over w >= 0, coordinate by coordinate.
fn least_squares(gram: &[f64], right: &[f64], ridge: f64, weights: &mut [f64]) {
    let n = right.len();
    for _ in 0..500 {
        for c in 0..n {
            let own = gram[c * n + c] + ridge;
            let others: f64 = (0..n)
                .filter(|b| *b != c)
                .map(|b| gram[c * n + b] * weights[b])
                .sum();
            weights[c] = if own > 0.0 {
                ((right[c] - others) / own).max(0.0)
            } else {
                0.0
            };
        }
    }
}

fn combine(estimates: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; estimates[0].len()];
    for (estimate, weight) in estimates.iter().zip(weights) {
        if *weight > 0.0 {
            sum.iter_mut()
                .zip(estimate)
                .for_each(|(to, e)| *to += weight * e);
        }
    }
    sum
}

/// Mean variance by weight; those of the filters alike where none counts.
fn combine_variances(variances: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let weights = &weights[..variances.len()];
    let total: f64 = weights.iter().sum();
    if variances.is_empty() {
        return Vec::new();
    }
    let even = vec![1.0 / weights.len() as f64; weights.len()];
    if total <= 0.0 {
        return combine(variances, &even);
    }
    let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
    combine(variances, &weights)
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
