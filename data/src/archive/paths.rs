//! From path arguments to a list of files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::index::FileFault;
use crate::error::{Error, Result};
use crate::id::StreamId;
use crate::time::year_day;

/// Deepest folder below an argument that is looked into.
const MAX_DEPTH: usize = 32;
/// Files with these endings are no records: passed over in folders, read if named.
const OTHER_ENDINGS: [&str; 24] = [
    "csv", "gz", "h5", "hdf5", "html", "jpg", "json", "jsonl", "log", "md", "npy", "npz", "pdf",
    "png", "py", "sh", "svg", "tmp", "toml", "txt", "xml", "yaml", "yml", "zip",
];
/// Files with these names, with any ending, are passed over in folders as well.
const OTHER_NAMES: [&str; 4] = ["CHANGELOG", "COPYING", "LICENSE", "README"];

/// Files to read.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    /// The files, sorted by path, each once.
    pub files: Vec<PathBuf>,
    /// Folders that could not be listed.
    pub faults: Vec<FileFault>,
}

/// Finds the files of path arguments: SDS archives and other folders (recursively), files, globs (`*`, `?`, `[...]`,
/// `**`).
///
/// An argument that exists is taken literally, so a `?` in a file name does no harm. In folders, hidden names and the
/// names and endings of other kinds of files (text, images, tables) are passed over; a file that is named is always
/// taken. An argument that matches nothing is a fault beside the files of the others.
///
/// # Errors
/// [`Error::NoSuchPath`] if no argument matches anything, [`Error::Glob`] if one is no valid glob.
pub fn expand_paths<P: AsRef<Path>>(arguments: &[P]) -> Result<FileList> {
    let mut list = FileList::default();
    let mut visited = HashSet::new();
    let mut absent = Vec::new();
    for argument in arguments {
        let argument = argument.as_ref();
        if argument.exists() {
            take(argument, &mut visited, &mut list);
            continue;
        }
        let text = argument.to_string_lossy();
        let before = list.files.len() + list.faults.len();
        if text.contains(['*', '?', '[']) {
            let matches = glob::glob(&text).map_err(|error| Error::Glob {
                argument: text.to_string(),
                reason: error.to_string(),
            })?;
            for found in matches {
                match found {
                    Ok(path) => take(&path, &mut visited, &mut list),
                    Err(error) => list.faults.push(FileFault {
                        path: error.path().to_owned(),
                        offset: None,
                        message: format!("cannot list it: {}", error.error()),
                    }),
                }
            }
        }
        if list.files.len() + list.faults.len() == before {
            absent.push(argument);
        }
    }
    if let Some(first) = absent.first()
        && absent.len() == arguments.len()
    {
        return Err(Error::NoSuchPath {
            argument: first.to_string_lossy().into_owned(),
        });
    }
    list.faults
        .extend(absent.into_iter().map(|argument| FileFault {
            path: argument.to_owned(),
            offset: None,
            message: "no such file, folder or match of a glob".to_owned(),
        }));
    list.files.sort();
    let mut seen = HashSet::new();
    list.files
        .retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    list.faults.sort();
    Ok(list)
}

/// Path of a stream's day below the root of an SDS archive: `2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.156`.
///
/// Signs that lead out of a folder become `_`.
pub fn sds_path(id: &StreamId, time_ns: i64) -> PathBuf {
    let (year, day) = year_day(time_ns);
    let safe = |code: &str| code.replace(['/', '\\', '.'], "_");
    let [network, station, location, channel] =
        [&id.network, &id.station, &id.location, &id.channel].map(|code| safe(code));
    let name = format!("{network}.{station}.{location}.{channel}.D.{year:04}.{day:03}");
    [
        &format!("{year:04}"),
        &network,
        &station,
        &format!("{channel}.D"),
        &name,
    ]
    .iter()
    .collect()
}

fn take(path: &Path, visited: &mut HashSet<PathBuf>, list: &mut FileList) {
    if path.is_dir() {
        walk(path, 0, visited, list);
    } else {
        list.files.push(path.to_owned());
    }
}

fn walk(folder: &Path, depth: usize, visited: &mut HashSet<PathBuf>, list: &mut FileList) {
    let identity = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if depth > MAX_DEPTH || !visited.insert(identity) {
        return; // links can lead in circles
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            list.faults.push(FileFault {
                path: folder.to_owned(),
                offset: None,
                message: format!("cannot list it: {error}"),
            });
            return;
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, visited, list);
        } else if path.is_file() && !is_other_kind(&path) {
            list.files.push(path);
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_encoded_bytes);
    name.is_none_or(|name| name.starts_with(b"."))
}

fn is_other_kind(path: &Path) -> bool {
    let lower = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().to_ascii_lowercase());
    let ending = lower(path.extension());
    let name = lower(path.file_name()).unwrap_or_default();
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    ending.is_some_and(|ending| OTHER_ENDINGS.contains(&ending.as_str()))
        || OTHER_NAMES.contains(&stem.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_files_and_globs_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("2019/XB/E/BHU.D")).unwrap();
        for name in [
            "2019/XB/E/BHU.D/b.156",
            "2019/XB/E/BHU.D/a.156",
            "2019/XB/E/BHU.D/.hidden",
            "2019/readme.md",
            "odd?.mseed",
            "LICENSE.other",
        ] {
            std::fs::write(root.join(name), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("2019/again")).unwrap();
        let names = |arguments: &[PathBuf]| -> Vec<String> {
            let list = expand_paths(arguments).unwrap();
            let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
            list.files.iter().map(relative).collect()
        };
        let all = [
            "2019/XB/E/BHU.D/a.156",
            "2019/XB/E/BHU.D/b.156",
            "odd?.mseed",
        ];
        assert_eq!(names(&[root.to_owned()]), all);
        assert_eq!(names(&[root.join("odd?.mseed"), root.to_owned()]), all);
        assert_eq!(names(&[root.join("2019/**/a.*")]), all[..1]);
        assert_eq!(names(&[root.join("2019/readme.md")]), ["2019/readme.md"]);
    }

    #[test]
    fn sds_names() {
        let id = "XB.ELYSE.02.BHU".parse().unwrap();
        let path = sds_path(&id, 1_559_692_800_010_000_000);
        let expected = "2019/XB/ELYSE/BHU.D/XB.ELYSE.02.BHU.D.2019.156";
        assert_eq!(path, Path::new(expected));
        let wild = StreamId::new("..", "/etc", "", "BHU");
        assert!(sds_path(&wild, 0).starts_with("1970/__/_etc"));
    }

    #[test]
    fn nothing_found_is_an_error() {
        for argument in ["/nonexistent/file", "/nonexistent/*.mseed"] {
            let error = expand_paths(&[argument]).unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
        assert!(matches!(expand_paths(&["/a/[b"]), Err(Error::Glob { .. })));
        let file = tempfile::NamedTempFile::new().unwrap();
        let arguments = [Path::new("/nonexistent/file"), file.path()];
        let list = expand_paths(&arguments).unwrap();
        assert_eq!(list.files, [file.path()]);
        assert_eq!(list.faults[0].path, arguments[0]);
    }
}
