//! The report: one HTML page that explains a run to a seismologist, and the picture of the README.
//!
//! [`ReportData`] is what the pipeline knows, [`render_html`] the page, [`write_report`] the page on disk;
//! [`render_picture`] draws [`PictureData`] as a PNG. Drawing never fails on odd numbers: what is not finite is
//! left out or printed as a dash.

use std::io::Write as _;
use std::path::{Path, PathBuf};

mod align;
mod axis;
mod cluster_data;
mod clusters;
mod data;
mod encode;
mod fingerprint;
mod format;
mod gallery;
pub mod gather;
mod page;
mod palette;
mod picture;
mod provenance;
mod record;
mod separations;
mod stability;
mod strip;
mod summary;
mod svg;
mod trace;
mod training;
mod zoom;

#[cfg(test)]
mod tests;

pub use align::{Alignment, MIN_CORRELATION, align, alike};
pub use cluster_data::{
    CandidateRepeats, ClusterRepeats, DecodingRow, FingerprintPanel, ScaleRepeats, StabilityReport,
};
pub use data::{
    ChannelOverview, ChannelRecord, Clock, ClusterReport, GalleryWindow, Gap, InputFile, LossTerm,
    Overview, Problem, Provenance, ReportData, Role, ScaleReport, ScaleScore, Scores,
    SeparatedChannel, Separation, SnrScore, StationRecord, Strip, Training, TrainingPanel,
    TrainingSeries, TransientScore, WindowCluster, WindowEnd,
};
pub use page::render_html;
pub use picture::{PictureData, render_picture};
pub use trace::Trace;

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not a report's data.
    #[error("{} does not hold a report's data ({source}); make it again with `seismix run`", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The picture could not be drawn.
    #[error("cannot draw {}: {message}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The drawing library's reason.
        message: String,
    },
}

/// Writes the page of [`render_html`]; the file is complete or not there.
///
/// # Errors
/// [`ReportError::Io`] if the folder cannot be written to.
pub fn write_report(path: &Path, data: &ReportData) -> Result<(), ReportError> {
    write_whole(path, render_html(data).as_bytes())
}

impl ReportData {
    /// Saves the data as JSON; the file is complete or not there.
    ///
    /// # Errors
    /// [`ReportError::Io`] if the folder cannot be written to.
    pub fn save(&self, path: &Path) -> Result<(), ReportError> {
        let json = serde_json::to_vec(self).map_err(|source| ReportError::Json {
            path: path.to_owned(),
            source,
        })?;
        write_whole(path, &json)
    }

    /// Loads what [`save`](Self::save) wrote; fields a file lacks have their defaults.
    ///
    /// # Errors
    /// [`ReportError::Io`] if the file cannot be read, [`ReportError::Json`] if it holds something else.
    pub fn load(path: &Path) -> Result<Self, ReportError> {
        let json = std::fs::read(path).map_err(|source| ReportError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_slice(&json).map_err(|source| ReportError::Json {
            path: path.to_owned(),
            source,
        })
    }
}

/// A file in `folder` that goes away unless it is renamed; readable as any new file.
fn temporary(folder: &Path, suffix: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".seismix-").suffix(suffix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The folder of a path.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes to a temporary file beside the goal, syncs and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let write = || -> std::io::Result<()> {
        let mut file = temporary(folder(path), "")?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|source| ReportError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
