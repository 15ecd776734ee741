//! Normalisation of the first layer, applied to the coefficients afterwards.
//!
//! Every coefficient is homogeneous in the first layer, so dividing `W_j x` by sigma_j before everything else is
//! the same as dividing the finished coefficient by the sigma of each first-layer path in it.

use num_complex::Complex;

use crate::path::{CoefficientKind, ScatteringPath};
use crate::real::Real;

/// What the first layer is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Normalization {
    /// Nothing.
    #[default]
    None,
    /// `each_ps`: sigma_j = sqrt(mean_t |W_j x|^2) of the window itself, so that amplitude is not seen.
    /// A band without energy gives 0.
    EachPowerSpectrum,
}

/// The one or two first-layer scales whose sigma divides a coefficient.
pub(crate) fn scales(path: &ScatteringPath) -> (usize, Option<usize>) {
    match path.kind {
        CoefficientKind::Sparsity | CoefficientKind::Mean | CoefficientKind::Scattering => {
            (path.j1_left, None)
        }
        CoefficientKind::PowerSpectrum
        | CoefficientKind::PhaseEnvelope
        | CoefficientKind::Envelope => (path.j1_left, path.j1_right),
    }
}

/// 1 / (sigma_a sigma_b), or 0 where a band is empty.
pub(crate) fn factor<F: Real>(path: &ScatteringPath, sigma: &[F]) -> F {
    let (a, b) = scales(path);
    let divisor = sigma[a] * b.map_or(F::one(), |b| sigma[b]);
    if divisor > F::zero() && divisor.is_finite() {
        F::one() / divisor
    } else {
        F::zero()
    }
}

/// Adds to `d_power[j]` the gradient with respect to sigma_j^2 that one normalised coefficient brings.
pub(crate) fn add_power_gradient<F: Real>(
    path: &ScatteringPath,
    sigma: &[F],
    d_out: Complex<F>,
    normalized: Complex<F>,
    d_power: &mut [F],
) {
    let slope = -(d_out.re * normalized.re + d_out.im * normalized.im) * F::of(0.5);
    let (a, b) = scales(path);
    for j in [Some(a), b].into_iter().flatten() {
        let power = sigma[j] * sigma[j];
        if power > F::zero() {
            d_power[j] += slope / power;
        }
    }
}
