//! Transform, separation and synthesis of arrays, as library functions: one function with a configuration each.
//!
//! - [`scatter`](scatter::scatter): scattering coefficients of a batch of signals;
//! - [`unmix`](unmix::unmix): background and source of a mixture, from snippets of the background;
//! - [`synth`](synth::synth): new signals with given scattering covariances;
//! - [`npy`]: NumPy files.

mod error;
pub mod npy;
pub mod scatter;
pub mod synth;
pub mod unmix;

pub use error::ArrayError;

use ndarray::ArrayViewD;

/// Vectors along the last axis, in the order of the other axes.
fn rows(array: &ArrayViewD<f64>) -> Vec<Vec<f64>> {
    let length = array.shape().last().copied().unwrap_or(1).max(1);
    let values: Vec<f64> = array.iter().copied().collect();
    values.chunks_exact(length).map(<[f64]>::to_vec).collect()
}
