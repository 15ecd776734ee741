//! From an archive to feature files, one a station and UTC day.

mod blocks;
mod day;
mod day_plan;
pub(crate) mod local_day;
pub mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use seismix_data::StationKey;
use seismix_data::archive::{Archive, StationDay};
use serde_json::json;

use crate::config::{SelectionConfig, TransformConfig};
use crate::features::day::day_file;
use crate::features::day_plan::{DayPlan, day_name, file_name};
use crate::records::{open_archive, sampling_rate, station_keys};
use crate::stage::progress::Observer;
use crate::stage::{Artifact, Existing, Making, PipelineError, Result, StageContext};

/// Summary of the `features` stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeaturesSummary {
    /// Feature files of the days that were requested, written or found up to date.
    pub files: Vec<PathBuf>,
    /// Of these, days whose file was up to date.
    pub n_up_to_date: usize,
    /// Windows at the largest scale.
    pub n_windows: usize,
    /// Days left out because of an error, each reported to the observer.
    pub n_failed: usize,
}

/// Computes the features of an archive into the folder `out`. Days whose file is intact and of the same records and
/// settings are kept.
///
/// A day that fails is reported and the others are computed.
///
/// # Errors
/// What archive and settings refuse; [`PipelineError::Unusable`] if the folder holds days that are not among the
/// records; [`PipelineError::OtherSettings`]; [`PipelineError::DiskFull`]; [`PipelineError::Interrupted`].
pub fn features(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    transform: &TransformConfig,
    context: &StageContext,
    out: &Path,
) -> Result<FeaturesSummary> {
    let archive = open_archive(paths, selection, context.progress)?;
    context
        .inputs
        .notice(archive.files().iter().map(|file| file.path.as_path()));
    let artifact = Artifact::shard(out, context.shard)?;
    context.recall(artifact.state());
    let making = making(selection, transform);
    artifact.check_settings(&making, context.existing)?;
    let all = days_of(&archive, transform, context.progress);
    let others = other_days(&artifact, &all, context)?;
    let days = shard_of(all, context);
    check_days(&artifact, &days, context)?;
    artifact.begin(&making)?;
    others.iter().try_for_each(|name| artifact.remove(name))?;
    let mut summary = FeaturesSummary::default();
    context
        .progress
        .begin("features", days.len() as u64, "days");
    for day in &days {
        if context.progress.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        match day_file(&archive, day, transform, context, &artifact) {
            Ok(file) => {
                summary.files.push(file.path);
                summary.n_windows += file.n_windows;
                summary.n_up_to_date += usize::from(file.up_to_date);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                report_failure(day, &error, context.progress);
                // Its earlier file is of other records or settings, and must not be taken for current.
                artifact.remove(&file_name(day))?;
                summary.n_failed += 1;
            }
        }
        context.progress.advance(1);
    }
    context.progress.end();
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(summary)
}

/// Settings of the features that decide their content.
fn making(selection: &SelectionConfig, transform: &TransformConfig) -> Making {
    let settings = json!({"configuration": {"transform": transform, "selection": selection}});
    Making::new("features", &settings)
}

fn report_failure(day: &StationDay, error: &PipelineError, progress: &dyn Observer) {
    let mut reason = error.to_string();
    if let Some(help) = error.help() {
        reason = format!("{reason}; {help}");
    }
    progress.problem(&day_name(day), &reason);
}

/// Days of the shard.
fn shard_of(days: Vec<StationDay>, context: &StageContext) -> Vec<StationDay> {
    let days = days.into_iter().enumerate();
    days.filter(|(i, _)| context.shard.is_none_or(|shard| shard.contains(*i)))
        .map(|(_, day)| day)
        .collect()
}

/// Refuses foreign files at the names of the days, before any is computed.
fn check_days(artifact: &Artifact, days: &[StationDay], context: &StageContext) -> Result<()> {
    let names: Vec<String> = days.iter().map(file_name).collect();
    artifact.check_names(&names, context.existing)
}

