//! `seismix demo`: the whole pipeline on a synthetic archive whose sources are known.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};
use super::options::Seed;

/// Make a synthetic archive with known sources, run the whole pipeline on it and write a report with scores
///
/// Needs no data and no network. RUN then holds the archive, the truth, features, model, clusters, separated records
/// and report.html.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder for everything that is made
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
    #[command(flatten)]
    seed: Seed,
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let _ = (&self.output, self.seed.seed, &context.common);
        Err(Failure::new("`demo` is not built yet"))
    }
}
