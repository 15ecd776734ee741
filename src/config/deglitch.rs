//! Settings of the removal of glitches.

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Result};

/// Settings of [`deglitch`](crate::deglitch::deglitch).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeglitchConfig {
    /// False discovery rate: finds with a q-value of at most this are removed.
    pub fdr: f64,
    /// Remove finds of at least the least score although no false discovery rate can be promised for them.
    pub remove_unsure: bool,
    /// Duration of a glitch's waveform, s.
    pub duration_s: f64,
    /// First instant of the records that are learned from, ns UTC.
    pub calibrate_from_ns: Option<i64>,
    /// Last instant of those records, excluded.
    pub calibrate_to_ns: Option<i64>,
    /// Use the templates that come with the program where a record is too short to learn from.
    pub bundled: bool,
}

impl Default for DeglitchConfig {
    fn default() -> Self {
        Self {
            fdr: 0.05,
            remove_unsure: false,
            duration_s: 51.2,
            calibrate_from_ns: None,
            calibrate_to_ns: None,
            bundled: true,
        }
    }
}

impl DeglitchConfig {
    /// Largest false discovery rate on offer: a larger one is not kept in quiet hours.
    pub const MAX_FDR: f64 = 0.05;

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] that names the setting and its range.
    pub fn check(&self) -> Result<()> {
        if !(self.fdr > 0.0 && self.fdr <= Self::MAX_FDR) {
            return Err(ConfigError::new(format!(
                "the false discovery rate {} is not above 0 and at most {}: larger ones are not kept in quiet hours",
                self.fdr,
                Self::MAX_FDR
            )));
        }
        if !(self.duration_s > 0.0 && self.duration_s <= 3600.0) {
            return Err(ConfigError::new(format!(
                "the duration {} s is not above 0 and at most 3600 s",
                self.duration_s
            )));
        }
        if let (Some(from), Some(to)) = (self.calibrate_from_ns, self.calibrate_to_ns)
            && from >= to
        {
            return Err(ConfigError::new(
                "the end of the calibration is not after its start",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rates_beyond_the_promise_are_refused() {
        let with = |fdr| DeglitchConfig {
            fdr,
            ..DeglitchConfig::default()
        };
        assert!(with(0.05).check().is_ok());
        for fdr in [0.0, -1.0, 0.051, f64::NAN] {
            assert!(with(fdr).check().is_err(), "{fdr}");
        }
    }
}
