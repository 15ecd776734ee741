//! The methods: the scattering objective optimised, and the local Wiener filter alone.

use std::ops::ControlFlow;

use rayon::prelude::*;
use seismix_scattering::Real;

use crate::error::Error;
use crate::method::{
    Channel, ChannelSeparation, Method, Optimization, Outcome, Problem, Separation,
};
use crate::scaling::PowerOfTwoScale;
use crate::scattering::acceptance::{AcceptanceTest, AcceptanceTestIn};
use crate::scattering::lbfgs::Lbfgs;
use crate::scattering::optimize::State;
use crate::scattering::terms::{ObjectiveOptions, Terms};

/// Optimises each channel's background until its scattering covariance, and the independence of what is removed, match
/// the snippets (arXiv 2301.11981, 2305.16189).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScatteringMethod {
    /// The loss.
    pub objective: ObjectiveOptions,
    /// Where it starts.
    pub start: Start,
    /// When it stops.
    pub stop: Stop,
    /// Most iterations of L-BFGS.
    pub max_iterations: usize,
    /// In which type transforms run.
    pub precision: Precision,
}

/// A floating-point type for the transforms; coefficients and sums over them are in double precision always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: up to 1.7 times as fast, with errors far below what the snippets' spread leaves open.
    Single,
    /// 64 bits.
    Double,
}

/// Where an optimisation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the mixture, as published.
    Mixture,
    /// At the estimate of the local Wiener filter.
    LocalWiener,
}

/// When an optimisation stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At sqrt(L) <= 0.1, the published rule, which is never reached in practice; nothing is judged.
    Published,
    /// As soon as the loss, or L1 alone, is at its expected value at the truth: going on fits the noise of the snippets.
    /// Windows that are background already are left alone, and so are those whose result cannot be.
    LeaveOneOutTerms,
}

impl ScatteringMethod {
    /// As published: from the mixture, run on to the end. On coarse grids, which the loss does not notice.
    pub fn paper(octaves: usize, max_iterations: usize) -> Self {
        Self {
            objective: ObjectiveOptions::published_on_grids(octaves),
            start: Start::Mixture,
            stop: Stop::Published,
            max_iterations,
            precision: Precision::Double,
        }
    }

    /// From the local Wiener estimate to the expected loss, with a floor under every std_k.
    pub fn to_expectation(octaves: usize, max_iterations: usize) -> Self {
        Self {
            objective: ObjectiveOptions::floored(octaves),
            start: Start::LocalWiener,
            stop: Stop::LeaveOneOutTerms,
            max_iterations,
            precision: Precision::Double,
        }
    }

    /// The same with transforms in another precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// As [`Method::separate`], and looks after each iteration whether it is `asked` to stop.
    ///
    /// # Errors
    /// As there; [`Error::Interrupted`] if so.
    pub fn separate_until(
        &self,
        problem: &Problem,
        asked: &(dyn Fn() -> bool + Sync),
    ) -> Result<Separation, Error> {
        each_channel(problem, |channel| self.channel(channel, asked))
    }

    fn channel(
        &self,
        channel: &Channel,
        asked: &dyn Fn() -> bool,
    ) -> Result<ChannelSeparation, Error> {
        match self.precision {
            Precision::Double => PowerOfTwoScale::of_channel(channel)?
                .solve(channel, |channel| self.solve::<f64>(channel, asked)),
            Precision::Single => {
                PowerOfTwoScale::of_channel(channel)?;
                PowerOfTwoScale::of(&channel.mixture)
                    .solve(channel, |channel| self.solve::<f32>(channel, asked))
            }
        }
    }

    fn solve<F: Real>(
        &self,
        channel: &Channel,
        asked: &dyn Fn() -> bool,
    ) -> Result<ChannelSeparation, Error> {
        let judge = AcceptanceTestIn::<F>::new(channel, self.objective)?;
        let untouched = match self.stop {
            Stop::Published => judge.without_signal(),
            Stop::LeaveOneOutTerms => judge.without_method(),
        };
        if let Some(untouched) = untouched {
            return Ok(untouched);
        }
        let start = match self.start {
            Start::Mixture => channel.mixture.clone(),
            Start::LocalWiener => judge.wiener().estimate(&channel.mixture),
        };
        let optimizer = Lbfgs {
            max_iterations: self.max_iterations,
            memory: 10,
            scale: judge.scale(),
        };
        let mut rule = |state: &State<'_, Terms>| {
            let reached = match self.stop {
                Stop::Published => state.terms.loss().sqrt() <= 0.1,
                Stop::LeaveOneOutTerms => judge.at_expectation(state.point, state.terms),
            };
            if reached || asked() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let minimum = optimizer.minimize(judge.objective(), &start, &mut rule)?;
        if asked() {
            return Err(Error::Interrupted);
        }
        let optimization = Optimization {
            history: minimum.history,
            reason: minimum.reason,
            evaluations: minimum.evaluations,
        };
        let published = minimum.point.clone();
        let mut result = judge.verdict(minimum.point, Some(optimization));
        if self.stop == Stop::Published {
            result.background = published;
            result.outcome = Outcome::Separated;
        }
        Ok(result)
    }
}

