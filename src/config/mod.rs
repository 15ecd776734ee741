//! The configuration of the stages: plain typed fields with defaults, as the command line,
//! `SEISMIX_*` variables and a TOML file set them, and as outputs record them.
//!
//! Every struct serialises, and refuses unknown fields when read back.

mod error;
mod length;
mod recipe;
mod run;
mod selection;
mod separate;
mod train;
mod transform;

pub use error::{ConfigError, Result};
pub use length::Length;
pub use recipe::{Cooling, Levels, Recipe, Schedule, Start};
pub use run::{Memory, RunControl, Shard};
pub use seismix_vae::ComputeDevice;
pub use selection::SelectionConfig;
pub use separate::{Objective, SeparateConfig, SeparationMethod, Target};
pub use train::{Preset, TrainConfig};
pub use transform::{
    Boundary, Oversampling, PerLayer, Precision, ResolvedTransform, TransformConfig, Wavelet,
};

/// Display and serde names of an enum are those of its clap values.
macro_rules! display_as_value {
    ($($name:ty),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match clap::ValueEnum::to_possible_value(self) {
                    Some(value) => f.write_str(value.get_name()),
                    None => Ok(()),
                }
            }
        }
    )*};
}
use display_as_value;

/// Serialise through `Display`, read back through `FromStr`.
macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
use serde_as_text;
