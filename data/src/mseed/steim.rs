//! Steim-1 and Steim-2: differences in frames of 16 words (SEED manual 2.4, appendix B).

use super::header::{Endian, RecordError};
use crate::segment::Encoding;

/// Length of a frame.
pub(super) const FRAME_BYTES: usize = 64;

/// Most samples in a word (Steim-2: seven differences of 4 bits).
const MAX_PER_WORD: usize = 7;

/// Decodes `npts` samples and compares the last with the record's own copy of it.
///
/// In little-endian data each 16-bit or 32-bit quantity is swapped by itself, the order of quantities stays.
pub(super) fn decode(
    data: &[u8],
    npts: usize,
    endian: Endian,
    encoding: Encoding,
) -> Result<Vec<i32>, RecordError> {
    let too_few = |found: usize| RecordError::TooFewSamples {
        encoding,
        found,
        npts,
        bytes: data.len(),
    };
    if npts == 0 {
        return Ok(Vec::new());
    }
    let word = |index: usize| -> Option<[u8; 4]> {
        let start = index.checked_mul(4)?;
        data.get(start..start.checked_add(4)?)?.try_into().ok()
    };
    let (Some(first), Some(last)) = (word(1), word(2)) else {
        return Err(too_few(0));
    };
    let n_words = data.len() / 4;
    if npts > n_words.saturating_mul(MAX_PER_WORD) {
        return Err(too_few(n_words * MAX_PER_WORD));
    }
    let (mut sample, stored) = (endian.i32(first), endian.i32(last));
    let mut samples = Vec::with_capacity(npts);
    samples.push(sample);
    let mut first_difference = true; // relative to the record before: not needed

    for (frame_index, frame) in data.chunks(FRAME_BYTES).enumerate() {
        let mut words = frame
            .chunks_exact(4)
            .map(|word| [word[0], word[1], word[2], word[3]]);
        let Some(codes) = words.next() else { break };
        let codes = endian.u32(codes);
        for (index, word) in words.enumerate() {
            let code = (codes >> (28 - 2 * index)) & 3;
            if code == 0 {
                continue;
            }
            let differences = match encoding {
                Encoding::Steim1 => steim1_word(word, code, endian),
                _ => steim2_word(word, code, endian)
                    .ok_or(RecordError::SteimCode { frame: frame_index })?,
            };
            for &difference in differences.as_slice() {
                if first_difference {
                    first_difference = false;
                    if npts == 1 {
                        return finish(samples, stored, encoding);
                    }
                    continue;
                }
                sample = sample.wrapping_add(difference);
                samples.push(sample);
                if samples.len() == npts {
                    return finish(samples, stored, encoding);
                }
            }
        }
    }
    Err(too_few(if first_difference { 0 } else { samples.len() }))
}

fn finish(samples: Vec<i32>, stored: i32, encoding: Encoding) -> Result<Vec<i32>, RecordError> {
    match samples.last() {
        Some(&found) if found != stored => Err(RecordError::LastSample {
            encoding,
            found,
            stored,
        }),
        _ => Ok(samples),
    }
}

/// The differences of one word.
struct Differences {
    values: [i32; MAX_PER_WORD],
    len: usize,
}

impl Differences {
    fn of<const N: usize>(values: [i32; N]) -> Self {
        let mut all = [0; MAX_PER_WORD];
        all[..N].copy_from_slice(&values);
        Self {
            values: all,
            len: N,
        }
    }

    /// `N` signed fields of `bits` bits each, the last in the lowest bits.
    fn fields<const N: usize>(word: u32, bits: u32) -> Self {
        Self::of(std::array::from_fn::<i32, N, _>(|i| {
            let above = 32 - bits * (N - i) as u32;
            (word << above).cast_signed() >> (32 - bits)
        }))
    }

    fn as_slice(&self) -> &[i32] {
        &self.values[..self.len]
    }
}

fn four_bytes(word: [u8; 4]) -> Differences {
    Differences::of(word.map(|byte| i32::from(byte.cast_signed())))
}

fn steim1_word(word: [u8; 4], code: u32, endian: Endian) -> Differences {
    match code {
        1 => four_bytes(word),
        2 => Differences::of([
            i32::from(endian.i16([word[0], word[1]])),
            i32::from(endian.i16([word[2], word[3]])),
        ]),
        _ => Differences::of([endian.i32(word)]),
    }
}

fn steim2_word(word: [u8; 4], code: u32, endian: Endian) -> Option<Differences> {
    if code == 1 {
        return Some(four_bytes(word));
    }
    let word = endian.u32(word);
    match (code, word >> 30) {
        (2, 1) => Some(Differences::fields::<1>(word, 30)),
        (2, 2) => Some(Differences::fields::<2>(word, 15)),
        (2, 3) => Some(Differences::fields::<3>(word, 10)),
        (3, 0) => Some(Differences::fields::<5>(word, 6)),
        (3, 1) => Some(Differences::fields::<6>(word, 5)),
        (3, 2) => Some(Differences::fields::<7>(word, 4)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_signed() {
        let word = (2 << 30) | (0x7fff << 15) | 0x0001;
        assert_eq!(Differences::fields::<2>(word, 15).as_slice(), [-1, 1]);
        let word = 0x2000_0000_u32 | (1 << 30);
        assert_eq!(Differences::fields::<1>(word, 30).as_slice(), [-(1 << 29)]);
        assert_eq!(
            Differences::fields::<7>(0x0123_4567 | (2 << 30), 4).as_slice(),
            [1, 2, 3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn claims_beyond_the_data_are_refused_before_allocating() {
        let error = decode(&[0; 64], usize::MAX, Endian::Big, Encoding::Steim2);
        assert!(matches!(error, Err(RecordError::TooFewSamples { .. })));
        assert!(decode(&[0; 7], 1, Endian::Big, Encoding::Steim1).is_err());
        assert!(decode(&[0; 64], 1, Endian::Big, Encoding::Steim1).is_err());
        assert_eq!(decode(&[], 0, Endian::Big, Encoding::Steim1), Ok(vec![]));
    }
}
