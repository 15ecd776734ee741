//! Stability of clusters: agreement of fits with other seeds, and of fits on subsamples of blocks of time.
//!
//! The initial clusters are fitted again, and each fit assigns all windows anew. A scale's index is the mean adjusted
//! Rand index of those partitions with the one in use; a cluster's is the mean, over the fits, of its largest Jaccard
//! index with any cluster of the other partition (Hennig 2007: above .75 is stable, below .5 dissolved).
//!
//! Limits: a stable cluster need not be a source. Any cut through a continuum that the data force, such as loud and
//! quiet halves of one noise, is stable as well; and neighbouring windows overlap, so they agree for free. A low
//! index carries more evidence than a high one.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::agreement::adjusted_rand_index;
use crate::features::{FeaturePipeline, FeatureSource, InputsError, InputsOptions};
use crate::progress::{CancelWhen, Progress};

/// Number and kind of the fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StabilityOptions {
    /// Fits with other seeds.
    pub n_seeds: usize,
    /// Fits on subsamples of blocks of time: as many are drawn with replacement as there are, and one drawn twice is
    /// used once, so some 63 % of the training windows are used.
    pub n_subsamples: usize,
    /// Length of a block in strides; a few of the largest window, so that blocks are nearly independent.
    pub block_windows: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Mean and smallest of some agreements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Mean.
    pub mean: f64,
    /// Smallest.
    pub least: f64,
    /// Number of values.
    pub n: usize,
}

impl Agreement {
    fn of(values: &[f64]) -> Self {
        let n = values.len();
        Self {
            mean: values.iter().sum::<f64>() / n.max(1) as f64,
            least: values.iter().copied().fold(1.0, f64::min),
            n,
        }
    }
}

/// Stability of one cluster (Jaccard index).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClusterStability {
    /// The cluster.
    pub cluster: usize,
    /// Its windows.
    pub n_windows: usize,
    /// Over seeds.
    pub seeds: Agreement,
    /// Over blocks of time.
    pub blocks: Agreement,
}

/// Stability of the clusters of one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleStability {
    /// Samples of a window.
    pub scale_samples: usize,
    /// Adjusted Rand index over seeds.
    pub seeds: Agreement,
    /// Over blocks of time.
    pub blocks: Agreement,
    /// Each cluster.
    pub clusters: Vec<ClusterStability>,
}

/// Fits once as a reference, then `n_seeds + n_subsamples` times, and compares; one entry a scale, ascending.
///
/// Each fit advances `progress` by one.
///
/// # Errors
/// As [`FeaturePipeline::fit`].
pub fn stability(
    source: &impl FeatureSource,
    training: &[Vec<bool>],
    options: &InputsOptions,
    fits: &StabilityOptions,
    progress: &dyn Progress,
) -> Result<Vec<ScaleStability>, InputsError> {
    // Scales of a fit are too small a step to report: only the fit as a whole advances.
    let quiet = CancelWhen(|| progress.cancelled());
    let partitions = |training: &[Vec<bool>], seed: u64| {
        let options = InputsOptions {
            seed,
            ..options.clone()
        };
        let (_, scales) = FeaturePipeline::fit(source, training, &options, &quiet)?;
        progress.advance(1);
        Ok::<_, InputsError>(scales.into_iter().map(|scale| scale.labels).collect())
    };
    let reference: Vec<Vec<usize>> = partitions(training, options.seed)?;
    let (mut by_seed, mut by_block): (Vec<Vec<Vec<usize>>>, Vec<_>) = Default::default();
    for number in 0..fits.n_seeds + fits.n_subsamples {
        // Every fit has a seed of its own, also those on subsamples: k-means++ must not repeat its draws.
        let seed = options.seed.wrapping_add(number as u64 + 1);
        if number < fits.n_seeds {
            by_seed.push(partitions(training, seed)?);
        } else {
            let drawn = draw_blocks(training, fits.block_windows, fits.seed, number as u64);
            by_block.push(partitions(&drawn, seed)?);
        }
    }
    let scales = reference.iter().enumerate().map(|(scale, reference)| {
        let of_scale = |fits: &[Vec<Vec<usize>>]| -> Vec<Vec<usize>> {
            fits.iter().map(|labels| labels[scale].clone()).collect()
        };
        compare(
            source.layout().scales[scale],
            reference,
            options.clusters(scale),
            &of_scale(&by_seed),
            &of_scale(&by_block),
        )
    });
    Ok(scales.collect())
}

