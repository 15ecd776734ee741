//! The record: envelopes of all channels with the clusters of all scales under them.

use super::axis::{label, limits, ticks, time_label, time_ticks};
use super::data::{ChannelRecord, ReportData, StationRecord};
use super::format::{clock, count, date, day_of_year, duration, escape, percent, put};
use super::palette;
use super::strip::{Run, runs};
use super::svg::{Frame, Path, waveform};
use super::trace::{Trace, columns};
use super::zoom::{bin_ns, panel_payload};

const DAY_NS: i64 = 86_400_000_000_000;
/// Records up to this long are drawn in one piece, longer ones day under day.
const ONE_PIECE_NS: i64 = 36 * 3_600_000_000_000;
/// Station-days drawn at most; the page says so when there are more.
pub(crate) const MAX_PANELS: usize = 30;

const WIDTH: f64 = 1200.0;
pub(crate) const LEFT: f64 = 104.0;
pub(crate) const PLOT: f64 = WIDTH - LEFT - 6.0;
const TOP: f64 = 4.0;
const CHANNEL_GAP: f64 = 6.0;
pub(crate) const STRIP_HEIGHT: f64 = 13.0;
const STRIP_GAP: f64 = 3.0;
const AXIS_HEIGHT: f64 = 22.0;

/// A stretch of time drawn as one picture.
pub(crate) struct Panel {
    pub start_ns: i64,
    pub span_ns: i64,
}

/// Writes the section.
pub(crate) fn section(out: &mut String, data: &ReportData, unit: &str) {
    out.push_str("<section id=\"record\"><h2>Record</h2>");
    if data.stations.is_empty() {
        out.push_str("<p class=\"none\">No record was given.</p></section>");
        return;
    }
    put!(
        out,
        "<p class=\"lead\">Lowest and highest sample over time, in {}. Under it the clusters, one strip a scale: \
         each moment has the colour of the window whose centre is nearest. Grey: gaps. \
         <span class=\"js\">Drag to zoom, double-click to go back; choose a cluster to see where it is.</span></p>",
        escape(unit)
    );
    legend(out, data);
    let mut payload = String::from("[");
    let bin_ns = bin_ns(data);
    let mut n_drawn = 0;
    let mut n_left_out = 0;
    for station in &data.stations {
        put!(out, "<h3>{}</h3>", escape(&station.station));
        let panels = panels(station);
        if panels.is_empty() {
            out.push_str("<p class=\"none\">No samples and no windows.</p>");
        }
        let scale: Vec<(f64, f64)> = station.channels.iter().map(channel_limits).collect();
        let strips: Vec<Vec<Run>> = station.strips.iter().map(|s| runs(&s.windows)).collect();
        for panel in &panels {
            if n_drawn == MAX_PANELS {
                n_left_out += 1;
                continue;
            }
            draw_panel(out, station, panel, &scale, &strips, n_drawn);
            if n_drawn > 0 {
                payload.push(',');
            }
            panel_payload(&mut payload, station, panel, &strips, bin_ns);
            n_drawn += 1;
        }
    }
    if n_left_out > 0 {
        put!(
            out,
            "<p class=\"note\">{} further station-days are not drawn here; all of them are in the tables below.</p>",
            count(n_left_out)
        );
    }
    payload.push(']');
    put!(
        out,
        "<script type=\"application/json\" id=\"record-data\">{}</script></section>",
        payload.replace('<', "\\u003c")
    );
}

/// One row of coloured numbers a scale.
fn legend(out: &mut String, data: &ReportData) {
    out.push_str("<div class=\"legend\">");
    for scale in &data.scales {
        put!(
            out,
            "<div class=\"legend-scale\"><span class=\"legend-name\">{} <i>{}</i></span>",
            scale.window_samples,
            duration(scale.window_s)
        );
        let total: u64 = scale.clusters.iter().map(|c| c.n_windows).sum();
        for cluster in &scale.clusters {
            let share = percent(cluster.n_windows as f64 / total.max(1) as f64);
            let mark = if cluster.is_transient {
                " transient"
            } else {
                ""
            };
            let dead = if cluster.n_windows == 0 { " dead" } else { "" };
            put!(
                out,
                "<button type=\"button\" class=\"chip b{}{mark}{dead}\" data-scale=\"{}\" data-cluster=\"{}\" \
                 title=\"{}:{} · {share} of the windows{}\">{}</button>",
                palette::index(cluster.cluster),
                scale.window_samples,
                cluster.cluster,
                scale.window_samples,
                cluster.cluster,
                if cluster.is_transient {
                    " · transient"
                } else {
                    ""
                },
                cluster.cluster
            );
        }
        out.push_str("</div>");
    }
    out.push_str("</div>");
}

