//! A problem, the methods that solve it, and what comes out: the same for every method.

use std::fmt;

use crate::error::Error;
use crate::local::LocalResult;
use crate::scattering::optimize::StopReason;
use crate::scattering::terms::Terms;

/// One channel of a stretch of a record.
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
    /// Whether it can be used: R >= 2 snippets as long as the mixture, finite, and not all constant.
    ///
    /// # Errors
    /// [`Error::TooFewSnippets`], [`Error::SnippetLength`], [`Error::NotFinite`], [`Error::NoBackground`].
    pub fn check(&self) -> Result<(), Error> {
        check_channel(&self.mixture, &self.snippets)?;
        let constant = |s: &Vec<f64>| s.iter().all(|v| *v == s[0]);
        if self.snippets.iter().all(constant) {
            return Err(Error::NoBackground);
        }
        Ok(())
    }
}

/// A stretch of a record on one or more channels, with snippets of its background, finite and of one length.
#[derive(Debug, Clone)]
pub struct Problem {
    channels: Vec<Channel>,
}

impl Problem {
    /// Checks that there is a channel, that all are of one length, and each [`check`](Channel::check)s.
    ///
    /// # Errors
    /// [`Error::NoChannel`], [`Error::ChannelLength`], or the first channel's that cannot be used.
    pub fn new(channels: Vec<Channel>) -> Result<Self, Error> {
        Self::checked(channels, Channel::check)
    }

    /// The same for a method that takes channels [whole](Method::takes_whole): mixtures may be longer than their snippets.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn whole(channels: Vec<Channel>) -> Result<Self, Error> {
        Self::checked(channels, |channel| {
            check_snippets(&channel.mixture, &channel.snippets).map(drop)
        })
    }

    fn checked(
        channels: Vec<Channel>,
        check: impl Fn(&Channel) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let expected = channels.first().ok_or(Error::NoChannel)?.mixture.len();
        for channel in &channels {
            let found = channel.mixture.len();
            if found != expected {
                return Err(Error::ChannelLength { found, expected });
            }
            check(channel)?;
        }
        Ok(Self { channels })
    }

    /// The channels.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Samples T.
    pub fn n_samples(&self) -> usize {
        self.channels[0].mixture.len()
    }
}

/// Refuses what no method can use.
pub(crate) fn check_channel(mixture: &[f64], snippets: &[Vec<f64>]) -> Result<(), Error> {
    check_lengths(mixture, snippets, mixture.len())
}

/// The same where the mixture may be longer than the snippets, all of one length, which is returned.
pub(crate) fn check_snippets(mixture: &[f64], snippets: &[Vec<f64>]) -> Result<usize, Error> {
    let first = snippets.first().map_or(0, Vec::len);
    let expected = first.clamp(1, mixture.len().max(1));
    check_lengths(mixture, snippets, expected)?;
    let constant = |s: &Vec<f64>| s.iter().all(|v| *v == s[0]);
    if snippets.iter().all(constant) {
        return Err(Error::NoBackground);
    }
    Ok(expected)
}

fn check_lengths(mixture: &[f64], snippets: &[Vec<f64>], expected: usize) -> Result<(), Error> {
    if snippets.len() < 2 {
        return Err(Error::TooFewSnippets {
            found: snippets.len(),
        });
    }
    let finite = |what: &dyn Fn() -> String, signal: &[f64]| match signal
        .iter()
        .position(|v| !v.is_finite())
    {
        Some(index) => Err(Error::NotFinite {
            what: what(),
            index,
        }),
        None => Ok(()),
    };
    finite(&|| "the mixture".into(), mixture)?;
    for (index, snippet) in snippets.iter().enumerate() {
        if snippet.len() != expected {
            return Err(Error::SnippetLength {
                index,
                found: snippet.len(),
                expected,
            });
        }
        finite(&|| format!("snippet {index}"), snippet)?;
    }
    Ok(())
}

/// A way to take a mixture apart.
pub trait Method: Send + Sync {
    /// What it is called in results.
    fn name(&self) -> &'static str;

    /// Whether it takes a channel whose mixture is longer than its snippets as one; else the caller has to cut it.
    fn takes_whole(&self, _channel: &Channel) -> bool {
        false
    }

    /// Background and source of a stretch. The same problem gives the same bits, on any number of threads.
    ///
    /// # Errors
    /// What of the problem the method cannot use; a window that it can use and not separate is an [`Outcome`].
    fn separate(&self, problem: &Problem) -> Result<Separation, Error>;
}

/// What a method makes of a problem.
#[derive(Debug, Clone)]
pub struct Separation {
    /// In the order of the problem's channels.
    pub channels: Vec<ChannelSeparation>,
}

