//! Which clusters of the finest scale look like transients.
//!
//! A transient stands out of its surroundings, is rare and is short. For each window the *excess* is its loudest part's
//! log power over the enclosing largest window's median (see [`window_powers`](crate::inputs::window_powers)); its
//! *prominence* is that excess over the median excess of the windows around it, which a burst of many windows does not
//! have and a pulse has. A cluster's excess and prominence are medians over its windows.

use std::ops::Range;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::StartError;

/// What makes a cluster a transient; all conditions must hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransientRule {
    /// Least median excess over that of all windows, in neper of power (2.3 is 10 dB).
    pub min_excess: f64,
    /// Least median prominence, in neper of power.
    pub min_prominence: f64,
    /// Largest share of all windows.
    pub max_share: f64,
    /// Longest mean stay, in windows.
    pub max_dwell: f64,
    /// Windows on each side that count as surroundings.
    pub reach: usize,
}

impl Default for TransientRule {
    fn default() -> Self {
        Self {
            min_excess: 0.5,
            min_prominence: 0.9,
            max_share: 0.3,
            max_dwell: 6.0,
            reach: 12,
        }
    }
}

/// How much a cluster looks like a transient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterScore {
    /// The cluster.
    pub cluster: usize,
    /// Its windows.
    pub n_windows: usize,
    /// Its share of all windows.
    pub share: f64,
    /// Median excess of its windows over the median excess of all windows, in neper of power.
    pub excess: f64,
    /// Median prominence of its windows, in neper of power.
    pub prominence: f64,
    /// Mean number of windows it stays.
    pub dwell: f64,
    /// Prominence times the share of windows elsewhere: what ranks clusters, the largest first.
    pub score: f64,
    /// Whether the rule calls it a transient.
    pub is_transient: bool,
}

/// Scores every cluster of the finest scale, in order of clusters.
///
/// `powers`: `(window, part)` as from [`window_powers`](crate::inputs::window_powers); `labels`: the cluster of each
/// window; `runs`: the stretches of windows that follow each other in time, covering all of them; an empty cluster
/// scores 0.
///
/// # Errors
/// [`StartError::Length`] if labels and powers differ in length, a label is not below `n_clusters`, or runs leave the
/// windows.
pub fn transient_score(
    powers: ArrayView2<'_, f32>,
    labels: &[usize],
    runs: &[Range<usize>],
    n_clusters: usize,
    rule: &TransientRule,
) -> Result<Vec<ClusterScore>, StartError> {
    let n = powers.nrows();
    let valid = labels.iter().filter(|&&label| label < n_clusters).count();
    if labels.len() != n || valid != n {
        return Err(StartError::Length {
            what: "labels below the number of clusters",
            found: valid,
            expected: n,
        });
    }
    if let Some(run) = runs.iter().find(|run| run.end > n || run.start > run.end) {
        return Err(StartError::Length {
            what: "windows reached by a run",
            found: run.end,
            expected: n,
        });
    }
    let excess: Vec<f64> = powers
        .outer_iter()
        .map(|parts| parts.iter().copied().fold(f32::NEG_INFINITY, f32::max))
        .map(f64::from)
        .collect();
    let prominence = prominences(&excess, runs, rule.reach);
    let overall = median(&mut excess.clone());
    let stays = stays(labels, runs, n_clusters);
    Ok((0..n_clusters)
        .map(|cluster| {
            let pick = |values: &[f64]| -> Vec<f64> {
                let members = values
                    .iter()
                    .zip(labels)
                    .filter(|&(_, &label)| label == cluster);
                members.map(|(&value, _)| value).collect()
            };
            let mut own = pick(&excess);
            let n_windows = own.len();
            let share = n_windows as f64 / n.max(1) as f64;
            let excess = if own.is_empty() {
                0.0
            } else {
                median(&mut own) - overall
            };
            let prominence = median(&mut pick(&prominence));
            let dwell = n_windows as f64 / stays[cluster].max(1) as f64;
            ClusterScore {
                cluster,
                n_windows,
                share,
                excess,
                prominence,
                dwell,
                score: prominence.max(0.0) * (1.0 - share),
                is_transient: n_windows > 0
                    && excess >= rule.min_excess
                    && prominence >= rule.min_prominence
                    && share <= rule.max_share
                    && dwell <= rule.max_dwell,
            }
        })
        .collect())
}

/// Excess over the median of the windows around, the window itself included, within its run.
fn prominences(excess: &[f64], runs: &[Range<usize>], reach: usize) -> Vec<f64> {
    let mut out = vec![0.0; excess.len()];
    for run in runs {
        for window in run.clone() {
            let from = window.saturating_sub(reach).max(run.start);
            let to = (window + reach + 1).min(run.end);
            out[window] = excess[window] - median(&mut excess[from..to].to_vec());
        }
    }
    out
}

/// Number of uninterrupted stays of each cluster.
fn stays(labels: &[usize], runs: &[Range<usize>], n_clusters: usize) -> Vec<usize> {
    let mut stays = vec![0; n_clusters];
    for run in runs {
        for window in run.clone() {
            if window == run.start || labels[window] != labels[window - 1] {
                stays[labels[window]] += 1;
            }
        }
    }
    stays
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
    use ndarray::Array2;

    /// Cluster 0 background, 1 pulses of 2 windows every 40, 2 one burst of 60 windows as loud as the pulses.
    fn case() -> (Array2<f32>, Vec<usize>) {
        let labels: Vec<usize> = (0..400)
            .map(|window| match window {
                300..360 => 2,
                _ if window % 40 < 2 => 1,
                _ => 0,
            })
            .collect();
        let powers = Array2::from_shape_fn((400, 4), |(window, part)| {
            let noise = 0.2 * ((window * 7 + part * 3) % 5) as f32;
            noise
                + match labels[window] {
                    0 => 0.0,
                    1 => [0.0, 0.0, 3.0, 1.0][part],
                    _ => 3.0,
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
            4,
            &TransientRule::default(),
        )
        .unwrap();
        let called: Vec<bool> = scores.iter().map(|score| score.is_transient).collect();
        assert_eq!(called, [false, true, false, false], "{scores:?}");
        assert_eq!(scores[1].dwell, 2.0);
        assert!(scores[1].score > scores[2].score && scores[3].n_windows == 0);
    }

    #[test]
    fn lengths_are_checked() {
        let (powers, mut labels) = case();
        let rule = TransientRule::default();
        assert!(transient_score(powers.view(), &labels, &[0..500], 3, &rule).is_err());
        labels[5] = 3;
        assert!(transient_score(powers.view(), &labels, &[0..400], 3, &rule).is_err());
    }
}
