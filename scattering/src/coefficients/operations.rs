//! The averages that coefficients are, as operations on rows of the layers, and their adjoints.

use std::ops::Range;

use num_complex::Complex;

use crate::coefficients::averages::{BlockMeans, Shape, Weights};
use crate::coefficients::path::{CoefficientKind, ScatteringPath};
use crate::coefficients::sums::{
    One, add_product, add_weighted, modulus, power, product, weighted_sum_from,
};
use crate::coefficients::table::LayerScales;
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;

/// Places of all rows that are gone through together, so that they stay in the nearest cache.
const STRETCH: usize = 512;

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
    /// Scale on whose grid the rows are: of the second layer where there is a j2, of the first otherwise.
    pub(crate) grid: usize,
}

/// A table of coefficients, sorted by what must be at hand.
#[derive(Debug, Clone)]
pub(crate) struct AveragingSchedule {
    /// Of the first layer alone.
    pub(crate) first: Vec<Operation>,
    /// For each j2.
    pub(crate) second: Vec<Vec<Operation>>,
}

impl AveragingSchedule {
    pub(crate) fn new(paths: &[ScatteringPath], scales: &LayerScales) -> Self {
        let mut schedule = Self {
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
            let operation = Operation {
                k,
                average,
                grid: path.j2.unwrap_or(path.j1_left),
            };
            match path.j2 {
                None => schedule.first.push(operation),
                Some(j2) => schedule.second[j2].push(operation),
            }
        }
        // Rows of one grid are read together.
        schedule.first.sort_by_key(|operation| operation.grid);
        schedule
    }
}

/// Rows of samples, real and imaginary parts apart; or their gradients.
pub(crate) struct Rows<F> {
    /// Where each row starts.
    starts: Vec<usize>,
    /// What of it is in use.
    lengths: Vec<usize>,
    pub(crate) re: Vec<F>,
    pub(crate) im: Vec<F>,
}

impl<F: Real> Rows<F> {
    pub(crate) fn new(lengths: Vec<usize>) -> Self {
        let mut total = 0;
        let starts = lengths
            .iter()
            .map(|length| {
                total += length;
                total - length
            })
            .collect();
        Self {
            starts,
            lengths,
            re: vec![F::zero(); total],
            im: vec![F::zero(); total],
        }
    }

    /// Uses only `length` samples of each row, no more than it was made for.
    pub(crate) fn use_only(&mut self, length: usize) {
        self.lengths.fill(length);
    }

    /// Sets what is in use to zero.
    pub(crate) fn clear(&mut self) {
        for row in 0..self.starts.len() {
            let (re, im) = self.row_mut(row);
            re.fill(F::zero());
            im.fill(F::zero());
        }
    }

    fn range(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row] + self.lengths[row]
    }

    pub(crate) fn row(&self, row: usize) -> (&[F], &[F]) {
        let range = self.range(row);
        (&self.re[range.clone()], &self.im[range])
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> (&mut [F], &mut [F]) {
        let range = self.range(row);
        (&mut self.re[range.clone()], &mut self.im[range])
    }
}

/// Both layers, the second for one j2.
pub(crate) struct RowPair<'a, F> {
    pub(crate) first: &'a Rows<F>,
    pub(crate) second: &'a Rows<F>,
}

