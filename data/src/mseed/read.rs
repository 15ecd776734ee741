//! Whole files: decoded, or by their headers only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use seismix_core::regular_file;

use super::decode;
use super::header::{RecordError, RecordHeader};
use super::join::{Piece, join_pieces};
use super::records::{Fault, Item, RecordReader};
use crate::error::{Error, Result};
use crate::id::StreamId;
use crate::segment::{Anchor, Encoding, Samples, Segment};
use crate::time::steps_ns;

/// Decoded content of a file.
#[derive(Debug, Clone, Default)]
pub struct FileContent {
    /// Gap-free segments, sorted by stream and start; overlapping records lie in different ones, nothing is dropped.
    pub segments: Vec<Segment>,
    /// Text records (logs).
    pub texts: Vec<TextRecord>,
    /// Records that did not decode, in order of offset.
    pub faults: Vec<Fault>,
    /// Number of records that decoded.
    pub n_records: usize,
}

/// A record of text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRecord {
    /// Byte offset of the record.
    pub offset: u64,
    /// The stream.
    pub id: StreamId,
    /// Its time, ns UTC.
    pub start_ns: i64,
    /// The text.
    pub text: String,
}

/// Content of a file by its headers.
#[derive(Debug, Clone, Default)]
pub struct FileHeaders {
    /// Gap-free spans, sorted by stream and start.
    pub spans: Vec<ChannelSpan>,
    /// Bytes that are not a record, in order of offset.
    pub faults: Vec<Fault>,
    /// Number of records.
    pub n_records: usize,
}

/// A gap-free run of records of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSpan {
    /// The stream.
    pub id: StreamId,
    /// Time of the first sample, ns UTC.
    pub start_ns: i64,
    /// Time of the last sample, ns UTC, from the last record's header.
    pub end_ns: i64,
    /// Rate in Hz.
    pub sampling_rate: f64,
    /// Number of samples that the headers claim.
    pub npts: usize,
}

/// Reads a whole file.
///
/// Memory: up to 28 bytes of samples a byte of file (Steim-2 at its densest), usually about 10.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened or is not a regular file; [`Error::NoRecords`] if nothing in it is a
/// record that decodes: the text says what was found at which byte. A file with some good records is no error: see
/// [`FileContent::faults`].
pub fn read_file(path: &Path) -> Result<FileContent> {
    read_file_selected(path, |_| true)
}

/// Reads the records of a file whose header `keep` accepts; the others are neither decoded nor reported.
///
/// # Errors
/// As [`read_file`]; but that none is accepted is no error.
pub fn read_file_selected(
    path: &Path,
    keep: impl FnMut(&RecordHeader) -> bool,
) -> Result<FileContent> {
    let (content, seen) = read_selected(open(path)?, keep);
    at_least_one(path, seen, &content.faults)?;
    Ok(content)
}

/// Reads all records in memory; a file without any gives only faults.
pub fn read_bytes(bytes: &[u8]) -> FileContent {
    read_selected(bytes, |_| true).0
}

/// Walks through the headers of a file without decoding samples.
///
/// # Errors
/// As [`read_file`].
pub fn read_headers(path: &Path) -> Result<FileHeaders> {
    let mut reader = RecordReader::new(open(path)?);
    let mut pieces: BTreeMap<StreamId, Vec<(Piece, usize)>> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut n_records = 0;
    while let Some(item) = reader.next_item() {
        match item {
            Item::Fault(fault) => faults.push(fault),
            Item::Record { offset, header, .. } => {
                n_records += 1;
                faults.extend(remark(offset, &header));
                if header.has_series() && is_rate(header.sampling_rate) {
                    let piece = (piece_of(&header), header.npts);
                    match pieces.get_mut(&header.id) {
                        Some(list) => list.push(piece),
                        None => drop(pieces.insert(header.id, vec![piece])),
                    }
                }
            }
        }
    }
    at_least_one(path, n_records, &faults)?;
    let spans = pieces
        .iter()
        .flat_map(|(id, records)| {
            let pieces: Vec<Piece> = records.iter().map(|record| record.0).collect();
            join_pieces(&pieces)
                .into_iter()
                .filter_map(|group| span_of(id, records, &group))
        })
        .collect();
    Ok(FileHeaders {
        spans,
        faults,
        n_records,
    })
}

fn open(path: &Path) -> Result<File> {
    regular_file::open(path).map_err(Error::io("read", path))
}

fn at_least_one(path: &Path, n_records: usize, faults: &[Fault]) -> Result<()> {
    if n_records > 0 {
        return Ok(());
    }
    let (offset, reason) = match faults.first() {
        Some(fault) => (fault.offset, fault.message.clone()),
        None => (0, "the file is empty".to_owned()),
    };
    Err(Error::NoRecords {
        path: path.to_owned(),
        offset,
        reason: format!("no record decodes ({reason}); is it a miniSEED file?"),
    })
}

fn remark(offset: u64, header: &RecordHeader) -> Option<Fault> {
    let message = header.remark?.to_owned();
    Some(Fault { offset, message })
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0
}

fn piece_of(header: &RecordHeader) -> Piece {
    Piece::new(header.start_ns, header.sampling_rate, header.npts)
}

