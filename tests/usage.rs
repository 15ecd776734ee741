//! The command line itself: help, usage errors, where settings come from.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{finish, run, seismix};

const COMMANDS: [&str; 11] = [
    "demo", "info", "scatter", "features", "train", "cluster", "separate", "unmix", "synth",
    "report", "run",
];

#[test]
fn help_lists_all_commands_and_each_has_its_own() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in COMMANDS {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{command}"
        );
        let own = run(&[command, "--help"]);
        assert_eq!(own.code, Some(0), "{command}");
        assert!(own.stdout.contains("Usage: seismix"), "{}", own.stdout);
    }
}

#[test]
fn version_is_printed() {
    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert!(
        version.stdout.starts_with("seismix 0."),
        "{}",
        version.stdout
    );
}

/// Exit code 2, nothing on stdout, `error:` first and `help:` somewhere, and these texts.
fn assert_usage(args: &[&str], says: &[&str]) {
    assert_usage_outcome(&run(args), &format!("{args:?}"), says);
}

fn assert_usage_outcome(outcome: &common::Outcome, what: &str, says: &[&str]) {
    assert_eq!(outcome.code, Some(2), "{what}: {}", outcome.stderr);
    assert_eq!(outcome.stdout, "", "{what}");
    assert!(
        outcome.stderr.contains("error: "),
        "{what}: {}",
        outcome.stderr
    );
    for text in says {
        assert!(
            outcome.stderr.contains(text),
            "{what} must say {text}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn wrong_usage_names_the_nearest_and_ends_with_2() {
    assert_usage(&[], &["no command given", "help: "]);
    assert_usage(&["infos"], &["unrecognized subcommand 'infos'", "'info'"]);
    assert_usage(&["info"], &["<PATH>"]);
    assert_usage(
        &["scatter", "x.npy", "-o", "y.npz", "--octave", "8"],
        &["'--octave'", "help: ", "'--octaves'"],
    );
    assert_usage(
        &["features", "x", "-o", "y", "--wavelet", "morlett"],
        &["'morlett'", "help: ", "'morlet'"],
    );
    assert_usage(
        &["scatter", "x.npy", "-o", "y.npz", "--precision", "f65"],
        &["'f65'", "f32, f64"],
    );
    assert_usage(
        &["train", "f", "-o", "m", "--clusters", "0"],
        &["at least 1"],
    );
    assert_usage(&["features", "x", "-o", "y", "--shard", "3/2"], &["`3/2`"]);
    assert_usage(
        &["features", "x", "-o", "y", "--memory", "lots"],
        &["`lots`", "2GiB"],
    );
    assert_usage(
        &["features", "x", "-o", "y", "--scales", "1024,x"],
        &["`x`"],
    );
    assert_usage(
        &["features", "x", "-o", "y", "--starttime", "2019-13-01"],
        &["2019-13-01", "month"],
    );
    assert_usage(
        &["run", "x", "-o", "y", "--resume", "--fresh"],
        &["'--resume'", "'--fresh'"],
    );
    assert_usage(
        &["separate", "x", "-c", "c.csv", "-o", "y", "--target", "3"],
        &["SCALE:CLUSTER"],
    );
    assert_usage(&["separate", "x", "-c", "c.csv", "-o", "y"], &["--target"]);
    assert_usage(&["info", "x", "--threads", "0"], &["at least 1"]);
}

#[test]
fn an_unknown_variable_is_an_error_with_the_nearest() {
    let outcome = finish(seismix().args(["info", "x"]).env("SEISMIX_OCTAVS", "8"));
    assert_usage_outcome(
        &outcome,
        "variable",
        &["`SEISMIX_OCTAVS`", "`SEISMIX_OCTAVES`"],
    );
}

#[test]
fn a_wrong_value_says_where_it_comes_from() {
    let args = ["features", "x", "-o", "y"];
    let outcome = finish(seismix().args(args).env("SEISMIX_OCTAVES", "many"));
    assert_usage_outcome(&outcome, "variable", &["'many'", "SEISMIX_OCTAVES"]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seismix.toml");
    std::fs::write(&file, "[transform]\nwavelet = \"meier\"\n").unwrap();
    let outcome = finish(seismix().args(args).arg("--config").arg(&file));
    assert_usage_outcome(
        &outcome,
        "file",
        &["'meier'", "'meyer'", "seismix.toml, key `wavelet`"],
    );
}

#[test]
fn files_are_checked_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seismix.toml");
    for (text, says) in [
        ("octavs = 8", ["`octavs`", "`octaves`"]),
        (
            "[transfrom]\noctaves = 8",
            ["`[transfrom]`", "`[transform]`"],
        ),
        (
            "octaves = 8\n[transform]\noctaves = 8",
            ["`octaves`", "more than once"],
        ),
        ("octaves = 8\noctaves = ", ["line 2", "seismix.toml"]),
        ("config = \"x\"", ["`config`", "not known"]),
        ("quiet = \"maybe\"", ["`maybe`", "`true` or `false`"]),
    ] {
        std::fs::write(&file, text).unwrap();
        // A key of another command is fine, so that one file serves all commands; a wrong one never is.
        let outcome = finish(seismix().args(["info", "x", "--config"]).arg(&file));
        assert_usage_outcome(&outcome, text, &says);
    }
    let outcome = run(&["info", "x", "--config", "/nowhere/seismix.toml"]);
    assert_usage_outcome(&outcome, "missing file", &["/nowhere/seismix.toml"]);
}

/// `--oversampling` with `--pool` is refused with its value in the text, which shows which layer won.
fn refused_oversampling(flag: Option<&str>, variable: Option<&str>, file: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = seismix();
    command.args(["scatter", "x.npy", "-o", "y.npz", "--pool", "64"]);
    if let Some(value) = flag {
        command.args(["--oversampling", value]);
    }
    if let Some(value) = variable {
        command.env("SEISMIX_OVERSAMPLING", value);
    }
    if let Some(value) = file {
        let path = folder.path().join("seismix.toml");
        std::fs::write(&path, format!("oversampling = {value}\n")).unwrap();
        command.env("SEISMIX_CONFIG", path);
    }
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn flag_over_variable_over_file_over_default() {
    let all = refused_oversampling(Some("2"), Some("3"), Some("4"));
    assert!(all.contains("`--oversampling 2`"), "{all}");
    let two = refused_oversampling(None, Some("3"), Some("4"));
    assert!(two.contains("`--oversampling 3`"), "{two}");
    let one = refused_oversampling(None, None, Some("4"));
    assert!(one.contains("`--oversampling 4`"), "{one}");
    // The default runs, so the first thing missing is the input.
    let none = run(&["scatter", "x.npy", "-o", "y.npz"]);
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    assert!(none.stderr.contains("error: x.npy: "), "{}", none.stderr);
}

#[test]
fn what_cannot_go_together_or_is_lacking_is_refused_by_name() {
    let base = ["scatter", "x.npy", "-o", "y.npz", "--oversampling", "4"];
    for (option, value) in [
        ("--quality", "2,1"),
        ("--octaves", "8,5"),
        ("--coefficients", "covreduced"),
        ("--normalize", "batch-ps"),
        ("--channels", "full"),
        ("--padding", "periodic"),
    ] {
        let args = [&base[..], &[option, value]].concat();
        assert_usage(&args, &["`--oversampling 4`", option, "exact"]);
    }
    assert_usage(
        &["train", "f", "-o", "m", "--device", "cuda"],
        &["`cuda`", "it has: cpu"],
    );
}

#[test]
fn stderr_of_a_pipe_has_no_colours_and_quiet_leaves_only_errors() {
    let loud = run(&["info", "/nowhere", "-vv"]);
    assert!(!loud.stderr.contains('\u{1b}'), "{:?}", loud.stderr);
    let quiet = run(&["info", "/nowhere", "--quiet"]);
    assert_eq!(quiet.code, Some(1));
    assert!(quiet.stderr.lines().count() <= 2, "{}", quiet.stderr);
    assert!(quiet.stderr.contains("/nowhere"), "{}", quiet.stderr);
}

#[test]
fn a_command_takes_no_option_that_it_would_ignore() {
    // What would be done anyway must not look like a rehearsal.
    assert_usage(&["train", "f", "-o", "m", "--dry-run"], &["'--dry-run'"]);
    let separate = ["separate", "x", "-c", "c", "-o", "y", "--target", "1024:1"];
    assert_usage(&[&separate[..], &["--dry-run"]].concat(), &["'--dry-run'"]);
}

#[test]
fn a_day_beyond_the_memory_allowed_is_refused_and_the_rehearsal_says_how_much() {
    use seismix::data::mseed::{WriteOptions, write_mseed_file};
    use seismix::data::{Samples, Segment};
    let folder = tempfile::tempdir().unwrap();
    let samples = Samples::I32((0..8192).map(|t| t * t % 101).collect());
    let segment = Segment::new("XX.TEST.00.BHU".parse().unwrap(), 20.0, 0, samples);
    let record = folder.path().join("a.mseed");
    write_mseed_file(&record, &[segment], &WriteOptions::default()).unwrap();
    let features = |options: &[&str]| {
        let mut command = seismix();
        command
            .current_dir(folder.path())
            .args(["features", "a.mseed", "-o", "F", "--scales", "1024"]);
        finish(command.args(options))
    };
    let rehearsal = features(&["--dry-run", "--json"]);
    assert_eq!(rehearsal.code, Some(0), "{}", rehearsal.stderr);
    let told: serde_json::Value = serde_json::from_str(&rehearsal.stdout).unwrap();
    assert!(told["memory_bytes"].as_u64().unwrap() > 1 << 20, "{told}");
    assert!(!folder.path().join("F").exists());

    let refused = features(&["--memory", "1MiB"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--memory allows 1MiB"),
        "{}",
        refused.stderr
    );
    let made = features(&[]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);

    let unsupported = features(&["--wavelet", "morlet"]);
    assert_usage_outcome(
        &unsupported,
        "wavelet",
        &["`--wavelet morlet`", "battle-lemarie"],
    );
}
