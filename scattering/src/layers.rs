//! First and second layer of one signal: everything that covariances are made of.

use num_complex::Complex;

use crate::path::{pair_index, scattering_paths};
use crate::real::Real;
use crate::transform::{TransformScratch, WaveletTransform};

/// `W_j x` (J + 1 rows), `|W_j x|` (J rows) and `W_j2 |W_j1 x|` (one row a path) on the T samples of a window,
/// real and imaginary parts apart. The same layout holds gradients of these.
#[derive(Clone)]
pub struct Layers<F> {
    pub(crate) octaves: usize,
    pub(crate) n_samples: usize,
    pub(crate) first_re: Vec<F>,
    pub(crate) first_im: Vec<F>,
    pub(crate) modulus: Vec<F>,
    pub(crate) second_re: Vec<F>,
    pub(crate) second_im: Vec<F>,
}

impl<F: Real> Layers<F> {
    /// Zeroed layers of a window of `n_samples` with `octaves` filters.
    pub fn new(octaves: usize, n_samples: usize) -> Self {
        let pairs = octaves * (octaves + 1) / 2;
        Self {
            octaves,
            n_samples,
            first_re: vec![F::zero(); (octaves + 1) * n_samples],
            first_im: vec![F::zero(); (octaves + 1) * n_samples],
            modulus: vec![F::zero(); octaves * n_samples],
            second_re: vec![F::zero(); pairs * n_samples],
            second_im: vec![F::zero(); pairs * n_samples],
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

    /// `W_j x`: real and imaginary part, T each.
    pub fn first(&self, j: usize) -> (&[F], &[F]) {
        let row = j * self.n_samples..(j + 1) * self.n_samples;
        (&self.first_re[row.clone()], &self.first_im[row])
    }

    /// The same, to be written.
    pub fn first_mut(&mut self, j: usize) -> (&mut [F], &mut [F]) {
        let row = j * self.n_samples..(j + 1) * self.n_samples;
        (&mut self.first_re[row.clone()], &mut self.first_im[row])
    }

    /// `|W_j x|`, T samples.
    pub fn modulus(&self, j: usize) -> &[F] {
        &self.modulus[j * self.n_samples..(j + 1) * self.n_samples]
    }

    /// `W_j2 |W_j1 x|`: real and imaginary part.
    pub fn second(&self, j1: usize, j2: usize) -> (&[F], &[F]) {
        let row = self.pair_row(j1, j2);
        (&self.second_re[row.clone()], &self.second_im[row])
    }

    pub(crate) fn first_row(&self, j: usize) -> std::ops::Range<usize> {
        j * self.n_samples..(j + 1) * self.n_samples
    }

    pub(crate) fn pair_row(&self, j1: usize, j2: usize) -> std::ops::Range<usize> {
        let pair = pair_index(self.octaves, j1, j2);
        pair * self.n_samples..(pair + 1) * self.n_samples
    }

    /// Fills the first layer from `signal`.
    pub fn analyze_first(
        &mut self,
        transform: &WaveletTransform<F>,
        signal: &[F],
        spectrum: &mut [Complex<F>],
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
        spectrum: &mut [Complex<F>],
        scratch: &mut TransformScratch<F>,
    ) {
        for j in 0..self.octaves {
            let row = self.first_row(j);
            let (re, im) = (&self.first_re[row.clone()], &self.first_im[row.clone()]);
            for ((to, &a), &b) in self.modulus[row].iter_mut().zip(re).zip(im) {
                *to = (a * a + b * b).sqrt();
            }
        }
        for j1 in 0..self.octaves {
            transform.spectrum(self.modulus(j1), spectrum, scratch);
            if center {
                // The reflected modulus has the same mean over its period, which is bin 0 alone.
                spectrum[0] = Complex::new(F::zero(), F::zero());
            }
            for j2 in j1 + 1..=self.octaves {
                let row = self.pair_row(j1, j2);
                let (re, im) = (&mut self.second_re[row.clone()], &mut self.second_im[row]);
                transform.filter(spectrum, j2, re, im, scratch);
            }
        }
    }

    /// Takes gradients of the second layer (in `self`) back to its moduli: adds to `self.modulus`.
    pub fn backpropagate_second(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        accumulator: &mut [Complex<F>],
        scratch: &mut TransformScratch<F>,
    ) {
        for j1 in 0..self.octaves {
            accumulator.fill(Complex::new(F::zero(), F::zero()));
            for j2 in j1 + 1..=self.octaves {
                let (re, im) = self.second(j1, j2);
                transform.filter_adjoint(re, im, j2, accumulator, scratch);
            }
            if center {
                accumulator[0] = Complex::new(F::zero(), F::zero());
            }
            let row = self.first_row(j1);
            transform.spectrum_adjoint(accumulator, &mut self.modulus[row], scratch);
        }
    }

    /// Takes gradients of the moduli (in `self`) back to the first layer of `layers`, d|z| = Re(conj(z) dz)/|z|,
    /// 0 at z = 0: adds to `self.first`.
    pub fn backpropagate_modulus(&mut self, layers: &Self) {
        let n = self.octaves * self.n_samples;
        for t in 0..n {
            let modulus = layers.modulus[t];
            if modulus > F::zero() {
                let g = self.modulus[t] / modulus;
                self.first_re[t] += g * layers.first_re[t];
                self.first_im[t] += g * layers.first_im[t];
            }
        }
    }

    /// Takes gradients of the first layer (in `self`) back to the signal: adds to `gradient` (T).
    pub fn backpropagate_first(
        &self,
        transform: &WaveletTransform<F>,
        gradient: &mut [F],
        accumulator: &mut [Complex<F>],
        scratch: &mut TransformScratch<F>,
    ) {
        accumulator.fill(Complex::new(F::zero(), F::zero()));
        for j in 0..=self.octaves {
            let (re, im) = self.first(j);
            transform.filter_adjoint(re, im, j, accumulator, scratch);
        }
        transform.spectrum_adjoint(accumulator, gradient, scratch);
    }

    /// The second-layer paths in the order in which they are stored.
    pub fn paths(&self) -> impl Iterator<Item = (usize, usize)> {
        scattering_paths(self.octaves)
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
        for (to, (a, b)) in self
            .first_re
            .iter_mut()
            .zip(a.first_re.iter().zip(&b.first_re))
        {
            *to = *a + *b;
        }
        for (to, (a, b)) in self
            .first_im
            .iter_mut()
            .zip(a.first_im.iter().zip(&b.first_im))
        {
            *to = *a + *b;
        }
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

    fn same_shape(&self, other: &Self) -> bool {
        self.octaves == other.octaves && self.n_samples == other.n_samples
    }
}

fn add<F: Real>(to: &mut [F], from: &[F]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += *from;
    }
}
