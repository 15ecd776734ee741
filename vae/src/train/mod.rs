//! Training: batches, steps, epochs, history, and checkpoints that resume bit for bit.

mod adam;
mod checkpoint;
mod data;
mod epoch_loop;
mod history;
mod options;
mod trainer;

pub use data::TrainingData;
pub use epoch_loop::{TrainObserver, train};
pub use history::{ClusterWarning, EpochRecord, History, StopReason};
pub use options::{LearningRateSchedule, Temperature, TrainOptions};

pub(crate) use data::batches;
#[cfg(test)]
pub(crate) use trainer::{StepSettings, Trainer};
