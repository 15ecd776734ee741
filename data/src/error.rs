//! The error of reading, indexing and writing records.

use std::io;
use std::path::PathBuf;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of reading and writing records and archives.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The attempted action, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Writing records to a stream failed.
    #[error("cannot write records: {0}")]
    Write(#[from] io::Error),
    /// Nothing in the file decodes as miniSEED.
    #[error("`{}` at byte {offset}: {reason}", path.display())]
    NoRecords {
        /// The file.
        path: PathBuf,
        /// Byte at which the first fault was found.
        offset: u64,
        /// Content found there instead of a record.
        reason: String,
    },
    /// A path argument matches nothing.
    #[error(
        "no file matches `{argument}`: give an SDS archive, a folder, a file or a glob that exists"
    )]
    NoSuchPath {
        /// The argument as given.
        argument: String,
    },
    /// A glob that cannot be parsed.
    #[error("`{argument}` is no valid glob: {reason}")]
    Glob {
        /// The argument as given.
        argument: String,
        /// The parser's reason.
        reason: String,
    },
    /// A name, a time or an output file.
    #[error(transparent)]
    Core(#[from] seismix_core::Error),
    /// A selector that cannot be understood.
    #[error("`{text}` is not a valid {expected}")]
    Selector {
        /// The text as given.
        text: String,
        /// The expected form, with an example.
        expected: &'static str,
    },
    /// Samples that the chosen encoding or record length cannot hold.
    #[error("cannot write {id} as {encoding}: {reason}")]
    Encode {
        /// The stream.
        id: String,
        /// Name of the encoding.
        encoding: String,
        /// The value that does not fit, and the expected one.
        reason: String,
    },
    /// A request that makes no sense for this archive.
    #[error("{0}")]
    Request(String),
}

impl Error {
    /// An [`Error::Io`] for `map_err`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Byte offset in the file, where the error has one.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::NoRecords { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_place() {
        let error = Error::NoRecords {
            path: "a/b.mseed".into(),
            offset: 512,
            reason: "no record header".into(),
        };
        assert_eq!(
            error.to_string(),
            "`a/b.mseed` at byte 512: no record header"
        );
        assert_eq!(error.offset(), Some(512));
        let error = Error::io("read", "x")(io::Error::other("boom"));
        assert_eq!(error.to_string(), "cannot read `x`: boom");
        assert_eq!(error.offset(), None);
    }
}
