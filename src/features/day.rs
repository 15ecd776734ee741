//! One station-day: its feature file, made or found up to date.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::Array4;
use seismix_data::TimeSpan;
use seismix_data::archive::{
    AlignedSegment, Archive, LeftOutChannel, Overlap, StationData, StationDay,
};
use seismix_data::store::{BlockLayout, DayFeatures, FeatureMeta, read_header, write_day};
use seismix_data::time::{DAY_NS, format_utc};

use crate::config::TransformConfig;
use crate::features::blocks::{Blocks, Piece};
use crate::features::day_plan::{DayPlan, day_name, file_name};
use crate::features::notes::DayNote;
use crate::records::{fault_text, first_index_at};
use crate::stage::provenance::{fingerprint, provenance};
use crate::stage::{Artifact, Existing, PipelineError, Result, StageContext};

/// The feature file of a day.
pub(crate) struct DayFile {
    pub path: PathBuf,
    pub n_windows: usize,
    pub up_to_date: bool,
}

/// Makes one day's file, unless the one that is there is intact and of the same settings and inputs.
///
/// # Errors
/// What records and settings refuse; [`PipelineError::InputsChanged`] if records changed meanwhile.
pub(crate) fn day_file(
    archive: &Archive,
    day: &StationDay,
    transform: &TransformConfig,
    context: &StageContext,
    artifact: &Artifact,
) -> Result<DayFile> {
    let plan = DayPlan::new(archive, day, transform)?;
    let read: Vec<&Path> = archive
        .files_of(&day.key, plan.span)
        .into_iter()
        .map(|file| file.path.as_path())
        .collect();
    let inputs = read.iter().map(|path| context.inputs.file(path));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let meta = plan.meta(provenance("features", &plan.configuration(), 0, &inputs));
    let (name, made_from) = (file_name(day), fingerprint(&meta.provenance));
    let path = artifact.path(&name);
    if context.existing != Existing::Fresh && artifact.file_is_current(&name, &made_from) {
        let header = read_header(&path)?;
        report_again(&header.meta, day, context);
        return Ok(DayFile {
            n_windows: header.windows()?.len(),
            path,
            up_to_date: true,
        });
    }
    plan.check_memory(context.memory)?;
    let features = compute(archive, day, &plan, meta, context)?;
    context.inputs.check_unchanged(read)?;
    artifact.publish_made_from(&name, &made_from, |staged| write_day(staged, &features))?;
    Ok(DayFile {
        n_windows: features.windows()?.len(),
        path,
        up_to_date: false,
    })
}

/// Reports the remarks of a file that is up to date as they were reported when it was made.
fn report_again(meta: &FeatureMeta, day: &StationDay, context: &StageContext) {
    for note in DayNote::of(meta) {
        match &note.file {
            Some(file) => context.progress.problem(file, &note.text),
            None => context
                .progress
                .remark(&format!("{}: {}", day_name(day), note.text)),
        }
    }
}

/// Computes a day's features.
fn compute(
    archive: &Archive,
    day: &StationDay,
    plan: &DayPlan,
    mut meta: FeatureMeta,
    context: &StageContext,
) -> Result<DayFeatures> {
    let of_day = TimeSpan::day_of(day.day_start_ns);
    let data = archive.load_around(&day.key, of_day, plan.span);
    let mut notes = Vec::new();
    for fault in &data.faults {
        let (file, message) = fault_text(fault);
        context.progress.problem(&file, &message);
        notes.push(DayNote::unread(file, message));
    }
    let mut remarks = remarks_on(&data);
    let mut blocks = Blocks::default();
    remarks.extend(append_all(&data.segments, day, plan, &mut blocks)?);
    for remark in remarks {
        context
            .progress
            .remark(&format!("{}: {remark}", day_name(day)));
        notes.push(DayNote::new(remark));
    }
    meta.channels = data.channels.iter().map(|id| id.channel.clone()).collect();
    meta.note = DayNote::join(&notes);
    meta.grid_start = blocks.grid_start;
    let shape = (blocks.time.len(), meta.channels.len(), meta.index.len(), 2);
    let coefficients = Array4::from_shape_vec(shape, blocks.coefficients);
    Ok(DayFeatures {
        meta,
        time: blocks.time,
        segment: blocks.segment,
        coefficients: coefficients.map_err(PipelineError::internal)?,
    })
}

