//! Small synthetic records for the tests of the pipeline.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use seismix::data::mseed::{WriteOptions, write_mseed_file};
use seismix::data::time::parse_utc;
use seismix::data::{Samples, Segment};

/// Options that make a run take about a second.
pub const SMALL: [&str; 14] = [
    "--scales",
    "64,256",
    "--octaves",
    "4",
    "--clusters",
    "4",
    "--epochs",
    "2",
    "--max-targets",
    "3",
    "--snippets",
    "8",
    "--max-iter",
    "5",
];
/// Of these, the options of the transform.
pub const TRANSFORM: [&str; 4] = ["--scales", "64,256", "--octaves", "4"];
/// Samples of an ordinary record, ten minutes at 20 Hz.
pub const N: usize = 12_000;

/// Coloured noise with a pulse every 700 samples; the same seed gives the same samples.
pub fn samples(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(2_685_821_657_736_338_717) | 1;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut level = 0.0;
    let mut all: Vec<f64> = (0..n)
        .map(|_| {
            level = 0.95 * level + 100.0 * draw();
            level
        })
        .collect();
    for start in (300..n.saturating_sub(100)).step_by(700) {
        for (i, value) in all[start..start + 100].iter_mut().enumerate() {
            *value += 3000.0 * (-(i as f64) / 15.0).exp();
        }
    }
    all
}

/// A segment of integers.
pub fn integers(id: &str, rate: f64, start: &str, values: &[f64]) -> Segment {
    let values = values.iter().map(|v| v.round() as i32).collect();
    Segment::new(
        id.parse().unwrap(),
        rate,
        parse_utc(start).unwrap(),
        Samples::I32(values),
    )
}

/// An ordinary record of one channel on 2020-01-02.
pub fn ordinary(id: &str, seed: u64) -> Segment {
    integers(id, 20.0, "2020-01-02T00:00:00Z", &samples(N, seed))
}

/// Three channels of one station.
pub fn three(station: &str) -> Vec<Segment> {
    let of = |(seed, code)| ordinary(&format!("XX.{station}.00.{code}"), seed);
    [(1, "BHU"), (2, "BHV"), (3, "BHW")].map(of).to_vec()
}

/// Writes segments into one file.
pub fn write(path: &Path, segments: &[Segment]) -> PathBuf {
    write_mseed_file(path, segments, &WriteOptions::default()).unwrap();
    path.to_owned()
}
