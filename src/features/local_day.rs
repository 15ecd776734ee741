//! The local day of a station: Earth's, or the Martian sol.

use seismix_data::StationKey;
use seismix_data::time::{DAY_NS, day_start_ns};

use crate::report::Clock;

/// A Martian solar day, ns.
const SOL_NS: i64 = 88_775_244_000_000;
/// Local mean solar midnight of sol 0 at InSight's landing site (135.6 degrees east), 2018-11-26T05:10:50.336Z.
const INSIGHT_SOL_0_NS: i64 = 1_543_209_050_336_000_000;

/// How a station's days go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalDay {
    /// UTC days.
    Utc,
    /// Sols of InSight, in local mean solar time.
    InSight,
}

impl LocalDay {
    /// Of one station: XB.ELYSE and its kin stand on Mars.
    pub fn of(key: &StationKey) -> Self {
        if key.network == "XB" && key.station.starts_with("ELYS") {
            Self::InSight
        } else {
            Self::Utc
        }
    }

    /// Of several stations: UTC unless all keep the same other day.
    pub fn of_all(keys: &[StationKey]) -> Self {
        match keys.split_first() {
            Some((first, rest)) if rest.iter().all(|key| Self::of(key) == Self::of(first)) => {
                Self::of(first)
            }
            _ => Self::Utc,
        }
    }

    /// Its length in ns.
    pub const fn length_ns(self) -> i64 {
        match self {
            Self::Utc => DAY_NS,
            Self::InSight => SOL_NS,
        }
    }

    /// The 24th of the day, 0 to 23, at a time in ns UTC.
    pub fn hour(self, ns: i64) -> usize {
        let of_day = match self {
            Self::Utc => ns - day_start_ns(ns),
            Self::InSight => (ns - INSIGHT_SOL_0_NS).rem_euclid(SOL_NS),
        };
        (of_day / (self.length_ns() / 24)).clamp(0, 23) as usize
    }

    /// The clock that reports name.
    pub const fn clock(self) -> Clock {
        match self {
            Self::Utc => Clock::Utc,
            Self::InSight => Clock::Lmst,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use seismix_data::StreamId;
    use seismix_data::time::parse_utc;

    #[test]
    fn sols_and_days() {
        let key = |id: &str| id.parse::<StreamId>().unwrap().station_key();
        let (mars, earth) = (key("XB.ELYSE.02.BHU"), key("GE.APE..BHZ"));
        assert_eq!(LocalDay::of(&mars), LocalDay::InSight);
        assert_eq!(
            LocalDay::of_all(&[mars.clone(), earth.clone()]),
            LocalDay::Utc
        );
        assert_eq!(LocalDay::of_all(&[mars.clone(), mars]), LocalDay::InSight);
        let noon = parse_utc("2019-06-05T12:30:00Z").unwrap();
        assert_eq!(LocalDay::of(&earth).hour(noon), 12);
        let sol_185 = INSIGHT_SOL_0_NS + 185 * SOL_NS;
        assert_eq!(LocalDay::InSight.hour(sol_185), 0);
        assert_eq!(LocalDay::InSight.hour(sol_185 - 1), 23);
        assert_eq!(LocalDay::InSight.hour(sol_185 + SOL_NS / 2), 12);
    }
}
