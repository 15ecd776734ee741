//! Lists of events and glitches, of any known format, as [`ListedInterval`]s.
//!
//! [`read_list`] recognises the format from the content, never from the name of the file:
//!
//! - tables with a header of `start,end`, `starttime,endtime`, `onset[,end]` or `time[,duration]` (in s), with commas,
//!   semicolons, tabs or bars; more columns are `kind` or `type`, `id` or `network`, `station`, `location`, and
//!   `channel`
//! - the `glitches.csv` of `seismix deglitch`
//! - glitch lists of seisglitch
//! - markers of Snuffler
//! - QuakeML: the picks of each event, or its origin where it has none
//!
//! Times are ISO 8601 with `T` or a space, with `Z`, an offset or nothing for UTC.

mod columns;
mod error;
mod interval;
mod quakeml;
mod seisglitch;
mod snuffler;
mod table;
mod text;

use std::fmt;
use std::path::Path;

use seismix_core::regular_file;

pub use error::ListError;
pub use interval::{ListedChannel, ListedId, ListedInterval};

use crate::catalog::{CatalogError, parse_quakeml};
use error::LineFault;
use table::Table;

/// Largest list that is read: half a million rows of a table of `seismix deglitch`.
pub const MAX_LIST_BYTES: u64 = 1 << 27;
/// Most entries of a list; an entry takes up to 250 bytes of memory.
pub const MAX_ENTRIES: usize = 1_000_000;

/// Begin of an XML file in which its kind is looked for.
const MAX_HEAD_CHARS: usize = 4096;
/// Longest excerpt of an unknown file in its error.
const MAX_EXCERPT_CHARS: usize = 60;

/// A list with its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntervalList {
    /// The format that was recognised.
    pub format: ListFormat,
    /// The entries in the order of the file.
    pub intervals: Vec<ListedInterval>,
}

/// Formats of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListFormat {
    /// A table with a header.
    Table,
    /// The table of `seismix deglitch`.
    Deglitch,
    /// A glitch list of seisglitch.
    Seisglitch,
    /// Markers of Snuffler.
    Snuffler,
    /// QuakeML.
    QuakeMl,
}

impl fmt::Display for ListFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table with a header",
            Self::Deglitch => "glitches.csv of seismix",
            Self::Seisglitch => "glitch list of seisglitch",
            Self::Snuffler => "Snuffler markers",
            Self::QuakeMl => "QuakeML",
        })
    }
}

/// Reads a list of at most 128 MiB and a million entries.
///
/// # Errors
/// [`ListError::Io`] if the file cannot be read, or is larger; otherwise as [`parse_list`].
pub fn read_list(path: &Path) -> Result<IntervalList, ListError> {
    let bytes = regular_file::read(path, MAX_LIST_BYTES).map_err(|source| ListError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse_list(&bytes, path)
}

/// Reads a list; `path` only names it in errors.
///
/// # Errors
/// [`ListError::UnknownFormat`] with the known formats, [`ListError::Line`] with the first line that cannot be used.
pub fn parse_list(bytes: &[u8], path: &Path) -> Result<IntervalList, ListError> {
    let text = text::decode(bytes).map_err(|fault| fault.at(path))?;
    if text.trim_start().starts_with('<') {
        return of_xml(text, path);
    }
    text::check_lines(text).map_err(|fault| fault.at(path))?;
    let list = |format: ListFormat, intervals: Result<Vec<ListedInterval>, LineFault>| {
        let intervals = intervals.map_err(|fault| fault.at(path))?;
        Ok(IntervalList { format, intervals })
    };
    if snuffler::is_list(text) {
        return list(ListFormat::Snuffler, snuffler::intervals(text, MAX_ENTRIES));
    }
    if seisglitch::is_list(text) {
        let intervals = seisglitch::intervals(text, MAX_ENTRIES);
        return list(ListFormat::Seisglitch, intervals);
    }
    match Table::of(text) {
        Some(table) if table.is_own => list(ListFormat::Deglitch, table.intervals(MAX_ENTRIES)),
        Some(table) => list(ListFormat::Table, table.intervals(MAX_ENTRIES)),
        None => Err(unknown(path, first_line(text))),
    }
}

fn of_xml(text: &str, path: &Path) -> Result<IntervalList, ListError> {
    // The root element of QuakeML, or its namespace, is in the first lines.
    let head: String = text.chars().take(MAX_HEAD_CHARS).collect();
    match parse_quakeml(text.as_bytes(), path) {
        Ok(catalog) => Ok(IntervalList {
            format: ListFormat::QuakeMl,
            intervals: quakeml::intervals(&catalog),
        }),
        Err(CatalogError::Content { line, reason, .. }) if head.contains("quakeml") => {
            Err(LineFault::new(line, reason).at(path))
        }
        Err(CatalogError::Content { line, reason, .. }) => {
            Err(unknown(path, format!("line {line}: {reason}")))
        }
        Err(error) => Err(unknown(path, error.to_string())),
    }
}

fn unknown(path: &Path, found: String) -> ListError {
    ListError::UnknownFormat {
        path: path.to_owned(),
        found,
    }
}

/// The first line that is not empty, for an error.
fn first_line(text: &str) -> String {
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return "it is empty".into();
    };
    let printable = line.chars().filter(|c| !c.is_control());
    let excerpt: String = printable.take(MAX_EXCERPT_CHARS).collect();
    format!("it begins with `{excerpt}`")
}
