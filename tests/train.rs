//! `seismix train` as a user meets it: one writer, histories that stay, early stopping, inputs that changed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::records::{SMALL, TRANSFORM, three, write};
use common::{Outcome, finish, seismix};
use seismix::vae::{ModelFile, StopReason};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a record and its features; their windows are short enough for time to be held out.
fn features() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.mseed"), &three("TRAIN"));
    let arguments = ["features", "a.mseed", "-o", "features", "--quiet"];
    let outcome = command(folder.path(), &[&arguments, &TRANSFORM[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Outcome {
    finish(seismix().current_dir(folder).args(arguments))
}

fn train(folder: &Path, more: &[&str]) -> Outcome {
    let arguments = ["train", "features", "-o", "m", "--clusters", "3"];
    command(folder, &[&arguments, more].concat())
}

fn trained(folder: &Path, more: &[&str]) -> Outcome {
    let outcome = train(folder, more);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome
}

fn history(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("m.history.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn one_training_writes_a_model_at_a_time() {
    let folder = features();
    let root = folder.path();
    let state = root.join(".seismix/files/m");
    fs::create_dir_all(&state).unwrap();
    let lock = fs::File::create(state.join("lock")).unwrap();
    lock.lock().unwrap();
    let outcome = train(root, &["--epochs", "2"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let says = "another seismix is writing `m`";
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    // The file itself is left by a killed process; it is the lock that counts.
    drop(lock);
    trained(root, &["--epochs", "2"]);
    let epochs: Vec<_> = history(root)
        .iter()
        .map(|line| line["epoch"].clone())
        .collect();
    assert_eq!(epochs, [0, 1]);
}

#[test]
fn train_and_cluster_report_the_same_transient_clusters() {
    let folder = features();
    let root = folder.path();
    let says = |outcome: &Outcome| -> String {
        let line =
            |line: &&str| line.starts_with("clusters at scale 64 that look like transients: ");
        let found = outcome.stdout.lines().find(line);
        found
            .unwrap_or_else(|| panic!("{}", outcome.stdout))
            .to_owned()
    };
    let of_model = says(&trained(root, &["--epochs", "2"]));
    let assigned = command(root, &["cluster", "features", "-m", "m", "-o", "c.csv"]);
    assert_eq!(assigned.code, Some(0), "{}", assigned.stderr);
    assert_eq!(says(&assigned), of_model);
}

#[test]
fn patience_without_validation_is_said_to_do_nothing() {
    let says = "--patience had no effect";
    let folder = features();
    let patient = ["--epochs", "3", "--patience", "1"];
    let outcome = trained(
        folder.path(),
        &[&patient[..], &["--validation", "0"]].concat(),
    );
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    assert_eq!(history(folder.path()).len(), 3);
    let outcome = trained(folder.path(), &["--epochs", "3", "--fresh"]);
    assert!(!outcome.stderr.contains(says), "{}", outcome.stderr);
    // A record of few largest windows has nothing to hold out, whatever is asked for; the report tells it too.
    let short = ["--scales", "256,2048", "--octaves", "4"];
    let run = [
        "run",
        "a.mseed",
        "-o",
        "RUN",
        "--clusters",
        "3",
        "--max-targets",
        "1",
        "--max-iter",
        "2",
    ];
    let outcome = command(folder.path(), &[&run, &short[..], &patient].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    let report = fs::read_to_string(folder.path().join("RUN/report.html")).unwrap();
    assert!(report.contains(says));
}

#[test]
fn a_training_that_fails_leaves_model_and_history_as_they_were() {
    let folder = features();
    let root = folder.path();
    trained(root, &["--epochs", "3"]);
    let files = || ["m", "m.history.jsonl"].map(|name| fs::read(root.join(name)).unwrap());
    let before = files();
    // The network's inputs are fine; the rate makes it diverge.
    let outcome = train(
        root,
        &["--epochs", "3", "--fresh", "--learning-rate", "1e30"],
    );
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("diverged"), "{}", outcome.stderr);
    assert!(files() == before);
    // One that ends well takes their place, and leaves nothing beside them.
    trained(root, &["--epochs", "4", "--fresh"]);
    assert_eq!(history(root).len(), 4);
    assert!(!root.join("m.history.jsonl.part").exists());
}

#[test]
fn a_first_training_that_fails_is_repeated_by_the_same_command() {
    let folder = features();
    let root = folder.path();
    let options = ["--epochs", "3", "--learning-rate", "1e30"];
    for _ in 0..2 {
        let outcome = train(root, &options);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("diverged"), "{}", outcome.stderr);
    }
    // Nothing was made with these settings, so others are welcome.
    trained(root, &["--epochs", "3"]);
}

#[test]
fn a_killed_training_resumes_to_the_same_bytes() {
    let folder = features();
    let root = folder.path();
    let options = |out| {
        let common = ["train", "features", "-o", out, "--quiet", "--clusters", "3"];
        [&common[..], &["--epochs", "400"]].concat()
    };
    let whole = command(root, &options("whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let mut child = Command::new(env!("CARGO_BIN_EXE_seismix"))
        .current_dir(root)
        .args(options("m"))
        .spawn()
        .unwrap();
    let lines = root.join("m.history.jsonl");
    let began = Instant::now();
    while fs::read(&lines).is_ok_and(|text| text.is_empty()) || !lines.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no epoch ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!root.join("m").exists(), "the training ended too early");
    let resumed = command(root, &options("m"));
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    for end in ["", ".history.jsonl"] {
        let [a, b] = ["m", "whole"].map(|name| fs::read(root.join(format!("{name}{end}"))));
        assert!(a.unwrap() == b.unwrap(), "{end}");
    }
}

#[test]
fn a_lost_history_is_written_again_from_the_model() {
    let folder = features();
    let root = folder.path();
    trained(root, &["--epochs", "3"]);
    let path = root.join("m.history.jsonl");
    let whole = fs::read(&path).unwrap();
    for damage in [None, Some("{\"epoch\":0")] {
        match damage {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let outcome = trained(root, &["--epochs", "3"]);
        assert!(outcome.stderr.contains("up to date"), "{}", outcome.stderr);
        assert!(fs::read(&path).unwrap() == whole, "{damage:?}");
    }
}

#[test]
fn early_stopping_is_told_and_keeps_the_best_epoch() {
    let folder = features();
    let root = folder.path();
    let options = [
        "--epochs",
        "200",
        "--patience",
        "3",
        "--learning-rate",
        "0.03",
        "--schedule",
        "constant",
    ];
    let outcome = trained(root, &options);
    let model = ModelFile::load(&root.join("m")).unwrap();
    let kept = model.history.kept.unwrap();
    let n = model.history.epochs.len();
    assert_eq!((model.history.stop, n), (StopReason::Patience, kept + 4));
    for says in [
        format!("training stopped after epoch {n}: 3 without a lower validation loss"),
        format!("the weights of epoch {} are kept", kept + 1),
    ] {
        assert!(outcome.stderr.contains(&says), "{}", outcome.stderr);
    }
    let lines = history(root);
    assert_eq!(lines.len(), n);
    assert_eq!(lines[kept]["kept"], true);
    assert_eq!(lines[n - 1]["stop"], "Patience");
    let losses: Vec<f64> = lines
        .iter()
        .map(|line| line["validation"]["total"].as_f64().unwrap())
        .collect();
    assert!(losses.iter().all(|loss| *loss >= losses[kept]));
}

#[test]
fn a_feature_file_that_changed_is_refused_and_made_again_by_features() {
    let folder = features();
    let root = folder.path();
    trained(root, &["--epochs", "1"]);
    let again = trained(root, &["--epochs", "1"]);
    assert!(again.stderr.contains("up to date"), "{}", again.stderr);
    let day = fs::read_dir(root.join("features")).unwrap();
    let day = day
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "h5"));
    // As much as the last byte counts, and all that the file says of itself is as before.
    let path = day.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let changed = train(root, &["--epochs", "1"]);
    assert_eq!(changed.code, Some(1), "{}", changed.stderr);
    assert!(changed.stderr.contains("is damaged"), "{}", changed.stderr);
    let arguments = ["features", "a.mseed", "-o", "features"];
    let again = command(root, &[&arguments, &TRANSFORM[..]].concat());
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let healed = trained(root, &["--epochs", "1"]);
    assert!(healed.stderr.contains("up to date"), "{}", healed.stderr);
}

#[test]
fn every_stage_that_ends_has_done_all_its_steps() {
    let folder = features();
    let run = ["run", "a.mseed", "-o", "RUN", "--seeds", "2", "-v"];
    let outcome = command(folder.path(), &[&run, &SMALL[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // `fit inputs: 1 step in 0.0 s`, and `0 of 1 step` where a stage did not tell.
    let ends = |line: &&str| line.contains(" in ") && line.ends_with(" s");
    let stages: Vec<&str> = outcome.stderr.lines().filter(ends).collect();
    for name in [
        "features: ",
        "fit inputs: 2 scales",
        "repeat fits: ",
        "train: 2 epochs",
        "learn: ",
    ] {
        assert!(
            stages.iter().any(|line| line.contains(name)),
            "{name}: {stages:?}"
        );
    }
    for line in stages {
        assert!(!line.contains(" of "), "{line}");
    }
    // What was repeated is in the report, by scale and by cluster.
    let report = fs::read_to_string(folder.path().join("RUN/report.html")).unwrap();
    assert!(report.contains("Stability of the clusters") && report.contains("over blocks of time"));
}
