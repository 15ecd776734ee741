//! Filter banks, sampled in Fourier on the grid of the padded window.

use std::marker::PhantomData;
use std::ops::Range;

use crate::error::{Error, parameter};
use crate::fourier::real::Real;
use crate::wavelet::{Band, FilterNorm, Wavelet, shannon};

/// Most filter values of a bank: 16 GiB in f64. High Q on long windows would otherwise need hundreds of gigabytes, and
/// a failed allocation ends the process without a message.
const MOST_VALUES: usize = 1 << 31;

/// Most bins of a bank: a reflected window of 2^28 samples.
const MOST_BINS: usize = 1 << 29;

/// Centre frequency of the finest filter, cycles per sample: its pass-band ends just below Nyquist, as in the reference
/// of arXiv 2301.11981.
const FINEST_CENTER: f64 = 0.425;

/// One band-pass filter: real, zero outside `first_bin .. first_bin + values.len()`.
#[derive(Debug, Clone)]
pub struct BandPass<F> {
    /// Centre frequency xi_j in cycles per sample.
    pub center_frequency: f64,
    /// Bandwidth sigma_j in cycles per sample, for the families that have one (Morlet, Shannon).
    pub bandwidth: Option<f64>,
    /// Bin of `values[0]`; bin k is the frequency k/N in cycles per sample, above N/2 too.
    pub first_bin: usize,
    /// `psi_hat` on its support.
    pub values: Vec<F>,
}

impl<F: Real> BandPass<F> {
    /// The bins of the support, if all lie below `n`.
    #[inline(always)]
    pub(crate) fn inside(&self, n: usize) -> Option<Range<usize>> {
        let end = self.first_bin + self.values.len();
        (end <= n).then_some(self.first_bin..end)
    }

    /// Bins and values of the support.
    pub(crate) fn bins(&self) -> impl Iterator<Item = (usize, F)> + '_ {
        let values = self.values.iter().copied().enumerate();
        values.map(|(i, value)| (self.first_bin + i, value))
    }
}

/// The band-pass filters `psi_j`, j = 0 (finest) .. JQ-1, and the low-pass `phi`.
///
/// Filters are given in Fourier on the N bins of the padded window. With x~ the padded window, `W_j x` is the first T
/// samples of `IFFT(FFT(x~) . psi_hat_j)` for j < JQ, and of `IFFT(FFT(x~) . phi_hat)` for j = JQ. Every band-pass is
/// 0 on the last ceil(N/8) bins.
#[derive(Debug, Clone)]
pub struct FilterBank<F> {
    /// Band-pass filters, from the finest.
    pub band_pass: Vec<BandPass<F>>,
    /// `phi_hat` at bins 0 ..= N/2; it is even, but for `uneven_low_pass`.
    pub low_pass: Vec<F>,
    /// Pieces of a low-pass whose samples are not even, like those of band-pass filters; otherwise empty. Shannon's
    /// reaches one bin farther below zero frequency than above, so that its output is not quite real.
    pub uneven_low_pass: Vec<BandPass<F>>,
    /// Length N of the grid, that of the padded window.
    pub n_bins: usize,
    /// Number Q of filters an octave.
    pub wavelets_per_octave: usize,
}

/// Parameters of a [`FilterBank`].
#[derive(Debug, Clone)]
pub struct FilterBankBuilder<F> {
    n_bins: usize,
    wavelet: Wavelet,
    octaves: usize,
    wavelets_per_octave: usize,
    norm: FilterNorm,
    real: PhantomData<F>,
}

