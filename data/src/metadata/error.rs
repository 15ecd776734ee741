//! Errors and remarks of instrument metadata.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::id::StreamId;
use crate::time::{TimeSpan, format_utc};
use crate::xml::XmlError;

/// Most epochs or streams that an error lists.
const MAX_LISTED: usize = 20;

/// Errors of reading metadata and of finding an epoch in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The operating system refused to read, or the file is too large.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not StationXML, or an element of it cannot be used.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// The fault, and the correct form.
        reason: String,
    },
    /// The inventory has no such stream.
    #[error(
        "the metadata have no channel `{id}`; they have {}; give StationXML with this channel",
        listed(known)
    )]
    NoStream {
        /// The stream that was looked up.
        id: Box<StreamId>,
        /// Streams of the same station, or all if it has none.
        known: Vec<StreamId>,
    },
    /// The stream has epochs, but none at the time.
    #[error(
        "the metadata of `{id}` have no epoch for {}: missing is {}; there are {}; give StationXML that covers this time",
        format_utc(*time_ns), Span(missing), epochs_listed(epochs)
    )]
    NoEpoch {
        /// The stream.
        id: Box<StreamId>,
        /// The time that was looked up, ns UTC.
        time_ns: i64,
        /// Span around the time that no epoch covers.
        missing: TimeSpan,
        /// Epochs that exist, in the order of their starts.
        epochs: Vec<TimeSpan>,
    },
    /// Epochs of the stream contradict each other at the time.
    #[error(
        "the metadata of `{id}` have several epochs for {} that differ: {}; remove the wrong ones from the StationXML",
        format_utc(*time_ns), epochs_listed(epochs)
    )]
    SeveralEpochs {
        /// The stream.
        id: Box<StreamId>,
        /// The time that was looked up, ns UTC.
        time_ns: i64,
        /// Epochs that hold the time, in the order of their starts.
        epochs: Vec<TimeSpan>,
    },
    /// The response of an epoch cannot be evaluated.
    #[error("the response of `{id}` in the epoch {}: {source}", Span(epoch))]
    Response {
        /// The stream.
        id: Box<StreamId>,
        /// The epoch.
        epoch: TimeSpan,
        /// The fault of the response.
        source: ResponseError,
    },
}

impl MetadataError {
    pub(super) fn content(path: &Path, error: XmlError) -> Self {
        Self::Content {
            path: path.to_owned(),
            line: error.line,
            reason: error.reason,
        }
    }
}

/// Reasons why a response cannot be evaluated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The channel has no response, or one without stages.
    #[error("it has no stages; download the StationXML at level `response`")]
    NoStages,
    /// A stage number that occurs twice.
    #[error("stage {stage} occurs twice; keep one of the two")]
    RepeatedStage {
        /// Number of the stage.
        stage: u32,
    },
    /// A stage of a kind that is not evaluated.
    #[error(
        "stage {stage} is {kind}, which is not evaluated; use a response of poles, zeros and coefficients"
    )]
    Unsupported {
        /// Number of the stage.
        stage: u32,
        /// Kind of the stage, with its article.
        kind: &'static str,
    },
    /// A stage without gain.
    #[error("stage {stage} has no `StageGain`; add it to the StationXML")]
    NoGain {
        /// Number of the stage.
        stage: u32,
    },
    /// A gain that cannot be normalised.
    #[error(
        "stage {stage} cannot be normalised at {frequency_hz} Hz: {reason}; correct the frequency of its `StageGain`"
    )]
    Gain {
        /// Number of the stage.
        stage: u32,
        /// Frequency of the gain, Hz.
        frequency_hz: f64,
        /// The fault.
        reason: &'static str,
    },
    /// A digital filter of unknown rate.
    #[error(
        "stage {stage} is a digital filter without a usable `Decimation`; add its input rate to the StationXML"
    )]
    NoRate {
        /// Number of the stage.
        stage: u32,
    },
    /// A stage that does not continue the one before it.
    #[error(
        "stage {stage} takes `{input}`, but the stage before it gives `{output}`; a stage is missing or wrong"
    )]
    Units {
        /// Number of the stage.
        stage: u32,
        /// Output unit of the stage before.
        output: String,
        /// Input unit of the stage.
        input: String,
    },
    /// An input that is not ground motion.
    #[error(
        "its input unit is `{unit}`, which is not ground motion; evaluate it in its own unit (`OutputUnit::Input`)"
    )]
    NotMotion {
        /// Input unit of the first stage.
        unit: String,
    },
    /// A requested frequency that is not a finite number.
    #[error("{frequency_hz} is not a frequency; give finite frequencies in Hz")]
    Frequency {
        /// The value.
        frequency_hz: f64,
    },
    /// The response is infinite or undefined at a frequency.
    #[error("it is not finite at {frequency_hz} Hz; leave this frequency out")]
    NotFinite {
        /// The frequency, Hz.
        frequency_hz: f64,
    },
}

/// Part of a file that was left out, without making the rest unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Line in the file, from 1.
    pub line: u64,
    /// The channel, if the part belongs to one.
    pub id: Option<StreamId>,
    /// The part.
    pub kind: RemarkKind,
}

/// Parts of StationXML that are left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemarkKind {
    /// A schema version that is not 1.0, 1.1 or 1.2.
    #[error("the schema version is `{found}`; elements newer than version 1.2 are not read")]
    SchemaVersion {
        /// Version in the file, may be empty.
        found: String,
    },
    /// A channel with a fault is left out.
    #[error("the channel is left out: {reason}")]
    Channel {
        /// The fault, and the correct form.
        reason: String,
    },
    /// A response given as a table of frequencies is not read.
    #[error(
        "stage {stage} is a response list, which is not read; this response cannot be evaluated"
    )]
    ResponseList {
        /// Number of the stage.
        stage: u32,
    },
    /// A response given as a polynomial is refused.
    #[error("the response is a polynomial, which is refused; this response cannot be evaluated")]
    Polynomial {
        /// Number of the stage; `None` for the polynomial of the whole instrument.
        stage: Option<u32>,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(id) = &self.id {
            write!(f, "{id}: ")?;
        }
        self.kind.fmt(f)
    }
}

/// An epoch in words.
struct Span<'a>(&'a TimeSpan);

impl fmt::Display for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start_ns, self.0.end_ns) {
            (i64::MIN, i64::MAX) => f.write_str("all time"),
            (i64::MIN, end) => write!(f, "before {}", format_utc(end)),
            (start, i64::MAX) => write!(f, "from {} on", format_utc(start)),
            (start, end) => write!(f, "{} to {}", format_utc(start), format_utc(end)),
        }
    }
}

fn epochs_listed(epochs: &[TimeSpan]) -> String {
    let all: Vec<Span> = epochs.iter().map(Span).collect();
    listed(&all)
}

/// The first items, separated by commas, and the number of the others.
fn listed(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = items
        .iter()
        .take(MAX_LISTED)
        .map(|i| i.to_string())
        .collect();
    match items.len().saturating_sub(MAX_LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
