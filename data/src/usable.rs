//! The rule for samples that are not data; every stage that computes on records applies it.
//!
//! NaN, infinities, full-scale values and long constant stretches are gaps. Written records keep them unchanged.

use std::ops::Range;

use serde::Serialize;

use crate::segment::Samples;

/// Duration in s that a constant stretch must reach to be a gap.
///
/// Digitisers resolve their own noise, so real counts repeat for a few samples, not for ten seconds; values that fill
/// gaps (0, -12345, 999999, 1e20) last longer.
pub const CONSTANT_SECONDS: f64 = 10.0;
/// Samples that a constant stretch must exceed to be a gap: at low rates, ten quiet seconds are few quantised samples.
pub const CONSTANT_SAMPLES: usize = 64;

/// Numbers of samples that are not data, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct UnusableSamples {
    /// Samples of constant stretches, see [`CONSTANT_SECONDS`].
    pub constant: usize,
    /// Full-scale values, see [`is_full_scale`].
    pub full_scale: usize,
    /// NaN and infinities.
    pub not_finite: usize,
}

impl UnusableSamples {
    /// Number of unusable samples.
    pub fn total(&self) -> usize {
        self.constant + self.full_scale + self.not_finite
    }

    /// Adds the numbers of another stretch.
    pub fn add(&mut self, other: Self) {
        self.constant += other.constant;
        self.full_scale += other.full_scale;
        self.not_finite += other.not_finite;
    }
}

/// Usable and unusable samples of a gap-free series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsableSamples {
    /// Index ranges of usable samples, in order, as long as possible.
    pub runs: Vec<Range<usize>>,
    /// Numbers of the other samples.
    pub unusable: UnusableSamples,
}

impl UsableSamples {
    /// Applies the rule to samples at a rate in Hz.
    pub fn of(samples: &Samples, sampling_rate: f64) -> Self {
        // The conversion saturates, so an absurd rate only makes the limit long.
        let longest = CONSTANT_SAMPLES.max((CONSTANT_SECONDS * sampling_rate).ceil() as usize);
        match samples {
            Samples::I32(values) => classify(values, longest, f64::from),
            Samples::F32(values) => classify(values, longest, f64::from),
            Samples::F64(values) => classify(values, longest, |x| x),
        }
    }
}

/// True for the values that digitisers and pipelines write instead of data or when they clip:
/// -2^23, ±(2^23 - 1), -2^31 and ±(2^31 - 1), exactly.
pub fn is_full_scale(x: f64) -> bool {
    let magnitude = x.abs();
    magnitude == 8_388_607.0
        || magnitude == 2_147_483_647.0
        || x == -8_388_608.0
        || x == -2_147_483_648.0
}

/// Splits values into usable runs; stretches of more than `longest` equal values are unusable.
fn classify<T: Copy + PartialEq>(
    values: &[T],
    longest: usize,
    to_f64: impl Fn(T) -> f64,
) -> UsableSamples {
    let mut found = UsableSamples::default();
    let mut usable_from = 0;
    let mut start = 0;
    // NaN differs from itself, so each NaN is a stretch of its own.
    for stretch in values.chunk_by(|a, b| a == b) {
        let (n, x) = (stretch.len(), to_f64(stretch[0]));
        let reason = if !x.is_finite() {
            Some(&mut found.unusable.not_finite)
        } else if is_full_scale(x) {
            Some(&mut found.unusable.full_scale)
        } else if n > longest {
            Some(&mut found.unusable.constant)
        } else {
            None
        };
        if let Some(number) = reason {
            *number += n;
            if usable_from < start {
                found.runs.push(usable_from..start);
            }
            usable_from = start + n;
        }
        start += n;
    }
    if usable_from < values.len() {
        found.runs.push(usable_from..values.len());
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[expect(clippy::single_range_in_vec_init, reason = "samples with one run")]
mod tests {
    use super::*;

    fn padded(value: f64, n: usize) -> Vec<f64> {
        let ramp = |n: usize| (0..n).map(|i| 1.0 + (i % 7) as f64);
        let stretch = std::iter::repeat_n(value, n);
        ramp(50).chain(stretch).chain(ramp(30)).collect()
    }

    #[test]
    fn a_long_stretch_of_any_constant_is_a_gap() {
        for value in [0.0, 777.0, -12_345.0, 999_999.0, 1e20, -0.25] {
            let found = UsableSamples::of(&Samples::F64(padded(value, 201)), 20.0);
            assert_eq!(found.runs, [0..50, 251..281], "{value}");
            assert_eq!(found.unusable.constant, 201);
            let short = UsableSamples::of(&Samples::F64(padded(value, 200)), 20.0);
            assert_eq!(short.runs, [0..280], "{value}");
            assert_eq!(short.unusable.total(), 0);
        }
        let zeros = UsableSamples::of(&Samples::I32(vec![0; 3600]), 20.0);
        assert!(zeros.runs.is_empty());
    }

    #[test]
    fn slow_quantised_records_may_repeat() {
        let quiet = Samples::I32(vec![3; CONSTANT_SAMPLES]);
        assert_eq!(UsableSamples::of(&quiet, 0.1).runs, [0..64]);
        let longer = Samples::I32(vec![3; CONSTANT_SAMPLES + 1]);
        assert!(UsableSamples::of(&longer, 0.1).runs.is_empty());
    }

    #[test]
    fn every_reason_is_counted() {
        let mut values = padded(5e5, 300);
        values[3] = f64::NAN;
        values[4] = f64::NEG_INFINITY;
        values[10] = 8_388_607.0;
        values[11] = f64::from(i32::MIN);
        let found = UsableSamples::of(&Samples::F64(values), 20.0);
        assert_eq!(found.runs, [0..3, 5..10, 12..50, 350..380]);
        let expected = UnusableSamples {
            constant: 300,
            full_scale: 2,
            not_finite: 2,
        };
        assert_eq!(found.unusable, expected);
        assert_eq!(found.unusable.total(), 304);
    }
}