impl Method for ScatteringMethod {
    fn name(&self) -> &'static str {
        match self.stop {
            Stop::Published => "scattering objective, as published",
            Stop::LeaveOneOutTerms => "scattering objective, to its expected value",
        }
    }

    fn separate(&self, problem: &Problem) -> Result<Separation, Error> {
        self.separate_until(problem, &|| false)
    }
}

/// The local Wiener filter ([`LocalWiener`](crate::LocalWiener)) alone, judged by the scattering objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WienerMethod {
    /// The loss that judges.
    pub objective: ObjectiveOptions,
}

impl Method for WienerMethod {
    fn name(&self) -> &'static str {
        "local Wiener filter"
    }

    fn separate(&self, problem: &Problem) -> Result<Separation, Error> {
        each_channel(problem, |channel| {
            PowerOfTwoScale::of_channel(channel)?.solve(channel, |channel| {
                let judge = AcceptanceTest::new(channel, self.objective)?;
                Ok(judge.without_method().unwrap_or_else(|| {
                    judge.verdict(judge.wiener().estimate(&channel.mixture), None)
                }))
            })
        })
    }
}

/// Solves the channels one by one, in parallel; the first that cannot be used, in their order, is the error.
fn each_channel(
    problem: &Problem,
    solve: impl Fn(&Channel) -> Result<ChannelSeparation, Error> + Sync,
) -> Result<Separation, Error> {
    let solved: Vec<Result<ChannelSeparation, Error>> =
        problem.channels().par_iter().map(&solve).collect();
    Ok(Separation {
        channels: solved.into_iter().collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_noise::red as noise;

    /// In any unit, single precision separates as double precision does, far below what either leaves.
    #[test]
    fn single_precision_separates_as_double_does() {
        for size in [1.0, 1e-12, 1e9] {
            let truth: Vec<f64> = noise(900, 512).iter().map(|v| v * size).collect();
            let mixture: Vec<f64> = truth
                .iter()
                .enumerate()
                .map(|(t, n)| n + 6.0 * size * (-((t as f64 - 240.0) / 12.0).powi(2)).exp())
                .collect();
            let snippets: Vec<Vec<f64>> = (1..13)
                .map(|seed| noise(seed, 512).iter().map(|v| v * size).collect())
                .collect();
            let channel = Channel {
                mixture: mixture.clone(),
                snippets,
                source_snippets: Vec::new(),
            };
            let problem = Problem::new(vec![channel]).unwrap();
            let method = ScatteringMethod::to_expectation(5, 60);
            let [double, single] = [Precision::Double, Precision::Single].map(|precision| {
                let solved = method.with_precision(precision).separate(&problem).unwrap();
                solved.channels[0].clone()
            });
            assert_eq!(double.outcome, single.outcome);
            let energy = |a: &[f64], b: &[f64]| -> f64 {
                a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
            };
            let [one, other] = [&double, &single].map(|s| energy(&s.background, &truth));
            assert!(one < 0.2 * energy(&mixture, &truth), "it separates");
            let change_db = 10.0 * (one / other).log10();
            assert!(change_db.abs() < 0.1, "{size}: {change_db} dB");
        }
    }

    /// Asked at once, it makes one iteration at most.
    #[test]
    fn a_separation_stops_when_it_is_asked_to() {
        let channel = Channel {
            mixture: noise(900, 512).iter().map(|v| 3.0 * v).collect(),
            snippets: (1..9).map(|seed| noise(seed, 512)).collect(),
            source_snippets: Vec::new(),
        };
        let problem = Problem::new(vec![channel]).unwrap();
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let asked = || looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
        let stopped = ScatteringMethod::paper(5, 1_000_000).separate_until(&problem, &asked);
        assert_eq!(stopped.err(), Some(Error::Interrupted));
        assert!(looks.into_inner() <= 5);
    }

    #[test]
    fn what_is_left_alone_keeps_its_bits_in_single_precision() {
        let mixture = vec![0.1; 256];
        let snippets: Vec<Vec<f64>> = (1..9).map(|seed| noise(seed, 256)).collect();
        let channel = Channel {
            mixture: mixture.clone(),
            snippets,
            source_snippets: Vec::new(),
        };
        let problem = Problem::new(vec![channel]).unwrap();
        let method = ScatteringMethod::to_expectation(4, 10).with_precision(Precision::Single);
        let solved = method.separate(&problem).unwrap();
        assert_eq!(solved.channels[0].background, mixture);
    }
}
