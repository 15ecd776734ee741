//! `separation.json`: what was separated, from what, and how each target ended.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::separate::result::ChannelResult;
use crate::stage::{PipelineError, Result};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeparationFile {
    /// Scale (samples) and clusters taken out.
    pub target: ScaleClusters,
    /// Scale and clusters whose windows served as background.
    pub background: ScaleClusters,
    /// How targets were separated.
    pub method: String,
    /// Why so, by station.
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
    /// How it was separated.
    #[serde(default)]
    pub method: String,
    /// What the background in it is: the best waveform, or one that is plausible.
    #[serde(default)]
    pub given: String,
    /// Sources that were fitted, with the method `family`.
    #[serde(default)]
    pub sources: Vec<FoundSource>,
    /// Starts of the background snippets, ISO 8601.
    pub snippets: Vec<String>,
    /// Samples in a snippet.
    pub snippet_samples: usize,
    /// One entry a channel that could be separated; empty if none could.
    pub channels: Vec<ChannelResult>,
    /// Why the target, or the channels that are not listed, were left as they are.
    pub left: Option<String>,
}

/// What a method gives out.
pub(super) fn given(method: &str) -> &'static str {
    match method {
        "family" => "best waveform: the record less the fitted sources, noise and all",
        "wiener" => {
            "best waveform, by the mean spectra: it has less energy than the background itself"
        }
        "scattering" => {
            "one plausible realisation: its statistics are the background's, its waveform is not told how well"
        }
        _ => {
            "best waveform: a mean over what the background may have been, with less energy than the background itself"
        }
    }
}

/// A fitted source of a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundSource {
    /// Its onset, ISO 8601.
    pub onset: String,
    /// The same in ns UTC.
    pub onset_ns: i64,
    /// Length of its ramp, s; 0 for a step.
    pub rise_s: f64,
    /// Which of the family's shapes.
    pub kind: usize,
    /// Fall of chi-square that it brings.
    pub fall: f64,
    /// Deviations by which it stands out of the background on its clearest channel.
    pub z: f64,
    /// Mean square of what is left around it, over the background's, on the worst channel.
    pub misfit: f64,
    /// Its waves, channel by channel.
    pub waves: Vec<FoundWave>,
}

/// One wave of a source on a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundWave {
    /// Channel, `NET.STA.LOC.CHA`.
    pub channel: String,
    /// `step`: the shape itself, over a ramp; `jump`: its second derivative.
    pub wave: String,
    /// From the source's onset to its own, s.
    pub delay_s: f64,
    /// Length of its ramp, s.
    pub rise_s: f64,
    /// Its factor on the shape, whose largest sample is 1; in the unit of the record.
    pub amplitude: f64,
    /// Standard deviation of the factor.
    pub deviation: f64,
}

impl SeparationFile {
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
