//! Fast transforms of signals that are even about the middle of the window's end, at one sampling rate.
//!
//! A reflected signal is real and even about tau = 0, tau = t + 1/2, so its spectrum with respect to tau is real:
//! S_k = (1/T) sum_n u_n cos(pi k (n + 1/2) / T), a DCT-II. What a real filter makes of it,
//! y_n = sum_k R_k exp(2 pi i k (n + 1/2) / M) with real R and M = 2T, obeys y_(M-1-n) = conj(y_n), and comes from one
//! complex FFT of length T.
//!
//! A level keeps every r-th part of the samples, at tau = r (n + 1/2): the same symmetry, so nothing is reflected
//! twice, and the same spacing of the frequencies, k / N.

use std::f64::consts::PI;
use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::real::Real;

/// One sampling rate: T samples of the window, period M = 2T.
pub(crate) struct Level<F: Real> {
    pub(crate) n: usize,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    real_forward: Arc<dyn RealToComplex<F>>,
    real_inverse: Arc<dyn ComplexToReal<F>>,
    /// exp(i pi k / M), k < T.
    half_sample: Vec<Complex<F>>,
    /// exp(-i pi k / (2T)), k <= T/2.
    quarter_wave: Vec<Complex<F>>,
    /// Weights of the imaginary part in a mean over the window, where they are not 1/T.
    pub(crate) imaginary_weights: Option<Vec<F>>,
}

/// Buffers of the transforms, for the longest level; what they hold between calls means nothing.
pub(crate) struct Buffers<F> {
    pub(crate) real: Vec<F>,
    pub(crate) spectrum: Vec<F>,
    complex: Vec<Complex<F>>,
    half: Vec<Complex<F>>,
    fft: Vec<Complex<F>>,
}

impl<F: Real> Level<F> {
    /// Plans a level of `n` samples that stands for `n * rate` samples of the window.
    pub(crate) fn new(
        n: usize,
        rate: usize,
        complex: &mut FftPlanner<F>,
        real: &mut RealFftPlanner<F>,
    ) -> Self {
        let turn = |angle: f64| Complex::new(F::of(angle.cos()), F::of(angle.sin()));
        Self {
            n,
            forward: complex.plan_fft_forward(n),
            inverse: complex.plan_fft_inverse(n),
            real_forward: real.plan_fft_forward(n),
            real_inverse: real.plan_fft_inverse(n),
            half_sample: (0..n)
                .map(|k| turn(PI * k as f64 / (2 * n) as f64))
                .collect(),
            quarter_wave: (0..=n / 2)
                .map(|k| turn(-PI * k as f64 / (2 * n) as f64))
                .collect(),
            imaginary_weights: (rate > 1)
                .then(|| imaginary_weights(n, rate).into_iter().map(F::of).collect()),
        }
    }

    /// Length of the FFT scratch that any transform of this level needs.
    pub(crate) fn scratch_len(&self) -> usize {
        [
            self.forward.get_inplace_scratch_len(),
            self.inverse.get_inplace_scratch_len(),
            self.real_forward.get_scratch_len(),
            self.real_inverse.get_scratch_len(),
        ]
        .into_iter()
        .max()
        .unwrap_or(0)
    }

    /// DCT-II: `out[k] = scale * sum_n u_n cos(pi k (n + 1/2) / T)`, k < T.
    pub(crate) fn cosine(&self, u: &[F], scale: F, out: &mut [F], buffers: &mut Buffers<F>) {
        let n = self.n;
        let shuffled = &mut buffers.real[..n];
        for (to, &from) in shuffled.iter_mut().zip(u.iter().step_by(2)) {
            *to = from;
        }
        for (to, &from) in shuffled.iter_mut().rev().zip(u.iter().skip(1).step_by(2)) {
            *to = from;
        }
        let half = &mut buffers.half[..n / 2 + 1];
        run(self
            .real_forward
            .process_with_scratch(shuffled, half, &mut buffers.fft));
        for (k, (v, w)) in half.iter().zip(&self.quarter_wave).enumerate() {
            let z = v * w * scale;
            out[k] = z.re;
            if k > 0 {
                out[n - k] = -z.im;
            }
        }
        // k = T/2 was written twice, by its real and its imaginary part; both are right.
    }

