//! Places that outputs are written to: what may be there, links, locks, and moves.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::stage::{PipelineError, Result};

/// Longest chain of symbolic links that is followed, as in Linux.
const MAX_LINKS: usize = 40;

/// The folder at `path`, created if it is not there, with links followed.
pub(super) fn output_folder(path: &Path) -> Result<PathBuf> {
    let target = check_folder(path)?;
    let created = fs::create_dir_all(&target);
    created.map_err(|error| PipelineError::io("creating", path)(error).or_disk_full(path))?;
    Ok(target)
}

/// The folder at `path` with links followed; refuses what cannot be a folder there, and creates nothing.
pub(super) fn check_folder(path: &Path) -> Result<PathBuf> {
    let target = followed(path)?;
    for folder in target.ancestors() {
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => break,
            Ok(found) => {
                let shown = if folder == target { path } else { folder };
                return Err(PipelineError::in_the_way(shown, kind_of(&found)));
            }
            // Not there yet: the folder that it will be made in decides.
            Err(_) => {}
        }
    }
    Ok(target)
}

/// The path that a symbolic link points to, also where nothing is there yet.
pub(super) fn followed(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => {
                let folder = target.parent().unwrap_or(Path::new(""));
                target = folder.join(next);
            }
            Err(_) if path.to_str().is_some() && target.to_str().is_some() => return Ok(target),
            // Names of outputs are kept and printed as text; another name would be written than the one given.
            Err(_) => {
                return Err(PipelineError::unusable(
                    format!("the output name `{}` is not UTF-8", path.display()),
                    "name the output in UTF-8 with -o",
                ));
            }
        }
    }
    let error = std::io::Error::other("too many levels of symbolic links");
    Err(PipelineError::io("writing", path)(error))
}

/// Kind of a file that cannot be an output, in words.
pub(super) fn kind_of(found: &fs::Metadata) -> &'static str {
    let kind = found.file_type();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a file"
    }
}

/// Creates the state folder; its lock file.
pub(super) fn prepare_state(state: &Path) -> std::io::Result<File> {
    fs::create_dir_all(state)?;
    let lock = state.join("lock");
    if let Ok(found) = fs::metadata(&lock)
        && !found.is_file()
    {
        // A FIFO would block until somebody reads it.
        let what = format!("`lock` in it is {}", kind_of(&found));
        return Err(std::io::Error::other(what));
    }
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock)
}

/// The locked file, or `None` where the file system has no locks.
pub(super) fn lock(file: File, shown: &Path, shared: bool) -> Result<Option<File>> {
    let locked = if shared {
        file.try_lock_shared()
    } else {
        file.try_lock()
    };
    match locked {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::Error(_)) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let text = if shown.is_dir() { "into " } else { "" };
            Err(PipelineError::unusable(
                format!("another seismix is writing {text}`{}`", shown.display()),
                "wait until it ends, or write to another place",
            ))
        }
    }
}

pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(PipelineError::io("removing", folder)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn create_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(folder).map_err(PipelineError::io("creating", folder))
}

/// Renames a file and makes the new name durable; copies where the folder is a link to another file system.
pub(super) fn move_file(from: &Path, to: &Path) -> Result<()> {
    let moved = match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(from, to).and_then(|_| File::open(to)?.sync_all())
        }
        done => done,
    };
    moved.map_err(PipelineError::io("writing", to))?;
    if let Some(Ok(folder)) = to.parent().map(File::open) {
        // Not every system can sync a folder; the file itself is safe by now.
        let _ = folder.sync_all();
    }
    Ok(())
}
