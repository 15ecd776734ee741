//! XXH3-128 checksums that find damage; they are fast and streamed, and give no protection against intent.

use std::io::{self, Read, Write};
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::regular_file;

/// Bytes that are read at once; larger buffers are not faster.
const BUFFER: usize = 256 * 1024;

/// Size in bytes and checksum of a regular file, read in pieces.
///
/// # Errors
/// Those of [`regular_file::open`] and of reading.
pub fn checksum_file(path: &Path) -> io::Result<(u64, u128)> {
    let mut file = regular_file::open(path)?;
    let mut sum = ChecksumWriter::new(io::sink());
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(sum.finish()),
            Ok(n) => sum.write_all(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writer that passes bytes on and keeps their number and checksum.
pub struct ChecksumWriter<W> {
    inner: W,
    size: u64,
    sum: XxHash3_128,
}

impl<W: Write> ChecksumWriter<W> {
    /// A writer on top of `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            size: 0,
            sum: XxHash3_128::new(),
        }
    }

    /// Number and checksum of the bytes written, equal to [`checksum_file`] of them.
    pub fn finish(self) -> (u64, u128) {
        (self.size, self.sum.finish_128())
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sum.write(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn written_read_and_whole_sums_agree() {
        let bytes: Vec<u8> = (0..600_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let mut writer = ChecksumWriter::new(Vec::new());
        for piece in bytes.chunks(997) {
            writer.write_all(piece).unwrap();
        }
        let expected = (600_000, XxHash3_128::oneshot(&bytes));
        assert_eq!(writer.finish(), expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(checksum_file(&path).unwrap(), expected);
        let mut damaged = bytes;
        damaged[300_000] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_ne!(checksum_file(&path).unwrap().1, expected.1);
    }
}
