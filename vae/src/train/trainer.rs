//! Model in training, and its single step.

use burn_tensor::{Element, TensorData};
use num_traits::Float;

use crate::model::{Batch, Mode, Parameters, Pass, Plan, TensorKind, numbers};
use crate::objective::{LabelBatch, Objective, ObjectiveWeights};
use crate::train::adam::Adam;

/// Settings of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepSettings {
    pub temperature: f64,
    pub learning_rate: f64,
    pub gradient_limit: f64,
    pub weights: ObjectiveWeights,
}

/// Objective of a step, before it changed the weights.
pub(crate) struct StepOutcome {
    /// Values of [`Objective::values`].
    pub values: Vec<f64>,
    /// ln q(y|x) per scale, (batch, cluster).
    pub log_probability: Vec<Vec<f32>>,
}

/// Values and gradients of the objective; a gradient is `None` for running statistics.
pub(crate) struct Gradients {
    pub outcome: StepOutcome,
    pub gradients: Vec<Option<TensorData>>,
}

/// A model in training; its numbers are `T`.
#[derive(Clone, Debug)]
pub(crate) struct Trainer<T = f32> {
    pub plan: Plan,
    pub parameters: Parameters,
    pub adam: Adam<T>,
}

impl<T: Float + Element> Trainer<T> {
    /// Before the first step.
    pub fn new(plan: Plan, parameters: Parameters) -> Self {
        let adam = Adam::new(&plan);
        Self {
            plan,
            parameters,
            adam,
        }
    }

    /// Objective and gradients on a batch; running statistics are updated in [`Mode::Train`].
    pub fn gradients(
        &mut self,
        batch: &Batch,
        start: Option<&LabelBatch>,
        mode: Mode,
        settings: &StepSettings,
    ) -> Gradients {
        // Tensors share their data: the clone costs no copy.
        let mut tracked = self.parameters.clone().into_tracked(&self.plan);
        let mut pass = Pass {
            plan: &self.plan,
            parameters: &mut tracked,
            mode,
        };
        let outputs = pass.run(batch, settings.temperature);
        let objective = Objective::new(&batch.inputs, &outputs, &settings.weights, start);
        let outcome = StepOutcome {
            values: objective.values(),
            log_probability: outputs
                .iter()
                .map(|output| numbers(output.log_probability.clone().inner()))
                .collect(),
        };
        let mut gradients = objective.total.backward();
        let specs = self.plan.specs();
        let taken = specs.iter().zip(&tracked.values).map(|(spec, tensor)| {
            let gradient = match spec.kind {
                TensorKind::Parameter => tensor.grad_remove(&mut gradients),
                TensorKind::Statistic => None,
            };
            gradient.map(|gradient| gradient.into_data())
        });
        let gradients = taken.collect();
        // Running statistics have no gradient; they are carried over from the tracked copy.
        for (spec, (own, new)) in specs
            .iter()
            .zip(self.parameters.values.iter_mut().zip(tracked.values))
        {
            if spec.kind == TensorKind::Statistic {
                *own = new;
            }
        }
        Gradients { outcome, gradients }
    }

    /// One step of Adam on a batch. Nothing but running statistics changes if the loss is not finite.
    pub fn step(
        &mut self,
        batch: &Batch,
        start: Option<&LabelBatch>,
        settings: &StepSettings,
    ) -> StepOutcome {
        let Gradients { outcome, gradients } = self.gradients(batch, start, Mode::Train, settings);
        // A step from an infinite loss would destroy the weights that a checkpoint still holds.
        if outcome.values.first().is_some_and(|loss| loss.is_finite()) {
            let backend = self.parameters.backend.clone();
            let empty = Parameters {
                backend,
                values: Vec::new(),
            };
            let parameters = std::mem::replace(&mut self.parameters, empty);
            self.parameters = self.adam.step(
                parameters,
                gradients,
                settings.learning_rate,
                settings.gradient_limit,
            );
        }
        outcome
    }

    /// Objective on a batch with running statistics, without gradients.
    pub fn evaluate(
        &mut self,
        batch: &Batch,
        temperature: f64,
        weights: &ObjectiveWeights,
    ) -> Vec<f64> {
        let mut pass = Pass {
            plan: &self.plan,
            parameters: &mut self.parameters,
            mode: Mode::Evaluate,
        };
        let outputs = pass.run(batch, temperature);
        Objective::new(&batch.inputs, &outputs, weights, None).values()
    }
}
