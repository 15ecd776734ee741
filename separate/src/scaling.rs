//! Unit in which the samples of a channel are near 1, so that fourth powers neither overflow nor vanish.

use crate::channel::{Channel, ChannelSeparation, Outcome};
use crate::error::Error;
use crate::scattering::terms::ObjectiveTerms;

/// Largest size of samples that are used unchanged; its inverse is the smallest.
// The loss squares squared samples, and 1e30 to the fourth power is far below the largest double, 1.8e308.
const ORDINARY: f64 = 1e30;
/// Ratio of the sizes of mixture and snippets above which they have no statistics in common.
const COMPARABLE: f64 = 1e50;

/// Power of two: dividing by it and multiplying again restores every bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PowerOfTwoScale(f64);

impl PowerOfTwoScale {
    /// Near the root mean square of a signal; 1 for silence, and for what is not finite.
    pub(crate) fn of(signal: &[f64]) -> Self {
        let largest = largest(signal);
        let square = signal.iter().map(|v| (v / largest).powi(2)).sum::<f64>();
        Self::below(largest * (square / signal.len().max(1) as f64).sqrt())
    }

    /// 1 unless the samples of a channel are of no ordinary size.
    ///
    /// # Errors
    /// [`Error::Incomparable`] if their sizes are too far apart.
    pub(crate) fn of_channel(channel: &Channel) -> Result<Self, Error> {
        let all = || {
            let signals = std::iter::once(&channel.mixture).chain(&channel.snippets);
            signals.chain(&channel.source_snippets).map(|s| largest(s))
        };
        let most = all().fold(0.0, f64::max);
        let least = all().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        if most > 0.0 && most / least > COMPARABLE {
            return Err(Error::Incomparable {
                smallest: least,
                largest: most,
            });
        }
        Ok(Self::unless_ordinary(most))
    }

    /// Unit 1 for an ordinary size, else the power of two below it.
    pub(crate) fn unless_ordinary(size: f64) -> Self {
        if (1.0 / ORDINARY..=ORDINARY).contains(&size) {
            Self(1.0)
        } else {
            Self::below(size)
        }
    }

    fn below(size: f64) -> Self {
        let exponent = size.log2().floor();
        Self(if exponent.is_finite() {
            // Subnormal powers of two would lose bits, and 2^1024 is infinite.
            exponent.clamp(-1000.0, 1000.0).exp2()
        } else {
            1.0
        })
    }

    /// The samples in this unit.
    pub(crate) fn divide(self, signal: &[f64]) -> Vec<f64> {
        signal.iter().map(|v| v / self.0).collect()
    }

    /// Restores samples from this unit.
    pub(crate) fn multiply(self, signal: &mut [f64]) {
        signal.iter_mut().for_each(|v| *v *= self.0);
    }

    /// Solves a channel in this unit, and checks the result.
    ///
    /// # Errors
    /// Refusals of `solve`; [`Error::OutOfRange`] if a number of the result is not finite.
    pub(crate) fn solve(
        self,
        channel: &Channel,
        solve: impl FnOnce(&Channel) -> Result<ChannelSeparation, Error>,
    ) -> Result<ChannelSeparation, Error> {
        if self.0 == 1.0 {
            let result = solve(channel)?;
            return finite(&result).map(|()| result);
        }
        let divide = |all: &[Vec<f64>]| all.iter().map(|s| self.divide(s)).collect();
        let mut result = solve(&Channel {
            mixture: self.divide(&channel.mixture),
            snippets: divide(&channel.snippets),
            source_snippets: divide(&channel.source_snippets),
        })?;
        if result.outcome == Outcome::Separated {
            self.multiply(&mut result.background);
        } else {
            result.background.clone_from(&channel.mixture);
        }
        if let Some(local) = &mut result.local {
            self.multiply(&mut local.waveform);
            self.multiply(&mut local.deviation);
            let signals = local.realisation.iter_mut().chain(&mut local.draws);
            signals.for_each(|signal| self.multiply(signal));
        }
        finite(&result).map(|()| result)
    }
}

/// The largest absolute sample.
pub(crate) fn largest(signal: &[f64]) -> f64 {
    signal.iter().fold(0.0, |m, v| v.abs().max(m))
}

