//! Inference with a model.

use ndarray::{Array2, Array3};

use crate::error::{Error, Result, setting};
use crate::model::{
    Backend, FvaeConfig, Mode, Parameters, Pass, Plan, Precision, TensorSpec, numbers,
};
use crate::noise::{NoiseKey, Purpose};
use crate::train::{TrainingData, batches};

/// Windows of one pass in inference.
const INFERENCE_BATCH: usize = 1024;

/// A factorial Gaussian-mixture VAE with its weights.
#[derive(Clone, Debug)]
pub struct Fvae {
    config: FvaeConfig,
    plan: Plan,
    parameters: Parameters,
}

impl Fvae {
    /// A model before training, its weights drawn from `seed` (Glorot-normal matrices, zero biases).
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Shape`] for impossible sizes.
    pub fn new(config: &FvaeConfig, seed: u64) -> Result<Self> {
        config.check()?;
        let plan = Plan::new(config);
        let parameters = Parameters::initial(&plan, Backend::cpu(Precision::Single), seed);
        Ok(Self::from_parts(config.clone(), plan, parameters))
    }

    pub(crate) fn from_parts(config: FvaeConfig, plan: Plan, parameters: Parameters) -> Self {
        Self {
            config,
            plan,
            parameters,
        }
    }

    /// Its sizes.
    pub fn config(&self) -> &FvaeConfig {
        &self.config
    }

    /// Name, shape and kind of every tensor, in the order of [`to_vecs`](Self::to_vecs).
    pub fn specs(&self) -> &[TensorSpec] {
        self.plan.specs()
    }

    /// Values of every tensor, C order.
    pub fn to_vecs(&self) -> Vec<Vec<f32>> {
        self.parameters.to_vecs(&self.plan)
    }

    /// Probability of each cluster given each window, `q(y | x)`: per scale (window, cluster).
    ///
    /// `data`: standardised as in training. Rows sum to 1. No sampling and running statistics: the same input gives
    /// the same bits.
    ///
    /// # Errors
    /// [`Error::Shape`] if the data do not fit the model, [`Error::NonFinite`] for NaN or infinite values.
    pub fn responsibilities(&self, data: &TrainingData) -> Result<Vec<Array2<f32>>> {
        data.check(&self.config)?;
        let n_windows = data.n_windows();
        let n_clusters = self.config.n_clusters;
        let mut rows = vec![Vec::with_capacity(n_windows * n_clusters); self.config.n_scales()];
        let windows: Vec<usize> = (0..n_windows).collect();
        let mut parameters = self.parameters.clone();
        // In parts: the activations of all windows at once would exceed the memory of a training.
        for part in batches(&windows, INFERENCE_BATCH) {
            let inputs = data.inputs(&self.parameters.backend, part);
            let found = self.pass(&mut parameters).log_probabilities(&inputs);
            for (rows, found) in rows.iter_mut().zip(found) {
                rows.extend(numbers(found.exp()));
            }
        }
        rows.into_iter()
            .map(|rows| matrix(n_windows, n_clusters, rows))
            .collect()
    }

    /// Samples of one cluster: z from `p(z | y = cluster)`, decoded to the mean of `p(x | z)`.
    ///
    /// Returns (sample, channel, feature), in standardised features. The same seed gives the same samples, and a larger
    /// `n` starts with those of a smaller one, up to rounding.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such scale or cluster.
    pub fn sample(&self, scale: usize, cluster: usize, n: usize, seed: u64) -> Result<Array3<f32>> {
        let plan = self.scale_plan(scale)?;
        let k = self.config.n_clusters;
        setting(
            cluster < k,
            "cluster",
            cluster,
            "below the model's number of clusters",
        )?;
        let backend = &self.parameters.backend;
        let mut parameters = self.parameters.clone();
        let mut pass = self.pass(&mut parameters);
        let mut one_hot = vec![0.0; k];
        // A hard cluster: p(z|y) is a Gaussian only for one-hot y.
        one_hot[cluster] = 1.0;
        let (mean, variance) = pass.prior(plan, backend.tensor(one_hot, [1, k]));
        let (c, f) = (
            self.config.n_channels,
            self.config.features_per_scale[scale],
        );
        let key = NoiseKey {
            seed,
            epoch: cluster,
            step: 0,
            purpose: Purpose::Sample,
            scale,
        };
        let noise = key.normal(n * self.config.latent);
        let mut values = Vec::with_capacity(n * c * f);
        for part in noise.chunks(INFERENCE_BATCH * self.config.latent) {
            let rows = part.len() / self.config.latent;
            let normal = backend.tensor(part.to_vec(), [rows, self.config.latent]);
            // z ~ p(z|y), then the mean of p(x|z); its own noise is drawn by the decoder of coordinates.
            let latent = mean.clone() + normal * variance.clone().sqrt();
            values.extend(numbers(pass.decode(&plan.decoder, latent, c)));
        }
        Array3::from_shape_vec((n, c, f), values)
            .map_err(|error| Error::Data(format!("samples: {error}")))
    }

    fn scale_plan(&self, scale: usize) -> Result<&crate::model::plan::ScalePlan> {
        self.plan.scales.get(scale).ok_or_else(|| Error::Setting {
            name: "scale",
            found: scale.to_string(),
            allowed: "an index below the model's number of scales",
        })
    }

    fn pass<'a>(&'a self, parameters: &'a mut Parameters) -> Pass<'a> {
        Pass {
            plan: &self.plan,
            parameters,
            mode: Mode::Evaluate,
        }
    }
}

fn matrix(rows: usize, columns: usize, values: Vec<f32>) -> Result<Array2<f32>> {
    Array2::from_shape_vec((rows, columns), values)
        .map_err(|error| Error::Data(format!("result: {error}")))
}
