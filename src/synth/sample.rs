//! Scattering covariances drawn from a model's clusters.

use ndarray::{Array2, Array3, ArrayView2};
use rayon::prelude::*;
use seismix_vae as vae;
use seismix_vae::decode::{Complex, Coordinates, LinearDecoder};
use seismix_vae::features::paper::PaperFeatures;

use crate::stage::{PipelineError, Result};
use crate::train::decoding::{self, Decoding};
use crate::train::{ModelInputs, model_inputs};

/// Draws windows of a model's clusters: z from `p(z | y)`, decoded to the network's inputs and from there to
/// unnormalised
/// `scat+cov` coefficients in the unit of the records.
///
/// With `--preset compact` the inputs do not hold coefficients: a linear decoder, fitted on training windows,
/// estimates them from cluster and inputs, and draws the part that the inputs do not determine, above all amplitude.
/// With `--preset paper` features are coefficients over powers of the largest window; they are inverted exactly, and
/// only these powers are drawn.
pub struct ClusterSampler {
    model: vae::Fvae,
    inputs: ModelInputs,
    decoding: Decoding,
    decoders: Vec<LinearDecoder>,
    /// Statistics of windows, where the decoders do not hold them.
    seen: Vec<LinearDecoder>,
    coordinates: Coordinates,
}

impl ClusterSampler {
    /// Of a trained model.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if the file was made by an older version, or is damaged.
    pub fn new(model: &vae::ModelFile) -> Result<Self> {
        let inputs = model_inputs(model)?;
        let decoders = decoding::load(model, decoding::prefix)?;
        let seen = match inputs {
            ModelInputs::Compact { .. } => Vec::new(),
            ModelInputs::Paper { .. } => decoding::load(model, decoding::data_prefix)?,
        };
        let coordinates = Coordinates::plan(inputs.table())?;
        let damaged = || {
            PipelineError::unusable(
                "the parts of the model file contradict each other",
                "train the model again with this version",
            )
        };
        let decoding = inputs.decoding().cloned().ok_or_else(damaged)?;
        let all = decoding.channels.len() * coordinates.len();
        let width = decoding.channels.len() * decoding::kinds(&inputs, &coordinates).len();
        let config = model.model.config();
        let fits = decoders.iter().enumerate().all(|(scale, decoder)| {
            let n_inputs = match inputs {
                ModelInputs::Compact { .. } => config.features_per_scale[scale],
                ModelInputs::Paper { .. } => 0,
            };
            decoder.n_coordinates() == width
                && decoder.intercepts.nrows() == config.n_clusters
                && decoder.n_inputs() == n_inputs
        });
        let seen_fits = seen.iter().all(|seen| {
            seen.n_coordinates() == all && seen.intercepts.nrows() == config.n_clusters
        });
        if width == 0 || !fits || !seen_fits || inputs.layout().scales.len() != decoders.len() {
            return Err(damaged());
        }
        Ok(Self {
            model: model.model.clone(),
            inputs,
            decoding,
            decoders,
            seen,
            coordinates,
        })
    }

    /// Channels, transform and errors of the decoder.
    pub fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// Window lengths in samples, ascending.
    pub fn scales(&self) -> &[usize] {
        &self.inputs.layout().scales
    }

    /// Coordinates of one channel.
    pub fn coordinates(&self) -> &Coordinates {
        &self.coordinates
    }

    /// Means, standard deviations and numbers of training windows of each cluster at a scale (its index), in
    /// [`coordinates`](Self::coordinates), channels one after the other.
    pub fn windows(&self, scale: usize) -> &LinearDecoder {
        self.seen.get(scale).unwrap_or(&self.decoders[scale])
    }

    /// Octaves of the coefficients, if signals can be made from them.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] for another transform than `battle-lemarie` with one wavelet an octave.
    pub fn octaves(&self) -> Result<usize> {
        let Decoding {
            octaves,
            wavelets_per_octave,
            wavelet,
            ..
        } = &self.decoding;
        crate::synth::octaves_of(octaves, wavelets_per_octave, wavelet)
    }

    /// `n` windows of a cluster: `(window, channel, coefficient)`, unnormalised, coefficients in the order of the
    /// model's table, channels in that of [`Decoding::channels`]. The same seed gives the same windows.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if there is no such scale (in samples) or cluster, or the cluster is empty.
    pub fn sample(
        &self,
        scale_samples: usize,
        cluster: usize,
        n: usize,
        seed: u64,
    ) -> Result<Array3<Complex<f64>>> {
        let scale = self.scale(scale_samples)?;
        let decoder = &self.decoders[scale];
        if decoder.counts.get(cluster) == Some(&0) {
            return Err(PipelineError::unusable(
                format!("no training window is in cluster {scale_samples}:{cluster}"),
                "choose a cluster that has windows; the report lists them",
            ));
        }
        let mut decoded = self.model.sample(scale, cluster, n, seed)?;
        match &self.inputs {
            ModelInputs::Compact { .. } => {
                let (_, channels, width) = decoded.dim();
                let inputs = decoded
                    .mapv(f64::from)
                    .into_shape_with_order((n, channels * width))
                    .map_err(PipelineError::internal)?;
                let drawn = decoder.draw(inputs.view(), cluster, scale, seed);
                Ok(self.decode(drawn.view()))
            }
            ModelInputs::Paper {
                table,
                layout,
                scalers,
                ..
            } => {
                scalers[scale].restore(&mut decoded)?;
                let none = Array2::zeros((n, 0));
                // No inputs: the powers depend on the cluster alone.
                let powers = decoder.draw(none.view(), cluster, scale, seed);
                let plan = PaperFeatures::plan(table, layout)?;
                Ok(plan.denormalise(&decoded, powers.view())?)
            }
        }
    }

    /// Coordinates of coefficients, channels one after the other; rows of silent windows are left out.
    pub fn encode(&self, coefficients: &Array3<Complex<f64>>) -> Vec<Vec<f64>> {
        coefficients
            .outer_iter()
            .filter_map(|window| {
                let mut all = Vec::new();
                for channel in window.outer_iter() {
                    let channel = channel.to_vec();
                    if channel.iter().all(|z| *z == Complex::default()) {
                        all.extend(self.coordinates.silence());
                    } else {
                        all.extend(self.coordinates.encode(&channel)?);
                    }
                }
                Some(all)
            })
            .collect()
    }

    fn decode(&self, drawn: ArrayView2<'_, f64>) -> Array3<Complex<f64>> {
        let rows: Vec<Vec<f64>> = drawn.outer_iter().map(|row| row.to_vec()).collect();
        let channels: Vec<&[f64]> = rows
            .iter()
            .flat_map(|row| row.chunks_exact(self.coordinates.len()))
            .collect();
        let decoded: Vec<Vec<Complex<f64>>> = channels
            .par_iter()
            .map(|channel| self.coordinates.decode(channel))
            .collect();
        let shape = (
            drawn.nrows(),
            self.decoding.channels.len(),
            self.inputs.table().len(),
        );
        Array3::from_shape_fn(shape, |(window, channel, row)| {
            decoded[window * shape.1 + channel][row]
        })
    }

    fn scale(&self, samples: usize) -> Result<usize> {
        let scales = self.scales();
        let found = scales.iter().position(|scale| *scale == samples);
        found.ok_or_else(|| {
            PipelineError::unusable(
                format!("the model has no scale of {samples} samples"),
                format!("its scales are {scales:?}"),
            )
        })
    }
}
