//! Products of paths averaged over time: power spectrum, phase-envelope and envelope, of one signal or across two.

use std::ops::Range;

use num_complex::Complex;

use crate::layers::Layers;
use crate::path::{CoefficientKind, ScatteringPath, pair_index};
use crate::path_table::products;
use crate::real::Real;
use crate::transform::WaveletTransform;

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
        for (to, row) in out.iter_mut().zip(&self.rows) {
            let (a_re, a_im) = left.row(row.left, None);
            let scale = F::one() / F::of(a_re.len() as f64);
            if same && row.left == row.right {
                *to = Complex::new(energy(a_re, a_im) * scale, F::zero());
                continue;
            }
            let (b_re, b_im) = right.row(row.right, None);
            *to = match transform.imaginary_weights(row.grid) {
                None => product(a_re, a_im, b_re, b_im) * scale,
                Some(weights) => weighted_product(a_re, a_im, b_re, b_im, weights, scale),
            };
        }
    }

    /// The same for one signal over the samples `range` of the window, at stride `stride` in `out`; the layers must be
    /// kept at the window's own rate.
    pub(crate) fn process_range<F: Real>(
        &self,
        layers: &Layers<F>,
        range: Range<usize>,
        out: &mut [Complex<F>],
        stride: usize,
    ) {
        let scale = F::one() / F::of(range.len() as f64);
        for (k, row) in self.rows.iter().enumerate() {
            let (a_re, a_im) = layers.row(row.left, Some(&range));
            out[k * stride] = if row.left == row.right {
                Complex::new(energy(a_re, a_im) * scale, F::zero())
            } else {
                let (b_re, b_im) = layers.row(row.right, Some(&range));
                product(a_re, a_im, b_re, b_im) * scale
            };
        }
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
        for (g, row) in d_out.iter().zip(&self.rows) {
            if g.re == F::zero() && g.im == F::zero() {
                continue;
            }
            let weights = transform.imaginary_weights(row.grid);
            if let Some(d_left) = d_left.as_deref_mut() {
                let (b_re, b_im) = right.row(row.right, None);
                let (to_re, to_im) = d_left.row_mut(row.left, None);
                add_weighted(*g, weights, b_re, b_im, to_re, to_im);
            }
            if let Some(d_right) = d_right.as_deref_mut() {
                let (a_re, a_im) = left.row(row.left, None);
                let (to_re, to_im) = d_right.row_mut(row.right, None);
                add_weighted(g.conj(), weights, a_re, a_im, to_re, to_im);
            }
        }
    }

    /// [`adjoint`](Self::adjoint) for a signal with itself, left and right being one; over the samples `range` where
    /// it is given (layers at the window's own rate), at stride `stride` in `d_out`.
    pub(crate) fn adjoint_same<F: Real>(
        &self,
        transform: &WaveletTransform<F>,
        layers: &Layers<F>,
        range: Option<&Range<usize>>,
        d_out: &[Complex<F>],
        stride: usize,
        d_layers: &mut Layers<F>,
    ) {
        for (k, row) in self.rows.iter().enumerate() {
            let g = d_out[k * stride];
            if g.re == F::zero() && g.im == F::zero() {
                continue;
            }
            let weights = transform.imaginary_weights(row.grid);
            let (a_re, a_im) = layers.row(row.left, range);
            if row.left == row.right {
                let (to_re, to_im) = d_layers.row_mut(row.left, range);
                add_weighted(
                    Complex::new(g.re + g.re, F::zero()),
                    weights,
                    a_re,
                    a_im,
                    to_re,
                    to_im,
                );
                continue;
            }
            let (b_re, b_im) = layers.row(row.right, range);
            let (to_re, to_im) = d_layers.row_mut(row.left, range);
            add_weighted(g, weights, b_re, b_im, to_re, to_im);
            let (to_re, to_im) = d_layers.row_mut(row.right, range);
            add_weighted(g.conj(), weights, a_re, a_im, to_re, to_im);
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
    CorrelationRow {
        path,
        left,
        right,
        grid: path.j2.unwrap_or(path.j1_left),
    }
}

impl<F: Real> Layers<F> {
    fn row_range(&self, row: Row, within: Option<&Range<usize>>) -> Range<usize> {
        let whole = match row {
            Row::First(j) => self.first_row(j),
            Row::Second(pair) => self.second_row(pair),
        };
        within.map_or(whole.clone(), |part| {
            whole.start + part.start..whole.start + part.end
        })
    }

    fn row(&self, row: Row, within: Option<&Range<usize>>) -> (&[F], &[F]) {
        let range = self.row_range(row, within);
        match row {
            Row::First(_) => (&self.first_re[range.clone()], &self.first_im[range]),
            Row::Second(_) => (&self.second_re[range.clone()], &self.second_im[range]),
        }
    }

    fn row_mut(&mut self, row: Row, within: Option<&Range<usize>>) -> (&mut [F], &mut [F]) {
        let range = self.row_range(row, within);
        match row {
            Row::First(_) => (&mut self.first_re[range.clone()], &mut self.first_im[range]),
            Row::Second(_) => (
                &mut self.second_re[range.clone()],
                &mut self.second_im[range],
            ),
        }
    }
}

/// Independent partial sums let the compiler use vector registers, and fix the order of summation.
pub(crate) const LANES: usize = 8;

/// Sum over t of a . conj(b).
pub(crate) fn product<F: Real>(a_re: &[F], a_im: &[F], b_re: &[F], b_im: &[F]) -> Complex<F> {
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

/// scale . sum Re(a . conj(b)) + i sum w . Im(a . conj(b)).
fn weighted_product<F: Real>(
    a_re: &[F],
    a_im: &[F],
    b_re: &[F],
    b_im: &[F],
    weights: &[F],
    scale: F,
) -> Complex<F> {
    let n = a_re.len();
    let (a_im, b_re, b_im, weights) = (&a_im[..n], &b_re[..n], &b_im[..n], &weights[..n]);
    let mut re = [F::zero(); LANES];
    let mut im = [F::zero(); LANES];
    let whole = n - n % LANES;
    for t in (0..whole).step_by(LANES) {
        let (ar, ai) = (&a_re[t..t + LANES], &a_im[t..t + LANES]);
        let (br, bi, w) = (
            &b_re[t..t + LANES],
            &b_im[t..t + LANES],
            &weights[t..t + LANES],
        );
        for l in 0..LANES {
            re[l] += ar[l] * br[l] + ai[l] * bi[l];
            im[l] += w[l] * (ai[l] * br[l] - ar[l] * bi[l]);
        }
    }
    for t in whole..n {
        re[t - whole] += a_re[t] * b_re[t] + a_im[t] * b_im[t];
        im[t - whole] += weights[t] * (a_im[t] * b_re[t] - a_re[t] * b_im[t]);
    }
    Complex::new(lane_sum(re) * scale, lane_sum(im))
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

pub(crate) fn lane_sum<F: Real>(lanes: [F; LANES]) -> F {
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
        + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
}

/// to += (Re g / n + i w Im g) . b, with w = 1/n where no weights are given.
fn add_weighted<F: Real>(
    g: Complex<F>,
    weights: Option<&[F]>,
    b_re: &[F],
    b_im: &[F],
    to_re: &mut [F],
    to_im: &mut [F],
) {
    let n = b_re.len();
    let scale = F::one() / F::of(n as f64);
    let (b_im, to_re, to_im) = (&b_im[..n], &mut to_re[..n], &mut to_im[..n]);
    let g_re = g.re * scale;
    match weights {
        _ if g.im == F::zero() => {
            for t in 0..n {
                to_re[t] += g_re * b_re[t];
                to_im[t] += g_re * b_im[t];
            }
        }
        None => {
            let g_im = g.im * scale;
            for t in 0..n {
                to_re[t] += g_re * b_re[t] - g_im * b_im[t];
                to_im[t] += g_re * b_im[t] + g_im * b_re[t];
            }
        }
        Some(weights) => {
            let weights = &weights[..n];
            for t in 0..n {
                let g_im = g.im * weights[t];
                to_re[t] += g_re * b_re[t] - g_im * b_im[t];
                to_im[t] += g_re * b_im[t] + g_im * b_re[t];
            }
        }
    }
}
