//! Names of streams and of stations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One stream, `NET.STA.LOC.CHA`; an empty location stays empty (`CH.PANIX..LHZ`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    /// Network code, `XB`.
    pub network: String,
    /// Station code, `ELYSE`.
    pub station: String,
    /// Location code, `02`, or empty.
    pub location: String,
    /// Channel code, `BHU`.
    pub channel: String,
}

impl StreamId {
    /// A stream from its four codes.
    pub fn new(
        network: impl Into<String>,
        station: impl Into<String>,
        location: impl Into<String>,
        channel: impl Into<String>,
    ) -> Self {
        Self {
            network: network.into(),
            station: station.into(),
            location: location.into(),
            channel: channel.into(),
        }
    }

    /// The station, location and band that this stream belongs to.
    pub fn station_key(&self) -> StationKey {
        StationKey {
            network: self.network.clone(),
            station: self.station.clone(),
            location: self.location.clone(),
            band: self.channel.chars().take(2).collect(),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.network, self.station, self.location, self.channel
        )
    }
}

impl FromStr for StreamId {
    type Err = Error;

    /// Reads `NET.STA.LOC.CHA`; `--` for the location means empty.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let &[network, station, location, channel] = parts.as_slice() else {
            return Err(Error::Id {
                text: text.to_owned(),
                expected: "stream id; write NET.STA.LOC.CHA as in XB.ELYSE.02.BHU",
            });
        };
        let location = if location == "--" { "" } else { location };
        Ok(Self::new(network, station, location, channel))
    }
}

impl TryFrom<String> for StreamId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.to_string()
    }
}

/// The streams that are processed together: one station, location and band; prints as `XB.ELYSE.02.BH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StationKey {
    /// Network code.
    pub network: String,
    /// Station code.
    pub station: String,
    /// Location code, or empty.
    pub location: String,
    /// First two letters of the channel codes, `BH`.
    pub band: String,
}

impl fmt::Display for StationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.network, self.station, self.location, self.band
        )
    }
}

impl FromStr for StationKey {
    type Err = Error;

    /// Reads `NET.STA.LOC.BAND`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let id: StreamId = text.parse().map_err(|_| Error::Id {
            text: text.to_owned(),
            expected: "station key; write NET.STA.LOC.BAND as in XB.ELYSE.02.BH",
        })?;
        Ok(Self {
            network: id.network,
            station: id.station,
            location: id.location,
            band: id.channel,
        })
    }
}

impl TryFrom<String> for StationKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<StationKey> for String {
    fn from(key: StationKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_through_text_and_json() {
        for text in ["XB.ELYSE.02.BHU", "CH.PANIX..LHZ", ".GRA1..BHZ", "..."] {
            let id: StreamId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<StreamId>(&json).unwrap(), id);
        }
        assert_eq!("A.B.--.C".parse::<StreamId>().unwrap().location, "");
    }

    #[test]
    fn wrong_text_is_an_error_with_an_example() {
        let error = "XB.ELYSE.BHU".parse::<StreamId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`XB.ELYSE.BHU` is not a valid stream id; write NET.STA.LOC.CHA as in XB.ELYSE.02.BHU"
        );
    }

    #[test]
    fn station_key_takes_the_band() {
        let id: StreamId = "XB.ELYSE.02.BHU".parse().unwrap();
        let key = id.station_key();
        assert_eq!(key.to_string(), "XB.ELYSE.02.BH");
        assert_eq!("XB.ELYSE.02.BH".parse::<StationKey>().unwrap(), key);
    }
}
