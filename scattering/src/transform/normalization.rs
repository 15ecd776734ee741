//! Normalisation of the first layer, applied to the coefficients afterwards.
//!
//! Every coefficient is homogeneous in the first layer, so dividing `W_j x` by sigma_j at the start equals dividing the
//! finished coefficient by the sigma of each first-layer path in it: phase-envelopes by sigma_j2 sigma_j1, envelopes by
//! sigma_j1 sigma_j1', sparsity by sigma_j1.

use num_complex::Complex;

use crate::coefficients::path::{CoefficientKind, ScatteringPath};
use crate::fourier::real::Real;
use crate::names::option_names;

/// Divisor of the first layer. The coefficients of a band without energy are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Normalization {
    /// No division.
    #[default]
    None,
    /// `each_ps`: sigma_j = sqrt(mean_t |W_j x|^2) of the window and channel itself, which removes the
    /// amplitude.
    EachPowerSpectrum,
    /// `batch_ps`: sigma_j^2 is the mean of that over the batch, for each channel.
    BatchPowerSpectrum,
    /// The sigma_j^2 given with the plan.
    Given,
}

option_names!(Normalization, "normalization", {
    None => "none",
    EachPowerSpectrum => "each-ps",
    BatchPowerSpectrum => "batch-ps",
    Given => "given",
});

/// A power of a first-layer sigma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SigmaPower {
    channel: usize,
    scale: usize,
    exponent: f64,
}

impl SigmaPower {
    fn index(&self, n_scales: usize) -> usize {
        self.channel * n_scales + self.scale
    }
}

/// The one or two powers of sigma that divide a coefficient.
pub(crate) fn divisors(path: &ScatteringPath) -> [Option<SigmaPower>; 2] {
    let power = |channel, scale, exponent| SigmaPower {
        channel,
        scale,
        exponent,
    };
    match path.kind {
        CoefficientKind::PowerSpectrum
        | CoefficientKind::PhaseEnvelope
        | CoefficientKind::Envelope => [
            Some(power(path.channel_left, path.j1_left, 1.0)),
            path.j1_right
                .map(|scale| power(path.channel_right, scale, 1.0)),
        ],
        CoefficientKind::Raw | CoefficientKind::Sparsity | CoefficientKind::Mean => {
            [Some(power(path.channel_left, path.j1_left, 1.0)), None]
        }
        CoefficientKind::Scattering => [
            Some(power(path.channel_left, path.j1_left, path.exponent)),
            None,
        ],
    }
}

/// 1 over the product of the coefficient's powers of sigma `(channel, scale)`, or 0 where a band is empty.
pub(crate) fn factor<F: Real>(path: &ScatteringPath, sigma: &[F], n_scales: usize) -> F {
    let mut divisor = F::one();
    for power in divisors(path).into_iter().flatten() {
        let sigma = sigma[power.index(n_scales)];
        divisor *= if power.exponent == 1.0 {
            sigma
        } else {
            sigma.powf(F::of(power.exponent))
        };
    }
    // A band of zero energy (a constant signal, a dead channel) has sigma = 0 and coefficients of 0: the quotient is
    // defined as 0, since 0/0 would be a NaN that spreads to every mean over the coefficients.
    if divisor > F::zero() && divisor.is_finite() {
        F::one() / divisor
    } else {
        F::zero()
    }
}

/// Adds to `d_power` `(channel, scale)` the gradient of one normalised coefficient with respect to sigma^2.
pub(crate) fn add_power_gradient<F: Real>(
    path: &ScatteringPath,
    sigma: &[F],
    n_scales: usize,
    d_out: Complex<F>,
    normalized: Complex<F>,
    d_power: &mut [F],
) {
    // c = raw sigma^-q, so dc/d(sigma^2) = -(q/2) c / sigma^2.
    let slope = -(d_out.re * normalized.re + d_out.im * normalized.im) * F::of(0.5);
    for divisor in divisors(path).into_iter().flatten() {
        let index = divisor.index(n_scales);
        let power = sigma[index] * sigma[index];
        // An empty band gives 0 whatever its power, so it has no gradient either.
        if power > F::zero() {
            d_power[index] += slope * F::of(divisor.exponent) / power;
        }
    }
}
