//! The factorial Gaussian-mixture variational autoencoder, and what prepares and starts it.
//!
//! [`inputs`] turns pooled scattering covariances into the numbers that are clustered, [`start`] finds first
//! clusters in them (k-means, mixture, hidden Markov model), and [`agreement`] compares partitions.

pub mod agreement;
pub mod inputs;
pub mod start;
