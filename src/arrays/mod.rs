//! Transform, separation and synthesis of arrays, as library functions: one function with a configuration each.
//!
//! - [`scatter`](scatter::scatter): scattering coefficients of a batch of signals;
//! - `unmix::unmix` (feature `separate`): background and source of a mixture, from snippets of the background;
//! - `synth::synth` (feature `pipeline`): new signals with given scattering covariances;
//! - [`npy`]: NumPy files in;
//! - `npz` (feature `pipeline`): NumPy archives out.

mod error;
pub mod npy;
#[cfg(feature = "pipeline")]
pub mod npz;
pub mod scatter;
#[cfg(feature = "pipeline")]
pub mod synth;
#[cfg(feature = "separate")]
pub mod unmix;
#[cfg(feature = "separate")]
mod unmix_config;
#[cfg(feature = "pipeline")]
mod zip;

pub use error::ArrayError;

/// Vectors along the last axis, in the order of the other axes.
#[cfg(feature = "separate")]
fn rows(array: &ndarray::ArrayViewD<f64>) -> Vec<Vec<f64>> {
    let length = array.shape().last().copied().unwrap_or(1).max(1);
    let values: Vec<f64> = array.iter().copied().collect();
    values.chunks_exact(length).map(<[f64]>::to_vec).collect()
}
