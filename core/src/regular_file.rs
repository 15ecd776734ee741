//! Inputs are opened only if they are regular files, since opening or reading a FIFO or a device may block for ever.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Name of a file type for messages: `regular file`, `folder`, `symbolic link`, `FIFO`, `device`, `socket`.
pub fn type_name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "FIFO";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "device";
        }
        if kind.is_socket() {
            return "socket";
        }
    }
    if kind.is_dir() {
        "folder"
    } else if kind.is_symlink() {
        "symbolic link"
    } else {
        "regular file"
    }
}

/// Size and times of a regular file; follows symbolic links.
///
/// # Errors
/// The system's error, or [`io::ErrorKind::InvalidInput`] with the type found.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let found = type_name(metadata.file_type());
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is a {found}, not a regular file"),
    ))
}

/// Opens a regular file for reading; follows symbolic links.
///
/// # Errors
/// As [`metadata`].
pub fn open(path: &Path) -> io::Result<File> {
    // The type is looked up by name first: the call that opens a FIFO blocks until somebody writes to it.
    metadata(path)?;
    File::open(path)
}

/// Content of a regular file of at most `max_bytes` bytes.
///
/// # Errors
/// As [`metadata`]; [`io::ErrorKind::FileTooLarge`] if the file exceeds the limit, also while it grows.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it exceeds {max_bytes} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(
            read(&path, 4).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        let text = open(folder.path()).unwrap_err().to_string();
        assert_eq!(text, "it is a folder, not a regular file");
        assert_eq!(
            open(&folder.path().join("b")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_and_a_socket_are_refused_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for path in [&fifo, &link] {
            let text = open(path).unwrap_err().to_string();
            assert_eq!(text, "it is a FIFO, not a regular file");
        }
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(read(&socket, 1).unwrap_err().to_string().contains("socket"));
    }
}
