//! The header of a miniSEED 3 record (FDSN, 2023), little-endian.

use super::header::{Endian, MAX_RECORD_BYTES, RecordError, RecordHeader, array};
use super::header2::code_char;
use crate::id::StreamId;
use crate::segment::{Encoding, Quality};
use crate::time::from_ordinal;

/// Length of the fixed part.
pub(super) const FIXED_HEADER_BYTES: usize = 40;

/// True if the bytes begin with a miniSEED 3 header with a time of day in range.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.len() >= FIXED_HEADER_BYTES
        && bytes.starts_with(b"MS\x03")
        && bytes[12] < 24
        && bytes[13] < 60
        && bytes[14] <= 60
}

/// Reads the header at the start of `bytes`; the checksum is [`check`]ed with the whole record.
pub(super) fn parse(bytes: &[u8]) -> Result<RecordHeader, RecordError> {
    let fixed = array::<FIXED_HEADER_BYTES>(bytes, 0).ok_or(RecordError::CutOff {
        needed: FIXED_HEADER_BYTES,
        present: bytes.len(),
    })?;
    let little = Endian::Little;
    let u16_at = |offset: usize| little.u16([fixed[offset], fixed[offset + 1]]);
    let u32_at = |offset: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| fixed[offset + i]));

    let id_end = FIXED_HEADER_BYTES + usize::from(fixed[33]);
    let data_start = id_end + usize::from(u16_at(34));
    let record_bytes = data_start as u64 + u64::from(u32_at(36));
    if record_bytes > MAX_RECORD_BYTES as u64 {
        return Err(RecordError::RecordLength(record_bytes));
    }
    let record_bytes = record_bytes as usize;
    let cut_off = RecordError::CutOff {
        needed: data_start,
        present: bytes.len(),
    };
    let source = bytes
        .get(FIXED_HEADER_BYTES..id_end)
        .ok_or(cut_off.clone())?;
    let extra = bytes.get(id_end..data_start).ok_or(cut_off)?;

    let nanoseconds = u32_at(4);
    let start_ns = (nanoseconds < 1_000_000_000)
        .then(|| {
            from_ordinal(
                i32::from(u16_at(8)),
                u32::from(u16_at(10)),
                [12, 13, 14].map(|i| u32::from(fixed[i])),
                i64::from(nanoseconds),
            )
        })
        .flatten()
        .ok_or(RecordError::StartTime)?;
    let rate = f64::from_bits(little.u64([16, 17, 18, 19, 20, 21, 22, 23].map(|i| fixed[i])));
    let encoding_code = fixed[15];
    let steim = [Encoding::Steim1, Encoding::Steim2].map(Encoding::code);
    Ok(RecordHeader {
        version: 3,
        id: stream_id(source),
        start_ns,
        sampling_rate: if rate < 0.0 { -1.0 / rate } else { rate },
        npts: u32_at(24) as usize,
        encoding_code,
        quality: publication_quality(fixed[32]),
        timing_quality: timing_quality(extra),
        record_bytes,
        remark: None,
        data: data_start..record_bytes,
        data_endian: if steim.contains(&encoding_code) {
            Endian::Big
        } else {
            little
        },
    })
}

/// Compares the checksum of a whole record: CRC-32C with the field itself zero.
pub(super) fn check(record: &[u8]) -> Result<(), RecordError> {
    let (Some(stored), Some(rest)) = (array::<4>(record, 28), record.get(32..)) else {
        return Err(RecordError::NoHeader);
    };
    let stored = u32::from_le_bytes(stored);
    let head = crc32c::crc32c(&record[..28]);
    let computed = crc32c::crc32c_append(crc32c::crc32c_append(head, &[0; 4]), rest);
    if stored == computed {
        Ok(())
    } else {
        Err(RecordError::Checksum { stored, computed })
    }
}

/// `FDSN:NET_STA_LOC_B_S_SS` as network, station, location and channel; another identifier becomes the station.
fn stream_id(source: &[u8]) -> StreamId {
    let text: String = source.iter().filter_map(|&byte| code_char(byte)).collect();
    let Some(codes) = text.strip_prefix("FDSN:") else {
        return StreamId::new("", text, "", "");
    };
    let parts: Vec<&str> = codes.splitn(4, '_').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or("");
    let channel: Vec<&str> = part(3).split('_').collect();
    let short = channel.len() == 3 && channel.iter().all(|code| code.len() <= 1);
    let channel = if short {
        channel.concat()
    } else {
        part(3).to_owned()
    };
    StreamId::new(part(0), part(1), part(2), channel)
}

/// Data versions 1 to 4 stand for R, D, Q and M.
fn publication_quality(version: u8) -> Quality {
    match version {
        1 => Quality::R,
        3 => Quality::Q,
        4 => Quality::M,
        _ => Quality::D,
    }
}

/// `FDSN.Time.Quality` of the extra headers.
fn timing_quality(extra: &[u8]) -> Option<u8> {
    if extra.is_empty() {
        return None;
    }
    let headers: serde_json::Value = serde_json::from_slice(extra).ok()?;
    let quality = headers.pointer("/FDSN/Time/Quality")?.as_f64()?;
    (0.0..=100.0)
        .contains(&quality)
        .then_some(quality.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_identifiers() {
        for (source, id) in [
            ("FDSN:XX_TEST__B_H_Z", "XX.TEST..BHZ"),
            ("FDSN:IU_COLA_00_L_H_1", "IU.COLA.00.LH1"),
            ("FDSN:XX_TEST_00_B_HYD_Z", "XX.TEST.00.B_HYD_Z"),
            ("FDSN:XX", "XX..."),
            ("LOCAL:thing", ".LOCAL:thing.."),
        ] {
            assert_eq!(stream_id(source.as_bytes()).to_string(), id);
        }
    }

    #[test]
    fn timing_quality_comes_from_the_extra_headers() {
        assert_eq!(
            timing_quality(br#"{"FDSN":{"Time":{"Quality":99}}}"#),
            Some(99)
        );
        assert_eq!(timing_quality(b"{\"FDSN\":"), None);
        assert_eq!(timing_quality(b""), None);
    }
}
