//! Deglitched records: the files of the input under their own names in three trees.
//!
//! `background/` holds the input without what is removed, `source/` what is removed, and `deviation/` the standard
//! deviation of the background. Only records with a removed sample are encoded anew; every other byte of a file is
//! copied, so that logs, other streams and damaged stretches remain in place.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Component, Path, PathBuf};

use seismix_core::atomic_file::atomic_write;
use seismix_data::archive::{FileKind, FoundFile, find_files};
use seismix_data::mseed::RecordHeader;
use seismix_data::time::steps_ns;
use seismix_data::{StreamId, TimeSpan};
use serde::{Deserialize, Serialize};

use self::file::{FileRecords, copy_file};
use crate::records::fault_text;
use crate::stage::places::conflict;
use crate::stage::progress::{Observer, Stage};
use crate::stage::{Artifact, PipelineError, Result};

/// Tree of the input without what is removed.
const BACKGROUND: &str = "background";
/// Tree of what is removed.
const SOURCE: &str = "source";
/// Tree of the background's standard deviation.
const DEVIATION: &str = "deviation";
/// Folders that the command writes.
pub const TREES: [&str; 3] = [BACKGROUND, SOURCE, DEVIATION];

/// Values removed from one stream, from `start_ns` on at `sampling_rate`.
///
/// They are subtracted from the samples nearest in time, in the unit of the record. Values that are 0 or not finite
/// remove nothing. Overlapping spans add up, and their deviations add in quadrature.
#[derive(Debug, Clone, PartialEq)]
pub struct RemovedSpan {
    /// Time of the first value, ns UTC.
    pub start_ns: i64,
    /// Rate in Hz; samples recorded at another rate remain unchanged.
    pub sampling_rate: f64,
    /// Values to subtract.
    pub values: Vec<f64>,
    /// Standard deviation of the background at each value.
    pub deviations: Vec<f64>,
}

impl RemovedSpan {
    /// Time of the last value, ns UTC.
    pub fn end_ns(&self) -> i64 {
        let steps = self.values.len().saturating_sub(1);
        self.start_ns
            .saturating_add(steps_ns(steps, self.sampling_rate))
    }
}

/// Samples to remove, as the writer of the trees requests them.
pub trait Removal {
    /// True if glitches were looked for in the stream. Files without such a stream are only copied.
    fn processes(&self, id: &StreamId) -> bool;

    /// Spans of the stream that overlap `span`; called once per file and processed stream, so that memory is bounded
    /// by one file.
    ///
    /// # Errors
    /// The error ends the writing.
    fn removed(&mut self, id: &StreamId, span: TimeSpan) -> Result<Vec<RemovedSpan>>;
}

/// Numbers of files and records written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileCounts {
    /// Files from which samples are removed.
    pub n_changed: usize,
    /// Files with processed streams from which nothing is removed.
    pub n_unchanged: usize,
    /// Files copied to the background only: no records, other streams, or outside of the time span.
    pub n_copied: usize,
    /// Files that could not be read; they are in no tree.
    pub n_unreadable: usize,
    /// Records of processed streams.
    pub n_records: usize,
    /// Records of them that are encoded anew.
    pub n_records_changed: usize,
}

/// Files of the input, and their names in each tree.
#[derive(Debug, Clone)]
pub struct FileTree {
    files: Vec<(String, FoundFile)>,
}

impl FileTree {
    /// Finds the files of path arguments, of any kind, and checks the names that they get below `output`.
    ///
    /// Below a folder argument a file keeps its relative path; a file argument or a match of a glob keeps its file
    /// name. A file that several paths lead to is written once. Arguments without a match and folders that cannot be
    /// listed are reported when the records are [opened](crate::records::open_archive).
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if two files get the same name, if the output lies in a folder of the input, or the
    /// input in one of the trees; what [`find_files`] refuses.
    pub fn new(paths: &[PathBuf], output: &Path) -> Result<Self> {
        if let Some((what, help)) = conflict(output, paths, &TREES) {
            return Err(PipelineError::unusable(what, help));
        }
        let mut names: BTreeMap<PathBuf, FoundFile> = BTreeMap::new();
        for file in find_files(paths)?.files {
            // A name may never lead out of the output.
            let mut parts = file.name.components();
            if !parts.all(|part| matches!(part, Component::Normal(_))) {
                let text = format!("`{}` is not a name below a folder", file.name.display());
                return Err(PipelineError::Internal(text));
            }
            // Names that are not UTF-8 are compared in the form in which they are written.
            let name = PathBuf::from(file.name.to_string_lossy().into_owned());
            if let Some(other) = names.get(&name) {
                return Err(same_place(other, &file));
            }
            names.insert(name, file);
        }
        for (name, file) in &names {
            let folders = name.ancestors().skip(1);
            if let Some(other) = folders.filter_map(|folder| names.get(folder)).next() {
                return Err(same_place(other, file));
            }
        }
        let name_and_file = |(name, file): (PathBuf, _)| (name.to_string_lossy().into(), file);
        Ok(Self {
            files: names.into_iter().map(name_and_file).collect(),
        })
    }

