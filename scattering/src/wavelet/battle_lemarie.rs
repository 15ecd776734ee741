//! Cubic spline (Battle-Lemarie) wavelets in Fourier, by the formulas of the code published with arXiv 2301.11981.
//!
//! With `u = f xi_0 / xi_j`, `psi_hat(u) = sqrt(b(u/2 + 1/2) / (b(u) b(u/2))) D(u)`, where
//! `D(u) = sqrt(S(u)) / (2 pi u)^4 * sqrt(S(u/2) / S(u/2 + 1/2))`. The peak is 0.996.

use std::f64::consts::PI;

/// Centre frequency xi_0 of the mother wavelet, in cycles per sample: the maximum of the formula below, in its unit.
const MOTHER_CENTER: f64 = 0.75 * 1.012_470_304_985_129;

/// `b(u) = (5 + 30c + 30sc + 70c^2 + 2s^2c + (2/3)s^3) / (105 * 2^8)`, `c = cos^2(pi u)`, `s = sin^2(pi u)`:
/// the spline's sum of squares.
fn spline_energy(u: f64) -> f64 {
    let c = (PI * u).cos().powi(2);
    let s = (PI * u).sin().powi(2);
    (5.0 + 30.0 * c + 30.0 * s * c + 70.0 * c * c + 2.0 * s * s * c + 2.0 / 3.0 * s * s * s)
        / (105.0 * 256.0)
}

/// `S(u) = sin^8(pi u)`.
fn sine_power(u: f64) -> f64 {
    (PI * u).sin().powi(2).powi(4)
}

/// `D0(u) = sqrt(S(u)) / (2 pi u)^4`, `D0(0) = 2^-4`.
fn scaling_decay(u: f64) -> f64 {
    if u == 0.0 {
        1.0 / 16.0
    } else {
        sine_power(u).sqrt() / (2.0 * PI * u).powi(4)
    }
}

/// `psi_hat` of centre `center` at frequency `f >= 0` (cycles/sample), with its side lobes.
fn band_pass(f: f64, center: f64) -> f64 {
    let u = f * MOTHER_CENTER / center;
    if u == 0.0 {
        return 0.0;
    }
    let shape = (spline_energy(u / 2.0 + 0.5) / (spline_energy(u) * spline_energy(u / 2.0))).sqrt();
    let denominator = sine_power(u / 2.0 + 0.5);
    // At odd u the quotient of sines is 0/0; there, and where it would lose all digits, its limit
    // sqrt(S(u/2)) / (pi u)^4 is used.
    let decay = if denominator < 1e-100 {
        sine_power(u / 2.0).sqrt() / (PI * u).powi(4)
    } else {
        scaling_decay(u) * (sine_power(u / 2.0) / denominator).sqrt()
    };
    shape * decay
}

/// `phi_hat(f) = D0(u) / sqrt(b(u))`, `u = |f| xi_0 / center`; `phi_hat(0) = 1`.
pub(crate) fn low_pass(f: f64, center: f64) -> f64 {
    let u = f.abs() * MOTHER_CENTER / center;
    scaling_decay(u) / spline_energy(u).sqrt()
}

/// `psi_hat` at bins 0, 1, .. up to its first local minimum, beyond which it is 0.
pub(crate) fn without_side_lobes(center: f64, n_bins: usize) -> Vec<f64> {
    let expected = (4.0 * center * n_bins as f64) as usize + 3;
    let mut values: Vec<f64> = Vec::with_capacity(n_bins.min(expected));
    for k in 0..n_bins {
        values.push(band_pass(k as f64 / n_bins as f64, center));
        // A strict minimum, at k - 1: equal neighbours (such as the zeros near f = 0) do not end the main lobe.
        if k >= 2 && values[k - 2] > values[k - 1] && values[k - 1] < values[k] {
            values.truncate(k);
            break;
        }
    }
    values
}
