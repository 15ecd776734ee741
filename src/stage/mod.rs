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
mod rehearse;

use std::path::Path;

use seismix_core::atomic_file::atomic_write_bytes;
use serde::Serialize;

pub use artifact::{Artifact, Making};
pub use checkpoint::Checkpoint;
pub use context::{Existing, StageContext};
pub use error::{PipelineError, Result};
pub use progress::{NoProgress, Observer};
pub use publish::write_output;

/// Largest file that is read whole, bytes: nothing that seismix writes is longer, so the rest is damage.
const MAX_WHOLE: u64 = 1 << 30;

/// Content of a regular file; a FIFO or a device, which would block or never end, is refused.
pub(crate) fn read_whole(path: &Path) -> std::io::Result<Vec<u8>> {
    seismix_core::regular_file::read(path, MAX_WHOLE)
}

/// Writes a file, whole or not at all.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(atomic_write_bytes(path, bytes)?)
}

/// Writes JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(value).map_err(PipelineError::internal)?;
    write_atomic(path, &json)
}
