//! Shannon wavelets: ideal band-pass filters.

use std::ops::Range;

/// Frequency of bin k. The published code samples boxes at k/(N - 1), not k/N; near a box's edge this decides on which
/// side a bin lies, so agreement with it requires the same grid.
pub(crate) fn frequency(k: usize, n_bins: usize) -> f64 {
    k as f64 / (n_bins - 1) as f64
}

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

/// Bins of the low-pass above and below zero frequency. On the grid k/(N - 1) bin k and bin N - k differ in frequency,
/// so one more bin passes below zero than above.
pub(crate) fn low_pass_bins(center: f64, sigma: f64, n_bins: usize) -> [Range<usize>; 2] {
    let pass = |f: f64| low_pass(f, center, sigma) != 0.0;
    let above = (0..n_bins)
        .take_while(|&k| pass(frequency(k, n_bins)))
        .count();
    let below = (above..n_bins)
        .rev()
        .take_while(|&k| pass(1.0 - frequency(k, n_bins)))
        .count();
    [0..above, n_bins - below..n_bins]
}
