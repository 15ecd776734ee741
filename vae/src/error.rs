//! Error of planning, training, using, reading and writing a model.

use std::path::PathBuf;

/// Result of this crate's model, training and file operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Cause of a failed plan, training, inference or file operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be written.
    #[error(transparent)]
    Core(#[from] seismix_core::Error),
    /// A setting is outside its range.
    #[error("`{name}` is {found}; it must be {allowed}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// Accepted values.
        allowed: &'static str,
    },
    /// Arrays or lists that belong together differ in size.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array or list.
        what: String,
        /// Size or shape expected.
        expected: String,
        /// Size or shape found.
        found: String,
    },
    /// An input value is NaN or infinite.
    #[error(
        "scale {scale}, window {window}, channel {channel}, feature {feature} is {value}: remove that window, \
         or the record that it comes from, and standardise again"
    )]
    NonFinite {
        /// Index of the scale.
        scale: usize,
        /// Index of the window.
        window: usize,
        /// Index of the channel.
        channel: usize,
        /// Index of the feature.
        feature: usize,
        /// The value.
        value: f32,
    },
    /// A device to compute on is not there.
    #[error("device `{asked}` was not found ({feature}); present: {present}")]
    Device {
        /// The requested device.
        asked: crate::model::ComputeDevice,
        /// Reason why it may be missing.
        feature: String,
        /// Devices that are present.
        present: String,
    },
    /// The data do not allow the operation.
    #[error("{0}")]
    Data(String),
    /// The loss or a gradient became NaN or infinite.
    #[error(
        "training diverged at epoch {epoch}, step {step}: the loss is {loss}; lower the learning rate or look for \
         extreme input values"
    )]
    Diverged {
        /// Epoch, counted from 0.
        epoch: usize,
        /// Step in the epoch, counted from 0.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// The operating system refused to read or write.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// The attempted action, a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is damaged, or is not what it should be.
    #[error("`{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Reason, and what to do.
        reason: String,
    },
    /// A checkpoint belongs to another training.
    #[error(
        "the checkpoint `{path}` was made with other {what}: delete it to start afresh, or name another checkpoint"
    )]
    OtherTraining {
        /// The checkpoint.
        path: PathBuf,
        /// The arguments that differ.
        what: &'static str,
    },
}

impl Error {
    /// A [`Error::Shape`] from anything that can be printed.
    pub(crate) fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Debug,
        found: impl std::fmt::Debug,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: format!("{expected:?}"),
            found: format!("{found:?}"),
        }
    }

    /// A [`Error::File`].
    pub(crate) fn file(path: &std::path::Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// Wraps an I/O error with what was tried and where.
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// `Ok` if `holds`, else [`Error::Setting`].
pub(crate) fn setting(
    holds: bool,
    name: &'static str,
    found: impl std::fmt::Display,
    allowed: &'static str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        found: found.to_string(),
        allowed,
    })
}