impl<F: Real> RowPair<'_, F> {
    #[inline(always)]
    fn part(&self, row: Row, range: &Range<usize>) -> (&[F], &[F]) {
        let (re, im) = match row {
            Row::First(row) => self.first.row(row),
            Row::Second(row) => self.second.row(row),
        };
        (&re[range.clone()], &im[range.clone()])
    }

    /// Means over the `blocks` of the window, into `out` `(coefficient, block)`; `means` holds those of each grid.
    pub(crate) fn measure(
        &self,
        operations: &[Operation],
        means: &[BlockMeans<F>],
        blocks: Range<usize>,
        out: &mut [Complex<F>],
    ) {
        vectorized(
            #[inline(always)]
            || {
                for operations in operations.chunk_by(|a, b| a.grid == b.grid) {
                    let means = &means[operations[0].grid];
                    for block in blocks.clone() {
                        self.measure_block(operations, means, block, out);
                    }
                }
            },
        );
    }

    /// One block of operations on one grid, a stretch of the rows after the other.
    #[inline(always)]
    fn measure_block(
        &self,
        operations: &[Operation],
        means: &BlockMeans<F>,
        block: usize,
        out: &mut [Complex<F>],
    ) {
        let at = |operation: &Operation| operation.k * means.n_blocks() + block;
        for operation in operations {
            out[at(operation)] = Complex::new(F::zero(), F::zero());
        }
        for (range, shape) in means.block(block) {
            for start in range.clone().step_by(STRETCH) {
                let stretch = start..range.end.min(start + STRETCH);
                for operation in operations {
                    out[at(operation)] +=
                        self.mean(operation.average, &stretch, shape, start - range.start);
                }
            }
        }
    }

    #[inline(always)]
    fn mean(
        &self,
        average: Average,
        range: &Range<usize>,
        shape: &Shape<F>,
        offset: usize,
    ) -> Complex<F> {
        let real = |value| Complex::new(value, F::zero());
        let (w_re, w_im) = (&shape.real, &shape.imaginary);
        match average {
            Average::Plain(row) => {
                let z = self.part(row, range);
                Complex::new(
                    weighted_sum_from(z, w_re, offset, |re, _| re),
                    weighted_sum_from(z, w_im, offset, |_, im| im),
                )
            }
            Average::Moment(row, exponent) => {
                let z = self.part(row, range);
                real(if exponent == 1.0 {
                    weighted_sum_from(z, w_re, offset, modulus)
                } else if exponent == 2.0 {
                    weighted_sum_from(z, w_re, offset, power)
                } else {
                    let half = F::of(exponent / 2.0);
                    weighted_sum_from(z, w_re, offset, |re, im| power(re, im).powf(half))
                })
            }
            Average::Product(left, right) if left == right => real(weighted_sum_from(
                self.part(left, range),
                w_re,
                offset,
                power,
            )),
            Average::Product(left, right) => {
                let (a, b) = (self.part(left, range), self.part(right, range));
                product(a, b, w_re, w_im, offset)
            }
        }
    }

    /// Adjoint of [`measure`](Self::measure) over all blocks: adds to the gradients of the rows.
    pub(crate) fn measure_adjoint(
        &self,
        operations: &[Operation],
        means: &[BlockMeans<F>],
        d_out: &[Complex<F>],
        d_first: &mut Rows<F>,
        d_second: &mut Rows<F>,
    ) {
        vectorized(
            #[inline(always)]
            || {
                for operation in operations {
                    let means = &means[operation.grid];
                    for block in 0..means.n_blocks() {
                        let g = d_out[operation.k * means.n_blocks() + block];
                        if g.re == F::zero() && g.im == F::zero() {
                            continue;
                        }
                        for (range, shape) in means.block(block) {
                            self.mean_adjoint(
                                operation.average,
                                g,
                                &range,
                                shape,
                                d_first,
                                d_second,
                            );
                        }
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn mean_adjoint(
        &self,
        average: Average,
        g: Complex<F>,
        range: &Range<usize>,
        shape: &Shape<F>,
        d_first: &mut Rows<F>,
        d_second: &mut Rows<F>,
    ) {
        let (real, imaginary) = (&shape.real, &shape.imaginary);
        match average {
            Average::Plain(row) => {
                let (re, im) = part_mut(row, range, d_first, d_second);
                add_weights(g.re, real, re);
                add_weights(g.im, imaginary, im);
            }
            Average::Moment(row, exponent) => {
                let z = self.part(row, range);
                match real {
                    Weights::Uniform(weight) => {
                        moment_adjoint(
                            exponent,
                            z,
                            |_| g.re * *weight,
                            part_mut(row, range, d_first, d_second),
                        );
                    }
                    Weights::Each(weights) => {
                        moment_adjoint(
                            exponent,
                            z,
                            |place| g.re * weights[place],
                            part_mut(row, range, d_first, d_second),
                        );
                    }
                }
            }
            Average::Product(left, right) if left == right => {
                let z = self.part(left, range);
                let g = Complex::new(g.re + g.re, F::zero());
                match real {
                    Weights::Uniform(weight) => add_weighted(
                        g * *weight,
                        z,
                        One,
                        One,
                        part_mut(left, range, d_first, d_second),
                    ),
                    Weights::Each(real) => add_weighted(
                        g,
                        z,
                        &real[..],
                        One,
                        part_mut(left, range, d_first, d_second),
                    ),
                }
            }
            Average::Product(left, right) => {
                let (a, b) = (self.part(left, range), self.part(right, range));
                add_product(
                    g,
                    b,
                    real,
                    imaginary,
                    part_mut(left, range, d_first, d_second),
                );
                add_product(
                    g.conj(),
                    a,
                    real,
                    imaginary,
                    part_mut(right, range, d_first, d_second),
                );
            }
        }
    }
}

#[inline(always)]
fn part_mut<'a, F: Real>(
    row: Row,
    range: &Range<usize>,
    first: &'a mut Rows<F>,
    second: &'a mut Rows<F>,
) -> (&'a mut [F], &'a mut [F]) {
    let (re, im) = match row {
        Row::First(row) => first.row_mut(row),
        Row::Second(row) => second.row_mut(row),
    };
    (&mut re[range.clone()], &mut im[range.clone()])
}

#[inline(always)]
fn add_weights<F: Real>(g: F, weights: &Weights<F>, to: &mut [F]) {
    match weights {
        Weights::Uniform(weight) => to.iter_mut().for_each(|to| *to += g * *weight),
        Weights::Each(weights) => {
            for (to, &weight) in to.iter_mut().zip(weights) {
                *to += g * weight;
            }
        }
    }
}

/// to += g q |z|^(q-2) z; 0 at z = 0, and where |z|^(q-2) has no finite value.
#[inline(always)]
fn moment_adjoint<F: Real>(
    exponent: f64,
    (re, im): (&[F], &[F]),
    g: impl Fn(usize) -> F,
    (to_re, to_im): (&mut [F], &mut [F]),
) {
    let (q, half) = (F::of(exponent), F::of((exponent - 2.0) / 2.0));
    for place in 0..re.len() {
        let power = power(re[place], im[place]);
        if power > F::zero() {
            let slope = if exponent == 1.0 {
                g(place) / power.sqrt()
            } else {
                g(place) * q * power.powf(half)
            };
            if slope.is_finite() {
                to_re[place] += slope * re[place];
                to_im[place] += slope * im[place];
            }
        }
    }
}
