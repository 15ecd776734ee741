//! Fast transforms of signals that are even about the window's ends, on one grid.
//!
//! A reflected signal is real and even about tau = 0, tau = t + 1/2, so its spectrum with respect to tau is real:
//!
//! ```text
//! S_k = (1/T) sum_n u_n cos(pi k (n + 1/2) / T),
//! ```
//!
//! a DCT-II. The output of a real filter, `y_n = sum_k R_k exp(2 pi i k (n + 1/2) / M)` with real R and M = 2T, obeys
//! `y_(M-1-n) = conj(y_n)` and follows from one complex FFT of length T: half the work of a transform of the period.
//! Its modulus is the reflection of the window's, so nothing is cropped and padded again between the layers.
//!
//! A grid keeps n samples of a window of T, n <= T of any size, at tau = (T/n) (i + 1/2): the same symmetry, and the
//! same spacing of the frequencies, k / 2T. The order of the two steps matters. Reflecting first and keeping every
//! (T/n)-th sample of the *period* afterwards preserves the half-sample symmetry; keeping every (T/n)-th sample of the
//! window and reflecting those moves the mirror by half a coarse step, an error of 1e-3.
//!
//! # Folded order
//! That FFT gives y at the even samples of the whole period: y_0, y_2, .. of the window, then, beyond its end, the
//! conjugates of .., y_3, y_1. Rows remain in this order: place i < ceil(n/2) holds y_(2i), the others
//! conj(y_(2n-1-2i)). It is also the order that a DCT-II takes its input in, so nothing is sorted between the layers;
//! sums over the window take the imaginary part of the second half with the opposite sign.

use std::f64::consts::PI;
use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::fourier::{Buffers, checked, fft_scratch_len};

/// Transforms of one grid: n samples for the window, period M = 2n.
pub(crate) struct GridFft<F: Real> {
    pub(crate) n: usize,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    real_forward: Arc<dyn RealToComplex<F>>,
    real_inverse: Arc<dyn ComplexToReal<F>>,
    /// exp(i pi k / M), k < n.
    pub(crate) half_sample: Vec<Complex<F>>,
    /// exp(-i pi k / (2n)), k <= n/2.
    quarter_wave: Vec<Complex<F>>,
}

