//! Factorial Gaussian-mixture VAE: sizes, equations and inference.

mod config;
mod device;
mod fvae;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod golden_tests;
mod network;
mod parameters;
mod plan;

pub use config::FvaeConfig;
pub use device::ComputeDevice;
pub use fvae::Fvae;
pub use plan::{TensorKind, TensorSpec};

pub(crate) use network::{Batch, Mode, Pass, ScaleOutput};
#[cfg(test)]
pub(crate) use parameters::as_in_files;
pub(crate) use parameters::{Backend, Parameters, Precision, numbers, wide_numbers};
pub(crate) use plan::Plan;
