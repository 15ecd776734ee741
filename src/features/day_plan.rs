//! Plan of one station-day: layout, transform, the span that is read, and the memory that it takes.

use std::collections::BTreeSet;

use seismix_data::TimeSpan;
use seismix_data::archive::{Archive, StationDay};
use seismix_data::store::{BlockLayout, FORMAT_VERSION, FeatureMeta, WindowLayout};
use seismix_data::time::{DAY_NS, steps_ns, year_day};
use serde_json::json;

use crate::config::{Boundary, Memory, TransformConfig};
use crate::features::blocks::{BlockPlan, block_plan};
use crate::records::sampling_rate;
use crate::stage::{PipelineError, Result};

/// Bytes of a sample: decoded, copied in the transform's precision, and what the readers hold.
const SAMPLE_BYTES: f64 = 28.0;
/// Bytes of a coefficient in the file's precision and in the transform's.
const COEFFICIENT_BYTES: f64 = 24.0;
/// Bytes that a day takes whatever its length.
const FIXED_BYTES: f64 = 1e8;

/// Name of a day's feature file.
pub(crate) fn file_name(day: &StationDay) -> String {
    let (year, of_year) = year_day(day.day_start_ns);
    let key = &day.key;
    format!(
        "{}.{}.{}.{year:04}.{of_year:03}.h5",
        key.network, key.station, key.location
    )
}

/// Station and day, as messages name them.
pub(crate) fn day_name(day: &StationDay) -> String {
    let (year, of_year) = year_day(day.day_start_ns);
    format!("{} {year:04}.{of_year:03}", day.key)
}

/// Everything about one station-day that is known before its records are read.
pub(crate) struct DayPlan<'a> {
    archive: &'a Archive,
    day: &'a StationDay,
    transform: &'a TransformConfig,
    /// Sampling rate and windows.
    pub layout: BlockLayout,
    /// Transform of a segment into blocks.
    pub blocks: Box<dyn BlockPlan>,
    /// Span that is read: the day, and around it the largest window and the transform's context.
    pub span: TimeSpan,
}

impl<'a> DayPlan<'a> {
    /// Plans a day.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] if the channels differ in rate; what the settings refuse.
    pub fn new(
        archive: &'a Archive,
        day: &'a StationDay,
        transform: &'a TransformConfig,
    ) -> Result<Self> {
        let rate = sampling_rate(archive, &day.key).ok_or_else(|| {
            PipelineError::unusable(
                format!("the channels of {} have different sampling rates", day.key),
                "select channels of one rate with --channel",
            )
        })?;
        let resolved = transform.resolve(rate)?;
        let layout = BlockLayout {
            sampling_rate: rate,
            windows: WindowLayout {
                block_samples: resolved.block,
                scales: resolved.scales,
                stride_samples: resolved.stride,
            },
        };
        let blocks = block_plan(transform, &layout)?;
        let largest = layout.windows.scales.last().copied().unwrap_or(0);
        let before = steps_ns(largest + blocks.context_samples(), rate);
        let after = steps_ns(blocks.context_samples(), rate);
        let end = day.day_start_ns.saturating_add(DAY_NS);
        Ok(Self {
            archive,
            day,
            transform,
            span: TimeSpan::new(
                day.day_start_ns.saturating_sub(before),
                end.saturating_add(after),
            ),
            layout,
            blocks,
        })
    }

    /// Samples of the largest window.
    pub fn largest(&self) -> usize {
        self.layout.windows.scales.last().copied().unwrap_or(0)
    }

    /// Configuration for the provenance: the use that is made of the files matters as much as the files.
    pub fn configuration(&self) -> serde_json::Value {
        let used = self.span.intersection(&self.archive.selection().span);
        json!({
            "transform": self.transform,
            "channels": self.channels_in(used),
            "start_ns": used.start_ns,
            "end_ns": used.end_ns,
        })
    }

