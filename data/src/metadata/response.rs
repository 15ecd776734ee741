//! The response of an instrument, as its stages.

use num_complex::Complex64;

/// Chain of stages from the input of a sensor, such as ground velocity, to counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// Gain of the whole chain at one frequency.
    pub sensitivity: Option<Sensitivity>,
    /// The stages in the order of their numbers.
    pub stages: Vec<ResponseStage>,
}

/// Gain of the whole chain at one frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    /// Output over input.
    pub value: f64,
    /// Frequency in Hz at which it holds.
    pub frequency_hz: f64,
    /// Unit of the input, as in the file.
    pub input_unit: Option<String>,
    /// Unit of the output, as in the file.
    pub output_unit: Option<String>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseStage {
    /// Number of the stage, from 1.
    pub number: u32,
    /// Unit of its input, as in the file.
    pub input_unit: Option<String>,
    /// Unit of its output, as in the file.
    pub output_unit: Option<String>,
    /// Its filter.
    pub filter: StageFilter,
    /// Rates of a digital stage.
    pub decimation: Option<Decimation>,
    /// Its gain.
    pub gain: Option<StageGain>,
}

/// Gain of a stage at one frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageGain {
    /// Output over input.
    pub value: f64,
    /// Frequency in Hz at which it holds.
    pub frequency_hz: f64,
}

/// Rates and delays of a digital stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimation {
    /// Rate of its input in Hz.
    pub input_rate_hz: f64,
    /// Number of input samples for each output sample.
    pub factor: u32,
    /// Delay of the filter in s, an estimate.
    pub delay_s: f64,
    /// Delay in s that the recorder has taken off the time stamps.
    pub correction_s: f64,
}

/// Filter of a stage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StageFilter {
    /// No filter, a gain only.
    None,
    /// A rational function given by its poles and zeros.
    PolesZeros(PolesZeros),
    /// A digital filter `sum b_k z^-k / sum a_k z^-k`; without `denominators` it is a FIR filter.
    Coefficients {
        /// `b_k`.
        numerators: Vec<f64>,
        /// `a_k`.
        denominators: Vec<f64>,
    },
    /// A FIR filter.
    Fir {
        /// Part of the filter that `coefficients` hold.
        symmetry: FirSymmetry,
        /// Coefficients in the order of time.
        coefficients: Vec<f64>,
    },
    /// Coefficients of an analogue filter; not evaluated.
    AnalogCoefficients,
    /// A table of frequencies; not read.
    List,
    /// A polynomial; refused.
    Polynomial,
}

/// Rational function `A0 prod (s - zero) / prod (s - pole)`.
#[derive(Debug, Clone, PartialEq)]
pub struct PolesZeros {
    /// Variable of the function.
    pub variable: TransferVariable,
    /// Factor `A0`.
    pub normalization_factor: f64,
    /// Frequency in Hz at which `A0` makes the modulus 1.
    pub normalization_frequency_hz: f64,
    /// The zeros.
    pub zeros: Vec<Complex64>,
    /// The poles.
    pub poles: Vec<Complex64>,
}

/// Variable of a rational transfer function, at the frequency `f` in Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferVariable {
    /// `s = 2 pi i f`.
    LaplaceRadians,
    /// `s = i f`.
    LaplaceHertz,
    /// `z = exp(2 pi i f / rate)`.
    Digital,
}

/// Part of a FIR filter that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirSymmetry {
    /// All of it.
    None,
    /// The first half and the middle of a symmetric filter of odd length.
    Odd,
    /// The first half of a symmetric filter of even length.
    Even,
}

/// Ground motion that a response refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputUnit {
    /// Counts per m.
    Displacement,
    /// Counts per m/s.
    Velocity,
    /// Counts per m/s^2.
    Acceleration,
    /// Counts per unit of the first stage's input, without conversion.
    Input,
}
