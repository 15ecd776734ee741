//! Columns of tables, found by the names in their header.

use super::error::LineFault;
use super::interval::{ListedChannel, ListedId, ListedInterval};
use crate::instant::parse_instant;

/// Names of each column, without spaces, `_`, `-` and a `utc` at the end. The first that is there is taken.
const ONSETS: [&str; 12] = [
    "start",
    "starttime",
    "startdate",
    "onset",
    "onsettime",
    "begin",
    "begintime",
    "time",
    "datetime",
    "timestamp",
    "origintime",
    "",
];
const ENDS: [&str; 6] = ["end", "endtime", "enddate", "stop", "stoptime", "tend"];
const DURATIONS: [&str; 4] = ["duration", "durations", "durationsec", "durationseconds"];
const KINDS: [&str; 8] = [
    "kind",
    "type",
    "eventtype",
    "label",
    "class",
    "category",
    "phase",
    "phasehint",
];
const IDS: [&str; 6] = ["id", "streamid", "stream", "traceid", "trace", "seedid"];
const CHANNELS: [&str; 5] = ["channel", "channelcode", "cha", "component", "comp"];

/// Texts that stand for a missing value.
const MISSING: [&str; 6] = ["", "nat", "nan", "none", "null", "-"];

/// Longest duration of an entry, s: a century, so that no sum of times exceeds the range.
const MAX_DURATION_S: f64 = 100.0 * 365.25 * 86_400.0;

/// Places of the columns in a row.
#[derive(Debug)]
pub(super) struct Columns {
    n: usize,
    onset: usize,
    end: Option<usize>,
    duration: Option<usize>,
    kind: Option<usize>,
    id: Option<usize>,
    codes: [Option<usize>; 3],
    channel: Option<usize>,
}

impl Columns {
    /// Columns by the names of a header; `None` if none of them is an onset.
    pub(super) fn of<'a>(header: impl Iterator<Item = &'a str>) -> Option<Self> {
        let named: Vec<(String, bool)> = header.map(simplified).collect();
        let find = |names: &[&str]| {
            let mut places = names.iter().filter_map(|name| {
                // An unnamed column is a time only if its name was nothing but `UTC`.
                named
                    .iter()
                    .position(|(own, utc)| own == name && (!name.is_empty() || *utc))
            });
            places.next()
        };
        Some(Self {
            n: named.len(),
            onset: find(&ONSETS)?,
            end: find(&ENDS),
            duration: find(&DURATIONS),
            kind: find(&KINDS),
            id: find(&IDS),
            codes: [
                find(&["network", "networkcode", "net"]),
                find(&["station", "stationcode", "sta"]),
                find(&["location", "locationcode", "loc"]),
            ],
            channel: find(&CHANNELS),
        })
    }

    /// True if there is an end or a duration.
    pub(super) fn has_end(&self) -> bool {
        self.end.is_some() || self.duration.is_some()
    }

    /// Entry of a row.
    ///
    /// # Errors
    /// A value that cannot be used, or another number of fields than in the header.
    pub(super) fn interval(
        &self,
        row: &csv::StringRecord,
        line: u64,
    ) -> Result<ListedInterval, LineFault> {
        if row.len() != self.n {
            let text = format!("{} fields instead of the header's {}", row.len(), self.n);
            return Err(LineFault::new(line, text));
        }
        let value = |at: Option<usize>| at.and_then(|at| row.get(at)).and_then(present);
        let time =
            |text: &str| parse_instant(text).map_err(|e| LineFault::new(line, e.to_string()));
        let Some(onset) = value(Some(self.onset)) else {
            return Err(LineFault::new(line, "the row has no onset; remove it"));
        };
        let onset_ns = time(onset)?;
        let end_ns = match (value(self.end), value(self.duration)) {
            (Some(end), _) => Some(time(end)?),
            (None, Some(duration)) => Some(onset_ns.saturating_add(duration_ns(duration, line)?)),
            (None, None) => None,
        };
        if end_ns.is_some_and(|end| end < onset_ns) {
            return Err(LineFault::new(line, "the interval ends before it starts"));
        }
        Ok(ListedInterval {
            id: self.id(&value),
            channel: value(self.channel).and_then(ListedChannel::parse),
            onset_ns,
            end_ns,
            kind: value(self.kind).map(Into::into),
            row: line,
        })
    }

    /// The stream of one column, or of columns for the codes. A station column may hold `NET.STA`.
    fn id<'r>(&self, value: &impl Fn(Option<usize>) -> Option<&'r str>) -> Option<ListedId> {
        let whole = [self.id, self.codes[1]].into_iter().filter_map(value);
        let whole = whole.filter_map(ListedId::parse).next();
        let [network, station, location] = self.codes.map(value);
        let code = |code: Option<&str>| code.filter(|c| *c != "*").map(str::to_owned);
        let by_codes = || {
            let own = ListedId {
                network: code(network),
                station: code(station),
                location: code(location),
                channel: None,
            };
            (own != ListedId::default()).then_some(own)
        };
        whole.or_else(by_codes)
    }
}

/// Name in lower case without spaces, `_`, `-`, brackets and a `utc` at its end, and if it had one.
fn simplified(name: &str) -> (String, bool) {
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    let name: String = kept.flat_map(char::to_lowercase).collect();
    match name.strip_suffix("utc") {
        Some(rest) => (rest.to_owned(), true),
        None => (name, false),
    }
}

fn present(text: &str) -> Option<&str> {
    let text = text.trim();
    let missing = MISSING.iter().any(|m| m.eq_ignore_ascii_case(text));
    (!missing).then_some(text)
}

fn duration_ns(text: &str, line: u64) -> Result<i64, LineFault> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|s: &f64| (0.0..=MAX_DURATION_S).contains(s));
    let seconds = seconds.ok_or_else(|| {
        let text = format!("the duration is `{text}`; it must be a number of seconds, at least 0");
        LineFault::new(line, text)
    })?;
    Ok((seconds * 1e9).round() as i64)
}
