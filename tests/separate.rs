//! `seismix separate` with windows listed by hand, and its methods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::records::{N, integers, three, write};
use common::{Outcome, contents, finish, seismix};
use seismix::data::time::{format_utc, parse_utc};
use seismix::data::{Samples, Segment};
use seismix::separate::SeparationFile;

/// Of the records, and of their 400th and 600th sample.
const START: &str = "2020-01-02T00:00:00Z";
const IN_THE_FIRST: &str = "2020-01-02T00:00:20Z";
const AFTER_THE_FIRST: &str = "2020-01-02T00:00:30Z";

fn values(segment: &Segment) -> Vec<f64> {
    (0..segment.npts())
        .map(|i| segment.samples.get(i))
        .collect()
}

/// The pulses of the records: every 700 samples from the 300th on, 100 samples each.
fn list(folder: &Path, every: usize) {
    let start = parse_utc("2020-01-02T00:00:00Z").unwrap();
    let time = |sample: usize| format_utc(start + 50_000_000 * sample as i64);
    let mut text = String::from("starttime,endtime,id\n");
    for at in (300..N - 100).step_by(700).step_by(every) {
        writeln!(text, "{},{},XX.FAM.00.BH", time(at - 40), time(at + 159)).unwrap();
    }
    std::fs::write(folder.join("windows.csv"), text).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.mseed"), &three("FAM"));
    list(folder.path(), 1);
    folder
}

fn separate(folder: &Path, out: &str, more: &[&str]) -> Outcome {
    let arguments = [
        "separate",
        "a.mseed",
        "--windows",
        "windows.csv",
        "-o",
        out,
        "--quiet",
    ];
    finish(seismix().current_dir(folder).args(arguments).args(more))
}

fn file(folder: &Path, out: &str) -> SeparationFile {
    SeparationFile::load(&folder.join(out).join("separation.json")).unwrap()
}

