//! `seismix info`: real and damaged files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::{Outcome, finish, real_records, run, seismix};
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
                .decode(segment["samples_b64"].as_str().unwrap())
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
            let end = seismix::data::time::parse_utc(end).unwrap();
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
    // The sentinel before the gap is no amplitude.
    assert!(!human.stdout.contains("8388607"), "{}", human.stdout);
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
