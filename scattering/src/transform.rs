//! The wavelet transform of one window, and its adjoint.

use realfft::RealFftPlanner;
use rustfft::FftPlanner;

use crate::error::{Error, parameter};
use crate::filter_bank::{BandPass, FilterBank, Wavelet};
use crate::level::{Buffers, Level};
use crate::real::Real;

/// On which grid each `W_j` is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Oversampling {
    /// The window's own rate: agrees with the definition to rounding.
    #[default]
    Exact,
    /// At least this many times the upper edge of the filter, 2 or more (MATH: section 3): errors, relative to the
    /// natural scale of a coefficient, of 3e-4 at 2, 5e-5 at 4 and 5e-6 at 8.
    Times(u32),
}

/// `W_j` of windows of T samples, extended by half-sample reflection to N = 2T (MATH: section 1).
///
/// The samples of `W_j` are kept on the grid of its *level*, every r-th part of the window, r a power of two that
/// divides T. Immutable and shared between threads; the work is done in a [`TransformScratch`].
pub struct WaveletTransform<F: Real> {
    n_samples: usize,
    bank: FilterBank<F>,
    levels: Vec<Level<F>>,
    /// Level of each scale j = 0 ..= J.
    level_of: Vec<usize>,
}

/// Work space of a [`WaveletTransform`]; its content between calls means nothing.
pub struct TransformScratch<F> {
    buffers: Buffers<F>,
}

/// Spectrum of a reflected signal with respect to t + 1/2: real, bins 0 .. T of its level, normalised by 1/N.
pub type Spectrum<F> = Vec<F>;

impl<F: Real> WaveletTransform<F> {
    /// Plans the transform of windows of `n_samples` with `octaves` filters.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the window is shorter than 4 samples, `octaves` does not fit it or the oversampling is
    /// below 2.
    pub fn new(
        wavelet: Wavelet,
        octaves: usize,
        n_samples: usize,
        oversampling: Oversampling,
    ) -> Result<Self, Error> {
        if !(4..=1 << 28).contains(&n_samples) {
            return Err(parameter("window", n_samples, "give 4 to 2^28 samples"));
        }
        if let Oversampling::Times(times @ 0..2) = oversampling {
            return Err(parameter(
                "oversampling",
                times,
                "give 2 or more; 4 keeps errors below 1e-4",
            ));
        }
        let bank = FilterBank::<F>::new(wavelet, octaves, 2 * n_samples)?;
        Ok(Self::from_bank(bank, n_samples, oversampling))
    }

    /// The transform of windows of `n_samples` with a bank on twice as many bins.
    pub(crate) fn from_bank(
        bank: FilterBank<F>,
        n_samples: usize,
        oversampling: Oversampling,
    ) -> Self {
        let rates: Vec<usize> = (0..=bank.n_band_pass())
            .map(|j| rate(&bank, j, n_samples, oversampling))
            .collect();
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        let mut distinct = rates.clone();
        distinct.push(1);
        distinct.sort_unstable();
        distinct.dedup();
        let levels = distinct
            .iter()
            .map(|rate| Level::new(n_samples / rate, *rate, &mut complex, &mut real))
            .collect();
        let level_of = rates
            .iter()
            .map(|rate| distinct.partition_point(|r| r < rate))
            .collect();
        Self {
            n_samples,
            bank,
            levels,
            level_of,
        }
    }

    /// Number J of octaves; scale J is the low-pass.
    pub fn octaves(&self) -> usize {
        self.bank.octaves()
    }

    /// Length T of a window.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Samples that are kept of `W_j`.
    pub fn row_samples(&self, j: usize) -> usize {
        self.level(j).n
    }

    /// Whether every `W_j` is kept at the window's own rate.
    pub fn is_exact(&self) -> bool {
        self.level_of.iter().all(|level| *level == 0)
    }

    /// The filters.
    pub fn filter_bank(&self) -> &FilterBank<F> {
        &self.bank
    }

