//! A synthetic archive on disk: its parts sum to its records, it repeats its bytes, its flaw is where the truth says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use seismix_data::mseed::read_file;
use seismix_data::synthetic::{Archive, SyntheticConfig, Truth};
use seismix_data::{Samples, Segment};

/// Two days at a low rate: small, but with everything in it.
fn config() -> SyntheticConfig {
    SyntheticConfig {
        seed: 11,
        sampling_rate: 2.0,
        ..Default::default()
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn segments(root: &Path, tree: &str, day: u32, channel: &str) -> Vec<Segment> {
    let name = format!("{tree}/2021/XX/DEMO/{channel}.D/XX.DEMO.00.{channel}.D.2021.{day:03}");
    let content = read_file(&root.join(name)).unwrap();
    assert!(content.faults.is_empty(), "{:?}", content.faults);
    content.segments
}

fn counts(segment: &Segment) -> &[i32] {
    match &segment.samples {
        Samples::I32(counts) => counts,
        other => panic!("not integers but {} other samples", other.len()),
    }
}

#[test]
fn parts_sum_to_the_records_and_the_gap_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let truth = Archive::generate(folder.path(), &config()).unwrap();
    let mut sentinels = 0;
    for (day, n_segments) in [(60, 1), (61, 2)] {
        for channel in ["BHU", "BHV", "BHW"] {
            let record = segments(folder.path(), "archive", day, channel);
            assert_eq!(record.len(), n_segments);
            let parts = ["truth/background", "truth/bursts", "truth/pulses"]
                .map(|tree| segments(folder.path(), tree, day, channel));
            for (s, segment) in record.iter().enumerate() {
                assert_eq!(segment.id.to_string(), format!("XX.DEMO.00.{channel}"));
                assert_eq!(segment.sampling_rate, 2.0);
                assert!(
                    parts
                        .iter()
                        .all(|part| part[s].start_ns() == segment.start_ns())
                );
                for (i, x) in counts(segment).iter().enumerate() {
                    if *x == -8_388_607 {
                        assert_eq!(segment.time_of(i), truth.sentinels[0]);
                        sentinels += 1;
                    } else {
                        assert_eq!(
                            *x,
                            parts.iter().map(|part| counts(&part[s])[i]).sum::<i32>()
                        );
                    }
                }
            }
            if day == 61 {
                let sample_ns = 500_000_000;
                assert_eq!(record[0].end_ns() + sample_ns, truth.gaps[0].start_ns);
                assert_eq!(record[1].start_ns(), truth.gaps[0].end_ns);
            }
            let npts: usize = record.iter().map(Segment::npts).sum();
            assert_eq!(npts, if day == 60 { 172_800 } else { 172_800 - 298 });
        }
    }
    assert_eq!(sentinels, 3);
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Archive::generate(a.path(), &config()).unwrap();
    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    one_thread
        .install(|| Archive::generate(b.path(), &config()))
        .unwrap();
    let (in_a, in_b) = (files(a.path()), files(b.path()));
    assert_eq!(in_a.len(), 4 * 3 * 2 + 3);
    assert_eq!(in_a.len(), in_b.len());
    for (x, y) in in_a.iter().zip(&in_b) {
        assert_eq!(
            x.strip_prefix(a.path()).unwrap(),
            y.strip_prefix(b.path()).unwrap()
        );
        assert!(
            std::fs::read(x).unwrap() == std::fs::read(y).unwrap(),
            "{} differs",
            x.display()
        );
    }
}

#[test]
fn the_truth_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = SyntheticConfig {
        days: 1,
        gap: false,
        ..config()
    };
    let truth = Archive::generate(folder.path(), &config).unwrap();
    let found = Truth::read(&folder.path().join("truth/truth.json")).unwrap();
    assert_eq!(found.config, truth.config);
    assert_eq!(found.background, truth.background);
    assert_eq!(found.bursts.len(), truth.bursts.len());
    for (a, b) in found.pulses.iter().zip(&truth.pulses) {
        assert_eq!((a.onset_ns, a.peak_ns), (b.onset_ns, b.peak_ns));
        // JSON numbers are read to within one unit in the last place.
        assert!((a.ratio - b.ratio).abs() <= 1e-15 * b.ratio);
    }
    assert!(found.gaps.is_empty());
    let pulses = std::fs::read_to_string(folder.path().join("truth/pulses.csv")).unwrap();
    assert_eq!(pulses.lines().count(), truth.pulses.len() + 1);
    let states = std::fs::read_to_string(folder.path().join("truth/states.csv")).unwrap();
    assert_eq!(
        states.lines().count(),
        truth.background.len() + truth.bursts.len() + 1
    );
    assert!(Truth::read(&folder.path().join("truth/states.csv")).is_err());
    assert!(Truth::read(&folder.path().join("none.json")).is_err());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = Archive::generate(&file, &config()).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}
