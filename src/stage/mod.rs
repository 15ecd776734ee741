//! Parts that every stage shares: errors, progress, provenance, and the writing of its outputs.

pub mod artifact;
mod checkpoint;
mod context;
mod error;
pub mod inputs;
pub mod manifest;
mod output_path;
pub mod places;
pub mod progress;
pub mod provenance;
mod publish;

use std::path::Path;

use seismix_core::atomic_file::atomic_write_bytes;
use serde::Serialize;

pub use artifact::{Artifact, Making};
pub use checkpoint::Checkpoint;
pub use context::{Existing, StageContext};
pub use error::{PipelineError, Result};
pub use progress::{NoProgress, Observer};
pub use publish::write_output;

/// Writes a file, whole or not at all.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(atomic_write_bytes(path, bytes)?)
}

/// Writes JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(value).map_err(PipelineError::internal)?;
    write_atomic(path, &json)
}
