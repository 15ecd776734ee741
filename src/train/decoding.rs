//! Decoder from a model's samples to coefficients, fitted with the model and kept in its file.

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

/// Channels and transform of the decoded coefficients, and the decoder's errors; kept in the model file.
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
    /// Windows of the fit.
    pub n_training: usize,
    /// Windows that measured the errors; 0 where all windows train, and the errors are those of training windows.
    pub n_held_out: usize,
    /// One a scale, ascending.
    pub scales: Vec<Vec<DecodingError>>,
}

/// Root mean square error of one kind of coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecodingError {
    /// Kind of the coordinates, such as `ln ps`.
    pub kind: String,
    /// From the decoder, from the cluster's mean, from the mean of all.
    #[serde(flatten)]
    pub error: KindError,
}

/// Name of a scale's decoder among the arrays of a model file.
pub(crate) fn prefix(scale: usize) -> String {
    format!("decoder/{scale}")
}

/// Name of the arrays with the statistics of a scale's windows, where its decoder does not hold them.
pub(crate) fn data_prefix(scale: usize) -> String {
    format!("fingerprint/{scale}")
}

/// Kinds of the coordinates of one channel that a decoder gives: all of the window, or, where the network's features
/// are coefficients over the powers of the largest window, these powers.
pub(crate) fn kinds(inputs: &ModelInputs, coordinates: &Coordinates) -> Vec<CoordinateKind> {
    match inputs {
        ModelInputs::Compact { .. } => coordinates.kinds().to_vec(),
        ModelInputs::Paper { .. } => {
            let power = |kind: &CoordinateKind| *kind == CoordinateKind::Power;
            coordinates.kinds().iter().copied().filter(power).collect()
        }
    }
}

/// Windows, inputs and split that decoders are fitted on.
pub(super) struct DecoderData<'a> {
    pub(super) dataset: &'a FeatureDataset,
    pub(super) inputs: &'a ModelInputs,
    pub(super) data: &'a vae::TrainingData,
    pub(super) split: &'a vae::Split,
}

/// Arrays for the model file, and what they decode into.
type Decoders = (BTreeMap<String, vae::ExtraArray>, Decoding);

impl DecoderData<'_> {
    /// Fits a decoder at each scale; `None`, with a remark, where too few windows have a signal.
    ///
    /// # Errors
    /// What feature files refuse; [`PipelineError::Interrupted`].
    pub(super) fn fit(
        &self,
        model: &vae::Fvae,
        history: &vae::History,
        observer: &dyn Observer,
    ) -> Result<Option<Decoders>> {
        let dataset = self.dataset;
        let coordinates = Coordinates::plan(dataset.table())?;
        let kinds = kinds(self.inputs, &coordinates);
        let training = evenly(&self.split.training, MAX_TRAINING);
        let held_out = evenly(&self.split.validation, MAX_HELD_OUT);
        let mut wanted: Vec<usize> = training.iter().chain(&held_out).copied().collect();
        // Ascending, so that each day's file is read once.
        wanted.sort_unstable();
        let sampled = Sampled {
            measured: measure(dataset, &coordinates, &wanted, observer)?,
            clusters: clusters(model, self.data, &wanted)?,
            n_clusters: model.config().n_clusters,
            // Windows from one of the fit to the next.
            step: self.split.training.len() as f64 / training.len().max(1) as f64,
            wanted,
        };
        let mut arrays = BTreeMap::new();
        let meta = dataset.meta();
        let mut decoding = Decoding {
            channels: meta.channels.clone(),
            sampling_rate: dataset.sampling_rate(),
            wavelet: meta.wavelet.clone(),
            octaves: meta.octaves.clone(),
            wavelets_per_octave: meta.wavelets_per_octave.clone(),
            n_training: 0,
            n_held_out: 0,
            scales: Vec::new(),
        };
        // The published features are coefficients over powers: only the powers are missing.
        let quantity = match self.inputs {
            ModelInputs::Compact { .. } => Quantity::Coordinates,
            ModelInputs::Paper { .. } => Quantity::LargestPowers,
        };
        for scale in 0..self.data.scales.len() {
            if observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let fitted_on = self.rows(&sampled, scale, &training, quantity);
            if fitted_on.clusters.len() < 2 {
                observer.remark("fewer than two windows have a signal in every band and channel: the model cannot draw samples");
                return Ok(None);
            }
            let decoder =
                fitted_on.fit(input_deviation(history, scale, &self.data.scales[scale]))?;
            let fresh = self.rows(&sampled, scale, &held_out, quantity);
            let n_held_out = fresh.clusters.len();
            let measured_on = if n_held_out > 0 { &fresh } else { &fitted_on };
            decoding.n_training = decoding.n_training.max(fitted_on.clusters.len());
            decoding.n_held_out = decoding.n_held_out.max(n_held_out);
            decoding
                .scales
                .push(decoding_errors(measured_on, &decoder, &kinds));
            decoder.store(&prefix(scale), &mut arrays);
            if quantity == Quantity::LargestPowers {
                // Samples are compared with these; the decoder of the default preset holds them itself.
                let seen = self.rows(&sampled, scale, &training, Quantity::Coordinates);
                seen.fit(0.0)?.store(&data_prefix(scale), &mut arrays);
            }
        }
        Ok(Some((arrays, decoding)))
    }

    /// Rows of the given windows that have a signal.
    fn rows(
        &self,
        sampled: &Sampled,
        scale: usize,
        windows: &[usize],
        quantity: Quantity,
    ) -> DecoderFit {
        let found: Vec<(usize, &Vec<f64>)> = windows
            .iter()
            .filter_map(|window| sampled.wanted.binary_search(window).ok())
            .filter_map(|at| Some((at, sampled.measured[at].of(scale, quantity)?)))
            .collect();
        let width = found.first().map_or(0, |(_, values)| values.len());
        let values =
            Array2::from_shape_fn((found.len(), width), |(row, column)| found[row].1[column]);
        let places = found.iter().map(|(at, _)| sampled.wanted[*at]);
        let overlap = self.dataset.layout().overlap(scale) as f64;
        DecoderFit {
            coordinates: values,
            inputs: decoder_inputs(self.inputs, &self.data.scales[scale], places),
            clusters: found
                .iter()
                .map(|(at, _)| sampled.clusters[scale][*at])
                .collect(),
            n_clusters: sampled.n_clusters,
            overlap: (overlap / sampled.step).max(1.0),
        }
    }
}

