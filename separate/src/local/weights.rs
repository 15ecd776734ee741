//! Weights of estimates, fitted to trials whose truth is known.

use rayon::prelude::*;

use super::calibration::{Trial, dot};

/// Iterations of the weights, each with every trial weighted by its own error.
const ROUNDS: usize = 4;
/// Least error of a trial, as a share of its energy: a trial without error would have all the weight.
const LEAST_ERROR: f64 = 1e-3;
/// Weight below which an estimate is not used, so that its filter need not be applied.
const LEAST_WEIGHT: f64 = 1e-3;

/// Inner products of the estimates of one trial: with each other, with the truth, and of the truth with itself.
struct Products {
    gram: Vec<f64>,
    right: Vec<f64>,
    own: f64,
}

impl Products {
    fn new(trial: &Trial) -> Self {
        let e = &trial.estimates;
        let n = e.len();
        Self {
            gram: (0..n * n).map(|at| dot(&e[at / n], &e[at % n])).collect(),
            right: (0..n).map(|c| dot(&e[c], &trial.truth)).collect(),
            own: dot(&trial.truth, &trial.truth),
        }
    }

    /// Energy of the error of a weighted sum: `t't - 2 w'r + w'G w`.
    fn error(&self, weights: &[f64]) -> f64 {
        let n = weights.len();
        let mut error = self.own;
        for a in 0..n {
            error -= 2.0 * weights[a] * self.right[a];
            for b in 0..n {
                error += weights[a] * weights[b] * self.gram[a * n + b];
            }
        }
        error
    }
}

/// Fits weights >= 0 of the estimates that minimise the mean logarithm of the error energy over the trials.
///
/// The logarithm's slope is 1 / error, so least squares with each trial weighted by its last error converges to it.
pub(super) fn fit_weights(trials: &[&Trial]) -> Vec<f64> {
    let Some(first) = trials.first() else {
        return Vec::new();
    };
    let n = first.estimates.len();
    let products: Vec<Products> = trials
        .par_iter()
        .map(|trial| Products::new(trial))
        .collect();
    let mut trial_weights: Vec<f64> = products
        .iter()
        .map(|p| 1.0 / p.own.max(f64::MIN_POSITIVE))
        .collect();
    let mut weights = vec![1.0 / n as f64; n];
    for _ in 0..ROUNDS {
        let mut gram = vec![0.0; n * n];
        let mut right = vec![0.0; n];
        for (p, count) in products.iter().zip(&trial_weights) {
            let sums = gram.iter_mut().zip(&p.gram);
            sums.for_each(|(to, g)| *to += count * g);
            let sums = right.iter_mut().zip(&p.right);
            sums.for_each(|(to, r)| *to += count * r);
        }
        // Estimates of frames of similar length are nearly equal; the ridge shares the weight between them.
        let ridge = 1e-3 * (0..n).map(|c| gram[c * n + c]).sum::<f64>() / n as f64;
        least_squares(&gram, &right, ridge, &mut weights);
        for (p, count) in products.iter().zip(&mut trial_weights) {
            let error = p.error(&weights);
            *count = 1.0 / error.max(LEAST_ERROR * p.own).max(f64::MIN_POSITIVE);
        }
    }
    let used = |w: &f64| if *w < LEAST_WEIGHT { 0.0 } else { *w };
    weights.iter().map(used).collect()
}

/// Factor on the mixtures themselves that [`fit_weights`] would find.
pub(super) fn best_factor(trials: &[Trial]) -> f64 {
    let products = trials.iter().map(|t| {
        let (x, n) = (t.mixture(), &t.truth);
        [dot(x, x), dot(x, n), dot(n, n).max(f64::MIN_POSITIVE)]
    });
    let products: Vec<[f64; 3]> = products.collect();
    let mut factor: f64 = 1.0;
    for _ in 0..20 {
        let (mut right, mut own) = (0.0, 0.0);
        for [xx, xn, nn] in &products {
            let error = (nn - 2.0 * factor * xn + factor * factor * xx).max(LEAST_ERROR * nn);
            right += xn / error;
            own += xx / error;
        }
        // Silent mixtures have no best factor.
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

/// Sum of the estimates by weight.
pub(super) fn combine(estimates: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; estimates.first().map_or(0, Vec::len)];
    for (estimate, weight) in estimates.iter().zip(weights) {
        // Those without weight may not be finite.
        if *weight > 0.0 {
            let sums = sum.iter_mut().zip(estimate);
            sums.for_each(|(to, e)| *to += weight * e);
        }
    }
    sum
}

/// Mean variance by weight; the plain mean of those of the filters if none has any.
pub(super) fn combine_variances(variances: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let weights = &weights[..variances.len().min(weights.len())];
    let total: f64 = weights.iter().sum();
    // The mixture itself has the last weight, and no variance.
    if total <= 0.0 {
        let even = vec![1.0 / weights.len().max(1) as f64; weights.len()];
        return combine(variances, &even);
    }
    let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
    combine(variances, &weights)
}
