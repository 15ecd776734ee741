//! Responses at given frequencies, with the conventions of evalresp (Fourier transform `exp(-i omega t)`).

use std::f64::consts::TAU;

use num_complex::Complex64;

use super::error::ResponseError;
use super::response::{OutputUnit, Response, ResponseStage, StageFilter, StageGain};
use super::transfer::Transfer;
use super::units::{Quantity, quantity};

impl Response {
    /// Product of all stages at each frequency in Hz, in counts per `output`.
    ///
    /// A stage is its filter with modulus 1 at the frequency of its gain, times this gain. Where the frequencies of the
    /// gain, of `A0` and of the sensitivity are the same, `A0` is taken from the file, as evalresp does. FIR filters
    /// that are symmetric have zero phase; others are advanced by the correction of their `Decimation`.
    /// Between displacement, velocity and acceleration there is the factor `2 pi i f`; at 0 Hz an integral is set to 0.
    ///
    /// The sensitivity of the whole chain is used only if there is one stage, without gain.
    ///
    /// # Errors
    /// A [`ResponseError`] with the stage, the reason and the remedy.
    pub fn evaluate(
        &self,
        frequencies_hz: &[f64],
        output: OutputUnit,
    ) -> Result<Vec<Complex64>, ResponseError> {
        let stages = self.in_order()?;
        let chain = self.chain(&stages)?;
        let input = self.input(&stages, output)?;
        let at = |frequency_hz: &f64| {
            let frequency_hz = *frequency_hz;
            if !frequency_hz.is_finite() {
                return Err(ResponseError::Frequency { frequency_hz });
            }
            let product: Complex64 = chain.iter().map(|s| s.at(frequency_hz)).product();
            let value = product * input.scale * derivative(frequency_hz, input.derivatives);
            let finite = value.re.is_finite() && value.im.is_finite();
            finite
                .then_some(value)
                .ok_or(ResponseError::NotFinite { frequency_hz })
        };
        frequencies_hz.iter().map(at).collect()
    }

    /// The stages in the order of their numbers.
    fn in_order(&self) -> Result<Vec<&ResponseStage>, ResponseError> {
        let mut stages: Vec<&ResponseStage> = self.stages.iter().collect();
        stages.sort_by_key(|s| s.number);
        if stages.is_empty() {
            return Err(ResponseError::NoStages);
        }
        match stages
            .windows(2)
            .find(|pair| pair[0].number == pair[1].number)
        {
            Some(pair) => Err(ResponseError::RepeatedStage {
                stage: pair[0].number,
            }),
            None => Ok(stages),
        }
    }

    fn chain<'r>(&self, stages: &[&'r ResponseStage]) -> Result<Vec<Factor<'r>>, ResponseError> {
        check_units(stages)?;
        let reference_hz = self.reference_frequency(stages);
        let rates = input_rates(stages);
        let factors = stages.iter().zip(rates).map(|(stage, rate)| {
            let transfer = Transfer::of(stage, rate)?;
            let gain = self.gain_of(stage, stages.len())?;
            Factor::of(stage, transfer, gain, reference_hz)
        });
        factors.collect()
    }

    /// Frequency at which the whole chain is normalised: that of the sensitivity, or else the last of a gain that is
    /// not 0.
    fn reference_frequency(&self, stages: &[&ResponseStage]) -> f64 {
        if let Some(sensitivity) = self.sensitivity.as_ref().filter(|s| s.value != 0.0) {
            return sensitivity.frequency_hz;
        }
        let gains = stages.iter().filter_map(|s| s.gain);
        let mut frequencies = gains.map(|g| g.frequency_hz).filter(|f| *f != 0.0);
        frequencies.next_back().unwrap_or(0.0)
    }

    fn gain_of(&self, stage: &ResponseStage, n_stages: usize) -> Result<StageGain, ResponseError> {
        let whole = self.sensitivity.as_ref().filter(|_| n_stages == 1);
        let whole = whole.map(|s| StageGain {
            value: s.value,
            frequency_hz: s.frequency_hz,
        });
        let gain = stage.gain.or(whole);
        gain.ok_or(ResponseError::NoGain {
            stage: stage.number,
        })
    }

    /// Scale and derivatives between the input of the first stage and the requested unit.
    fn input(&self, stages: &[&ResponseStage], output: OutputUnit) -> Result<Input, ResponseError> {
        let of_chain = || self.sensitivity.as_ref()?.input_unit.as_deref();
        let unit = stages.first().and_then(|s| s.input_unit.as_deref());
        let unit = unit.or_else(of_chain).unwrap_or_default();
        let wanted = match output {
            OutputUnit::Input => {
                return Ok(Input {
                    scale: 1.0,
                    derivatives: 0,
                });
            }
            OutputUnit::Displacement => 0,
            OutputUnit::Velocity => 1,
            OutputUnit::Acceleration => 2,
        };
        let (kind, per_si) = quantity(unit);
        let own = kind.derivatives().ok_or_else(|| ResponseError::NotMotion {
            unit: unit.to_owned(),
        })?;
        Ok(Input {
            scale: per_si,
            derivatives: own - wanted,
        })
    }
}

