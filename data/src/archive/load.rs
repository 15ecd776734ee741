//! Samples of an archive, station by station and span by span.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::align::{AlignedSegment, align};
use super::channels::{LeftOutChannel, choose_channels};
use super::index::{Archive, ArchiveFile, FileFault};
use super::overlap::{Overlap, resolve};
use crate::id::{StationKey, StreamId};
use crate::mseed::{RecordHeader, join_segments, read_file_selected};
use crate::segment::Segment;
use crate::time::{SECOND_NS, TimeSpan};
use crate::usable::UnusableSamples;

/// Samples that a station recorded in a span.
#[derive(Debug, Clone, Default)]
pub struct StationData {
    /// Runs that all present channels have in common, in order of time.
    pub segments: Vec<AlignedSegment>,
    /// The channels used, sorted; rows of the segments.
    pub channels: Vec<StreamId>,
    /// Channels that the archive has for this station, but not in this span.
    pub missing_channels: Vec<StreamId>,
    /// Channels that are not among `channels`, since the others have more in common without them.
    pub left_out: Vec<LeftOutChannel>,
    /// Unusable samples of each channel with samples in the span: gaps in the segments.
    pub unusable: Vec<(StreamId, UnusableSamples)>,
    /// Samples that the archive holds twice; the earlier record is used.
    pub overlaps: Vec<Overlap>,
    /// Records that did not decode, other than [`Archive::faults`].
    pub faults: Vec<FileFault>,
}

/// Samples as they are in the files.
#[derive(Debug, Clone, Default)]
pub struct RawData {
    /// Gap-free segments in order of start, joined across files; overlapping records lie in different ones.
    pub segments: Vec<Segment>,
    /// Records that did not decode, other than [`Archive::faults`].
    pub faults: Vec<FileFault>,
}

/// Which records of a stream belong to a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belongs {
    Overlapping,
    Starting,
}

impl Archive {
    /// The samples of a station within `span` (and the selection), fit for processing.
    ///
    /// Records are joined across files and days; overlaps are resolved; unusable samples are cut out
    /// ([`crate::usable`]); the rest is cut to the times at which all chosen channels have samples: those whose number
    /// times their common time is largest. Only the first channel decides what lies in the span, so neighbouring
    /// spans share no sample. Channels of different rates have
    /// no time in common. Only files and records that overlap the span are read: memory is about 12 bytes a sample
    /// and channel.
    pub fn load(&self, key: &StationKey, span: TimeSpan) -> StationData {
        self.load_around(key, span, span)
    }

    /// Loads as [`load`](Self::load), with the channels chosen by `core`, a part of `span`: a channel that only the
    /// margins around a day have does not cost the day.
    pub fn load_around(&self, key: &StationKey, core: TimeSpan, span: TimeSpan) -> StationData {
        let span = span.intersection(&self.selection().span);
        let core = core.intersection(&span);
        let all = self.channels_of(key);
        let ids: BTreeSet<&StreamId> = all.iter().collect();
        let (streams, faults) = self.read(&ids, widened(span), Belongs::Overlapping);
        let mut data = StationData {
            faults,
            ..StationData::default()
        };
        let mut present = Vec::new();
        for (id, segments) in streams {
            let (kept, overlaps) = resolve(segments);
            data.overlaps.extend(overlaps);
            if kept.iter().any(|s| !s.index_range(core).is_empty()) {
                let mut unusable = UnusableSamples::default();
                for segment in &kept {
                    let inside = segment.slice(segment.index_range(core));
                    unusable.add(inside.usable().unusable);
                }
                data.unusable.push((id.clone(), unusable));
                present.push((id, kept));
            }
        }
        let is_present = |id: &StreamId| present.iter().any(|(p, _)| p == id);
        data.missing_channels = all.into_iter().filter(|id| !is_present(id)).collect();
        let (ids, channels): (Vec<_>, Vec<_>) = present.into_iter().unzip();
        let chosen = choose_channels(&channels, core);
        let mut used = Vec::new();
        for (index, (id, segments)) in ids.into_iter().zip(channels).enumerate() {
            if chosen.contains(&index) {
                data.channels.push(id);
                used.push(segments);
            } else {
                let spans = segments.iter().map(|s| s.span().intersection(&core));
                let spans = spans.filter(|span| !span.is_empty()).collect();
                data.left_out.push(LeftOutChannel { id, spans });
            }
        }
        data.segments = align(&used, span);
        data
    }

