//! What a command writes to, a folder or a file: one writer at a time, and no leftovers of killed ones.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::stage::{PipelineError, Result};

/// Age at which an unfinished file belongs to nobody any more.
pub const STALE: Duration = Duration::from_secs(3600);
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 8;
/// The lock, beside the outputs; an empty file.
const LOCK: &str = ".lock";

/// A folder held for this process until dropped; the system lets go of it if the process is killed.
pub struct OutputLock {
    _lock: Option<File>,
}

impl OutputLock {
    /// Makes the folder, holds it, and removes the unfinished files of writers that were killed.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if another process holds it, [`PipelineError::Io`].
    pub fn hold(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(PipelineError::io("creating", folder))?;
        let path = folder.join(LOCK);
        let file = open(&path).map_err(PipelineError::io("writing", &path))?;
        let lock = lock(file, || {
            PipelineError::unusable(
                format!("another seismix is writing into `{}`", folder.display()),
                "wait for it, or give another folder",
            )
        })?;
        let age = if lock.is_some() {
            Duration::ZERO
        } else {
            STALE
        };
        sweep(folder, age);
        Ok(Self { _lock: lock })
    }
}

/// A file to write, held for this process until dropped; the system lets go of it if the process is killed.
pub struct HeldFile {
    _lock: Option<File>,
}

impl HeldFile {
    /// Holds `output` by a lock on an empty hidden file beside it, which stays; makes the folder.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if another process holds it, [`PipelineError::Io`].
    pub fn hold(output: &Path) -> Result<Self> {
        let mut name = std::ffi::OsString::from(".");
        name.push(output.file_name().unwrap_or_default());
        name.push(LOCK);
        let path = output.with_file_name(name);
        let folder = path.parent().unwrap_or(Path::new(""));
        let opened = fs::create_dir_all(folder).and_then(|()| open(&path));
        let lock = match opened {
            Ok(file) => lock(file, || {
                PipelineError::unusable(
                    format!("another seismix is writing `{}`", output.display()),
                    "wait for it, or name another file",
                )
            })?,
            // Nothing can be written there, and what is there may be read.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                None
            }
            Err(error) => return Err(PipelineError::io("writing", &path)(error)),
        };
        Ok(Self { _lock: lock })
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// The locked file, or `None` where the file system knows no locks.
fn lock(file: File, held: impl FnOnce() -> PipelineError) -> Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(held()),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Removes unfinished files of at least this age from a folder and those below it. They are hidden and end in `.tmp`
/// (records, features, tables), or begin with `.seismix-` (models). What cannot be removed stays: nothing reads it.
pub fn sweep(folder: &Path, age: Duration) {
    sweep_below(folder, age, 0);
}

fn sweep_below(folder: &Path, age: Duration, depth: usize) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            sweep_below(&entry.path(), age, depth + 1);
        } else if kind.is_file() && is_unfinished(&entry.file_name().to_string_lossy()) {
            let old = entry
                .metadata()
                .and_then(|m| m.modified())
                .is_ok_and(|at| age.is_zero() || at.elapsed().is_ok_and(|elapsed| elapsed >= age));
            if old {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn is_unfinished(name: &str) -> bool {
    (name.starts_with('.') && name.ends_with(".tmp")) || name.starts_with(".seismix-")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = OutputLock::hold(folder.path()).unwrap();
        let Err(error) = OutputLock::hold(folder.path()) else {
            panic!("it was held twice");
        };
        assert!(error.to_string().contains("another seismix"), "{error}");
        drop(held);
        OutputLock::hold(folder.path()).unwrap();
    }

    #[test]
    fn one_writer_of_a_file_at_a_time_and_a_left_lock_holds_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("m");
        // What a killed process leaves.
        fs::write(folder.path().join(".m.lock"), "").unwrap();
        let held = HeldFile::hold(&output).unwrap();
        let Err(error) = HeldFile::hold(&output) else {
            panic!("it was held twice");
        };
        let text = error.to_string();
        assert!(
            text.contains("another seismix") && text.contains("m`"),
            "{text}"
        );
        HeldFile::hold(&folder.path().join("other")).unwrap();
        drop(held);
        HeldFile::hold(&output).unwrap();
        HeldFile::hold(&folder.path().join("new/folder/m")).unwrap();
        assert!(HeldFile::hold(&folder.path().join(".m.lock/m")).is_err());
    }

    #[test]
    fn unfinished_files_go_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        let unfinished = [".x.h5.12-0.tmp", "a/b/.XB.1.tmp", ".seismix-Ab12"];
        let others = ["x.h5", "a/b/notes.tmp", ".hidden"];
        for name in unfinished.iter().chain(&others) {
            fs::write(root.join(name), "").unwrap();
        }
        sweep(root, STALE);
        assert!(root.join(unfinished[0]).exists(), "it is young");
        drop(OutputLock::hold(root).unwrap());
        assert!(unfinished.iter().all(|name| !root.join(name).exists()));
        assert!(others.iter().all(|name| root.join(name).exists()));
    }
}
