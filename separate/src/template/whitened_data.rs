//! Whitened segment of a record together with the whitened shape: inner products, chi-square decreases and misfits in
//! units of the background's deviation.

use std::ops::Range;

use num_complex::Complex64;

use super::options::Layout;
use super::segment::WhitenedSegment;
use super::spectra::{Fourier, cut, inner_product};
use super::waveform::{PlacedWaveform, Shape, Wave};
use super::whitening::WhiteningModel;

/// Weight of what the shape does not describe, over its mean power.
// It is taken as white but lies mostly where the source itself does.
const DISCREPANCY: f64 = 3.0;
/// Samples after an onset over which a source is judged, in shapes.
const LOCAL_LENGTH: f64 = 0.8;
/// Share of g11 g22 below which two waves are not distinguishable.
const SINGULAR: f64 = 1e-9;

/// Channels as they are searched and fitted.
pub(crate) struct WhitenedData<'a> {
    pub(crate) fourier: &'a Fourier,
    pub(crate) layout: Layout,
    models: &'a [WhiteningModel],
    /// The whitened record, `[channel][sample]`.
    pub(crate) white: &'a [Vec<f64>],
    /// Spectrum of each channel's shape, H.
    pub(crate) raw: Vec<Vec<Complex64>>,
    /// Spectrum of each channel's shape after the whitening filter, W H.
    pub(crate) whitened: Vec<Vec<Complex64>>,
    /// Responses of the whitening filters, W.
    pub(crate) responses: Vec<Vec<Complex64>>,
    /// Energy that a source of amplitude 1 has apart from its shape, by channel; empty if unknown.
    pub(crate) discrepancies: &'a [f64],
    /// `|W H|^2` times the weight of each frequency.
    powers: Vec<Vec<f64>>,
}

impl<'a> WhitenedData<'a> {
    /// Segment and shape, with unknown discrepancies.
    pub(crate) fn new(
        fourier: &'a Fourier,
        layout: Layout,
        shape: &Shape,
        segment: &'a WhitenedSegment<'_>,
    ) -> Self {
        let models = &segment.models;
        let responses: Vec<Vec<Complex64>> = models.iter().map(|m| m.response(fourier)).collect();
        let raw = shape.spectra(fourier);
        let whitened: Vec<Vec<Complex64>> = raw
            .iter()
            .zip(&responses)
            .map(|(h, w)| h.iter().zip(w).map(|(h, w)| h * w).collect())
            .collect();
        let power = |spectrum: &Vec<Complex64>| -> Vec<f64> {
            let of = |(k, v): (usize, &Complex64)| fourier.weight(k) * v.norm_sqr();
            spectrum.iter().enumerate().map(of).collect()
        };
        Self {
            fourier,
            layout,
            models,
            white: &segment.white,
            powers: whitened.iter().map(power).collect(),
            raw,
            whitened,
            responses,
            discrepancies: &[],
        }
    }

    /// With the energies that the shape does not describe.
    pub(crate) fn with_discrepancies(mut self, discrepancies: &'a [f64]) -> Self {
        self.discrepancies = discrepancies;
        self
    }

    pub(crate) fn n_channels(&self) -> usize {
        self.white.len()
    }

    pub(crate) fn n_samples(&self) -> usize {
        self.white.first().map_or(0, Vec::len)
    }

    /// Standard deviation of the background's innovations around a sample, in units of that of the segment.
    pub(crate) fn level(&self, channel: usize, at: f64) -> f64 {
        self.models[channel].level(at)
    }

    /// Places a wave of the shape with this spectrum (one of [`Self::raw`] or [`Self::whitened`]) at sample `at`.
    pub(crate) fn place(&self, spectrum: &[Complex64], wave: Wave, at: f64) -> PlacedWaveform {
        let whole = at.floor();
        let onset = (whole, at - whole);
        PlacedWaveform::new(self.fourier, self.layout.lead, spectrum, wave, onset)
    }

    /// Spectra of all channels of `residual` over one grid that begins `lead` samples before sample `at`.
    pub(crate) fn grid_spectra(&self, residual: &[Vec<f64>], at: isize) -> Vec<Vec<Complex64>> {
        let (from, n) = (at - self.layout.lead as isize, self.fourier.n_samples());
        residual
            .iter()
            .map(|x| self.fourier.forward(&cut(x, from, n)))
            .collect()
    }

    /// Spectra over the same grid against the shape: conj(W H) R times the weights of the frequencies. Their inner
    /// products with kernels are the right-hand sides of the normal equations.
    pub(crate) fn cross_spectra(&self, residual: &[Vec<f64>], at: isize) -> Vec<Vec<Complex64>> {
        let of = |(c, spectrum): (usize, &Vec<Complex64>)| {
            let shape = &self.whitened[c];
            (0..spectrum.len())
                .map(|k| shape[k].conj() * spectrum[k] * self.fourier.weight(k))
                .collect()
        };
        let spectra = self.grid_spectra(residual, at);
        spectra.iter().enumerate().map(of).collect()
    }

