//! Options of a training.

use serde::{Deserialize, Serialize};

use crate::error::{Result, setting};
use crate::model::ComputeDevice;
use crate::objective::ObjectiveWeights;

/// Learning rate over the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum LearningRateSchedule {
    /// Constant.
    #[default]
    Constant,
    /// Half a cosine, from the full rate at the first step to this fraction of it at the last.
    Cosine {
        /// Fraction at the end, 0 to 1.
        end: f64,
    },
}

impl LearningRateSchedule {
    /// Factor of the learning rate at `progress` (0: first step, 1: end of the last).
    pub fn factor(&self, progress: f64) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Cosine { end } => {
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

/// Temperature of the Gumbel-softmax over the training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Temperature {
    /// `max(floor, exp(-rate * epoch))`.
    Exponential {
        /// Decay per epoch.
        rate: f64,
        /// Lowest temperature.
        floor: f64,
    },
    /// In a straight line from `start` to `end` over the first `fraction` of the epochs, then constant.
    Linear {
        /// Temperature of the first epoch.
        start: f64,
        /// Temperature after the descent.
        end: f64,
        /// Share of the epochs that the descent takes.
        fraction: f64,
    },
}

impl Default for Temperature {
    /// The published schedule: halved in 50 epochs, then 0.5.
    fn default() -> Self {
        Self::Exponential {
            rate: 0.013_862_944,
            floor: 0.5,
        }
    }
}

impl Temperature {
    /// Lowest temperature: below, samples are one-hot to single precision and their gradients useless.
    pub const LEAST: f64 = 0.01;
    /// Highest temperature: above, samples are all alike.
    pub const MOST: f64 = 100.0;

    /// Temperature in epoch `epoch` (counted from 0) of `epochs`.
    pub fn at(&self, epoch: usize, epochs: usize) -> f64 {
        match *self {
            Self::Exponential { rate, floor } => (-rate * epoch as f64).exp().max(floor),
            Self::Linear {
                start,
                end,
                fraction,
            } => {
                // At least one epoch: a fraction of 0 would divide by zero.
                let length = (fraction * epochs as f64).max(1.0);
                start + (end - start) * (epoch as f64 / length).min(1.0)
            }
        }
    }

    /// Checks that no temperature is outside [`LEAST`](Self::LEAST) to [`MOST`](Self::MOST).
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting).
    pub fn check(&self) -> Result<()> {
        let in_range = |name, value: f64| {
            setting(
                (Self::LEAST..=Self::MOST).contains(&value),
                name,
                value,
                "from 0.01 to 100",
            )
        };
        match *self {
            Self::Exponential { rate, floor } => {
                setting(
                    rate >= 0.0 && rate.is_finite(),
                    "temperature rate",
                    rate,
                    "0 or more",
                )?;
                in_range("temperature floor", floor)
            }
            Self::Linear {
                start,
                end,
                fraction,
            } => {
                in_range("temperature start", start)?;
                in_range("temperature end", end)?;
                setting(
                    (0.0..=1.0).contains(&fraction),
                    "temperature fraction",
                    fraction,
                    "from 0 to 1",
                )
            }
        }
    }
}

/// Options of a training; [`Default`] is the published recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Number of passes through the training windows.
    pub epochs: usize,
    /// Largest number of windows in a step; an epoch's steps are as equal in size as can be.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Its course.
    pub schedule: LearningRateSchedule,
    /// Temperature of the Gumbel-softmax.
    pub temperature: Temperature,
    /// Weights of the objective's terms.
    pub weights: ObjectiveWeights,
    /// Each entry of a gradient is cut to plus or minus this.
    pub gradient_limit: f64,
    /// Seed of weights, order and noise.
    pub seed: u64,
    /// Initial clusters: per scale, one entry a window (of all windows, not only training ones); `None` where
    /// unknown.
    #[serde(skip)]
    pub initial_labels: Option<Vec<Vec<Option<usize>>>>,
    /// Number of epochs in which the initial labels have a weight.
    pub label_epochs: usize,
    /// Weight of the cross-entropy to the initial labels.
    pub label_weight: f64,
    /// Stops after this number of epochs without a lower validation loss (after the epochs with initial labels, if any
    /// follow them), and keeps the weights of the epoch where it was lowest, [`History::kept`]. `None`, or no
    /// validation windows: never stops early, and the weights of the last epoch are kept.
    ///
    /// [`History::kept`]: crate::History::kept
    pub patience: Option<usize>,
    /// Number of epochs between checkpoints; one is written after the last as well.
    pub checkpoint_every: usize,
    /// Device of the computation.
    pub device: ComputeDevice,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            epochs: 1000,
            batch: 16_384,
            learning_rate: 1e-3,
            schedule: LearningRateSchedule::Constant,
            temperature: Temperature::default(),
            weights: ObjectiveWeights::default(),
            gradient_limit: 20.0,
            seed: 0,
            initial_labels: None,
            label_epochs: 0,
            label_weight: 0.0,
            patience: None,
            checkpoint_every: 1,
            device: ComputeDevice::Cpu,
        }
    }
}

