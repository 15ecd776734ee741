//! Packing samples into Steim-1 and Steim-2 frames, big-endian.

use super::steim::FRAME_BYTES;

/// Largest difference of Steim-2: 30 bits, signed.
const MAX_30_BITS: i64 = (1 << 29) - 1;

/// True if every difference fits the 30 bits of Steim-2.
pub(super) fn fits_steim2(samples: &[i32]) -> bool {
    differences(samples).all(|difference| (-MAX_30_BITS - 1..=MAX_30_BITS).contains(&difference))
}

/// True if every difference fits the 32 bits of Steim-1 without wrapping around.
pub(super) fn fits_steim1(samples: &[i32]) -> bool {
    differences(samples).all(|difference| i32::try_from(difference).is_ok())
}

fn differences(samples: &[i32]) -> impl Iterator<Item = i64> {
    samples
        .windows(2)
        .map(|pair| i64::from(pair[1]) - i64::from(pair[0]))
}

/// One way to fill a word: how many differences of how many bits, and its codes.
struct Layout {
    n: usize,
    bits: u32,
    /// Two bits in the first word of the frame.
    code: u32,
    /// Two bits at the top of the word itself (Steim-2).
    top: u32,
}

const fn layout(n: usize, bits: u32, code: u32, top: u32) -> Layout {
    Layout { n, bits, code, top }
}

const STEIM1: [Layout; 3] = [layout(4, 8, 1, 0), layout(2, 16, 2, 0), layout(1, 32, 3, 0)];
const STEIM2: [Layout; 7] = [
    layout(7, 4, 3, 2),
    layout(6, 5, 3, 1),
    layout(5, 6, 3, 0),
    layout(4, 8, 1, 0),
    layout(3, 10, 2, 3),
    layout(2, 15, 2, 2),
    layout(1, 30, 2, 1),
];

/// Version of the packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steim {
    One,
    Two,
}

/// Fills `data` (whole frames, zeroed) with as many samples as fit and returns their number, at least 1 if there are
/// any.
///
/// `previous` is the sample before the first. The caller has checked that all differences [fit](fits_steim2).
pub(super) fn pack(steim: Steim, samples: &[i32], previous: Option<i32>, data: &mut [u8]) -> usize {
    let layouts: &[Layout] = match steim {
        Steim::One => &STEIM1,
        Steim::Two => &STEIM2,
    };
    let Some(&first) = samples.first() else {
        return 0;
    };
    let difference = |index: usize| -> i32 {
        let before = match index {
            0 => previous.unwrap_or(first),
            _ => samples[index - 1],
        };
        samples[index].wrapping_sub(before)
    };
    let mut done = 0;
    for (frame_index, frame) in data.chunks_exact_mut(FRAME_BYTES).enumerate() {
        let mut codes = 0_u32;
        let first_word = if frame_index == 0 { 3 } else { 1 };
        for word in first_word..16 {
            let left = samples.len() - done;
            let fits = |layout: &&Layout| {
                let mut range = done..done + layout.n;
                layout.n <= left && range.all(|index| has_bits(difference(index), layout.bits))
            };
            let Some(layout) = layouts.iter().find(fits) else {
                break; // no sample is left
            };
            let mut packed = layout.top;
            for index in done..done + layout.n {
                let field = difference(index) as u32 & (u32::MAX >> (32 - layout.bits));
                packed = packed.checked_shl(layout.bits).unwrap_or(0) | field;
            }
            // The top bits of a word with unused bits lie above them.
            let used = layout.bits * layout.n as u32;
            if used < 30 {
                let fields = packed & ((1 << used) - 1);
                packed = layout.top << 30 | fields;
            }
            frame[word * 4..word * 4 + 4].copy_from_slice(&packed.to_be_bytes());
            codes |= layout.code << (30 - 2 * word);
            done += layout.n;
        }
        frame[..4].copy_from_slice(&codes.to_be_bytes());
        if done == samples.len() {
            break;
        }
    }
    if done > 0 {
        data[4..8].copy_from_slice(&first.to_be_bytes());
        data[8..12].copy_from_slice(&samples[done - 1].to_be_bytes());
    }
    done
}

fn has_bits(difference: i32, bits: u32) -> bool {
    let spare = 32 - bits;
    difference.wrapping_shl(spare) >> spare == difference
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::header::Endian;
    use super::super::steim::decode;
    use super::*;
    use crate::segment::Encoding;

    /// Packs everything record by record and decodes it again.
    fn round_trip(steim: Steim, samples: &[i32], frames: usize) -> Vec<i32> {
        let encoding = match steim {
            Steim::One => Encoding::Steim1,
            Steim::Two => Encoding::Steim2,
        };
        let (mut back, mut previous) = (Vec::new(), None);
        while back.len() < samples.len() {
            let mut data = vec![0; frames * FRAME_BYTES];
            let n = pack(steim, &samples[back.len()..], previous, &mut data);
            assert!(n > 0);
            back.extend(decode(&data, n, Endian::Big, encoding).unwrap());
            previous = back.last().copied();
        }
        back
    }

    #[test]
    fn every_width_survives() {
        for bits in 1..=30 {
            let limit = 1_i32 << (bits - 1);
            let mut samples = vec![0];
            for index in 0..100 {
                let step = if index % 2 == 0 { -limit } else { limit - 1 };
                samples.push(samples[samples.len() - 1] + step);
            }
            assert!(fits_steim2(&samples));
            assert_eq!(round_trip(Steim::Two, &samples, 7), samples, "{bits} bits");
            assert_eq!(round_trip(Steim::One, &samples, 1), samples, "{bits} bits");
        }
    }

    #[test]
    fn too_large_differences_are_seen() {
        assert!(fits_steim2(&[0, (1 << 29) - 1]) && !fits_steim2(&[0, 1 << 29]));
        assert!(fits_steim2(&[0, -(1 << 29)]) && !fits_steim2(&[0, -(1 << 29) - 1]));
        assert!(fits_steim1(&[0, i32::MIN]) && !fits_steim1(&[1, i32::MIN]));
    }

    proptest! {
        #[test]
        fn steim2_is_lossless(steps in prop::collection::vec((0_u32..29, any::<i32>()), 1..300), frames in 1_usize..8) {
            let mut samples = vec![0_i32];
            for (bits, noise) in steps {
                let next = samples[samples.len() - 1].saturating_add(noise >> (31 - bits));
                samples.push(next);
            }
            prop_assume!(fits_steim2(&samples));
            prop_assert_eq!(round_trip(Steim::Two, &samples, frames), samples);
        }

        #[test]
        fn steim1_is_lossless(samples in prop::collection::vec(any::<i32>(), 1..300)) {
            prop_assert_eq!(round_trip(Steim::One, &samples, 7), samples);
        }
    }
}
