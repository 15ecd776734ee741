//! `clusters.csv`: one row a window and scale.
//!
//! Header: `starttime,endtime,scale,cluster,probability,p0,p1,...,id`. Times are ISO 8601 UTC; `endtime` is that of the
//! last sample; `scale` counts samples; `probability` is that of `cluster`; `id` is `NET.STA.LOC.BAND`. Probabilities
//! are written with the fewest digits that read back as the same f32.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView1};

use super::StoreError;
use crate::time::{format_utc, parse_utc};
use seismix_core::atomic_file::atomic_write;
use seismix_core::regular_file;

/// More clusters than this in a header are a mistake.
const MAX_CLUSTERS: usize = 100_000;
/// Longest line in bytes; a row of the most clusters has about half of it.
const MAX_LINE_BYTES: usize = 4 << 20;

/// One row without its p-columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterRow {
    /// First sample, ns since 1970 UTC.
    pub start_ns: i64,
    /// Last sample, ns since 1970 UTC.
    pub end_ns: i64,
    /// Samples in the window.
    pub scale: usize,
    /// The window's cluster, counted from 0.
    pub cluster: usize,
    /// Probability of `cluster`, 0 to 1.
    pub probability: f32,
    /// Station and band, `NET.STA.LOC.BAND`; absent if the table has no such column.
    pub id: Option<Arc<str>>,
}

/// A whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterTable {
    /// The rows, in the order of the file.
    pub rows: Vec<ClusterRow>,
    /// `(row, cluster)`; no column if the table has no p-columns.
    pub probabilities: Array2<f32>,
}

impl ClusterTable {
    /// Numbers of the rows of one scale.
    pub fn rows_of_scale(&self, scale: usize) -> impl Iterator<Item = usize> + '_ {
        self.rows
            .iter()
            .enumerate()
            .filter(move |(_, row)| row.scale == scale)
            .map(|(i, _)| i)
    }

    /// The scales that occur, ascending.
    #[must_use]
    pub fn scales(&self) -> Vec<usize> {
        let mut scales: Vec<usize> = self.rows.iter().map(|row| row.scale).collect();
        scales.sort_unstable();
        scales.dedup();
        scales
    }
}

/// Writes a whole table: to a temporary name, synced, renamed.
///
/// # Errors
/// [`StoreError::Invalid`] if rows and probabilities contradict each other, [`StoreError::Io`] if writing fails.
pub fn write_clusters(path: &Path, table: &ClusterTable) -> Result<(), StoreError> {
    if table.probabilities.nrows() != table.rows.len() {
        return Err(StoreError::invalid(format!(
            "{} rows but probabilities for {}",
            table.rows.len(),
            table.probabilities.nrows()
        )));
    }
    ClusterWriter::write(path, table.probabilities.ncols(), |writer| {
        table
            .rows
            .iter()
            .zip(table.probabilities.rows())
            .try_for_each(|(row, p)| writer.row(row, p))
    })
}

/// Writes a table row by row, for tables that do not fit in memory.
pub struct ClusterWriter<'a> {
    path: PathBuf,
    n_clusters: usize,
    out: &'a mut BufWriter<File>,
}

