//! Inputs that a command must not replace by its output, whatever path leads to them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::records::{SMALL, TRANSFORM, three, write};
use common::{contents, finish, seismix};

fn call(folder: &Path, line: &str, more: &[&str]) -> common::Outcome {
    let words = line.split_whitespace();
    finish(seismix().current_dir(folder).args(words).args(more))
}

/// Refuses the call as wrong usage, and changes no file.
fn refused(folder: &Path, line: &str) {
    let before = contents(folder);
    let outcome = call(folder, line, &[]);
    assert_eq!(outcome.code, Some(2), "{line}: {}", outcome.stderr);
    assert!(
        outcome.stderr.contains("input"),
        "{line}: {}",
        outcome.stderr
    );
    assert!(before == contents(folder), "{line} changed a file");
}

fn windows(folder: &Path) {
    let listed = "starttime,endtime\n2020-01-02T00:01:00Z,2020-01-02T00:01:10Z\n";
    std::fs::write(folder.join("windows.csv"), listed).unwrap();
}

#[test]
fn a_report_replaces_nothing_that_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("in")).unwrap();
    write(&root.join("in/3.mseed"), &three("FAM"));
    windows(root);
    let features = call(root, "features in -o F", &TRANSFORM);
    assert_eq!(features.code, Some(0), "{}", features.stderr);
    let method = "--method wiener --octaves 4 --snippets 8";
    let line = format!("separate in --windows windows.csv -o S {method}");
    assert_eq!(call(root, &line, &[]).code, Some(0));
    refused(root, "report F --records in -o in/3.mseed --fresh");
    refused(root, "report F --records in/*.mseed -o in/3.mseed --fresh");
    refused(root, "report F -o F/x.h5 --fresh");
    refused(root, "report S -o S/separation.json --fresh");
    let background = "S/background/2020/XX/FAM/BHU.D/XX.FAM.00.BHU.D.2020.002";
    assert!(root.join(background).is_file());
    refused(root, &format!("report S -o {background} --fresh"));
    std::fs::write(root.join("c.toml"), "verbose = 1\n").unwrap();
    refused(root, "report S -o c.toml --config c.toml --fresh");
    let page = call(root, "report F --records in -o in/page.html", &[]);
    assert_eq!(page.code, Some(0), "{}", page.stderr);
}

/// The settings of a run name its records.
#[test]
fn the_page_of_a_run_replaces_no_record_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("in")).unwrap();
    write(&root.join("in/3.mseed"), &three("FAM"));
    let run = call(root, "run in -o R", &SMALL);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    refused(root, "report R -o in/3.mseed --fresh");
    refused(root, "report R --records in -o in/3.mseed --fresh");
}

/// The text of a glob does not show the folders that it looks into.
#[test]
fn a_glob_into_the_output_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let background = root.join("S/background/2020/XX/FAM/BHU.D");
    std::fs::create_dir_all(&background).unwrap();
    write(&background.join("XX.FAM.00.BHU.D.2020.002"), &three("FAM"));
    windows(root);
    let list = "--windows windows.csv -o S --fresh";
    refused(
        root,
        &format!("separate S/back*/2020/XX/FAM/*/*.00? {list}"),
    );
    refused(root, &format!("separate S/*/2020/XX/FAM/*/XX* {list}"));
}

#[test]
fn the_configuration_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let signal = ndarray::Array1::from_iter((0..256).map(|t| f64::from(t).sin()));
    ndarray_npy::write_npy(root.join("x.npy"), &signal).unwrap();
    std::fs::write(root.join("c.toml"), "octaves = 4\n").unwrap();
    refused(root, "scatter x.npy -o c.toml --config c.toml --fresh");
    let fine = call(root, "scatter x.npy -o y.npz --config c.toml", &[]);
    assert_eq!(fine.code, Some(0), "{}", fine.stderr);
}
