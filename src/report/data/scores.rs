//! Scores of a report against known sources.

use serde::{Deserialize, Serialize};

use super::encode::null_as_nan;

/// Agreement of the results with known sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scores {
    /// One row a scale.
    pub scales: Vec<ScaleScore>,
    /// Detection of windows with a transient.
    pub transient: Option<TransientScore>,
    /// Background's signal-to-noise ratios, before and after separation.
    pub snr: Vec<SnrScore>,
}

/// Agreement of one scale's clusters with the known sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleScore {
    /// Window length in samples.
    pub window_samples: u32,
    /// Adjusted Rand index of the clusters.
    #[serde(deserialize_with = "null_as_nan")]
    pub ari: f64,
    /// Normalised mutual information of the clusters.
    #[serde(deserialize_with = "null_as_nan")]
    pub nmi: f64,
    /// Adjusted Rand index of k-means on the same features.
    #[serde(deserialize_with = "null_as_nan")]
    pub kmeans_ari: f64,
    /// Normalised mutual information of k-means on the same features.
    #[serde(deserialize_with = "null_as_nan")]
    pub kmeans_nmi: f64,
}

/// Detection of transient windows by the union of the transient clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransientScore {
    /// Window length in samples.
    pub window_samples: u32,
    /// Clusters in the union.
    pub clusters: Vec<u32>,
    /// Share of the found windows that hold a transient.
    #[serde(deserialize_with = "null_as_nan")]
    pub precision: f64,
    /// Share of the windows with a transient that were found.
    #[serde(deserialize_with = "null_as_nan")]
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    #[serde(deserialize_with = "null_as_nan")]
    pub f1: f64,
}

/// Background's signal-to-noise ratio inside the separated windows, in dB.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnrScore {
    /// Description of the windows, such as `all targets` or `pulses of 10 times the background and more`.
    pub label: String,
    /// Number of windows.
    pub n_windows: u32,
    /// Median before separation.
    #[serde(deserialize_with = "null_as_nan")]
    pub before_median_db: f64,
    /// Tenth percentile before separation.
    #[serde(deserialize_with = "null_as_nan")]
    pub before_p10_db: f64,
    /// Median after separation.
    #[serde(deserialize_with = "null_as_nan")]
    pub after_median_db: f64,
    /// Tenth percentile after separation.
    #[serde(deserialize_with = "null_as_nan")]
    pub after_p10_db: f64,
}
