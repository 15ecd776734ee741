//! Vector-Jacobian product of the scattering covariance, by the same FFTs.

use std::ops::Range;

use num_complex::Complex;

use crate::correlation::Correlations;
use crate::covariance::{ScatteringCovariance, Scratch, measure_window};
use crate::error::{Error, check_length};
use crate::layers::Layers;
use crate::normalization::{Normalization, add_power_gradient, factor};
use crate::path::{CoefficientSet, scattering_paths};
use crate::real::Real;
use crate::transform::WaveletTransform;

impl<F: Real> ScatteringCovariance<F> {
    /// Gradient with respect to the signal of any real function L of the coefficients: `d_out` `(coefficient, block)`
    /// holds its gradient g with dL = sum Re(conj(g) d phi) (twice the Wirtinger derivative with respect to conj(phi)),
    /// `d_signal` `(window_samples,)` is overwritten. d|z| is 0 at z = 0.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub fn adjoint(
        &self,
        signal: &[F],
        d_out: &[Complex<F>],
        d_signal: &mut [F],
        scratch: &mut Scratch<F>,
    ) -> Result<(), Error> {
        self.check_signal(signal)?;
        check_length("d_out", d_out.len(), self.output_len())?;
        check_length("d_signal", d_signal.len(), self.window_samples())?;
        self.analyze(signal, scratch);
        scratch.d_layers.clear();
        scratch.raw.copy_from_slice(d_out);
        if self.normalization == Normalization::EachPowerSpectrum {
            self.adjoint_normalization(d_out, scratch);
        }
        self.adjoint_measure(scratch);
        let Scratch {
            transform,
            accumulator,
            layers,
            d_layers,
            ..
        } = scratch;
        d_layers.backpropagate_second(&self.transform, false, accumulator, transform);
        d_layers.backpropagate_modulus(layers);
        d_signal.fill(F::zero());
        d_layers.backpropagate_first(&self.transform, d_signal, accumulator, transform);
        Ok(())
    }

    /// Turns `raw` from gradients of the normalised into gradients of the plain coefficients, and adds what reaches
    /// the first layer through sigma.
    fn adjoint_normalization(&self, d_out: &[Complex<F>], scratch: &mut Scratch<F>) {
        let n_blocks = self.n_blocks();
        self.fill_sigma(&scratch.layers, &mut scratch.sigma);
        self.measure_blocks(&scratch.layers, &mut scratch.raw);
        scratch.d_power.fill(F::zero());
        for (k, path) in self.paths.iter().enumerate() {
            let factor = factor(path, &scratch.sigma, scratch.sigma.len());
            let blocks = k * n_blocks..(k + 1) * n_blocks;
            for (raw, &d_out) in scratch.raw[blocks.clone()].iter_mut().zip(&d_out[blocks]) {
                let normalized = *raw * factor;
                add_power_gradient(
                    path,
                    &scratch.sigma,
                    scratch.sigma.len(),
                    d_out,
                    normalized,
                    &mut scratch.d_power,
                );
                *raw = d_out * factor;
            }
        }
        for (j, &d_power) in scratch.d_power.iter().enumerate() {
            let (re, im) = scratch.layers.first(j);
            let g = d_power * F::of(2.0 / re.len() as f64);
            let (to_re, to_im) = scratch.d_layers.first_mut(j);
            for t in 0..re.len() {
                to_re[t] += g * re[t];
                to_im[t] += g * im[t];
            }
        }
    }

    /// Adjoint of `measure_blocks`: from `scratch.raw` into `scratch.d_layers`.
    fn adjoint_measure(&self, scratch: &mut Scratch<F>) {
        let (n_blocks, pool) = (self.n_blocks(), self.pool_samples);
        let Scratch {
            layers,
            d_layers,
            raw,
            ..
        } = scratch;
        if n_blocks == 1 {
            measure_adjoint(
                &self.transform,
                layers,
                self.set,
                &self.correlations,
                None,
                raw,
                1,
                d_layers,
            );
            return;
        }
        for block in 0..n_blocks {
            let range = block * pool..(block + 1) * pool;
            let d_out = &raw[block..];
            measure_adjoint(
                &self.transform,
                layers,
                self.set,
                &self.correlations,
                Some(&range),
                d_out,
                n_blocks,
                d_layers,
            );
        }
    }

    /// Unnormalised coefficients of finished layers, averaged over the whole window, into `out` `(coefficient,)`;
    /// for objectives that share layers between several sets of coefficients.
    ///
    /// # Errors
    /// [`Error::Length`] if the layers or `out` differ from the plan.
    pub fn measure_layers(&self, layers: &Layers<F>, out: &mut [Complex<F>]) -> Result<(), Error> {
        self.check_layers(layers)?;
        check_length("out", out.len(), self.paths.len())?;
        measure_window(&self.transform, layers, self.set, &self.correlations, out);
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
        measure_adjoint(
            &self.transform,
            layers,
            self.set,
            &self.correlations,
            None,
            d_out,
            1,
            d_layers,
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

/// Adjoint of `measure_window`, or of `measure_range` where a range is given: adds to the gradients of the layers.
#[expect(
    clippy::too_many_arguments,
    reason = "mirrors what it is the adjoint of, with the two gradients"
)]
fn measure_adjoint<F: Real>(
    transform: &WaveletTransform<F>,
    layers: &Layers<F>,
    set: CoefficientSet,
    correlations: &Correlations,
    range: Option<&Range<usize>>,
    d_out: &[Complex<F>],
    stride: usize,
    d_layers: &mut Layers<F>,
) {
    let octaves = layers.octaves;
    let within = |row: Range<usize>| match range {
        Some(range) => row.start + range.start..row.start + range.end,
        None => row,
    };
    let mut k = 0;
    for j in 0..octaves {
        let row = within(layers.first_row(j));
        let g = d_out[k * stride].re / F::of(row.len() as f64);
        for to in &mut d_layers.modulus[row] {
            *to += g;
        }
        k += 1;
    }
    let row = within(layers.first_row(octaves));
    let g = d_out[k * stride].re / F::of(row.len() as f64);
    for to in &mut d_layers.first_re[row] {
        *to += g;
    }
    k += 1;
    if set == CoefficientSet::ScatCov {
        for (j1, j2) in scattering_paths(octaves) {
            let row = within(layers.pair_row(j1, j2));
            let g = d_out[k * stride].re / F::of(row.len() as f64);
            for t in row {
                let (re, im) = (layers.second_re[t], layers.second_im[t]);
                let modulus = (re * re + im * im).sqrt();
                if modulus > F::zero() {
                    d_layers.second_re[t] += g * re / modulus;
                    d_layers.second_im[t] += g * im / modulus;
                }
            }
            k += 1;
        }
    }
    correlations.adjoint_same(
        transform,
        layers,
        range,
        &d_out[k * stride..],
        stride,
        d_layers,
    );
}