impl ClusterWriter<'_> {
    /// Writes the rows that `rows` hands over, to a temporary name; syncs and renames when it is done.
    ///
    /// # Errors
    /// That of `rows`, or [`StoreError::Io`]; then the old file, if any, stays.
    pub fn write(
        path: &Path,
        n_clusters: usize,
        rows: impl FnOnce(&mut ClusterWriter<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        atomic_write(path, |out| {
            let mut writer = ClusterWriter {
                path: path.to_path_buf(),
                n_clusters,
                out,
            };
            writer.header()?;
            rows(&mut writer)
        })
    }

    fn header(&mut self) -> Result<(), StoreError> {
        let columns: String = (0..self.n_clusters).map(|k| format!(",p{k}")).collect();
        self.line(format_args!(
            "starttime,endtime,scale,cluster,probability{columns},id\n"
        ))
    }

    /// One row and its probabilities, `(cluster,)`.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if a probability is not in 0 to 1, `cluster` has no column or another value than its
    /// column, the row ends before it starts or the id needs quotes; [`StoreError::Io`].
    pub fn row(
        &mut self,
        row: &ClusterRow,
        probabilities: ArrayView1<'_, f32>,
    ) -> Result<(), StoreError> {
        let place = || {
            format!(
                "the row of {} at scale {}",
                format_utc(row.start_ns),
                row.scale
            )
        };
        if probabilities.len() != self.n_clusters {
            return Err(StoreError::invalid(format!(
                "{} has {} probabilities for {} clusters",
                place(),
                probabilities.len(),
                self.n_clusters
            )));
        }
        check_row(row, probabilities.iter().copied())
            .map_err(|reason| StoreError::invalid(format!("{}: {reason}", place())))?;
        let id = row.id.as_deref().unwrap_or("");
        if id.contains([',', '"', '\n', '\r']) {
            return Err(StoreError::invalid(format!(
                "{}: the id `{id}` is no NET.STA.LOC.BAND",
                place()
            )));
        }
        let (start, end) = (format_utc(row.start_ns), format_utc(row.end_ns));
        let columns: String = probabilities.iter().map(|p| format!(",{p}")).collect();
        self.line(format_args!(
            "{start},{end},{},{},{}{columns},{id}\n",
            row.scale, row.cluster, row.probability
        ))
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), StoreError> {
        self.out
            .write_fmt(text)
            .map_err(|e| StoreError::io(&self.path, "writing", e))
    }
}

/// Checks the conditions on each row, written or read.
fn check_row(
    row: &ClusterRow,
    probabilities: impl ExactSizeIterator<Item = f32>,
) -> Result<(), String> {
    let n_clusters = probabilities.len();
    if row.end_ns < row.start_ns {
        return Err("endtime is before starttime".into());
    }
    if row.scale == 0 {
        return Err("scale is 0; it is the number of samples in the window".into());
    }
    if n_clusters > 0 && row.cluster >= n_clusters {
        return Err(format!(
            "cluster {} has no column; there are p0 to p{}",
            row.cluster,
            n_clusters - 1
        ));
    }
    let mut own = row.probability;
    for (k, p) in probabilities.enumerate() {
        if !(0.0..=1.0).contains(&p) {
            return Err(format!("p{k} is {p}, not between 0 and 1"));
        }
        if k == row.cluster {
            own = p;
        }
    }
    if !(0.0..=1.0).contains(&row.probability) {
        return Err(format!(
            "probability is {}, not between 0 and 1",
            row.probability
        ));
    }
    if own != row.probability {
        return Err(format!(
            "probability is {} but p{} is {own}",
            row.probability, row.cluster
        ));
    }
    Ok(())
}

/// Positions of the columns.
struct Columns {
    start: usize,
    end: usize,
    scale: usize,
    cluster: usize,
    probability: usize,
    id: Option<usize>,
    p: Vec<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        // A map, since one search for each of many p-columns would take quadratic time.
        let mut positions = HashMap::new();
        for (index, column) in header.iter().enumerate() {
            positions.entry(column).or_insert(index);
        }
        let position = |name: &str| positions.get(name).copied();
        let need = |name: &str| {
            position(name).ok_or_else(|| format!("there is no column `{name}`; the header begins with starttime,endtime,scale,cluster,probability"))
        };
        let mut p = Vec::new();
        while let Some(column) = position(&format!("p{}", p.len())) {
            p.push(column);
            if p.len() > MAX_CLUSTERS {
                return Err(format!("more than {MAX_CLUSTERS} clusters"));
            }
        }
        Ok(Self {
            start: need("starttime")?,
            end: need("endtime")?,
            scale: need("scale")?,
            cluster: need("cluster")?,
            probability: need("probability")?,
            id: position("id"),
            p,
        })
    }

    fn parse(
        &self,
        record: &csv::StringRecord,
        ids: &mut Vec<Arc<str>>,
        p: &mut Vec<f32>,
    ) -> Result<ClusterRow, String> {
        let field = |i: usize| {
            record
                .get(i)
                .map(str::trim)
                .ok_or_else(|| "the row is too short".to_string())
        };
        let time = |i: usize| parse_utc(field(i)?).map_err(|e| e.to_string());
        let before = p.len();
        for (k, column) in self.p.iter().enumerate() {
            p.push(number(field(*column)?, &format!("p{k}"))?);
        }
        let row = ClusterRow {
            start_ns: time(self.start)?,
            end_ns: time(self.end)?,
            scale: number(field(self.scale)?, "scale")?,
            cluster: number(field(self.cluster)?, "cluster")?,
            probability: number(field(self.probability)?, "probability")?,
            id: self
                .id
                .map(field)
                .transpose()?
                .filter(|id| !id.is_empty())
                .map(|id| shared(ids, id)),
        };
        check_row(&row, p[before..].iter().copied())?;
        Ok(row)
    }
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a valid {name}"))
}