/// Compares partitions of one scale with the one in use.
pub fn compare(
    scale_samples: usize,
    reference: &[usize],
    n_clusters: usize,
    seeds: &[Vec<usize>],
    blocks: &[Vec<usize>],
) -> ScaleStability {
    let rand = |others: &[Vec<usize>]| {
        let indices = others
            .iter()
            .map(|other| adjusted_rand_index(other, reference));
        Agreement::of(&indices.collect::<Vec<_>>())
    };
    let tables = |others: &[Vec<usize>]| -> Vec<Vec<f64>> {
        let table = |other: &Vec<usize>| jaccard(reference, other, n_clusters);
        others.iter().map(table).collect()
    };
    let (by_seed, by_block) = (tables(seeds), tables(blocks));
    let cluster = |cluster: usize| {
        let of = |tables: &[Vec<f64>]| {
            let indices = tables.iter().map(|table| table[cluster]);
            Agreement::of(&indices.collect::<Vec<_>>())
        };
        ClusterStability {
            cluster,
            n_windows: reference.iter().filter(|&&label| label == cluster).count(),
            seeds: of(&by_seed),
            blocks: of(&by_block),
        }
    };
    ScaleStability {
        scale_samples,
        seeds: rand(seeds),
        blocks: rand(blocks),
        clusters: (0..n_clusters).map(cluster).collect(),
    }
}

/// Stability with one number of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Clusters a scale.
    pub n_clusters: usize,
    /// Agreement over blocks of time at each scale, ascending.
    pub blocks: Vec<Agreement>,
}

/// Candidates within this of a scale's best agreement are treated as equal to it.
const EQUAL: f64 = 0.03;
/// Least agreement of a recommended number of clusters; set after seeing the demo and one nested set.
const LEAST: f64 = 0.7;

/// For each scale the largest number of clusters whose agreement is within .03 of the best, if that is .7 or more.
///
/// With more clusters than sources the cuts are random, with fewer the merges are; either lowers the agreement. Where
/// nothing is clustered at all a small number may still be stable, see the limits above.
pub fn recommend(candidates: &[Candidate]) -> Vec<Option<usize>> {
    let n_scales = candidates
        .iter()
        .map(|one| one.blocks.len())
        .min()
        .unwrap_or(0);
    (0..n_scales)
        .map(|scale| {
            let agreement = |one: &Candidate| one.blocks[scale].mean;
            let best = candidates.iter().map(agreement).fold(0.0, f64::max);
            // The largest number within the tolerance: a merge of two sources is as stable as the sources.
            let as_good = |one: &&Candidate| agreement(one) >= (best - EQUAL).max(LEAST);
            let numbers = candidates.iter().filter(as_good).map(|one| one.n_clusters);
            numbers.max()
        })
        .collect()
}

/// One number of clusters for all scales: the largest whose mean agreement over scales is as good as any (within
/// .03); none if [`recommend`] has none for any scale.
pub fn recommend_for_all(candidates: &[Candidate]) -> Option<usize> {
    recommend(candidates).into_iter().flatten().next()?;
    let mean = |one: &Candidate| {
        let sum: f64 = one.blocks.iter().map(|blocks| blocks.mean).sum();
        sum / one.blocks.len().max(1) as f64
    };
    let best = candidates.iter().map(mean).fold(0.0, f64::max);
    let as_good = candidates.iter().filter(|one| mean(one) >= best - EQUAL);
    as_good.map(|one| one.n_clusters).max()
}

