//! Reading a feature file: everything in it is checked against everything else.

use std::path::{Path, PathBuf};

use ndarray::Array4;

use super::{DayFeatures, DayHeader, dataset_name, header_hash, values_hash};
use crate::store::hdf5::Reader;
use crate::store::{CoefficientKind, CoefficientRow, FORMAT_VERSION, FeatureMeta, StoreError};

/// Reads one day, checked: kinds, shapes, both hashes, times, windows.
///
/// # Errors
/// [`StoreError`] that names the file and what is wrong with it. Damaged files neither panic nor take more memory than
/// their size allows for.
pub fn read_day(path: &Path) -> Result<DayFeatures, StoreError> {
    let reader = Reader::open(path)?;
    let DayHeader {
        meta,
        time,
        segment,
    } = header_of(&reader)?;
    let name = dataset_name(&meta);
    let (shape, values) = reader.f32s(&name)?;
    let expected = [time.len(), meta.channels.len(), meta.index.len(), 2];
    if shape != expected {
        return Err(reader.content(
            &name,
            format!("has the shape {shape:?} instead of {expected:?}"),
        ));
    }
    if reader.text_attribute(&name, "sha256")? != values_hash(&values) {
        return Err(reader.content(
            &name,
            "is damaged: its sha256 differs from the one stored with it",
        ));
    }
    let coefficients = Array4::from_shape_vec(expected, values)
        .map_err(|e| reader.content(&name, e.to_string()))?;
    Ok(DayFeatures {
        meta,
        time,
        segment,
        coefficients,
    })
}

/// Reads one day without its coefficients, checked as in [`read_day`].
///
/// # Errors
/// As [`read_day`].
pub fn read_header(path: &Path) -> Result<DayHeader, StoreError> {
    header_of(&Reader::open(path)?)
}

fn header_of(reader: &Reader<'_>) -> Result<DayHeader, StoreError> {
    let (json, provenance) = (reader.text("meta")?, reader.text("provenance")?);
    let mut meta = parse_meta(reader, &json)?;
    meta.provenance = serde_json::from_str(&provenance)
        .map_err(|e| reader.content("provenance", format!("is no JSON ({e})")))?;
    meta.index = read_index(reader)?;
    let (time, segment) = (reader.i64s("time")?, reader.i32s("segment")?);
    if reader.text("meta_sha256")? != header_hash(&json, &provenance, &meta.index, &time, &segment)
    {
        return Err(reader.content("meta_sha256", "differs from the hash of the attributes, index and times: the file is damaged or was edited"));
    }
    // JSON texts may lose the last bit of a number, the attribute cannot.
    meta.layout.sampling_rate = reader.f64_attribute("time", "sampling_rate")?;
    let header = DayHeader {
        meta,
        time,
        segment,
    };
    let sound = header
        .meta
        .check()
        .and_then(|()| header.windows().map(|_| ()));
    sound.map_err(|e| reader.content("meta", format!("contradicts itself: {e}")))?;
    Ok(header)
}

fn parse_meta(reader: &Reader<'_>, json: &str) -> Result<FeatureMeta, StoreError> {
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|e| reader.content("meta", format!("is no JSON ({e})")))?;
    let version = value
        .get("format_version")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    let found = u32::try_from(version).unwrap_or(u32::MAX);
    if found != FORMAT_VERSION {
        let path: PathBuf = reader.path.to_path_buf();
        let cure = if found > FORMAT_VERSION {
            "use a newer seismix"
        } else {
            "make the file again with `seismix features`"
        };
        return Err(StoreError::Version {
            path,
            found,
            known: FORMAT_VERSION,
            cure,
        });
    }
    serde_json::from_value(value).map_err(|e| reader.content("meta", format!("lacks a fact ({e})")))
}

fn read_index(reader: &Reader<'_>) -> Result<Vec<CoefficientRow>, StoreError> {
    let kinds = reader.texts("index/kind")?;
    let columns = [
        reader.i32s("index/j1_left")?,
        reader.i32s("index/j1_right")?,
        reader.i32s("index/j2")?,
    ];
    let real = reader.bools("index/real")?;
    if columns.iter().any(|column| column.len() != kinds.len()) || real.len() != kinds.len() {
        return Err(reader.content("index", "has columns of different lengths"));
    }
    let row = |(i, name): (usize, &String)| {
        let kind = CoefficientKind::from_name(name).ok_or_else(|| {
            reader.content("index/kind", format!("names an unknown kind, `{name}`"))
        })?;
        Ok(CoefficientRow {
            kind,
            j1_left: columns[0][i],
            j1_right: columns[1][i],
            j2: columns[2][i],
            real: real[i],
        })
    };
    kinds.iter().enumerate().map(row).collect()
}
