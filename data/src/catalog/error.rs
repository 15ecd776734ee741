//! Errors of event catalogues.

use std::path::{Path, PathBuf};

use crate::xml::XmlError;

/// Errors of reading and writing QuakeML.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The operating system refused to read, or the file is too large.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not QuakeML, or an element of it cannot be used.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// The fault, and the correct form.
        reason: String,
    },
    /// An identifier that QuakeML does not allow.
    #[error(
        "`{text}` is not a valid QuakeML identifier; make one with `catalog::public_id`, as smi:local/glitch/1"
    )]
    PublicId {
        /// The identifier.
        text: String,
    },
    /// A type of event that is not in QuakeML's list.
    #[error(
        "`{kind}` of `{public_id}` is not a QuakeML event type; use `other event` and put `{kind}` in a description"
    )]
    EventType {
        /// The type.
        kind: String,
        /// Identifier of the event.
        public_id: String,
    },
    /// A number that QuakeML cannot hold.
    #[error("the {what} of `{public_id}` is {value}; give a finite number")]
    NotFinite {
        /// Name of the number.
        what: &'static str,
        /// Identifier of the object.
        public_id: String,
        /// The value.
        value: f64,
    },
    /// The output refused to be written.
    #[error("cannot write QuakeML: {0}")]
    Write(#[from] std::io::Error),
}

impl CatalogError {
    pub(super) fn content(path: &Path, error: XmlError) -> Self {
        Self::Content {
            path: path.to_owned(),
            line: error.line,
            reason: error.reason,
        }
    }
}
