//! Finished targets, kept until all are done: a run that was cut off goes on after the last.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

use crate::separate::result_file::TargetResult;
use crate::stage::write_atomic;
use crate::stage::{PipelineError, Result};

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

    /// A finished target: its result and background `(channel, sample)`, maybe followed by deviations of as many channels; `None` if it is not there or damaged.
    pub fn read(&self, index: usize) -> Option<(TargetResult, Array2<f64>)> {
        let result: TargetResult =
            serde_json::from_slice(&fs::read(self.path(index, "json")).ok()?).ok()?;
        let background =
            Array2::<f64>::read_npy(fs::File::open(self.path(index, "npy")).ok()?).ok()?;
        Some((result, background))
    }

    /// Keeps a finished target.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write(
        &self,
        index: usize,
        result: &TargetResult,
        background: &Array2<f64>,
    ) -> Result<()> {
        let mut npy = Vec::new();
        background
            .write_npy(&mut npy)
            .map_err(PipelineError::internal)?;
        write_atomic(&self.path(index, "npy"), &npy)?;
        // The result comes last: where it stands, the samples do.
        write_atomic(
            &self.path(index, "json"),
            &serde_json::to_vec(result).map_err(PipelineError::internal)?,
        )
    }

    /// Something else that takes long, by name; `None` if it is not there or damaged.
    pub fn read_other<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.folder.join(format!("{name}.json"))).ok()?).ok()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write_other(&self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        crate::stage::write_json(&self.folder.join(format!("{name}.json")), value)
    }

    fn path(&self, index: usize, extension: &str) -> PathBuf {
        Path::join(&self.folder, format!("{index:06}.{extension}"))
    }
}
