//! Switches of the recipe's steps and of the training's course.

use std::fmt;
use std::str::FromStr;

use seismix_vae::features::{InitMethod, InputsOptions, LocalLogPower};
use seismix_vae::train::{LearningRateSchedule, Temperature};
use serde::{Deserialize, Serialize};

use crate::config::error::ConfigError;
use crate::config::{option_names, serde_as_text};

/// Method for the first clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InitialClusters {
    /// A hidden Markov model with one covariance, from k-means; it looks ahead in time.
    #[default]
    Hmm,
    /// A mixture of Gaussians with one covariance, from k-means.
    Mixture,
    /// k-means alone.
    KMeans,
    /// None: the network starts from random weights.
    Random,
}

option_names!(InitialClusters, { Hmm => "hmm", Mixture => "mixture", KMeans => "k-means", Random => "random" });

impl InitialClusters {
    /// Method for the first clusters; a random start finds them as well, for the deflation.
    pub fn method(self) -> InitMethod {
        match self {
            Self::Hmm | Self::Random => InitMethod::Hmm,
            Self::Mixture => InitMethod::Mixture,
            Self::KMeans => InitMethod::KMeans,
        }
    }
}

/// The course of the learning rate: `constant`, `cosine` (down to 2 %), or `cosine:END` with the part that is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule(pub LearningRateSchedule);

impl FromStr for Schedule {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let schedule = match text.split_once(':') {
            None if text == "constant" => LearningRateSchedule::Constant,
            None if text == "cosine" => LearningRateSchedule::Cosine { end: 0.02 },
            Some(("cosine", end)) => match end.parse() {
                Ok(end) if (0.0..=1.0).contains(&end) => LearningRateSchedule::Cosine { end },
                _ => return Err(ConfigError::new("the part left at the end is from 0 to 1")),
            },
            _ => return Err(ConfigError::new("write constant, cosine or cosine:END")),
        };
        Ok(Self(schedule))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LearningRateSchedule::Constant => f.write_str("constant"),
            LearningRateSchedule::Cosine { end } => write!(f, "cosine:{end}"),
        }
    }
}

/// The course of the temperature: `X` (constant), `START:END:PART` (a straight line over the first part of the
/// epochs), or
/// `exp:RATE:FLOOR` (`max(FLOOR, exp(-RATE epoch))`, as published).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cooling(pub Temperature);

impl FromStr for Cooling {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |part: &str| {
            part.parse::<f64>()
                .ok()
                .filter(|x| x.is_finite() && *x >= 0.0)
        };
        let temperature = match parts[..] {
            ["exp", rate, floor] => number(rate)
                .zip(number(floor))
                .map(|(rate, floor)| Temperature::Exponential { rate, floor }),
            [start, end, fraction] => number(start).zip(number(end)).zip(number(fraction)).map(
                |((start, end), fraction)| Temperature::Linear {
                    start,
                    end,
                    fraction,
                },
            ),
            [constant] => number(constant).map(|constant| Temperature::Linear {
                start: constant,
                end: constant,
                fraction: 0.0,
            }),
            _ => None,
        };
        let temperature = temperature.ok_or_else(|| {
            ConfigError::new("write a number, START:END:PART (such as 1:0.5:0.5) or exp:RATE:FLOOR")
        })?;
        temperature
            .check()
            .map_err(|error| ConfigError::new(error.to_string()))?;
        Ok(Self(temperature))
    }
}

impl fmt::Display for Cooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Temperature::Exponential { rate, floor } => write!(f, "exp:{rate}:{floor}"),
            Temperature::Linear {
                start,
                end,
                fraction,
            } => write!(f, "{start}:{end}:{fraction}"),
        }
    }
}

/// Levels among the inputs of the finest scale: `tail` (by the training windows' upper tail), `off`, or a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels(pub LocalLogPower);

impl FromStr for Levels {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Ok(Self(match text {
            "tail" => LocalLogPower::Tail,
            "off" => LocalLogPower::Off,
            _ => match text.parse::<f64>() {
                Ok(weight) if (0.0..=InputsOptions::MAX_WEIGHT).contains(&weight) => {
                    LocalLogPower::Weight(weight)
                }
                _ => {
                    return Err(ConfigError::new(format!(
                        "write tail, off, or a weight from 0 to {}",
                        InputsOptions::MAX_WEIGHT
                    )));
                }
            },
        }))
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LocalLogPower::Tail => f.write_str("tail"),
            LocalLogPower::Off => f.write_str("off"),
            LocalLogPower::Weight(weight) => write!(f, "{weight}"),
        }
    }
}

serde_as_text!(Schedule, Cooling, Levels);

/// Steps of the default recipe, each of which can be switched, and the course of the training. `None`: the preset's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Method for the first clusters.
    pub start: InitialClusters,
    /// True if scales above the finest keep their slowest directions.
    pub temporal_whitening: bool,
    /// True if means of coarser clusters are subtracted from the finer features.
    pub deflation: bool,
    /// Levels among the inputs of the finest scale.
    pub finest_levels: Levels,
    /// Course of the learning rate.
    pub schedule: Option<Schedule>,
    /// Course of the temperature.
    pub temperature: Option<Cooling>,
    /// Epochs without a lower validation loss after which the training stops; never if `None`.
    pub patience: Option<usize>,
    /// Share of the time that is held out, 0 to 0.5.
    pub validation: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            start: InitialClusters::Hmm,
            temporal_whitening: true,
            deflation: true,
            finest_levels: Levels(LocalLogPower::Tail),
            schedule: None,
            temperature: None,
            patience: None,
            validation: 0.1,
        }
    }
}

impl Recipe {
    /// True if inputs or first clusters differ from the default's; the published preset has neither.
    pub fn changes_inputs(&self) -> bool {
        let Self {
            start,
            temporal_whitening,
            deflation,
            finest_levels,
            ..
        } = Self::default();
        self.start != start
            || self.temporal_whitening != temporal_whitening
            || self.deflation != deflation
            || self.finest_levels != finest_levels
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn courses_are_read_as_they_are_written() {
        for text in ["constant", "cosine:0.02", "cosine:0"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in ["1:0.5:0.5", "exp:0.01:0.5", "0.7:0.7:0"] {
            assert_eq!(text.parse::<Cooling>().unwrap().to_string(), text);
        }
        for text in ["tail", "off", "0.3"] {
            assert_eq!(text.parse::<Levels>().unwrap().to_string(), text);
        }
        for text in ["", "sine", "cosine:2", "cosine:x", "nan"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        for text in [
            "",
            "1:2",
            "exp:1",
            "-1",
            "inf",
            "a:b:c",
            "0",
            "1e-30",
            "101",
            "1:0:0.5",
            "1:0.5:2",
            "exp:0.01:0",
        ] {
            assert!(text.parse::<Cooling>().is_err(), "{text}");
        }
        for text in ["", "on", "-1", "nan", "1e30"] {
            assert!(text.parse::<Levels>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_recipe_is_kept_as_text() {
        let recipe = Recipe {
            schedule: Some("cosine:0.1".parse().unwrap()),
            finest_levels: "0.5".parse().unwrap(),
            ..Recipe::default()
        };
        let text = serde_json::to_string(&recipe).unwrap();
        assert!(
            text.contains("\"cosine:0.1\"") && text.contains("\"0.5\""),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
}
