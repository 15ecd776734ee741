//! Training curves.

use super::axis::{label, limits, ticks};
use super::data::{ReportData, Training, TrainingPanel};
use super::format::{escape, put};
use super::svg::{Frame, Path};

const WIDTH: f64 = 390.0;
const HEIGHT: f64 = 230.0;
const FRAME: Frame = Frame {
    x: 52.0,
    y: 8.0,
    w: WIDTH - 62.0,
    h: HEIGHT - 46.0,
};
/// Colours for series, in the page's style sheet as `.k0` and so on.
const N_SERIES_COLOURS: usize = 5;

/// Writes the section.
pub(crate) fn section(out: &mut String, data: &ReportData) {
    let Some(training) = &data.training else {
        return;
    };
    out.push_str(
        "<section id=\"training\"><h2>Training</h2><p class=\"lead\">Solid: training windows. Dashed: validation \
         windows, apart from them in time.",
    );
    if let Some(epoch) = training.kept_epoch {
        put!(
            out,
            " The upright line marks epoch {epoch}, whose weights were kept."
        );
    }
    if !training.remark.is_empty() {
        put!(out, " {}", escape(&training.remark));
    }
    out.push_str("</p><div class=\"cards\">");
    for panel in &training.panels {
        draw(out, training, panel);
    }
    out.push_str("</div></section>");
}

fn draw(out: &mut String, training: &Training, panel: &TrainingPanel) {
    put!(
        out,
        "<figure class=\"card curve\"><figcaption><b>{}</b></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over the epochs\">",
        escape(&panel.title),
        escape(&panel.title)
    );
    let values = panel
        .series
        .iter()
        .flat_map(|s| s.train.iter().chain(&s.validation))
        .map(|v| (*v as f32, *v as f32));
    // The first epochs may lie far above the rest; a hundredth of the values may leave the picture.
    let range = limits(values, 0.99);
    let first = training.epochs.iter().copied().min().unwrap_or(0);
    let last = training.epochs.iter().copied().max().unwrap_or(1);
    let span = f64::from(last.saturating_sub(first)).max(1.0);
    let x_of = |epoch: u32| FRAME.x + FRAME.w * f64::from(epoch.saturating_sub(first)) / span;
    let (values, decimals) = ticks(range.0, range.1, 4);
    for value in values {
        let y = FRAME.y_of(value, range);
        put!(
            out,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            FRAME.x,
            FRAME.x + FRAME.w,
            FRAME.x - 6.0,
            y + 3.5,
            label(value, decimals)
        );
    }
    let bottom = FRAME.y + FRAME.h;
    let (epochs, _) = ticks(f64::from(first), f64::from(first) + span, 6);
    for epoch in epochs.into_iter().filter(|e| e.fract() == 0.0) {
        let x = FRAME.x + FRAME.w * (epoch - f64::from(first)) / span;
        put!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>\
             <text class=\"label\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{epoch:.0}</text>",
            bottom + 4.0,
            bottom + 15.0
        );
    }
    put!(
        out,
        "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">epoch</text>",
        FRAME.x + FRAME.w / 2.0,
        bottom + 30.0
    );
    if let Some(epoch) = training.kept_epoch {
        let x = x_of(epoch).clamp(FRAME.x, FRAME.x + FRAME.w);
        put!(
            out,
            "<line class=\"kept\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\"/>",
            FRAME.y
        );
    }
    for (i, series) in panel.series.iter().enumerate() {
        for (values, style) in [(&series.train, ""), (&series.validation, " validation")] {
            let mut path = Path::default();
            for (epoch, value) in training.epochs.iter().zip(values) {
                if value.is_finite() {
                    path.to(x_of(*epoch), FRAME.y_of(*value, range));
                } else {
                    path.lift();
                }
            }
            put!(
                out,
                "<path class=\"line k{}{style}\" transform=\"scale(.1)\" d=\"{}\"/>",
                i % N_SERIES_COLOURS,
                path.finish()
            );
        }
    }
    out.push_str("</svg><p class=\"keys\">");
    for (i, series) in panel.series.iter().enumerate() {
        put!(
            out,
            "<span><i class=\"key k{}\"></i>{}</span>",
            i % N_SERIES_COLOURS,
            escape(&series.label)
        );
    }
    out.push_str("</p></figure>");
}
