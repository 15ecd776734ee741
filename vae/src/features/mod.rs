//! From pooled scattering covariances to the numbers that are clustered.
//!
//! [`FeaturePipeline`] is the default: logarithms relative to each block's own power, temporal whitening, and deflation
//! from the largest scale down. [`paper`] keeps the features of arXiv 2305.16189.

mod amplitude;
mod blocks;
mod deflate;
mod error;
mod features;
mod fit;
mod fitted;
mod layout;
mod levels;
pub(crate) mod matrix;
mod options;
pub mod paper;
mod project;
mod scale;
mod source;
mod table;

pub use amplitude::AmplitudeInputs;
pub use blocks::{BlockSegment, EnergySegment, FLOOR};
pub use deflate::{Cell, Deflation};
pub use error::InputsError;
pub use features::window_features;
pub use fitted::FeaturePipeline;
pub use layout::{ScaleRole, WindowLayout};
pub use levels::window_powers;
pub use options::{EmissionExponent, FinestLevels, InputsOptions, StartMethod};
pub use project::{Projection, StandardScaler};
pub use scale::{InitialModel, LevelInputs, ScaleInputs, ScaleWindows};
pub use source::WindowFeatures;
pub use table::{CoefficientKind, CoefficientRow, CoefficientTable, EnergyRows, RatioRow};
