//! The stages of seismix strung together, from records to a report. Nothing here prints; an [`Observer`] is told.

mod block_plan;
pub mod cluster;
pub mod config;
pub mod corpus;
pub mod decoding;
pub mod demo;
mod error;
pub mod features;
mod local_day;
pub mod observer;
pub mod provenance;
pub mod records;
pub mod report;
pub mod run;
pub mod sample;
pub mod score;
pub mod separate;
pub mod stability;
pub mod synth;
pub mod targets;
pub mod toy;
pub mod train;
mod train_log;
mod workplace;

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

pub use error::{PipelineError, Result};
pub use observer::{Observer, Silent};
pub use train_log::history_path;

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
