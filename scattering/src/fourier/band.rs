//! Application of a filter to a spectrum, folded into the FFT of a coarser grid, in segments of consecutive bins.
//!
//! Bin k of the padded window is bin k of a spectrum of n bins, or its mirror image, S_(2n-k) = -S_k; bin n is 0.
//! On a grid of m samples, period 2m, it adds to R_(k mod 2m), with the opposite sign at every second turn, since the
//! samples lie at half steps: exp(2 pi i 2m (i + 1/2) / 2m) = -1. Bins near the end of the padded window's period are
//! negative frequencies, and lie near the end of the periods of source and target.

use num_complex::Complex;

use crate::filter_bank::BandPass;
use crate::fourier::real::Real;

/// Consecutive bins of a filter whose places in source and target are consecutive too.
pub(crate) struct Segment {
    /// First of the filter's values.
    value: usize,
    len: usize,
    /// Place of the first bin in the source; mirrored segments are read from there downwards.
    source: usize,
    mirrored: bool,
    /// k mod m in the target; upper if k mod 2m lies in the upper half of the period, the imaginary part of the FFT's
    /// input.
    target: usize,
    upper: bool,
    negative: bool,
}

/// Calls `each` for the segments of a filter's piece, from a spectrum of `n_source` bins to a grid of `n_target`
/// samples; the padded window has a period of `n_bins`.
#[inline(always)]
pub(crate) fn each_segment<F: Real>(
    piece: &BandPass<F>,
    n_bins: usize,
    n_source: usize,
    n_target: usize,
    mut each: impl FnMut(Segment),
) {
    // Band-passes are 0 on the last eighth, so a piece that begins there is one of negative frequencies (Shannon's
    // low-pass).
    let (first_source, first_target) = if 8 * piece.first_bin >= 7 * n_bins {
        let from_end = n_bins - piece.first_bin;
        if from_end > 2 * n_source.min(n_target) {
            return;
        }
        (2 * n_source - from_end, 2 * n_target - from_end)
    } else {
        (piece.first_bin, piece.first_bin)
    };
    let len = piece
        .values
        .len()
        .min((2 * n_source).saturating_sub(first_source));
    let mut value = 0;
    while value < len {
        let (source, target) = (first_source + value, first_target + value);
        let source_end = match source {
            k if k < n_source => n_source,
            k if k == n_source => n_source + 1,
            _ => 2 * n_source,
        };
        let turn = target / n_target;
        // Up to the end of the filter, of the source's half period or of the target's turn, whichever is first.
        let segment = (len - value)
            .min(source_end - source)
            .min((turn + 1) * n_target - target);
        // Bin n of an even signal is 0 by symmetry and is not stored.
        if source != n_source {
            let mirrored = source > n_source;
            each(Segment {
                value,
                len: segment,
                source: if mirrored {
                    2 * n_source - source
                } else {
                    source
                },
                mirrored,
                target: target % n_target,
                upper: turn % 2 == 1,
                negative: mirrored ^ (turn / 2 % 2 == 1),
            });
        }
        value += segment;
    }
}

impl Segment {
    /// Adds the filtered bins to `complex`, each as (R_k + i R_(k+m)) turned by half a sample.
    #[inline(always)]
    pub(crate) fn apply<F: Real>(
        &self,
        piece: &BandPass<F>,
        spectrum: &[F],
        half_sample: &[Complex<F>],
        complex: &mut [Complex<F>],
    ) {
        let psi = &piece.values[self.value..][..self.len];
        let turn = &half_sample[self.target..][..self.len];
        let to = &mut complex[self.target..][..self.len];
        let sign = self.sign();
        if self.mirrored {
            let source = &spectrum[self.source + 1 - self.len..=self.source];
            let last = self.len - 1;
            add(
                to,
                turn,
                #[inline(always)]
                |i| source[last - i],
                psi,
                self.upper,
                sign,
            );
        } else {
            let source = &spectrum[self.source..][..self.len];
            add(
                to,
                turn,
                #[inline(always)]
                |i| source[i],
                psi,
                self.upper,
                sign,
            );
        }
    }

    /// Adjoint of [`apply`](Self::apply): adds to `spectrum`.
    #[inline(always)]
    pub(crate) fn apply_adjoint<F: Real>(
        &self,
        piece: &BandPass<F>,
        complex: &[Complex<F>],
        half_sample: &[Complex<F>],
        spectrum: &mut [F],
    ) {
        let psi = &piece.values[self.value..][..self.len];
        let turn = &half_sample[self.target..][..self.len];
        let from = &complex[self.target..][..self.len];
        let sign = self.sign();
        let last = self.len - 1;
        if self.mirrored {
            let to = &mut spectrum[self.source + 1 - self.len..=self.source];
            add_adjoint(
                to,
                #[inline(always)]
                |i| last - i,
                from,
                turn,
                psi,
                self.upper,
                sign,
            );
        } else {
            let to = &mut spectrum[self.source..][..self.len];
            add_adjoint(
                to,
                #[inline(always)]
                |i| i,
                from,
                turn,
                psi,
                self.upper,
                sign,
            );
        }
    }

