//! Finished parts of a stage, kept until all are done: an interrupted run goes on after the last.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array, Dimension};
use serde::Serialize;
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_128;

use crate::arrays::npy;
use crate::arrays::npz::{Element, write_npy};
use crate::stage::{PipelineError, Result, read_whole, write_atomic};

/// Folder of finished parts of one output.
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// Opens the folder for the output of this fingerprint; parts of another one are removed.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn open(folder: PathBuf, fingerprint: &str) -> Result<Self> {
        let marker = folder.join("fingerprint");
        let same = read_whole(&marker).is_ok_and(|found| found == fingerprint.as_bytes());
        if !same && folder.exists() {
            fs::remove_dir_all(&folder).map_err(PipelineError::io("removing", &folder))?;
        }
        fs::create_dir_all(&folder).map_err(PipelineError::io("creating", &folder))?;
        if !same {
            write_atomic(&marker, fingerprint.as_bytes())?;
        }
        Ok(Self { folder })
    }

    /// Reads a value; `None` if it is not there or damaged.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&read_checked(&self.path(name, "json"))?).ok()
    }

    /// Keeps a value.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value).map_err(PipelineError::internal)?;
        write_checked(&self.path(name, "json"), json)
    }

    /// Reads an array; `None` if it is not there or damaged.
    pub fn read_array<D: Dimension>(&self, name: &str) -> Option<Array<f64, D>> {
        let array = npy::from_bytes(&read_checked(&self.path(name, "npy"))?)?;
        array.into_dimensionality().ok()
    }

    /// Keeps an array.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn write_array<A: Element, D: Dimension>(
        &self,
        name: &str,
        array: &Array<A, D>,
    ) -> Result<()> {
        let mut npy = Vec::new();
        write_npy(array, &mut npy).map_err(PipelineError::internal)?;
        write_checked(&self.path(name, "npy"), npy)
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{name}.{extension}"))
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
    let mut bytes = read_whole(path).ok()?;
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
        open().write("fit", &[1.5, 2.5]).unwrap();
        assert_eq!(open().read::<Vec<f64>>("fit"), Some(vec![1.5, 2.5]));
        let path = folder.path().join("parts/fit.json");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(open().read::<Vec<f64>>("fit").is_none(), "{at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(open().read::<Vec<f64>>("fit").is_none(), "cut {at}");
        }
    }
}
