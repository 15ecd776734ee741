//! The wavelet transform of a window taken as one period, and its adjoint.

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::coefficients::sums::moduli;
use crate::filter_bank::{BandPass, FilterBank};
use crate::fourier::real::Real;
use crate::fourier::{Buffers, checked, fft_scratch_len};

/// `W_j` of windows of N samples without padding, on the window's own samples.
///
/// Spectra are bins 0 ..= N/2, normalised by 1/N: all real parts, then all imaginary parts.
pub(crate) struct PeriodicTransform<F: Real> {
    bank: FilterBank<F>,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    real_forward: Arc<dyn RealToComplex<F>>,
    real_inverse: Arc<dyn ComplexToReal<F>>,
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

    /// Length of the FFT scratch.
    pub(crate) fn fft_scratch_len(&self) -> usize {
        fft_scratch_len(
            [&self.forward, &self.inverse],
            &self.real_forward,
            &self.real_inverse,
        )
    }

    pub(crate) fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut Buffers<F>) {
        scratch.real.copy_from_slice(signal);
        self.spectrum_of_scratch(out, scratch);
    }

    /// Spectrum of the modulus of a row.
    pub(crate) fn spectrum_of_modulus(
        &self,
        (re, im): (&[F], &[F]),
        out: &mut [F],
        scratch: &mut Buffers<F>,
    ) {
        moduli(re, im, &mut scratch.real);
        self.spectrum_of_scratch(out, scratch);
    }

    fn spectrum_of_scratch(&self, out: &mut [F], scratch: &mut Buffers<F>) {
        let scale = F::one() / F::of(self.n() as f64);
        checked(self.real_forward.process_with_scratch(
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
        (out_re, out_im): (&mut [F], &mut [F]),
        scratch: &mut Buffers<F>,
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
        scratch.complex.fill(Complex::new(F::zero(), F::zero()));
        for (k, psi) in pieces.iter().flat_map(BandPass::bins) {
            // The upper half of the spectrum of a real series is S_(N-k) = conj(S_k).
            scratch.complex[k] = if k < n_half {
                Complex::new(re[k], im[k]) * psi
            } else {
                Complex::new(re[n - k], -im[n - k]) * psi
            };
        }
        self.inverse
            .process_with_scratch(&mut scratch.complex, &mut scratch.fft);
        for ((re, im), z) in out_re.iter_mut().zip(out_im).zip(&scratch.complex) {
            *re = z.re;
            *im = z.im;
        }
    }

    /// Adds to `accumulator` the gradient with respect to the spectrum.
    pub(crate) fn filter_adjoint(
        &self,
        (grad_re, grad_im): (&[F], &[F]),
        j: usize,
        accumulator: &mut [F],
        scratch: &mut Buffers<F>,
    ) {
        let (n, n_half) = (self.n(), self.n_half());
        let (to_re, to_im) = accumulator.split_at_mut(n_half);
        let Some(pieces) = self.bank.pieces(j) else {
            // The output is real, so the imaginary part of its gradient has no effect.
            scratch.real.copy_from_slice(grad_re);
            checked(self.real_forward.process_with_scratch(
                &mut scratch.real,
                &mut scratch.half,
                &mut scratch.fft,
            ));
            for (k, (g, &phi)) in scratch.half.iter().zip(&self.bank.low_pass).enumerate() {
                // Every bin but 0 and N/2 represents its conjugate at N - k as well.
                let alone = k == 0 || 2 * k == n;
                let weight = if alone { phi } else { phi + phi };
                to_re[k] += g.re * weight;
                to_im[k] += g.im * weight;
            }
            return;
        };
        for ((to, &re), &im) in scratch.complex.iter_mut().zip(grad_re).zip(grad_im) {
            *to = Complex::new(re, im);
        }
        self.forward
            .process_with_scratch(&mut scratch.complex, &mut scratch.fft);
        for (k, psi) in pieces.iter().flat_map(BandPass::bins) {
            let g = scratch.complex[k] * psi;
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
        scratch: &mut Buffers<F>,
    ) {
        let n = self.n();
        let (re, im) = accumulator.split_at(self.n_half());
        let (scale, half) = (F::one() / F::of(n as f64), F::of(0.5));
        for (k, to) in scratch.half.iter_mut().enumerate() {
            // The inverse real FFT doubles every bin but 0 and N/2; the adjoint of the forward one does not.
            let alone = k == 0 || 2 * k == n;
            *to = Complex::new(re[k], im[k]) * if alone { scale } else { scale * half };
        }
        self.invert_half(scratch);
        for (to, &value) in gradient.iter_mut().zip(&scratch.real) {
            *to += value;
        }
    }

    fn invert_half(&self, scratch: &mut Buffers<F>) {
        // Bins 0 and N/2 of a real series are real; rounding leaves an imaginary part, which `realfft` refuses.
        scratch.half[0].im = F::zero();
        let n = self.n();
        if n.is_multiple_of(2) {
            scratch.half[n / 2].im = F::zero();
        }
        checked(self.real_inverse.process_with_scratch(
            &mut scratch.half,
            &mut scratch.real,
            &mut scratch.fft,
        ));
    }
}
