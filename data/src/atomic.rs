//! Files that are there wholly or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::Error;

/// Writes a file under a temporary name in the same folder, syncs it to the disk and renames it to `path`.
///
/// Folders are created. Whatever happens, `path` holds either what it held before or all of the new content. The
/// temporary name begins with a dot, and [`Archive`](crate::archive::Archive) passes over such names.
///
/// # Errors
/// Whatever `write` returns; [`Error::Io`] if the folder or file cannot be written. The temporary file is removed.
pub fn atomic_write<T, E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666)); // less the umask, as for any new file
    }
    let (file, temporary) = builder
        .tempfile_in(folder)
        .map_err(Error::io("write", path))?
        .into_parts();

    let mut writer = BufWriter::with_capacity(256 * 1024, file);
    let value = write(&mut writer)?;
    writer.flush().map_err(Error::io("write", path))?;
    writer
        .get_ref()
        .sync_all()
        .map_err(Error::io("write", path))?;
    drop(writer);
    temporary
        .persist(path)
        .map_err(|error| Error::io("write", path)(error.error))?;
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all(); // makes the new name durable where the system allows it
    }
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::error::Result;

    #[test]
    fn replaces_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.txt");
        let write = |text: &'static str| {
            atomic_write(&path, |writer| -> Result<()> {
                Ok(writer.write_all(text.as_bytes())?)
            })
        };
        write("one").unwrap();
        write("two").unwrap();
        let failed = atomic_write(&path, |writer| {
            writer.write_all(b"three")?;
            Err::<(), Error>(Error::Request("stop".into()))
        });
        assert_eq!(failed.unwrap_err().to_string(), "stop");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "no temporary file stays");
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_a_new_file_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        File::create(&plain).unwrap();
        atomic_write(&atomic, |_| Ok::<_, Error>(())).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&atomic));
    }
}
