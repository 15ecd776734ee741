//! Filters in Fourier on the grid of the padded window.

use crate::battle_lemarie;
use crate::error::{Error, parameter};
use crate::real::Real;

/// Family of the band-pass filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Wavelet {
    /// Cubic spline wavelets with their side lobes removed (arXiv 2301.11981).
    #[default]
    BattleLemarie,
}

/// Centre frequency of the finest filter, cycles per sample.
const FINEST_CENTER: f64 = 0.425;

/// One band-pass filter: real, non-negative, zero outside `first_bin .. first_bin + values.len()`.
#[derive(Debug, Clone)]
pub struct BandPass<F> {
    /// Centre frequency xi_j in cycles per sample.
    pub center_frequency: f64,
    /// Bin of `values[0]`; bin k is the frequency k/N in cycles per sample, above N/2 too.
    pub first_bin: usize,
    /// `psi_hat` on its support.
    pub values: Vec<F>,
}

/// The band-pass filters `psi_j`, j = 0 (finest) .. J-1, and the low-pass `phi_J` (MATH: section 1).
#[derive(Debug, Clone)]
pub struct FilterBank<F> {
    /// Band-pass filters, from the finest.
    pub band_pass: Vec<BandPass<F>>,
    /// `phi_hat` at bins 0 ..= N/2; it is even.
    pub low_pass: Vec<F>,
    /// Length N of the grid, twice the window.
    pub n_bins: usize,
}

impl<F: Real> FilterBank<F> {
    /// Builds the bank of `octaves` filters (one an octave) on a grid of `n_bins` frequencies.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `octaves` is 0 or so large that the lowest filter holds no bin.
    pub fn new(wavelet: Wavelet, octaves: usize, n_bins: usize) -> Result<Self, Error> {
        let Wavelet::BattleLemarie = wavelet;
        if octaves == 0 || octaves > 40 {
            return Err(parameter("octaves", octaves, "give 1 to 40"));
        }
        if n_bins < 2 || !n_bins.is_multiple_of(2) {
            return Err(parameter(
                "n_bins",
                n_bins,
                "give an even number, twice the window",
            ));
        }
        let mut band_pass = Vec::with_capacity(octaves);
        for j in 0..octaves {
            let center_frequency = FINEST_CENTER * 0.5_f64.powi(j as i32);
            let (first_bin, values) = sampled_band_pass(center_frequency, n_bins);
            // Below a quarter of a bin the filter's whole pass-band lies between the frequencies 0 and 1/N.
            if values.is_empty() || center_frequency * (n_bins as f64) < 0.25 {
                let reason = format!(
                    "filter {j} holds no frequency of a window of {} samples; take fewer octaves or a longer window",
                    n_bins / 2
                );
                return Err(parameter("octaves", octaves, reason));
            }
            band_pass.push(BandPass {
                center_frequency,
                first_bin,
                values: values.into_iter().map(F::of).collect(),
            });
        }
        let last = FINEST_CENTER * 0.5_f64.powi(octaves as i32 - 1);
        let low_pass = (0..=n_bins / 2)
            .map(|k| F::of(battle_lemarie::low_pass(k as f64 / n_bins as f64, last)))
            .collect();
        Ok(Self {
            band_pass,
            low_pass,
            n_bins,
        })
    }

    /// Number J of octaves.
    pub fn octaves(&self) -> usize {
        self.band_pass.len()
    }
}

/// `psi_hat` on its support: cut after its first local minimum, and nothing on the last ceil(N/8) bins.
fn sampled_band_pass(center: f64, n_bins: usize) -> (usize, Vec<f64>) {
    let at = |k: usize| battle_lemarie::band_pass(k as f64 / n_bins as f64, center);
    let mut values: Vec<f64> =
        Vec::with_capacity(n_bins.min((4.0 * center * n_bins as f64) as usize + 3));
    for k in 0..n_bins {
        values.push(at(k));
        if k >= 2 && values[k - 2] > values[k - 1] && values[k - 1] < values[k] {
            values.truncate(k);
            break;
        }
    }
    values.truncate(n_bins - n_bins.div_ceil(8));
    while values.last() == Some(&0.0) {
        values.pop();
    }
    let first = values
        .iter()
        .position(|&v| v != 0.0)
        .unwrap_or(values.len());
    (first, values.split_off(first))
}
