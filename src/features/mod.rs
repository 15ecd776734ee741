//! From an archive to feature files, one a station and UTC day.

mod day_plan;
pub(crate) mod local_day;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::Array4;
use seismix_data::archive::{AlignedSegment, Archive, Overlap, StationDay};
use seismix_data::store::{
    DayFeatures, FORMAT_VERSION, FeatureMeta, WindowLayout, read_header, write_day,
};
use seismix_data::time::{DAY_NS, format_utc, steps_ns, year_day};
use seismix_data::{StationKey, TimeSpan};
use serde_json::json;

use crate::config::{Boundary, Memory, RunControl, SelectionConfig, TransformConfig};
use crate::features::day_plan::{Blocks, Piece, block_plan};
use crate::records::{
    fault_text, first_index_at, input_files, open_archive, sampling_rate, station_keys,
};
use crate::stage::output_lock::{STALE, sweep};
use crate::stage::progress::Observer;
use crate::stage::provenance::{fingerprint, provenance};
use crate::stage::{PipelineError, Result};

/// What `features` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeaturesSummary {
    /// Feature files of the days asked for, written or found up to date.
    pub files: Vec<PathBuf>,
    /// Of these, days whose file was up to date.
    pub n_up_to_date: usize,
    /// Windows at the largest scale.
    pub n_windows: usize,
    /// Days left out because of an error, each reported to the observer.
    pub n_failed: usize,
}

/// Computes the features of an archive into the folder `out`. Days whose file is up to date are passed over.
///
/// A day that fails is reported and the others go on.
///
/// # Errors
/// What archive and settings refuse; [`PipelineError::Unusable`] if there is no day at all;
/// [`PipelineError::Interrupted`].
pub fn features(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    transform: &TransformConfig,
    control: &RunControl,
    out: &Path,
    observer: &dyn Observer,
) -> Result<FeaturesSummary> {
    let archive = open_archive(paths, selection, observer)?;
    let days = days_of(&archive, transform, control, observer);
    std::fs::create_dir_all(out).map_err(PipelineError::io("creating", out))?;
    sweep(out, STALE);
    let mut summary = FeaturesSummary::default();
    observer.begin("features", days.len() as u64, "days");
    for day in &days {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let done = check_memory(&archive, day, transform, control.memory)
            .and_then(|()| one_day(&archive, day, transform, control, out, observer));
        match done {
            Ok((path, n_windows, up_to_date)) => {
                summary.files.push(path);
                summary.n_windows += n_windows;
                summary.n_up_to_date += usize::from(up_to_date);
            }
            Err(PipelineError::Interrupted) => return Err(PipelineError::Interrupted),
            Err(error) => {
                let (year, of_year) = year_day(day.day_start_ns);
                let mut reason = error.to_string();
                if let Some(help) = error.help() {
                    reason = format!("{reason}; {help}");
                }
                observer.problem(&format!("{} {year:04}.{of_year:03}", day.key), &reason);
                summary.n_failed += 1;
            }
        }
        observer.advance(1);
    }
    observer.end();
    Ok(summary)
}

/// Longest window that makes sense in files of a day each; damaged headers can claim any rate.
const LONGEST_WINDOW_S: f64 = 30.0 * 86_400.0;

/// The days asked for. Files are named by location and day, so each location has one band: the fastest.
fn days_of(
    archive: &Archive,
    transform: &TransformConfig,
    control: &RunControl,
    observer: &dyn Observer,
) -> Vec<StationDay> {
    let mut bands: BTreeMap<[String; 3], Vec<StationKey>> = BTreeMap::new();
    for key in station_keys(archive) {
        let location = [&key.network, &key.station, &key.location].map(Clone::clone);
        bands.entry(location).or_default().push(key);
    }
    let mut left = BTreeSet::new();
    for key in bands.values().flatten() {
        let Some(rate) = sampling_rate(archive, key) else {
            continue;
        };
        let largest = transform.scales.last().map(|scale| scale.samples(rate));
        if let Some(Ok(largest)) = largest
            && largest as f64 / rate > LONGEST_WINDOW_S
        {
            observer.problem(
                &key.to_string(),
                &format!(
                    "left out: at its {rate} Hz the largest window, {largest} samples, lasts longer than 30 days; use shorter --scales"
                ),
            );
            left.insert(key.clone());
        }
    }
    for keys in bands.values_mut().filter(|keys| keys.len() > 1) {
        let rate = |key: &StationKey| sampling_rate(archive, key).unwrap_or(0.0);
        // Stable: of equal rates the first by name stays.
        keys.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        for other in &keys[1..] {
            observer.problem(
                &other.to_string(),
                &format!(
                    "left out: a location's features are of one band, here {}; choose another with --channel",
                    keys[0]
                ),
            );
            left.insert(other.clone());
        }
    }
    let days = archive.station_days().into_iter();
    days.filter(|day| !left.contains(&day.key))
        .enumerate()
        .filter(|(i, _)| control.shard.is_none_or(|shard| shard.contains(*i)))
        .map(|(_, day)| day)
        .collect()
}

