//! What a family's fit of a target tells, in words and in the file.

use seismix_data::time::format_utc;
use seismix_separate::template::{Source, Wave};

use crate::separate::result_file::{FoundSource, FoundWave};

/// Deviation of samples around their mean.
pub(super) fn standard_deviation(samples: &[f64]) -> f64 {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().sum::<f64>() / n;
    (samples.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Tells of what is no source of the family.
pub(super) fn beside_family(stranger: bool, power: f64) -> String {
    if stranger {
        format!(
            "; something else stands out here, {power:.1} times the background's power once whitened, and stays"
        )
    } else {
        String::new()
    }
}

/// What became of one channel of a target, in a few words with the numbers that decided.
pub(super) fn why(sources: &[&Source], channel: usize, taken: &[f64], deviation: &[f64]) -> String {
    let here: Vec<&&Source> = sources
        .iter()
        .filter(|s| !s.channels[channel].is_empty())
        .collect();
    if here.is_empty() {
        return if taken.iter().any(|v| *v != 0.0) {
            "no source begins here; what runs on from another target was taken out".into()
        } else if sources.is_empty() {
            "no source like the others stands out of the background".into()
        } else {
            "the source stands out on other channels only".into()
        };
    }
    let strongest = here.iter().map(|s| s.z).fold(0.0, f64::max);
    let last = (
        taken.last().copied().unwrap_or(0.0),
        deviation.last().copied().unwrap_or(0.0),
    );
    let runs_on = if last.0.abs() > 3.0 * last.1 && last.0.abs() > 1.0 {
        format!(
            "; it runs on past the end with {:.0} counts, which stay",
            last.0
        )
    } else {
        String::new()
    };
    format!(
        "{} source{} of the family, up to {strongest:.1} deviations{runs_on}",
        here.len(),
        if here.len() == 1 { "" } else { "s" }
    )
}

pub(super) fn found(
    source: &Source,
    channels: &[String],
    onset_ns: i64,
    sample_s: f64,
) -> FoundSource {
    FoundSource {
        onset: format_utc(onset_ns),
        onset_ns,
        rise_s: source.ramp_length * sample_s,
        kind: 0,
        fall: source.chi2_decrease,
        z: source.z,
        misfit: source.misfit,
        waves: channels
            .iter()
            .zip(&source.channels)
            .flat_map(|(id, parts)| {
                parts.iter().map(move |part| FoundWave {
                    channel: id.clone(),
                    wave: match part.wave {
                        Wave::Response { .. } => "step".into(),
                        Wave::SecondDerivative => "jump".into(),
                    },
                    delay_s: part.delay * sample_s,
                    rise_s: match part.wave {
                        Wave::Response { ramp_length } => ramp_length * sample_s,
                        Wave::SecondDerivative => 0.0,
                    },
                    amplitude: part.amplitude,
                    deviation: part.deviation,
                })
            })
            .collect(),
    }
}