    /// Facts of the feature file that are known so far.
    pub fn meta(&self, provenance: serde_json::Value) -> FeatureMeta {
        let (key, transform) = (&self.day.key, self.transform);
        FeatureMeta {
            format_version: FORMAT_VERSION,
            network: key.network.clone(),
            station: key.station.clone(),
            location: key.location.clone(),
            channels: Vec::new(),
            day_start_ns: self.day.day_start_ns,
            layout: self.layout.clone(),
            octaves: vec![transform.octaves.first, transform.octaves.second],
            wavelets_per_octave: vec![transform.quality.first, transform.quality.second],
            wavelet: transform.wavelet.to_string(),
            coefficients: "scat+cov".into(),
            boundary: transform.boundary.to_string(),
            grid_start: Vec::new(),
            note: None,
            index: self.blocks.index(),
            provenance,
        }
    }

    /// Channels of the station that have samples in a span, sorted.
    fn channels_in(&self, span: TimeSpan) -> BTreeSet<String> {
        let files = self.archive.files_of(&self.day.key, span).into_iter();
        files
            .flat_map(|file| &file.spans)
            .filter(|stretch| stretch.id.station_key() == self.day.key)
            .map(|stretch| stretch.id.channel.clone())
            .collect()
    }

    /// Peak memory, about.
    pub fn memory_bytes(&self) -> u64 {
        let samples = self.seconds() * self.layout.sampling_rate;
        let layout = &self.layout;
        let n_blocks = match self.transform.boundary {
            Boundary::Continuous => samples / layout.windows.block_samples as f64,
            // Windows share no blocks: each is reflected by itself.
            Boundary::Reference => {
                samples / layout.windows.stride_samples as f64
                    * (self.largest() / layout.windows.block_samples) as f64
            }
        };
        let coefficients = n_blocks * n_coefficients(self.transform) * COEFFICIENT_BYTES;
        let scratch =
            self.blocks.scratch_bytes(samples as usize) * rayon::current_num_threads() as u64;
        (samples * SAMPLE_BYTES + coefficients + FIXED_BYTES) as u64 + scratch
    }

    /// Seconds of record of all channels together, in the day and the largest window before it.
    fn seconds(&self) -> f64 {
        let before = steps_ns(self.largest(), self.layout.sampling_rate);
        let of_day = TimeSpan::day_of(self.day.day_start_ns);
        let span = TimeSpan::new(of_day.start_ns.saturating_sub(before), of_day.end_ns)
            .intersection(&self.archive.selection().span);
        let files = self.archive.files_of(&self.day.key, span).into_iter();
        files
            .flat_map(|file| &file.spans)
            .filter(|stretch| stretch.id.station_key() == self.day.key)
            .map(|stretch| {
                let within = TimeSpan::new(stretch.start_ns, stretch.end_ns).intersection(&span);
                (within.end_ns - within.start_ns).max(0) as f64 / 1e9
            })
            .sum()
    }

    /// Refuses a day that does not fit into the memory allowed.
    ///
    /// # Errors
    /// [`PipelineError::Unusable`] with the memory that would do.
    pub fn check_memory(&self, allowed: Memory) -> Result<()> {
        let bytes = self.memory_bytes();
        if bytes <= allowed.bytes {
            return Ok(());
        }
        let mebibytes = bytes.div_ceil(1 << 20);
        Err(PipelineError::unusable(
            format!(
                "the day takes about {mebibytes} MiB, and --memory allows {allowed}; raise it, or select fewer channels with --channel"
            ),
            format!("--memory {mebibytes}MiB is enough"),
        ))
    }
}

/// Coefficients of `scat+cov`, about: most are envelopes, one for each pair of first-layer scales below each second
/// one.
fn n_coefficients(transform: &TransformConfig) -> f64 {
    let first = (transform.octaves.first * transform.quality.first) as f64;
    let second = (transform.octaves.second * transform.quality.second) as f64;
    (first + 2.0) * (first + 2.0) * (second + 2.0) / 4.0
}
