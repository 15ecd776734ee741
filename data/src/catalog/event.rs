//! Events with their origins, magnitudes and picks.

use crate::id::StreamId;

/// A catalogue of events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// Identifier, `smi:local/catalog`.
    pub public_id: String,
    /// Description in words.
    pub description: Option<String>,
    /// Comments on the whole catalogue.
    pub comments: Vec<String>,
    /// The events, in the order of the file.
    pub events: Vec<CatalogEvent>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogEvent {
    /// Identifier.
    pub public_id: String,
    /// Type from QuakeML's list, such as `earthquake` or `other event`.
    pub kind: Option<String>,
    /// Descriptions, such as a name or a region.
    pub descriptions: Vec<String>,
    /// Comments.
    pub comments: Vec<String>,
    /// Identifier of the preferred origin.
    pub preferred_origin_id: Option<String>,
    /// Identifier of the preferred magnitude.
    pub preferred_magnitude_id: Option<String>,
    /// Origins.
    pub origins: Vec<Origin>,
    /// Magnitudes.
    pub magnitudes: Vec<Magnitude>,
    /// Picks.
    pub picks: Vec<Pick>,
    /// Line of the event in its file, from 1; 0 for one that was not read.
    pub line: u64,
}

impl CatalogEvent {
    /// The preferred origin, or else the first; `None` if there is none.
    pub fn origin(&self) -> Option<&Origin> {
        let preferred = |o: &&Origin| Some(&o.public_id) == self.preferred_origin_id.as_ref();
        self.origins.iter().find(preferred).or(self.origins.first())
    }

    /// The preferred magnitude, or else the first; `None` if there is none.
    pub fn magnitude(&self) -> Option<&Magnitude> {
        let preferred = |m: &&Magnitude| Some(&m.public_id) == self.preferred_magnitude_id.as_ref();
        let found = self.magnitudes.iter().find(preferred);
        found.or(self.magnitudes.first())
    }
}

/// Time and place of an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// Identifier.
    pub public_id: String,
    /// Origin time, ns UTC.
    pub time_ns: i64,
    /// Latitude in degrees, if known.
    pub latitude_deg: Option<f64>,
    /// Longitude in degrees, if known.
    pub longitude_deg: Option<f64>,
    /// Depth in m, if known.
    pub depth_m: Option<f64>,
}

/// A magnitude.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Magnitude {
    /// Identifier.
    pub public_id: String,
    /// The value.
    pub value: f64,
    /// Type, such as `Mw`.
    pub kind: Option<String>,
}

/// An arrival on a channel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pick {
    /// Identifier.
    pub public_id: String,
    /// Time of the arrival, ns UTC.
    pub time_ns: i64,
    /// The channel; codes that the file leaves out are empty.
    pub id: StreamId,
    /// Phase, such as `P`.
    pub phase: Option<String>,
    /// Comments.
    pub comments: Vec<String>,
    /// Line of the pick in its file, from 1; 0 for one that was not read.
    pub line: u64,
}
