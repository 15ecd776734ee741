//! The training loop.

use std::ops::ControlFlow;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{Backend, Fvae, FvaeConfig, Parameters, Plan};
use crate::noise::{NoiseKey, Purpose};
use crate::objective::{TermSums, Terms};
use crate::split::Split;
use crate::train::checkpoint::{Checkpoint, Fingerprint};
use crate::train::data::{BatchNoise, TrainingData, batches, check_labels, label_batch};
use crate::train::history::{EpochRecord, History, StopReason};
use crate::train::options::TrainOptions;
use crate::train::trainer::{StepOutcome, StepSettings, Trainer};

/// Observer of a training.
pub trait TrainObserver {
    /// Called first, and only if a checkpoint was found, with the history that it holds.
    fn resumed(&mut self, history: &History) {
        let _ = history;
    }

    /// Called once, with the number of epochs that a checkpoint had already done.
    fn begin(&mut self, done: usize, epochs: usize) {
        let _ = (done, epochs);
    }

    /// Called after each epoch, when its checkpoint is written. [`ControlFlow::Break`] stops; the same call of
    /// [`train`] then resumes.
    fn epoch(&mut self, record: &EpochRecord) -> ControlFlow<()> {
        let _ = record;
        ControlFlow::Continue(())
    }

    /// Called before each step; true stops at once. The epochs since the last checkpoint are discarded, so that a
    /// resumed training takes the same steps as an undisturbed one.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Ignores everything.
impl TrainObserver for () {}

/// Trains a model.
///
/// `data`: standardised inputs of all windows; `split` selects those that train and validate. The objective is that
/// of arXiv 2305.16189: weighted reconstruction, latent and cluster terms, mean over scales and windows, minimised by
/// Adam; with `options.initial_labels` the cross-entropy to those labels is added in the first epochs. With
/// `options.patience` the model has the weights of the epoch with the lowest validation loss ([`History::kept`]), else
/// those of the last.
///
/// With `checkpoint`, the state is written there after every `options.checkpoint_every` epochs, and a call that finds
/// one resumes from it; weights, statistics and history are bit for bit those of an undisturbed run. The result
/// depends on the arguments alone, not on the number of threads.
///
/// # Errors
/// [`Error::Setting`], [`Error::Shape`], [`Error::NonFinite`] or [`Error::Data`] for arguments that do not fit;
/// [`Error::Diverged`] if the loss becomes NaN or infinite; [`Error::Io`], [`Error::File`] (damaged) or
/// [`Error::OtherTraining`] for the checkpoint: delete it to start afresh; [`Error::Device`].
pub fn train(
    config: &FvaeConfig,
    data: &TrainingData,
    split: &Split,
    options: &TrainOptions,
    checkpoint: Option<&Path>,
    observer: &mut dyn TrainObserver,
) -> Result<(Fvae, History)> {
    check(config, data, split, options)?;
    let plan = Plan::new(config);
    let backend = Backend::on(options.device)?;
    let fingerprint = Fingerprint::new(config, data, split, options);
    let resumed = match checkpoint {
        Some(path) if path.exists() => Some(Checkpoint::read(path, &plan, &backend, &fingerprint)?),
        _ => None,
    };
    let state = match resumed {
        Some(state) => {
            observer.resumed(&state.history);
            state
        }
        None => Checkpoint {
            trainer: Trainer::new(
                plan.clone(),
                Parameters::initial(&plan, backend, options.seed),
            ),
            history: History::default(),
            best: None,
        },
    };
    observer.begin(state.history.epochs.len(), options.epochs);
    let epochs = EpochLoop {
        config,
        data,
        split,
        options,
        state,
    };
    let Checkpoint {
        trainer,
        history,
        best,
    } = epochs.run(checkpoint.map(|path| (path, &fingerprint)), observer)?;
    let parameters = best.unwrap_or(trainer.parameters).into_cpu();
    Ok((Fvae::from_parts(config.clone(), plan, parameters), history))
}

fn check(
    config: &FvaeConfig,
    data: &TrainingData,
    split: &Split,
    options: &TrainOptions,
) -> Result<()> {
    config.check()?;
    options.check()?;
    data.check(config)?;
    let n_windows = data.n_windows();
    split.check(n_windows)?;
    if split.training.len() < 2 {
        return Err(Error::Data(format!(
            "{} training windows: at least 2 are needed, and some hundreds for a useful model",
            split.training.len()
        )));
    }
    match &options.initial_labels {
        Some(labels) => check_labels(labels, config, n_windows),
        None => Ok(()),
    }
}

struct EpochLoop<'a> {
    config: &'a FvaeConfig,
    data: &'a TrainingData,
    split: &'a Split,
    options: &'a TrainOptions,
    state: Checkpoint,
}

