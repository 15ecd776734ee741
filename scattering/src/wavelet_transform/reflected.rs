//! The wavelet transform of a window extended by its reflection, and its adjoint.

use realfft::RealFftPlanner;
use rustfft::FftPlanner;

use num_complex::Complex;

use crate::coefficients::averages::{BlockMeans, Shape};
use crate::coefficients::sums::moduli;
use crate::error::{Error, parameter};
use crate::filter_bank::FilterBank;
use crate::fourier::Buffers;
use crate::fourier::band::{each_segment, low_pass, low_pass_adjoint, set_filtered};
use crate::fourier::grid::{OVERSAMPLING_ADVICE, Oversampling, grid_sizes};
use crate::fourier::grid_fft::{GridFft, folded_sample};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::wavelet::Wavelet;

/// Plan for `W_j` of windows of T samples, extended by half-sample reflection to a period of N = 2T:
/// `x~[t] = x[t]` for t < T, and `x~[t] = x[2T - 1 - t]` beyond.
///
/// The samples of `W_j` are kept on a grid of its own: n <= T of them, spread evenly over the window, in folded order
/// ([`sample_of_place`](Self::sample_of_place)). Immutable and shared between threads; the work is done in a
/// [`TransformScratch`].
pub struct WaveletTransform<F: Real> {
    n_samples: usize,
    bank: FilterBank<F>,
    /// The distinct grids, from the finest, which is that of the window's own samples.
    grids: Vec<GridFft<F>>,
    /// Weights of a mean over the window, of each grid.
    window_means: Vec<Shape<F>>,
    /// Grid of each scale j = 0 ..= J.
    grid_of: Vec<usize>,
}

/// Work space of wavelet transforms of one window; its content between calls has no meaning.
pub struct TransformScratch<F> {
    pub(crate) buffers: Buffers<F>,
}

impl<F: Real> TransformScratch<F> {
    pub(crate) fn new(n_samples: usize, fft_scratch_len: usize) -> Self {
        Self {
            buffers: Buffers::new(n_samples, fft_scratch_len),
        }
    }
}

/// Spectrum of a reflected signal with respect to t + 1/2: real, bins 0 .. T of its grid, normalised by 1/N.
pub type Spectrum<F> = Vec<F>;

