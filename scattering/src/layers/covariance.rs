//! Covariances of layers that an objective keeps and shares.

use num_complex::Complex;

use crate::block::transform::check_finite;
use crate::coefficients::operations::{Average, Operation, mean, mean_adjoint};
use crate::coefficients::path::{CoefficientSet, ScatteringPath};
use crate::coefficients::rows::Row;
use crate::coefficients::table::table;
use crate::error::{Error, check_length, parameter};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::layers::Layers;
use crate::layers::correlation::layers_operation;
use crate::wavelet_transform::reflected::WaveletTransform;

/// Plan for unnormalised `cov` or `scat+cov` of one channel at one filter an octave, step by step: the [`Layers`] of a
/// signal first, their coefficients after, and back again.
///
/// For objectives that share layers between several sets of coefficients, such as those of one signal and those between
/// two ([`Correlations`](crate::Correlations)). Coefficients of signals, with every option, come from a
/// [`ScatteringTransform`](crate::ScatteringTransform), which computes the same averages. Immutable, `Send + Sync`.
pub struct ScatteringCovariance<F: Real> {
    transform: WaveletTransform<F>,
    paths: Vec<ScatteringPath>,
    operations: Vec<Operation>,
}

impl<F: Real> ScatteringCovariance<F> {
    /// A plan for layers of `transform`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the set is neither `Cov` nor `ScatCov`.
    pub fn new(transform: WaveletTransform<F>, set: CoefficientSet) -> Result<Self, Error> {
        if !matches!(set, CoefficientSet::Cov | CoefficientSet::ScatCov) {
            let reason = "give cov or scat+cov; a ScatteringTransform computes the other sets";
            return Err(parameter("coefficients", set, reason));
        }
        let octaves = transform.octaves();
        let paths = table(set, octaves);
        let operations = paths.iter().enumerate();
        Ok(Self {
            operations: operations
                .map(|(k, path)| layers_operation(k, path, octaves))
                .collect(),
            paths,
            transform,
        })
    }

    /// Description of each coefficient, in the order of the output.
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
        vectorized(
            #[inline(always)]
            || {
                for (out, operation) in out.iter_mut().zip(&self.operations) {
                    let shape = self.transform.window_mean(operation.grid);
                    *out = mean(layers, operation.average, &(0..shape.len), shape, 0);
                }
            },
        );
        Ok(())
    }

    /// Adjoint of [`measure_layers`](Self::measure_layers): adds to `d_layers`.
    ///
    /// # Errors
    /// See `measure_layers`.
    pub fn measure_layers_adjoint(
        &self,
        layers: &Layers<F>,
        d_out: &[Complex<F>],
        d_layers: &mut Layers<F>,
    ) -> Result<(), Error> {
        self.check_layers(layers)?;
        self.check_layers(d_layers)?;
        check_length("d_out", d_out.len(), self.paths.len())?;
        vectorized(
            #[inline(always)]
            || {
                for (&g, operation) in d_out.iter().zip(&self.operations) {
                    let shape = self.transform.window_mean(operation.grid);
                    // First-layer moduli are rows of their own: the gradient of the sparsity E|W_j x| joins the one
                    // that comes from the second layer, and one division a sample takes both through the modulus.
                    if let Average::Moment(Row::First(j), _) = operation.average {
                        let share = g.re / F::of(shape.len as f64);
                        let row = layers.first.range(j);
                        d_layers.modulus[row].iter_mut().for_each(|to| *to += share);
                        continue;
                    }
                    let run = (&(0..shape.len), shape);
                    mean_adjoint(layers, operation.average, g, run, d_layers);
                }
            },
        );
        Ok(())
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
