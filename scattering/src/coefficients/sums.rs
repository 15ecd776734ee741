//! Weighted sums over the samples of a row.
//!
//! Independent partial sums let the compiler use vector registers, and fix the order of summation: results do not
//! depend on the machine. Everything is inlined into [`vectorized`](crate::fourier::simd::vectorized) callers.

use num_complex::Complex;

use crate::coefficients::averages::{Shape, Weights};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;

/// Partial sums of each sum: two AVX registers of `f32`, enough to hide the latency of an addition.
const LANES: usize = 16;

/// A weight for each place, in groups of [`LANES`].
pub(crate) trait Weight<F>: Copy {
    /// The weights of a group.
    fn group(&self, group: usize) -> [F; LANES];
    /// The weight at a place.
    fn at(&self, place: usize) -> F;
}

/// All weights are 1.
#[derive(Clone, Copy)]
pub(crate) struct One;

impl<F: Real> Weight<F> for One {
    #[inline(always)]
    fn group(&self, _: usize) -> [F; LANES] {
        [F::one(); LANES]
    }
    #[inline(always)]
    fn at(&self, _: usize) -> F {
        F::one()
    }
}

impl<F: Real> Weight<F> for &[F] {
    #[inline(always)]
    fn group(&self, group: usize) -> [F; LANES] {
        self.as_chunks().0[group]
    }
    #[inline(always)]
    fn at(&self, place: usize) -> F {
        self[place]
    }
}

/// `sum w_r Re(a . conj(b)) + i sum w_i Im(a . conj(b))`, with the weights of `shape` from `offset`.
#[inline(always)]
pub(crate) fn product<F: Real>(
    a: (&[F], &[F]),
    b: (&[F], &[F]),
    shape: &Shape<F>,
    offset: usize,
) -> Complex<F> {
    let within = offset..offset + a.0.len();
    // Equal weights are applied to the finished sum: a load and a multiplication less for each sample.
    match (&shape.real, &shape.imaginary) {
        (Weights::Mean(real), Weights::Mean(imaginary)) => {
            let (re, im) = product_sums(a, b, One, One);
            Complex::new(re * real.recip(), im * imaginary.recip())
        }
        (Weights::Mean(real), Weights::Each(imaginary)) => {
            let (re, im) = product_sums(a, b, One, &imaginary[within]);
            Complex::new(re * real.recip(), im)
        }
        (Weights::Each(real), Weights::Each(imaginary)) => {
            let (re, im) = product_sums(a, b, &real[within.clone()], &imaginary[within]);
            Complex::new(re, im)
        }
        (Weights::Each(real), Weights::Mean(imaginary)) => {
            let (re, im) = product_sums(a, b, &real[within], One);
            Complex::new(re, im * imaginary.recip())
        }
    }
}

/// Sums over real and imaginary parts of `a . conj(b)`, each with its weights.
#[inline(always)]
fn product_sums<F: Real>(
    (a_re, a_im): (&[F], &[F]),
    (b_re, b_im): (&[F], &[F]),
    real: impl Weight<F>,
    imaginary: impl Weight<F>,
) -> (F, F) {
    let n = a_re.len();
    let (a_re, a_re_rest) = a_re.as_chunks::<LANES>();
    let (a_im, a_im_rest) = a_im[..n].as_chunks::<LANES>();
    let (b_re, b_re_rest) = b_re[..n].as_chunks::<LANES>();
    let (b_im, b_im_rest) = b_im[..n].as_chunks::<LANES>();
    let mut re = [F::zero(); LANES];
    let mut im = [F::zero(); LANES];
    let groups = a_re.iter().zip(a_im).zip(b_re.iter().zip(b_im));
    for (group, ((a_re, a_im), (b_re, b_im))) in groups.enumerate() {
        let (real, imaginary) = (real.group(group), imaginary.group(group));
        for l in 0..LANES {
            re[l] += real[l] * (a_re[l] * b_re[l] + a_im[l] * b_im[l]);
            im[l] += imaginary[l] * (a_im[l] * b_re[l] - a_re[l] * b_im[l]);
        }
    }
    let whole = n - a_re_rest.len();
    for l in 0..a_re_rest.len() {
        let (a_re, a_im) = (a_re_rest[l], a_im_rest[l]);
        let (b_re, b_im) = (b_re_rest[l], b_im_rest[l]);
        re[l] += real.at(whole + l) * (a_re * b_re + a_im * b_im);
        im[l] += imaginary.at(whole + l) * (a_im * b_re - a_re * b_im);
    }
    (lane_sum(re), lane_sum(im))
}

/// `sum w f(z)`.
#[inline(always)]
pub(crate) fn weighted_sum<F: Real>(
    z: (&[F], &[F]),
    weights: &Weights<F>,
    f: impl Fn(F, F) -> F,
) -> F {
    weighted_sum_from(z, weights, 0, f)
}

/// `sum w f(z)`, with the weights from `offset`.
#[inline(always)]
pub(crate) fn weighted_sum_from<F: Real>(
    (re, im): (&[F], &[F]),
    weights: &Weights<F>,
    offset: usize,
    f: impl Fn(F, F) -> F,
) -> F {
    match weights {
        Weights::Mean(n) => plain_sum(re, im, One, f) * n.recip(),
        Weights::Each(weights) => plain_sum(re, im, &weights[offset..offset + re.len()], f),
    }
}

