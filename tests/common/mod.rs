//! What the tests of the binary share.
#![allow(dead_code, clippy::expect_used, clippy::print_stdout)]

pub mod records;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The binary, without any `SEISMIX_*` variable of the caller.
pub fn seismix() -> Command {
    let mut command = Command::cargo_bin("seismix").expect("the binary is built");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEISMIX_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a command ended.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary with these arguments.
pub fn run(args: &[&str]) -> Outcome {
    finish(seismix().args(args))
}

/// Runs a prepared command.
pub fn finish(command: &mut Command) -> Outcome {
    let output = command.output().expect("the binary starts");
    let stderr = String::from_utf8(output.stderr).expect("stderr is text");
    assert!(!stderr.contains("panicked"), "{stderr}");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr,
    }
}

/// The real records beside the repository, or `None` (and a line that says so).
pub fn real_records() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/data is absent");
    None
}

/// Every file below a folder with its content; the state folders are not outputs.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("it is there") {
            let path = entry.expect("it is there").path();
            if path.file_name().expect("it is there") == ".seismix" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("it is there")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("it is there"));
            }
        }
    }
    found
}

/// True if this process ignores a signal, as the ones that it starts then do: below `nohup`, or in a shell's background.
pub fn ignores(signal: &str) -> bool {
    let number = match signal {
        "-HUP" => 1,
        "-INT" => 2,
        "-TERM" => 15,
        other => panic!("`{other}` has no number here"),
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    mask.unwrap_or(0) >> (number - 1) & 1 == 1
}

/// The first signal that asks a process to end and is not ignored.
pub fn interrupt() -> &'static str {
    let all = ["-INT", "-TERM", "-HUP"];
    all.into_iter()
        .find(|signal| !ignores(signal))
        .expect("a signal that is not ignored")
}
