//! The archive on disk.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{DaySources, SyntheticConfig, SyntheticError, SyntheticPlan, Truth};
use crate::mseed::{WriteOptions, write_mseed_file};
use crate::time::year_day;
use crate::{Error, Samples, Segment, StreamId};
use seismix_core::atomic_file::atomic_write_bytes;

/// Value that a digitiser writes instead of data: -(2^23 - 1).
const SENTINEL: i32 = -8_388_607;

/// Writer of synthetic archives.
#[derive(Debug, Clone, Copy)]
pub struct Archive;

impl Archive {
    /// Writes an archive and its truth:
    ///
    /// - `out_dir/archive`: the records, an SDS tree of miniSEED (Steim-2);
    /// - `out_dir/truth/{background,bursts,pulses}`: the parts in trees of the same shape, which sum to the records
    ///   exactly (but for the sentinel sample);
    /// - `out_dir/truth/{states,pulses}.csv` and, last of all, `out_dir/truth/truth.json`.
    ///
    /// Holds one day in memory (about 200 MB at 20 samples a second).
    ///
    /// # Errors
    /// [`SyntheticError::Config`] for settings that make no sense, [`SyntheticError::Write`] if a file cannot be
    /// written.
    pub fn generate(out_dir: &Path, config: &SyntheticConfig) -> Result<Truth, SyntheticError> {
        let plan = SyntheticPlan::new(config)?;
        let truth_dir = out_dir.join("truth");
        let mut local_rms = Vec::new();
        for day in 0..config.days {
            let sources = plan.day(day);
            write_day(out_dir, &plan, day, &sources)?;
            local_rms.extend(sources.local_rms);
        }
        let truth = plan.truth(&local_rms);
        write_text(&truth_dir.join("states.csv"), &truth.states_csv())?;
        write_text(&truth_dir.join("pulses.csv"), &truth.pulses_csv())?;
        write_text(&truth_dir.join("truth.json"), &truth.json())?;
        Ok(truth)
    }
}

fn write_day(
    out_dir: &Path,
    plan: &SyntheticPlan,
    day: usize,
    sources: &DaySources,
) -> Result<(), SyntheticError> {
    let gap = plan.gap(day);
    let mut records: Vec<Vec<i32>> = (0..3).map(|c| sources.record(c)).collect();
    if let Some(gap) = &gap {
        records
            .iter_mut()
            .for_each(|record| record[gap.start - 1] = SENTINEL);
    }
    let trees: [(&str, [&[i32]; 3]); 4] = [
        ("archive", [&records[0], &records[1], &records[2]]),
        (
            "truth/background",
            [0, 1, 2].map(|c| sources.background[c].as_slice()),
        ),
        (
            "truth/bursts",
            [0, 1, 2].map(|c| sources.bursts[c].as_slice()),
        ),
        (
            "truth/pulses",
            [0, 1, 2].map(|c| sources.pulses[c].as_slice()),
        ),
    ];
    let jobs: Vec<(PathBuf, usize, &[i32])> = trees
        .into_iter()
        .flat_map(|(tree, channels)| {
            let root = out_dir.join(tree);
            (0..3).map(move |c| (root.clone(), c, channels[c]))
        })
        .collect();
    jobs.into_par_iter()
        .try_for_each(|(root, channel, samples)| {
            let (path, id) = place(&root, plan.config(), channel, sources.start_ns);
            let rate = plan.config().sampling_rate;
            let segments: Vec<Segment> = pieces(samples.len(), gap.as_ref())
                .into_iter()
                .map(|piece| {
                    let start_ns = plan
                        .config()
                        .time_ns((day * samples.len() + piece.start) as f64);
                    Segment::new(
                        id.clone(),
                        rate,
                        start_ns,
                        Samples::I32(samples[piece].to_vec()),
                    )
                })
                .collect();
            write_mseed_file(&path, &segments, &WriteOptions::default())?;
            Ok(())
        })
}

/// The day without its gap.
fn pieces(n: usize, gap: Option<&Range<usize>>) -> Vec<Range<usize>> {
    match gap {
        Some(gap) => vec![0..gap.start, gap.end..n],
        None => std::iter::once(0..n).collect(),
    }
}

/// File and stream of a channel on the day of `start_ns`: `YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY`.
fn place(
    root: &Path,
    config: &SyntheticConfig,
    channel: usize,
    start_ns: i64,
) -> (PathBuf, StreamId) {
    let channel = &config.channels[channel];
    let id = StreamId::new(&config.network, &config.station, &config.location, channel);
    let (year, day) = year_day(start_ns);
    let folder = root
        .join(format!("{year:04}"))
        .join(&id.network)
        .join(&id.station)
        .join(format!("{channel}.D"));
    (folder.join(format!("{id}.D.{year:04}.{day:03}")), id)
}

fn write_text(path: &Path, text: &str) -> Result<(), SyntheticError> {
    Ok(atomic_write_bytes(path, text.as_bytes()).map_err(Error::from)?)
}
