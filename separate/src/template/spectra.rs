//! Real Fourier transforms of one length, and inner products in that domain.

use std::sync::Arc;

use num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// A planned transform of `n` samples, `n` even.
///
/// Forward is not scaled, inverse by 1/n, so that the two undo each other.
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
        // The buffers are of the plan's own lengths, so there is nothing to refuse.
        let _ = self.forward.process(&mut input, &mut spectrum);
        spectrum
    }

    /// Signal of a spectrum.
    pub(crate) fn inverse(&self, mut spectrum: Vec<Complex64>) -> Vec<f64> {
        spectrum[0].im = 0.0;
        spectrum[self.n / 2].im = 0.0;
        let mut signal = self.inverse.make_output_vec();
        let _ = self.inverse.process(&mut spectrum, &mut signal);
        let scale = 1.0 / self.n as f64;
        signal.iter_mut().for_each(|v| *v *= scale);
        signal
    }

    /// Weight of a frequency in sums over half the spectrum that stand for sums over samples: 2/n, at both ends 1/n.
    pub(crate) fn weight(&self, k: usize) -> f64 {
        let ends = if k == 0 || k == self.n / 2 { 1.0 } else { 2.0 };
        ends / self.n as f64
    }
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
