//! Files appear whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Runs `write` on a temporary name in the folder of `path` (which is made if need be), syncs the file, renames it to
/// `path`, syncs the folder. Whatever was at `path` stays until the rename; a failed write leaves no temporary file.
pub(super) fn publish(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(|e| StoreError::io(folder, "creating", e))?;
    let temporary = temporary_name(path)?;
    let done = write(&temporary).and_then(|()| install(&temporary, path));
    if done.is_err() {
        // The first error is the one worth telling.
        let _ = std::fs::remove_file(&temporary);
    }
    done
}

/// Hidden, and different for each process and call, so that two writers cannot meet.
fn temporary_name(path: &Path) -> Result<PathBuf, StoreError> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let reason = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it names no file");
        return Err(StoreError::io(path, "writing", reason));
    };
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        ".{}.{}-{call}.tmp",
        name.to_string_lossy(),
        std::process::id()
    );
    Ok(path.with_file_name(name))
}

fn install(temporary: &Path, path: &Path) -> Result<(), StoreError> {
    let written = |e| StoreError::io(path, "writing", e);
    File::open(temporary)
        .and_then(|file| file.sync_all())
        .map_err(written)?;
    std::fs::rename(temporary, path).map_err(|e| StoreError::io(path, "renaming", e))?;
    // Not every system lets a folder be opened; the file itself is safe by now.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