/// What `features` would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeaturesPlan {
    /// The days asked for.
    pub days: Vec<PlannedDay>,
    /// Peak memory of the largest day, about.
    pub memory_bytes: u64,
}

/// One day of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDay {
    /// Its feature file.
    pub file: PathBuf,
    /// Whether the file is there.
    pub exists: bool,
}

/// What [`features`] would do, and how much memory it would take.
///
/// # Errors
/// What archive and settings refuse.
pub fn plan(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    transform: &TransformConfig,
    control: &RunControl,
    out: &Path,
    observer: &dyn Observer,
) -> Result<FeaturesPlan> {
    let archive = open_archive(paths, selection, observer)?;
    let mut plan = FeaturesPlan::default();
    for day in days_of(&archive, transform, control, observer) {
        let (year, of_year) = year_day(day.day_start_ns);
        let file = out.join(format!(
            "{}.{}.{}.{year:04}.{of_year:03}.h5",
            day.key.network, day.key.station, day.key.location
        ));
        plan.days.push(PlannedDay {
            exists: file.exists(),
            file,
        });
        plan.memory_bytes = plan
            .memory_bytes
            .max(day_memory_bytes(&archive, &day, transform)?);
    }
    Ok(plan)
}

/// Peak memory of a day, about.
fn day_memory_bytes(
    archive: &Archive,
    day: &StationDay,
    transform: &TransformConfig,
) -> Result<u64> {
    // Channels of different rates are refused when the day is read.
    let Some(rate) = sampling_rate(archive, &day.key) else {
        return Ok(0);
    };
    let resolved = transform.resolve(rate)?;
    let largest = resolved.scales.last().copied().unwrap_or(0);
    let before = steps_ns(largest, rate);
    let of_day = TimeSpan::day_of(day.day_start_ns);
    let span = TimeSpan::new(of_day.start_ns.saturating_sub(before), of_day.end_ns);
    let span = span.intersection(&archive.selection().span);
    let seconds: f64 = archive
        .files_of(&day.key, span)
        .into_iter()
        .flat_map(|file| &file.spans)
        .filter(|stretch| stretch.id.station_key() == day.key)
        .map(|stretch| {
            let within = TimeSpan::new(stretch.start_ns, stretch.end_ns).intersection(&span);
            (within.end_ns - within.start_ns).max(0) as f64 / 1e9
        })
        .sum();
    let samples = seconds * rate;
    // Decoded samples, their copy in the transform's precision, and the coefficients before compression.
    let n_blocks = match transform.boundary {
        Boundary::Continuous => samples / resolved.block as f64,
        Boundary::Reference => samples / resolved.stride as f64 * (largest / resolved.block) as f64,
    };
    let coefficients = n_blocks * n_coefficients(transform) * (8.0 + 16.0);
    let layout = WindowLayout {
        sampling_rate: rate,
        block_samples: resolved.block,
        scales: resolved.scales.clone(),
        stride_samples: resolved.stride,
    };
    let plan = block_plan(transform, &layout)?;
    let scratch = plan.scratch_bytes(samples as usize) * rayon::current_num_threads() as u64;
    Ok((samples * 28.0 + coefficients + 1e8) as u64 + scratch)
}

/// Coefficients of `scat+cov`, about: most are envelopes, one for each pair of first-layer scales below each second one.
fn n_coefficients(transform: &TransformConfig) -> f64 {
    let first = (transform.octaves.first * transform.quality.first) as f64;
    let second = (transform.octaves.second * transform.quality.second) as f64;
    (first + 2.0) * (first + 2.0) * (second + 2.0) / 4.0
}

