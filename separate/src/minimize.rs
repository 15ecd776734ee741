//! L-BFGS on the separation loss, watched by a stop rule.

use std::cell::RefCell;
use std::rc::Rc;

use argmin::core::{
    CostFunction, Error as ArgminError, Executor, Gradient, IterState, KV, Problem, Solver, State,
    TerminationReason, TerminationStatus,
};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::objective::{ScatteringObjective, Terms};

/// Updates that L-BFGS remembers.
const MEMORY: usize = 10;

/// When to stop before the iterations are used up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopRule {
    /// The published rule: sqrt(L) <= 0.1 (never reached in practice).
    Paper,
    /// As soon as L1 is at its expected value at the truth, or below: going on fits the snippets' noise.
    BackgroundTerm(f64),
}

/// Why an optimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The stop rule was met.
    Reached,
    /// All iterations were used.
    MaxIterations,
    /// The gradient vanished or the loss no longer changed.
    Converged,
    /// The line search found no lower point; the best point so far is given out.
    LineSearch,
}

/// Where the optimisation ended.
#[derive(Debug, Clone)]
pub struct Minimum {
    /// The background `(T,)`.
    pub background: Vec<f64>,
    /// Terms at the start.
    pub start: Terms,
    /// Terms after each iteration.
    pub history: Vec<Terms>,
    /// Why it ended.
    pub reason: StopReason,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}

/// Minimises the loss from `start` `(T,)` with at most `max_iterations` iterations. `scale` is a typical size of a
/// sample: the unknown is optimised in its units, so that the first step does not depend on the record's unit.
///
/// # Errors
/// [`Error::Optimizer`] if the optimiser breaks off.
pub fn minimize(
    objective: &ScatteringObjective,
    start: &[f64],
    scale: f64,
    max_iterations: usize,
    rule: StopRule,
) -> Result<Minimum, Error> {
    let shared = Rc::new(RefCell::new(Evaluations::default()));
    let problem = Scaled {
        objective,
        scale,
        shared: Rc::clone(&shared),
    };
    let parameters: Vec<f64> = start.iter().map(|v| v / scale).collect();
    let first = problem.at(&parameters).0;
    let mut minimum = Minimum {
        background: start.to_vec(),
        start: first,
        history: Vec::new(),
        reason: StopReason::MaxIterations,
        evaluations: 1,
    };
    if rule.met(&first) {
        minimum.reason = StopReason::Reached;
        return Ok(minimum);
    }
    if max_iterations == 0 {
        return Ok(minimum);
    }
    let solver = Watched {
        inner: LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(0.0)
            .map_err(optimizer)?
            .with_tolerance_cost(0.0)
            .map_err(optimizer)?,
        shared: Rc::clone(&shared),
        rule,
        history: Rc::new(RefCell::new(Vec::new())),
        met: false,
    };
    let history = Rc::clone(&solver.history);
    let result = Executor::new(problem, solver)
        .configure(|state| state.param(parameters).max_iters(max_iterations as u64))
        .ctrlc(false)
        .timer(false)
        .run()
        .map_err(|e| Error::Optimizer(e.to_string()))?;
    let state = result.state;
    minimum.reason = match state.get_termination_status() {
        TerminationStatus::Terminated(TerminationReason::TargetCostReached) => StopReason::Reached,
        TerminationStatus::Terminated(TerminationReason::SolverConverged) => StopReason::Converged,
        TerminationStatus::Terminated(TerminationReason::SolverExit(_)) => StopReason::LineSearch,
        _ => StopReason::MaxIterations,
    };
    if let Some(best) = state.get_best_param() {
        minimum.background = best.iter().map(|v| v * scale).collect();
    }
    minimum.history = history.take();
    minimum.evaluations = shared.borrow().count;
    Ok(minimum)
}

fn optimizer(error: ArgminError) -> Error {
    Error::Optimizer(error.to_string())
}

