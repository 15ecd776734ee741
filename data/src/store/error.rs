//! Errors of stored features and tables, with remedies.

use std::path::{Path, PathBuf};

/// An error of the store. Each text names the file, what is wrong with it and the cure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The attempted action.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that cannot be written, or a layout that contradicts itself.
    #[error(transparent)]
    Core(#[from] seismix_core::Error),
    /// Not an HDF5 file, or one that cannot be decoded.
    #[error("{}: not a readable HDF5 file ({reason}); make it again with `seismix features`", path.display())]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// An HDF5 file, but something in it is missing, of the wrong kind or damaged.
    #[error("{}: `{item}` {reason}; make the file again with `seismix features`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Name of the data set or attribute.
        item: String,
        /// The fault, in words.
        reason: String,
    },
    /// Written in a format that this version does not know.
    #[error("{}: format version {found}, but this seismix reads version {known}; {cure}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version this code writes.
        known: u32,
        /// The remedy.
        cure: &'static str,
    },
    /// Features handed over for writing contradict themselves.
    #[error("these features cannot be stored: {reason}")]
    Invalid {
        /// The contradiction.
        reason: String,
    },
    /// A feature file was made with other settings than the rest of its set.
    #[error("{}: {what} differ from {}: {found} against {expected}; use files of one `seismix features` run", path.display(), reference.display())]
    Mismatch {
        /// The file that differs.
        path: PathBuf,
        /// The file it is compared with.
        reference: PathBuf,
        /// Name of the setting.
        what: &'static str,
        /// Value in the file.
        found: String,
        /// Value in the reference.
        expected: String,
    },
    /// A station and day that occur twice in a set.
    #[error("{}: the same station and day as {}; leave one of them out", path.display(), other.display())]
    Duplicate {
        /// The second file.
        path: PathBuf,
        /// The first file.
        other: PathBuf,
    },
    /// No feature file at all.
    #[error("no usable feature file in {place}{hint}; make some with `seismix features`")]
    NoFeatures {
        /// The folder or file searched.
        place: String,
        /// First of the files that were refused, with its reason; may be empty.
        hint: String,
    },
    /// A row of a cluster table cannot be used.
    #[error("{}, line {line}: {reason}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Line in the file, 1 is the header.
        line: u64,
        /// The fault, and the correct form.
        reason: String,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }

    pub(super) fn content(path: &Path, item: &str, reason: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_path_buf(),
            item: item.to_string(),
            reason: reason.into(),
        }
    }

    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
        }
    }
}