/// Refuses a day that does not fit into the memory allowed.
fn check_memory(
    archive: &Archive,
    day: &StationDay,
    transform: &TransformConfig,
    allowed: Memory,
) -> Result<()> {
    let bytes = day_memory_bytes(archive, day, transform)?;
    if bytes <= allowed.bytes {
        return Ok(());
    }
    let mebibytes = bytes.div_ceil(1 << 20);
    Err(PipelineError::unusable(
        format!(
            "the day takes about {mebibytes} MiB, and --memory allows {allowed}; raise it, or select fewer channels with --channel"
        ),
        format!("--memory {mebibytes}MiB would do"),
    ))
}

/// Makes one day's file: its path, its windows, and whether it was up to date.
fn one_day(
    archive: &Archive,
    day: &StationDay,
    transform: &TransformConfig,
    control: &RunControl,
    out: &Path,
    observer: &dyn Observer,
) -> Result<(PathBuf, usize, bool)> {
    let rate = sampling_rate(archive, &day.key).ok_or_else(|| {
        PipelineError::unusable(
            format!("the channels of {} have different sampling rates", day.key),
            "select channels of one rate with --channel",
        )
    })?;
    let resolved = transform.resolve(rate)?;
    let layout = WindowLayout {
        sampling_rate: rate,
        block_samples: resolved.block,
        scales: resolved.scales.clone(),
        stride_samples: resolved.stride,
    };
    let plan = block_plan(transform, &layout)?;
    let largest = layout.scales.last().copied().unwrap_or(0);
    let before = steps_ns(largest + plan.context_samples(), rate);
    let after = steps_ns(plan.context_samples(), rate);
    let span = TimeSpan::new(
        day.day_start_ns.saturating_sub(before),
        day.day_start_ns
            .saturating_add(DAY_NS)
            .saturating_add(after),
    );
    let inputs = input_files(archive, &day.key, span)?;
    // What of the files is used matters as much as the files.
    let used = span.intersection(&archive.selection().span);
    let configuration = json!({
        "transform": transform,
        "channels": channels_in(archive, &day.key, used),
        "start_ns": used.start_ns,
        "end_ns": used.end_ns,
    });
    let provenance = provenance("features", &configuration, 0, &inputs);
    let mut meta = FeatureMeta {
        format_version: FORMAT_VERSION,
        network: day.key.network.clone(),
        station: day.key.station.clone(),
        location: day.key.location.clone(),
        channels: Vec::new(),
        day_start_ns: day.day_start_ns,
        layout: layout.clone(),
        octaves: vec![transform.octaves.first, transform.octaves.second],
        wavelets_per_octave: vec![transform.quality.first, transform.quality.second],
        wavelet: transform.wavelet.to_string(),
        coefficients: "scat+cov".into(),
        boundary: transform.boundary.to_string(),
        grid_start: Vec::new(),
        note: None,
        index: plan.index(),
        provenance,
    };
    let path = out.join(meta.file_name());
    let name = format!("{} {}", day.key, meta.day_name());
    if !control.fresh && path.exists() {
        // A file that cannot be read is made anew.
        if let Ok(header) = read_header(&path)
            && fingerprint(&header.meta.provenance) == fingerprint(&meta.provenance)
        {
            for line in header.meta.note.iter().flat_map(|note| note.lines()) {
                match line.strip_prefix(UNREAD).and_then(|l| l.split_once(": ")) {
                    Some((file, message)) => observer.problem(file, message),
                    None => observer.remark(&format!("{name}: {line}")),
                }
            }
            return Ok((path, header.windows()?.len(), true));
        }
    }
    let of_day = TimeSpan::day_of(day.day_start_ns);
    let data = archive.load_around(&day.key, of_day, span);
    let mut notes: Vec<String> = Vec::new();
    for fault in &data.faults {
        let (file, message) = fault_text(fault);
        observer.problem(&file, &message);
        notes.push(format!("{UNREAD}{file}: {message}"));
    }
    let tell = |notes: &mut Vec<String>, note: String| {
        observer.remark(&format!("{name}: {note}"));
        notes.push(note);
    };
    if !data.missing_channels.is_empty() {
        let codes = data.missing_channels.iter().map(|id| id.channel.as_str());
        let codes = codes.collect::<Vec<_>>().join(", ");
        tell(&mut notes, format!("no sample of {codes} on this day"));
    }
    for overlap in &data.overlaps {
        tell(&mut notes, overlap_text(overlap));
    }
    let mut blocks = Blocks::default();
    meta.channels = data.channels.iter().map(|id| id.channel.clone()).collect();
    let mut longest = 0;
    let mut n_constant = 0;
    for segment in &data.segments {
        let within = samples_of_day(segment, day.day_start_ns);
        // Of a constant stretch the transform would see its own rounding errors.
        if all_constant(segment) {
            n_constant += within.len();
            continue;
        }
        longest = longest.max(within.len());
        let Some(piece) = day_piece(segment, &within, &layout, day.day_start_ns) else {
            continue;
        };
        plan.append(segment, &piece, &mut blocks)?;
    }
    if n_constant > 0 {
        tell(
            &mut notes,
            format!("{n_constant} samples are left out: all channels are constant there"),
        );
    }
    if blocks.grid_start.is_empty() {
        tell(
            &mut notes,
            format!(
                "no window: the longest gap-free stretch with a signal has {longest} samples, the largest window {largest} ({:.0} s)",
                largest as f64 / rate
            ),
        );
    }
    meta.note = (!notes.is_empty()).then(|| notes.join("\n"));
    meta.grid_start = blocks.grid_start;
    let shape = (blocks.time.len(), meta.channels.len(), meta.index.len(), 2);
    let coefficients =
        Array4::from_shape_vec(shape, blocks.coefficients).map_err(PipelineError::internal)?;
    let features = DayFeatures {
        meta,
        time: blocks.time,
        segment: blocks.segment,
        coefficients,
    };
    write_day(&path, &features)?;
    Ok((path, features.windows()?.len(), false))
}

