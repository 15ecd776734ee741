//! First clusters: k-means, a Gaussian mixture and a hidden Markov model over time, and which clusters are transients.
//!
//! All methods work in `f64`, take `(window, feature)` arrays, and repeat bit for bit from a seed whatever the number
//! of threads.

mod error;
mod gaussian;
pub mod hmm;
pub mod kmeans;
pub mod mixture;
pub mod transient;

pub use error::StartError;
pub use gaussian::TiedGaussians;
pub use hmm::{Hmm, HmmOptions};
pub use kmeans::{KMeans, KMeansOptions};
pub use mixture::{Mixture, MixtureOptions};
pub use transient::{ClusterScore, TransientRule, transient_score};

/// Index of the largest value, the first of equals; 0 for an empty row.
pub(crate) fn argmax(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}