fn span_of(id: &StreamId, records: &[(Piece, usize)], group: &[usize]) -> Option<ChannelSpan> {
    let (first, last) = (records[*group.first()?].0, records[*group.last()?]);
    let last_steps = last.1.saturating_sub(1);
    Some(ChannelSpan {
        id: id.clone(),
        start_ns: first.start_ns,
        end_ns: last
            .0
            .start_ns
            .saturating_add(steps_ns(last_steps, last.0.sampling_rate)),
        sampling_rate: first.sampling_rate,
        npts: group
            .iter()
            .fold(0, |sum, &index| records[index].1.saturating_add(sum)),
    })
}

/// Returns the content, and the number of good records seen, kept or not.
fn read_selected(
    reader: impl Read,
    mut keep: impl FnMut(&RecordHeader) -> bool,
) -> (FileContent, usize) {
    let mut reader = RecordReader::new(reader);
    let mut content = FileContent::default();
    let mut streams: BTreeMap<StreamId, Vec<Segment>> = BTreeMap::new();
    loop {
        let rejected = match reader.next_item() {
            None => break,
            Some(Item::Fault(fault)) => {
                content.faults.push(fault);
                continue;
            }
            Some(Item::Record {
                offset,
                header,
                bytes,
            }) => {
                if !keep(&header) {
                    continue;
                }
                content.faults.extend(remark(offset, &header));
                match decode_one(offset, *header, bytes, &mut content.texts) {
                    Ok(None) => None,
                    Ok(Some(decoded)) => {
                        match streams.get_mut(&decoded.id) {
                            Some(list) => list.push(decoded),
                            None => drop(streams.insert(decoded.id.clone(), vec![decoded])),
                        }
                        None
                    }
                    Err(error) => Some(error),
                }
            }
        };
        match rejected {
            Some(error) => reader.reject(&error),
            None => content.n_records += 1,
        }
    }
    let seen = reader.n_records();
    content.segments = streams.into_values().flat_map(join_segments).collect();
    (content, seen)
}

fn decode_one(
    offset: u64,
    header: RecordHeader,
    bytes: &[u8],
    texts: &mut Vec<TextRecord>,
) -> Result<Option<Segment>, RecordError> {
    if header.npts > 0 && header.encoding() == Some(Encoding::Text) {
        texts.push(TextRecord {
            offset,
            start_ns: header.start_ns,
            text: decode::text(&header, bytes),
            id: header.id,
        });
        return Ok(None);
    }
    decode_record(header, bytes)
}

/// Decodes one record that a [`RecordReader`] handed out, as a segment of its own; `None` if it holds no time series.
///
/// # Errors
/// [`RecordError`] if the samples do not decode.
pub fn decode_record(header: RecordHeader, bytes: &[u8]) -> Result<Option<Segment>, RecordError> {
    if !header.has_series() {
        return Ok(None);
    }
    let encoding = header
        .encoding()
        .ok_or(RecordError::Encoding(header.encoding_code))?;
    if !is_rate(header.sampling_rate) {
        return Err(RecordError::SamplingRate {
            npts: header.npts,
            sampling_rate: header.sampling_rate,
        });
    }
    let samples = decode::samples(&header, bytes)?;
    Ok(Some(Segment {
        id: header.id,
        sampling_rate: header.sampling_rate,
        samples,
        encoding,
        anchors: vec![Anchor {
            index: 0,
            time_ns: header.start_ns,
        }],
        quality: header.quality,
        timing_quality: header.timing_quality,
    }))
}

/// Joins records or segments of one stream to gap-free segments, sorted by start.
pub(crate) fn join_segments(segments: Vec<Segment>) -> Vec<Segment> {
    let pieces: Vec<Piece> = segments.iter().map(piece_of_segment).collect();
    let mut segments: Vec<Option<Segment>> = segments.into_iter().map(Some).collect();
    join_pieces(&pieces)
        .into_iter()
        .filter_map(|group| {
            let mut parts = group.into_iter().filter_map(|index| segments[index].take());
            let mut joined = parts.next()?;
            for part in parts {
                append(&mut joined, part);
            }
            Some(joined)
        })
        .collect()
}

pub(crate) fn piece_of_segment(segment: &Segment) -> Piece {
    Piece {
        start_ns: segment.start_ns(),
        due_ns: segment.time_of(segment.npts()),
        sampling_rate: segment.sampling_rate,
    }
}

/// Appends a segment that continues this one, with its anchors.
pub(crate) fn append(segment: &mut Segment, next: Segment) {
    let offset = segment.npts();
    segment
        .anchors
        .extend(next.anchors.iter().map(|anchor| Anchor {
            index: anchor.index + offset,
            time_ns: anchor.time_ns,
        }));
    segment.timing_quality = match (segment.timing_quality, next.timing_quality) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match (&mut segment.samples, next.samples) {
        (Samples::F64(mine), theirs) => mine.extend(theirs.to_f64()),
        (mine, theirs) => mine.append(theirs),
    }
    if matches!(segment.samples, Samples::F64(_)) {
        segment.encoding = Encoding::Float64; // the only one that holds both types
    }
}
