//! Records of an archive as the stages need them.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use seismix_data::archive::{AlignedSegment, Archive, FileFault};
use seismix_data::time::{DAY_NS, SECOND_NS, day_start_ns, steps_ns};
use seismix_data::{StationKey, StreamId, TimeSpan};

use crate::config::SelectionConfig;
use crate::stage::inputs::Inputs;
use crate::stage::progress::Observer;
use crate::stage::provenance::InputFile;
use crate::stage::{PipelineError, Result};

/// Days of decoded records kept in memory, about 60 MB each for three channels at 20 samples a second.
const CACHED_DAYS: usize = 6;

/// Opens an archive; files that cannot be read are reported, the others are used.
///
/// # Errors
/// What paths and selection refuse; [`PipelineError::Unusable`] if no record is left.
pub fn open_archive(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    observer: &dyn Observer,
) -> Result<Archive> {
    let archive = Archive::open(paths, selection.for_data()?)?;
    for fault in archive.faults() {
        let (file, message) = fault_text(fault);
        observer.problem(&file, &message);
    }
    if archive.files().is_empty() {
        let named: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(PipelineError::unusable(
            format!("no selected miniSEED record in {}", named.join(", ")),
            "give an SDS archive, folders, files or globs with miniSEED; `seismix info PATH` lists what is there",
        ));
    }
    Ok(archive)
}

/// The file of a fault, and what is wrong with it and where.
pub fn fault_text(fault: &FileFault) -> (String, String) {
    let place = fault
        .offset
        .map_or(String::new(), |offset| format!("at byte {offset}: "));
    (
        fault.path.display().to_string(),
        format!("{place}{}", fault.message),
    )
}

/// Stations of an archive, sorted.
pub fn station_keys(archive: &Archive) -> Vec<StationKey> {
    let mut keys: Vec<StationKey> = archive
        .streams()
        .into_iter()
        .map(|stream| stream.id.station_key())
        .collect();
    keys.dedup();
    keys
}

/// The sampling rate of a station's channels, `None` if they differ.
pub fn sampling_rate(archive: &Archive, key: &StationKey) -> Option<f64> {
    let mut rates = archive
        .streams()
        .into_iter()
        .filter(|stream| stream.id.station_key() == *key)
        .map(|stream| stream.sampling_rate);
    let first = rates.next()?;
    rates
        .all(|rate| (rate / first - 1.0).abs() < 1e-4)
        .then_some(first)
}

/// All files of an archive, with their hashes.
///
/// # Errors
/// [`PipelineError::Io`].
pub fn all_input_files(archive: &Archive, inputs: &Inputs) -> Result<Vec<InputFile>> {
    let files = archive.files().iter();
    files.map(|file| inputs.file(&file.path)).collect()
}

/// Aligned records, a day at a time, the latest few kept.
pub struct RecordCache<'a> {
    archive: &'a Archive,
    days: VecDeque<(StationKey, i64, i64, Arc<Vec<AlignedSegment>>)>,
}

/// A gap-free run around a target.
pub struct Run {
    /// Channels, sorted.
    pub channels: Vec<StreamId>,
    /// Samples of each channel, from a margin before the target to a margin after it where the record has them.
    pub samples: Vec<Vec<f64>>,
    /// The target's samples in the run.
    pub target: Range<usize>,
    /// Time of the run's first sample, ns UTC.
    pub start_ns: i64,
}

impl Run {
    /// Samples a channel.
    pub fn n_samples(&self) -> usize {
        self.samples.first().map_or(0, Vec::len)
    }
}

impl<'a> RecordCache<'a> {
    /// An empty cache.
    pub fn new(archive: &'a Archive) -> Self {
        Self {
            archive,
            days: VecDeque::new(),
        }
    }

    /// Channels of a station, sorted.
    pub fn channels(&self, key: &StationKey) -> Vec<StreamId> {
        self.archive.channels_of(key)
    }

    /// The gap-free run around the samples `start_ns ..= end_ns`, with up to `margin_ns` on either side; `None` if the
    /// record has a gap inside.
    ///
    /// # Errors
    /// What the files refuse.
    pub fn run(
        &mut self,
        key: &StationKey,
        start_ns: i64,
        end_ns: i64,
        margin_ns: i64,
    ) -> Result<Option<Run>> {
        let segments = self.day(key, start_ns, margin_ns.max(end_ns - start_ns + margin_ns));
        for segment in segments.iter() {
            let Some(target) = samples_between(segment, start_ns, end_ns) else {
                continue;
            };
            let margin = (margin_ns as f64 * segment.sampling_rate / 1e9).round() as usize;
            let from = target.start.saturating_sub(margin);
            let to = (target.end + margin).min(segment.npts());
            return Ok(Some(Run {
                channels: segment.channels.clone(),
                samples: segment
                    .samples
                    .outer_iter()
                    .map(|row| row.slice(ndarray::s![from..to]).to_vec())
                    .collect(),
                target: target.start - from..target.end - from,
                start_ns: segment.time_of(from),
            }));
        }
        Ok(None)
    }

