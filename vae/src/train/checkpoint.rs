//! State of a training on disk.
//!
//! One safetensors file: `weights/NAME`, `first/NAME` and `second/NAME` (Adam's moments), `best/NAME` (the weights to
//! keep, where they are not the last), and metadata: `history` (JSON) and hashes of the training's arguments.
//! Everything is under one sha256. Random numbers need no state: they are keyed by seed, epoch and step.

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
const VERSION: &str = "4";

/// Hashes of the arguments of a training.
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
            // Values, not their sum: two data sets of equal sums are different trainings.
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

/// True if the weights to keep are not the last.
fn keeps_older(history: &History) -> bool {
    history
        .kept
        .is_some_and(|epoch| epoch + 1 < history.epochs.len())
}

impl Checkpoint {
    /// Writes the state in place of an older one; a crash leaves the older one.
    pub fn write(&self, path: &Path, fingerprint: &Fingerprint) -> Result<()> {
        let mut container = Container::default();
        let trainer = &self.trainer;
        let specs = trainer.plan.specs();
        let mut insert = |prefix: &str, parameters: &Parameters| {
            for (spec, values) in specs.iter().zip(parameters.to_vecs(&trainer.plan)) {
                let array = Array::f32(spec.shape.clone(), values);
                container.insert(format!("{prefix}/{}", spec.name), array);
            }
        };
        insert("weights", &trainer.parameters);
        if let (Some(best), true) = (&self.best, keeps_older(&self.history)) {
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
        // Losses are finite (others end the training), so JSON holds them exactly.
        let history = serde_json::to_string(&self.history)
            .map_err(|error| Error::file(path, format!("cannot write the history: {error}")))?;
        let steps = trainer.adam.steps.to_string();
        for (key, value) in [
            ("kind", KIND),
            ("version", VERSION),
            ("steps", &steps),
            ("settings", &fingerprint.settings),
            ("data", &fingerprint.data),
            ("history", &history),
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
        let (steps, history) = check_metadata(path, &container, fingerprint)?;
        let specs = plan.specs();
        let mut weights = |prefix: &str| -> Result<Parameters> {
            let arrays = specs.iter().map(|spec| {
                container.take_f32(path, &format!("{prefix}/{}", spec.name), &spec.shape)
            });
            tensors(plan, backend, arrays.collect::<Result<_>>()?)
        };
        let parameters = weights("weights")?;
        let best = match history.kept {
            Some(_) if keeps_older(&history) => Some(weights("best")?),
            Some(_) => Some(parameters.clone()),
            None => None,
        };
        let mut moments = |prefix: &str| -> Result<Vec<Vec<f32>>> {
            let arrays = specs.iter().map(|spec| match spec.kind {
                TensorKind::Statistic => Ok(Vec::new()),
                // Moments are kept flat, in the order of memory.
                TensorKind::Parameter => {
                    let flat = [spec.shape.iter().product()];
                    container.take_f32(path, &format!("{prefix}/{}", spec.name), &flat)
                }
            });
            arrays.collect()
        };
        let moments = Moments {
            first: moments("first")?,
            second: moments("second")?,
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

/// Steps done and the history, if the file belongs to the training.
fn check_metadata(
    path: &Path,
    container: &Container,
    fingerprint: &Fingerprint,
) -> Result<(u64, History)> {
    container.expect(path, "kind", KIND)?;
    container.expect(path, "version", VERSION)?;
    for (what, own) in [
        ("data", &fingerprint.data),
        ("settings", &fingerprint.settings),
    ] {
        if container.metadata.get(what) != Some(own) {
            return Err(Error::OtherTraining {
                path: path.to_owned(),
                what,
            });
        }
    }
    let text = |key: &str| {
        let found = container.metadata.get(key);
        found.ok_or_else(|| Error::file(path, format!("`{key}` is missing")))
    };
    let steps = text("steps")?
        .parse()
        .map_err(|_| Error::file(path, "the number of steps is not a number"))?;
    let history = serde_json::from_str(text("history")?)
        .map_err(|error| Error::file(path, format!("the history is unreadable: {error}")))?;
    Ok((steps, history))
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
