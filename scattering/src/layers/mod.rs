//! Both layers of one signal, from which covariances of it and between signals are averaged.

pub(crate) mod correlation;
pub(crate) mod covariance;

use crate::coefficients::path::{pair_index, scattering_paths};
use crate::coefficients::rows::{LayerRows, LayerRowsMut, Row, Rows};
use crate::coefficients::sums::moduli;
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::wavelet_transform::reflected::{TransformScratch, WaveletTransform};

/// Both layers of a signal, kept whole so that several sets of coefficients and objectives can share them.
///
/// `W_j x` (J + 1 rows), `|W_j x|` (J rows) and `W_j2 |W_j1 x|` (one row a path), each on the grid of its last scale,
/// in folded order ([`WaveletTransform::sample_of_place`]), real and imaginary parts apart. The same layout holds
/// gradients of these. [`ScatteringTransform`](crate::ScatteringTransform), which needs no row twice, keeps one j2 at
/// a time.
#[derive(Clone)]
pub struct Layers<F> {
    pub(crate) octaves: usize,
    pub(crate) n_samples: usize,
    /// `W_j x`, j = 0 ..= J.
    pub(crate) first: Rows<F>,
    /// `|W_j x|`, j < J, at the places of `first`.
    pub(crate) modulus: Vec<F>,
    /// `W_j2 |W_j1 x|` in the order of [`scattering_paths`].
    pub(crate) second: Rows<F>,
}

impl<F: Real> Layers<F> {
    /// Zeroed layers for the windows of `transform`.
    pub fn new(transform: &WaveletTransform<F>) -> Self {
        let octaves = transform.octaves();
        let lengths = |j| transform.row_samples(j);
        let first = Rows::new((0..=octaves).map(lengths).collect());
        let second = scattering_paths(octaves).map(|(_, j2)| lengths(j2));
        Self {
            octaves,
            n_samples: transform.n_samples(),
            modulus: vec![F::zero(); first.range(octaves).start],
            first,
            second: Rows::new(second.collect()),
        }
    }

    /// Sets everything to zero (before gradients are added up).
    pub fn clear(&mut self) {
        self.first.clear();
        self.modulus.fill(F::zero());
        self.second.clear();
    }

    /// `W_j x`: real and imaginary part, on the grid of scale j.
    pub fn first(&self, j: usize) -> (&[F], &[F]) {
        self.first.row(j)
    }

    /// `|W_j x|`, on the grid of scale j.
    pub fn modulus(&self, j: usize) -> &[F] {
        &self.modulus[self.first.range(j)]
    }

    /// `W_j2 |W_j1 x|`: real and imaginary part, on the grid of scale j2.
    pub fn second(&self, j1: usize, j2: usize) -> (&[F], &[F]) {
        self.second.row(pair_index(self.octaves, j1, j2))
    }

    /// Requires layers of the same plan: rows of another one would be summed at wrong places, silently.
    fn assert_same(&self, other: &Self) {
        assert!(
            self.n_samples == other.n_samples && self.first.lengths() == other.first.lengths(),
            "layers of different plans"
        );
    }

    fn assert_plan(&self, transform: &WaveletTransform<F>) {
        assert!(
            self.octaves == transform.octaves()
                && self.n_samples == transform.n_samples()
                && (0..=self.octaves).all(|j| self.first.lengths()[j] == transform.row_samples(j)),
            "layers of another transform"
        );
    }

    /// Fills the first layer from `signal` (T samples).
    ///
    /// # Panics
    /// If the layers are of another transform or the signal has another length.
    pub fn analyze_first(
        &mut self,
        transform: &WaveletTransform<F>,
        signal: &[F],
        spectrum: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.assert_plan(transform);
        assert_eq!(signal.len(), self.n_samples, "samples of the signal");
        transform.spectrum(signal, spectrum, scratch);
        for j in 0..=self.octaves {
            transform.filter_bins(spectrum, j, self.first.row_mut(j), scratch);
        }
    }

    /// Fills moduli and second layer from the first. With `center`, the time mean of each modulus is removed before the
    /// second layer, as in cross covariances; the stored moduli keep it.
    ///
    /// # Panics
    /// If the layers are of another transform.
    pub fn analyze_second(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        spectrum: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.assert_plan(transform);
        moduli(&self.first.re, &self.first.im, &mut self.modulus);
        for j1 in 0..self.octaves {
            transform.spectrum_of_row(self.modulus(j1), j1, spectrum, scratch);
            if center {
                // The mean of the reflected modulus is bin 0 alone.
                spectrum[0] = F::zero();
            }
            let bins = &spectrum[..transform.row_samples(j1)];
            for j2 in j1 + 1..=self.octaves {
                let row = self.second.row_mut(pair_index(self.octaves, j1, j2));
                transform.filter_bins(bins, j2, row, scratch);
            }
        }
    }

