//! Separated targets as parts of a [`Checkpoint`].

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::separate::result_file::TargetResult;
use crate::stage::{Checkpoint, Result};

/// Separated target.
pub struct SeparatedTarget {
    /// Outcome.
    pub result: TargetResult,
    /// Background `(channel, sample)`, a row for each channel of the result.
    pub background: Array2<f64>,
    /// Its standard deviation, of the same shape, if the method estimates it.
    pub deviation: Option<Array2<f64>>,
}

/// Result of a finished target, and the arrays that belong to it.
#[derive(Serialize, Deserialize)]
struct Kept {
    result: TargetResult,
    has_deviation: bool,
}

impl SeparatedTarget {
    /// Reads a finished target by its number; `None` if it is not there or damaged.
    pub fn read(checkpoint: &Checkpoint, index: usize) -> Option<Self> {
        let kept: Kept = checkpoint.read(&number(index))?;
        let deviation = match kept.has_deviation {
            true => Some(checkpoint.read_array(&deviation_of(index))?),
            false => None,
        };
        Some(Self {
            result: kept.result,
            background: checkpoint.read_array(&number(index))?,
            deviation,
        })
    }

    /// Keeps a finished target under its number.
    ///
    /// # Errors
    /// [`PipelineError::Io`](crate::stage::PipelineError::Io).
    pub fn write(&self, checkpoint: &Checkpoint, index: usize) -> Result<()> {
        checkpoint.write_array(&number(index), &self.background)?;
        if let Some(deviation) = &self.deviation {
            checkpoint.write_array(&deviation_of(index), deviation)?;
        }
        // Written last: if the result exists, so do the samples.
        let kept = Kept {
            result: self.result.clone(),
            has_deviation: self.deviation.is_some(),
        };
        checkpoint.write(&number(index), &kept)
    }
}

fn number(index: usize) -> String {
    format!("{index:06}")
}

fn deviation_of(index: usize) -> String {
    format!("{index:06}.deviation")
}
