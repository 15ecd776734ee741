//! `seismix info`: what is in files and archives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use seismix::data::archive::expand_paths;
use seismix::data::summary::{
    BreakKind, BreakRow, Checksum, FaultRow, FileSummary, SamplesText, SegmentRow, SummaryOptions,
    summarize_file,
};
use seismix::data::time::{format_utc, steps_ns};
use seismix::data::usable::UnusableSamples;
use seismix::data::{Error, StreamId};
use seismix::stage::Observer;

use super::context::CommandContext;
use super::exit::Result;
use super::interrupt;
use super::options::SelectionArgs;
use super::output::table;

/// Say what is in files and archives: ids, rates, spans, gaps, overlaps, amplitudes
///
/// With --json: one line a gap-free segment of a file, and a line {"file","error","offset"} for what cannot be read.
/// Times are UTC, endtime is that of the last sample. Unusable samples are NaN, infinities, full-scale values
/// and stretches of one value that last longer than 10 s and 64 samples; processing treats them as gaps.
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
    selection: SelectionArgs,
}

impl Info {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let selection = self.selection.config()?.for_data()?;
        let options = SummaryOptions {
            checksum: if self.checksum {
                Checksum::Sha256
            } else {
                Checksum::Omit
            },
            samples: if self.samples {
                SamplesText::Base64
            } else {
                SamplesText::Omit
            },
        };
        let files = self.files(context)?;
        let mut streams: BTreeMap<StreamId, Stream> = BTreeMap::new();
        context.observer.begin("info", files.len() as u64, "files");
        for path in &files {
            if interrupt::asked() {
                break;
            }
            let mut summary = summarize_file(path, &selection, options);
            with_readable_names(&mut summary);
            print_file(context, &summary)?;
            for row in summary.segments {
                streams.entry(row.id.clone()).or_default().rows.push(row);
            }
            for row in summary.breaks {
                streams.entry(row.id.clone()).or_default().breaks.push(row);
            }
            context.observer.advance(1);
        }
        context.observer.end();
        if !streams.is_empty() {
            context.printer.text(overview(&mut streams))?;
        }
        Ok(())
    }

    /// Files of the paths, each once; a path without any is reported and the others are read.
    fn files(&self, context: &mut CommandContext) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in &self.paths {
            let faults = match expand_paths(&[path]) {
                Ok(list) => {
                    files.extend(list.files);
                    list.faults.into_iter().map(FaultRow::from).collect()
                }
                Err(error) => {
                    let error = match error {
                        Error::NoSuchPath { .. } => "the file or folder does not exist".into(),
                        other => other.to_string(),
                    };
                    vec![FaultRow {
                        file: path.clone(),
                        error,
                        offset: None,
                    }]
                }
            };
            let mut summary = FileSummary {
                faults,
                ..FileSummary::default()
            };
            with_readable_names(&mut summary);
            print_file(context, &summary)?;
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// JSON is Unicode, file names need not be: what is not becomes U+FFFD.
fn with_readable_names(summary: &mut FileSummary) {
    let segments = summary.segments.iter_mut().map(|row| &mut row.file);
    let faults = summary.faults.iter_mut().map(|row| &mut row.file);
    for file in segments
        .chain(faults)
        .filter(|file| file.to_str().is_none())
    {
        *file = file.to_string_lossy().into_owned().into();
    }
}

/// Prints the JSON lines of a file, and names its first fault on stderr.
fn print_file(context: &mut CommandContext, summary: &FileSummary) -> Result<()> {
    for row in &summary.segments {
        context.printer.record(row)?;
    }
    for row in &summary.faults {
        context.printer.record(row)?;
    }
    if let Some(first) = summary.faults.first() {
        let place = first
            .offset
            .map_or(String::new(), |offset| format!("at byte {offset}: "));
        let more = match summary.faults.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let reason = format!("{place}{}{more}", first.error);
        context
            .observer
            .problem(&first.file.display().to_string(), &reason);
    }
    context.printer.flush()?;
    Ok(())
}

/// Segments and breaks of one stream, over all files.
#[derive(Default)]
struct Stream {
    rows: Vec<SegmentRow>,
    breaks: Vec<BreakRow>,
}

impl Stream {
    /// Gaps, overlaps and duplicates of more than half a sample, in time, those between files too.
    fn breaks(&mut self) -> Vec<[String; 4]> {
        self.rows.sort_by_key(|row| (row.start_ns, row.end_ns));
        let mut found = Vec::new();
        let mut last: Option<&SegmentRow> = None;
        for row in &self.rows {
            if let Some(before) = last {
                let step_ns = steps_ns(1, before.sampling_rate);
                let missing_ns = row
                    .start_ns
                    .saturating_sub(before.end_ns.saturating_add(step_ns));
                if missing_ns.saturating_abs() > step_ns / 2 {
                    found.push([
                        self.kind(before.end_ns, row.start_ns, missing_ns).into(),
                        format!("{:.3}", missing_ns.saturating_abs() as f64 / 1e9),
                        instant(before.end_ns),
                        instant(row.start_ns),
                    ]);
                }
            }
            if last.is_none_or(|before| row.end_ns > before.end_ns) {
                last = Some(row);
            }
        }
        found
    }

    fn kind(&self, last_ns: i64, next_ns: i64, missing_ns: i64) -> &'static str {
        let known = self
            .breaks
            .iter()
            .find(|row| row.last_ns == last_ns && row.next_ns == next_ns);
        match known.map(|row| row.kind) {
            Some(BreakKind::Duplicate) => "duplicate",
            _ if missing_ns > 0 => "gap",
            _ => "overlap",
        }
    }

    /// Smallest, largest and mean sample, and the number of unusable ones.
    fn amplitudes(&self) -> [String; 4] {
        let min = self.rows.iter().filter_map(|row| row.min).reduce(f64::min);
        let max = self.rows.iter().filter_map(|row| row.max).reduce(f64::max);
        let (mut sum, mut count) = (0.0, 0);
        for row in &self.rows {
            // The mean of a row includes its constant stretches, so its weight does too.
            let averaged = row.npts - row.unusable + row.unusable_samples.constant;
            sum += row.mean.unwrap_or(0.0) * averaged as f64;
            count += averaged;
        }
        let mean = (count > 0).then(|| sum / count as f64);
        let unusable: usize = self.rows.iter().map(|row| row.unusable).sum();
        let cell = |value: Option<f64>| value.map_or("-".into(), short);
        [cell(min), cell(max), cell(mean), unusable.to_string()]
    }
}

