//! Errors of the stages, each with its remedy.

use std::path::{Path, PathBuf};

use seismix_data as data;
use seismix_vae as vae;

use crate::config::ConfigError;

/// Failure of a stage. [`help`](Self::help) says what to do where the text alone does not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name, a time or an output file is not valid.
    #[error(transparent)]
    Core(#[from] seismix_core::Error),
    /// Records could not be read or written.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Feature files or cluster tables could not be read or written.
    #[error(transparent)]
    Store(#[from] data::store::StoreError),
    /// The synthetic archive could not be made.
    #[error(transparent)]
    Synthetic(#[from] data::synthetic::SyntheticError),
    /// The transform refused its parameters or its input.
    #[error(transparent)]
    Scattering(#[from] seismix_scattering::Error),
    /// Model, training or model file.
    #[error(transparent)]
    Model(#[from] vae::Error),
    /// Inputs of the model could not be made.
    #[error(transparent)]
    Inputs(vae::features::InputsError),
    /// Clusters could not be made or judged.
    #[error(transparent)]
    Clusters(vae::init::InitError),
    /// A separation was refused.
    #[error(transparent)]
    Separate(#[from] seismix_separate::Error),
    /// A file of the run could not be read or written.
    #[error("{action} `{}`: {source}", path.display())]
    Io {
        /// Action that failed.
        action: &'static str,
        /// File of the action.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Something is where an output should be written.
    #[error("`{}` is in the way: it is {what}", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// Kind of thing that is there.
        what: &'static str,
    },
    /// A file that seismix did not write is where an output should be written.
    #[error("`{}` is in the way: it is not a file that seismix wrote there", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// True if `--fresh` replaces it.
        replaceable: bool,
    },
    /// A file that belongs to another output is where an output should be written.
    #[error("`{}` is in the way: it belongs to the output of {}", path.display(), named(command))]
    Owned {
        /// Where.
        path: PathBuf,
        /// Command that wrote it.
        command: String,
    },
    /// The output of another command is where an output should be written.
    #[error("`{}` is in the way: it is an output of {}", output.display(), named(command))]
    OtherCommand {
        /// Where.
        output: PathBuf,
        /// Command that wrote it.
        command: String,
        /// True if `--fresh` replaces it.
        replaceable: bool,
    },
    /// An output was made with other settings.
    #[error("`{}` was made with other settings: {}", output.display(), differences.join("; "))]
    OtherSettings {
        /// The output.
        output: PathBuf,
        /// Settings that differ, as `name: old -> new`.
        differences: Vec<String>,
    },
    /// A file that seismix wrote has another checksum now.
    #[error("`{}` is damaged: its checksum differs from the one recorded when it was written", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Inputs vanished or changed while they were in use.
    #[error("inputs changed during the run: {}", what.join(", "))]
    InputsChanged {
        /// The files, and what became of them.
        what: Vec<String>,
    },
    /// The disk is full.
    #[error("the disk is full: writing `{}`: {source}", path.display())]
    DiskFull {
        /// File that could not be written.
        path: PathBuf,
        /// Error of the system.
        source: Box<PipelineError>,
    },
    /// A fault of seismix itself.
    #[error("internal error: {0}")]
    Internal(String),
    /// The input cannot be used for what was asked.
    #[error("{what}")]
    Unusable {
        /// Fault.
        what: String,
        /// Remedy.
        help: String,
    },
    /// The user stopped the run; the same command goes on from there.
    #[error("interrupted; the same command goes on from here")]
    Interrupted,
}

impl From<vae::features::InputsError> for PipelineError {
    fn from(error: vae::features::InputsError) -> Self {
        match error {
            vae::features::InputsError::Cancelled => Self::Interrupted,
            error => Self::Inputs(error),
        }
    }
}

impl From<vae::init::InitError> for PipelineError {
    fn from(error: vae::init::InitError) -> Self {
        match error {
            vae::init::InitError::Cancelled => Self::Interrupted,
            error => Self::Clusters(error),
        }
    }
}

/// Result of a stage.
pub type Result<T> = std::result::Result<T, PipelineError>;

/// A command as the user calls it.
fn named(command: &str) -> String {
    match command {
        "" => "seismix".to_owned(),
        // Files of arrays have one command: each replaces the other's.
        "arrays" => "`seismix scatter`, `unmix` or `synth`".to_owned(),
        command => format!("`seismix {command}`"),
    }
}

impl PipelineError {
    /// Remedy, if the text of the error does not contain it.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Unusable { help, .. } => Some(help),
            Self::Owned { .. } => Some("write to another place with -o"),
            Self::OtherCommand {
                replaceable: false, ..
            } => Some("write to another folder with -o; --fresh does not replace it"),
            Self::Foreign {
                replaceable: true, ..
            }
            | Self::OtherCommand { .. } => {
                Some("move it away, replace it with --fresh, or write to another place with -o")
            }
            Self::Foreign { .. } => Some(
                "move it away, or write to another place with -o; --fresh does not replace it in a folder",
            ),
            Self::InTheWay { .. } => Some("move it away, or write to another place with -o"),
            Self::OtherSettings { .. } => {
                Some("repeat the earlier settings, or replace the output with --fresh")
            }
            Self::Damaged { .. } => Some("run the command that wrote it again"),
            Self::InputsChanged { .. } => {
                Some("run the same command again when the files are complete")
            }
            Self::DiskFull { .. } => {
                Some("free some space; completed files are intact, run the same command to resume")
            }
            Self::Internal(_) => Some("please report this with the command that led to it"),
            _ => None,
        }
    }

    /// A fault of seismix itself, from the error that revealed it.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    pub(crate) fn in_the_way(path: &Path, what: &'static str) -> Self {
        Self::InTheWay {
            path: path.to_path_buf(),
            what,
        }
    }

    /// True if the cause is a disk, quota or file size limit that is exhausted.
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        let mut text = String::new();
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                return matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge);
            }
            text = error.to_string();
            next = error.source();
        }
        // Some writers pass the system's error on as text only.
        ["os error 28", "os error 122", "os error 27"]
            .iter()
            .any(|code| text.contains(&format!("({code})")))
    }

    /// Names a full disk as such; other errors are unchanged.
    pub(crate) fn or_disk_full(self, path: &Path) -> Self {
        if matches!(self, Self::DiskFull { .. }) || !self.is_disk_full() {
            return self;
        }
        Self::DiskFull {
            path: path.to_path_buf(),
            source: Box::new(self),
        }
    }

    /// True if no later input can succeed either, so that the run stops.
    pub(crate) fn ends_the_run(&self) -> bool {
        matches!(
            self,
            Self::Interrupted | Self::InTheWay { .. } | Self::Foreign { .. } | Self::Owned { .. }
        ) || self.is_disk_full()
    }

    pub(crate) fn unusable(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unusable {
            what: what.into(),
            help: help.into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
