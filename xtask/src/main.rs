//! The project's chores: `cargo check-all`, or one of its steps with `cargo xtask STEP`.
//!
//! Steps share what they compile: tests, examples and the binary use the dev profile, clippy and doc one set of
//! check metadata. Nothing is installed.
#![expect(clippy::print_stderr, reason = "a tool for a terminal")]

mod style;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A step: its name, what it is for, and what does it.
type Step = (&'static str, &'static str, fn() -> Result<(), String>);

const STEPS: [Step; 8] = [
    ("fmt", "the code is formatted", fmt),
    (
        "test",
        "all tests pass, those in the documentation too",
        test,
    ),
    ("examples", "each crate's examples run", examples),
    (
        "style",
        "counts over the source tree keep their bounds",
        style_counts,
    ),
    ("clippy", "no lint is broken", clippy),
    ("doc", "the documentation builds without a warning", doc),
    (
        "wgpu",
        "the golden tests on what wgpu finds; compiles long, so not in check-all",
        wgpu,
    ),
    (
        "deny",
        "licences, sources and bans hold (needs cargo-deny)",
        deny,
    ),
];

/// The crates that have examples, by their folders; all are fast and use synthetic data only.
const CRATES: [&str; 4] = ["data", "scattering", "vae", "separate"];

/// Longest that the wgpu step may take, compiling included; software devices have been seen to hang.
const WGPU_LIMIT: Duration = Duration::from_secs(3600);
/// How often a step with a limit is looked at.
const POLL: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let asked = env::args().nth(1).unwrap_or_default();
    let steps: Vec<&Step> = match asked.as_str() {
        // Without the tool there is nothing to run; `cargo xtask deny` says how to get it.
        "check-all" => STEPS
            .iter()
            .filter(|step| step.0 != "wgpu" && (step.0 != "deny" || has_deny()))
            .collect(),
        name => STEPS.iter().filter(|step| step.0 == name).collect(),
    };
    if steps.is_empty() {
        eprintln!("usage: cargo check-all, or cargo xtask STEP; the steps are");
        for (name, what, _) in STEPS {
            eprintln!("  {name:9} {what}");
        }
        return ExitCode::from(2);
    }
    for (name, what, step) in steps {
        eprintln!("== {name}: {what}");
        if let Err(error) = step() {
            eprintln!("error: {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[])
}

/// The folder of the workspace.
fn workspace_root() -> std::path::PathBuf {
    // Cargo sets it for the programs that it runs, so a moved checkout is found as well.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| "xtask".into());
    Path::new(&package).join("..")
}

fn style_counts() -> Result<(), String> {
    style::check(&workspace_root())
}

fn test() -> Result<(), String> {
    cargo(&["test", "--workspace"], &[])
}

fn examples() -> Result<(), String> {
    let root = workspace_root();
    for folder in CRATES {
        let package = format!("seismix-{folder}");
        let files = fs::read_dir(root.join(folder).join("examples"))
            .map_err(|error| format!("{folder}/examples: {error}"))?;
        let mut names: Vec<_> = files
            .filter_map(|file| {
                Some(
                    file.ok()?
                        .path()
                        .file_stem()?
                        .to_string_lossy()
                        .into_owned(),
                )
            })
            .collect();
        names.sort();
        for name in names {
            eprintln!("-- {package}: {name}");
            let run = ["run", "--quiet", "--package", &package, "--example", &name];
            cargo(&run, &[])?;
        }
    }
    Ok(())
}

fn wgpu() -> Result<(), String> {
    // The tests are tiny: without optimisation wgpu compiles in a sixth of the time.
    let plain = [
        r#"profile.dev.package."*".opt-level=0"#,
        "profile.dev.opt-level=0",
        "profile.test.opt-level=0",
    ];
    let mut all = vec![
        "test",
        "--package",
        "seismix-vae",
        "--features",
        "wgpu",
        "--lib",
    ];
    all.extend(plain.iter().flat_map(|setting| ["--config", setting]));
    all.extend(["golden", "--", "--nocapture", "--test-threads", "1"]);
    let mut command = Command::new(cargo_path());
    command.args(&all);
    let status = within(command, WGPU_LIMIT)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` failed", all.join(" ")))
    }
}

/// Runs a command to its end, or kills it, and all that it started, when `limit` is over.
fn within(mut command: Command, limit: Duration) -> Result<ExitStatus, String> {
    // A group of its own, since cargo's tests are not killed with cargo; then Ctrl-C does not reach it, and is passed on.
    let asked = Arc::new(AtomicBool::new(false));
    let ask = Arc::clone(&asked);
    // A second handler is refused: then the first one ends the program.
    let _ = ctrlc::set_handler(move || ask.store(true, Ordering::Relaxed));
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{name}` does not start: {error}"))?;
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if asked.load(Ordering::Relaxed) => {
                kill(&mut child);
                return Err("interrupted".into());
            }
            Ok(None) if began.elapsed() < limit => thread::sleep(POLL),
            Ok(None) => {
                kill(&mut child);
                return Err(format!(
                    "not done after {} s and killed: a device or its driver hangs, or the machine is too slow for WGPU_LIMIT in \
                     xtask/src/main.rs",
                    limit.as_secs_f64()
                ));
            }
            Err(error) => {
                kill(&mut child);
                return Err(format!("`{name}`: {error}"));
            }
        }
    }
}

/// Ends a child and its group; that it may have ended by itself is no error.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn clippy() -> Result<(), String> {
    let lint = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    cargo(&lint, &[])
}

fn doc() -> Result<(), String> {
    let doc = ["doc", "--workspace", "--no-deps"];
    cargo(&doc, &[("RUSTDOCFLAGS", "-D warnings")])
}

fn deny() -> Result<(), String> {
    if !has_deny() {
        return Err(
            "cargo-deny is not installed; `cargo install cargo-deny --locked` brings it".into(),
        );
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"], &[])
}

fn has_deny() -> bool {
    let output = Command::new(cargo_path())
        .args(["deny", "--version"])
        .output();
    output.is_ok_and(|output| output.status.success())
}

fn cargo_path() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo(args: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let status = Command::new(cargo_path())
        .args(args)
        .envs(variables.iter().copied())
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` failed", args.join(" ")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_step_that_hangs_is_killed_with_its_children() -> Result<(), Box<dyn std::error::Error>> {
        let begun = env::temp_dir().join(format!("xtask-{}", std::process::id()));
        // The shell waits for a child that would write a file a second later.
        let script = format!("(sleep 1; touch {}) & wait", begun.display());
        let began = Instant::now();
        let ended = within(shell(&script), Duration::from_millis(300));
        assert!(ended.is_err_and(|text| text.contains("not done after 0.3 s and killed")));
        assert!(began.elapsed() < Duration::from_secs(1));
        thread::sleep(Duration::from_millis(1500));
        assert!(!begun.exists(), "the child went on");
        Ok(())
    }

    #[test]
    fn a_step_within_its_limit_ends_as_it_does() -> Result<(), String> {
        let limit = Duration::from_secs(60);
        assert!(within(shell("true"), limit)?.success());
        assert!(!within(shell("false"), limit)?.success());
        assert!(within(Command::new("/nowhere/program"), limit).is_err());
        Ok(())
    }
}