impl TrainOptions {
    /// Most epochs.
    pub const MAX_EPOCHS: usize = 1_000_000;

    /// Checks every setting but the initial labels, which need the data.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with the allowed range.
    pub fn check(&self) -> Result<()> {
        setting(
            (1..=Self::MAX_EPOCHS).contains(&self.epochs),
            "epochs",
            self.epochs,
            "from 1 to 1000000",
        )?;
        setting(self.batch >= 2, "batch", self.batch, "2 or more")?;
        setting(
            self.checkpoint_every >= 1,
            "checkpoint_every",
            self.checkpoint_every,
            "1 or more",
        )?;
        setting(
            self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            "learning_rate",
            self.learning_rate,
            "above 0 and finite",
        )?;
        if let LearningRateSchedule::Cosine { end } = self.schedule {
            setting(
                (0.0..=1.0).contains(&end),
                "end of the cosine",
                end,
                "from 0 to 1",
            )?;
        }
        setting(
            self.gradient_limit > 0.0,
            "gradient_limit",
            self.gradient_limit,
            "above 0",
        )?;
        setting(
            self.label_weight >= 0.0 && self.label_weight.is_finite(),
            "label_weight",
            self.label_weight,
            "0 or more",
        )?;
        setting(
            self.patience != Some(0),
            "patience",
            0,
            "1 or more, or none",
        )?;
        self.temperature.check()?;
        self.weights.check()
    }

    /// Weight of the initial labels in an epoch.
    pub(crate) fn label_weight_at(&self, epoch: usize) -> f64 {
        if self.initial_labels.is_some() && epoch < self.label_epochs {
            self.label_weight
        } else {
            0.0
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_published_temperature_halves_in_fifty_epochs() {
        let schedule = Temperature::default();
        assert_eq!(schedule.at(0, 1000), 1.0);
        assert!((schedule.at(50, 1000) - 0.5).abs() < 1e-7);
        assert_eq!(schedule.at(60, 1000), 0.5);
        let line = Temperature::Linear {
            start: 1.0,
            end: 0.5,
            fraction: 0.5,
        };
        assert_eq!(
            [0, 6, 12, 20].map(|e| line.at(e, 24)),
            [1.0, 0.75, 0.5, 0.5]
        );
    }

    #[test]
    fn the_cosine_ends_where_it_should() {
        let cosine = LearningRateSchedule::Cosine { end: 0.02 };
        assert_eq!(cosine.factor(0.0), 1.0);
        assert!((cosine.factor(0.5) - 0.51).abs() < 1e-12);
        assert!((cosine.factor(1.0) - 0.02).abs() < 1e-12);
    }

    #[test]
    fn settings_are_checked() {
        assert!(TrainOptions::default().check().is_ok());
        let constant = |value| Temperature::Linear {
            start: value,
            end: value,
            fraction: 0.0,
        };
        for value in [0.01, 0.5, 100.0] {
            assert!(constant(value).check().is_ok());
        }
        for value in [0.0, 1e-30, 101.0, f64::NAN, f64::INFINITY] {
            assert!(constant(value).check().is_err());
            let (rate, floor) = (0.01, value);
            assert!(Temperature::Exponential { rate, floor }.check().is_err());
        }
        let broken: [fn(&mut TrainOptions); 9] = [
            |o| o.epochs = 0,
            |o| o.epochs = usize::MAX,
            |o| o.batch = 1,
            |o| o.learning_rate = f64::NAN,
            |o| o.schedule = LearningRateSchedule::Cosine { end: 1.5 },
            |o| o.gradient_limit = f64::NAN,
            |o| o.label_weight = -1.0,
            |o| o.patience = Some(0),
            |o| o.weights.kl_latent = f64::INFINITY,
        ];
        for (index, breaks) in broken.into_iter().enumerate() {
            let mut options = TrainOptions::default();
            breaks(&mut options);
            assert!(options.check().is_err(), "{index}");
        }
    }
}
