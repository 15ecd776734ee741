//! One feature file: a station and a UTC day.

use std::path::Path;

use ndarray::{Array3, Array4, ArrayView3, Axis};
use rust_hdf5::types::{HBool, VarLenUnicode};
use rust_hdf5::{H5File, H5FileOptions, Hdf5Error};
use seismix_core::atomic_file::atomic_write_by_name;
use sha2::{Digest, Sha256};

use super::hdf5::write_compressed;
use super::{CoefficientRow, FORMAT_VERSION, FeatureMeta, StoreError, Window, WindowGrid};
use crate::time;

mod read;

pub use read::{read_day, read_header};

/// Features of one station and day, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct DayFeatures {
    /// Facts about the file.
    pub meta: FeatureMeta,
    /// First sample of each block, ns since 1970 UTC; `(block,)`.
    pub time: Vec<i64>,
    /// Number of the gap-free segment each block lies in, ascending; `(block,)`.
    pub segment: Vec<i32>,
    /// Pooled coefficients, `(block, channel, coefficient, 2)`, re and im. Not normalised: `spars` and `mean` are in
    /// the unit of the record, the others in its square.
    pub coefficients: Array4<f32>,
}

/// Features of one day without the coefficients: quick to read, enough to plan with.
#[derive(Debug, Clone, PartialEq)]
pub struct DayHeader {
    /// Facts about the file.
    pub meta: FeatureMeta,
    /// First sample of each block, ns since 1970 UTC.
    pub time: Vec<i64>,
    /// Segment number of each block.
    pub segment: Vec<i32>,
}

/// Features made from a day's windows, stored beside the blocks on request.
#[derive(Debug, Clone, Copy)]
pub struct Materialised<'a> {
    /// Samples of the window, one of the layout's scales.
    pub scale: usize,
    /// `(window, channel, feature)`, windows as in [`WindowGrid`].
    pub features: ArrayView3<'a, f32>,
}

impl DayHeader {
    /// The windows of the day.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], see [`WindowGrid::new`].
    pub fn windows(&self) -> Result<WindowGrid, StoreError> {
        let grid = WindowGrid::new(
            &self.meta.layout,
            &self.time,
            &self.segment,
            &self.meta.grid_start,
        )?;
        let day = self.meta.day_start_ns;
        if let Some(window) = grid
            .windows()
            .iter()
            .find(|w| time::day_start_ns(grid.last_sample_ns(w)) != day)
        {
            return Err(StoreError::invalid(format!(
                "a window ends at {}, not on the file's day {}",
                time::format_utc(grid.last_sample_ns(window)),
                self.meta.day_name()
            )));
        }
        Ok(grid)
    }
}

impl DayFeatures {
    /// The windows of the day; none if every segment is shorter than the largest window.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if times and segments contradict the layout or a window ends on another day.
    pub fn windows(&self) -> Result<WindowGrid, StoreError> {
        self.header().windows()
    }

    /// Everything but the coefficients.
    #[must_use]
    pub fn header(&self) -> DayHeader {
        DayHeader {
            meta: self.meta.clone(),
            time: self.time.clone(),
            segment: self.segment.clone(),
        }
    }

    /// Coefficients of one window at scale number `scale`: the plain mean over its blocks (summed in f64),
    /// `(channel, coefficient, 2)`.
    ///
    /// # Panics
    /// If the window is of another day's grid or `scale` is not below the number of scales.
    #[must_use]
    pub fn window_coefficients(
        &self,
        grid: &WindowGrid,
        window: &Window,
        scale: usize,
    ) -> Array3<f32> {
        let blocks = grid.blocks(window, scale);
        let n = blocks.len() as f64;
        let mut sum = Array3::<f64>::zeros(self.coefficients.raw_dim().remove_axis_3());
        for block in blocks {
            sum.zip_mut_with(&self.coefficients.index_axis(Axis(0), block), |s, x| {
                *s += f64::from(*x)
            });
        }
        sum.mapv(|s| (s / n) as f32)
    }

