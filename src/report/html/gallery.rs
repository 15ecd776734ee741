//! The most probable windows of a cluster under each other, with their mean if they share a waveform.

use maud::{Markup, html};

use super::format::{fixed, number, px, stamp};
use super::palette;
use crate::report::svg::axis::{limits, text, ticks, x_axis};
use crate::report::svg::{Columns, Frame, wave};
use crate::report::{ClusterReport, GalleryWindow, ScaleReport, columns, extremes};

/// Largest number of waveforms of a cluster.
const SHOWN: usize = 12;
/// Largest number of columns of a waveform.
const COLUMNS: usize = 260;
const ROW: f64 = 19.0;
/// Height of a waveform in rows: waveforms overlap their neighbours, as in a record section.
const REACH: f64 = 1.7;
const STACK: f64 = 34.0;
/// Width of the drawing.
pub(super) const WIDTH: f64 = 380.0;
/// Width of the waveforms; amplitudes are right of them.
const PLOT: f64 = WIDTH - 56.0;

/// A window with its columns, shifted as its alignment says.
struct Shifted<'a> {
    window: &'a GalleryWindow,
    columns: Vec<(f32, f32)>,
}

/// Draws the waveforms of a cluster.
pub(super) fn gallery(scale: &ScaleReport, cluster: &ClusterReport, unit: &str) -> Markup {
    let length = |w: &GalleryWindow| w.trace.end_ns().saturating_sub(w.trace.start_ns);
    let drawable = |w: &&GalleryWindow| !w.trace.is_empty() && length(w) > 0;
    let windows: Vec<_> = cluster
        .gallery
        .iter()
        .filter(drawable)
        .take(SHOWN)
        .collect();
    let Some(length_ns) = windows.iter().map(|w| length(w)).max() else {
        return html! { p class="none" { "No waveforms: records are needed." } };
    };
    let rows = shifted(&windows, length_ns);
    let top = if cluster.is_aligned {
        STACK + 14.0
    } else {
        8.0
    };
    let bottom = top + ROW * rows.len() as f64 + 9.0;
    let stack_frame = Frame {
        x: 0.0,
        y: 2.0,
        w: PLOT,
        h: STACK,
    };
    let name = format!(
        "Waveforms of cluster {}:{}",
        scale.window_samples, cluster.cluster
    );
    html! {
        svg class="gallery" viewBox=(format!("0 0 {WIDTH} {}", px(bottom + 32.0))) role="img" aria-label=(name) {
            @if cluster.is_aligned {
                @let mean = stack(&rows);
                @let range = limits(mean.iter().copied(), 1.0);
                (wave(&format!("stack s{}", palette::index(cluster.cluster)), None, &mean, stack_frame, range))
                (text(WIDTH, stack_frame.y + STACK / 2.0 + 4.0, "end", "mean"))
            }
            @for (i, row) in rows.iter().enumerate() {
                @let frame = Frame { y: top + (i as f64 + 0.5 - REACH / 2.0) * ROW, h: ROW * REACH, ..stack_frame };
                @let range = limits(row.columns.iter().copied(), 1.0);
                g {
                    title { (hint(row.window, cluster.is_aligned, &scale.gallery_channel)) }
                    (wave("wave", None, &row.columns, frame, range))
                    (text(WIDTH, frame.y + frame.h / 2.0 + 3.5, "end", &amplitude(&row.columns)))
                }
            }
            (axis(length_ns, bottom, cluster.is_aligned))
            (text(WIDTH, bottom + 28.0, "end", &format!("± {unit}")))
        }
    }
}

fn hint(window: &GalleryWindow, is_aligned: bool, channel: &str) -> String {
    let mut text = format!(
        "{} UTC · {channel} · probability of the cluster {}",
        stamp(window.trace.start_ns),
        fixed(window.probability, 2)
    );
    if is_aligned {
        text += &format!(
            " · correlation with the mean {}",
            fixed(window.correlation, 2)
        );
        text += if window.is_inverted { ", inverted" } else { "" };
    }
    text
}

