//! Results on stdout: text for people, or JSON lines.

use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

/// The only writer to stdout. With `--json` it prints one JSON object a line and no other text.
#[derive(Debug)]
pub struct Printer {
    out: BufWriter<Stdout>,
    json: bool,
}

impl Printer {
    /// A printer of JSON lines, or of text.
    pub fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            json,
        }
    }

    /// A line of text; nothing with `--json`.
    pub fn text(&mut self, line: impl fmt::Display) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out, "{line}")
    }

    /// A JSON line; nothing without `--json`.
    pub fn record(&mut self, record: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")
    }

    /// Sends what is buffered; results appear as they are known.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Prints columns under their names, numbers to the right.
pub fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .chain([names[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let is_number = |cell: &str| cell.parse::<f64>().is_ok() || cell == "-";
    let numeric: Vec<bool> = (0..names.len())
        .map(|column| {
            rows.iter()
                .all(|row| row.get(column).is_none_or(|cell| is_number(cell)))
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, cell) in cells.enumerate().take(widths.len()) {
            let width = widths[column];
            let padded = if numeric[column] {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            };
            line.push_str(&padded);
            line.push_str("  ");
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut names.iter().copied())];
    lines.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = vec![
            vec!["a".into(), "1".into()],
            vec!["bcd".into(), "100".into()],
        ];
        assert_eq!(table(&["id", "n"], &rows), "id     n\na      1\nbcd  100");
    }
}
