//! Coefficients as averages over rows of the layers, and the adjoints of these averages.

use std::ops::Range;

use num_complex::Complex;

use crate::coefficients::averages::{BlockMeans, Shape, Weights};
use crate::coefficients::path::{CoefficientKind, ScatteringPath};
use crate::coefficients::rows::{LayerRows, LayerRowsMut, Row};
use crate::coefficients::sums::{
    One, add_product, add_weighted, modulus, power, product, weighted_sum_from,
};
use crate::coefficients::table::LayerScales;
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;

/// Samples of every row that are processed together. A row enters many products; 4 KiB of each (512 complex samples in
/// f32) let all rows of a scale remain in the nearest caches from one product to the next.
const STRETCH: usize = 512;

/// An average over time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Average {
    /// E|z|^q.
    Moment(Row, f64),
    /// E z.
    Plain(Row),
    /// E z . conj(w).
    Product(Row, Row),
}

/// The k-th coefficient of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) k: usize,
    pub(crate) average: Average,
    /// Scale on whose grid the rows are: of the second layer where there is a j2, of the first otherwise.
    pub(crate) grid: usize,
}

impl Operation {
    /// The average that defines `path`. `first` and `second` number the rows `(channel, j1)` and `(channel, j1, j2)`.
    pub(crate) fn new(
        k: usize,
        path: &ScatteringPath,
        first: impl Fn(usize, usize) -> usize,
        second: impl Fn(usize, usize, usize) -> usize,
    ) -> Self {
        let last_row = |channel, j1| match path.j2 {
            None => Row::First(first(channel, j1)),
            Some(j2) => Row::Second(second(channel, j1, j2)),
        };
        let left = || last_row(path.channel_left, path.j1_left);
        let right = || last_row(path.channel_right, path.j1_right.unwrap_or(path.j1_left));
        let average = match path.kind {
            CoefficientKind::Raw | CoefficientKind::Mean => Average::Plain(left()),
            CoefficientKind::Sparsity | CoefficientKind::Scattering => {
                Average::Moment(left(), path.exponent)
            }
            // E[W_j2 x . conj(W_j2 |W_j1 x|)]: the left factor is of the first layer, and (j1_left, j2) is not a path
            // of the second.
            CoefficientKind::PhaseEnvelope => {
                let phase = Row::First(first(path.channel_left, path.j1_left));
                Average::Product(phase, right())
            }
            CoefficientKind::PowerSpectrum | CoefficientKind::Envelope => {
                Average::Product(left(), right())
            }
        };
        Self {
            k,
            average,
            grid: path.j2.unwrap_or(path.j1_left),
        }
    }
}

/// A table of coefficients in the order of computation: those of the first layer, then those of each j2.
#[derive(Debug, Clone)]
pub(crate) struct AveragingSchedule {
    /// Coefficients of the first layer alone.
    pub(crate) first: Vec<Operation>,
    /// Coefficients of each j2.
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
            let operation = Operation::new(
                k,
                path,
                |channel, j1| channel * n_scales + j1,
                |channel, j1, _| channel * n_sources + j1,
            );
            match path.j2 {
                None => schedule.first.push(operation),
                Some(j2) => schedule.second[j2].push(operation),
            }
        }
        // Operations on one grid share their rows and weights, so they are computed together (see `STRETCH`).
        schedule.first.sort_by_key(|operation| operation.grid);
        schedule
    }
}

/// Means over the `blocks` of the window, into `out` `(coefficient, block)`; `means` holds the weights of each grid.
pub(crate) fn measure<F: Real>(
    rows: &impl LayerRows<F>,
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
                    measure_block(rows, operations, means, block, out);
                }
            }
        },
    );
}

/// One block of operations on one grid, stretch by stretch of the rows.
#[inline(always)]
fn measure_block<F: Real>(
    rows: &impl LayerRows<F>,
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
                let offset = start - range.start;
                out[at(operation)] += mean(rows, operation.average, &stretch, shape, offset);
            }
        }
    }
}

/// The part of an average that the samples of `range` contribute, with the weights of `shape` from `offset`.
#[inline(always)]
pub(crate) fn mean<F: Real>(
    rows: &impl LayerRows<F>,
    average: Average,
    range: &Range<usize>,
    shape: &Shape<F>,
    offset: usize,
) -> Complex<F> {
    let part = |row| part_of(rows, row, range);
    let real = |value| Complex::new(value, F::zero());
    let (w_re, w_im) = (&shape.real, &shape.imaginary);
    match average {
        Average::Plain(row) => {
            let z = part(row);
            Complex::new(
                weighted_sum_from(z, w_re, offset, |re, _| re),
                weighted_sum_from(z, w_im, offset, |_, im| im),
            )
        }
        Average::Moment(row, exponent) => {
            let z = part(row);
            // The common exponents without a power function, which is far slower than a root.
            real(if exponent == 1.0 {
                weighted_sum_from(z, w_re, offset, modulus)
            } else if exponent == 2.0 {
                weighted_sum_from(z, w_re, offset, power)
            } else {
                let half = F::of(exponent / 2.0);
                weighted_sum_from(z, w_re, offset, |re, im| power(re, im).powf(half))
            })
        }
        // z . conj(z) is real; its imaginary part would only be rounding.
        Average::Product(left, right) if left == right => {
            real(weighted_sum_from(part(left), w_re, offset, power))
        }
        Average::Product(left, right) => product(part(left), part(right), shape, offset),
    }
}

