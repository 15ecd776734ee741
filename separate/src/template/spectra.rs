//! Real Fourier transforms of one length, and inner products in that domain.

use std::sync::Arc;

use num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Planned transform of `n` samples, `n` even.
///
/// The forward transform is not scaled and the inverse is by 1/n, so that the two undo each other.
#[derive(Clone)]
pub(crate) struct Fourier {
    n: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl Fourier {
    pub(crate) fn new(n: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        Self {
            n,
            forward: planner.plan_fft_forward(n),
            inverse: planner.plan_fft_inverse(n),
        }
    }

    /// Samples.
    pub(crate) fn n_samples(&self) -> usize {
        self.n
    }

    /// Frequencies, from 0 to half the sampling rate.
    pub(crate) fn n_frequencies(&self) -> usize {
        self.n / 2 + 1
    }

    /// Spectrum of a signal, cut or filled with zeros to `n` samples.
    pub(crate) fn forward(&self, signal: &[f64]) -> Vec<Complex64> {
        let mut input = vec![0.0; self.n];
        let taken = signal.len().min(self.n);
        input[..taken].copy_from_slice(&signal[..taken]);
        let mut spectrum = self.forward.make_output_vec();
        let done = self.forward.process(&mut input, &mut spectrum);
        debug_assert!(done.is_ok(), "buffers are the plan's own");
        spectrum
    }

    /// Signal of a spectrum.
    pub(crate) fn inverse(&self, mut spectrum: Vec<Complex64>) -> Vec<f64> {
        // A real signal has real values there; the transform refuses anything else.
        spectrum[0].im = 0.0;
        spectrum[self.n / 2].im = 0.0;
        let mut signal = self.inverse.make_output_vec();
        let done = self.inverse.process(&mut spectrum, &mut signal);
        debug_assert!(done.is_ok(), "buffers are the plan's own");
        let scale = 1.0 / self.n as f64;
        signal.iter_mut().for_each(|v| *v *= scale);
        signal
    }

    /// Weight of a frequency in a sum over half the spectrum that equals the sum over samples (Parseval): 2/n, or 1/n at
    /// both ends.
    pub(crate) fn weight(&self, k: usize) -> f64 {
        let ends = if k == 0 || k == self.n / 2 { 1.0 } else { 2.0 };
        ends / self.n as f64
    }
}

/// Real part of the inner product of two half spectra, without weights.
pub(crate) fn inner_product(a: &[Complex64], b: &[Complex64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.re * b.re + a.im * b.im)
        .sum()
}

/// Spectrum in units of the background's level.
pub(crate) fn at_level(spectrum: &[Complex64], level: f64) -> Vec<Complex64> {
    spectrum.iter().map(|w| w / level).collect()
}

/// Samples `from .. from + n` of a segment, with zeros beyond its ends.
pub(crate) fn cut(segment: &[f64], from: isize, n: usize) -> Vec<f64> {
    let mut part = vec![0.0; n];
    let a = from.clamp(0, segment.len() as isize);
    let b = (from + n as isize).clamp(0, segment.len() as isize);
    if a < b {
        let at = (a - from) as usize;
        part[at..at + (b - a) as usize].copy_from_slice(&segment[a as usize..b as usize]);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_products_agree_in_both_domains() {
        let fourier = Fourier::new(16);
        let a: Vec<f64> = (0..16).map(|i| f64::from(i * i % 7)).collect();
        let b: Vec<f64> = (0..16).map(|i| f64::from(3 * i % 5)).collect();
        let direct: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let (fa, fb) = (fourier.forward(&a), fourier.forward(&b));
        let there: f64 = (0..fourier.n_frequencies())
            .map(|k| fourier.weight(k) * (fa[k].conj() * fb[k]).re)
            .sum();
        assert!((direct - there).abs() < 1e-9 * direct);
        let back = fourier.inverse(fa);
        assert!(a.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
