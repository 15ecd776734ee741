//! `seismix deglitch` as a user runs it: finds pulses that nobody named, removes them, and loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{contents, records, run};
use seismix::data::mseed::read_file;
use seismix::data::{Samples, Segment};

/// Samples of a record: 50 minutes at 20 Hz with 85 pulses.
const N: usize = 60_000;
/// The pulses last 5 s.
const DURATION: [&str; 2] = ["--duration", "12.8"];

/// Two channels with pulses at the same samples.
fn two(day: u32, seed: u64) -> Vec<Segment> {
    let start = format!("2020-01-{day:02}T03:00:00Z");
    let of = |(seed, code): (u64, &str)| {
        let id = format!("XX.ONE.00.{code}");
        records::integers(&id, 20.0, &start, &records::samples(N, seed))
    };
    [(seed, "BHU"), (seed + 1, "BHV")].map(of).to_vec()
}

fn write_day(folder: &Path, day: u32) {
    fs::create_dir_all(folder).unwrap();
    records::write(
        &folder.join(format!("day{day}.mseed")),
        &two(day, 10 * u64::from(day)),
    );
}

fn integers(path: &Path) -> Vec<Vec<i32>> {
    let content = read_file(path).unwrap();
    let of = |segment: Segment| match segment.samples {
        Samples::I32(samples) => samples,
        other => panic!("{other:?}"),
    };
    content.segments.into_iter().map(of).collect()
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn deglitch(input: &Path, out: &Path, more: &[&str]) -> common::Outcome {
    let paths = [input.to_str().unwrap(), "-o", out.to_str().unwrap()];
    run(&[&["deglitch"], &paths[..], &DURATION, more].concat())
}

#[test]
fn pulses_are_found_and_removed_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_day(&input.join("2020/ONE"), 2);
    fs::write(input.join("notes.txt"), "about the station").unwrap();
    let out = folder.path().join("out");
    let ended = deglitch(&input, &out, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let all = rows(&out.join("glitches.csv"));
    let removed: Vec<_> = all.iter().filter(|row| row["removed"] == "true").collect();
    let start = 3.0 * 3600.0;
    let seconds = |row: &BTreeMap<String, String>| {
        let time = &row["onset"][11..];
        let part = |i: usize| time[3 * i..3 * i + 2].parse::<f64>().unwrap();
        part(0) * 3600.0 + part(1) * 60.0 + time[6..15].parse::<f64>().unwrap() - start
    };
    // Pulses of 3000 counts over noise of 90 begin every 700 samples from 300 on, but for those near the ends.
    let truth: Vec<f64> = (1..84)
        .map(|i| (300.0 + 700.0 * f64::from(i)) / 20.0)
        .collect();
    let near = |t: f64| {
        removed
            .iter()
            .filter(|row| (seconds(row) - t).abs() < 1.0)
            .count()
    };
    let found = truth.iter().filter(|t| near(**t) > 0).count();
    assert!(found * 10 >= truth.len() * 9, "{found} of {}", truth.len());
    assert!(
        removed.len() <= truth.len() + 5,
        "{} removed",
        removed.len()
    );
    let last = format!(
        "{} found, {} removed, {} left",
        all.len(),
        removed.len(),
        all.len() - removed.len()
    );
    assert!(ended.stdout.contains(&last), "{}", ended.stdout);
    for row in &removed {
        assert!(row["q"].parse::<f64>().unwrap() <= 0.05 && row["id"] == "XX.ONE.00");
        assert!(row["end"] > row["onset"]);
    }

    let name = "2020/ONE/day2.mseed";
    let (mixture, background) = (
        integers(&input.join(name)),
        integers(&out.join("background").join(name)),
    );
    let source = integers(&out.join("source").join(name));
    let mut left = 0.0;
    let mut before = 0.0;
    for (c, mixture) in mixture.iter().enumerate() {
        let noise = pulses_removed(mixture);
        for (t, x) in mixture.iter().enumerate() {
            assert_eq!(background[c][t] + source[c][t], *x);
            left += (f64::from(background[c][t]) - noise[t]).powi(2);
            before += (f64::from(*x) - noise[t]).powi(2);
        }
    }
    assert!(left < 0.05 * before, "{left} of {before}");
    assert!(out.join("deviation").join(name).is_file());
    assert_eq!(
        fs::read_to_string(out.join("background/notes.txt")).unwrap(),
        "about the station"
    );

    // The same command again has nothing to do; a damaged file is made again with the same bytes.
    let first = contents(&out);
    assert!(deglitch(&input, &out, &[]).stderr.contains("up to date"));
    fs::write(out.join("background").join(name), "damaged").unwrap();
    assert_eq!(deglitch(&input, &out, &["--threads", "1"]).code, Some(0));
    assert!(contents(&out) == first, "not the same bytes");
}

/// The record without the pulses that `records::samples` adds.
fn pulses_removed(mixture: &[i32]) -> Vec<f64> {
    let mut noise: Vec<f64> = mixture.iter().map(|v| f64::from(*v)).collect();
    for start in (300..N - 100).step_by(700) {
        for (i, value) in noise[start..start + 100].iter_mut().enumerate() {
            *value -= 3000.0 * (-(i as f64) / 15.0).exp();
        }
    }
    noise
}

#[test]
fn a_saved_template_gives_a_day_the_same_result_whatever_other_days_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (one, both) = (folder.path().join("one"), folder.path().join("both"));
    write_day(&one, 2);
    write_day(&both, 2);
    write_day(&both, 3);
    let learned = folder.path().join("learned");
    assert_eq!(deglitch(&one, &learned, &[]).code, Some(0));
    let template = learned.join("templates/XX.ONE.00.BH.json");
    let given = ["--template", template.to_str().unwrap()];
    let (alone, joined) = (folder.path().join("alone"), folder.path().join("joined"));
    assert_eq!(deglitch(&one, &alone, &given).code, Some(0));
    assert_eq!(deglitch(&both, &joined, &given).code, Some(0));
    for tree in ["background", "source", "deviation"] {
        let of = |out: &Path| fs::read(out.join(tree).join("day2.mseed")).unwrap();
        assert!(of(&alone) == of(&joined), "{tree}");
        assert!(of(&alone) == of(&learned), "{tree} of the run that learned");
    }
    let of_day = |out: &Path, day: &str| {
        let mut all = rows(&out.join("glitches.csv"));
        all.retain(|row| row["onset"].starts_with(day));
        all
    };
    assert_eq!(of_day(&alone, "2020-01-02"), of_day(&joined, "2020-01-02"));
    assert!(
        of_day(&joined, "2020-01-03")
            .iter()
            .filter(|row| row["removed"] == "true")
            .count()
            > 60
    );

    let shown = run(&["template", template.to_str().unwrap()]);
    assert!(shown.stdout.contains("channels BHU, BHV") && shown.stdout.contains("calibration"));
    let other = folder.path().join("at10.json");
    let args = [
        "template",
        template.to_str().unwrap(),
        "--rate",
        "10",
        "-o",
        other.to_str().unwrap(),
    ];
    assert_eq!(run(&args).code, Some(0));
    assert!(
        run(&["template", other.to_str().unwrap()])
            .stdout
            .contains("at 10 Hz")
    );
}

