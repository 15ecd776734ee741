//! Feature files as segments of blocks, and the windows in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::ArrayView4;
use seismix_data::store::{self, DayEntry, DayFeatures, FeatureSet};
use seismix_data::time::format_utc;
use seismix_vae::features::{BlockSegment, CoefficientTable, EnergySegment, WindowLayout};

use crate::features::notes::DayNote;
use crate::stage::artifact::written_record;
use crate::stage::progress::Observer;
use crate::stage::{PipelineError, Result};

/// One window: its station and its time at each scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowTime {
    /// Station and band, `NET.STA.LOC.BAND`.
    pub station: Arc<str>,
    /// First sample at each scale, ascending scales, ns UTC.
    pub start_ns: Vec<i64>,
    /// Last sample, the same at all scales, ns UTC.
    pub end_ns: i64,
}

/// The feature files of a command, opened and checked against each other.
pub struct FeatureDataset {
    set: FeatureSet,
    table: CoefficientTable,
    layout: WindowLayout,
}

/// One day of a dataset, loaded.
pub struct DatasetDay {
    /// Its gap-free segments.
    pub segments: Vec<BlockSegment>,
    /// Windows of each segment, in order.
    pub windows: Vec<Vec<WindowTime>>,
}

impl FeatureDataset {
    /// Opens a FEATURES folder or some of its files; bad files are reported to `observer` and left out.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if no window is left; what the files refuse.
    pub fn open(paths: &[PathBuf], observer: &dyn Observer) -> Result<Self> {
        let set = FeatureSet::open(paths)?;
        for rejected in set.rejected() {
            // Without a damaged file the model would be another one, and replace the good one.
            if let Some(record) = written_record(&rejected.path)
                && !record.matches(&rejected.path)
            {
                return Err(PipelineError::Damaged {
                    path: rejected.path.clone(),
                });
            }
            let path = rejected.path.display().to_string();
            let text = rejected.error.to_string();
            // Most errors of the store name the file themselves.
            let mut reason = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text);
            let text;
            if let store::StoreError::Mismatch {
                what: what @ "numbers of channels",
                found,
                expected,
                ..
            } = &rejected.error
            {
                text = format!(
                    "left out: {what} differ, {found} here and {expected} in most files; select channels that all days have with --channel"
                );
                reason = &text;
            }
            observer.problem(&path, reason);
        }
        let meta = set.meta();
        let table = CoefficientTable {
            rows: meta.index.clone(),
        };
        let layout = meta.layout.windows.clone();
        if set.n_windows() == 0 {
            let largest = meta.layout.windows.scales.last().copied().unwrap_or(0);
            let seconds = largest as f64 / meta.layout.sampling_rate;
            let noted = set.days().iter().find_map(|day| {
                let meta = &day.header.meta;
                let notes = DayNote::of(meta)
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
                let note = notes.join("; ");
                (!notes.is_empty())
                    .then(|| format!("{} {}: {note}", meta.station_id(), meta.day_name()))
            });
            let why = noted.unwrap_or_else(|| {
                format!(
                    "no gap-free stretch is as long as the largest window, {largest} samples ({seconds:.0} s)"
                )
            });
            return Err(PipelineError::unusable(
                format!("the feature files hold no window: {why}"),
                "use longer records, or compute the features with shorter --scales",
            ));
        }
        Ok(Self { set, table, layout })
    }

    /// Coefficient table of the files.
    pub fn table(&self) -> &CoefficientTable {
        &self.table
    }

    /// Blocks, scales and stride.
    pub fn layout(&self) -> &WindowLayout {
        &self.layout
    }

    /// Samples a second.
    pub fn sampling_rate(&self) -> f64 {
        self.set.meta().layout.sampling_rate
    }

    /// Metadata that the files share: channels, transform, layout.
    pub fn meta(&self) -> &store::FeatureMeta {
        self.set.meta()
    }

    /// Days with at least one window, in order of station and time.
    pub fn days(&self) -> impl Iterator<Item = &DayEntry> {
        self.set.days().iter().filter(|day| !day.windows.is_empty())
    }

    /// Number of windows in all days.
    pub fn n_windows(&self) -> usize {
        self.set.n_windows()
    }

    /// Loads one day.
    ///
    /// # Errors
    /// What the file refuses; [`PipelineError::Unusable`] with the time of the first coefficient that is NaN or
    /// infinite.
    pub fn load(&self, day: &DayEntry) -> Result<DatasetDay> {
        let features = day.load()?;
        check_finite(
            features.coefficients.view(),
            &features.time,
            &features.meta.channels,
            &day.path,
        )?;
        let windows = window_times(&features)?;
        let mut segments = Vec::new();
        let mut times = Vec::new();
        let mut start = 0;
        while start < features.segment.len() {
            // Blocks of a segment are contiguous in the file.
            let number = features.segment[start];
            let end = start
                + features.segment[start..]
                    .iter()
                    .take_while(|s| **s == number)
                    .count();
            let coefficients = features
                .coefficients
                .slice(ndarray::s![start..end, .., .., ..])
                .to_owned();
            segments.push(BlockSegment { coefficients });
            times.push(
                windows
                    .iter()
                    .filter(|(segment, _)| *segment == number)
                    .map(|(_, time)| time.clone())
                    .collect(),
            );
            start = end;
        }
        Ok(DatasetDay {
            segments,
            windows: times,
        })
    }

    /// All days reduced to energies, a fifth of the memory, with their windows segment by segment.
    ///
    /// # Errors
    /// What a file refuses; [`PipelineError::Interrupted`].
    pub fn load_energies(
        &self,
        observer: &dyn Observer,
    ) -> Result<(Vec<EnergySegment>, Vec<Vec<WindowTime>>)> {
        let mut segments = Vec::new();
        let mut windows = Vec::new();
        observer.begin("read features", self.days().count() as u64, "days");
        for day in self.days() {
            if observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let loaded = self.load(day)?;
            for segment in &loaded.segments {
                segments.push(segment.energies(&self.table, segments.len())?);
            }
            windows.extend(loaded.windows);
            observer.advance(1);
        }
        observer.end();
        Ok((segments, windows))
    }
}

