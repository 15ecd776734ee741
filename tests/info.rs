//! `seismix info`: real and damaged files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Outcome, finish, real_records, run, seismix};
use data_encoding::BASE64;
use seismix::data::mseed::{WriteOptions, write_mseed_file};
use seismix::data::{Samples, Segment, time};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(outcome: &Outcome) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).expect("a JSON line");
    outcome.stdout.lines().map(parse).collect()
}

fn json(path: &Path, options: &[&str]) -> Outcome {
    finish(seismix().args(["info", "--json"]).args(options).arg(path))
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let outcome = run(&["info", "/nowhere/at-all"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("/nowhere/at-all"),
        "{}",
        outcome.stderr
    );
    let outcome = run(&["info", "--json", "/nowhere/at-all"]);
    let told = lines(&outcome);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["file"], "/nowhere/at-all");
    assert_eq!(told[0]["offset"], Value::Null);
}

#[test]
fn an_empty_file_and_a_text_file_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("empty", ""),
        ("text", "Dear reader,\nthis is no record.\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let outcome = json(&path, &[]);
        assert_eq!(outcome.code, Some(1), "{name}: {}", outcome.stderr);
        let told = lines(&outcome);
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0]["file"], path.display().to_string());
        assert!(
            told[0]["error"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(told[0]["offset"], 0, "{name}");
        assert!(outcome.stderr.contains(name), "{}", outcome.stderr);
        let quiet = finish(seismix().args(["info", "--quiet"]).arg(&path));
        assert_eq!(quiet.code, Some(1));
        assert_eq!(quiet.stdout, "");
    }
}

fn segment(channel: &str, start: &str, samples: Samples) -> Segment {
    let id = format!("XX.TEST.00.{channel}").parse().unwrap();
    Segment::new(id, 20.0, time::parse_utc(start).unwrap(), samples)
}

fn write(path: &Path, segments: &[Segment]) {
    write_mseed_file(path, segments, &WriteOptions::default()).unwrap();
}

fn counts(n: usize) -> Samples {
    Samples::I32((0..n).map(|t| (t * t % 101) as i32 - 50).collect())
}

#[test]
fn one_bad_file_among_good_ones_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("a.mseed"),
        &[segment("BHU", "2019-06-05T00:00:00Z", counts(2000))],
    );
    std::fs::write(folder.path().join("b.mseed"), "no record at all").unwrap();
    write(
        &folder.path().join("c.mseed"),
        &[segment("BHV", "2019-06-05T00:00:00Z", counts(2000))],
    );
    let outcome = json(folder.path(), &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let told = lines(&outcome);
    let ids: Vec<_> = told.iter().filter_map(|line| line["id"].as_str()).collect();
    assert_eq!(ids, ["XX.TEST.00.BHU", "XX.TEST.00.BHV"]);
    let bad: Vec<_> = told
        .iter()
        .filter(|line| line.get("error").is_some())
        .collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0]["file"].as_str().unwrap().ends_with("b.mseed"));
    assert!(outcome.stderr.contains("b.mseed"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("error: 1 input could not be used"),
        "{}",
        outcome.stderr
    );

    let human = finish(seismix().arg("info").arg(folder.path()));
    assert_eq!(human.code, Some(1));
    assert!(human.stdout.contains("XX.TEST.00.BHU"), "{}", human.stdout);
    assert!(human.stdout.contains("XX.TEST.00.BHV"), "{}", human.stdout);
}

#[test]
fn a_truncated_record_leaves_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mseed");
    write(
        &path,
        &[segment("BHU", "2019-06-05T00:00:00Z", counts(5000))],
    );
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() > 3 * 512, "several records");
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let outcome = json(&path, &[]);
    assert_eq!(outcome.code, Some(1));
    let told = lines(&outcome);
    let npts = told[0]["npts"].as_u64().unwrap();
    assert!(npts > 0 && npts < 5000, "{npts}");
    assert_eq!(told[1]["offset"], whole.len() - 512, "{:?}", told[1]);

    std::fs::write(&path, &whole[..100]).unwrap();
    let outcome = json(&path, &[]);
    assert_eq!(outcome.code, Some(1));
    let told = lines(&outcome);
    assert!(told.iter().all(|line| line.get("id").is_none()), "{told:?}");
    assert!(!told.is_empty());
}

