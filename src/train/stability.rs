//! How far the clusters of a model repeat, and how many there should be.

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
/// Drawings of blocks of time for each of them, unless more seeds are asked for.
const LEAST_DRAWINGS: usize = 4;
/// Clusters that agree less with their likes in other fits (Jaccard index) are said to dissolve.
const DISSOLVED: f64 = 0.5;

/// How far clusters repeat; kept in the model file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// Of the model's clusters, ascending scales; empty if not asked for.
    pub scales: Vec<ScaleStability>,
    /// Every number of clusters tried; empty unless the number was to be found.
    pub candidates: Vec<Candidate>,
    /// The number for each scale that they speak for.
    pub recommended: Vec<Option<usize>>,
    /// The number taken, for all scales.
    pub n_clusters: usize,
}

/// What the fits start from.
pub(crate) struct Fits<'a> {
    pub(crate) features: WindowFeatures,
    pub(crate) training: &'a [Vec<bool>],
    pub(crate) options: &'a InputsOptions,
    pub(crate) observer: &'a dyn Observer,
}

impl Fits<'_> {
    /// Tries numbers of clusters on drawings of blocks, tells what was found, and takes the number that repeats best over all
    /// scales together; `fallback` if none repeats at any.
    pub(crate) fn choose(&self, drawings: usize, fallback: usize) -> Result<Stability> {
        let drawings = drawings.max(LEAST_DRAWINGS);
        let total = CANDIDATES.count() * (drawings + 1);
        self.observer.begin("try clusters", total as u64, "fits");
        let mut candidates = Vec::new();
        for n_clusters in CANDIDATES {
            let options = InputsOptions {
                n_clusters: vec![n_clusters],
                ..self.options.clone()
            };
            let scales = self.measure(&options, 0, drawings)?;
            candidates.push(Candidate {
                n_clusters,
                blocks: scales.iter().map(|scale| scale.blocks).collect(),
            });
        }
        self.observer.end();
        let recommended = recommend(&candidates);
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
        let found = recommend_for_all(&candidates);
        let n_clusters = found.unwrap_or(fallback);
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

    /// How far the clusters of these options repeat over other seeds and drawings; tells each scale.
    pub(crate) fn judge(
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
pub(crate) struct FitProgress<'a>(pub(crate) &'a dyn Observer);

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
