//! The records of a report, reduced for drawing, and what was read.

use std::collections::BTreeMap;

use seismix_data::archive::{AlignedSegment, Archive};
use seismix_data::store::ClusterTable;
use seismix_data::time::{DAY_NS, steps_ns};
use seismix_data::{StationKey, TimeSpan};

use crate::records::sampling_rate;
use crate::report::{
    ChannelOverview, ChannelRecord, Gap, Overview, StationRecord, Strip, Trace, WindowCluster,
};

/// Length of a bin of the record's picture.
const ENVELOPE_BIN_S: f64 = 5.0;

/// The record of each station, reduced for drawing, with the clusters over time; and what was read.
pub(crate) fn stations(
    archive: &Archive,
    keys: &[StationKey],
    table: &ClusterTable,
) -> (Overview, Vec<StationRecord>) {
    let mut overview = Overview::default();
    for stream in archive.streams() {
        overview.channels.push(ChannelOverview {
            id: stream.id.to_string(),
            sampling_rate: stream.sampling_rate,
            start_ns: stream.span.start_ns,
            end_ns: stream.span.end_ns,
            n_samples: stream.npts as u64,
        });
    }
    let mut records = Vec::new();
    for key in keys {
        let mut channels: BTreeMap<String, ChannelRecord> = BTreeMap::new();
        let mut last_end: BTreeMap<String, i64> = BTreeMap::new();
        let mut days: Vec<i64> = archive
            .station_days()
            .into_iter()
            .filter(|day| day.key == *key)
            .map(|day| day.day_start_ns)
            .collect();
        days.sort_unstable();
        for day in days {
            let loaded = archive.load(key, TimeSpan::new(day, day.saturating_add(DAY_NS)));
            for segment in &loaded.segments {
                for (row, id) in segment.channels.iter().enumerate() {
                    let id = id.to_string();
                    let samples = segment.samples.row(row);
                    let trace = envelope(segment, samples.as_slice().unwrap_or_default(), day);
                    let record = channels.entry(id.clone()).or_insert_with(|| ChannelRecord {
                        id: id.clone(),
                        pieces: Vec::new(),
                    });
                    let step = (1e9 / segment.sampling_rate) as i64;
                    if let Some(end) = last_end.get(&id).filter(|end| {
                        segment.start_ns() - **end > 3 * step && segment.start_ns() - **end < DAY_NS
                    }) {
                        overview.gaps.push(Gap {
                            id: id.clone(),
                            start_ns: end + step,
                            end_ns: segment.start_ns(),
                        });
                    }
                    last_end.insert(id, segment.end_ns());
                    record.pieces.push(trace);
                }
            }
        }
        let id = key.to_string();
        let sample_ns = sampling_rate(archive, key).map_or(1, |rate| steps_ns(1, rate));
        let strips = table.scales().into_iter().map(|scale| {
            let rows = table.rows_of_scale(scale).map(|row| &table.rows[row]);
            let rows = rows.filter(|row| row.id.as_deref().is_none_or(|found| found == id));
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
        });
        records.push(StationRecord {
            station: id.clone(),
            strips: strips.collect(),
            channels: channels.into_values().collect(),
        });
    }
    (overview, records)
}

/// The lowest and highest sample of each bin. The last bin is left out unless it is full and ends on the day: the
/// picture must not reach into a day without data.
fn envelope(segment: &AlignedSegment, samples: &[f64], day_start_ns: i64) -> Trace {
    let rate = true_rate(segment);
    let per_bin = ((ENVELOPE_BIN_S * rate).round() as usize).max(1);
    let left_s = (day_start_ns.saturating_add(DAY_NS) - segment.start_ns()) as f64 / 1e9;
    let bins = (samples.len() / per_bin).min((left_s * rate / per_bin as f64) as usize);
    let drawn = if bins > 0 {
        &samples[..bins * per_bin]
    } else {
        samples
    };
    Trace::from_samples(segment.start_ns(), rate, drawn.iter().copied(), bins.max(1))
}

/// Samples a second by the clock of the records, which may be a little off the nominal rate.
fn true_rate(segment: &AlignedSegment) -> f64 {
    let ns = segment.end_ns() - segment.start_ns();
    if ns > 0 {
        (segment.npts() - 1) as f64 / (ns as f64 / 1e9)
    } else {
        segment.sampling_rate
    }
}