/// `sum w f(z)` for weights of any kind.
#[inline(always)]
fn plain_sum<F: Real>(re: &[F], im: &[F], weights: impl Weight<F>, f: impl Fn(F, F) -> F) -> F {
    let n = re.len();
    let (re, re_rest) = re.as_chunks::<LANES>();
    let (im, im_rest) = im[..n].as_chunks::<LANES>();
    let mut sum = [F::zero(); LANES];
    for (group, (re, im)) in re.iter().zip(im).enumerate() {
        let weights = weights.group(group);
        for l in 0..LANES {
            sum[l] += weights[l] * f(re[l], im[l]);
        }
    }
    // The rest is spread over the lanes as if the row were padded with zeros, so the order of summation is one for
    // all n.
    let whole = n - re_rest.len();
    for l in 0..re_rest.len() {
        sum[l] += weights.at(whole + l) * f(re_rest[l], im_rest[l]);
    }
    lane_sum(sum)
}

/// `|z|^2`.
#[inline(always)]
pub(crate) fn power<F: Real>(re: F, im: F) -> F {
    re * re + im * im
}

/// `|z|`.
#[inline(always)]
pub(crate) fn modulus<F: Real>(re: F, im: F) -> F {
    (re * re + im * im).sqrt()
}

/// `|z|` of a row.
pub(crate) fn moduli<F: Real>(re: &[F], im: &[F], out: &mut [F]) {
    vectorized(
        #[inline(always)]
        || {
            for ((to, &re), &im) in out.iter_mut().zip(re).zip(im) {
                *to = modulus(re, im);
            }
        },
    );
}

/// `to += (w_r Re g + i w_i Im g) . b`, the adjoint of [`product`] with respect to `a`; that to `b` takes `conj(g)`.
#[inline(always)]
pub(crate) fn add_product<F: Real>(
    g: Complex<F>,
    b: (&[F], &[F]),
    shape: &Shape<F>,
    to: (&mut [F], &mut [F]),
) {
    match (&shape.real, &shape.imaginary) {
        (Weights::Mean(real), Weights::Mean(imaginary)) => {
            let g = Complex::new(g.re / *real, g.im / *imaginary);
            add_weighted(g, b, One, One, to);
        }
        (Weights::Mean(real), Weights::Each(imaginary)) => {
            let g = Complex::new(g.re / *real, g.im);
            add_weighted(g, b, One, &imaginary[..], to);
        }
        (Weights::Each(real), Weights::Each(imaginary)) => {
            add_weighted(g, b, &real[..], &imaginary[..], to);
        }
        (Weights::Each(real), Weights::Mean(imaginary)) => {
            let g = Complex::new(g.re, g.im / *imaginary);
            add_weighted(g, b, &real[..], One, to);
        }
    }
}

/// `to += (w_r Re g + i w_i Im g) . b` for weights of any kind.
#[inline(always)]
pub(crate) fn add_weighted<F: Real>(
    g: Complex<F>,
    (b_re, b_im): (&[F], &[F]),
    real: impl Weight<F>,
    imaginary: impl Weight<F>,
    (to_re, to_im): (&mut [F], &mut [F]),
) {
    let n = b_re.len();
    let (b_re, b_re_rest) = b_re.as_chunks::<LANES>();
    let (b_im, b_im_rest) = b_im[..n].as_chunks::<LANES>();
    let (to_re, to_re_rest) = to_re[..n].as_chunks_mut::<LANES>();
    let (to_im, to_im_rest) = to_im[..n].as_chunks_mut::<LANES>();
    let groups = b_re.iter().zip(b_im).zip(to_re.iter_mut().zip(to_im));
    let whole = n - b_re_rest.len();
    // Gradients of real coefficients, most of a table, have no imaginary part: half the multiplications.
    if g.im == F::zero() {
        for (group, ((b_re, b_im), (to_re, to_im))) in groups.enumerate() {
            let real = real.group(group);
            for l in 0..LANES {
                let g_re = g.re * real[l];
                to_re[l] += g_re * b_re[l];
                to_im[l] += g_re * b_im[l];
            }
        }
    } else {
        for (group, ((b_re, b_im), (to_re, to_im))) in groups.enumerate() {
            let (real, imaginary) = (real.group(group), imaginary.group(group));
            for l in 0..LANES {
                let (g_re, g_im) = (g.re * real[l], g.im * imaginary[l]);
                to_re[l] += g_re * b_re[l] - g_im * b_im[l];
                to_im[l] += g_re * b_im[l] + g_im * b_re[l];
            }
        }
    }
    for l in 0..b_re_rest.len() {
        let (g_re, g_im) = (g.re * real.at(whole + l), g.im * imaginary.at(whole + l));
        to_re_rest[l] += g_re * b_re_rest[l] - g_im * b_im_rest[l];
        to_im_rest[l] += g_re * b_im_rest[l] + g_im * b_re_rest[l];
    }
}

/// Sum of the partial sums, pairwise: the rounding error grows with the logarithm of their number.
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
