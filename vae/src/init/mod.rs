//! Initial clusters: k-means, a Gaussian mixture and a hidden Markov model over time; and scores of transient clusters.
//!
//! All methods work in `f64`, take `(window, feature)` arrays, and repeat bit for bit from a seed whatever the number
//! of threads. Fits check `progress` for cancellation at every step.

mod error;
mod gaussian;
pub mod hmm;
pub mod kmeans;
pub mod mixture;
pub mod transient;

pub use error::InitError;
pub use gaussian::TiedGaussians;
pub use hmm::{Hmm, HmmOptions};
pub use kmeans::{KMeans, KMeansOptions};
pub use mixture::{Mixture, MixtureOptions};
pub use transient::{ClusterScore, TransientRule, transient_score};

pub(crate) use gaussian::one_hot;

use ndarray::ArrayView2;

use crate::progress::Progress;

/// Most probable cluster of each row, the first of equals.
pub(crate) fn most_probable(posteriors: ArrayView2<'_, f64>) -> Vec<usize> {
    let best = |row: ndarray::ArrayView1<'_, f64>| {
        (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
    };
    posteriors.outer_iter().map(best).collect()
}

/// Stops a fit once the user wants to.
fn check_cancelled(progress: &dyn Progress) -> Result<(), InitError> {
    if progress.cancelled() {
        return Err(InitError::Cancelled);
    }
    Ok(())
}

/// Checks that there is one label below `n_clusters` for each of `n` windows.
fn check_labels(labels: &[usize], n_clusters: usize, n: usize) -> Result<(), InitError> {
    let valid = labels.iter().filter(|&&label| label < n_clusters).count();
    if labels.len() == n && valid == n {
        return Ok(());
    }
    Err(InitError::Length {
        what: "labels below the number of clusters",
        found: valid,
        expected: n,
    })
}