/// Refuses a result with a number that is not finite.
fn finite(result: &ChannelSeparation) -> Result<(), Error> {
    let all = |signal: &[f64]| signal.iter().all(|v| v.is_finite());
    let terms = |terms: &ObjectiveTerms| all(&terms.to_array());
    let found = result.assessment.iter();
    let losses = found.flat_map(|a| [&a.start, &a.end, &a.expected, &a.largest]);
    let history = result.optimization.iter().flat_map(|run| &run.history);
    if !losses.chain(history).all(terms) {
        return Err(Error::OutOfRange { what: "the loss" });
    }
    let local = result.local.as_ref().is_none_or(|local| {
        let signals = local.realisation.iter().chain(&local.draws);
        let mut signals = signals.chain([&local.waveform, &local.deviation]);
        signals.all(|signal| all(signal))
    });
    if !(local && all(&result.background)) {
        return Err(Error::OutOfRange {
            what: "the background",
        });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_noise::red as noise;
    use crate::{ChannelMethod, LocalMethod, ScatteringMethod, TransformPrecision, WienerMethod};
    use crate::{ObjectiveOptions, SourceSnippets};

    #[test]
    fn units_are_powers_of_two() {
        assert_eq!(PowerOfTwoScale::of(&[3.0, -3.0]), PowerOfTwoScale(2.0));
        assert_eq!(PowerOfTwoScale::of(&[0.3; 4]), PowerOfTwoScale(0.25));
        assert_eq!(PowerOfTwoScale::of(&[0.0]), PowerOfTwoScale(1.0));
        assert_eq!(PowerOfTwoScale::of(&[]), PowerOfTwoScale(1.0));
        assert_eq!(
            PowerOfTwoScale::of(&[1e300]),
            PowerOfTwoScale(2_f64.powi(996))
        );
        assert_eq!(
            PowerOfTwoScale::unless_ordinary(1e-30),
            PowerOfTwoScale(1.0)
        );
        assert_eq!(
            PowerOfTwoScale::unless_ordinary(2_f64.powi(-400)),
            PowerOfTwoScale(2_f64.powi(-400))
        );
    }

    fn channel(size: f64) -> Channel {
        let wave = |seed: u64, at: f64| -> Vec<f64> {
            let pulse = |t: usize| 6.0 * (-((t as f64 - at) / 12.0).powi(2)).exp();
            let noise = noise(seed, 256);
            let all = noise.iter().enumerate().map(|(t, n)| n + pulse(t));
            all.map(|v| v * size).collect()
        };
        Channel {
            mixture: wave(900, 120.0),
            snippets: (1..9).map(|seed| wave(seed, 1e9)).collect(),
            source_snippets: (11..19)
                .map(|seed| wave(seed, 60.0 + 9.0 * seed as f64))
                .collect(),
        }
    }

    /// Every method gives the same background in units of any size, to rounding.
    #[test]
    fn size_changes_nothing() {
        let local = LocalMethod {
            source_snippets: SourceSnippets::WithBackground,
            n_draws: 1,
            ..LocalMethod::new(4)
        };
        let scattering = ScatteringMethod::to_expectation(4, 20);
        let methods: [&dyn ChannelMethod; 5] = [
            &scattering,
            &scattering.with_precision(TransformPrecision::Single),
            &ScatteringMethod::paper(4, 5),
            &WienerMethod {
                objective: ObjectiveOptions::floored(4),
            },
            &local,
        ];
        for (index, method) in methods.into_iter().enumerate() {
            let solve = |size: f64| method.separate_channel(&channel(size)).unwrap();
            let ordinary = solve(1.0);
            for exponent in [-900, -300, -80, 200, 333, 996] {
                let size = 2_f64.powi(exponent);
                let scaled = solve(size);
                assert_eq!(ordinary.outcome, scaled.outcome);
                let near = |(a, b): (&f64, &f64)| (a - b / size).abs() < 1e-9;
                let all = |a: &[f64], b: &[f64]| a.iter().zip(b).all(near);
                assert!(
                    all(&ordinary.background, &scaled.background),
                    "{index} {exponent}"
                );
                if let (Some(a), Some(b)) = (&ordinary.local, &scaled.local) {
                    assert!(all(&a.deviation, &b.deviation) && all(&a.draws[0], &b.draws[0]));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut apart = channel(1.0);
        apart.mixture.iter_mut().for_each(|v| *v *= 1e100);
        let methods: [&dyn ChannelMethod; 3] = [
            &ScatteringMethod::to_expectation(4, 5),
            &WienerMethod {
                objective: ObjectiveOptions::floored(4),
            },
            &LocalMethod::new(4),
        ];
        for method in methods {
            let refused = method.separate_channel(&apart);
            assert!(matches!(refused, Err(Error::Incomparable { .. })));
        }
    }
}
