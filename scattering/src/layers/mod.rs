//! First and second layer of one signal: everything that covariances are made of.

pub(crate) mod correlation;
pub(crate) mod covariance;

use std::ops::Range;

use crate::coefficients::path::{pair_index, scattering_paths};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::wavelet_transform::reflected::{TransformScratch, WaveletTransform, modulus};

/// `W_j x` (J + 1 rows), `|W_j x|` (J rows) and `W_j2 |W_j1 x|` (one row a path), each on the grid of its last scale,
/// in folded order ([`WaveletTransform::sample_of_place`]), real and imaginary parts apart. The same layout holds gradients of these.
#[derive(Clone)]
pub struct Layers<F> {
    pub(crate) octaves: usize,
    pub(crate) n_samples: usize,
    /// Start of each row of the first layer, and the end.
    first_at: Vec<usize>,
    /// Start of each row of the second layer, and the end.
    second_at: Vec<usize>,
    pub(crate) first_re: Vec<F>,
    pub(crate) first_im: Vec<F>,
    pub(crate) modulus: Vec<F>,
    pub(crate) second_re: Vec<F>,
    pub(crate) second_im: Vec<F>,
}

impl<F: Real> Layers<F> {
    /// Zeroed layers for the windows of `transform`.
    pub fn new(transform: &WaveletTransform<F>) -> Self {
        let octaves = transform.octaves();
        let ends = |lengths: &mut dyn Iterator<Item = usize>| {
            let mut at = vec![0];
            for length in lengths {
                at.push(at[at.len() - 1] + length);
            }
            at
        };
        let first_at = ends(&mut (0..=octaves).map(|j| transform.row_samples(j)));
        let second_at =
            ends(&mut scattering_paths(octaves).map(|(_, j2)| transform.row_samples(j2)));
        let (n_first, n_second) = (first_at[octaves + 1], second_at[second_at.len() - 1]);
        Self {
            octaves,
            n_samples: transform.n_samples(),
            first_re: vec![F::zero(); n_first],
            first_im: vec![F::zero(); n_first],
            modulus: vec![F::zero(); first_at[octaves]],
            second_re: vec![F::zero(); n_second],
            second_im: vec![F::zero(); n_second],
            first_at,
            second_at,
        }
    }

    /// Sets everything to zero (before gradients are added up).
    pub fn clear(&mut self) {
        for part in [
            &mut self.first_re,
            &mut self.first_im,
            &mut self.modulus,
            &mut self.second_re,
            &mut self.second_im,
        ] {
            part.fill(F::zero());
        }
    }

    /// `W_j x`: real and imaginary part, on the grid of scale j.
    pub fn first(&self, j: usize) -> (&[F], &[F]) {
        let row = self.first_row(j);
        (&self.first_re[row.clone()], &self.first_im[row])
    }

    /// The same, to be written.
    pub fn first_mut(&mut self, j: usize) -> (&mut [F], &mut [F]) {
        let row = self.first_row(j);
        (&mut self.first_re[row.clone()], &mut self.first_im[row])
    }

    /// `|W_j x|`, on the grid of scale j.
    pub fn modulus(&self, j: usize) -> &[F] {
        &self.modulus[self.first_row(j)]
    }

    /// `W_j2 |W_j1 x|`: real and imaginary part, on the grid of scale j2.
    pub fn second(&self, j1: usize, j2: usize) -> (&[F], &[F]) {
        let row = self.pair_row(j1, j2);
        (&self.second_re[row.clone()], &self.second_im[row])
    }

    pub(crate) fn first_row(&self, j: usize) -> Range<usize> {
        self.first_at[j]..self.first_at[j + 1]
    }

    pub(crate) fn pair_row(&self, j1: usize, j2: usize) -> Range<usize> {
        self.second_row(pair_index(self.octaves, j1, j2))
    }

