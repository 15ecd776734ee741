//! Vector-Jacobian product of every set and option, by the adjoints of the forward FFTs.
//!
//! The layers are computed again rather than stored: a tape of both layers would hold all pairs of filters.

use num_complex::Complex;
use rayon::prelude::*;

use crate::coefficients::operations::measure_adjoint;
use crate::coefficients::rows::{RowPair, RowPairMut};
use crate::error::{Error, check_length, parameter};
use crate::fourier::real::Real;
use crate::transform::builder::EnvelopeMean;
use crate::transform::normalization::{Normalization, add_power_gradient};
use crate::transform::plan::{GradientScratch, ScatteringScratch, ScatteringTransform, zeros};

impl<F: Real> ScatteringTransform<F> {
    /// Gradient with respect to the signal of any real function L of the coefficients: `d_out` `(coefficient, block)`
    /// holds its gradient g with dL = sum Re(conj(g) d phi) (twice the Wirtinger derivative with respect to conj(phi)),
    /// `d_signal` `(channel, window_samples)` is overwritten. d|z|^q is 0 at z = 0.
    ///
    /// # Errors
    /// See [`process`](Self::process); [`Error::Parameter`] if the scratch is from
    /// [`make_forward_scratch`](Self::make_forward_scratch).
    pub fn adjoint(
        &self,
        signal: &[F],
        d_out: &[Complex<F>],
        d_signal: &mut [F],
        scratch: &mut ScatteringScratch<F>,
    ) -> Result<(), Error> {
        self.check_signal(signal)?;
        check_length("d_out", d_out.len(), self.output_len())?;
        check_length("d_signal", d_signal.len(), self.signal_len())?;
        self.check_scratch(scratch)?;
        // Taken out, so that the steps can borrow them apart from the rest of the scratch.
        let Some(mut gradients) = scratch.gradients.take() else {
            return Err(parameter(
                "scratch",
                "forward only",
                "make it with make_scratch",
            ));
        };
        self.analyze(signal, scratch);
        self.expand(d_out, &mut gradients.d_raw);
        gradients.d_power.fill(F::zero());
        // dc/d sigma needs the coefficients themselves; without it no average has to be computed.
        if self.depends_on_own_power() {
            self.measure(0..self.n_blocks(), scratch);
        }
        self.fill_sigma(signal, scratch);
        self.adjoint_normalization(&scratch.raw, &scratch.sigma, &mut gradients);
        self.backpropagate(d_signal, scratch, &mut gradients);
        scratch.gradients = Some(gradients);
        Ok(())
    }

    /// [`adjoint`](Self::adjoint) of [`process_batch`](Self::process_batch): `d_out` `(batch, coefficient, block)`,
    /// `d_signals` `(batch, channel, window_samples)`. With `BatchPowerSpectrum` every member depends on the power of
    /// all.
    ///
    /// # Errors
    /// See [`process`](Self::process).
    pub fn adjoint_batch(
        &self,
        signals: &[F],
        d_out: &[Complex<F>],
        d_signals: &mut [F],
    ) -> Result<(), Error> {
        let n_batch = self.check_batch(signals)?;
        check_length("d_out", d_out.len(), n_batch * self.output_len())?;
        check_length("d_signals", d_signals.len(), signals.len())?;
        let each = signals
            .par_chunks(self.signal_len())
            .zip(d_out.par_chunks(self.output_len()))
            .zip(d_signals.par_chunks_mut(self.signal_len()));
        if self.options.normalization != Normalization::BatchPowerSpectrum {
            return each.try_for_each_init(
                || self.make_scratch(),
                |scratch, ((signal, d_out), d_signal)| {
                    self.adjoint(signal, d_out, d_signal, scratch)
                },
            );
        }
        let (sigma, d_power) = self.batch_power_gradient(signals, d_out, n_batch);
        each.for_each_init(
            || self.make_scratch(),
            |scratch, ((signal, d_out), d_signal)| {
                if let Some(mut gradients) = scratch.gradients.take() {
                    self.analyze(signal, scratch);
                    self.expand(d_out, &mut gradients.d_raw);
                    self.scale_gradient(&sigma, &mut gradients.d_raw);
                    gradients.d_power.copy_from_slice(&d_power);
                    self.backpropagate(d_signal, scratch, &mut gradients);
                    scratch.gradients = Some(gradients);
                }
            },
        );
        Ok(())
    }

