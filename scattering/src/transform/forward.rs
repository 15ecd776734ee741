//! Forward steps of a [`ScatteringTransform`](crate::ScatteringTransform): layers, means, normalisation.

use std::ops::Range;

use num_complex::Complex;
use rayon::prelude::*;

use crate::coefficients::averages::{BlockMeans, Weights};
use crate::coefficients::operations::measure;
use crate::coefficients::path::{CoefficientKind, ScatteringPath};
use crate::coefficients::rows::RowPair;
use crate::coefficients::sums::{power, weighted_sum};
use crate::error::{Error, check_length, parameter};
use crate::fourier::real::Real;
use crate::fourier::simd::vectorized;
use crate::transform::builder::{EnvelopeMean, PowerRows};
use crate::transform::normalization::{Normalization, factor};
use crate::transform::plan::{ScatteringScratch, ScatteringTransform};
use crate::wavelet_transform::padded::PaddedTransform;

/// Check that returns true if the work is to stop.
pub(crate) type Stop<'a> = &'a dyn Fn() -> bool;
/// Check of calls that cannot be stopped.
pub(crate) const NEVER: Stop<'static> = &|| false;
/// Averages between two checks: on a day of samples a tenth of a second.
const AVERAGES_BETWEEN_CHECKS: usize = 128;

impl<F: Real> ScatteringTransform<F> {
    pub(crate) fn layer(&self, layer: usize) -> &PaddedTransform<F> {
        &self.transforms[layer.min(self.transforms.len() - 1)]
    }

    pub(crate) fn means(&self, layer: usize) -> &[BlockMeans<F>] {
        &self.means[layer.min(self.means.len() - 1)]
    }

    /// Number of scales of the first layer, the low-pass included.
    pub(crate) fn n_scales(&self) -> usize {
        self.options.scales.first_low_pass() + 1
    }

    pub(crate) fn n_first(&self) -> usize {
        self.n_channels() * self.n_scales()
    }

    pub(crate) fn n_second(&self) -> usize {
        self.n_channels() * self.options.scales.n_sources()
    }

    /// Number of rows j1 of the second layer at j2, for each channel. Paths have j1/Q1 < j2/Q2, so they are the first
    /// ones.
    pub(crate) fn n_active(&self, j2: usize) -> usize {
        let scales = &self.options.scales;
        (0..scales.n_sources())
            .take_while(|&j1| scales.is_path(j1, j2))
            .count()
    }

