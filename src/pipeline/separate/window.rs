//! One target stretch on one channel.

use std::ops::Range;

use seismix_separate::{
    Outcome, StopReason, WindowOptions, WindowSeparation, cross_fade, pieces, separate_window,
};
use serde::{Deserialize, Serialize};

use crate::pipeline::error::Result;

/// Samples over which the background fades into the record at either end of a target, inside it.
pub const FADE_SAMPLES: usize = 32;

/// How one channel of a target ended; terms are means over its pieces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelResult {
    /// Channel, `NET.STA.LOC.CHA`.
    pub id: String,
    /// Separated, or left as it was.
    pub outcome: Outcome,
    /// Why the optimisation stopped, a piece each.
    pub stop: Vec<StopReason>,
    /// Iterations, a piece each.
    pub iterations: Vec<usize>,
    /// L1, L2, L3 at the start (background = mixture).
    pub terms_start: [f64; 3],
    /// L1, L2, L3 at the end.
    pub terms_end: [f64; 3],
    /// L1 expected at the true background: median over snippets left out.
    pub expected_background_term: f64,
}

/// Background of the samples `target` of the gap-free `run`, from snippets of one length not above the run's.
///
/// The target is covered by windows of the snippets' length that overlap and are cross-faded; each window and snippet
/// has the line through its ends taken off before, and gets it back.
///
/// # Errors
/// What the separation refuses.
pub fn separate_channel(
    id: &str,
    run: &[f64],
    target: Range<usize>,
    snippets: &[Vec<f64>],
    options: WindowOptions,
) -> Result<(Vec<f64>, ChannelResult)> {
    let window = snippets.first().map_or(0, Vec::len);
    let overlap = window / 4;
    let margin = (overlap / 2) as i64;
    let flattened: Vec<Vec<f64>> = snippets
        .iter()
        .map(|snippet| Line::through_ends(snippet).subtract(snippet))
        .collect();
    let last_start = run.len().saturating_sub(window) as i64;
    let mut starts: Vec<usize> = pieces(
        target.start as i64 - margin,
        target.end as i64 + margin,
        window as i64,
        overlap as i64,
    )
    .into_iter()
    .map(|start| start.clamp(0, last_start) as usize)
    .collect();
    starts.dedup();
    let mut sum = vec![0.0; target.len()];
    let mut weights = vec![0.0; target.len()];
    let mut windows = Vec::new();
    for start in starts {
        let mixture = &run[start..start + window];
        let line = Line::through_ends(mixture);
        let separated = separate_window(&line.subtract(mixture), &flattened, options)?;
        for (i, background) in separated.background.iter().enumerate() {
            let Some(at) = (start + i)
                .checked_sub(target.start)
                .filter(|at| *at < target.len())
            else {
                continue;
            };
            // Where windows overlap, each counts less towards its end.
            let weight = (i.min(window - 1 - i) + 1).min(overlap.max(1)) as f64;
            let value = if separated.outcome == Outcome::AlreadyBackground {
                mixture[i]
            } else {
                background + line.at(i)
            };
            sum[at] += weight * value;
            weights[at] += weight;
        }
        windows.push(separated);
    }
    let result = summary(id, &windows);
    let mut background = run[target.clone()].to_vec();
    if result.outcome == Outcome::Separated {
        let estimate: Vec<f64> = sum
            .iter()
            .zip(&weights)
            .map(|(sum, weight)| sum / weight)
            .collect();
        cross_fade(&mut background, 0, &estimate, FADE_SAMPLES);
    }
    Ok((background, result))
}

fn summary(id: &str, windows: &[WindowSeparation]) -> ChannelResult {
    let n = windows.len().max(1) as f64;
    let mean = |terms: &dyn Fn(&WindowSeparation) -> [f64; 3]| {
        windows.iter().map(terms).fold([0.0; 3], |sum, t| {
            [sum[0] + t[0] / n, sum[1] + t[1] / n, sum[2] + t[2] / n]
        })
    };
    let untouched = windows
        .iter()
        .all(|window| window.outcome == Outcome::AlreadyBackground);
    ChannelResult {
        id: id.to_owned(),
        outcome: if untouched {
            Outcome::AlreadyBackground
        } else {
            Outcome::Separated
        },
        stop: windows.iter().map(|window| window.reason).collect(),
        iterations: windows.iter().map(|window| window.history.len()).collect(),
        terms_start: mean(&|window| window.start.to_array()),
        terms_end: mean(&|window| window.end().to_array()),
        expected_background_term: windows
            .iter()
            .map(|window| window.expected_background_term / n)
            .sum(),
    }
}

/// A straight line, from the first to the last samples of a window.
struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    /// Through the means of the first and last sixteenth, so that a pulse in the middle does not tilt it.
    fn through_ends(samples: &[f64]) -> Self {
        let n = samples.len();
        let end = (n / 16).max(1);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        let (first, last) = (
            mean(&samples[..end.min(n)]),
            mean(&samples[n.saturating_sub(end)..]),
        );
        let slope = if n > end {
            (last - first) / (n - end) as f64
        } else {
            0.0
        };
        Self {
            start: first - slope * (end as f64 - 1.0) / 2.0,
            slope,
        }
    }

    fn at(&self, index: usize) -> f64 {
        self.start + self.slope * index as f64
    }

    fn subtract(&self, samples: &[f64]) -> Vec<f64> {
        samples
            .iter()
            .enumerate()
            .map(|(i, v)| v - self.at(i))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use seismix_separate::ObjectiveOptions;

    #[test]
    fn a_line_comes_off_and_goes_back() {
        let samples: Vec<f64> = (0..100).map(|i| 5.0 - 0.25 * f64::from(i)).collect();
        let line = Line::through_ends(&samples);
        assert!(line.subtract(&samples).iter().all(|v| v.abs() < 1e-12));
    }

    #[test]
    fn only_the_target_changes_and_its_ends_fade() {
        let noise = |seed: u64, n: usize| {
            let mut state = seed;
            (0..n)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
                })
                .collect::<Vec<f64>>()
        };
        let mut run = noise(1, 2000);
        for (i, v) in run.iter_mut().enumerate() {
            *v += 1000.0
                + if i >= 900 {
                    20.0 * (-(i as f64 - 900.0) / 40.0).exp()
                } else {
                    0.0
                };
        }
        let snippets: Vec<Vec<f64>> = (2..12).map(|seed| noise(seed, 512)).collect();
        let options = WindowOptions {
            objective: ObjectiveOptions::floored(5),
            max_iterations: 40,
            start: seismix_separate::Start::LocalWiener,
            stop_at_expectation: true,
        };
        let (background, result) =
            separate_channel("A.B..BHZ", &run, 850..1150, &snippets, options).unwrap();
        assert_eq!(
            (background.len(), result.outcome),
            (300, Outcome::Separated)
        );
        let error = |values: &[f64]| values.iter().map(|v| (v - 1000.0).powi(2)).sum::<f64>();
        assert!(error(&background) < 0.25 * error(&run[850..1150]));
        assert!((background[0] - run[850]).abs() < 0.01 * 20.0);
    }
}
