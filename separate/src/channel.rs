//! One channel of a window with snippets of its background, and its separation.

use std::fmt;

use rayon::prelude::*;
use seismix_core::progress::{NoProgress, Progress};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::local::LocalResult;
use crate::scattering::optimize::OptimizerStop;
use crate::scattering::terms::ObjectiveTerms;

/// One channel of a window of a record.
#[derive(Debug, Clone)]
pub struct Channel {
    /// The mixture x `(T,)`.
    pub mixture: Vec<f64>,
    /// The snippets n_k of its background, R of `(T,)`.
    pub snippets: Vec<Vec<f64>>,
    /// Snippets of the source, such as the other windows of its cluster, each of T samples or more; may be empty. Used by
    /// [`LocalMethod`](crate::LocalMethod) only.
    pub source_snippets: Vec<Vec<f64>>,
}

impl Channel {
    /// Checks for R >= 2 snippets as long as the mixture, finite, and not all constant.
    ///
    /// # Errors
    /// [`Error::TooFewSnippets`], [`Error::SnippetLength`], [`Error::NotFinite`], [`Error::NoBackground`].
    pub fn check(&self) -> Result<(), Error> {
        check_channel(&self.mixture, &self.snippets)?;
        check_signal(&self.snippets)
    }
}

/// Checks for R >= 2 finite snippets as long as the mixture, which is finite.
pub(crate) fn check_channel(mixture: &[f64], snippets: &[Vec<f64>]) -> Result<(), Error> {
    check_lengths(mixture, snippets, mixture.len())
}

/// Checks a channel whose mixture may be longer than its snippets, and returns their common length.
pub(crate) fn check_snippets(mixture: &[f64], snippets: &[Vec<f64>]) -> Result<usize, Error> {
    let first = snippets.first().map_or(0, Vec::len);
    let expected = first.clamp(1, mixture.len().max(1));
    check_lengths(mixture, snippets, expected)?;
    check_signal(snippets)?;
    Ok(expected)
}

fn check_signal(snippets: &[Vec<f64>]) -> Result<(), Error> {
    let constant = |s: &Vec<f64>| s.iter().all(|v| *v == s[0]);
    if snippets.iter().all(constant) {
        return Err(Error::NoBackground);
    }
    Ok(())
}

fn check_lengths(mixture: &[f64], snippets: &[Vec<f64>], expected: usize) -> Result<(), Error> {
    if snippets.len() < 2 {
        return Err(Error::TooFewSnippets {
            found: snippets.len(),
        });
    }
    check_finite("the mixture", mixture)?;
    for (index, snippet) in snippets.iter().enumerate() {
        if snippet.len() != expected {
            return Err(Error::SnippetLength {
                index,
                found: snippet.len(),
                expected,
            });
        }
        check_finite(&format!("snippet {index}"), snippet)?;
    }
    Ok(())
}

/// Names the first sample of a signal that is NaN or infinite.
pub(crate) fn check_finite(what: &str, signal: &[f64]) -> Result<(), Error> {
    match signal.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            what: what.to_owned(),
            index,
        }),
        None => Ok(()),
    }
}

/// Separation of one channel by the statistics of its snippets.
pub trait ChannelMethod: Send + Sync {
    /// Separates one channel. The same channel gives the same bits on any number of threads.
    ///
    /// # Errors
    /// The fault of a channel that cannot be used; one that can be used and not separated is an [`Outcome`].
    fn separate_channel(&self, channel: &Channel) -> Result<ChannelSeparation, Error> {
        self.separate_with_progress(channel, &NoProgress)
    }

    /// Separates one channel, and stops early if `progress` is cancelled.
    ///
    /// # Errors
    /// As [`separate_channel`](Self::separate_channel); [`Error::Interrupted`] if it was cancelled.
    fn separate_with_progress(
        &self,
        channel: &Channel,
        progress: &dyn Progress,
    ) -> Result<ChannelSeparation, Error>;

