//! ZIP archives of deflated files, as `.npz` has them (PKWARE APPNOTE 6.3).

use std::io::{self, Seek, SeekFrom, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Version of the format that a reader has to know: 2.0, for deflate.
const VERSION: u16 = 20;
/// Version 4.5, for places above 4 GiB.
const VERSION_64: u16 = 45;
/// High byte of the version of the writer: permissions are those of Unix.
const UNIX: u16 = 3 << 8;
/// A regular file that all may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;
/// Method number of deflate.
const DEFLATE: u16 = 8;
/// Time 0 and the first date of the format, 1 January 1980: the same arrays give the same bytes on any day.
const MODIFIED: [u16; 2] = [0, 1 << 5 | 1];
/// Bytes of a local header before the checksum.
const BEFORE_CHECKSUM: u64 = 14;
/// Value of a 32-bit field whose number is in the 64-bit fields.
const SEE_64: u32 = u32::MAX;

/// Writer of an archive.
pub(super) struct ZipWriter<W> {
    to: W,
    entries: Vec<Entry>,
}

/// A file of the archive.
struct Entry {
    name: String,
    start: u64,
    checksum: u32,
    deflated: u32,
    size: u32,
}

impl<W: Write + Seek> ZipWriter<W> {
    /// Starts an archive at the start of a file.
    pub fn new(to: W) -> Self {
        let entries = Vec::new();
        Self { to, entries }
    }

    /// Adds a file with the bytes that `fill` writes.
    ///
    /// # Errors
    /// Those of the archive's file and of `fill`; a file of 4 GiB or more.
    pub fn add(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut entry = Entry {
            name: name.to_owned(),
            start: self.to.stream_position()?,
            checksum: 0,
            deflated: 0,
            size: 0,
        };
        self.to.write_all(&entry.local_header())?;
        let data_start = self.to.stream_position()?;
        let mut deflate = Deflate {
            encoder: DeflateEncoder::new(&mut self.to, Compression::default()),
            checksum: Crc::new(),
            size: 0,
        };
        fill(&mut deflate)?;
        (entry.checksum, entry.size) = deflate.finish()?;
        let end = self.to.stream_position()?;
        entry.deflated = below_4_gib(end - data_start)?;
        self.to
            .seek(SeekFrom::Start(entry.start + BEFORE_CHECKSUM))?;
        for field in [entry.checksum, entry.deflated, entry.size] {
            self.to.write_all(&field.to_le_bytes())?;
        }
        self.to.seek(SeekFrom::Start(end))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the list of files at the end.
    ///
    /// # Errors
    /// Those of the archive's file.
    pub fn finish(mut self) -> io::Result<()> {
        let start = self.to.stream_position()?;
        self.to.write_all(&central_directory(&self.entries, start))
    }
}

/// Compresses what is written, and takes its checksum and size.
struct Deflate<W: Write> {
    encoder: DeflateEncoder<W>,
    checksum: Crc,
    size: u32,
}

impl<W: Write> Deflate<W> {
    /// Writes the rest; returns the checksum and the size of what was compressed.
    fn finish(self) -> io::Result<(u32, u32)> {
        self.encoder.finish()?;
        Ok((self.checksum.sum(), self.size))
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.encoder.write(bytes)?;
        self.checksum.update(&bytes[..n]);
        self.size = below_4_gib(u64::from(self.size) + n as u64)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Entry {
    fn local_header(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        put_16(&mut bytes, &[VERSION]);
        self.put_shared(&mut bytes, 0);
        bytes.extend(self.name.as_bytes());
        bytes
    }

    /// The entry in the list at the end of the archive.
    fn central_header(&self) -> Vec<u8> {
        let start = u32::try_from(self.start).unwrap_or(SEE_64);
        let mut far = Vec::new();
        if start == SEE_64 {
            put_16(&mut far, &[1, 8]);
            far.extend(self.start.to_le_bytes());
        }
        let mut bytes = b"PK\x01\x02".to_vec();
        put_16(&mut bytes, &[UNIX | VERSION, VERSION]);
        self.put_shared(&mut bytes, far.len() as u16);
        // No comment, first disk, no internal attributes.
        put_16(&mut bytes, &[0, 0, 0]);
        put_32(&mut bytes, &[ATTRIBUTES, start]);
        bytes.extend(self.name.as_bytes());
        bytes.extend(far);
        bytes
    }

    /// Appends the fields that both headers have.
    fn put_shared(&self, bytes: &mut Vec<u8>, extra_length: u16) {
        let [time, date] = MODIFIED;
        put_16(bytes, &[0, DEFLATE, time, date]);
        put_32(bytes, &[self.checksum, self.deflated, self.size]);
        put_16(bytes, &[self.name.len() as u16, extra_length]);
    }
}

/// The list of an archive's files, which begins at `start`, and where it is.
fn central_directory(entries: &[Entry], start: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = entries.iter().flat_map(Entry::central_header).collect();
    let size = bytes.len() as u64;
    let short_start = u32::try_from(start).unwrap_or(SEE_64);
    if short_start == SEE_64 {
        let count = entries.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        put_16(&mut bytes, &[VERSION_64, VERSION_64]);
        put_32(&mut bytes, &[0, 0]);
        let places = [count, count, size, start];
        bytes.extend(places.iter().flat_map(|place| place.to_le_bytes()));
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend((start + size).to_le_bytes());
        put_32(&mut bytes, &[1]);
    }
    bytes.extend(b"PK\x05\x06");
    let count = entries.len() as u16;
    put_16(&mut bytes, &[0, 0, count, count]);
    put_32(&mut bytes, &[size as u32, short_start]);
    put_16(&mut bytes, &[0]);
    bytes
}

fn below_4_gib(size: u64) -> io::Result<u32> {
    let short = u32::try_from(size).ok().filter(|size| *size != SEE_64);
    short.ok_or_else(|| io::Error::other("an array of 4 GiB or more does not fit into the archive"))
}

fn put_16(bytes: &mut Vec<u8>, fields: &[u16]) {
    bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
}

fn put_32(bytes: &mut Vec<u8>, fields: &[u32]) {
    bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_above_4_gib_are_in_64_bit_fields() {
        let entry = Entry {
            name: "a.npy".into(),
            start: 5 << 30,
            checksum: 1,
            deflated: 2,
            size: 3,
        };
        let header = entry.central_header();
        assert_eq!(header[30..32], [12, 0], "length of the extra field");
        assert_eq!(header[42..46], [0xff; 4], "32-bit place");
        assert_eq!(header[51..55], [1, 0, 8, 0], "tag of the 64-bit fields");
        assert_eq!(header[55..], (5_u64 << 30).to_le_bytes());
        let directory = central_directory(&[entry], 6 << 30);
        let footer = &directory[header.len()..];
        assert_eq!(footer.len(), 56 + 20 + 22);
        assert_eq!(footer[..4], *b"PK\x06\x06");
        assert_eq!(footer[48..56], (6_u64 << 30).to_le_bytes());
        let end = (6 << 30) + header.len() as u64;
        assert_eq!(footer[64..72], end.to_le_bytes());
        assert_eq!(footer[76 + 16..76 + 20], [0xff; 4], "32-bit place");
    }

    #[test]
    fn sizes_from_4_gib_are_refused() {
        assert!(below_4_gib(u64::from(u32::MAX) - 1).is_ok());
        assert!(below_4_gib(u64::from(u32::MAX)).is_err());
        assert!(below_4_gib(1 << 32).is_err());
    }
}
