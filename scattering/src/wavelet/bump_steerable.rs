//! Bump-steerable wavelets: smooth bumps of compact support in Fourier (arXiv 1810.12136).

/// `psi_hat(f) = e exp(1/(v^2 - 1)) / sqrt Q`, `v = (f - xi)/xi`, for `|v| < 1`; 1/sqrt Q at the centre.
pub(crate) fn band_pass(f: f64, center: f64, wavelets_per_octave: usize) -> f64 {
    let v = (f - center) / center;
    if v.abs() < 1.0 {
        std::f64::consts::E * (1.0 / (v * v - 1.0)).exp() / (wavelets_per_octave as f64).sqrt()
    } else {
        0.0
    }
}

/// The Gaussian that completes the bank below its last filter, of centre `center`.
pub(crate) fn low_pass(f: f64, center: f64) -> f64 {
    // Constants fitted by the reference code, with all its digits so that its numbers are reproduced.
    const PEAK: f64 = -0.048_098_588_891_103_62 + 1.337_166_507_191_738_2;
    let sigma = center * (-0.353_657_944_319_684_84_f64 - 0.380_888_654_683_556_2).exp();
    PEAK * (-(f / (2.0 * sigma)).powi(2)).exp()
}
