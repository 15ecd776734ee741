//! A whitened stretch of a record with the shapes that may lie in it.

use std::ops::Range;

use num_complex::Complex64;

use super::shape::{Layout, Shape, Wave};
use super::spectra::Fourier;
use super::whitening::WhiteningModel;

/// How much of a source's energy beside its shape counts at each frequency, over its mean.
const DISCREPANCY: f64 = 3.0;

/// Channels as they are searched and fitted: everything in units of the background's deviation.
pub(crate) struct WhitenedData<'a> {
    pub(crate) fourier: &'a Fourier,
    pub(crate) layout: Layout,
    pub(crate) backgrounds: &'a [WhiteningModel],
    /// The whitened record, `[channel][sample]`.
    pub(crate) white: Vec<Vec<f64>>,
    /// Spectra of the raw shapes, `[kind][channel]`.
    pub(crate) raw: Vec<Vec<Vec<Complex64>>>,
    /// The same behind the whitening filters.
    pub(crate) whitened: Vec<Vec<Vec<Complex64>>>,
    /// Responses of the whitening filters.
    responses: Vec<Vec<Complex64>>,
    /// Energy that a source of amplitude 1 has beside its shape, `[kind][channel]`; empty if it is not known.
    pub(crate) discrepancies: Vec<Vec<f64>>,
    /// Their squared sizes times the weight of each frequency.
    powers: Vec<Vec<Vec<f64>>>,
}

/// A waveform in its place.
pub(crate) struct PlacedWaveform {
    /// Index of the first sample in the stretch; may be negative.
    pub(crate) start: isize,
    pub(crate) values: Vec<f64>,
}

impl PlacedWaveform {
    /// The part inside `0..n`: where it begins in the stretch, and its values.
    pub(crate) fn inside(&self, n: usize) -> (usize, &[f64]) {
        let from = self.start.clamp(0, n as isize);
        let to = (self.start + self.values.len() as isize).clamp(from, n as isize);
        let at = |i: isize| (i - self.start) as usize;
        if from >= to {
            return (from as usize, &[]);
        }
        (from as usize, &self.values[at(from)..at(to)])
    }

    /// Adds a multiple of it to a stretch.
    pub(crate) fn add_to(&self, stretch: &mut [f64], factor: f64) {
        let (from, values) = self.inside(stretch.len());
        for (x, v) in stretch[from..].iter_mut().zip(values) {
            *x += factor * v;
        }
    }

    /// Its inner product with a stretch.
    pub(crate) fn dot(&self, stretch: &[f64]) -> f64 {
        let (from, values) = self.inside(stretch.len());
        stretch[from..].iter().zip(values).map(|(x, v)| x * v).sum()
    }

    /// Its inner product with another one, both inside `0..n`.
    pub(crate) fn dot_placed(&self, other: &Self, n: usize) -> f64 {
        let (a, va) = self.inside(n);
        let (b, vb) = other.inside(n);
        let from = a.max(b);
        let to = (a + va.len()).min(b + vb.len());
        if from >= to {
            return 0.0;
        }
        va[from - a..to - a]
            .iter()
            .zip(&vb[from - b..to - b])
            .map(|(x, y)| x * y)
            .sum()
    }
}

