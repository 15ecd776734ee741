//! The header bytes of a miniSEED 2 record as we write it: big-endian, data at byte 64.

use super::blockette::FIXED_HEADER_BYTES;
use crate::id::StreamId;
use crate::segment::{Encoding, Quality};
use crate::time::{SECOND_NS, year_day};

/// Offset of the data: after the fixed header and blockettes 1000 and 1001.
pub(super) const DATA_OFFSET: usize = 64;

/// Content of a record's header.
pub(super) struct Fields<'a> {
    pub(super) sequence_number: u32,
    pub(super) id: &'a StreamId,
    pub(super) quality: Quality,
    /// Multiple of 1000 ns.
    pub(super) start_ns: i64,
    pub(super) npts: u16,
    pub(super) rate: Rate,
    pub(super) encoding: Encoding,
    /// Power of two of the record length.
    pub(super) length_power: u8,
    pub(super) timing_quality: Option<u8>,
    pub(super) frames: u8,
}

/// Sampling rate as factor and multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) factor: i16,
    pub(super) multiplier: i16,
}

impl Rate {
    /// The pair that is exact for whole rates and whole periods, and else the best fraction; `None` if it is off by
    /// more than a millionth.
    pub(super) fn from_hz(hz: f64) -> Option<Self> {
        const MAX: f64 = 32_767.0;
        let whole = |x: f64| x.fract() == 0.0 && (1.0..=MAX).contains(&x);
        if whole(hz) {
            return Some(Self::new(hz, 1.0));
        }
        if whole(1.0 / hz) {
            return Some(Self::new(-1.0 / hz, 1.0));
        }
        if hz > MAX {
            let divisor = (1..=32_767_u16).find(|&n| whole(hz / f64::from(n)))?;
            return Some(Self::new(hz / f64::from(divisor), f64::from(divisor)));
        }
        let (numerator, denominator) = best_fraction(hz, MAX)?;
        let error = (numerator / denominator / hz - 1.0).abs();
        (error <= 1e-6).then(|| Self::new(numerator, -denominator))
    }

    fn new(factor: f64, multiplier: f64) -> Self {
        Self {
            factor: factor as i16,
            multiplier: multiplier as i16,
        }
    }
}

/// Continued fraction of `x` with numerator and denominator up to `max`.
fn best_fraction(x: f64, max: f64) -> Option<(f64, f64)> {
    let (mut before, mut now) = ((0.0, 1.0), (1.0, 0.0));
    let mut rest = x;
    for _ in 0..40 {
        let whole = rest.floor();
        let next = (whole * now.0 + before.0, whole * now.1 + before.1);
        if !(next.0 <= max && next.1 <= max) {
            break;
        }
        (before, now) = (now, next);
        if rest == whole {
            break;
        }
        rest = 1.0 / (rest - whole);
    }
    (now.0 >= 1.0 && now.1 >= 1.0).then_some(now)
}

/// Writes the header into the first 64 bytes of `record` (zeroed).
pub(super) fn put(record: &mut [u8], fields: &Fields<'_>) {
    let (year, day) = year_day(fields.start_ns);
    let of_day = fields.start_ns.rem_euclid(86_400 * SECOND_NS);
    let seconds = of_day / SECOND_NS;
    let microseconds = of_day % SECOND_NS / 1_000;
    let beyond_tenths_of_ms = (microseconds % 100) as u8;
    let with_timing = fields.timing_quality.is_some() || beyond_tenths_of_ms != 0;
    let start = [
        (seconds / 3600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
        0,
    ];

    let sequence = format!("{:06}", fields.sequence_number % 1_000_000);
    let mut bytes = Vec::with_capacity(DATA_OFFSET);
    bytes.extend(sequence.as_bytes());
    bytes.extend([fields.quality.letter(), b' ']);
    bytes.extend(padded::<5>(&fields.id.station));
    bytes.extend(padded::<2>(&fields.id.location));
    bytes.extend(padded::<3>(&fields.id.channel));
    bytes.extend(padded::<2>(&fields.id.network));
    bytes.extend((year as u16).to_be_bytes());
    bytes.extend((day as u16).to_be_bytes());
    bytes.extend(start);
    bytes.extend(((microseconds / 100) as u16).to_be_bytes());
    bytes.extend(fields.npts.to_be_bytes());
    bytes.extend(fields.rate.factor.to_be_bytes());
    bytes.extend(fields.rate.multiplier.to_be_bytes());
    bytes.extend([0, 0, 0, if with_timing { 2 } else { 1 }]); // activity, IO and quality flags, number of blockettes
    bytes.extend(0_i32.to_be_bytes()); // time correction
    bytes.extend((DATA_OFFSET as u16).to_be_bytes());
    bytes.extend((FIXED_HEADER_BYTES as u16).to_be_bytes());

    let next = if with_timing {
        FIXED_HEADER_BYTES as u16 + 8
    } else {
        0
    };
    bytes.extend(1000_u16.to_be_bytes());
    bytes.extend(next.to_be_bytes());
    bytes.extend([fields.encoding.code(), 1, fields.length_power, 0]);
    if with_timing {
        bytes.extend(1001_u16.to_be_bytes());
        bytes.extend(0_u16.to_be_bytes());
        let quality = fields.timing_quality.unwrap_or(0);
        bytes.extend([quality, beyond_tenths_of_ms, 0, fields.frames]);
    }
    record[..bytes.len()].copy_from_slice(&bytes);
}

fn padded<const N: usize>(code: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (to, from) in field.iter_mut().zip(code.bytes()) {
        *to = from;
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_factor_and_multiplier() {
        let rate = |factor, multiplier| Some(Rate { factor, multiplier });
        assert_eq!(Rate::from_hz(20.0), rate(20, 1));
        assert_eq!(Rate::from_hz(0.1), rate(-10, 1));
        assert_eq!(Rate::from_hz(12.5), rate(25, -2));
        assert_eq!(Rate::from_hz(100.0 / 3.0), rate(100, -3));
        assert_eq!(Rate::from_hz(100_000.0), rate(25_000, 4));
        assert_eq!(Rate::from_hz(1e-9), None);
        assert_eq!(Rate::from_hz(1e12), None);
        let pi = Rate::from_hz(std::f64::consts::PI);
        assert_eq!(pi, rate(355, -113));
    }
}
