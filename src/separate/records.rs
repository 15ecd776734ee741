//! Separated records: miniSEED in two SDS trees, `background/` and `source/`.

use std::path::{Path, PathBuf};

use seismix_data::archive::Archive;
use seismix_data::mseed::{WriteOptions, write_mseed_file};
use seismix_data::time::{day_start_ns, year_day};
use seismix_data::{Samples, Segment, StationKey, StreamId, TimeSpan};

use crate::records::fault_text;
use crate::separate::checkpoint::SeparatedTarget;
use crate::separate::result_file::TargetResult;
use crate::stage::progress::Observer;
use crate::stage::{Artifact, PipelineError, Result};
use crate::subtraction::{place, put, uncertain, zeroed};

/// Names of the files that [`write`] makes at most, relative to the output.
pub(super) fn names(archive: &Archive) -> Vec<String> {
    let mut names = Vec::new();
    for day in archive.station_days() {
        for id in archive.channels_of(&day.key) {
            let name = |kind: &str| sds_path(Path::new(kind), &id, day.day_start_ns);
            let of_day = ["background", "source", "deviation"].map(name);
            names.extend(of_day.map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names
}

/// Writes background and source of every stream and UTC day of the archive. Samples outside the targets are the
/// input's, bit for bit, and 0 in the source; background + source is the input.
pub(super) fn write(
    archive: &Archive,
    stations: &[StationKey],
    targets: &[SeparatedTarget],
    artifact: &Artifact,
    observer: &dyn Observer,
) -> Result<()> {
    let mut days = archive.station_days();
    days.retain(|day| stations.contains(&day.key));
    // Deviations are written where any target has them.
    let has_deviation = targets.iter().any(|target| target.deviation.is_some());
    observer.begin("write records", days.len() as u64, "days");
    for day in &days {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        for id in archive.channels_of(&day.key) {
            let span = TimeSpan::day_of(day.day_start_ns);
            let raw = archive.load_raw_starting(&id, span);
            for fault in &raw.faults {
                let (file, message) = fault_text(fault);
                observer.problem(&file, &message);
            }
            let mut segments = raw.segments;
            if segments.is_empty() {
                continue;
            }
            let mut sources: Vec<Segment> = segments.iter().map(zeroed).collect();
            let mut deviations =
                has_deviation.then(|| segments.iter().map(uncertain).collect::<Vec<Segment>>());
            let station = day.key.to_string();
            for target in targets.iter().filter(|t| t.result.id == station) {
                let result = &target.result;
                let Some(row) = result
                    .channels
                    .iter()
                    .position(|channel| channel.id == id.to_string())
                else {
                    continue;
                };
                if let (Some(deviations), Some(deviation)) = (&mut deviations, &target.deviation) {
                    let row = deviation.row(row);
                    fill(deviations, result, row.as_slice().unwrap_or_default());
                }
                let row = target.background.row(row);
                apply(
                    &mut segments,
                    &mut sources,
                    result,
                    row.as_slice().unwrap_or_default(),
                );
            }
            let mut kinds = vec![("background", &segments), ("source", &sources)];
            if let Some(deviations) = &deviations {
                kinds.push(("deviation", deviations));
            }
            for (kind, segments) in kinds {
                let name = sds_path(Path::new(kind), &id, day.day_start_ns);
                artifact.publish(&name.to_string_lossy(), |path| {
                    write_mseed_file(path, segments, &WriteOptions::default()).map(drop)
                })?;
            }
        }
        observer.advance(1);
    }
    observer.end();
    Ok(())
}

/// `YEAR/NET/STA/CHAN.D/NET.STA.LOC.CHAN.D.YEAR.DAY`.
pub fn sds_path(root: &Path, id: &StreamId, ns: i64) -> PathBuf {
    let (year, day) = year_day(day_start_ns(ns));
    let StreamId {
        network,
        station,
        location,
        channel,
    } = id;
    root.join(format!("{year:04}"))
        .join(network)
        .join(station)
        .join(format!("{channel}.D"))
        .join(format!(
            "{network}.{station}.{location}.{channel}.D.{year:04}.{day:03}"
        ))
}

/// Puts a target's deviations into the segments it lies in.
fn fill(segments: &mut [Segment], result: &TargetResult, deviation: &[f64]) {
    for segment in segments {
        let Some((skip, first)) = place(segment, result.start_ns, result.end_ns) else {
            continue;
        };
        if let Samples::F32(samples) = &mut segment.samples {
            for (to, value) in samples[first..].iter_mut().zip(deviation.iter().skip(skip)) {
                *to = *value as f32;
            }
        }
    }
}

/// Puts a target's background into the segments it lies in, and the rest of the input into the source.
fn apply(
    segments: &mut [Segment],
    sources: &mut [Segment],
    result: &TargetResult,
    background: &[f64],
) {
    for (segment, source) in segments.iter_mut().zip(sources) {
        let Some((skip, first)) = place(segment, result.start_ns, result.end_ns) else {
            continue;
        };
        for (at, value) in (first..segment.npts()).zip(background.iter().skip(skip)) {
            put(&mut segment.samples, &mut source.samples, at, *value);
        }
    }
}
