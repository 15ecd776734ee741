//! From records and a cluster table to separated records.

mod checkpoint;
mod job;
mod local;
mod prepare;
mod records;
mod result;
mod result_file;
mod target;
mod target_source;
pub mod targets;
mod template;
mod told;
mod verify;
mod zero_runs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use seismix_data::StationKey;
use seismix_data::archive::Archive;

pub use result::{ChannelResult, TermTable, WindowOutcome, WindowResult};
pub use result_file::{FoundSource, FoundWave, ScaleClusters, SeparationFile, TargetResult};
pub use target::FADE_SAMPLES;
pub use target_source::TargetSource;
pub use verify::changed_outside;

use crate::config::{SelectionConfig, SeparateConfig, SeparationMethod};
use crate::records::{RecordCache, all_input_files, open_archive};
use crate::separate::targets::Region;
use crate::stage::progress::Observer;
use crate::stage::provenance::provenance;
use crate::stage::{Artifact, Existing, Making, PipelineError, Result, StageContext};
use checkpoint::Checkpoint;
use job::Job;
use template::{Learned, TemplateJob};

/// Targets that are loaded and solved together, between two looks at whether to go on.
const BATCH: usize = 8;

/// Name of the file with the results, which is written last.
const RESULT: &str = "separation.json";

/// Rehearses [`separate`]: checks records, targets, settings and output as it does, and returns the number of targets. Writes
/// nothing.
///
/// # Errors
/// As [`separate`].
pub fn plan(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    listed: &TargetSource,
    config: &SeparateConfig,
    context: &StageContext,
    out: &Path,
) -> Result<usize> {
    let archive = open_archive(paths, selection, context.progress)?;
    let job = Job::new(&archive, listed, config)?;
    let provenance = provenance_of(&archive, selection, listed, (config, &job), context)?;
    let making = Making::new("separate", &provenance);
    Artifact::rehearse(out, Some(RESULT), &making, context)?;
    Ok(job.targets.len())
}

/// Provenance of the separated records: settings and inputs.
fn provenance_of(
    archive: &Archive,
    selection: &SelectionConfig,
    listed: &TargetSource,
    (config, job): (&SeparateConfig, &Job),
    context: &StageContext,
) -> Result<serde_json::Value> {
    // The use that is made of the files matters as much as the files.
    let inputs = (
        listed
            .clusters()
            .map(|path| context.inputs.file(path))
            .transpose()?,
        listed
            .windows()
            .map(|path| context.inputs.file(path))
            .transpose()?,
        all_input_files(archive, &context.inputs)?,
        selection,
    );
    // With the others it turns out later whether octaves are used.
    let others = [SeparationMethod::Auto, SeparationMethod::Template];
    if !others.contains(&config.method) {
        job.check_octaves(config.octaves)?;
    }
    Ok(provenance("separate", config, 0, &inputs))
}