/// One allocation for each different id; neighbouring rows share theirs.
fn shared(ids: &mut Vec<Arc<str>>, id: &str) -> Arc<str> {
    if let Some(known) = ids.iter().rev().take(64).find(|known| &***known == id) {
        return Arc::clone(known);
    }
    ids.push(Arc::from(id));
    ids[ids.len() - 1].clone()
}

/// Reads a table. Columns are found by name, in any order; others are ignored; the p-columns and `id` may be missing.
///
/// # Errors
/// [`StoreError::Table`] with the line number and what is wrong there, [`StoreError::Io`].
pub fn read_clusters(path: &Path) -> Result<ClusterTable, StoreError> {
    let file = regular_file::open(path).map_err(|e| StoreError::io(path, "reading", e))?;
    let fail = |line: u64, reason: String| StoreError::Table {
        path: path.to_path_buf(),
        line,
        reason,
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(LineLimit::of(file));
    let header = reader.headers().map_err(|e| fail(1, csv_reason(&e)))?;
    let columns = Columns::of(header).map_err(|reason| fail(1, reason))?;
    let (mut rows, mut p, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                rows.push(
                    columns
                        .parse(&record, &mut ids, &mut p)
                        .map_err(|reason| fail(line, reason))?,
                );
            }
            Err(e) => {
                let line = e.position().map_or(line, csv::Position::line);
                return Err(match e.into_kind() {
                    csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
                        fail(line, e.to_string())
                    }
                    csv::ErrorKind::Io(e) => StoreError::io(path, "reading", e),
                    kind => fail(line, kind_reason(&kind)),
                });
            }
        }
    }
    let shape = (rows.len(), columns.p.len());
    let probabilities = Array2::from_shape_vec(shape, p).map_err(|e| fail(1, e.to_string()))?;
    Ok(ClusterTable {
        rows,
        probabilities,
    })
}

/// Reader that fails in a line of more than [`MAX_LINE_BYTES`]; newlines in quotes do not end a line.
struct LineLimit<R> {
    inner: R,
    line_bytes: usize,
    in_quotes: bool,
}

impl<R> LineLimit<R> {
    fn of(inner: R) -> Self {
        Self {
            inner,
            line_bytes: 0,
            in_quotes: false,
        }
    }
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        for byte in &buffer[..n] {
            self.in_quotes ^= *byte == b'"';
            self.line_bytes += 1;
            if *byte == b'\n' && !self.in_quotes {
                self.line_bytes = 0;
            }
            if self.line_bytes > MAX_LINE_BYTES {
                let text = format!("the line exceeds {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(n)
    }
}

fn csv_reason(error: &csv::Error) -> String {
    kind_reason(error.kind())
}

fn kind_reason(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields instead of the header's {expected_len}"),
        csv::ErrorKind::Utf8 { err, .. } => format!("the text is not UTF-8 ({err})"),
        csv::ErrorKind::Io(e) => format!("reading failed ({e})"),
        _ => "the line is not valid CSV".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