    /// `n_samples` samples from `start_ns` on, for these channels; `None` if the record has not all of them.
    ///
    /// # Errors
    /// What the files refuse.
    pub fn samples(
        &mut self,
        key: &StationKey,
        start_ns: i64,
        n_samples: usize,
        channels: &[StreamId],
    ) -> Result<Option<Vec<Vec<f64>>>> {
        let segments = self.day(key, start_ns, span_margin_ns(n_samples));
        for segment in segments.iter().filter(|s| s.channels == channels) {
            if let Some(range) = samples_from(segment, start_ns, n_samples) {
                let rows = segment
                    .samples
                    .outer_iter()
                    .map(|row| row.slice(ndarray::s![range.clone()]).to_vec());
                return Ok(Some(rows.collect()));
            }
        }
        Ok(None)
    }

    /// The sampling rate of a station's channels, `None` if they differ.
    pub fn sampling_rate(&self, key: &StationKey) -> Option<f64> {
        sampling_rate(self.archive, key)
    }

    /// `n_samples` samples from `start_ns` on of the first channel there is; `None` if the record has not all of them.
    ///
    /// # Errors
    /// What the files refuse.
    pub fn first_channel(
        &mut self,
        key: &StationKey,
        start_ns: i64,
        n_samples: usize,
    ) -> Result<Option<(StreamId, Vec<f64>)>> {
        let segments = self.day(key, start_ns, span_margin_ns(n_samples));
        Ok(segments.iter().find_map(|segment| {
            let range = samples_from(segment, start_ns, n_samples)?;
            let samples = segment.samples.row(0).slice(ndarray::s![range]).to_vec();
            Some((segment.channels[0].clone(), samples))
        }))
    }

    /// Segments of the day on which `start_ns` lies and of `margin_ns` on either side.
    fn day(&mut self, key: &StationKey, start_ns: i64, margin_ns: i64) -> Arc<Vec<AlignedSegment>> {
        let day = day_start_ns(start_ns);
        let found = self
            .days
            .iter()
            .find(|(k, d, margin, _)| k == key && *d == day && *margin >= margin_ns);
        if let Some((_, _, _, segments)) = found {
            return Arc::clone(segments);
        }
        self.days.retain(|(k, d, _, _)| k != key || *d != day);
        while self.days.len() >= CACHED_DAYS {
            self.days.pop_front();
        }
        let span = TimeSpan::new(
            day.saturating_sub(margin_ns),
            day.saturating_add(DAY_NS + margin_ns),
        );
        let of_day = TimeSpan::day_of(day);
        let segments = Arc::new(self.archive.load_around(key, of_day, span).segments);
        self.days
            .push_back((key.clone(), day, margin_ns, Arc::clone(&segments)));
        segments
    }
}

/// Samples of a stream from `start_ns` on as in the files, unusable ones included; `None` if they are not in one
/// segment.
pub(crate) fn raw_samples(
    archive: &Archive,
    id: &StreamId,
    start_ns: i64,
    n: usize,
) -> Option<Vec<f64>> {
    // A margin of a second, since the segments' clocks may differ by a fraction of a sample.
    let span = TimeSpan::new(start_ns - SECOND_NS, start_ns.saturating_add(2 * SECOND_NS));
    let near = archive.load_raw(id, span).segments;
    let rate = near.first()?.sampling_rate;
    let span = TimeSpan::new(
        start_ns - SECOND_NS,
        start_ns + steps_ns(n, rate) + SECOND_NS,
    );
    archive
        .load_raw(id, span)
        .segments
        .iter()
        .find_map(|segment| {
            let first = segment.index_near(start_ns)?;
            let end = first.checked_add(n).filter(|end| *end <= segment.npts())?;
            Some(segment.samples.range_to_f64(first..end))
        })
}

/// Margin around a day, in ns, from which `n_samples` samples may be needed.
fn span_margin_ns(n_samples: usize) -> i64 {
    steps_ns(n_samples, 1.0).min(DAY_NS / 8)
}

/// `n_samples` samples of a segment from a time on, to within half a sample; `None` unless all are there.
fn samples_from(segment: &AlignedSegment, start_ns: i64, n_samples: usize) -> Option<Range<usize>> {
    let half = (0.5e9 / segment.sampling_rate) as i64;
    if start_ns < segment.start_ns() - half {
        return None;
    }
    let from = first_index_at(segment, start_ns - half);
    (from + n_samples <= segment.npts()).then(|| from..from + n_samples)
}

/// The samples of a segment between two times, both included to within half a sample; `None` unless all are there.
fn samples_between(segment: &AlignedSegment, start_ns: i64, end_ns: i64) -> Option<Range<usize>> {
    let half = (0.5e9 / segment.sampling_rate) as i64;
    if start_ns < segment.start_ns() - half || end_ns > segment.end_ns() + half {
        return None;
    }
    let range = first_index_at(segment, start_ns - half)..first_index_at(segment, end_ns + half);
    (!range.is_empty()).then_some(range)
}

/// First sample at or after a time; times ascend.
pub fn first_index_at(segment: &AlignedSegment, ns: i64) -> usize {
    let (mut low, mut high) = (0, segment.npts());
    while low < high {
        let middle = low + (high - low) / 2;
        if segment.time_of(middle) < ns {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
