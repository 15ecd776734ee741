//! The objective and its terms.

use burn_tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Result, setting};
use crate::model::{ScaleOutput, wide_numbers};

/// Added to variances inside ln N.
const DENSITY_EPS: f64 = 1e-8;

/// Weights of the terms.
///
/// The published objective is (0.15, 1, 1), for several hundred features per scale; about ten whitened features require
/// a reconstruction weight of 3, else the latent collapses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveWeights {
    /// Of the squared error, summed over channels and features.
    pub reconstruction: f64,
    /// Of ln q(z|x,y) - ln p(z|y).
    pub kl_latent: f64,
    /// Of KL(q(y|x) | uniform).
    pub kl_cluster: f64,
}

impl Default for ObjectiveWeights {
    fn default() -> Self {
        Self {
            reconstruction: 0.15,
            kl_latent: 1.0,
            kl_cluster: 1.0,
        }
    }
}

impl ObjectiveWeights {
    pub(crate) fn check(&self) -> Result<()> {
        for (name, weight) in [
            ("reconstruction weight", self.reconstruction),
            ("kl_latent weight", self.kl_latent),
            ("kl_cluster weight", self.kl_cluster),
        ] {
            setting(
                weight.is_finite() && weight >= 0.0,
                name,
                weight,
                "finite and not negative",
            )?;
        }
        Ok(())
    }
}

/// Terms of one scale, unweighted, means over windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScaleTerms {
    /// Squared error, summed over channels and features.
    pub reconstruction: f32,
    /// ln q(z|x,y) - ln p(z|y), one sample.
    pub kl_latent: f32,
    /// KL(q(y|x) | uniform) = sum q ln q + ln K; 0 when all clusters are equally probable, ln K when decided.
    pub kl_cluster: f32,
    /// -ln q(initial label|x), mean over labelled windows; 0 without initial labels.
    #[serde(rename = "start")]
    pub labels: f32,
}

/// The objective and its terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Weighted sum of the terms, mean over scales; what is minimised.
    pub total: f32,
    /// Terms of each scale.
    pub scales: Vec<ScaleTerms>,
}

impl Terms {
    /// Mean of each term over the scales.
    pub fn mean(&self) -> ScaleTerms {
        let mean = |term: fn(&ScaleTerms) -> f32| {
            let sum: f64 = self.scales.iter().map(|s| f64::from(term(s))).sum();
            (sum / self.scales.len().max(1) as f64) as f32
        };
        ScaleTerms {
            reconstruction: mean(|s| s.reconstruction),
            kl_latent: mean(|s| s.kl_latent),
            kl_cluster: mean(|s| s.kl_cluster),
            labels: mean(|s| s.labels),
        }
    }
}

/// Initial labels of a batch: one-hot rows, zero where a window has none.
#[derive(Clone, Debug)]
pub(crate) struct LabelBatch {
    pub weight: f64,
    /// Per scale (batch, cluster), divided by the number of labelled windows of the batch.
    pub labels: Vec<Tensor<2>>,
}

/// The objective of one batch, with its graph.
pub(crate) struct Objective {
    /// (1): the weighted sum, mean over scales.
    pub total: Tensor<1>,
    /// Per scale: reconstruction, kl_latent, kl_cluster, start, each (1).
    terms: Vec<[Tensor<1>; 4]>,
}

