//! The averages that coefficients are, as operations on rows of the layers, and their adjoints.

use std::ops::Range;

use num_complex::Complex;

use crate::correlation::{LANES, energy, lane_sum, modulus_sum, plain_sum, product};
use crate::path::{CoefficientKind, ScatteringPath};
use crate::path_table::LayerScales;
use crate::real::Real;

/// A row: `W_j x` of a channel, or `W_j2 |W_j1 x|` for the j2 at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    First(usize),
    Second(usize),
}

/// What is averaged over time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Average {
    /// E|z|^q.
    Moment(Row, f64),
    /// E z.
    Plain(Row),
    /// E z . conj(w).
    Product(Row, Row),
}

/// The k-th coefficient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) k: usize,
    pub(crate) average: Average,
}

/// A table of coefficients, sorted by what must be at hand.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Of the first layer alone.
    pub(crate) first: Vec<Operation>,
    /// For each j2.
    pub(crate) second: Vec<Vec<Operation>>,
}

impl Program {
    pub(crate) fn new(paths: &[ScatteringPath], scales: &LayerScales) -> Self {
        let mut program = Self {
            first: Vec::new(),
            second: vec![Vec::new(); scales.second_low_pass() + 1],
        };
        let (n_scales, n_sources) = (scales.first_low_pass() + 1, scales.n_sources());
        for (k, path) in paths.iter().enumerate() {
            let first = |channel, j1| Row::First(channel * n_scales + j1);
            let own = |channel, j1| match path.j2 {
                None => first(channel, j1),
                Some(_) => Row::Second(channel * n_sources + j1),
            };
            let left = own(path.channel_left, path.j1_left);
            let right = own(path.channel_right, path.j1_right.unwrap_or(path.j1_left));
            let average = match path.kind {
                CoefficientKind::Raw | CoefficientKind::Mean => Average::Plain(left),
                CoefficientKind::Sparsity | CoefficientKind::Scattering => {
                    Average::Moment(left, path.exponent)
                }
                CoefficientKind::PhaseEnvelope => {
                    Average::Product(first(path.channel_left, path.j1_left), right)
                }
                CoefficientKind::PowerSpectrum | CoefficientKind::Envelope => {
                    Average::Product(left, right)
                }
            };
            let operation = Operation { k, average };
            match path.j2 {
                None => program.first.push(operation),
                Some(j2) => program.second[j2].push(operation),
            }
        }
        program
    }
}

/// Rows of T samples, real and imaginary parts apart; or their gradients.
pub(crate) struct Rows<F> {
    pub(crate) n_samples: usize,
    pub(crate) re: Vec<F>,
    pub(crate) im: Vec<F>,
}

impl<F: Real> Rows<F> {
    pub(crate) fn new(n_rows: usize, n_samples: usize) -> Self {
        Self {
            n_samples,
            re: vec![F::zero(); n_rows * n_samples],
            im: vec![F::zero(); n_rows * n_samples],
        }
    }

    pub(crate) fn clear(&mut self) {
        self.re.fill(F::zero());
        self.im.fill(F::zero());
    }

    pub(crate) fn row(&self, row: usize) -> (&[F], &[F]) {
        let range = row * self.n_samples..(row + 1) * self.n_samples;
        (&self.re[range.clone()], &self.im[range])
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> (&mut [F], &mut [F]) {
        let range = row * self.n_samples..(row + 1) * self.n_samples;
        (&mut self.re[range.clone()], &mut self.im[range])
    }
}

/// Both layers, the second for one j2.
pub(crate) struct RowPair<'a, F> {
    pub(crate) first: &'a Rows<F>,
    pub(crate) second: &'a Rows<F>,
}

