//! What a report shows of clusters beside their windows: what they are like, what the model draws, how far they repeat.

use serde::{Deserialize, Serialize};

use super::encode::{nan_as_null, nan_as_null_vec};

/// One quantity of a cluster against octaves, in its windows and in the model's samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FingerprintPanel {
    /// Such as `Power, dB`.
    pub title: String,
    /// What lies along the other axis.
    pub along: String,
    /// The first octave, or distance of octaves; the others follow.
    pub first: u32,
    /// Mean over the cluster's training windows.
    #[serde(with = "nan_as_null_vec")]
    pub data: Vec<f64>,
    /// Standard deviation over them.
    #[serde(with = "nan_as_null_vec")]
    pub data_spread: Vec<f64>,
    /// Mean over samples of the model; empty if there are none.
    #[serde(with = "nan_as_null_vec")]
    pub model: Vec<f64>,
    /// Standard deviation over them.
    #[serde(with = "nan_as_null_vec")]
    pub model_spread: Vec<f64>,
}

/// Root mean square error of one kind of coefficients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodingRow {
    /// Such as `ln ps`.
    pub kind: String,
    /// Of the decoder.
    #[serde(with = "nan_as_null")]
    pub decoder: f64,
    /// Of the cluster's mean.
    #[serde(with = "nan_as_null")]
    pub cluster: f64,
    /// Of the mean of all windows.
    #[serde(with = "nan_as_null")]
    pub constant: f64,
    /// Whether the windows were held out.
    pub held_out: bool,
}

/// How far clusters repeat over seeds and blocks of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StabilityReport {
    /// Clusters a scale of the model.
    pub n_clusters: u32,
    /// Scales in samples, finest first.
    pub scales: Vec<u32>,
    /// Agreement of the model's clusters, one a scale; empty if not asked for.
    pub repeats: Vec<ScaleRepeats>,
    /// Numbers of clusters tried; empty if the number was given.
    pub candidates: Vec<CandidateRepeats>,
    /// The number that each scale speaks for; `None` where none repeats.
    pub recommended: Vec<Option<u32>>,
}

/// Agreement (adjusted Rand index) of one scale's clusters with those of other fits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleRepeats {
    /// Mean and least over seeds.
    pub seeds: [f64; 2],
    /// Mean and least over drawings of blocks of time.
    pub blocks: [f64; 2],
    /// Fits of each.
    pub n_fits: [u32; 2],
    /// Each cluster by itself.
    pub clusters: Vec<ClusterRepeats>,
}

/// Agreement (Jaccard index with its likes in other fits) of one cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterRepeats {
    /// The cluster.
    pub cluster: u32,
    /// Its windows among the first clusters.
    pub n_windows: u64,
    /// Mean and least over seeds.
    pub seeds: [f64; 2],
    /// Mean and least over drawings of blocks of time.
    pub blocks: [f64; 2],
}

/// One number of clusters that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CandidateRepeats {
    /// Clusters a scale.
    pub n_clusters: u32,
    /// Mean and least agreement over drawings of blocks of time, one a scale.
    pub blocks: Vec<[f64; 2]>,
}
