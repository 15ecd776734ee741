//! Adam on plain numbers.
//!
//! PyTorch's formula (Kingma and Ba 2015), betas 0.9 and 0.999, eps 1e-8, no decay, with gradients cut entry by entry
//! first. Moments are plain vectors, so that a checkpoint holds them bit for bit, and one loop does it all.

use burn_tensor::TensorData;
use num_traits::Float;

use crate::model::{Parameters, Plan, TensorKind};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// Moments of one number format; those of running statistics stay empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments<T> {
    pub first: Vec<Vec<T>>,
    pub second: Vec<Vec<T>>,
}

impl<T: Float> Moments<T> {
    fn zeros(plan: &Plan) -> Self {
        let zeros = || {
            plan.specs()
                .iter()
                .map(|spec| match spec.kind {
                    TensorKind::Parameter => vec![T::zero(); spec.shape.iter().product()],
                    TensorKind::Statistic => Vec::new(),
                })
                .collect()
        };
        Self {
            first: zeros(),
            second: zeros(),
        }
    }
}

/// State of the optimiser for a model whose numbers are `T`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Adam<T = f32> {
    /// Steps done.
    pub steps: u64,
    pub moments: Moments<T>,
}

impl<T: Float + burn_tensor::Element> Adam<T> {
    /// Before the first step.
    pub fn new(plan: &Plan) -> Self {
        Self {
            steps: 0,
            moments: Moments::zeros(plan),
        }
    }

    /// One step. `gradients` has one entry per tensor of the plan; tensors without one stay as they are.
    pub fn step(
        &mut self,
        parameters: Parameters,
        gradients: Vec<Option<TensorData>>,
        learning_rate: f64,
        limit: f64,
    ) -> Parameters {
        self.steps += 1;
        let step = Step::new(learning_rate, limit, self.steps);
        let Parameters { backend, values } = parameters;
        let values = values
            .into_iter()
            .zip(gradients)
            .enumerate()
            .map(|(index, (tensor, gradient))| {
                let Some(gradient) = gradient else {
                    return tensor;
                };
                let mut data = tensor.into_data();
                if let (Ok(values), Ok(gradient)) =
                    (data.as_mut_slice::<T>(), gradient.as_slice::<T>())
                {
                    step.apply(
                        values,
                        gradient,
                        &mut self.moments.first[index],
                        &mut self.moments.second[index],
                    );
                }
                backend.tensor_of(data)
            })
            .collect();
        Parameters { backend, values }
    }
}

/// Constants of one step.
struct Step {
    limit: f64,
    size: f64,
    root_correction: f64,
}

impl Step {
    fn new(learning_rate: f64, limit: f64, steps: u64) -> Self {
        // Bias correction of both moments.
        let power = |beta: f64| beta.powf(steps as f64);
        Self {
            limit,
            size: learning_rate / (1.0 - power(BETA_1)),
            root_correction: (1.0 - power(BETA_2)).sqrt(),
        }
    }

    fn apply<T: Float>(&self, values: &mut [T], gradient: &[T], first: &mut [T], second: &mut [T]) {
        // Constants are rounded once; in double precision the loop would differ from PyTorch's.
        let number = |x: f64| T::from(x).unwrap_or_else(T::nan);
        let (limit, size) = (number(self.limit), number(self.size));
        let root_correction = number(self.root_correction);
        let (keep_1, keep_2) = (number(1.0 - BETA_1), number(BETA_2));
        let (add_2, eps) = (number(1.0 - BETA_2), number(EPS));
        for (((value, &g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            // Cut entry by entry: a norm over all tensors would couple the scales.
            let g = if g > limit {
                limit
            } else if g < -limit {
                -limit
            } else {
                g
            };
            *m = *m + (g - *m) * keep_1;
            *v = *v * keep_2 + g * g * add_2;
            // The order of operations is PyTorch's, so that golden numbers agree to the last digits.
            *value = *value - size * (*m / (v.sqrt() / root_correction + eps));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient() {
        // m / (1 - b1) = g and sqrt(v / (1 - b2)) = |g|, so the step is lr * g / (|g| + eps).
        let step = Step::new(0.1, 20.0, 1);
        let (mut values, mut m, mut v) = ([0.0_f64; 3], [0.0; 3], [0.0; 3]);
        step.apply(&mut values, &[0.5, -1e3, 0.0], &mut m, &mut v);
        assert!((values[0] + 0.1).abs() < 1e-8 && (values[1] - 0.1).abs() < 1e-8);
        assert_eq!(values[2], 0.0);
        // The gradient of -1000 was cut to -20.
        assert!((m[1] + 2.0).abs() < 1e-12);
    }
}
