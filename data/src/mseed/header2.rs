//! The header of a miniSEED 2 record (SEED manual 2.4, chapter 8).

use super::blockette::{FIXED_HEADER_BYTES, read_chain};
use super::header::{Endian, MAX_RECORD_BYTES, RecordError, RecordHeader, array};
use crate::id::StreamId;
use crate::segment::{Encoding, Quality};
use crate::time::from_ordinal;

/// Bit 1 of the activity flags: the time correction is already in the start time.
const CORRECTION_APPLIED: u8 = 0b10;
/// A fraction of this many 0.1 ms is out of range, but some digitisers write it.
const WHOLE_SECOND: u16 = 10_000;

/// True if the bytes begin with a fixed header: sequence number, quality, and a time of day in range.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    let Some(fixed) = array::<FIXED_HEADER_BYTES>(bytes, 0) else {
        return false;
    };
    has_sequence_number(&fixed)
        && Quality::from_letter(fixed[6]).is_some()
        && matches!(fixed[7], b' ' | 0)
        && fixed[24] < 24
        && fixed[25] < 60
        && fixed[26] <= 60
        && header_endian(&fixed).is_some()
}

/// True if the bytes begin with a control header of a full SEED volume.
pub(super) fn is_control_header(bytes: &[u8]) -> bool {
    bytes.len() >= 8
        && bytes[..6].iter().all(u8::is_ascii_digit)
        && matches!(bytes[6], b'V' | b'A' | b'S' | b'T')
        && matches!(bytes[7], b' ' | b'*')
}

fn has_sequence_number(bytes: &[u8]) -> bool {
    bytes[..6]
        .iter()
        .all(|&byte| byte.is_ascii_digit() || byte == b' ' || byte == 0)
}

/// The byte order in which year and day make sense.
fn header_endian(fixed: &[u8; FIXED_HEADER_BYTES]) -> Option<Endian> {
    [Endian::Big, Endian::Little].into_iter().find(|endian| {
        let year = endian.u16([fixed[20], fixed[21]]);
        let day = endian.u16([fixed[22], fixed[23]]);
        (1900..=2100).contains(&year) && (1..=366).contains(&day)
    })
}

/// Reads the header at the start of `bytes`; `ends` says that the file ends with them.
pub(super) fn parse(bytes: &[u8], ends: bool) -> Result<RecordHeader, RecordError> {
    let fixed = array::<FIXED_HEADER_BYTES>(bytes, 0).ok_or(RecordError::CutOff {
        needed: FIXED_HEADER_BYTES,
        present: bytes.len(),
    })?;
    let endian = header_endian(&fixed).ok_or(RecordError::StartTime)?;
    let u16_at = |offset: usize| endian.u16([fixed[offset], fixed[offset + 1]]);
    let blockettes = read_chain(bytes, usize::from(u16_at(46)), endian)?;
    let record_bytes = blockettes
        .data
        .and_then(|data| power_of_two(data.length_power))
        .or_else(|| find_length(bytes, ends))
        .ok_or(RecordError::UnknownLength)?;
    if let Some(offset) = blockettes.broken_at {
        return Err(RecordError::BlocketteOffset(offset));
    }

    let microseconds = blockettes.timing.map_or(0, |timing| timing.1);
    let start_ns = start_time(&fixed, endian, microseconds).ok_or(RecordError::StartTime)?;
    let rate = sampling_rate(u16_at(32).cast_signed(), u16_at(34).cast_signed());

    let mut npts = usize::from(u16_at(30));
    let data_offset = usize::from(u16_at(44));
    if data_offset == 0 {
        npts = 0;
    }
    if npts > 0 && (data_offset < FIXED_HEADER_BYTES || data_offset >= record_bytes) {
        return Err(RecordError::DataOffset {
            offset: data_offset,
            record: record_bytes,
        });
    }
    let data_endian = match blockettes.data {
        Some(data) if data.word_order == 0 => Endian::Little,
        Some(_) => Endian::Big,
        None => endian,
    };
    Ok(RecordHeader {
        version: 2,
        id: StreamId::new(
            code(&fixed[18..20]),
            code(&fixed[8..13]),
            code(&fixed[13..15]),
            code(&fixed[15..18]),
        ),
        start_ns,
        sampling_rate: blockettes.sampling_rate.unwrap_or(rate),
        npts,
        encoding_code: blockettes
            .data
            .map_or(Encoding::Steim1.code(), |data| data.encoding_code),
        quality: Quality::from_letter(fixed[6]).unwrap_or_default(),
        timing_quality: blockettes.timing.map(|timing| timing.0),
        record_bytes,
        remark: (u16_at(28) == WHOLE_SECOND).then_some(
            "the fraction of the start time is a whole second (10000 tenths of ms): taken as such",
        ),
        data: data_offset.min(record_bytes)..record_bytes,
        data_endian,
    })
}

