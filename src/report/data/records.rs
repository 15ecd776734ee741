//! The records of a report, reduced for drawing, and an overview of the input.

use std::collections::BTreeMap;

use seismix_data::archive::{AlignedSegment, Archive};
use seismix_data::store::ClusterTable;
use seismix_data::time::DAY_NS;
use seismix_data::{StationKey, TimeSpan};
use serde::{Deserialize, Serialize};

use super::Trace;
use super::encode::null_as_nan;

/// Longest bin of the record's envelope; with the default window lengths even the shortest window has ten of them.
const MAX_BIN_S: f64 = 5.0;
/// Bins of all channels together: the page carries them all, 8 bytes each in base64, so that it can zoom.
const MAX_BINS: f64 = 240_000.0;

/// Channels that were used, their gaps, and inputs that failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputOverview {
    /// One row for each channel.
    pub channels: Vec<ChannelOverview>,
    /// Gaps inside the span of a channel.
    pub gaps: Vec<RecordGap>,
    /// Inputs that failed, with the reason.
    pub problems: Vec<InputProblem>,
}

/// Part of one channel that was used, after the selection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelOverview {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// Sampling rate in hertz.
    #[serde(deserialize_with = "null_as_nan")]
    pub sampling_rate: f64,
    /// Time of the first sample used, ns since 1970 UTC.
    pub start_ns: i64,
    /// End, half-open, ns since 1970 UTC.
    pub end_ns: i64,
    /// Number of samples used.
    pub n_samples: u64,
}

/// An interval without data inside a channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordGap {
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
pub struct InputProblem {
    /// The file or stream.
    pub input: String,
    /// Reason.
    pub message: String,
}

/// One station's record with its clusters over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StationRecord {
    /// `NET.STA`, with the location where there are several.
    pub station: String,
    /// Channels, top to bottom.
    pub channels: Vec<ChannelRecord>,
    /// One strip for each scale, finest first.
    pub strips: Vec<Strip>,
}

/// One channel's record, reduced for drawing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelRecord {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// Gap-free pieces in the order of time, as samples or as lowest and highest value of bins of at most 5 s.
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
    #[serde(deserialize_with = "null_as_nan")]
    pub probability: f64,
}

/// Reduces the record of each station for drawing; returns the overview of the samples that were used as well.
pub(super) fn channels(
    archive: &Archive,
    keys: &[StationKey],
) -> (InputOverview, Vec<Vec<ChannelRecord>>) {
    let mut overview = InputOverview::default();
    let bin_s = bin_length_s(archive);
    let mut stations = Vec::new();
    for key in keys {
        let mut used: BTreeMap<String, (ChannelOverview, ChannelRecord)> = BTreeMap::new();
        let days = archive.station_days().into_iter().filter(|d| d.key == *key);
        for day in days.map(|day| day.day_start_ns) {
            let loaded = archive.load(key, TimeSpan::new(day, day.saturating_add(DAY_NS)));
            for segment in &loaded.segments {
                for (row, id) in segment.channels.iter().enumerate() {
                    let entry = used
                        .entry(id.to_string())
                        .or_insert_with(|| empty(id.to_string(), segment));
                    let samples = segment.samples.row(row);
                    let samples = samples.as_slice().unwrap_or_default();
                    entry.1.pieces.push(envelope(segment, samples, day, bin_s));
                    overview.gaps.extend(extend(&mut entry.0, segment));
                }
            }
        }
        for stream in archive.channels_of(key) {
            if !used.contains_key(&stream.to_string()) {
                // The headers list the stream, but no sample of it reached any stage: without this line it would
                // vanish.
                overview.problems.push(InputProblem {
                    input: stream.to_string(),
                    message: "not used: no samples inside the selection that are valid and coincide with the other \
                              channels of the station"
                        .into(),
                });
            }
        }
        let (rows, records): (Vec<_>, Vec<_>) = used.into_values().unzip();
        overview.channels.extend(rows);
        stations.push(records);
    }
    (overview, stations)
}

fn empty(id: String, segment: &AlignedSegment) -> (ChannelOverview, ChannelRecord) {
    let overview = ChannelOverview {
        id: id.clone(),
        sampling_rate: segment.sampling_rate,
        start_ns: segment.start_ns(),
        end_ns: segment.start_ns(),
        n_samples: 0,
    };
    let pieces = Vec::new();
    (overview, ChannelRecord { id, pieces })
}

/// Adds a segment to the overview of its channel and returns the gap before it.
fn extend(channel: &mut ChannelOverview, segment: &AlignedSegment) -> Option<RecordGap> {
    let step = (1e9 / segment.sampling_rate) as i64;
    let (from, to) = (channel.end_ns, segment.start_ns());
    // Segments are cut at midnight; the first sample of a day follows the last of the day before within rounding.
    let gap = channel.n_samples > 0 && to.saturating_sub(from) > 2 * step;
    channel.end_ns = segment.end_ns().saturating_add(step);
    channel.n_samples += segment.npts() as u64;
    gap.then(|| RecordGap {
        id: channel.id.clone(),
        start_ns: from,
        end_ns: to,
    })
}

/// The clusters of a station over time, one strip for each scale.
pub(super) fn strips(table: &ClusterTable, station: &str, sample_ns: i64) -> Vec<Strip> {
    let strip = |scale| {
        let rows = table.rows_of_scale(scale).map(|row| &table.rows[row]);
        let rows = rows.filter(|row| row.id.as_deref().is_none_or(|id| id == station));
        let windows = rows.map(|row| WindowCluster {
            start_ns: row.start_ns,
            end_ns: row.end_ns + sample_ns,
            cluster: row.cluster as u32,
            probability: f64::from(row.probability),
        });
        Strip {
            window_samples: scale as u32,
            windows: windows.collect(),
        }
    };
    table.scales().into_iter().map(strip).collect()
}

/// Length of a bin such that all channels fit the page; 0 keeps every sample.
fn bin_length_s(archive: &Archive) -> f64 {
    let selected = archive.selection().span;
    let (mut seconds, mut samples) = (0.0, 0.0);
    for stream in archive.streams() {
        let span = stream.span.intersection(&selected);
        let length_s = span.end_ns.saturating_sub(span.start_ns).max(0) as f64 / 1e9;
        seconds += length_s;
        samples += length_s * stream.sampling_rate;
    }
    if samples <= MAX_BINS {
        return 0.0;
    }
    (seconds / MAX_BINS).min(MAX_BIN_S)
}

/// Lowest and highest sample of each bin. The last bin is left out unless it is full and ends on the day: the drawing
/// must not reach into a day without data.
fn envelope(segment: &AlignedSegment, samples: &[f64], day_start_ns: i64, bin_s: f64) -> Trace {
    let rate = true_rate(segment);
    let per_bin = ((bin_s * rate).ceil() as usize).max(1);
    let left_s = (day_start_ns.saturating_add(DAY_NS) - segment.start_ns()) as f64 / 1e9;
    let bins = (samples.len() / per_bin).min((left_s * rate / per_bin as f64) as usize);
    let drawn = if bins > 0 {
        &samples[..bins * per_bin]
    } else {
        samples
    };
    Trace::from_samples(segment.start_ns(), rate, drawn.iter().copied(), bins.max(1))
}

/// Samples per second by the clock of the records, which may differ slightly from the nominal rate.
fn true_rate(segment: &AlignedSegment) -> f64 {
    let ns = segment.end_ns() - segment.start_ns();
    if ns > 0 {
        (segment.npts() - 1) as f64 / (ns as f64 / 1e9)
    } else {
        segment.sampling_rate
    }
}
