//! Settings of the model and its training.

use seismix_vae::ComputeDevice;
use serde::{Deserialize, Serialize};

use crate::config::error::{ConfigError, Result};
use crate::config::option_names;
use crate::config::recipe::{InitialClusters, Recipe};

/// A set of sizes for the model and its training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrainPreset {
    /// Trains in minutes on two cores; features free of amplitude, started from k-means.
    Compact,
    /// The paper's sizes, features and cold start.
    Paper,
}

option_names!(TrainPreset, { Compact => "compact", Paper => "paper" });

/// The model and its training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// The preset that the other fields started from; it also chooses the features and the start.
    pub preset: TrainPreset,
    /// Clusters K a scale.
    pub clusters: usize,
    /// True if K is chosen by the clusters' repeatability, in place of `clusters`.
    pub auto_clusters: bool,
    /// Fits with other seeds, and as many on other blocks of time, that say how far clusters repeat, the model's own
    /// counted; 1 for none.
    pub seeds: usize,
    /// Weight of the log powers among the inputs; 0 for none.
    pub amplitude: f64,
    /// Latent dimensions a scale.
    pub latent: usize,
    /// Width of the hidden layers.
    pub hidden: usize,
    /// Hidden layers.
    pub layers: usize,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows a step.
    pub batch: usize,
    /// Adam's step size at the start.
    pub learning_rate: f64,
    /// Device of the training.
    pub device: ComputeDevice,
    /// Steps and courses that differ from the preset's.
    pub recipe: Recipe,
}

impl TrainConfig {
    /// The sizes of a preset.
    pub fn preset(preset: TrainPreset) -> Self {
        match preset {
            TrainPreset::Compact => Self {
                preset,
                clusters: 9,
                auto_clusters: false,
                seeds: 1,
                amplitude: 0.0,
                latent: 8,
                hidden: 64,
                layers: 2,
                epochs: 24,
                batch: 128,
                learning_rate: 5e-3,
                device: ComputeDevice::Cpu,
                recipe: Recipe::default(),
            },
            TrainPreset::Paper => Self {
                preset,
                clusters: 9,
                auto_clusters: false,
                seeds: 1,
                amplitude: 0.0,
                latent: 32,
                hidden: 1024,
                layers: 4,
                epochs: 1000,
                batch: 16_384,
                learning_rate: 1e-3,
                device: ComputeDevice::Cpu,
                recipe: Recipe::default(),
            },
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self::preset(TrainPreset::Compact)
    }
}

impl TrainConfig {
    /// Most fits with other seeds.
    pub const MAX_SEEDS: usize = 1000;

    /// Refuses settings that contradict each other, in the words of the command line.
    ///
    /// # Errors
    /// [`ConfigError`] with what to write instead.
    pub fn check(&self) -> Result<()> {
        if !(1..=Self::MAX_SEEDS).contains(&self.seeds) {
            return Err(ConfigError::new(format!(
                "--seeds {}: write a whole number from 1 to {}",
                self.seeds,
                Self::MAX_SEEDS
            )));
        }
        let repeats = self.auto_clusters || self.seeds > 1;
        let refuse = |what: &str| Err(ConfigError::new(what));
        match self.preset {
            TrainPreset::Paper if repeats => refuse(
                "--clusters auto and --seeds look at the first clusters, which --preset paper has none of: use --preset \
                 compact, or give --clusters a number and leave --seeds out",
            ),
            TrainPreset::Paper if self.recipe.changes_inputs() => refuse(
                "--start, --no-temporal-whitening, --no-deflation and --finest-levels are steps of --preset compact: use it, \
                 or leave them out",
            ),
            TrainPreset::Paper if self.amplitude > 0.0 => refuse(
                "--amplitude is an option of --preset compact: the paper's features are free of amplitude",
            ),
            TrainPreset::Compact if repeats && self.recipe.start == InitialClusters::Random => {
                refuse(
                    "--clusters auto and --seeds look at the first clusters, which a network from --start random does not have: \
                 use --start hmm, mixture or k-means, or give --clusters a number and leave --seeds out",
                )
            }
            _ => Ok(()),
        }
    }
}