/// Background and source of one channel, and how the method came there.
#[derive(Debug, Clone)]
pub struct ChannelSeparation {
    /// The background `(T,)`, in the unit of the mixture; the source is the mixture minus it. The mixture itself unless
    /// the outcome is [`Outcome::Separated`].
    pub background: Vec<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The terms of the scattering objective, which judges the result of every method; `None` where nothing was tried.
    pub assessment: Option<Assessment>,
    /// How the optimisation went; `None` where there was none.
    pub optimization: Option<Optimization>,
    /// What the local model found and expects; `None` from the other methods.
    pub local: Option<Box<LocalResult>>,
}

/// The terms of the scattering objective, and what they are at the truth.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Assessment {
    /// At the mixture, with nothing taken out.
    pub start: Terms,
    /// At the estimate of the background.
    pub end: Terms,
    /// Expected at the truth: median over the snippets, each left out in turn to play the unseen background.
    pub expected: Terms,
    /// The largest of these: a term above it is like that of no snippet.
    pub largest: Terms,
}

/// How an optimisation went.
#[derive(Debug, Clone)]
pub struct Optimization {
    /// Terms at its start, and after each iteration.
    pub history: Vec<Terms>,
    /// Why it stopped.
    pub reason: StopReason,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}

impl Optimization {
    /// Iterations made.
    pub fn n_iterations(&self) -> usize {
        self.history.len().saturating_sub(1)
    }
}

impl ChannelSeparation {
    /// Why it ended as it did, in a few words with the numbers that decided.
    pub fn why(&self) -> String {
        let assessment = self.assessment.unwrap_or_default();
        let (end, expected) = (assessment.end.loss(), assessment.expected.loss());
        match (&self.outcome, &self.optimization) {
            (Outcome::NotSeparable(obstacle), _) => obstacle.to_string(),
            (Outcome::AlreadyBackground, _) => {
                format!("like the background already: loss {end:.2}, expected {expected:.2}")
            }
            (Outcome::Separated, None) if self.local.is_some() => {
                let local = self.local.as_ref();
                let [own, before] =
                    local.map_or([0.0; 2], |l| [l.expected.mean_db, l.untouched.mean_db]);
                let spread = local.map_or(0.0, |l| l.expected.spread_db);
                format!(
                    "expected SNR of the background {own:.1} +- {spread:.1} dB, {before:.1} dB if left as it is"
                )
            }
            (Outcome::Separated, None) => format!("loss {end:.2}, expected {expected:.2}"),
            (Outcome::Separated, Some(run)) => {
                let n = run.n_iterations();
                let what = match run.reason {
                    // Either ends it; the loss need not get there.
                    StopReason::Reached if end > expected && n == 0 => {
                        "first estimate's L1 as good as expected, which ends it"
                    }
                    StopReason::Reached if end > expected => {
                        "L1 as good as expected, which ends it"
                    }
                    StopReason::Reached if n == 0 => "first estimate as good as expected",
                    StopReason::Reached => "as good as expected",
                    StopReason::MaxIterations => "all iterations used",
                    StopReason::Converged => "converged",
                    StopReason::LineSearch => "no lower loss found along the gradient",
                };
                let [l1, l1_expected] =
                    [assessment.end, assessment.expected].map(|terms| terms.background);
                let plural = if n == 1 { "" } else { "s" };
                format!(
                    "{what} after {n} iteration{plural}: loss {end:.2}, expected {expected:.2}; L1 {l1:.2}, expected {l1_expected:.2}"
                )
            }
        }
    }
}

/// How a channel of a window ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// A source was taken out.
    Separated,
    /// The mixture's statistics are those of the background already: left as it is.
    AlreadyBackground,
    /// No background like the snippets was found in it: left as it is.
    NotSeparable(RejectionReason),
}

/// Why a window was not separated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectionReason {
    /// The mixture is constant.
    NoSignal,
    /// The background that was found holds more energy than the mixture: something is missing from the mixture, not
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
    /// On mixtures of snippets nothing did better than to leave the window as it is, or to give out silence.
    NoGain {
        /// SNR of the background that is expected of the estimate, in dB.
        expected_db: f64,
        /// Of the better of the two, in dB.
        least_db: f64,
    },
    /// On mixtures of snippets nothing did better than to turn the whole window down: the clusters are alike.
    Alike {
        /// SNR of the background beyond that, in dB.
        gain_db: f64,
    },
    /// A term stayed above what it is for any snippet that is left out.
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
                "the background is expected to come out at {expected_db:.1} dB, and less than {least_db:.1} dB may be no gain over leaving it"
            ),
            Self::Alike { gain_db } => write!(
                f,
                "source and background are alike: {gain_db:.1} dB is gained over turning the whole window down"
            ),
            Self::Term {
                term,
                value,
                largest,
            } => {
                let what = match term {
                    1 => "what is left is unlike the background",
                    2 => {
                        "the source found and the background do not add up to the window's statistics"
                    }
                    _ => "the source found depends on the background",
                };
                write!(
                    f,
                    "{what}: L{term} is {value:.2}, at most {largest:.2} for a snippet left out"
                )
            }
        }
    }
}