impl<F: Real> FilterBankBuilder<F> {
    /// Wavelet family (default Battle-Lemarie).
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet) -> Self {
        self.wavelet = wavelet;
        self
    }

    /// Number J of octaves (default 8).
    #[must_use]
    #[doc(alias = "J")]
    pub fn octaves(mut self, octaves: usize) -> Self {
        self.octaves = octaves;
        self
    }

    /// Number Q of filters an octave (default 1).
    #[must_use]
    #[doc(alias = "Q")]
    pub fn wavelets_per_octave(mut self, wavelets_per_octave: usize) -> Self {
        self.wavelets_per_octave = wavelets_per_octave;
        self
    }

    /// Normalisation of the band-pass filters (default [`FilterNorm::L1`]).
    #[must_use]
    pub fn filter_norm(mut self, norm: FilterNorm) -> Self {
        self.norm = norm;
        self
    }

    /// Samples the filters.
    ///
    /// # Errors
    /// [`Error::Parameter`] if octaves or filters an octave are 0, or too many for the bins or for memory.
    pub fn check(self) -> Result<FilterBank<F>, Error> {
        let n_bins = self.n_bins;
        if self.octaves == 0 || self.octaves > 40 {
            return Err(parameter("octaves", self.octaves, "give 1 to 40"));
        }
        let per_octave = self.wavelets_per_octave;
        if per_octave == 0 || per_octave > 64 {
            return Err(parameter("wavelets_per_octave", per_octave, "give 1 to 64"));
        }
        if !(2..=MOST_BINS).contains(&n_bins) {
            return Err(parameter("n_bins", n_bins, "give 2 to 2^29"));
        }
        let mut n_values = 0;
        let mut band_pass = Vec::with_capacity(self.octaves * per_octave);
        for j in 0..self.octaves * per_octave {
            let filter = self.sampled_band_pass(j);
            // Below a quarter of a bin the filter's whole pass-band lies between the frequencies 0 and 1/N, and its
            // output would be a constant.
            if filter.values.is_empty() || filter.center_frequency * (n_bins as f64) < 0.25 {
                let reason = format!(
                    "filter {j} contains no frequency of a padded window of {n_bins} samples; take fewer octaves or a longer window",
                );
                return Err(parameter("octaves", self.octaves, reason));
            }
            n_values += filter.values.len();
            if n_values > MOST_VALUES {
                let reason = format!(
                    "the filters of {n_bins} bins exceed {MOST_VALUES} values; take fewer filters an octave or a shorter window",
                );
                return Err(parameter("wavelets_per_octave", per_octave, reason));
            }
            band_pass.push(filter);
        }
        Ok(FilterBank {
            band_pass,
            low_pass: self.sampled_low_pass(),
            uneven_low_pass: self.sampled_uneven_low_pass(),
            n_bins,
            wavelets_per_octave: per_octave,
        })
    }

    fn band(&self, j: usize) -> Band {
        // Powers of 1/2 are exact, those of its roots are not: with Q = 1 the centres are exact octaves.
        let center = if self.wavelets_per_octave == 1 {
            FINEST_CENTER * 0.5_f64.powi(j as i32)
        } else {
            FINEST_CENTER
                * (1.0 / 2.0_f64.powf(1.0 / self.wavelets_per_octave as f64)).powi(j as i32)
        };
        Band {
            center,
            wavelets_per_octave: self.wavelets_per_octave,
        }
    }

    /// `psi_hat_j` on its support.
    fn sampled_band_pass(&self, j: usize) -> BandPass<F> {
        let (n_bins, band) = (self.n_bins, self.band(j));
        let mut values = self.wavelet.band_pass(band, n_bins, self.norm);
        // Morlet's L2 norm is that of its impulse response and has been applied.
        if self.norm == FilterNorm::L2 && self.wavelet != Wavelet::Morlet {
            let size = values.iter().map(|v| v * v).sum::<f64>().sqrt();
            if size > 0.0 {
                values.iter_mut().for_each(|value| *value /= size);
            }
        }
        // Part of the definition: the last ceil(N/8) bins, the lowest negative frequencies, are 0, so that the finest
        // filter remains analytic.
        values.truncate(n_bins - n_bins.div_ceil(8));
        while values.last() == Some(&0.0) {
            values.pop();
        }
        let first_bin = values
            .iter()
            .position(|&v| v != 0.0)
            .unwrap_or(values.len());
        BandPass {
            center_frequency: band.center,
            bandwidth: self.wavelet.bandwidth(band),
            first_bin,
            values: values[first_bin..].iter().map(|&v| F::of(v)).collect(),
        }
    }

    fn last_band(&self) -> Band {
        self.band(self.octaves * self.wavelets_per_octave - 1)
    }

    /// `phi_hat` at bins 0 ..= N/2, below the last band-pass filter.
    fn sampled_low_pass(&self) -> Vec<F> {
        let values = self.wavelet.low_pass(self.last_band(), self.n_bins);
        values.into_iter().map(F::of).collect()
    }

    /// Shannon's low-pass, on its uneven grid; empty for the other families.
    fn sampled_uneven_low_pass(&self) -> Vec<BandPass<F>> {
        if self.wavelet != Wavelet::Shannon {
            return Vec::new();
        }
        let last = self.last_band();
        let sigma = self.wavelet.bandwidth(last).unwrap_or(last.center);
        shannon::low_pass_bins(last.center, sigma, self.n_bins)
            .map(|bins| BandPass {
                center_frequency: 0.0,
                bandwidth: None,
                first_bin: bins.start,
                values: vec![F::one(); bins.len()],
            })
            .into()
    }
}

