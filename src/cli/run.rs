//! `seismix run`: all stages, one after the other.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};
use super::options::{Running, Seed, Selection, Separation, Training, Transform};

/// Do everything: features, train, cluster, separate and report
///
/// Can be stopped at any moment; the same command goes on from there and ends with the same bytes.
/// Without --target it takes the cluster that looks most like a transient at the shortest scale, and says by which measure.
#[derive(Debug, Args)]
pub struct Run {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for everything that is made
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    transform: Transform,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    separation: Separation,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    running: Running,
}

impl Run {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let selection = self.selection.config()?;
        let transform = self.transform.config()?;
        let training = self.training.config()?;
        let separation = self.separation.config(transform.octaves.first);
        let run = self.running.config(&context.common, Some(&self.seed), None);
        let _ = (&self.paths, &self.output, selection, transform);
        let _ = (training, separation, run);
        Err(Failure::new("`run` is not built yet"))
    }
}