impl<'a> WhitenedData<'a> {
    /// From a record that is whitened already.
    pub(crate) fn of_white(
        fourier: &'a Fourier,
        layout: Layout,
        backgrounds: &'a [WhiteningModel],
        white: Vec<Vec<f64>>,
        kinds: &[Shape],
    ) -> Self {
        let responses: Vec<Vec<Complex64>> =
            backgrounds.iter().map(|b| b.response(fourier)).collect();
        let raw: Vec<Vec<Vec<Complex64>>> =
            kinds.iter().map(|shape| shape.spectra(fourier)).collect();
        let times = |h: &Vec<Complex64>, w: &Vec<Complex64>| -> Vec<Complex64> {
            h.iter().zip(w).map(|(h, w)| h * w).collect()
        };
        let whitened: Vec<Vec<Vec<Complex64>>> = raw
            .iter()
            .map(|shape| {
                shape
                    .iter()
                    .zip(&responses)
                    .map(|(h, w)| times(h, w))
                    .collect()
            })
            .collect();
        let power = |spectrum: &Vec<Complex64>| -> Vec<f64> {
            let of = |(k, v): (usize, &Complex64)| fourier.weight(k) * v.norm_sqr();
            spectrum.iter().enumerate().map(of).collect()
        };
        let powers = whitened
            .iter()
            .map(|shape| shape.iter().map(power).collect())
            .collect();
        Self {
            fourier,
            layout,
            backgrounds,
            white,
            raw,
            whitened,
            responses,
            discrepancies: Vec::new(),
            powers,
        }
    }

    pub(crate) fn n_channels(&self) -> usize {
        self.white.len()
    }

    pub(crate) fn n_samples(&self) -> usize {
        self.white.first().map_or(0, Vec::len)
    }

    pub(crate) fn n_kinds(&self) -> usize {
        self.raw.len()
    }

    /// Samples that a whitened atom may be long.
    pub(crate) fn support(&self) -> usize {
        let filter = self.backgrounds.iter().map(WhiteningModel::n_samples).max();
        self.layout.length + self.layout.longest_rise + filter.unwrap_or(0)
    }

    /// Deviation of the background's innovations around a sample, in units of that of the stretch.
    pub(crate) fn level(&self, channel: usize, at: f64) -> f64 {
        self.backgrounds[channel].level(at)
    }

    /// A wave of one kind on one channel that begins at sample `at`, whitened or as it is in the record.
    pub(crate) fn place(
        &self,
        spectra: &[Vec<Vec<Complex64>>],
        kind: usize,
        channel: usize,
        wave: Wave,
        at: f64,
    ) -> PlacedWaveform {
        let whole = at.floor();
        let kernel = wave.kernel(self.fourier, at - whole);
        let product = kernel
            .iter()
            .zip(&spectra[kind][channel])
            .map(|(k, h)| k * h);
        PlacedWaveform {
            start: whole as isize - self.layout.lead as isize,
            values: self.fourier.inverse(product.collect()),
        }
    }

    /// Spectra of all channels of `residual` over one grid that begins `lead` samples before sample `at`.
    pub(crate) fn segment(&self, residual: &[Vec<f64>], at: isize) -> Vec<Vec<Complex64>> {
        residual
            .iter()
            .map(|x| {
                self.fourier.forward(&cut(
                    x,
                    at - self.layout.lead as isize,
                    self.fourier.n_samples(),
                ))
            })
            .collect()
    }

    /// The same against one kind: conj(H W) R times the weights, of which kernels take inner products.
    pub(crate) fn against(&self, kind: usize, segment: &[Vec<Complex64>]) -> Vec<Vec<Complex64>> {
        let of = |(c, spectrum): (usize, &Vec<Complex64>)| {
            let shape = &self.whitened[kind][c];
            (0..spectrum.len())
                .map(|k| shape[k].conj() * spectrum[k] * self.fourier.weight(k))
                .collect()
        };
        segment.iter().enumerate().map(of).collect()
    }

    /// Inner product of two kernels of one kind on one channel, both behind the whitening filter.
    pub(crate) fn gram(
        &self,
        kind: usize,
        channel: usize,
        a: &[Complex64],
        b: &[Complex64],
    ) -> f64 {
        let power = &self.powers[kind][channel];
        (0..a.len())
            .map(|k| power[k] * (a[k].re * b[k].re + a[k].im * b[k].im))
            .sum()
    }

