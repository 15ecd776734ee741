//! From bytes to records: finds them one after the other, and again after damage.

use std::io::{self, Read};

use super::header::{RecordError, RecordHeader};
use super::{header2, header3};

/// Records of version 2 lie on multiples of this after a damaged stretch.
const GRID_BYTES: usize = 64;
/// Bytes looked at to read a header: blockette offsets are 16-bit numbers, and so are the lengths of version 3.
const LOOK_AHEAD: usize = 128 * 1024;
/// Bytes read from the file at a time.
const CHUNK_BYTES: usize = 512 * 1024;
/// A file without any record in so many bytes holds none.
const GIVE_UP_BYTES: u64 = 16 * 1024 * 1024;

/// A stretch of a file that gives no samples, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset of its start.
    pub offset: u64,
    /// The fault, in words.
    pub message: String,
}

/// Next item in a file.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record whose header and length are sound (and checksum, in version 3).
    Record {
        /// Byte offset of the record.
        offset: u64,
        /// Its header.
        header: Box<RecordHeader>,
        /// The whole record.
        bytes: &'a [u8],
    },
    /// A stretch that is no record.
    Fault(Fault),
}

/// Walks through the records of a stream of bytes; memory stays below a few MB whatever the bytes are.
#[derive(Debug)]
pub struct RecordReader<R> {
    source: Source<R>,
    /// Bytes to leave behind at the next step.
    pending: usize,
    bad: Option<BadStretch>,
    current: Option<(u64, u8)>,
    n_records: usize,
    done: bool,
}

#[derive(Debug)]
struct BadStretch {
    offset: u64,
    reason: String,
    only_control_headers: bool,
}

/// Content at the current position.
enum Found {
    End,
    Record(Box<RecordHeader>),
    ControlHeader,
    Bad(RecordError),
}

