//! The project's chores: `cargo check-all`, or one of its steps with `cargo xtask STEP`.
//!
//! Steps share what they compile: tests, examples and the binary use the dev profile, clippy and doc one set of
//! check metadata. Nothing is installed.
#![expect(clippy::print_stderr, reason = "a tool for a terminal")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A step: its name, what it is for, and what does it.
type Step = (&'static str, &'static str, fn() -> Result<(), String>);

const STEPS: [Step; 7] = [
    ("fmt", "the code is formatted", fmt),
    (
        "test",
        "all tests pass, those in the documentation too",
        test,
    ),
    ("examples", "each crate's examples run", examples),
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

fn test() -> Result<(), String> {
    cargo(&["test", "--workspace"], &[])
}

fn examples() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
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
    cargo(&all, &[])
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
