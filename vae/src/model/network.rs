//! Equations of the network, from inputs and noise to every quantity in the objective.

use burn_tensor::Tensor;
use burn_tensor::activation::{leaky_relu, log_softmax, softmax, softplus};

use crate::model::parameters::Parameters;
use crate::model::plan::{Decoder, Linear, LinearNorm, Norm, Plan, ScalePlan, Trunk};

/// Slope of LeakyReLU below 0.
const SLOPE: f64 = 0.2;
/// Added to the variance in a batch normalisation.
const NORM_EPS: f64 = 1e-5;
/// Weight of the batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Statistics that normalisations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Batch statistics; the running ones are updated.
    Train,
    /// Running statistics.
    Evaluate,
}

/// One batch: per scale the inputs (batch, channel, feature) and the noise that is drawn for them.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub inputs: Vec<Tensor<3>>,
    /// Standard Gumbel numbers, (batch, cluster).
    pub gumbel: Vec<Tensor<2>>,
    /// Standard normal numbers, (batch, latent).
    pub normal: Vec<Tensor<2>>,
}

/// Outputs of the network for one scale.
#[derive(Clone, Debug)]
pub(crate) struct ScaleOutput {
    /// (batch, channel, feature) after the common encoder.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with golden numbers"))]
    pub common: Tensor<3>,
    /// (batch, cluster), not normalised.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with golden numbers"))]
    pub logits: Tensor<2>,
    /// ln q(y|x), (batch, cluster).
    pub log_probability: Tensor<2>,
    /// Soft sample of y, (batch, cluster).
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with golden numbers"))]
    pub cluster: Tensor<2>,
    /// q(z|x,y), (batch, latent).
    pub mean: Tensor<2>,
    pub variance: Tensor<2>,
    /// Sample of z, (batch, latent).
    pub latent: Tensor<2>,
    /// p(z|y), (batch, latent).
    pub prior_mean: Tensor<2>,
    pub prior_variance: Tensor<2>,
    /// (batch, channel, feature).
    pub reconstruction: Tensor<3>,
}

/// One pass through the network. In [`Mode::Train`] the running statistics in `parameters` are updated.
pub(crate) struct Pass<'a> {
    pub plan: &'a Plan,
    pub parameters: &'a mut Parameters,
    pub mode: Mode,
}

