//! Mean coefficients of a cluster's windows and of samples of the model, with bands of one standard deviation.

use maud::{Markup, html};

use super::format::fixed;
use crate::report::svg::axis::{limits, text, y_axis};
use crate::report::svg::{Frame, Path};
use crate::report::{DecodingRow, FingerprintPanel};

const WIDTH: f64 = 170.0;
const HEIGHT: f64 = 104.0;
const FRAME: Frame = Frame {
    x: 30.0,
    y: 5.0,
    w: WIDTH - 36.0,
    h: HEIGHT - 35.0,
};

/// Draws a cluster's panels, two in a row.
pub(super) fn fingerprint(panels: &[FingerprintPanel]) -> Markup {
    if panels.is_empty() {
        return Markup::default();
    }
    html! {
        details class="fingerprint" {
            summary {
                "Mean coefficients: " i class="key k0" {} "windows " i class="key k1" {} "samples of the model; bands: one \
                 standard deviation"
            }
            div class="prints" {
                @for panel in panels { (draw(panel)) }
            }
        }
    }
}

fn draw(panel: &FingerprintPanel) -> Markup {
    let pairs = [
        (&panel.data, &panel.data_spread),
        (&panel.model, &panel.model_spread),
    ];
    let values = pairs.iter().flat_map(|(mean, spread)| {
        let each = mean.iter().zip(spread.iter());
        each.map(|(mean, spread)| ((mean - spread) as f32, (mean + spread) as f32))
    });
    let range = limits(values, 1.0);
    let n = panel.data.len().max(panel.model.len());
    let x_of = |at: usize| FRAME.x + FRAME.w * at as f64 / n.saturating_sub(1).max(1) as f64;
    let bottom = FRAME.y + FRAME.h;
    html! {
        figure {
            figcaption { (panel.title) }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(panel.title) {
                (y_axis(FRAME, range, 3))
                @for at in 0..n {
                    (text(x_of(at), bottom + 12.0, "middle", &(u64::from(panel.first) + at as u64).to_string()))
                }
                (text(FRAME.x + FRAME.w / 2.0, bottom + 25.0, "middle", &panel.along))
                @for (colour, (mean, spread)) in pairs.into_iter().enumerate() {
                    @let (band, line) = band_and_line(mean, spread, &x_of, range);
                    path class=(format!("band k{colour}")) transform="scale(.1)" d=(band) {}
                    path class=(format!("line k{colour}")) transform="scale(.1)" d=(line) {}
                }
            }
        }
    }
}

/// Outline of mean plus and minus spread, and the line of the means; values that are not finite are skipped.
fn band_and_line(
    mean: &[f64],
    spread: &[f64],
    x_of: &dyn Fn(usize) -> f64,
    range: (f64, f64),
) -> (String, String) {
    let (mut band, mut line) = (Path::default(), Path::default());
    let values = mean.iter().zip(spread).enumerate();
    let known: Vec<_> = values.filter(|(_, (m, s))| (*m + *s).is_finite()).collect();
    for (at, (mean, spread)) in &known {
        band.to(x_of(*at), FRAME.y_of(*mean + *spread, range));
        line.to(x_of(*at), FRAME.y_of(**mean, range));
    }
    for (at, (mean, spread)) in known.iter().rev() {
        band.to(x_of(*at), FRAME.y_of(*mean - *spread, range));
    }
    band.close();
    (band.finish(), line.finish())
}

/// Errors of the decoder, by kind of coefficients.
pub(super) fn decoding(rows: &[DecodingRow]) -> Markup {
    let Some(first) = rows.first() else {
        return Markup::default();
    };
    let windows = if first.held_out {
        "windows held out from training"
    } else {
        "the training windows, since the record is too short to hold any out"
    };
    html! {
        details class="fingerprint" {
            summary { "Errors of coefficients decoded from samples of the model" }
            p {
                "The network sees reduced features; coefficients are predicted from them and from the cluster. Root mean \
                 square errors over " (windows) ": in nepers for logarithms, in shares of the largest possible value for \
                 products. The decoder is useful where its error is smaller than that of the means."
            }
            div class="wide" {
                table {
                    thead {
                        tr {
                            th { "Kind" }
                            th class="n" { "decoder" }
                            th class="n" { "mean of the cluster" }
                            th class="n" { "mean of all windows" }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                th { (row.kind) }
                                @for error in [row.decoder, row.cluster, row.constant] {
                                    td class="n" { (fixed(error, 3)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
