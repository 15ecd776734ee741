//! How a filter's bins go from a spectrum to the FFT of a grid, in runs of neighbours.
//!
//! Bin k of the padded window stands in a spectrum of n bins at k, or as its mirror image, S_(2n-k) = -S_k; bin n is 0.
//! On a grid of m samples, period 2m, it adds to R_(k mod 2m), with the other sign at every second turn, since the
//! samples lie at half steps.

use num_complex::Complex;

use crate::filter_bank::BandPass;
use crate::real::Real;

/// Consecutive bins whose places in source and target are consecutive too.
pub(crate) struct Segment {
    /// First of the filter's values.
    value: usize,
    len: usize,
    /// Where the first one stands in the source, and whether the next ones stand before it.
    source: usize,
    mirrored: bool,
    /// k mod m in the target, and whether k mod 2m lies in the upper half.
    target: usize,
    upper: bool,
    negative: bool,
}

/// Calls `each` for the segments of a filter's piece, from a spectrum of `n_source` bins to a grid of `n_target` samples.
#[inline(always)]
pub(crate) fn each_segment<F: Real>(
    piece: &BandPass<F>,
    n_source: usize,
    n_target: usize,
    mut each: impl FnMut(Segment),
) {
    let end = (piece.first_bin + piece.values.len()).min(2 * n_source);
    let mut k = piece.first_bin;
    while k < end {
        let mirrored = k > n_source;
        let source_end = match k {
            k if k < n_source => n_source,
            k if k == n_source => n_source + 1,
            _ => 2 * n_source,
        };
        let turn = k / n_target;
        let stop = end.min(source_end).min((turn + 1) * n_target);
        if k != n_source {
            each(Segment {
                value: k - piece.first_bin,
                len: stop - k,
                source: if mirrored { 2 * n_source - k } else { k },
                mirrored,
                target: k % n_target,
                upper: turn % 2 == 1,
                negative: mirrored ^ (turn / 2 % 2 == 1),
            });
        }
        k = stop;
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
            add(to, turn, source.iter().rev(), psi, self.upper, sign);
        } else {
            let source = &spectrum[self.source..][..self.len];
            add(to, turn, source.iter(), psi, self.upper, sign);
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
        if self.mirrored {
            let to = &mut spectrum[self.source + 1 - self.len..=self.source];
            add_adjoint(to.iter_mut().rev(), from, turn, psi, self.upper, sign);
        } else {
            let to = &mut spectrum[self.source..][..self.len];
            add_adjoint(to.iter_mut(), from, turn, psi, self.upper, sign);
        }
    }

    fn sign<F: Real>(&self) -> F {
        if self.negative { -F::one() } else { F::one() }
    }
}

#[inline(always)]
fn add<'a, F: Real>(
    to: &mut [Complex<F>],
    turn: &[Complex<F>],
    source: impl Iterator<Item = &'a F>,
    psi: &[F],
    upper: bool,
    sign: F,
) {
    let terms = to.iter_mut().zip(turn).zip(source).zip(psi);
    if upper {
        for (((to, turn), &source), &psi) in terms {
            let value = source * psi * sign;
            to.re -= turn.im * value;
            to.im += turn.re * value;
        }
    } else {
        for (((to, turn), &source), &psi) in terms {
            let value = source * psi * sign;
            to.re += turn.re * value;
            to.im += turn.im * value;
        }
    }
}

#[inline(always)]
fn add_adjoint<'a, F: Real>(
    to: impl Iterator<Item = &'a mut F>,
    from: &[Complex<F>],
    turn: &[Complex<F>],
    psi: &[F],
    upper: bool,
    sign: F,
) {
    let terms = to.zip(from).zip(turn).zip(psi);
    if upper {
        for (((to, from), turn), &psi) in terms {
            *to += (from.im * turn.re - from.re * turn.im) * psi * sign;
        }
    } else {
        for (((to, from), turn), &psi) in terms {
            *to += (from.re * turn.re + from.im * turn.im) * psi * sign;
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
        let weight = if matches!(turn % 4, 0 | 3) { two } else { -two };
        if turn % 2 == 0 {
            for ((to, &s), &phi) in cosines.iter_mut().zip(spectrum).zip(phi) {
                *to += s * phi * weight;
            }
        } else {
            // Bin m of every odd turn is where the cosine is 0.
            let bins = spectrum.iter().zip(phi).skip(1);
            for (to, (&s, &phi)) in cosines[1..].iter_mut().rev().zip(bins) {
                *to += s * phi * weight;
            }
        }
    }
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
            let bins = spectrum.iter_mut().zip(phi).skip(1);
            for (&from, (s, &phi)) in cosines[1..].iter().rev().zip(bins) {
                *s += from * phi * weight;
            }
        }
    }
    spectrum[0] -= cosines[0] * phi[0];
}
