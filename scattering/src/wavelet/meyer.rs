//! Meyer wavelets with the auxiliary polynomial of degree 7; the shape does not depend on Q.

use std::f64::consts::PI;

/// 2/sqrt(2 pi), the height of both filters.
fn height() -> f64 {
    2.0 / (2.0 * PI).sqrt()
}

/// `nu(t) = t^4 (35 - 84 t + 70 t^2 - 20 t^3)`: rises from 0 at t = 0 to 1 at t = 1.
fn step(t: f64) -> f64 {
    t.powi(4) * (35.0 - 84.0 * t + 70.0 * t * t - 20.0 * t.powi(3))
}

/// `psi_hat` of centre `center` at the signed frequency `f`; `w = (8 pi/3) f/xi`.
pub(crate) fn band_pass(f: f64, center: f64) -> f64 {
    let w = 8.0 * PI / 3.0 * f / center;
    if w <= 2.0 * PI / 3.0 || w >= 8.0 * PI / 3.0 {
        0.0
    } else if w < 4.0 * PI / 3.0 {
        height() * (PI / 2.0 * step(3.0 * w / (2.0 * PI) - 1.0)).sin()
    } else {
        height() * (PI / 2.0 * step(3.0 * w / (4.0 * PI) - 1.0)).cos()
    }
}

/// `phi_hat` below the last filter, of centre `center`.
pub(crate) fn low_pass(f: f64, center: f64) -> f64 {
    let w = (8.0 * PI / 3.0 * f / center).abs();
    if w < 2.0 * PI / 3.0 {
        height()
    } else if w < 4.0 * PI / 3.0 {
        height() * (PI / 2.0 * step(3.0 * w / (2.0 * PI) - 1.0)).cos()
    } else {
        0.0
    }
}