    pub(crate) fn second_row(&self, pair: usize) -> Range<usize> {
        self.second_at[pair]..self.second_at[pair + 1]
    }

    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.n_samples == other.n_samples && self.first_at == other.first_at
    }

    /// Fills the first layer from `signal` (T samples).
    pub fn analyze_first(
        &mut self,
        transform: &WaveletTransform<F>,
        signal: &[F],
        spectrum: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        transform.spectrum(signal, spectrum, scratch);
        for j in 0..=self.octaves {
            let (re, im) = self.first_mut(j);
            transform.filter(spectrum, j, re, im, scratch);
        }
    }

    /// Fills moduli and second layer from the first. With `center`, each modulus has its time mean taken off
    /// before the second layer (as cross covariances want it); the stored moduli keep it.
    pub fn analyze_second(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        spectrum: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        modulus(&self.first_re, &self.first_im, &mut self.modulus);
        for j1 in 0..self.octaves {
            transform.spectrum_of_row(self.modulus(j1), j1, spectrum, scratch);
            if center {
                // The mean of the reflected modulus is bin 0 alone.
                spectrum[0] = F::zero();
            }
            let bins = &spectrum[..transform.row_samples(j1)];
            for j2 in j1 + 1..=self.octaves {
                let row = self.pair_row(j1, j2);
                let (re, im) = (&mut self.second_re[row.clone()], &mut self.second_im[row]);
                transform.filter_bins(bins, j2, re, im, scratch);
            }
        }
    }

    /// Takes gradients of the second layer (in `self`) back to its moduli: adds to `self.modulus`.
    pub fn backpropagate_second(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        for j1 in 0..self.octaves {
            let bins = &mut accumulator[..transform.row_samples(j1)];
            bins.fill(F::zero());
            for j2 in j1 + 1..=self.octaves {
                let (re, im) = self.second(j1, j2);
                transform.filter_bins_adjoint(re, im, j2, bins, scratch);
            }
            if center {
                bins[0] = F::zero();
            }
            let row = self.first_row(j1);
            transform.spectrum_of_row_adjoint(j1, bins, &mut self.modulus[row], scratch);
        }
    }

    /// Takes gradients of the moduli (in `self`) back to the first layer of `layers`, d|z| = Re(conj(z) dz)/|z|,
    /// 0 at z = 0: adds to `self.first`.
    pub fn backpropagate_modulus(&mut self, layers: &Self) {
        vectorized(
            #[inline(always)]
            || {
                let n = self.modulus.len();
                let (re, im) = (&layers.first_re[..n], &layers.first_im[..n]);
                let (to_re, to_im) = (&mut self.first_re[..n], &mut self.first_im[..n]);
                let (gradient, modulus) = (&self.modulus[..n], &layers.modulus[..n]);
                for t in 0..n {
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

    /// Takes gradients of the first layer (in `self`) back to the signal: adds to `gradient` (T).
    pub fn backpropagate_first(
        &self,
        transform: &WaveletTransform<F>,
        gradient: &mut [F],
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        accumulator.fill(F::zero());
        for j in 0..=self.octaves {
            let (re, im) = self.first(j);
            transform.filter_adjoint(re, im, j, accumulator, scratch);
        }
        transform.spectrum_adjoint(accumulator, gradient, scratch);
    }
}

/// Arithmetic between layers of the same shape, for objectives that share them.
impl<F: Real> Layers<F> {
    /// Sets the first layer to the sum of two; moduli and second layer are left as they were.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn set_first_to_sum(&mut self, a: &Self, b: &Self) {
        assert!(
            a.same_shape(self) && b.same_shape(self),
            "layers of different shapes"
        );
        sum(&mut self.first_re, &a.first_re, &b.first_re);
        sum(&mut self.first_im, &a.first_im, &b.first_im);
    }

    /// Adds the first layer of `other`.
    pub fn add_first(&mut self, other: &Self) {
        add(&mut self.first_re, &other.first_re);
        add(&mut self.first_im, &other.first_im);
    }

    /// Adds everything of `other`.
    pub fn add(&mut self, other: &Self) {
        self.add_first(other);
        add(&mut self.modulus, &other.modulus);
        add(&mut self.second_re, &other.second_re);
        add(&mut self.second_im, &other.second_im);
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