    /// Weights of the imaginary part in a mean over the window of what is kept of scale j; `None` for 1/T each.
    pub(crate) fn imaginary_weights(&self, j: usize) -> Option<&[F]> {
        self.level(j).imaginary_weights.as_deref()
    }

    fn level(&self, j: usize) -> &Level<F> {
        &self.levels[self.level_of[j]]
    }

    /// Work space for one thread.
    pub fn make_scratch(&self) -> TransformScratch<F> {
        let fft = self
            .levels
            .iter()
            .map(Level::scratch_len)
            .max()
            .unwrap_or(0);
        TransformScratch {
            buffers: Buffers::new(self.n_samples, fft),
        }
    }

    /// A zeroed spectrum, long enough for every level.
    pub fn make_spectrum(&self) -> Spectrum<F> {
        vec![F::zero(); self.n_samples]
    }

    /// Spectrum of the reflected `signal` (T samples).
    pub fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut TransformScratch<F>) {
        self.levels[0].cosine(
            signal,
            F::one() / F::of(self.n_samples as f64),
            out,
            &mut scratch.buffers,
        );
    }

    /// Spectrum of a reflected real series kept on the grid of scale j, such as `|W_j x|`.
    pub(crate) fn spectrum_of_row(
        &self,
        row: &[F],
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let level = self.level(j);
        level.cosine(
            row,
            F::one() / F::of(level.n as f64),
            &mut out[..level.n],
            &mut scratch.buffers,
        );
    }

    /// `W_j` of the signal whose [`spectrum`](Self::spectrum) is given, on the grid of scale j.
    pub fn filter(
        &self,
        spectrum: &[F],
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.filter_from(spectrum, 0, j, out_re, out_im, scratch);
    }

    /// `W_j` of a series on the grid of scale `from`.
    pub(crate) fn filter_row(
        &self,
        spectrum: &[F],
        from: usize,
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.filter_from(spectrum, self.level_of[from], j, out_re, out_im, scratch);
    }

    fn filter_from(
        &self,
        spectrum: &[F],
        from: usize,
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let (source, target) = (&self.levels[from], self.level(j));
        let buffers = &mut scratch.buffers;
        let Some(pieces) = self.bank.pieces(j) else {
            let cosines = &mut buffers.spectrum[..target.n];
            cosines.fill(F::zero());
            for (k, (&s, &phi)) in spectrum[..source.n]
                .iter()
                .zip(&self.bank.low_pass)
                .enumerate()
            {
                let (index, sign) = fold_cosine(k, target.n);
                if index < target.n {
                    let twice = if k == 0 { F::one() } else { F::of(2.0) };
                    cosines[index] += s * phi * twice * F::of(sign);
                }
            }
            // The DCT reads the spectrum while it fills the output; both are buffers of their own.
            let cosines = std::mem::take(&mut buffers.spectrum);
            target.cosine_adjoint(&cosines[..target.n], buffers, |n, value| out_re[n] = value);
            buffers.spectrum = cosines;
            out_im.fill(F::zero());
            return;
        };
        let period = 2 * target.n;
        buffers.spectrum[..period].fill(F::zero());
        for (k, psi) in bins(pieces) {
            let Some((bin, mirrored)) = source_bin(k, source.n) else {
                continue;
            };
            let value = spectrum[bin] * psi;
            let value = if mirrored ^ (k / period % 2 == 1) {
                -value
            } else {
                value
            };
            buffers.spectrum[k % period] += value;
        }
        target.synthesize(out_re, out_im, buffers);
    }

    /// Adds the adjoint of [`filter`](Self::filter) applied to a gradient on the grid of scale j to `accumulator`,
    /// the gradient with respect to the spectrum.
    pub fn filter_adjoint(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.filter_adjoint_from(grad_re, grad_im, 0, j, accumulator, scratch);
    }

    pub(crate) fn filter_row_adjoint(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        from: usize,
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.filter_adjoint_from(
            grad_re,
            grad_im,
            self.level_of[from],
            j,
            accumulator,
            scratch,
        );
    }

    fn filter_adjoint_from(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        from: usize,
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let (source, target) = (&self.levels[from], self.level(j));
        let buffers = &mut scratch.buffers;
        let Some(pieces) = self.bank.pieces(j) else {
            let mut cosines = std::mem::take(&mut buffers.spectrum);
            target.cosine(grad_re, F::one(), &mut cosines[..target.n], buffers);
            buffers.spectrum = cosines;
            for (k, (to, &phi)) in accumulator[..source.n]
                .iter_mut()
                .zip(&self.bank.low_pass)
                .enumerate()
            {
                let (index, sign) = fold_cosine(k, target.n);
                if index < target.n {
                    let twice = if k == 0 { F::one() } else { F::of(2.0) };
                    *to += buffers.spectrum[index] * phi * twice * F::of(sign);
                }
            }
            return;
        };
        target.analyze(grad_re, grad_im, buffers);
        let period = 2 * target.n;
        for (k, psi) in bins(pieces) {
            let Some((bin, mirrored)) = source_bin(k, source.n) else {
                continue;
            };
            let value = buffers.spectrum[k % period] * psi;
            accumulator[bin] += if mirrored ^ (k / period % 2 == 1) {
                -value
            } else {
                value
            };
        }
    }

    /// Adjoint of [`spectrum`](Self::spectrum): adds to `gradient` (T) the gradient with respect to the signal.
    pub fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.spectrum_adjoint_at(0, accumulator, gradient, scratch);
    }

    pub(crate) fn spectrum_of_row_adjoint(
        &self,
        j: usize,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.spectrum_adjoint_at(self.level_of[j], accumulator, gradient, scratch);
    }

    fn spectrum_adjoint_at(
        &self,
        level: usize,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let level = &self.levels[level];
        let scale = F::one() / F::of(level.n as f64);
        level.cosine_adjoint(&accumulator[..level.n], &mut scratch.buffers, |n, value| {
            gradient[n] += value * scale
        });
    }
}

