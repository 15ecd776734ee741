//! Errors of the array functions.

#[cfg(feature = "pipeline")]
use crate::stage::PipelineError;

/// Reason for which arrays could not be transformed, separated or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// An array with other axes than the function takes.
    #[error("an array of shape {found:?} is not {expected}")]
    Shape {
        /// The argument.
        argument: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shapes that can be used.
        expected: String,
    },
    /// A sample that is NaN or infinite.
    #[error("{value} at {index:?} is not a finite number")]
    NotFinite {
        /// The argument.
        argument: &'static str,
        /// Position in the array.
        index: Vec<usize>,
        /// The value.
        value: f64,
    },
    /// A setting that does not fit the arrays, or another setting.
    #[error("{0}")]
    Setting(String),
    /// A setting that the transform refuses.
    #[error(transparent)]
    Transform(seismix_scattering::Error),
    /// A signal that the transform refuses.
    #[error("signal (batch {batch}, channel {channel}): {error}")]
    Signal {
        /// Position on the batch axis.
        batch: usize,
        /// Position on the channel axis.
        channel: usize,
        /// Reason.
        error: seismix_scattering::Error,
    },
    /// A channel that the separation refuses.
    #[cfg(feature = "separate")]
    #[error("(channel {channel}): {error}")]
    Channel {
        /// Position on the channel axis.
        channel: usize,
        /// Reason.
        error: seismix_separate::Error,
    },
    /// The result is not finite.
    #[cfg(feature = "separate")]
    #[error("{0}")]
    Result(seismix_separate::Error),
    /// A signal that cannot be made, or whose original cannot be used.
    #[cfg(feature = "separate")]
    #[error("{0}")]
    Synthesis(seismix_separate::Error),
    /// Feature files, tables or models.
    #[cfg(feature = "pipeline")]
    #[error(transparent)]
    Stage(#[from] PipelineError),
    /// The caller cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl ArrayError {
    /// Argument whose array is at fault, if it is a single one.
    pub fn argument(&self) -> Option<&'static str> {
        match self {
            Self::Shape { argument, .. } | Self::NotFinite { argument, .. } => Some(argument),
            _ => None,
        }
    }

    /// True if the settings are at fault and not the arrays.
    pub fn is_setting(&self) -> bool {
        match self {
            Self::Setting(_) | Self::Transform(_) => true,
            #[cfg(feature = "separate")]
            Self::Channel { error, .. } | Self::Synthesis(error) => {
                matches!(
                    error,
                    seismix_separate::Error::Scattering(_)
                        | seismix_separate::Error::Octaves { .. }
                )
            }
            _ => false,
        }
    }
}
