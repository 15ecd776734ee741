//! Minimisation of a function of a signal: the function, the state that observers see, and the reason of its end.
//!
//! Objective, optimiser, state and observers are separate. An [`Objective`] does not depend on how it is minimised,
//! nor the optimiser ([`Lbfgs`](crate::Lbfgs)) on the parts of a value. An observer receives the [`State`] after each
//! iteration and decides on continuing; stop rules are observers.

use std::fmt::Debug;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

/// Function of a signal with its gradient.
pub trait Objective: Sync {
    /// Parts of its value.
    type Terms: Copy + Debug;

    /// Samples of the signal.
    fn n_samples(&self) -> usize;

    /// Value at `point` `(n_samples,)` in its parts; the gradient of the loss is written to `gradient` if given.
    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> Self::Terms;

    /// Number that is minimised.
    fn loss(&self, terms: &Self::Terms) -> f64;
}

/// State of a minimisation after each iteration; the start is iteration 0.
#[derive(Debug, Clone, Copy)]
pub struct State<'a, T> {
    /// Iterations made.
    pub iteration: usize,
    /// Evaluations of loss and gradient made.
    pub evaluations: usize,
    /// Present signal.
    pub point: &'a [f64],
    /// The objective there.
    pub terms: &'a T,
}

/// Observer of each state; `Break` ends the minimisation as successful.
pub type Observer<'a, T> = dyn FnMut(&State<'_, T>) -> ControlFlow<()> + 'a;

/// Reason for the end of a minimisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerStop {
    /// An observer ended it.
    Reached,
    /// All iterations were used.
    MaxIterations,
    /// The gradient vanished or the loss no longer changed.
    Converged,
    /// The line search found no lower point; the best point so far is the result.
    LineSearch,
}

/// Result of a minimisation.
#[derive(Debug, Clone)]
pub struct Minimum<T> {
    /// The signal.
    pub point: Vec<f64>,
    /// The objective there.
    pub terms: T,
    /// The objective at the start, and after each iteration.
    pub history: Vec<T>,
    /// Reason for its end.
    pub reason: OptimizerStop,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}