/// Every how-many-th part of the window is kept of scale j: a power of two that divides the window and leaves
/// `oversampling` times the filter's upper edge.
fn rate<F: Real>(
    bank: &FilterBank<F>,
    j: usize,
    n_samples: usize,
    oversampling: Oversampling,
) -> usize {
    let Oversampling::Times(times) = oversampling else {
        return 1;
    };
    // The low-pass lies below the last band-pass.
    let band = &bank.band_pass[j.min(bank.n_band_pass() - 1)];
    let edge = (band.first_bin + band.values.len()) as f64;
    // The edges lie 3 % above powers of two; that much less oversampling saves half the work.
    let least = 0.97 * f64::from(times) * edge;
    let mut rate = 1;
    while n_samples.is_multiple_of(2 * rate)
        && n_samples / (2 * rate) >= 4
        && (n_samples / rate) as f64 >= least
    {
        rate *= 2;
    }
    rate
}

/// Bins and values of a filter given in pieces.
pub(crate) fn bins<F: Real>(pieces: &[BandPass<F>]) -> impl Iterator<Item = (usize, F)> + '_ {
    pieces.iter().flat_map(|piece| {
        let values = piece.values.iter().copied().enumerate();
        values.map(|(i, value)| (piece.first_bin + i, value))
    })
}

/// Where bin k of the period stands in a spectrum of T bins, and whether as its mirror image, S_(N-k) = -S_k. Bin T is 0.
fn source_bin(k: usize, n: usize) -> Option<(usize, bool)> {
    match k {
        k if k < n => Some((k, false)),
        k if k > n && k < 2 * n => Some((2 * n - k, true)),
        _ => None,
    }
}

/// cos(pi k (n + 1/2) / T) for any k is +-cos of a bin below T, or 0 (index T).
fn fold_cosine(k: usize, n: usize) -> (usize, f64) {
    let k = k % (4 * n);
    let (k, sign) = if k >= 2 * n {
        (k - 2 * n, -1.0)
    } else {
        (k, 1.0)
    };
    if k <= n {
        (k, sign)
    } else {
        (2 * n - k, -sign)
    }
}
