//! Separated records: miniSEED in two SDS trees, `background/` and `source/`.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use seismix_data::archive::Archive;
use seismix_data::mseed::{WriteOptions, write_mseed_file};
use seismix_data::time::{day_start_ns, year_day};
use seismix_data::{Samples, Segment, StationKey, StreamId, TimeSpan};

use super::file::TargetResult;
use crate::pipeline::error::{PipelineError, Result};
use crate::pipeline::observer::Observer;
use crate::pipeline::records::fault_text;

/// Writes background and source of every stream and UTC day of the archive. Samples outside the targets are the
/// input's, bit for bit, and 0 in the source; background + source is the input.
pub(super) fn write(
    archive: &Archive,
    stations: &[StationKey],
    targets: &[(TargetResult, Array2<f64>)],
    out: &Path,
    observer: &dyn Observer,
) -> Result<()> {
    let mut days = archive.station_days();
    days.retain(|day| stations.contains(&day.key));
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
            for (result, background) in targets
                .iter()
                .filter(|(result, _)| result.id == day.key.to_string())
            {
                let Some(row) = result
                    .channels
                    .iter()
                    .position(|channel| channel.id == id.to_string())
                else {
                    continue;
                };
                let row = background.row(row);
                apply(
                    &mut segments,
                    &mut sources,
                    result,
                    row.as_slice().unwrap_or_default(),
                );
            }
            for (kind, segments) in [("background", &segments), ("source", &sources)] {
                let path = sds_path(&out.join(kind), &id, day.day_start_ns);
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)
                        .map_err(PipelineError::io("creating", folder))?;
                }
                write_mseed_file(&path, segments, &WriteOptions::default())?;
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

fn zeroed(segment: &Segment) -> Segment {
    let n = segment.npts();
    let samples = match &segment.samples {
        Samples::I32(_) => Samples::I32(vec![0; n]),
        Samples::F32(_) => Samples::F32(vec![0.0; n]),
        Samples::F64(_) => Samples::F64(vec![0.0; n]),
    };
    Segment {
        samples,
        ..segment.clone()
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
        let half = (0.5e9 / segment.sampling_rate) as i64;
        if result.end_ns < segment.start_ns() - half || result.start_ns > segment.end_ns() + half {
            continue;
        }
        // Sample `first + i` of the segment is sample i of the target; the segment may start inside the target.
        let step = 1e9 / segment.sampling_rate;
        let (skip, first) = if result.start_ns < segment.start_ns() - half {
            (
                ((segment.start_ns() - result.start_ns) as f64 / step).round() as usize,
                0,
            )
        } else {
            (0, segment.first_index_at(result.start_ns - half))
        };
        for (at, value) in (first..segment.npts()).zip(background.iter().skip(skip)) {
            put(&mut segment.samples, &mut source.samples, at, *value);
        }
    }
}

/// Replaces one sample by its background; a full-scale sample or one that is not finite is never touched.
fn put(samples: &mut Samples, source: &mut Samples, at: usize, background: f64) {
    if !samples.is_usable(at) {
        return;
    }
    match (samples, source) {
        (Samples::I32(samples), Samples::I32(source)) => {
            let input = samples[at];
            let value = background
                .round()
                .clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32;
            // The source must fit too; then the two add up to the input exactly.
            if let Some(rest) = input.checked_sub(value) {
                samples[at] = value;
                source[at] = rest;
            }
        }
        (Samples::F32(samples), Samples::F32(source)) => {
            source[at] = samples[at] - background as f32;
            samples[at] -= source[at];
        }
        (Samples::F64(samples), Samples::F64(source)) => {
            source[at] = samples[at] - background;
            samples[at] -= source[at];
        }
        _ => {}
    }
}
