//! The command line itself: help, usage errors, where settings come from.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{finish, ignores, interrupt, run, seismix};

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

/// Expert options are on the page of `--help-all` only; examples are on every page.
#[test]
fn expert_options_are_listed_on_request() {
    let short = run(&["train", "--help"]);
    let all = run(&["train", "--help-all"]);
    assert_eq!((short.code, all.code), (Some(0), Some(0)));
    for text in ["--temperature", "--no-deflation"] {
        assert!(!short.stdout.contains(text), "{}", short.stdout);
        assert!(all.stdout.contains(text), "{}", all.stdout);
    }
    for command in COMMANDS {
        let page = run(&[command, "--help"]).stdout;
        assert!(page.contains("Examples:\n  seismix "), "{page}");
    }
}

#[test]
fn completions_and_man_pages_are_generated() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.stderr);
        for text in ["separate", "max-targets", "temperature"] {
            assert!(script.stdout.contains(text), "{shell} {text}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let outcome = finish(seismix().arg("man").arg(folder.path().join("man1")));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for command in COMMANDS {
        let page = folder.path().join(format!("man1/seismix-{command}.1"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.contains("SYNOPSIS") && page.contains("Examples"),
            "{page}"
        );
    }
    assert!(folder.path().join("man1/seismix.1").is_file());
}

/// The same values mean the same in all commands, so that one file serves them all.
#[test]
fn one_file_serves_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    let text = "clusters = \"auto\"\nbackground = \"1024:0\"\noctaves = \"3,2\"\nlength = 512\n\
                cluster-table = \"c.csv\"\nsamples = true\n";
    std::fs::write(folder.path().join("seismix.toml"), text).unwrap();
    let separate = ["separate", "x", "--target", "1024:1", "-o", "out"];
    let synth = ["synth", "--like", "x.npy", "-o", "y.npz"];
    let scatter = ["scatter", "x.npy", "-o", "y.npz"];
    for arguments in [&separate[..], &synth, &scatter, &["info", "x.npy"]] {
        let mut command = seismix();
        command.current_dir(folder.path()).args(arguments);
        let outcome = finish(command.args(["--config", "seismix.toml"]));
        assert!(
            !outcome.stderr.contains("invalid value"),
            "{}",
            outcome.stderr
        );
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
    assert_usage(&["info", "x", "--threads", "0"], &["from 1 to 1024"]);
}

/// A single optimisation of minutes ends soon after Ctrl-C, and leaves no file.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_unmix_and_synth_in_the_midst() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    let record = ndarray::Array1::from_shape_fn(16384, |t| ((t * t * 7) % 1009) as f64);
    ndarray_npy::write_npy(folder.path().join("x.npy"), &record).unwrap();
    let snippets = ndarray::Array2::from_shape_fn((10, 16384), |(r, t)| {
        ((t * t * 13 + r * 101 * t) % 997) as f64
    });
    ndarray_npy::write_npy(folder.path().join("nk.npy"), &snippets).unwrap();
    let unmix = [
        "unmix",
        "--mixture",
        "x.npy",
        "--background=nk.npy",
        "--objective=paper",
        "--max-iter",
        "100000",
    ];
    let synth = [
        "synth",
        "--like",
        "x.npy",
        "--tolerance",
        "1e-12",
        "--max-iter",
        "100000",
    ];
    for arguments in [unmix, synth] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("seismix"))
            .current_dir(folder.path())
            .args(arguments)
            .args(["-o", "out.npz", "--threads", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(child.try_wait().unwrap().is_none(), "it is at work");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([interrupt(), &pid]).status();
        assert!(sent.unwrap().success());
        let asked = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{:?}",
            asked.elapsed()
        );
        assert!(!folder.path().join("out.npz").exists());
    }
}

