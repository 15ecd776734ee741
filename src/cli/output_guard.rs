//! Outputs apart from inputs: nothing that a command reads is written over, and no later run reads what it wrote.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

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

/// Refuses a folder of records as output that lies in a folder of the input, or that the input lies in where the
/// command writes: in one of the subfolders `written`.
///
/// # Errors
/// [`Failure::Usage`].
pub fn folder(output: &Path, inputs: &[PathBuf], written: &[&str]) -> Result<()> {
    let own = resolved(output);
    let refuse = |input: &Path, what: &str| {
        Err(Failure::usage(format!(
            "the output folder `{}` {what} `{}`: what is written would be read as records",
            output.display(),
            input.display()
        ))
        .with_help("name a folder outside of the records with -o"))
    };
    for input in inputs {
        let read = if input.exists() {
            input.is_dir().then(|| resolved(input))
        } else {
            searched(input)
        };
        if let Some(read) = &read {
            if own == *read {
                return refuse(input, "is the input folder");
            }
            if own.starts_with(read) {
                return refuse(input, "lies in the input folder");
            }
        }
        let place = resolved(input);
        if written.iter().any(|name| place.starts_with(own.join(name))) {
            return refuse(input, "would hold its own input");
        }
    }
    Ok(())
}

/// The folder that a glob looks through with all that is in it; `None` if it names files of some folders only.
fn searched(glob: &Path) -> Option<PathBuf> {
    let is_pattern = |c: &Component| c.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let last = glob.file_name()?.to_string_lossy();
    let everything = last == "*" || glob.components().any(|c| c.as_os_str() == "**");
    let root: PathBuf = glob.components().take_while(|c| !is_pattern(c)).collect();
    everything.then(|| resolved(&root))
}

/// The path without links and `..`, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
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
        std::fs::write(root.join("in/a.mseed"), "").unwrap();
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
        ] {
            assert!(refused(input, output), "{input} {output}");
        }
        for (input, output) in [
            ("in", "out"),
            ("in", "inner"),
            ("in/a.mseed", "in/out"),
            ("in/*.mseed", "in/out"),
            ("out/archive", "out"),
        ] {
            assert!(!refused(input, output), "{input} {output}");
        }
    }
}