    /// All samples of the records of a stream that overlap `span` (and the selection), full-scale values included,
    /// whole records as in the files.
    pub fn load_raw(&self, id: &StreamId, span: TimeSpan) -> RawData {
        self.raw(id, span, Belongs::Overlapping)
    }

    /// Loads as [`load_raw`](Self::load_raw) the records that *start* in `span`: neighbouring spans share none.
    pub fn load_raw_starting(&self, id: &StreamId, span: TimeSpan) -> RawData {
        self.raw(id, span, Belongs::Starting)
    }

    fn raw(&self, id: &StreamId, span: TimeSpan, belongs: Belongs) -> RawData {
        let span = span.intersection(&self.selection().span);
        let ids = BTreeSet::from([id]);
        let (mut streams, faults) = self.read(&ids, span, belongs);
        RawData {
            segments: streams.remove(id).unwrap_or_default(),
            faults,
        }
    }

    /// Reads the records of some streams; each file once, files in parallel, results in order of path.
    fn read(
        &self,
        ids: &BTreeSet<&StreamId>,
        span: TimeSpan,
        belongs: Belongs,
    ) -> (BTreeMap<StreamId, Vec<Segment>>, Vec<FileFault>) {
        let keep = |header: &RecordHeader| {
            let inside = match belongs {
                Belongs::Overlapping => {
                    let end_ns = header.end_ns().saturating_add(1);
                    TimeSpan::new(header.start_ns, end_ns).overlaps(&span)
                }
                Belongs::Starting => span.contains(header.start_ns),
            };
            inside && header.has_series() && ids.contains(&header.id)
        };
        let files: Vec<&ArchiveFile> = self
            .files()
            .iter()
            .filter(|file| file.overlaps(|id| ids.contains(id), span))
            .collect();
        let contents: Vec<_> = files
            .par_iter()
            .map(|file| read_file_selected(&file.path, keep))
            .collect();

        let mut streams: BTreeMap<StreamId, Vec<Segment>> = BTreeMap::new();
        let mut faults = BTreeSet::new();
        for (file, content) in files.into_iter().zip(contents) {
            match content {
                Err(error) => {
                    faults.insert(FileFault::of(&file.path, &error));
                }
                Ok(content) => {
                    faults.extend(content.faults.into_iter().map(|fault| FileFault {
                        path: file.path.clone(),
                        offset: Some(fault.offset),
                        message: fault.message,
                    }));
                    for segment in content.segments {
                        streams.entry(segment.id.clone()).or_default().push(segment);
                    }
                }
            }
        }
        let streams = streams
            .into_iter()
            .map(|(id, segments)| (id, join_segments(segments)))
            .collect();
        let known = |fault: &FileFault| self.faults().binary_search(fault).is_ok();
        let faults = faults.into_iter().filter(|fault| !known(fault)).collect();
        (streams, faults)
    }
}

/// A little more at both ends, so that the neighbours of the border samples are there to be paired.
fn widened(span: TimeSpan) -> TimeSpan {
    const MARGIN_NS: i64 = 20 * SECOND_NS; // two samples of the slowest common streams (0.1 Hz)
    if span.is_empty() {
        return span;
    }
    TimeSpan::new(
        span.start_ns.saturating_sub(MARGIN_NS),
        span.end_ns.saturating_add(MARGIN_NS),
    )
}
