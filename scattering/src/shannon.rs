//! Shannon wavelets: ideal band-pass filters.

/// Half the band: `sigma = xi (2^(1/Q) - 1)/(2^(1/Q) + 1)`, so that bands touch.
pub(crate) fn bandwidth(center: f64, wavelets_per_octave: usize) -> f64 {
    let ratio = 2.0_f64.powf(1.0 / wavelets_per_octave as f64);
    center * (ratio - 1.0) / (ratio + 1.0)
}

/// 1 for `xi - sigma <= f < xi + sigma`.
pub(crate) fn band_pass(f: f64, center: f64, sigma: f64) -> f64 {
    f64::from(u8::from(f >= center - sigma && f < center + sigma))
}

/// 1 up to the lower edge of the last band.
pub(crate) fn low_pass(f: f64, center: f64, sigma: f64) -> f64 {
    f64::from(u8::from(f <= center - sigma))
}
