//! Guarded access to the HDF5 crate: it checks sizes but not kinds, so kinds are checked here, and so is every length
//! before memory is taken for it.

use std::path::Path;

use rust_hdf5::{DatatypeMessage, H5Dataset, H5File, H5FileOptions, Hdf5Error};
use seismix_core::regular_file;

use super::StoreError;

/// gzip level: noise hardly compresses, so the quick levels lose nothing.
const GZIP_LEVEL: u32 = 4;
/// Bytes of one chunk, about.
const CHUNK_BYTES: usize = 1 << 18;
/// No chunk of a file to be read may be larger than this.
const MAX_CHUNK_BYTES: usize = 1 << 28;
/// deflate cannot blow up by more than 1032; a data set that claims more than its file can hold is damaged.
const MAX_EXPANSION: u64 = 1100;

/// An open file with its name, for errors.
pub(super) struct Reader<'a> {
    pub path: &'a Path,
    file: H5File,
    file_bytes: u64,
}

impl<'a> Reader<'a> {
    pub fn open(path: &'a Path) -> Result<Self, StoreError> {
        let metadata =
            regular_file::metadata(path).map_err(|e| StoreError::io(path, "reading", e))?;
        let file = H5FileOptions::new()
            .no_locking()
            .open(path)
            .map_err(|e| match e {
                Hdf5Error::Io(e) => StoreError::io(path, "reading", e),
                e => StoreError::Hdf5 {
                    path: path.to_path_buf(),
                    reason: e.to_string(),
                },
            })?;
        Ok(Self {
            path,
            file,
            file_bytes: metadata.len(),
        })
    }

    /// A root attribute that must be text.
    pub fn text(&self, name: &str) -> Result<String, StoreError> {
        self.file
            .attr_string(name)
            .map_err(|e| self.refuse(name, e))
    }

    /// A data set of the expected element type whose size is believable.
    fn dataset(
        &self,
        name: &str,
        expected: &DatatypeMessage,
    ) -> Result<(H5Dataset, Vec<usize>), StoreError> {
        let dataset = self.file.dataset(name).map_err(|e| self.refuse(name, e))?;
        let datatype = dataset.datatype().map_err(|e| self.refuse(name, e))?;
        if datatype != *expected {
            return Err(self.content(name, format!("holds `{datatype}` instead of `{expected}`")));
        }
        let shape = self.believable_shape(name, &dataset)?;
        Ok((dataset, shape))
    }

    fn believable_shape(&self, name: &str, dataset: &H5Dataset) -> Result<Vec<usize>, StoreError> {
        let (shape, element) = (dataset.shape(), dataset.element_size());
        let bytes = bytes_of(&shape, element);
        let limit = self.file_bytes.saturating_mul(MAX_EXPANSION);
        if bytes.is_none_or(|bytes| bytes as u64 > limit) {
            return Err(self.content(
                name,
                format!("claims the shape {shape:?}, more than its file can hold"),
            ));
        }
        let chunk = dataset.chunk_dims().unwrap_or_default();
        if bytes_of(&chunk, element).is_none_or(|bytes| bytes > MAX_CHUNK_BYTES)
            || (!chunk.is_empty() && chunk.contains(&0))
        {
            return Err(self.content(name, format!("claims chunks of {chunk:?}")));
        }
        Ok(shape)
    }

    /// f32 of any rank with its shape.
    pub fn f32s(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), StoreError> {
        let (dataset, shape) = self.dataset(name, &DatatypeMessage::f32_type())?;
        let values = dataset
            .read_numeric_as::<f32>()
            .map_err(|e| self.refuse(name, e))?;
        self.whole(name, &shape, values.len())?;
        Ok((shape, values))
    }

    /// i64 of rank 1.
    pub fn i64s(&self, name: &str) -> Result<Vec<i64>, StoreError> {
        let (dataset, shape) = self.dataset(name, &DatatypeMessage::i64_type())?;
        let values = dataset
            .read_numeric_as::<i64>()
            .map_err(|e| self.refuse(name, e))?;
        self.whole(name, &self.rank_one(name, shape)?, values.len())?;
        Ok(values)
    }

