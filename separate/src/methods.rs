//! The methods: the scattering objective optimised, and the local Wiener filter alone.

use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::error::Error;
use crate::judge::Judge;
use crate::lbfgs::Lbfgs;
use crate::method::{
    Channel, ChannelSeparation, Method, Optimization, Outcome, Problem, Separation,
};
use crate::optimize::State;
use crate::terms::{ObjectiveOptions, Terms};

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
    Expectation,
}

impl ScatteringMethod {
    /// As published: from the mixture, run on to the end. On coarse grids, which the loss does not notice.
    pub fn paper(octaves: usize, max_iterations: usize) -> Self {
        Self {
            objective: ObjectiveOptions::published_on_grids(octaves),
            start: Start::Mixture,
            stop: Stop::Published,
            max_iterations,
        }
    }

    /// From the local Wiener estimate to the expected loss, with a floor under every std_k.
    pub fn to_expectation(octaves: usize, max_iterations: usize) -> Self {
        Self {
            objective: ObjectiveOptions::floored(octaves),
            start: Start::LocalWiener,
            stop: Stop::Expectation,
            max_iterations,
        }
    }

    fn channel(&self, channel: &Channel) -> Result<ChannelSeparation, Error> {
        let judge = Judge::new(channel, self.objective)?;
        let untouched = match self.stop {
            Stop::Published => judge.without_signal(),
            Stop::Expectation => judge.without_method(),
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
                Stop::Expectation => judge.at_expectation(state.point, state.terms),
            };
            if reached {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let minimum = optimizer.minimize(judge.objective(), &start, &mut rule)?;
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
            Stop::Expectation => "scattering objective, to its expected value",
        }
    }

    fn separate(&self, problem: &Problem) -> Result<Separation, Error> {
        each_channel(problem, |channel| self.channel(channel))
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
            let judge = Judge::new(channel, self.objective)?;
            Ok(judge
                .without_method()
                .unwrap_or_else(|| judge.verdict(judge.wiener().estimate(&channel.mixture), None)))
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
