//! From a model and feature files to the table of clusters.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use seismix_data::store::{ClusterRow, ClusterTable, write_clusters};
use seismix_vae as vae;
use seismix_vae::init::ClusterScore;

use crate::separate::targets::score_transients;
use crate::stage::progress::Observer;
use crate::stage::provenance::{InputFile, provenance};
use crate::stage::{Artifact, Making, PipelineError, Result, StageContext};
use crate::train::feature_dataset::FeatureDataset;
use crate::train::{ModelInputs, model_inputs, network_inputs};

/// Name of the command in the manifest.
const COMMAND: &str = "cluster";

/// Assigns every window of the feature files to a cluster at each scale, and writes the table to `out`: one row a
/// window and scale, days one after the other. `model` is given with the file that it was read from.
///
/// # Errors
/// [`PipelineError::Unusable`] if the files were made with other settings than the model's; what files and model
/// refuse; [`PipelineError::Interrupted`].
pub fn cluster(
    features: &[PathBuf],
    model: (&Path, &vae::ModelFile),
    context: &StageContext,
    out: &Path,
) -> Result<ClusterTable> {
    let (model_path, model) = model;
    let (artifact, name) = Artifact::file(out)?;
    artifact.check_command(COMMAND, context.existing)?;
    artifact.settle(&name, context.existing)?;
    context.recall(artifact.state());
    let Opened {
        dataset,
        inputs,
        making,
    } = open(features, (model_path, model), context)?;
    let read: Vec<&Path> = dataset.days().map(|day| day.path.as_path()).collect();
    let table = assign(&dataset, &inputs, model, context.progress)?;
    context
        .inputs
        .check_unchanged(read.into_iter().chain([model_path]))?;
    artifact.begin(&making)?;
    artifact.publish(&name, |path| write_clusters(path, &table))?;
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(table)
}

/// Scores of the finest scale's clusters as transients, for a model that has no table of clusters yet.
///
/// # Errors
/// As [`cluster()`].
pub fn transients_of_model(
    features: &[PathBuf],
    model: &vae::ModelFile,
    observer: &dyn Observer,
) -> Result<Vec<ClusterScore>> {
    let dataset = FeatureDataset::open(features, observer)?;
    let table = assign(&dataset, &model_inputs(model)?, model, observer)?;
    score_transients(features, &table, observer)
}

/// Rehearses [`cluster`]: checks features, model and output as it does, and returns the number of windows. Writes
/// nothing.
///
/// # Errors
/// As [`cluster`].
pub fn plan(
    features: &[PathBuf],
    model: (&Path, &vae::ModelFile),
    context: &StageContext,
    out: &Path,
) -> Result<usize> {
    let opened = open(features, model, context)?;
    let (artifact, name) = Artifact::rehearse_file(out)?;
    artifact.check_command(COMMAND, context.existing)?;
    artifact.check_names(&[name], context.existing)?;
    Ok(opened.dataset.n_windows())
}

/// Features that fit a model, and the making of their table.
struct Opened {
    dataset: FeatureDataset,
    inputs: ModelInputs,
    making: Making,
}

fn open(
    features: &[PathBuf],
    (model_path, model): (&Path, &vae::ModelFile),
    context: &StageContext,
) -> Result<Opened> {
    let dataset = FeatureDataset::open(features, context.progress)?;
    let inputs = model_inputs(model)?;
    check(&dataset, &inputs)?;
    let read = dataset.days().map(|day| day.path.as_path());
    let hashes = read
        .chain([model_path])
        .map(|path| context.inputs.file(path));
    let hashes = hashes.collect::<Result<Vec<InputFile>>>()?;
    Ok(Opened {
        making: Making::new(COMMAND, &provenance(COMMAND, &(), 0, &hashes)),
        dataset,
        inputs,
    })
}

/// The table of all days.
fn assign(
    dataset: &FeatureDataset,
    inputs: &ModelInputs,
    model: &vae::ModelFile,
    observer: &dyn Observer,
) -> Result<ClusterTable> {
    let n_clusters = model.model.config().n_clusters;
    let mut rows = Vec::new();
    let mut probabilities = Vec::new();
    observer.begin("cluster", dataset.days().count() as u64, "days");
    for day in dataset.days() {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let loaded = dataset.load(day)?;
        let responsibilities = model
            .model
            .responsibilities(&network_inputs(inputs, &loaded)?)?;
        for (index, window) in loaded.windows.iter().flatten().enumerate() {
            for (scale, responsibilities) in responsibilities.iter().enumerate() {
                let p = responsibilities.row(index);
                let best = (0..n_clusters).fold(0, |best, k| if p[k] > p[best] { k } else { best });
                rows.push(ClusterRow {
                    start_ns: window.start_ns[scale],
                    end_ns: window.end_ns,
                    scale: dataset.layout().scales[scale],
                    cluster: best,
                    probability: p[best],
                    id: Some(window.station.clone()),
                });
                probabilities.extend(p.iter().copied());
            }
        }
        observer.advance(1);
    }
    observer.end();
    let probabilities = Array2::from_shape_vec((rows.len(), n_clusters), probabilities)
        .map_err(PipelineError::internal)?;
    Ok(ClusterTable {
        rows,
        probabilities,
    })
}

fn check(dataset: &FeatureDataset, inputs: &ModelInputs) -> Result<()> {
    let (ours, theirs) = (inputs.layout(), dataset.layout());
    let list = |scales: &[usize]| {
        scales
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    if ours != theirs {
        return Err(PipelineError::unusable(
            format!(
                "the features have scales {} every {} samples from blocks of {}, the model requires {} every {} from blocks of {}",
                list(&theirs.scales),
                theirs.stride_samples,
                theirs.block_samples,
                list(&ours.scales),
                ours.stride_samples,
                ours.block_samples
            ),
            format!(
                "compute features with --scales {} --stride {} --block {}",
                list(&ours.scales),
                ours.stride_samples,
                ours.block_samples
            ),
        ));
    }
    if inputs.table() != dataset.table() {
        return Err(PipelineError::unusable(
            format!(
                "the features hold {} coefficients, the model requires {} others",
                dataset.table().len(),
                inputs.table().len()
            ),
            "compute the features with the --octaves the model was trained with",
        ));
    }
    Ok(())
}