/// The stretches to draw, in the order of time.
pub(crate) fn panels(station: &StationRecord) -> Vec<Panel> {
    let pieces = station
        .channels
        .iter()
        .flat_map(|c| c.pieces.iter())
        .filter(|p| !p.is_empty())
        .map(|p| (p.start_ns, p.end_ns()));
    let windows = station
        .strips
        .iter()
        .flat_map(|s| s.windows.iter())
        .map(|w| (w.start_ns, w.end_ns));
    let spans: Vec<(i64, i64)> = pieces.chain(windows).filter(|(s, e)| e > s).collect();
    let Some(start_ns) = spans.iter().map(|s| s.0).min() else {
        return Vec::new();
    };
    let end_ns = spans.iter().map(|s| s.1).max().unwrap_or(start_ns);
    let span_ns = end_ns.saturating_sub(start_ns);
    if span_ns <= ONE_PIECE_NS {
        return vec![Panel { start_ns, span_ns }];
    }
    let mut days: Vec<i64> = Vec::new();
    for (start, end) in spans {
        // A single span cannot ask for more days than are ever drawn.
        let first = start.div_euclid(DAY_NS);
        let last = (end - 1).div_euclid(DAY_NS).min(first + 4000);
        days.extend(first..=last);
        if days.len() > 100_000 {
            days.sort_unstable();
            days.dedup();
        }
    }
    days.sort_unstable();
    days.dedup();
    days.into_iter()
        .map(|day| Panel {
            start_ns: day.saturating_mul(DAY_NS),
            span_ns: DAY_NS,
        })
        .collect()
}

/// Limits of a channel that all its days share, rare peaks cut off.
fn channel_limits(channel: &ChannelRecord) -> (f64, f64) {
    let bins = channel
        .pieces
        .iter()
        .flat_map(|p| (0..p.len()).map(|i| p.bin(i)));
    limits(bins, 0.998)
}

/// Gaps between a channel's pieces, from the end of one to the start of the next.
pub(crate) fn gaps(channel: &ChannelRecord) -> Vec<(i64, i64)> {
    let mut pieces: Vec<&Trace> = channel.pieces.iter().filter(|p| !p.is_empty()).collect();
    pieces.sort_by_key(|p| p.start_ns);
    pieces
        .windows(2)
        .map(|pair| (pair[0].end_ns(), pair[1].start_ns))
        .filter(|(end, start)| start > end)
        .collect()
}

/// Height of each of `n` channels: one alone has the room of two.
pub(crate) fn channel_height(n: usize) -> f64 {
    match n {
        1 => 122.0,
        2 => 84.0,
        _ => 58.0,
    }
}

pub(crate) fn channel_top(n: usize, i: usize) -> f64 {
    TOP + i as f64 * (channel_height(n) + CHANNEL_GAP)
}

pub(crate) fn strip_top(n_channels: usize, i: usize) -> f64 {
    channel_top(n_channels, n_channels) + 1.0 + i as f64 * (STRIP_HEIGHT + STRIP_GAP)
}

