//! Fast transforms of windows on grids of any size, and how filters are applied to their spectra.

pub(crate) mod band;
pub(crate) mod grid;
pub(crate) mod grid_fft;
pub(crate) mod real;
pub(crate) mod simd;

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, FftError, RealToComplex};
use rustfft::Fft;

use real::Real;

/// Work space of the transforms, for the longest grid; its content between calls has no meaning.
pub(crate) struct Buffers<F> {
    /// Samples, input and output of the real transforms.
    pub(crate) real: Vec<F>,
    /// Cosine coefficients of a low-pass.
    pub(crate) cosines: Vec<F>,
    /// Input and output of the complex transforms.
    pub(crate) complex: Vec<Complex<F>>,
    /// Half spectrum of the real transforms.
    pub(crate) half: Vec<Complex<F>>,
    /// Scratch of the FFT library.
    pub(crate) fft: Vec<Complex<F>>,
}

impl<F: Real> Buffers<F> {
    /// Buffers for grids of up to `n` samples whose FFTs need `fft` elements of scratch.
    pub(crate) fn new(n: usize, fft: usize) -> Self {
        let zero = Complex::new(F::zero(), F::zero());
        Self {
            real: vec![F::zero(); n],
            cosines: vec![F::zero(); n],
            complex: vec![zero; n],
            half: vec![zero; n / 2 + 1],
            fft: vec![zero; fft],
        }
    }
}

/// Length of the FFT scratch that serves all of these plans.
pub(crate) fn fft_scratch_len<F: Real>(
    complex: [&Arc<dyn Fft<F>>; 2],
    forward: &Arc<dyn RealToComplex<F>>,
    inverse: &Arc<dyn ComplexToReal<F>>,
) -> usize {
    let complex = complex.map(|fft| fft.get_inplace_scratch_len());
    let real = [forward.get_scratch_len(), inverse.get_scratch_len()];
    complex.into_iter().chain(real).max().unwrap_or(0)
}

/// Ends the thread if a real FFT was refused: `realfft` refuses buffers of a wrong length and half spectra whose ends
/// are not real. Plans size the buffers and callers clear the ends, so a refusal is a fault of this crate, and going
/// on would return the buffers' old content as a result.
pub(crate) fn checked(result: Result<(), FftError>) {
    assert!(result.is_ok(), "real FFT refused: {result:?}");
}
