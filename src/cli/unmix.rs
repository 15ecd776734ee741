//! `seismix unmix`: the separation alone, on arrays.

use std::path::PathBuf;

use clap::Args;
use seismix::pipeline::config::Objective;

use super::Context;
use super::failure::{Failure, Result};
use super::options::{at_least_two, positive};

/// Separate arrays: a mixture and snippets of its background in, background and source out
///
/// Shapes: (T,) and (R,T), or (C,T) and (R,C,T). OUT holds `background`, `source` and `loss` (iterations, 3: L1, L2, L3).
/// With --evaluate nothing is optimised: OUT holds `loss` (1,3) and `gradient` at the given background.
#[derive(Debug, Args)]
pub struct Unmix {
    /// Mixture x, (T,) or (C,T)
    #[arg(long, value_name = "X.npy")]
    mixture: PathBuf,
    /// Background snippets n_k, (R,T) or (R,C,T); at least 2
    #[arg(long, value_name = "NK.npy")]
    background: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    /// Octaves J of the coefficients that are compared
    #[arg(long, value_name = "J", default_value = "8", value_parser = positive)]
    octaves: usize,
    /// Use the first R snippets only [default: all]
    #[arg(long, value_name = "R", value_parser = at_least_two)]
    snippets: Option<usize>,
    /// At most so many iterations
    #[arg(long, value_name = "N", default_value = "500", value_parser = positive)]
    max_iter: usize,
    /// What is minimised: the three losses of arXiv 2305.16189
    #[arg(long, value_name = "NAME", default_value = "paper")]
    objective: Objective,
    /// Only the loss and its gradient at this background, of the mixture's shape
    #[arg(long, value_name = "N.npy")]
    evaluate: Option<PathBuf>,
}

impl Unmix {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let _ = (&self.mixture, &self.background, &self.output, self.octaves);
        let _ = (self.snippets, self.max_iter, self.objective, &self.evaluate);
        let _ = &context.common;
        Err(Failure::new("`unmix` is not built yet"))
    }
}
