//! Two recipes: the published one, and one that trains in minutes on two cores.

use crate::model::FvaeConfig;
use crate::objective::ObjectiveWeights;
use crate::train::{LearningRateSchedule, Temperature, TrainOptions};

/// Sizes of a model and how to train it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// `paper` or `compact`.
    pub name: &'static str,
    /// Sizes.
    pub config: FvaeConfig,
    /// Training.
    pub options: TrainOptions,
}

impl Preset {
    /// The published recipe (arXiv 2305.16189): hidden 1024, 4 layers, latent 32, 9 clusters, 1000 epochs of batches of
    /// 16384, Adam at 1e-3. With `n_features` = 420, `n_channels` = 3 and four scales about 195 million parameters.
    pub fn paper(scale_names: &[&str], n_features: usize, n_channels: usize) -> Self {
        Self {
            name: "paper",
            config: FvaeConfig {
                scale_names: owned(scale_names),
                features_per_scale: vec![n_features; scale_names.len()],
                n_channels,
                n_clusters: 9,
                latent: 32,
                hidden: 1024,
                layers: 4,
            },
            options: TrainOptions::default(),
        }
    }

    /// The default: few, whitened inputs and initial labels (k-means or a hidden Markov model), without which a
    /// small budget clusters badly. Hidden 64, 2 layers, latent 8, one channel; 24 epochs of batches of 128, Adam from
    /// 5e-3 down a cosine to 2 %, temperature 1 to 0.5 by half-way; reconstruction weight 3; initial labels with weight
    /// 5 in all epochs (set `options.initial_labels`): without them the network drifts from clusters that only their
    /// order in time separates.
    pub fn compact(scale_names: &[&str], features_per_scale: &[usize]) -> Self {
        Self {
            name: "compact",
            config: FvaeConfig {
                scale_names: owned(scale_names),
                features_per_scale: features_per_scale.to_vec(),
                n_channels: 1,
                n_clusters: 9,
                latent: 8,
                hidden: 64,
                layers: 2,
            },
            options: TrainOptions {
                epochs: 24,
                batch: 128,
                learning_rate: 5e-3,
                schedule: LearningRateSchedule::Cosine { end: 0.02 },
                temperature: Temperature::Linear {
                    start: 1.0,
                    end: 0.5,
                    fraction: 0.5,
                },
                weights: ObjectiveWeights {
                    reconstruction: 3.0,
                    ..ObjectiveWeights::default()
                },
                label_epochs: 24,
                label_weight: 5.0,
                ..TrainOptions::default()
            },
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_published_model_has_as_many_parameters_as_the_reference() {
        let preset = Preset::paper(&["1024", "4096", "16384", "65536"], 420, 3);
        // Counted by PyTorch in the same network (scripts/bench_training.py, case `paper`).
        let plan = crate::model::Plan::new(&preset.config);
        assert_eq!(plan.n_parameters(), 195_727_612);
        preset.options.check().unwrap();
    }

    #[test]
    fn the_compact_preset_is_valid() {
        let preset = Preset::compact(&["a", "b"], &[40, 30]);
        preset.config.check().unwrap();
        preset.options.check().unwrap();
        assert_eq!(preset.config.features_per_scale, [40, 30]);
    }
}
