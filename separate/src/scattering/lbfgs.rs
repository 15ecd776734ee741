//! L-BFGS with More-Thuente's line search, watched after each iteration.

use std::cell::RefCell;
use std::rc::Rc;

use argmin::core::{
    CostFunction, Error as ArgminError, Executor, Gradient, IterState, KV, Problem, Solver,
    State as _, TerminationReason, TerminationStatus,
};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;

use crate::error::Error;
use crate::scattering::optimize::{Minimum, Objective, Observer, OptimizerStop, State};
use crate::scattering::vector::Vector;

/// L-BFGS optimiser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lbfgs {
    /// Most iterations.
    pub max_iterations: usize,
    /// Updates that are remembered; the published separation has 10.
    pub memory: usize,
    /// Typical size of a sample: the unknown is optimised in this unit, so that the first step does not depend on the
    /// record's.
    pub scale: f64,
}

impl Lbfgs {
    /// Minimises `objective` from `start` until the observer has what it wants, or nothing is left to gain.
    ///
    /// # Errors
    /// [`Error::Optimizer`] if the loss is not finite at the start, or the optimiser refuses its settings.
    pub fn minimize<O: Objective>(
        &self,
        objective: &O,
        start: &[f64],
        observer: &mut Observer<'_, O::Terms>,
    ) -> Result<Minimum<O::Terms>, Error> {
        let problem = Scaled {
            objective,
            scale: self.scale,
            watch: Rc::new(RefCell::new(Watch::default())),
        };
        let parameters: Vec<f64> = start.iter().map(|v| v / self.scale).collect();
        let first = problem.at(&parameters).terms;
        let loss = objective.loss(&first);
        if !loss.is_finite() {
            return Err(Error::Optimizer(format!("the loss at the start is {loss}")));
        }
        let state = State {
            iteration: 0,
            evaluations: 1,
            point: start,
            terms: &first,
        };
        let reached = observer(&state).is_break();
        let mut minimum = Minimum {
            point: start.to_vec(),
            terms: first,
            history: vec![first],
            reason: if reached {
                OptimizerStop::Reached
            } else {
                OptimizerStop::MaxIterations
            },
            evaluations: 1,
        };
        if reached || self.max_iterations == 0 {
            return Ok(minimum);
        }
        let refused = |e: ArgminError| Error::Optimizer(e.to_string());
        let watch = Rc::clone(&problem.watch);
        let solver = Watched {
            inner: LBFGS::new(MoreThuenteLineSearch::new(), self.memory)
                // argmin would stop at an absolute gradient or change of the cost; the end is decided in `terminate`.
                .with_tolerance_grad(0.0)
                .and_then(|solver| solver.with_tolerance_cost(0.0))
                .map_err(refused)?,
            scale: self.scale,
            watch: Rc::clone(&watch),
            observer,
            minimum: &mut minimum,
            best: loss,
            reached: false,
        };
        let result = Executor::new(problem, solver)
            .configure(|state| {
                state
                    .param(Vector(parameters))
                    .max_iters(self.max_iterations as u64)
            })
            // The caller handles Ctrl-C, and asks by the observer.
            .ctrlc(false)
            .timer(false)
            .run();
        minimum.reason = match result.as_ref().map(|r| r.state.get_termination_status()) {
            Ok(TerminationStatus::Terminated(TerminationReason::TargetCostReached)) => {
                OptimizerStop::Reached
            }
            Ok(TerminationStatus::Terminated(TerminationReason::SolverConverged)) => {
                OptimizerStop::Converged
            }
            Ok(TerminationStatus::Terminated(TerminationReason::SolverExit(_))) | Err(_) => {
                OptimizerStop::LineSearch
            }
            Ok(_) => OptimizerStop::MaxIterations,
        };
        minimum.evaluations = watch.borrow().count;
        Ok(minimum)
    }
}

/// The evaluations since the last iteration, so that loss and gradient at one point are computed once.
struct Watch<T> {
    count: usize,
    recent: Vec<Evaluation<T>>,
}

impl<T> Default for Watch<T> {
    fn default() -> Self {
        Self {
            count: 0,
            recent: Vec::new(),
        }
    }
}

#[derive(Clone)]
struct Evaluation<T> {
    parameters: Vec<f64>,
    gradient: Vec<f64>,
    terms: T,
}

