//! The wavelet transform of a window taken as one period, and its adjoint.

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::filter_bank::{BandPass, FilterBank};
use crate::fourier::real::Real;
use crate::wavelet_transform::reflected::modulus;

/// `W_j` of windows of N samples without padding. Spectra are bins 0 ..= N/2, normalised by 1/N, the real parts first,
/// then the imaginary ones.
pub(crate) struct PeriodicTransform<F: Real> {
    bank: FilterBank<F>,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    real_forward: Arc<dyn RealToComplex<F>>,
    real_inverse: Arc<dyn ComplexToReal<F>>,
}

/// Work space; what it holds between calls means nothing.
pub(crate) struct PeriodicScratch<F> {
    real: Vec<F>,
    full: Vec<Complex<F>>,
    half: Vec<Complex<F>>,
    fft: Vec<Complex<F>>,
}

impl<F: Real> PeriodicTransform<F> {
    pub(crate) fn new(bank: FilterBank<F>) -> Self {
        let n = bank.n_bins;
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        Self {
            bank,
            forward: complex.plan_fft_forward(n),
            inverse: complex.plan_fft_inverse(n),
            real_forward: real.plan_fft_forward(n),
            real_inverse: real.plan_fft_inverse(n),
        }
    }

    pub(crate) fn filter_bank(&self) -> &FilterBank<F> {
        &self.bank
    }

    pub(crate) fn spectrum_len(&self) -> usize {
        2 * self.n_half()
    }

    fn n(&self) -> usize {
        self.bank.n_bins
    }

    fn n_half(&self) -> usize {
        self.n() / 2 + 1
    }

    pub(crate) fn make_scratch(&self) -> PeriodicScratch<F> {
        let zero = Complex::new(F::zero(), F::zero());
        let fft = [
            self.forward.get_inplace_scratch_len(),
            self.inverse.get_inplace_scratch_len(),
            self.real_forward.get_scratch_len(),
            self.real_inverse.get_scratch_len(),
        ];
        PeriodicScratch {
            real: vec![F::zero(); self.n()],
            full: vec![zero; self.n()],
            half: vec![zero; self.n_half()],
            fft: vec![zero; fft.into_iter().max().unwrap_or(0)],
        }
    }

    pub(crate) fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut PeriodicScratch<F>) {
        scratch.real.copy_from_slice(signal);
        self.spectrum_of_scratch(out, scratch);
    }

    /// Spectrum of the modulus of a row.
    pub(crate) fn spectrum_of_modulus(
        &self,
        (re, im): (&[F], &[F]),
        out: &mut [F],
        scratch: &mut PeriodicScratch<F>,
    ) {
        modulus(re, im, &mut scratch.real);
        self.spectrum_of_scratch(out, scratch);
    }

    fn spectrum_of_scratch(&self, out: &mut [F], scratch: &mut PeriodicScratch<F>) {
        let scale = F::one() / F::of(self.n() as f64);
        run(self.real_forward.process_with_scratch(
            &mut scratch.real,
            &mut scratch.half,
            &mut scratch.fft,
        ));
        let (re, im) = out.split_at_mut(self.n_half());
        for ((re, im), z) in re.iter_mut().zip(im).zip(&scratch.half) {
            *re = z.re * scale;
            *im = z.im * scale;
        }
    }

    pub(crate) fn filter(
        &self,
        spectrum: &[F],
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut PeriodicScratch<F>,
    ) {
        let (n, n_half) = (self.n(), self.n_half());
        let (re, im) = spectrum.split_at(n_half);
        let Some(pieces) = self.bank.pieces(j) else {
            for (k, (to, &phi)) in scratch.half.iter_mut().zip(&self.bank.low_pass).enumerate() {
                *to = Complex::new(re[k] * phi, im[k] * phi);
            }
            self.invert_half(scratch);
            out_re.copy_from_slice(&scratch.real);
            out_im.fill(F::zero());
            return;
        };
        scratch.full.fill(Complex::new(F::zero(), F::zero()));
        for (k, psi) in pieces.iter().flat_map(BandPass::bins) {
            scratch.full[k] = if k < n_half {
                Complex::new(re[k], im[k]) * psi
            } else {
                Complex::new(re[n - k], -im[n - k]) * psi
            };
        }
        self.inverse
            .process_with_scratch(&mut scratch.full, &mut scratch.fft);
        for ((re, im), z) in out_re.iter_mut().zip(out_im).zip(&scratch.full) {
            *re = z.re;
            *im = z.im;
        }
    }

    /// Adds to `accumulator` the gradient with respect to the spectrum.
    pub(crate) fn filter_adjoint(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        j: usize,
        accumulator: &mut [F],
        scratch: &mut PeriodicScratch<F>,
    ) {
        let (n, n_half) = (self.n(), self.n_half());
        let (to_re, to_im) = accumulator.split_at_mut(n_half);
        let Some(pieces) = self.bank.pieces(j) else {
            // The output is real, so only the real part of its gradient counts.
            scratch.real.copy_from_slice(grad_re);
            run(self.real_forward.process_with_scratch(
                &mut scratch.real,
                &mut scratch.half,
                &mut scratch.fft,
            ));
            for (k, (g, &phi)) in scratch.half.iter().zip(&self.bank.low_pass).enumerate() {
                let alone = k == 0 || 2 * k == n;
                let weight = if alone { phi } else { phi + phi };
                to_re[k] += g.re * weight;
                to_im[k] += g.im * weight;
            }
            return;
        };
        for ((to, &re), &im) in scratch.full.iter_mut().zip(grad_re).zip(grad_im) {
            *to = Complex::new(re, im);
        }
        self.forward
            .process_with_scratch(&mut scratch.full, &mut scratch.fft);
        for (k, psi) in pieces.iter().flat_map(BandPass::bins) {
            let g = scratch.full[k] * psi;
            if k < n_half {
                to_re[k] += g.re;
                to_im[k] += g.im;
            } else {
                to_re[n - k] += g.re;
                to_im[n - k] -= g.im;
            }
        }
    }

    /// Adds to `gradient` the gradient with respect to the signal.
    pub(crate) fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut PeriodicScratch<F>,
    ) {
        let n = self.n();
        let (re, im) = accumulator.split_at(self.n_half());
        let (scale, half) = (F::one() / F::of(n as f64), F::of(0.5));
        for (k, to) in scratch.half.iter_mut().enumerate() {
            let alone = k == 0 || 2 * k == n;
            *to = Complex::new(re[k], im[k]) * if alone { scale } else { scale * half };
        }
        self.invert_half(scratch);
        for (to, &value) in gradient.iter_mut().zip(&scratch.real) {
            *to += value;
        }
    }

    fn invert_half(&self, scratch: &mut PeriodicScratch<F>) {
        // The transform to real wants exactly real ends; rounding leaves an imaginary part there.
        scratch.half[0].im = F::zero();
        let n = self.n();
        if n.is_multiple_of(2) {
            scratch.half[n / 2].im = F::zero();
        }
        run(self.real_inverse.process_with_scratch(
            &mut scratch.half,
            &mut scratch.real,
            &mut scratch.fft,
        ));
    }
}

/// `realfft` refuses only buffers of a wrong length or non-real ends, which the plan rules out.
fn run(result: Result<(), realfft::FftError>) {
    debug_assert!(result.is_ok(), "{result:?}");
}
