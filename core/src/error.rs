//! The error of names, times, layouts and atomic files.

use std::io;
use std::path::{Path, PathBuf};

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Cause of a refused name, time, layout or file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The attempted action, a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The place of an output file is taken by something that is not a regular file.
    #[error("cannot write `{}`: it is a {found}, not a regular file; name another output", path.display())]
    NotAFile {
        /// The output, with symbolic links followed.
        path: PathBuf,
        /// `folder`, `FIFO`, `device`, `socket`.
        found: &'static str,
    },
    /// Text that is not a valid stream or station.
    #[error("`{text}` is not a valid {expected}")]
    Id {
        /// The text as given.
        text: String,
        /// The expected form, with an example.
        expected: &'static str,
    },
    /// Text that is not a valid time.
    #[error("`{text}` is not a valid time: {reason}; write it as 2019-06-05T00:00:00.010Z")]
    Time {
        /// The text as given.
        text: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Lengths of blocks, windows and strides that contradict each other.
    #[error("{reason}")]
    Layout {
        /// The rule that is broken, with the values.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Io`] for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
