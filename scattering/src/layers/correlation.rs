//! Cross covariances: products of paths of two signals, averaged over time.

use num_complex::Complex;

use crate::coefficients::operations::{Average, Operation};
use crate::coefficients::path::{ScatteringPath, pair_index};
use crate::coefficients::rows::{LayerRows, LayerRowsMut, Row};
use crate::coefficients::sums::{add_product, product};
use crate::coefficients::table::products;
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::layers::Layers;
use crate::wavelet_transform::reflected::WaveletTransform;

/// Plan for the cross covariances of two signals at J octaves, in the order of the coefficient table.
///
/// With x the left and y the right signal: power spectrum `E[W_j x . conj(W_j y)]`, phase-envelope
/// `E[W_j2 x . conj(W_j2 V_j1 y)]` and envelope `E[W_j2 V_j1 x . conj(W_j2 V_j1' y)]`, where V_j = |W_j .|, usually
/// minus its time mean ([`Layers::analyze_second`] with `center`; arXiv 2301.11981). In the square of the signals'
/// unit.
#[derive(Debug, Clone)]
pub struct Correlations {
    paths: Vec<ScatteringPath>,
    factors: Vec<Factors>,
}

/// Rows of the left and right layers that a product is made of, on the grid of one scale.
#[derive(Debug, Clone, Copy)]
struct Factors {
    left: Row,
    right: Row,
    grid: usize,
}

impl Correlations {
    /// All products at `octaves` octaves: (J + 1) + J (J + 1)/2 + J (J + 1)(J + 2)/6 of them.
    pub fn new(octaves: usize) -> Self {
        let paths = products(octaves);
        let factors = paths.iter().enumerate().filter_map(|(k, path)| {
            let operation = layers_operation(k, path, octaves);
            // Every entry of the table of products is one; moments and means have no second signal.
            match operation.average {
                Average::Product(left, right) => Some(Factors {
                    left,
                    right,
                    grid: operation.grid,
                }),
                Average::Moment(..) | Average::Plain(_) => None,
            }
        });
        Self {
            factors: factors.collect(),
            paths,
        }
    }

    /// The products.
    pub fn paths(&self) -> &[ScatteringPath] {
        &self.paths
    }

    /// Number of products.
    pub fn len(&self) -> usize {
        self.factors.len()
    }

    /// True if the table is empty.
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// `mean_t(left . conj(right))` over the window, for every product, into `out` `(product,)`. Left and right are
    /// layers of `transform`.
    ///
    /// # Panics
    /// If `out` has not one element a product, or the layers have fewer octaves than the plan.
    pub fn process<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        left: &Layers<F>,
        right: &Layers<F>,
        out: &mut [Complex<F>],
    ) {
        assert_eq!(out.len(), self.len(), "elements of `out`");
        vectorized(
            #[inline(always)]
            || {
                for (to, factors) in out.iter_mut().zip(&self.factors) {
                    let shape = transform.window_mean(factors.grid);
                    *to = product(left.row(factors.left), right.row(factors.right), shape, 0);
                }
            },
        );
    }

    /// Adjoint of [`process`](Self::process): adds to the gradients of the left and of the right layers, where given,
    /// for gradients `d_out` with dL = Re(conj(d_out) d out).
    ///
    /// # Panics
    /// See `process`.
    pub fn adjoint<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        (left, d_left): (&Layers<F>, Option<&mut Layers<F>>),
        (right, d_right): (&Layers<F>, Option<&mut Layers<F>>),
        d_out: &[Complex<F>],
    ) {
        assert_eq!(d_out.len(), self.len(), "elements of `d_out`");
        let (mut d_left, mut d_right) = (d_left, d_right);
        vectorized(
            #[inline(always)]
            || {
                for (&g, factors) in d_out.iter().zip(&self.factors) {
                    if g.re == F::zero() && g.im == F::zero() {
                        continue;
                    }
                    let shape = transform.window_mean(factors.grid);
                    if let Some(d_left) = d_left.as_deref_mut() {
                        let to = d_left.row_mut(factors.left);
                        add_product(g, right.row(factors.right), shape, to);
                    }
                    if let Some(d_right) = d_right.as_deref_mut() {
                        let to = d_right.row_mut(factors.right);
                        add_product(g.conj(), left.row(factors.left), shape, to);
                    }
                }
            },
        );
    }
}

/// The average that defines a coefficient of one channel at one filter an octave, over rows of [`Layers`].
pub(crate) fn layers_operation(k: usize, path: &ScatteringPath, octaves: usize) -> Operation {
    let second = |_, j1, j2| pair_index(octaves, j1, j2);
    Operation::new(k, path, |_, j1| j1, second)
}
