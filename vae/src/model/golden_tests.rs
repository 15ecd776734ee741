//! The golden numbers: outputs, loss terms, gradients, running statistics and five steps of Adam.
//!
//! burn's CPU backend differentiates in double precision, so the equations are checked at 1e-12, where a wrong eps or a
//! biased variance shows; single precision, which training uses, is checked at the tolerances of its rounding.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use burn_tensor::{Element, Tensor, TensorData};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use num_traits::Float;

use super::*;
use crate::model::ComputeDevice;
use crate::objective::ObjectiveWeights;
use crate::train::{StepSettings, Trainer};

type Arrays = BTreeMap<String, ArrayD<f64>>;

const SCALES: [&str; 4] = ["64", "256", "1024", "4096"];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

fn read(name: &str) -> Arrays {
    let mut reader = NpzReader::new(File::open(golden(name)).unwrap()).unwrap();
    let names = reader.names().unwrap();
    names
        .into_iter()
        .map(|name| {
            let array = reader.by_name::<OwnedRepr<f64>, IxDyn>(&name).unwrap();
            (name.trim_end_matches(".npy").to_owned(), array)
        })
        .collect()
}

fn config() -> FvaeConfig {
    FvaeConfig {
        scale_names: SCALES.map(String::from).to_vec(),
        features_per_scale: vec![10; 4],
        n_channels: 3,
        n_clusters: 3,
        latent: 4,
        hidden: 16,
        layers: 2,
    }
}

fn data(array: &ArrayD<f64>) -> TensorData {
    TensorData::new(array.iter().copied().collect::<Vec<f64>>(), array.shape())
}

fn key(name: &str) -> String {
    name.replace('.', "__")
}

#[derive(Clone, Copy)]
struct Case {
    precision: Precision,
    device: ComputeDevice,
    /// Of outputs, relative to the largest entry of each array.
    outputs: f64,
    /// Of losses, relative.
    loss: f64,
    /// Of gradients, relative to the largest entry of all.
    gradients: f64,
    /// Of parameters after five steps of Adam, absolute.
    adam: f64,
    adam_loss: f64,
}

/// Two orders of summation in double precision.
const DOUBLE: Case = Case {
    precision: Precision::Double,
    device: ComputeDevice::Cpu,
    outputs: 1e-12,
    loss: 1e-12,
    gradients: 1e-12,
    adam: 1e-12,
    adam_loss: 1e-12,
};
/// Tolerance of single precision in the reference, from the golden numbers' README.
const SINGLE: Case = Case {
    precision: Precision::Single,
    device: ComputeDevice::Cpu,
    outputs: 2e-6,
    loss: 5e-7,
    gradients: 2e-5,
    adam: 1e-6,
    adam_loss: 1e-6,
};

/// Single precision on every device there is: the processor alone, unless built with the feature of another.
fn singles() -> impl Iterator<Item = Case> {
    ComputeDevice::available().into_iter().map(|device| {
        println!("single precision on {device}");
        // Logarithms and exponentials of shaders are good to some units in the last backend.
        let loss = match device {
            ComputeDevice::Cpu => SINGLE.loss,
            _ => 2e-6,
        };
        Case {
            device,
            loss,
            ..SINGLE
        }
    })
}

impl Case {
    fn backend(&self) -> Backend {
        match self.precision {
            Precision::Single => Backend::on(self.device).unwrap(),
            Precision::Double => Backend::cpu(self.precision),
        }
    }

    fn trainer<T: Float + Element>(&self) -> Trainer<T> {
        let plan = Plan::new(&config());
        let weights = read("fvae_weights.npz");
        let specs = plan.specs().iter();
        let arrays = specs.map(|spec| data(&weights[&key(&spec.name)])).collect();
        let parameters = Parameters::from_arrays(&plan, self.backend(), arrays).unwrap();
        Trainer::new(plan, parameters)
    }

