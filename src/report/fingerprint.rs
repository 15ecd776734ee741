//! What a cluster's windows are like, and beside them what the model draws: means with bands of one standard deviation.

use super::axis::{label, limits, ticks};
use super::cluster_data::{DecodingRow, FingerprintPanel};
use super::format::{escape, fixed, put};
use super::svg::{Frame, Path};

const WIDTH: f64 = 170.0;
const HEIGHT: f64 = 104.0;
const FRAME: Frame = Frame {
    x: 30.0,
    y: 5.0,
    w: WIDTH - 36.0,
    h: HEIGHT - 35.0,
};

/// Draws a cluster's panels, two in a row.
pub(crate) fn fingerprint(out: &mut String, panels: &[FingerprintPanel]) {
    if panels.is_empty() {
        return;
    }
    out.push_str(
        "<details class=\"fingerprint\"><summary>What its windows are like: <i class=\"key k0\"></i>data \
         <i class=\"key k1\"></i>samples of the model</summary><div class=\"prints\">",
    );
    for panel in panels {
        draw(out, panel);
    }
    out.push_str("</div></details>");
}

fn draw(out: &mut String, panel: &FingerprintPanel) {
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
    let step = FRAME.w / n.saturating_sub(1).max(1) as f64;
    put!(
        out,
        "<figure><figcaption>{0}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">",
        escape(&panel.title)
    );
    let (values, decimals) = ticks(range.0, range.1, 3);
    for value in values {
        let y = FRAME.y_of(value, range);
        put!(
            out,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            FRAME.x,
            FRAME.x + FRAME.w,
            FRAME.x - 4.0,
            y + 3.0,
            label(value, decimals)
        );
    }
    let bottom = FRAME.y + FRAME.h;
    for at in 0..n {
        put!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            FRAME.x + at as f64 * step,
            bottom + 12.0,
            u64::from(panel.first) + at as u64
        );
    }
    put!(
        out,
        "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        FRAME.x + FRAME.w / 2.0,
        bottom + 25.0,
        escape(&panel.along)
    );
    for (colour, (mean, spread)) in pairs.into_iter().enumerate() {
        let place = |at: usize, value: f64| (FRAME.x + at as f64 * step, FRAME.y_of(value, range));
        let mut band = Path::default();
        let edges = mean.iter().zip(spread).enumerate();
        let known = |(_, (mean, spread)): &(usize, (&f64, &f64))| (*mean + *spread).is_finite();
        let edges: Vec<(usize, (&f64, &f64))> = edges.filter(known).collect();
        for (at, (mean, spread)) in &edges {
            let (x, y) = place(*at, *mean + *spread);
            band.to(x, y);
        }
        for (at, (mean, spread)) in edges.iter().rev() {
            let (x, y) = place(*at, *mean - *spread);
            band.to(x, y);
        }
        let mut line = Path::default();
        for (at, (mean, _)) in &edges {
            let (x, y) = place(*at, **mean);
            line.to(x, y);
        }
        put!(
            out,
            "<path class=\"band k{colour}\" transform=\"scale(.1)\" d=\"{}z\"/>\
             <path class=\"line k{colour}\" transform=\"scale(.1)\" d=\"{}\"/>",
            band.finish(),
            line.finish()
        );
    }
    out.push_str("</svg></figure>");
}

/// How far samples of the model may be trusted, by kind of coefficients.
pub(crate) fn decoding(out: &mut String, rows: &[DecodingRow]) {
    let Some(first) = rows.first() else {
        return;
    };
    put!(
        out,
        "<details class=\"fingerprint\"><summary>How well samples are brought back to coefficients</summary>\
         <p>The network sees reduced features; coefficients are told from them and from the cluster. Root mean square errors \
         over {}, in nepers for logarithms and in shares of the largest possible value for products.</p>\
         <div class=\"wide\"><table><thead><tr><th>Kind</th><th class=\"n\">decoder</th><th class=\"n\">mean of the cluster</th>\
         <th class=\"n\">mean of all</th></tr></thead><tbody>",
        if first.held_out {
            "windows held out from training"
        } else {
            "the training windows themselves, since the record is too short to hold any out"
        }
    );
    for row in rows {
        put!(
            out,
            "<tr><th>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&row.kind),
            fixed(row.decoder, 3),
            fixed(row.cluster, 3),
            fixed(row.constant, 3)
        );
    }
    out.push_str("</tbody></table></div></details>");
}