    /// Inner product of two kernels on one channel, both applied to the whitened shape.
    pub(crate) fn gram(&self, channel: usize, a: &[Complex64], b: &[Complex64]) -> f64 {
        let power = &self.powers[channel];
        (0..a.len())
            .map(|k| power[k] * (a[k].re * b[k].re + a[k].im * b[k].im))
            .sum()
    }

    /// Inner product as in [`Self::gram`], with further weights of the frequencies.
    pub(crate) fn weighted_gram(
        &self,
        channel: usize,
        a: &[Complex64],
        b: &[Complex64],
        weights: &[f64],
    ) -> f64 {
        let power = &self.powers[channel];
        (0..a.len())
            .map(|k| weights[k] * power[k] * (a[k].re * b[k].re + a[k].im * b[k].im))
            .sum()
    }

    /// Chi-square decreases on each channel by a response alone, and with a second derivative added.
    ///
    /// The source has this ramp and begins `delay` samples after sample `start`, where `cross` begins.
    pub(crate) fn chi2_decreases(
        &self,
        cross: &[Vec<Complex64>],
        start: f64,
        delay: f64,
        ramp_length: f64,
    ) -> Vec<(f64, f64)> {
        let response = Wave::Response { ramp_length }.kernel(self.fourier, delay);
        let second = Wave::SecondDerivative.kernel(self.fourier, delay);
        (0..cross.len())
            .map(|c| {
                let right = [&response, &second].map(|k| inner_product(k, &cross[c]));
                let gram = [
                    self.gram(c, &response, &response),
                    self.gram(c, &response, &second),
                    self.gram(c, &second, &second),
                ];
                let level = self.level(c, start).powi(2);
                let (one, two) = pair_decreases(gram, right);
                (one / level, two / level)
            })
            .collect()
    }

    /// Weights of the frequencies for a source of this amplitude, if discrepancies are known: the background's power
    /// over that of background and discrepancy together, which is taken as white.
    pub(crate) fn discrepancy_weights(
        &self,
        channel: usize,
        amplitude: f64,
        at: f64,
    ) -> Option<Vec<f64>> {
        let amplitude = amplitude / self.level(channel, at);
        let energy = self.discrepancies.get(channel)?;
        let per_noise =
            DISCREPANCY * energy * amplitude * amplitude / self.fourier.n_samples() as f64;
        let of = |w: &Complex64| 1.0 / (1.0 + per_noise * w.norm_sqr());
        Some(self.responses[channel].iter().map(of).collect())
    }

    /// Energy of the shape on a channel.
    pub(crate) fn energy(&self, channel: usize) -> f64 {
        let raw = self.raw[channel].iter().enumerate();
        raw.map(|(k, v)| self.fourier.weight(k) * v.norm_sqr())
            .sum()
    }

    /// Lags of one grid at which waveforms do not wrap around.
    pub(crate) fn valid_lags(&self) -> usize {
        let filter = self.models.iter().map(WhiteningModel::n_samples).max();
        let support = self.layout.length + self.layout.longest_ramp + filter.unwrap_or(0);
        self.fourier.n_samples().saturating_sub(support).max(1)
    }

    /// Mean square of a whitened residual around an onset, largest over the channels.
    pub(crate) fn misfit(&self, residual: &[Vec<f64>], onset: f64) -> f64 {
        let range = self.local(onset);
        let mean = |(c, x): (usize, &Vec<f64>)| {
            let part = &x[range.clone()];
            let power = part.iter().map(|v| v * v).sum::<f64>() / part.len().max(1) as f64;
            power / self.level(c, onset).powi(2)
        };
        residual.iter().enumerate().map(mean).fold(0.0, f64::max)
    }

    /// Samples over which a source is judged.
    pub(crate) fn local(&self, onset: f64) -> Range<usize> {
        let n = self.n_samples() as f64;
        let from = (onset - self.layout.lead as f64).clamp(0.0, n);
        let to = (onset + LOCAL_LENGTH * self.layout.length as f64).clamp(from, n);
        from as usize..to as usize
    }
}

/// Chi-square decreases with the first of two unknowns and with both, from their normal equations `[g11, g12, g22]` and
/// right-hand sides.
pub(crate) fn pair_decreases([g11, g12, g22]: [f64; 3], [b1, b2]: [f64; 2]) -> (f64, f64) {
    let one = if g11 > 0.0 { b1 * b1 / g11 } else { 0.0 };
    let determinant = g11 * g22 - g12 * g12;
    // Nearly parallel waves would share an arbitrarily large decrease of opposite amplitudes.
    let two = if determinant > SINGULAR * g11 * g22 {
        (g22 * b1 * b1 - 2.0 * g12 * b1 * b2 + g11 * b2 * b2) / determinant
    } else {
        one
    };
    (one, two.max(one))
}
