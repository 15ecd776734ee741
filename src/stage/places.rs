//! Places of outputs and inputs relative to each other.

use std::path::{Component, Path, PathBuf};

use seismix_data::archive::expand_paths;

/// Fault and remedy if a folder of records to be written lies in a folder of the input, or if the input lies in where
/// the command writes: in one of the subfolders `written`.
pub fn conflict(
    output: &Path,
    inputs: &[PathBuf],
    written: &[&str],
) -> Option<(String, &'static str)> {
    let own = resolved(output);
    let refuse = |input: &Path, what: &str| {
        let text = format!(
            "the output folder `{}` {what} `{}`: what is written would be read as records",
            output.display(),
            input.display()
        );
        Some((text, "name a folder outside of the records with -o"))
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
    // The text of a glob, or a link in a folder, does not show the place of the files.
    let files = expand_paths(inputs).map_or_else(|_| Vec::new(), |list| list.files);
    for file in files {
        let place = resolved(&file);
        if written.iter().any(|name| place.starts_with(own.join(name))) {
            return refuse(&file, "would hold its own input");
        }
    }
    None
}

/// The folder that a glob looks through with all that is in it; `None` if it names files of some folders only.
fn searched(glob: &Path) -> Option<PathBuf> {
    let is_pattern = |c: &Component| c.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let last = glob.file_name()?.to_string_lossy();
    let everything = last == "*" || glob.components().any(|c| c.as_os_str() == "**");
    let root: PathBuf = glob.components().take_while(|c| !is_pattern(c)).collect();
    everything.then(|| resolved(&root))
}

/// Path without links and `..`, as far as it exists.
pub fn resolved(path: &Path) -> PathBuf {
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
