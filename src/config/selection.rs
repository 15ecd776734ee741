//! Selection of records.

use seismix_data::archive::{Selection, Wildcards};
use seismix_data::{Error, TimeSpan};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Result};

/// Selection of records, as in FDSN web services.
///
/// Codes are lists separated by commas with the wildcards `*` and `?`; `--` is the empty location; `None` is
/// everything. The span is half-open: `starttime <= t < endtime`, i64 nanoseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionConfig {
    /// Network codes.
    pub network: Option<String>,
    /// Station codes.
    pub station: Option<String>,
    /// Location codes.
    pub location: Option<String>,
    /// Channel codes.
    pub channel: Option<String>,
    /// First instant, included.
    pub starttime_ns: Option<i64>,
    /// Last instant, excluded.
    pub endtime_ns: Option<i64>,
}

impl SelectionConfig {
    /// Selection for the readers of `seismix-data`.
    ///
    /// # Errors
    /// If a list of codes holds anything but letters, digits, `_`, `-`, `*` and `?`.
    pub fn for_data(&self) -> Result<Selection> {
        let codes = |text: &Option<String>| -> Result<Wildcards> {
            let parsed = text.as_deref().map(str::parse).transpose();
            let parsed = parsed.map_err(|error: Error| ConfigError::new(error.to_string()))?;
            Ok(parsed.unwrap_or_default())
        };
        let all = TimeSpan::ALL;
        Ok(Selection {
            network: codes(&self.network)?,
            station: codes(&self.station)?,
            location: codes(&self.location)?,
            channel: codes(&self.channel)?,
            span: TimeSpan::new(
                self.starttime_ns.unwrap_or(all.start_ns),
                self.endtime_ns.unwrap_or(all.end_ns),
            ),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_span_reach_the_readers() {
        let mut config = SelectionConfig {
            channel: Some("BH?, HHZ".into()),
            location: Some("--".into()),
            starttime_ns: Some(7),
            ..Default::default()
        };
        let selection = config.for_data().unwrap();
        assert!(selection.matches(&"XB.ELYSE..BHV".parse().unwrap()));
        assert!(!selection.matches(&"XB.ELYSE.02.BHV".parse().unwrap()));
        assert!(!selection.matches(&"XB.ELYSE..LHV".parse().unwrap()));
        assert_eq!(selection.span.start_ns, 7);
        assert_eq!(selection.span.end_ns, TimeSpan::ALL.end_ns);
        config.network = Some("X;B".into());
        let error = config.for_data().unwrap_err();
        assert!(error.to_string().contains("`X;B`"), "{error}");
    }
}
