//! The state of a training on disk.
//!
//! One safetensors file: `weights/NAME`, `first/NAME` and `second/NAME` (Adam's moments), `best/NAME` (the weights to keep,
//! where they are not the last), `history` (MessagePack), and a manifest with what it belongs to. Everything is under one sha256. Random numbers need no state: they are keyed by
//! seed, epoch and step.

use std::path::Path;

use burn_tensor::TensorData;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::file::container::{Array, Container, hex};
use crate::model::{Backend, FvaeConfig, Parameters, Plan, TensorKind};
use crate::split::Split;
use crate::train::adam::{Adam, Moments};
use crate::train::data::TrainingData;
use crate::train::history::History;
use crate::train::options::TrainOptions;
use crate::train::trainer::Trainer;

const KIND: &str = "seismix checkpoint";
const VERSION: &str = "3";

/// What a training depends on, as hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    settings: String,
    data: String,
}

impl Fingerprint {
    /// Of a training's arguments.
    pub fn new(
        config: &FvaeConfig,
        data: &TrainingData,
        split: &Split,
        options: &TrainOptions,
    ) -> Self {
        let mut settings = Sha256::new();
        settings.update(format!("{config:?}"));
        // How often the state is saved does not change the training.
        let normal = TrainOptions {
            checkpoint_every: 1,
            ..options.clone()
        };
        settings.update(format!("{normal:?}"));
        settings.update(format!("{:?} {:?}", split.training, split.validation));
        let mut hash = Sha256::new();
        for scale in &data.scales {
            hash.update(format!("{:?}", scale.dim()));
            for value in scale {
                hash.update(value.to_le_bytes());
            }
        }
        Self {
            settings: hex(&settings.finalize()),
            data: hex(&hash.finalize()),
        }
    }
}

/// A training between two epochs.
pub(crate) struct Checkpoint {
    pub trainer: Trainer,
    pub history: History,
    /// Weights after epoch `history.kept`, if that is set.
    pub best: Option<Parameters>,
}

/// Whether the weights to keep are others than the last.
fn keeps_older(history: &History) -> bool {
    history
        .kept
        .is_some_and(|epoch| epoch + 1 < history.epochs.len())
}

impl Checkpoint {
    /// Writes the state in backend of an older one; a crash leaves the older one.
    pub fn write(
        path: &Path,
        trainer: &Trainer,
        best: Option<&Parameters>,
        history: &History,
        fingerprint: &Fingerprint,
    ) -> Result<()> {
        let mut container = Container::default();
        let specs = trainer.plan.specs();
        let mut insert = |prefix: &str, parameters: &Parameters| {
            for (spec, values) in specs.iter().zip(parameters.to_vecs(&trainer.plan)) {
                let array = Array::f32(spec.shape.clone(), values);
                container.insert(format!("{prefix}/{}", spec.name), array);
            }
        };
        insert("weights", &trainer.parameters);
        if let (Some(best), true) = (best, keeps_older(history)) {
            insert("best", best);
        }
        let Moments { first, second } = &trainer.adam.moments;
        for (name, moments) in [("first", first), ("second", second)] {
            for (spec, values) in specs.iter().zip(moments) {
                if spec.kind == TensorKind::Parameter {
                    let array = Array::f32(vec![values.len()], values.clone());
                    container.insert(format!("{name}/{}", spec.name), array);
                }
            }
        }
        let packed = rmp_serde::to_vec(history)
            .map_err(|error| Error::file(path, format!("cannot pack the history: {error}")))?;
        container.insert("history", Array::bytes(packed));
        let steps = trainer.adam.steps.to_string();
        for (key, value) in [
            ("kind", KIND),
            ("version", VERSION),
            ("steps", &steps),
            ("settings", &fingerprint.settings),
            ("data", &fingerprint.data),
        ] {
            container.metadata.insert(key.into(), value.into());
        }
        container.write(path)
    }

    /// Reads a state that belongs to the same training.
    pub fn read(
        path: &Path,
        plan: &Plan,
        backend: &Backend,
        fingerprint: &Fingerprint,
    ) -> Result<Self> {
        let mut container = Container::read(path).map_err(|error| match error {
            Error::File { path, reason } => Error::File {
                path,
                reason: format!("{reason}; delete this checkpoint to start afresh"),
            },
            other => other,
        })?;
        container.expect(path, "kind", KIND)?;
        container.expect(path, "version", VERSION)?;
        let other = |what| Error::OtherTraining {
            path: path.to_owned(),
            what,
        };
        if container.metadata.get("data") != Some(&fingerprint.data) {
            return Err(other("data"));
        }
        if container.metadata.get("settings") != Some(&fingerprint.settings) {
            return Err(other("settings"));
        }
        let steps = container
            .metadata
            .get("steps")
            .and_then(|steps| steps.parse().ok())
            .ok_or_else(|| Error::file(path, "the number of steps is missing"))?;
        let mut take = |prefix: &str, only_parameters: bool| -> Result<Vec<Vec<f32>>> {
            plan.specs()
                .iter()
                .map(|spec| {
                    if only_parameters && spec.kind == TensorKind::Statistic {
                        return Ok(Vec::new());
                    }
                    // Moments are kept flat, in the order of memory.
                    let flat = [spec.shape.iter().product()];
                    let shape = if only_parameters {
                        &flat[..]
                    } else {
                        &spec.shape
                    };
                    container.take_f32(path, &format!("{prefix}/{}", spec.name), shape)
                })
                .collect()
        };
        let weights = take("weights", false)?;
        let moments = Moments {
            first: take("first", true)?,
            second: take("second", true)?,
        };
        let parameters = tensors(plan, backend, weights)?;
        let packed = container.take_bytes(path, "history")?;
        let history: History = rmp_serde::from_slice(&packed)
            .map_err(|error| Error::file(path, format!("the history is unreadable: {error}")))?;
        let best = match history.kept {
            Some(_) if keeps_older(&history) => {
                let arrays = plan.specs().iter().map(|spec| {
                    container.take_f32(path, &format!("best/{}", spec.name), &spec.shape)
                });
                Some(tensors(plan, backend, arrays.collect::<Result<_>>()?)?)
            }
            Some(_) => Some(parameters.clone()),
            None => None,
        };
        Ok(Self {
            trainer: Trainer {
                plan: plan.clone(),
                parameters,
                adam: Adam { steps, moments },
            },
            history,
            best,
        })
    }
}

fn tensors(plan: &Plan, backend: &Backend, arrays: Vec<Vec<f32>>) -> Result<Parameters> {
    let arrays = arrays
        .into_iter()
        .map(|values| {
            let n = values.len();
            TensorData::new(values, [n])
        })
        .collect();
    Parameters::from_arrays(plan, backend.clone(), arrays)
}
