//! A run that was killed goes on, and ends with the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::records::{SMALL, three, write};
use common::{contents, finish, seismix};

fn arguments<'a>(run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "in", "-o", run, "--quiet"], &SMALL[..], more].concat()
}

fn whole(folder: &Path, run: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let outcome = finish(seismix().current_dir(folder).args(arguments(run, more)));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    contents(&folder.join(run))
}

fn assert_same(what: &str, wanted: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>) {
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(wanted), names(found), "{what}");
    for (name, content) in wanted {
        assert!(content == &found[name], "{what}: {name} differs");
    }
}

#[test]
fn killed_runs_end_with_the_bytes_of_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("in")).unwrap();
    write(&root.join("in/a.mseed"), &three("KILL"));
    let wanted = whole(root, "whole", &[]);
    // One kill in each of these, as soon as it begins; the last file of a stage tells.
    for (stage, sign) in [
        ("train", "features/XX.KILL.00.2020.002.h5"),
        ("separate", "transients.json"),
        ("records", "separated/background"),
    ] {
        let run = root.join(stage);
        let mut child = Command::new(env!("CARGO_BIN_EXE_seismix"))
            .current_dir(root)
            .args(arguments(stage, &[]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !run.join(sign).exists() && child.try_wait().unwrap().is_none() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{stage} never began"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What a killed writer leaves.
        let staging = run.join("features/.seismix/staging/1-1");
        std::fs::create_dir_all(&staging).unwrap();
        std::fs::write(staging.join("XX.KILL.00.2020.002.h5"), "half").unwrap();
        assert_same(stage, &wanted, &whole(root, stage, &[]));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("in")).unwrap();
    write(&root.join("in/a.mseed"), &three("THREE"));
    let results = |run: &str, threads: &str| whole(root, run, &["--threads", threads]);
    let one = results("one", "1");
    assert_same("threads", &one, &results("three", "3"));
    let fresh = whole(root, "three", &["--fresh", "--verify"]);
    assert_same("fresh", &one, &fresh);
}
