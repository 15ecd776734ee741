//! Header of a record, in either version.

use std::ops::Range;

use crate::id::StreamId;
use crate::segment::{Encoding, Quality};
use crate::time::steps_ns;

/// Longest record accepted, in bytes: larger ones occur in no archive, and a length is read before any check sum.
pub(super) const MAX_RECORD_BYTES: usize = 10 * 1024 * 1024;

/// Byte order of header fields or samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    Big,
    Little,
}

impl Endian {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(super) fn i16(self, bytes: [u8; 2]) -> i16 {
        self.u16(bytes) as i16
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    pub(super) fn i32(self, bytes: [u8; 4]) -> i32 {
        self.u32(bytes) as i32
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Big => u64::from_be_bytes(bytes),
            Self::Little => u64::from_le_bytes(bytes),
        }
    }
}

/// `N` bytes at an offset, if they are there.
pub(super) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    let end = offset.checked_add(N)?;
    bytes.get(offset..end)?.try_into().ok()
}

/// The header of one record, checked against its own length.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordHeader {
    /// Version of miniSEED, 2 or 3.
    pub version: u8,
    /// The stream.
    pub id: StreamId,
    /// Time of the first sample, ns UTC, time correction applied.
    pub start_ns: i64,
    /// Rate in Hz; 0 if the record says none.
    pub sampling_rate: f64,
    /// Number of samples the record claims.
    pub npts: usize,
    /// Code of the encoding, see [`Encoding::from_code`].
    pub encoding_code: u8,
    /// Data quality.
    pub quality: Quality,
    /// Timing quality in percent.
    pub timing_quality: Option<u8>,
    /// Length of the record in bytes.
    pub record_bytes: usize,
    /// Something odd in the header that leaves the record readable.
    pub remark: Option<&'static str>,
    pub(super) data: Range<usize>,
    pub(super) data_endian: Endian,
}

impl RecordHeader {
    /// The encoding, if its code is known.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::from_code(self.encoding_code)
    }

    /// True if the record holds a time series (not text, not nothing).
    pub fn has_series(&self) -> bool {
        self.npts > 0 && self.encoding_code != Encoding::Text.code()
    }

    /// Time of the last sample, ns UTC.
    pub fn end_ns(&self) -> i64 {
        let steps = self.npts.saturating_sub(1);
        self.start_ns
            .saturating_add(steps_ns(steps, self.sampling_rate))
    }
}

/// Why bytes are no good record.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not a miniSEED header.
    #[error("no miniSEED record header")]
    NoHeader,
    /// The file ends inside the record.
    #[error("the record is cut off: {needed} bytes needed, {present} left in the file")]
    CutOff {
        /// Length of the record or header.
        needed: usize,
        /// Bytes present.
        present: usize,
    },
    /// A date or time of day out of range.
    #[error("the start time of the record is impossible")]
    StartTime,
    /// A blockette inside the fixed header or outside the record.
    #[error("blockette offset {0} lies inside the fixed header or outside the record")]
    BlocketteOffset(usize),
    /// A version 3 record longer than is allowed.
    #[error("the record length of {0} bytes exceeds 10 MiB")]
    RecordLength(u64),
    /// No length in blockette 1000 and no next record.
    #[error(
        "the record length is unknown: no blockette 1000 with one, and no record header after it"
    )]
    UnknownLength,
    /// The data offset or the lengths of a version 3 header point outside the record.
    #[error("the data begin at byte {offset} of a record of {record} bytes")]
    DataOffset {
        /// Offset at which the samples should begin.
        offset: usize,
        /// Length of the record.
        record: usize,
    },
    /// A rate that is not a positive number although there are samples.
    #[error("the record has {npts} samples but the sampling rate {sampling_rate}")]
    SamplingRate {
        /// Claimed samples.
        npts: usize,
        /// Claimed rate in Hz.
        sampling_rate: f64,
    },
    /// The checksum of a version 3 record differs.
    #[error("the CRC-32C is {stored:08x} in the header and {computed:08x} over the record")]
    Checksum {
        /// In the header.
        stored: u32,
        /// Over the bytes.
        computed: u32,
    },
    /// An unknown encoding.
    #[error("encoding {0} is not known")]
    Encoding(u8),
    /// Fewer samples than claimed.
    #[error("{encoding}: only {found} of {npts} samples fit in the {bytes} bytes of data")]
    TooFewSamples {
        /// The encoding.
        encoding: Encoding,
        /// Samples there.
        found: usize,
        /// Samples claimed.
        npts: usize,
        /// Length of the data.
        bytes: usize,
    },
    /// A code that Steim-2 does not have.
    #[error("STEIM2: invalid difference code in frame {frame}")]
    SteimCode {
        /// Frame, from 0.
        frame: usize,
    },
    /// The last sample differs from the record's own copy.
    #[error("{encoding}: the last sample is {found}, the record says {stored}")]
    LastSample {
        /// The encoding.
        encoding: Encoding,
        /// Decoded.
        found: i32,
        /// In the first frame.
        stored: i32,
    },
    /// A gain-ranged sample with an impossible exponent.
    #[error("{encoding}: sample {index} has an impossible gain")]
    Gain {
        /// The encoding.
        encoding: Encoding,
        /// Sample, from 0.
        index: usize,
    },
}