/// Adjoint of [`measure`] over all blocks: adds to the gradients of the rows.
pub(crate) fn measure_adjoint<F: Real>(
    rows: &impl LayerRows<F>,
    operations: &[Operation],
    means: &[BlockMeans<F>],
    d_out: &[Complex<F>],
    d_rows: &mut impl LayerRowsMut<F>,
) {
    vectorized(
        #[inline(always)]
        || {
            for operation in operations {
                let means = &means[operation.grid];
                for block in 0..means.n_blocks() {
                    let g = d_out[operation.k * means.n_blocks() + block];
                    for (range, shape) in means.block(block) {
                        mean_adjoint(rows, operation.average, g, (&range, shape), d_rows);
                    }
                }
            }
        },
    );
}

/// Adjoint of [`mean`] over a whole run of places.
#[inline(always)]
pub(crate) fn mean_adjoint<F: Real>(
    rows: &impl LayerRows<F>,
    average: Average,
    g: Complex<F>,
    (range, shape): (&Range<usize>, &Shape<F>),
    d_rows: &mut impl LayerRowsMut<F>,
) {
    // Objectives often use a few coefficients only; the rest of the rows need not be read.
    if g.re == F::zero() && g.im == F::zero() {
        return;
    }
    let part = |row| part_of(rows, row, range);
    match average {
        Average::Plain(row) => {
            let (re, im) = part_mut(d_rows, row, range);
            add_weights(g.re, &shape.real, re);
            add_weights(g.im, &shape.imaginary, im);
        }
        Average::Moment(row, exponent) => {
            let (z, to) = (part(row), part_mut(d_rows, row, range));
            match &shape.real {
                Weights::Mean(n) => {
                    let share = g.re / *n;
                    moment_adjoint(exponent, z, |_| share, to);
                }
                Weights::Each(weights) => {
                    moment_adjoint(exponent, z, |place| g.re * weights[place], to);
                }
            }
        }
        // d|z|^2 = 2 Re(conj(z) dz).
        Average::Product(left, right) if left == right => {
            let (z, to) = (part(left), part_mut(d_rows, left, range));
            let twice = g.re + g.re;
            let real = |re| Complex::new(re, F::zero());
            match &shape.real {
                Weights::Mean(n) => add_weighted(real(twice / *n), z, One, One, to),
                Weights::Each(weights) => add_weighted(real(twice), z, &weights[..], One, to),
            }
        }
        Average::Product(left, right) => {
            let (a, b) = (part(left), part(right));
            add_product(g, b, shape, part_mut(d_rows, left, range));
            add_product(g.conj(), a, shape, part_mut(d_rows, right, range));
        }
    }
}

#[inline(always)]
fn part_of<'a, F: Real>(
    rows: &'a impl LayerRows<F>,
    row: Row,
    range: &Range<usize>,
) -> (&'a [F], &'a [F]) {
    let (re, im) = rows.row(row);
    (&re[range.clone()], &im[range.clone()])
}

#[inline(always)]
fn part_mut<'a, F: Real>(
    rows: &'a mut impl LayerRowsMut<F>,
    row: Row,
    range: &Range<usize>,
) -> (&'a mut [F], &'a mut [F]) {
    let (re, im) = rows.row_mut(row);
    (&mut re[range.clone()], &mut im[range.clone()])
}

#[inline(always)]
fn add_weights<F: Real>(g: F, weights: &Weights<F>, to: &mut [F]) {
    match weights {
        Weights::Mean(n) => {
            let share = g / *n;
            to.iter_mut().for_each(|to| *to += share);
        }
        Weights::Each(weights) => {
            for (to, &weight) in to.iter_mut().zip(weights) {
                *to += g * weight;
            }
        }
    }
}

/// `to += g q |z|^(q-2) z`; 0 where |z|^(q-2) has no finite value.
///
/// |z|^q with q <= 1 has no derivative at z = 0. Any subgradient would do; 0, the mean over all directions, is the one
/// that keeps a silent band silent and never makes a NaN (0/0) of it.
#[inline(always)]
fn moment_adjoint<F: Real>(
    exponent: f64,
    (re, im): (&[F], &[F]),
    g: impl Fn(usize) -> F,
    (to_re, to_im): (&mut [F], &mut [F]),
) {
    if exponent == 1.0 {
        for place in 0..re.len() {
            let modulus = modulus(re[place], im[place]);
            if modulus > F::zero() {
                // Dividing last: |re| <= |z|, so the quotient is finite where g/|z| may overflow.
                to_re[place] += g(place) * re[place] / modulus;
                to_im[place] += g(place) * im[place] / modulus;
            }
        }
        return;
    }
    let (q, half) = (F::of(exponent), F::of((exponent - 2.0) / 2.0));
    for place in 0..re.len() {
        let power = power(re[place], im[place]);
        if power > F::zero() {
            let slope = g(place) * q * power.powf(half);
            if slope.is_finite() {
                to_re[place] += slope * re[place];
                to_im[place] += slope * im[place];
            }
        }
    }
}
