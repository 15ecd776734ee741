//! Error of preparing inputs.

use crate::init::InitError;

/// Cause of a failed fit or transform of inputs; each text says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputsError {
    /// The coefficient table cannot serve as a source of features.
    #[error("the coefficient table {what}; features need pooled `scat+cov` coefficients")]
    Table {
        /// The missing or contradictory part.
        what: String,
    },
    /// Scales, block and stride do not fit together.
    #[error("window layout: {0}")]
    Layout(#[from] seismix_core::Error),
    /// An option is out of range.
    #[error("option `{name}`: {what}")]
    Option {
        /// Name of the field of [`InputsOptions`](super::InputsOptions).
        name: &'static str,
        /// The given value and the allowed ones.
        what: String,
    },
    /// An array's shape contradicts the table or the other segments.
    #[error("segment {segment}: {what}")]
    Shape {
        /// Index of the segment in the call.
        segment: usize,
        /// Found and expected shape.
        what: String,
    },
    /// A coefficient is NaN or infinite.
    #[error(
        "segment {segment}, block {block}, channel {channel}: a coefficient is not finite; leave blocks that touch bad samples out (cut the segment there)"
    )]
    NotFinite {
        /// Index of the segment in the call.
        segment: usize,
        /// Index of the block in the segment.
        block: usize,
        /// Index of the channel.
        channel: usize,
    },
    /// Too few training windows to fit anything.
    #[error(
        "{found} training windows at the scale of {scale_samples} samples, at least {needed} are needed; give more records, shorten the largest scale or use fewer clusters"
    )]
    TooFewWindows {
        /// Length of the scale's windows in samples.
        scale_samples: usize,
        /// Training windows found.
        found: usize,
        /// Least number that can be fitted.
        needed: usize,
    },
    /// Every feature of a scale is constant on the training windows.
    #[error(
        "all features at the scale of {scale_samples} samples are constant over the training windows; are the records constant or empty?"
    )]
    Constant {
        /// Length of the scale's windows in samples.
        scale_samples: usize,
    },
    /// A stored, fitted struct contradicts itself.
    #[error("the fitted inputs are damaged: {what}; fit them again")]
    Damaged {
        /// The parts that contradict each other.
        what: String,
    },
    /// The user stopped the fit.
    #[error("the fit was cancelled")]
    Cancelled,
    /// Clustering of one scale failed.
    #[error("initial clusters at the scale of {scale_samples} samples: {source}")]
    Init {
        /// Length of the scale's windows in samples.
        scale_samples: usize,
        /// The cause.
        source: InitError,
    },
}
