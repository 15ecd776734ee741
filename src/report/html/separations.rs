//! The separated regions: counts, a table of all, and for each the record, the background and the source.

use maud::{Markup, html};

use super::format::{
    channel_code, count, decibel, duration, fixed, list, median, number, plural, px, stamp,
};
use crate::report::svg::axis::{limits, text, time_label, time_ticks, x_axis, y_axis};
use crate::report::svg::{Columns, Frame, wave};
use crate::report::{
    ReportData, SeparatedChannel, SeparatedRegion, SeparationCounts, Trace, columns,
};

/// Regions that are open when the page is loaded.
const OPEN: usize = 3;
/// Largest number of columns of one waveform, over the whole width of the page.
const COLUMNS: f64 = 1300.0;
const WIDTH: f64 = 1200.0;
const LABELS: f64 = 84.0;
const NAMES: f64 = 76.0;
const TOP: f64 = 20.0;
const ROW: f64 = 84.0;
const ROW_GAP: f64 = 8.0;

/// Renders the section.
pub(super) fn section(data: &ReportData, unit: &str) -> Markup {
    let regions = &data.separations;
    let drawn = regions
        .iter()
        .filter(|region| !region.channels.is_empty())
        .count();
    html! {
        section id="separations" {
            h2 { "Separated sources" }
            @if let Some(counts) = &data.separation_counts { (outcome(counts)) }
            @if regions.is_empty() {
                p class="none" { "There is no separated region." }
            } @else {
                (lead(regions))
                (table(regions))
                p class="js same" {
                    label { input type="checkbox" id="own-scale"; " scale each waveform to its own range" }
                }
                @for (i, region) in regions.iter().enumerate().filter(|(_, region)| !region.channels.is_empty()) {
                    (one(region, i, unit))
                }
                @if drawn < regions.len() {
                    p class="note" {
                        "Waveforms of " (count(drawn as u64)) " of the " (count(regions.len() as u64)) " regions are drawn; \
                         the others are in the separated records."
                    }
                }
            }
        }
    }
}

/// `3 regions (5 windows)`.
fn regions_and_windows([regions, windows]: [u64; 2]) -> String {
    format!(
        "{} ({})",
        plural(regions, "region"),
        plural(windows, "window")
    )
}

/// Sentences on the target windows that were separated, unchanged, and not processed.
pub(super) fn outcome(counts: &SeparationCounts) -> Markup {
    let rest = counts.not_processed[0] > 0;
    let limit = counts.max_targets.filter(|_| rest);
    html! {
        p {
            "Consecutive windows of the target " b { (counts.target) } " form a region. "
            b { (regions_and_windows(counts.separated)) } " separated"
            @for (reason, n) in &counts.unchanged { "; " (regions_and_windows(*n)) " unchanged: " (reason) }
            @if rest { "; " b class="bad" { (regions_and_windows(counts.not_processed)) " not processed" } }
            "."
            @if let Some(limit) = limit {
                " At most " (count(limit)) " regions are processed, the most probable first; raise "
                code { "--max-targets" } " to process more."
            }
        }
    }
}

/// Explanation of what is drawn and of the columns.
fn lead(regions: &[SeparatedRegion]) -> Markup {
    let channels = || regions.iter().flat_map(|region| &region.channels);
    let mut estimates: Vec<String> = Vec::new();
    for region in regions.iter().filter(|region| !region.estimate.is_empty()) {
        let text = format!("method {}: {}", region.method, region.estimate);
        if !estimates.contains(&text) {
            estimates.push(text);
        }
    }
    html! {
        p class="lead" {
            "Record = background + source. Shaded: the target, outside of which nothing is changed."
            @if channels().any(|c| c.deviation.is_some()) {
                " Bands: one standard deviation of the estimate, the same for background and source."
            }
            @if channels().any(|c| c.true_source.is_some()) { " Dashed: the true source." }
            @if !estimates.is_empty() { " Background by " (list(&estimates)) "." }
            " Probability: mean over the region's windows of the probability of the target clusters."
            @if regions.iter().any(|r| known(r.snr_after_db)) {
                " SNR: power of the true background over the power of the error, which is that of the record taken for the \
                 background (before) or that of the separated background (after)."
            }
            @if regions.iter().any(|r| expected_snr(r).is_some()) {
                " Expected SNR: power of the separated background over its expected error, estimated by the method without \
                 the truth; median over the separated channels. A negative value means that the expected error exceeds \
                 the background."
            }
        }
    }
}

