//! Check of a run's folder before any work is done, and the rehearsal of a run.

use std::path::{Path, PathBuf};

use crate::features::{self, FeaturesPlan};
use crate::records::open_archive;
use crate::run::{REPORT, REPORT_DATA, RunConfig, RunFiles, SETTINGS, TRANSIENTS, making};
use crate::separate::output_names;
use crate::stage::progress::{NoProgress, Observer};
use crate::stage::{Artifact, Existing, Result, StageContext};
use crate::train::history_name;

/// Rehearses [`run`](crate::run::run()): checks records, settings and output as it does, and returns the days of the
/// features. Writes nothing. What a later stage refuses of the results of an earlier one is not known yet.
///
/// # Errors
/// As [`run`](crate::run::run()).
pub fn plan(
    paths: &[PathBuf],
    config: &RunConfig,
    progress: &dyn Observer,
    out: &Path,
) -> Result<FeaturesPlan> {
    let mut context = StageContext::new(&config.control, progress);
    let artifact = Artifact::rehearse_folder(out, None)?;
    artifact.check_settings(&making(config), context.existing)?;
    check_output(&artifact, paths, config, out)?;
    if context.existing == Existing::Resume {
        context.existing = Existing::Update;
    }
    let (selection, transform) = (&config.selection, &config.transform);
    let features = RunFiles::of(out).features;
    features::plan(paths, selection, transform, &context, &features)
}

/// Refuses foreign files at the names that the run is going to write, in its folder and in those of its stages. The
/// stage of the features checks its own names at once.
pub(super) fn check_output(
    artifact: &Artifact,
    paths: &[PathBuf],
    config: &RunConfig,
    out: &Path,
) -> Result<()> {
    let files = RunFiles::of(out);
    let names = [SETTINGS, TRANSIENTS, REPORT_DATA, REPORT].map(str::to_owned);
    artifact.check_names(&names, Existing::Resume)?;
    Artifact::check_part(&files.model, |model| vec![history_name(model)])?;
    Artifact::check_part(&files.clusters, |_| Vec::new())?;
    let separated = Artifact::rehearse_folder(&files.separation, None)?;
    if files.separation.is_dir() {
        // Faults of the records are reported by the stages that read them.
        let archive = open_archive(paths, &config.selection, &NoProgress)?;
        separated.check_names(&output_names(&archive), Existing::Resume)?;
    }
    Ok(())
}