    /// Sigma of a batch, and the gradient with respect to the power of each member: one for all, since sigma^2 is their
    /// mean.
    fn batch_power_gradient(
        &self,
        signals: &[F],
        d_out: &[Complex<F>],
        n_batch: usize,
    ) -> (Vec<F>, Vec<F>) {
        // A check that never stops leaves the batch complete.
        let members = self.measure_batch(signals, &|| false).unwrap_or_default();
        let sigma = self.batch_sigma(&members);
        let mut d_power = vec![F::zero(); sigma.len()];
        let mut d_raw = zeros(self.base.len() * self.n_blocks());
        for (member, d_out) in members.iter().zip(d_out.chunks_exact(self.output_len())) {
            self.expand(d_out, &mut d_raw);
            self.normalize_gradient(&member.raw, &sigma, &mut d_raw, &mut d_power);
        }
        let share = F::one() / F::of(n_batch as f64);
        d_power.iter_mut().for_each(|d_power| *d_power *= share);
        (sigma, d_power)
    }

    /// Divides gradients of the base table by their sigmas, these being constants.
    fn scale_gradient(&self, sigma: &[F], d_raw: &mut [Complex<F>]) {
        for (path, blocks) in self
            .base
            .iter()
            .zip(d_raw.chunks_exact_mut(self.n_blocks()))
        {
            let factor = self.factor(path, sigma);
            blocks.iter_mut().for_each(|d_raw| *d_raw *= factor);
        }
    }

    fn depends_on_own_power(&self) -> bool {
        matches!(
            self.options.normalization,
            Normalization::EachPowerSpectrum | Normalization::BatchPowerSpectrum
        )
    }

    /// Gradients of the base table from those of the output.
    fn expand(&self, d_out: &[Complex<F>], d_base: &mut [Complex<F>]) {
        let Some(reduction) = &self.reduction else {
            d_base.copy_from_slice(d_out);
            return;
        };
        let n_blocks = self.n_blocks();
        for (rows, d_out) in reduction.rows.iter().zip(d_out.chunks_exact(n_blocks)) {
            let weight = F::one() / F::of(rows.len() as f64);
            // The mean over scales gives each of its terms an equal share.
            for row in rows {
                for (to, from) in d_base[row * n_blocks..].iter_mut().zip(d_out) {
                    *to = from * weight;
                }
            }
        }
    }

    /// Converts `d_raw` from gradients of the normalised to those of the plain coefficients.
    fn adjoint_normalization(
        &self,
        raw: &[Complex<F>],
        sigma: &[F],
        gradients: &mut GradientScratch<F>,
    ) {
        if self.options.normalization == Normalization::None {
            return;
        }
        let GradientScratch { d_raw, d_power, .. } = gradients;
        if self.depends_on_own_power() {
            self.normalize_gradient(raw, sigma, d_raw, d_power);
            return;
        }
        // A given sigma does not depend on the signal.
        self.scale_gradient(sigma, d_raw);
    }

    /// Converts `d_raw` and adds to `d_power` the gradient that reaches the first layer through sigma.
    fn normalize_gradient(
        &self,
        raw: &[Complex<F>],
        sigma: &[F],
        d_raw: &mut [Complex<F>],
        d_power: &mut [F],
    ) {
        let n_blocks = self.n_blocks();
        for (k, path) in self.base.iter().enumerate() {
            // Neither divided nor dependent on sigma.
            if self.is_spared(path) {
                continue;
            }
            let factor = self.factor(path, sigma);
            let blocks = k * n_blocks..(k + 1) * n_blocks;
            for (d_raw, &raw) in d_raw[blocks.clone()].iter_mut().zip(&raw[blocks]) {
                add_power_gradient(path, sigma, self.n_scales(), *d_raw, raw * factor, d_power);
                *d_raw *= factor;
            }
        }
    }

    /// Propagates gradients of the plain coefficients and of the power back to the analysed signal.
    fn backpropagate(
        &self,
        d_signal: &mut [F],
        scratch: &mut ScatteringScratch<F>,
        gradients: &mut GradientScratch<F>,
    ) {
        gradients.d_first.clear();
        gradients.d_sources.bins.fill(F::zero());
        let rows = RowPair {
            first: &scratch.first,
            second: &scratch.second,
        };
        let mut d_rows = RowPairMut {
            first: &mut gradients.d_first,
            second: &mut gradients.d_second,
        };
        let (operations, d_raw) = (&self.schedule.first, &gradients.d_raw);
        measure_adjoint(&rows, operations, self.means(0), d_raw, &mut d_rows);
        for j2 in 0..self.schedule.second.len() {
            if !self.schedule.second[j2].is_empty() {
                self.backpropagate_second(j2, scratch, gradients);
            }
        }
        self.backpropagate_modulus(scratch, gradients);
        self.backpropagate_power(scratch, gradients);
        self.backpropagate_first(d_signal, scratch, gradients);
    }

