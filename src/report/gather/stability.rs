//! How far clusters repeat, where that was asked for.

use seismix_vae as vae;
use seismix_vae::stability::Agreement;

use crate::report::{CandidateRepeats, ClusterRepeats, ScaleRepeats, ScaleReport, StabilityReport};
use crate::stage::Result;
use crate::train::{ModelInputs, model_inputs};

/// The report's part, and each cluster's index in its scale.
///
/// # Errors
/// What the model file refuses.
pub(crate) fn stability(
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
