//! `seismix info`: what is in files and archives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use seismix::data::mseed::{FileContent, RecordHeader, read_file_selected};
use seismix::data::time::{self, steps_ns};
use seismix::data::{Error, Samples, Segment, StreamId, TimeSpan};
use seismix::pipeline::Observer;
use seismix::pipeline::config::SelectionConfig;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::arrays::hex;
use super::failure::Result;
use super::options::Selection;
use super::output::table;
use super::{Context, interrupt};

/// Say what is in files and archives: ids, rates, spans, gaps, overlaps, amplitudes
///
/// With --json: one line a gap-free segment of a file, and a line {"file","error","offset"} for what cannot be read.
/// Times are UTC, endtime is that of the last sample. Amplitudes leave out NaN, infinities and full-scale values.
#[derive(Debug, Args)]
pub struct Info {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Add `sha256` over the samples as little-endian f64
    #[arg(long, requires = "json")]
    checksum: bool,
    /// Add `samples_b64`: base64 of the samples as little-endian f64
    #[arg(long, requires = "json")]
    samples: bool,
    #[command(flatten)]
    selection: Selection,
}

/// The JSON line of a segment.
#[derive(Serialize)]
struct SegmentLine<'a> {
    file: &'a str,
    id: String,
    starttime: String,
    endtime: String,
    start_ns: i64,
    sampling_rate: f64,
    npts: usize,
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_b64: Option<String>,
}

/// The JSON line of what cannot be read.
#[derive(Serialize)]
struct FaultLine<'a> {
    file: &'a str,
    error: &'a str,
    offset: Option<u64>,
}

impl Info {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let selection = self.selection.config()?;
        let span = TimeSpan::new(
            selection.starttime_ns.unwrap_or(i64::MIN),
            selection.endtime_ns.unwrap_or(i64::MAX),
        );
        let files = files(&self.paths, context);
        let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
        context.observer.begin("info", files.len() as u64, "files");
        for path in &files {
            if interrupt::asked() {
                break;
            }
            let name = path.display().to_string();
            match read_file_selected(path, |header| wanted(header, &selection, span)) {
                Ok(content) => {
                    self.tell_file(context, &name, content, span, &mut streams)?;
                }
                Err(error) => {
                    let text = reason(&error);
                    context.printer.record(&FaultLine {
                        file: &name,
                        error: &text,
                        offset: error.offset(),
                    })?;
                    context.observer.problem(&name, &text);
                }
            }
            context.printer.flush()?;
            context.observer.advance(1);
        }
        context.observer.end();
        if !streams.is_empty() {
            context.printer.text(summary(&mut streams))?;
        }
        Ok(())
    }

    /// Prints the segments and faults of one file, and adds the segments to their streams.
    fn tell_file(
        &self,
        context: &mut Context,
        name: &str,
        content: FileContent,
        span: TimeSpan,
        streams: &mut BTreeMap<StreamId, Stream>,
    ) -> Result<()> {
        for segment in content.segments {
            let range = segment.index_range(span);
            if range.is_empty() {
                continue;
            }
            let segment = if range.len() < segment.npts() {
                segment.slice(range)
            } else {
                segment
            };
            if context.printer.is_json() {
                context.printer.record(&self.line(name, &segment))?;
            } else {
                streams.entry(segment.id.clone()).or_default().add(&segment);
            }
        }
        if let Some(first) = content.faults.first() {
            let others = content.faults.len() - 1;
            let more = if others > 0 {
                format!(" (and {others} more)")
            } else {
                String::new()
            };
            let reason = format!("at byte {}: {}{more}", first.offset, first.message);
            context.observer.problem(name, &reason);
        }
        for fault in &content.faults {
            context.printer.record(&FaultLine {
                file: name,
                error: &fault.message,
                offset: Some(fault.offset),
            })?;
        }
        Ok(())
    }

    fn line<'a>(&self, file: &'a str, segment: &Segment) -> SegmentLine<'a> {
        let bytes = if self.checksum || self.samples {
            little_endian(&segment.samples)
        } else {
            Vec::new()
        };
        SegmentLine {
            file,
            id: segment.id.to_string(),
            starttime: time::format_utc(segment.start_ns()),
            endtime: time::format_utc(segment.end_ns()),
            start_ns: segment.start_ns(),
            sampling_rate: segment.sampling_rate,
            npts: segment.npts(),
            encoding: segment.encoding.name(),
            sha256: self.checksum.then(|| hex(&Sha256::digest(&bytes))),
            samples_b64: self.samples.then(|| BASE64.encode(&bytes)),
        }
    }
}

/// The error without the file's name, which stands beside it.
fn reason(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => source.to_string(),
        Error::NoRecords { reason, .. } => format!("{reason}; is it a miniSEED file?"),
        other => other.to_string(),
    }
}

/// Files below the paths, each folder's in the order of their names.
fn files(paths: &[PathBuf], context: &Context) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        list(path, &mut files, context);
    }
    files
}

fn list(path: &Path, files: &mut Vec<PathBuf>, context: &Context) {
    if !path.is_dir() {
        files.push(path.to_owned());
        return;
    }
    let entries = std::fs::read_dir(path).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
    });
    match entries {
        Ok(mut entries) => {
            entries.sort();
            for entry in &entries {
                list(entry, files, context);
            }
        }
        Err(error) => {
            let name = path.display().to_string();
            context.observer.problem(&name, &error.to_string());
        }
    }
}

fn wanted(header: &RecordHeader, selection: &SelectionConfig, span: TimeSpan) -> bool {
    let id = &header.id;
    selection.matches(&id.network, &id.station, &id.location, &id.channel)
        && header.start_ns < span.end_ns
        && header.end_ns() >= span.start_ns
}

