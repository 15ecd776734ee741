//! A check of the separated records against their input.

use std::path::{Path, PathBuf};

use seismix_data::archive::Archive;

use crate::separate::SeparationFile;
use crate::stage::Result;

/// Number of samples outside the targets in which the separated background differs from the input: 0.
///
/// # Errors
/// What records refuse.
pub fn changed_outside(
    paths: &[PathBuf],
    separated: &Path,
    file: &SeparationFile,
) -> Result<usize> {
    let input = Archive::open(paths, Default::default())?;
    let output = Archive::open(&[separated.join("background")], Default::default())?;
    let mut changed = 0;
    for day in input.station_days() {
        for id in input.channels_of(&day.key) {
            let span = seismix_data::TimeSpan::day_of(day.day_start_ns);
            let (a, b) = (
                input.load_raw_starting(&id, span).segments,
                output.load_raw_starting(&id, span).segments,
            );
            for (a, b) in a.iter().zip(&b) {
                let half = (0.5e9 / a.sampling_rate) as i64;
                let targets = file.targets.iter().filter(|t| t.id == day.key.to_string());
                let spans: Vec<(i64, i64)> = targets
                    .map(|t| (t.start_ns - half, t.end_ns + half))
                    .collect();
                for index in (0..a.npts().max(b.npts())).filter(|i| {
                    *i >= a.npts()
                        || *i >= b.npts()
                        || a.samples.get(*i).to_bits() != b.samples.get(*i).to_bits()
                }) {
                    let time = a.time_of(index);
                    changed +=
                        usize::from(!spans.iter().any(|(from, to)| (*from..=*to).contains(&time)));
                }
            }
            changed += a.len().abs_diff(b.len());
        }
    }
    Ok(changed)
}
