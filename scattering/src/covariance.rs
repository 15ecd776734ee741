//! The scattering covariance of one window.

use std::ops::Range;

use num_complex::Complex;

use crate::builder::PlanBuilder;
use crate::correlation::{Correlations, energy, modulus_sum, plain_sum};
use crate::error::{Error, check_length};
use crate::layers::Layers;
use crate::normalization::{Normalization, factor};
use crate::path::{CoefficientSet, ScatteringPath, scattering_paths};
use crate::path_table::table;
use crate::real::Real;
use crate::transform::{TransformScratch, WaveletTransform};

/// Plan for the scattering covariances of windows of one length (arXiv 2204.10177; MATH: section 2).
///
/// Immutable, `Send + Sync`; one [`Scratch`] for each thread.
pub struct ScatteringCovariance<F: Real> {
    pub(crate) transform: WaveletTransform<F>,
    pub(crate) set: CoefficientSet,
    pub(crate) normalization: Normalization,
    pub(crate) pool_samples: usize,
    pub(crate) paths: Vec<ScatteringPath>,
    pub(crate) correlations: Correlations,
}

/// Work space of a [`ScatteringCovariance`]; its content between calls means nothing.
pub struct Scratch<F: Real> {
    pub(crate) transform: TransformScratch<F>,
    pub(crate) spectrum: Vec<F>,
    pub(crate) accumulator: Vec<F>,
    pub(crate) layers: Layers<F>,
    pub(crate) d_layers: Layers<F>,
    pub(crate) raw: Vec<Complex<F>>,
    pub(crate) sigma: Vec<F>,
    pub(crate) d_power: Vec<F>,
}

impl<F: Real> ScatteringCovariance<F> {
    /// Starts the plan for windows of `window_samples` samples.
    pub fn plan(window_samples: usize) -> PlanBuilder<F> {
        PlanBuilder::new(window_samples)
    }

    pub(crate) fn from_parts(
        transform: WaveletTransform<F>,
        set: CoefficientSet,
        normalization: Normalization,
        pool_samples: usize,
    ) -> Self {
        let octaves = transform.octaves();
        Self {
            paths: table(set, octaves),
            correlations: Correlations::new(octaves),
            transform,
            set,
            normalization,
            pool_samples,
        }
    }

    /// What each coefficient is, in the order of the output.
    pub fn paths(&self) -> &[ScatteringPath] {
        &self.paths
    }

    /// Length T of a window.
    pub fn window_samples(&self) -> usize {
        self.transform.n_samples()
    }

    /// Number of blocks, 1 without pooling.
    pub fn n_blocks(&self) -> usize {
        self.window_samples() / self.pool_samples
    }

    /// Length of the output, coefficients times blocks.
    pub fn output_len(&self) -> usize {
        self.paths.len() * self.n_blocks()
    }

    /// The wavelet transform inside.
    pub fn transform(&self) -> &WaveletTransform<F> {
        &self.transform
    }

    /// A zeroed output, `(coefficient, block)`.
    pub fn make_output(&self) -> Vec<Complex<F>> {
        vec![Complex::new(F::zero(), F::zero()); self.output_len()]
    }

    /// Work space for one thread.
    pub fn make_scratch(&self) -> Scratch<F> {
        let octaves = self.transform.octaves();
        Scratch {
            transform: self.transform.make_scratch(),
            spectrum: self.transform.make_spectrum(),
            accumulator: self.transform.make_spectrum(),
            layers: Layers::new(&self.transform),
            d_layers: Layers::new(&self.transform),
            raw: self.make_output(),
            sigma: vec![F::zero(); octaves + 1],
            d_power: vec![F::zero(); octaves + 1],
        }
    }

    /// Scattering covariance of `signal` `(window_samples,)`, any unit `u`, into `out` `(coefficient, block)`.
    /// Unnormalised sparsity, mean and scattering are in `u`, the others in `u^2`.
    ///
    /// # Errors
    /// [`Error::Length`] if a buffer differs from the plan, [`Error::NotFinite`] if the signal holds a NaN or an
    /// infinity; nothing is written then.
    pub fn process(
        &self,
        signal: &[F],
        out: &mut [Complex<F>],
        scratch: &mut Scratch<F>,
    ) -> Result<(), Error> {
        self.check_signal(signal)?;
        check_length("out", out.len(), self.output_len())?;
        self.analyze(signal, scratch);
        self.measure_blocks(&scratch.layers, out);
        if self.normalization == Normalization::EachPowerSpectrum {
            self.fill_sigma(&scratch.layers, &mut scratch.sigma);
            for (path, blocks) in self.paths.iter().zip(out.chunks_exact_mut(self.n_blocks())) {
                let factor = factor(path, &scratch.sigma, scratch.sigma.len());
                blocks.iter_mut().for_each(|value| *value *= factor);
            }
        }
        Ok(())
    }

