//! Targets of new signals: records, windows of a cluster by their stored coefficients, or samples that a model draws.

pub mod sample;

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, Axis};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use seismix_data::store::{ClusterRow, FeatureSet, read_clusters};
use seismix_data::time::format_utc;
use seismix_scattering::Complex;
use seismix_separate::Synthesis;
use seismix_vae::ModelFile;

use crate::config::Target;
use crate::stage::{PipelineError, Result};
use crate::synth::sample::ClusterSampler;

/// Windows of a lower probability count only where there are no others.
const CONFIDENT: f32 = 0.9;

/// A window of a cluster, as a target for new signals.
pub struct ClusterWindow {
    /// Station and band.
    pub id: String,
    /// First sample, ISO 8601.
    pub starttime: String,
    /// Probability of the cluster.
    pub probability: f32,
    /// One a channel, in the order of the feature file.
    pub channels: Vec<(String, Synthesis)>,
}

/// `count` windows of `cluster`, drawn by `seed` without repeats as long as there are others, the confident ones first.
/// Their coefficients come from the feature files, so no record is needed; the new signals have `n_samples`, or twice
/// as many as the windows: a window in the midst of a record sees its neighbours, a signal of its length its own
/// reflection.
///
/// # Errors
/// What files and table refuse; [`PipelineError::Unusable`] if no window of the cluster is in the files, or they were
/// made with another transform than `battle-lemarie` with one wavelet an octave.
pub fn cluster_windows(
    features: &[PathBuf],
    clusters: &Path,
    cluster: &Target,
    n_samples: Option<usize>,
    count: usize,
    seed: u64,
) -> Result<Vec<ClusterWindow>> {
    let set = FeatureSet::open(features)?;
    let meta = set.meta();
    let octaves = octaves_of(&meta.octaves, &meta.wavelets_per_octave, &meta.wavelet)?;
    let scale = cluster.scale.samples(meta.layout.sampling_rate)?;
    let Some(scale_number) = meta.layout.windows.scales.iter().position(|s| *s == scale) else {
        return Err(PipelineError::unusable(
            format!("the features have no scale of {scale} samples"),
            format!("their scales are {:?}", meta.layout.windows.scales),
        ));
    };
    let table = read_clusters(clusters)?;
    let mut rows: Vec<&ClusterRow> = table
        .rows_of_scale(scale)
        .map(|row| &table.rows[row])
        .filter(|row| cluster.clusters.contains(&row.cluster))
        .collect();
    if rows.is_empty() {
        return Err(PipelineError::unusable(
            format!("no window belongs to {cluster}"),
            "choose a cluster that has windows; the report and the table tell which",
        ));
    }
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rows.sort_by_key(|row| row.probability < CONFIDENT);
    let drawn: Vec<&ClusterRow> = rows.iter().cycle().take(count).copied().collect();
    let n_samples = n_samples.unwrap_or(2 * scale);
    drawn
        .into_iter()
        .map(|row| load(&set, row, scale_number, n_samples, octaves))
        .collect()
}

/// Samples that a model draws of a cluster, as targets for new signals.
pub struct ModelWindows {
    /// Codes of the channels.
    pub channels: Vec<String>,
    /// Octaves of the coefficients.
    pub octaves: usize,
    /// Samples of the signals.
    pub n_samples: usize,
    /// `(window, channel, coefficient, 2)`, unnormalised, in the unit of the records.
    pub coefficients: ArrayD<f64>,
    /// One a window and channel.
    pub syntheses: Vec<Synthesis>,
}

