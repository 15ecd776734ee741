//! From feature files to a trained model.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis};
use seismix_vae as vae;
use seismix_vae::features::paper::{PaperFeatures, PaperScaler};
use seismix_vae::features::{
    CoefficientTable, EnergyFeatures, FeaturePipeline, InputsOptions, ScaleWindows, WindowFeatures,
    WindowLayout,
};
use serde::{Deserialize, Serialize};

use crate::config::{Preset, Start, TrainConfig};
use crate::stage::provenance::{InputFile, provenance};
use crate::stage::{Artifact, Existing, Making, PipelineError, Result, StageContext};
use crate::train::decoding::Decoding;
use crate::train::feature_dataset::{FeatureDataset, WindowTime};
use crate::train::history::{TrainLog, history_name, lines_of, restore_history};
use crate::train::stability::{FitProgress, Fits, Stability};

pub mod decoding;
pub mod feature_dataset;
mod history;
mod prepare;
pub mod stability;

pub use history::history_path;
pub(crate) use prepare::compact_data;
use prepare::{prepare_compact, prepare_paper};

/// Length of a block of validation time, in largest windows.
const VALIDATION_BLOCK: f64 = 2.0;

/// How a model makes its inputs from feature files; kept in the model file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "preset", rename_all = "kebab-case")]
pub enum ModelInputs {
    /// Log features, whitened in time, deflated from the largest scale down (the default).
    Compact {
        /// Everything that was fitted on training windows.
        fitted: Box<FeaturePipeline>,
        /// How far its clusters repeat, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stability: Option<Box<Stability>>,
        /// What samples are decoded into.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoding: Option<Box<Decoding>>,
    },
    /// The published features: `scat+cov`, each_ps, standardised.
    Paper {
        /// Coefficient table of the files.
        table: CoefficientTable,
        /// Blocks, scales and stride.
        layout: WindowLayout,
        /// One a scale.
        standardisers: Vec<PaperScaler>,
        /// What samples are decoded into.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoding: Option<Box<Decoding>>,
    },
}

impl ModelInputs {
    /// Blocks, scales and stride that the model was trained on.
    pub fn layout(&self) -> &WindowLayout {
        match self {
            Self::Compact { fitted, .. } => &fitted.layout,
            Self::Paper { layout, .. } => layout,
        }
    }

    /// What samples are decoded into; `None` in files of older versions.
    pub fn decoding(&self) -> Option<&Decoding> {
        match self {
            Self::Compact { decoding, .. } | Self::Paper { decoding, .. } => decoding.as_deref(),
        }
    }

    fn set_decoding(&mut self, found: Decoding) {
        match self {
            Self::Compact { decoding, .. } | Self::Paper { decoding, .. } => {
                *decoding = Some(Box::new(found));
            }
        }
    }

    /// Coefficient table that the model was trained on.
    pub fn table(&self) -> &CoefficientTable {
        match self {
            Self::Compact { fitted, .. } => &fitted.table,
            Self::Paper { table, .. } => table,
        }
    }
}

