//! Wavelet scattering covariances of time series, with their exact adjoint.
//!
//! A scattering covariance is a small set of statistics (210 complex numbers at eight octaves) that tells
//! non-Gaussian processes apart: how much energy each octave holds, how sparse it is, and how its envelope
//! and phase go with those of the other octaves (arXiv 2204.10177, 2305.16189).
//!
//! ```
//! use seismix_scattering::{CoefficientSet, ScatteringCovariance};
//! let signal: Vec<f64> = (0..1024).map(|t| (t as f64 * 0.1).sin()).collect();
//! let covariance = ScatteringCovariance::<f64>::plan(1024).octaves(5).coefficients(CoefficientSet::Cov).check()?;
//! let phi = covariance.process_vec(&signal)?;
//! assert_eq!(phi.len(), covariance.paths().len());
//! # Ok::<(), seismix_scattering::Error>(())
//! ```
//!
//! # Plan, then execute
//! [`ScatteringCovariance::plan`] takes the parameters, `check` turns them into an immutable plan (filters, FFT
//! plans, coefficient table) that is `Send + Sync`; [`ScatteringCovariance::process`] and
//! [`ScatteringCovariance::adjoint`] run it on buffers that the caller owns. [`ScatteringTransform`] is the same with
//! every option: any wavelet family, octaves and filters an octave in either layer, several channels, batches, all sets.
//!
//! # Normalisation
//! None by default: `Sparsity`, `Mean` and `Scattering` are in the unit of the signal, the others in its square.
//! [`Normalization::EachPowerSpectrum`] divides the first layer by the root of its own mean power in the window,
//! [`Normalization::BatchPowerSpectrum`] by that of a batch, [`Normalization::Given`] by what the plan was given. A band
//! that holds only what rounding leaves (below 4 epsilon of the signal, in a `ScatteringTransform`) becomes 0.
//!
//! # Order
//! Coefficients stand in the order of [`ScatteringCovariance::paths`]: sparsity, mean, (scattering,) power
//! spectrum, phase-envelope, envelope; the block index runs fastest when pooling is on. Several channels stand one after
//! the other within each kind (sparsity and mean count as one), pairs of channels in lexicographic order.
//!
//! # Accuracy
//! By default everything is computed at the full rate, by FFTs: in `f64` it agrees with the published
//! reference to rounding (1e-12 of the largest coefficient), in `f32` to a few 1e-6.

mod adjoint;
mod battle_lemarie;
mod blocks;
mod builder;
mod bump_steerable;
mod correlation;
mod covariance;
mod error;
mod filter_bank;
mod layers;
mod level;
mod meyer;
mod morlet;
mod normalization;
mod operations;
mod padded;
mod path;
mod path_table;
mod periodic;
mod real;
mod scattering_adjoint;
mod scattering_builder;
mod scattering_transform;
mod shannon;
mod transform;

pub use blocks::{BlockTransform, BlockTransformBuilder};
pub use builder::PlanBuilder;
pub use correlation::{CorrelationRow, Correlations};
pub use covariance::{ScatteringCovariance, Scratch};
pub use error::Error;
pub use filter_bank::{BandPass, FilterBank, FilterBankBuilder, FilterNorm, Wavelet};
pub use layers::Layers;
pub use normalization::Normalization;
pub use num_complex::Complex;
pub use padded::Padding;
pub use path::{
    CoefficientKind, CoefficientSet, ScaleDistance, ScatteringPath, envelope_count,
    scattering_paths,
};
pub use path_table::{ChannelPairs, LayerScales};
pub use real::Real;
pub use scattering_builder::{EnvelopeMean, PowerRows, ScatteringTransformBuilder};
pub use scattering_transform::{ScatteringScratch, ScatteringTransform};
pub use transform::{Oversampling, Spectrum, TransformScratch, WaveletTransform};
