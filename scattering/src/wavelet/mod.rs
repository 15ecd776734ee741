//! Wavelet families in Fourier; one file each.
//!
//! A family is a variant of [`Wavelet`], its name, and its arms in `bandwidth`, `band_pass` and `low_pass` below.

mod battle_lemarie;
mod bump_steerable;
mod meyer;
mod morlet;
pub(crate) mod shannon;

use crate::names::option_names;

/// Family of the band-pass filters.
///
/// All are real and at least 0 in Fourier. The centre frequencies are `xi_j = 0.425 * 2^(-j/Q)` cycles per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Wavelet {
    /// Cubic spline wavelets with their side lobes removed (arXiv 2301.11981); Q sets the centres, not the bandwidth.
    #[default]
    BattleLemarie,
    /// Gabor filter minus a Gaussian, so that the mean vanishes; the bandwidth follows Q.
    Morlet,
    /// Smooth bumps of compact support in Fourier (arXiv 1810.12136).
    BumpSteerable,
    /// Meyer wavelets of degree 7; Q sets the centres, not the bandwidth.
    Meyer,
    /// Ideal band-pass filters (boxes in Fourier).
    Shannon,
}

option_names!(Wavelet, "wavelet", {
    BattleLemarie => "battle-lemarie",
    Morlet => "morlet",
    BumpSteerable => "bump-steerable",
    Meyer => "meyer",
    Shannon => "shannon",
});

/// Normalisation of the band-pass filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FilterNorm {
    /// Peaks about 1, each family's own, so that a sinusoid keeps its amplitude at any scale.
    #[default]
    L1,
    /// Division by the root of the sum of squares over bins (Morlet: of the impulse response).
    L2,
}

option_names!(FilterNorm, "filter_norm", { L1 => "l1", L2 => "l2" });

/// Position of a filter in its bank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Band {
    /// Centre frequency xi_j in cycles per sample.
    pub(crate) center: f64,
    /// Q.
    pub(crate) wavelets_per_octave: usize,
}

impl Wavelet {
    /// Bandwidth sigma_j in cycles per sample, of the families that have one.
    pub(crate) fn bandwidth(self, band: Band) -> Option<f64> {
        match self {
            Self::Morlet => Some(morlet::bandwidth(band.center, band.wavelets_per_octave)),
            Self::Shannon => Some(shannon::bandwidth(band.center, band.wavelets_per_octave)),
            Self::BattleLemarie | Self::BumpSteerable | Self::Meyer => None,
        }
    }

    /// `psi_hat` at bins 0 .. N, possibly cut after its last value that is not 0.
    pub(crate) fn band_pass(self, band: Band, n_bins: usize, norm: FilterNorm) -> Vec<f64> {
        let Band {
            center,
            wavelets_per_octave,
        } = band;
        let sigma = self.bandwidth(band).unwrap_or(center);
        let frequency = |k: usize| k as f64 / n_bins as f64;
        let sampled = |at: &dyn Fn(usize) -> f64| (0..n_bins).map(at).collect::<Vec<f64>>();
        match self {
            Self::BattleLemarie => battle_lemarie::without_side_lobes(center, n_bins),
            Self::Morlet => morlet::band_pass(center, sigma, n_bins, norm),
            Self::BumpSteerable => {
                sampled(&|k| bump_steerable::band_pass(frequency(k), center, wavelets_per_octave))
            }
            // Meyer's formula is even in f; the upper half of the bins are negative frequencies, where psi_hat is 0.
            Self::Meyer => sampled(&|k| match 2 * k < n_bins {
                true => meyer::band_pass(frequency(k), center),
                false => 0.0,
            }),
            Self::Shannon => {
                sampled(&|k| shannon::band_pass(shannon::frequency(k, n_bins), center, sigma))
            }
        }
    }

    /// `phi_hat` at bins 0 ..= N/2, below the last band-pass filter.
    pub(crate) fn low_pass(self, last: Band, n_bins: usize) -> Vec<f64> {
        let center = last.center;
        let sigma = self.bandwidth(last).unwrap_or(center);
        if self == Self::Morlet {
            // The norm is that of the impulse response and needs all bins.
            let mut values = morlet::low_pass(sigma, n_bins);
            values.truncate(n_bins / 2 + 1);
            return values;
        }
        let at = |k: usize| {
            let frequency = k as f64 / n_bins as f64;
            match self {
                Self::BumpSteerable => bump_steerable::low_pass(frequency, center),
                Self::Meyer => meyer::low_pass(frequency, center),
                Self::Shannon => shannon::low_pass(shannon::frequency(k, n_bins), center, sigma),
                Self::BattleLemarie | Self::Morlet => battle_lemarie::low_pass(frequency, center),
            }
        };
        (0..=n_bins / 2).map(at).collect()
    }
}