/// The last part of an id, such as `BHU`.
pub(crate) fn channel_code(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

fn draw_panel(
    out: &mut String,
    station: &StationRecord,
    panel: &Panel,
    scale: &[(f64, f64)],
    strips: &[Vec<Run>],
    number: usize,
) {
    let n_channels = station.channels.len();
    let bottom = strip_top(n_channels, station.strips.len());
    let height = bottom + AXIS_HEIGHT;
    let x_of =
        |ns: i64| LEFT + PLOT * (ns.saturating_sub(panel.start_ns)) as f64 / panel.span_ns as f64;
    let one_day = panel.span_ns == DAY_NS && panel.start_ns.rem_euclid(DAY_NS) == 0;
    let title = if one_day {
        format!(
            "{} <i>day {}</i>",
            date(panel.start_ns),
            day_of_year(panel.start_ns)
        )
    } else {
        let end_ns = panel.start_ns.saturating_add(panel.span_ns);
        let end = if date(end_ns) == date(panel.start_ns) {
            clock(end_ns)
        } else {
            format!("{} {}", date(end_ns), clock(end_ns))
        };
        format!(
            "{} {} to {end} <i>UTC</i>",
            date(panel.start_ns),
            clock(panel.start_ns)
        )
    };
    put!(
        out,
        "<figure class=\"day\" data-panel=\"{number}\"><figcaption><b>{title}</b><span class=\"zoom-state\"></span>\
         <button type=\"button\" class=\"reset\" hidden>whole panel</button></figcaption>\
         <div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Record of {} from {} {}\">",
        escape(&station.station),
        date(panel.start_ns),
        clock(panel.start_ns)
    );
    for (i, channel) in station.channels.iter().enumerate() {
        let frame = Frame {
            x: LEFT,
            y: channel_top(n_channels, i),
            w: PLOT,
            h: channel_height(n_channels),
        };
        let limits = scale.get(i).copied().unwrap_or((-1.0, 1.0));
        put!(
            out,
            "<rect class=\"plot\" x=\"{LEFT}\" y=\"{}\" width=\"{PLOT}\" height=\"{}\"/>\
             <text class=\"name\" x=\"0\" y=\"{}\">{}<title>{}</title></text><g class=\"yaxis\" data-i=\"{i}\">",
            frame.y,
            frame.h,
            frame.y + frame.h / 2.0 + 4.0,
            escape(channel_code(&channel.id)),
            escape(&channel.id)
        );
        y_ticks(out, frame, limits);
        out.push_str("</g>");
        let mut hatch = Path::default();
        for (from, to) in gaps(channel) {
            let (x0, x1) = (x_of(from).max(LEFT), x_of(to).min(LEFT + PLOT));
            if x1 > x0 {
                hatch.rect(x0, frame.y, (x1 - x0).max(1.5), frame.h);
            }
        }
        let columns = columns(
            channel.pieces.iter(),
            panel.start_ns,
            panel.span_ns,
            PLOT as usize,
        );
        put!(
            out,
            "<path class=\"gaps\" data-i=\"{i}\" transform=\"scale(.1)\" d=\"{}\"/>\
             <path class=\"wave\" data-i=\"{i}\" transform=\"scale(.1)\" d=\"{}\"/>",
            hatch.finish(),
            waveform(&columns, frame, limits)
        );
    }
    put!(
        out,
        "<path class=\"where\" transform=\"scale(.1)\" d=\"\"/>"
    );
    for (i, (strip, runs)) in station.strips.iter().zip(strips).enumerate() {
        let y = strip_top(n_channels, i);
        put!(
            out,
            "<text class=\"strip-name\" x=\"{}\" y=\"{}\">{}</text><g class=\"strip\" data-i=\"{i}\">",
            LEFT - 8.0,
            y + STRIP_HEIGHT - 3.0,
            strip.window_samples
        );
        let mut clusters: Vec<u32> = runs.iter().map(|r| r.cluster).collect();
        clusters.sort_unstable();
        clusters.dedup();
        for cluster in clusters {
            let mut path = Path::default();
            for run in runs.iter().filter(|r| r.cluster == cluster) {
                let (x0, x1) = (
                    x_of(run.start_ns).max(LEFT),
                    x_of(run.end_ns).min(LEFT + PLOT),
                );
                if x1 > x0 {
                    path.rect(x0, y, x1 - x0, STRIP_HEIGHT);
                }
            }
            put!(
                out,
                "<path class=\"f{}\" data-scale=\"{}\" data-cluster=\"{cluster}\" transform=\"scale(.1)\" d=\"{}\"/>",
                palette::index(cluster),
                strip.window_samples,
                path.finish()
            );
        }
        out.push_str("</g>");
    }
    out.push_str("<g class=\"xaxis\">");
    let end_ns = panel.start_ns.saturating_add(panel.span_ns);
    let (times, step) = time_ticks(panel.start_ns, end_ns, 13);
    for time in times {
        let x = x_of(time);
        let text = if one_day && time == end_ns {
            "24:00".to_owned()
        } else {
            time_label(time, step)
        };
        x_tick(out, x, bottom, &text);
    }
    put!(
        out,
        "</g><rect class=\"brush\" x=\"0\" y=\"{TOP}\" width=\"0\" height=\"{}\"/>\
         <line class=\"cursor\" x1=\"-9\" x2=\"-9\" y1=\"{TOP}\" y2=\"{bottom}\"/></svg></div></figure>",
        bottom - TOP
    );
}

/// A tick of a time axis with its label, kept inside the picture.
fn x_tick(out: &mut String, x: f64, y: f64, text: &str) {
    let anchor = if x > WIDTH - 20.0 { "end" } else { "middle" };
    put!(
        out,
        "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>\
         <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
        y + 4.0,
        if anchor == "end" { x + 5.0 } else { x },
        y + 15.0
    );
}

/// Labels left of a plot, with a fine line across at each.
pub(crate) fn y_ticks(out: &mut String, frame: Frame, limits: (f64, f64)) {
    let (values, decimals) = ticks(limits.0, limits.1, 3);
    for value in values {
        let y = frame.y_of(value, limits);
        put!(
            out,
            "<line class=\"grid\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.x,
            frame.x + frame.w,
            frame.x - 8.0,
            y + 3.5,
            label(value, decimals)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start_ns: i64, n: usize) -> Trace {
        Trace {
            start_ns,
            step_s: 5.0,
            low: vec![-1.0; n],
            high: vec![1.0; n],
        }
    }

    fn station(pieces: Vec<Trace>) -> StationRecord {
        StationRecord {
            channels: vec![ChannelRecord {
                id: "XB.ELYSE.02.BHU".into(),
                pieces,
            }],
            ..StationRecord::default()
        }
    }

    #[test]
    fn short_records_are_one_panel_and_long_ones_a_panel_a_day() {
        let short = panels(&station(vec![piece(DAY_NS - 1_000_000_000, 7200)]));
        assert_eq!(short.len(), 1);
        assert_eq!(short[0].span_ns, 36_000_000_000_000);
        let long = panels(&station(vec![piece(1, 17_279), piece(3 * DAY_NS, 17_280)]));
        let starts: Vec<i64> = long.iter().map(|p| p.start_ns / DAY_NS).collect();
        assert_eq!(starts, [0, 3]);
    }

    #[test]
    fn gaps_are_between_pieces() {
        let station = station(vec![piece(100_000_000_000, 4), piece(0, 10)]);
        assert_eq!(
            gaps(&station.channels[0]),
            [(50_000_000_000, 100_000_000_000)]
        );
    }
}
