//! Configuration of the stages: plain structs with defaults, set by the command line, by `SEISMIX_*` variables or by a
//! TOML file, and recorded in the outputs.
//!
//! Every struct implements serde and refuses unknown fields; every option has `FromStr` and `Display`.

mod deglitch;
mod error;
mod length;
#[cfg(feature = "vae")]
mod recipe;
mod run;
mod selection;
mod separate;
#[cfg(feature = "vae")]
mod train;
mod transform;

pub use deglitch::DeglitchConfig;
pub use error::{ConfigError, Result};
pub use length::Length;
#[cfg(feature = "vae")]
pub use recipe::{Cooling, InitialClusters, Levels, Recipe, Schedule};
pub use run::{Memory, RunControl, Shard};
pub use seismix_scattering::{Oversampling, Wavelet};
#[cfg(feature = "vae")]
pub use seismix_vae::ComputeDevice;
pub use selection::SelectionConfig;
pub use separate::{Objective, SeparateConfig, SeparationMethod, Target};
#[cfg(feature = "vae")]
pub use train::{TrainConfig, TrainPreset};
pub use transform::{Boundary, PerLayer, Precision, ResolvedTransform, TransformConfig};

/// Gives an enum without fields its names: `NAMES`, `Display`, `FromStr` and serde all use the same text.
macro_rules! option_names {
    ($type:ident, { $($variant:ident => $name:literal),+ $(,)? } $(, aliases { $($alias:literal => $of:ident),+ })?) => {
        impl $type {
            /// The names of all values, in the order of their declaration.
            pub const NAMES: &'static [&'static str] = &[$($name),+];
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $name),+
                })
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::config::ConfigError;

            fn from_str(text: &str) -> $crate::config::Result<Self> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    $($($alias => Ok(Self::$of),)+)?
                    _ => Err($crate::config::ConfigError::new(format!(
                        "`{text}` is not one of {}",
                        Self::NAMES.join(", ")
                    ))),
                }
            }
        }

        $crate::config::serde_as_text!($type);
    };
}
use option_names;

/// Implements serde through `Display` and `FromStr`.
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
pub(crate) use serde_as_text;