/// The objective in units of the scale.
struct Scaled<'a, O: Objective> {
    objective: &'a O,
    scale: f64,
    watch: Rc<RefCell<Watch<O::Terms>>>,
}

impl<O: Objective> Scaled<'_, O> {
    fn at(&self, parameters: &[f64]) -> Evaluation<O::Terms> {
        let mut watch = self.watch.borrow_mut();
        if let Some(known) = watch.recent.iter().find(|e| e.parameters == parameters) {
            return known.clone();
        }
        let point: Vec<f64> = parameters.iter().map(|v| v * self.scale).collect();
        let mut gradient = vec![0.0; parameters.len()];
        let terms = self.objective.evaluate(&point, Some(&mut gradient));
        gradient.iter_mut().for_each(|g| *g *= self.scale);
        let evaluation = Evaluation {
            parameters: parameters.to_vec(),
            gradient,
            terms,
        };
        watch.count += 1;
        watch.recent.push(evaluation.clone());
        evaluation
    }
}

impl<O: Objective> CostFunction for Scaled<'_, O> {
    type Param = Vector;
    type Output = f64;
    fn cost(&self, parameters: &Vector) -> Result<f64, ArgminError> {
        Ok(self.objective.loss(&self.at(&parameters.0).terms))
    }
}

impl<O: Objective> Gradient for Scaled<'_, O> {
    type Param = Vector;
    type Gradient = Vector;
    fn gradient(&self, parameters: &Vector) -> Result<Vector, ArgminError> {
        Ok(Vector(self.at(&parameters.0).gradient))
    }
}

type Inner = LBFGS<MoreThuenteLineSearch<Vector, Vector, f64>, Vector, Vector, f64>;
type LbfgsState = IterState<Vector, Vector, (), (), (), f64>;

/// The solver with a look at the state after each iteration.
struct Watched<'a, 'o, T> {
    inner: Inner,
    scale: f64,
    watch: Rc<RefCell<Watch<T>>>,
    observer: &'a mut Observer<'o, T>,
    minimum: &'a mut Minimum<T>,
    best: f64,
    reached: bool,
}

impl<'p, O: Objective> Solver<Scaled<'p, O>, LbfgsState> for Watched<'_, '_, O::Terms> {
    fn name(&self) -> &str {
        "L-BFGS"
    }

    fn init(
        &mut self,
        problem: &mut Problem<Scaled<'p, O>>,
        state: LbfgsState,
    ) -> Result<(LbfgsState, Option<KV>), ArgminError> {
        self.inner.init(problem, state)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<Scaled<'p, O>>,
        state: LbfgsState,
    ) -> Result<(LbfgsState, Option<KV>), ArgminError> {
        let (state, log) = self.inner.next_iter(problem, state)?;
        let mut watch = self.watch.borrow_mut();
        let found = state
            .get_param()
            .and_then(|at| watch.recent.iter().position(|e| e.parameters == at.0));
        if let Some(found) = found {
            let here = watch.recent.swap_remove(found);
            let point: Vec<f64> = here.parameters.iter().map(|v| v * self.scale).collect();
            self.minimum.history.push(here.terms);
            let next = (self.observer)(&State {
                iteration: self.minimum.history.len() - 1,
                evaluations: watch.count,
                point: &point,
                terms: &here.terms,
            });
            self.reached = next.is_break();
            if state.get_cost() <= self.best {
                self.best = state.get_cost();
                self.minimum.point = point;
                self.minimum.terms = here.terms;
            }
            // Only the accepted point is asked for again; the trial points of the line search are not.
            watch.recent = vec![here];
        }
        Ok((state, log))
    }

    fn terminate(&mut self, state: &LbfgsState) -> TerminationStatus {
        if self.reached {
            return TerminationStatus::Terminated(TerminationReason::TargetCostReached);
        }
        let Some(gradient) = state.get_gradient() else {
            return TerminationStatus::NotTerminated;
        };
        let flat = gradient.0.iter().all(|g| *g == 0.0);
        let unchanged = state.get_iter() > 0 && state.get_prev_cost() == state.get_cost();
        if flat || unchanged {
            return TerminationStatus::Terminated(TerminationReason::SolverConverged);
        }
        TerminationStatus::NotTerminated
    }
}
