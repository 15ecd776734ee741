//! Trials: mixtures of snippets whose background is known, separated by filters made of other snippets.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use seismix_core::progress::Progress;

use super::filters::{Candidate, Filter, Filtered, Grids, Members};
use crate::error::Error;

/// Parts that the snippets are dealt into; those of one part are mixed and given to filters made of the others.
pub(super) const FOLDS: usize = 3;

/// One mixture of held-out snippets, with the estimate of every candidate.
pub(super) struct Trial {
    pub fold: usize,
    /// Snippets that the filters were made of.
    pub members: Members,
    /// Background in the mixture.
    pub truth: Vec<f64>,
    /// Estimates of the background by candidate; the last is the mixture itself.
    pub estimates: Vec<Vec<f64>>,
    pub variances: Vec<Vec<f64>>,
}

impl Trial {
    fn new(fold: usize, members: &Members, parts: [&[f64]; 2], filters: &[Filter<'_>]) -> Self {
        let [truth, source] = parts;
        let mixture: Vec<f64> = truth.iter().zip(source).map(|(n, s)| n + s).collect();
        let (mut estimates, mut variances) = (Vec::new(), Vec::new());
        for filter in filters {
            let Filtered {
                background,
                variance,
            } = filter.apply(&mixture);
            estimates.push(background);
            variances.push(variance);
        }
        estimates.push(mixture);
        Self {
            fold,
            members: members.clone(),
            truth: truth.to_vec(),
            estimates,
            variances,
        }
    }

    pub fn mixture(&self) -> &[f64] {
        &self.estimates[self.estimates.len() - 1]
    }
}

/// Makes `n_mixtures` trials, an equal number in each fold.
///
/// # Errors
/// [`Error::Interrupted`].
pub(super) fn trials(
    grids: &Grids<'_>,
    candidates: &[Candidate],
    n_mixtures: usize,
    rng: &mut ChaCha8Rng,
    progress: &dyn Progress,
) -> Result<Vec<Trial>, Error> {
    let clusters = grids.clusters;
    // Shuffled, since neighbouring windows of a record are alike.
    let orders = [clusters.background.len(), clusters.source.len()].map(|n| {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(rng);
        order
    });
    let mut trials = Vec::new();
    for fold in 0..FOLDS {
        let [background, source] = [0, 1].map(|c| of_fold(&orders[c], fold));
        let members = Members {
            background: without_fold(&orders[0], fold),
            source: without_fold(&orders[1], fold),
        };
        // Fewer snippets than folds leave some folds empty.
        if background.is_empty() || source.is_empty() {
            continue;
        }
        let filters: Vec<Filter<'_>> = candidates
            .par_iter()
            .map(|c| grids.fit(*c, &members))
            .collect();
        let n = n_mixtures.div_ceil(FOLDS);
        let made: Vec<Result<Trial, Error>> = (0..n)
            .into_par_iter()
            .map(|i| {
                Error::if_cancelled(progress)?;
                let truth = &clusters.background[background[i % background.len()]];
                // Each background gets another partner in each round.
                let round = i / background.len();
                let source = &clusters.source[source[(i + round) % source.len()]];
                Ok(Trial::new(fold, &members, [truth, source], &filters))
            })
            .collect();
        for trial in made {
            trials.push(trial?);
        }
    }
    Ok(trials)
}

/// Snippets of a fold: every third of the shuffled ones.
fn of_fold(order: &[usize], fold: usize) -> Vec<usize> {
    order.iter().copied().skip(fold).step_by(FOLDS).collect()
}

/// Snippets of the other folds, ascending.
fn without_fold(order: &[usize], fold: usize) -> Vec<usize> {
    let others = (0..FOLDS).filter(|other| *other != fold);
    let mut rest: Vec<usize> = others.flat_map(|other| of_fold(order, other)).collect();
    rest.sort_unstable();
    rest
}
