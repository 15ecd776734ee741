//! `seismix features`: pyramid features of an archive.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};
use super::options::{Running, Selection, Sharding, Transform};

/// Compute the features of an archive: one HDF5 file a station and day
///
/// Each file holds scattering covariances pooled over short blocks, from which the windows of all scales are made when
/// they are read. Files are written aside and renamed, so a run can be stopped and goes on where it was.
#[derive(Debug, Args)]
pub struct Features {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the feature files
    #[arg(long, short, value_name = "FEATURES")]
    output: PathBuf,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    transform: Transform,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    sharding: Sharding,
}

impl Features {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let selection = self.selection.config()?;
        let transform = self.transform.config()?;
        let run = self
            .running
            .config(&context.common, None, Some(&self.sharding));
        let _ = (&self.paths, &self.output, selection, transform, run);
        Err(Failure::new("`features` is not built yet"))
    }
}