impl<F: Real> GridFft<F> {
    /// Plans the transforms of a grid of `n` samples.
    pub(crate) fn new(n: usize, complex: &mut FftPlanner<F>, real: &mut RealFftPlanner<F>) -> Self {
        // Angles in f64 also for f32: an error of a twiddle factor would enter every coefficient.
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
        }
    }

    /// Length of the FFT scratch that any transform of this grid needs.
    pub(crate) fn scratch_len(&self) -> usize {
        fft_scratch_len(
            [&self.forward, &self.inverse],
            &self.real_forward,
            &self.real_inverse,
        )
    }

    /// DCT-II of the samples in `buffers.real` (folded): `out[k] = scale * sum_i u_i cos(pi k (i + 1/2) / n)`, k < n.
    ///
    /// The FFT V of the folded samples gives bins k and n - k at once (Makhoul 1980): the real part of
    /// `V_k exp(-i pi k / 2n)`, and minus its imaginary part.
    pub(crate) fn cosine(&self, scale: F, out: &mut [F], buffers: &mut Buffers<F>) {
        let n = self.n;
        let half = &mut buffers.half[..n / 2 + 1];
        checked(self.real_forward.process_with_scratch(
            &mut buffers.real[..n],
            half,
            &mut buffers.fft,
        ));
        vectorized(
            #[inline(always)]
            || {
                let (low, high) = out[..n].split_at_mut(n / 2 + 1);
                // Bins 0 and n/2 have no partner.
                low[0] = half[0].re * scale;
                if n.is_multiple_of(2) {
                    let (z, w) = (half[n / 2], self.quarter_wave[n / 2]);
                    low[n / 2] = (z.re * w.re - z.im * w.im) * scale;
                }
                let middle = n - n / 2;
                let (low_out, half, turn) =
                    (&mut low[1..middle], &half[1..], &self.quarter_wave[1..]);
                let count = low_out.len();
                let (half, turn, high) = (&half[..count], &turn[..count], &mut high[..count]);
                for i in 0..count {
                    let (z, w) = (half[i], turn[i]);
                    low_out[i] = (z.re * w.re - z.im * w.im) * scale;
                    high[count - 1 - i] = -(z.re * w.im + z.im * w.re) * scale;
                }
            },
        );
    }

    /// DCT-III, the adjoint of [`cosine`](Self::cosine): `u_i = sum_(k<n) x_k cos(pi k (i + 1/2) / n)` into
    /// `buffers.real`, folded.
    pub(crate) fn cosine_adjoint(&self, x: &[F], buffers: &mut Buffers<F>) {
        let n = self.n;
        let half = &mut buffers.half[..n / 2 + 1];
        let one_half = F::of(0.5);
        // Each pair (k, n - k) of cosines is one complex bin; halved, since the inverse real FFT doubles it.
        half[0] = Complex::new(x[0], F::zero());
        for k in 1..=n / 2 {
            half[k] = self.quarter_wave[k].conj() * Complex::new(x[k], -x[n - k]) * one_half;
        }
        if n.is_multiple_of(2) {
            // Rounding leaves an imaginary part at n/2, which `realfft` refuses.
            half[n / 2].im = F::zero();
        }
        checked(self.real_inverse.process_with_scratch(
            half,
            &mut buffers.real[..n],
            &mut buffers.fft,
        ));
    }

    /// `y_i = sum_(k<M) R_k exp(2 pi i k (i + 1/2) / M)` for the samples of the window, folded. `buffers.complex` holds
    /// `(R_k + i R_(k+n)) exp(i pi k / M)`, k < n.
    ///
    /// At the even samples i = 2l, bins k and k + n have one phase but for the half-sample step, exp(i pi / 2) = i: so
    /// one FFT of length n over their sum gives every other sample of the period of 2n.
    pub(crate) fn synthesize(&self, out_re: &mut [F], out_im: &mut [F], buffers: &mut Buffers<F>) {
        let complex = &mut buffers.complex[..self.n];
        self.inverse.process_with_scratch(complex, &mut buffers.fft);
        vectorized(
            #[inline(always)]
            || {
                for ((re, im), z) in out_re.iter_mut().zip(out_im).zip(complex.iter()) {
                    *re = z.re;
                    *im = z.im;
                }
            },
        );
    }

    /// Adjoint of [`synthesize`](Self::synthesize), into `buffers.complex`: with `z` its content, the gradient of `R_k` is
    /// the real part of `z_k exp(-i pi k / M)`, that of `R_(k+n)` the imaginary part.
    pub(crate) fn analyze(&self, g_re: &[F], g_im: &[F], buffers: &mut Buffers<F>) {
        let complex = &mut buffers.complex[..self.n];
        vectorized(
            #[inline(always)]
            || {
                for ((z, &re), &im) in complex.iter_mut().zip(g_re).zip(g_im) {
                    *z = Complex::new(re, im);
                }
            },
        );
        self.forward.process_with_scratch(complex, &mut buffers.fft);
    }
}

/// Reorders from time order to folded order; `conjugate` is applied to the samples beyond the window's end.
pub(crate) fn fold<T: Copy>(row: &mut Vec<T>, conjugate: impl Fn(T) -> T) {
    *row = (0..row.len())
        .map(|place| match folded_sample(place, row.len()) {
            (sample, false) => row[sample],
            (sample, true) => conjugate(row[sample]),
        })
        .collect();
}

