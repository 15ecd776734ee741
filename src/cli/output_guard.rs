//! Outputs apart from inputs: nothing that a command reads is written over, and no later run reads what it wrote.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use seismix::data::archive::expand_paths;
use seismix::stage::places::{conflict, resolved};

use super::exit::{Failure, Result};

/// Refuses an output file that is one of the inputs, or a feature file in a folder of them.
///
/// # Errors
/// [`Failure::Usage`].
pub fn file<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let own = resolved(output);
    for input in inputs {
        let input_itself = resolved(input);
        let feature_file =
            own.extension() == Some(OsStr::new("h5")) && own.starts_with(&input_itself);
        if own == input_itself || feature_file {
            return Err(Failure::usage(format!(
                "the output `{}` is an input, `{}`: it would be written over",
                output.display(),
                input.display()
            ))
            .with_help("name another file with -o"));
        }
    }
    Ok(())
}

/// The files that paths of records name: in folders, or as matches of a glob. Paths that match nothing are left to the
/// reader's own error.
pub fn record_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    expand_paths(paths).map_or_else(|_| Vec::new(), |list| list.files)
}

/// Refuses a folder of records as output where [`conflict`] finds one.
///
/// # Errors
/// [`Failure::Usage`].
pub fn folder(output: &Path, inputs: &[PathBuf], written: &[&str]) -> Result<()> {
    match conflict(output, inputs, written) {
        Some((what, help)) => Err(Failure::usage(what).with_help(help)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_input_by_any_name_is_no_output() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/x.npy"), "").unwrap();
        let input = root.join("a/x.npy");
        for name in ["a/x.npy", "a/b/../x.npy", "a/./x.npy"] {
            assert!(file(&root.join(name), [input.as_path()]).is_err(), "{name}");
        }
        for name in ["a/y.npy", "x.npy", "new/x.npy"] {
            assert!(file(&root.join(name), [input.as_path()]).is_ok(), "{name}");
        }
        let features = root.join("a");
        assert!(file(&root.join("a/day.h5"), [features.as_path()]).is_err());
        assert!(file(&root.join("a/clusters.csv"), [features.as_path()]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_an_input_is_the_input() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("x.npy");
        std::fs::write(&input, "").unwrap();
        let link = folder.path().join("link.npy");
        std::os::unix::fs::symlink(&input, &link).unwrap();
        assert!(file(&link, [input.as_path()]).is_err());
    }

    #[test]
    fn records_are_not_written_where_they_are_read() {
        let made = tempfile::tempdir().unwrap();
        let root = made.path();
        std::fs::create_dir_all(root.join("in/2020")).unwrap();
        std::fs::create_dir_all(root.join("out/background/2020")).unwrap();
        std::fs::create_dir_all(root.join("out/archive")).unwrap();
        for name in [
            "in/a.mseed",
            "out/archive/a.mseed",
            "out/background/2020/a.mseed",
        ] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let refused = |input: &str, output: &str| {
            folder(&root.join(output), &[root.join(input)], &["background"]).is_err()
        };
        for (input, output) in [
            ("in", "in"),
            ("in", "in/out"),
            ("in", "in/../in/x/y"),
            ("in/*", "in/out"),
            ("in/**/*.mseed", "in/out"),
            ("out/background", "out"),
            ("out/background/2020", "out"),
            ("out", "out"),
            ("out/back*/2020/*.ms*", "out"),
            ("o?t/*/2020/?.mseed", "out"),
        ] {
            assert!(refused(input, output), "{input} {output}");
        }
        for (input, output) in [
            ("in", "out"),
            ("in", "inner"),
            ("in/a.mseed", "in/out"),
            ("in/*.mseed", "in/out"),
            ("out/archive", "out"),
            ("out/arch*/*.mseed", "out"),
        ] {
            assert!(!refused(input, output), "{input} {output}");
        }
    }
}
