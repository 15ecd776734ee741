//! `seismix report`: one self-contained page about a run.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};

/// Write one self-contained page about a run
#[derive(Debug, Args)]
pub struct Report {
    /// Folder of a run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// File for the page
    #[arg(long, short, value_name = "REPORT.html")]
    output: PathBuf,
}

impl Report {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let _ = (&self.run, &self.output, &context.common);
        Err(Failure::new("`report` is not built yet"))
    }
}