    /// i32 of rank 1.
    pub fn i32s(&self, name: &str) -> Result<Vec<i32>, StoreError> {
        let (dataset, shape) = self.dataset(name, &DatatypeMessage::i32_type())?;
        let values = dataset
            .read_numeric_as::<i32>()
            .map_err(|e| self.refuse(name, e))?;
        self.whole(name, &self.rank_one(name, shape)?, values.len())?;
        Ok(values)
    }

    /// Booleans (h5py's enumeration) of rank 1.
    pub fn bools(&self, name: &str) -> Result<Vec<bool>, StoreError> {
        let (dataset, shape) = self.dataset(name, &DatatypeMessage::bool_type())?;
        let values = dataset.read_raw_bytes().map_err(|e| self.refuse(name, e))?;
        self.whole(name, &self.rank_one(name, shape)?, values.len())?;
        Ok(values.into_iter().map(|v| v != 0).collect())
    }

    /// Texts of rank 1.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let dataset = self.file.dataset(name).map_err(|e| self.refuse(name, e))?;
        let shape = self.believable_shape(name, &dataset)?;
        let values = dataset.read_strings().map_err(|e| self.refuse(name, e))?;
        self.whole(name, &self.rank_one(name, shape)?, values.len())?;
        Ok(values)
    }

    /// A scalar f64 attribute of a data set.
    pub fn f64_attribute(&self, dataset: &str, name: &str) -> Result<f64, StoreError> {
        let attribute = self.attribute(dataset, name)?;
        attribute
            .read_numeric::<f64>()
            .map_err(|e| self.refuse(&format!("{dataset}@{name}"), e))
    }

    /// A text attribute of a data set.
    pub fn text_attribute(&self, dataset: &str, name: &str) -> Result<String, StoreError> {
        let attribute = self.attribute(dataset, name)?;
        let item = format!("{dataset}@{name}");
        match attribute.datatype().map_err(|e| self.refuse(&item, e))? {
            DatatypeMessage::VarLenString { .. } | DatatypeMessage::FixedString { .. } => {
                attribute.read_string().map_err(|e| self.refuse(&item, e))
            }
            other => Err(self.content(&item, format!("holds `{other}` instead of text"))),
        }
    }

    fn attribute(&self, dataset: &str, name: &str) -> Result<rust_hdf5::H5Attribute, StoreError> {
        let handle = self
            .file
            .dataset(dataset)
            .map_err(|e| self.refuse(dataset, e))?;
        handle
            .attr(name)
            .map_err(|e| self.refuse(&format!("{dataset}@{name}"), e))
    }

    fn rank_one(&self, name: &str, shape: Vec<usize>) -> Result<Vec<usize>, StoreError> {
        if shape.len() == 1 {
            Ok(shape)
        } else {
            Err(self.content(name, format!("has the shape {shape:?} instead of one axis")))
        }
    }

    fn whole(&self, name: &str, shape: &[usize], found: usize) -> Result<(), StoreError> {
        if shape.iter().product::<usize>() == found {
            Ok(())
        } else {
            Err(self.content(name, format!("has the shape {shape:?} but {found} values")))
        }
    }

    pub fn content(&self, item: &str, reason: impl Into<String>) -> StoreError {
        StoreError::content(self.path, item, reason)
    }

    fn refuse(&self, item: &str, error: Hdf5Error) -> StoreError {
        match error {
            Hdf5Error::NotFound(_) => self.content(item, "is missing"),
            other => self.content(item, format!("cannot be read ({other})")),
        }
    }
}

fn bytes_of(shape: &[usize], element: usize) -> Option<usize> {
    shape
        .iter()
        .try_fold(element, |bytes, n| bytes.checked_mul(*n))
}

/// Writes `values` (row-major, of `shape`) chunked along the first axis, shuffled and gzipped.
pub(super) fn write_compressed(
    file: &H5File,
    name: &str,
    shape: &[usize],
    values: &[f32],
) -> Result<H5Dataset, Hdf5Error> {
    let row_bytes = 4 * shape[1..].iter().product::<usize>().max(1);
    let mut chunk: Vec<usize> = shape.iter().map(|n| (*n).max(1)).collect();
    chunk[0] = chunk[0].min((CHUNK_BYTES / row_bytes).max(1));
    let dataset = file
        .new_dataset::<f32>()
        .shape(shape)
        .chunk(&chunk)
        .shuffle_deflate(GZIP_LEVEL)
        .create(name)?;
    if !values.is_empty() {
        dataset.write_raw(values)?;
    }
    Ok(dataset)
}
