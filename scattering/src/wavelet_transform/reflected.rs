//! The wavelet transform of one window, and its adjoint.

use realfft::RealFftPlanner;
use rustfft::FftPlanner;

use num_complex::Complex;

use crate::coefficients::averages::BlockMeans;
use crate::error::{Error, parameter};
use crate::filter_bank::FilterBank;
use crate::fourier::band::{each_segment, low_pass, low_pass_adjoint, set_filtered};
use crate::fourier::grid::{OVERSAMPLING_ADVICE, Oversampling, grid_sizes};
use crate::fourier::grid_fft::{Buffers, Level, folded_sample};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::wavelet::Wavelet;

/// `W_j` of windows of T samples, extended by half-sample reflection to N = 2T (MATH: section 1).
///
/// The samples of `W_j` are kept on the grid of its *level*: n <= T of them, spread evenly over the window, in folded
/// order ([`sample_of_place`](Self::sample_of_place)). Immutable and shared between threads; the work is done in a
/// [`TransformScratch`].
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
            return Err(parameter("oversampling", times, OVERSAMPLING_ADVICE));
        }
        let bank = FilterBank::<F>::new(wavelet, octaves, 2 * n_samples)?;
        let sizes = grid_sizes(&bank, oversampling, 1);
        Ok(Self::from_bank(bank, n_samples, &sizes))
    }

    /// The transform of windows of `n_samples` with a bank on twice as many bins; `sizes` holds the number of samples
    /// that are kept of each scale, the low-pass last.
    pub(crate) fn from_bank(bank: FilterBank<F>, n_samples: usize, sizes: &[usize]) -> Self {
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        let mut distinct = sizes.to_vec();
        distinct.push(n_samples);
        distinct.sort_unstable_by(|a, b| b.cmp(a));
        distinct.dedup();
        let levels = distinct
            .iter()
            .map(|n| Level::new(*n, n_samples, &mut complex, &mut real))
            .collect();
        let level_of = sizes
            .iter()
            .map(|size| distinct.partition_point(|n| n > size))
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

    /// Number n of samples that are kept of `W_j`, at (T/n) (i + 1/2) - 1/2 for i = 0 .. n.
    pub fn row_samples(&self, j: usize) -> usize {
        self.level(j).n
    }

    /// Which sample i stands at `place` in a row of scale j, and whether as its conjugate. The order is the one in which
    /// the FFTs give and take the samples: the even ones, then the odd ones backwards and conjugated.
    pub fn sample_of_place(&self, j: usize, place: usize) -> (usize, bool) {
        folded_sample(place, self.level(j).n)
    }

    /// The filters.
    pub fn filter_bank(&self) -> &FilterBank<F> {
        &self.bank
    }

    /// Weights of the imaginary part in a mean over the window of what is kept of scale j.
    pub(crate) fn imaginary_weights(&self, j: usize) -> &[F] {
        &self.level(j).imaginary_weights
    }

    /// Means over `n_blocks` blocks of the window of what is kept of each scale.
    pub(crate) fn block_means(&self, n_blocks: usize) -> Vec<BlockMeans<F>> {
        (0..self.level_of.len())
            .map(|j| {
                let level = self.level(j);
                BlockMeans::folded(
                    level.n,
                    self.n_samples,
                    n_blocks,
                    self.bank.edge(j) as f64 / self.bank.n_bins as f64,
                    &level.imaginary_weights,
                )
            })
            .collect()
    }

    fn level(&self, j: usize) -> &Level<F> {
        &self.levels[self.level_of[j]]
    }

    /// Work space for one thread.
    pub fn make_scratch(&self) -> TransformScratch<F> {
        self.make_shared_scratch(self.fft_scratch_len())
    }

    /// Length of the FFTs' scratch.
    pub(crate) fn fft_scratch_len(&self) -> usize {
        let lengths = self.levels.iter().map(Level::scratch_len);
        lengths.max().unwrap_or(0)
    }

    /// Work space that serves another transform of the same window too, with FFT scratch of the larger length.
    pub(crate) fn make_shared_scratch(&self, fft_scratch_len: usize) -> TransformScratch<F> {
        TransformScratch {
            buffers: Buffers::new(self.n_samples, fft_scratch_len),
        }
    }

    /// A zeroed spectrum, long enough for every level.
    pub fn make_spectrum(&self) -> Spectrum<F> {
        vec![F::zero(); self.n_samples]
    }

    /// Spectrum of the reflected `signal` (T samples, in the order of time).
    pub fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut TransformScratch<F>) {
        let level = &self.levels[0];
        let (front, back) = scratch.buffers.real[..level.n].split_at_mut(level.n.div_ceil(2));
        for (to, &from) in front.iter_mut().zip(signal.iter().step_by(2)) {
            *to = from;
        }
        for (to, &from) in back.iter_mut().rev().zip(signal.iter().skip(1).step_by(2)) {
            *to = from;
        }
        level.cosine(F::one() / F::of(level.n as f64), out, &mut scratch.buffers);
    }

    /// Spectrum of a reflected real series kept like a row of scale j.
    pub(crate) fn spectrum_of_row(
        &self,
        row: &[F],
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        scratch.buffers.real[..row.len()].copy_from_slice(row);
        let level = self.level(j);
        level.cosine(F::one() / F::of(level.n as f64), out, &mut scratch.buffers);
    }

    /// Spectrum of the modulus of a row of scale j.
    pub(crate) fn spectrum_of_modulus(
        &self,
        (re, im): (&[F], &[F]),
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let level = self.level(j);
        modulus(re, im, &mut scratch.buffers.real[..level.n]);
        level.cosine(F::one() / F::of(level.n as f64), out, &mut scratch.buffers);
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
        self.filter_bins(&spectrum[..self.n_samples], j, out_re, out_im, scratch);
    }

    /// `W_j` of a series whose spectrum has `spectrum.len()` bins, those of its own grid.
    pub(crate) fn filter_bins(
        &self,
        spectrum: &[F],
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let target = self.level(j);
        let buffers = &mut scratch.buffers;
        let Some(pieces) = self.bank.pieces(j) else {
            let cosines = &mut buffers.cosines[..target.n];
            vectorized(
                #[inline(always)]
                || low_pass(spectrum, &self.bank.low_pass, cosines),
            );
            // The DCT reads the coefficients while it fills the rest of the buffers.
            let cosines = std::mem::take(&mut buffers.cosines);
            target.cosine_adjoint(&cosines[..target.n], buffers);
            buffers.cosines = cosines;
            out_re.copy_from_slice(&buffers.real[..target.n]);
            out_im.fill(F::zero());
            return;
        };
        let complex = &mut buffers.complex[..target.n];
        vectorized(
            #[inline(always)]
            || {
                let zero = Complex::new(F::zero(), F::zero());
                if let [piece] = pieces
                    && let Some(range) = piece.inside(spectrum.len().min(target.n))
                {
                    complex[..range.start].fill(zero);
                    complex[range.end..].fill(zero);
                    set_filtered(piece, spectrum, &target.half_sample, complex);
                    return;
                }
                complex.fill(zero);
                for piece in pieces {
                    each_segment(
                        piece,
                        self.bank.n_bins,
                        spectrum.len(),
                        target.n,
                        #[inline(always)]
                        |segment| {
                            segment.apply(piece, spectrum, &target.half_sample, complex);
                        },
                    );
                }
            },
        );
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
        let accumulator = &mut accumulator[..self.n_samples];
        self.filter_bins_adjoint(grad_re, grad_im, j, accumulator, scratch);
    }

    /// Adjoint of [`filter_bins`](Self::filter_bins).
    pub(crate) fn filter_bins_adjoint(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let target = self.level(j);
        let buffers = &mut scratch.buffers;
        let Some(pieces) = self.bank.pieces(j) else {
            let mut cosines = std::mem::take(&mut buffers.cosines);
            buffers.real[..target.n].copy_from_slice(grad_re);
            target.cosine(F::one(), &mut cosines[..target.n], buffers);
            vectorized(
                #[inline(always)]
                || low_pass_adjoint(&cosines[..target.n], &self.bank.low_pass, accumulator),
            );
            buffers.cosines = cosines;
            return;
        };
        target.analyze(grad_re, grad_im, buffers);
        let complex = &buffers.complex[..target.n];
        vectorized(
            #[inline(always)]
            || {
                for piece in pieces {
                    each_segment(
                        piece,
                        self.bank.n_bins,
                        accumulator.len(),
                        target.n,
                        #[inline(always)]
                        |segment| {
                            segment.apply_adjoint(piece, complex, &target.half_sample, accumulator);
                        },
                    );
                }
            },
        );
    }

    /// Adjoint of [`spectrum`](Self::spectrum): adds to `gradient` (T) the gradient with respect to the signal.
    pub fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let level = &self.levels[0];
        let scale = F::one() / F::of(level.n as f64);
        level.cosine_adjoint(&accumulator[..level.n], &mut scratch.buffers);
        let (front, back) = scratch.buffers.real[..level.n].split_at(level.n.div_ceil(2));
        for (to, &from) in gradient.iter_mut().step_by(2).zip(front) {
            *to += from * scale;
        }
        for (to, &from) in gradient
            .iter_mut()
            .skip(1)
            .step_by(2)
            .zip(back.iter().rev())
        {
            *to += from * scale;
        }
    }

    /// Adjoint of [`spectrum_of_row`](Self::spectrum_of_row): adds to `gradient`.
    pub(crate) fn spectrum_of_row_adjoint(
        &self,
        j: usize,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let level = self.level(j);
        let scale = F::one() / F::of(level.n as f64);
        level.cosine_adjoint(&accumulator[..level.n], &mut scratch.buffers);
        for (to, &from) in gradient.iter_mut().zip(&scratch.buffers.real) {
            *to += from * scale;
        }
    }
}

/// |z| of a row.
pub(crate) fn modulus<F: Real>(re: &[F], im: &[F], out: &mut [F]) {
    vectorized(
        #[inline(always)]
        || {
            for ((to, &re), &im) in out.iter_mut().zip(re).zip(im) {
                *to = (re * re + im * im).sqrt();
            }
        },
    );
}