/// Every signal that asks a process to end is an interrupt, and none has an effect where it is ignored, as below `nohup`.
#[cfg(unix)]
#[test]
fn signals_end_a_command_with_130_unless_they_are_ignored() {
    use std::process::{Command, Stdio};
    use std::time::Duration;
    let folder = tempfile::tempdir().unwrap();
    let record = ndarray::Array1::from_shape_fn(16384, |t| ((t * t * 7) % 1009) as f64);
    ndarray_npy::write_npy(folder.path().join("x.npy"), &record).unwrap();
    let binary = assert_cmd::cargo::cargo_bin("seismix");
    let run = |before: &str, signals: &[&str]| {
        let line = format!(
            "{before} exec \"$0\" synth --like x.npy --tolerance 1e-12 --max-iter 100000 -o out.npz --threads 1"
        );
        let mut child = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &line])
            .arg(&binary)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(1000));
        let send = |signal: &str, pid: u32| {
            let sent = Command::new("kill")
                .args([signal, &pid.to_string()])
                .status();
            assert!(sent.unwrap().success());
            std::thread::sleep(Duration::from_millis(300));
        };
        for signal in &signals[..signals.len() - 1] {
            send(signal, child.id());
            assert!(child.try_wait().unwrap().is_none(), "{signal} is ignored");
        }
        send(signals[signals.len() - 1], child.id());
        assert_eq!(
            child.wait().unwrap().code(),
            Some(130),
            "{before} {signals:?}"
        );
        assert!(!folder.path().join("out.npz").exists());
    };
    for signal in ["-INT", "-TERM", "-HUP"] {
        if !ignores(signal) {
            run("", &[signal]);
        }
    }
    if cfg!(target_os = "linux") && !ignores("-TERM") {
        run("trap '' HUP;", &["-HUP", "-TERM"]);
    }
}

/// A reader that closes stdout or stderr ends neither in a panic nor in another exit code.
#[cfg(target_os = "linux")]
#[test]
fn closed_pipes_do_not_panic() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    let binary = assert_cmd::cargo::cargo_bin("seismix");
    for (arguments, code) in [
        ("scatter x.npy -o y.npz --octaves 3 -vv", 0),
        ("scatter nowhere.npy -o y.npz", 1),
        ("info /nowhere -vv", 1),
        ("--help", 0),
        ("info", 2),
    ] {
        // `/dev/full` fails every write, a closed descriptor and a pipe without a reader fail differently.
        for redirect in ["2>/dev/full", "2>&-", ">&- 2>&-", "2>&1 | true"] {
            let line = format!(
                "exec 3>code; {{ \"$0\" {arguments} {redirect_own}; echo $? >&3; }} {pipe}",
                redirect_own = redirect.split(" | ").next().unwrap(),
                pipe = if redirect.contains('|') { "| true" } else { "" }
            );
            let status = Command::new("sh")
                .current_dir(folder.path())
                .args(["-c", &line])
                .arg(&binary)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success(), "{line}");
            let found = std::fs::read_to_string(folder.path().join("code")).unwrap();
            assert_eq!(found.trim(), code.to_string(), "{arguments} {redirect}");
        }
    }
}

/// Nothing is allocated or begun for numbers that no machine can serve.
#[test]
fn numbers_beyond_reason_are_refused_at_once() {
    let unmix = [
        "unmix",
        "--mixture",
        "x.npy",
        "--background",
        "nk.npy",
        "-o",
        "y.npz",
    ];
    let synth = ["synth", "--like", "x.npy", "-o", "y.npz"];
    let separate = ["separate", "x", "--windows", "w.csv", "-o", "y"];
    for (command, options, says) in [
        (
            &unmix[..],
            &["--snippets", "1000000000"][..],
            "from 2 to 10000",
        ),
        (&unmix, &["--max-iter", "10000000000"], "from 1 to 1000000"),
        (&unmix, &["--mixtures", "1000000000"], "from 1 to 10000"),
        (&unmix, &["--threads", "100000"], "from 1 to 1024"),
        (&synth, &["-n", "1000000000"], "from 1 to 10000"),
        (&synth, &["--max-iter", "10000000000"], "from 1 to 1000000"),
        (&separate, &["--snippets", "1000000000"], "from 4 to 10000"),
        (&separate, &["--snippets", "2"], "from 4 to 10000"),
        (
            &separate,
            &["--max-targets", "10000000000"],
            "from 1 to 1000000",
        ),
    ] {
        assert_usage(&[command, options].concat(), &[says]);
    }
}

#[test]
fn an_unknown_variable_is_a_warning_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    let scatter = ["scatter", "x.npy", "-o", "y.npz", "--octaves", "3"];
    for (variable, says) in [
        ("SEISMIX_OCTAVS", "`SEISMIX_OCTAVES`"),
        ("SEISMIX_HOME_OF_ANOTHER_PROGRAM", "is ignored"),
    ] {
        let mut command = seismix();
        command.current_dir(folder.path()).args(scatter);
        let outcome = finish(command.env(variable, "8"));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        for text in ["WARN", &format!("`{variable}`"), says] {
            assert!(outcome.stderr.contains(text), "{text}: {}", outcome.stderr);
        }
    }
}

