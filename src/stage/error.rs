//! What can go wrong between the parts, and what to do about it.

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
    Inputs(#[from] vae::features::InputsError),
    /// Clusters could not be made or judged.
    #[error(transparent)]
    Clusters(#[from] vae::init::StartError),
    /// A separation was refused.
    #[error(transparent)]
    Separate(#[from] seismix_separate::Error),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// A file of the run could not be read or written.
    #[error("{action} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The input cannot be used for what was asked.
    #[error("{what}")]
    Unusable {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// The user stopped the run; the same command goes on from there.
    #[error("interrupted; the same command goes on from here")]
    Interrupted,
}

/// Result of a stage.
pub type Result<T> = std::result::Result<T, PipelineError>;

impl PipelineError {
    /// What to do, where the text alone does not say so.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Unusable { help, .. } => Some(help),
            _ => None,
        }
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
