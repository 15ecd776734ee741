//! From pooled scattering covariances to the features that are clustered.
//!
//! [`FeaturePipeline`] is the default: logarithms relative to each block's own power, temporal whitening, and deflation
//! from the largest scale down. [`paper`] computes the features of arXiv 2305.16189.

mod auxiliary;
mod deflation;
mod error;
mod feature_pipeline;
mod feature_source;
mod local_log_power;
mod log_energy;
pub(crate) mod matrix;
mod options;
pub mod paper;
mod pca;
mod scale_fit;
mod scale_inputs;
mod scaler;
mod slow_features;
mod table;
mod window_features;

pub use auxiliary::AuxiliaryInputs;
pub use deflation::{Cell, Deflation};
pub use error::InputsError;
pub use feature_pipeline::FeaturePipeline;
pub use feature_source::{EnergyFeatures, FeatureSource, ScaleFeatures, WindowFeatures};
pub use local_log_power::window_powers;
pub use log_energy::{BlockSegment, EnergySegment, FLOOR};
pub use options::{EmissionExponent, InitMethod, InputsOptions, LocalLogPower};
pub use pca::Projection;
pub use scale_inputs::{InitialModel, ScaleInputs, ScaleWindows};
pub use scaler::StandardScaler;
pub use seismix_core::coefficient::{CoefficientKind, CoefficientRow};
pub use seismix_core::window::{ScaleRole, WindowLayout};
pub use table::{CoefficientTable, EnergyRows, RatioRow};
pub use window_features::window_features;