/// Names the first coefficient that is no number, by file, time and channel.
fn check_finite(
    coefficients: ArrayView4<'_, f32>,
    times: &[i64],
    channels: &[String],
    path: &Path,
) -> Result<()> {
    let mut values = coefficients.indexed_iter();
    let Some(((block, channel, coefficient, _), value)) = values.find(|(_, v)| !v.is_finite())
    else {
        return Ok(());
    };
    let time = times.get(block).copied().unwrap_or(0);
    let code = channels.get(channel).map_or("", String::as_str);
    Err(PipelineError::unusable(
        format!(
            "{}: coefficient {coefficient} of channel {code} is {value} in the block that begins at {}, and so in every window that holds it",
            path.display(),
            format_utc(time)
        ),
        "compute the features of that day again, or leave its file out",
    ))
}

fn window_times(features: &DayFeatures) -> Result<Vec<(i32, WindowTime)>> {
    let grid = features.windows()?;
    let station: Arc<str> = features.meta.station_key().to_string().into();
    let n_scales = features.meta.layout.windows.scales.len();
    let times = grid.windows().iter().map(|window| {
        let start_ns = (0..n_scales)
            .map(|scale| grid.span(window, scale).start_ns)
            .collect();
        (
            window.segment,
            WindowTime {
                station: Arc::clone(&station),
                start_ns,
                end_ns: grid.last_sample_ns(window),
            },
        )
    });
    Ok(times.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_named_by_time_and_channel() {
        let mut values = ndarray::Array4::<f32>::ones((3, 2, 4, 2));
        let times = [0, 12_800_000_000, 25_600_000_000];
        let channels = ["BHU".to_owned(), "BHV".to_owned()];
        let check = |values: &ndarray::Array4<f32>| {
            check_finite(values.view(), &times, &channels, Path::new("a.h5"))
        };
        check(&values).unwrap();
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            values[[1, 1, 3, 1]] = wrong;
            let text = check(&values).unwrap_err().to_string();
            assert!(
                text.contains("a.h5: coefficient 3 of channel BHV"),
                "{text}"
            );
            assert!(text.contains("1970-01-01T00:00:12.8"), "{text}");
        }
    }
}