/// Conversion of the input.
struct Input {
    /// Input units in the SI unit.
    scale: f64,
    /// Time derivatives from the requested unit to the input.
    derivatives: i32,
}

/// `(2 pi i f)^n`; 0 for an integral at 0 Hz.
fn derivative(frequency_hz: f64, n: i32) -> Complex64 {
    if frequency_hz == 0.0 && n < 0 {
        return Complex64::ZERO;
    }
    Complex64::new(0.0, TAU * frequency_hz).powi(n)
}

/// A stage with its factor.
struct Factor<'r> {
    transfer: Transfer<'r>,
    factor: f64,
}

impl<'r> Factor<'r> {
    /// The stage's gain over the modulus of its filter at the frequency of the gain. If all frequencies are that of the
    /// sensitivity, the normalisation of the file holds.
    fn of(
        stage: &ResponseStage,
        transfer: Transfer<'r>,
        gain: StageGain,
        reference_hz: f64,
    ) -> Result<Self, ResponseError> {
        let fail = |reason| ResponseError::Gain {
            stage: stage.number,
            frequency_hz: gain.frequency_hz,
            reason,
        };
        if gain.value == 0.0 {
            return Err(fail("the gain is 0"));
        }
        let (stated, stated_at_hz) = match &stage.filter {
            StageFilter::PolesZeros(s) => (s.normalization_factor, s.normalization_frequency_hz),
            _ => (1.0, reference_hz),
        };
        let is_unity = matches!(transfer, Transfer::Unity);
        let holds = gain.frequency_hz == reference_hz && stated_at_hz == reference_hz;
        let factor = if is_unity {
            gain.value
        } else if holds {
            gain.value * stated
        } else {
            let modulus = transfer.at(gain.frequency_hz).norm();
            if !(modulus > 0.0 && modulus.is_finite()) {
                return Err(fail("the filter is 0 or infinite there"));
            }
            gain.value / modulus
        };
        Ok(Self { transfer, factor })
    }

    fn at(&self, frequency_hz: f64) -> Complex64 {
        self.transfer.at(frequency_hz) * self.factor
    }
}

/// Rate of each stage's input in Hz. One without `Decimation` has that of the output before it, or else of the next
/// input after it.
fn input_rates(stages: &[&ResponseStage]) -> Vec<Option<f64>> {
    let own = |s: &ResponseStage| s.decimation.map(|d| d.input_rate_hz);
    let mut before: Option<f64> = None;
    let mut rates = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let after = || stages[index..].iter().find_map(|s| own(s));
        let rate = own(stage).or(before).or_else(after);
        let factor = stage.decimation.map_or(1, |d| d.factor.max(1));
        before = rate.map(|r| r / f64::from(factor));
        rates.push(rate);
    }
    rates
}

/// Refuses a chain with a stage whose input is another quantity than the output before it. Unknown names and stages
/// without filter pass.
fn check_units(stages: &[&ResponseStage]) -> Result<(), ResponseError> {
    let mut before: Option<&str> = None;
    for stage in stages {
        let input = stage.input_unit.as_deref();
        if let (Some(output), Some(input)) = (before, input) {
            let kinds = [quantity(output).0, quantity(input).0];
            if kinds[0] != kinds[1] && !kinds.contains(&Quantity::Other) {
                return Err(ResponseError::Units {
                    stage: stage.number,
                    output: output.to_owned(),
                    input: input.to_owned(),
                });
            }
        }
        before = stage.output_unit.as_deref().or(before);
    }
    Ok(())
}
