//! The catalogue of glitches: one row a find.

use std::collections::BTreeSet;
use std::io::Write;

use seismix_data::time::format_utc;
use serde::{Deserialize, Serialize};

use crate::stage::{PipelineError, Result};

/// One find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Glitch {
    /// Station and location, `NET.STA.LOC`.
    pub id: String,
    /// Onset, ns UTC.
    pub onset_ns: i64,
    /// Time by which 99 % of its energy has passed, ns UTC.
    pub end_ns: i64,
    /// Kind of source: `step` for the response to a step or ramp.
    pub kind: String,
    /// Name of the template.
    pub template: String,
    /// Score F.
    pub score: f64,
    /// Share of the misfit around it that it explains.
    pub share: f64,
    /// Stratum of noise, from 0 for the quietest.
    pub stratum: usize,
    /// Best score of a decoy within 6 s.
    pub best_decoy_score: Option<f64>,
    /// True if no decoy of its stratum has as high a score.
    pub sure: bool,
    /// False discovery rate among all finds of its stratum at least as good.
    pub q: Option<f64>,
    /// True if it was removed.
    pub removed: bool,
    /// Why it was removed or left.
    pub reason: String,
    /// Sign of its largest amplitude: 1 or -1.
    pub polarity: i8,
    /// Energy of the glitch over that of the background in the same samples, dB.
    pub snr_in_db: Option<f64>,
    /// Expected SNR of the background there after the removal, dB.
    pub expected_snr_db: Option<f64>,
    /// Amplitude of each channel with its standard deviation, in the unit of the record; none where it is not
    /// significant.
    pub channels: Vec<ChannelAmplitude>,
}

/// Amplitude of a glitch on a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelAmplitude {
    /// Channel code.
    pub channel: String,
    /// Amplitude: the largest sample of its waveform.
    pub amplitude: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// Columns before those of the channels.
const COLUMNS: [&str; 16] = [
    "id",
    "onset",
    "end",
    "kind",
    "template",
    "score",
    "share",
    "stratum",
    "best_decoy_score",
    "sure",
    "q",
    "removed",
    "reason",
    "polarity",
    "snr_in_db",
    "expected_snr_db",
];

/// Writes the catalogue as CSV; for each channel code of any row there are columns `amplitude_CODE` and
/// `deviation_CODE`.
///
/// # Errors
/// [`PipelineError::Internal`] if it cannot be written.
pub fn write_csv(glitches: &[Glitch], writer: impl Write) -> Result<()> {
    let all = glitches.iter().flat_map(|g| &g.channels);
    let codes: BTreeSet<&str> = all.map(|c| c.channel.as_str()).collect();
    let mut csv = csv::Writer::from_writer(writer);
    let header = COLUMNS.iter().map(|c| (*c).to_owned());
    let of_channels = codes
        .iter()
        .flat_map(|code| ["amplitude", "deviation"].map(|column| format!("{column}_{code}")));
    csv.write_record(header.chain(of_channels))
        .map_err(PipelineError::internal)?;
    for glitch in glitches {
        let mut row = row(glitch);
        for code in &codes {
            let own = glitch.channels.iter().find(|c| c.channel == *code);
            row.push(own.map_or(String::new(), |c| format!("{:.6e}", c.amplitude)));
            row.push(own.map_or(String::new(), |c| format!("{:.3e}", c.deviation)));
        }
        csv.write_record(row).map_err(PipelineError::internal)?;
    }
    csv.flush().map_err(PipelineError::internal)
}

fn row(glitch: &Glitch) -> Vec<String> {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or(String::new(), |v| format!("{v:.digits$}"))
    };
    vec![
        glitch.id.clone(),
        format_utc(glitch.onset_ns),
        format_utc(glitch.end_ns),
        glitch.kind.clone(),
        glitch.template.clone(),
        format!("{:.2}", glitch.score),
        format!("{:.3}", glitch.share),
        glitch.stratum.to_string(),
        number(glitch.best_decoy_score, 2),
        glitch.sure.to_string(),
        number(glitch.q, 5),
        glitch.removed.to_string(),
        glitch.reason.clone(),
        glitch.polarity.to_string(),
        number(glitch.snr_in_db, 2),
        number(glitch.expected_snr_db, 2),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_every_column() {
        let glitch = |code: &str, q: Option<f64>| Glitch {
            id: "XB.ELYSE.02".into(),
            onset_ns: 0,
            end_ns: 1_000_000_000,
            kind: "step".into(),
            template: "learned".into(),
            score: 100.0,
            share: 0.9,
            stratum: 0,
            best_decoy_score: None,
            sure: true,
            q,
            removed: q.is_some(),
            reason: "q, with a comma".into(),
            polarity: -1,
            snr_in_db: Some(3.0),
            expected_snr_db: None,
            channels: vec![ChannelAmplitude {
                channel: code.into(),
                amplitude: -1e-9,
                deviation: 1e-11,
            }],
        };
        let mut bytes = Vec::new();
        write_csv(
            &[glitch("BHU", Some(0.01)), glitch("BHV", None)],
            &mut bytes,
        )
        .unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let names: Vec<String> = reader.headers().unwrap().iter().map(Into::into).collect();
        assert_eq!(names[..16], COLUMNS);
        assert_eq!(
            names[16..],
            [
                "amplitude_BHU",
                "deviation_BHU",
                "amplitude_BHV",
                "deviation_BHV"
            ]
        );
        let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
        assert_eq!(&rows[0][1], "1970-01-01T00:00:00.000000000Z");
        assert_eq!((&rows[0][10], &rows[1][10]), ("0.01000", ""));
        assert_eq!((&rows[0][16], &rows[0][18]), ("-1.000000e-9", ""));
    }
}
