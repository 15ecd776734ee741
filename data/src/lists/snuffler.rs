//! Markers of Snuffler, versions 0.2 and later.

use super::error::LineFault;
use super::interval::{ListedId, ListedInterval};
use super::text::{lines, words};
use crate::instant::parse_instant;

/// Begin of the first line.
const TITLE: &str = "# Snuffler Markers File Version";

/// True if the text is a file of markers.
pub(super) fn is_list(text: &str) -> bool {
    text.starts_with(TITLE)
}

/// Entries of a file: one for each stream of a marker, or one for all where it names none.
///
/// # Errors
/// The first marker that cannot be used.
pub(super) fn intervals(text: &str, max_rows: usize) -> Result<Vec<ListedInterval>, LineFault> {
    let mut intervals = Vec::new();
    for (number, line) in lines(text) {
        let words = words(line);
        match words.first() {
            None => {}
            Some(word) if word.starts_with('#') => {}
            Some(_) => intervals.extend(marker(&words, number)?),
        }
        if intervals.len() > max_rows {
            return Err(LineFault::new(
                number,
                format!("more than {max_rows} entries"),
            ));
        }
    }
    Ok(intervals)
}

/// Entries of one marker.
///
/// A marker is `[event:|phase:] DATE TIME [DATE TIME DURATION] KIND STREAMS ...`; an event has no streams, a phase has
/// `HASH DATE TIME NAME` after them.
fn marker(words: &[&str], number: u64) -> Result<Vec<ListedInterval>, LineFault> {
    let fail = |reason: &str| LineFault::new(number, reason);
    let (label, words) = match words {
        [label @ ("event:" | "phase:"), rest @ ..] => (*label, rest),
        _ => ("", words),
    };
    let time = |date: &str, clock: &str| {
        let time = parse_instant(&format!("{date} {clock}"));
        time.map_err(|e| LineFault::new(number, e.to_string()))
    };
    let [date, clock, words @ ..] = words else {
        return Err(fail("a marker begins with a date and a time of day"));
    };
    let onset_ns = time(date, clock)?;
    let (end_ns, words) = match words {
        [date, clock, _, rest @ ..] if date.contains('-') && clock.contains(':') => {
            (Some(time(date, clock)?), rest)
        }
        rest => (None, rest),
    };
    if end_ns.is_some_and(|end| end < onset_ns) {
        return Err(fail("the marker ends before it starts"));
    }
    let known = |at: usize| words.get(at).filter(|w| **w != "None" && !w.is_empty());
    let kind = match label {
        "event:" => Some("event"),
        "phase:" => known(5).copied(),
        _ => known(0).copied(),
    };
    let streams = known(1).filter(|_| label != "event:");
    let entry = |id: Option<ListedId>| ListedInterval {
        id,
        channel: None,
        onset_ns,
        end_ns,
        kind: kind.map(Into::into),
        row: number,
    };
    let Some(streams) = streams else {
        return Ok(vec![entry(None)]);
    };
    let ids = streams.split(',').map(|stream| {
        let id = ListedId::parse(stream).filter(|_| stream.split('.').count() == 4);
        let fail = || {
            fail(&format!(
                "`{stream}` is not a stream; write NET.STA.LOC.CHA"
            ))
        };
        id.map(|id| entry(Some(id))).ok_or_else(fail)
    });
    ids.collect()
}