/// A record for `scatter`, in `x.npy`.
fn write_ramp(folder: &std::path::Path) {
    let signal = ndarray::Array1::from_shape_fn(64, |t| ((t * t) % 37) as f64);
    ndarray_npy::write_npy(folder.join("x.npy"), &signal).unwrap();
}

/// A name that has little in common with all known ones gets no suggestion.
#[test]
fn only_slips_are_corrected() {
    for args in [
        &["banana"][..],
        &["scatter", "x.npy", "-o", "y.npz", "--banana", "8"],
        &["features", "x", "-o", "y", "--wavelet", "banana"],
    ] {
        let outcome = run(args);
        assert_eq!(outcome.code, Some(2));
        assert!(!outcome.stderr.contains("nearest"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("similar"), "{}", outcome.stderr);
    }
    assert_usage(
        &["info", "x", "--octave", "8"],
        &["has an option '--octaves'"],
    );
}

/// A table named as a command holds for that command only, and for `run` where it is a stage of it.
#[test]
fn tables_are_named_as_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    let file = folder.path().join("seismix.toml");
    let scatter = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = seismix();
        command
            .current_dir(folder.path())
            .args(["scatter", "x.npy", "-o", "y.npz"]);
        finish(command.args(["--config", "seismix.toml"]))
    };
    for (text, coefficients) in [
        ("octaves = 3", "3"),
        ("octaves = 4\n[scatter]\noctaves = 3", "3"),
        ("octaves = 3\n[features]\noctaves = 4", "3"),
    ] {
        let outcome = scatter(text);
        assert_eq!(outcome.code, Some(0), "{text}: {}", outcome.stderr);
        assert_eq!(
            configuration(folder.path(), "octaves"),
            coefficients,
            "{text}"
        );
    }
    // A key of another command has no place in the table.
    let outcome = scatter("[scatter]\nepochs = 3");
    assert_usage_outcome(&outcome, "table", &["`epochs` is not known"]);
    std::fs::write(&file, "[train]\nepochs = \"many\"").unwrap();
    for command in ["train", "run"] {
        let args = [command, "x", "-o", "y", "--config"];
        let outcome = finish(seismix().args(args).arg(&file));
        assert_usage_outcome(&outcome, command, &["'many'", "key `epochs`"]);
    }
}

