//! Finished targets, kept until all are done: an interrupted run resumes after the last.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

use serde::{Deserialize, Serialize};

use crate::separate::result_file::TargetResult;
use crate::stage::write_atomic;
use crate::stage::{PipelineError, Result};

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

/// Folder of finished targets of one separation.
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// Opens the folder for the separation of this fingerprint; parts of another one are removed.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn open(folder: PathBuf, fingerprint: &str) -> Result<Self> {
        let marker = folder.join("fingerprint");
        let same = fs::read_to_string(&marker).is_ok_and(|found| found == fingerprint);
        if !same && folder.exists() {
            fs::remove_dir_all(&folder).map_err(PipelineError::io("removing", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(PipelineError::io("creating", &folder))?;
        if !same {
            write_atomic(&marker, fingerprint.as_bytes())?;
        }
        Ok(Self { folder })
    }

    /// Reads a finished target; `None` if it is not there or damaged.
    pub fn read(&self, index: usize) -> Option<SeparatedTarget> {
        let kept: Kept = serde_json::from_slice(&fs::read(self.path(index, "json")).ok()?).ok()?;
        let deviation = match kept.has_deviation {
            true => Some(self.read_array(index, "deviation.npy")?),
            false => None,
        };
        Some(SeparatedTarget {
            result: kept.result,
            background: self.read_array(index, "npy")?,
            deviation,
        })
    }

    fn read_array(&self, index: usize, extension: &str) -> Option<Array2<f64>> {
        Array2::read_npy(fs::File::open(self.path(index, extension)).ok()?).ok()
    }

    /// Keeps a finished target.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write(&self, index: usize, target: &SeparatedTarget) -> Result<()> {
        self.write_array(index, "npy", &target.background)?;
        if let Some(deviation) = &target.deviation {
            self.write_array(index, "deviation.npy", deviation)?;
        }
        // Written last: if the result exists, so do the samples.
        let kept = Kept {
            result: target.result.clone(),
            has_deviation: target.deviation.is_some(),
        };
        let json = serde_json::to_vec(&kept).map_err(PipelineError::internal)?;
        write_atomic(&self.path(index, "json"), &json)
    }

    fn write_array(&self, index: usize, extension: &str, array: &Array2<f64>) -> Result<()> {
        let mut npy = Vec::new();
        array.write_npy(&mut npy).map_err(PipelineError::internal)?;
        write_atomic(&self.path(index, extension), &npy)
    }

    /// Reads another value by name, such as a fitted model; `None` if it is not there or damaged.
    pub fn read_other<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.folder.join(format!("{name}.json"))).ok()?).ok()
    }

    /// Keeps another value by name.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write_other(&self, name: &str, value: &impl Serialize) -> Result<()> {
        crate::stage::write_json(&self.folder.join(format!("{name}.json")), value)
    }

    fn path(&self, index: usize, extension: &str) -> PathBuf {
        Path::join(&self.folder, format!("{index:06}.{extension}"))
    }
}
