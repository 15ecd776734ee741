//! Picture of a run as SVG, some hours of record and one separated source: `demo_picture RUN/report.json picture.svg`.
//!
//! Any tool that draws SVG makes a PNG of it, such as `rsvg-convert` or a browser.

use std::fmt::Write as _;
use std::path::Path;

use seismix::report::{ReportData, SeparatedRegion, Trace, columns};

const WIDTH: f64 = 1600.0;
const LEFT: f64 = 130.0;
const PLOT: f64 = 1430.0;
/// Time shown on either side of the region, ns.
const AROUND_NS: i64 = 4 * 3_600_000_000_000;
/// Paul Tol's `muted` scheme, as on the page of the report.
const COLOURS: [&str; 9] = [
    "#cc6677", "#332288", "#ddcc77", "#117733", "#88ccee", "#882255", "#44aa99", "#999933",
    "#aa4499",
];

/// An interval of time, start and length in ns, drawn over the width of the plot.
type Span = (i64, i64);

fn x_of(ns: i64, span: Span) -> f64 {
    LEFT + PLOT * ((ns - span.0) as f64 / span.1 as f64).clamp(0.0, 1.0)
}

/// Region with the largest gain in SNR; without known SNRs the first one with waveforms.
fn best(data: &ReportData) -> Option<&SeparatedRegion> {
    let gain =
        |r: &&SeparatedRegion| r.snr_after_db.unwrap_or(0.0) - r.snr_before_db.unwrap_or(0.0);
    let drawn = data.separations.iter().filter(|r| !r.channels.is_empty());
    drawn.max_by(|a, b| gain(a).total_cmp(&gain(b)))
}

/// Draws the extremes of traces as boxes between `top` and `top + height`.
fn waveform(
    out: &mut String,
    traces: &[Trace],
    span: Span,
    (top, height): (f64, f64),
    colour: &str,
) {
    let columns = columns(traces.iter(), span.0, span.1, 2 * PLOT as usize);
    let finite = || columns.iter().filter(|c| c.0.is_finite());
    let low = finite().map(|c| c.0).fold(f32::INFINITY, f32::min);
    let high = finite().map(|c| c.1).fold(f32::NEG_INFINITY, f32::max);
    let range = f64::from(high - low).max(1e-30);
    let width = PLOT / columns.len() as f64;
    for (i, (l, h)) in columns.iter().enumerate().filter(|(_, c)| c.0.is_finite()) {
        let y = top + height * f64::from(high - h) / range;
        let boxed = (height * f64::from(h - l) / range).max(1.2);
        let x = LEFT + i as f64 * width;
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{boxed:.1}\" fill=\"{colour}\"/>"
        );
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = write!(
        out,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

fn draw(data: &ReportData, region: &SeparatedRegion) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 900\" font-family=\"sans-serif\" \
         font-size=\"16\"><rect width=\"{WIDTH}\" height=\"900\" fill=\"#fff\"/>"
    );
    let channel = &region.channels[0];
    text(
        &mut out,
        40.0,
        38.0,
        "start",
        "A source separated from a record",
    );
    text(&mut out, LEFT, 76.0, "start", &channel.id);
    let span = (region.start_ns - AROUND_NS, 2 * AROUND_NS);
    let station = data.stations.iter().find(|s| s.station == region.station);
    let record = station.and_then(|s| s.channels.iter().find(|c| c.id == channel.id));
    if let Some(record) = record {
        waveform(&mut out, &record.pieces, span, (90.0, 240.0), "#3d4959");
    }
    for (i, strip) in station.iter().flat_map(|s| &s.strips).enumerate() {
        let y = 345.0 + 25.0 * i as f64;
        text(
            &mut out,
            LEFT - 10.0,
            y + 15.0,
            "end",
            &strip.window_samples.to_string(),
        );
        let shown = |start: i64, end: i64| end > span.0 && start < span.0 + span.1;
        for window in strip.windows.iter().filter(|w| shown(w.start_ns, w.end_ns)) {
            let (from, to) = (x_of(window.start_ns, span), x_of(window.end_ns, span));
            let colour = COLOURS[window.cluster as usize % COLOURS.len()];
            let _ = write!(
                out,
                "<rect x=\"{from:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"18\" fill=\"{colour}\"/>",
                to - from
            );
        }
    }
    let near = (
        channel.mixture.start_ns,
        (channel.mixture.end_ns() - channel.mixture.start_ns).max(1),
    );
    let rows = [
        ("record", &channel.mixture, "#3d4959"),
        ("background", &channel.background, "#0072b2"),
        ("source", &channel.source, "#d55e00"),
    ];
    for (i, (name, trace, colour)) in rows.into_iter().enumerate() {
        let top = 500.0 + 130.0 * i as f64;
        text(&mut out, LEFT - 10.0, top + 60.0, "end", name);
        waveform(
            &mut out,
            std::slice::from_ref(trace),
            near,
            (top, 115.0),
            colour,
        );
    }
    out + "</svg>\n"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: demo_picture RUN/report.json picture.svg".into());
    };
    let data = ReportData::load(Path::new(&data))?;
    let region = best(&data).ok_or("the report has no separated region with waveforms")?;
    std::fs::write(&picture, draw(&data, region))?;
    Ok(())
}
