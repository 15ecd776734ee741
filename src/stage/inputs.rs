//! Files that a command reads: their hashes, and whether they remain the same while it works.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use twox_hash::XxHash3_128;

use crate::stage::artifact::written_record;
use crate::stage::manifest::read_in_pieces;
use crate::stage::provenance::{InputFile, hexadecimal};
use crate::stage::{PipelineError, Result};

/// Name of the list of known inputs in an output's state folder.
const KNOWN: &str = "inputs.json";

/// Identity of a file without a look at its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: u128,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self {
            bytes: metadata.len(),
            modified_ns: since.map_or(0, |since| since.as_nanos()),
            inode,
        }
    }
}

/// An input that was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    sha256: String,
    xxh3: String,
}

/// Inputs of a command with their hashes. Each is hashed once, by all stages of a run together; in a later run a file
/// of unchanged size, time of modification and inode is not read again.
#[derive(Debug, Default)]
pub struct Inputs {
    known: Mutex<BTreeMap<PathBuf, Known>>,
    used: Mutex<BTreeMap<PathBuf, Stamp>>,
}

impl Inputs {
    /// Loads the hashes that an earlier run kept in the state folder of its output.
    pub fn recall(&self, state: &Path) {
        // Only a short cut: without a readable list the files are hashed.
        let kept = crate::stage::read_whole(&state.join(KNOWN)).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let kept: BTreeMap<PathBuf, Known> = kept.unwrap_or_default();
        let mut known = locked(&self.known);
        for (path, file) in kept {
            known.entry(path).or_insert(file);
        }
    }

    /// Keeps the hashes of the inputs used so far in the state folder of an output.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn keep(&self, state: &Path) -> Result<()> {
        let (known, used) = (locked(&self.known), locked(&self.used));
        let used: BTreeMap<&PathBuf, &Known> = known
            .iter()
            // A name that is not UTF-8 cannot be written as text: such a file is hashed again next time.
            .filter(|(path, _)| used.contains_key(*path) && path.to_str().is_some())
            .collect();
        crate::stage::write_json(&state.join(KNOWN), &used)
    }

    /// Notes size and time of files that are about to be used, so that a change is noticed from now on.
    pub fn notice<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) {
        let mut used = locked(&self.used);
        for path in paths {
            // A file that is gone already is reported when it is read.
            if let Ok(metadata) = fs::metadata(path) {
                used.entry(canonical(path)).or_insert(Stamp::of(&metadata));
            }
        }
    }

    /// Name, size and hash of an input.
    ///
    /// A file that seismix wrote is compared with the checksum from then, so damaged features or models are found by
    /// the command that uses them.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::Damaged`].
    pub fn file(&self, path: &Path) -> Result<InputFile> {
        let reading = PipelineError::io("reading", path);
        let stamp = match fs::metadata(path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) => return Err(reading(error)),
        };
        let key = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let found = locked(&self.known).get(&key).cloned();
        let known = match found {
            Some(known) if known.stamp == stamp => known,
            _ => {
                let (mut sha256, mut xxh3) = (Sha256::new(), XxHash3_128::new());
                read_in_pieces(path, |piece| {
                    sha256.update(piece);
                    xxh3.write(piece);
                })
                .map_err(reading)?;
                Known {
                    stamp,
                    sha256: hexadecimal(&sha256.finalize()),
                    xxh3: format!("{:032x}", xxh3.finish_128()),
                }
            }
        };
        if let Some(record) = written_record(&key)
            && (record.bytes, &record.xxh3) != (stamp.bytes, &known.xxh3)
        {
            return Err(PipelineError::Damaged {
                path: path.to_path_buf(),
            });
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        let file = InputFile {
            name: name.to_string_lossy().into_owned(),
            bytes: stamp.bytes,
            sha256: known.sha256.clone(),
        };
        locked(&self.used).entry(key.clone()).or_insert(stamp);
        locked(&self.known).insert(key, known);
        Ok(file)
    }

    /// Refuses to go on if one of these files vanished or changed since it was first used.
    ///
    /// # Errors
    /// [`PipelineError::InputsChanged`] with their names.
    pub fn check_unchanged<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) -> Result<()> {
        let used = locked(&self.used);
        let mut changed = Vec::new();
        for path in paths {
            // A file that is gone has no canonical name; its folder still has.
            let key = canonical(path);
            let Some(stamp) = used.get(&key) else {
                continue;
            };
            match fs::metadata(&key) {
                Ok(found) if Stamp::of(&found) == *stamp => {}
                Ok(_) => changed.push(format!("`{}` changed", path.display())),
                Err(_) => changed.push(format!("`{}` vanished", path.display())),
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        Err(PipelineError::InputsChanged { what: changed })
    }
}

/// Canonical name of a file that may be gone.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_change_or_vanish_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, changed, gone] = ["kept", "changed", "gone"].map(|n| folder.path().join(n));
        let inputs = Inputs::default();
        for path in [&kept, &changed, &gone] {
            fs::write(path, "old").unwrap();
            inputs.file(path).unwrap();
        }
        let check = || inputs.check_unchanged([&kept, &changed, &gone].map(PathBuf::as_path));
        check().unwrap();
        fs::write(&changed, "newer").unwrap();
        fs::remove_file(&gone).unwrap();
        let text = check().unwrap_err().to_string();
        assert!(text.contains("changed` changed") && text.contains("gone` vanished"));
        assert!(!text.contains("kept"), "{text}");
    }

    #[test]
    fn a_known_file_is_read_again_when_its_stamp_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        let first = Inputs::default();
        let hash = first.file(&path).unwrap();
        first.keep(folder.path()).unwrap();
        let second = Inputs::default();
        second.recall(folder.path());
        assert_eq!(second.file(&path).unwrap(), hash);
        fs::write(&path, "three").unwrap();
        assert_ne!(second.file(&path).unwrap(), hash);
    }
}
