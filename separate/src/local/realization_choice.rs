//! Which realisation is the most plausible: how far the estimate goes towards its refinement, and how much of a posterior
//! draw is added, is chosen on mixtures of held-out snippets by how near the statistics come to the true window's.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::calibration::{HeldOut, grid_of};
use super::filters::{Candidate, Clusters, Filter, Grid};
use super::realization::Realisation;
use super::statistics::Statistics;
use crate::error::Error;
use crate::scattering::terms::ObjectiveOptions;

/// Mixtures that the choice is made on.
const TRIALS: usize = 15;
/// Iterations of a refinement.
const ITERATIONS: usize = 60;
/// Weights of the tether that are tried.
const TETHERS: [f64; 2] = [3.0, 0.5];
/// Parts of the way to the refinement, and of a draw's deviation, that are tried.
const REFINED: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
const DRAWN: [f64; 4] = [0.0, 0.2, 0.4, 0.6];

/// What is added to an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    /// Which of the tethers.
    tether: usize,
    refined: f64,
    drawn: f64,
    /// Factor on the deviation of a draw.
    draw_scale: f64,
}

impl Recipe {
    /// The best of all on held-out mixtures.
    ///
    /// # Errors
    /// What the transform or the optimiser refuses.
    pub fn choose(
        held_out: &[HeldOut],
        clusters: &Clusters,
        grids: &[(usize, Grid)],
        best: Candidate,
        draw_scale: f64,
        options: ObjectiveOptions,
    ) -> Result<Self, Error> {
        let recipes: Vec<Self> = (0..TETHERS.len())
            .flat_map(|tether| REFINED.map(|refined| (tether, refined)))
            .flat_map(|(tether, refined)| DRAWN.map(|drawn| (tether, refined, drawn)))
            .filter(|(_, refined, drawn)| refined + drawn > 0.0)
            .map(|(tether, refined, drawn)| Self {
                tether,
                refined,
                drawn,
                draw_scale,
            })
            .collect();
        let step = held_out.len().div_ceil(TRIALS).max(1);
        let tried: Vec<Result<Vec<f64>, Error>> = held_out
            .par_iter()
            .step_by(step)
            .enumerate()
            .map(|(i, trial)| {
                let own = Clusters {
                    background: pick(&clusters.background, &trial.members.background),
                    source: pick(&clusters.source, &trial.members.source),
                };
                let filter = best.fit(grid_of(grids, best.frame), &trial.members);
                let statistics = Statistics::new(trial.truth.len(), options)?;
                let deviations = statistics.deviations(&own.background);
                let truth = statistics.measure(&trial.truth);
                let parts = Moves::new(&trial.mixture, &trial.estimate, &own, &filter, options, i)?;
                Ok(recipes
                    .iter()
                    .map(|recipe| {
                        let made = parts.made(*recipe);
                        deviations.distance(&statistics.measure(&made), &truth)
                    })
                    .collect())
            })
            .collect();
        let mut sums = vec![0.0; recipes.len()];
        for distances in tried {
            // Logarithms, so that a window that is like no other does not decide.
            for (sum, d) in sums.iter_mut().zip(distances?) {
                *sum += d.max(f64::MIN_POSITIVE).ln();
            }
        }
        let best = (0..recipes.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b]));
        Ok(recipes[best.unwrap_or(0)])
    }

    /// A realisation about `estimate`, of a window of T samples.
    ///
    /// # Errors
    /// What the transform or the optimiser refuses.
    pub fn realise(
        self,
        mixture: &[f64],
        estimate: &[f64],
        clusters: &Clusters,
        filter: &Filter<'_>,
        options: ObjectiveOptions,
        piece: usize,
    ) -> Result<Vec<f64>, Error> {
        Ok(Moves::new(mixture, estimate, clusters, filter, options, piece)?.made(self))
    }
}

/// The estimate of a window with what may be added to it.
struct Moves<'a> {
    estimate: &'a [f64],
    /// By tether.
    refined: Vec<Vec<f64>>,
    deviation: Vec<f64>,
}

impl<'a> Moves<'a> {
    fn new(
        mixture: &[f64],
        estimate: &'a [f64],
        clusters: &Clusters,
        filter: &Filter<'_>,
        options: ObjectiveOptions,
        seed: usize,
    ) -> Result<Self, Error> {
        let mut objective = Realisation::new(mixture, estimate, clusters, filter, options)?;
        let n = clusters.background.len() * mixture.len();
        let power: f64 = clusters.background.iter().flatten().map(|v| v * v).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut refined = Vec::with_capacity(TETHERS.len());
        for tether in TETHERS {
            objective = objective.tethered(tether);
            refined.push(objective.find(estimate, ITERATIONS, (power / n as f64).sqrt())?);
        }
        Ok(Self {
            estimate,
            refined,
            deviation: filter.draw_deviation(mixture, &mut rng),
        })
    }

    fn made(&self, recipe: Recipe) -> Vec<f64> {
        let drawn = recipe.drawn * recipe.draw_scale;
        self.estimate
            .iter()
            .zip(&self.refined[recipe.tether])
            .zip(&self.deviation)
            .map(|((e, r), d)| e + recipe.refined * (r - e) + drawn * d)
            .collect()
    }
}

fn pick(all: &[Vec<f64>], of: &[usize]) -> Vec<Vec<f64>> {
    of.iter().map(|k| all[*k].clone()).collect()
}
