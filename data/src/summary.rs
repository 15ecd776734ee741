//! Summary of a file, as `seismix info` prints it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::archive::{FileFault, Selection, serialize_path};
use crate::id::StreamId;
use crate::mseed::{TextRecord, read_file_selected};
use crate::segment::{Encoding, Segment};
use crate::time::{TimeSpan, format_utc, steps_ns};
use crate::usable::UnusableSamples;

/// Samples converted at a time.
const CHUNK_SAMPLES: usize = 8192;

/// How much to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryOptions {
    /// The checksum of the samples.
    pub checksum: Checksum,
    /// The samples themselves.
    pub samples: SamplesText,
}

/// Choice of computing `sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// No.
    #[default]
    Omit,
    /// SHA-256 over the samples as little-endian f64.
    Sha256,
}

/// Choice of giving `samples_b64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamplesText {
    /// No.
    #[default]
    Omit,
    /// Base64 of the samples as little-endian f64.
    Base64,
}

/// A gap-free segment. Serialises to the line of `info --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentRow {
    /// The file.
    #[serde(serialize_with = "serialize_path")]
    pub file: PathBuf,
    /// The stream.
    pub id: StreamId,
    /// Time of the first sample, ISO 8601.
    pub starttime: String,
    /// Time of the last sample, ISO 8601.
    pub endtime: String,
    /// Time of the first sample, ns UTC.
    pub start_ns: i64,
    /// Time of the last sample, ns UTC.
    pub end_ns: i64,
    /// Rate in Hz.
    pub sampling_rate: f64,
    /// Number of samples.
    pub npts: usize,
    /// Encoding of the first record.
    pub encoding: Encoding,
    /// Smallest finite sample, full-scale values included.
    pub min: Option<f64>,
    /// Largest finite sample, full-scale values included.
    pub max: Option<f64>,
    /// Mean of the finite samples that are not full-scale values.
    pub mean: Option<f64>,
    /// Number of unusable samples: the sum of `unusable_samples`.
    pub unusable: usize,
    /// Numbers of unusable samples by reason.
    pub unusable_samples: UnusableSamples,
    /// See [`Checksum`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// See [`SamplesText`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_b64: Option<String>,
}

/// A part that could not be read. Serialises to the line of `info --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultRow {
    /// The file.
    #[serde(serialize_with = "serialize_path")]
    pub file: PathBuf,
    /// The fault, in words.
    pub error: String,
    /// Byte offset, where there is one.
    pub offset: Option<u64>,
}

impl From<FileFault> for FaultRow {
    fn from(fault: FileFault) -> Self {
        Self {
            file: fault.path,
            error: fault.message,
            offset: fault.offset,
        }
    }
}

/// How two segments of a stream, neighbours in order of start, meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakKind {
    /// Samples are missing.
    Gap,
    /// Both have samples at the same time.
    Overlap,
    /// Both have the same samples at the same time.
    Duplicate,
}

/// A gap or an overlap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakRow {
    /// The file.
    #[serde(serialize_with = "serialize_path")]
    pub file: PathBuf,
    /// The stream.
    pub id: StreamId,
    /// Gap, overlap or duplicate.
    pub kind: BreakKind,
    /// Time of the last sample before, ns UTC.
    pub last_ns: i64,
    /// Time of the first sample after, ns UTC.
    pub next_ns: i64,
    /// Time missing (positive) or double (negative), in s: `next - last - 1 / rate`.
    pub seconds: f64,
    /// `seconds` in samples, rounded.
    pub samples: i64,
}

/// Summary of a file.
#[derive(Debug, Clone, Default)]
pub struct FileSummary {
    /// Its gap-free segments, sorted by stream and start.
    pub segments: Vec<SegmentRow>,
    /// Gaps and overlaps between them.
    pub breaks: Vec<BreakRow>,
    /// Parts that could not be read; a file may give segments and faults.
    pub faults: Vec<FaultRow>,
    /// Its text records.
    pub texts: Vec<TextRecord>,
}

