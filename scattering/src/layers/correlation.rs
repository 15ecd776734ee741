//! Products of paths averaged over time: power spectrum, phase-envelope and envelope, of one signal or across two.

use std::ops::Range;

use num_complex::Complex;

use crate::coefficients::averages::Weights;
use crate::coefficients::path::{CoefficientKind, ScatteringPath, pair_index};
use crate::coefficients::sums::{One, add_weighted, power, product_sums, weighted_sum};
use crate::coefficients::table::products;
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::layers::Layers;
use crate::wavelet_transform::reflected::WaveletTransform;

/// One product: which rows of the left and right layers it averages.
#[derive(Debug, Clone, Copy)]
pub struct CorrelationRow {
    /// What it is.
    pub path: ScatteringPath,
    left: Row,
    right: Row,
    /// Scale on whose grid both rows are.
    grid: usize,
}

/// A row of [`Layers`]: of the first layer, or of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    First(usize),
    Second(usize),
}

/// The table of products at J octaves, in the order of the coefficient table.
#[derive(Debug, Clone)]
pub struct Correlations {
    rows: Vec<CorrelationRow>,
}

impl Correlations {
    /// All products at `octaves` octaves: (J + 1) + J (J + 1)/2 + J (J + 1)(J + 2)/6 of them.
    pub fn new(octaves: usize) -> Self {
        let rows = products(octaves)
            .into_iter()
            .map(|path| row(path, octaves))
            .collect();
        Self { rows }
    }

    /// The products.
    pub fn rows(&self) -> &[CorrelationRow] {
        &self.rows
    }

    /// Number of products.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `mean_t(left . conj(right))` over the window, for every product, into `out`. Left and right are layers of
    /// `transform`; the same for a signal with itself.
    pub fn process<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        left: &Layers<F>,
        right: &Layers<F>,
        out: &mut [Complex<F>],
    ) {
        let same = std::ptr::eq(left, right);
        vectorized(
            #[inline(always)]
            || {
                for (to, row) in out.iter_mut().zip(&self.rows) {
                    let a = left.row(row.left);
                    let scale = F::one() / F::of(a.0.len() as f64);
                    *to = if same && row.left == row.right {
                        let mean = weighted_sum(a, &Weights::Uniform(scale), power);
                        Complex::new(mean, F::zero())
                    } else {
                        let weights = transform.imaginary_weights(row.grid);
                        let (re, im) = product_sums(a, right.row(row.right), One, weights);
                        Complex::new(re * scale, im)
                    };
                }
            },
        );
    }

    /// Adjoint of [`process`](Self::process): adds to the gradients of the left and, where given, of the right layers,
    /// for gradients `d_out` with dL = Re(conj(d_out) d out).
    pub fn adjoint<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        left: &Layers<F>,
        right: &Layers<F>,
        d_out: &[Complex<F>],
        mut d_left: Option<&mut Layers<F>>,
        mut d_right: Option<&mut Layers<F>>,
    ) {
        vectorized(
            #[inline(always)]
            || {
                for (g, row) in d_out.iter().zip(&self.rows) {
                    if g.re == F::zero() && g.im == F::zero() {
                        continue;
                    }
                    let weights = transform.imaginary_weights(row.grid);
                    if let Some(d_left) = d_left.as_deref_mut() {
                        let b = right.row(row.right);
                        add_weighted(
                            mean(*g, b.0.len()),
                            b,
                            One,
                            weights,
                            d_left.row_mut(row.left),
                        );
                    }
                    if let Some(d_right) = d_right.as_deref_mut() {
                        let a = left.row(row.left);
                        let to = d_right.row_mut(row.right);
                        add_weighted(mean(g.conj(), a.0.len()), a, One, weights, to);
                    }
                }
            },
        );
    }

    /// [`adjoint`](Self::adjoint) for a signal with itself, left and right being one.
    pub(crate) fn adjoint_same<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        layers: &Layers<F>,
        d_out: &[Complex<F>],
        d_layers: &mut Layers<F>,
    ) {
        vectorized(
            #[inline(always)]
            || {
                for (&g, row) in d_out.iter().zip(&self.rows) {
                    if g.re == F::zero() && g.im == F::zero() {
                        continue;
                    }
                    let weights = transform.imaginary_weights(row.grid);
                    let a = layers.row(row.left);
                    if row.left == row.right {
                        let g = mean(Complex::new(g.re + g.re, F::zero()), a.0.len());
                        add_weighted(g, a, One, weights, d_layers.row_mut(row.left));
                        continue;
                    }
                    let b = layers.row(row.right);
                    let g = mean(g, a.0.len());
                    add_weighted(g, b, One, weights, d_layers.row_mut(row.left));
                    add_weighted(g.conj(), a, One, weights, d_layers.row_mut(row.right));
                }
            },
        );
    }
}

/// A gradient whose real part is that of a plain mean over n samples; the imaginary weights are means already.
#[inline(always)]
fn mean<F: Real>(g: Complex<F>, n: usize) -> Complex<F> {
    Complex::new(g.re / F::of(n as f64), g.im)
}

fn row(path: ScatteringPath, octaves: usize) -> CorrelationRow {
    let right_scale = path.j1_right.unwrap_or(path.j1_left);
    let second = |j1| Row::Second(pair_index(octaves, j1, path.j2.unwrap_or(octaves)));
    let (left, right) = match path.kind {
        CoefficientKind::PhaseEnvelope => (Row::First(path.j1_left), second(right_scale)),
        CoefficientKind::Envelope => (second(path.j1_left), second(right_scale)),
        _ => (Row::First(path.j1_left), Row::First(right_scale)),
    };
    CorrelationRow {
        path,
        left,
        right,
        grid: path.j2.unwrap_or(path.j1_left),
    }
}

impl<F: Real> Layers<F> {
    fn row_range(&self, row: Row) -> Range<usize> {
        match row {
            Row::First(j) => self.first_row(j),
            Row::Second(pair) => self.second_row(pair),
        }
    }

    #[inline(always)]
    fn row(&self, row: Row) -> (&[F], &[F]) {
        let range = self.row_range(row);
        match row {
            Row::First(_) => (&self.first_re[range.clone()], &self.first_im[range]),
            Row::Second(_) => (&self.second_re[range.clone()], &self.second_im[range]),
        }
    }

    #[inline(always)]
    fn row_mut(&mut self, row: Row) -> (&mut [F], &mut [F]) {
        let range = self.row_range(row);
        match row {
            Row::First(_) => (&mut self.first_re[range.clone()], &mut self.first_im[range]),
            Row::Second(_) => (
                &mut self.second_re[range.clone()],
                &mut self.second_im[range],
            ),
        }
    }
}
