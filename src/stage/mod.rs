//! Parts that every stage shares: errors, progress, provenance, and the writing of its outputs.

mod error;
pub(crate) mod output_lock;
pub mod progress;
pub mod provenance;

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

pub use error::{PipelineError, Result};
pub use progress::{NoProgress, Observer};

/// Writes a file, whole or not at all.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    seismix_data::atomic::atomic_write(path, |writer| {
        writer
            .write_all(bytes)
            .map_err(PipelineError::io("writing", path))
    })
}

/// Writes JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(value)
        .map_err(|e| PipelineError::unusable(e.to_string(), "report this"))?;
    write_atomic(path, &json)
}
