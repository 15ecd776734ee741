//! From pooled scattering covariances to the numbers that are clustered.
//!
//! [`FittedInputs`] is the default: logarithms relative to each block's own power, temporal whitening, and deflation
//! from the largest scale down. [`paper`] keeps the features of arXiv 2305.16189.

mod blocks;
mod deflate;
mod error;
mod features;
mod fitted;
mod layout;
pub(crate) mod matrix;
mod options;
pub mod paper;
mod project;
mod table;

pub use blocks::{BlockSegment, EnergySegment, FLOOR};
pub use deflate::{Cell, Deflation};
pub use error::InputsError;
pub use features::{window_features, window_powers};
pub use fitted::{FittedInputs, ScaleInputs, ScaleWindows, StartModel};
pub use layout::{ScaleRole, WindowLayout};
pub use options::{EmissionExponent, InputsOptions, StartMethod};
pub use project::{Projection, Standardiser};
pub use table::{CoefficientKind, CoefficientRow, CoefficientTable, EnergyRows, RatioRow};
