//! The separated regions of a report, and the number of target windows that were and were not separated.

use std::collections::BTreeMap;
use std::path::Path;

use seismix_data::StationKey;
use seismix_data::archive::{Archive, Selection};
use seismix_data::store::ClusterTable;
use seismix_data::time::{SECOND_NS, parse_utc, steps_ns};
use serde::{Deserialize, Serialize};

use super::Trace;
use super::encode::null_as_nan;
use super::gather::TRACE_BINS;
use crate::records::{RecordCache, Run, raw_samples, sampling_rate, station_keys};
use crate::separate::targets::stretches;
use crate::separate::{Outcome, SeparationFile, TargetResult};
use crate::stage::Result;

/// Regions with waveforms in a report; with more the page would be too large to open.
const DRAWN: usize = 60;

/// One separated region: consecutive windows of the target clusters, or one listed window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeparatedRegion {
    /// Station, as in [`StationRecord::station`](super::StationRecord::station).
    pub station: String,
    /// Scale and clusters that were separated, in the form of the command line: `1024:3`.
    pub target: String,
    /// Start of the target, ns since 1970 UTC.
    pub start_ns: i64,
    /// End of the target, half-open, ns since 1970 UTC.
    pub end_ns: i64,
    /// Mean probability of the target clusters over its windows.
    #[serde(deserialize_with = "null_as_nan")]
    pub probability: f64,
    /// Separation method.
    pub method: String,
    /// Meaning of the background waveform that the method returns.
    pub estimate: String,
    /// Outcome by channel, in a few words.
    #[serde(alias = "stop")]
    pub outcome: String,
    /// Iterations of the optimisation; `None` or 0 for methods without one.
    pub iterations: Option<u32>,
    /// Background snippets used; `None` or 0 for methods without any.
    pub n_snippets: Option<u32>,
    /// Sources found; `None` or 0 for methods that do not find sources one by one.
    pub n_sources: Option<u32>,
    /// Outcome of each window of each channel.
    pub windows: Vec<WindowEnd>,
    /// Signal-to-noise ratio of the background before, in dB, where the true background is known.
    pub snr_before_db: Option<f64>,
    /// Signal-to-noise ratio of the background after separation.
    pub snr_after_db: Option<f64>,
    /// Waveforms, channel by channel; empty for regions that are not drawn.
    pub channels: Vec<SeparatedChannel>,
}

/// Outcome of one window of one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowEnd {
    /// Channel code.
    pub channel: String,
    /// First sample, ns since 1970 UTC.
    pub start_ns: i64,
    /// True if a source was removed.
    pub is_separated: bool,
    /// Reason for the outcome, with the numbers that decided.
    pub why: String,
    /// Expected signal-to-noise ratio of the background in dB, if the method estimates it.
    pub expected_snr_db: Option<f64>,
    /// L1, L2, L3 at the end and expected for the true background, if the method evaluates them.
    pub terms: Option<[[f64; 3]; 2]>,
}

/// One channel of a separated region; the traces may extend beyond the target on both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeparatedChannel {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// The record.
    pub mixture: Trace,
    /// The record without the source.
    pub background: Trace,
    /// The source.
    pub source: Trace,
    /// Standard deviation of background and source, if it was estimated.
    #[serde(alias = "source_deviation")]
    pub deviation: Option<Trace>,
    /// The true source, if it is known.
    pub true_source: Option<Trace>,
}

/// Target windows and regions that were separated, left unchanged, or not processed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeparationCounts {
    /// Scale and clusters: `1024:3`.
    pub target: String,
    /// Regions and windows with at least one separated channel.
    pub separated: [u64; 2],
    /// Regions and windows that were processed and left unchanged, by reason.
    pub unchanged: Vec<(String, [u64; 2])>,
    /// Regions and windows of the target clusters that were not processed.
    pub not_processed: [u64; 2],
    /// Largest number of regions processed (`--max-targets`).
    pub max_targets: Option<u64>,
}

