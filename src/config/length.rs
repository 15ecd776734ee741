//! A duration given in samples or in seconds.

use std::fmt;
use std::str::FromStr;

use crate::config::{ConfigError, Result, serde_as_text};

/// A duration: `1024` samples, or `51.2s`, which becomes samples once the sampling rate is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// A number of samples, at least 1.
    Samples(usize),
    /// Seconds, positive and finite.
    Seconds(f64),
}

impl Length {
    /// The number of samples at `sampling_rate` (Hz).
    ///
    /// # Errors
    /// If the seconds are not a whole number of samples at that rate (within 1e-6 of a sample): the text names
    /// the nearest durations that are.
    pub fn samples(self, sampling_rate: f64) -> Result<usize> {
        let seconds = match self {
            Self::Samples(n) => return Ok(n),
            Self::Seconds(seconds) => seconds,
        };
        if !(sampling_rate > 0.0 && sampling_rate.is_finite()) {
            return Err(ConfigError::new(format!(
                "`{self}` needs a sampling rate, and the record's is {sampling_rate} Hz; give the length in samples"
            )));
        }
        let exact = seconds * sampling_rate;
        let nearest = exact.round().max(1.0);
        if (exact - nearest).abs() > 1e-6 * nearest || nearest > 2f64.powi(40) {
            return Err(ConfigError::new(format!(
                "`{self}` is {exact:.6} samples at {sampling_rate} samples/s; the nearest whole number is {nearest} samples, `{}s`",
                nearest / sampling_rate
            )));
        }
        Ok(nearest as usize)
    }
}

impl FromStr for Length {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(number) = text.strip_suffix('s') {
            return match number.trim().parse::<f64>() {
                Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(Self::Seconds(seconds)),
                _ => Err(ConfigError::new(format!(
                    "`{text}` is not a valid duration; write seconds as `51.2s`"
                ))),
            };
        }
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(Self::Samples(n)),
            _ => Err(ConfigError::new(format!(
                "`{text}` is not a valid length; write samples as `1024` or seconds as `51.2s`"
            ))),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samples(n) => write!(f, "{n}"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

serde_as_text!(Length);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_seconds() {
        assert_eq!("1024".parse(), Ok(Length::Samples(1024)));
        assert_eq!("51.2s".parse(), Ok(Length::Seconds(51.2)));
        assert_eq!(Length::Seconds(51.2).samples(20.0), Ok(1024));
        assert_eq!(Length::Seconds(0.1 + 0.2).samples(10.0), Ok(3));
        for wrong in ["", "0", "-1", "1.5", "0s", "infs", "NaNs", "51.2m"] {
            assert!(wrong.parse::<Length>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fraction_of_a_sample_is_an_error_that_names_the_nearest() {
        let error = Length::Seconds(51.23).samples(20.0).unwrap_err();
        assert!(error.to_string().contains("`51.25s`"), "{error}");
    }

    #[test]
    fn reads_what_it_prints() {
        for length in [Length::Samples(7), Length::Seconds(51.2)] {
            let json = serde_json::to_string(&length).unwrap();
            assert_eq!(serde_json::from_str::<Length>(&json).unwrap(), length);
        }
    }
}
