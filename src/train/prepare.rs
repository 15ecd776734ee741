//! Inputs of the network from feature files, for either preset, and the blocks of time that are held out.

use ndarray::{Array3, Axis};
use seismix_vae as vae;
use seismix_vae::features::paper::{PaperFeatures, PaperScaler};
use seismix_vae::features::{EnergyFeatures, FeaturePipeline, InputsOptions, WindowFeatures};

use crate::config::{InitialClusters, TrainConfig, TrainPreset};
use crate::stage::{Observer, PipelineError, Result, StageContext};
use crate::train::feature_dataset::{FeatureDataset, WindowTime};
use crate::train::stability::{FitProgress, Fits, Stability};
use crate::train::{ModelInputs, compact_data};

/// Length of a block of validation time, in largest windows.
const VALIDATION_BLOCK: f64 = 2.0;

/// Inputs of a network, and the transform that made them.
pub(super) struct Prepared {
    pub(super) inputs: ModelInputs,
    pub(super) n_clusters: usize,
    pub(super) data: vae::TrainingData,
    pub(super) split: vae::Split,
    pub(super) initial_labels: Option<Vec<Vec<Option<usize>>>>,
}

/// Inputs of the configured preset.
pub(super) fn prepare(
    dataset: &FeatureDataset,
    config: &TrainConfig,
    context: &StageContext,
) -> Result<Prepared> {
    match config.preset {
        TrainPreset::Compact => compact(dataset, config, context.seed, context.progress),
        TrainPreset::Paper => paper(dataset, config, context.progress),
    }
}