/// True if there is a finite number.
fn known(value: Option<f64>) -> bool {
    value.is_some_and(f64::is_finite)
}

/// Median expected SNR over the windows that were separated; unchanged windows have no separated background.
fn expected_snr(region: &SeparatedRegion) -> Option<f64> {
    let separated = region.windows.iter().filter(|window| window.is_separated);
    median(separated.filter_map(|window| window.expected_snr_db))
}

/// A column of the table: its name, and its text where the region has a value.
type Column = (&'static str, fn(&SeparatedRegion) -> Option<String>);

/// Columns that not every method fills; one without any value is not shown.
const COLUMNS_OF_METHODS: [Column; 6] = [
    ("sources found", |r| positive(r.n_sources)),
    ("background snippets", |r| positive(r.n_snippets)),
    ("iterations", |r| positive(r.iterations)),
    ("SNR before", |r| {
        r.snr_before_db.filter(|v| v.is_finite()).map(decibel)
    }),
    ("SNR after", |r| {
        r.snr_after_db.filter(|v| v.is_finite()).map(decibel)
    }),
    ("expected SNR", |r| expected_snr(r).map(decibel)),
];

fn positive(n: Option<u32>) -> Option<String> {
    n.filter(|n| *n > 0).map(|n| count(u64::from(n)))
}

fn table(regions: &[SeparatedRegion]) -> Markup {
    let columns = COLUMNS_OF_METHODS.iter();
    let columns: Vec<&Column> = columns
        .filter(|(_, value)| regions.iter().any(|r| value(r).is_some()))
        .collect();
    html! {
        div class="wide tall" {
            table class="list" {
                thead {
                    tr {
                        th class="n" { "#" }
                        th { "start (UTC)" }
                        th { "target" }
                        th class="n" { "length" }
                        th class="n" { "probability" }
                        @for (name, _) in &columns { th class="n" { (name) } }
                        th { "outcome" }
                    }
                }
                tbody {
                    @for (i, region) in regions.iter().enumerate() {
                        tr {
                            td class="n" {
                                @if region.channels.is_empty() { (i + 1) } @else { a href=(format!("#separation-{}", i + 1)) { (i + 1) } }
                            }
                            td { (stamp(region.start_ns)) }
                            td { (region.target) }
                            td class="n" { (duration(length_s(region))) }
                            td class="n" { (fixed(region.probability, 2)) }
                            @for (_, value) in &columns { td class="n" { (value(region).unwrap_or_default()) } }
                            td { (region.outcome) }
                        }
                    }
                }
            }
        }
    }
}

fn length_s(region: &SeparatedRegion) -> f64 {
    region.end_ns.saturating_sub(region.start_ns) as f64 / 1e9
}

fn row_top(row: usize) -> f64 {
    TOP + row as f64 * (ROW + ROW_GAP)
}

/// One region: facts, windows, waveforms.
fn one(region: &SeparatedRegion, i: usize, unit: &str) -> Markup {
    let height = TOP + 3.0 * (ROW + ROW_GAP) + 30.0;
    let cell = (WIDTH - NAMES) / region.channels.len() as f64;
    let name = format!(
        "Record, background and source from {} UTC",
        stamp(region.start_ns)
    );
    html! {
        details class="separation" id=(format!("separation-{}", i + 1)) open[i < OPEN] {
            summary {
                b { (i + 1) } " " (stamp(region.start_ns)) " UTC "
                span { (region.target) " · " (duration(length_s(region))) " · " (region.outcome) }
            }
            (facts(region))
            (window_ends(region))
            div class="wide" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(name) {
                    @for (row, name) in ["record", "background", "source"].iter().enumerate() {
                        text class="name" x="0" y=(px(row_top(row) + ROW / 2.0 + 4.0)) { (name) }
                    }
                    (text(0.0, row_top(0) + ROW / 2.0 + 18.0, "start", unit))
                    @for (c, channel) in region.channels.iter().enumerate() {
                        @let x = NAMES + c as f64 * cell + LABELS - 20.0;
                        (one_channel(region, channel, x, cell - LABELS + 10.0))
                    }
                }
            }
        }
    }
}