/// Reads a file and sums it up, within `selection` (samples outside its span are cut off).
///
/// Never fails: what cannot be read is among the faults.
pub fn summarize_file(path: &Path, selection: &Selection, options: SummaryOptions) -> FileSummary {
    let content = read_file_selected(path, |header| {
        let end_ns = header.end_ns().saturating_add(1);
        selection.matches(&header.id)
            && TimeSpan::new(header.start_ns, end_ns).overlaps(&selection.span)
    });
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            return FileSummary {
                faults: vec![FileFault::of(path, &error).into()],
                ..FileSummary::default()
            };
        }
    };
    let segments: Vec<Segment> = content
        .segments
        .into_iter()
        .filter_map(|segment| {
            let inside = segment.index_range(selection.span);
            match inside.len() {
                0 => None,
                n if n == segment.npts() => Some(segment),
                _ => Some(segment.slice(inside)),
            }
        })
        .collect();
    let faults = content.faults.into_iter().map(|fault| FaultRow {
        file: path.to_owned(),
        error: fault.message,
        offset: Some(fault.offset),
    });
    FileSummary {
        breaks: breaks(path, &segments),
        segments: segments.iter().map(|s| row(path, s, options)).collect(),
        faults: faults.collect(),
        texts: content.texts,
    }
}

fn row(path: &Path, segment: &Segment, options: SummaryOptions) -> SegmentRow {
    let mut statistics = Statistics::default();
    let mut hash = Sha256::new();
    let mut bytes = Vec::new();
    for start in (0..segment.npts()).step_by(CHUNK_SAMPLES) {
        let end = (start + CHUNK_SAMPLES).min(segment.npts());
        for (x, index) in segment
            .samples
            .range_to_f64(start..end)
            .into_iter()
            .zip(start..)
        {
            statistics.add(x, segment.samples.is_usable(index));
            if options != SummaryOptions::default() {
                bytes.extend(x.to_le_bytes());
            }
        }
        if options.checksum == Checksum::Sha256 {
            hash.update(&bytes[bytes.len().saturating_sub((end - start) * 8)..]);
        }
        if options.samples == SamplesText::Omit {
            bytes.clear();
        }
    }
    let unusable = segment.usable().unusable;
    let (start_ns, end_ns) = (segment.start_ns(), segment.end_ns());
    SegmentRow {
        file: path.to_owned(),
        id: segment.id.clone(),
        starttime: format_utc(start_ns),
        endtime: format_utc(end_ns),
        start_ns,
        end_ns,
        sampling_rate: segment.sampling_rate,
        npts: segment.npts(),
        encoding: segment.encoding,
        min: statistics.min,
        max: statistics.max,
        mean: statistics.mean(),
        unusable: unusable.total(),
        unusable_samples: unusable,
        sha256: (options.checksum == Checksum::Sha256)
            .then(|| crate::archive::hex(&hash.finalize())),
        samples_b64: (options.samples == SamplesText::Base64).then(|| BASE64.encode(&bytes)),
    }
}

#[derive(Default)]
struct Statistics {
    min: Option<f64>,
    max: Option<f64>,
    sum: f64,
    n_summed: usize,
}

impl Statistics {
    fn add(&mut self, x: f64, usable: bool) {
        if x.is_finite() {
            self.min = Some(self.min.map_or(x, |min| min.min(x)));
            self.max = Some(self.max.map_or(x, |max| max.max(x)));
        }
        if usable {
            self.sum += x;
            self.n_summed += 1;
        }
    }

    fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.n_summed as f64;
        mean.is_finite().then_some(mean)
    }
}

fn breaks(path: &Path, segments: &[Segment]) -> Vec<BreakRow> {
    let mut last: BTreeMap<&StreamId, &Segment> = BTreeMap::new();
    let mut rows = Vec::new();
    for segment in segments {
        if let Some(&before) = last.get(&segment.id) {
            rows.push(break_between(path, before, segment));
        }
        let reaches_furthest = last
            .get(&segment.id)
            .is_none_or(|before| segment.end_ns() >= before.end_ns());
        if reaches_furthest {
            last.insert(&segment.id, segment);
        }
    }
    rows
}

fn break_between(path: &Path, before: &Segment, after: &Segment) -> BreakRow {
    let step_ns = steps_ns(1, before.sampling_rate);
    let (last_ns, next_ns) = (before.end_ns(), after.start_ns());
    let missing_ns = next_ns.saturating_sub(last_ns).saturating_sub(step_ns);
    let same = || {
        let n = after.npts();
        let start = before.index_near(next_ns);
        start.is_some_and(|start| {
            start + n <= before.npts() && before.samples.slice(start..start + n) == after.samples
        })
    };
    let kind = match missing_ns {
        0.. => BreakKind::Gap,
        _ if same() => BreakKind::Duplicate,
        _ => BreakKind::Overlap,
    };
    let seconds = missing_ns as f64 / 1e9;
    BreakRow {
        file: path.to_owned(),
        id: after.id.clone(),
        kind,
        last_ns,
        next_ns,
        seconds,
        samples: (seconds * before.sampling_rate).round() as i64,
    }
}
