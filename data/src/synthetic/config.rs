//! Settings of a synthetic archive.

use serde::{Deserialize, Serialize};

use super::pulse::Seismometer;
use crate::time::{DAY_NS, day_start_ns};

/// Settings of a synthetic archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyntheticConfig {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Whole UTC days.
    pub days: usize,
    /// Network code.
    pub network: String,
    /// Station code.
    pub station: String,
    /// Location code; may be empty.
    pub location: String,
    /// Channel codes.
    pub channels: [String; 3],
    /// Midnight UTC of the first day, ns since 1970.
    pub start_ns: i64,
    /// Samples a second; a whole number.
    pub sampling_rate: f64,
    /// Geometric mean of the background's rms over a day, in counts.
    pub level_counts: f64,
    /// Largest over smallest rms of the background within a day.
    pub gain_range: f64,
    /// The instrument that shapes the pulses.
    pub seismometer: Seismometer,
    /// A gap of 149 s on the second day, with the sentinel -8388607 as the last sample before it.
    pub gap: bool,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            days: 2,
            network: "XX".into(),
            station: "DEMO".into(),
            location: "00".into(),
            channels: ["BHU", "BHV", "BHW"].map(String::from),
            start_ns: 18_687 * DAY_NS, // 2021-03-01
            sampling_rate: 20.0,
            level_counts: 60.0,
            gain_range: 10.0,
            seismometer: Seismometer::default(),
            gap: true,
        }
    }
}

/// Why no archive was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// A setting that makes no sense.
    #[error("synthetic archive: {0}")]
    Config(String),
    /// A record or a truth file could not be written.
    #[error(transparent)]
    Write(#[from] crate::Error),
}

impl SyntheticConfig {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// [`SyntheticError::Config`] with the setting and what it may be.
    pub fn check(&self) -> Result<(), SyntheticError> {
        let refuse = |reason: String| Err(SyntheticError::Config(reason));
        if !(1..=3660).contains(&self.days) {
            return refuse(format!("days is {}; use 1 to 3660", self.days));
        }
        let in_range = self.start_ns >= 0 && self.start_ns <= i64::MAX - 4000 * DAY_NS;
        if !in_range || day_start_ns(self.start_ns) != self.start_ns {
            return refuse(format!(
                "start_ns is {}; use a midnight UTC from 1970 to 2250",
                self.start_ns
            ));
        }
        let rate = self.sampling_rate;
        if !(1.0..=1000.0).contains(&rate) || rate.fract() != 0.0 {
            return refuse(format!(
                "sampling_rate is {rate}; use a whole number from 1 to 1000"
            ));
        }
        // Pulses reach 100 times the largest rms; they must stay far from full scale.
        if !(1.0..=5000.0).contains(&self.level_counts) {
            return refuse(format!(
                "level_counts is {}; use 1 to 5000",
                self.level_counts
            ));
        }
        if !(1.0..=100.0).contains(&self.gain_range) {
            return refuse(format!("gain_range is {}; use 1 to 100", self.gain_range));
        }
        self.seismometer.check().map_err(SyntheticError::Config)?;
        let lengths = [
            (&self.network, 1, 2),
            (&self.station, 1, 5),
            (&self.location, 0, 2),
        ];
        let channels = self.channels.iter().map(|code| (code, 3, 3));
        for (code, least, most) in lengths.into_iter().chain(channels) {
            if !(least..=most).contains(&code.len())
                || !code.chars().all(|c| c.is_ascii_alphanumeric())
            {
                return refuse(format!(
                    "`{code}` is no code of {least} to {most} letters and digits"
                ));
            }
        }
        Ok(())
    }

    /// Samples of each channel in a day.
    #[must_use]
    pub fn day_samples(&self) -> usize {
        self.samples(86_400.0)
    }

    /// Samples in so many seconds, rounded.
    pub(super) fn samples(&self, seconds: f64) -> usize {
        (seconds * self.sampling_rate).round() as usize
    }

    /// Time of a sample counted from the start of the archive, which may be fractional.
    pub(super) fn time_ns(&self, sample: f64) -> i64 {
        let (whole, rest) = (sample.floor(), sample - sample.floor());
        let step = 1e9 / self.sampling_rate;
        // 1e9 / rate need not be whole, so go by whole seconds first.
        let rate = self.sampling_rate as i64;
        let seconds = (whole as i64).div_euclid(rate);
        let within = ((whole as i64).rem_euclid(rate) as f64 + rest) * step;
        self.start_ns + seconds * 1_000_000_000 + within.round() as i64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn senseless_settings_are_refused() {
        let good = SyntheticConfig::default();
        good.check().unwrap();
        let bad = [
            SyntheticConfig {
                days: 0,
                ..good.clone()
            },
            SyntheticConfig {
                start_ns: 1,
                ..good.clone()
            },
            SyntheticConfig {
                sampling_rate: f64::NAN,
                ..good.clone()
            },
            SyntheticConfig {
                level_counts: 1e6,
                ..good.clone()
            },
            SyntheticConfig {
                gain_range: 0.5,
                ..good.clone()
            },
            SyntheticConfig {
                station: "TOOLONG".into(),
                ..good.clone()
            },
            SyntheticConfig {
                station: "a/b".into(),
                ..good.clone()
            },
            SyntheticConfig {
                seismometer: Seismometer {
                    period_s: f64::INFINITY,
                    ..good.seismometer
                },
                ..good.clone()
            },
        ];
        for config in bad {
            assert!(config.check().is_err(), "{config:?}");
        }
    }

    #[test]
    fn sample_times_are_exact() {
        let config = SyntheticConfig::default();
        assert_eq!(config.time_ns(0.0), config.start_ns);
        assert_eq!(config.time_ns(1_728_000.0), config.start_ns + DAY_NS);
        assert_eq!(config.time_ns(20.5), config.start_ns + 1_025_000_000);
        let config = SyntheticConfig {
            sampling_rate: 3.0,
            ..config
        };
        assert_eq!(config.time_ns(4.0), config.start_ns + 1_333_333_333);
    }
}