/// Largest Jaccard index of each cluster of `reference` with any cluster of `other`; 0 for an empty one.
fn jaccard(reference: &[usize], other: &[usize], n_clusters: usize) -> Vec<f64> {
    let n_other = other.iter().max().map_or(0, |k| k + 1);
    let mut both = vec![0.0f64; n_clusters * n_other];
    let (mut left, mut right) = (vec![0.0f64; n_clusters], vec![0.0f64; n_other]);
    for (&a, &b) in reference.iter().zip(other) {
        both[a * n_other + b] += 1.0;
        left[a] += 1.0;
        right[b] += 1.0;
    }
    (0..n_clusters)
        .map(|a| {
            let index = |b: usize| {
                let both = both[a * n_other + b];
                // |A and B| / |A or B|.
                both / (left[a] + right[b] - both).max(1.0)
            };
            (0..n_other).map(index).fold(0.0, f64::max)
        })
        .collect()
}

/// Training windows of a subsample of blocks: those hit by as many draws with replacement as there are blocks, each
/// once, some 63 %. Not a bootstrap, which would use a block as often as it was drawn.
fn draw_blocks(training: &[Vec<bool>], block: usize, seed: u64, stream: u64) -> Vec<Vec<bool>> {
    // Whole blocks: windows overlap, so single windows drawn at random would repeat each other.
    let block = block.max(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let counts: Vec<usize> = training
        .iter()
        .map(|mask| mask.len().div_ceil(block))
        .collect();
    let total: usize = counts.iter().sum();
    let mut drawn = vec![false; total];
    for _ in 0..total {
        drawn[rng.random_range(0..total)] = true;
    }
    let mut first = 0;
    let masks = training.iter().zip(&counts).map(|(mask, count)| {
        let of_segment = &drawn[first..first + count];
        first += count;
        let kept = mask.iter().enumerate();
        kept.map(|(window, &keep)| keep && of_segment[window / block])
            .collect()
    });
    masks.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_falls_apart_differs_from_a_stable_one() {
        // Cluster 0 is found again, under another number; cluster 1 is cut in half.
        let reference = [0, 0, 0, 0, 1, 1, 1, 1];
        let other = vec![2, 2, 2, 2, 0, 0, 1, 1];
        let found = compare(16, &reference, 3, &[reference.to_vec()], &[other]);
        assert_eq!(found.seeds.mean, 1.0);
        assert!(found.blocks.mean < 0.8, "{found:?}");
        assert_eq!(found.clusters[0].blocks.mean, 1.0);
        assert_eq!(found.clusters[1].blocks.mean, 0.5);
        assert_eq!(
            (found.clusters[2].n_windows, found.clusters[2].blocks.mean),
            (0, 0.0)
        );
    }

    #[test]
    fn the_largest_number_that_repeats_is_recommended() {
        let candidate = |n_clusters, means: [f64; 2]| Candidate {
            n_clusters,
            blocks: means.map(|mean| Agreement::of(&[mean])).to_vec(),
        };
        let candidates = [
            candidate(2, [0.98, 0.5]),
            candidate(3, [0.97, 0.3]),
            candidate(4, [0.80, 0.2]),
        ];
        assert_eq!(recommend(&candidates), [Some(3), None]);
        // Means .74, .64 and .50.
        assert_eq!(recommend_for_all(&candidates), Some(2));
        assert_eq!(recommend_for_all(&candidates[2..]), Some(4));
        assert_eq!(recommend_for_all(&[candidate(3, [0.5, 0.6])]), None);
        assert!(recommend(&[]).is_empty());
    }

    #[test]
    fn blocks_are_drawn_whole_and_from_training_windows_only() {
        let training = vec![vec![true; 100], (0..60).map(|w| w < 40).collect()];
        let drawn = draw_blocks(&training, 10, 3, 1);
        assert_eq!(drawn.iter().map(Vec::len).collect::<Vec<_>>(), [100, 60]);
        for block in drawn[0].chunks(10) {
            assert!(block.iter().all(|kept| *kept == block[0]));
        }
        let kept = drawn.iter().flatten().filter(|kept| **kept).count();
        assert!(kept > 40 && kept < 130, "{kept}");
        assert!(drawn[1][40..].iter().all(|kept| !kept));
        assert_ne!(drawn, draw_blocks(&training, 10, 3, 2));
    }
}