/// Files of days that are not among the records would be read as if they were: with `--fresh` these are their names, to
/// be removed; otherwise the run refuses.
fn other_days(
    artifact: &Artifact,
    days: &[StationDay],
    context: &StageContext,
) -> Result<Vec<String>> {
    let expected: BTreeSet<String> = days.iter().map(file_name).collect();
    let mut others = artifact.names();
    others.retain(|name| !expected.contains(name));
    let Some(first) = others.first() else {
        return Ok(others);
    };
    if context.existing == Existing::Fresh {
        return Ok(others);
    }
    Err(PipelineError::unusable(
        format!(
            "the output holds {} feature files of days that are not among the selected records, such as `{}`",
            others.len(),
            artifact.path(first).display()
        ),
        "give these records as well, write to another folder, or remove the other days with --fresh",
    ))
}

/// Longest window, s, that is sensible in files of a day each; damaged headers can claim any rate.
const LONGEST_WINDOW_S: f64 = 30.0 * 86_400.0;

/// Station-days of the archive. Files are named by location and day, so each location has one band: the fastest.
fn days_of(
    archive: &Archive,
    transform: &TransformConfig,
    observer: &dyn Observer,
) -> Vec<StationDay> {
    let mut bands: BTreeMap<[String; 3], Vec<StationKey>> = BTreeMap::new();
    for key in station_keys(archive) {
        let location = [&key.network, &key.station, &key.location].map(Clone::clone);
        bands.entry(location).or_default().push(key);
    }
    let mut left = too_slow(archive, transform, observer);
    for keys in bands.values_mut().filter(|keys| keys.len() > 1) {
        let rate = |key: &StationKey| sampling_rate(archive, key).unwrap_or(0.0);
        // Stable: of equal rates the first by name is kept.
        keys.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        for other in &keys[1..] {
            observer.problem(
                &other.to_string(),
                &format!(
                    "left out: a location's features are of one band, here {}; choose another with --channel",
                    keys[0]
                ),
            );
            left.insert(other.clone());
        }
    }
    let mut days = archive.station_days();
    days.retain(|day| !left.contains(&day.key));
    days
}

/// Stations whose rate makes the largest window longer than [`LONGEST_WINDOW_S`], each reported.
fn too_slow(
    archive: &Archive,
    transform: &TransformConfig,
    observer: &dyn Observer,
) -> BTreeSet<StationKey> {
    let mut left = BTreeSet::new();
    for key in station_keys(archive) {
        let key = &key;
        let Some(rate) = sampling_rate(archive, key) else {
            continue;
        };
        let largest = transform.scales.last().map(|scale| scale.samples(rate));
        if let Some(Ok(largest)) = largest
            && largest as f64 / rate > LONGEST_WINDOW_S
        {
            observer.problem(
                &key.to_string(),
                &format!(
                    "left out: at its {rate} Hz the largest window, {largest} samples, lasts longer than 30 days; use shorter --scales"
                ),
            );
            left.insert(key.clone());
        }
    }
    left
}

/// Days that [`features`] would make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeaturesPlan {
    /// The days of the shard.
    pub days: Vec<PlannedDay>,
    /// Peak memory of the largest day, about.
    pub memory_bytes: u64,
}

/// One day of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDay {
    /// Its feature file.
    pub file: PathBuf,
    /// True if the file is there.
    pub exists: bool,
}

/// Rehearses [`features`]: checks records, settings and output as it does, and lists the days that it would make and
/// the memory that it would take. Days that it would refuse are reported. Writes nothing.
///
/// # Errors
/// As [`features`].
pub fn plan(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    transform: &TransformConfig,
    context: &StageContext,
    out: &Path,
) -> Result<FeaturesPlan> {
    let archive = open_archive(paths, selection, context.progress)?;
    let artifact = Artifact::rehearse_folder(out, context.shard)?;
    artifact.check_settings(&making(selection, transform), context.existing)?;
    let all = days_of(&archive, transform, context.progress);
    other_days(&artifact, &all, context)?;
    let days = shard_of(all, context);
    check_days(&artifact, &days, context)?;
    let mut plan = FeaturesPlan::default();
    for day in days {
        match DayPlan::new(&archive, &day, transform) {
            Ok(of_day) => {
                plan.memory_bytes = plan.memory_bytes.max(of_day.memory_bytes());
                if let Err(error) = of_day.check_memory(context.memory) {
                    report_failure(&day, &error, context.progress);
                }
            }
            Err(error @ PipelineError::Config(_)) => return Err(error),
            Err(error) => report_failure(&day, &error, context.progress),
        }
        let file = out.join(file_name(&day));
        plan.days.push(PlannedDay {
            exists: file.exists(),
            file,
        });
    }
    Ok(plan)
}
