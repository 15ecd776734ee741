//! Products of paths averaged over time: power spectrum, phase-envelope and envelope, of one signal or across two.

use std::ops::Range;

use num_complex::Complex;

use crate::layers::Layers;
use crate::path::{CoefficientKind, ScatteringPath, pair_index, products};
use crate::real::Real;

/// One product: which rows of the left and right layers it averages.
#[derive(Debug, Clone, Copy)]
pub struct CorrelationRow {
    /// What it is.
    pub path: ScatteringPath,
    left: Row,
    right: Row,
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

    /// `mean_t(left . conj(right))` over the samples `range`, for every product, into `out` at stride `stride`.
    pub fn process<F: Real>(
        &self,
        left: &Layers<F>,
        right: &Layers<F>,
        range: Range<usize>,
        out: &mut [Complex<F>],
        stride: usize,
    ) {
        let scale = F::one() / F::of(range.len() as f64);
        let same = std::ptr::eq(left, right);
        for (k, row) in self.rows.iter().enumerate() {
            let (a_re, a_im) = left.row(row.left, &range);
            let value = if same && row.left == row.right {
                Complex::new(energy(a_re, a_im), F::zero())
            } else {
                let (b_re, b_im) = right.row(row.right, &range);
                product(a_re, a_im, b_re, b_im)
            };
            out[k * stride] = value * scale;
        }
    }

    /// Adjoint of [`process`](Self::process): adds to the gradients of the left and, where given, of the right layers,
    /// for gradients `d_out` with dL = Re(conj(d_out) d out).
    #[expect(
        clippy::too_many_arguments,
        reason = "the two sides of a product, with their gradients"
    )]
    pub fn adjoint<F: Real>(
        &self,
        left: &Layers<F>,
        right: &Layers<F>,
        range: Range<usize>,
        d_out: &[Complex<F>],
        stride: usize,
        mut d_left: Option<&mut Layers<F>>,
        mut d_right: Option<&mut Layers<F>>,
    ) {
        let scale = F::one() / F::of(range.len() as f64);
        for (k, row) in self.rows.iter().enumerate() {
            let g = d_out[k * stride] * scale;
            if g.re == F::zero() && g.im == F::zero() {
                continue;
            }
            if let Some(d_left) = d_left.as_deref_mut() {
                let (b_re, b_im) = right.row(row.right, &range);
                let (to_re, to_im) = d_left.row_mut(row.left, &range);
                add_scaled(g, b_re, b_im, to_re, to_im);
            }
            if let Some(d_right) = d_right.as_deref_mut() {
                let (a_re, a_im) = left.row(row.left, &range);
                let (to_re, to_im) = d_right.row_mut(row.right, &range);
                add_scaled(g.conj(), a_re, a_im, to_re, to_im);
            }
        }
    }

    /// [`adjoint`](Self::adjoint) for a signal with itself, left and right being one.
    pub fn adjoint_same<F: Real>(
        &self,
        layers: &Layers<F>,
        range: Range<usize>,
        d_out: &[Complex<F>],
        stride: usize,
        d_layers: &mut Layers<F>,
    ) {
        let scale = F::one() / F::of(range.len() as f64);
        for (k, row) in self.rows.iter().enumerate() {
            let g = d_out[k * stride] * scale;
            if g.re == F::zero() && g.im == F::zero() {
                continue;
            }
            if row.left == row.right {
                let (a_re, a_im) = layers.row(row.left, &range);
                let (to_re, to_im) = d_layers.row_mut(row.left, &range);
                add_scaled(
                    Complex::new(g.re + g.re, F::zero()),
                    a_re,
                    a_im,
                    to_re,
                    to_im,
                );
                continue;
            }
            let (b_re, b_im) = layers.row(row.right, &range);
            let (to_re, to_im) = d_layers.row_mut(row.left, &range);
            add_scaled(g, b_re, b_im, to_re, to_im);
            let (a_re, a_im) = layers.row(row.left, &range);
            let (to_re, to_im) = d_layers.row_mut(row.right, &range);
            add_scaled(g.conj(), a_re, a_im, to_re, to_im);
        }
    }
}

fn row(path: ScatteringPath, octaves: usize) -> CorrelationRow {
    let right_scale = path.j1_right.unwrap_or(path.j1_left);
    let second = |j1| Row::Second(pair_index(octaves, j1, path.j2.unwrap_or(octaves)));
    let (left, right) = match path.kind {
        CoefficientKind::PhaseEnvelope => (Row::First(path.j1_left), second(right_scale)),
        CoefficientKind::Envelope => (second(path.j1_left), second(right_scale)),
        _ => (Row::First(path.j1_left), Row::First(right_scale)),
    };
    CorrelationRow { path, left, right }
}

