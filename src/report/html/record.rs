//! The record: envelopes of all channels with the clusters of all scales under them.

use maud::{Markup, PreEscaped, html};

use super::format::{channel_code, clock, count, date, day_of_year, duration, percent, px};
use super::palette;
use super::record_data::{PanelData, PieceLength};
use crate::report::svg::axis::{limits, text, time_label, time_ticks, x_axis, y_axis};
use crate::report::svg::panel::{LEFT, MAX_PANELS, Panel, STRIP_HEIGHT, TOP, WIDTH, gaps, panels};
use crate::report::svg::{Path, wave};
use crate::report::{
    ChannelRecord, ClusterRun, ReportData, ScaleReport, StationRecord, columns, runs,
};

/// A station with what all of its panels share.
struct Station<'a> {
    record: &'a StationRecord,
    /// Limits of each channel, so that days can be compared.
    limits: Vec<(f64, f64)>,
    strips: Vec<Vec<ClusterRun>>,
}

/// Renders the section.
pub(super) fn section(data: &ReportData, unit: &str) -> Markup {
    let piece_length = PieceLength::of(data);
    let mut payload: Vec<PanelData> = Vec::new();
    let mut n_left_out = 0;
    let stations = data.stations.iter().map(|record| {
        let station = Station {
            record,
            limits: record.channels.iter().map(channel_limits).collect(),
            strips: record.strips.iter().map(|s| runs(&s.windows)).collect(),
        };
        let mut figures = Vec::new();
        for panel in panels(record) {
            if payload.len() == MAX_PANELS {
                n_left_out += 1;
                continue;
            }
            figures.push(draw_panel(&station, &panel, payload.len()));
            payload.push(PanelData::new(
                record,
                &panel,
                &station.strips,
                &piece_length,
            ));
        }
        (record.station.as_str(), figures)
    });
    let stations: Vec<(&str, Vec<Markup>)> = stations.collect();
    // `</script>` inside the data would end the element.
    let json = serde_json::to_string(&payload)
        .unwrap_or_default()
        .replace('<', "\\u003c");
    html! {
        section id="record" {
            h2 { "Record" }
            @if payload.is_empty() {
                p class="none" { "Neither records nor windows with a time are known." }
            } @else {
                (lead(unit))
                (legend(&data.scales))
            }
            @for (name, figures) in stations.iter().filter(|(_, figures)| !figures.is_empty()) {
                h3 { (name) }
                @for figure in figures { (figure) }
            }
            @if n_left_out > 0 {
                p class="note" {
                    (count(n_left_out)) " further station-days are not drawn; the tables below include them."
                }
            }
            script type="application/json" id="record-data" { (PreEscaped(json)) }
        }
    }
}

fn lead(unit: &str) -> Markup {
    html! {
        p class="lead" {
            "Each box extends from the lowest to the highest sample of its time, in " (unit) "; where every sample fits, a \
             line joins them. Red marks at the edge: the record exceeds the panel. Grey: gaps. Strips: cluster of the window \
             whose centre is nearest, one strip for each window length (in samples). "
            span class="js" {
                "Drag to zoom, double-click to return; choose a cluster to mark its times."
            }
        }
    }
}

/// One row of coloured cluster numbers for each scale.
fn legend(scales: &[ScaleReport]) -> Markup {
    html! {
        div class="legend" {
            @for scale in scales {
                @let total: u64 = scale.clusters.iter().map(|c| c.n_windows).sum();
                @let samples = scale.window_samples;
                div class="legend-scale" {
                    span class="legend-name" { (samples) " " i { (duration(scale.window_s)) } }
                    @for cluster in &scale.clusters {
                        @let number = cluster.cluster;
                        @let share = percent(cluster.n_windows as f64 / total.max(1) as f64);
                        @let kind = if cluster.is_transient { " · transient" } else { "" };
                        button type="button"
                            class={
                                "chip b" (palette::index(number))
                                @if cluster.is_transient { " transient" }
                                @if cluster.n_windows == 0 { " dead" }
                            }
                            data-scale=(samples) data-cluster=(number)
                            title=(format!("{samples}:{number} · {share} of the windows{kind}"))
                            { (number) }
                    }
                }
            }
        }
    }
}

/// Limits of a channel for all its days; rare peaks are clipped, with a mark.
fn channel_limits(channel: &ChannelRecord) -> (f64, f64) {
    let pieces = channel.pieces.iter();
    limits(pieces.flat_map(|p| (0..p.len()).map(|i| p.bin(i))), 0.998)
}

