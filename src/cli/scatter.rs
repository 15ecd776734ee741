//! `seismix scatter`: coefficients of arrays.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::failure::{Failure, Result};

/// Compute the scattering covariance of arrays
#[derive(Debug, Args)]
pub struct Scatter {
    /// Array (T,), (B,T) or (B,C,T)
    #[arg(value_name = "IN.npy")]
    input: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
}

impl Scatter {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let _ = (&self.input, &self.output, &context.common);
        Err(Failure::new("`scatter` is not built yet"))
    }
}
