//! Files that appear complete or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::regular_file;

/// Symbolic links that are followed from one output; the system's own limit is 40.
const MAX_LINKS: usize = 40;
/// Characters of the output's name in the temporary name, so that the latter does not exceed the system's 255 bytes.
const NAME_CHARS: usize = 50;

/// Writes a file under a temporary name in the same folder, syncs it to the disk and renames it to `path`.
///
/// Folders are created. At any moment `path` holds either its former content or all of the new one. The temporary
/// name begins with a dot and ends in `.tmp`. A symbolic link at `path` is followed, so that its target is replaced.
///
/// # Errors
/// Those of `write`; [`Error::NotAFile`] if `path` is a folder, a FIFO, a device or a socket; [`Error::Io`] if the
/// folder or file cannot be written. The temporary file is removed.
pub fn atomic_write<T, E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let output = AtomicFile::create(path)?;
    let file = output.temporary.as_file().try_clone();
    let mut writer = BufWriter::with_capacity(256 * 1024, file.map_err(Error::io("write", path))?);
    let value = write(&mut writer)?;
    writer.flush().map_err(Error::io("write", path))?;
    output.publish()?;
    Ok(value)
}

/// Writes a file as [`atomic_write`] does, for writers that open the file by its (temporary) name.
///
/// # Errors
/// As [`atomic_write`].
pub fn atomic_write_by_name<T, E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let output = AtomicFile::create(path)?;
    let value = write(output.temporary.path())?;
    output.publish()?;
    Ok(value)
}

/// Writes `bytes` as [`atomic_write`] does.
///
/// # Errors
/// As [`atomic_write`].
pub fn atomic_write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_write(path, |writer| {
        writer.write_all(bytes).map_err(Error::io("write", path))
    })
}