impl Pass<'_> {
    /// Everything, for every scale.
    pub fn run(&mut self, batch: &Batch, temperature: f64) -> Vec<ScaleOutput> {
        let plan = self.plan;
        self.common(&batch.inputs)
            .into_iter()
            .zip(&plan.scales)
            .enumerate()
            .map(|(s, (common, scale))| {
                self.scale(
                    scale,
                    common,
                    &batch.gumbel[s],
                    &batch.normal[s],
                    temperature,
                )
            })
            .collect()
    }

    /// ln q(y|x) of every scale, (batch, cluster).
    pub fn log_probabilities(&mut self, inputs: &[Tensor<3>]) -> Vec<Tensor<2>> {
        let plan = self.plan;
        self.common(inputs)
            .into_iter()
            .zip(&plan.scales)
            .map(|(common, scale)| log_softmax(self.logits(scale, common), 1))
            .collect()
    }

    fn scale(
        &mut self,
        plan: &ScalePlan,
        common: Tensor<3>,
        gumbel: &Tensor<2>,
        normal: &Tensor<2>,
        temperature: f64,
    ) -> ScaleOutput {
        let [b, c, _] = common.dims();
        let logits = self.logits(plan, common.clone());
        let [_, k] = logits.dims();
        let log_probability = log_softmax(logits.clone(), 1);
        // Not a division: burn takes the derivative of one by a number in single precision.
        let cluster = softmax((logits.clone() + gumbel.clone()) * (1.0 / temperature), 1);
        // q(z|x,y) receives the soft cluster next to the features of each channel.
        let on_channels = cluster.clone().reshape([b, 1, k]).expand([b, c, k]);
        let joined = Tensor::cat(vec![common.clone(), on_channels], 2);
        let hidden = self.trunk(&plan.latent_trunk, joined);
        let mean = self.linear(plan.mean, hidden.clone());
        let variance = softplus(self.linear(plan.variance, hidden), 1.0);
        // Reparametrisation, z = mu + sigma e: gradients pass through mu and sigma, not through the noise.
        // 1e-10 keeps the derivative of the root finite where softplus underflows.
        let latent = mean.clone() + normal.clone() * (variance.clone() + 1e-10).sqrt();
        let (prior_mean, prior_variance) = self.prior(plan, cluster.clone());
        let reconstruction = self.decode(&plan.decoder, latent.clone(), c);
        ScaleOutput {
            common,
            logits,
            log_probability,
            cluster,
            mean,
            variance,
            latent,
            prior_mean,
            prior_variance,
            reconstruction,
        }
    }

    /// Mean and variance of p(z|y), (batch, latent), for y (batch, cluster), soft or one-hot.
    pub fn prior(&mut self, plan: &ScalePlan, cluster: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let mean = self.linear(plan.prior_mean, cluster.clone());
        // At least 1, as published: a prior without this bound can shrink onto its samples.
        let variance = softplus(self.linear(plan.prior_variance, cluster), 1.0) + 1.0;
        (mean, variance)
    }

    /// Mean of p(x|z), (batch, channel, feature).
    pub fn decode(&mut self, plan: &Decoder, latent: Tensor<2>, channels: usize) -> Tensor<3> {
        let mut hidden = latent;
        for &layer in &plan.hidden {
            hidden = self.layer(layer, hidden);
        }
        let [b, wide] = hidden.dims();
        let rows = hidden.reshape([b * channels, wide / channels]);
        let output = self.linear(plan.output, rows);
        let [_, features] = output.dims();
        output.reshape([b, channels, features])
    }

    /// The common residual encoder, cut into scales again.
    fn common(&mut self, inputs: &[Tensor<3>]) -> Vec<Tensor<3>> {
        let plan = self.plan;
        // All scales in one tensor: the common encoder mixes them.
        let mut hidden = Tensor::cat(inputs.to_vec(), 2);
        for block in &plan.common {
            let inner = self.channel_layer(block.down, hidden.clone());
            hidden = hidden + self.linear_on_channels(block.up, inner);
        }
        let mut start = 0;
        inputs
            .iter()
            .map(|input| {
                let [_, _, n] = input.dims();
                start += n;
                hidden.clone().narrow(2, start - n, n)
            })
            .collect()
    }

    fn logits(&mut self, plan: &ScalePlan, common: Tensor<3>) -> Tensor<2> {
        let hidden = self.trunk(&plan.cluster_trunk, common);
        self.linear(plan.logits, hidden)
    }

    fn trunk(&mut self, plan: &Trunk, input: Tensor<3>) -> Tensor<2> {
        let hidden = self.channel_layer(plan.channel, input);
        let [b, c, h] = hidden.dims();
        let mut hidden = hidden.reshape([b, c * h]);
        for &layer in &plan.rest {
            hidden = self.layer(layer, hidden);
        }
        hidden
    }

    /// Linear, normalisation per column, LeakyReLU.
    fn layer(&mut self, layer: LinearNorm, input: Tensor<2>) -> Tensor<2> {
        let hidden = self.linear(layer.linear, input);
        leaky_relu(self.normalise_columns(layer.norm, hidden), SLOPE)
    }

    /// [`layer`](Self::layer) on (batch, channel, feature), with one normalisation per channel.
    fn channel_layer(&mut self, layer: LinearNorm, input: Tensor<3>) -> Tensor<3> {
        let hidden = self.linear_on_channels(layer.linear, input);
        leaky_relu(self.normalise_channels(layer.norm, hidden), SLOPE)
    }

    fn linear(&self, linear: Linear, input: Tensor<2>) -> Tensor<2> {
        let product = input.matmul(self.value(linear.weight));
        match linear.bias {
            Some(bias) => product + self.value(bias),
            None => product,
        }
    }

    fn linear_on_channels(&self, linear: Linear, input: Tensor<3>) -> Tensor<3> {
        let [b, c, n] = input.dims();
        let output = self.linear(linear, input.reshape([b * c, n]));
        let [_, m] = output.dims();
        output.reshape([b, c, m])
    }

    fn value(&self, index: usize) -> Tensor<2> {
        self.parameters.values[index].clone()
    }

    /// (batch, n): statistics over the batch.
    fn normalise_columns(&mut self, norm: Norm, x: Tensor<2>) -> Tensor<2> {
        let (centred, variance) = match self.mode {
            Mode::Train => {
                let [n, _] = x.dims();
                let mean = x.clone().mean_dim(0);
                let centred = x - mean.clone();
                let variance = (centred.clone() * centred.clone()).mean_dim(0);
                self.update_statistics(norm, mean, variance.clone(), n);
                (centred, variance)
            }
            Mode::Evaluate => (x - self.value(norm.mean), self.value(norm.variance)),
        };
        centred * self.gain(norm, variance) + self.value(norm.bias)
    }

    /// (batch, channel, n): statistics per channel over batch and n. Two means, one after the other, keep sums short.
    fn normalise_channels(&mut self, norm: Norm, x: Tensor<3>) -> Tensor<3> {
        let [b, c, n] = x.dims();
        let per_channel = [1, c, 1];
        let (centred, variance) = match self.mode {
            Mode::Train => {
                // Two means, one after the other: one sum over batch and features loses digits in single precision.
                let mean = x.clone().mean_dim(2).mean_dim(0);
                let centred = x - mean.clone();
                let variance = (centred.clone() * centred.clone())
                    .mean_dim(2)
                    .mean_dim(0)
                    .reshape([1, c]);
                self.update_statistics(norm, mean.reshape([1, c]), variance.clone(), b * n);
                (centred, variance)
            }
            Mode::Evaluate => (
                x - self.value(norm.mean).reshape(per_channel),
                self.value(norm.variance),
            ),
        };
        centred * self.gain(norm, variance).reshape(per_channel)
            + self.value(norm.bias).reshape(per_channel)
    }

    fn gain(&self, norm: Norm, variance: Tensor<2>) -> Tensor<2> {
        self.value(norm.weight) / (variance + NORM_EPS).sqrt()
    }

    /// running <- 0.9 running + 0.1 batch, with the unbiased variance over `n` values.
    fn update_statistics(&mut self, norm: Norm, mean: Tensor<2>, variance: Tensor<2>, n: usize) {
        // Bessel's correction, as in PyTorch, for the running variance only.
        let unbiased = n as f64 / (n.max(2) - 1) as f64;
        let mut mix = |index: usize, batch: Tensor<2>, factor: f64| {
            let running = &mut self.parameters.values[index];
            // Detached by `inner`: the graph of an epoch must not grow from step to step.
            *running = running.clone() * (1.0 - MOMENTUM) + batch.inner() * (MOMENTUM * factor);
        };
        mix(norm.mean, mean, 1.0);
        mix(norm.variance, variance, unbiased);
    }
}