    pub(crate) fn check_signal(&self, signal: &[F]) -> Result<(), Error> {
        check_length("signal", signal.len(), self.signal_len())?;
        match signal.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(Error::NotFinite {
                index: index % self.window_samples(),
                value: format!("{}", signal[index].to_double()),
            }),
            None => Ok(()),
        }
    }

    /// Refuses the scratch of another plan, in which rows would lie at other places.
    pub(crate) fn check_scratch(&self, scratch: &ScatteringScratch<F>) -> Result<(), Error> {
        let n_scales = self.n_scales();
        let rows = scratch.first.lengths();
        let same = scratch.window_samples == self.window_samples()
            && scratch.spectrum.len() == self.layer(0).spectrum_len(None)
            && scratch.raw.len() == self.base.len() * self.n_blocks()
            && scratch.longest_second == self.longest_second()
            && rows.len() == self.n_first()
            && (0..rows.len()).all(|row| rows[row] == self.row_samples(0, row % n_scales));
        if same {
            Ok(())
        } else {
            let reason = "make it with the plan that it is used with";
            Err(parameter("scratch", "of another plan", reason))
        }
    }

    pub(crate) fn check_batch(&self, signals: &[F]) -> Result<usize, Error> {
        // At least 1, so that an empty batch is an error of length, not an empty result.
        let n_batch = (signals.len() / self.signal_len()).max(1);
        check_length("signals", signals.len(), n_batch * self.signal_len())?;
        for signal in signals.chunks_exact(self.signal_len()) {
            self.check_signal(signal)?;
        }
        Ok(n_batch)
    }

    /// First layer, its power, and the spectra of its moduli.
    pub(crate) fn analyze(&self, signal: &[F], scratch: &mut ScatteringScratch<F>) {
        self.analyze_until(signal, scratch, NEVER);
    }

    /// [`analyze`](Self::analyze) with a check between filters; false if it was stopped.
    pub(crate) fn analyze_until(
        &self,
        signal: &[F],
        scratch: &mut ScatteringScratch<F>,
        stop: Stop,
    ) -> bool {
        let n = self.window_samples();
        let (n_scales, n_sources) = (self.n_scales(), self.options.scales.n_sources());
        for (channel, signal) in signal.chunks_exact(n).enumerate() {
            self.layer(0)
                .spectrum(signal, &mut scratch.spectrum, &mut scratch.transform);
            for j in 0..n_scales {
                if stop() {
                    return false;
                }
                let row = channel * n_scales + j;
                self.layer(0).filter(
                    &scratch.spectrum,
                    j,
                    scratch.first.row_mut(row),
                    &mut scratch.transform,
                );
                let z = scratch.first.row(row);
                if j < n_sources {
                    let to = scratch.sources.of_mut(channel * n_sources + j);
                    self.layer(0)
                        .spectrum_of_modulus(z, j, to, &mut scratch.transform);
                    // Bin 0 of the spectrum alone is the mean.
                    if self.options.envelope_mean == EnvelopeMean::Removed {
                        to[0] = F::zero();
                    }
                }
            }
        }
        true
    }

    /// Power of each band of an analysed signal, and its mean square.
    pub(crate) fn fill_power(&self, signal: &[F], scratch: &mut ScatteringScratch<F>) {
        let mean = |n: usize| Weights::Mean(F::of(n as f64));
        vectorized(
            #[inline(always)]
            || {
                let n = self.window_samples();
                for (level, signal) in scratch.level.iter_mut().zip(signal.chunks_exact(n)) {
                    *level = weighted_sum((signal, signal), &mean(n), |x, _| x * x);
                }
                for (row, to) in scratch.power.iter_mut().enumerate() {
                    let z = scratch.first.row(row);
                    *to = weighted_sum(z, &mean(z.0.len()), power);
                }
            },
        );
    }

    /// Second layer at one j2. One j2 at a time: memory grows with the number of filters, not of their pairs.
    pub(crate) fn analyze_second(&self, j2: usize, scratch: &mut ScatteringScratch<F>) {
        self.analyze_second_until(j2, scratch, NEVER);
    }

    /// [`analyze_second`](Self::analyze_second) with a check between filters; false if it was stopped.
    fn analyze_second_until(
        &self,
        j2: usize,
        scratch: &mut ScatteringScratch<F>,
        stop: Stop,
    ) -> bool {
        let n_sources = self.options.scales.n_sources();
        scratch.second.use_only(self.row_samples(1, j2));
        for channel in 0..self.n_channels() {
            for j1 in 0..self.n_active(j2) {
                if stop() {
                    return false;
                }
                let row = channel * n_sources + j1;
                self.layer(1).filter(
                    scratch.sources.of(row),
                    j2,
                    scratch.second.row_mut(row),
                    &mut scratch.transform,
                );
            }
        }
        true
    }

    /// All coefficients of the base table, unnormalised, from an analysed signal into `scratch.raw`, for some blocks.
    pub(crate) fn measure(&self, blocks: Range<usize>, scratch: &mut ScatteringScratch<F>) {
        self.measure_until(blocks, scratch, NEVER);
    }

    /// [`measure`](Self::measure) with a check between filters and averages; false if it was stopped.
    pub(crate) fn measure_until(
        &self,
        blocks: Range<usize>,
        scratch: &mut ScatteringScratch<F>,
        stop: Stop,
    ) -> bool {
        let average = |operations: &[_], layer, scratch: &mut ScatteringScratch<F>| {
            let rows = RowPair {
                first: &scratch.first,
                second: &scratch.second,
            };
            let means = self.means(layer);
            // Each average is a sum of its own, so the groups change no bit.
            operations.chunks(AVERAGES_BETWEEN_CHECKS).all(|some| {
                measure(&rows, some, means, blocks.clone(), &mut scratch.raw);
                !stop()
            })
        };
        if !average(&self.schedule.first, 0, scratch) {
            return false;
        }
        for (j2, operations) in self.schedule.second.iter().enumerate() {
            // Nothing is averaged at a j2 without paths, so it is not filtered either.
            if operations.is_empty() {
                continue;
            }
            if !self.analyze_second_until(j2, scratch, stop) || !average(operations, 1, scratch) {
                return false;
            }
        }
        true
    }

    /// Fills the sigmas of an analysed signal, from its own power or the given one.
    pub(crate) fn fill_sigma(&self, signal: &[F], scratch: &mut ScatteringScratch<F>) {
        match self.options.normalization {
            Normalization::None => return,
            Normalization::Given => {
                scratch.sigma.copy_from_slice(&self.given_sigma);
                return;
            }
            _ => self.fill_power(signal, scratch),
        }
        let n_scales = self.n_scales();
        for (k, (sigma, &power)) in scratch.sigma.iter_mut().zip(&scratch.power).enumerate() {
            *sigma = sigma_of(power, scratch.level[k / n_scales]);
        }
    }

    /// Reciprocal of the sigmas that divide a coefficient of the base table.
    pub(crate) fn factor(&self, path: &ScatteringPath, sigma: &[F]) -> F {
        if self.is_spared(path) {
            F::one()
        } else {
            factor(path, sigma, self.n_scales())
        }
    }

    /// True if normalisation leaves a coefficient unchanged.
    pub(crate) fn is_spared(&self, path: &ScatteringPath) -> bool {
        self.options.normalization == Normalization::None
            || (self.options.power_rows == PowerRows::Kept
                && path.kind == CoefficientKind::PowerSpectrum
                && path.channel_left == path.channel_right)
    }

    /// Normalises the coefficients and, for `CovReduced`, averages them over scales.
    pub(crate) fn finish(&self, raw: &[Complex<F>], sigma: &[F], out: &mut [Complex<F>]) {
        let n_blocks = self.n_blocks();
        let blocks = |k: usize| k * n_blocks..(k + 1) * n_blocks;
        let Some(reduction) = &self.reduction else {
            for (k, path) in self.base.iter().enumerate() {
                let factor = self.factor(path, sigma);
                for (out, raw) in out[blocks(k)].iter_mut().zip(&raw[blocks(k)]) {
                    *out = raw * factor;
                }
            }
            return;
        };
        for (k, rows) in reduction.rows.iter().enumerate() {
            let out = &mut out[blocks(k)];
            out.fill(Complex::new(F::zero(), F::zero()));
            for &row in rows {
                // Normalised first, averaged after: only normalised coefficients are comparable across scales.
                let weight = self.factor(&self.base[row], sigma) / F::of(rows.len() as f64);
                for (out, raw) in out.iter_mut().zip(&raw[blocks(row)]) {
                    *out += raw * weight;
                }
            }
        }
    }

    pub(crate) fn check_range(&self, out: &[Complex<F>]) -> Result<(), Error> {
        let finite = |z: &Complex<F>| z.re.is_finite() && z.im.is_finite();
        match out.iter().position(|z| !finite(z)) {
            None => Ok(()),
            Some(at) => Err(Error::OutOfRange {
                coefficient: at / self.n_blocks(),
            }),
        }
    }

    /// Unnormalised coefficients and power of each member of a batch, since sigma is known only after the last; `None`
    /// if `stop` returned true.
    pub(crate) fn measure_batch(
        &self,
        signals: &[F],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<Member<F>>> {
        signals
            .par_chunks(self.signal_len())
            .map_init(
                || self.make_forward_scratch(),
                |scratch, signal| {
                    if !self.analyze_until(signal, scratch, stop) {
                        return None;
                    }
                    self.fill_power(signal, scratch);
                    let complete = self.measure_until(0..self.n_blocks(), scratch, stop);
                    complete.then(|| Member {
                        raw: scratch.raw.clone(),
                        power: scratch.power.clone(),
                        level: scratch.level.clone(),
                    })
                },
            )
            .collect()
    }

    /// The root of the members' mean power.
    pub(crate) fn batch_sigma(&self, members: &[Member<F>]) -> Vec<F> {
        let scale = F::one() / F::of(members.len() as f64);
        let n_scales = self.n_scales();
        (0..self.n_first())
            .map(|k| {
                let power = members.iter().map(|m| m.power[k]).sum::<F>() * scale;
                let level = members.iter().map(|m| m.level[k / n_scales]).sum::<F>() * scale;
                sigma_of(power, level)
            })
            .collect()
    }
}

/// Unnormalised coefficients, power of each band and mean square of each channel of one member of a batch.
pub(crate) struct Member<F> {
    pub(crate) raw: Vec<Complex<F>>,
    pub(crate) power: Vec<F>,
    pub(crate) level: Vec<F>,
}

/// Root of a band's power; 0 if the power is the rounding error of a signal of mean square `level`.
///
/// A band that the signal does not reach (a constant, a sinusoid elsewhere) holds rounding errors of about epsilon
/// times the signal. Divided by their own root they would become coefficients of order 1.
fn sigma_of<F: Real>(power: F, level: F) -> F {
    // FFT errors grow with sqrt(log T): a few epsilon at any practical length.
    let rounding = F::of(4.0) * F::epsilon();
    let rounding = rounding * rounding * level;
    if power > rounding {
        power.sqrt()
    } else {
        F::zero()
    }
}
