//! The wavelet transform of one padded window, and its adjoint.

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::error::{Error, parameter};
use crate::filter_bank::{FilterBank, Wavelet};
use crate::real::Real;

/// `W_j` of windows of T samples, extended by half-sample reflection to N = 2T (MATH: section 1).
///
/// Immutable and shared between threads; the work is done in a [`TransformScratch`].
pub struct WaveletTransform<F: Real> {
    n_samples: usize,
    bank: FilterBank<F>,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    real_forward: Arc<dyn RealToComplex<F>>,
    real_inverse: Arc<dyn ComplexToReal<F>>,
}

/// Work space of a [`WaveletTransform`]; its content between calls means nothing.
pub struct TransformScratch<F> {
    real: Vec<F>,
    full: Vec<Complex<F>>,
    half: Vec<Complex<F>>,
    fft: Vec<Complex<F>>,
}

impl<F: Real> WaveletTransform<F> {
    /// Plans the transform of windows of `n_samples` with `octaves` filters.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the window is shorter than 4 samples or `octaves` does not fit it.
    pub fn new(wavelet: Wavelet, octaves: usize, n_samples: usize) -> Result<Self, Error> {
        if !(4..=1 << 28).contains(&n_samples) {
            return Err(parameter("window", n_samples, "give 4 to 2^28 samples"));
        }
        let n_bins = 2 * n_samples;
        let bank = FilterBank::new(wavelet, octaves, n_bins)?;
        let mut complex = FftPlanner::new();
        let mut real = RealFftPlanner::new();
        Ok(Self {
            n_samples,
            bank,
            forward: complex.plan_fft_forward(n_bins),
            inverse: complex.plan_fft_inverse(n_bins),
            real_forward: real.plan_fft_forward(n_bins),
            real_inverse: real.plan_fft_inverse(n_bins),
        })
    }

    /// Number J of octaves; scale J is the low-pass.
    pub fn octaves(&self) -> usize {
        self.bank.octaves()
    }

    /// Length T of a window.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of bins of [`spectrum`](Self::spectrum), N/2 + 1.
    pub fn spectrum_len(&self) -> usize {
        self.n_samples + 1
    }

    /// The filters.
    pub fn filter_bank(&self) -> &FilterBank<F> {
        &self.bank
    }

    /// Work space for one thread.
    pub fn make_scratch(&self) -> TransformScratch<F> {
        let n_bins = 2 * self.n_samples;
        let zero = Complex::new(F::zero(), F::zero());
        let fft = [
            self.forward.get_inplace_scratch_len(),
            self.inverse.get_inplace_scratch_len(),
            self.real_forward.get_scratch_len(),
            self.real_inverse.get_scratch_len(),
        ];
        TransformScratch {
            real: vec![F::zero(); n_bins],
            full: vec![zero; n_bins],
            half: vec![zero; self.spectrum_len()],
            fft: vec![zero; fft.into_iter().max().unwrap_or(0)],
        }
    }

    /// Spectrum, bins 0 ..= N/2, of the reflected `signal` (T), unnormalised.
    pub fn spectrum(
        &self,
        signal: &[F],
        out: &mut [Complex<F>],
        scratch: &mut TransformScratch<F>,
    ) {
        let (front, back) = scratch.real.split_at_mut(self.n_samples);
        front.copy_from_slice(signal);
        for (to, &from) in back.iter_mut().zip(signal.iter().rev()) {
            *to = from;
        }
        run(self
            .real_forward
            .process_with_scratch(&mut scratch.real, out, &mut scratch.fft));
    }