    /// Propagates gradients of the coefficients at j2 back to the spectra of the moduli, and to the first layer that
    /// they are multiplied with.
    fn backpropagate_second(
        &self,
        j2: usize,
        scratch: &mut ScatteringScratch<F>,
        gradients: &mut GradientScratch<F>,
    ) {
        // The forward pass kept no j2; the filters run again.
        self.analyze_second(j2, scratch);
        gradients.d_second.use_only(self.row_samples(1, j2));
        gradients.d_second.clear();
        let rows = RowPair {
            first: &scratch.first,
            second: &scratch.second,
        };
        let mut d_rows = RowPairMut {
            first: &mut gradients.d_first,
            second: &mut gradients.d_second,
        };
        let (operations, d_raw) = (&self.schedule.second[j2], &gradients.d_raw);
        measure_adjoint(&rows, operations, self.means(1), d_raw, &mut d_rows);
        let n_sources = self.options.scales.n_sources();
        for channel in 0..self.n_channels() {
            for j1 in 0..self.n_active(j2) {
                let row = channel * n_sources + j1;
                self.layer(1).filter_adjoint(
                    gradients.d_second.row(row),
                    j2,
                    gradients.d_sources.of_mut(row),
                    &mut scratch.transform,
                );
            }
        }
    }

    /// Propagates gradients of the spectra of the moduli back to the first layer: d|z| = Re(conj(z) dz)/|z|, 0 at z =
    /// 0.
    fn backpropagate_modulus(
        &self,
        scratch: &mut ScatteringScratch<F>,
        gradients: &mut GradientScratch<F>,
    ) {
        let (n_scales, n_sources) = (self.n_scales(), self.options.scales.n_sources());
        for channel in 0..self.n_channels() {
            for j1 in 0..n_sources {
                let source = channel * n_sources + j1;
                let d_spectrum = gradients.d_sources.of_mut(source);
                if self.options.envelope_mean == EnvelopeMean::Removed {
                    // Removing the mean is a projection, its own adjoint.
                    d_spectrum[0] = F::zero();
                }
                let row = channel * n_scales + j1;
                let (re, im) = scratch.first.row(row);
                let d_modulus = &mut gradients.d_modulus[..re.len()];
                d_modulus.fill(F::zero());
                self.layer(0).spectrum_of_row_adjoint(
                    j1,
                    d_spectrum,
                    d_modulus,
                    &mut scratch.transform,
                );
                let (to_re, to_im) = gradients.d_first.row_mut(row);
                for t in 0..re.len() {
                    let modulus = (re[t] * re[t] + im[t] * im[t]).sqrt();
                    // |z| has no gradient at 0; 0 is the mean over all directions, and 0/0 would be NaN.
                    if modulus > F::zero() {
                        let g = d_modulus[t] / modulus;
                        to_re[t] += g * re[t];
                        to_im[t] += g * im[t];
                    }
                }
            }
        }
    }

    /// Propagates gradients of the power of each band back to the first layer: d mean|z|^2 = (2/n) sum Re(conj(z) dz).
    fn backpropagate_power(
        &self,
        scratch: &ScatteringScratch<F>,
        gradients: &mut GradientScratch<F>,
    ) {
        for (row, &d_power) in gradients.d_power.iter().enumerate() {
            if d_power == F::zero() {
                continue;
            }
            let (re, im) = scratch.first.row(row);
            let g = d_power * F::of(2.0 / re.len() as f64);
            let (to_re, to_im) = gradients.d_first.row_mut(row);
            for t in 0..re.len() {
                to_re[t] += g * re[t];
                to_im[t] += g * im[t];
            }
        }
    }

    /// Propagates gradients of the first layer back to the signal.
    fn backpropagate_first(
        &self,
        d_signal: &mut [F],
        scratch: &mut ScatteringScratch<F>,
        gradients: &GradientScratch<F>,
    ) {
        d_signal.fill(F::zero());
        let n_scales = self.n_scales();
        for (channel, d_signal) in d_signal.chunks_exact_mut(self.window_samples()).enumerate() {
            scratch.spectrum.fill(F::zero());
            for j in 0..n_scales {
                self.layer(0).filter_adjoint(
                    gradients.d_first.row(channel * n_scales + j),
                    j,
                    &mut scratch.spectrum,
                    &mut scratch.transform,
                );
            }
            self.layer(0)
                .spectrum_adjoint(&scratch.spectrum, d_signal, &mut scratch.transform);
        }
    }
}
