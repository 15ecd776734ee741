//! The report: one HTML page that explains a run, or the output of single stages, to a seismologist.
//!
//! [`ReportData`] is the content, [`gather`] collects it from the files of a run, [`render_html`] draws the page and
//! [`write_report`] writes it. Drawing never fails on odd numbers: values that are not finite are left out or printed
//! as a dash.

mod data;
mod html;
mod svg;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use data::{
    Alignment, CandidateRepeats, ChannelOverview, ChannelRecord, Clock, ClusterRepeats,
    ClusterReport, DecodingRow, FingerprintPanel, GalleryWindow, InputOverview, InputProblem,
    RecordGap, ReportData, ReportProvenance, ReportSources, ReportedFile, Role, ScaleRepeats,
    ScaleReport, ScaleScore, Scores, SeparatedChannel, SeparatedRegion, SeparationCounts, SnrScore,
    StabilityReport, StationRecord, Strip, Trace, TrainingCurves, TrainingPanel, TrainingSeries,
    TransientScore, WindowCluster, WindowEnd, align, alike, columns, gather,
};
pub(crate) use data::{ClusterRun, extremes, runs};
pub use html::render_html;

use crate::stage::Result;

/// Writes the page of [`render_html`]; the file is written completely or not at all.
///
/// # Errors
/// [`PipelineError::Io`](crate::stage::PipelineError::Io) if the folder cannot be written to.
pub fn write_report(path: &Path, data: &ReportData) -> Result<()> {
    crate::stage::write_atomic(path, render_html(data).as_bytes())
}
