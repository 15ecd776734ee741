//! What `unmix` tells of its channels: terms, reasons and outcomes.

use super::*;

/// The terms after each iteration, averaged over channels; one that has stopped keeps its last terms.
/// Where no iteration was made, the terms at the end. Channels that were not judged do not count; no rows without any.
pub(super) fn mean_history(separations: &[ChannelSeparation]) -> Array2<f64> {
    let judged: Vec<(&ChannelSeparation, Assessment)> = separations
        .iter()
        .filter_map(|s| Some((s, s.assessment?)))
        .collect();
    if judged.is_empty() {
        return rows(&[]);
    }
    let after = |(s, assessment): &(&ChannelSeparation, Assessment), i: usize| {
        let history = s.optimization.as_ref().map(|run| &run.history);
        let terms = history.and_then(|history| history.get(i + 1));
        terms.copied().unwrap_or(assessment.end)
    };
    let longest = separations
        .iter()
        .filter_map(|s| s.optimization.as_ref())
        .map(Optimization::n_iterations)
        .max();
    let at = |i: usize| mean_terms(judged.iter().map(|s| after(s, i)));
    let history: Vec<[f64; 3]> = (0..longest.unwrap_or(0).max(1)).map(at).collect();
    rows(&history)
}

pub(super) fn mean_terms(terms: impl ExactSizeIterator<Item = Terms>) -> [f64; 3] {
    let n = terms.len() as f64;
    let mut sum = [0.0; 3];
    for terms in terms {
        for (sum, term) in sum.iter_mut().zip(terms.to_array()) {
            *sum += term;
        }
    }
    sum.map(|sum| sum / n)
}

pub(super) fn rows(rows: &[[f64; 3]]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 3), |(i, term)| rows[i][term])
}

pub(super) fn reason(separation: &ChannelSeparation) -> &'static str {
    match separation.optimization.as_ref().map(|run| run.reason) {
        None => "not optimised",
        Some(StopReason::Reached) => "stop rule",
        Some(StopReason::MaxIterations) => "max iterations",
        Some(StopReason::Converged) => "convergence",
        Some(StopReason::LineSearch) => "line search",
    }
}

pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Separated => "separated",
        Outcome::AlreadyBackground => "already background",
        Outcome::NotSeparable(_) => "not separable",
    }
}

pub(super) fn joined(values: &[impl std::fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    values.join(", ")
}