/// Counts the windows of the target clusters by their outcome; without a cluster table only processed ones are known.
pub(super) fn counts(
    file: &SeparationFile,
    table: Option<&ClusterTable>,
    sample_ns: i64,
) -> SeparationCounts {
    let mut counts = SeparationCounts {
        target: target_name(file),
        max_targets: file
            .provenance
            .pointer("/configuration/max_targets")
            .and_then(serde_json::Value::as_u64),
        ..SeparationCounts::default()
    };
    let mut unchanged: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for target in &file.targets {
        let count = if is_separated(target) {
            &mut counts.separated
        } else {
            unchanged.entry(unchanged_reason(target)).or_default()
        };
        *count = [count[0] + 1, count[1] + target.n_windows as u64];
    }
    counts.unchanged = unchanged.into_iter().collect();
    counts
        .unchanged
        .sort_by_key(|(_, [regions, _])| std::cmp::Reverse(*regions));
    let (scale, clusters) = (file.target.scale, &file.target.clusters);
    if let Some(table) = table.filter(|_| !clusters.is_empty()) {
        let all = stretches(table, scale, clusters, sample_ns, usize::MAX);
        let windows: usize = all.iter().map(|region| region.n_windows).sum();
        let done: usize = file.targets.iter().map(|target| target.n_windows).sum();
        let rest = |all: usize, done: usize| all.saturating_sub(done) as u64;
        counts.not_processed = [rest(all.len(), file.targets.len()), rest(windows, done)];
    }
    counts
}

fn is_separated(target: &TargetResult) -> bool {
    let mut channels = target.channels.iter();
    channels.any(|channel| channel.outcome == Outcome::Separated)
}

/// Reason for which a region is unchanged, without the numbers that differ from region to region.
fn unchanged_reason(target: &TargetResult) -> String {
    if let Some(reason) = &target.skipped_reason {
        return reason.clone();
    }
    let mut channels = target.channels.iter();
    if channels.all(|channel| channel.outcome == Outcome::AlreadyBackground) {
        "already like the background".into()
    } else {
        "no background like that around it was found".into()
    }
}

/// Files from which the waveforms of separated regions are read.
struct SeparatedRecords<'a> {
    record: Option<RecordCache<'a>>,
    source: &'a Archive,
    deviation: Option<&'a Archive>,
}

/// Reports all regions, the first with their waveforms.
///
/// # Errors
/// Those of reading the separated records.
pub(super) fn separations(
    file: &SeparationFile,
    folder: &Path,
    record: Option<&Archive>,
) -> Result<Vec<SeparatedRegion>> {
    let open = |kind: &str| Archive::open(&[folder.join(kind)], Selection::default());
    let deviation = if folder.join("deviation").is_dir() {
        Some(open("deviation")?)
    } else {
        None
    };
    let (background, source) = (open("background")?, open("source")?);
    let keys = station_keys(&background);
    let mut backgrounds = RecordCache::new(&background);
    let mut records = SeparatedRecords {
        record: record.map(RecordCache::new),
        source: &source,
        deviation: deviation.as_ref(),
    };
    let mut regions = Vec::new();
    for target in &file.targets {
        let key = keys.iter().find(|key| key.to_string() == target.id);
        let rate = key
            .and_then(|key| sampling_rate(&background, key))
            .unwrap_or(1.0);
        let mut region = region(target, file, steps_ns(1, rate));
        if let Some(key) = key.filter(|_| regions.len() < DRAWN) {
            let around = ((target.end_ns - target.start_ns) / 2).max(30 * SECOND_NS);
            let run = backgrounds.run(key, target.start_ns, target.end_ns, around)?;
            if let Some(run) = run {
                region.channels = records.channels(key, &run, rate)?;
            }
        }
        regions.push(region);
    }
    Ok(regions)
}

