//! Choice of a realisation on mixtures of held-out snippets: the part of the refinement, and of a posterior draw,
//! that makes the statistics most similar to those of the true window.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;
use seismix_core::progress::Progress;

use super::calibration::{Calibration, HeldOut};
use super::filters::{Clusters, Filter, Grids};
use super::realization::Realisation;
use super::statistics::Statistics;
use crate::error::Error;
use crate::scattering::terms::ObjectiveOptions;

/// Number of mixtures that the choice is made on.
const TRIALS: usize = 15;
/// Iterations of a refinement.
const ITERATIONS: usize = 60;
/// Weights of the tether that are tried.
const TETHERS: [f64; 2] = [3.0, 0.5];
/// Parts of the way to the refinement, and of a draw's deviation, that are tried.
const REFINED: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
const DRAWN: [f64; 4] = [0.0, 0.2, 0.4, 0.6];

/// Additions to an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    /// Index of the tether.
    tether: usize,
    refined: f64,
    drawn: f64,
    /// Factor on the deviation of a draw.
    draw_scale: f64,
}

impl Recipe {
    /// Chooses the recipe with the least mean log distance on held-out mixtures.
    ///
    /// # Errors
    /// Refusals of the transform or the optimiser; [`Error::Interrupted`].
    pub fn choose(
        calibration: &Calibration,
        grids: &Grids<'_>,
        options: ObjectiveOptions,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let held_out = &calibration.held_out;
        let recipes: Vec<Self> = (0..TETHERS.len())
            .flat_map(|tether| REFINED.map(|refined| (tether, refined)))
            .flat_map(|(tether, refined)| DRAWN.map(|drawn| (tether, refined, drawn)))
            .filter(|(_, refined, drawn)| refined + drawn > 0.0)
            .map(|(tether, refined, drawn)| Self {
                tether,
                refined,
                drawn,
                draw_scale: calibration.draw_scale,
            })
            .collect();
        let step = held_out.len().div_ceil(TRIALS).max(1);
        let tried: Vec<Result<Vec<f64>, Error>> = held_out
            .par_iter()
            .step_by(step)
            .enumerate()
            .map(|(i, trial)| {
                Error::if_cancelled(progress)?;
                let own = trial.members.pick(grids.clusters);
                let window = RealizedWindow {
                    mixture: &trial.mixture,
                    estimate: &trial.estimate,
                    clusters: &own,
                    filter: &grids.fit(calibration.best, &trial.members),
                    seed: i as u64,
                };
                distances(&recipes, trial, &window, options)
            })
            .collect();
        let mut sums = vec![0.0; recipes.len()];
        for distances in tried {
            // Logarithms, so that one atypical window does not decide.
            for (sum, d) in sums.iter_mut().zip(distances?) {
                *sum += d.max(f64::MIN_POSITIVE).ln();
            }
        }
        let best = (0..recipes.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b]));
        Ok(recipes[best.unwrap_or(0)])
    }

    /// Realisation about the estimate of a window.
    ///
    /// # Errors
    /// Refusals of the transform or the optimiser.
    pub fn realise(
        self,
        window: &RealizedWindow<'_>,
        options: ObjectiveOptions,
    ) -> Result<Vec<f64>, Error> {
        Ok(Moves::new(window, options)?.made(self))
    }
}

/// Window with its estimate, and the model of both clusters that it is realised with.
pub(super) struct RealizedWindow<'a> {
    pub mixture: &'a [f64],
    pub estimate: &'a [f64],
    pub clusters: &'a Clusters,
    pub filter: &'a Filter<'a>,
    /// Seed of the posterior draw.
    pub seed: u64,
}

/// Distance of each recipe's realisation from the truth of a held-out mixture.
fn distances(
    recipes: &[Recipe],
    trial: &HeldOut,
    window: &RealizedWindow<'_>,
    options: ObjectiveOptions,
) -> Result<Vec<f64>, Error> {
    let statistics = Statistics::new(trial.truth.len(), options)?;
    let deviations = statistics.deviations(&window.clusters.background);
    let truth = statistics.measure(&trial.truth);
    let moves = Moves::new(window, options)?;
    let distance = |recipe: &Recipe| {
        let made = statistics.measure(&moves.made(*recipe));
        deviations.distance(&made, &truth)
    };
    Ok(recipes.iter().map(distance).collect())
}

/// Estimate of a window with its refinements and a posterior deviation.
struct Moves<'a> {
    estimate: &'a [f64],
    /// Refinement for each tether.
    refined: Vec<Vec<f64>>,
    deviation: Vec<f64>,
}

impl<'a> Moves<'a> {
    fn new(window: &RealizedWindow<'a>, options: ObjectiveOptions) -> Result<Self, Error> {
        let RealizedWindow {
            mixture,
            estimate,
            clusters,
            filter,
            seed,
        } = *window;
        let mut objective = Realisation::new(mixture, estimate, clusters, filter, options)?;
        // Root mean square of the background, the unit of the optimiser's first step.
        let n = clusters.background.len() * mixture.len();
        let power: f64 = clusters.background.iter().flatten().map(|v| v * v).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
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
            // The refinement alone is too typical of its cluster, the mean alone too smooth.
            .map(|((e, r), d)| e + recipe.refined * (r - e) + drawn * d)
            .collect()
    }
}
