//! Outcome of a channel of a target as `separation.json` keeps it.

use seismix_data::time::format_utc;
use seismix_separate::{
    Assessment, ChannelOutcome, FoundSource, OptimizerStop, Outcome, SourceAmplitudes, WindowReport,
};
use serde::{Deserialize, Serialize};

/// Outcome of one channel of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelResult {
    /// Channel, `NET.STA.LOC.CHA`.
    pub id: String,
    /// Separated if any of its windows is; else the channel is unchanged.
    pub outcome: Outcome,
    /// Windows that cover the target, in time.
    pub windows: Vec<WindowResult>,
}

/// Outcome of one window of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowResult {
    /// First sample, ISO 8601.
    pub starttime: String,
    /// Outcome of the acceptance test.
    pub outcome: Outcome,
    /// Reason of the outcome.
    pub why: String,
    /// Reason for which the optimisation stopped, if there was one.
    pub stop: Option<OptimizerStop>,
    /// Iterations of the optimisation.
    pub iterations: usize,
    /// Terms of the scattering objective, if the method uses it.
    pub terms: Option<Assessment>,
    /// Expected SNR of the background, dB: its power over that of its error, if it was estimated.
    #[serde(default)]
    pub expected_snr_db: Option<f64>,
    /// Whitened residual power in the target, relative to the local background, if a template was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual_power: Option<f64>,
}

/// Times of a region's samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleTimes {
    /// Of the first sample, ns UTC.
    pub(super) start_ns: i64,
    /// Between samples, ns.
    pub(super) sample_ns: i64,
}

impl SampleTimes {
    /// Time of a sample, ns UTC.
    pub(super) fn at(self, sample: f64) -> i64 {
        self.start_ns + (sample * self.sample_ns as f64).round() as i64
    }

    fn seconds(self, samples: f64) -> f64 {
        samples * self.sample_ns as f64 * 1e-9
    }
}

impl ChannelResult {
    pub(super) fn new(outcome: ChannelOutcome, times: SampleTimes) -> Self {
        Self {
            id: outcome.id,
            outcome: outcome.outcome,
            windows: outcome
                .windows
                .iter()
                .map(|window| WindowResult::new(window, times))
                .collect(),
        }
    }
}

impl WindowResult {
    fn new(report: &WindowReport, times: SampleTimes) -> Self {
        let run = report.diagnostics.optimization();
        Self {
            starttime: format_utc(times.at(report.start as f64)),
            outcome: report.outcome,
            why: report.why.clone(),
            stop: run.map(|run| run.reason),
            iterations: run.map_or(0, |run| run.n_iterations()),
            terms: report.diagnostics.assessment().copied(),
            expected_snr_db: report.expected_snr_db,
            residual_power: report.diagnostics.residual_power(),
        }
    }
}

/// Source found in a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Onset, ISO 8601.
    pub onset: String,
    /// Onset, ns UTC.
    pub onset_ns: i64,
    /// End, ns UTC.
    #[serde(default)]
    pub end_ns: i64,
    /// Ramp length, s; 0 for a step.
    #[serde(alias = "rise_s")]
    pub ramp_length_s: f64,
    /// Family or class of the source; a number in files of earlier versions.
    #[serde(deserialize_with = "text_or_number")]
    pub kind: String,
    /// Decrease of chi-square.
    #[serde(alias = "fall")]
    pub chi2_decrease: f64,
    /// Standard deviations by which it exceeds the background on its clearest channel.
    pub z: f64,
    /// Mean square of the residual around it, over the background's, on the worst channel.
    pub misfit: f64,
    /// Its waveforms, channel by channel.
    pub waves: Vec<WaveEntry>,
}

/// Waveform of a source on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaveEntry {
    /// Channel, `NET.STA.LOC.CHA`.
    pub channel: String,
    /// `step`: the shape itself, over a ramp; `jump`: its second derivative.
    pub wave: String,
    /// Onset after that of the source, s.
    pub delay_s: f64,
    /// Ramp length, s.
    #[serde(alias = "rise_s")]
    pub ramp_length_s: f64,
    /// Factor on the shape, whose largest sample is 1; in the unit of the record.
    pub amplitude: f64,
    /// Standard deviation of the factor.
    pub deviation: f64,
    /// Covariances with the factors of the source's waveforms on this channel, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariance: Vec<f64>,
}

impl SourceEntry {
    pub(super) fn new(source: &FoundSource, channels: &[String], times: SampleTimes) -> Self {
        let onset_ns = times.at(source.onset);
        let all = channels.iter().zip(&source.channels);
        Self {
            onset: format_utc(onset_ns),
            onset_ns,
            end_ns: times.at(source.end),
            ramp_length_s: times.seconds(source.ramp_length),
            kind: source.kind.clone(),
            chi2_decrease: source.chi2_decrease,
            z: source.z,
            misfit: source.misfit,
            waves: all
                .flat_map(|(id, parts)| waves(id, parts, times))
                .collect(),
        }
    }
}

fn waves(id: &str, parts: &SourceAmplitudes, times: SampleTimes) -> Vec<WaveEntry> {
    let n = parts.components.len();
    let of = |(i, part): (usize, &seismix_separate::SourceComponent)| WaveEntry {
        channel: id.to_owned(),
        wave: part.wave.clone(),
        delay_s: times.seconds(part.delay),
        ramp_length_s: times.seconds(part.ramp_length),
        amplitude: part.amplitude,
        deviation: parts.deviation(i),
        covariance: parts.covariance[i * n..(i + 1) * n].to_vec(),
    };
    parts.components.iter().enumerate().map(of).collect()
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}
