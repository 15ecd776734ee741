//! Scores of clusters of the finest scale that look like transients.
//!
//! A transient exceeds its surroundings, is rare and is short. For each window and wavelet the *excess* is the loudest
//! part's log power relative to the enclosing largest window's median (see
//! [`window_powers`](crate::features::window_powers)); the *prominence* is that excess relative to the median excess
//! of the windows around: large for a pulse, small for a burst of many windows. A cluster's excess and prominence are
//! medians over its windows, then means over the third of the wavelets where they are largest: a pulse may be below
//! the background in all others, while a background that gets louder for a moment exceeds itself a little in each.

use std::ops::Range;

use ndarray::ArrayView3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{InitError, check_labels};

/// Conditions of a transient cluster; all must hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransientRule {
    /// Least excess over that of all windows, in neper of power (2.3 is 10 dB).
    pub min_excess: f64,
    /// Least prominence, in neper of power.
    pub min_prominence: f64,
    /// Largest share of all windows.
    pub max_share: f64,
    /// Longest mean duration of a visit, in windows.
    pub max_dwell: f64,
    /// Windows on each side that are its surroundings.
    pub reach: usize,
}

impl Default for TransientRule {
    fn default() -> Self {
        Self {
            min_excess: 0.5,
            min_prominence: 2.8,
            max_share: 0.3,
            max_dwell: 6.0,
            reach: 12,
        }
    }
}

/// Score of a cluster as a transient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterScore {
    /// The cluster.
    pub cluster: usize,
    /// Its windows.
    pub n_windows: usize,
    /// Its share of all windows.
    pub share: f64,
    /// Excess over that of all windows, in neper of power.
    pub excess: f64,
    /// Prominence, in neper of power.
    pub prominence: f64,
    /// Mean number of windows of an uninterrupted visit.
    pub dwell: f64,
    /// Prominence times the share of windows elsewhere; clusters are ranked by it, the largest first.
    pub score: f64,
    /// True if the rule calls it a transient.
    pub is_transient: bool,
}

/// Scores every cluster of the finest scale, in order of clusters.
///
/// `powers`: `(window, part, wavelet)` as from [`window_powers`](crate::features::window_powers); `labels`: the cluster
/// of each window; `runs`: the ranges of windows that follow each other in time, covering all of them; an empty cluster
/// scores 0.
///
/// # Errors
/// [`InitError::Length`] if labels and powers differ in length, a label is not below `n_clusters`, or runs leave the
/// windows.
pub fn transient_score(
    powers: ArrayView3<'_, f32>,
    labels: &[usize],
    runs: &[Range<usize>],
    n_clusters: usize,
    rule: &TransientRule,
) -> Result<Vec<ClusterScore>, InitError> {
    let (n, n_parts, n_bands) = powers.dim();
    check_labels(labels, n_clusters, n)?;
    if let Some(run) = runs.iter().find(|run| run.end > n || run.start > run.end) {
        return Err(InitError::Length {
            what: "windows reached by a run",
            found: run.end,
            expected: n,
        });
    }
    if n_parts == 0 || n_bands == 0 {
        return Err(InitError::Empty {
            clusters: n_clusters,
            features: 0,
        });
    }
    let bands = Bands::new(powers, runs, rule.reach);
    let visits = visits(labels, runs, n_clusters);
    let scores = (0..n_clusters).map(|cluster| {
        let members: Vec<usize> = (0..n).filter(|&w| labels[w] == cluster).collect();
        let n_windows = members.len();
        let share = n_windows as f64 / n.max(1) as f64;
        let (excess, prominence) = bands.of_cluster(&members);
        let dwell = n_windows as f64 / visits[cluster].max(1) as f64;
        ClusterScore {
            cluster,
            n_windows,
            share,
            excess,
            prominence,
            dwell,
            // Of two equally prominent clusters the rarer one is the better target.
            score: prominence.max(0.0) * (1.0 - share),
            is_transient: n_windows > 0
                && excess >= rule.min_excess
                && prominence >= rule.min_prominence
                && share <= rule.max_share
                && dwell <= rule.max_dwell,
        }
    });
    Ok(scores.collect())
}

/// Excess and prominence of all windows, one wavelet after the other.
struct Bands {
    excess: Vec<Vec<f64>>,
    prominence: Vec<Vec<f64>>,
    /// Median excess over all windows.
    overall: Vec<f64>,
}

