//! Record of the files that an output consists of: name, size and checksum of each.
//!
//! The manifest is written when a command ends. While it works, each file is announced in a journal before it gets its
//! final name, so that after a kill at any moment every file in the output is known to be ours or known not to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use seismix_core::checksum::checksum_file;
use seismix_core::regular_file;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stage::{PipelineError, Result};

/// Name of the manifest in the state folder.
const MANIFEST: &str = "manifest.json";
/// First part of the names of journals in the state folder.
const JOURNAL: &str = "journal";
/// Bytes read at a time when a file is hashed.
const CHUNK: usize = 1 << 18;

/// Size and checksum of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Size in bytes.
    pub bytes: u64,
    /// XXH3-128 of the content, hexadecimal; empty while the file is being written.
    pub xxh3: String,
    /// Fingerprint of the settings and inputs that the file was made from, where files differ in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub made_from: String,
}

impl FileRecord {
    /// Measures a file, read in pieces.
    ///
    /// # Errors
    /// [`std::io::Error`] if it cannot be read.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let (bytes, sum) = checksum_file(path)?;
        Ok(Self {
            bytes,
            xxh3: format!("{sum:032x}"),
            made_from: String::new(),
        })
    }

    /// True if the file is there with this size and checksum.
    pub fn matches(&self, path: &Path) -> bool {
        // The size alone shows most damage without a read of the file.
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == self.bytes)
            && Self::of(path).is_ok_and(|found| found.xxh3 == self.xxh3)
    }
}

/// Reads a regular file in pieces; its size.
///
/// # Errors
/// [`std::io::Error`]; devices, FIFOs and folders are refused before they are opened, since a FIFO would block.
pub fn read_in_pieces(path: &Path, mut each: impl FnMut(&[u8])) -> std::io::Result<u64> {
    let mut file = regular_file::open(path)?;
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            n => {
                each(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// Contents of an output: the command, its settings, and the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version that wrote the output.
    pub version: String,
    /// Command that wrote it.
    pub command: String,
    /// Settings that it was made with.
    pub settings: Value,
    /// Fingerprint of settings and inputs; empty while the output is not complete.
    pub fingerprint: String,
    /// Files by name, relative to the output, with `/`.
    pub files: BTreeMap<String, FileRecord>,
}

/// One line of a journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A command begins to write; the output is not complete until it ends.
    Begin {
        /// The command.
        command: String,
        /// Its settings.
        settings: Value,
    },
    /// A file is about to get its final name.
    File {
        /// Its name.
        name: String,
        /// Its size and checksum.
        record: FileRecord,
    },
    /// A file is about to be removed.
    Removed {
        /// Its name.
        name: String,
    },
}

impl Manifest {
    /// Reads manifest and journals of a state folder; nothing there is an empty manifest.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::Unusable`] if the manifest is damaged.
    pub fn read(state: &Path) -> Result<Self> {
        let path = state.join(MANIFEST);
        let mut manifest = match crate::stage::read_whole(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                PipelineError::unusable(
                    format!("`{}` is damaged: {error}", path.display()),
                    "without it the files of this output cannot be told from other files; write to another place",
                )
            })?,
            Err(error) if is_absent(&error) => Self::default(),
            Err(error) => return Err(PipelineError::io("reading", &path)(error)),
        };
        for journal in journals(state) {
            let file =
                regular_file::open(&journal).map_err(PipelineError::io("reading", &journal))?;
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(PipelineError::io("reading", &journal))?;
                // A killed writer leaves half a line at the end at most.
                if let Ok(entry) = serde_json::from_slice(&line) {
                    manifest.apply(entry);
                }
            }
        }
        Ok(manifest)
    }

    /// Takes one line of a journal into account.
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Begin { command, settings } => {
                self.command = command;
                self.settings = settings;
                self.fingerprint.clear();
            }
            Entry::File { name, record } => drop(self.files.insert(name, record)),
            Entry::Removed { name } => drop(self.files.remove(&name)),
        }
    }

    /// Writes the manifest; it then holds all that the journals do, and these are removed.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write(&self, state: &Path) -> Result<()> {
        crate::stage::write_json(&state.join(MANIFEST), self)?;
        for journal in journals(state) {
            fs::remove_file(&journal).map_err(PipelineError::io("removing", &journal))?;
        }
        Ok(())
    }
}

/// True where an error means that nothing is there.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Journals of a state folder, by name.
fn journals(state: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(JOURNAL))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Settings that differ, as `name: old -> new`.
pub fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(name: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = match name {
                    "" | "configuration" => key.clone(),
                    _ => format!("{name}.{key}"),
                };
                let [x, y] = [a, b].map(|map| map.get(key).unwrap_or(&Value::Null));
                compare(&inner, x, y, found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{name}: {old} -> {new}")),
    }
}

/// A journal open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// The journal of one writer; `part` distinguishes writers that work at the same time. The file is made when the
    /// first entry is written.
    pub fn new(state: &Path, part: &str) -> Self {
        Self {
            path: state.join(format!("{JOURNAL}{part}")),
            file: None,
        }
    }

    /// Appends an entry, safe on the disk when this returns.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry).map_err(PipelineError::internal)?;
        // Behind the half line of a killed writer, an entry begins on a line of its own.
        line.insert(0, b'\n');
        line.push(b'\n');
        self.write(&line)
            .map_err(PipelineError::io("writing", &self.path))
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let options = File::options().append(true).create(true).open(&self.path)?;
                empty.insert(options)
            }
        };
        file.write_all(line)?;
        file.sync_data()
    }

    /// Forgets the open file, after the journals were removed.
    pub fn close(&mut self) {
        self.file = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64) -> Entry {
        let record = FileRecord {
            bytes,
            ..FileRecord::default()
        };
        Entry::File {
            name: name.into(),
            record,
        }
    }

    #[test]
    fn a_journal_with_half_a_line_is_read_up_to_there_and_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let mut journal = Journal::new(state, "");
        journal.append(&file("a", 1)).unwrap();
        journal.write(b"{\"file\":{\"na").unwrap();
        journal.append(&file("b", 2)).unwrap();
        let manifest = Manifest::read(state).unwrap();
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["a", "b"]);
        manifest.write(state).unwrap();
        assert!(!state.join("journal").exists());
        assert_eq!(Manifest::read(state).unwrap(), manifest);
    }

    #[test]
    fn damage_of_any_kind_does_not_match() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, vec![7; CHUNK + 9]).unwrap();
        let record = FileRecord::of(&path).unwrap();
        assert!(record.matches(&path));
        let mut content = fs::read(&path).unwrap();
        content[CHUNK + 3] ^= 1;
        fs::write(&path, &content).unwrap();
        assert!(!record.matches(&path), "one bit");
        fs::write(&path, &content[..9]).unwrap();
        assert!(!record.matches(&path), "cut");
        fs::remove_file(&path).unwrap();
        assert!(!record.matches(&path), "missing");
        assert!(!record.matches(folder.path()), "a folder");
    }
}
