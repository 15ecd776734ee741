//! `seismix train`: a model of the windows at all scales.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};
use super::options::{Running, Seed, Training};

/// Train the model that groups windows into clusters at all scales at once
#[derive(Debug, Args)]
pub struct Train {
    /// Folder of feature files, or some of its files
    #[arg(required = true, value_name = "FEATURES")]
    features: Vec<PathBuf>,
    /// File for the model
    #[arg(long, short, value_name = "MODEL")]
    output: PathBuf,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    running: Running,
}

impl Train {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let training = self.training.config()?;
        let run = self.running.config(&context.common, Some(&self.seed), None);
        let _ = (&self.features, &self.output, training, run);
        Err(Failure::new("`train` is not built yet"))
    }
}