impl<F: Real> Layers<F> {
    fn row(&self, row: Row, range: &Range<usize>) -> (&[F], &[F]) {
        let (re, im, index) = match row {
            Row::First(j) => (&self.first_re, &self.first_im, j),
            Row::Second(pair) => (&self.second_re, &self.second_im, pair),
        };
        let at = index * self.n_samples;
        (
            &re[at + range.start..at + range.end],
            &im[at + range.start..at + range.end],
        )
    }

    fn row_mut(&mut self, row: Row, range: &Range<usize>) -> (&mut [F], &mut [F]) {
        let (re, im, index) = match row {
            Row::First(j) => (&mut self.first_re, &mut self.first_im, j),
            Row::Second(pair) => (&mut self.second_re, &mut self.second_im, pair),
        };
        let at = index * self.n_samples;
        (
            &mut re[at + range.start..at + range.end],
            &mut im[at + range.start..at + range.end],
        )
    }
}

/// Independent partial sums let the compiler use vector registers, and fix the order of summation.
const LANES: usize = 8;

/// Sum over t of a . conj(b).
fn product<F: Real>(a_re: &[F], a_im: &[F], b_re: &[F], b_im: &[F]) -> Complex<F> {
    let n = a_re.len();
    let (a_im, b_re, b_im) = (&a_im[..n], &b_re[..n], &b_im[..n]);
    let mut re = [F::zero(); LANES];
    let mut im = [F::zero(); LANES];
    let whole = n - n % LANES;
    let chunks = a_re[..whole]
        .chunks_exact(LANES)
        .zip(a_im.chunks_exact(LANES))
        .zip(b_re.chunks_exact(LANES).zip(b_im.chunks_exact(LANES)));
    for ((ar, ai), (br, bi)) in chunks {
        for l in 0..LANES {
            re[l] += ar[l] * br[l] + ai[l] * bi[l];
            im[l] += ai[l] * br[l] - ar[l] * bi[l];
        }
    }
    for t in whole..n {
        re[t - whole] += a_re[t] * b_re[t] + a_im[t] * b_im[t];
        im[t - whole] += a_im[t] * b_re[t] - a_re[t] * b_im[t];
    }
    Complex::new(lane_sum(re), lane_sum(im))
}

/// Sum over t of |a|^2.
pub(crate) fn energy<F: Real>(a_re: &[F], a_im: &[F]) -> F {
    let n = a_re.len();
    let mut sum = [F::zero(); LANES];
    let whole = n - n % LANES;
    for (ar, ai) in a_re[..whole]
        .chunks_exact(LANES)
        .zip(a_im[..whole].chunks_exact(LANES))
    {
        for l in 0..LANES {
            sum[l] += ar[l] * ar[l] + ai[l] * ai[l];
        }
    }
    for t in whole..n {
        sum[t - whole] += a_re[t] * a_re[t] + a_im[t] * a_im[t];
    }
    lane_sum(sum)
}

/// Sum over t of |a|.
pub(crate) fn modulus_sum<F: Real>(a_re: &[F], a_im: &[F]) -> F {
    let mut sum = [F::zero(); LANES];
    for (t, (&re, &im)) in a_re.iter().zip(a_im).enumerate() {
        sum[t % LANES] += (re * re + im * im).sqrt();
    }
    lane_sum(sum)
}

/// Sum over t of a.
pub(crate) fn plain_sum<F: Real>(a: &[F]) -> F {
    let mut sum = [F::zero(); LANES];
    for chunk in a.chunks(LANES) {
        for (to, &value) in sum.iter_mut().zip(chunk) {
            *to += value;
        }
    }
    lane_sum(sum)
}

fn lane_sum<F: Real>(lanes: [F; LANES]) -> F {
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
        + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
}

/// to += g . b.
fn add_scaled<F: Real>(g: Complex<F>, b_re: &[F], b_im: &[F], to_re: &mut [F], to_im: &mut [F]) {
    for (((to_re, to_im), &re), &im) in to_re.iter_mut().zip(to_im).zip(b_re).zip(b_im) {
        *to_re += g.re * re - g.im * im;
        *to_im += g.re * im + g.im * re;
    }
}
