//! What a report shows, as plain data: the pipeline fills it, the page and the picture draw it.
//!
//! Nothing here is computed from anything else on the page, so a report can be saved as JSON and drawn again.
//! Floats that are not finite are written as `null` and read back as NaN; waveforms are base64 of little-endian `f32`.

use serde::{Deserialize, Serialize};

use super::cluster_data::{DecodingRow, FingerprintPanel, StabilityReport};
use super::encode::{nan_as_null, nan_as_null_vec};
use super::trace::Trace;

/// Everything one report shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportData {
    /// The page's title, such as `InSight, 2019 days 156 to 158`.
    pub title: String,
    /// Sentences of the pipeline's own to set under the automatic summary.
    pub remarks: Vec<String>,
    /// Unit of all waveforms; `counts` when empty.
    pub amplitude_unit: String,
    /// Which clock the hours of [`ClusterReport::hours`] are on.
    pub clock: Clock,
    /// How the transient scores were made, in a few words.
    pub transient_measure: String,
    /// What was read.
    pub overview: Overview,
    /// Scores against known sources (the demo, or labelled data).
    pub scores: Option<Scores>,
    /// The record and its clusters over time, station by station.
    pub stations: Vec<StationRecord>,
    /// Clusters, scale by scale, finest first.
    pub scales: Vec<ScaleReport>,
    /// How training went.
    pub training: Option<Training>,
    /// How far clusters repeat, where that was asked for.
    pub stability: Option<StabilityReport>,
    /// Separated stretches, in the order of time.
    pub separations: Vec<Separation>,
    /// How to make it again.
    pub provenance: Provenance,
    /// The files of the run that it was gathered from.
    pub gathered_from: Vec<InputFile>,
}

/// The clock of a time-of-day histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// Local mean solar time, in 24ths of the local day.
    Lmst,
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overview {
    /// One row a channel.
    pub channels: Vec<ChannelOverview>,
    /// Gaps inside the span of a channel.
    pub gaps: Vec<Gap>,
    /// Inputs that failed, with the reason.
    pub problems: Vec<Problem>,
}

/// One channel's extent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelOverview {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// In hertz.
    #[serde(with = "nan_as_null")]
    pub sampling_rate: f64,
    /// First sample, ns since 1970 UTC.
    pub start_ns: i64,
    /// End, half-open, ns since 1970 UTC.
    pub end_ns: i64,
    /// Samples present.
    pub n_samples: u64,
}

/// A stretch without data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// Start, ns since 1970 UTC.
    pub start_ns: i64,
    /// End, half-open, ns since 1970 UTC.
    pub end_ns: i64,
}

/// An input that could not be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The file, or whatever names the input.
    pub input: String,
    /// What was wrong.
    pub message: String,
}

/// Agreement with known sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scores {
    /// One row a scale.
    pub scales: Vec<ScaleScore>,
    /// Windows with a transient told from the rest.
    pub transient: Option<TransientScore>,
    /// Background's signal-to-noise ratios, before and after separation.
    pub snr: Vec<SnrScore>,
}

/// How well one scale's clusters match the known sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleScore {
    /// Window length in samples.
    pub window_samples: u32,
    /// Adjusted Rand index of the clusters.
    #[serde(with = "nan_as_null")]
    pub ari: f64,
    /// Normalised mutual information of the clusters.
    #[serde(with = "nan_as_null")]
    pub nmi: f64,
    /// Adjusted Rand index of k-means on the same features.
    #[serde(with = "nan_as_null")]
    pub kmeans_ari: f64,
    /// Normalised mutual information of k-means on the same features.
    #[serde(with = "nan_as_null")]
    pub kmeans_nmi: f64,
}