    /// DCT-III, the adjoint of [`cosine`](Self::cosine): `u_n = sum_(k<T) x_k cos(pi k (n + 1/2) / T)`, handed to `each`.
    pub(crate) fn cosine_adjoint(
        &self,
        x: &[F],
        buffers: &mut Buffers<F>,
        mut each: impl FnMut(usize, F),
    ) {
        let n = self.n;
        let half = &mut buffers.half[..n / 2 + 1];
        let one_half = F::of(0.5);
        half[0] = Complex::new(x[0], F::zero());
        for k in 1..=n / 2 {
            half[k] = self.quarter_wave[k].conj() * Complex::new(x[k], -x[n - k]) * one_half;
        }
        if n.is_multiple_of(2) {
            half[n / 2].im = F::zero();
        }
        let shuffled = &mut buffers.real[..n];
        run(self
            .real_inverse
            .process_with_scratch(half, shuffled, &mut buffers.fft));
        let front = n.div_ceil(2);
        for (i, &value) in shuffled[..front].iter().enumerate() {
            each(2 * i, value);
        }
        for (i, &value) in shuffled[front..].iter().rev().enumerate() {
            each(2 * i + 1, value);
        }
    }

    /// `y_n = sum_(k<M) R_k exp(2 pi i k (n + 1/2) / M)` for n < T; `buffers.spectrum` holds R (M of it).
    pub(crate) fn synthesize(&self, out_re: &mut [F], out_im: &mut [F], buffers: &mut Buffers<F>) {
        let n = self.n;
        let (low, high) = buffers.spectrum[..2 * n].split_at(n);
        let complex = &mut buffers.complex[..n];
        for (((to, &re), &im), w) in complex.iter_mut().zip(low).zip(high).zip(&self.half_sample) {
            *to = Complex::new(re, im) * w;
        }
        self.inverse.process_with_scratch(complex, &mut buffers.fft);
        // Even n stand at n/2; odd ones are conjugates of even ones beyond the window.
        for (i, (re, im)) in out_re
            .iter_mut()
            .step_by(2)
            .zip(out_im.iter_mut().step_by(2))
            .enumerate()
        {
            *re = complex[i].re;
            *im = complex[i].im;
        }
        for (i, (re, im)) in out_re
            .iter_mut()
            .skip(1)
            .step_by(2)
            .zip(out_im.iter_mut().skip(1).step_by(2))
            .enumerate()
        {
            let z = complex[n - 1 - i];
            *re = z.re;
            *im = -z.im;
        }
    }

    /// Adjoint of [`synthesize`](Self::synthesize): `buffers.spectrum[k] = Re sum_n g_n exp(-2 pi i k (n + 1/2) / M)`,
    /// k < M.
    pub(crate) fn analyze(&self, g_re: &[F], g_im: &[F], buffers: &mut Buffers<F>) {
        let n = self.n;
        let complex = &mut buffers.complex[..n];
        for (i, (&re, &im)) in g_re
            .iter()
            .step_by(2)
            .zip(g_im.iter().step_by(2))
            .enumerate()
        {
            complex[i] = Complex::new(re, im);
        }
        for (i, (&re, &im)) in g_re
            .iter()
            .skip(1)
            .step_by(2)
            .zip(g_im.iter().skip(1).step_by(2))
            .enumerate()
        {
            complex[n - 1 - i] = Complex::new(re, -im);
        }
        self.forward.process_with_scratch(complex, &mut buffers.fft);
        let (low, high) = buffers.spectrum[..2 * n].split_at_mut(n);
        for (((low, high), z), w) in low
            .iter_mut()
            .zip(high)
            .zip(complex.iter())
            .zip(&self.half_sample)
        {
            let turned = z * w.conj();
            *low = turned.re;
            *high = turned.im;
        }
    }
}

impl<F: Real> Buffers<F> {
    /// Buffers for levels of up to `n` samples.
    pub(crate) fn new(n: usize, fft: usize) -> Self {
        let zero = Complex::new(F::zero(), F::zero());
        Self {
            real: vec![F::zero(); n],
            spectrum: vec![F::zero(); 2 * n],
            complex: vec![zero; n],
            half: vec![zero; n / 2 + 1],
            fft: vec![zero; fft],
        }
    }
}