/// Trains a model on feature files and writes it to `out`. A training that was cut off resumes from the checkpoint in
/// the output's state folder and ends with the same bytes. Each epoch is a line of
/// [`history_path`](crate::train::history_path); while the model of an earlier training exists, the lines are in the
/// state folder until the new model takes its place. An intact model of the same features and settings is kept. One
/// training writes to `out` at a time.
///
/// # Errors
/// What features, settings or training refuse; [`PipelineError::Interrupted`].
pub fn train(
    features: &[PathBuf],
    config: &TrainConfig,
    context: &StageContext,
    out: &Path,
) -> Result<vae::ModelFile> {
    config.check()?;
    let (seed, observer) = (context.seed, context.progress);
    let (artifact, name) = Artifact::file(out)?;
    context.recall(artifact.state());
    let dataset = FeatureDataset::open(features, observer)?;
    // By what the files hold, as other stages do: what they say of their own making may be older than a change.
    let inputs = dataset.days().map(|day| context.inputs.file(&day.path));
    let inputs = inputs.collect::<Result<Vec<InputFile>>>()?;
    let provenance = provenance("train", config, seed, &inputs);
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
        artifact.clear_work()?;
    }
    let checkpoint = artifact.work_folder()?.join("checkpoint");
    let mut prepared = match config.preset {
        Preset::Compact => prepare_compact(&dataset, config, seed, observer)?,
        Preset::Paper => prepare_paper(&dataset, config, observer)?,
    };
    let names: Vec<String> = dataset
        .layout()
        .scales
        .iter()
        .map(ToString::to_string)
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut preset = match config.preset {
        Preset::Compact => {
            let widths: Vec<usize> = prepared
                .data
                .scales
                .iter()
                .map(|scale| scale.dim().2)
                .collect();
            vae::Preset::compact(&names, &widths)
        }
        Preset::Paper => {
            let (_, channels, width) = prepared.data.scales[0].dim();
            vae::Preset::paper(&names, width, channels)
        }
    };
    preset.config.n_clusters = prepared.n_clusters;
    preset.config.latent = config.latent;
    preset.config.hidden = config.hidden;
    preset.config.layers = config.layers;
    preset.options.epochs = config.epochs;
    preset.options.batch = config.batch;
    preset.options.learning_rate = config.learning_rate;
    preset.options.seed = seed;
    preset.options.device = config.device;
    let recipe = &config.recipe;
    if let Some(schedule) = recipe.schedule {
        preset.options.schedule = schedule.0;
    }
    if let Some(temperature) = recipe.temperature {
        preset.options.temperature = temperature.0;
    }
    preset.options.patience = recipe.patience;
    if config.preset == Preset::Compact {
        preset.options.label_epochs = config.epochs;
    }
    preset.options.initial_labels = prepared.initial_labels;
    let mut log = TrainLog::new(observer, lines_of(&artifact, &name)?, &names);
    let train = |log: &mut TrainLog| {
        vae::train(
            &preset.config,
            &prepared.data,
            &prepared.split,
            &preset.options,
            Some(&checkpoint),
            log,
        )
    };
    let (model, history) = match train(&mut log) {
        Err(error @ (vae::Error::OtherTraining { .. } | vae::Error::File { .. })) => {
            observer.remark(&format!(
                "the checkpoint cannot be used and is made anew: {error}"
            ));
            std::fs::remove_file(&checkpoint)
                .map_err(PipelineError::io("removing", &checkpoint))?;
            train(&mut log)?
        }
        done => done?,
    };
    observer.end();
    log.finish()?;
    if history.stop == vae::StopReason::Interrupted {
        return Err(PipelineError::Interrupted);
    }
    for remark in end_remarks(&history, recipe.patience) {
        observer.remark(&remark);
    }
    let kept = history.kept_record();
    for warning in kept
        .map(|epoch| epoch.warnings.as_slice())
        .unwrap_or_default()
    {
        observer.remark(&warning_text(warning, &names));
    }
    let decoded = decoding::fit(
        &dataset,
        &prepared.inputs,
        &prepared.data,
        &prepared.split,
        &model,
        &history,
        observer,
    )?;
    let arrays = decoded.map_or_else(Default::default, |(arrays, decoding)| {
        prepared.inputs.set_decoding(decoding);
        arrays
    });
    let file = vae::ModelFile {
        model,
        history,
        preset: preset.name.to_owned(),
        arrays,
        inputs: serde_json::to_value(&prepared.inputs).map_err(PipelineError::internal)?,
        provenance,
    };
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

/// How a training with `patience` ended; epochs are counted from 1.
pub(crate) fn end_remarks(history: &vae::History, patience: Option<usize>) -> Vec<String> {
    let Some(patience) = patience else {
        return Vec::new();
    };
    let n = history.epochs.len();
    let mut remarks = Vec::new();
    if history.stop == vae::StopReason::Patience {
        remarks.push(format!(
            "training stopped after epoch {n}: {patience} without a lower validation loss"
        ));
    }
    match history.kept {
        Some(epoch) if epoch + 1 < n => remarks.push(format!(
            "the weights of epoch {} are kept, where the validation loss was lowest",
            epoch + 1
        )),
        Some(_) => {}
        None => remarks.push(
            "--patience had no effect: no time was held out to validate on (--validation 0, or a record shorter than \
             eight of the largest windows)"
                .to_owned(),
        ),
    }
    remarks
}

/// What a user should know of a cluster.
pub(crate) fn warning_text<S: AsRef<str>>(warning: &vae::ClusterWarning, scales: &[S]) -> String {
    let name = |scale: usize| scales.get(scale).map_or("", AsRef::as_ref);
    match *warning {
        vae::ClusterWarning::Dead { scale, cluster } => {
            format!("cluster {cluster} at scale {} is empty", name(scale))
        }
        vae::ClusterWarning::Collapsed { scale, cluster } => {
            format!(
                "nearly all windows at scale {} are in cluster {cluster}",
                name(scale)
            )
        }
        vae::ClusterWarning::Undecided { scale } => {
            format!("the clusters at scale {} are undecided", name(scale))
        }
    }
}

/// Reads back what a model file says of its inputs.
///
/// # Errors
/// [`PipelineError::Unusable`] if the file was made by another version.
pub fn model_inputs(model: &vae::ModelFile) -> Result<ModelInputs> {
    serde_json::from_value(model.inputs.clone()).map_err(|error| {
        PipelineError::unusable(
            format!("the model's inputs cannot be read: {error}"),
            "train the model again with this version",
        )
    })
}