const COLUMNS: [&str; 12] = [
    "id", "rate/Hz", "start", "end", "samples", "segments", "breaks", "encoding", "min", "max",
    "mean", "unusable",
];

fn overview(streams: &mut BTreeMap<StreamId, Stream>) -> String {
    let mut rows = Vec::new();
    let (mut details, mut unusable) = (Vec::new(), Vec::new());
    for (id, stream) in streams {
        let breaks = stream.breaks();
        let segments = &stream.rows;
        let start_ns = segments.iter().map(|row| row.start_ns).min();
        let end_ns = segments.iter().map(|row| row.end_ns).max();
        let npts: usize = segments.iter().map(|row| row.npts).sum();
        let mut row = vec![
            id.to_string(),
            distinct(segments.iter().map(|row| row.sampling_rate.to_string())),
            start_ns.map_or("-".into(), instant),
            end_ns.map_or("-".into(), instant),
            npts.to_string(),
            segments.len().to_string(),
            breaks.len().to_string(),
            distinct(segments.iter().map(|row| row.encoding.to_string())),
        ];
        row.extend(stream.amplitudes());
        rows.push(row);
        let mut reasons = UnusableSamples::default();
        segments
            .iter()
            .for_each(|row| reasons.add(row.unusable_samples));
        if reasons.total() > 0 {
            let numbers = [reasons.constant, reasons.full_scale, reasons.not_finite];
            let numbers = numbers.iter().map(ToString::to_string);
            unusable.push(std::iter::once(id.to_string()).chain(numbers).collect());
        }
        let with_id = |cells: [String; 4]| std::iter::once(id.to_string()).chain(cells).collect();
        details.extend(breaks.into_iter().map(with_id));
    }
    let mut text = table(&COLUMNS, &rows);
    if !details.is_empty() {
        let names = ["id", "break", "seconds", "last sample", "next sample"];
        text.push_str("\n\n");
        text.push_str(&table(&names, &details));
    }
    if !unusable.is_empty() {
        let names = [
            "unusable samples of",
            "constant",
            "full-scale",
            "not finite",
        ];
        text.push_str("\n\n");
        text.push_str(&table(&names, &unusable));
    }
    text
}

/// A number as short as it can be read well.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == value.round() && size < 1e12 {
        format!("{value:.0}")
    } else if (1e-3..1e12).contains(&size) {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// A time for people: milliseconds, unless there is more to say.
fn instant(ns: i64) -> String {
    let text = format_utc(ns);
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