/// Separates into `cut` on one thread, and kills it soon after `reached`.
fn cut_off(root: &Path, options: &[&str], reached: &dyn Fn() -> bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_seismix"))
        .current_dir(root)
        .args(["separate", "a.mseed", "--windows", "windows.csv"])
        .args(["-o", "cut", "--threads", "1"])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !reached() && child.try_wait().unwrap().is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it never came so far"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn pulses_of_one_shape_are_a_family() {
    let folder = folder();
    let root = folder.path();
    let outcome = separate(root, "out", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let file = file(root, "out");
    assert_eq!(file.method, "template");
    assert!(
        file.reasons[0].contains("exceed the background"),
        "{:?}",
        file.reasons
    );
    assert_eq!(file.targets.len(), 17);
    let onset = |t: &seismix::separate::TargetResult| {
        let source = t
            .sources
            .iter()
            .max_by(|a, b| a.chi2_decrease.total_cmp(&b.chi2_decrease));
        source.map(|s| (s.onset_ns - t.start_ns) as f64 / 50e6)
    };
    // All pulses begin at the same place of their windows; the shape's own onset is its matter.
    let onsets: Vec<f64> = file.targets.iter().filter_map(onset).collect();
    assert!(onsets.len() >= 15, "{onsets:?}");
    let middle = onsets[onsets.len() / 2];
    assert!(
        onsets.iter().all(|o| (o - middle).abs() < 0.5),
        "{onsets:?}"
    );
    let paths = [root.join("a.mseed")];
    let changed = seismix::separate::changed_outside(&paths, &root.join("out"), &file);
    assert_eq!(changed.unwrap(), 0);
    for kind in ["background", "source", "deviation"] {
        assert!(root.join("out").join(kind).is_dir(), "{kind}");
    }
    assert!(!root.join("out/.seismix/work").exists());
    let expected = file.targets[3].channels[0].windows[0]
        .expected_snr_db
        .unwrap();
    assert!((-20.0..60.0).contains(&expected), "{expected}");
}

#[test]
fn same_bytes_on_any_number_of_threads_and_after_a_kill() {
    let folder = folder();
    let root = folder.path();
    assert_eq!(separate(root, "one", &["--threads", "1"]).code, Some(0));
    assert_eq!(separate(root, "three", &["--threads", "3"]).code, Some(0));
    let wanted = contents(&root.join("one"));
    assert!(wanted == contents(&root.join("three")));
    let learned = root.join("cut/.seismix/work/parts/template-XX.FAM.00.BH.json");
    cut_off(root, &[], &|| learned.exists());
    assert_eq!(separate(root, "cut", &["--threads", "1"]).code, Some(0));
    assert!(wanted == contents(&root.join("cut")));
}

/// What hits the first target keeps no other one from its family.
#[test]
fn a_first_target_that_cannot_be_used_is_no_reason_against_the_family() {
    let from = |segment: &Segment, start: &str, sample: usize| {
        let id = segment.id.to_string();
        integers(&id, 20.0, start, &values(segment)[sample..])
    };
    let whole = three("FAM");
    let mut gap = Vec::new();
    let mut nan = Vec::new();
    for segment in &whole {
        let id = segment.id.to_string();
        let all = values(segment);
        gap.push(integers(&id, 20.0, START, &all[..310]));
        gap.push(from(segment, IN_THE_FIRST, 400));
        let mut broken = all.clone();
        broken[310] = f64::NAN;
        let id = segment.id.clone();
        let start = parse_utc(START).unwrap();
        nan.push(Segment::new(id, 20.0, start, Samples::F64(broken)));
    }
    let begins_late = vec![
        whole[0].clone(),
        whole[1].clone(),
        from(&whole[2], AFTER_THE_FIRST, 600),
    ];
    for (name, segments, says) in [
        ("gap", gap, "has a gap"),
        ("nan", nan, "not finite"),
        ("late", begins_late, "lacks a channel"),
    ] {
        let folder = folder();
        let root = folder.path();
        write(&root.join("a.mseed"), &segments);
        let outcome = separate(root, "out", &[]);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        let file = file(root, "out");
        assert_eq!(file.method, "template", "{name}: {:?}", file.reasons);
        let left: Vec<&String> = file
            .targets
            .iter()
            .filter_map(|t| t.skipped_reason.as_ref())
            .collect();
        assert_eq!(
            (file.targets.len(), left.len()),
            (17, 1),
            "{name}: {left:?}"
        );
        assert!(left[0].contains(says), "{name}: {left:?}");
        let found = file
            .targets
            .iter()
            .filter(|t| !t.sources.is_empty())
            .count();
        assert!(found >= 15, "{name}: {found}");
    }
}

/// A target is kept as soon as it is finished, not when seven others are.
#[test]
fn a_killed_separation_goes_on_after_the_last_target() {
    let folder = folder();
    let root = folder.path();
    // With room for snippets of background between them.
    list(root, 2);
    let options = [
        "--objective",
        "paper",
        "--octaves",
        "6",
        "--max-iter",
        "100",
    ];
    let outcome = separate(root, "whole", &[&options[..], &["--threads", "2"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let targets = file(root, "whole").targets;
    assert!(targets.len() > 8 && targets.iter().all(|t| !t.channels.is_empty()));
    let kept = || {
        let parts = std::fs::read_dir(root.join("cut/.seismix/work/parts"))
            .into_iter()
            .flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let names = parts.flatten().map(name);
        names
            .filter(|name| name.starts_with("0000") && name.ends_with(".json"))
            .count()
    };
    cut_off(root, &options, &|| kept() >= 2);
    // The others of a batch would be there at once.
    let n = kept();
    assert!((2..8).contains(&n), "{n} are kept");
    assert_eq!(separate(root, "cut", &options).code, Some(0));
    assert!(contents(&root.join("whole")) == contents(&root.join("cut")));
}

/// Of two sets of channels the family is learned on the one that more targets have.
#[test]
fn a_day_with_fewer_channels_is_left_and_the_others_are_a_family() {
    let folder = folder();
    let root = folder.path();
    let mut segments = three("FAM");
    let all = values(&segments[0]);
    for id in ["XX.FAM.00.BHU", "XX.FAM.00.BHV"] {
        segments.push(integers(id, 20.0, "2020-01-01T06:00:00Z", &all));
    }
    write(&root.join("a.mseed"), &segments);
    let listed = std::fs::read_to_string(root.join("windows.csv")).unwrap();
    let (head, rest) = listed.split_once('\n').unwrap();
    let first = "2020-01-01T06:00:13Z,2020-01-01T06:00:22.95Z,XX.FAM.00.BH";
    std::fs::write(root.join("windows.csv"), format!("{head}\n{first}\n{rest}")).unwrap();
    let outcome = separate(root, "out", &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let file = file(root, "out");
    assert_eq!((file.method.as_str(), file.targets.len()), ("template", 18));
    let why = file.targets[0].skipped_reason.as_deref().unwrap();
    assert!(
        why.contains("the channels XX.FAM.00.BHU, XX.FAM.00.BHV, and"),
        "{why}"
    );
    assert!(file.targets[1..].iter().all(|t| t.skipped_reason.is_none()));
}

#[test]
fn one_window_is_no_family() {
    let folder = folder();
    let root = folder.path();
    list(root, 100);
    let outcome = separate(root, "auto", &["--octaves", "4", "--max-iter", "3"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let auto = file(root, "auto");
    // Nothing to learn a shape from.
    assert_ne!(auto.method, "template");
    assert!(
        auto.reasons[0].contains("too few windows exceed"),
        "{:?}",
        auto.reasons
    );
    assert_eq!(auto.targets.len(), 1);
}

#[test]
fn methods_can_be_forced() {
    let folder = folder();
    let root = folder.path();
    list(root, 6);
    for (arguments, method) in [
        (&["--method", "family"][..], "template"),
        (&["--method", "wiener", "--octaves", "4"], "wiener"),
        (
            &["--objective", "paper", "--octaves", "4", "--max-iter", "2"],
            "scattering",
        ),
    ] {
        let outcome = separate(root, method, arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let found = file(root, method).method;
        assert!(found.to_lowercase().contains(method), "{found}");
    }
}

/// A later run would read the output as records.
#[test]
fn records_are_not_written_into_the_input() {
    let folder = folder();
    let root = folder.path();
    std::fs::create_dir_all(root.join("in")).unwrap();
    std::fs::copy(root.join("a.mseed"), root.join("in/a.mseed")).unwrap();
    std::fs::create_dir_all(root.join("out/background")).unwrap();
    std::fs::copy(root.join("a.mseed"), root.join("out/background/a.mseed")).unwrap();
    for (input, output) in [("in", "in"), ("in", "in/out"), ("out/background", "out")] {
        let list = ["--windows", "windows.csv"];
        for (command, list) in [("separate", &list[..]), ("run", &[])] {
            if command == "run" && input != "in" {
                continue;
            }
            let arguments = [command, input, "-o", output];
            let refused = finish(seismix().current_dir(root).args(arguments).args(list));
            assert_eq!(refused.code, Some(2), "{}", refused.stderr);
            let says = "would be read as records";
            assert!(refused.stderr.contains(says), "{}", refused.stderr);
        }
    }
    assert_eq!(contents(&root.join("in")).len(), 1);
}

#[test]
fn wrong_calls_are_usage_errors() {
    let folder = folder();
    let root = folder.path();
    let both = separate(root, "out", &["--method", "family", "--objective", "paper"]);
    assert_eq!(both.code, Some(2));
    assert!(
        both.stderr.contains("has no --objective"),
        "{}",
        both.stderr
    );
    let neither = finish(
        seismix()
            .current_dir(root)
            .args(["separate", "a.mseed", "-o", "out"]),
    );
    assert_eq!(neither.code, Some(2));
    let deep = separate(root, "out", &["--octaves", "20", "--method", "local"]);
    assert_eq!(deep.code, Some(2), "{}", deep.stderr);
    assert!(deep.stderr.contains("--octaves 20"), "{}", deep.stderr);
    std::fs::write(root.join("windows.csv"), "starttime,endtime\nnoon,later\n").unwrap();
    let broken = separate(root, "out", &[]);
    assert_eq!(broken.code, Some(1));
    assert!(broken.stderr.contains("line 2"), "{}", broken.stderr);
    assert!(!root.join("out/separation.json").exists());
}

/// What is no source of the family is neither taken out nor called background.
#[test]
fn a_window_with_something_else_in_it_stays_and_expects_nothing() {
    let folder = folder();
    let root = folder.path();
    let mut segments = three("FAM");
    for segment in &mut segments {
        let mut all = values(segment);
        let size = all.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        // A tone between two pulses.
        for (t, v) in all.iter_mut().enumerate().skip(2120).take(120) {
            *v += 0.5 * size * (1.3 * t as f64).sin();
        }
        let id = segment.id.to_string();
        *segment = integers(&id, 20.0, START, &all);
    }
    write(&root.join("a.mseed"), &segments);
    let mut listed = std::fs::read_to_string(root.join("windows.csv")).unwrap();
    listed.push_str("2020-01-02T00:01:45Z,2020-01-02T00:01:53Z,XX.FAM.00.BH\n");
    std::fs::write(root.join("windows.csv"), listed).unwrap();
    let outcome = separate(root, "out", &["--method", "family"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = file(root, "out");
    let stranger = told
        .targets
        .iter()
        .find(|t| t.starttime.starts_with("2020-01-02T00:01:45"))
        .unwrap();
    for channel in &stranger.channels {
        let window = &channel.windows[0];
        assert!(window.why.contains("unmodelled signal"), "{}", window.why);
        assert_eq!(window.expected_snr_db, None);
        assert_eq!(channel.outcome, seismix::separate::Outcome::NotSeparable);
    }
    let others = told
        .targets
        .iter()
        .filter(|t| t.start_ns != stranger.start_ns);
    // Where a source was found, an SNR is expected whatever is left around it.
    assert!(others.flat_map(|t| &t.channels).all(|c| {
        c.outcome == seismix::separate::Outcome::Separated && c.windows[0].expected_snr_db.is_some()
    }));
    assert!(
        told.targets
            .iter()
            .all(|t| t.estimate_type.starts_with("best waveform"))
    );
}

/// A component with seconds of data is left out of the day, and must not take the background of the others along.
#[test]
fn a_component_of_seconds_leaves_the_background_of_the_record() {
    let folder = folder();
    let root = folder.path();
    list(root, 4);
    let mut segments = three("FAM");
    segments[2] = integers("XX.FAM.00.BHW", 20.0, START, &values(&segments[2])[..1500]);
    write(&root.join("a.mseed"), &segments);
    let options = ["--objective", "paper", "--octaves", "4", "--max-iter", "2"];
    let outcome = separate(root, "out", &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let file = file(root, "out");
    let skipped: Vec<_> = file
        .targets
        .iter()
        .filter_map(|t| t.skipped_reason.as_ref())
        .collect();
    assert!(skipped.is_empty(), "{skipped:?}");
    assert!(
        file.targets
            .iter()
            .all(|t| t.channels.len() == 2 && t.snippets.len() >= 8)
    );
}

/// The targets would be those of the old table, under the name and the hash of the new one.
#[test]
fn windows_that_change_during_the_separation_are_noticed() {
    let folder = folder();
    let root = folder.path();
    list(root, 2);
    let child = Command::new(env!("CARGO_BIN_EXE_seismix"))
        .current_dir(root)
        .args([
            "separate",
            "a.mseed",
            "--windows",
            "windows.csv",
            "-o",
            "out",
        ])
        .args(["--objective", "paper", "--octaves", "6", "--max-iter", "60"])
        .args(["--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let parts = root.join("out/.seismix/work/parts");
    let began = Instant::now();
    while !parts.is_dir() {
        assert!(began.elapsed() < Duration::from_secs(120), "it never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    list(root, 3);
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("`windows.csv` changed"), "{stderr}");
    assert!(!root.join("out/separation.json").exists());
}