fn compact(
    dataset: &FeatureDataset,
    config: &TrainConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Prepared> {
    let (segments, windows) = dataset.load_energies(observer)?;
    let split = split(dataset, &windows, config.recipe.validation)?;
    let masks = training_masks(&split, &windows);
    let recipe = &config.recipe;
    let mut options = InputsOptions {
        n_clusters: vec![config.clusters],
        seed,
        init: recipe.start.method(),
        temporal_whitening: recipe.temporal_whitening,
        deflation: recipe.deflation,
        local_log_power: recipe.finest_levels.0,
        amplitude: config.amplitude,
        ..InputsOptions::default()
    };
    let source = EnergyFeatures::new(dataset.table(), &segments, dataset.layout())?;
    let mut stability = None;
    if config.auto_clusters || config.seeds > 1 {
        let fits = Fits {
            features: WindowFeatures::with_progress(&source, &FitProgress(observer))?,
            training: &masks,
            observer,
        };
        let mut found = Stability {
            n_clusters: config.clusters,
            ..Stability::default()
        };
        if config.auto_clusters {
            found = fits.choose(&options, config.seeds - 1)?;
            options.n_clusters = vec![found.n_clusters];
        }
        if config.seeds > 1 {
            found.scales = fits.measure_model(&options, config.seeds)?;
        }
        stability = Some(Box::new(found));
    }
    let n_scales = dataset.layout().scales.len() as u64;
    observer.begin("fit inputs", n_scales, "scales");
    let fitted = FeaturePipeline::fit(&source, &masks, &options, &FitProgress(observer));
    observer.end();
    let (fitted, scales) = fitted?;
    let known = |labels: &Vec<usize>| labels.iter().map(|label| Some(*label)).collect();
    let initial_labels = scales.iter().map(|scale| known(&scale.labels)).collect();
    Ok(Prepared {
        inputs: ModelInputs::Compact {
            fitted: Box::new(fitted),
            stability,
            decoding: None,
        },
        n_clusters: options.clusters(0),
        data: compact_data(&scales),
        split,
        initial_labels: (recipe.start != InitialClusters::Random).then_some(initial_labels),
    })
}

fn paper(
    dataset: &FeatureDataset,
    config: &TrainConfig,
    observer: &dyn Observer,
) -> Result<Prepared> {
    let plan = PaperFeatures::plan(dataset.table(), dataset.layout())?;
    let mut windows = Vec::new();
    // One part a segment, by scale.
    let mut parts: Vec<Vec<Array3<f32>>> = vec![Vec::new(); dataset.layout().scales.len()];
    observer.begin("read features", dataset.days().count() as u64, "days");
    for day in dataset.days() {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let loaded = dataset.load(day)?;
        for (index, segment) in loaded.segments.iter().enumerate() {
            let n = loaded.windows[index].len();
            for (scale, parts) in parts.iter_mut().enumerate() {
                parts.push(plan.process(segment, index, scale, 0..n)?);
            }
        }
        windows.extend(loaded.windows);
        observer.advance(1);
    }
    observer.end();
    let split = split(dataset, &windows, config.recipe.validation)?;
    let masks = training_masks(&split, &windows);
    let (mut scalers, mut scales) = (Vec::new(), Vec::new());
    for parts in parts {
        let (scaler, joined) = standardise(parts, &masks)?;
        scalers.push(scaler);
        scales.push(joined);
    }
    Ok(Prepared {
        inputs: ModelInputs::Paper {
            table: dataset.table().clone(),
            layout: dataset.layout().clone(),
            scalers,
            decoding: None,
        },
        n_clusters: config.clusters,
        data: vae::TrainingData { scales },
        split,
        initial_labels: None,
    })
}

/// Standardises the published features of one scale by their training windows, and joins the segments.
fn standardise(
    mut parts: Vec<Array3<f32>>,
    masks: &[Vec<bool>],
) -> Result<(PaperScaler, Array3<f32>)> {
    let (_, channels, width) = parts[0].dim();
    let other = parts.iter().map(|part| part.dim().1);
    if let Some(other) = other.into_iter().find(|n| *n != channels) {
        return Err(PipelineError::unusable(
            format!(
                "some feature files hold {channels} channels, others {other}; the paper's network requires one number"
            ),
            "pass the files of one kind only, or use --preset compact, which averages over channels",
        ));
    }
    let mut scaler = PaperScaler::new(channels, width);
    for (part, mask) in parts.iter().zip(masks) {
        scaler.push(part, mask)?;
    }
    // In place: the published features fill most of the memory.
    for part in &mut parts {
        scaler.apply(part)?;
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let joined = ndarray::concatenate(Axis(0), &views).map_err(PipelineError::internal)?;
    Ok((scaler, joined))
}

/// Holds out blocks of time, with a guard of one largest window.
fn split(
    dataset: &FeatureDataset,
    windows: &[Vec<WindowTime>],
    fraction: f64,
) -> Result<vae::Split> {
    let ends: Vec<i64> = windows
        .iter()
        .flatten()
        .map(|window| window.end_ns)
        .collect();
    let largest = dataset.layout().scales.last().copied().unwrap_or(0) as f64;
    let largest_ns = largest / dataset.sampling_rate() * 1e9;
    // In a shorter record the guard would take most training windows.
    let span = ends
        .iter()
        .max()
        .zip(ends.iter().min())
        .map_or(0, |(last, first)| last - first) as f64;
    let fraction = if span > 8.0 * largest_ns {
        fraction
    } else {
        0.0
    };
    Ok(vae::split::blocked(
        &ends,
        fraction,
        (VALIDATION_BLOCK * largest_ns) as i64,
        largest_ns as i64,
    )?)
}

/// Training windows of each segment.
fn training_masks(split: &vae::Split, windows: &[Vec<WindowTime>]) -> Vec<Vec<bool>> {
    let n = windows.iter().map(Vec::len).sum();
    let mut flat = vec![false; n];
    for &window in &split.training {
        flat[window] = true;
    }
    let mut rest = flat.as_slice();
    windows
        .iter()
        .map(|segment| {
            let (mask, after) = rest.split_at(segment.len());
            rest = after;
            mask.to_vec()
        })
        .collect()
}