    /// Separates all channels in parallel; the error is that of the first channel that cannot be used.
    ///
    /// # Errors
    /// As [`separate_with_progress`](Self::separate_with_progress).
    fn separate_channels(
        &self,
        channels: &[Channel],
        progress: &dyn Progress,
    ) -> Result<Vec<ChannelSeparation>, Error> {
        let solved: Vec<Result<ChannelSeparation, Error>> = channels
            .par_iter()
            .map(|channel| self.separate_with_progress(channel, progress))
            .collect();
        solved.into_iter().collect()
    }
}

/// Background and source of one channel, with the evidence for them.
#[derive(Debug, Clone)]
pub struct ChannelSeparation {
    /// The background `(T,)`, in the unit of the mixture; the source is the mixture minus it. The mixture itself unless
    /// the outcome is [`Outcome::Separated`].
    pub background: Vec<f64>,
    /// Outcome of the acceptance test.
    pub outcome: Outcome,
    /// Reason of [`Outcome::NotSeparable`].
    pub rejection: Option<RejectionReason>,
    /// Terms of the scattering objective; `None` if nothing was tried.
    pub assessment: Option<Assessment>,
    /// History of the optimisation; `None` if there was none.
    pub optimization: Option<Optimization>,
    /// Result of the local model; `None` from the other methods.
    pub local: Option<Box<LocalResult>>,
}

impl ChannelSeparation {
    /// Separation after the acceptance test; if the test has rejected it, the background is the mixture.
    pub(crate) fn judged(
        mixture: &[f64],
        background: Vec<f64>,
        verdict: Result<(), RejectionReason>,
    ) -> Self {
        match verdict {
            Ok(()) => Self {
                background,
                outcome: Outcome::Separated,
                rejection: None,
                assessment: None,
                optimization: None,
                local: None,
            },
            Err(reason) => Self {
                outcome: Outcome::NotSeparable,
                rejection: Some(reason),
                ..Self::unchanged(mixture)
            },
        }
    }

    /// Separation of a mixture that has the statistics of the background already.
    pub(crate) fn unchanged(mixture: &[f64]) -> Self {
        Self {
            background: mixture.to_vec(),
            outcome: Outcome::AlreadyBackground,
            rejection: None,
            assessment: None,
            optimization: None,
            local: None,
        }
    }

    /// Reason of the outcome in a few words, with the numbers that decided.
    pub fn why(&self) -> String {
        let assessment = self.assessment.unwrap_or_default();
        let (end, expected) = (assessment.end.loss(), assessment.expected.loss());
        match (self.rejection, self.outcome, &self.optimization) {
            (Some(reason), ..) => reason.to_string(),
            (None, Outcome::AlreadyBackground, _) => {
                format!("like the background already: loss {end:.2}, expected {expected:.2}")
            }
            (None, _, Some(run)) => run.why(&assessment),
            (None, _, None) => match &self.local {
                Some(local) => format!(
                    "expected SNR of the background {:.1} +- {:.1} dB, {:.1} dB if left unchanged",
                    local.expected.mean_db, local.expected.spread_db, local.untouched.mean_db
                ),
                None => format!("loss {end:.2}, expected {expected:.2}"),
            },
        }
    }
}

/// Terms of the scattering objective, and their values for the true background.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Assessment {
    /// At the mixture, with nothing removed.
    pub start: ObjectiveTerms,
    /// At the estimate of the background.
    pub end: ObjectiveTerms,
    /// Expected for the true background: median over the snippets, each left out in turn to play the unseen background.
    pub expected: ObjectiveTerms,
    /// The largest of these: a term above it is like that of no snippet.
    pub largest: ObjectiveTerms,
}

/// History of an optimisation.
#[derive(Debug, Clone)]
pub struct Optimization {
    /// Terms at its start, and after each iteration.
    pub history: Vec<ObjectiveTerms>,
    /// Reason of its end.
    pub reason: OptimizerStop,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}