    /// Paths of the input's files, in the order in which they are written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, file)| file.path.as_path())
    }

    /// Writes all three trees, file by file.
    ///
    /// `span`: files whose processed streams have no record in it are copied. Files that cannot be read are reported
    /// as problems. `source/` and `deviation/` hold the files with processed streams, and of these only the processed
    /// ones, with the times and sample counts of the input; the deviations are FLOAT32.
    ///
    /// # Errors
    /// [`PipelineError::Interrupted`] between files; [`PipelineError::Unusable`] if a stream cannot be written as
    /// miniSEED 2; what `removal` and [`Artifact::publish`] return.
    pub fn write(
        &self,
        span: TimeSpan,
        removal: &mut dyn Removal,
        artifact: &Artifact,
        observer: &dyn Observer,
    ) -> Result<FileCounts> {
        let total = self.files.len() as u64;
        let stage = Stage::begin(observer, "write records", total, "files");
        let mut writer = TreeWriter {
            span,
            removal,
            artifact,
            observer,
            counts: FileCounts::default(),
        };
        for (name, file) in &self.files {
            if observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            writer.write(name, file)?;
            stage.advance(1);
        }
        Ok(writer.counts)
    }
}

/// Error of two files that get the same name, or of which one gets the name of the other's folder.
fn same_place(first: &FoundFile, second: &FoundFile) -> PipelineError {
    PipelineError::unusable(
        format!(
            "`{}` and `{}` get the same place in the output",
            first.path.display(),
            second.path.display()
        ),
        "give the folder that holds both in place of the files, or run the command for each with its own -o",
    )
}

/// Writing of the trees, a file at a time.
struct TreeWriter<'a> {
    span: TimeSpan,
    removal: &'a mut dyn Removal,
    artifact: &'a Artifact,
    observer: &'a dyn Observer,
    counts: FileCounts,
}

impl TreeWriter<'_> {
    fn write(&mut self, name: &str, file: &FoundFile) -> Result<()> {
        match self.write_trees(name, file) {
            // Only the input counts as unreadable; an error at the output ends the writing.
            Err(PipelineError::Io { path, source, .. }) if path == file.path => {
                self.counts.n_unreadable += 1;
                let text = format!("cannot be read and is left out of the output: {source}");
                self.observer.problem(&path.display().to_string(), &text);
                Ok(())
            }
            done => done,
        }
    }

    fn write_trees(&mut self, name: &str, file: &FoundFile) -> Result<()> {
        let Some(mut records) = self.records_of(file)? else {
            self.publish(BACKGROUND, name, |out| copy_file(&file.path, out))?;
            self.counts.n_copied += 1;
            return Ok(());
        };
        for (id, span) in records.extents() {
            let spans = self.removal.removed(&id, span)?;
            records.subtract(&id, &spans);
        }
        self.publish(BACKGROUND, name, |out| records.write_background(out))?;
        self.publish(SOURCE, name, |out| records.write_source(out))?;
        self.publish(DEVIATION, name, |out| records.write_deviation(out))?;
        self.count(&records);
        Ok(())
    }

    /// Records of the processed streams; `None` for a file that is only copied.
    fn records_of(&self, file: &FoundFile) -> Result<Option<FileRecords>> {
        let processed = |header: &RecordHeader| self.removal.processes(&header.id);
        if file.kind == FileKind::Other || !file::any(&file.path, self.span, processed)? {
            return Ok(None);
        }
        let (records, faults) = FileRecords::read(&file.path, processed)?;
        for fault in &faults {
            let (file, message) = fault_text(fault);
            self.observer.problem(&file, &message);
        }
        Ok(Some(records).filter(|records| records.n_records() > 0))
    }

    fn publish(
        &self,
        tree: &str,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<()> {
        let name = format!("{tree}/{name}");
        self.artifact
            .publish(&name, |path| atomic_write(path, write))
    }

    fn count(&mut self, records: &FileRecords) {
        let counts = &mut self.counts;
        let n_changed = records.n_changed();
        if n_changed > 0 {
            counts.n_changed += 1;
        } else {
            counts.n_unchanged += 1;
        }
        counts.n_records += records.n_records();
        counts.n_records_changed += n_changed;
    }
}
