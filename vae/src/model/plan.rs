//! Architecture as a table: every tensor's name, shape and initial value, and the layer that uses it.
//!
//! Names are those of the PyTorch module tree that published weights come in, so that state dictionaries load by
//! name. The table is made from the sizes alone; nothing is allocated.

use crate::model::config::FvaeConfig;

/// Kind of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Trained by gradient.
    Parameter,
    /// Running mean or variance of a normalisation.
    Statistic,
}

/// Initial value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initial {
    /// Normal with variance 2 / (inputs + outputs) (Glorot and Bengio 2010).
    Glorot,
    Zero,
    One,
}

/// Name, shape and kind of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name, parts joined by `.`.
    pub name: String,
    /// Shape: (outputs, inputs) of a linear map, (n) of everything else.
    pub shape: Vec<usize>,
    /// Parameter or running statistic.
    pub kind: TensorKind,
    pub(crate) initial: Initial,
}

impl TensorSpec {
    /// Rows and columns of the tensor as files hold it: vectors are rows.
    pub(crate) fn matrix_shape(&self) -> [usize; 2] {
        match self.shape[..] {
            [rows, columns] => [rows, columns],
            _ => [1, self.shape.iter().product()],
        }
    }

    /// True if it is held in memory as (inputs, outputs), transposed relative to files: products and their gradients
    /// then need no transposed copy.
    pub(crate) fn is_transposed(&self) -> bool {
        self.shape.len() == 2
    }
}

/// `v W^T + b`: positions of W and b in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub weight: usize,
    pub bias: Option<usize>,
}

/// Batch normalisation: positions in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    pub weight: usize,
    pub bias: usize,
    pub mean: usize,
    pub variance: usize,
}

/// A linear map, then a normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearNorm {
    pub linear: Linear,
    pub norm: Norm,
}

/// One residual block of the common encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Residual {
    pub down: LinearNorm,
    pub up: Linear,
}

/// From (batch, channel, feature) to (batch, hidden).
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    /// Applied to each channel.
    pub channel: LinearNorm,
    /// Applied to all channels side by side, then to hidden units.
    pub rest: Vec<LinearNorm>,
}

/// p(x|z).
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    pub hidden: Vec<LinearNorm>,
    pub output: Linear,
}

/// All that belongs to one scale.
#[derive(Clone, Debug)]
pub(crate) struct ScalePlan {
    pub cluster_trunk: Trunk,
    pub logits: Linear,
    pub latent_trunk: Trunk,
    pub mean: Linear,
    pub variance: Linear,
    pub prior_mean: Linear,
    pub prior_variance: Linear,
    pub decoder: Decoder,
}

/// The architecture of one model.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    specs: Vec<TensorSpec>,
    pub common: Vec<Residual>,
    pub scales: Vec<ScalePlan>,
}

impl Plan {
    /// The plan of a checked configuration, in the order of the published state dictionary.
    pub fn new(config: &FvaeConfig) -> Self {
        let mut table = Table::default();
        let FvaeConfig {
            n_channels: c,
            n_clusters: k,
            latent: z,
            hidden: h,
            layers,
            ..
        } = *config;
        let total: usize = config.features_per_scale.iter().sum();
        // The order of the table is that of the published state dictionary: do not reorder.
        let common = (0..layers)
            .map(|layer| {
                let at = |n: usize| format!("inference.common.{layer}.module.{n}");
                Residual {
                    down: table.linear_norm(&at(0), &at(1), total, h, c),
                    up: table.linear(&at(3), h, total),
                }
            })
            .collect();
        let scales = || config.scale_names.iter().zip(&config.features_per_scale);
        let cluster_trunks: Vec<Trunk> = scales()
            .map(|(s, &f)| table.trunk(&format!("inference.inference_qyx.{s}"), f, config))
            .collect();
        let logits: Vec<Linear> = scales()
            .map(|(s, _)| table.linear_bias(&format!("inference.gumbel_softmax.{s}.logits"), h, k))
            .collect();
        let latent_trunks: Vec<Trunk> = scales()
            .map(|(s, &f)| table.trunk(&format!("inference.inference_qzyx.{s}"), f + k, config))
            .collect();
        let gaussians: Vec<(Linear, Linear)> = scales()
            .map(|(s, _)| {
                let at = |n: &str| format!("inference.gaussian.{s}.{n}");
                (
                    table.linear(&at("mu"), h, z),
                    table.linear(&at("var"), h, z),
                )
            })
            .collect();
        let prior_means: Vec<Linear> = scales()
            .map(|(s, _)| table.linear_bias(&format!("generative.y_mu.{s}"), k, z))
            .collect();
        let prior_variances: Vec<Linear> = scales()
            .map(|(s, _)| table.linear_bias(&format!("generative.y_var.{s}"), k, z))
            .collect();
        let decoders: Vec<Decoder> = scales()
            .map(|(s, &f)| table.decoder(&format!("generative.generative_pxz.{s}"), f, config))
            .collect();
        let scales = (0..config.n_scales())
            .map(|s| ScalePlan {
                cluster_trunk: cluster_trunks[s].clone(),
                logits: logits[s],
                latent_trunk: latent_trunks[s].clone(),
                mean: gaussians[s].0,
                variance: gaussians[s].1,
                prior_mean: prior_means[s],
                prior_variance: prior_variances[s],
                decoder: decoders[s].clone(),
            })
            .collect();
        Self {
            specs: table.specs,
            common,
            scales,
        }
    }

