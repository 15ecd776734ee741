//! Separation of the records: background and source of the targets that a cluster table or a list of windows names.

mod checkpoint;
mod job;
mod records;
mod regions;
mod result;
mod result_file;
mod snippets;
mod stations;
mod target_source;
pub mod targets;
mod verify;

use std::path::{Path, PathBuf};

use seismix_data::archive::Archive;
use seismix_separate::{Method, MethodOptions, ScatteringMethod, SourceSnippets, methods};

pub use result::{ChannelResult, SourceEntry, WaveEntry, WindowResult};
pub use result_file::{ScaleClusters, SeparationFile, TargetResult};
pub use seismix_separate::{Assessment, FADE_SAMPLES, Outcome};
pub use target_source::TargetSource;
pub use verify::changed_outside;

use crate::config::{Objective, SelectionConfig, SeparateConfig, SeparationMethod};
use crate::records::{RecordCache, all_input_files, open_archive};
use crate::stage::provenance::provenance;
use crate::stage::{Artifact, Checkpoint, Existing, Making, Result, StageContext};
use job::Job;
use stations::StationLoop;

/// Name of the file with the results, which is written last.
const RESULT: &str = "separation.json";

/// Rehearses [`separate`]: checks records, targets, settings and output as it does, and returns the number of
/// targets. Writes nothing.
///
/// # Errors
/// As [`separate`].
pub fn plan(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    source: &TargetSource,
    config: &SeparateConfig,
    context: &StageContext,
    out: &Path,
) -> Result<usize> {
    let archive = open_archive(paths, selection, context.progress)?;
    let job = Job::new(&archive, source, config)?;
    checked_methods(config, &job, context)?;
    let provenance = provenance_of(&archive, selection, source, config, context)?;
    let making = Making::new("separate", &provenance);
    let artifact = Artifact::rehearse_folder(out, None)?;
    artifact.check_settings(&making, context.existing)?;
    artifact.check_names(&output_names(&archive), context.existing)?;
    Ok(job.targets.len())
}

/// Names of all files that a separation may write; those of `deviation/` only if its method estimates them.
pub(crate) fn output_names(archive: &Archive) -> Vec<String> {
    let mut names = records::names(archive);
    names.push(RESULT.to_owned());
    names
}

/// Provenance of the separated records: settings and inputs.
fn provenance_of(
    archive: &Archive,
    selection: &SelectionConfig,
    source: &TargetSource,
    config: &SeparateConfig,
    context: &StageContext,
) -> Result<serde_json::Value> {
    // The use that is made of the files matters as much as the files.
    let inputs = (
        source
            .clusters()
            .map(|path| context.inputs.file(path))
            .transpose()?,
        source
            .windows()
            .map(|path| context.inputs.file(path))
            .transpose()?,
        all_input_files(archive, &context.inputs)?,
        selection,
    );
    Ok(provenance("separate", config, 0, &inputs))
}

/// Separates the target clusters from the records and writes `background/` and `source/` (SDS trees of miniSEED with
/// the ids, times and sample counts of the input) and `separation.json` into `out`; if the method estimates the
/// error of the background, `deviation/` as well, in the same form.
///
/// With clusters `config.target` must be set; without `config.background` all other clusters of the target's scale are
/// background. With listed windows the rest of the record is.
///
/// # Errors
/// Records, tables and settings that cannot be used;
/// [`PipelineError::Interrupted`](crate::stage::PipelineError::Interrupted).
pub fn separate(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    source: &TargetSource,
    config: &SeparateConfig,
    context: &StageContext,
    out: &Path,
) -> Result<SeparationFile> {
    let observer = context.progress;
    let archive = open_archive(paths, selection, observer)?;
    // Before the tables are read: provenance hashes them after that, and must name what the targets came from.
    let tables = || source.clusters().into_iter().chain(source.windows());
    context.inputs.notice(tables());
    let job = Job::new(&archive, source, config)?;
    let methods = checked_methods(config, &job, context)?;
    let artifact = Artifact::folder(out)?;
    context.recall(artifact.state());
    let read: Vec<&Path> = archive.files().iter().map(|f| f.path.as_path()).collect();
    context.inputs.notice(read.iter().copied());
    let provenance = provenance_of(&archive, selection, source, config, context)?;
    let making = Making::new("separate", &provenance);
    if artifact.is_current(&making, context)?
        && let Ok(file) = SeparationFile::load(&artifact.path(RESULT))
    {
        observer.remark("the separated records are up to date");
        return Ok(file);
    }
    // Now, and not after the work.
    artifact.check_names(&output_names(&archive), context.existing)?;
    if context.existing == Existing::Fresh {
        artifact.start_again(&making)?;
    }
    let parts_folder = artifact.work_folder()?.join("parts");
    let checkpoint = Checkpoint::open(parts_folder, making.fingerprint())?;
    let cache = RecordCache::new(&archive);
    let mut stations = StationLoop::new(&job, methods, &checkpoint, cache, observer);
    stations.all()?;
    context
        .inputs
        .check_unchanged(read.into_iter().chain(tables()))?;
    // From here on the records of an earlier separation are replaced one by one.
    artifact.begin(&making)?;
    artifact.remove(RESULT)?;
    records::write(
        &archive,
        &job.stations(),
        &stations.done,
        &artifact,
        observer,
    )?;
    let file = SeparationFile {
        method: stations.methods_used(),
        reasons: stations.reasons,
        targets: stations.done.into_iter().map(|t| t.result).collect(),
        target: job.target.clone(),
        background: job.background.clone(),
        provenance,
    };
    artifact.publish_json(RESULT, &file)?;
    // Days, channels and deviations of earlier inputs or another method.
    artifact.remove_stale()?;
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(file)
}

/// Methods to try, in order. Wrong settings of a named method that learns nothing are an error.
fn checked_methods(
    config: &SeparateConfig,
    job: &Job,
    context: &StageContext,
) -> Result<Vec<Box<dyn Method>>> {
    let methods = methods_of(config)?;
    if let [named] = &methods[..]
        && named.training(job.window_samples).is_none()
    {
        stations::fit(job, &**named, Vec::new(), context.progress)?;
    }
    Ok(methods)
}

/// Methods to try, in order.
fn methods_of(config: &SeparateConfig) -> Result<Vec<Box<dyn Method>>> {
    let mut options = MethodOptions::new(config.octaves, config.max_iter);
    // Windows of a cluster contain background too.
    options.local.source_snippets = SourceSnippets::WithBackground;
    let mut method = config.method;
    if config.objective == Objective::Paper {
        options.scattering = ScatteringMethod::paper(config.octaves, config.max_iter);
        if method == SeparationMethod::AUTO {
            method = SeparationMethod::SCATTERING;
        }
    }
    Ok(methods(method.name(), &options)?)
}