    fn batch(&self) -> (Batch, f64) {
        let input = read("fvae_input.npz");
        fn of<const D: usize>(backend: &Backend, input: &Arrays, prefix: &str) -> Vec<Tensor<D>> {
            SCALES
                .iter()
                .map(|s| backend.tensor_of(data(&input[&format!("{prefix}_{s}")])))
                .collect()
        }
        let backend = self.backend();
        let batch = Batch {
            inputs: of(&backend, &input, "x"),
            gumbel: of(&backend, &input, "gumbel"),
            normal: of(&backend, &input, "eps"),
        };
        (batch, input["temperature"][[0]])
    }

    fn settings(&self, temperature: f64) -> StepSettings {
        StepSettings {
            temperature,
            learning_rate: 1e-3,
            gradient_limit: 20.0,
            weights: ObjectiveWeights::default(),
        }
    }

    fn outputs(&self, file: &str, mode: Mode) {
        let expected = read(file);
        let (batch, temperature) = self.batch();
        let mut trainer = self.trainer::<f64>();
        let mut pass = Pass {
            plan: &trainer.plan,
            parameters: &mut trainer.parameters,
            mode,
        };
        let outputs = pass.run(&batch, temperature);
        for (scale, output) in SCALES.iter().zip(outputs) {
            let mut found = vec![
                ("logits", wide_numbers(output.logits)),
                ("prob", wide_numbers(output.log_probability.exp())),
                ("y", wide_numbers(output.cluster)),
                ("mu", wide_numbers(output.mean)),
                ("var", wide_numbers(output.variance)),
                ("z", wide_numbers(output.latent)),
                ("prior_mu", wide_numbers(output.prior_mean)),
                ("prior_var", wide_numbers(output.prior_variance)),
                ("xrec", wide_numbers(output.reconstruction)),
            ];
            if mode == Mode::Evaluate {
                found.push(("common", wide_numbers(output.common)));
            }
            for (name, found) in found {
                let name = format!("{name}_{scale}");
                let error = relative_error(&found, &expected[&name]);
                assert!(error <= self.outputs, "{name}: {error:e}");
            }
        }
    }

    fn loss_and_gradients<T: Float + Element>(&self, file: &str, mode: Mode) {
        let expected = read(file);
        let (batch, temperature) = self.batch();
        let mut trainer = self.trainer::<T>();
        let found = trainer.gradients(&batch, None, mode, &self.settings(temperature));
        self.check_losses(&found.outcome.values, &expected);
        let specs = trainer.plan.specs();
        let largest = specs
            .iter()
            .filter(|spec| spec.kind == TensorKind::Parameter)
            .flat_map(|spec| expected[&format!("grad_{}", key(&spec.name))].iter())
            .fold(0.0_f64, |a, b| a.max(b.abs()));
        let mut checked = 0;
        for (spec, gradient) in specs.iter().zip(&found.gradients) {
            let Some(gradient) = gradient else {
                assert_eq!(spec.kind, TensorKind::Statistic, "{}", spec.name);
                continue;
            };
            let expected = &expected[&format!("grad_{}", key(&spec.name))];
            let gradient = wide_numbers(as_in_files(
                spec,
                Backend::cpu(self.precision).tensor_of(gradient.clone()),
            ));
            let error = largest_difference(&gradient, expected) / largest;
            assert!(error <= self.gradients, "{}: {error:e}", spec.name);
            checked += 1;
        }
        let n_parameters = expected.keys().filter(|k| k.starts_with("grad_")).count();
        assert_eq!(checked, n_parameters);
        if mode == Mode::Train {
            self.check_statistics(&trainer, &expected);
        }
    }

    fn check_losses(&self, values: &[f64], expected: &Arrays) {
        let loss = &expected["loss"];
        let per_scale = &expected["loss_per_scale"];
        assert!(relative(values[0], loss[[0]]) <= self.loss);
        for s in 0..4 {
            let of = |term: usize| per_scale[[s, term]];
            for (term, expected) in [of(0), of(1), of(2) + of(3), 0.0].into_iter().enumerate() {
                let found = values[1 + 4 * s + term];
                // cat is a small difference of two numbers near ln K, gauss one of two densities.
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(
                    error <= 2.0 * self.loss,
                    "scale {s}, term {term}: {error:e}"
                );
            }
        }
        for term in 0..3 {
            let mean = (0..4).map(|s| values[1 + 4 * s + term]).sum::<f64>() / 4.0;
            assert!(
                relative(mean, loss[[term + 1]]) <= 4.0 * self.loss,
                "{term}"
            );
        }
    }