/// File that an output is written to: `path` with its symbolic links followed. It may not exist yet.
///
/// # Errors
/// [`Error::NotAFile`] if it is a folder, a FIFO, a device or a socket; [`Error::Io`] for a cycle of links or a `path`
/// that cannot be looked up.
pub fn resolve_output(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match std::fs::symlink_metadata(&target) {
            Ok(found) if found.is_symlink() => {
                let link = std::fs::read_link(&target).map_err(Error::io("read", &target))?;
                // An absolute link replaces the path, a relative one is joined to the link's folder.
                target = folder_of(&target).join(link);
            }
            Ok(found) if found.is_file() => return Ok(target),
            Ok(found) => {
                return Err(Error::NotAFile {
                    path: target,
                    found: regular_file::type_name(found.file_type()),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(Error::io("write", &target)(error)),
        }
    }
    let cycle = io::Error::other("its symbolic links form a cycle");
    Err(Error::io("write", path)(cycle))
}

/// A file under its temporary name, removed unless it is published.
struct AtomicFile {
    target: PathBuf,
    temporary: tempfile::NamedTempFile,
}

impl AtomicFile {
    fn create(path: &Path) -> Result<Self> {
        let target = resolve_output(path)?;
        let Some(name) = target.file_name() else {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name");
            return Err(Error::io("write", path)(error));
        };
        let folder = folder_of(&target);
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let name = name.to_string_lossy();
        let prefix: String = [".", &name].concat().chars().take(NAME_CHARS).collect();
        let prefix = prefix + ".";
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Less the umask, as for any new file; the default of temporary files lets only the owner read.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder
            .tempfile_in(folder)
            .map_err(Error::io("write", &target))?;
        Ok(Self { target, temporary })
    }

    fn publish(self) -> Result<()> {
        let Self { target, temporary } = self;
        let name = temporary.into_temp_path();
        // Opened anew: a writer by name may have replaced the file that was created. Without the sync a crash after
        // the rename could leave an empty file under the final name.
        File::open(&name)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("write", &target))?;
        name.persist(&target)
            .map_err(|error| Error::io("write", &target)(error.error))?;
        if let Ok(folder) = File::open(folder_of(&target)) {
            let _ = folder.sync_all(); // makes the new name durable where the system allows it
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn replaces_all_of_a_file_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.txt");
        atomic_write_bytes(&path, b"one").unwrap();
        atomic_write_bytes(&path, b"two").unwrap();
        let failed = atomic_write(&path, |writer| {
            writer.write_all(b"three").unwrap();
            Err::<(), _>(Error::Layout {
                reason: "stop".into(),
            })
        });
        assert_eq!(failed.unwrap_err().to_string(), "stop");
        let failed = atomic_write_by_name(&path, |name| {
            std::fs::write(name, "four").unwrap();
            Err::<(), _>(Error::Layout {
                reason: "stop".into(),
            })
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(
            names(path.parent().unwrap()),
            1,
            "no temporary file remains"
        );
        atomic_write_by_name(&path, |name| {
            std::fs::write(name, "five").map_err(Error::io("write", name))
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "five");
    }

    #[test]
    fn a_folder_in_the_way_is_named_and_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::create_dir(&path).unwrap();
        let error = atomic_write_bytes(&path, b"new").unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
        assert!(
            error.to_string().contains("out`: it is a folder"),
            "{error}"
        );
        assert_eq!(names(folder.path()), 1);
        // A file where a folder is needed.
        atomic_write_bytes(&folder.path().join("file"), b"1").unwrap();
        assert!(atomic_write_bytes(&folder.path().join("file/x"), b"1").is_err());
        assert!(atomic_write_bytes(Path::new("/"), b"1").is_err());
        assert!(atomic_write_bytes(Path::new(""), b"1").is_err());
    }

    #[test]
    fn names_of_the_greatest_length_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("é".repeat(127));
        atomic_write_bytes(&path, b"x").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        use super::*;

        #[test]
        fn others_may_read_it_where_the_umask_allows() {
            let folder = tempfile::tempdir().unwrap();
            let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
            File::create(&plain).unwrap();
            atomic_write_bytes(&atomic, b"").unwrap();
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
            assert_eq!(mode(&plain), mode(&atomic));
        }

        #[test]
        fn symbolic_links_are_followed_and_remain() {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            std::fs::create_dir(root.join("far")).unwrap();
            symlink("far/target", root.join("link")).unwrap();
            symlink(root.join("link"), root.join("second")).unwrap();
            for text in ["one", "two"] {
                atomic_write_bytes(&root.join("second"), text.as_bytes()).unwrap();
                assert_eq!(
                    std::fs::read_to_string(root.join("far/target")).unwrap(),
                    text
                );
            }
            assert!(root.join("second").is_symlink() && root.join("link").is_symlink());
            symlink("b", root.join("a")).unwrap();
            symlink("a", root.join("b")).unwrap();
            let error = atomic_write_bytes(&root.join("a"), b"").unwrap_err();
            assert!(error.to_string().contains("cycle"), "{error}");
        }

        #[test]
        fn a_fifo_a_socket_and_a_device_are_refused_and_remain() {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let run = |program: &str, arguments: &[&str]| {
                let mut command = std::process::Command::new(program);
                command.current_dir(root).args(arguments).output()
            };
            assert!(run("mkfifo", &["fifo"]).unwrap().status.success());
            let _listener = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
            symlink("fifo", root.join("link")).unwrap();
            let mut refused = vec![("fifo", "FIFO"), ("socket", "socket"), ("link", "FIFO")];
            // A null device of its own; making one requires privileges that not every machine grants.
            if run("mknod", &["device", "c", "1", "3"]).is_ok_and(|o| o.status.success()) {
                refused.push(("device", "device"));
            }
            let before = names(root);
            for (name, found) in refused {
                let error = atomic_write_bytes(&root.join(name), b"new").unwrap_err();
                assert!(
                    error.to_string().contains(&format!("it is a {found}")),
                    "{error}"
                );
                let kind = std::fs::metadata(root.join(name)).unwrap().file_type();
                assert!(kind.is_fifo() || kind.is_socket() || kind.is_char_device());
            }
            assert_eq!(names(root), before);
        }
    }
}