/// Separates the target clusters from the records and writes `background/` and `source/` (SDS trees of miniSEED with
/// the ids, times and sample counts of the input) and `separation.json` into `out`; where the method tells how far off
/// the background may be, `deviation/` as well, in the same form.
///
/// With clusters `config.target` must be set; without `config.background` all other clusters of the target's scale are
/// background. With listed windows the rest of the record is.
///
/// # Errors
/// What records, table and settings refuse; [`PipelineError::Interrupted`].
pub fn separate(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    listed: &TargetSource,
    config: &SeparateConfig,
    context: &StageContext,
    out: &Path,
) -> Result<SeparationFile> {
    let observer = context.progress;
    let archive = open_archive(paths, selection, observer)?;
    let job = Job::new(&archive, listed, config)?;
    let artifact = Artifact::folder(out)?;
    context.recall(artifact.state());
    let read: Vec<&Path> = archive.files().iter().map(|f| f.path.as_path()).collect();
    let provenance = provenance_of(&archive, selection, listed, (config, &job), context)?;
    let making = Making::new("separate", &provenance);
    if artifact.is_current(&making, context)?
        && let Ok(file) = SeparationFile::load(&artifact.path(RESULT))
    {
        observer.remark("the separated records are up to date");
        return Ok(file);
    }
    artifact.settle(RESULT, context.existing)?;
    if context.existing == Existing::Fresh {
        artifact.clear_work()?;
    }
    let parts_folder = artifact.work_folder()?.join("parts");
    let parts = Checkpoint::open(parts_folder, making.fingerprint())?;
    let mut work = Work {
        job: &job,
        parts: &parts,
        cache: RecordCache::new(&archive),
        observer,
        octaves: config.octaves,
        done: Vec::new(),
    };
    let mut reasons = Vec::new();
    let mut methods = BTreeSet::new();
    for key in job.stations() {
        if let Some((family_job, learned, reason)) = work.family(&key, config)? {
            observer.remark(&reason);
            reasons.push(reason);
            if let Some(learned) = learned {
                methods.insert("family");
                work.by_family(&family_job, &learned)?;
                continue;
            }
        }
        if job.targets.iter().any(|t| *t.station == *key.to_string()) {
            methods.insert(job.method.name());
        }
        work.by_method(|t| *t.station == *key.to_string())?;
    }
    // Stations that no record is of.
    let known = |t: &Region| job.keys.contains_key(&*t.station);
    work.by_method(|t| !known(t))?;
    let done = work.done;
    let method = if methods.is_empty() {
        job.method.name().to_owned()
    } else {
        methods.into_iter().collect::<Vec<_>>().join(", ")
    };
    context.inputs.check_unchanged(read)?;
    // From here on the records of an earlier separation are replaced one by one.
    artifact.begin(&making)?;
    artifact.remove(RESULT)?;
    records::write(&archive, &job.stations(), &done, &artifact, observer)?;
    let file = SeparationFile {
        target: job.target,
        background: job.background,
        method,
        reasons,
        targets: done.into_iter().map(|(result, _)| result).collect(),
        provenance,
    };
    artifact.publish_json(RESULT, &file)?;
    // Days, channels and deviations of earlier inputs or another method.
    artifact.remove_stale()?;
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(file)
}

/// A finished target: its result, and its background `(channels, samples)`, maybe over as many deviations.
type Part = (TargetResult, Array2<f64>);

/// A separation under way.
struct Work<'a> {
    job: &'a Job,
    parts: &'a Checkpoint,
    cache: RecordCache<'a>,
    observer: &'a dyn Observer,
    octaves: usize,
    done: Vec<Part>,
}

impl<'a> Work<'a> {
    /// Whether a station's sources are a family's, and why; nothing if that was not asked.
    fn family(
        &mut self,
        key: &StationKey,
        config: &SeparateConfig,
    ) -> Result<Option<(TemplateJob<'a>, Option<Learned>, String)>> {
        let asked = matches!(
            config.method,
            SeparationMethod::Auto | SeparationMethod::Template
        );
        let family_job = TemplateJob::new(self.job, key);
        if !asked || family_job.targets.is_empty() {
            return Ok(None);
        }
        let name = format!("family-{key}");
        let learned: Learned = match self.parts.read_other(&name) {
            Some(learned) => learned,
            None => {
                self.observer.begin("learn the shape", 1, "station");
                let learned = family_job.learn(&mut self.cache)?;
                self.parts.write_other(&name, &learned)?;
                self.observer.advance(1);
                self.observer.end();
                learned
            }
        };
        let evidence = learned.evidence;
        let share = 100.0 * evidence.explained;
        let (take, why) = if learned.channels.is_empty() {
            let why = "the record around each of its targets has a gap, lacks a channel, or has samples that are no finite numbers";
            (false, why.to_owned())
        } else if learned.family.is_none() {
            (
                false,
                "no window stands out of its background, or none can be modelled".to_owned(),
            )
        } else if evidence.n_windows == 0 {
            let why = "too few windows stand out of their background to learn a shape from some and try it on others";
            (false, why.to_owned())
        } else {
            let n = evidence.n_windows;
            let told = format!(
                "{n} windows stand out of the background, and a shape learned from every second of them explains {share:.0} % \
                 of the others' energy"
            );
            (evidence.has_shape(), told)
        };
        let forced = config.method == SeparationMethod::Template;
        let reason = match (take, forced) {
            (true, _) => format!("{key}: family, since {why}"),
            (false, true) => format!("{key}: family, as asked, although {why}"),
            (false, false) => format!("{key}: {}, since {why}", self.job.method.name()),
        };
        let take = (take || forced).then_some(learned);
        Ok(Some((family_job, take, reason)))
    }

