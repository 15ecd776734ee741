//! What a network is given: inputs of either preset, made from feature files, and the blocks of time held out.

use crate::stage::Observer;
use crate::train::*;

/// The inputs of a network, and how they were made.
pub(crate) struct Prepared {
    pub(crate) inputs: ModelInputs,
    pub(crate) n_clusters: usize,
    pub(crate) data: vae::TrainingData,
    pub(crate) split: vae::Split,
    pub(crate) initial_labels: Option<Vec<Vec<Option<usize>>>>,
}

pub(crate) fn prepare_compact(
    dataset: &FeatureDataset,
    config: &TrainConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Prepared> {
    let (segments, windows) = dataset.load_energies(observer)?;
    let split = split(dataset, &windows, config.recipe.validation)?;
    let masks = training_masks(&split, &windows);
    let mut options = InputsOptions {
        n_clusters: vec![config.clusters],
        seed,
        init: config.recipe.start.method(),
        temporal_whitening: config.recipe.temporal_whitening,
        deflation: config.recipe.deflation,
        local_log_power: config.recipe.finest_levels.0,
        amplitude: config.amplitude,
        ..InputsOptions::default()
    };
    let mut stability = None;
    if config.auto_clusters || config.seeds > 1 {
        let source = EnergyFeatures::new(dataset.table(), &segments, dataset.layout())?;
        let fits = Fits {
            features: WindowFeatures::with_progress(&source, &FitProgress(observer))?,
            training: &masks,
            options: &options.clone(),
            observer,
        };
        let mut found = Stability {
            n_clusters: config.clusters,
            ..Stability::default()
        };
        if config.auto_clusters {
            found = fits.choose(config.seeds - 1, config.clusters)?;
            options.n_clusters = vec![found.n_clusters];
        }
        if config.seeds > 1 {
            found.scales = fits.judge(&options, config.seeds)?;
        }
        stability = Some(Box::new(found));
    }
    let n_scales = dataset.layout().scales.len();
    observer.begin("fit inputs", n_scales as u64, "scales");
    let source = EnergyFeatures::new(dataset.table(), &segments, dataset.layout())?;
    let (fitted, scales) = FeaturePipeline::fit(&source, &masks, &options, &FitProgress(observer))?;
    observer.end();
    let initial_labels = scales
        .iter()
        .map(|scale| scale.labels.iter().map(|label| Some(*label)).collect())
        .collect();
    Ok(Prepared {
        inputs: ModelInputs::Compact {
            fitted: Box::new(fitted),
            stability,
            decoding: None,
        },
        n_clusters: options.clusters(0),
        data: compact_data(&scales),
        split,
        initial_labels: (config.recipe.start != Start::Random).then_some(initial_labels),
    })
}

/// Inputs of all scales as the network takes them, one channel.
pub(crate) fn compact_data(scales: &[ScaleWindows]) -> vae::TrainingData {
    vae::TrainingData {
        scales: scales
            .iter()
            .map(|scale| scale.inputs.clone().insert_axis(Axis(1)))
            .collect(),
    }
}

pub(crate) fn prepare_paper(
    dataset: &FeatureDataset,
    config: &TrainConfig,
    observer: &dyn Observer,
) -> Result<Prepared> {
    let plan = PaperFeatures::plan(dataset.table(), dataset.layout())?;
    let n_scales = dataset.layout().scales.len();
    let mut windows = Vec::new();
    let mut parts: Vec<Vec<Array3<f32>>> = vec![Vec::new(); n_scales];
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
    let mut standardisers = Vec::new();
    let mut scales = Vec::new();
    for parts in &mut parts {
        let channels = parts[0].dim().1;
        if let Some(other) = parts
            .iter()
            .map(|part| part.dim().1)
            .find(|n| *n != channels)
        {
            return Err(PipelineError::unusable(
                format!(
                    "some feature files hold {channels} channels, others {other}; the paper's network wants one number"
                ),
                "pass the files of one kind only, or use --preset compact, which averages over channels",
            ));
        }
        let mut standardiser = PaperScaler::new(channels, plan.n_features());
        for (part, mask) in parts.iter().zip(&masks) {
            standardiser.push(part, mask)?;
        }
        for part in parts.iter_mut() {
            standardiser.apply(part)?;
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let joined = ndarray::concatenate(Axis(0), &views).map_err(PipelineError::internal)?;
        scales.push(joined);
        parts.clear();
        standardisers.push(standardiser);
    }
    let inputs = ModelInputs::Paper {
        table: dataset.table().clone(),
        layout: dataset.layout().clone(),
        standardisers,
        decoding: None,
    };
    Ok(Prepared {
        inputs,
        n_clusters: config.clusters,
        data: vae::TrainingData { scales },
        split,
        initial_labels: None,
    })
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
    // A record of a few largest windows leaves nothing to hold out.
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