    fn sign<F: Real>(&self) -> F {
        if self.negative { -F::one() } else { F::one() }
    }
}

/// Writes the filtered bins of a piece that lies within source and target: [`Segment::apply`] without folding, the case
/// of almost all filters.
#[inline(always)]
pub(crate) fn set_filtered<F: Real>(
    piece: &BandPass<F>,
    spectrum: &[F],
    half_sample: &[Complex<F>],
    complex: &mut [Complex<F>],
) {
    let (first, n) = (piece.first_bin, piece.values.len());
    let (to, turn) = (&mut complex[first..][..n], &half_sample[first..][..n]);
    let (source, psi) = (&spectrum[first..][..n], &piece.values[..n]);
    for i in 0..n {
        let value = source[i] * psi[i];
        to[i] = Complex::new(turn[i].re * value, turn[i].im * value);
    }
}

#[inline(always)]
fn add<F: Real>(
    to: &mut [Complex<F>],
    turn: &[Complex<F>],
    source: impl Fn(usize) -> F,
    psi: &[F],
    upper: bool,
    sign: F,
) {
    let n = psi.len();
    let (to, turn) = (&mut to[..n], &turn[..n]);
    // The upper half enters as i R_(k+m): (re, im) of the turn become (-im, re).
    if upper {
        for i in 0..n {
            let value = source(i) * psi[i] * sign;
            to[i].re -= turn[i].im * value;
            to[i].im += turn[i].re * value;
        }
    } else {
        for i in 0..n {
            let value = source(i) * psi[i] * sign;
            to[i].re += turn[i].re * value;
            to[i].im += turn[i].im * value;
        }
    }
}

#[inline(always)]
fn add_adjoint<F: Real>(
    to: &mut [F],
    place: impl Fn(usize) -> usize,
    from: &[Complex<F>],
    turn: &[Complex<F>],
    psi: &[F],
    upper: bool,
    sign: F,
) {
    let n = psi.len();
    let (to, from, turn) = (&mut to[..n], &from[..n], &turn[..n]);
    if upper {
        for i in 0..n {
            to[place(i)] += (from[i].im * turn[i].re - from[i].re * turn[i].im) * psi[i] * sign;
        }
    } else {
        for i in 0..n {
            to[place(i)] += (from[i].re * turn[i].re + from[i].im * turn[i].im) * psi[i] * sign;
        }
    }
}

/// Cosine coefficients, on a grid of `cosines.len()` samples, of a spectrum times an even low-pass.
///
/// cos(pi k (i + 1/2) / m) for any k is that of a bin below m, or its negative, or 0.
#[inline(always)]
pub(crate) fn low_pass<F: Real>(spectrum: &[F], phi: &[F], cosines: &mut [F]) {
    let m = cosines.len();
    cosines.fill(F::zero());
    let two = F::of(2.0);
    for (turn, (spectrum, phi)) in spectrum.chunks(m).zip(phi.chunks(m)).enumerate() {
        // cos(pi (2m +- k) (i + 1/2) / m) = -cos(pi k (i + 1/2) / m), so the signs of four turns are +, -, -, +.
        let weight = if matches!(turn % 4, 0 | 3) { two } else { -two };
        if turn % 2 == 0 {
            for ((to, &s), &phi) in cosines.iter_mut().zip(spectrum).zip(phi) {
                *to += s * phi * weight;
            }
        } else {
            // An odd turn is read backwards; the cosine of its first bin, an odd multiple of m, is 0 at every sample.
            let bins = spectrum.len().min(phi.len());
            let (spectrum, phi) = (&spectrum[..bins], &phi[..bins]);
            let to = &mut cosines[m + 1 - bins..];
            for i in 1..bins {
                to[bins - 1 - i] += spectrum[i] * phi[i] * weight;
            }
        }
    }
    // Every bin but 0 occurs twice in the period, as k and N - k.
    cosines[0] -= spectrum[0] * phi[0];
}

/// Adjoint of [`low_pass`]: adds to `spectrum`.
#[inline(always)]
pub(crate) fn low_pass_adjoint<F: Real>(cosines: &[F], phi: &[F], spectrum: &mut [F]) {
    let m = cosines.len();
    let two = F::of(2.0);
    for (turn, (spectrum, phi)) in spectrum.chunks_mut(m).zip(phi.chunks(m)).enumerate() {
        let weight = if matches!(turn % 4, 0 | 3) { two } else { -two };
        if turn % 2 == 0 {
            for ((&from, s), &phi) in cosines.iter().zip(spectrum).zip(phi) {
                *s += from * phi * weight;
            }
        } else {
            let bins = spectrum.len().min(phi.len());
            let (spectrum, phi) = (&mut spectrum[..bins], &phi[..bins]);
            let from = &cosines[m + 1 - bins..];
            for i in 1..bins {
                spectrum[i] += from[bins - 1 - i] * phi[i] * weight;
            }
        }
    }
    spectrum[0] -= cosines[0] * phi[0];
}