/// Detection of transient windows by the union of the transient clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransientScore {
    /// Window length in samples.
    pub window_samples: u32,
    /// Clusters in the union.
    pub clusters: Vec<u32>,
    /// Share of the found windows that hold a transient.
    #[serde(with = "nan_as_null")]
    pub precision: f64,
    /// Share of the windows with a transient that were found.
    #[serde(with = "nan_as_null")]
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    #[serde(with = "nan_as_null")]
    pub f1: f64,
}

/// Background's signal-to-noise ratio inside the separated windows, in dB.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnrScore {
    /// Which windows, such as `all targets` or `pulses of 10 times the background and more`.
    pub label: String,
    /// How many windows.
    pub n_windows: u32,
    /// Median before separation.
    #[serde(with = "nan_as_null")]
    pub before_median_db: f64,
    /// Tenth percentile before separation.
    #[serde(with = "nan_as_null")]
    pub before_p10_db: f64,
    /// Median after separation.
    #[serde(with = "nan_as_null")]
    pub after_median_db: f64,
    /// Tenth percentile after separation.
    #[serde(with = "nan_as_null")]
    pub after_p10_db: f64,
}

/// One station's record with its clusters over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StationRecord {
    /// `NET.STA`, with the location where there are several.
    pub station: String,
    /// Channels, top to bottom.
    pub channels: Vec<ChannelRecord>,
    /// One strip a scale, finest first.
    pub strips: Vec<Strip>,
}

/// One channel's record, reduced for drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelRecord {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// Gap-free pieces in the order of time; bins of about 5 s suit the page's zoom.
    pub pieces: Vec<Trace>,
}

/// The clusters of one scale over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strip {
    /// Window length in samples.
    pub window_samples: u32,
    /// Windows in the order of time; they may overlap.
    pub windows: Vec<WindowCluster>,
}

/// The cluster of one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowCluster {
    /// Start, ns since 1970 UTC.
    pub start_ns: i64,
    /// End, half-open, ns since 1970 UTC.
    pub end_ns: i64,
    /// The most probable cluster.
    pub cluster: u32,
    /// Its probability.
    #[serde(with = "nan_as_null")]
    pub probability: f64,
}

/// The clusters of one scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleReport {
    /// Window length in samples.
    pub window_samples: u32,
    /// Window length in seconds.
    #[serde(with = "nan_as_null")]
    pub window_s: f64,
    /// Hop from one window to the next in seconds.
    #[serde(with = "nan_as_null")]
    pub stride_s: f64,
    /// Channel the galleries show.
    pub gallery_channel: String,
    /// All clusters of the model, empty ones as well.
    pub clusters: Vec<ClusterReport>,
    /// How well samples of the model are brought back to coefficients, by kind.
    pub decoding: Vec<DecodingRow>,
}

/// One cluster of one scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterReport {
    /// Its number.
    pub cluster: u32,
    /// Windows assigned to it.
    pub n_windows: u64,
    /// Mean probability over these.
    #[serde(with = "nan_as_null")]
    pub mean_probability: f64,
    /// How much it looks like a transient; see [`ReportData::transient_measure`].
    pub transient_score: Option<f64>,
    /// Whether it counts as one.
    pub is_transient: bool,
    /// What separation used it for.
    pub role: Option<Role>,
    /// Windows in each of the 24 hours of the day, by [`ReportData::clock`]; empty if not known.
    pub hours: Vec<u64>,
    /// Its most confident windows, best first.
    pub gallery: Vec<GalleryWindow>,
    /// What its windows are like, and what the model draws.
    pub fingerprint: Vec<FingerprintPanel>,
    /// Jaccard index with its likes in other fits: mean over seeds, and over blocks of time.
    pub repeats: Option<[f64; 2]>,
}

/// What a cluster was in the separation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Taken out of the record.
    Target,
    /// Its windows stood for the background.
    Background,
}

/// One window of a gallery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GalleryWindow {
    /// Probability of the cluster.
    #[serde(with = "nan_as_null")]
    pub probability: f64,
    /// The waveform, reduced to about 500 bins. It may reach beyond the window: half a window more on both sides
    /// lets short ones be moved onto each other without blanks. All of a cluster have the same length.
    pub trace: Trace,
}