/// The numbers that the method has.
fn facts(region: &SeparatedRegion) -> Markup {
    let columns = COLUMNS_OF_METHODS.iter();
    let values = columns.filter_map(|(name, value)| Some((*name, value(region)?)));
    html! {
        dl {
            @if !region.method.is_empty() { div { dt { "method" } dd { (region.method) } } }
            @if region.probability.is_finite() { div { dt { "probability" } dd { (fixed(region.probability, 2)) } } }
            @for (name, value) in values { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// Reason for the outcome of each window of each channel.
fn window_ends(region: &SeparatedRegion) -> Markup {
    if region.windows.is_empty() {
        return Markup::default();
    }
    let snr = region.windows.iter().any(|w| known(w.expected_snr_db));
    let terms = region.windows.iter().any(|w| w.terms.is_some());
    html! {
        details {
            summary { "Outcome of each channel and window" }
            @if terms {
                p class="note" {
                    "L1, L2, L3: distance of the background's scattering covariance from that of the snippets, of the sum \
                     from the record's, and the cross terms of background and source; at the end, and in parentheses the \
                     value expected for the true background."
                }
            }
            div class="wide tall" {
                table class="list" {
                    thead {
                        tr {
                            th { "channel" }
                            th { "start (UTC)" }
                            th { "outcome" }
                            @if snr { th class="n" { "expected SNR" } }
                            @if terms { th class="n" { "L1" } th class="n" { "L2" } th class="n" { "L3" } }
                            th { "reason" }
                        }
                    }
                    tbody {
                        @for window in &region.windows {
                            tr {
                                td { (window.channel) }
                                td { (stamp(window.start_ns)) }
                                td { @if window.is_separated { "separated" } @else { "unchanged" } }
                                @if snr {
                                    @let value = window.expected_snr_db.filter(|_| window.is_separated);
                                    td class="n" { (value.map(decibel).unwrap_or_default()) }
                                }
                                @if terms {
                                    @for i in 0..3 {
                                        td class="n" {
                                            @if let Some([end, expected]) = &window.terms { (number(end[i])) " (" (number(expected[i])) ")" }
                                        }
                                    }
                                }
                                td { (window.why) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row of waveforms: what is drawn in it, and its limits.
struct Row {
    class: &'static str,
    columns: Vec<(f32, f32)>,
    band: Option<Vec<(f32, f32)>>,
    truth: Option<Vec<(f32, f32)>>,
    own: (f64, f64),
    shared: (f64, f64),
}

/// Reduces the three waveforms of a channel to `n` columns, with their limits.
fn rows(channel: &SeparatedChannel, span_ns: i64, n: usize) -> [Row; 3] {
    let start_ns = channel.mixture.start_ns;
    let reduce = |trace: &Trace| columns(std::iter::once(trace), start_ns, span_ns, n);
    let traces = [
        ("mixture", &channel.mixture),
        ("background", &channel.background),
        ("source", &channel.source),
    ];
    let deviation = channel.deviation.as_ref().map(reduce);
    let mut rows = traces.map(|(class, trace)| {
        let columns = reduce(trace);
        let uncertain = deviation.as_ref().filter(|_| class != "mixture");
        let band = uncertain.map(|deviation| {
            let widen = |(c, d): (&(f32, f32), &(f32, f32))| (c.0 - d.1, c.1 + d.1);
            columns.iter().zip(deviation).map(widen).collect::<Vec<_>>()
        });
        let truth = channel
            .true_source
            .as_ref()
            .filter(|_| class == "source")
            .map(reduce);
        let all = [Some(&columns), band.as_ref(), truth.as_ref()];
        let own = limits(all.into_iter().flatten().flatten().copied(), 1.0);
        Row {
            class,
            columns,
            band,
            truth,
            own,
            shared: own,
        }
    });
    // One range for all three around the middle of each: an offset of the record does not flatten the source.
    let middles = rows.each_ref().map(|row| {
        let centres = row
            .columns
            .iter()
            .map(|c| f64::from(c.0) / 2.0 + f64::from(c.1) / 2.0);
        median(centres).unwrap_or(0.0)
    });
    let reach = |i: usize| (rows[i].own.0 - middles[i], rows[i].own.1 - middles[i]);
    let low = (0..3).map(|i| reach(i).0).fold(f64::INFINITY, f64::min);
    let high = (0..3).map(|i| reach(i).1).fold(f64::NEG_INFINITY, f64::max);
    for (row, middle) in rows.iter_mut().zip(middles) {
        row.shared = (middle + low, middle + high);
    }
    rows
}

/// Three waveforms under each other, drawn in their own ranges; the style sheet scales them to the shared range.
fn one_channel(region: &SeparatedRegion, channel: &SeparatedChannel, x: f64, w: f64) -> Markup {
    let (start_ns, end_ns) = (channel.mixture.start_ns, channel.mixture.end_ns());
    let span_ns = end_ns.saturating_sub(start_ns);
    let share = |ns: i64| (ns.saturating_sub(start_ns) as f64 / span_ns as f64).clamp(0.0, 1.0);
    let x_of = |ns: i64| x + w * share(ns);
    let (times, step) = time_ticks(start_ns, end_ns, (w / 62.0).max(2.0) as usize);
    let times = times
        .into_iter()
        .map(|time| (x_of(time), time_label(time, step)));
    let target = (x_of(region.start_ns), x_of(region.end_ns));
    html! {
        text class="name" x=(px(x + w / 2.0)) y="12" text-anchor="middle" {
            (channel_code(&channel.id)) title { (channel.id) }
        }
        @if !channel.mixture.is_empty() && span_ns > 0 {
            @for (i, row) in rows(channel, span_ns, (COLUMNS * w / WIDTH) as usize).iter().enumerate() {
                (draw_row(row, Frame { x, y: row_top(i), w, h: ROW }, target))
            }
            (x_axis(row_top(3) - ROW_GAP, times))
        }
    }
}

fn draw_row(row: &Row, frame: Frame, target: (f64, f64)) -> Markup {
    let (factor, offset) = to_shared(frame, row.own, row.shared);
    let draw = |class: &str, columns: &Columns| wave(class, None, columns, frame, row.own);
    html! {
        rect class="plot" x=(px(frame.x)) y=(px(frame.y)) width=(px(frame.w)) height=(px(frame.h)) {}
        rect class="target" x=(px(target.0)) y=(px(frame.y)) width=(px(target.1 - target.0)) height=(px(frame.h)) {}
        g class="shared" { (y_axis(frame, row.shared, 3)) }
        g class="own" { (y_axis(frame, row.own, 3)) }
        g class="fit" style=(format!("--a:{factor:.5};--b:{offset:.2}")) {
            @if let Some(band) = &row.band { (draw(&format!("deviation {}", row.class), band)) }
            (draw(&format!("wave {}", row.class), &row.columns))
            @if let Some(truth) = &row.truth { (draw("truth", truth)) }
        }
    }
}

/// Factor and offset from heights in a row's own range to those in the shared range.
fn to_shared(frame: Frame, own: (f64, f64), shared: (f64, f64)) -> (f64, f64) {
    let factor = (own.1 - own.0) / (shared.1 - shared.0);
    let offset = frame.y + frame.h * (shared.1 - own.1) / (shared.1 - shared.0) - factor * frame.y;
    if factor.is_finite() && offset.is_finite() {
        (factor, offset)
    } else {
        (1.0, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_height_in_the_own_range_becomes_that_in_the_shared_one() {
        let frame = Frame {
            x: 0.0,
            y: 112.0,
            w: 1.0,
            h: ROW,
        };
        let (own, shared) = ((-1.0, 2.0), (-4.0, 7.0));
        let (factor, offset) = to_shared(frame, own, shared);
        for value in [-1.0, 0.3, 2.0] {
            let moved = factor * frame.y_of(value, own) + offset;
            assert!((moved - frame.y_of(value, shared)).abs() < 1e-9);
        }
        assert_eq!(to_shared(frame, own, (1.0, 1.0)), (1.0, 0.0));
    }
}