/// The name of a file before the command is not taken for the command.
#[test]
fn a_value_of_a_common_option_is_no_command() {
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    std::fs::write(folder.path().join("run"), "octaves = 3").unwrap();
    let mut command = seismix();
    command.current_dir(folder.path());
    let outcome = finish(command.args(["--config", "run", "scatter", "x.npy", "-o", "y.npz"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(configuration(folder.path(), "octaves"), "3");
}

/// A setting that `y.npz` says it was made with.
fn configuration(folder: &std::path::Path, name: &str) -> String {
    let file = std::fs::File::open(folder.join("y.npz")).unwrap();
    let mut archive = ndarray_npy::NpzReader::new(file).unwrap();
    let provenance: ndarray::Array1<u8> = archive.by_name("provenance").unwrap();
    let found: serde_json::Value = serde_json::from_slice(&provenance.to_vec()).unwrap();
    found["configuration"][name].as_str().unwrap().to_owned()
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

/// The oversampling that a result says it was made with, which shows which layer won.
fn oversampling_used(flag: Option<&str>, variable: Option<&str>, file: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_ramp(folder.path());
    let mut command = seismix();
    command.current_dir(folder.path());
    command.args(["scatter", "x.npy", "-o", "y.npz", "--octaves", "3"]);
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
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    configuration(folder.path(), "oversampling")
}

#[test]
fn flag_over_variable_over_file_over_default() {
    assert_eq!(oversampling_used(Some("2"), Some("3"), Some("4")), "2");
    assert_eq!(oversampling_used(None, Some("3"), Some("4")), "3");
    assert_eq!(oversampling_used(None, None, Some("4")), "4");
    assert_eq!(oversampling_used(None, None, None), "exact");
}

#[test]
fn what_is_lacking_is_refused_by_name() {
    assert_usage(
        &["train", "f", "-o", "m", "--device", "cuda"],
        &["`cuda`", "--features cuda", "present: cpu"],
    );
    assert_usage(
        &[
            "train",
            "f",
            "-o",
            "m",
            "--preset",
            "paper",
            "--no-deflation",
        ],
        &["--preset compact"],
    );
    assert_usage(
        &["train", "f", "-o", "m", "--temperature", "1:2"],
        &["--temperature", "START:END:PART"],
    );
}

#[test]
fn numbers_out_of_range_are_refused_before_any_work() {
    for (option, values, says) in [
        (
            "--clusters",
            &["0", "1", "1001", "x"][..],
            "from 2 to 1000, or auto",
        ),
        (
            "--seeds",
            &["0", "1001", "18446744073709551615"],
            "from 1 to 1000",
        ),
        ("--batch", &["0", "1"], "at least 2"),
        (
            "--epochs",
            &["0", "18446744073709551615"],
            "from 1 to 1000000",
        ),
        ("--hidden", &["0", "131073"], "from 1 to 131072"),
        ("--latent", &["0", "131073"], "from 1 to 131072"),
        ("--layers", &["0", "65"], "from 1 to 64"),
        (
            "--validation",
            &["-0.1", "0.6", "1", "nan"],
            "from 0 to 0.5",
        ),
        (
            "--amplitude",
            &["-1", "1e9", "1e300", "inf", "nan"],
            "from 0 to 100",
        ),
        ("--finest-levels", &["-1", "1e30"], "weight from 0 to 100"),
        (
            "--temperature",
            &["0", "1e-30", "1000", "1:0:0.5"],
            "from 0.01 to 100",
        ),
        ("--temperature", &["1:0.5:2"], "from 0 to 1"),
    ] {
        for value in values {
            let set = format!("{option}={value}");
            for command in ["train", "run"] {
                assert_usage(&[command, "f", "-o", "m", &set], &[option, says]);
            }
        }
    }
}

#[test]
fn stderr_of_a_pipe_has_no_colours_and_quiet_leaves_only_errors() {
    for (options, colored) in [
        (&["-vv"][..], false),
        (&["--color", "never"], false),
        (&["--color=always"], true),
    ] {
        let loud = run(&[&["info", "/nowhere"], options].concat());
        assert_eq!(
            loud.stderr.contains('\u{1b}'),
            colored,
            "{options:?}: {:?}",
            loud.stderr
        );
    }
    let quiet = run(&["info", "/nowhere", "--quiet"]);
    assert_eq!(quiet.code, Some(1));
    assert!(quiet.stderr.lines().count() <= 2, "{}", quiet.stderr);
    assert!(quiet.stderr.contains("/nowhere"), "{}", quiet.stderr);
}

/// A rehearsal refuses what the command refuses, and writes nothing.
#[test]
fn a_rehearsal_refuses_what_the_command_refuses() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.csv"), "starttime,endtime\n").unwrap();
    std::fs::write(folder.path().join("m"), "no model").unwrap();
    for arguments in [
        &["train", "f", "-o", "o/m"][..],
        &["cluster", "f", "-m", "m", "-o", "o/c.csv"],
        &["separate", "x", "--windows", "w.csv", "-o", "o"],
        &["separate", "x", "-c", "c", "-o", "o", "--target", "1024:1"],
    ] {
        let run = |options: &[&str]| {
            let mut command = seismix();
            command.current_dir(folder.path()).args(arguments);
            finish(command.args(options))
        };
        let rehearsed = run(&["--dry-run", "--quiet"]);
        assert!(!folder.path().join("o").exists(), "{arguments:?}");
        let made = run(&["--quiet"]);
        assert_ne!(made.code, Some(0));
        assert_eq!(rehearsed.code, made.code, "{}", rehearsed.stderr);
        assert_eq!(rehearsed.stderr, made.stderr);
        let _ = std::fs::remove_dir_all(folder.path().join("o"));
    }
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

    // Reflected windows have blocks of their own, which takes room too.
    let more = features(&[
        "--boundary",
        "reference",
        "--stride",
        "64",
        "--block",
        "64",
        "--dry-run",
        "--fresh",
        "--json",
    ]);
    assert_eq!(more.code, Some(0), "{}", more.stderr);
    let more: serde_json::Value = serde_json::from_str(&more.stdout).unwrap();
    assert!(more["memory_bytes"].as_u64() > told["memory_bytes"].as_u64());
}