/// Loss and the like, epoch by epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// Epoch numbers, one a value of each series.
    pub epochs: Vec<u32>,
    /// Epoch whose weights were kept.
    pub kept_epoch: Option<u32>,
    /// One small plot each.
    pub panels: Vec<TrainingPanel>,
    /// A sentence on how training ended.
    pub remark: String,
}

/// One plot of the training section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingPanel {
    /// Such as `Loss`, `Reconstruction`, `Effective number of clusters`.
    pub title: String,
    /// One a colour.
    pub series: Vec<TrainingSeries>,
}

/// One quantity over the epochs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingSeries {
    /// Such as `all scales` or `1024`.
    pub label: String,
    /// On the training windows; may be empty.
    #[serde(with = "nan_as_null_vec")]
    pub train: Vec<f64>,
    /// On the validation windows; may be empty.
    #[serde(with = "nan_as_null_vec")]
    pub validation: Vec<f64>,
}

/// One separated stretch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Separation {
    /// Station, as in [`StationRecord::station`].
    pub station: String,
    /// Scale and cluster taken out, as the command line writes it: `1024:3`.
    pub target: String,
    /// Start of the target, ns since 1970 UTC.
    pub start_ns: i64,
    /// End of the target, half-open, ns since 1970 UTC.
    pub end_ns: i64,
    /// Probability of the cluster in that window.
    #[serde(with = "nan_as_null")]
    pub probability: f64,
    /// Why it stopped, in a few words.
    pub stop: String,
    /// Iterations done.
    pub iterations: u32,
    /// Background windows used.
    pub n_snippets: u32,
    /// Loss terms, the total last.
    pub loss: Vec<LossTerm>,
    /// How each window of each channel ended.
    pub windows: Vec<WindowEnd>,
    /// Background's signal-to-noise ratio before, in dB, where the truth is known.
    pub snr_before_db: Option<f64>,
    /// The same after separation.
    pub snr_after_db: Option<f64>,
    /// Expected signal-to-noise ratio after separation, in dB, where it was estimated.
    pub snr_expected_db: Option<f64>,
    /// Waveforms, channel by channel.
    pub channels: Vec<SeparatedChannel>,
}

/// How one window of a separation ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowEnd {
    /// Channel code.
    pub channel: String,
    /// First sample, ns since 1970 UTC.
    pub start_ns: i64,
    /// Why it ended, with the numbers that decided.
    pub why: String,
    /// L1, L2, L3 at the end.
    pub end: [f64; 3],
    /// L1, L2, L3 expected at the true background.
    pub expected: [f64; 3],
}

/// One term of a separation's loss.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossTerm {
    /// Such as `background`, `mixture`, `independence`, `total`.
    pub name: String,
    /// At the first iteration.
    #[serde(with = "nan_as_null")]
    pub start: f64,
    /// At the last iteration.
    #[serde(with = "nan_as_null")]
    pub end: f64,
    /// Expected at the true background.
    pub expected: Option<f64>,
}

/// One channel of a separated stretch; the traces may reach beyond the target on both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeparatedChannel {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// The record.
    pub mixture: Trace,
    /// The record without the source.
    pub background: Trace,
    /// What was taken out.
    pub source: Trace,
    /// One standard deviation of the source, where it was estimated.
    pub source_deviation: Option<Trace>,
    /// The true source, where it is known.
    pub true_source: Option<Trace>,
}

/// How to make the same again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Of seismix.
    pub version: String,
    /// The command line.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// The full configuration as text (TOML or JSON).
    pub configuration: String,
    /// What was read.
    pub inputs: Vec<InputFile>,
    /// Further facts, such as wall time and peak memory: name and value.
    pub facts: Vec<(String, String)>,
}

/// One input file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputFile {
    /// As it was given.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}
