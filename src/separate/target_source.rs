//! Origin of the targets: clusters of a table, or windows listed by hand.

use std::path::Path;
use std::sync::Arc;

use seismix_core::regular_file;
use seismix_data::StationKey;
use seismix_data::time::parse_utc;

use crate::separate::targets::TargetSpan;
use crate::stage::{PipelineError, Result};

/// Largest table of windows that is read: a million rows, and no more than memory has room for.
const MAX_TABLE_BYTES: u64 = 1 << 28;

/// Origin of the targets.
#[derive(Debug, Clone, Copy)]
pub enum TargetSource<'a> {
    /// The table of `seismix cluster`; the settings name the target clusters.
    Clusters(&'a Path),
    /// A CSV file with the columns `starttime`, `endtime` and maybe `id`; with a table, its clusters can be background.
    Windows {
        /// The file.
        windows: &'a Path,
        /// The table of `seismix cluster`.
        clusters: Option<&'a Path>,
    },
}

impl<'a> TargetSource<'a> {
    /// The cluster table, where one is given.
    pub fn clusters(&self) -> Option<&'a Path> {
        match self {
            Self::Clusters(path) => Some(path),
            Self::Windows { clusters, .. } => *clusters,
        }
    }

    /// The listed windows, where there are some.
    pub fn windows(&self) -> Option<&'a Path> {
        match self {
            Self::Clusters(_) => None,
            Self::Windows { windows, .. } => Some(windows),
        }
    }
}

/// Reads listed windows as stretches, those of one station that touch each other joined; also their median length in
/// samples. A window without an id is of all stations.
///
/// # Errors
/// [`PipelineError::Io`], [`PipelineError::Unusable`] with the line that cannot be used.
pub(super) fn read_windows(
    path: &Path,
    keys: &[StationKey],
    sample_ns: i64,
) -> Result<(Vec<TargetSpan>, usize)> {
    let unusable = |what: String| {
        PipelineError::unusable(
            format!("`{}`: {what}", path.display()),
            "give a CSV file with the columns starttime, endtime and maybe id, such as \
             2019-06-05T12:00:00Z,2019-06-05T12:01:00Z,XB.ELYSE.02.BH",
        )
    };
    let text =
        regular_file::read(path, MAX_TABLE_BYTES).map_err(PipelineError::io("reading", path))?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(&text[..]);
    let headers = reader
        .headers()
        .map_err(|e| unusable(e.to_string()))?
        .clone();
    let column = |name: &str| headers.iter().position(|h| h == name);
    let (Some(start), Some(end)) = (column("starttime"), column("endtime")) else {
        return Err(unusable("it has no columns starttime and endtime".into()));
    };
    let id = column("id");
    let mut stretches: Vec<TargetSpan> = Vec::new();
    let mut lengths = Vec::new();
    for (number, row) in reader.records().enumerate() {
        let line = number + 2;
        let row = row.map_err(|e| unusable(e.to_string()))?;
        let time = |at: usize| {
            let text = row.get(at).unwrap_or_default();
            parse_utc(text).map_err(|e| unusable(format!("line {line}: {e}")))
        };
        let (start_ns, end_ns) = (time(start)?, time(end)?);
        if end_ns < start_ns {
            return Err(unusable(format!(
                "line {line}: the window ends before it starts"
            )));
        }
        lengths.push(((end_ns - start_ns) / sample_ns.max(1)) as usize + 1);
        let wanted = id.and_then(|at| row.get(at)).unwrap_or_default();
        let mut known = false;
        for key in keys {
            let name = key.to_string();
            if wanted.is_empty() || name == wanted || wanted.starts_with(&name) {
                known = true;
                stretches.push(TargetSpan {
                    station: Arc::from(name.as_str()),
                    start_ns,
                    end_ns,
                    probability: 1.0,
                    n_windows: 1,
                });
            }
        }
        if !known {
            return Err(unusable(format!(
                "line {line}: no record of `{wanted}` is among the paths"
            )));
        }
    }
    if lengths.is_empty() {
        return Err(unusable("it lists no window".into()));
    }
    lengths.sort_unstable();
    Ok((joined(stretches, sample_ns), lengths[lengths.len() / 2]))
}

/// Stretches in the order of station and time, those that overlap or touch joined.
pub(super) fn joined(mut stretches: Vec<TargetSpan>, sample_ns: i64) -> Vec<TargetSpan> {
    stretches.sort_by(|a, b| {
        a.station
            .cmp(&b.station)
            .then(a.start_ns.cmp(&b.start_ns))
            .then(a.end_ns.cmp(&b.end_ns))
    });
    let mut out: Vec<TargetSpan> = Vec::new();
    for stretch in stretches {
        match out.last_mut() {
            Some(last)
                if last.station == stretch.station
                    && stretch.start_ns - last.end_ns <= sample_ns * 3 / 2 =>
            {
                let n = (last.n_windows + stretch.n_windows) as f32;
                last.probability = (last.probability * last.n_windows as f32
                    + stretch.probability * stretch.n_windows as f32)
                    / n;
                last.n_windows += stretch.n_windows;
                last.end_ns = last.end_ns.max(stretch.end_ns);
            }
            _ => out.push(stretch),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Vec<TargetSpan>, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windows.csv");
        std::fs::write(&path, text).unwrap();
        let key = StationKey {
            network: "XB".into(),
            station: "ELYSE".into(),
            location: "02".into(),
            band: "BH".into(),
        };
        read_windows(&path, &[key], 50_000_000)
    }

    #[test]
    fn windows_that_touch_are_one() {
        let (stretches, length) = read(
            "starttime,endtime,id\n2019-01-01T00:00:10Z,2019-01-01T00:00:20Z,XB.ELYSE.02.BH\n\
             2019-01-01T00:00:00Z,2019-01-01T00:00:10Z,XB.ELYSE.02.BHU\n2019-01-01T00:01:00Z,2019-01-01T00:01:10Z,\n",
        )
        .unwrap();
        assert_eq!(length, 201);
        let spans: Vec<i64> = stretches
            .iter()
            .map(|s| (s.end_ns - s.start_ns) / 1_000_000_000)
            .collect();
        assert_eq!(spans, [20, 10]);
        assert_eq!(stretches[0].n_windows, 2);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        for (text, told) in [
            ("a,b\n", "no columns starttime and endtime"),
            ("starttime,endtime\n", "lists no window"),
            ("starttime,endtime\nx,2019-01-01T00:00:00Z\n", "line 2"),
            (
                "starttime,endtime\n2019-01-02T00:00:00Z,2019-01-01T00:00:00Z\n",
                "ends before",
            ),
            (
                "starttime,endtime,id\n2019-01-01T00:00:00Z,2019-01-01T00:00:01Z,A.B..C\n",
                "`A.B..C`",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
