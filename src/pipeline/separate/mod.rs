//! From records and a cluster table to separated records.

mod file;
mod job;
mod parts;
mod prepare;
mod records;
mod result;
mod target;
mod unchanged;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use seismix_data::store::read_clusters;

pub use file::{ScaleClusters, SeparationFile, TargetResult};
pub use result::{ChannelResult, TermTable, WindowOutcome, WindowResult};
pub use target::FADE_SAMPLES;
pub use unchanged::changed_outside;

use super::config::{SelectionConfig, SeparateConfig};
use super::error::{PipelineError, Result};
use super::observer::Observer;
use super::provenance::{InputFile, fingerprint, provenance};
use super::records::{RecordCache, all_input_files, open_archive};
use super::workplace::Workplace;
use job::Job;
use parts::Parts;

/// Targets that are loaded and solved together, between two looks at whether to go on.
const BATCH: usize = 8;

/// Separates the target clusters from the records and writes `background/` and `source/` (SDS trees of miniSEED with
/// the ids, times and sample counts of the input) and `separation.json` into `out`.
///
/// `config.target` must be set; without `config.background` all other clusters of the target's scale are background.
///
/// # Errors
/// What records, table and settings refuse; [`PipelineError::Interrupted`].
pub fn separate(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    clusters: &Path,
    config: &SeparateConfig,
    fresh: bool,
    out: &Path,
    observer: &dyn Observer,
) -> Result<SeparationFile> {
    let archive = open_archive(paths, selection, observer)?;
    let table = read_clusters(clusters)?;
    let job = Job::new(&archive, &table, config)?;
    // What of the files is used matters as much as the files.
    let inputs = (
        InputFile::of(clusters)?,
        all_input_files(&archive)?,
        selection,
    );
    let provenance = provenance("separate", config, 0, &inputs);
    let file_path = out.join("separation.json");
    let parts_folder = out.join("parts");
    if !fresh
        && file_path.exists()
        && let Ok(file) = SeparationFile::load(&file_path)
        && fingerprint(&file.provenance) == fingerprint(&provenance)
    {
        observer.remark("the separated records are up to date");
        // Killed between the file and this, a run leaves them behind.
        Parts::remove(&parts_folder)?;
        return Ok(file);
    }
    let _held = Workplace::hold(out)?;
    // From here on it would speak for records that are not there any more.
    match std::fs::remove_file(&file_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PipelineError::io("removing", &file_path)(error));
        }
        _ => {}
    }
    if fresh {
        Parts::remove(&parts_folder)?;
    }
    let parts = Parts::open(parts_folder.clone(), &fingerprint(&provenance))?;
    let mut cache = RecordCache::new(&archive);
    let mut done: Vec<(TargetResult, Array2<f64>)> = Vec::new();
    observer.begin("separate", job.targets.len() as u64, "targets");
    for batch in (0..job.targets.len()).collect::<Vec<_>>().chunks(BATCH) {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let mut solved: BTreeMap<usize, (TargetResult, Array2<f64>)> = BTreeMap::new();
        let mut prepared = Vec::new();
        for &index in batch {
            match parts.read(index) {
                Some(part) => drop(solved.insert(index, part)),
                None => prepared.push((index, job.prepare(index, &mut cache)?)),
            }
        }
        let finished: Vec<(usize, TargetResult, Array2<f64>)> = prepared
            .into_par_iter()
            .map(|(index, prepared)| {
                let (result, background) = prepared.solve(&*job.method);
                (index, result, background)
            })
            .collect();
        for (index, result, background) in finished {
            parts.write(index, &result, &background)?;
            solved.insert(index, (result, background));
        }
        observer.advance(batch.len() as u64);
        done.extend(solved.into_values());
    }
    observer.end();
    records::write(&archive, &job.stations(), &done, out, observer)?;
    let file = SeparationFile {
        target: job.target,
        background: job.background,
        method: job.method.name().to_owned(),
        targets: done.into_iter().map(|(result, _)| result).collect(),
        provenance,
    };
    file.save(&file_path)?;
    Parts::remove(&parts_folder)?;
    Ok(file)
}
