//! Grids: the number of samples that are kept of each `W_j`.
//!
//! `psi_hat_j` has bounded support, so `W_j x` is exact at a lower rate; only its modulus, whose band is not bounded,
//! then aliases. Oversampling sets how much.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, parameter};
use crate::filter_bank::FilterBank;
use crate::fourier::real::Real;
use crate::names::serde_as_text;

/// Density of the grid on which each `W_j` is kept.
///
/// Its text form is `exact` or the number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oversampling {
    /// The window's own samples: agrees with the definition to rounding.
    Exact,
    /// At least this many times the upper edge of the filter, 2 or more: errors of means over a window, relative to the
    /// natural scale of a coefficient, of 4e-3 at 2, 3e-4 at 4 and 1e-4 at 8 (the default). Filters whose grid would be
    /// as fine as the window's are kept at its samples.
    Times(u32),
}

pub(crate) const OVERSAMPLING_ADVICE: &str = "give 2 or more; 8 keeps errors below 1e-4";

impl Default for Oversampling {
    fn default() -> Self {
        Self::Times(8)
    }
}

impl fmt::Display for Oversampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.pad("exact"),
            Self::Times(times) => times.fmt(f),
        }
    }
}

impl FromStr for Oversampling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "exact" {
            return Ok(Self::Exact);
        }
        match text.parse() {
            Ok(times) if times >= 2 => Ok(Self::Times(times)),
            _ => Err(parameter(
                "oversampling",
                text,
                "give `exact` or a whole number of 2 or more",
            )),
        }
    }
}

serde_as_text!(Oversampling);

/// Fewest samples of a block of a mean. The weights of a block fall off over a few samples at its borders; with eight
/// or more inside, the neighbours contribute little.
const LEAST_IN_BLOCK: usize = 8;

/// Number of samples of each scale, the low-pass last, for windows of half of the bank's bins that are averaged in
/// `n_blocks` blocks: a whole number of samples a block, and, below the window's own rate, one of fast FFT lengths.
pub(crate) fn grid_sizes<F: Real>(
    bank: &FilterBank<F>,
    oversampling: Oversampling,
    n_blocks: usize,
) -> Vec<usize> {
    let window = bank.n_bins / 2;
    let size = |j| {
        let Oversampling::Times(times) = oversampling else {
            return window;
        };
        // The edge is in bins of the reflected window, two of which are one cycle a window: n = times * edge / 2.
        let least = f64::from(times) * bank.edge(j) as f64 / 2.0;
        let in_block = smooth_from((least / n_blocks as f64).max(LEAST_IN_BLOCK as f64));
        (in_block * n_blocks).min(window)
    };
    (0..=bank.n_band_pass()).map(size).collect()
}

/// The least of the powers of two and of three times these that is at least `least`. Both have fast FFTs; with the two
/// together a grid exceeds the required size by at most a half.
fn smooth_from(least: f64) -> usize {
    [1, 3]
        .map(|odd| {
            let doublings = (least / odd as f64).log2().ceil().max(0.0);
            odd << doublings as u32
        })
        .into_iter()
        .min()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wavelet::Wavelet;

    #[test]
    fn smooth_numbers_are_the_next_ones() {
        let cases = [
            (0.3, 1),
            (1.0, 1),
            (5.0, 6),
            (7.5, 8),
            (97.0, 128),
            (96.0, 96),
        ];
        for (least, next) in cases {
            assert_eq!(smooth_from(least), next, "{least}");
        }
    }

    #[test]
    fn sizes_follow_the_edges() {
        let bank = FilterBank::<f64>::new(Wavelet::BattleLemarie, 8, 2 * 65_536).unwrap();
        let sizes = grid_sizes(&bank, Oversampling::Times(4), 64);
        let expected = [
            65_536, 65_536, 65_536, 32_768, 16_384, 8192, 4096, 2048, 2048,
        ];
        assert_eq!(sizes, expected);
        assert_eq!(grid_sizes(&bank, Oversampling::Exact, 1), [65_536; 9]);
        let odd = FilterBank::<f64>::new(Wavelet::BattleLemarie, 6, 2 * 10_007).unwrap();
        let sizes = grid_sizes(&odd, Oversampling::Times(4), 1);
        assert_eq!(sizes[2], 10_007);
        assert!(sizes[3..].iter().all(|n| *n < 6200), "{sizes:?}");
    }
}