    /// Number of trainable numbers.
    #[cfg(test)]
    pub fn n_parameters(&self) -> usize {
        let trained = self
            .specs
            .iter()
            .filter(|spec| spec.kind == TensorKind::Parameter);
        trained
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum()
    }

    /// Every tensor, in order.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }
}

#[derive(Default)]
struct Table {
    specs: Vec<TensorSpec>,
}

impl Table {
    fn add(&mut self, name: String, shape: &[usize], kind: TensorKind, initial: Initial) -> usize {
        self.specs.push(TensorSpec {
            name,
            shape: shape.to_vec(),
            kind,
            initial,
        });
        self.specs.len() - 1
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let weight = self.add(
            format!("{name}.weight"),
            &[outputs, inputs],
            TensorKind::Parameter,
            Initial::Glorot,
        );
        Linear { weight, bias: None }
    }

    fn linear_bias(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let linear = self.linear(name, inputs, outputs);
        let bias = self.add(
            format!("{name}.bias"),
            &[outputs],
            TensorKind::Parameter,
            Initial::Zero,
        );
        Linear {
            bias: Some(bias),
            ..linear
        }
    }

    fn norm(&mut self, name: &str, n: usize) -> Norm {
        use {Initial::*, TensorKind::*};
        let mut add = |part, kind, initial| self.add(format!("{name}.{part}"), &[n], kind, initial);
        Norm {
            weight: add("weight", Parameter, One),
            bias: add("bias", Parameter, Zero),
            mean: add("running_mean", Statistic, Zero),
            variance: add("running_var", Statistic, One),
        }
    }

    /// A linear map from `inputs` to `outputs` named `linear`, then a normalisation of `n` groups named `norm`.
    fn linear_norm(
        &mut self,
        linear: &str,
        norm: &str,
        inputs: usize,
        outputs: usize,
        n: usize,
    ) -> LinearNorm {
        LinearNorm {
            linear: self.linear(linear, inputs, outputs),
            norm: self.norm(norm, n),
        }
    }

    /// Layers count LeakyReLU and the flattening: 0 1 (2 3) 4 5 (6) 7 8 (9) 10 11 ...
    fn trunk(&mut self, name: &str, inputs: usize, config: &FvaeConfig) -> Trunk {
        let (h, c) = (config.hidden, config.n_channels);
        let at = |n: usize| format!("{name}.{n}");
        let channel = self.linear_norm(&at(0), &at(1), inputs, h, c);
        let rest = (0..config.layers)
            .map(|layer| {
                // The flattening and LeakyReLU have numbers but no tensors.
                let first = 4 + 3 * layer;
                // The first of these layers joins the channels.
                let inputs = if layer == 0 { c * h } else { h };
                self.linear_norm(&at(first), &at(first + 1), inputs, h, h)
            })
            .collect();
        Trunk { channel, rest }
    }

    /// Layers: 0 1 (2) 3 4 (5) 6 7 (8) ... (reshape) output.
    fn decoder(&mut self, name: &str, outputs: usize, config: &FvaeConfig) -> Decoder {
        let (h, wide) = (config.hidden, config.hidden * config.n_channels);
        let at = |n: usize| format!("{name}.{n}");
        let hidden = (0..=config.layers)
            .map(|layer| {
                let (inputs, outputs) = match layer {
                    0 => (config.latent, h),
                    // Widens to all channels before the reshape.
                    1 => (h, wide),
                    _ => (wide, wide),
                };
                self.linear_norm(&at(3 * layer), &at(3 * layer + 1), inputs, outputs, outputs)
            })
            .collect();
        let output = self.linear_bias(&at(3 * (config.layers + 1) + 1), h, outputs);
        Decoder { hidden, output }
    }
}
