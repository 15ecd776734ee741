//! Errors of lists.

use std::path::{Path, PathBuf};

use crate::xml::shortened;

/// Errors of reading a list of intervals.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The operating system refused to read, or the file is too large.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The content has none of the formats.
    #[error(
        "`{}`: no list of a known format ({found}); give one of: a table with a header of `start,end`, \
         `starttime,endtime`, `onset[,end]` or `time[,duration]`; the glitches.csv of `seismix deglitch`; a glitch list \
         of seisglitch; Snuffler markers; QuakeML",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Content found instead.
        found: String,
    },
    /// A line that cannot be used.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// The fault, and the correct form.
        reason: String,
    },
}

/// Fault of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFault {
    pub(super) line: u64,
    pub(super) reason: String,
}

impl LineFault {
    pub(super) fn new(line: u64, reason: impl Into<String>) -> Self {
        Self {
            line,
            reason: shortened(reason.into()),
        }
    }

    pub(super) fn at(self, path: &Path) -> ListError {
        ListError::Line {
            path: path.to_owned(),
            line: self.line,
            reason: self.reason,
        }
    }
}
