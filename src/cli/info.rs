//! `seismix info`: what is in files and archives.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};
use super::options::Selection;

/// Say what is in files and archives: ids, rates, spans, gaps, overlaps, amplitudes
///
/// With --json: one line a gap-free segment, and a line {"file","error","offset"} for what cannot be read.
#[derive(Debug, Args)]
pub struct Info {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Add `sha256` over the samples as little-endian f64
    #[arg(long, requires = "json")]
    checksum: bool,
    /// Add `samples_b64`: base64 of the samples as little-endian f64
    #[arg(long, requires = "json")]
    samples: bool,
    #[command(flatten)]
    selection: Selection,
}

impl Info {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let _ = (&self.paths, self.checksum, self.samples, &context.common);
        let _ = self.selection.config()?;
        Err(Failure::new("`info` is not built yet"))
    }
}
