//! Transfer functions of single stages, without gain and normalisation.

use std::f64::consts::TAU;

use num_complex::Complex64;

use super::error::ResponseError;
use super::response::{FirSymmetry, PolesZeros, ResponseStage, StageFilter, TransferVariable};

/// Deviation of a FIR filter's sum from 1 above which evalresp divides the coefficients by it.
const FIR_SUM_TOLERANCE: f64 = 0.02;

/// Transfer function of a stage.
#[derive(Debug)]
pub(super) enum Transfer<'r> {
    /// 1 at all frequencies.
    Unity,
    /// `prod (s - zero) / prod (s - pole)` with `s = i scale f`.
    Analog { stage: &'r PolesZeros, scale: f64 },
    /// `prod (z - zero) / prod (z - pole)` with `z = exp(2 pi i f interval_s)`.
    Digital {
        stage: &'r PolesZeros,
        interval_s: f64,
    },
    /// `sum b_k z^-k / sum a_k z^-k`.
    Recursive {
        numerators: &'r [f64],
        denominators: &'r [f64],
        interval_s: f64,
    },
    /// Zero-phase FIR filter: `half` has its coefficients up to the middle, which is at a sample if `odd`.
    Symmetric {
        half: Vec<f64>,
        odd: bool,
        interval_s: f64,
    },
    /// Any FIR filter, advanced by the correction that the recorder applied.
    Causal {
        coefficients: Vec<f64>,
        interval_s: f64,
        correction_s: f64,
    },
}

impl<'r> Transfer<'r> {
    /// Transfer function of a stage; `rate_hz` is the rate of its input, if known.
    ///
    /// # Errors
    /// [`ResponseError::Unsupported`] and [`ResponseError::NoRate`].
    pub(super) fn of(
        stage: &'r ResponseStage,
        rate_hz: Option<f64>,
    ) -> Result<Self, ResponseError> {
        let number = stage.number;
        let unsupported = |kind| {
            Err(ResponseError::Unsupported {
                stage: number,
                kind,
            })
        };
        let interval = || {
            let rate = rate_hz.filter(|rate| *rate > 0.0);
            rate.map(f64::recip)
                .ok_or(ResponseError::NoRate { stage: number })
        };
        match &stage.filter {
            StageFilter::None => Ok(Self::Unity),
            StageFilter::PolesZeros(stage) => match stage.variable {
                TransferVariable::LaplaceRadians => Ok(Self::Analog { stage, scale: TAU }),
                TransferVariable::LaplaceHertz => Ok(Self::Analog { stage, scale: 1.0 }),
                TransferVariable::Digital if stage.zeros.is_empty() && stage.poles.is_empty() => {
                    Ok(Self::Unity)
                }
                TransferVariable::Digital => Ok(Self::Digital {
                    stage,
                    interval_s: interval()?,
                }),
            },
            StageFilter::Coefficients {
                numerators,
                denominators,
            } => match (numerators.is_empty(), denominators.is_empty()) {
                (true, true) => Ok(Self::Unity),
                (true, false) => unsupported("a recursive filter without numerators"),
                (false, true) => Ok(fir(numerators, interval()?, stage)),
                (false, false) => Ok(Self::Recursive {
                    numerators,
                    denominators,
                    interval_s: interval()?,
                }),
            },
            StageFilter::Fir { coefficients, .. } if coefficients.is_empty() => Ok(Self::Unity),
            StageFilter::Fir {
                symmetry,
                coefficients,
            } => match symmetry {
                FirSymmetry::None => Ok(fir(coefficients, interval()?, stage)),
                FirSymmetry::Odd | FirSymmetry::Even => Ok(Self::Symmetric {
                    half: coefficients.clone(),
                    odd: *symmetry == FirSymmetry::Odd,
                    interval_s: interval()?,
                }),
            },
            StageFilter::AnalogCoefficients => {
                unsupported("given by coefficients of an analogue filter")
            }
            StageFilter::List => unsupported("a response list"),
            StageFilter::Polynomial => unsupported("a polynomial"),
        }
    }

    /// Value at a frequency in Hz.
    pub(super) fn at(&self, frequency_hz: f64) -> Complex64 {
        let step = |interval_s: f64| TAU * frequency_hz * interval_s;
        match self {
            Self::Unity => Complex64::ONE,
            Self::Analog { stage, scale } => {
                rational(stage, Complex64::new(0.0, scale * frequency_hz))
            }
            Self::Digital { stage, interval_s } => {
                rational(stage, Complex64::cis(step(*interval_s)))
            }
            Self::Recursive {
                numerators,
                denominators,
                interval_s,
            } => {
                let angle = step(*interval_s);
                polynomial(numerators, angle) / polynomial(denominators, angle)
            }
            Self::Symmetric {
                half,
                odd,
                interval_s,
            } => symmetric(half, *odd, step(*interval_s)).into(),
            Self::Causal {
                coefficients,
                interval_s,
                correction_s,
            } => polynomial(coefficients, step(*interval_s)) * Complex64::cis(step(*correction_s)),
        }
    }
}

/// FIR filter of a stage from all its coefficients. As evalresp does, it is divided by its sum if that is not 1 within
/// 2 %, and has zero phase if it is symmetric.
fn fir<'r>(coefficients: &[f64], interval_s: f64, stage: &ResponseStage) -> Transfer<'r> {
    let sum: f64 = coefficients.iter().sum();
    let is_normal = (sum - 1.0).abs() <= FIR_SUM_TOLERANCE || sum == 0.0;
    let divisor = if is_normal { 1.0 } else { sum };
    let mut coefficients: Vec<f64> = coefficients.iter().map(|c| c / divisor).collect();
    let n = coefficients.len();
    let is_symmetric = (0..n / 2).all(|k| coefficients[k] == coefficients[n - 1 - k]);
    if is_symmetric {
        coefficients.truncate(n.div_ceil(2));
        return Transfer::Symmetric {
            half: coefficients,
            odd: n % 2 == 1,
            interval_s,
        };
    }
    Transfer::Causal {
        coefficients,
        interval_s,
        correction_s: stage.decimation.map_or(0.0, |d| d.correction_s),
    }
}

/// `prod (s - zero) / prod (s - pole)`.
fn rational(stage: &PolesZeros, s: Complex64) -> Complex64 {
    let product =
        |roots: &[Complex64]| -> Complex64 { roots.iter().map(|root| s - root).product() };
    product(&stage.zeros) / product(&stage.poles)
}

/// `sum c_k exp(-i k angle)`.
fn polynomial(coefficients: &[f64], angle: f64) -> Complex64 {
    let terms = coefficients.iter().enumerate();
    terms
        .map(|(k, c)| c * Complex64::cis(-(k as f64) * angle))
        .sum()
}

/// Transfer function of a symmetric filter about its middle, which is real.
fn symmetric(half: &[f64], odd: bool, angle: f64) -> f64 {
    let (middle, pairs) = match half.split_last() {
        Some((middle, pairs)) if odd => (*middle, pairs),
        _ => (0.0, half),
    };
    // Distance in samples from the middle to the pair nearest to it.
    let nearest = if odd { 1.0 } else { 0.5 };
    let terms = pairs.iter().rev().enumerate();
    middle
        + 2.0
            * terms
                .map(|(k, c)| c * (angle * (k as f64 + nearest)).cos())
                .sum::<f64>()
}