#[test]
fn nan_floats_keep_their_bits_and_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.mseed");
    let samples = Samples::F32(vec![1.0, f32::NAN, 3.0, f32::INFINITY, -2.5]);
    let bytes: Vec<u8> = samples
        .to_f64()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    write(&path, &[segment("BHU", "2019-06-05T00:00:00Z", samples)]);
    let outcome = json(&path, &["--checksum", "--samples"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = lines(&outcome);
    assert_eq!(told[0]["npts"], 5);
    assert_eq!(told[0]["encoding"], "FLOAT32");
    assert_eq!(told[0]["sha256"], hex(&Sha256::digest(&bytes)));
    assert_eq!(
        BASE64
            .decode(told[0]["samples_b64"].as_str().unwrap().as_bytes())
            .unwrap(),
        bytes
    );
    let human = finish(seismix().arg("info").arg(&path));
    let row = human.stdout.lines().nth(1).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[8..], ["-2.500", "3", "0.500", "2"], "{row}");
}

#[test]
fn gaps_overlaps_and_duplicates_are_told_apart_across_files() {
    let folder = tempfile::tempdir().unwrap();
    // 100 s each, at 20 Hz.
    write(
        &folder.path().join("a"),
        &[segment("BHU", "2019-06-05T00:00:00Z", counts(2000))],
    );
    write(
        &folder.path().join("b"),
        &[segment("BHU", "2019-06-05T00:01:40Z", counts(2000))],
    );
    write(
        &folder.path().join("c"),
        &[segment("BHU", "2019-06-05T00:03:30Z", counts(2000))],
    );
    write(
        &folder.path().join("d"),
        &[segment("BHU", "2019-06-05T00:05:00Z", counts(2000))],
    );
    let human = finish(seismix().arg("info").arg(folder.path()));
    assert_eq!(human.code, Some(0), "{}", human.stderr);
    let breaks: Vec<Vec<&str>> = human
        .stdout
        .lines()
        .skip_while(|line| !line.contains("last sample"))
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        breaks,
        [
            [
                "XX.TEST.00.BHU",
                "gap",
                "10.000",
                "2019-06-05T00:03:19.950Z",
                "2019-06-05T00:03:30.000Z"
            ],
            [
                "XX.TEST.00.BHU",
                "overlap",
                "10.000",
                "2019-06-05T00:05:09.950Z",
                "2019-06-05T00:05:00.000Z"
            ],
        ]
    );
}

#[test]
fn globs_and_the_same_file_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mseed");
    write(
        &path,
        &[segment("BHU", "2019-06-05T00:00:00Z", counts(100))],
    );
    let glob = folder.path().join("*.mseed");
    let outcome = finish(seismix().args(["info", "--json"]).arg(&glob).arg(&path));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(lines(&outcome).len(), 1);
}

/// What the reference says of a channel, or what we say: all its samples in order of start.
#[derive(Debug, PartialEq)]
struct Channel {
    npts: u64,
    sha256: String,
    start_ns: i64,
    sampling_rate: f64,
}

impl Channel {
    fn expected(value: &Value) -> Self {
        Self {
            npts: value["npts"].as_u64().unwrap(),
            sha256: value["sha256"].as_str().unwrap().to_owned(),
            start_ns: value["start_ns"].as_i64().unwrap(),
            sampling_rate: value["sampling_rate"].as_f64().unwrap(),
        }
    }

    fn found(segments: &mut [&Value]) -> Self {
        segments.sort_by_key(|segment| segment["start_ns"].as_i64());
        let mut all = Vec::new();
        for segment in &*segments {
            let bytes = BASE64
                .decode(segment["samples_b64"].as_str().unwrap().as_bytes())
                .unwrap();
            assert_eq!(segment["sha256"], hex(&Sha256::digest(&bytes)));
            assert_eq!(segment["npts"], bytes.len() / 8);
            all.extend(bytes);
        }
        Self {
            npts: (all.len() / 8) as u64,
            sha256: hex(&Sha256::digest(&all)),
            start_ns: segments[0]["start_ns"].as_i64().unwrap(),
            sampling_rate: segments[0]["sampling_rate"].as_f64().unwrap(),
        }
    }
}