/// The one of `n` samples at a place of the folded order, and true if its conjugate is stored.
pub(crate) fn folded_sample(place: usize, n: usize) -> (usize, bool) {
    if place < n.div_ceil(2) {
        (2 * place, false)
    } else {
        (2 * (n - place) - 1, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(n: usize) -> (GridFft<f64>, Buffers<f64>) {
        let level = GridFft::new(n, &mut FftPlanner::new(), &mut RealFftPlanner::new());
        let mut buffers = Buffers::new(n, level.scratch_len());
        buffers.real.fill(f64::NAN);
        buffers.cosines.fill(f64::NAN);
        (level, buffers)
    }

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        (0..n as u64)
            .map(|i| (((i + 1) * (seed * 2_654_435_761 + 97)) % 1009) as f64 / 504.5 - 1.0)
            .collect()
    }

    const LENGTHS: [usize; 8] = [4, 5, 6, 8, 15, 32, 36, 37];

    #[test]
    fn the_folded_order_holds_every_sample_once() {
        for n in LENGTHS {
            let mut seen: Vec<usize> = (0..n).map(|place| folded_sample(place, n).0).collect();
            let mut row: Vec<i64> = (1..=n as i64).collect();
            fold(&mut row, |x| -x);
            assert_eq!(row[n - 1], -2, "the last place holds conj(y_1)");
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn cosine_transforms_are_their_definitions() {
        for n in LENGTHS {
            let (level, mut buffers) = level(n);
            let u = numbers(n, 1);
            let angle = |k: usize, i: usize| PI * k as f64 * (i as f64 + 0.5) / n as f64;
            let mut out = vec![f64::NAN; n];
            let mut folded = u.clone();
            fold(&mut folded, |x| x);
            buffers.real[..n].copy_from_slice(&folded);
            level.cosine(0.5, &mut out, &mut buffers);
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
            level.cosine_adjoint(&u, &mut buffers);
            for place in 0..n {
                let (i, _) = folded_sample(place, n);
                let naive: f64 = u
                    .iter()
                    .enumerate()
                    .map(|(k, x)| x * angle(k, i).cos())
                    .sum();
                assert!(
                    (buffers.real[place] - naive).abs() < 1e-13 * n as f64,
                    "n {n} sample {i}"
                );
            }
        }
    }

    #[test]
    fn complex_transforms_are_their_definitions() {
        for n in LENGTHS {
            let (level, mut buffers) = level(n);
            let angle = |k: usize, i: usize| PI * k as f64 * (i as f64 + 0.5) / n as f64;
            let r = numbers(2 * n, 2);
            for k in 0..n {
                buffers.complex[k] = Complex::new(r[k], r[k + n]) * level.half_sample[k];
            }
            let (mut re, mut im) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            level.synthesize(&mut re, &mut im, &mut buffers);
            for place in 0..n {
                let (i, conjugate) = folded_sample(place, n);
                let naive: Complex<f64> = r
                    .iter()
                    .enumerate()
                    .map(|(k, r)| Complex::from_polar(*r, angle(k, i)))
                    .sum();
                let naive = if conjugate { naive.conj() } else { naive };
                assert!(
                    (naive - Complex::new(re[place], im[place])).norm() < 1e-13 * n as f64,
                    "n {n} sample {i}"
                );
            }
            let (g_re, g_im) = (numbers(n, 3), numbers(n, 4));
            level.analyze(&g_re, &g_im, &mut buffers);
            for k in 0..2 * n {
                let naive: f64 = (0..n)
                    .map(|place| {
                        let (i, conjugate) = folded_sample(place, n);
                        let g = Complex::new(g_re[place], g_im[place]);
                        let g = if conjugate { g.conj() } else { g };
                        (g * Complex::from_polar(1.0, -angle(k, i))).re
                    })
                    .sum();
                let turned = buffers.complex[k % n] * level.half_sample[k % n].conj();
                let value = if k < n { turned.re } else { turned.im };
                assert!((value - naive).abs() < 1e-13 * n as f64, "n {n} k {k}");
            }
        }
    }
}
