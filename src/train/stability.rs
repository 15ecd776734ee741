//! Stability of a model's clusters, and the number of clusters that it recommends.

use seismix_vae::features::{FeatureSource as _, InputsOptions, WindowFeatures};
use seismix_vae::progress::Progress;
use seismix_vae::stability::{
    Agreement, Candidate, ScaleStability, StabilityOptions, recommend, recommend_for_all, stability,
};
use serde::{Deserialize, Serialize};

use crate::stage::Result;
use crate::stage::progress::Observer;

/// Numbers of clusters that `--clusters auto` tries.
const CANDIDATES: std::ops::RangeInclusive<usize> = 2..=10;
/// Drawings of blocks of time for each of them, unless `--seeds` is larger.
const LEAST_DRAWINGS: usize = 4;
/// Clusters whose agreement with other fits (Jaccard index) is below this are reported as dissolved.
const DISSOLVED: f64 = 0.5;

/// Stability of clusters; kept in the model file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// Of the model's clusters, ascending scales; empty if not measured.
    pub scales: Vec<ScaleStability>,
    /// Every number of clusters tried; empty unless `--clusters auto`.
    pub candidates: Vec<Candidate>,
    /// Recommended number for each scale.
    pub recommended: Vec<Option<usize>>,
    /// Number used at all scales.
    pub n_clusters: usize,
}

/// Features and training windows of the fits.
pub(super) struct Fits<'a> {
    pub(super) features: WindowFeatures,
    pub(super) training: &'a [Vec<bool>],
    pub(super) observer: &'a dyn Observer,
}

impl Fits<'_> {
    /// Tries numbers of clusters on drawings of blocks, reports the agreements, and chooses the number with the best
    /// one over all scales together; that of `options` if none is stable at any.
    pub(super) fn choose(&self, options: &InputsOptions, drawings: usize) -> Result<Stability> {
        let drawings = drawings.max(LEAST_DRAWINGS);
        let total = CANDIDATES.count() * (drawings + 1);
        self.observer.begin("try clusters", total as u64, "fits");
        let mut candidates = Vec::new();
        for n_clusters in CANDIDATES {
            let options = InputsOptions {
                n_clusters: vec![n_clusters],
                ..options.clone()
            };
            let scales = self.measure(&options, 0, drawings)?;
            candidates.push(Candidate {
                n_clusters,
                blocks: scales.iter().map(|scale| scale.blocks).collect(),
            });
        }
        self.observer.end();
        let recommended = recommend(&candidates);
        self.report_candidates(&candidates, &recommended);
        let found = recommend_for_all(&candidates);
        let n_clusters = found.unwrap_or(options.clusters(0));
        self.observer.remark(&match found {
            Some(_) => format!("{n_clusters} clusters a scale repeat best over all scales"),
            None => format!("no number of clusters repeats at any scale; {n_clusters} are taken"),
        });
        Ok(Stability {
            candidates,
            recommended,
            n_clusters,
            ..Stability::default()
        })
    }

    fn report_candidates(&self, candidates: &[Candidate], recommended: &[Option<usize>]) {
        let layout = self.features.layout();
        for (scale, found) in recommended.iter().enumerate().rev() {
            let trend: Vec<String> = candidates
                .iter()
                .map(|one| format!("{}: {:.2}", one.n_clusters, one.blocks[scale].mean))
                .collect();
            let verdict = found.map_or_else(
                || "no number of clusters repeats".to_owned(),
                |n| format!("{n} clusters are the most that repeat"),
            );
            self.observer.remark(&format!(
                "scale {}: {verdict} (agreement over blocks of time {})",
                layout.scales[scale],
                trend.join(", ")
            ));
        }
    }

    /// Stability of the clusters of these options over other seeds and drawings; reports each scale.
    pub(super) fn measure_model(
        &self,
        options: &InputsOptions,
        seeds: usize,
    ) -> Result<Vec<ScaleStability>> {
        self.observer
            .begin("repeat fits", 2 * seeds as u64 - 1, "fits");
        let scales = self.measure(options, seeds - 1, seeds - 1)?;
        self.observer.end();
        for scale in scales.iter().rev() {
            self.observer.remark(&in_words(scale));
        }
        Ok(scales)
    }

    fn measure(
        &self,
        options: &InputsOptions,
        n_seeds: usize,
        n_subsamples: usize,
    ) -> Result<Vec<ScaleStability>> {
        let layout = self.features.layout();
        let fits = StabilityOptions {
            n_seeds,
            n_subsamples,
            // Two largest windows: windows of neighbouring blocks then share at most half of their samples.
            block_windows: 2 * layout.overlap(layout.scales.len() - 1),
            seed: options.seed,
        };
        let progress = FitProgress(self.observer);
        Ok(stability(
            &self.features,
            self.training,
            options,
            &fits,
            &progress,
        )?)
    }
}

/// Progress of fits, for the observer of the stage.
pub(super) struct FitProgress<'a>(pub(super) &'a dyn Observer);

impl Progress for FitProgress<'_> {
    fn advance(&self, steps: u64) {
        self.0.advance(steps);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

fn in_words(scale: &ScaleStability) -> String {
    let show = |one: &Agreement| format!("{:.2} (least {:.2})", one.mean, one.least);
    let dissolved: Vec<String> = scale
        .clusters
        .iter()
        .filter(|one| one.n_windows > 0 && one.blocks.mean.min(one.seeds.mean) < DISSOLVED)
        .map(|one| one.cluster.to_string())
        .collect();
    let clusters = if dissolved.is_empty() {
        "every cluster repeats".to_owned()
    } else {
        format!("clusters {} do not repeat", dissolved.join(", "))
    };
    format!(
        "scale {}: agreement over seeds {}, over blocks of time {}; {clusters}",
        scale.scale_samples,
        show(&scale.seeds),
        show(&scale.blocks)
    )
}
