//! Training curves.

use maud::{Markup, html};

use super::format::px;
use crate::report::svg::axis::{limits, text, ticks, x_axis, y_axis};
use crate::report::svg::{Frame, Path};
use crate::report::{ReportData, TrainingCurves, TrainingPanel};

const WIDTH: f64 = 390.0;
const HEIGHT: f64 = 230.0;
const FRAME: Frame = Frame {
    x: 52.0,
    y: 8.0,
    w: WIDTH - 62.0,
    h: HEIGHT - 46.0,
};
/// Number of colours for series, `.k0` to `.k4` in the style sheet.
const N_SERIES_COLOURS: usize = 5;

/// Renders the section, if there is a model.
pub(super) fn section(data: &ReportData) -> Markup {
    let Some(training) = &data.training else {
        return Markup::default();
    };
    html! {
        section id="training" {
            h2 { "Training" }
            p class="lead" {
                "Terms of the loss that is minimised, and sizes of the clusters, against the epoch. Solid: training windows. \
                 Dashed: validation windows, separated from them in time. Red marks at the edge: values beyond it."
                @if let Some(epoch) = training.kept_epoch {
                    " The vertical line marks epoch " (epoch) ", whose weights are used."
                }
                @if !training.remark.is_empty() { " " (training.remark) }
            }
            div class="cards" {
                @for panel in &training.panels { (draw(training, panel)) }
            }
        }
    }
}

/// Places of the epochs along the horizontal axis.
struct EpochAxis {
    first: f64,
    span: f64,
}

impl EpochAxis {
    fn x_of(&self, epoch: f64) -> f64 {
        FRAME.x + FRAME.w * ((epoch - self.first) / self.span).clamp(0.0, 1.0)
    }
}

fn draw(training: &TrainingCurves, panel: &TrainingPanel) -> Markup {
    let values = panel
        .series
        .iter()
        .flat_map(|s| s.train.iter().chain(&s.validation));
    // The first epochs may lie far above the rest: up to 1 % of the values are clipped, with a mark at the edge.
    let range = limits(values.map(|v| (*v as f32, *v as f32)), 0.99);
    let first = f64::from(training.epochs.iter().copied().min().unwrap_or(0));
    let last = f64::from(training.epochs.iter().copied().max().unwrap_or(1));
    let span = (last - first).max(1.0);
    let axis = EpochAxis { first, span };
    let bottom = FRAME.y + FRAME.h;
    let epochs = ticks(first, first + span, 6).0.into_iter();
    let epochs = epochs.filter(|e| e.fract() == 0.0);
    html! {
        figure class="card curve" {
            figcaption { b { (panel.title) } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{} over the epochs", panel.title)) {
                (y_axis(FRAME, range, 4))
                (x_axis(bottom, epochs.map(|epoch| (axis.x_of(epoch), format!("{epoch:.0}")))))
                (text(FRAME.x + FRAME.w / 2.0, bottom + 30.0, "middle", "epoch"))
                @if let Some(epoch) = training.kept_epoch {
                    @let x = px(axis.x_of(f64::from(epoch)));
                    line class="kept" x1=(x) x2=(x) y1=(px(FRAME.y)) y2=(px(bottom)) {}
                }
                @for (i, series) in panel.series.iter().enumerate() {
                    @for (values, style) in [(&series.train, ""), (&series.validation, " validation")] {
                        @let colour = i % N_SERIES_COLOURS;
                        (curve(&training.epochs, values, &axis, range, &format!("line k{colour}{style}")))
                    }
                }
            }
            p class="keys" {
                @for (i, series) in panel.series.iter().enumerate() {
                    span { i class=(format!("key k{}", i % N_SERIES_COLOURS)) {} (series.label) }
                }
            }
        }
    }
}

/// A line through the values, with marks at the edge for those beyond it.
fn curve(
    epochs: &[u32],
    values: &[f64],
    axis: &EpochAxis,
    range: (f64, f64),
    class: &str,
) -> Markup {
    let (mut line, mut marks) = (Path::default(), Path::default());
    for (epoch, value) in epochs.iter().zip(values) {
        let x = axis.x_of(f64::from(*epoch));
        if value.is_finite() {
            line.to(x, FRAME.y_of(*value, range));
        } else {
            line.lift();
        }
        if *value > range.1 {
            marks.stroke((x, FRAME.y), (x, FRAME.y + 5.0));
        } else if *value < range.0 {
            marks.stroke((x, FRAME.y + FRAME.h - 5.0), (x, FRAME.y + FRAME.h));
        }
    }
    let marks = marks.finish();
    html! {
        path class=(class) transform="scale(.1)" d=(line.finish()) {}
        @if !marks.is_empty() { path class="clipped" transform="scale(.1)" d=(marks) {} }
    }
}
