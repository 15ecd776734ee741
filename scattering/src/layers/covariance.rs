//! Covariances of layers that an objective keeps and shares.

use num_complex::Complex;

use crate::block::transform::check_finite;
use crate::coefficients::averages::Weights;
use crate::coefficients::path::{CoefficientSet, ScatteringPath, scattering_paths};
use crate::coefficients::sums::{modulus, weighted_sum};
use crate::coefficients::table::table;
use crate::error::{Error, check_length};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::layers::Layers;
use crate::layers::correlation::Correlations;
use crate::wavelet_transform::reflected::WaveletTransform;

/// Plan for unnormalised `cov` or `scat+cov` of one channel at one filter an octave, step by step: the [`Layers`] of a
/// signal first, their coefficients and those between two signals ([`Correlations`]) after, and back again.
///
/// For objectives that share layers between several sets of coefficients. Coefficients of signals, with every option,
/// come from a [`ScatteringTransform`](crate::ScatteringTransform). Immutable, `Send + Sync`.
pub struct ScatteringCovariance<F: Real> {
    pub(crate) transform: WaveletTransform<F>,
    pub(crate) set: CoefficientSet,
    pub(crate) paths: Vec<ScatteringPath>,
    pub(crate) correlations: Correlations,
}

impl<F: Real> ScatteringCovariance<F> {
    /// A plan for layers of `transform`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the set is neither `Cov` nor `ScatCov`.
    pub fn new(transform: WaveletTransform<F>, set: CoefficientSet) -> Result<Self, Error> {
        if !matches!(set, CoefficientSet::Cov | CoefficientSet::ScatCov) {
            return Err(crate::error::parameter(
                "coefficients",
                format!("{set:?}"),
                "plan a ScatteringTransform for this set",
            ));
        }
        let octaves = transform.octaves();
        Ok(Self {
            paths: table(set, octaves),
            correlations: Correlations::new(octaves),
            transform,
            set,
        })
    }

    /// What each coefficient is, in the order of the output.
    pub fn paths(&self) -> &[ScatteringPath] {
        &self.paths
    }

    /// Length T of a window.
    pub fn window_samples(&self) -> usize {
        self.transform.n_samples()
    }

    /// The wavelet transform inside.
    pub fn transform(&self) -> &WaveletTransform<F> {
        &self.transform
    }

    /// A zeroed output, `(coefficient,)`.
    pub fn make_output(&self) -> Vec<Complex<F>> {
        vec![Complex::new(F::zero(), F::zero()); self.paths.len()]
    }

    /// Unnormalised coefficients of `signal` `(window_samples,)`, with layers of their own.
    ///
    /// # Errors
    /// [`Error::Length`] if the signal differs from the plan, [`Error::NotFinite`] if it holds a NaN or an infinity.
    pub fn process_vec(&self, signal: &[F]) -> Result<Vec<Complex<F>>, Error> {
        check_length("signal", signal.len(), self.window_samples())?;
        check_finite(signal, 0)?;
        let mut layers = Layers::new(&self.transform);
        let (mut spectrum, mut scratch) = (
            self.transform.make_spectrum(),
            self.transform.make_scratch(),
        );
        layers.analyze_first(&self.transform, signal, &mut spectrum, &mut scratch);
        layers.analyze_second(&self.transform, false, &mut spectrum, &mut scratch);
        let mut out = self.make_output();
        self.measure_layers(&layers, &mut out)?;
        Ok(out)
    }

    /// Unnormalised coefficients of finished layers, averaged over the window, into `out` `(coefficient,)`.
    ///
    /// # Errors
    /// [`Error::Length`] if the layers or `out` differ from the plan.
    pub fn measure_layers(&self, layers: &Layers<F>, out: &mut [Complex<F>]) -> Result<(), Error> {
        self.check_layers(layers)?;
        check_length("out", out.len(), self.paths.len())?;
        let k = vectorized(
            #[inline(always)]
            || self.measure_moduli(layers, out),
        );
        self.correlations
            .process(&self.transform, layers, layers, &mut out[k..]);
        Ok(())
    }

    /// Adjoint of [`measure_layers`](Self::measure_layers): adds to `d_layers`.
    ///
    /// # Errors
    /// As `measure_layers`.
    pub fn measure_layers_adjoint(
        &self,
        layers: &Layers<F>,
        d_out: &[Complex<F>],
        d_layers: &mut Layers<F>,
    ) -> Result<(), Error> {
        self.check_layers(layers)?;
        self.check_layers(d_layers)?;
        check_length("d_out", d_out.len(), self.paths.len())?;
        let k = vectorized(
            #[inline(always)]
            || self.measure_moduli_adjoint(layers, d_out, d_layers),
        );
        self.correlations
            .adjoint_same(&self.transform, layers, &d_out[k..], d_layers);
        Ok(())
    }

    /// Sparsity, mean and, where the set has them, second-layer moduli; returns how many.
    #[inline(always)]
    fn measure_moduli(&self, layers: &Layers<F>, out: &mut [Complex<F>]) -> usize {
        let octaves = layers.octaves;
        let mean = |n: usize| Weights::Uniform(F::of(1.0 / n as f64));
        let plain = |row: &[F]| weighted_sum((row, row), &mean(row.len()), |x, _| x);
        let second = scattering_paths(octaves).filter(|_| self.set == CoefficientSet::ScatCov);
        let values = (0..octaves)
            .map(|j| plain(layers.modulus(j)))
            .chain(std::iter::once(plain(layers.first(octaves).0)))
            .chain(second.map(|(j1, j2)| {
                let z = layers.second(j1, j2);
                weighted_sum(z, &mean(z.0.len()), modulus)
            }));
        let mut k = 0;
        for value in values {
            out[k] = Complex::new(value, F::zero());
            k += 1;
        }
        k
    }

    #[inline(always)]
    fn measure_moduli_adjoint(
        &self,
        layers: &Layers<F>,
        d_out: &[Complex<F>],
        d_layers: &mut Layers<F>,
    ) -> usize {
        let octaves = layers.octaves;
        let share = |k: usize, n: usize| d_out[k].re / F::of(n as f64);
        for j in 0..octaves {
            let row = layers.first_row(j);
            let g = share(j, row.len());
            for to in &mut d_layers.modulus[row] {
                *to += g;
            }
        }
        let row = layers.first_row(octaves);
        let g = share(octaves, row.len());
        for to in &mut d_layers.first_re[row] {
            *to += g;
        }
        let mut k = octaves + 1;
        if self.set == CoefficientSet::ScatCov {
            for (j1, j2) in scattering_paths(octaves) {
                let row = layers.pair_row(j1, j2);
                let g = share(k, row.len());
                for t in row {
                    let (re, im) = (layers.second_re[t], layers.second_im[t]);
                    let modulus = modulus(re, im);
                    if modulus > F::zero() {
                        d_layers.second_re[t] += g * re / modulus;
                        d_layers.second_im[t] += g * im / modulus;
                    }
                }
                k += 1;
            }
        }
        k
    }

    fn check_layers(&self, layers: &Layers<F>) -> Result<(), Error> {
        check_length("layers", layers.n_samples, self.window_samples())?;
        check_length(
            "octaves of layers",
            layers.octaves,
            self.transform.octaves(),
        )
    }
}
