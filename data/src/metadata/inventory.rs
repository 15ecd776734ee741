//! Networks, stations and the epochs of their channels.

use num_complex::Complex64;

use super::error::{MetadataError, Remark, ResponseError};
use super::response::{OutputUnit, Response};
use crate::id::StreamId;
use crate::time::TimeSpan;

/// Metadata of instruments, in the order of their file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// The networks; one code may occur several times, with different epochs.
    pub networks: Vec<Network>,
    /// Parts of the file that were left out.
    pub remarks: Vec<Remark>,
}

/// A network in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Network code, `XB`.
    pub code: String,
    /// Epoch, all time where the file has no dates.
    pub epoch: TimeSpan,
    /// Description in words.
    pub description: Option<String>,
    /// The stations.
    pub stations: Vec<Station>,
}

/// A station in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// Station code, `ELYSE`.
    pub code: String,
    /// Epoch, that of the network where the file has no dates.
    pub epoch: TimeSpan,
    /// Position of the station.
    pub position: Position,
    /// Name of the site.
    pub site: Option<String>,
    /// Epochs of the channels.
    pub channels: Vec<ChannelEpoch>,
}

/// Place on or in a planet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Latitude in degrees, north is positive.
    pub latitude_deg: f64,
    /// Longitude in degrees, east is positive.
    pub longitude_deg: f64,
    /// Elevation of the surface in m.
    pub elevation_m: f64,
}

/// A channel in one epoch, during which nothing about it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelEpoch {
    /// The stream.
    pub id: StreamId,
    /// Epoch, that of the station where the file has no dates.
    pub epoch: TimeSpan,
    /// Position of the sensor.
    pub position: Position,
    /// Depth of the sensor below the surface in m.
    pub depth_m: f64,
    /// Azimuth of the sensor's axis in degrees from north, clockwise.
    pub azimuth_deg: Option<f64>,
    /// Dip of the sensor's axis in degrees below the horizontal, -90 for up.
    pub dip_deg: Option<f64>,
    /// Sampling rate in Hz.
    pub sampling_rate_hz: Option<f64>,
    /// Type or description of the sensor.
    pub sensor: Option<String>,
    /// Response from ground motion to samples.
    pub response: Option<Response>,
    /// Line of the channel in its file, from 1.
    pub line: u64,
}

impl Inventory {
    /// Epochs of all channels, in the order of the file.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelEpoch> {
        let stations = self.networks.iter().flat_map(|n| &n.stations);
        stations.flat_map(|s| &s.channels)
    }

    /// The epoch of a stream at a time, ns UTC. An epoch holds its start and not its end.
    ///
    /// Epochs that overlap and do not differ in what they say are one; the first is returned.
    ///
    /// # Errors
    /// [`MetadataError::NoStream`] if the stream is unknown, [`MetadataError::NoEpoch`] with the epochs that exist and
    /// the span that is missing, [`MetadataError::SeveralEpochs`] if epochs contradict each other at this time. The
    /// remedy of each is StationXML that has this channel once at this time.
    pub fn channel_at(&self, id: &StreamId, time_ns: i64) -> Result<&ChannelEpoch, MetadataError> {
        let of_stream: Vec<&ChannelEpoch> = self.channels().filter(|c| c.id == *id).collect();
        let holding = of_stream.iter().filter(|c| c.epoch.contains(time_ns));
        let holding: Vec<&ChannelEpoch> = holding.copied().collect();
        match holding.as_slice() {
            [] if of_stream.is_empty() => Err(self.unknown_stream(id)),
            [] => Err(no_epoch(id, time_ns, &of_stream)),
            [first, others @ ..] if others.iter().all(|o| first.agrees(o)) => Ok(first),
            _ => Err(MetadataError::SeveralEpochs {
                id: Box::new(id.clone()),
                time_ns,
                epochs: epochs(&holding),
            }),
        }
    }

    fn unknown_stream(&self, id: &StreamId) -> MetadataError {
        let same_station =
            |c: &&ChannelEpoch| c.id.network == id.network && c.id.station == id.station;
        let ids = |channels: Vec<&ChannelEpoch>| {
            let mut ids: Vec<StreamId> = channels.iter().map(|c| c.id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        let mut known = ids(self.channels().filter(same_station).collect());
        if known.is_empty() {
            known = ids(self.channels().collect());
        }
        MetadataError::NoStream {
            id: Box::new(id.clone()),
            known,
        }
    }
}

impl ChannelEpoch {
    /// Response at each frequency, see [`Response::evaluate`].
    ///
    /// # Errors
    /// [`MetadataError::Response`] with the stream, the epoch and the reason.
    pub fn response_at(
        &self,
        frequencies_hz: &[f64],
        output: OutputUnit,
    ) -> Result<Vec<Complex64>, MetadataError> {
        let response = self.response.as_ref().ok_or(ResponseError::NoStages);
        let values = response.and_then(|r| r.evaluate(frequencies_hz, output));
        values.map_err(|source| MetadataError::Response {
            id: Box::new(self.id.clone()),
            epoch: self.epoch,
            source,
        })
    }

    /// True if another epoch says the same about the instrument.
    fn agrees(&self, other: &Self) -> bool {
        self.position == other.position
            && self.depth_m == other.depth_m
            && self.azimuth_deg == other.azimuth_deg
            && self.dip_deg == other.dip_deg
            && self.sampling_rate_hz == other.sampling_rate_hz
            && self.response == other.response
    }
}

/// Epochs in the order of their starts.
fn epochs(channels: &[&ChannelEpoch]) -> Vec<TimeSpan> {
    let mut epochs: Vec<TimeSpan> = channels.iter().map(|c| c.epoch).collect();
    epochs.sort();
    epochs
}

fn no_epoch(id: &StreamId, time_ns: i64, of_stream: &[&ChannelEpoch]) -> MetadataError {
    let epochs = epochs(of_stream);
    let ends = epochs.iter().map(|e| e.end_ns).filter(|e| *e <= time_ns);
    let starts = epochs.iter().map(|e| e.start_ns).filter(|s| *s > time_ns);
    let missing = TimeSpan::new(
        ends.max().unwrap_or(i64::MIN),
        starts.min().unwrap_or(i64::MAX),
    );
    MetadataError::NoEpoch {
        id: Box::new(id.clone()),
        time_ns,
        missing,
        epochs,
    }
}
