//! Glitch lists of seisglitch: a commented header, columns between white space, comments with the run's parameters.

use super::error::LineFault;
use super::interval::{ListedChannel, ListedId, ListedInterval};
use super::text::lines;
use crate::id::{StationKey, StreamId};
use crate::instant::parse_instant;

/// Names of the columns that are read.
const START: &str = "GLITCH-UTC-S";
const END: &str = "GLITCH-UTC-E";
/// End of the names of columns that are 1 for each component with the glitch.
const FLAG: &str = "-GLITCH";

/// Columns of a list.
#[derive(Debug)]
struct Header {
    n: usize,
    start: usize,
    end: usize,
    /// Components and their columns.
    flags: Vec<(char, usize)>,
}

impl Header {
    fn of(line: &str) -> Option<Self> {
        let names: Vec<&str> = line.trim().strip_prefix('#')?.split_whitespace().collect();
        let find = |name: &str| names.iter().position(|n| *n == name);
        let flag = |(at, name): (usize, &&str)| {
            let mut letters = name.strip_suffix(FLAG)?.chars();
            let letter = letters.next()?;
            letters.next().is_none().then_some((letter, at))
        };
        Some(Self {
            n: names.len(),
            start: find(START)?,
            end: find(END)?,
            flags: names.iter().enumerate().filter_map(flag).collect(),
        })
    }
}

/// True if the text has the header of such a list in its first comments.
pub(super) fn is_list(text: &str) -> bool {
    let comments = lines(text).map(|(_, line)| line.trim());
    let mut comments = comments.take_while(|l| l.is_empty() || l.starts_with('#'));
    comments.any(|line| Header::of(line).is_some())
}

/// Entries of a list: one for each flagged component of a row, or one for all where none is flagged.
///
/// # Errors
/// The first row that cannot be used.
pub(super) fn intervals(text: &str, max_rows: usize) -> Result<Vec<ListedInterval>, LineFault> {
    let mut header: Option<Header> = None;
    let mut intervals: Vec<ListedInterval> = Vec::new();
    let mut station = CommonStation::default();
    for (number, line) in lines(text) {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            // Several lists may be joined into one file.
            header = Header::of(line).or(header);
            station.add(comment);
        } else if let (Some(header), false) = (&header, line.is_empty()) {
            intervals.extend(row(header, line, number)?);
        }
        if intervals.len() > max_rows {
            return Err(LineFault::new(
                number,
                format!("more than {max_rows} entries"),
            ));
        }
    }
    if let Some(id) = station.id() {
        intervals.iter_mut().for_each(|i| i.id = Some(id.clone()));
    }
    Ok(intervals)
}

fn row(header: &Header, line: &str, number: u64) -> Result<Vec<ListedInterval>, LineFault> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let fail = |reason: String| LineFault::new(number, reason);
    if fields.len() != header.n {
        let n = fields.len();
        return Err(fail(format!(
            "{n} columns instead of the header's {}",
            header.n
        )));
    }
    let time = |at: usize| parse_instant(fields[at]).map_err(|e| fail(e.to_string()));
    let (onset_ns, end_ns) = (time(header.start)?, time(header.end)?);
    if end_ns < onset_ns {
        return Err(fail("the glitch ends before it starts".into()));
    }
    let of = |channel: Option<ListedChannel>| ListedInterval {
        id: None,
        channel,
        onset_ns,
        end_ns: Some(end_ns),
        kind: Some("glitch".into()),
        row: number,
    };
    let flagged = header.flags.iter().filter(|(_, at)| fields[*at] == "1");
    let channels = flagged.map(|(letter, _)| of(Some(ListedChannel::Component(*letter))));
    let channels: Vec<ListedInterval> = channels.collect();
    Ok(if channels.is_empty() {
        vec![of(None)]
    } else {
        channels
    })
}

/// Station, location and band of the streams that comments name; rows do not name theirs.
#[derive(Debug, Default)]
struct CommonStation {
    first: Option<StationKey>,
    differs: bool,
}

impl CommonStation {
    /// Adds the streams of the comment `| IDs: XB.ELYSE.03.BHU, ... |`.
    fn add(&mut self, comment: &str) {
        let Some((_, list)) = comment.split_once(" IDs:") else {
            return;
        };
        let list = list.trim().trim_end_matches('|').split(',');
        let streams = list.filter_map(|id| id.trim().parse::<StreamId>().ok());
        for key in streams.map(|s| s.station_key()) {
            let first = self.first.get_or_insert_with(|| key.clone());
            self.differs |= *first != key;
        }
    }

    /// The codes, where all streams share them.
    fn id(self) -> Option<ListedId> {
        let common = self.first.filter(|_| !self.differs)?;
        Some(ListedId {
            network: Some(common.network),
            station: Some(common.station),
            location: Some(common.location),
            channel: Some(common.band),
        })
    }
}