fn draw_panel(station: &Station<'_>, panel: &Panel, number: usize) -> Markup {
    let record = station.record;
    let bottom = panel.bottom();
    let name = format!(
        "Record of {} from {} {}",
        record.station,
        date(panel.start_ns),
        clock(panel.start_ns)
    );
    let (times, step) = time_ticks(panel.start_ns, panel.end_ns(), 13);
    let tick = |time: i64| {
        let midnight = panel.is_day() && time == panel.end_ns();
        let label = if midnight {
            "24:00".into()
        } else {
            time_label(time, step)
        };
        (panel.x_of(time), label)
    };
    html! {
        figure class="day" data-panel=(number) {
            figcaption {
                (panel_title(panel))
                span class="zoom-state" {}
                button type="button" class="reset" hidden { "whole panel" }
            }
            div class="wide" {
                svg viewBox=(format!("0 0 {WIDTH} {}", px(panel.height()))) role="img" aria-label=(name) {
                    @for (i, channel) in record.channels.iter().enumerate() {
                        (draw_channel(channel, panel, i, station.limits[i]))
                    }
                    path class="where" transform="scale(.1)" d="" {}
                    @for (i, (strip, runs)) in record.strips.iter().zip(&station.strips).enumerate() {
                        (draw_strip(strip.window_samples, runs, panel, i))
                    }
                    g class="xaxis" { (x_axis(bottom, times.into_iter().map(tick))) }
                    rect class="brush" x="0" y=(TOP) width="0" height=(px(bottom - TOP)) {}
                    line class="cursor" x1="-9" x2="-9" y1=(TOP) y2=(px(bottom)) {}
                }
            }
        }
    }
}

fn panel_title(panel: &Panel) -> Markup {
    let (start, end) = (panel.start_ns, panel.end_ns());
    if panel.is_day() {
        return html! { b { (date(start)) " " i { "day " (day_of_year(start)) } } };
    }
    html! {
        b {
            (date(start)) " " (clock(start)) " to "
            @if date(end) != date(start) { (date(end)) " " }
            (clock(end)) " " i { "UTC" }
        }
    }
}

fn draw_channel(channel: &ChannelRecord, panel: &Panel, i: usize, limits: (f64, f64)) -> Markup {
    let frame = panel.channel(i);
    let mut hatch = Path::default();
    for (from, to) in gaps(&channel.pieces) {
        let (x0, x1) = (panel.x_of(from), panel.x_of(to));
        if x1 > x0 {
            // A gap narrower than a column would vanish.
            hatch.rect(x0, frame.y, (x1 - x0).max(1.5), frame.h);
        }
    }
    let pieces = channel.pieces.iter();
    let columns = columns(pieces, panel.start_ns, panel.span_ns, frame.w as usize);
    html! {
        rect class="plot" x=(px(frame.x)) y=(px(frame.y)) width=(px(frame.w)) height=(px(frame.h)) {}
        text class="name" x="0" y=(px(frame.y + frame.h / 2.0 + 4.0)) {
            (channel_code(&channel.id)) title { (channel.id) }
        }
        g class="yaxis" data-i=(i) { (y_axis(frame, limits, 3)) }
        path class="gaps" data-i=(i) transform="scale(.1)" d=(hatch.finish()) {}
        (wave("wave", Some(i), &columns, frame, limits))
    }
}

fn draw_strip(window_samples: u32, runs: &[ClusterRun], panel: &Panel, i: usize) -> Markup {
    let y = panel.strip_top(i);
    let mut clusters: Vec<u32> = runs.iter().map(|r| r.cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    let boxes = |cluster: u32| {
        let mut path = Path::default();
        for run in runs.iter().filter(|r| r.cluster == cluster) {
            let (x0, x1) = (panel.x_of(run.start_ns), panel.x_of(run.end_ns));
            if x1 > x0 {
                path.rect(x0, y, x1 - x0, STRIP_HEIGHT);
            }
        }
        path.finish()
    };
    html! {
        (text(LEFT - 8.0, y + STRIP_HEIGHT - 3.0, "end", &window_samples.to_string()))
        g class="strip" data-i=(i) {
            @for cluster in clusters {
                path class=(format!("f{}", palette::index(cluster))) data-scale=(window_samples)
                    data-cluster=(cluster) transform="scale(.1)" d=(boxes(cluster)) {}
            }
        }
    }
}