/// Reduces all windows to the same number of columns, so that a column is the same time in each, and shifts them.
fn shifted<'a>(windows: &[&'a GalleryWindow], length_ns: i64) -> Vec<Shifted<'a>> {
    let reduce = |w: &GalleryWindow, n: usize| {
        columns(std::iter::once(&w.trace), w.trace.start_ns, length_ns, n)
    };
    let counts = windows.iter().map(|w| reduce(w, COLUMNS).len());
    let n = counts.min().unwrap_or(COLUMNS);
    let column_s = length_ns as f64 / 1e9 / n as f64;
    let rows = windows.iter().map(|&window| {
        let mut still = vec![(f32::NAN, f32::NAN); n];
        let start_ns = window.trace.start_ns;
        window.trace.add_to_columns(start_ns, length_ns, &mut still);
        let shift = (window.shift_s / column_s).round() as i64;
        let moved = (0..n as i64).map(|i| {
            let from = usize::try_from(i.saturating_add(shift)).ok();
            from.and_then(|from| still.get(from))
                .copied()
                .unwrap_or((f32::NAN, f32::NAN))
        });
        Shifted {
            window,
            columns: moved.collect(),
        }
    });
    rows.collect()
}

/// Half of the peak-to-peak amplitude.
fn amplitude(columns: &Columns) -> String {
    let finite = || columns.iter().filter(|c| c.0.is_finite());
    let low = finite().map(|c| f64::from(c.0)).fold(f64::NAN, f64::min);
    let high = finite().map(|c| f64::from(c.1)).fold(f64::NAN, f64::max);
    number((high - low) / 2.0)
}

/// Mean of the aligned waveforms, each scaled to unit peak and with its polarity corrected.
fn stack(rows: &[Shifted<'_>]) -> Vec<(f32, f32)> {
    let n = rows.iter().map(|row| row.columns.len()).max().unwrap_or(0);
    let mut sums = vec![(0.0f64, 0u32); n];
    for row in rows {
        let line = extremes(&row.columns);
        let Some(median) = super::format::median(line.iter().copied()) else {
            continue;
        };
        let deviations = line.iter().map(|v| (v - median).abs());
        let peak = deviations.fold(0.0, f64::max);
        if peak > 0.0 {
            let sign = if row.window.is_inverted { -1.0 } else { 1.0 };
            for (sum, value) in sums.iter_mut().zip(&line).filter(|(_, v)| v.is_finite()) {
                sum.0 += sign * (value - median) / peak;
                sum.1 += 1;
            }
        }
    }
    // Where fewer than half of the waveforms have samples, their mean is not a common waveform.
    let mean = |(sum, n): (f64, u32)| {
        let enough = n > 0 && n as usize * 2 >= rows.len();
        let mean = if enough {
            (sum / f64::from(n)) as f32
        } else {
            f32::NAN
        };
        (mean, mean)
    };
    sums.into_iter().map(mean).collect()
}

/// Seconds, minutes or hours along the waveforms; 0 at the common peak if they are aligned.
fn axis(length_ns: i64, y: f64, is_aligned: bool) -> Markup {
    let length_s = length_ns as f64 / 1e9;
    let (unit_s, unit) = match length_s {
        s if s <= 150.0 => (1.0, "s"),
        s if s <= 9000.0 => (60.0, "min"),
        _ => (3600.0, "h"),
    };
    let length = length_s / unit_s;
    let zero = if is_aligned { length / 3.0 } else { 0.0 };
    let (values, decimals) = ticks(-zero, length - zero, 6);
    let name = match is_aligned {
        true => format!("time from the common peak ({unit})"),
        false => format!("time ({unit})"),
    };
    let at = |value: f64| ((value + zero) / length * PLOT, fixed(value, decimals));
    html! {
        line class="tick" x1="0" x2=(PLOT) y1=(px(y)) y2=(px(y)) {}
        (x_axis(y, values.into_iter().map(at)))
        (text(PLOT / 2.0, y + 28.0, "middle", &name))
    }
}
