//! A cluster's most confident windows under each other, moved to match, with their mean.

use super::align::{Alignment, align, alike};
use super::axis::{limits, ticks};
use super::data::{ClusterReport, GalleryWindow, ScaleReport};
use super::format::{escape, fixed, number, put, stamp};
use super::palette;
use super::svg::{Frame, waveform};
use super::trace::columns;

/// Waveforms shown of a cluster.
const SHOWN: usize = 12;
/// Columns a waveform is drawn with.
const COLUMNS: usize = 260;
const ROW: f64 = 19.0;
/// Waveforms reach into their neighbours' rows by this much, as in a record section.
const REACH: f64 = 1.7;
const STACK: f64 = 34.0;
/// Width of the drawing.
pub(crate) const WIDTH: f64 = 380.0;

/// A gallery window ready to draw.
struct Aligned<'a> {
    window: &'a GalleryWindow,
    columns: Vec<(f32, f32)>,
    alignment: Alignment,
}

/// Draws the waveforms under each other, with their mean on top if they are alike.
pub(crate) fn gallery(out: &mut String, scale: &ScaleReport, cluster: &ClusterReport, unit: &str) {
    let windows: Vec<&GalleryWindow> = cluster
        .gallery
        .iter()
        .filter(|w| !w.trace.is_empty() && w.trace.end_ns() > w.trace.start_ns)
        .take(SHOWN)
        .collect();
    if windows.is_empty() {
        out.push_str("<p class=\"none\">No waveforms.</p>");
        return;
    }
    let length_ns = windows
        .iter()
        .map(|w| w.trace.end_ns() - w.trace.start_ns)
        .max()
        .unwrap_or(1);
    let reduced: Vec<Vec<(f32, f32)>> = windows
        .iter()
        .map(|w| {
            let one = std::iter::once(&w.trace);
            // The same number of columns for all, so that a column is the same time in each.
            let mut out = vec![(f32::NAN, f32::NAN); n_columns(&windows, length_ns)];
            one.for_each(|t| t.add_to_columns(w.trace.start_ns, length_ns, &mut out));
            out
        })
        .collect();
    let lines: Vec<Vec<f64>> = reduced.iter().map(|c| extremes(c)).collect();
    let max_shift = lines[0].len() * 3 / 4;
    let mut found = align(&lines, max_shift);
    // A transient's windows are shown on each other even where noise hides how alike they are.
    let alike = found.len() > 1 && (cluster.is_transient || alike(&lines, &found, max_shift));
    if !alike {
        for alignment in &mut found {
            (alignment.shift, alignment.polarity) = (0, 1);
        }
    }
    let aligned: Vec<Aligned<'_>> = windows
        .iter()
        .zip(reduced)
        .zip(found)
        .map(|((window, columns), alignment)| Aligned {
            window,
            columns: moved(&columns, alignment.shift),
            alignment,
        })
        .collect();

    let top = if alike { STACK + 14.0 } else { 8.0 };
    let bottom = top + ROW * aligned.len() as f64 + 9.0;
    let plot = WIDTH - 56.0;
    put!(
        out,
        "<svg class=\"gallery\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Waveforms of cluster {}:{}\">",
        bottom + 32.0,
        scale.window_samples,
        cluster.cluster
    );
    if alike {
        let frame = Frame {
            x: 0.0,
            y: 2.0,
            w: plot,
            h: STACK,
        };
        put!(
            out,
            "<path class=\"stack s{}\" transform=\"scale(.1)\" d=\"{}\"/>\
             <text class=\"label\" x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">mean</text>",
            palette::index(cluster.cluster),
            stack(&aligned, frame),
            frame.y + frame.h / 2.0 + 4.0
        );
    }
    for (i, row) in aligned.iter().enumerate() {
        let frame = Frame {
            x: 0.0,
            y: top + (i as f64 + 0.5 - REACH / 2.0) * ROW,
            w: plot,
            h: ROW * REACH,
        };
        let range = limits(row.columns.iter().copied(), 1.0);
        put!(
            out,
            "<g><title>{} UTC · probability {} · {} · correlation {}</title>\
             <path class=\"wave\" transform=\"scale(.1)\" d=\"{}\"/>\
             <text class=\"label\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text></g>",
            stamp(row.window.trace.start_ns),
            fixed(row.window.probability, 2),
            escape(&scale.gallery_channel),
            fixed(row.alignment.correlation, 2),
            waveform(&row.columns, frame, range),
            frame.y + frame.h / 2.0 + 3.5,
            amplitude(&row.columns)
        );
    }
    axis(out, length_ns, plot, bottom, alike);
    put!(
        out,
        "<text class=\"label\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">± {}</text></svg>",
        bottom + 28.0,
        escape(unit)
    );
}