impl Optimization {
    /// Number of iterations.
    pub fn n_iterations(&self) -> usize {
        self.history.len().saturating_sub(1)
    }

    fn why(&self, assessment: &Assessment) -> String {
        let n = self.n_iterations();
        let (end, expected) = (assessment.end.loss(), assessment.expected.loss());
        let what = match self.reason {
            // L1 alone ends it too, so the loss may still be above its expected value.
            OptimizerStop::Reached if end > expected && n == 0 => {
                "first estimate's L1 as good as expected, which ends it"
            }
            OptimizerStop::Reached if end > expected => "L1 as good as expected, which ends it",
            OptimizerStop::Reached if n == 0 => "first estimate as good as expected",
            OptimizerStop::Reached => "as good as expected",
            OptimizerStop::MaxIterations => "all iterations used",
            OptimizerStop::Converged => "converged",
            OptimizerStop::LineSearch => "no lower loss found along the gradient",
        };
        let [l1, l1_expected] = [assessment.end, assessment.expected].map(|terms| terms.background);
        let plural = if n == 1 { "" } else { "s" };
        format!(
            "{what} after {n} iteration{plural}: loss {end:.2}, expected {expected:.2}; L1 {l1:.2}, expected {l1_expected:.2}"
        )
    }
}

/// Outcome of the acceptance test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A source was removed.
    Separated,
    /// The mixture has the statistics of the background already and is unchanged.
    AlreadyBackground,
    /// No background like the snippets was found in the mixture, which is unchanged.
    NotSeparable,
}

/// Reason for which a separation is rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectionReason {
    /// The mixture is constant.
    NoSignal,
    /// The background that was found has more energy than the mixture: something is missing from the mixture, not
    /// added to it. In dB.
    LessThanBackground {
        /// Energy of the background over that of the mixture.
        excess_db: f64,
    },
    /// Too few snippets of either cluster to hold some out.
    TooFewSnippets {
        /// Of the smaller cluster.
        found: usize,
        /// Needed.
        least: usize,
    },
    /// On mixtures of snippets no filter was better than leaving the mixture unchanged, or returning silence.
    NoGain {
        /// SNR of the background that is expected of the estimate, in dB.
        expected_db: f64,
        /// Of the better of the two, in dB.
        least_db: f64,
    },
    /// On mixtures of snippets no filter was better than scaling the whole window: the clusters are alike.
    Alike {
        /// SNR of the background beyond that, in dB.
        gain_db: f64,
    },
    /// A term exceeds its value for every left-out snippet.
    Term {
        /// 1, 2 or 3.
        term: usize,
        /// Its value.
        value: f64,
        /// The largest for a snippet that is left out.
        largest: f64,
    },
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSignal => f.write_str("the window is constant"),
            Self::LessThanBackground { excess_db } => write!(
                f,
                "the background would hold {excess_db:.1} dB more than the window: something is missing there, not added"
            ),
            Self::TooFewSnippets { found, least } => write!(
                f,
                "{found} snippet(s) of one of the clusters, {least} are needed to hold some out"
            ),
            Self::NoGain {
                expected_db,
                least_db,
            } => write!(
                f,
                "the background's expected SNR is {expected_db:.1} dB, and less than {least_db:.1} dB may be no gain over leaving it"
            ),
            Self::Alike { gain_db } => write!(
                f,
                "source and background are alike: {gain_db:.1} dB is gained over scaling the whole window"
            ),
            Self::Term {
                term,
                value,
                largest,
            } => {
                let what = match term {
                    1 => "the remainder is unlike the background",
                    2 => "the source and the background do not add up to the window's statistics",
                    _ => "the source depends on the background",
                };
                write!(
                    f,
                    "{what}: L{term} is {value:.2}, at most {largest:.2} for a snippet left out"
                )
            }
        }
    }
}
