//! Finished targets, kept until all are done: an interrupted run resumes after the last.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

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
        let kept: Kept = serde_json::from_slice(&read_checked(&self.path(index, "json"))?).ok()?;
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
        Array2::read_npy(&read_checked(&self.path(index, extension))?[..]).ok()
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
        write_checked(&self.path(index, "json"), json)
    }

    fn write_array(&self, index: usize, extension: &str, array: &Array2<f64>) -> Result<()> {
        let mut npy = Vec::new();
        array.write_npy(&mut npy).map_err(PipelineError::internal)?;
        write_checked(&self.path(index, extension), npy)
    }

    /// Reads another value by name, such as a fitted model; `None` if it is not there or damaged.
    pub fn read_other<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&read_checked(&self.folder.join(format!("{name}.json")))?).ok()
    }

    /// Keeps another value by name.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write_other(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value).map_err(PipelineError::internal)?;
        write_checked(&self.folder.join(format!("{name}.json")), json)
    }

    fn path(&self, index: usize, extension: &str) -> PathBuf {
        Path::join(&self.folder, format!("{index:06}.{extension}"))
    }
}

/// Writes bytes with their checksum at the end.
fn write_checked(path: &Path, mut bytes: Vec<u8>) -> Result<()> {
    let sum = XxHash3_128::oneshot(&bytes);
    bytes.extend(sum.to_le_bytes());
    write_atomic(path, &bytes)
}

/// Reads them back; `None` if they are not there or damaged.
fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let at = bytes.len().checked_sub(size_of::<u128>())?;
    let stored = bytes.split_off(at);
    (stored == XxHash3_128::oneshot(&bytes).to_le_bytes()).then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_part_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Checkpoint::open(folder.path().join("parts"), "one").unwrap();
        open().write_other("fit", &[1.5, 2.5]).unwrap();
        assert_eq!(open().read_other::<Vec<f64>>("fit"), Some(vec![1.5, 2.5]));
        let path = folder.path().join("parts/fit.json");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(open().read_other::<Vec<f64>>("fit").is_none(), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(open().read_other::<Vec<f64>>("fit").is_none(), "cut {at}");
        }
    }
}