/// Begins a line of a file's note about an input that could not be read, so that a later run tells it again.
const UNREAD: &str = "not read: ";

/// The channels of a station that have samples in a span, sorted.
fn channels_in(archive: &Archive, key: &StationKey, span: TimeSpan) -> BTreeSet<String> {
    let files = archive.files_of(key, span).into_iter();
    files
        .flat_map(|file| &file.spans)
        .filter(|stretch| stretch.id.station_key() == *key)
        .map(|stretch| stretch.id.channel.clone())
        .collect()
}

/// Whether every channel keeps one value throughout.
fn all_constant(segment: &AlignedSegment) -> bool {
    segment
        .samples
        .outer_iter()
        .all(|row| row.iter().all(|v| *v == row[0]))
}

fn overlap_text(overlap: &Overlap) -> String {
    format!(
        "{}: {} samples from {} on are there twice{}; the earlier record counts",
        overlap.id,
        overlap.npts,
        format_utc(overlap.span.start_ns),
        if overlap.identical { "" } else { " and differ" }
    )
}

/// Samples of a segment that lie on the day.
fn samples_of_day(segment: &AlignedSegment, day_start_ns: i64) -> std::ops::Range<usize> {
    first_index_at(segment, day_start_ns)
        ..first_index_at(segment, day_start_ns.saturating_add(DAY_NS))
}

/// Windows end after every stride from the day's first sample on; their blocks reach back into the day before where
/// the record is gap-free there. So each day's file can be made without the others, and nothing has to be joined.
fn day_piece(
    segment: &AlignedSegment,
    within: &std::ops::Range<usize>,
    layout: &WindowLayout,
    day_start_ns: i64,
) -> Option<Piece> {
    if within.is_empty() {
        return None;
    }
    let largest = *layout.scales.last()?;
    let stride = layout.stride_samples;
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
    // The files tell a window's day from its last block; a millisecond of jitter must not push it over midnight.
    let on_day = |n: usize| {
        let last_block = first + largest + (n - 1) * stride - layout.block_samples;
        let start = segment.time_of(last_block);
        start + layout.block_ns() - layout.sample_ns() < day_start_ns.saturating_add(DAY_NS)
    };
    while n_windows > 0 && !on_day(n_windows) {
        n_windows -= 1;
    }
    (n_windows > 0).then(|| Piece {
        first,
        n_blocks: (largest + (n_windows - 1) * stride) / layout.block_samples,
    })
}