    /// Separates a station's targets by a family.
    fn by_family(&mut self, family_job: &TemplateJob, learned: &Learned) -> Result<()> {
        // Beside those of the other methods, whose targets are not widened.
        let offset = self.job.targets.len();
        self.observer
            .begin("separate", family_job.targets.len() as u64, "targets");
        for batch in family_job.groups.chunks(BATCH) {
            if self.observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let mut prepared = Vec::new();
            for group in batch {
                let kept: Option<Vec<_>> = group
                    .own
                    .clone()
                    .map(|index| self.parts.read(offset + index))
                    .collect();
                prepared.push(match kept {
                    Some(kept) => Err(kept),
                    None => Ok(family_job.load(group, &mut self.cache)?),
                });
            }
            // Each is kept as soon as it is finished, in whatever order; a part has the number of its target.
            let (parts, observer) = (self.parts, self.observer);
            let solved: Vec<Result<Vec<template::Solved>>> = prepared
                .into_par_iter()
                .zip(batch)
                .map(|(prepared, group)| {
                    let solved = match prepared {
                        Err(kept) => kept,
                        Ok(loaded) => {
                            let solved = family_job.solve(group, loaded, learned);
                            for (index, (result, background)) in group.own.clone().zip(&solved) {
                                parts.write(offset + index, result, background)?;
                            }
                            solved
                        }
                    };
                    observer.advance(solved.len() as u64);
                    Ok(solved)
                })
                .collect();
            for solved in solved {
                self.done.extend(solved?);
            }
        }
        self.observer.end();
        Ok(())
    }

    /// Separates the targets chosen, each by itself.
    fn by_method(&mut self, which: impl Fn(&Region) -> bool) -> Result<()> {
        let chosen: Vec<usize> = (0..self.job.targets.len())
            .filter(|index| which(&self.job.targets[*index]))
            .collect();
        if chosen.is_empty() {
            return Ok(());
        }
        self.job.check_octaves(self.octaves)?;
        self.observer
            .begin("separate", chosen.len() as u64, "targets");
        for batch in chosen.chunks(BATCH) {
            if self.observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let mut solved: BTreeMap<usize, Part> = BTreeMap::new();
            let mut prepared = Vec::new();
            for &index in batch {
                match self.parts.read(index) {
                    Some(part) => drop(solved.insert(index, part)),
                    None => prepared.push((index, self.job.prepare(index, &mut self.cache)?)),
                }
            }
            self.observer.advance(solved.len() as u64);
            // Each is kept as soon as it is finished, in whatever order; a part has the number of its target.
            let (parts, observer, method) = (self.parts, self.observer, &*self.job.method);
            let finished: Vec<Result<(usize, Part)>> = prepared
                .into_par_iter()
                .map(|(index, prepared)| {
                    let (result, background) = prepared.solve(method);
                    parts.write(index, &result, &background)?;
                    observer.advance(1);
                    Ok((index, (result, background)))
                })
                .collect();
            for finished in finished {
                let (index, part) = finished?;
                solved.insert(index, part);
            }
            self.done.extend(solved.into_values());
        }
        self.observer.end();
        Ok(())
    }
}