impl Bands {
    fn new(powers: ArrayView3<'_, f32>, runs: &[Range<usize>], reach: usize) -> Self {
        let loudest = |band: usize| -> Vec<f64> {
            let windows = powers.outer_iter().map(|window| {
                let parts = window.column(band);
                f64::from(parts.iter().copied().fold(f32::NEG_INFINITY, f32::max))
            });
            windows.collect()
        };
        let excess: Vec<Vec<f64>> = (0..powers.dim().2).map(loudest).collect();
        let prominence = excess
            .par_iter()
            .map(|excess| prominences(excess, runs, reach))
            .collect();
        let overall = excess.iter().map(|band| median(&mut band.clone()));
        Self {
            overall: overall.collect(),
            prominence,
            excess,
        }
    }

    /// Excess over that of all windows, and prominence, of the windows of a cluster; 0 for none.
    fn of_cluster(&self, members: &[usize]) -> (f64, f64) {
        if members.is_empty() {
            return (0.0, 0.0);
        }
        let typical =
            |band: &[f64]| median(&mut members.iter().map(|&w| band[w]).collect::<Vec<_>>());
        let over = self.excess.iter().zip(&self.overall);
        (
            upper_third(over.map(|(band, all)| typical(band) - all).collect()),
            upper_third(self.prominence.iter().map(|band| typical(band)).collect()),
        )
    }
}

/// Excess over the median of the windows around, the window itself included, within its run.
fn prominences(excess: &[f64], runs: &[Range<usize>], reach: usize) -> Vec<f64> {
    let mut out = vec![0.0; excess.len()];
    for run in runs {
        for window in run.clone() {
            let from = window.saturating_sub(reach).max(run.start);
            let to = (window + reach + 1).min(run.end);
            // The median ignores up to `reach` loud windows around, so neighbouring pulses do not hide each other.
            out[window] = excess[window] - median(&mut excess[from..to].to_vec());
        }
    }
    out
}

/// Mean of the largest third of the values, of one at least.
fn upper_third(mut values: Vec<f64>) -> f64 {
    values.sort_by(|a, b| b.total_cmp(a));
    // A third: a pulse of one octave and one of three must both be found.
    values.truncate(values.len().div_ceil(3));
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Number of uninterrupted visits to each cluster.
fn visits(labels: &[usize], runs: &[Range<usize>], n_clusters: usize) -> Vec<usize> {
    let mut visits = vec![0; n_clusters];
    for run in runs {
        for window in run.clone() {
            if window == run.start || labels[window] != labels[window - 1] {
                visits[labels[window]] += 1;
            }
        }
    }
    visits
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::single_range_in_vec_init
)]
mod tests {
    use super::*;
    use ndarray::Array3;

    /// Cluster 0 background, 1 pulses of 2 windows every 40 in one of three wavelets, 2 one burst of 60 windows as loud
    /// as the pulses, 3 windows that are a little louder in all wavelets.
    fn case() -> (Array3<f32>, Vec<usize>) {
        let labels: Vec<usize> = (0..400)
            .map(|window| match window {
                300..360 => 2,
                _ if window % 40 < 2 => 1,
                _ if window % 40 == 20 => 3,
                _ => 0,
            })
            .collect();
        let powers = Array3::from_shape_fn((400, 4, 3), |(window, part, band)| {
            let noise = 0.2 * ((window * 7 + part * 3 + band) % 5) as f32;
            noise
                + match labels[window] {
                    1 if band == 2 => [0.0, 0.0, 4.0, 1.0][part],
                    2 => 4.0,
                    3 => 1.5,
                    _ => 0.0,
                }
        });
        (powers, labels)
    }

    #[test]
    fn pulses_are_transients_and_bursts_are_not() {
        let (powers, labels) = case();
        let scores = transient_score(
            powers.view(),
            &labels,
            &[0..200, 200..400],
            5,
            &TransientRule::default(),
        )
        .unwrap();
        let called: Vec<bool> = scores.iter().map(|score| score.is_transient).collect();
        assert_eq!(called, [false, true, false, false, false], "{scores:?}");
        assert_eq!(scores[1].dwell, 2.0);
        assert!(scores[1].score > scores[2].score && scores[4].n_windows == 0);
    }

    #[test]
    fn lengths_are_checked() {
        let (powers, mut labels) = case();
        let rule = TransientRule::default();
        assert!(transient_score(powers.view(), &labels, &[0..500], 4, &rule).is_err());
        labels[5] = 4;
        assert!(transient_score(powers.view(), &labels, &[0..400], 4, &rule).is_err());
    }
}