    /// Fall of chi-square on each channel with a step alone, and with a jump beside it, by the background's level around
    /// sample `start` of the stretch; `delay` counts from there.
    pub(crate) fn falls(
        &self,
        kind: usize,
        against: &[Vec<Complex64>],
        start: f64,
        delay: f64,
        rise: f64,
    ) -> Vec<(f64, f64)> {
        let step = Wave::Step { rise }.kernel(self.fourier, delay);
        let jump = Wave::Jump.kernel(self.fourier, delay);
        (0..against.len())
            .map(|c| {
                let (b1, b2) = (product(&step, &against[c]), product(&jump, &against[c]));
                let g11 = self.gram(kind, c, &step, &step);
                let g12 = self.gram(kind, c, &step, &jump);
                let g22 = self.gram(kind, c, &jump, &jump);
                let level = self.level(c, start).powi(2);
                let (one, two) = pair(g11, g12, g22, b1, b2);
                (one / level, two / level)
            })
            .collect()
    }

    /// Weights of the frequencies for a source of this amplitude: the background's power over that with what the shape
    /// does not describe, which is taken as white.
    pub(crate) fn weights(
        &self,
        kind: usize,
        channel: usize,
        amplitude: f64,
        at: f64,
    ) -> Option<Vec<f64>> {
        let amplitude = amplitude / self.level(channel, at);
        let left = self.discrepancies.get(kind)?.get(channel)?;
        let per_noise =
            DISCREPANCY * left * amplitude * amplitude / self.fourier.n_samples() as f64;
        let of = |w: &Complex64| 1.0 / (1.0 + per_noise * w.norm_sqr());
        Some(self.responses[channel].iter().map(of).collect())
    }

    /// As [`Self::gram`], with further weights.
    pub(crate) fn weighted_gram(
        &self,
        kind: usize,
        channel: usize,
        a: &[Complex64],
        b: &[Complex64],
        weights: &[f64],
    ) -> f64 {
        let power = &self.powers[kind][channel];
        (0..a.len())
            .map(|k| weights[k] * power[k] * (a[k].re * b[k].re + a[k].im * b[k].im))
            .sum()
    }

    /// Energy of a shape on a channel.
    pub(crate) fn energy(&self, kind: usize, channel: usize) -> f64 {
        let raw = self.raw[kind][channel].iter().enumerate();
        raw.map(|(k, v)| self.fourier.weight(k) * v.norm_sqr())
            .sum()
    }

    /// Where atoms may be looked for in one grid without wrapping around.
    pub(crate) fn valid_lags(&self) -> usize {
        self.fourier
            .n_samples()
            .saturating_sub(self.support())
            .max(1)
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
        let to = (onset + 0.8 * self.layout.length as f64).clamp(from, n);
        from as usize..to as usize
    }
}

/// Real part of the inner product of a kernel with what [`WhitenedData::against`] gives.
pub(crate) fn product(kernel: &[Complex64], against: &[Complex64]) -> f64 {
    kernel
        .iter()
        .zip(against)
        .map(|(k, c)| k.re * c.re + k.im * c.im)
        .sum()
}

/// Falls of chi-square with one unknown and with two.
pub(crate) fn pair(g11: f64, g12: f64, g22: f64, b1: f64, b2: f64) -> (f64, f64) {
    let one = if g11 > 0.0 { b1 * b1 / g11 } else { 0.0 };
    let determinant = g11 * g22 - g12 * g12;
    let two = if determinant > 1e-9 * g11 * g22 {
        (g22 * b1 * b1 - 2.0 * g12 * b1 * b2 + g11 * b2 * b2) / determinant
    } else {
        one
    };
    (one, two.max(one))
}

/// Samples `from ..` of a stretch, zeros beyond its ends.
pub(crate) fn cut(stretch: &[f64], from: isize, n: usize) -> Vec<f64> {
    let mut part = vec![0.0; n];
    let (a, b) = (
        from.clamp(0, stretch.len() as isize),
        (from + n as isize).clamp(0, stretch.len() as isize),
    );
    if a < b {
        let at = (a - from) as usize;
        part[at..at + (b - a) as usize].copy_from_slice(&stretch[a as usize..b as usize]);
    }
    part
}