impl<R: Read> RecordReader<R> {
    /// Starts at the first byte of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            source: Source::new(reader),
            pending: 0,
            bad: None,
            current: None,
            n_records: 0,
            done: false,
        }
    }

    /// Number of records handed out so far and not [rejected](Self::reject).
    pub fn n_records(&self) -> usize {
        self.n_records
    }

    /// The next record or fault; `None` at the end.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        loop {
            self.source.advance(self.pending);
            self.pending = 0;
            self.current = None;
            if self.done {
                return self.take_fault().map(Item::Fault);
            }
            let found = match self.look() {
                Ok(found) => found,
                Err(error) => {
                    self.done = true;
                    self.mark_bad(format!("cannot read on: {error}"), false);
                    continue;
                }
            };
            match found {
                Found::End => self.done = true,
                Found::Record(header) => {
                    if let Some(fault) = self.take_fault() {
                        return Some(Item::Fault(fault)); // the record is found again at the next call
                    }
                    return Some(self.hand_out(header));
                }
                Found::ControlHeader => {
                    self.mark_bad(RecordError::NoHeader.to_string(), true);
                    self.step_over();
                }
                Found::Bad(error) => {
                    self.mark_bad(error.to_string(), false);
                    self.step_over();
                    self.give_up_if_hopeless();
                }
            }
        }
    }

    /// Tells the reader that the record it handed out last does not decode; the search goes on inside it.
    pub fn reject(&mut self, error: &RecordError) {
        let Some((offset, version)) = self.current.take() else {
            return;
        };
        self.n_records = self.n_records.saturating_sub(1);
        self.bad = Some(BadStretch {
            offset,
            reason: error.to_string(),
            only_control_headers: false,
        });
        // A version 3 record has passed its checksum: its length can be trusted.
        if version == 2 {
            self.pending = GRID_BYTES;
        }
    }

    fn hand_out(&mut self, header: Box<RecordHeader>) -> Item<'_> {
        let offset = self.source.offset();
        self.n_records += 1;
        self.current = Some((offset, header.version));
        self.pending = header.record_bytes;
        let bytes = self.source.available();
        let bytes = &bytes[..header.record_bytes.min(bytes.len())];
        Item::Record {
            offset,
            header,
            bytes,
        }
    }

    fn look(&mut self) -> io::Result<Found> {
        let (bytes, ends) = self.source.peek(LOOK_AHEAD)?;
        if bytes.is_empty() {
            return Ok(Found::End);
        }
        let parsed = if header3::is_header(bytes) {
            header3::parse(bytes)
        } else if header2::is_header(bytes) {
            header2::parse(bytes, ends)
        } else if header2::is_control_header(bytes) {
            return Ok(Found::ControlHeader);
        } else {
            return Ok(Found::Bad(RecordError::NoHeader));
        };
        let header = match parsed {
            Ok(header) => header,
            Err(error) => return Ok(Found::Bad(error)),
        };
        let (bytes, _) = self.source.peek(header.record_bytes)?;
        if bytes.len() < header.record_bytes {
            return Ok(Found::Bad(RecordError::CutOff {
                needed: header.record_bytes,
                present: bytes.len(),
            }));
        }
        if header.version == 3
            && let Err(error) = header3::check(bytes)
        {
            return Ok(Found::Bad(error));
        }
        Ok(Found::Record(Box::new(header)))
    }

    /// Begins a bad stretch here, unless one is under way: the first reason counts, and what follows a control header
    /// belongs to it, since these are longer than a step.
    fn mark_bad(&mut self, reason: String, only_control_headers: bool) {
        let offset = self.source.offset();
        self.bad.get_or_insert(BadStretch {
            offset,
            reason,
            only_control_headers,
        });
    }

    /// To the next place where a record may begin: a multiple of 64 bytes, or the letters `MS` of version 3.
    fn step_over(&mut self) {
        let begin = self.bad.as_ref().map_or(0, |bad| bad.offset);
        let into_grid = (self.source.offset() - begin) % GRID_BYTES as u64;
        let to_grid = GRID_BYTES - into_grid as usize;
        let bytes = self.source.available();
        let window = &bytes[..(to_grid + 3).min(bytes.len())];
        let version3 = window
            .windows(3)
            .skip(1)
            .position(|three| three == b"MS\x03")
            .map(|index| index + 1);
        self.pending = version3.unwrap_or(to_grid).min(to_grid);
    }

    fn give_up_if_hopeless(&mut self) {
        if let Some(bad) = &self.bad
            && self.n_records == 0
            && !bad.only_control_headers
            && self.source.offset() - bad.offset > GIVE_UP_BYTES
        {
            self.done = true;
        }
    }

    fn take_fault(&mut self) -> Option<Fault> {
        let bad = self.bad.take()?;
        let skipped = self.source.offset() - bad.offset;
        let message = if bad.only_control_headers {
            format!("control headers of a SEED volume, not data: {skipped} bytes skipped")
        } else {
            format!("{}: {skipped} bytes skipped", bad.reason)
        };
        Some(Fault {
            offset: bad.offset,
            message,
        })
    }
}

/// A reader with a window of bytes ahead.
#[derive(Debug)]
struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Start of the window in `buffer`.
    start: usize,
    /// Offset in the file of the start of the window.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Source<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            at_end: false,
        }
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Up to `n` bytes, fewer only at the end; and whether the file ends with them.
    fn peek(&mut self, n: usize) -> io::Result<(&[u8], bool)> {
        while self.buffer.len() - self.start < n && !self.at_end {
            self.refill()?;
        }
        let bytes = &self.buffer[self.start..];
        let ends = self.at_end && bytes.len() <= n;
        Ok((&bytes[..n.min(bytes.len())], ends))
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let old = self.buffer.len();
        let mut chunk = (&mut self.reader).take(CHUNK_BYTES as u64);
        chunk.read_to_end(&mut self.buffer)?;
        self.at_end = self.buffer.len() == old;
        Ok(())
    }

    fn advance(&mut self, n: usize) {
        let n = n.min(self.buffer.len() - self.start);
        self.start += n;
        self.offset += n as u64;
    }
}