/// The length in blockette 1000, if it is one that records have.
fn power_of_two(power: u8) -> Option<usize> {
    let length = 1_usize.checked_shl(u32::from(power))?;
    (128..=MAX_RECORD_BYTES).contains(&length).then_some(length)
}

/// Without a length in blockette 1000 the record ends where the next begins, or with the file, at a power of two.
fn find_length(bytes: &[u8], ends: bool) -> Option<usize> {
    (7..=16).map(|power| 1_usize << power).find(|&length| {
        (ends && length == bytes.len())
            || bytes
                .get(length..)
                .is_some_and(|rest| is_header(rest) || is_control_header(rest))
    })
}

/// Start time with blockette 1001's microseconds and, unless already applied, the time correction.
fn start_time(fixed: &[u8; FIXED_HEADER_BYTES], endian: Endian, microseconds: i8) -> Option<i64> {
    let u16_at = |offset: usize| endian.u16([fixed[offset], fixed[offset + 1]]);
    if u16_at(28) > WHOLE_SECOND {
        return None;
    }
    let tenths_of_ms = i64::from(u16_at(28));
    let correction = endian.i32([fixed[40], fixed[41], fixed[42], fixed[43]]);
    let applied = fixed[36] & CORRECTION_APPLIED != 0;
    let correction = if applied { 0 } else { i64::from(correction) };
    from_ordinal(
        i32::from(u16_at(20)),
        u32::from(u16_at(22)),
        [24, 25, 26].map(|i| u32::from(fixed[i])),
        (tenths_of_ms + correction) * 100_000 + i64::from(microseconds) * 1_000,
    )
}

/// Rate in Hz from factor and multiplier: a negative factor is a period, a negative multiplier divides.
fn sampling_rate(factor: i16, multiplier: i16) -> f64 {
    let factor_hz = match factor {
        0 => return 0.0,
        1.. => f64::from(factor),
        _ => -1.0 / f64::from(factor),
    };
    match multiplier {
        0 => 0.0,
        1.. => factor_hz * f64::from(multiplier),
        _ => -factor_hz / f64::from(multiplier),
    }
}

/// A code without its padding; see [`code_char`].
fn code(bytes: &[u8]) -> String {
    bytes.iter().filter_map(|&byte| code_char(byte)).collect()
}

/// Drops what no code has (blanks, control bytes, bytes above ASCII); signs with a meaning in file names become `?`,
/// since codes become parts of file names.
pub(super) fn code_char(byte: u8) -> Option<char> {
    match byte {
        b'.' | b'/' | b'\\' => Some('?'),
        _ if byte.is_ascii_graphic() => Some(char::from(byte)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_and_multiplier_of_either_sign() {
        assert_eq!(sampling_rate(20, 1), 20.0);
        assert_eq!(sampling_rate(200, -10), 20.0);
        assert_eq!(sampling_rate(-10, 1), 0.1);
        assert_eq!(sampling_rate(-10, -6), 1.0 / 60.0);
        assert_eq!(sampling_rate(0, 1), 0.0);
        assert_eq!(sampling_rate(1, 0), 0.0);
        assert_eq!(sampling_rate(i16::MIN, i16::MIN), 2.0_f64.powi(-30));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert_eq!(power_of_two(9), Some(512));
        for power in [0, 6, 24, 63, 64, 255] {
            assert!(power_of_two(power).is_none(), "{power}");
        }
    }

    #[test]
    fn codes_cannot_leave_a_folder() {
        assert_eq!(code(b"../a "), "???a");
        assert_eq!(code(b" \0\xffA"), "A");
    }
}
