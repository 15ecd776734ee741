//! `separation.json`: settings, targets and their outcomes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::separate::result::{ChannelResult, SourceEntry};
use crate::stage::{PipelineError, Result};

/// Content of `separation.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeparationFile {
    /// Scale (samples) and clusters taken out.
    pub target: ScaleClusters,
    /// Scale and clusters whose windows served as background.
    pub background: ScaleClusters,
    /// Methods used.
    pub method: String,
    /// Reason for the method, by station.
    #[serde(default)]
    pub reasons: Vec<String>,
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

/// Outcome of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// Station and band, `NET.STA.LOC.BAND`.
    pub id: String,
    /// First sample that may differ from the input, ISO 8601.
    pub starttime: String,
    /// Last sample that may differ from the input.
    pub endtime: String,
    /// First sample, ns UTC.
    pub start_ns: i64,
    /// Last sample, ns UTC.
    pub end_ns: i64,
    /// Mean probability of the target clusters.
    pub probability: f32,
    /// Windows of the target scale in it.
    pub n_windows: usize,
    /// Method that separated it.
    #[serde(default)]
    pub method: String,
    /// Kind of estimate that the background is, in words.
    #[serde(default, alias = "given")]
    pub estimate_type: String,
    /// Sources found.
    #[serde(default)]
    pub sources: Vec<SourceEntry>,
    /// Starts of the background snippets, ISO 8601.
    pub snippets: Vec<String>,
    /// Samples in a snippet.
    pub snippet_samples: usize,
    /// Channels that could be processed.
    pub channels: Vec<ChannelResult>,
    /// Reason for which the target, or the channels that are not listed, could not be processed.
    #[serde(alias = "left")]
    pub skipped_reason: Option<String>,
}

impl SeparationFile {
    /// Reads it back.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::Unusable`] if it is damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = crate::stage::read_whole(path).map_err(PipelineError::io("reading", path))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            PipelineError::unusable(
                format!("`{}` is damaged: {e}", path.display()),
                "run `seismix separate` again",
            )
        })
    }
}
