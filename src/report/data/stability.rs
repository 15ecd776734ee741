//! Agreement of the clusters with those of other fits, if it was computed.

use seismix_vae as vae;
use seismix_vae::stability::Agreement;
use serde::{Deserialize, Serialize};

use super::ScaleReport;
use crate::stage::Result;
use crate::train::{ModelInputs, model_inputs};

/// Agreement of the clusters with those of fits that differ in seed or in data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StabilityReport {
    /// Clusters per scale of the model.
    pub n_clusters: u32,
    /// Scales in samples, finest first.
    pub scales: Vec<u32>,
    /// Agreement of the model's clusters, one for each scale; empty if not computed.
    pub repeats: Vec<ScaleRepeats>,
    /// Numbers of clusters that were tried; empty if the number was given.
    pub candidates: Vec<CandidateRepeats>,
    /// Largest number of clusters at each scale that agrees as well as any; `None` if none agrees.
    pub recommended: Vec<Option<u32>>,
}

/// Agreement (adjusted Rand index) of one scale's clusters with those of other fits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScaleRepeats {
    /// Mean and minimum over seeds.
    pub seeds: [f64; 2],
    /// Mean and minimum over subsamples of blocks of time.
    pub blocks: [f64; 2],
    /// Number of fits of each.
    pub n_fits: [u32; 2],
    /// Agreement of each cluster.
    pub clusters: Vec<ClusterRepeats>,
}

/// Agreement of one cluster: Jaccard index with the most similar cluster of other fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterRepeats {
    /// The cluster.
    pub cluster: u32,
    /// Its windows among the initial clusters.
    pub n_windows: u64,
    /// Mean and minimum over seeds.
    pub seeds: [f64; 2],
    /// Mean and minimum over subsamples of blocks of time.
    pub blocks: [f64; 2],
}

/// Agreement for one number of clusters that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CandidateRepeats {
    /// Clusters per scale.
    pub n_clusters: u32,
    /// Mean and minimum over subsamples of blocks of time, one for each scale.
    pub blocks: Vec<[f64; 2]>,
}

/// Collects the agreement from the model file, and adds each cluster's index to the scales of the report.
///
/// # Errors
/// [`crate::stage::PipelineError::Model`] or `Inputs` if the model file is damaged.
pub(super) fn stability(
    model: &vae::ModelFile,
    scales: &mut [ScaleReport],
) -> Result<Option<StabilityReport>> {
    let ModelInputs::Compact {
        stability: Some(found),
        fitted,
        ..
    } = model_inputs(model)?
    else {
        return Ok(None);
    };
    for report in scales {
        let samples = report.window_samples as usize;
        let Some(found) = found.scales.iter().find(|s| s.scale_samples == samples) else {
            continue;
        };
        for cluster in &mut report.clusters {
            let number = cluster.cluster as usize;
            let found = found.clusters.iter().find(|one| one.cluster == number);
            cluster.repeats = found.map(|one| [one.seeds.mean, one.blocks.mean]);
        }
    }
    let pair = |one: &Agreement| [one.mean, one.least];
    Ok(Some(StabilityReport {
        n_clusters: model.model.config().n_clusters as u32,
        scales: fitted.layout.scales.iter().map(|s| *s as u32).collect(),
        repeats: found
            .scales
            .iter()
            .map(|scale| ScaleRepeats {
                seeds: pair(&scale.seeds),
                blocks: pair(&scale.blocks),
                n_fits: [scale.seeds.n as u32, scale.blocks.n as u32],
                clusters: scale
                    .clusters
                    .iter()
                    .map(|one| ClusterRepeats {
                        cluster: one.cluster as u32,
                        n_windows: one.n_windows as u64,
                        seeds: pair(&one.seeds),
                        blocks: pair(&one.blocks),
                    })
                    .collect(),
            })
            .collect(),
        candidates: found
            .candidates
            .iter()
            .map(|one| CandidateRepeats {
                n_clusters: one.n_clusters as u32,
                blocks: one.blocks.iter().map(pair).collect(),
            })
            .collect(),
        recommended: found
            .recommended
            .iter()
            .map(|n| n.map(|n| n as u32))
            .collect(),
    }))
}