impl Objective {
    /// Computes the terms from the network's outputs; `inputs` are the network's inputs, per scale.
    pub fn new(
        inputs: &[Tensor<3>],
        outputs: &[ScaleOutput],
        weights: &ObjectiveWeights,
        start: Option<&LabelBatch>,
    ) -> Self {
        let terms: Vec<[Tensor<1>; 4]> = inputs
            .iter()
            .zip(outputs)
            .enumerate()
            .map(|(s, (input, output))| {
                let labels = start.map(|start| &start.labels[s]);
                scale_terms(input, output, labels)
            })
            .collect();
        let label_weight = start.map_or(0.0, |start| start.weight);
        // The mean over scales, so that the learning rate does not depend on their number.
        let per_scale = 1.0 / terms.len().max(1) as f64;
        let weighted = terms
            .iter()
            .map(|[reconstruction, latent, cluster, start]| {
                let mut sum = reconstruction.clone() * weights.reconstruction
                    + latent.clone() * weights.kl_latent
                    + cluster.clone() * weights.kl_cluster;
                if label_weight > 0.0 {
                    sum = sum + start.clone() * label_weight;
                }
                sum
            });
        let total = Tensor::cat(weighted.collect(), 0).sum() * per_scale;
        Self { total, terms }
    }

    /// The total, then four terms per scale.
    pub fn values(&self) -> Vec<f64> {
        let mut all = vec![self.total.clone().inner()];
        all.extend(self.terms.iter().flatten().map(|term| term.clone().inner()));
        wide_numbers(Tensor::cat(all, 0))
    }
}

fn scale_terms(
    input: &Tensor<3>,
    output: &ScaleOutput,
    labels: Option<&Tensor<2>>,
) -> [Tensor<1>; 4] {
    let [b, k] = output.log_probability.dims();
    let per_window = 1.0 / b as f64;
    let difference = input.clone() - output.reconstruction.clone();
    // Three sums, one after the other, keep each short in single precision.
    let reconstruction = (difference.clone() * difference)
        .sum_dim(2)
        .sum_dim(1)
        .sum()
        * per_window;
    let posterior = log_density(&output.latent, &output.mean, &output.variance);
    let prior = log_density(&output.latent, &output.prior_mean, &output.prior_variance);
    let kl_latent = (posterior - prior).sum_dim(1).sum() * per_window;
    let log_probability = output.log_probability.clone();
    // From the logarithms of the softmax: ln of a probability that underflowed would be -inf.
    let negentropy = (log_probability.clone().exp() * log_probability.clone())
        .sum_dim(1)
        .sum()
        * per_window;
    let kl_cluster = negentropy + (k as f64).ln();
    let start = match labels {
        // Labels are one-hot rows over the number of labelled windows, so the sum is their mean.
        Some(labels) => (log_probability * labels.clone()).sum().neg(),
        // A zero on the right device.
        None => kl_cluster.clone().inner() * 0.0,
    };
    [reconstruction, kl_latent, kl_cluster, start]
}

/// ln N(z; mean, variance) per latent dimension, without the constant, which cancels in the difference of two.
fn log_density(z: &Tensor<2>, mean: &Tensor<2>, variance: &Tensor<2>) -> Tensor<2> {
    let variance = variance.clone() + DENSITY_EPS;
    let difference = z.clone() - mean.clone();
    // ln N without ln(2 pi)/2, which cancels in the difference of posterior and prior.
    (variance.clone().log() + difference.clone() * difference / variance) * -0.5
}

/// Means of [`Objective::values`] over batches of different sizes.
#[derive(Clone, Debug, Default)]
pub(crate) struct TermSums {
    windows: f64,
    sums: Vec<f64>,
}

impl TermSums {
    /// Adds the values of a batch of `windows`.
    pub fn add(&mut self, values: &[f64], windows: usize) {
        self.sums.resize(values.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum += value * windows as f64;
        }
        self.windows += windows as f64;
    }

    /// The means over windows.
    pub fn terms(&self) -> Terms {
        let mean = |index: usize| (self.sums[index] / self.windows.max(1.0)) as f32;
        let n_scales = self.sums.len().saturating_sub(1) / 4;
        Terms {
            total: if self.sums.is_empty() { 0.0 } else { mean(0) },
            scales: (0..n_scales)
                .map(|s| ScaleTerms {
                    reconstruction: mean(1 + 4 * s),
                    kl_latent: mean(2 + 4 * s),
                    kl_cluster: mean(3 + 4 * s),
                    labels: mean(4 + 4 * s),
                })
                .collect(),
        }
    }
}