/// Windows of the fit and of its test, measured.
struct Sampled {
    /// Their numbers, ascending.
    wanted: Vec<usize>,
    measured: Vec<Measured>,
    /// Most probable cluster of each, by scale.
    clusters: Vec<Vec<usize>>,
    n_clusters: usize,
    step: f64,
}

fn decoding_errors(
    windows: &DecoderFit,
    decoder: &LinearDecoder,
    kinds: &[CoordinateKind],
) -> Vec<DecodingError> {
    let errors = windows.errors(decoder, kinds).into_iter();
    let errors = errors.filter_map(|(kind, error)| {
        Some(DecodingError {
            kind: kind.to_string(),
            error: error?,
        })
    });
    errors.collect()
}

/// `items`, at most `most` of them at equal steps.
fn evenly(items: &[usize], most: usize) -> Vec<usize> {
    let n = items.len();
    let kept = n.min(most);
    (0..kept).map(|i| items[i * n / kept]).collect()
}

/// Standard deviation of the inputs around the network's reconstruction, from the squared error at the end of training.
fn input_deviation(history: &vae::History, scale: usize, data: &Array3<f32>) -> f64 {
    let (_, channels, features) = data.dim();
    let kept = history
        .kept_record()
        .and_then(|e| e.train.scales.get(scale));
    // The mean squared error of p(x|z), summed over inputs, is their common variance times their number.
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

/// Quantity that a decoder gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Coordinates,
    LargestPowers,
}

/// Coordinates of one window, channels one after the other; `None` where a channel is silent that is not always silent.
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

    fn of(&self, scale: usize, what: Quantity) -> Option<&Vec<f64>> {
        match what {
            Quantity::Coordinates => self.coordinates[scale].as_ref(),
            Quantity::LargestPowers => self.largest_powers.as_ref(),
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
        // Windows are numbered through all days: those of this one are a range.
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
    // A channel that is silent in all windows is decoded as silence; one that is silent now and then has no
    // coordinates then.
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
    // Means over blocks of equal length are means over the window.
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

/// Decoders of a model file, or with [`data_prefix`] the statistics of its windows; ascending scales.
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
                "the model file holds no decoder from samples to coefficients",
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
