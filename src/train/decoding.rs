//! What leads from a model's samples back to coefficients: fitted beside the model, kept in its file.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;
use seismix_vae as vae;
use seismix_vae::decode::{
    Complex, CoordinateKind, Coordinates, DecoderFit, KindError, LinearDecoder,
};
use seismix_vae::features::{BlockSegment, WindowLayout};
use serde::{Deserialize, Serialize};

use crate::stage::progress::Observer;
use crate::stage::{PipelineError, Result};
use crate::train::ModelInputs;
use crate::train::feature_dataset::FeatureDataset;

/// Windows that a decoder is fitted on, evenly over the training windows, at most.
const MAX_TRAINING: usize = 2048;
/// Held-out windows that measure it, at most.
const MAX_HELD_OUT: usize = 1024;

/// What was decoded into, and how well; kept in the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decoding {
    /// Codes of the channels, in the order of the samples.
    pub channels: Vec<String>,
    /// Samples a second.
    pub sampling_rate: f64,
    /// Wavelet family of the coefficients.
    pub wavelet: String,
    /// Octaves of the layers.
    pub octaves: Vec<usize>,
    /// Wavelets an octave of the layers.
    pub wavelets_per_octave: Vec<usize>,
    /// Windows fitted on.
    pub n_training: usize,
    /// Windows that measured the errors; 0 where all windows train, and the errors are those of training windows.
    pub n_held_out: usize,
    /// One a scale, ascending.
    pub scales: Vec<Vec<DecodingError>>,
}

/// Root mean square error of one kind of coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodingError {
    /// What the coordinates are, such as `ln ps`.
    pub kind: String,
    /// From the decoder, from the cluster's mean, from the mean of all.
    #[serde(flatten)]
    pub error: KindError,
}

/// Name of a scale's decoder among the arrays of a model file.
pub(crate) fn prefix(scale: usize) -> String {
    format!("decoder/{scale}")
}

/// Name of the arrays that hold what windows of a scale are like, where its decoder does not.
pub(crate) fn data_prefix(scale: usize) -> String {
    format!("fingerprint/{scale}")
}

/// Numbers of one channel that a decoder gives: all coordinates of the window, or, where the network's features are
/// coefficients over the powers of the largest window, these powers.
pub(crate) fn kinds(inputs: &ModelInputs, coordinates: &Coordinates) -> Vec<CoordinateKind> {
    match inputs {
        ModelInputs::Compact { .. } => coordinates.kinds().to_vec(),
        ModelInputs::Paper { .. } => {
            let power = |kind: &CoordinateKind| *kind == CoordinateKind::Power;
            coordinates.kinds().iter().copied().filter(power).collect()
        }
    }
}

/// Fits a decoder at each scale; returns the arrays for the model file, or `None` where too few windows have a signal, which is told.
///
/// # Errors
/// What feature files refuse; [`PipelineError::Interrupted`].
pub(crate) fn fit(
    dataset: &FeatureDataset,
    inputs: &ModelInputs,
    data: &vae::TrainingData,
    split: &vae::Split,
    model: &vae::Fvae,
    history: &vae::History,
    observer: &dyn Observer,
) -> Result<Option<(BTreeMap<String, vae::ExtraArray>, Decoding)>> {
    let coordinates = Coordinates::plan(dataset.table())?;
    let kinds = kinds(inputs, &coordinates);
    let training = evenly(&split.training, MAX_TRAINING);
    let held_out = evenly(&split.validation, MAX_HELD_OUT);
    let mut wanted: Vec<usize> = training.iter().chain(&held_out).copied().collect();
    wanted.sort_unstable();
    let measured = measure(dataset, &coordinates, &wanted, observer)?;
    let clusters = clusters(model, data, &wanted)?;
    // Windows from one that is fitted on to the next.
    let step = split.training.len() as f64 / training.len().max(1) as f64;
    let mut arrays = BTreeMap::new();
    let mut decoding = Decoding {
        channels: dataset.meta().channels.clone(),
        sampling_rate: dataset.sampling_rate(),
        wavelet: dataset.meta().wavelet.clone(),
        octaves: dataset.meta().octaves.clone(),
        wavelets_per_octave: dataset.meta().wavelets_per_octave.clone(),
        n_training: 0,
        n_held_out: 0,
        scales: Vec::new(),
    };
    for (scale, clusters) in clusters.iter().enumerate() {
        let rows = |windows: &[usize], what: What| -> DecoderFit {
            let found: Vec<(usize, &Vec<f64>)> = windows
                .iter()
                .filter_map(|window| wanted.binary_search(window).ok())
                .filter_map(|place| Some((place, measured[place].of(scale, what)?)))
                .collect();
            let width = found.first().map_or(0, |(_, values)| values.len());
            let mut values = Array2::zeros((found.len(), width));
            for (mut row, (_, found)) in values.outer_iter_mut().zip(&found) {
                row.iter_mut()
                    .zip(*found)
                    .for_each(|(to, from)| *to = *from);
            }
            let places = found.iter().map(|(place, _)| wanted[*place]);
            DecoderFit {
                coordinates: values,
                inputs: decoder_inputs(inputs, &data.scales[scale], places),
                clusters: found.iter().map(|(p, _)| clusters[*p]).collect(),
                n_clusters: model.config().n_clusters,
                overlap: (dataset.layout().overlap(scale) as f64 / step).max(1.0),
            }
        };
        let what = match inputs {
            ModelInputs::Compact { .. } => What::Coordinates,
            ModelInputs::Paper { .. } => What::LargestPowers,
        };
        let fitted_on = rows(&training, what);
        if fitted_on.clusters.len() < 2 {
            observer.remark("fewer than two windows have a signal in every band and channel: the model cannot be asked for samples");
            return Ok(None);
        }
        let decoder = fitted_on.fit(input_deviation(history, scale, &data.scales[scale]))?;
        let fresh = rows(&held_out, what);
        let n_held_out = fresh.clusters.len();
        let judged = if n_held_out > 0 { &fresh } else { &fitted_on };
        let errors = judged.errors(&decoder, &kinds);
        decoding.n_training = decoding.n_training.max(fitted_on.clusters.len());
        decoding.n_held_out = decoding.n_held_out.max(n_held_out);
        decoding.scales.push(
            errors
                .into_iter()
                .filter_map(|(kind, error)| {
                    let kind = kind.to_string();
                    Some(DecodingError {
                        kind,
                        error: error?,
                    })
                })
                .collect(),
        );
        decoder.store(&prefix(scale), &mut arrays);
        if what == What::LargestPowers {
            // What samples are compared with; the decoder of the default holds it.
            let seen = rows(&training, What::Coordinates).fit(0.0)?;
            seen.store(&data_prefix(scale), &mut arrays);
        }
    }
    Ok(Some((arrays, decoding)))
}

