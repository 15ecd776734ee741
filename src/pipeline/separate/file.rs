//! `separation.json`: what was separated, from what, and how each target ended.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::error::{PipelineError, Result};
use super::result::ChannelResult;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeparationFile {
    /// Scale (samples) and clusters taken out.
    pub target: ScaleClusters,
    /// Scale and clusters whose windows served as background.
    pub background: ScaleClusters,
    /// How targets were separated.
    pub method: String,
    /// One entry a target stretch, by station and time.
    pub targets: Vec<TargetResult>,
    /// Version, configuration, seed, inputs.
    pub provenance: serde_json::Value,
}

/// Clusters of one scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleClusters {
    /// Window length in samples.
    pub scale: usize,
    /// Cluster numbers.
    pub clusters: Vec<usize>,
}

/// How one target stretch ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// Station and band, `NET.STA.LOC.BAND`.
    pub id: String,
    /// First sample that may differ from the input, ISO 8601.
    pub starttime: String,
    /// Last sample that may differ from the input.
    pub endtime: String,
    /// The same in ns UTC.
    pub start_ns: i64,
    /// The same in ns UTC.
    pub end_ns: i64,
    /// Mean probability of the target clusters.
    pub probability: f32,
    /// Windows of the target scale in it.
    pub n_windows: usize,
    /// Starts of the background snippets, ISO 8601.
    pub snippets: Vec<String>,
    /// Samples in a snippet.
    pub snippet_samples: usize,
    /// One entry a channel that could be separated; empty if none could.
    pub channels: Vec<ChannelResult>,
    /// Why the target, or the channels that are not listed, were left as they are.
    pub left: Option<String>,
}

impl SeparationFile {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|e| PipelineError::unusable(e.to_string(), "report this"))?;
        crate::pipeline::write_atomic(path, &json)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::Unusable`] if it is damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(PipelineError::io("reading", path))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            PipelineError::unusable(
                format!("`{}` is damaged: {e}", path.display()),
                "run `seismix separate` again",
            )
        })
    }
}