impl SeparatedRecords<'_> {
    /// Waveforms of all channels in the run of the background around a target.
    fn channels(
        &mut self,
        key: &StationKey,
        background: &Run,
        rate: f64,
    ) -> Result<Vec<SeparatedChannel>> {
        let n = background.n_samples();
        let start_ns = background.start_ns;
        let record = match &mut self.record {
            Some(cache) => cache.samples(key, start_ns, n, &background.channels)?,
            None => None,
        };
        let trace = |samples: &[f64]| {
            Trace::from_samples(start_ns, rate, samples.iter().copied(), TRACE_BINS)
        };
        let mut channels = Vec::new();
        for (row, id) in background.channels.iter().enumerate() {
            let below = &background.samples[row];
            // Source and deviation are constant outside of the targets. They are read raw, since reading treats long
            // constants as gaps.
            let Some(source) = raw_samples(self.source, id, start_ns, n) else {
                continue;
            };
            let mixture = match &record {
                Some(rows) => rows[row].clone(),
                None => below.iter().zip(&source).map(|(b, s)| b + s).collect(),
            };
            let deviation = self
                .deviation
                .and_then(|archive| raw_samples(archive, id, start_ns, n));
            channels.push(SeparatedChannel {
                id: id.to_string(),
                mixture: trace(&mixture),
                background: trace(below),
                source: trace(&source),
                deviation: deviation.as_deref().map(trace),
                true_source: None,
            });
        }
        Ok(channels)
    }
}

fn channel_code(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or_default()
}

fn target_name(file: &SeparationFile) -> String {
    let clusters: Vec<String> = file
        .target
        .clusters
        .iter()
        .map(ToString::to_string)
        .collect();
    if clusters.is_empty() {
        "listed window".into()
    } else {
        format!("{}:{}", file.target.scale, clusters.join(","))
    }
}

/// A region without its waveforms.
fn region(target: &TargetResult, file: &SeparationFile, sample_ns: i64) -> SeparatedRegion {
    let windows = target.channels.iter().flat_map(|channel| {
        channel.windows.iter().map(|window| WindowEnd {
            channel: channel_code(&channel.id).to_owned(),
            start_ns: parse_utc(&window.starttime).unwrap_or(target.start_ns),
            is_separated: window.outcome == Outcome::Separated,
            why: window.why.clone(),
            expected_snr_db: window.expected_snr_db,
            terms: window
                .terms
                .map(|t| [t.end.to_array(), t.expected.to_array()]),
        })
    });
    let all = || target.channels.iter().flat_map(|c| &c.windows);
    let some = |n: usize| (n > 0).then_some(n as u32);
    SeparatedRegion {
        station: target.id.clone(),
        target: target_name(file),
        start_ns: target.start_ns,
        end_ns: target.end_ns + sample_ns,
        probability: f64::from(target.probability),
        method: target.method.clone(),
        estimate: target.estimate_type.clone(),
        outcome: outcome(target),
        iterations: some(all().map(|w| w.iterations).max().unwrap_or(0)),
        n_snippets: some(target.snippets.len()),
        n_sources: some(target.sources.len()),
        windows: windows.collect(),
        ..SeparatedRegion::default()
    }
}

/// Outcome of the channels, grouped: `BHU, BHV: separated; BHW: unchanged, already like the background`.
fn outcome(target: &TargetResult) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for channel in &target.channels {
        let text = match channel.outcome {
            Outcome::Separated => "separated",
            Outcome::AlreadyBackground => "unchanged, already like the background",
            Outcome::NotSeparable => "unchanged, not separable",
        };
        let code = channel_code(&channel.id);
        match groups.iter_mut().find(|(group, _)| *group == text) {
            Some((_, codes)) => codes.push(code),
            None => groups.push((text, vec![code])),
        }
    }
    let texts = groups.iter().map(|(text, codes)| match groups.len() {
        1 => (*text).to_owned(),
        _ => format!("{}: {text}", codes.join(", ")),
    });
    texts
        .chain(target.skipped_reason.clone())
        .collect::<Vec<_>>()
        .join("; ")
}