/// `items`, or as many of them as allowed at equal steps.
fn evenly(items: &[usize], most: usize) -> Vec<usize> {
    let n = items.len();
    let kept = n.min(most);
    (0..kept).map(|i| items[i * n / kept]).collect()
}

/// Spread of the inputs around what the network decodes: the squared error that training ended with.
fn input_deviation(history: &vae::History, scale: usize, data: &Array3<f32>) -> f64 {
    let (_, channels, features) = data.dim();
    let kept = history
        .kept_record()
        .and_then(|e| e.train.scales.get(scale));
    let error = kept.map_or(0.0, |terms| f64::from(terms.reconstruction));
    (error.max(0.0) / (channels * features).max(1) as f64).sqrt()
}

/// The network's inputs of some windows, `(window, input)`; none for the published features, which are decoded exactly.
fn decoder_inputs(
    inputs: &ModelInputs,
    data: &Array3<f32>,
    windows: impl ExactSizeIterator<Item = usize>,
) -> Array2<f64> {
    let n = windows.len();
    match inputs {
        ModelInputs::Paper { .. } => Array2::zeros((n, 0)),
        ModelInputs::Compact { .. } => {
            let mut all = Array2::zeros((n, data.dim().2));
            for (mut row, window) in all.outer_iter_mut().zip(windows) {
                let from = data.index_axis(Axis(0), window);
                row.iter_mut()
                    .zip(from.iter())
                    .for_each(|(to, from)| *to = f64::from(*from));
            }
            all
        }
    }
}

/// The most probable cluster of some windows, by scale.
fn clusters(
    model: &vae::Fvae,
    data: &vae::TrainingData,
    windows: &[usize],
) -> Result<Vec<Vec<usize>>> {
    let some = vae::TrainingData {
        scales: data
            .scales
            .iter()
            .map(|scale| scale.select(Axis(0), windows))
            .collect(),
    };
    let found = model.responsibilities(&some)?;
    let best = |row: ndarray::ArrayView1<'_, f32>| {
        (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
    };
    Ok(found
        .iter()
        .map(|scale| scale.outer_iter().map(best).collect())
        .collect())
}

/// Which numbers of a window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Coordinates,
    LargestPowers,
}

/// Numbers of one window, channels one after the other; `None` where a channel is silent that is not so always.
struct Measured {
    /// All coordinates, by scale.
    coordinates: Vec<Option<Vec<f64>>>,
    /// Log powers of the largest window.
    largest_powers: Option<Vec<f64>>,
}

impl Measured {
    /// From the coordinates of each channel, by scale; `dead`: which channels are silent throughout.
    fn new(channels: Vec<Vec<Option<Vec<f64>>>>, dead: &[bool], coordinates: &Coordinates) -> Self {
        let joined = |scale: &Vec<Option<Vec<f64>>>| -> Option<Vec<f64>> {
            let mut all = Vec::new();
            for (channel, dead) in scale.iter().zip(dead) {
                match channel {
                    Some(found) => all.extend(found),
                    None if *dead => all.extend(coordinates.silence()),
                    None => return None,
                }
            }
            Some(all)
        };
        let by_scale: Vec<Option<Vec<f64>>> = channels.iter().map(joined).collect();
        let largest_powers = by_scale.last().and_then(Option::as_ref).map(|all| {
            let each = all.iter().zip(coordinates.kinds().iter().cycle());
            let powers = each.filter(|(_, kind)| **kind == CoordinateKind::Power);
            powers.map(|(value, _)| *value).collect()
        });
        Self {
            coordinates: by_scale,
            largest_powers,
        }
    }