/// As many columns as the finest trace has bins, up to what is drawn.
fn n_columns(windows: &[&GalleryWindow], length_ns: i64) -> usize {
    windows
        .iter()
        .map(|w| {
            columns(
                std::iter::once(&w.trace),
                w.trace.start_ns,
                length_ns,
                COLUMNS,
            )
            .len()
        })
        .min()
        .unwrap_or(COLUMNS)
}

/// Half of the peak-to-peak amplitude.
fn amplitude(columns: &[(f32, f32)]) -> String {
    let finite = || columns.iter().filter(|c| c.0.is_finite());
    let low = finite().map(|c| f64::from(c.0)).fold(f64::NAN, f64::min);
    let high = finite().map(|c| f64::from(c.1)).fold(f64::NAN, f64::max);
    number((high - low) / 2.0)
}

/// One value a column: the end farther from the middle of all, so that one-sided pulses survive.
fn extremes(columns: &[(f32, f32)]) -> Vec<f64> {
    let mut middles: Vec<f64> = columns
        .iter()
        .filter(|c| c.0.is_finite())
        .map(|c| f64::from(c.0) / 2.0 + f64::from(c.1) / 2.0)
        .collect();
    middles.sort_unstable_by(f64::total_cmp);
    let median = middles.get(middles.len() / 2).copied().unwrap_or(0.0);
    columns
        .iter()
        .map(|&(low, high)| {
            let (low, high) = (f64::from(low), f64::from(high));
            if (high - median).abs() >= (low - median).abs() {
                high
            } else {
                low
            }
        })
        .collect()
}

/// Columns moved as the alignment says; what comes in from outside is empty.
fn moved(columns: &[(f32, f32)], shift: isize) -> Vec<(f32, f32)> {
    (0..columns.len() as isize)
        .map(|i| {
            usize::try_from(i + shift)
                .ok()
                .and_then(|j| columns.get(j))
                .copied()
                .unwrap_or((f32::NAN, f32::NAN))
        })
        .collect()
}

/// Mean of the aligned waveforms, each to unit peak and the right way up.
fn stack(aligned: &[Aligned<'_>], frame: Frame) -> String {
    let n = aligned.iter().map(|a| a.columns.len()).max().unwrap_or(0);
    let mut sums = vec![(0.0f64, 0u32); n];
    for row in aligned {
        let line = extremes(&row.columns);
        let mut finite: Vec<f64> = line.iter().copied().filter(|v| v.is_finite()).collect();
        finite.sort_unstable_by(f64::total_cmp);
        let Some(median) = finite.get(finite.len() / 2).copied() else {
            continue;
        };
        let peak = finite
            .iter()
            .map(|v| (v - median).abs())
            .fold(0.0, f64::max);
        if peak > 0.0 {
            for (sum, value) in sums.iter_mut().zip(&line).filter(|(_, v)| v.is_finite()) {
                sum.0 += (value - median) / peak * f64::from(row.alignment.polarity);
                sum.1 += 1;
            }
        }
    }
    // Where fewer than half of the waveforms reach there is no common line.
    let mean: Vec<(f32, f32)> = sums
        .iter()
        .map(|(sum, n)| {
            let mean = if *n as usize * 2 >= aligned.len() && *n > 0 {
                (sum / f64::from(*n)) as f32
            } else {
                f32::NAN
            };
            (mean, mean)
        })
        .collect();
    let range = limits(mean.iter().copied(), 1.0);
    waveform(&mean, frame, range)
}

/// Seconds, minutes or hours along the waveforms; 0 at the common peak where there is one.
fn axis(out: &mut String, length_ns: i64, plot: f64, y: f64, alike: bool) {
    let length_s = length_ns as f64 / 1e9;
    let (unit_s, unit) = match length_s {
        s if s <= 150.0 => (1.0, "s"),
        s if s <= 9000.0 => (60.0, "min"),
        _ => (3600.0, "h"),
    };
    let length = length_s / unit_s;
    let zero = if alike { length / 3.0 } else { 0.0 };
    let (values, decimals) = ticks(-zero, length - zero, 6);
    put!(
        out,
        "<line class=\"tick\" x1=\"0\" x2=\"{plot}\" y1=\"{y}\" y2=\"{y}\"/>"
    );
    for value in values {
        let x = (value + zero) / length * plot;
        let anchor = if x < 8.0 { "start" } else { "middle" };
        put!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\"/>\
             <text class=\"label\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            y + 4.0,
            y + 14.0,
            fixed(value, decimals)
        );
    }
    put!(
        out,
        "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">time{} ({unit})</text>",
        plot / 2.0,
        y + 28.0,
        if alike { " from the common peak" } else { "" }
    );
}