/// `count` scattering covariances drawn from a model's cluster (of several clusters in turn), as targets for signals of
/// `n_samples`, or twice as many as the windows have.
///
/// # Errors
/// As [`ClusterSampler::new`], [`ClusterSampler::octaves`] and [`ClusterSampler::sample`].
pub fn model_windows(
    model: &ModelFile,
    cluster: &Target,
    n_samples: Option<usize>,
    count: usize,
    seed: u64,
) -> Result<ModelWindows> {
    let sampler = ClusterSampler::new(model)?;
    let octaves = sampler.octaves()?;
    let scale = cluster.scale.samples(sampler.decoding().sampling_rate)?;
    let n_samples = n_samples.unwrap_or(2 * scale);
    let n_clusters = cluster.clusters.len();
    let drawn = cluster
        .clusters
        .iter()
        .map(|&number| sampler.sample(scale, number, count.div_ceil(n_clusters), seed))
        .collect::<Result<Vec<_>>>()?;
    let mut values = Vec::new();
    let mut syntheses = Vec::new();
    let mut n_rows = 0;
    for window in 0..count {
        let windows = &drawn[window % n_clusters];
        for channel in windows
            .index_axis(Axis(0), window / n_clusters)
            .outer_iter()
        {
            n_rows = channel.len();
            values.extend(channel.iter().flat_map(|z| [z.re, z.im]));
            let target: Vec<Complex<f64>> = channel.to_vec();
            let synthesis = Synthesis::of_coefficients(target, n_samples, octaves);
            syntheses.push(synthesis.map_err(|error| {
                PipelineError::unusable(error.to_string(), "give more --samples")
            })?);
        }
    }
    let channels = sampler.decoding().channels.clone();
    let shape = vec![count, channels.len(), n_rows, 2];
    let coefficients = ArrayD::from_shape_vec(shape, values).map_err(PipelineError::internal)?;
    Ok(ModelWindows {
        channels,
        octaves,
        n_samples,
        coefficients,
        syntheses,
    })
}

/// J, if signals can be made from coefficients of such a transform.
///
/// # Errors
/// [`PipelineError::Unusable`] for another one.
pub(crate) fn octaves_of(
    octaves: &[usize],
    wavelets_per_octave: &[usize],
    wavelet: &str,
) -> Result<usize> {
    match (octaves, wavelets_per_octave) {
        (&[first, second], [1, 1]) if first == second && wavelet == "battle-lemarie" => Ok(first),
        _ => Err(PipelineError::unusable(
            "the features were made with another transform than new signals can be made by",
            "compute them with `--wavelet battle-lemarie --quality 1` and one number of octaves",
        )),
    }
}

fn load(
    set: &FeatureSet,
    row: &ClusterRow,
    scale: usize,
    n_samples: usize,
    octaves: usize,
) -> Result<ClusterWindow> {
    for day in set.days() {
        let own = row.id.as_deref().is_none_or(|id| {
            let station = day.header.meta.station_id();
            id == station
                || id
                    .strip_prefix(&station)
                    .is_some_and(|rest| rest.starts_with('.'))
        });
        let ends = |window: &&seismix_data::store::Window| {
            day.windows.last_sample_ns(window) == row.end_ns
        };
        let Some(window) = day.windows.windows().iter().find(ends).filter(|_| own) else {
            continue;
        };
        let loaded = day.load()?;
        let coefficients = loaded.window_coefficients(&day.windows, window, scale);
        let codes = &day.header.meta.channels;
        let channels = coefficients.outer_iter().zip(codes).map(|(rows, code)| {
            let target: Vec<Complex<f64>> = rows
                .outer_iter()
                .map(|z| Complex::new(f64::from(z[0]), f64::from(z[1])))
                .collect();
            let synthesis = Synthesis::of_coefficients(target, n_samples, octaves)?;
            Ok((code.clone(), synthesis))
        });
        return Ok(ClusterWindow {
            id: day.header.meta.station_id(),
            starttime: format_utc(row.start_ns),
            probability: row.probability,
            channels: channels
                .collect::<std::result::Result<_, seismix_separate::Error>>()
                .map_err(|error| {
                    PipelineError::unusable(error.to_string(), "compute the features again")
                })?,
        });
    }
    Err(PipelineError::unusable(
        format!(
            "the window that begins at {} is not in the feature files",
            format_utc(row.start_ns)
        ),
        "give the features that the table was made from",
    ))
}