    fn check_statistics<T>(&self, trainer: &Trainer<T>, expected: &Arrays) {
        let mut checked = 0;
        for (spec, tensor) in trainer.plan.specs().iter().zip(&trainer.parameters.values) {
            if spec.kind == TensorKind::Statistic {
                let found = wide_numbers(tensor.clone());
                let error =
                    relative_error(&found, &expected[&format!("after_{}", key(&spec.name))]);
                assert!(error <= self.outputs, "{}: {error:e}", spec.name);
                checked += 1;
            }
        }
        assert_eq!(checked, 2 * (2 + 4 * 9));
    }

    fn adam<T: Float + Element>(&self) {
        let expected = read("fvae_adam.npz");
        let (batch, temperature) = self.batch();
        let mut trainer = self.trainer::<T>();
        for step in 0..5 {
            let outcome = trainer.step(&batch, None, &self.settings(temperature));
            let error = relative(outcome.values[0], expected["loss"][[step, 0]]);
            assert!(
                error <= self.adam_loss,
                "loss before step {step}: {error:e}"
            );
        }
        for (spec, tensor) in trainer.plan.specs().iter().zip(&trainer.parameters.values) {
            if spec.kind == TensorKind::Parameter {
                let expected = &expected[&format!("step5_{}", key(&spec.name))];
                let error =
                    largest_difference(&wide_numbers(as_in_files(spec, tensor.clone())), expected);
                assert!(error <= self.adam, "{}: {error:e}", spec.name);
            }
        }
    }
}

fn relative(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs()
}

fn largest_difference(found: &[f64], expected: &ArrayD<f64>) -> f64 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .fold(0.0, |worst, (a, b)| (a - b).abs().max(worst))
}

fn relative_error(found: &[f64], expected: &ArrayD<f64>) -> f64 {
    let largest = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    largest_difference(found, expected) / largest
}

#[test]
fn names_shapes_and_order_are_those_of_the_published_state() {
    let mut reader = csv::Reader::from_path(golden("fvae_state.csv")).unwrap();
    let rows: Vec<[String; 3]> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            [1, 2, 3].map(|column| row[column].to_owned())
        })
        .collect();
    let plan = Plan::new(&config());
    let found: Vec<[String; 3]> = plan
        .specs()
        .iter()
        .map(|spec| {
            let shape: Vec<String> = spec.shape.iter().map(usize::to_string).collect();
            let kind = match spec.kind {
                TensorKind::Parameter => "parameter",
                TensorKind::Statistic => "running statistic",
            };
            [spec.name.clone(), shape.join("x"), kind.to_owned()]
        })
        .collect();
    assert_eq!(found, rows);
}

#[test]
fn outputs_agree_in_evaluation() {
    DOUBLE.outputs("fvae_eval.npz", Mode::Evaluate);
    for case in singles() {
        case.outputs("fvae_eval.npz", Mode::Evaluate);
    }
}

#[test]
fn outputs_agree_in_training() {
    DOUBLE.outputs("fvae_train.npz", Mode::Train);
    for case in singles() {
        case.outputs("fvae_train.npz", Mode::Train);
    }
}

#[test]
fn losses_and_gradients_agree_in_evaluation() {
    DOUBLE.loss_and_gradients::<f64>("fvae_eval.npz", Mode::Evaluate);
    for case in singles() {
        case.loss_and_gradients::<f32>("fvae_eval.npz", Mode::Evaluate);
    }
}

#[test]
fn losses_gradients_and_statistics_agree_in_training() {
    DOUBLE.loss_and_gradients::<f64>("fvae_train.npz", Mode::Train);
    for case in singles() {
        case.loss_and_gradients::<f32>("fvae_train.npz", Mode::Train);
    }
}

#[test]
fn five_steps_of_adam_agree() {
    DOUBLE.adam::<f64>();
    for case in singles() {
        case.adam::<f32>();
    }
}
