//! The blockettes of a miniSEED 2 record that matter here, in any order.

use super::header::{Endian, RecordError, array};

/// Length of the fixed header.
pub(super) const FIXED_HEADER_BYTES: usize = 48;

/// Contents of blockettes 100, 1000 and 1001.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Blockettes {
    /// 100: the actual rate in Hz.
    pub(super) sampling_rate: Option<f64>,
    /// 1000: encoding, word order (0 little, 1 big), power of two of the record length.
    pub(super) data: Option<DataOnly>,
    /// 1001: timing quality in percent and microseconds.
    pub(super) timing: Option<(u8, i8)>,
    /// Offset of a next blockette that is not there.
    pub(super) broken_at: Option<usize>,
}

impl Blockettes {
    /// Length of the record as far as known.
    fn record_bytes(&self) -> usize {
        let power = self.data.map_or(u32::MAX, |data| data.length_power.into());
        1_usize.checked_shl(power).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DataOnly {
    pub(super) encoding_code: u8,
    pub(super) word_order: u8,
    pub(super) length_power: u8,
}

/// Follows the chain from `first`. Offsets must rise, so that the walk ends: a chain that turns back ends there.
/// A `first` outside the bytes is no chain.
///
/// # Errors
/// [`RecordError::BlocketteOffset`] if the chain starts or continues inside the fixed header.
pub(super) fn read_chain(
    bytes: &[u8],
    first: usize,
    endian: Endian,
) -> Result<Blockettes, RecordError> {
    let mut found = Blockettes::default();
    let mut offset = first;
    while offset != 0 {
        if offset < FIXED_HEADER_BYTES {
            return Err(RecordError::BlocketteOffset(offset));
        }
        let record = &bytes[..found.record_bytes().min(bytes.len())];
        let Some(head) = array::<4>(record, offset) else {
            found.broken_at = (offset != first).then_some(offset);
            break;
        };
        read_one(
            &mut found,
            bytes,
            offset,
            endian.u16([head[0], head[1]]),
            endian,
        );
        let next = usize::from(endian.u16([head[2], head[3]]));
        if (FIXED_HEADER_BYTES..offset + 4).contains(&next) {
            break;
        }
        offset = next;
    }
    Ok(found)
}

/// Stores one blockette if it is of interest and whole; the first of each kind counts.
fn read_one(found: &mut Blockettes, bytes: &[u8], offset: usize, kind: u16, endian: Endian) {
    match kind {
        100 => {
            let rate = array::<4>(bytes, offset + 4)
                .map(|field| f64::from(f32::from_bits(endian.u32(field))))
                .filter(|rate| rate.is_finite() && *rate > 0.0);
            found.sampling_rate = found.sampling_rate.or(rate);
        }
        1000 => {
            let data =
                array::<3>(bytes, offset + 4).map(|[encoding_code, word_order, length_power]| {
                    DataOnly {
                        encoding_code,
                        word_order,
                        length_power,
                    }
                });
            found.data = found.data.or(data);
        }
        1001 => {
            let timing = array::<2>(bytes, offset + 4)
                .map(|[quality, microseconds]| (quality, microseconds.cast_signed()));
            found.timing = found.timing.or(timing);
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], offset: usize, kind: u16, next: u16, body: &[u8]) {
        bytes[offset..offset + 2].copy_from_slice(&kind.to_be_bytes());
        bytes[offset + 2..offset + 4].copy_from_slice(&next.to_be_bytes());
        bytes[offset + 4..offset + 4 + body.len()].copy_from_slice(body);
    }

    #[test]
    fn any_order_is_read() {
        let mut bytes = [0_u8; 128];
        put(&mut bytes, 48, 1001, 80, &[99, 0xff]);
        put(&mut bytes, 80, 300, 90, &[]);
        put(&mut bytes, 90, 1000, 100, &[11, 1, 9]);
        put(&mut bytes, 100, 100, 0, &20.5_f32.to_be_bytes());
        let found = read_chain(&bytes, 48, Endian::Big).unwrap();
        assert_eq!(found.timing, Some((99, -1)));
        assert_eq!(found.data.unwrap().length_power, 9);
        assert_eq!(found.sampling_rate, Some(20.5));
    }

    #[test]
    fn loops_and_wild_offsets_end() {
        let mut bytes = [0_u8; 64];
        put(&mut bytes, 48, 1000, 48, &[11, 1, 9]);
        assert!(read_chain(&bytes, 48, Endian::Big).unwrap().data.is_some());
        put(&mut bytes, 48, 300, 60_000, &[]);
        assert!(read_chain(&bytes, 48, Endian::Big).unwrap().data.is_none());
        assert_eq!(
            read_chain(&bytes, 40, Endian::Big),
            Err(RecordError::BlocketteOffset(40))
        );
    }
}
