//! Content of a synthetic archive.

use std::fmt::Write as _;
use std::path::Path;

use seismix_core::regular_file;
use serde::{Deserialize, Serialize};

use super::{SyntheticConfig, SyntheticError};
use crate::time::format_utc;
use crate::{Error, TimeSpan};

/// Largest `truth.json` in bytes that is read; years of pulses need a few MB.
const MAX_TRUTH_BYTES: u64 = 1 << 30;

/// Kind of background, the large scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundKind {
    /// Gaussian, power falling as f^-0.3.
    Flat,
    /// Gaussian, power falling as f^-1.5.
    Steep,
    /// Increments of a multifractal random walk: white, but intermittent.
    Multifractal,
}

impl BackgroundKind {
    /// All kinds; [`class`](Self::class) counts them.
    pub const ALL: [Self; 3] = [Self::Flat, Self::Steep, Self::Multifractal];

    /// Number of the kind, 0 to 2.
    #[must_use]
    pub fn class(self) -> usize {
        self as usize
    }

    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Steep => "steep",
            Self::Multifractal => "multifractal",
        }
    }
}

/// Class of a burst, the medium scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BurstClass {
    /// Band noise of constant rms.
    Steady,
    /// Band noise whose amplitude swings once in 6 s or so.
    Modulated,
}

impl BurstClass {
    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Modulated => "modulated",
        }
    }
}

/// A stretch of one kind of background; neighbours are cross-faded over a minute around the border.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BackgroundInterval {
    /// Kind.
    pub kind: BackgroundKind,
    /// From here, ns UTC.
    pub start_ns: i64,
    /// To here (exclusive).
    pub end_ns: i64,
}

/// One burst, ramps included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// Class.
    pub class: BurstClass,
    /// From here, ns UTC.
    pub start_ns: i64,
    /// To here (exclusive).
    pub end_ns: i64,
    /// Its rms over that of the background at its middle, both over all channels.
    pub ratio: f64,
    /// Middle of its band, Hz.
    pub center_frequency_hz: f64,
    /// Period of the modulation, s; unused in a steady burst.
    pub modulation_period_s: f64,
}

/// One pulse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// Onset, ns UTC; lies between samples.
    pub onset_ns: i64,
    /// Time of the peak, ns UTC.
    pub peak_ns: i64,
    /// Signed peak of each channel, counts.
    pub peak_counts: [f64; 3],
    /// Signed peak of the precursor of each channel, counts.
    pub precursor_counts: [f64; 3],
    /// Largest |peak| over the background's rms there (as designed, over all channels): 5 to 100.
    pub ratio: f64,
    /// Largest |peak| over the measured rms of everything else (background and bursts) within a minute of the onset.
    pub local_ratio: f64,
}

/// The truth about a synthetic archive. Stored as `truth.json`; intervals and pulses also as CSV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Settings it was made with.
    pub config: SyntheticConfig,
    /// States of the background, contiguous, from the start to the end of the archive.
    pub background: Vec<BackgroundInterval>,
    /// Bursts in order of time; never two at once.
    pub bursts: Vec<Burst>,
    /// Pulses in order of time; onsets at least 45 s apart.
    pub pulses: Vec<Pulse>,
    /// Gaps of the record on all channels: first missing sample to first sample after.
    pub gaps: Vec<TimeSpan>,
    /// Times of the samples that hold the sentinel -8388607 instead of the sum of the parts.
    pub sentinels: Vec<i64>,
}

impl Truth {
    /// Reads `truth.json`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`SyntheticError::Config`] if the text is no truth.
    pub fn read(path: &Path) -> Result<Self, SyntheticError> {
        let text = regular_file::read(path, MAX_TRUTH_BYTES).map_err(Error::io("read", path))?;
        serde_json::from_slice(&text).map_err(|e| {
            SyntheticError::Config(format!("`{}` is no truth.json: {e}", path.display()))
        })
    }

    /// Formats the truth as JSON.
    pub(super) fn json(&self) -> String {
        // Numbers and texts only; `check` has refused what JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// States and bursts as CSV, `source,class,starttime,endtime,ratio`; `endtime` is exclusive.
    pub(super) fn states_csv(&self) -> String {
        let mut text = String::from("source,class,starttime,endtime,ratio\n");
        let states = self
            .background
            .iter()
            .map(|s| ("background", s.kind.name(), s.start_ns, s.end_ns, 1.0));
        let bursts = self
            .bursts
            .iter()
            .map(|b| ("burst", b.class.name(), b.start_ns, b.end_ns, b.ratio));
        for (source, class, start, end, ratio) in states.chain(bursts) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{source},{class},{},{},{ratio:.4}",
                format_utc(start),
                format_utc(end)
            );
        }
        text
    }

    /// Pulses as CSV.
    pub(super) fn pulses_csv(&self) -> String {
        let mut text = String::from("onset,peak");
        for kind in ["peak", "precursor"] {
            for channel in &self.config.channels {
                let _ = write!(text, ",{kind}_{channel}");
            }
        }
        text.push_str(",ratio,local_ratio\n");
        for pulse in &self.pulses {
            let _ = write!(
                text,
                "{},{}",
                format_utc(pulse.onset_ns),
                format_utc(pulse.peak_ns)
            );
            for value in pulse.peak_counts.iter().chain(&pulse.precursor_counts) {
                let _ = write!(text, ",{value:.3}");
            }
            let _ = writeln!(text, ",{:.4},{:.4}", pulse.ratio, pulse.local_ratio);
        }
        text
    }
}