/// Weights w_n such that sum w_n s(tau_n) is the mean over the window's samples of any odd function s of tau that the
/// level resolves. An odd function is a sum of sines; that of sin(pi k tau / T_0) over the T_0 samples of the window is
/// 1 / (T_0 sin(pi k / (2 T_0))) for odd k and 0 for even k.
fn imaginary_weights(n: usize, rate: usize) -> Vec<f64> {
    let full = (n * rate) as f64;
    let period = 2 * n;
    let mut series = vec![Complex::new(0.0, 0.0); period];
    for (k, term) in series.iter_mut().enumerate().take(n + 1).skip(1).step_by(2) {
        let mean = 1.0 / (full * (PI * k as f64 / (2.0 * full)).sin());
        let amplitude = if k == n { 1.0 } else { 2.0 } / n as f64;
        *term = Complex::from_polar(amplitude * mean, PI * k as f64 / period as f64);
    }
    FftPlanner::new()
        .plan_fft_inverse(period)
        .process(&mut series);
    series[..n].iter().map(|z| z.im).collect()
}

/// `realfft` refuses only buffers of a wrong length or non-real ends, which the plan rules out.
fn run(result: Result<(), realfft::FftError>) {
    debug_assert!(result.is_ok(), "{result:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(n: usize) -> (Level<f64>, Buffers<f64>) {
        let level = Level::new(n, 1, &mut FftPlanner::new(), &mut RealFftPlanner::new());
        let buffers = Buffers::new(n, level.scratch_len());
        (level, buffers)
    }

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        (0..n as u64)
            .map(|i| (((i + 1) * (seed * 2_654_435_761 + 97)) % 1009) as f64 / 504.5 - 1.0)
            .collect()
    }

    #[test]
    fn transforms_are_their_definitions() {
        for n in [4, 5, 8, 15, 32, 37] {
            let (level, mut buffers) = level(n);
            let u = numbers(n, 1);
            let angle = |k: usize, i: usize| PI * k as f64 * (i as f64 + 0.5) / n as f64;
            let mut out = vec![f64::NAN; n];
            level.cosine(&u, 0.5, &mut out, &mut buffers);
            for (k, value) in out.iter().enumerate() {
                let naive: f64 = u
                    .iter()
                    .enumerate()
                    .map(|(i, u)| u * angle(k, i).cos())
                    .sum();
                assert!(
                    (value - 0.5 * naive).abs() < 1e-13 * n as f64,
                    "n {n} k {k}"
                );
            }
            level.cosine_adjoint(&u, &mut buffers, |i, value| {
                let naive: f64 = u
                    .iter()
                    .enumerate()
                    .map(|(k, x)| x * angle(k, i).cos())
                    .sum();
                assert!((value - naive).abs() < 1e-13 * n as f64, "n {n} sample {i}");
            });
            let spectrum = numbers(2 * n, 2);
            buffers.spectrum[..2 * n].copy_from_slice(&spectrum);
            let (mut re, mut im) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            level.synthesize(&mut re, &mut im, &mut buffers);
            for i in 0..n {
                let naive: Complex<f64> = spectrum
                    .iter()
                    .enumerate()
                    .map(|(k, r)| Complex::from_polar(*r, angle(k, i)))
                    .sum();
                assert!(
                    (naive - Complex::new(re[i], im[i])).norm() < 1e-13 * n as f64,
                    "n {n} sample {i}"
                );
            }
            let (g_re, g_im) = (numbers(n, 3), numbers(n, 4));
            level.analyze(&g_re, &g_im, &mut buffers);
            for k in 0..2 * n {
                let naive: f64 = (0..n)
                    .map(|i| {
                        (Complex::new(g_re[i], g_im[i]) * Complex::from_polar(1.0, -angle(k, i))).re
                    })
                    .sum();
                assert!(
                    (buffers.spectrum[k] - naive).abs() < 1e-13 * n as f64,
                    "n {n} k {k}"
                );
            }
        }
    }

    #[test]
    fn imaginary_weights_give_the_fine_mean() {
        let (n, rate) = (16, 8);
        let weights = imaginary_weights(n, rate);
        let fine = n * rate;
        for k in 1..n {
            let coarse: f64 = weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * (PI * k as f64 * (i as f64 + 0.5) / n as f64).sin())
                .sum();
            let mean: f64 = (0..fine)
                .map(|t| (PI * k as f64 * (t as f64 + 0.5) / fine as f64).sin())
                .sum::<f64>()
                / fine as f64;
            assert!(
                (coarse - mean).abs() < 1e-14,
                "k {k}: {coarse} against {mean}"
            );
        }
    }
}