    fn of(&self, scale: usize, what: What) -> Option<&Vec<f64>> {
        match what {
            What::Coordinates => self.coordinates[scale].as_ref(),
            What::LargestPowers => self.largest_powers.as_ref(),
        }
    }
}

/// Each of the wanted windows (ascending).
fn measure(
    dataset: &FeatureDataset,
    coordinates: &Coordinates,
    wanted: &[usize],
    observer: &dyn Observer,
) -> Result<Vec<Measured>> {
    let layout = dataset.layout();
    let n_scales = layout.scales.len();
    let of_all = |(segment, window): (&BlockSegment, usize)| -> Vec<Vec<Option<Vec<f64>>>> {
        (0..n_scales)
            .map(|scale| {
                let channels = window_coefficients(segment, layout, scale, window);
                channels.iter().map(|c| coordinates.encode(c)).collect()
            })
            .collect()
    };
    let mut measured = Vec::with_capacity(wanted.len());
    let mut first = 0;
    observer.begin("fit decoder", dataset.days().count() as u64, "days");
    for day in dataset.days() {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let n_windows = day.windows.len();
        let next = measured.len();
        let here = wanted[next..].partition_point(|&w| w < first + n_windows);
        if here > 0 {
            let loaded = dataset.load(day)?;
            let mut places = Vec::new();
            for (segment, windows) in loaded.segments.iter().zip(&loaded.windows) {
                places.extend((0..windows.len()).map(|window| (segment, window)));
            }
            let rows: Vec<Vec<Vec<Option<Vec<f64>>>>> = wanted[next..next + here]
                .par_iter()
                .map(|&w| of_all(places[w - first]))
                .collect();
            measured.extend(rows);
        }
        first += n_windows;
        observer.advance(1);
    }
    observer.end();
    let n_channels = dataset.meta().channels.len();
    let dead: Vec<bool> = (0..n_channels)
        .map(|channel| {
            let mut all = measured.iter().flatten();
            all.all(|scale| scale.get(channel).is_none_or(Option::is_none))
        })
        .collect();
    let whole = measured.into_iter();
    Ok(whole
        .map(|window| Measured::new(window, &dead, coordinates))
        .collect())
}

/// Coefficients of one window, channel by channel: means over its blocks.
fn window_coefficients(
    segment: &BlockSegment,
    layout: &WindowLayout,
    scale: usize,
    window: usize,
) -> Vec<Vec<Complex<f64>>> {
    let blocks = layout.block_range(scale, window);
    let (_, n_channels, n_rows, _) = segment.coefficients.dim();
    let share = 1.0 / blocks.len().max(1) as f64;
    let mut sums = vec![0.0f64; n_channels * n_rows * 2];
    for block in blocks {
        let values = segment.coefficients.index_axis(Axis(0), block);
        for (sum, &value) in sums.iter_mut().zip(values.iter()) {
            *sum += f64::from(value);
        }
    }
    sums.chunks_exact(n_rows * 2)
        .map(|channel| {
            channel
                .chunks_exact(2)
                .map(|z| Complex::new(z[0] * share, z[1] * share))
                .collect()
        })
        .collect()
}

/// The decoders of a model file, or with [`data_prefix`] what its windows are like; ascending scales.
///
/// # Errors
/// [`PipelineError::Unusable`] if the file has none: it was made by an older version.
pub(crate) fn load(
    model: &vae::ModelFile,
    prefix: impl Fn(usize) -> String,
) -> Result<Vec<LinearDecoder>> {
    let n_scales = model.model.config().n_scales();
    let mut decoders = Vec::new();
    for scale in 0..n_scales {
        let found = LinearDecoder::load(&prefix(scale), &model.arrays)?;
        decoders.push(found.ok_or_else(|| {
            PipelineError::unusable(
                "the model file holds nothing that leads from samples to coefficients",
                "train the model again with this version",
            )
        })?);
    }
    Ok(decoders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_taken_at_equal_steps() {
        let items: Vec<usize> = (10..20).collect();
        assert_eq!(evenly(&items, 20), items);
        assert_eq!(evenly(&items, 5), [10, 12, 14, 16, 18]);
        assert!(evenly(&[], 5).is_empty());
    }

    #[test]
    fn coefficients_are_means_of_blocks() {
        let layout = WindowLayout {
            block_samples: 8,
            scales: vec![16, 32],
            stride_samples: 16,
        };
        let segment = BlockSegment {
            coefficients: ndarray::Array4::from_shape_fn((6, 2, 3, 2), |(b, c, k, p)| {
                (100 * b + 10 * c + k) as f32 * if p == 0 { 1.0 } else { -1.0 }
            }),
        };
        // Window 1 ends before block 6.
        let found = window_coefficients(&segment, &layout, 0, 1);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1][2], Complex::new(462.0, -462.0));
        let found = window_coefficients(&segment, &layout, 1, 1);
        assert_eq!(found[0][0], Complex::new(350.0, -350.0));
    }
}
