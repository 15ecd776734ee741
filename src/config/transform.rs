//! Settings of the transform and of the windows.

use std::fmt;
use std::str::FromStr;

use seismix_scattering::{Oversampling, Wavelet};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Length, Result, option_names, serde_as_text};

/// Samples that a window sees beyond its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// A gap-free segment is transformed once; windows see their true neighbours.
    Continuous,
    /// Each longest window is reflected on its own, as in the paper's code.
    Reference,
}

/// Floating-point type of the transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

option_names!(Boundary, { Continuous => "continuous", Reference => "reference" });
option_names!(Precision, { F32 => "f32", F64 => "f64" });

/// A number for the first layer of the transform and one for the second: `8` or `8,5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PerLayer {
    /// For the first layer.
    pub first: usize,
    /// For the second layer.
    pub second: usize,
}

impl PerLayer {
    /// Equal numbers for both layers.
    pub const fn both(n: usize) -> Self {
        Self {
            first: n,
            second: n,
        }
    }
}

impl FromStr for PerLayer {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            ConfigError::new(format!(
                "`{text}` is not one or two positive numbers, such as `8` or `8,5`"
            ))
        };
        let mut parts = text.split(',').map(|part| match part.trim().parse() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(wrong()),
        });
        let first = parts.next().ok_or_else(wrong)??;
        let second = parts.next().unwrap_or(Ok(first))?;
        match parts.next() {
            None => Ok(Self { first, second }),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for PerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.second {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{},{}", self.first, self.second)
        }
    }
}

serde_as_text!(PerLayer);

/// The transform and the pyramid of windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformConfig {
    /// Octaves J of each layer.
    pub octaves: PerLayer,
    /// Wavelets per octave Q of each layer.
    pub quality: PerLayer,
    /// Wavelet family.
    pub wavelet: Wavelet,
    /// Window lengths, shortest first; they end together.
    pub scales: Vec<Length>,
    /// Step from window to window; `None` is the shortest scale.
    pub stride: Option<Length>,
    /// Smallest pooled block that is stored; `None` is a quarter of the shortest scale, all of it with reflected
    /// windows.
    pub block: Option<Length>,
    /// Samples that windows see beyond their edges.
    pub boundary: Boundary,
    /// How fine the grids of the layers are.
    pub oversampling: Oversampling,
    /// Floating-point type of the transform.
    pub precision: Precision,
}

impl Default for TransformConfig {
    fn default() -> Self {
        Self {
            octaves: PerLayer::both(8),
            quality: PerLayer::both(1),
            wavelet: Wavelet::BattleLemarie,
            scales: [1024, 4096, 16_384, 65_536].map(Length::Samples).to_vec(),
            stride: None,
            block: None,
            boundary: Boundary::Continuous,
            // Finer than for single windows: errors of a modulus on a grid average out over long windows only.
            oversampling: Oversampling::Times(16),
            precision: Precision::F64,
        }
    }
}

/// The lengths of a [`TransformConfig`] in samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTransform {
    /// Window lengths in samples, shortest first, each a multiple of the block.
    pub scales: Vec<usize>,
    /// Step from window to window in samples, a multiple of the block.
    pub stride: usize,
    /// Smallest pooled block in samples.
    pub block: usize,
}

impl TransformConfig {
    /// The lengths in samples at `sampling_rate` (Hz).
    ///
    /// # Errors
    /// If a duration is not a whole number of samples, the scales do not increase, or a scale or the stride is not a
    /// multiple of the block; the text says which.
    pub fn resolve(&self, sampling_rate: f64) -> Result<ResolvedTransform> {
        let scales = self
            .scales
            .iter()
            .map(|scale| scale.samples(sampling_rate))
            .collect::<Result<Vec<_>>>()?;
        let Some(&shortest) = scales.first() else {
            return Err(ConfigError::new(
                "no scales; give at least one, such as `1024`",
            ));
        };
        if let Some(pair) = scales.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(ConfigError::new(format!(
                "scales must increase, and {} is followed by {}",
                pair[0], pair[1]
            )));
        }
        let block = match self.block {
            Some(block) => block.samples(sampling_rate)?,
            // Each reflected window has blocks of its own; finer ones would take four times the room.
            None if self.boundary == Boundary::Reference => shortest,
            None if shortest % 4 == 0 => shortest / 4,
            None => shortest,
        };
        let stride = self
            .stride
            .map_or(Ok(shortest), |stride| stride.samples(sampling_rate))?;
        let named = scales.iter().map(|&n| ("scale", n));
        for (name, n) in named.chain([("stride", stride)]) {
            if n % block != 0 {
                return Err(ConfigError::new(format!(
                    "the {name} of {n} samples is not a multiple of the block of {block} samples"
                )));
            }
        }
        Ok(ResolvedTransform {
            scales,
            stride,
            block,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn defaults_resolve_to_the_papers_windows() {
        let resolved = TransformConfig::default().resolve(20.0).unwrap();
        assert_eq!(resolved.scales, [1024, 4096, 16_384, 65_536]);
        assert_eq!((resolved.stride, resolved.block), (1024, 256));
    }

    #[test]
    fn seconds_and_multiples() {
        let mut config = TransformConfig {
            scales: vec![Length::Seconds(51.2), Length::Samples(4096)],
            ..Default::default()
        };
        assert_eq!(config.resolve(20.0).unwrap().scales, [1024, 4096]);
        config.stride = Some(Length::Samples(100));
        let text = config.resolve(20.0).unwrap_err().to_string();
        assert!(text.contains("stride of 100"), "{text}");
        config.scales.reverse();
        let text = config.resolve(20.0).unwrap_err().to_string();
        assert!(text.contains("must increase"), "{text}");
    }

    #[test]
    fn layers() {
        assert_eq!("8".parse(), Ok(PerLayer::both(8)));
        let layers: PerLayer = "8,5".parse().unwrap();
        assert_eq!((layers.first, layers.second), (8, 5));
        assert_eq!(layers.to_string(), "8,5");
        for wrong in ["", "0", "8,", "8,5,3", "x"] {
            assert!(wrong.parse::<PerLayer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let read = serde_json::from_str::<TransformConfig>(r#"{"octave": 8}"#);
        assert!(read.unwrap_err().to_string().contains("unknown field"));
    }
}
