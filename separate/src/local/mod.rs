//! Sources that have statistics and no shape: a local Gaussian model of both clusters, chosen and calibrated for each
//! target on mixtures of held-out snippets.

mod calibration;
mod expected;
mod filters;
mod gains;
mod grid;
mod level;
mod method;
mod realization;
mod realization_choice;
mod source_spectrum;
mod statistics;
mod trials;
mod weights;

pub use calibration::{ExpectedSnr, MethodScore};
pub use method::{LocalMethod, LocalResult, SourceSnippets};
