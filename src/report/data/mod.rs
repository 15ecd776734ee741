//! The content of a report as plain data: gathered from the files of a run, drawn by the page.
//!
//! The page computes nothing from records, so a report can be saved as JSON and drawn again. Floats that are not finite
//! are written as `null` and read back as NaN; waveforms are base64 of little-endian `f32`.

mod align;
mod clusters;
mod encode;
mod fingerprints;
mod gather;
mod records;
mod scores;
mod separations;
mod stability;
mod strip;
mod trace;
mod training;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::stage::{PipelineError, Result};

pub(crate) use align::extremes;
pub use align::{Alignment, align, alike};
pub use clusters::{ClusterReport, GalleryWindow, Role, ScaleReport};
pub use fingerprints::{DecodingRow, FingerprintPanel};
pub use gather::{ReportSources, gather};
pub use records::{
    ChannelOverview, ChannelRecord, InputOverview, InputProblem, RecordGap, StationRecord, Strip,
    WindowCluster,
};
pub use scores::{ScaleScore, Scores, SnrScore, TransientScore};
pub use separations::{SeparatedChannel, SeparatedRegion, SeparationCounts, WindowEnd};
pub use stability::{CandidateRepeats, ClusterRepeats, ScaleRepeats, StabilityReport};
pub(crate) use strip::{ClusterRun, runs};
pub use trace::{Trace, columns};
pub use training::{TrainingCurves, TrainingPanel, TrainingSeries};

/// Format of the saved data. In earlier ones (0) numbers of other methods stood next to a separation.
const FORMAT: u32 = 1;

/// Content of one report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportData {
    /// Version of the saved form; 0 before there was one.
    pub format: u32,
    /// The page's title, such as `XB.ELYSE, 2019 day 156 to 2019 day 158`.
    pub title: String,
    /// Further sentences of the summary.
    pub remarks: Vec<String>,
    /// Sections that cannot be shown and the file that each of them needs.
    pub absent: Vec<String>,
    /// Unit of all waveforms; `counts` when empty.
    pub amplitude_unit: String,
    /// Clock of [`ClusterReport::hours`].
    pub clock: Clock,
    /// Definition of the transient score, in a few words.
    pub transient_measure: String,
    /// Channels, gaps and unreadable inputs.
    pub overview: InputOverview,
    /// Scores against known sources (the demo, or labelled data).
    pub scores: Option<Scores>,
    /// The record and its clusters over time, station by station.
    pub stations: Vec<StationRecord>,
    /// Clusters, scale by scale, finest first.
    pub scales: Vec<ScaleReport>,
    /// Training curves.
    pub training: Option<TrainingCurves>,
    /// Agreement of the clusters with other fits, if it was computed.
    pub stability: Option<StabilityReport>,
    /// Windows of the target clusters that were separated, unchanged or not processed.
    pub separation_counts: Option<SeparationCounts>,
    /// Separated regions, in the order of time.
    pub separations: Vec<SeparatedRegion>,
    /// Version, command, settings and inputs.
    pub provenance: ReportProvenance,
    /// The files of the run from which the report was gathered.
    pub gathered_from: Vec<ReportedFile>,
}

/// Clock of a time-of-day histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// Local mean solar time, in 24ths of the local day.
    Lmst,
}

/// Version, command, settings and inputs of a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportProvenance {
    /// Version of seismix.
    pub version: String,
    /// The command line.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// The full configuration as text (TOML or JSON).
    pub configuration: String,
    /// Input files.
    pub inputs: Vec<ReportedFile>,
    /// Further facts, such as wall time and peak memory: name and value.
    pub facts: Vec<(String, String)>,
}

/// A file with its size and checksum.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportedFile {
    /// Path as given.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl ReportData {
    /// True if the data were gathered in the present form.
    #[must_use]
    pub fn has_current_format(&self) -> bool {
        self.format == FORMAT
    }

    /// Takes over results of an earlier report on the same files that the files do not hold: scores, and inputs that
    /// failed during the run.
    pub fn keep_results_of(&mut self, earlier: &Self) {
        self.scores.clone_from(&earlier.scores);
        for region in &mut self.separations {
            let mut same = earlier.separations.iter();
            if let Some(other) =
                same.find(|o| o.start_ns == region.start_ns && o.station == region.station)
            {
                region.snr_before_db = other.snr_before_db;
                region.snr_after_db = other.snr_after_db;
            }
        }
        for problem in &earlier.overview.problems {
            if !self.overview.problems.contains(problem) {
                self.overview.problems.push(problem.clone());
            }
        }
    }

    /// Saves the data as JSON; the file is written completely or not at all.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the folder cannot be written to.
    pub fn save(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec(self)
            .map_err(|e| PipelineError::unusable(e.to_string(), "report this as a bug"))?;
        crate::stage::write_atomic(path, &json)
    }

    /// Loads a file written by [`save`](Self::save); fields that it lacks have their defaults.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the file cannot be read, [`PipelineError::Unusable`] if it is not a report's data.
    pub fn load(path: &Path) -> Result<Self> {
        let json = crate::stage::read_whole(path).map_err(PipelineError::io("reading", path))?;
        serde_json::from_slice(&json).map_err(|e| {
            PipelineError::unusable(
                format!("`{}` is not the data of a report: {e}", path.display()),
                "create it again with `seismix run`",
            )
        })
    }
}