impl StopRule {
    fn met(&self, terms: &Terms) -> bool {
        match *self {
            Self::Paper => terms.loss().sqrt() <= 0.1,
            Self::BackgroundTerm(level) => terms.background <= level,
        }
    }
}

/// The last evaluation, so that cost and gradient at one point are computed once, and the terms behind each cost.
#[derive(Default)]
struct Evaluations {
    count: usize,
    parameters: Vec<f64>,
    terms: Terms,
    gradient: Vec<f64>,
    recent: Vec<(f64, Terms)>,
}

struct Scaled<'a> {
    objective: &'a ScatteringObjective,
    scale: f64,
    shared: Rc<RefCell<Evaluations>>,
}

impl Scaled<'_> {
    fn at(&self, parameters: &[f64]) -> (Terms, Vec<f64>) {
        let mut shared = self.shared.borrow_mut();
        if shared.parameters != parameters {
            let background: Vec<f64> = parameters.iter().map(|v| v * self.scale).collect();
            let mut gradient = vec![0.0; parameters.len()];
            shared.terms = self.objective.evaluate(&background, Some(&mut gradient));
            gradient.iter_mut().for_each(|g| *g *= self.scale);
            shared.gradient = gradient;
            shared.parameters = parameters.to_vec();
            shared.count += 1;
            let terms = shared.terms;
            shared.recent.push((terms.loss(), terms));
        }
        (shared.terms, shared.gradient.clone())
    }
}

impl CostFunction for Scaled<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, parameters: &Vec<f64>) -> Result<f64, ArgminError> {
        Ok(self.at(parameters).0.loss())
    }
}

impl Gradient for Scaled<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, parameters: &Vec<f64>) -> Result<Vec<f64>, ArgminError> {
        Ok(self.at(parameters).1)
    }
}

type Inner = LBFGS<MoreThuenteLineSearch<Vec<f64>, Vec<f64>, f64>, Vec<f64>, Vec<f64>, f64>;
type LbfgsState = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

/// The crate's L-BFGS with a look at the terms after each iteration.
struct Watched {
    inner: Inner,
    shared: Rc<RefCell<Evaluations>>,
    rule: StopRule,
    history: Rc<RefCell<Vec<Terms>>>,
    met: bool,
}

impl<'a> Solver<Scaled<'a>, LbfgsState> for Watched {
    fn name(&self) -> &str {
        "L-BFGS"
    }

    fn init(
        &mut self,
        problem: &mut Problem<Scaled<'a>>,
        state: LbfgsState,
    ) -> Result<(LbfgsState, Option<KV>), ArgminError> {
        self.inner.init(problem, state)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<Scaled<'a>>,
        state: LbfgsState,
    ) -> Result<(LbfgsState, Option<KV>), ArgminError> {
        let (state, log) = self.inner.next_iter(problem, state)?;
        if state.get_param().is_some() {
            let cost = state.get_cost();
            let mut shared = self.shared.borrow_mut();
            let terms = shared
                .recent
                .iter()
                .rev()
                .find(|(loss, _)| *loss == cost)
                .map(|(_, terms)| *terms);
            let terms = terms.unwrap_or(shared.terms);
            shared.recent = vec![(terms.loss(), terms)];
            self.history.borrow_mut().push(terms);
            self.met = self.rule.met(&terms);
        }
        Ok((state, log))
    }

    fn terminate(&mut self, state: &LbfgsState) -> TerminationStatus {
        if self.met {
            return TerminationStatus::Terminated(TerminationReason::TargetCostReached);
        }
        let Some(gradient) = state.get_gradient() else {
            return TerminationStatus::NotTerminated;
        };
        let flat = gradient.iter().all(|g| *g == 0.0);
        let unchanged = state.get_iter() > 0 && state.get_prev_cost() == state.get_cost();
        if flat || unchanged {
            return TerminationStatus::Terminated(TerminationReason::SolverConverged);
        }
        TerminationStatus::NotTerminated
    }
}