    /// Checks that shapes, times, windows and values fit together; what [`write_day`] demands.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with what contradicts what.
    pub fn check(&self) -> Result<(), StoreError> {
        self.meta.check()?;
        if self.meta.format_version != FORMAT_VERSION {
            let found = self.meta.format_version;
            return Err(StoreError::invalid(format!(
                "format version {found}, but {FORMAT_VERSION} is what is written"
            )));
        }
        let expected = [
            self.time.len(),
            self.meta.channels.len(),
            self.meta.index.len(),
            2,
        ];
        if self.coefficients.shape() != expected {
            return Err(StoreError::invalid(format!(
                "coefficients have the shape {:?} instead of {expected:?}",
                self.coefficients.shape()
            )));
        }
        self.windows()?;
        if let Some(((block, channel, k, _), value)) = self
            .coefficients
            .indexed_iter()
            .find(|(_, v)| !v.is_finite())
        {
            let (time, channel) = (
                time::format_utc(self.time[block]),
                &self.meta.channels[channel],
            );
            return Err(StoreError::invalid(format!(
                "coefficient {k} of {channel} at {time} is {value}"
            )));
        }
        Ok(())
    }
}

/// Removes the last axis of a four-dimensional shape.
trait RemoveAxis3 {
    fn remove_axis_3(self) -> ndarray::Ix3;
}

impl RemoveAxis3 for ndarray::Ix4 {
    fn remove_axis_3(self) -> ndarray::Ix3 {
        ndarray::Dim([self[1], self[2], self[3]])
    }
}

/// Writes one day: to a temporary name in the same folder, synced, renamed. The same data give the same bytes.
///
/// # Errors
/// [`StoreError::Invalid`] if the features contradict themselves (nothing is written), [`StoreError::Io`] and
/// [`StoreError::Hdf5`] if writing fails (the old file, if any, stays).
pub fn write_day(path: &Path, day: &DayFeatures) -> Result<(), StoreError> {
    write_day_materialised(path, day, &[])
}

