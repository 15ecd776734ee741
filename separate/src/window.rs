//! One window of one channel, from mixture and snippets to background and source.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::minimize::{StopReason, StopRule, minimize};
use crate::objective::{ObjectiveOptions, ScatteringObjective, Terms};
use crate::wiener::local_wiener;

/// How a window is separated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowOptions {
    /// The loss.
    pub objective: ObjectiveOptions,
    /// Most iterations of L-BFGS.
    pub max_iterations: usize,
    /// Where the optimisation starts.
    pub start: Start,
    /// Whether to stop where L1 is at its expected value (the median L1 of a left-out snippet); the published rule
    /// otherwise.
    pub stop_at_expectation: bool,
}

/// Where an optimisation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the mixture, as published.
    Mixture,
    /// At the estimate of a local Wiener filter ([`local_wiener`]).
    LocalWiener,
}

/// How a window ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A source was taken out.
    Separated,
    /// The mixture's statistics are those of the background already: left as it is.
    AlreadyBackground,
}

/// Background and source of one window.
#[derive(Debug, Clone)]
pub struct WindowSeparation {
    /// The background `(T,)`, in the unit of the mixture; the source is the mixture minus it.
    pub background: Vec<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the optimisation stopped.
    pub reason: StopReason,
    /// Terms at the start (n = x), after each iteration, and L1's expected value at the truth.
    pub start: Terms,
    /// Terms after each iteration.
    pub history: Vec<Terms>,
    /// Median, over the snippets, of L1 of one against the others.
    pub expected_background_term: f64,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}

impl WindowSeparation {
    /// Terms at the end.
    pub fn end(&self) -> Terms {
        self.history.last().copied().unwrap_or(self.start)
    }
}

/// Separates one window: `mixture` `(T,)`, `snippets` R of `(T,)`, in one unit.
///
/// # Errors
/// As [`ScatteringObjective::new`], and [`Error::NoBackground`] if the snippets hold no signal.
pub fn separate_window(
    mixture: &[f64],
    snippets: &[Vec<f64>],
    options: WindowOptions,
) -> Result<WindowSeparation, Error> {
    let objective = ScatteringObjective::new(mixture, snippets, options.objective)?;
    let scale = spread(snippets);
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(Error::NoBackground);
    }
    let mut unseen = objective.background_term_of_snippets();
    unseen.sort_by(f64::total_cmp);
    let expected = unseen[unseen.len() / 2];
    let rule = if options.stop_at_expectation {
        StopRule::BackgroundTerm(expected)
    } else {
        StopRule::Paper
    };
    let at_mixture = objective.evaluate(mixture, None);
    if options.stop_at_expectation && at_mixture.background <= expected {
        return Ok(WindowSeparation {
            background: mixture.to_vec(),
            outcome: Outcome::AlreadyBackground,
            reason: StopReason::Reached,
            start: at_mixture,
            history: Vec::new(),
            expected_background_term: expected,
            evaluations: 1,
        });
    }
    let first = match options.start {
        Start::Mixture => mixture.to_vec(),
        Start::LocalWiener => local_wiener(mixture, snippets),
    };
    let minimum = minimize(&objective, &first, scale, options.max_iterations, rule)?;
    // A first estimate that already meets the rule is the result.
    let history = if minimum.history.is_empty() && options.start != Start::Mixture {
        vec![minimum.start]
    } else {
        minimum.history
    };
    Ok(WindowSeparation {
        background: minimum.background,
        outcome: Outcome::Separated,
        reason: minimum.reason,
        start: at_mixture,
        history,
        expected_background_term: expected,
        evaluations: minimum.evaluations + 1,
    })
}

/// Root mean square of the snippets about their own means.
fn spread(snippets: &[Vec<f64>]) -> f64 {
    let squares = |snippet: &Vec<f64>| {
        let n = snippet.len() as f64;
        let mean = snippet.iter().sum::<f64>() / n;
        snippet.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n
    };
    (snippets.iter().map(squares).sum::<f64>() / snippets.len() as f64).sqrt()
}