#[test]
fn conformance_files_are_read_as_the_reference_readers_do() {
    let Some(data) = real_records() else { return };
    let text = std::fs::read_to_string(data.join("mseed/expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for file in &expected {
        let name = file["file"].as_str().unwrap();
        let outcome = json(
            &data.join("mseed/files").join(name),
            &["--checksum", "--samples"],
        );
        let told = lines(&outcome);
        let whole = told.iter().all(|line| line.get("error").is_none());
        if file["expect"] == "OK" {
            assert_eq!(
                (outcome.code, whole),
                (Some(0), true),
                "{name}: {}",
                outcome.stderr
            );
        } else {
            assert_eq!((outcome.code, whole), (Some(1), false), "{name}");
        }
        let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for line in told.iter().filter(|line| line.get("id").is_some()) {
            found
                .entry(line["id"].as_str().unwrap())
                .or_default()
                .push(line);
        }
        if file["expect"] == "ERROR" {
            // Nothing decodes whole; what libmseed makes of the ruins is no reference.
            assert!(found.is_empty(), "{name}");
            continue;
        }
        let nothing = serde_json::Map::new();
        let either = |key: &str| file[key].as_object().unwrap_or(&nothing).clone();
        let (channels, alternatives) = (either("channels"), either("alt"));
        for (id, mut segments) in found {
            let answers: Vec<_> = [&channels, &alternatives]
                .iter()
                .filter_map(|answers| answers.get(id).map(Channel::expected))
                .collect();
            let ours = Channel::found(&mut segments);
            assert!(
                answers.contains(&ours),
                "{name} {id}: {ours:?} is none of {answers:?}"
            );
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared} channels");
}

#[test]
fn real_days_have_their_one_gap() {
    let Some(data) = real_records() else { return };
    let text = std::fs::read_to_string(data.join("insight/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    for (name, file) in expected["files"].as_object().unwrap() {
        let outcome = json(&data.join("insight").join(name), &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let told = lines(&outcome);
        let segments = file["segments"].as_array().unwrap();
        assert_eq!(told.len(), segments.len(), "{name}");
        for (line, segment) in told.iter().zip(segments) {
            assert_eq!(line["id"], file["id"]);
            assert_eq!(line["npts"], segment["npts"]);
            assert_eq!(line["start_ns"], segment["start_ns"]);
            assert_eq!(line["encoding"], "STEIM2");
            let end = line["endtime"].as_str().unwrap();
            let end = time::parse_utc(end).unwrap();
            assert_eq!(end, segment["end_ns"].as_i64().unwrap(), "{name}");
        }
    }
    let day = data.join("insight/2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.294");
    let human = finish(seismix().arg("info").arg(day));
    assert!(human.stdout.contains("gap"), "{}", human.stdout);
    assert!(human.stdout.contains("148.999"), "{}", human.stdout);
    assert!(
        human.stdout.contains("2019-10-21T17:40:00.638Z"),
        "{}",
        human.stdout
    );
    // The sentinel before the gap is seen, and told to be no data.
    assert!(human.stdout.contains("-8388607"), "{}", human.stdout);
    assert!(human.stdout.contains("unusable"), "{}", human.stdout);
}

#[test]
fn selections_cut_to_the_sample() {
    let Some(data) = real_records() else { return };
    let folder = data.join("insight/2019");
    let options = [
        "--channel",
        "BHU,BHV",
        "--starttime",
        "2019-06-05T12:00:00Z",
        "--endtime",
        "2019-06-05T12:01:00Z",
    ];
    let outcome = json(&folder, &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = lines(&outcome);
    assert_eq!(told.len(), 2);
    for line in told {
        assert_eq!(line["npts"], 1200, "60 s at 20 Hz");
        assert!(
            line["starttime"]
                .as_str()
                .unwrap()
                .starts_with("2019-06-05T12:00:00.0")
        );
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let Some(data) = real_records() else { return };
    let binary = assert_cmd::cargo::cargo_bin("seismix");
    let mut child = std::process::Command::new(binary)
        .args(["info", "--json", "--samples"])
        .arg(data.join("insight/2019"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_unicode_do_not_stop_the_json() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff.mseed");
    write(
        &folder.path().join(name),
        &[segment("BHU", "2019-06-05T00:00:00Z", counts(100))],
    );
    let outcome = json(folder.path(), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = lines(&outcome);
    assert!(
        told[0]["file"]
            .as_str()
            .unwrap()
            .ends_with("a\u{fffd}.mseed"),
        "{:?}",
        told[0]
    );
}