impl<F: Real> WaveletTransform<F> {
    /// Plans the transform of windows of `n_samples` with `octaves` filters, one an octave.
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
    /// kept of each scale, the low-pass last.
    pub(crate) fn from_bank(bank: FilterBank<F>, n_samples: usize, sizes: &[usize]) -> Self {
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        let mut distinct = sizes.to_vec();
        // Scales of equal size share one grid; the signal itself needs the finest.
        distinct.push(n_samples);
        distinct.sort_unstable_by(|a, b| b.cmp(a));
        distinct.dedup();
        let grids = distinct
            .iter()
            .map(|n| GridFft::new(*n, &mut complex, &mut real))
            .collect();
        let window_means = distinct
            .iter()
            .map(|n| Shape::of_window(*n, n_samples))
            .collect();
        let grid_of = sizes
            .iter()
            .map(|size| distinct.partition_point(|n| n > size))
            .collect();
        Self {
            n_samples,
            bank,
            grids,
            window_means,
            grid_of,
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

    /// Number n of samples kept of `W_j`, at t = (T/n) (i + 1/2) - 1/2 for i = 0 .. n.
    pub fn row_samples(&self, j: usize) -> usize {
        self.grid(j).n
    }

    /// The sample i at `place` in a row of scale j, and true if its conjugate is stored. The order is that of the FFTs'
    /// input and output: the even samples, then the odd ones backwards and conjugated.
    pub fn sample_of_place(&self, j: usize, place: usize) -> (usize, bool) {
        folded_sample(place, self.grid(j).n)
    }

    /// The filters.
    pub fn filter_bank(&self) -> &FilterBank<F> {
        &self.bank
    }

    /// Weights of a mean over the window of the samples kept of scale j.
    #[inline(always)]
    pub(crate) fn window_mean(&self, j: usize) -> &Shape<F> {
        &self.window_means[self.grid_of[j]]
    }

    /// Weights of means over `n_blocks` blocks of the window, for each scale.
    pub(crate) fn block_means(&self, n_blocks: usize) -> Vec<BlockMeans<F>> {
        (0..self.grid_of.len())
            .map(|j| {
                let edge = self.bank.edge(j) as f64 / self.bank.n_bins as f64;
                let n = self.grid(j).n;
                BlockMeans::folded(n, self.n_samples, n_blocks, edge, self.window_mean(j))
            })
            .collect()
    }

    fn grid(&self, j: usize) -> &GridFft<F> {
        &self.grids[self.grid_of[j]]
    }

    /// Work space for one thread.
    pub fn make_scratch(&self) -> TransformScratch<F> {
        TransformScratch::new(self.n_samples, self.fft_scratch_len())
    }

    /// Length of the FFTs' scratch.
    pub(crate) fn fft_scratch_len(&self) -> usize {
        let lengths = self.grids.iter().map(GridFft::scratch_len);
        lengths.max().unwrap_or(0)
    }

    /// A zeroed spectrum, long enough for every grid.
    pub fn make_spectrum(&self) -> Spectrum<F> {
        vec![F::zero(); self.n_samples]
    }

    /// Spectrum of the reflected `signal` (T samples, in the order of time).
    pub(crate) fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut TransformScratch<F>) {
        let grid = &self.grids[0];
        // Into folded order: even samples upwards, odd samples downwards from the end.
        let (front, back) = scratch.buffers.real[..grid.n].split_at_mut(grid.n.div_ceil(2));
        for (to, &from) in front.iter_mut().zip(signal.iter().step_by(2)) {
            *to = from;
        }
        for (to, &from) in back.iter_mut().rev().zip(signal.iter().skip(1).step_by(2)) {
            *to = from;
        }
        grid.cosine(F::one() / F::of(grid.n as f64), out, &mut scratch.buffers);
    }

    /// Spectrum of a reflected real series stored like a row of scale j.
    pub(crate) fn spectrum_of_row(
        &self,
        row: &[F],
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        scratch.buffers.real[..row.len()].copy_from_slice(row);
        let grid = self.grid(j);
        grid.cosine(F::one() / F::of(grid.n as f64), out, &mut scratch.buffers);
    }

    /// Spectrum of the modulus of a row of scale j.
    pub(crate) fn spectrum_of_modulus(
        &self,
        (re, im): (&[F], &[F]),
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let grid = self.grid(j);
        moduli(re, im, &mut scratch.buffers.real[..grid.n]);
        grid.cosine(F::one() / F::of(grid.n as f64), out, &mut scratch.buffers);
    }

    /// `W_j` of a series whose spectrum has `spectrum.len()` bins, those of its own grid.
    pub(crate) fn filter_bins(
        &self,
        spectrum: &[F],
        j: usize,
        (out_re, out_im): (&mut [F], &mut [F]),
        scratch: &mut TransformScratch<F>,
    ) {
        let target = self.grid(j);
        let buffers = &mut scratch.buffers;
        let Some(pieces) = self.bank.pieces(j) else {
            self.low_pass_bins(spectrum, target, buffers);
            out_re.copy_from_slice(&buffers.real[..target.n]);
            // An even filter keeps a real series real.
            out_im.fill(F::zero());
            return;
        };
        let complex = &mut buffers.complex[..target.n];
        vectorized(
            #[inline(always)]
            || {
                let zero = Complex::new(F::zero(), F::zero());
                // The hot path: a filter inside both grids is written, not added, and clears the rest only.
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

    /// The even low-pass of a series on the grid of scale J, into `buffers.real`: a real cosine series, so half the
    /// work of a band-pass.
    fn low_pass_bins(&self, spectrum: &[F], target: &GridFft<F>, buffers: &mut Buffers<F>) {
        // Taken out, since the DCT reads the coefficients while it writes the other buffers.
        let mut cosines = std::mem::take(&mut buffers.cosines);
        vectorized(
            #[inline(always)]
            || low_pass(spectrum, &self.bank.low_pass, &mut cosines[..target.n]),
        );
        target.cosine_adjoint(&cosines[..target.n], buffers);
        buffers.cosines = cosines;
    }

    /// Adjoint of [`filter_bins`](Self::filter_bins).
    pub(crate) fn filter_bins_adjoint(
        &self,
        (grad_re, grad_im): (&[F], &[F]),
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let target = self.grid(j);
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
    pub(crate) fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let grid = &self.grids[0];
        // The adjoint of "gather into folded order" is "scatter from it".
        let scale = F::one() / F::of(grid.n as f64);
        grid.cosine_adjoint(&accumulator[..grid.n], &mut scratch.buffers);
        let (front, back) = scratch.buffers.real[..grid.n].split_at(grid.n.div_ceil(2));
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
        let grid = self.grid(j);
        let scale = F::one() / F::of(grid.n as f64);
        grid.cosine_adjoint(&accumulator[..grid.n], &mut scratch.buffers);
        for (to, &from) in gradient.iter_mut().zip(&scratch.buffers.real) {
            *to += from * scale;
        }
    }
}