/// Remarks on channels without samples, channels left out, constant stretches and overlaps.
fn remarks_on(data: &StationData) -> Vec<String> {
    let mut remarks = Vec::new();
    if !data.missing_channels.is_empty() {
        let codes = data.missing_channels.iter().map(|id| id.channel.as_str());
        let codes = codes.collect::<Vec<_>>().join(", ");
        remarks.push(format!("no sample of {codes} on this day"));
    }
    remarks.extend(data.left_out.iter().map(left_out_text));
    for (id, unusable) in &data.unusable {
        if unusable.constant > 0 {
            let n = unusable.constant;
            remarks.push(format!(
                "{}: {n} samples in constant stretches are treated as gaps",
                id.channel
            ));
        }
    }
    remarks.extend(data.overlaps.iter().map(overlap_text));
    remarks
}

/// Appends the blocks of all segments; remarks on samples that were left out.
fn append_all(
    segments: &[AlignedSegment],
    day: &StationDay,
    plan: &DayPlan,
    blocks: &mut Blocks,
) -> Result<Vec<String>> {
    let (mut longest, mut n_constant) = (0, 0);
    for segment in segments {
        let within = samples_of_day(segment, day.day_start_ns);
        // Of a constant stretch the transform would see only its own rounding errors.
        if all_constant(segment) {
            n_constant += within.len();
            continue;
        }
        longest = longest.max(within.len());
        let Some(piece) = day_piece(segment, &within, &plan.layout, day.day_start_ns) else {
            continue;
        };
        plan.blocks.append(segment, &piece, blocks)?;
    }
    let mut remarks = Vec::new();
    if n_constant > 0 {
        remarks.push(format!(
            "{n_constant} samples are left out: all channels are constant there"
        ));
    }
    if blocks.grid_start.is_empty() {
        let largest = plan.largest();
        remarks.push(format!(
            "no window: the longest gap-free stretch with a signal has {longest} samples, the largest window {largest} ({:.0} s)",
            largest as f64 / plan.layout.sampling_rate
        ));
    }
    Ok(remarks)
}

/// True if every channel has one value throughout.
fn all_constant(segment: &AlignedSegment) -> bool {
    segment
        .samples
        .outer_iter()
        .all(|row| row.iter().all(|v| *v == row[0]))
}

fn left_out_text(channel: &LeftOutChannel) -> String {
    /// Spans listed; a channel in pieces would fill the screen.
    const LISTED: usize = 3;
    let spans = channel.spans.iter().take(LISTED);
    let mut spans: Vec<String> = spans
        .map(|span| {
            format!(
                "{} to {}",
                format_utc(span.start_ns),
                format_utc(span.end_ns)
            )
        })
        .collect();
    if let Some(more @ 1..) = channel.spans.len().checked_sub(LISTED) {
        spans.push(format!("{more} more spans"));
    }
    format!(
        "{} is left out, since the other channels have more usable samples in common without it; it has records from {}",
        channel.id.channel,
        spans.join(", ")
    )
}

fn overlap_text(overlap: &Overlap) -> String {
    format!(
        "{}: {} overlapping samples from {}{}; the earlier record is used",
        overlap.id,
        overlap.npts,
        format_utc(overlap.span.start_ns),
        if overlap.identical {
            ""
        } else {
            ", which differ"
        }
    )
}

/// Samples of a segment that lie on the day.
fn samples_of_day(segment: &AlignedSegment, day_start_ns: i64) -> Range<usize> {
    let end = day_start_ns.saturating_add(DAY_NS);
    first_index_at(segment, day_start_ns)..first_index_at(segment, end)
}

/// Blocks of a segment for one day. Windows end after every stride from the day's first sample on; their blocks reach
/// back into the day before where the record is gap-free there, so each day's file can be made without the others.
fn day_piece(
    segment: &AlignedSegment,
    within: &Range<usize>,
    layout: &BlockLayout,
    day_start_ns: i64,
) -> Option<Piece> {
    if within.is_empty() {
        return None;
    }
    let largest = *layout.windows.scales.last()?;
    let stride = layout.windows.stride_samples;
    // The first window of the day's grid that ends after the day's first sample.
    let mut end = within.start % stride + largest;
    if end <= within.start {
        end += ((within.start - end) / stride + 1) * stride;
    }
    let first = end - largest;
    let mut n_windows = if end <= within.end {
        (within.end - end) / stride + 1
    } else {
        0
    };
    // A window's day is that of its last block; a millisecond of jitter must not push it over midnight.
    let on_day = |n: usize| {
        let last_block = first + largest + (n - 1) * stride - layout.windows.block_samples;
        let start = segment.time_of(last_block);
        start + layout.block_ns() - layout.sample_ns() < day_start_ns.saturating_add(DAY_NS)
    };
    while n_windows > 0 && !on_day(n_windows) {
        n_windows -= 1;
    }
    (n_windows > 0).then(|| Piece {
        first,
        n_blocks: (largest + (n_windows - 1) * stride) / layout.windows.block_samples,
    })
}
