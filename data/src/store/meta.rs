//! Metadata of a whole feature file: its origin and settings.

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::grid::BlockLayout;
use seismix_core::coefficient::CoefficientRow;

use crate::time;
use crate::{StationKey, StreamId};

/// Version of the file layout described in [`crate::store`].
pub const FORMAT_VERSION: u32 = 1;

/// Facts about one feature file. Serialised as JSON into the attribute `meta`; [`index`](Self::index),
/// [`provenance`](Self::provenance) have a place of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureMeta {
    /// Layout version; [`FORMAT_VERSION`] when written.
    pub format_version: u32,
    /// Network code, e.g. `XB`.
    pub network: String,
    /// Station code, e.g. `ELYSE`.
    pub station: String,
    /// Location code, e.g. `02`; may be empty.
    pub location: String,
    /// Channel codes in the order of the channel axis, e.g. `BHU BHV BHW`.
    pub channels: Vec<String>,
    /// Midnight UTC of the day on which the windows end, ns since 1970.
    pub day_start_ns: i64,
    /// Blocks, windows and sampling rate.
    pub layout: BlockLayout,
    /// Octaves of the first and the second layer.
    pub octaves: Vec<usize>,
    /// Wavelets an octave in the first and the second layer.
    pub wavelets_per_octave: Vec<usize>,
    /// Wavelet, e.g. `battle-lemarie`.
    pub wavelet: String,
    /// Set of coefficients, e.g. `scat+cov`.
    pub coefficients: String,
    /// Assumption beyond the ends of a segment, e.g. `reflect`.
    pub boundary: String,
    /// For each segment in the file, in order: the block (counted in the file) at which its first window starts.
    pub grid_start: Vec<usize>,
    /// Why the file holds no window, or other remarks worth keeping.
    #[serde(default)]
    pub note: Option<String>,
    /// The coefficient table, one row a coefficient.
    #[serde(skip)]
    pub index: Vec<CoefficientRow>,
    /// Version, full configuration and inputs with their sha256, free form.
    #[serde(skip)]
    pub provenance: serde_json::Value,
}

impl FeatureMeta {
    /// Name of the file in a FEATURES folder: `NET.STA.LOC.YEAR.DAY.h5`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}.h5", self.station_id(), self.day_name())
    }

    /// `NET.STA.LOC`.
    #[must_use]
    pub fn station_id(&self) -> String {
        format!("{}.{}.{}", self.network, self.station, self.location)
    }

    /// Station and band, the `id` of cluster tables (`XB.ELYSE.02.BH`): the band is that of the first channel.
    #[must_use]
    pub fn station_key(&self) -> StationKey {
        let channel = self.channels.first().cloned().unwrap_or_default();
        StreamId::new(&self.network, &self.station, &self.location, channel).station_key()
    }

    /// Year and day of the year, `2019.156`.
    #[must_use]
    pub fn day_name(&self) -> String {
        let (year, day) = time::year_day(self.day_start_ns);
        format!("{year:04}.{day:03}")
    }

    /// Checks what can be checked without the arrays.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with the fact that is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        self.layout.check()?;
        if self.channels.is_empty() {
            return Err(StoreError::invalid("no channel is named"));
        }
        if self.index.is_empty() {
            return Err(StoreError::invalid("the coefficient table is empty"));
        }
        if time::day_start_ns(self.day_start_ns) != self.day_start_ns {
            return Err(StoreError::invalid(format!(
                "day {} does not start at midnight UTC",
                time::format_utc(self.day_start_ns)
            )));
        }
        let codes = [&self.network, &self.station, &self.location]
            .into_iter()
            .chain(&self.channels);
        for code in codes {
            if code.contains(|c: char| !c.is_ascii_graphic() || "./\\*?".contains(c)) {
                return Err(StoreError::invalid(format!(
                    "`{code}` is no network, station, location or channel code"
                )));
            }
        }
        Ok(())
    }

    /// The first setting in which two files of a set differ: its name, this value and the other's.
    pub(super) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let pairs = [
            (
                "octaves",
                format!("{:?}", self.octaves),
                format!("{:?}", other.octaves),
            ),
            (
                "wavelets per octave",
                format!("{:?}", self.wavelets_per_octave),
                format!("{:?}", other.wavelets_per_octave),
            ),
            ("wavelets", self.wavelet.clone(), other.wavelet.clone()),
            (
                "coefficients",
                self.coefficients.clone(),
                other.coefficients.clone(),
            ),
            ("boundaries", self.boundary.clone(), other.boundary.clone()),
            (
                "block lengths",
                self.layout.windows.block_samples.to_string(),
                other.layout.windows.block_samples.to_string(),
            ),
            (
                "scales",
                format!("{:?}", self.layout.windows.scales),
                format!("{:?}", other.layout.windows.scales),
            ),
            (
                "strides",
                self.layout.windows.stride_samples.to_string(),
                other.layout.windows.stride_samples.to_string(),
            ),
            (
                "sampling rates",
                self.layout.sampling_rate.to_string(),
                other.layout.sampling_rate.to_string(),
            ),
            (
                "numbers of channels",
                self.channels.len().to_string(),
                other.channels.len().to_string(),
            ),
            (
                "numbers of coefficients",
                self.index.len().to_string(),
                other.index.len().to_string(),
            ),
        ];
        let found = pairs.into_iter().find(|(_, a, b)| a != b);
        if found.is_none() && self.index != other.index {
            return Some(("coefficient tables", "one order".into(), "another".into()));
        }
        found
    }
}