    /// [`process`](Self::process) into buffers of its own.
    ///
    /// # Errors
    /// As `process`.
    pub fn process_vec(&self, signal: &[F]) -> Result<Vec<Complex<F>>, Error> {
        let mut out = self.make_output();
        self.process(signal, &mut out, &mut self.make_scratch())?;
        Ok(out)
    }

    pub(crate) fn check_signal(&self, signal: &[F]) -> Result<(), Error> {
        check_length("signal", signal.len(), self.window_samples())?;
        match signal.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(Error::NotFinite {
                index,
                value: format!("{}", signal[index].to_double()),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn analyze(&self, signal: &[F], scratch: &mut Scratch<F>) {
        scratch.layers.analyze_first(
            &self.transform,
            signal,
            &mut scratch.spectrum,
            &mut scratch.transform,
        );
        scratch.layers.analyze_second(
            &self.transform,
            false,
            &mut scratch.spectrum,
            &mut scratch.transform,
        );
    }

    pub(crate) fn measure_blocks(&self, layers: &Layers<F>, out: &mut [Complex<F>]) {
        let n_blocks = self.n_blocks();
        if n_blocks == 1 {
            measure_window(&self.transform, layers, self.set, &self.correlations, out);
            return;
        }
        for block in 0..n_blocks {
            let range = block * self.pool_samples..(block + 1) * self.pool_samples;
            measure_range(
                layers,
                self.set,
                &self.correlations,
                range,
                &mut out[block..],
                n_blocks,
            );
        }
    }

    pub(crate) fn fill_sigma(&self, layers: &Layers<F>, sigma: &mut [F]) {
        for (j, sigma) in sigma.iter_mut().enumerate() {
            let (re, im) = layers.first(j);
            *sigma = (energy(re, im) / F::of(re.len() as f64)).sqrt();
        }
    }
}

/// All unnormalised coefficients of `set` as means over the window.
pub(crate) fn measure_window<F: Real>(
    transform: &WaveletTransform<F>,
    layers: &Layers<F>,
    set: CoefficientSet,
    correlations: &Correlations,
    out: &mut [Complex<F>],
) {
    let k = measure_moduli(layers, set, None, out, 1);
    correlations.process(transform, layers, layers, &mut out[k..]);
}

/// All unnormalised coefficients of `set` as means over the samples `range`, at stride `stride` in `out`; the layers
/// must be kept at the window's own rate.
pub(crate) fn measure_range<F: Real>(
    layers: &Layers<F>,
    set: CoefficientSet,
    correlations: &Correlations,
    range: Range<usize>,
    out: &mut [Complex<F>],
    stride: usize,
) {
    let k = measure_moduli(layers, set, Some(&range), out, stride);
    correlations.process_range(layers, range, &mut out[k * stride..], stride);
}

/// Sparsity, mean and, where the set has them, second-layer moduli; returns how many.
fn measure_moduli<F: Real>(
    layers: &Layers<F>,
    set: CoefficientSet,
    range: Option<&Range<usize>>,
    out: &mut [Complex<F>],
    stride: usize,
) -> usize {
    let octaves = layers.octaves;
    let part = |n: usize| range.cloned().unwrap_or(0..n);
    let mean = |sum: F, n: usize| Complex::new(sum / F::of(n as f64), F::zero());
    let mut k = 0;
    for j in 0..octaves {
        let row = layers.modulus(j);
        let row = &row[part(row.len())];
        out[k * stride] = mean(plain_sum(row), row.len());
        k += 1;
    }
    let (low_pass, _) = layers.first(octaves);
    let low_pass = &low_pass[part(low_pass.len())];
    out[k * stride] = mean(plain_sum(low_pass), low_pass.len());
    k += 1;
    if set == CoefficientSet::ScatCov {
        for (j1, j2) in scattering_paths(octaves) {
            let (re, im) = layers.second(j1, j2);
            let range = part(re.len());
            out[k * stride] = mean(
                modulus_sum(&re[range.clone()], &im[range.clone()]),
                range.len(),
            );
            k += 1;
        }
    }
    k
}
