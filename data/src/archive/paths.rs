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

/// Kind of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file that [`expand_paths`] lists.
    Records,
    /// Text, images, tables and the like in a folder, which [`expand_paths`] passes over.
    Other,
}

/// A file of any kind, and its name relative to the argument that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The file.
    pub path: PathBuf,
    /// Path below the folder that the argument names; the file name where the argument names a file, or a glob matches
    /// it.
    pub name: PathBuf,
    /// Kind by its name.
    pub kind: FileKind,
}

/// Files of any kind.
#[derive(Debug, Clone, Default)]
pub struct FoundFiles {
    /// The files, sorted by path, each once.
    pub files: Vec<FoundFile>,
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
    let mut found = Finder::find(arguments)?;
    // Other kinds go first: a link to one of them under a record's name is listed.
    found.files.retain(|file| file.kind == FileKind::Records);
    let FoundFiles { files, faults } = found.each_once();
    let files = files.into_iter().map(|file| file.path).collect();
    Ok(FileList { files, faults })
}

/// Finds the files of path arguments as [`expand_paths`] does, those of other kinds in folders included, with their
/// relative names.
///
/// # Errors
/// As [`expand_paths`].
pub fn find_files<P: AsRef<Path>>(arguments: &[P]) -> Result<FoundFiles> {
    Ok(Finder::find(arguments)?.each_once())
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

impl FoundFiles {
    /// Sorts, and removes files that another path leads to as well.
    fn each_once(mut self) -> Self {
        // Stable, so that of two arguments the first gives a file its name.
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut seen = HashSet::new();
        self.files.retain(|file| {
            let path = &file.path;
            seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        });
        self.faults.sort();
        self
    }
}

/// Files found so far, and the folders visited.
#[derive(Default)]
struct Finder {
    found: FoundFiles,
    visited: HashSet<PathBuf>,
}

impl Finder {
    fn find<P: AsRef<Path>>(arguments: &[P]) -> Result<FoundFiles> {
        let mut finder = Self::default();
        let mut absent = Vec::new();
        for argument in arguments {
            let argument = argument.as_ref();
            let before = finder.n_found();
            if argument.exists() {
                finder.take(argument);
                continue;
            }
            finder.take_matches(&argument.to_string_lossy())?;
            if finder.n_found() == before {
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
        for argument in absent {
            finder.fault(
                argument,
                "no such file, folder or match of a glob".to_owned(),
            );
        }
        Ok(finder.found)
    }

    fn n_found(&self) -> usize {
        self.found.files.len() + self.found.faults.len()
    }

    fn fault(&mut self, path: &Path, message: String) {
        self.found.faults.push(FileFault {
            path: path.to_owned(),
            offset: None,
            message,
        });
    }

    fn take_matches(&mut self, argument: &str) -> Result<()> {
        if !argument.contains(['*', '?', '[']) {
            return Ok(());
        }
        let matches = glob::glob(argument).map_err(|error| Error::Glob {
            argument: argument.to_owned(),
            reason: error.to_string(),
        })?;
        for found in matches {
            match found {
                Ok(path) => self.take(&path),
                Err(error) => {
                    self.fault(error.path(), format!("cannot list it: {}", error.error()));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path) {
        if path.is_dir() {
            self.walk(path, Path::new(""), 0);
        } else {
            self.found.files.push(FoundFile {
                path: path.to_owned(),
                name: path.file_name().unwrap_or_default().into(),
                kind: FileKind::Records,
            });
        }
    }

    /// Takes the files in a folder that has the path `below` relative to the argument.
    fn walk(&mut self, folder: &Path, below: &Path, depth: usize) {
        let identity = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if depth > MAX_DEPTH || !self.visited.insert(identity) {
            return; // links can lead in circles
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.fault(folder, format!("cannot list it: {error}")),
        };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        // The order decides under which of its names a folder with links to it is visited.
        names.sort();
        for name in names.iter().filter(|name| !is_hidden(name)) {
            let (path, name) = (folder.join(name), below.join(name));
            if path.is_dir() {
                self.walk(&path, &name, depth + 1);
            } else if path.is_file() {
                let kind = kind_of(&path);
                self.found.files.push(FoundFile { path, name, kind });
            }
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn kind_of(path: &Path) -> FileKind {
    if is_other_kind(path) {
        FileKind::Other
    } else {
        FileKind::Records
    }
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
    fn files_of_all_kinds_have_names_below_their_argument() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("in/2019")).unwrap();
        for name in [
            "in/2019/a.156",
            "in/2019/.hidden",
            "in/readme.md",
            "b.mseed",
        ] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let arguments = ["in", "b.m*", "in/2019/a.156"].map(|name| root.join(name));
        let found = find_files(&arguments).unwrap();
        let names: Vec<_> = found
            .files
            .iter()
            .map(|file| (file.name.to_str().unwrap(), file.kind))
            .collect();
        let expected = [
            ("b.mseed", FileKind::Records),
            ("2019/a.156", FileKind::Records),
            ("readme.md", FileKind::Other),
        ];
        assert_eq!(names, expected);
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
