//! Templates that come with the program.

use seismix_data::StationKey;

use crate::deglitch::station::StationTemplate;
use crate::stage::{PipelineError, Result};

/// InSight's very broad band seismometer, learned from three days of 2019 by `scripts/bundle_template.py`.
const INSIGHT_VBB: &str = include_str!("bundled/insight-vbb.json");

/// Template that comes with the program for an instrument; `None` for all but InSight's VBB.
///
/// # Errors
/// [`PipelineError::Internal`] if the program was built with a damaged file.
pub fn bundled_template(station: &StationKey) -> Result<Option<StationTemplate>> {
    // High gain channels of any rate; the short-period seismometer (instrument code of another letter) is another
    // instrument.
    let is_vbb = station.network == "XB"
        && station.station == "ELYSE"
        && station.band.ends_with('H')
        && !station.band.starts_with(['E', 'S']);
    if !is_vbb {
        return Ok(None);
    }
    let template = StationTemplate::from_json(INSIGHT_VBB.as_bytes());
    template.map(Some).map_err(PipelineError::Internal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_template_fits_its_own_instrument_only() {
        let of = |key: &str| bundled_template(&key.parse().unwrap()).unwrap();
        let found = of("XB.ELYSE.02.BH").unwrap();
        assert_eq!(found.channels, ["BHU", "BHV", "BHW"]);
        assert!(!found.calibration.strata.is_empty());
        assert!(of("XB.ELYSE.03.BH").is_some());
        assert!(of("XB.ELYSE.65.EH").is_none() && of("CI.PAS.10.BH").is_none());
    }
}
