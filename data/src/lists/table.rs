//! Tables with a header: commas, semicolons, tabs or bars between the fields.

use super::columns::Columns;
use super::error::LineFault;
use super::interval::ListedInterval;
use super::text::lines;

/// Separators, in the order in which they are tried.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Lines in which the header is looked for.
const MAX_LINES_BEFORE: usize = 1000;

/// Names that the header of seismix' own table of glitches has.
const OWN_NAMES: [&str; 5] = ["id", "onset", "end", "template", "best_decoy_score"];

/// A table whose header was understood.
#[derive(Debug)]
pub(super) struct Table<'t> {
    columns: Columns,
    separator: u8,
    /// The rows below the header, and the line before them.
    rows: &'t str,
    header_line: u64,
    /// True for the table of `seismix deglitch`.
    pub(super) is_own: bool,
}

impl<'t> Table<'t> {
    /// The table of a text; `None` if its first line that is not empty has no name of an onset. Comments with `#` may
    /// be before the header, and the header may be one if it names an end or has bars.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let mut passed = 0;
        for (number, line) in lines(text).take(MAX_LINES_BEFORE) {
            let next = text[passed..]
                .find('\n')
                .map_or(text.len(), |at| passed + at + 1);
            passed = next;
            let names = line.trim().trim_start_matches('#').trim();
            let is_comment = line.trim_start().starts_with('#');
            if names.is_empty() {
                continue;
            }
            let found = SEPARATORS.into_iter().find_map(|separator| {
                let header = fields(names, separator)?;
                // A comment in words may have a comma, and the word `time`.
                let enough = if is_comment { 2 } else { 1 };
                let columns = Columns::of(header.iter()).filter(|_| header.len() >= enough)?;
                (!is_comment || columns.has_end() || separator == b'|').then_some(Self {
                    columns,
                    separator,
                    rows: &text[next..],
                    header_line: number,
                    is_own: OWN_NAMES
                        .iter()
                        .all(|own| header.iter().any(|name| name == *own)),
                })
            });
            if found.is_some() || !is_comment {
                return found;
            }
        }
        None
    }

    /// Entries of the rows.
    ///
    /// # Errors
    /// The first row that cannot be used.
    pub(super) fn intervals(&self, max_rows: usize) -> Result<Vec<ListedInterval>, LineFault> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(self.separator)
            .comment(Some(b'#'))
            .from_reader(self.rows.as_bytes());
        let mut place = Place::after(self.header_line);
        let mut intervals = Vec::new();
        let mut row = csv::StringRecord::new();
        loop {
            let more = reader.read_record(&mut row);
            let line = place.line_of(&row, self.rows, reader.position().byte() as usize);
            let fail = |reason: String| LineFault::new(line, reason);
            match more {
                Ok(true) if intervals.len() >= max_rows => {
                    return Err(fail(format!("more than {max_rows} entries")));
                }
                Ok(true) => intervals.push(self.columns.interval(&row, line)?),
                Ok(false) => return Ok(intervals),
                Err(e) => return Err(fail(format!("the line cannot be read: {e}"))),
            }
        }
    }
}

/// Lines passed by a reader. Its own positions are those before the empty lines and comments that it skips.
#[derive(Debug)]
struct Place {
    byte: usize,
    line: u64,
}

impl Place {
    /// Place at the begin of the line after one.
    fn after(line: u64) -> Self {
        Self {
            byte: 0,
            line: line + 1,
        }
    }

    /// Moves to the end of a row, and gives the line in which the row begins.
    fn line_of(&mut self, row: &csv::StringRecord, text: &str, end: usize) -> u64 {
        let newlines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count() as u64;
        let passed = text.as_bytes().get(self.byte..end).unwrap_or_default();
        self.line += newlines(passed);
        self.byte = self.byte.max(end);
        let inside: u64 = row.iter().map(|field| newlines(field.as_bytes())).sum();
        let is_complete = passed.ends_with(b"\n");
        self.line.saturating_sub(inside + u64::from(is_complete))
    }
}

/// Fields of a header.
fn fields(line: &str, separator: u8) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .delimiter(separator)
        .from_reader(line.as_bytes());
    reader.records().next()?.ok()
}