    /// Propagates gradients of the second layer (in `self`) back to its moduli: adds to the gradient of the moduli.
    ///
    /// # Panics
    /// If the layers are of another transform.
    pub fn backpropagate_second(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.assert_plan(transform);
        for j1 in 0..self.octaves {
            let bins = &mut accumulator[..transform.row_samples(j1)];
            bins.fill(F::zero());
            for j2 in j1 + 1..=self.octaves {
                transform.filter_bins_adjoint(self.second(j1, j2), j2, bins, scratch);
            }
            if center {
                // Removing the mean is a projection, its own adjoint.
                bins[0] = F::zero();
            }
            let row = self.first.range(j1);
            transform.spectrum_of_row_adjoint(j1, bins, &mut self.modulus[row], scratch);
        }
    }

    /// Propagates gradients of the moduli (in `self`) back to the first layer of `layers`: adds to the gradient of the
    /// first layer. d|z| = Re(conj(z) dz)/|z|, and 0 at z = 0.
    ///
    /// # Panics
    /// If the layers are of different plans.
    pub fn backpropagate_modulus(&mut self, layers: &Self) {
        self.assert_same(layers);
        vectorized(
            #[inline(always)]
            || {
                let n = self.modulus.len();
                let (re, im) = (&layers.first.re[..n], &layers.first.im[..n]);
                let (to_re, to_im) = (&mut self.first.re[..n], &mut self.first.im[..n]);
                let (gradient, modulus) = (&self.modulus[..n], &layers.modulus[..n]);
                for t in 0..n {
                    // |z| has no gradient at 0. A band that is silent (zeros in the record) remains so with 0; with 0/0
                    // the whole gradient would be NaN.
                    let g = if modulus[t] > F::zero() {
                        gradient[t] / modulus[t]
                    } else {
                        F::zero()
                    };
                    to_re[t] += g * re[t];
                    to_im[t] += g * im[t];
                }
            },
        );
    }

    /// Propagates gradients of the first layer (in `self`) back to the signal: adds to `gradient` (T).
    ///
    /// # Panics
    /// If the layers are of another transform or the gradient has another length than the signal.
    pub fn backpropagate_first(
        &self,
        transform: &WaveletTransform<F>,
        gradient: &mut [F],
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        self.assert_plan(transform);
        assert_eq!(gradient.len(), self.n_samples, "samples of the gradient");
        let accumulator = &mut accumulator[..self.n_samples];
        accumulator.fill(F::zero());
        for j in 0..=self.octaves {
            transform.filter_bins_adjoint(self.first.row(j), j, accumulator, scratch);
        }
        transform.spectrum_adjoint(accumulator, gradient, scratch);
    }
}

impl<F: Real> LayerRows<F> for Layers<F> {
    #[inline(always)]
    fn row(&self, row: Row) -> (&[F], &[F]) {
        match row {
            Row::First(j) => self.first.row(j),
            Row::Second(pair) => self.second.row(pair),
        }
    }
}

impl<F: Real> LayerRowsMut<F> for Layers<F> {
    #[inline(always)]
    fn row_mut(&mut self, row: Row) -> (&mut [F], &mut [F]) {
        match row {
            Row::First(j) => self.first.row_mut(j),
            Row::Second(pair) => self.second.row_mut(pair),
        }
    }
}

/// Arithmetic between layers of the same plan, for objectives that share them.
impl<F: Real> Layers<F> {
    /// Sets the first layer to the sum of two, which is that of the sum of their signals; moduli and second layer are
    /// unchanged.
    ///
    /// # Panics
    /// If the layers are of different plans.
    pub fn set_first_to_sum(&mut self, a: &Self, b: &Self) {
        self.assert_same(a);
        self.assert_same(b);
        sum(&mut self.first.re, &a.first.re, &b.first.re);
        sum(&mut self.first.im, &a.first.im, &b.first.im);
    }

    /// Adds the first layer of `other`.
    ///
    /// # Panics
    /// If the layers are of different plans.
    pub fn add_first(&mut self, other: &Self) {
        self.assert_same(other);
        add(&mut self.first.re, &other.first.re);
        add(&mut self.first.im, &other.first.im);
    }

    /// Adds all rows of `other`.
    ///
    /// # Panics
    /// If the layers are of different plans.
    pub fn add(&mut self, other: &Self) {
        self.add_first(other);
        add(&mut self.modulus, &other.modulus);
        add(&mut self.second.re, &other.second.re);
        add(&mut self.second.im, &other.second.im);
    }
}

fn sum<F: Real>(to: &mut [F], a: &[F], b: &[F]) {
    vectorized(
        #[inline(always)]
        || {
            for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
                *to = *a + *b;
            }
        },
    );
}

fn add<F: Real>(to: &mut [F], from: &[F]) {
    vectorized(
        #[inline(always)]
        || {
            for (to, from) in to.iter_mut().zip(from) {
                *to += *from;
            }
        },
    );
}
