//! Records of one file: read, reduced by what is removed, and written in place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use seismix_core::regular_file;
use seismix_data::archive::FileFault;
use seismix_data::mseed::{
    Item, Piece, RecordError, RecordHeader, RecordReader, WriteOptions, decode_record, join_pieces,
    write_mseed,
};
use seismix_data::{Anchor, Encoding, Error, Samples, Segment, StreamId, TimeSpan};

use super::RemovedSpan;
use crate::stage::{PipelineError, Result};
use crate::subtraction::{place, put, zeroed};

/// Bytes copied at a time.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Length of the fixed header of a miniSEED 2 record.
const FIXED_HEADER_BYTES: usize = 48;
/// Bit of the activity flags: the time correction is included in the start time.
const CORRECTION_APPLIED: u8 = 0b10;
/// Lengths of a record, in bytes, that the writer accepts.
const RECORD_BYTES: [usize; 2] = [128, 65_536];
/// Relative difference of rates that is rounding.
const RATE_TOLERANCE: f64 = 1e-4;

/// True if the file has a record of a time series within a span whose header `wanted` accepts.
pub(super) fn any(
    path: &Path,
    span: TimeSpan,
    mut wanted: impl FnMut(&RecordHeader) -> bool,
) -> Result<bool> {
    let mut reader = RecordReader::new(open(path)?);
    while let Some(item) = reader.next_item() {
        if let Item::Record { header, .. } = item
            && header.has_series()
            && TimeSpan::new(header.start_ns, header.end_ns().saturating_add(1)).overlaps(&span)
            && wanted(&header)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Copies a file byte for byte.
pub(super) fn copy_file(path: &Path, out: &mut impl Write) -> Result<()> {
    copy(&mut open(path)?, path, u64::MAX, out)
}

fn open(path: &Path) -> Result<File> {
    regular_file::open(path).map_err(PipelineError::io("reading", path))
}

/// Copies `n` bytes, fewer at the end of the file. Errors of the input name its path, those of the output do not.
fn copy(input: &mut File, path: &Path, n: u64, out: &mut impl Write) -> Result<()> {
    let mut buffer = Vec::new();
    let mut left = n;
    while left > 0 {
        buffer.clear();
        let mut chunk = Read::take(&mut *input, left.min(CHUNK_BYTES));
        let read = chunk.read_to_end(&mut buffer);
        if read.map_err(PipelineError::io("reading", path))? == 0 {
            break;
        }
        out.write_all(&buffer).map_err(Error::Write)?;
        left -= buffer.len() as u64;
    }
    Ok(())
}

/// Record of a processed stream.
struct Record {
    /// Place in the file.
    bytes: Range<u64>,
    /// Its fixed header, in version 2.
    fixed: Option<[u8; FIXED_HEADER_BYTES]>,
    /// Samples of the input, later of the background.
    segment: Segment,
    /// Removed part; `None` if nothing is removed.
    source: Option<Samples>,
    /// Standard deviations of the background; `None` if all are 0.
    deviation: Option<Vec<f32>>,
}

/// Records of the processed streams of a file, in the order of the file.
pub(super) struct FileRecords {
    path: PathBuf,
    records: Vec<Record>,
}

impl FileRecords {
    /// Decodes the records whose header `wanted` accepts; those that do not decode are faults, and are copied.
    pub(super) fn read(
        path: &Path,
        mut wanted: impl FnMut(&RecordHeader) -> bool,
    ) -> Result<(Self, Vec<FileFault>)> {
        let mut reader = RecordReader::new(open(path)?);
        let (mut records, mut faults) = (Vec::new(), Vec::new());
        while let Some(item) = reader.next_item() {
            let Item::Record {
                offset,
                header,
                bytes,
            } = item
            else {
                continue; // reported when the archive was indexed by its headers
            };
            if !wanted(&header) {
                continue;
            }
            match Record::decode(offset, *header, bytes) {
                Ok(record) => records.extend(record),
                Err(error) => {
                    faults.push(FileFault {
                        path: path.to_owned(),
                        offset: Some(offset),
                        message: error.to_string(),
                    });
                    // A wrong length may hide good records inside.
                    reader.reject(&error);
                }
            }
        }
        let path = path.to_owned();
        Ok((Self { path, records }, faults))
    }

    pub(super) fn n_records(&self) -> usize {
        self.records.len()
    }

    /// Number of records with a removed sample.
    pub(super) fn n_changed(&self) -> usize {
        let changed = self.records.iter().filter(|record| record.source.is_some());
        changed.count()
    }

    /// Streams, and for each the time from its first sample to one ns after its last.
    pub(super) fn extents(&self) -> BTreeMap<StreamId, TimeSpan> {
        let mut extents: BTreeMap<StreamId, TimeSpan> = BTreeMap::new();
        for Record { segment, .. } in &self.records {
            let span = segment.span();
            let extent = extents.entry(segment.id.clone()).or_insert(span);
            extent.start_ns = extent.start_ns.min(span.start_ns);
            extent.end_ns = extent.end_ns.max(span.end_ns);
        }
        extents
    }

    /// Subtracts spans from a stream.
    ///
    /// A span is placed in each gap-free run of records as a whole: placed in single records, it would slip by a
    /// sample where their header times jitter.
    pub(super) fn subtract(&mut self, id: &StreamId, spans: &[RemovedSpan]) {
        if spans.is_empty() {
            return;
        }
        let own: Vec<usize> = (0..self.records.len())
            .filter(|&index| self.records[index].segment.id == *id)
            .collect();
        let pieces: Vec<Piece> = own
            .iter()
            .map(|&index| {
                let segment = &self.records[index].segment;
                Piece::new(segment.start_ns(), segment.sampling_rate, segment.npts())
            })
            .collect();
        for run in join_pieces(&pieces) {
            let run: Vec<usize> = run.into_iter().map(|position| own[position]).collect();
            self.subtract_from_run(&run, spans);
        }
    }

    fn subtract_from_run(&mut self, run: &[usize], spans: &[RemovedSpan]) {
        let timeline = self.timeline(run);
        let mut sum = Sum::new(timeline.npts());
        for span in spans {
            sum.add(&timeline, span);
        }
        let mut first = 0;
        for &index in run {
            let record = &mut self.records[index];
            let part = first..first + record.segment.npts();
            first = part.end;
            record.subtract(&sum.values[part.clone()], &sum.deviations[part]);
        }
    }

    /// Times of a gap-free run, each record's from its own header; the samples are all 0.
    fn timeline(&self, run: &[usize]) -> Segment {
        let mut anchors = Vec::with_capacity(run.len());
        let mut n_samples = 0;
        for &index in run {
            let segment = &self.records[index].segment;
            anchors.push(Anchor {
                index: n_samples,
                time_ns: segment.start_ns(),
            });
            n_samples += segment.npts();
        }
        Segment {
            samples: Samples::F32(vec![0.0; n_samples]),
            anchors,
            ..self.records[run[0]].segment.clone()
        }
    }

    /// Writes the file with the changed records encoded anew; all other bytes are the input's.
    pub(super) fn write_background(&self, out: &mut impl Write) -> Result<()> {
        let (path, mut input) = (&self.path, open(&self.path)?);
        let mut at = 0;
        for record in self.records.iter().filter(|r| r.source.is_some()) {
            let Range { start, end } = record.bytes;
            copy(&mut input, path, start - at, out)?;
            let passed = input.seek(SeekFrom::Start(end));
            at = passed.map_err(PipelineError::io("reading", path))?;
            self.encode(record, &record.segment, out)?;
        }
        copy(&mut input, path, u64::MAX, out)
    }

    /// Writes the removed part of every record.
    pub(super) fn write_source(&self, out: &mut impl Write) -> Result<()> {
        self.records.iter().try_for_each(|record| {
            let mut source = zeroed(&record.segment);
            if let Some(samples) = &record.source {
                source.samples = samples.clone();
            }
            self.encode(record, &source, out)
        })
    }

    /// Writes the deviations of every record.
    pub(super) fn write_deviation(&self, out: &mut impl Write) -> Result<()> {
        self.records.iter().try_for_each(|record| {
            let none = || vec![0.0; record.segment.npts()];
            let deviation = Segment {
                samples: Samples::F32(record.deviation.clone().unwrap_or_else(none)),
                encoding: Encoding::Float32,
                ..record.segment.clone()
            };
            self.encode(record, &deviation, out)
        })
    }

    /// Writes samples in the place of a record, as records of its length.
    fn encode(&self, record: &Record, segment: &Segment, out: &mut impl Write) -> Result<()> {
        let length = (record.bytes.end - record.bytes.start) as usize;
        let [shortest, longest] = RECORD_BYTES;
        let options = WriteOptions {
            encoding: None,
            // Records of version 3 have any length.
            record_bytes: length.next_power_of_two().clamp(shortest, longest),
        };
        let mut bytes = Vec::with_capacity(options.record_bytes);
        write_mseed(&mut bytes, std::slice::from_ref(segment), &options)
            .map_err(|error| self.refused(&error))?;
        if let Some(fixed) = &record.fixed {
            for written in bytes.chunks_exact_mut(options.record_bytes) {
                keep_header(written, fixed);
            }
        }
        Ok(out.write_all(&bytes).map_err(Error::Write)?)
    }

    fn refused(&self, error: &Error) -> PipelineError {
        PipelineError::unusable(
            format!(
                "`{}` cannot be written as miniSEED 2: {error}",
                self.path.display()
            ),
            "leave the stream out with --network, --station, --location or --channel; its records are then copied",
        )
    }
}

/// Keeps what the samples do not determine: the sequence number, and the flags of activity, clock and data quality.
fn keep_header(record: &mut [u8], fixed: &[u8; FIXED_HEADER_BYTES]) {
    record[..6].copy_from_slice(&fixed[..6]);
    record[36..39].copy_from_slice(&fixed[36..39]);
    // The start time is written with its correction included, and the field of the correction is 0.
    record[36] &= !CORRECTION_APPLIED;
}

impl Record {
    /// A record with its samples; `None` if it has no time series.
    fn decode(
        offset: u64,
        header: RecordHeader,
        bytes: &[u8],
    ) -> std::result::Result<Option<Self>, RecordError> {
        let fixed = match header.version {
            2 => bytes.first_chunk().copied(),
            _ => None,
        };
        let end = offset + header.record_bytes as u64;
        let segment = decode_record(header, bytes)?;
        Ok(segment.map(|segment| Self {
            bytes: offset..end,
            fixed,
            segment,
            source: None,
            deviation: None,
        }))
    }

    fn subtract(&mut self, values: &[f64], deviations: &[f64]) {
        let mut source = zeroed(&self.segment).samples;
        let samples = &mut self.segment.samples;
        for (at, value) in values.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let background = samples.get(at) - value;
            put(samples, &mut source, at, background);
        }
        // Less than half a count may be removed, or only samples that are not data.
        let is_removed = (0..source.len()).any(|at| source.get(at) != 0.0);
        self.source = is_removed.then_some(source);
        let is_uncertain = deviations.iter().any(|deviation| *deviation != 0.0);
        self.deviation = is_uncertain.then(|| deviations.iter().map(|d| *d as f32).collect());
    }
}

/// Sum of the spans that lie in a gap-free run.
struct Sum {
    values: Vec<f64>,
    deviations: Vec<f64>,
}

impl Sum {
    fn new(n_samples: usize) -> Self {
        Self {
            values: vec![0.0; n_samples],
            deviations: vec![0.0; n_samples],
        }
    }

    fn add(&mut self, timeline: &Segment, span: &RemovedSpan) {
        let ratio = span.sampling_rate / timeline.sampling_rate;
        let same_rate = (ratio - 1.0).abs() < RATE_TOLERANCE;
        if span.values.is_empty() || !same_rate {
            return;
        }
        let Some((skip, first)) = place(timeline, span.start_ns, span.end_ns()) else {
            return;
        };
        let values = span.values.iter().skip(skip);
        for (sum, value) in self.values[first..].iter_mut().zip(values) {
            if value.is_finite() {
                *sum += value;
            }
        }
        let deviations = span.deviations.iter().skip(skip);
        for (sum, deviation) in self.deviations[first..].iter_mut().zip(deviations) {
            *sum = sum.hypot(*deviation);
        }
    }
}
