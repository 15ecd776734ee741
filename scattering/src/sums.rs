//! Sums over the places of a row.
//!
//! Independent partial sums let the compiler use vector registers, and fix the order of summation. Everything is inlined
//! into [`vectorized`](crate::simd::vectorized) callers.

use num_complex::Complex;

use crate::block_means::Weights;
use crate::real::Real;

/// Partial sums of each sum: two AVX registers of `f32`.
const LANES: usize = 16;

/// A weight for each place.
pub(crate) trait Weight<F>: Copy {
    fn at(&self, place: usize) -> F;
    fn part(self, n: usize) -> Self;
}

/// All weights are 1.
#[derive(Clone, Copy)]
pub(crate) struct One;

impl<F: Real> Weight<F> for One {
    #[inline(always)]
    fn at(&self, _: usize) -> F {
        F::one()
    }
    #[inline(always)]
    fn part(self, _: usize) -> Self {
        self
    }
}

impl<F: Real> Weight<F> for &[F] {
    #[inline(always)]
    fn at(&self, place: usize) -> F {
        self[place]
    }
    #[inline(always)]
    fn part(self, n: usize) -> Self {
        &self[..n]
    }
}

/// sum w_r Re(a . conj(b)) + i sum w_i Im(a . conj(b)).
#[inline(always)]
pub(crate) fn product<F: Real>(
    (a_re, a_im): (&[F], &[F]),
    (b_re, b_im): (&[F], &[F]),
    real: &Weights<F>,
    imaginary: &Weights<F>,
) -> Complex<F> {
    let (a, b) = ((a_re, a_im), (b_re, b_im));
    match (real, imaginary) {
        (Weights::Uniform(real), Weights::Uniform(imaginary)) => {
            let (re, im) = product_sums(a, b, One, One);
            Complex::new(re * *real, im * *imaginary)
        }
        (Weights::Uniform(real), Weights::Each(imaginary)) => {
            let (re, im) = product_sums(a, b, One, &imaginary[..]);
            Complex::new(re * *real, im)
        }
        (Weights::Each(real), Weights::Each(imaginary)) => {
            let (re, im) = product_sums(a, b, &real[..], &imaginary[..]);
            Complex::new(re, im)
        }
        (Weights::Each(real), Weights::Uniform(imaginary)) => {
            let (re, im) = product_sums(a, b, &real[..], One);
            Complex::new(re, im * *imaginary)
        }
    }
}

#[inline(always)]
pub(crate) fn product_sums<F: Real>(
    (a_re, a_im): (&[F], &[F]),
    (b_re, b_im): (&[F], &[F]),
    real: impl Weight<F>,
    imaginary: impl Weight<F>,
) -> (F, F) {
    let n = a_re.len();
    let (a_im, b_re, b_im) = (&a_im[..n], &b_re[..n], &b_im[..n]);
    let (real, imaginary) = (real.part(n), imaginary.part(n));
    let mut re = [F::zero(); LANES];
    let mut im = [F::zero(); LANES];
    let whole = n - n % LANES;
    for t in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            let i = t + l;
            re[l] += real.at(i) * (a_re[i] * b_re[i] + a_im[i] * b_im[i]);
            im[l] += imaginary.at(i) * (a_im[i] * b_re[i] - a_re[i] * b_im[i]);
        }
    }
    for i in whole..n {
        re[i - whole] += real.at(i) * (a_re[i] * b_re[i] + a_im[i] * b_im[i]);
        im[i - whole] += imaginary.at(i) * (a_im[i] * b_re[i] - a_re[i] * b_im[i]);
    }
    (lane_sum(re), lane_sum(im))
}

/// sum w f(z).
#[inline(always)]
pub(crate) fn weighted_sum<F: Real>(
    (re, im): (&[F], &[F]),
    weights: &Weights<F>,
    f: impl Fn(F, F) -> F,
) -> F {
    match weights {
        Weights::Uniform(weight) => plain_sum(re, im, One, f) * *weight,
        Weights::Each(weights) => plain_sum(re, im, &weights[..], f),
    }
}

#[inline(always)]
fn plain_sum<F: Real>(re: &[F], im: &[F], weights: impl Weight<F>, f: impl Fn(F, F) -> F) -> F {
    let n = re.len();
    let im = &im[..n];
    let weights = weights.part(n);
    let mut sum = [F::zero(); LANES];
    let whole = n - n % LANES;
    for t in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            sum[l] += weights.at(t + l) * f(re[t + l], im[t + l]);
        }
    }
    for i in whole..n {
        sum[i - whole] += weights.at(i) * f(re[i], im[i]);
    }
    lane_sum(sum)
}

/// |z|^2.
#[inline(always)]
pub(crate) fn power<F: Real>(re: F, im: F) -> F {
    re * re + im * im
}

/// |z|.
#[inline(always)]
pub(crate) fn modulus<F: Real>(re: F, im: F) -> F {
    (re * re + im * im).sqrt()
}

/// to += (w_r Re g + i w_i Im g) . b.
#[inline(always)]
pub(crate) fn add_product<F: Real>(
    g: Complex<F>,
    (b_re, b_im): (&[F], &[F]),
    real: &Weights<F>,
    imaginary: &Weights<F>,
    to: (&mut [F], &mut [F]),
) {
    let b = (b_re, b_im);
    match (real, imaginary) {
        (Weights::Uniform(real), Weights::Uniform(imaginary)) => {
            let g = Complex::new(g.re * *real, g.im * *imaginary);
            add_weighted(g, b, One, One, to);
        }
        (Weights::Uniform(real), Weights::Each(imaginary)) => {
            let g = Complex::new(g.re * *real, g.im);
            add_weighted(g, b, One, &imaginary[..], to);
        }
        (Weights::Each(real), Weights::Each(imaginary)) => {
            add_weighted(g, b, &real[..], &imaginary[..], to);
        }
        (Weights::Each(real), Weights::Uniform(imaginary)) => {
            let g = Complex::new(g.re, g.im * *imaginary);
            add_weighted(g, b, &real[..], One, to);
        }
    }
}

#[inline(always)]
pub(crate) fn add_weighted<F: Real>(
    g: Complex<F>,
    (b_re, b_im): (&[F], &[F]),
    real: impl Weight<F>,
    imaginary: impl Weight<F>,
    (to_re, to_im): (&mut [F], &mut [F]),
) {
    let n = b_re.len();
    let (b_im, to_re, to_im) = (&b_im[..n], &mut to_re[..n], &mut to_im[..n]);
    let (real, imaginary) = (real.part(n), imaginary.part(n));
    if g.im == F::zero() {
        for t in 0..n {
            let g_re = g.re * real.at(t);
            to_re[t] += g_re * b_re[t];
            to_im[t] += g_re * b_im[t];
        }
        return;
    }
    for t in 0..n {
        let (g_re, g_im) = (g.re * real.at(t), g.im * imaginary.at(t));
        to_re[t] += g_re * b_re[t] - g_im * b_im[t];
        to_im[t] += g_re * b_im[t] + g_im * b_re[t];
    }
}

#[inline(always)]
fn lane_sum<F: Real>(mut lanes: [F; LANES]) -> F {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}