impl<F: Real> FilterBank<F> {
    /// Starts a bank on a grid of `n_bins` frequencies, the length of the padded window.
    pub fn plan(n_bins: usize) -> FilterBankBuilder<F> {
        FilterBankBuilder {
            n_bins,
            wavelet: Wavelet::default(),
            octaves: 8,
            wavelets_per_octave: 1,
            norm: FilterNorm::default(),
            real: PhantomData,
        }
    }

    /// Builds the bank of `octaves` filters (one an octave) on a grid of `n_bins` frequencies.
    ///
    /// # Errors
    /// See [`FilterBankBuilder::check`]; also [`Error::Parameter`] if `n_bins` is odd.
    pub fn new(wavelet: Wavelet, octaves: usize, n_bins: usize) -> Result<Self, Error> {
        if n_bins < 2 || !n_bins.is_multiple_of(2) {
            let reason = "give an even number, twice the window";
            return Err(parameter("n_bins", n_bins, reason));
        }
        Self::plan(n_bins).wavelet(wavelet).octaves(octaves).check()
    }

    /// Number J of octaves.
    pub fn octaves(&self) -> usize {
        self.band_pass.len() / self.wavelets_per_octave
    }

    /// Filter j as pieces of the bins 0 .. N; `None` for an even low-pass.
    pub(crate) fn pieces(&self, j: usize) -> Option<&[BandPass<F>]> {
        match self.band_pass.get(j) {
            Some(band) => Some(std::slice::from_ref(band)),
            None if self.uneven_low_pass.is_empty() => None,
            None => Some(&self.uneven_low_pass),
        }
    }

    /// Upper edge of filter j in bins: the last bin above 1e-5 of the peak, at least twice the centre. The low-pass
    /// lies below the last band-pass.
    pub(crate) fn edge(&self, j: usize) -> usize {
        let band = &self.band_pass[j.min(self.n_band_pass() - 1)];
        let peak = band.values.iter().fold(F::zero(), |a, &b| a.max(b.abs()));
        let seen = |value: &F| value.abs() > peak * F::of(1e-5);
        // At least twice the centre, so that grids of families with narrow filters (large Q) still resolve the carrier.
        let twice_center = (2.0 * band.center_frequency * self.n_bins as f64) as usize;
        let edge = band.first_bin + band.values.iter().rposition(seen).map_or(0, |i| i + 1);
        edge.max(twice_center)
    }

    /// Value of filter j at any bin below N; an even low-pass is read from its lower half.
    pub fn value(&self, j: usize, bin: usize) -> F {
        let Some(pieces) = self.pieces(j) else {
            return self.low_pass[bin.min(self.n_bins - bin)];
        };
        let within = |piece: &BandPass<F>| {
            let i = bin.checked_sub(piece.first_bin)?;
            piece.values.get(i).copied()
        };
        pieces.iter().find_map(within).unwrap_or_else(F::zero)
    }

    /// Number JQ of band-pass filters; JQ is the index of the low-pass.
    pub fn n_band_pass(&self) -> usize {
        self.band_pass.len()
    }
}
