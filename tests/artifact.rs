//! Outputs lose nothing: each kind of fault once, on the commands that are quick. `scripts/fault_test.py` tries them all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::records::{SMALL, TRANSFORM, three, write};
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

    fn refused(&self, arguments: &[&str], says: &[&str]) {
        self.command(arguments).ends(1, says);
    }

    /// A separation of the first seconds, without a training.
    fn separate(&self, out: &str, more: &[&str]) -> Ended {
        let list = "starttime,endtime\n2020-01-02T00:01:00,2020-01-02T00:01:09.95\n";
        fs::write(self.path("w.csv"), list).unwrap();
        let arguments = ["separate", "a.mseed", "--windows", "w.csv", "-o", out];
        let small = ["--octaves", "3", "--max-iter", "2", "--snippets", "4"];
        self.command(&[&arguments[..], &small, more].concat())
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

#[test]
fn the_output_of_another_command_is_not_replaced() {
    let case = Case::new();
    for more in [&[][..], &["--fresh"], &["--fresh", "--dry-run"]] {
        case.separate("F", more)
            .ends(1, &["`F`", "`seismix features`"]);
        let run = [&["run", "a.mseed", "-o", "F"], &TRANSFORM[..], more].concat();
        case.refused(&run, &["`F`", "`seismix features`"]);
    }
    assert!(case.path(DAY).is_file());
    case.train("M").ends(0, &[]);
    let model = fs::read(case.path("M")).unwrap();
    let report = ["report", "F", "-o", "M"];
    case.refused(&report, &["`seismix train`", "--fresh"]);
    assert!(fs::read(case.path("M")).unwrap() == model);
    case.command(&[&report[..], &["--fresh"]].concat())
        .ends(0, &[]);
}

#[test]
fn a_rehearsal_refuses_what_the_command_refuses() {
    let case = Case::new();
    fs::write(case.path("file"), "mine").unwrap();
    fifo(&case.path("fifo"));
    let before = fs::read_dir(case.path(".")).unwrap().count();
    for out in ["file", "fifo", "file/sub"] {
        let name = out.split('/').next().unwrap();
        let says = [&format!("`{name}` is in the way")[..]];
        case.separate(out, &["--dry-run"]).ends(1, &says);
        for command in ["features", "run"] {
            case.refused(&[command, "a.mseed", "-o", out, "--dry-run"], &says);
        }
    }
    case.refused(&["train", "F", "-o", "file/M", "--dry-run"], &["`file`"]);
    let other = ["features", "a.mseed", "-o", "F", "--scales", "64,256"];
    let other = [&other[..], &["--octaves", "3", "--dry-run"]].concat();
    case.refused(&other, &["transform.octaves"]);
    // `w.csv`, the list of windows, is the only new file.
    assert_eq!(fs::read_dir(case.path(".")).unwrap().count(), before + 1);
}

#[test]
fn a_foreign_file_at_a_later_name_is_found_before_the_work() {
    let case = Case::new();
    let record = "N/background/2020/XX/ART/BHU.D/XX.ART.00.BHU.D.2020.002";
    for (name, command) in [
        (record, "separate"),
        ("N/separation.json", "separate"),
        ("N/report.html", "run"),
        ("N/model.safetensors", "run"),
        ("N/separated/separation.json", "run"),
        ("N/XX.ART.00.2020.002.h5", "features"),
    ] {
        let _ = fs::remove_dir_all(case.path("N"));
        fs::create_dir_all(case.path(name).parent().unwrap()).unwrap();
        fs::write(case.path(name), "mine").unwrap();
        let says = [name, "is in the way", "--fresh does not replace it"];
        for more in [&["--dry-run"][..], &[], &["--fresh"]] {
            if command == "separate" {
                case.separate("N", more).ends(1, &says);
            } else {
                let arguments = [command, "a.mseed", "-o", "N"];
                case.refused(&[&arguments, &TRANSFORM[..], more].concat(), &says);
            }
        }
        let folder = fs::read_dir(case.path("N")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name());
        let made = names.filter(|name| name != ".seismix").count();
        assert_eq!(made, 1, "{name}: nothing was made");
        assert_eq!(fs::read_to_string(case.path(name)).unwrap(), "mine");
    }
}

#[test]
fn a_page_in_the_folder_of_a_run_belongs_to_the_run() {
    let case = Case::new();
    let run = ["run", "a.mseed", "-o", "R", "--quiet"];
    case.command(&[&run[..], &SMALL].concat()).ends(0, &[]);
    let report = ["report", "R", "-o", "R/report.html"];
    case.refused(&report, &["belongs to the output of `seismix run`"]);
    let fresh = [&report[..], &["--fresh"]].concat();
    case.refused(&fresh, &["belongs to the output of `seismix run`"]);
    // Nothing of these files is read before it is known to have an end.
    for name in ["report.json", "separated/separation.json", "run.json"] {
        let path = case.path("R").join(name);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fifo(&path);
        // With records named, the page is made from all of them again.
        let report = ["report", "R", "-o", "page.html", "--records", "a.mseed"];
        let ended = case.command(&report);
        match name {
            "report.json" => ended.ends(0, &[]),
            _ => ended.ends(1, &["FIFO"]),
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
}

#[test]
fn names_that_are_not_utf8_are_refused_as_outputs_and_read_as_inputs() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let case = Case::new();
    let name = OsStr::from_bytes(b"b\xff.mseed");
    fs::copy(case.path("a.mseed"), case.path("b").with_file_name(name)).unwrap();
    let run = |arguments: &[&OsStr]| {
        let mut command = seismix();
        Ended(finish(command.current_dir(case.path(".")).args(arguments)))
    };
    let [features, o, out] = ["features", "-o", "N"].map(OsStr::new);
    let transform = TRANSFORM.map(OsStr::new);
    run(&[&[features, name, o, name], &transform[..]].concat()).ends(1, &["not UTF-8"]);
    let made = fs::read_dir(case.path(".")).unwrap();
    assert!(!made.into_iter().any(|e| {
        e.unwrap()
            .file_name()
            .to_string_lossy()
            .contains("\u{fffd}.npz")
    }));
    run(&[&[features, name, o, out], &transform[..]].concat()).ends(0, &[]);
    let small = SMALL.map(OsStr::new);
    let [all, out] = ["run", "R"].map(OsStr::new);
    run(&[&[all, name, o, out], &small[..]].concat()).ends(0, &[]);
    for arguments in [["info", "--json"], ["info", "--quiet"]] {
        run(&[OsStr::new(arguments[0]), name, OsStr::new(arguments[1])]).ends(0, &[]);
    }
}

#[test]
fn what_a_killed_fresh_run_left_is_cleared_or_resumed() {
    let case = Case::new();
    case.train("M").ends(0, &[]);
    let work = case.path(".seismix/files/M/work");
    fs::create_dir_all(&work).unwrap();
    fs::write(work.join("checkpoint"), "of a killed --fresh").unwrap();
    case.train("M").ends(0, &["up to date"]);
    assert!(!work.exists());
    let train = [
        "train",
        "F",
        "-o",
        "M",
        "--clusters",
        "3",
        "--epochs",
        "9000",
    ];
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_seismix"))
        .current_dir(case.path("."))
        .args(train)
        .arg("--fresh")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while fs::read(work.join("history.jsonl")).map_or(0, |text| text.len()) == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let text = String::from_utf8(ended.stderr).unwrap();
    assert!(text.contains("without --fresh to resume"), "{text}");
    // The settings are those of the stopped command, not of the model that is still there.
    case.command(&[&train[..], &["--dry-run"]].concat())
        .ends(0, &[]);
    case.train("M").ends(0, &["up to date"]);
    assert!(!work.exists());
}

#[test]
fn a_closed_stdout_does_not_hide_an_input_that_failed() {
    let case = Case::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_seismix"))
        .current_dir(case.path("."))
        .args(["features", "a.mseed", "nothere", "-o", "F"])
        .args(TRANSFORM)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
