use seismix_core::progress::Progress;
use thiserror::Error as ThisError;

/// Faults of the input of a separation; each text names the change to make.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Fewer than two snippets: their spread, which weighs every term, cannot be had.
    #[error(
        "{found} background snippet(s) given, at least 2 are needed to know their spread; give more background"
    )]
    TooFewSnippets {
        /// How many were given.
        found: usize,
    },
    /// Octaves for which windows of the snippets' length are too short.
    #[error("{octaves} octaves, of windows of {n_samples} samples: {source}")]
    Octaves {
        /// The octaves.
        octaves: usize,
        /// Length of the windows.
        n_samples: usize,
        /// Refusal of the transform.
        source: seismix_scattering::Error,
    },
    /// Channels of a segment that differ in length.
    #[error("a channel has {found} samples, the first {expected}; cut all to one length")]
    ChannelLength {
        /// Its length.
        found: usize,
        /// The first's.
        expected: usize,
    },
    /// Region of a record that is shorter than a snippet.
    #[error(
        "the record around it has {found} samples, a snippet {least}; choose a longer record, or shorter snippets"
    )]
    RecordLength {
        /// Samples of the region.
        found: usize,
        /// Samples of a snippet.
        least: usize,
    },
    /// Segments of a record with different numbers of channels.
    #[error("a segment has {found} channels, the first {expected}; give all the same channels")]
    ChannelCount {
        /// Number of its channels.
        found: usize,
        /// Number of the first's.
        expected: usize,
    },
    /// A name that is not in the registry.
    #[error("`{name}` is not a separation method; the methods are auto, {known}")]
    UnknownMethod {
        /// The name.
        name: String,
        /// Names of the registry.
        known: String,
    },
    /// A fitted model that another method or version has saved.
    #[error("the fitted model cannot be used: {0}; fit the method again")]
    Model(String),
    /// A method that skips the arrays it is given.
    #[error("the method does not apply to these arrays: {0}")]
    Skipped(String),
    /// A snippet is not as long as the mixture.
    #[error("snippet {index} has {found} samples, the mixture {expected}; cut all to one length")]
    SnippetLength {
        /// Which snippet.
        index: usize,
        /// Its length.
        found: usize,
        /// The mixture's.
        expected: usize,
    },
    /// A NaN or an infinity in the input.
    #[error("sample {index} of {what} is not finite; cut the window at such samples")]
    NotFinite {
        /// `the mixture` or `snippet 3`.
        what: String,
        /// Index of the first such sample.
        index: usize,
    },
    /// All snippets are zero, or constant: nothing can be weighed by them.
    #[error("the background snippets hold no signal; choose background windows with some")]
    NoBackground,
    /// Snippets without spread, with the published loss, which has no floor under it.
    #[error(
        "all background snippets are the same: their spread, which weighs every term, is zero; give different ones, or take a loss with a floor (--objective seismix)"
    )]
    SameSnippets,
    /// Samples too large, too small, or too unlike in size.
    #[error(
        "{what} is not a finite number: the samples are too large, too small, or too different in size; scale them to values near 1 (other units)"
    )]
    OutOfRange {
        /// Name of the value.
        what: &'static str,
    },
    /// Mixture and snippets are of sizes that cannot be compared.
    #[error(
        "the samples of one signal reach {smallest:e} and those of another {largest:e}: they have no statistics in common; give all in one unit"
    )]
    Incomparable {
        /// The largest sample of the smallest signal.
        smallest: f64,
        /// The largest sample of all.
        largest: f64,
    },
    /// The local model without snippets of the source.
    #[error("no source snippets given; the local model needs windows of the source's cluster")]
    NoSourceSnippets,
    /// A source snippet is shorter than those of the background.
    #[error(
        "source snippet {index} has {found} samples, at least {least} are needed; give longer ones"
    )]
    SourceLength {
        /// Which snippet.
        index: usize,
        /// Its length.
        found: usize,
        /// That of the background's.
        least: usize,
    },
    /// All source snippets are zero.
    #[error("the source snippets hold no signal; choose windows of the source's cluster")]
    SilentSource,
    /// A synthesis like something silent.
    #[error("the target holds no signal; give a record, or a cluster, with some")]
    SilentTarget,
    /// Coefficients that are no scattering covariance at these octaves.
    #[error(
        "{found} coefficients given as a target, {expected} finite ones are needed at these octaves; take them from the same transform"
    )]
    Target {
        /// How many were given.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The transform refused its parameters.
    #[error(transparent)]
    Scattering(#[from] seismix_scattering::Error),
    /// The caller asked to stop.
    #[error("interrupted by the user; no result is returned")]
    Interrupted,
    /// The optimiser broke off with an error of its own.
    #[error("the optimiser failed: {0}")]
    Optimizer(String),
}

impl Error {
    /// Returns [`Error::Interrupted`] once the user wants to stop.
    pub(crate) fn if_cancelled(progress: &dyn Progress) -> Result<(), Self> {
        if progress.cancelled() {
            return Err(Self::Interrupted);
        }
        Ok(())
    }
}
