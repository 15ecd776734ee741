//! The index of an archive: which stream lies where in which file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seismix_core::regular_file;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::paths::expand_paths;
use super::selection::Selection;
use crate::error::{Error, Result};
use crate::id::{StationKey, StreamId};
use crate::mseed::{ChannelSpan, FileHeaders, read_headers};
use crate::time::{DAY_NS, TimeSpan, day_start_ns};

/// A part of the archive that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileFault {
    /// The file or folder.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// Byte offset, where there is one.
    pub offset: Option<u64>,
    /// The fault, in words.
    pub message: String,
}

impl FileFault {
    /// An error about a file; the path is not said twice.
    pub(crate) fn of(path: &Path, error: &Error) -> Self {
        let message = match error {
            Error::NoRecords { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        Self {
            path: path.to_owned(),
            offset: error.offset(),
            message,
        }
    }
}

/// A file of the archive that holds selected streams.
#[derive(Debug, Clone)]
pub struct ArchiveFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Gap-free spans of the selected streams, by its headers.
    pub spans: Vec<ChannelSpan>,
}

impl ArchiveFile {
    /// SHA-256 of the whole file, in hexadecimal; read now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sha256(&self) -> Result<String> {
        let mut file = regular_file::open(&self.path).map_err(Error::io("read", &self.path))?;
        let mut hash = HashWriter(Sha256::new());
        io::copy(&mut file, &mut hash).map_err(Error::io("read", &self.path))?;
        Ok(hex(&hash.0.finalize()))
    }

    pub(super) fn overlaps(&self, wanted: impl Fn(&StreamId) -> bool, span: TimeSpan) -> bool {
        self.spans
            .iter()
            .any(|stretch| covers(stretch).overlaps(&span) && wanted(&stretch.id))
    }
}

struct HashWriter(Sha256);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A path as text; bytes that are no UTF-8 are replaced.
pub(crate) fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From the first sample to one ns after the last.
fn covers(stretch: &ChannelSpan) -> TimeSpan {
    TimeSpan::new(stretch.start_ns, stretch.end_ns.saturating_add(1))
}

/// One stream of the archive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamSummary {
    /// The stream.
    pub id: StreamId,
    /// From its first sample to one ns after its last.
    pub span: TimeSpan,
    /// Its rate in Hz (of the first file).
    pub sampling_rate: f64,
    /// Samples, by the headers.
    pub npts: usize,
    /// Files that hold it.
    pub n_files: usize,
}

/// A station and a UTC day on which it has samples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StationDay {
    /// The station, location and band.
    pub key: StationKey,
    /// Start of the day, ns UTC.
    pub day_start_ns: i64,
}

/// Files indexed by stream and time.
#[derive(Debug, Clone)]
pub struct Archive {
    files: Vec<ArchiveFile>,
    faults: Vec<FileFault>,
    selection: Selection,
}

impl Archive {
    /// Finds the files of `paths` (see [`expand_paths`]) and walks through their headers; samples are not decoded.
    ///
    /// Files that cannot be read are among the [`faults`](Self::faults); the others make the archive, which may be empty.
    ///
    /// # Errors
    /// As [`expand_paths`].
    pub fn open<P: AsRef<Path>>(paths: &[P], selection: Selection) -> Result<Self> {
        let list = expand_paths(paths)?;
        let headers: Vec<Result<FileHeaders>> = list
            .files
            .par_iter()
            .map(|path| read_headers(path))
            .collect();
        let (mut files, mut faults) = (Vec::new(), list.faults);
        for (path, headers) in list.files.into_iter().zip(headers) {
            match headers {
                Err(error) => faults.push(FileFault::of(&path, &error)),
                Ok(headers) => {
                    faults.extend(headers.faults.into_iter().map(|fault| FileFault {
                        path: path.clone(),
                        offset: Some(fault.offset),
                        message: fault.message,
                    }));
                    let mut spans = headers.spans;
                    spans.retain(|stretch| {
                        selection.matches(&stretch.id) && covers(stretch).overlaps(&selection.span)
                    });
                    if !spans.is_empty() {
                        files.push(ArchiveFile { path, spans });
                    }
                }
            }
        }
        faults.sort();
        Ok(Self {
            files,
            faults,
            selection,
        })
    }

    /// The files that hold selected streams, sorted by path.
    pub fn files(&self) -> &[ArchiveFile] {
        &self.files
    }

    /// The files that hold samples of a station within a span: those that [`load`](Self::load) reads.
    pub fn files_of(&self, key: &StationKey, span: TimeSpan) -> Vec<&ArchiveFile> {
        let span = span.intersection(&self.selection.span);
        let wanted = |id: &StreamId| id.station_key() == *key;
        let files = self.files.iter();
        files.filter(|file| file.overlaps(wanted, span)).collect()
    }

    /// Files and records that could not be read while indexing, sorted.
    pub fn faults(&self) -> &[FileFault] {
        &self.faults
    }

    /// The selection it was opened with.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The streams, sorted.
    pub fn streams(&self) -> Vec<StreamSummary> {
        let mut streams: BTreeMap<&StreamId, (StreamSummary, usize)> = BTreeMap::new();
        for (file, stretch) in self.stretches() {
            let (summary, last_file) = streams.entry(&stretch.id).or_insert_with(|| {
                let summary = StreamSummary {
                    id: stretch.id.clone(),
                    span: covers(stretch),
                    sampling_rate: stretch.sampling_rate,
                    npts: 0,
                    n_files: 0,
                };
                (summary, usize::MAX)
            });
            let covered = covers(stretch);
            summary.span.start_ns = summary.span.start_ns.min(covered.start_ns);
            summary.span.end_ns = summary.span.end_ns.max(covered.end_ns);
            summary.npts = summary.npts.saturating_add(stretch.npts);
            if *last_file != file {
                summary.n_files += 1;
                *last_file = file;
            }
        }
        streams.into_values().map(|(summary, _)| summary).collect()
    }

    /// The streams of a station that have samples in the archive, sorted.
    pub fn channels_of(&self, key: &StationKey) -> Vec<StreamId> {
        let ids: BTreeSet<&StreamId> = self
            .stretches()
            .map(|(_, stretch)| &stretch.id)
            .filter(|id| id.station_key() == *key)
            .collect();
        ids.into_iter().cloned().collect()
    }

    /// The stations and the UTC days on which any of their channels has selected samples, sorted.
    pub fn station_days(&self) -> Vec<StationDay> {
        let mut days: BTreeMap<StationKey, Vec<(i64, i64)>> = BTreeMap::new();
        for (_, stretch) in self.stretches() {
            let inside = covers(stretch).intersection(&self.selection.span);
            if !inside.is_empty() {
                let first_and_last = (
                    inside.start_ns.div_euclid(DAY_NS),
                    (inside.end_ns - 1).div_euclid(DAY_NS),
                );
                days.entry(stretch.id.station_key())
                    .or_default()
                    .push(first_and_last);
            }
        }
        let mut all = Vec::new();
        for (key, mut ranges) in days {
            ranges.sort_unstable();
            let mut next = i64::MIN; // so that each day is visited once, whatever headers claim
            for (first, last) in ranges {
                for day in first.max(next)..=last {
                    all.push(StationDay {
                        key: key.clone(),
                        day_start_ns: day_start_ns(day.saturating_mul(DAY_NS)),
                    });
                }
                next = next.max(last + 1);
            }
        }
        all
    }

    fn stretches(&self) -> impl Iterator<Item = (usize, &ChannelSpan)> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(index, file)| file.spans.iter().map(move |stretch| (index, stretch)))
    }
}
