//! How a channel of a target ended, window by window.

use seismix_separate::{ChannelSeparation, Outcome, StopReason, Terms};
use serde::{Deserialize, Serialize};

/// How one channel of a target ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelResult {
    /// Channel, `NET.STA.LOC.CHA`.
    pub id: String,
    /// Separated if any of its windows was; else left as it was.
    pub outcome: WindowOutcome,
    /// The windows that cover the target, in time.
    pub windows: Vec<WindowResult>,
}

/// How a window ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowOutcome {
    /// A source was taken out.
    Separated,
    /// Its statistics are those of the background already: left as it is.
    AlreadyBackground,
    /// No background like the snippets was found in it: left as it is.
    NotSeparable,
}

/// One window of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowResult {
    /// Its first sample, ISO 8601.
    pub starttime: String,
    /// How it ended.
    pub outcome: WindowOutcome,
    /// Why it ended so.
    pub why: String,
    /// Why the optimisation stopped, if there was one.
    pub stop: Option<StopReason>,
    /// Iterations made.
    pub iterations: usize,
    /// Each term of the loss, for methods that look at it.
    pub terms: Option<TermTable>,
    /// Expected SNR of the background, dB: its power over that of what may be wrong in it; where it was estimated.
    #[serde(default)]
    pub expected_snr_db: Option<f64>,
}

/// The terms of the loss (L1 background, L2 mixture, L3 independence).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TermTable {
    /// With nothing taken out.
    pub start: Terms,
    /// At the end.
    pub end: Terms,
    /// Expected at the truth: the median over the snippets, each left out in turn.
    pub expected: Terms,
    /// The largest of these.
    pub largest: Terms,
}

impl WindowResult {
    /// Of what a method made of the window that begins at `starttime`.
    pub(super) fn new(starttime: String, separation: &ChannelSeparation) -> Self {
        let run = separation.optimization.as_ref();
        Self {
            starttime,
            outcome: match separation.outcome {
                Outcome::Separated => WindowOutcome::Separated,
                Outcome::AlreadyBackground => WindowOutcome::AlreadyBackground,
                Outcome::NotSeparable(_) => WindowOutcome::NotSeparable,
            },
            why: separation.why(),
            stop: run.map(|run| run.reason),
            iterations: run.map_or(0, |run| run.n_iterations()),
            terms: separation.assessment.map(|assessment| TermTable {
                start: assessment.start,
                end: assessment.end,
                expected: assessment.expected,
                largest: assessment.largest,
            }),
            expected_snr_db: separation
                .local
                .as_ref()
                .map(|local| local.expected.mean_db),
        }
    }
}

impl ChannelResult {
    /// Leaves it as it was, whatever became of its windows.
    pub(super) fn leave(&mut self, why: &str) {
        self.outcome = WindowOutcome::NotSeparable;
        for window in &mut self.windows {
            window.outcome = WindowOutcome::NotSeparable;
            window.why = format!("{why}: it is left as it is");
        }
    }

    /// From its windows, at least one.
    pub(super) fn new(id: String, windows: Vec<WindowResult>) -> Self {
        let any = |wanted| windows.iter().any(|window| window.outcome == wanted);
        let outcome = if any(WindowOutcome::Separated) {
            WindowOutcome::Separated
        } else if any(WindowOutcome::NotSeparable) {
            WindowOutcome::NotSeparable
        } else {
            WindowOutcome::AlreadyBackground
        };
        Self {
            id,
            outcome,
            windows,
        }
    }
}