impl EpochLoop<'_> {
    /// All epochs that remain; `checkpoint`: the file that the state is written to.
    fn run(
        mut self,
        checkpoint: Option<(&Path, &Fingerprint)>,
        observer: &mut dyn TrainObserver,
    ) -> Result<Checkpoint> {
        let options = self.options;
        let save = |state: &Checkpoint| match checkpoint {
            Some((path, fingerprint)) => state.write(path, fingerprint),
            None => Ok(()),
        };
        self.state.history.stop = StopReason::Finished;
        for epoch in self.state.history.epochs.len()..options.epochs {
            // Checked before an epoch, so that a resumed run stops where the undisturbed one did.
            if self.out_of_patience() {
                self.state.history.stop = StopReason::Patience;
                break;
            }
            let Some(record) = self.epoch(epoch, observer)? else {
                self.state.history.stop = StopReason::Interrupted;
                break;
            };
            self.state.history.epochs.push(record.clone());
            if options.patience.is_some() {
                let best = self.state.history.best(self.first_watched());
                self.state.history.kept = best;
                if best == Some(epoch) {
                    // A copy: the next epoch changes the weights in place.
                    self.state.best = Some(self.state.trainer.parameters.clone());
                }
            }
            let last = epoch + 1 == options.epochs || self.out_of_patience();
            let due = last || (epoch + 1) % options.checkpoint_every == 0;
            if due {
                save(&self.state)?;
            }
            if observer.epoch(&record).is_break() && !last {
                self.state.history.stop = StopReason::Interrupted;
                if !due {
                    save(&self.state)?;
                }
                break;
            }
        }
        Ok(self.state)
    }

    /// First epoch whose validation loss is compared for patience.
    fn first_watched(&self) -> usize {
        match self.options.initial_labels {
            Some(_) if self.options.label_epochs < self.options.epochs => self.options.label_epochs,
            _ => 0,
        }
    }

    fn out_of_patience(&self) -> bool {
        let idle = self
            .state
            .history
            .epochs_without_progress(self.first_watched());
        self.options
            .patience
            .is_some_and(|patience| idle >= patience)
    }

    /// One pass through the training windows, then validation; `None` if it was cancelled.
    fn epoch(&mut self, epoch: usize, observer: &dyn TrainObserver) -> Result<Option<EpochRecord>> {
        let options = self.options;
        // A new order each epoch, from its number alone.
        let order = NoiseKey {
            seed: options.seed,
            epoch,
            step: 0,
            purpose: Purpose::Order,
            scale: 0,
        }
        .shuffled(&self.split.training);
        let parts: Vec<&[usize]> = batches(&order, options.batch).collect();
        // The cosine reaches its end at the very last step.
        let total_steps = (parts.len() * options.epochs).max(2) - 1;
        let temperature = options.temperature.at(epoch, options.epochs);
        let rate = |step: usize| {
            let progress = (epoch * parts.len() + step) as f64 / total_steps as f64;
            options.learning_rate * options.schedule.factor(progress)
        };
        let mut sums = TermSums::default();
        let mut sizes = vec![vec![0; self.config.n_clusters]; self.config.n_scales()];
        for (step, windows) in parts.iter().enumerate() {
            if observer.cancelled() {
                return Ok(None);
            }
            let settings = StepSettings {
                temperature,
                learning_rate: rate(step),
                gradient_limit: options.gradient_limit,
                weights: options.weights,
            };
            let outcome = self.step(windows, epoch, step, &settings);
            check_loss(&outcome.values, epoch, step)?;
            sums.add(&outcome.values, windows.len());
            for (sizes, rows) in sizes.iter_mut().zip(&outcome.log_probability) {
                count_clusters(sizes, rows);
            }
        }
        let record = EpochRecord {
            epoch,
            temperature: temperature as f32,
            learning_rate: rate(0) as f32,
            train: sums.terms(),
            validation: self.validate(temperature, epoch)?,
            cluster_sizes: sizes,
            entropy: Vec::new(),
            warnings: Vec::new(),
        };
        Ok(Some(record.with_warnings()))
    }

    fn step(
        &mut self,
        windows: &[usize],
        epoch: usize,
        step: usize,
        settings: &StepSettings,
    ) -> StepOutcome {
        let options = self.options;
        let noise = BatchNoise {
            seed: options.seed,
            epoch,
            step,
            gumbel: Purpose::Gumbel,
            latent: Purpose::Latent,
        };
        let backend = self.state.trainer.parameters.backend.clone();
        let batch = noise.batch(self.data, self.config, &backend, windows);
        let weight = options.label_weight_at(epoch);
        let labels = options.initial_labels.as_ref().filter(|_| weight > 0.0);
        let labels = labels
            .map(|labels| label_batch(labels, weight, self.config.n_clusters, &backend, windows));
        self.state.trainer.step(&batch, labels.as_ref(), settings)
    }

    fn validate(&mut self, temperature: f64, epoch: usize) -> Result<Option<Terms>> {
        if self.split.validation.is_empty() {
            return Ok(None);
        }
        let trainer = &mut self.state.trainer;
        let backend = trainer.parameters.backend.clone();
        let mut sums = TermSums::default();
        // Larger batches than in training: without gradients they need less memory.
        let parts = batches(&self.split.validation, self.options.batch.max(1024));
        for (step, windows) in parts.enumerate() {
            // The same noise after every epoch: only the weights may change the validation loss.
            let noise = BatchNoise {
                seed: self.options.seed,
                epoch: 0,
                step,
                gumbel: Purpose::ValidationGumbel,
                latent: Purpose::ValidationLatent,
            };
            let batch = noise.batch(self.data, self.config, &backend, windows);
            let values = trainer.evaluate(&batch, temperature, &self.options.weights);
            check_loss(&values, epoch, step)?;
            sums.add(&values, windows.len());
        }
        Ok(Some(sums.terms()))
    }
}

fn check_loss(values: &[f64], epoch: usize, step: usize) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&loss) => Err(Error::Diverged { epoch, step, loss }),
    }
}

/// Adds each row's most probable cluster, the first of equals.
fn count_clusters(sizes: &mut [usize], rows: &[f32]) {
    for row in rows.chunks_exact(sizes.len()) {
        let mut best = 0;
        for (cluster, value) in row.iter().enumerate() {
            // Strictly greater: the first of equals, as in inference.
            if *value > row[best] {
                best = cluster;
            }
        }
        sizes[best] += 1;
    }
}