#[test]
fn records_without_glitches_and_odd_records_are_copied_and_the_last_line_says_why() {
    let noise = |n: usize| -> Vec<f64> {
        let with = records::samples(n, 3);
        let integers: Vec<i32> = with.iter().map(|v| v.round() as i32).collect();
        match n {
            N => pulses_removed(&integers),
            _ => with,
        }
    };
    let cases: [(&str, Vec<f64>); 4] = [
        ("noise", noise(N)),
        ("short", noise(500)),
        ("constant", vec![777.0; N]),
        ("one sample", vec![1.0]),
    ];
    for (name, samples) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mseed");
        let start = "2020-01-02T00:00:00Z";
        records::write(
            &path,
            &[records::integers("XX.A..BHZ", 20.0, start, &samples)],
        );
        let out = folder.path().join("out");
        let ended = deglitch(&path, &out, &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert!(
            ended.stdout.contains(" 0 removed"),
            "{name}: {}",
            ended.stdout
        );
        assert!(
            fs::read(&path).unwrap() == fs::read(out.join("background/a.mseed")).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_used_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    write_day(&input, 2);
    let out = folder.path().join("out");
    let bad = folder.path().join("bad.json");
    fs::write(&bad, "{\"format\": \"something else\"}").unwrap();
    for (more, says) in [
        (vec!["--fdr", "0.1"], "0.05"),
        (vec!["--template", bad.to_str().unwrap()], "is no template"),
        (
            vec![
                "--calibrate-from",
                "2020-01-03T00:00:00Z",
                "--calibrate-to",
                "2020-01-02T00:00:00Z",
            ],
            "calibration",
        ),
    ] {
        let ended = deglitch(&input, &out, &more);
        assert_ne!(ended.code, Some(0), "{more:?}");
        assert!(ended.stderr.contains(says), "{more:?}: {}", ended.stderr);
        assert!(!out.join("background").exists());
    }
}
