//! What the page carries for its script to draw the record again at another zoom.

use super::data::{ReportData, StationRecord};
use super::encode::base64;
use super::format::put;
use super::record::{
    LEFT, MAX_PANELS, PLOT, Panel, STRIP_HEIGHT, channel_code, channel_height, channel_top, gaps,
    panels, strip_top,
};
use super::strip::Run;

/// Bins for zooming the page carries at most (4 bytes each, in base64).
const MAX_BINS: f64 = 700_000.0;

/// Bin of the zoom data: as fine as the pieces, but no more than the page can carry.
pub(crate) fn bin_ns(data: &ReportData) -> f64 {
    let mut finest = f64::INFINITY;
    let mut total_ns = 0.0;
    for station in &data.stations {
        let n_panels = panels(station).len().min(MAX_PANELS);
        let span: f64 = panels(station)
            .iter()
            .take(n_panels)
            .map(|p| p.span_ns as f64)
            .sum();
        for channel in &station.channels {
            total_ns += span;
            for piece in channel.pieces.iter().filter(|p| p.step_s > 0.0) {
                finest = finest.min(piece.step_s * 1e9);
            }
        }
    }
    let coarsest = total_ns / MAX_BINS;
    if finest.is_finite() {
        finest.max(coarsest)
    } else {
        coarsest.max(1e9)
    }
}

/// What the page's script needs to draw a panel again at another zoom.
///
/// Waveforms: for each channel, base64 of little-endian `i16` pairs (low, high) in units of `unit` around `centre`;
/// −32768 is no data. Times are milliseconds after `t0`, which is milliseconds since 1970 UTC.
pub(crate) fn panel_payload(
    out: &mut String,
    station: &StationRecord,
    panel: &Panel,
    strips: &[Vec<Run>],
    bin_ns: f64,
) {
    let n_bins = (panel.span_ns as f64 / bin_ns).ceil().clamp(1.0, MAX_BINS) as usize;
    let ms = |ns: i64| ns.saturating_sub(panel.start_ns) / 1_000_000;
    put!(
        out,
        "{{\"t0\":{},\"span\":{},\"left\":{LEFT},\"plot\":{PLOT},\"bottom\":{},\"channels\":[",
        panel.start_ns.div_euclid(1_000_000),
        ms(panel.start_ns.saturating_add(panel.span_ns)),
        strip_top(station.channels.len(), station.strips.len())
    );
    for (i, channel) in station.channels.iter().enumerate() {
        let mut bins = vec![(f32::NAN, f32::NAN); n_bins];
        for piece in &channel.pieces {
            piece.add_to_columns(panel.start_ns, panel.span_ns, &mut bins);
        }
        let finite = || bins.iter().filter(|b| b.0.is_finite() && b.1.is_finite());
        let low = finite()
            .map(|b| f64::from(b.0))
            .fold(f64::INFINITY, f64::min);
        let high = finite()
            .map(|b| f64::from(b.1))
            .fold(f64::NEG_INFINITY, f64::max);
        let (centre, unit) = if low <= high {
            (
                (low + high) / 2.0,
                ((high - low) / 65_000.0).max(f64::MIN_POSITIVE),
            )
        } else {
            (0.0, 1.0)
        };
        let bytes: Vec<u8> = bins
            .iter()
            .flat_map(|&(low, high)| [low, high])
            .map(|v| {
                if v.is_finite() {
                    ((f64::from(v) - centre) / unit).round() as i16
                } else {
                    i16::MIN
                }
            })
            .flat_map(i16::to_le_bytes)
            .collect();
        let gaps: Vec<String> = gaps(channel)
            .into_iter()
            .filter(|(from, to)| {
                *to > panel.start_ns && *from < panel.start_ns.saturating_add(panel.span_ns)
            })
            .map(|(from, to)| format!("[{},{}]", ms(from), ms(to)))
            .collect();
        put!(
            out,
            "{}{{\"code\":{:?},\"y\":{},\"h\":{},\"centre\":{centre:e},\"unit\":{unit:e},\
             \"gaps\":[{}],\"bins\":\"{}\"}}",
            if i > 0 { "," } else { "" },
            json_safe(channel_code(&channel.id)),
            channel_top(station.channels.len(), i),
            channel_height(station.channels.len()),
            gaps.join(","),
            base64(&bytes)
        );
    }
    out.push_str("],\"strips\":[");
    for (i, (strip, runs)) in station.strips.iter().zip(strips).enumerate() {
        let end_ns = panel.start_ns.saturating_add(panel.span_ns);
        let runs: Vec<String> = runs
            .iter()
            .filter(|r| r.end_ns > panel.start_ns && r.start_ns < end_ns)
            .map(|r| {
                let probability = if r.probability.is_finite() {
                    (r.probability * 100.0).round() as i64
                } else {
                    -1
                };
                format!(
                    "[{},{},{},{probability}]",
                    ms(r.start_ns),
                    ms(r.end_ns),
                    r.cluster
                )
            })
            .collect();
        put!(
            out,
            "{}{{\"scale\":{},\"y\":{},\"h\":{STRIP_HEIGHT},\"runs\":[{}]}}",
            if i > 0 { "," } else { "" },
            strip.window_samples,
            strip_top(station.channels.len(), i),
            runs.join(",")
        );
    }
    out.push_str("]}");
}

/// Letters, digits and a few signs only, so that Rust's quoting is JSON's as well.
fn json_safe(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || " ._-/:".contains(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ChannelRecord, Trace};

    #[test]
    fn the_payload_is_json_and_holds_the_extremes() {
        let mut record = StationRecord {
            channels: vec![ChannelRecord {
                id: "A\"\\\n</script>.B".into(),
                pieces: vec![Trace {
                    start_ns: 0,
                    step_s: 5.0,
                    low: vec![-1.0; 100],
                    high: vec![1.0; 100],
                }],
            }],
            ..StationRecord::default()
        };
        record.channels[0].pieces[0].high[40] = 999.0;
        record.channels[0].pieces[0].low[41] = f32::NAN;
        let panel = &panels(&record)[0];
        let mut out = String::new();
        panel_payload(&mut out, &record, panel, &[], 5e9);
        let value: Result<serde_json::Value, _> = serde_json::from_str(&out);
        let value = value.unwrap_or_default();
        let channel = &value["channels"][0];
        let (centre, unit) = (channel["centre"].as_f64(), channel["unit"].as_f64());
        // The middle of the extremes plus half their range is the highest.
        let highest = centre.unwrap_or(0.0) + 32_500.0 * unit.unwrap_or(0.0);
        assert!((highest - 999.0).abs() < 1e-6, "{out}");
        assert_eq!(channel["code"], "B");
    }
}
