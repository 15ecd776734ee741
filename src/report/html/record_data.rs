//! Data with which the page's script draws a panel of the record again at another zoom.

use data_encoding::BASE64;
use serde::Serialize;

use super::format::channel_code;
use crate::report::svg::panel::{LEFT, MAX_PANELS, PLOT, Panel, STRIP_HEIGHT, gaps, panels};
use crate::report::{ClusterRun, ReportData, StationRecord, Trace};

/// Largest number of bins on the page, 8 bytes each in base64.
const MAX_BINS: usize = 480_000;

/// Factor by which the bins of the record are merged so that the page can hold all of them.
pub(super) struct PieceLength(usize);

impl PieceLength {
    /// Computes the factor from the panels that are drawn.
    pub(super) fn of(data: &ReportData) -> Self {
        let n_bins = |station: &StationRecord| -> usize {
            let drawn = panels(station);
            let end = drawn.iter().take(MAX_PANELS).map(Panel::end_ns).max();
            let pieces = station.channels.iter().flat_map(|c| &c.pieces);
            let drawn = pieces.filter(|p| end.is_some_and(|end| p.start_ns < end));
            drawn.map(Trace::len).sum()
        };
        let total: usize = data.stations.iter().map(n_bins).sum();
        Self(total.div_ceil(MAX_BINS).max(1))
    }
}

/// One panel. Times are milliseconds after `t0`, which is milliseconds since 1970 UTC.
#[derive(Serialize)]
pub(super) struct PanelData<'a> {
    t0: f64,
    span: f64,
    left: f64,
    plot: f64,
    bottom: f64,
    channels: Vec<ChannelData<'a>>,
    strips: Vec<StripData>,
}

#[derive(Serialize)]
struct ChannelData<'a> {
    code: &'a str,
    y: f64,
    h: f64,
    gaps: Vec<(f64, f64)>,
    pieces: Vec<PieceData>,
}

/// A gap-free piece: base64 of little-endian `f32`; without `high` each bin is one sample.
#[derive(Serialize)]
struct PieceData {
    t: f64,
    step: f64,
    low: String,
    high: Option<String>,
}

#[derive(Serialize)]
struct StripData {
    scale: u32,
    y: f64,
    h: f64,
    /// Start, end, cluster, probability in per cent (−1: unknown).
    runs: Vec<(f64, f64, u32, i64)>,
}

impl<'a> PanelData<'a> {
    /// Collects the data of a panel.
    pub(super) fn new(
        station: &'a StationRecord,
        panel: &Panel,
        strips: &[Vec<ClusterRun>],
        length: &PieceLength,
    ) -> Self {
        let ms = |ns: i64| ns.saturating_sub(panel.start_ns) as f64 / 1e6;
        let inside = |from: i64, to: i64| to > panel.start_ns && from < panel.end_ns();
        let channels = station.channels.iter().enumerate().map(|(i, channel)| {
            let frame = panel.channel(i);
            let pieces = channel.pieces.iter();
            let pieces = pieces.filter(|p| inside(p.start_ns, p.end_ns()) && p.step_s > 0.0);
            let gaps = gaps(&channel.pieces).into_iter();
            ChannelData {
                code: channel_code(&channel.id),
                y: frame.y,
                h: frame.h,
                gaps: gaps
                    .filter(|(from, to)| inside(*from, *to))
                    .map(|(from, to)| (ms(from), ms(to)))
                    .collect(),
                pieces: pieces
                    .map(|p| p.within(panel.start_ns, panel.end_ns()).merged(length.0))
                    .map(|p| PieceData::new(&p, ms(p.start_ns)))
                    .collect(),
            }
        });
        let strips = station.strips.iter().zip(strips).enumerate();
        let strips = strips.map(|(i, (strip, runs))| StripData {
            scale: strip.window_samples,
            y: panel.strip_top(i),
            h: STRIP_HEIGHT,
            runs: runs
                .iter()
                .filter(|r| inside(r.start_ns, r.end_ns))
                .map(|r| {
                    (
                        ms(r.start_ns),
                        ms(r.end_ns),
                        r.cluster,
                        per_cent(r.probability),
                    )
                })
                .collect(),
        });
        Self {
            t0: panel.start_ns as f64 / 1e6,
            span: ms(panel.end_ns()),
            left: LEFT,
            plot: PLOT,
            bottom: panel.bottom(),
            channels: channels.collect(),
            strips: strips.collect(),
        }
    }
}

fn per_cent(probability: f64) -> i64 {
    if probability.is_finite() {
        (probability * 100.0).round() as i64
    } else {
        -1
    }
}

impl PieceData {
    fn new(trace: &Trace, t: f64) -> Self {
        let base64 = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            BASE64.encode(&bytes)
        };
        Self {
            t,
            step: trace.step_s * 1e3,
            low: base64(&trace.low),
            high: (!trace.high.is_empty()).then(|| base64(&trace.high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ChannelRecord;

    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_data_keep_single_extremes_and_say_if_bins_are_samples() {
        let piece = |start_ns, high| Trace {
            start_ns,
            step_s: 5.0,
            low: vec![-1.0; 100],
            high,
        };
        let mut high = vec![1.0; 100];
        high[40] = 999.0;
        let record = StationRecord {
            channels: vec![ChannelRecord {
                id: "A\"\\\n</script>.B".into(),
                pieces: vec![piece(0, high), piece(600_000_000_000, vec![])],
            }],
            ..StationRecord::default()
        };
        let panel = &panels(&record)[0];
        let json = serde_json::to_value(PanelData::new(&record, panel, &[], &PieceLength(3)));
        let channel = json.unwrap()["channels"][0].take();
        assert_eq!(channel["code"], "B");
        assert_eq!(
            channel["gaps"][0],
            serde_json::json!([500_000.0, 600_000.0])
        );
        let first = &channel["pieces"][0];
        assert_eq!(
            (first["t"].as_f64(), first["step"].as_f64()),
            (Some(0.0), Some(15_000.0))
        );
        let high = BASE64
            .decode(first["high"].as_str().unwrap().as_bytes())
            .unwrap();
        let (values, _) = high.as_chunks::<4>();
        assert_eq!(values.len(), 34);
        assert_eq!(f32::from_le_bytes(values[13]), 999.0);
        let whole = serde_json::to_value(PanelData::new(&record, panel, &[], &PieceLength(1)));
        assert!(whole.unwrap()["channels"][0]["pieces"][1]["high"].is_null());
    }
}
