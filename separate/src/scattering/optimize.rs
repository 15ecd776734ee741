//! Minimising a function of a signal: the function, the state that observers see, and how a run ended.
//!
//! Objective, optimiser, state and observers are four things: an [`Objective`] knows nothing of how it is minimised, the
//! optimiser ([`Lbfgs`](crate::Lbfgs)) nothing of what a value is made of, and an observer looks at the [`State`] after each iteration
//! and says whether to go on. Stop rules are observers.

use std::fmt::Debug;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

/// A function of a signal with its gradient.
pub trait Objective: Sync {
    /// What its value is made of.
    type Terms: Copy + Debug;

    /// Samples of the signal.
    fn n_samples(&self) -> usize;

    /// The value at `point` `(n_samples,)` in its parts; the gradient of the loss into `gradient`, where given.
    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> Self::Terms;

    /// The number that is minimised.
    fn loss(&self, terms: &Self::Terms) -> f64;
}

/// Where a minimisation is, after each iteration; the start is iteration 0.
#[derive(Debug, Clone, Copy)]
pub struct State<'a, T> {
    /// Iterations made.
    pub iteration: usize,
    /// Evaluations of loss and gradient made.
    pub evaluations: usize,
    /// The signal reached.
    pub point: &'a [f64],
    /// The objective there.
    pub terms: &'a T,
}

/// Looks at each state and says whether to go on; `Break` means that what was wanted is reached.
pub type Observer<'a, T> = dyn FnMut(&State<'_, T>) -> ControlFlow<()> + 'a;

/// Why a minimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerStop {
    /// An observer had what it wanted.
    Reached,
    /// All iterations were used.
    MaxIterations,
    /// The gradient vanished or the loss no longer changed.
    Converged,
    /// The line search found no lower point; the best point so far is given out.
    LineSearch,
}

/// Where a minimisation ended.
#[derive(Debug, Clone)]
pub struct Minimum<T> {
    /// The signal.
    pub point: Vec<f64>,
    /// The objective there.
    pub terms: T,
    /// The objective at the start, and after each iteration.
    pub history: Vec<T>,
    /// Why it ended.
    pub reason: OptimizerStop,
    /// Evaluations of loss and gradient.
    pub evaluations: usize,
}
