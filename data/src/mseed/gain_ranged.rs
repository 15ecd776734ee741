//! Encodings of old networks: 16-bit mantissa and gain in one word (SEED manual 2.4, appendix).

use super::header::RecordError;
use crate::segment::Encoding;

/// CDSN: 14-bit mantissa with an offset of 8191, gains 1, 4, 16 and 128.
pub(super) fn cdsn(word: u16) -> i32 {
    let mantissa = i32::from(word & 0x3fff) - 0x1fff;
    mantissa << [0, 2, 4, 7][usize::from(word >> 14)]
}

/// SRO: 12-bit two's complement mantissa, times 2^(10 - gain).
pub(super) fn sro(word: u16, index: usize) -> Result<i32, RecordError> {
    let mantissa = i32::from((word << 4).cast_signed() >> 4);
    let gain = word >> 12;
    if gain > 10 {
        return Err(RecordError::Gain {
            encoding: Encoding::Sro,
            index,
        });
    }
    Ok(mantissa << (10 - gain))
}

/// GEOSCOPE 16 bit: 12-bit mantissa with an offset of 2048, over 2^exponent with 3 or 4 bits of exponent.
pub(super) fn geoscope16(word: u16, exponent_mask: u16) -> f32 {
    let mantissa = i32::from(word & 0x0fff) - 2048;
    let exponent = (word >> 12) & exponent_mask;
    mantissa as f32 / f32::from(1_u16 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words() {
        assert_eq!(cdsn(0x1fff), 0);
        assert_eq!(cdsn(0xc000 | 0x2000), 128);
        assert_eq!(cdsn(0x4000), -8191 * 4);
        assert_eq!(sro(0x0001, 0), Ok(1024));
        assert_eq!(sro(0xafff, 0), Ok(-1));
        assert!(sro(0xb000, 7).is_err());
        assert_eq!(geoscope16(2049, 0xf), 1.0);
        assert_eq!(geoscope16(0x1000 | 2049, 0x7), 0.5);
        assert_eq!(geoscope16(0x8000 | 2049, 0x7), 1.0);
    }
}
