//! Named arrays and text in one safetensors file with one sha256.
//!
//! Same content, same bytes: arrays are ordered by element size, then name, metadata by key, and nothing else is
//! written. The checksum is over the metadata and every array's name, type, shape and bytes; it is itself a metadata
//! entry, so that any safetensors reader opens the file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use seismix_core::atomic_file::atomic_write;
use seismix_core::regular_file;

/// Metadata key of the checksum.
const CHECKSUM: &str = "sha256";

/// One array: its type, shape and little-endian bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    /// Single precision, C order.
    pub fn f32(shape: Vec<usize>, values: impl IntoIterator<Item = f32>) -> Self {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        Self {
            dtype: Dtype::F32,
            shape,
            bytes,
        }
    }

    /// Double precision, C order.
    pub fn f64(shape: Vec<usize>, values: impl IntoIterator<Item = f64>) -> Self {
        let bytes = values.into_iter().flat_map(f64::to_le_bytes).collect();
        Self {
            dtype: Dtype::F64,
            shape,
            bytes,
        }
    }

    /// The numbers, if they are single precision.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let (chunks, _) = self.bytes.as_chunks::<4>();
        (self.dtype == Dtype::F32).then(|| chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// The numbers, if they are double precision.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        let (chunks, _) = self.bytes.as_chunks::<8>();
        (self.dtype == Dtype::F64).then(|| chunks.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }

    fn type_name(&self) -> &'static str {
        match self.dtype {
            Dtype::F64 => "F64",
            _ => "F32",
        }
    }
}

/// Content of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Container {
    pub metadata: BTreeMap<String, String>,
    pub arrays: BTreeMap<String, Array>,
}

impl Container {
    /// Adds an array.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), array);
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM.into(), self.checksum());
        let mut order: Vec<(&String, &Array)> = self.arrays.iter().collect();
        // Stable: names stay sorted within a size. Larger elements first keeps every array aligned.
        order.sort_by_key(|(_, array)| std::cmp::Reverse(array.dtype.bitsize()));
        let mut header = Map::new();
        header.insert("__metadata__".into(), json!(metadata));
        let mut start = 0;
        for (name, array) in &order {
            let end = start + array.bytes.len();
            let entry = json!({"dtype": array.type_name(), "shape": array.shape, "data_offsets": [start, end]});
            header.insert((*name).clone(), entry);
            start = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        atomic_write(path, |file| {
            let size = (header.len() as u64).to_le_bytes();
            let arrays = order.iter().map(|(_, array)| array.bytes.as_slice());
            [size.as_slice(), &header]
                .into_iter()
                .chain(arrays)
                .try_for_each(|bytes| file.write_all(bytes))
                .map_err(Error::io("write", path))
        })
    }

    /// Reads a file and checks its checksum.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::File`] if it is damaged or not of this kind.
    pub fn read(path: &Path) -> Result<Self> {
        let mut container = Self::read_unchecked(path)?;
        let found = container.metadata.remove(CHECKSUM).ok_or_else(|| {
            Error::file(
                path,
                "this safetensors file was not written by seismix (it has no checksum)",
            )
        })?;
        if found != container.checksum() {
            let reason = "the file is damaged: its content does not match its checksum";
            return Err(Error::file(path, reason));
        }
        Ok(container)
    }

    /// Reads any safetensors file; arrays of other types than F32 and F64 are ignored.
    pub fn read_unchecked(path: &Path) -> Result<Self> {
        let bytes = regular_file::read(path, u64::MAX).map_err(Error::io("read", path))?;
        let damaged = |error: safetensors::SafeTensorError| {
            Error::file(path, format!("not a complete safetensors file: {error}"))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let metadata = header.metadata().iter().flatten();
        let mut container = Self {
            metadata: metadata.map(|(k, v)| (k.clone(), v.clone())).collect(),
            arrays: BTreeMap::new(),
        };
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(damaged)?.iter() {
            if matches!(view.dtype(), Dtype::F32 | Dtype::F64) {
                let array = Array {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                };
                container.insert(name, array);
            }
        }
        Ok(container)
    }

    /// Checks one metadata entry.
    pub fn expect(&self, path: &Path, key: &str, expected: &str) -> Result<()> {
        match self.metadata.get(key) {
            Some(found) if found == expected => Ok(()),
            found => Err(Error::file(
                path,
                format!(
                    "`{key}` is `{}`, expected `{expected}`: another kind of file, or another version of seismix",
                    found.map_or("absent", String::as_str)
                ),
            )),
        }
    }

    /// Takes out a single-precision array of a given shape.
    pub fn take_f32(&mut self, path: &Path, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let array = self.take(path, name)?;
        let wrong = || {
            let reason = format!(
                "`{name}` is {} {:?}, expected F32 {shape:?}: it belongs to a model of other sizes",
                array.type_name(),
                array.shape
            );
            Error::file(path, reason)
        };
        if array.shape != shape {
            return Err(wrong());
        }
        array.to_f32().ok_or_else(wrong)
    }

    fn take(&mut self, path: &Path, name: &str) -> Result<Array> {
        self.arrays
            .remove(name)
            .ok_or_else(|| Error::file(path, format!("the array `{name}` is missing")))
    }

    fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        // Lengths first, so that no two contents look the same.
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for (key, value) in &self.metadata {
            add(key.as_bytes());
            add(value.as_bytes());
        }
        for (name, array) in &self.arrays {
            add(name.as_bytes());
            add(format!("{} {:?}", array.type_name(), array.shape).as_bytes());
            add(&array.bytes);
        }
        hex(&hash.finalize())
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn example() -> Container {
        let mut container = Container::default();
        container.metadata.insert("kind".into(), "test".into());
        container.insert("b", Array::f32(vec![2, 1], [1.5, -0.0]));
        container.insert("a", Array::f64(vec![1], [-1.0]));
        container.insert("c", Array::f64(vec![1], [f64::MIN_POSITIVE]));
        container.insert("empty", Array::f32(vec![0, 4], []));
        container
    }

    #[test]
    fn content_survives_and_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().write(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        let mut back = Container::read(&path).unwrap();
        assert_eq!(back, example());
        assert_eq!(back.take_f32(&path, "b", &[2, 1]).unwrap(), [1.5, -0.0]);
        assert!(back.take_f32(&path, "b", &[2, 1]).is_err());
        assert!(back.take_f32(&path, "c", &[1]).is_err());
        assert!(back.expect(&path, "kind", "other").is_err());
        example().write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().write(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x15;
            std::fs::write(&path, &bad).unwrap();
            // Padding after the header's JSON does not count as content.
            let padding = good[position] == b' ';
            assert!(
                Container::read(&path).is_err() || padding,
                "byte {position}"
            );
            std::fs::write(&path, &good[..position]).unwrap();
            assert!(Container::read(&path).is_err(), "cut at {position}");
        }
    }
}