    /// `W_j` of the signal whose [`spectrum`](Self::spectrum) is given, on the T samples of the window.
    pub fn filter(
        &self,
        spectrum: &[Complex<F>],
        j: usize,
        out_re: &mut [F],
        out_im: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let scale = F::one() / F::of(2.0 * self.n_samples as f64);
        if j == self.octaves() {
            for ((to, from), &phi) in scratch
                .half
                .iter_mut()
                .zip(spectrum)
                .zip(&self.bank.low_pass)
            {
                *to = from * (phi * scale);
            }
            self.invert_half(scratch);
            out_re.copy_from_slice(&scratch.real[..self.n_samples]);
            out_im.fill(F::zero());
            return;
        }
        let band = &self.bank.band_pass[j];
        let n_bins = 2 * self.n_samples;
        scratch.full.fill(Complex::new(F::zero(), F::zero()));
        for (i, &psi) in band.values.iter().enumerate() {
            let k = band.first_bin + i;
            let value = if k <= self.n_samples {
                spectrum[k]
            } else {
                spectrum[n_bins - k].conj()
            };
            scratch.full[k] = value * (psi * scale);
        }
        self.inverse
            .process_with_scratch(&mut scratch.full, &mut scratch.fft);
        for ((re, im), z) in out_re.iter_mut().zip(out_im.iter_mut()).zip(&scratch.full) {
            *re = z.re;
            *im = z.im;
        }
    }

    /// Adds the adjoint of [`filter`](Self::filter) applied to a gradient (T) to `accumulator`, a one-sided
    /// spectrum of N bins, for [`spectrum_adjoint`](Self::spectrum_adjoint).
    pub fn filter_adjoint(
        &self,
        grad_re: &[F],
        grad_im: &[F],
        j: usize,
        accumulator: &mut [Complex<F>],
        scratch: &mut TransformScratch<F>,
    ) {
        let scale = F::one() / F::of(2.0 * self.n_samples as f64);
        if j == self.octaves() {
            // The output is real, so only the real part of its gradient counts; bins k and N - k are one.
            let (front, back) = scratch.real.split_at_mut(self.n_samples);
            front.copy_from_slice(grad_re);
            back.fill(F::zero());
            run(self.real_forward.process_with_scratch(
                &mut scratch.real,
                &mut scratch.half,
                &mut scratch.fft,
            ));
            for (k, (g, &phi)) in scratch.half.iter().zip(&self.bank.low_pass).enumerate() {
                let fold = if k == 0 || k == self.n_samples {
                    F::one()
                } else {
                    F::of(2.0)
                };
                accumulator[k] += g * (phi * scale * fold);
            }
            return;
        }
        let zero = Complex::new(F::zero(), F::zero());
        let (front, back) = scratch.full.split_at_mut(self.n_samples);
        for ((to, &re), &im) in front.iter_mut().zip(grad_re).zip(grad_im) {
            *to = Complex::new(re, im);
        }
        back.fill(zero);
        self.forward
            .process_with_scratch(&mut scratch.full, &mut scratch.fft);
        let band = &self.bank.band_pass[j];
        let bins = band.first_bin..band.first_bin + band.values.len();
        for ((to, g), &psi) in accumulator[bins.clone()]
            .iter_mut()
            .zip(&scratch.full[bins])
            .zip(&band.values)
        {
            *to += g * (psi * scale);
        }
    }

    /// Adjoint of [`spectrum`](Self::spectrum): adds to `gradient` (T) the gradient with respect to the signal.
    /// Written for a gradient g of a complex z that means dL = Re(conj(g) dz).
    pub fn spectrum_adjoint(
        &self,
        accumulator: &[Complex<F>],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        let n_bins = 2 * self.n_samples;
        let half = F::of(0.5);
        scratch.half[0] = Complex::new(accumulator[0].re, F::zero());
        scratch.half[self.n_samples] = Complex::new(accumulator[self.n_samples].re, F::zero());
        for k in 1..self.n_samples {
            scratch.half[k] = (accumulator[k] + accumulator[n_bins - k].conj()) * half;
        }
        self.invert_half(scratch);
        let (front, back) = scratch.real.split_at(self.n_samples);
        for ((to, &a), &b) in gradient.iter_mut().zip(front).zip(back.iter().rev()) {
            *to += a + b;
        }
    }

    fn invert_half(&self, scratch: &mut TransformScratch<F>) {
        // The transform to real wants exactly real ends; rounding leaves an imaginary part there.
        scratch.half[0].im = F::zero();
        scratch.half[self.n_samples].im = F::zero();
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