impl<F: Real> RowPair<'_, F> {
    fn part(&self, row: Row, range: &Range<usize>) -> (&[F], &[F]) {
        let (re, im) = match row {
            Row::First(row) => self.first.row(row),
            Row::Second(row) => self.second.row(row),
        };
        (&re[range.clone()], &im[range.clone()])
    }

    /// Means over consecutive blocks of `pool` samples, into `out` `(coefficient, block)`.
    pub(crate) fn measure(&self, operations: &[Operation], pool: usize, out: &mut [Complex<F>]) {
        let n_blocks = self.first.n_samples / pool;
        let scale = F::one() / F::of(pool as f64);
        for operation in operations {
            for block in 0..n_blocks {
                let range = block * pool..(block + 1) * pool;
                out[operation.k * n_blocks + block] = self.sum(operation.average, &range) * scale;
            }
        }
    }

    fn sum(&self, average: Average, range: &Range<usize>) -> Complex<F> {
        let real = |value| Complex::new(value, F::zero());
        match average {
            Average::Plain(row) => {
                let (re, im) = self.part(row, range);
                Complex::new(plain_sum(re), plain_sum(im))
            }
            Average::Moment(row, exponent) => {
                let (re, im) = self.part(row, range);
                real(moment_sum(re, im, exponent))
            }
            Average::Product(left, right) if left == right => {
                let (re, im) = self.part(left, range);
                real(energy(re, im))
            }
            Average::Product(left, right) => {
                let (a_re, a_im) = self.part(left, range);
                let (b_re, b_im) = self.part(right, range);
                product(a_re, a_im, b_re, b_im)
            }
        }
    }

    /// Adjoint of [`measure`](Self::measure): adds to the gradients of the rows.
    pub(crate) fn measure_adjoint(
        &self,
        operations: &[Operation],
        pool: usize,
        d_out: &[Complex<F>],
        d_first: &mut Rows<F>,
        d_second: &mut Rows<F>,
    ) {
        let n_blocks = self.first.n_samples / pool;
        let scale = F::one() / F::of(pool as f64);
        for operation in operations {
            for block in 0..n_blocks {
                let range = block * pool..(block + 1) * pool;
                let g = d_out[operation.k * n_blocks + block] * scale;
                if g.re == F::zero() && g.im == F::zero() {
                    continue;
                }
                let mut add_to = |row, add: &mut dyn FnMut(&mut [F], &mut [F])| {
                    let (re, im) = match row {
                        Row::First(row) => d_first.row_mut(row),
                        Row::Second(row) => d_second.row_mut(row),
                    };
                    add(&mut re[range.clone()], &mut im[range.clone()]);
                };
                match operation.average {
                    Average::Plain(row) => add_to(row, &mut |re, im| {
                        re.iter_mut().for_each(|to| *to += g.re);
                        im.iter_mut().for_each(|to| *to += g.im);
                    }),
                    Average::Moment(row, exponent) => {
                        let z = self.part(row, &range);
                        add_to(row, &mut |re, im| moment_adjoint(g.re, exponent, z, re, im));
                    }
                    Average::Product(left, right) if left == right => {
                        let z = self.part(left, &range);
                        let twice = Complex::new(g.re + g.re, F::zero());
                        add_to(left, &mut |re, im| add_scaled(twice, z, re, im));
                    }
                    Average::Product(left, right) => {
                        let (a, b) = (self.part(left, &range), self.part(right, &range));
                        add_to(left, &mut |re, im| add_scaled(g, b, re, im));
                        add_to(right, &mut |re, im| add_scaled(g.conj(), a, re, im));
                    }
                }
            }
        }
    }
}

/// Sum over t of |z|^q.
fn moment_sum<F: Real>(re: &[F], im: &[F], exponent: f64) -> F {
    if exponent == 1.0 {
        return modulus_sum(re, im);
    }
    if exponent == 2.0 {
        return energy(re, im);
    }
    let half = F::of(exponent / 2.0);
    let mut sum = [F::zero(); LANES];
    for (t, (&re, &im)) in re.iter().zip(im).enumerate() {
        sum[t % LANES] += (re * re + im * im).powf(half);
    }
    lane_sum(sum)
}

/// to += g q |z|^(q-2) z; 0 at z = 0, and where |z|^(q-2) has no finite value.
fn moment_adjoint<F: Real>(
    g: F,
    exponent: f64,
    (re, im): (&[F], &[F]),
    to_re: &mut [F],
    to_im: &mut [F],
) {
    let (factor, half) = (g * F::of(exponent), F::of((exponent - 2.0) / 2.0));
    for (((to_re, to_im), &re), &im) in to_re.iter_mut().zip(to_im).zip(re).zip(im) {
        let power = re * re + im * im;
        if power > F::zero() {
            let slope = if exponent == 1.0 {
                factor / power.sqrt()
            } else {
                factor * power.powf(half)
            };
            if slope.is_finite() {
                *to_re += slope * re;
                *to_im += slope * im;
            }
        }
    }
}

/// to += g . b.
fn add_scaled<F: Real>(
    g: Complex<F>,
    (b_re, b_im): (&[F], &[F]),
    to_re: &mut [F],
    to_im: &mut [F],
) {
    for (((to_re, to_im), &re), &im) in to_re.iter_mut().zip(to_im).zip(b_re).zip(b_im) {
        *to_re += g.re * re - g.im * im;
        *to_im += g.re * im + g.im * re;
    }
}
