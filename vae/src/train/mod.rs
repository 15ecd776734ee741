//! Training: batches, steps, epochs, history, and checkpoints that resume bit for bit.

mod adam;
mod checkpoint;
mod data;
mod history;
mod options;
mod run;
mod trainer;

pub use data::TrainingData;
pub use history::{ClusterWarning, EpochRecord, History, StopReason};
pub use options::{LearningRateSchedule, Temperature, TrainOptions};
pub use run::{TrainObserver, train};

pub(crate) use data::batches;
#[cfg(test)]
pub(crate) use trainer::{StepSettings, Trainer};