fn little_endian(samples: &Samples) -> Vec<u8> {
    let values = samples.to_f64();
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// What is known of one stream, over all files.
#[derive(Default)]
struct Stream {
    runs: Vec<Run>,
    amplitude: Amplitude,
}

/// A segment without its samples.
struct Run {
    start_ns: i64,
    end_ns: i64,
    sampling_rate: f64,
    npts: usize,
    encoding: &'static str,
}

/// Extremes and moments of the usable samples.
struct Amplitude {
    min: f64,
    max: f64,
    count: usize,
    unusable: usize,
    mean: f64,
    squares: f64,
}

impl Default for Amplitude {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            count: 0,
            unusable: 0,
            mean: 0.0,
            squares: 0.0,
        }
    }
}

impl Amplitude {
    fn add(&mut self, segment: &Segment) {
        let runs = segment.usable_runs();
        let usable: usize = runs.iter().map(|run| run.len()).sum();
        self.unusable += segment.npts() - usable;
        for run in runs {
            for value in segment.samples.range_to_f64(run) {
                self.min = self.min.min(value);
                self.max = self.max.max(value);
                // Welford's update: stable for a large offset.
                self.count += 1;
                let deviation = value - self.mean;
                self.mean += deviation / self.count as f64;
                self.squares += deviation * (value - self.mean);
            }
        }
    }

    fn cells(&self) -> [String; 5] {
        if self.count == 0 {
            let none = || "-".to_owned();
            return [none(), none(), none(), none(), self.unusable.to_string()];
        }
        let deviation = (self.squares / self.count as f64).sqrt();
        [
            short(self.min),
            short(self.max),
            short(self.mean),
            short(deviation),
            self.unusable.to_string(),
        ]
    }
}

/// A number as short as it can be read well.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == value.round() && size < 1e9 {
        format!("{value:.0}")
    } else if (1e-3..1e9).contains(&size) {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// A hole or an overlap between two runs.
struct Break {
    from_ns: i64,
    to_ns: i64,
    seconds: f64,
}

impl Stream {
    fn add(&mut self, segment: &Segment) {
        self.amplitude.add(segment);
        self.runs.push(Run {
            start_ns: segment.start_ns(),
            end_ns: segment.end_ns(),
            sampling_rate: segment.sampling_rate,
            npts: segment.npts(),
            encoding: segment.encoding.name(),
        });
    }

    /// Gaps (seconds > 0) and overlaps (< 0) of more than half a sample, in time.
    fn breaks(&mut self) -> Vec<Break> {
        self.runs.sort_by_key(|run| (run.start_ns, run.end_ns));
        let mut breaks = Vec::new();
        let mut last: Option<(i64, f64)> = None;
        for run in &self.runs {
            if let Some((end_ns, rate)) = last {
                let step_ns = steps_ns(1, rate);
                let missing_ns = run.start_ns.saturating_sub(end_ns.saturating_add(step_ns));
                if missing_ns.saturating_abs() > step_ns / 2 {
                    breaks.push(Break {
                        from_ns: end_ns,
                        to_ns: run.start_ns,
                        seconds: missing_ns as f64 / 1e9,
                    });
                }
            }
            if last.is_none_or(|(end_ns, _)| run.end_ns > end_ns) {
                last = Some((run.end_ns, run.sampling_rate));
            }
        }
        breaks
    }
}

const COLUMNS: [&str; 14] = [
    "id", "rate/Hz", "start", "end", "samples", "segments", "gaps", "overlaps", "encoding", "min",
    "max", "mean", "std", "unusable",
];

fn summary(streams: &mut BTreeMap<StreamId, Stream>) -> String {
    let mut rows = Vec::new();
    let mut details = Vec::new();
    for (id, stream) in streams {
        let breaks = stream.breaks();
        let gaps = breaks.iter().filter(|b| b.seconds > 0.0).count();
        let runs = &stream.runs;
        let start_ns = runs.iter().map(|run| run.start_ns).min().unwrap_or(0);
        let end_ns = runs.iter().map(|run| run.end_ns).max().unwrap_or(0);
        let npts: usize = runs.iter().map(|run| run.npts).sum();
        let mut row = vec![
            id.to_string(),
            distinct(runs.iter().map(|run| run.sampling_rate.to_string())),
            instant(start_ns),
            instant(end_ns),
            npts.to_string(),
            runs.len().to_string(),
            gaps.to_string(),
            (breaks.len() - gaps).to_string(),
            distinct(runs.iter().map(|run| run.encoding.to_owned())),
        ];
        row.extend(stream.amplitude.cells());
        rows.push(row);
        details.extend(breaks.iter().map(|b| {
            let kind = if b.seconds > 0.0 { "gap" } else { "overlap" };
            vec![
                id.to_string(),
                kind.to_owned(),
                format!("{:.3}", b.seconds.abs()),
                instant(b.from_ns),
                instant(b.to_ns),
            ]
        }));
    }
    let mut text = table(&COLUMNS, &rows);
    if !details.is_empty() {
        let names = ["id", "break", "seconds", "last sample", "next sample"];
        text.push_str("\n\n");
        text.push_str(&table(&names, &details));
    }
    text
}

/// A time for people: milliseconds, unless there is more to say.
fn instant(ns: i64) -> String {
    let text = time::format_utc(ns);
    match text.strip_suffix("000000Z") {
        Some(short) => format!("{short}Z"),
        None => text,
    }
}

/// The different values, joined by commas.
fn distinct(values: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = values.collect();
    all.sort_unstable();
    all.dedup();
    all.join(",")
}