/// [`write_day`] with finished features of some scales in `/features/<scale>`.
///
/// # Errors
/// As [`write_day`]; also if an array has not one row a window.
pub fn write_day_materialised(
    path: &Path,
    day: &DayFeatures,
    extra: &[Materialised<'_>],
) -> Result<(), StoreError> {
    day.check()?;
    let n_windows = day.windows()?.len();
    for item in extra {
        if item.features.len_of(Axis(0)) != n_windows
            || !day.meta.layout.windows.scales.contains(&item.scale)
        {
            let (scale, shape) = (item.scale, item.features.shape());
            return Err(StoreError::invalid(format!(
                "features of scale {scale} have the shape {shape:?}; the day has {n_windows} windows"
            )));
        }
    }
    atomic_write_by_name(path, |temporary| {
        write_file(temporary, path, day, n_windows, extra)
    })
}

fn write_file(
    temporary: &Path,
    path: &Path,
    day: &DayFeatures,
    n_windows: usize,
    extra: &[Materialised<'_>],
) -> Result<(), StoreError> {
    let refuse = |e: Hdf5Error| match e {
        Hdf5Error::Io(e) => StoreError::io(path, "writing", e),
        e => StoreError::Hdf5 {
            path: path.to_path_buf(),
            reason: e.to_string(),
        },
    };
    let file = H5FileOptions::new()
        .no_locking()
        .create(temporary)
        .map_err(refuse)?;
    write_attributes(&file, day, n_windows).map_err(refuse)?;
    write_arrays(&file, day).map_err(refuse)?;
    if !extra.is_empty() {
        file.create_group("features").map_err(refuse)?;
    }
    for item in extra {
        let values: Vec<f32> = item.features.iter().copied().collect();
        write_compressed(
            &file,
            &format!("features/{}", item.scale),
            item.features.shape(),
            &values,
        )
        .map_err(refuse)?;
    }
    file.close().map_err(refuse)
}

/// The facts, one attribute each for people, and as JSON for [`read_day`].
fn write_attributes(file: &H5File, day: &DayFeatures, n_windows: usize) -> Result<(), Hdf5Error> {
    let (meta, layout) = (&day.meta, &day.meta.layout);
    let int = |values: &[usize]| values.iter().map(|v| *v as i64).collect::<Vec<_>>();
    let (json, provenance) = (meta_json(meta), meta.provenance.to_string());
    file.set_attr_string("format", "seismix features")?;
    file.set_attr_numeric("format_version", &i64::from(FORMAT_VERSION))?;
    file.set_attr_string("network", &meta.network)?;
    file.set_attr_string("station", &meta.station)?;
    file.set_attr_string("location", &meta.location)?;
    file.set_attr_string_array(
        "channels",
        &meta.channels.iter().map(String::as_str).collect::<Vec<_>>(),
    )?;
    file.set_attr_string("day", &time::format_utc(meta.day_start_ns)[..10])?;
    file.set_attr_numeric("sampling_rate", &layout.sampling_rate)?;
    file.set_attr_numeric("block_samples", &(layout.windows.block_samples as i64))?;
    file.set_attr_array_numeric("scales", &int(&layout.windows.scales))?;
    file.set_attr_numeric("stride_samples", &(layout.windows.stride_samples as i64))?;
    file.set_attr_array_numeric("octaves", &int(&meta.octaves))?;
    file.set_attr_array_numeric("wavelets_per_octave", &int(&meta.wavelets_per_octave))?;
    file.set_attr_string("wavelet", &meta.wavelet)?;
    file.set_attr_string("coefficient_set", &meta.coefficients)?;
    file.set_attr_string("boundary", &meta.boundary)?;
    if !meta.grid_start.is_empty() {
        file.set_attr_array_numeric("grid_start", &int(&meta.grid_start))?;
    }
    file.set_attr_numeric("n_windows", &(n_windows as i64))?;
    file.set_attr_string(
        "note",
        meta.note
            .as_deref()
            .unwrap_or(if n_windows == 0 { NO_WINDOW } else { "" }),
    )?;
    file.set_attr_string("meta", &json)?;
    file.set_attr_string("provenance", &provenance)?;
    file.set_attr_string(
        "meta_sha256",
        &header_hash(&json, &provenance, &meta.index, &day.time, &day.segment),
    )
}

const NO_WINDOW: &str =
    "no window: every gap-free segment of this day is shorter than the largest window";

fn write_arrays(file: &H5File, day: &DayFeatures) -> Result<(), Hdf5Error> {
    let values: Vec<f32> = day.coefficients.iter().copied().collect();
    file.create_group("coefficients")?;
    let name = dataset_name(&day.meta);
    let dataset = write_compressed(file, &name, day.coefficients.shape(), &values)?;
    dataset
        .new_attr::<VarLenUnicode>()
        .shape(())
        .create("sha256")?
        .write_string(&values_hash(&values))?;
    let dataset = file
        .new_dataset::<i64>()
        .shape([day.time.len()])
        .create("time")?;
    if !day.time.is_empty() {
        dataset.write_raw(&day.time)?;
    }
    dataset
        .new_attr::<VarLenUnicode>()
        .shape(())
        .create("units")?
        .write_string("nanoseconds since 1970-01-01T00:00:00Z")?;
    dataset
        .new_attr::<f64>()
        .shape(())
        .create("sampling_rate")?
        .write_numeric(&day.meta.layout.sampling_rate)?;
    let dataset = file
        .new_dataset::<i32>()
        .shape([day.segment.len()])
        .create("segment")?;
    if !day.segment.is_empty() {
        dataset.write_raw(&day.segment)?;
    }
    write_index(file, &day.meta.index)
}

fn write_index(file: &H5File, index: &[CoefficientRow]) -> Result<(), Hdf5Error> {
    let group = file.create_group("index")?;
    group.write_vlen_strings(
        "kind",
        &index.iter().map(|row| row.kind.name()).collect::<Vec<_>>(),
    )?;
    let column = |name: &str, pick: fn(&CoefficientRow) -> i32| {
        group
            .new_dataset::<i32>()
            .shape([index.len()])
            .create(name)?
            .write_raw(&index.iter().map(pick).collect::<Vec<_>>())
    };
    column("j1_left", |row| row.j1_left)?;
    column("j1_right", |row| row.j1_right)?;
    column("j2", |row| row.j2)?;
    let real: Vec<HBool> = index.iter().map(|row| HBool::from(row.real)).collect();
    group
        .new_dataset::<HBool>()
        .shape([index.len()])
        .create("real")?
        .write_raw(&real)
}

fn dataset_name(meta: &FeatureMeta) -> String {
    format!("coefficients/{}", meta.layout.windows.block_samples)
}

fn meta_json(meta: &FeatureMeta) -> String {
    // Plain structs of numbers and texts: JSON can hold them all once `check` has refused a non-finite rate.
    serde_json::to_string(meta).unwrap_or_default()
}

fn values_hash(values: &[f32]) -> String {
    let mut hash = Sha256::new();
    for part in values.chunks(4096) {
        hash.update(
            part.iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>(),
        );
    }
    hex(hash)
}

fn header_hash(
    meta: &str,
    provenance: &str,
    index: &[CoefficientRow],
    time: &[i64],
    segment: &[i32],
) -> String {
    let mut hash = Sha256::new();
    for text in [meta, provenance] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    for row in index {
        hash.update(format!(
            "{} {} {} {} {}\n",
            row.kind, row.j1_left, row.j1_right, row.j2, row.real
        ));
    }
    time.iter().for_each(|t| hash.update(t.to_le_bytes()));
    segment.iter().for_each(|s| hash.update(s.to_le_bytes()));
    hex(hash)
}

fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
