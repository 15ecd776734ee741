//! Factorial Gaussian-mixture variational autoencoder, with the preparation of its inputs and its initial clusters.
//!
//! [`features`] turns pooled scattering covariances into network inputs, [`init`] fits initial clusters to them
//! (k-means, mixture, hidden Markov model), [`agreement`] compares partitions, and [`stability`] measures how stable
//! clusters are.
//!
//! [`decode`] leads from the model's samples back to scattering covariances.
//!
//! [`model`] holds the network's equations, [`objective`] the function that [`train`](mod@train) minimises;
//! [`file`](mod@file) stores models, [`split`] holds out blocks of time, [`noise`] draws repeatable random numbers,
//! [`progress`] reports and cancels, and [`Preset`] names two recipes.

pub mod agreement;
pub mod decode;
pub mod error;
pub mod features;
pub mod file;
pub mod init;
pub mod model;
pub mod noise;
pub mod objective;
mod presets;
pub use seismix_core::progress;
pub mod split;
pub mod stability;
pub mod train;

pub use error::{Error, Result};
pub use file::{ExtraArray, ModelFile};
pub use model::{ComputeDevice, Fvae, FvaeConfig};
pub use objective::{ObjectiveWeights, ScaleTerms, Terms};
pub use presets::Preset;
pub use split::Split;
pub use train::{
    ClusterWarning, EpochRecord, History, StopReason, TrainObserver, TrainOptions, TrainingData,
    train,
};
