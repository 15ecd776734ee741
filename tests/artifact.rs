//! Outputs lose nothing: each kind of fault once, on the commands that are quick. `scripts/fault_test.py` tries them all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::records::{TRANSFORM, three, write};
use common::{Outcome, finish, seismix};
use tempfile::TempDir;

const DAY: &str = "F/XX.ART.00.2020.002.h5";

/// A folder with a record and its features.
struct Case(TempDir);

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a.mseed"), &three("ART"));
        let case = Self(folder);
        case.features(&[]).ends(0, &[]);
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Ended {
        Ended(finish(seismix().current_dir(self.0.path()).args(arguments)))
    }

    fn features(&self, more: &[&str]) -> Ended {
        let arguments = ["features", "a.mseed", "-o", "F"];
        self.command(&[&arguments, &TRANSFORM[..], more].concat())
    }

    fn train(&self, out: &str) -> Ended {
        self.command(&["train", "F", "-o", out, "--clusters", "3", "--epochs", "1"])
    }
}

struct Ended(Outcome);

impl Ended {
    fn ends(&self, code: i32, says: &[&str]) {
        assert_eq!(self.0.code, Some(code), "{}", self.0.stderr);
        for text in says {
            assert!(self.0.stderr.contains(text), "{text}: {}", self.0.stderr);
        }
    }
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn files_of_the_user_survive_a_fresh_run() {
    let case = Case::new();
    let names = [
        "F/.notes.tmp",
        "F/.seismix-mine",
        "F/parts/notes",
        "F/a/b/.x.tmp",
    ];
    for name in names {
        fs::create_dir_all(case.path(name).parent().unwrap()).unwrap();
        fs::write(case.path(name), name).unwrap();
    }
    case.features(&["--fresh"]).ends(0, &[]);
    for name in names {
        assert_eq!(fs::read_to_string(case.path(name)).unwrap(), name);
    }
}

#[test]
fn a_file_of_the_user_in_the_way_is_named_and_kept() {
    let case = Case::new();
    fs::remove_dir_all(case.path("F/.seismix")).unwrap();
    fs::write(case.path(DAY), "mine").unwrap();
    for more in [&[][..], &["--fresh"]] {
        case.features(more)
            .ends(1, &["2020.002.h5", "is in the way"]);
        assert_eq!(fs::read_to_string(case.path(DAY)).unwrap(), "mine");
    }
}

#[test]
fn fifos_and_folders_are_refused_as_outputs_and_links_are_followed() {
    let case = Case::new();
    fifo(&case.path("fifo"));
    case.train("fifo").ends(1, &["fifo", "a FIFO"]);
    fs::create_dir(case.path("folder")).unwrap();
    case.train("folder").ends(1, &["folder", "a folder"]);
    fs::create_dir(case.path("far")).unwrap();
    std::os::unix::fs::symlink("far/model", case.path("link")).unwrap();
    case.train("link").ends(0, &[]);
    assert!(case.path("far/model").is_file());
    assert!(
        fs::symlink_metadata(case.path("link"))
            .unwrap()
            .is_symlink()
    );
    fs::write(case.path("file"), "").unwrap();
    let arguments = ["features", "a.mseed", "-o", "file"];
    case.command(&[&arguments, &TRANSFORM[..]].concat())
        .ends(1, &["`file`"]);
}

#[test]
fn a_day_of_earlier_records_does_not_look_current() {
    let case = Case::new();
    write(&case.path("b.mseed"), &three("OTHER"));
    fs::remove_file(case.path("a.mseed")).unwrap();
    let arguments = ["features", "b.mseed", "-o", "F"];
    let arguments = [&arguments, &TRANSFORM[..]].concat();
    case.command(&arguments)
        .ends(1, &["XX.ART.00.2020.002.h5", "--fresh"]);
    assert!(case.path(DAY).is_file());
    case.command(&[&arguments[..], &["--fresh"]].concat())
        .ends(0, &[]);
    assert!(!case.path(DAY).exists());
}

#[test]
fn other_settings_are_named_and_take_fresh() {
    let case = Case::new();
    let arguments = ["features", "a.mseed", "-o", "F", "--scales", "64,256"];
    let arguments = [&arguments[..], &["--octaves", "3"]].concat();
    case.command(&arguments)
        .ends(1, &["transform.octaves", "--fresh"]);
    case.command(&[&arguments[..], &["--fresh"]].concat())
        .ends(0, &[]);
}

#[test]
fn damaged_cut_and_missing_files_are_made_again() {
    let case = Case::new();
    case.train("M").ends(0, &[]);
    let whole = fs::read(case.path(DAY)).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() * 2 / 3] ^= 1;
    for damage in [Some(&changed[..]), Some(&whole[..whole.len() / 2]), None] {
        match damage {
            Some(bytes) => fs::write(case.path(DAY), bytes).unwrap(),
            None => fs::remove_file(case.path(DAY)).unwrap(),
        }
        if damage.is_some() {
            // A cut file is no HDF5 file any more; a changed one is noticed by its checksum.
            case.train("M").ends(1, &["2020.002.h5"]);
        }
        case.features(&[]).ends(0, &[]);
        case.train("M").ends(0, &["up to date"]);
    }
    fs::write(case.path("M"), "damaged").unwrap();
    let cluster = ["cluster", "F", "-m", "M", "-o", "C.csv"];
    case.command(&cluster).ends(1, &["M"]);
    case.train("M").ends(0, &["damaged or missing"]);
    case.command(&cluster).ends(0, &[]);
}

#[test]
fn a_fifo_as_input_does_not_hang() {
    let case = Case::new();
    fifo(&case.path("pipe"));
    case.command(&["info", "pipe"]).ends(1, &["pipe"]);
    case.command(&["features", "pipe", "-o", "N"])
        .ends(1, &["pipe"]);
    case.command(&["cluster", "F", "-m", "pipe", "-o", "C.csv"])
        .ends(1, &["pipe"]);
    case.command(&["scatter", "pipe", "-o", "o.npz"])
        .ends(1, &["pipe"]);
}
