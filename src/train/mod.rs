//! From feature files to a trained model.

use std::path::{Path, PathBuf};

use seismix_vae as vae;

use crate::config::TrainConfig;
use crate::stage::provenance::{InputFile, provenance};
use crate::stage::{Artifact, Existing, Making, Result, StageContext};
use crate::train::feature_dataset::FeatureDataset;
use crate::train::fit::Fit;
use crate::train::history::{lines_of, restore_history};

pub mod decoding;
pub mod feature_dataset;
mod fit;
mod history;
mod model_inputs;
mod prepare;
pub mod stability;

pub(crate) use fit::{end_remarks, warning_text};
pub(crate) use history::history_name;
pub use history::history_path;
pub use model_inputs::{ModelInputs, model_inputs};
pub(crate) use model_inputs::{compact_data, network_inputs};

/// Rehearses [`train`]: checks settings, features and output as it does, and returns the number of windows. Writes
/// nothing. Only the fit itself can still refuse the features.
///
/// # Errors
/// As [`train`].
pub fn plan(
    features: &[PathBuf],
    config: &TrainConfig,
    context: &StageContext,
    out: &Path,
) -> Result<usize> {
    let (dataset, provenance) = open(features, config, context)?;
    let making = Making::new("train", &provenance);
    let (artifact, name) = Artifact::rehearse_file(out)?;
    artifact.check_settings(&making, context.existing)?;
    artifact.check_names(&[history_name(&name), name], context.existing)?;
    Ok(dataset.n_windows())
}

/// The features, and the provenance of a model of them.
fn open(
    features: &[PathBuf],
    config: &TrainConfig,
    context: &StageContext,
) -> Result<(FeatureDataset, serde_json::Value)> {
    config.check()?;
    let dataset = FeatureDataset::open(features, context.progress)?;
    // By what the files hold, as other stages do: what they say of their own making may be older than a change.
    let inputs = dataset.days().map(|day| context.inputs.file(&day.path));
    let inputs = inputs.collect::<Result<Vec<InputFile>>>()?;
    let provenance = provenance("train", config, context.seed, &inputs);
    Ok((dataset, provenance))
}

/// Trains a model on feature files and writes it to `out`. A training that was cut off resumes from the checkpoint in
/// the output's state folder and ends with the same bytes. Each epoch is a line of
/// [`history_path`]; while the model of an earlier training exists, the lines are in the
/// state folder until the new model takes its place. An intact model of the same features and settings is kept. One
/// training writes to `out` at a time.
///
/// # Errors
/// What features, settings or training refuse;
/// [`PipelineError::Interrupted`](crate::stage::PipelineError::Interrupted).
pub fn train(
    features: &[PathBuf],
    config: &TrainConfig,
    context: &StageContext,
    out: &Path,
) -> Result<vae::ModelFile> {
    config.check()?;
    let observer = context.progress;
    let (artifact, name) = Artifact::file(out)?;
    context.recall(artifact.state());
    let (dataset, provenance) = open(features, config, context)?;
    let making = Making::new("train", &provenance);
    let lines = history_name(&name);
    if artifact.is_current_without(&making, context, &lines)?
        && let Ok(model) = vae::ModelFile::load(&artifact.path(&name))
    {
        observer.remark("the model is up to date");
        if let Err(error) = restore_history(&artifact, &lines, &model) {
            // The model is good without.
            observer.remark(&format!("the model's history is not written: {error}"));
        }
        return Ok(model);
    }
    artifact.settle(&name, context.existing)?;
    artifact.settle(&lines, context.existing)?;
    if context.existing == Existing::Fresh {
        artifact.start_again(&making)?;
    }
    let checkpoint = artifact.work_folder()?.join("checkpoint");
    let fit = Fit {
        dataset: &dataset,
        config,
        context,
    };
    let history = lines_of(&artifact, &name)?;
    let mut file = fit.run(&checkpoint, history)?;
    file.provenance = provenance;
    context
        .inputs
        .check_unchanged(dataset.days().map(|day| day.path.as_path()))?;
    artifact.begin(&making)?;
    artifact.publish(&name, |path| file.save(path))?;
    restore_history(&artifact, &lines, &file)?;
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(file)
}
