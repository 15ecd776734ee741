//! The separated stretches: a table of all, and for each the record, the background and the source.

use super::axis::{limits, time_label, time_ticks};
use super::data::{ReportData, SeparatedChannel, Separation};
use super::format::{count, decibel, duration, escape, fixed, number, put, stamp};
use super::record::{channel_code, y_ticks};
use super::summary::{median, plural};
use super::svg::{Frame, waveform};
use super::trace::{Trace, columns};

/// Stretches opened on the page as it comes.
const OPEN: usize = 3;
/// Stretches with waveforms on the page; more would make it too large to open.
const DRAWN: usize = 80;
/// Columns of one waveform at most, over the whole width of the page.
const COLUMNS: f64 = 1300.0;
const WIDTH: f64 = 1200.0;
const LABELS: f64 = 84.0;
const NAMES: f64 = 76.0;
const TOP: f64 = 20.0;
const ROW: f64 = 84.0;
const ROW_GAP: f64 = 8.0;

/// Writes the section.
pub(crate) fn section(out: &mut String, data: &ReportData, unit: &str) {
    out.push_str("<section id=\"separations\"><h2>Separated sources</h2>");
    if data.separations.is_empty() {
        out.push_str("<p class=\"none\">Nothing was separated.</p></section>");
        return;
    }
    put!(
        out,
        "<p class=\"lead\">{}, in the order of time. Record = background + source; shaded: the target.{}{}{}</p>",
        plural(data.separations.len() as u64, "stretch"),
        if any(data, |c| c.source_deviation.is_some()) {
            " Band: one standard deviation."
        } else {
            ""
        },
        if any(data, |c| c.true_source.is_some()) {
            " Dashed: the true source."
        } else {
            ""
        },
        if data.separations.iter().any(|s| known(s.snr_after_db)) {
            " SNR: signal-to-noise ratio of the background, its power over that of what is wrong in it \
             (before: the source itself)."
        } else {
            ""
        }
    );
    table(out, &data.separations);
    out.push_str(
        "<p class=\"js same\"><label><input type=\"checkbox\" id=\"own-scale\"> each waveform in its own scale</label></p>",
    );
    for (i, separation) in data.separations.iter().enumerate().take(DRAWN) {
        one(out, separation, i, unit);
    }
    if data.separations.len() > DRAWN {
        put!(
            out,
            "<p class=\"note\">Waveforms of the first {DRAWN} are drawn; all are in the table and in the separated \
             records.</p>"
        );
    }
    out.push_str("</section>");
}

fn any(data: &ReportData, has: impl Fn(&SeparatedChannel) -> bool) -> bool {
    data.separations
        .iter()
        .flat_map(|s| s.channels.iter())
        .any(has)
}

/// Whether there is a number; JSON cannot tell one that is not finite from none.
fn known(value: Option<f64>) -> bool {
    value.is_some_and(f64::is_finite)
}

fn table(out: &mut String, separations: &[Separation]) {
    let with_snr = separations
        .iter()
        .any(|s| known(s.snr_before_db) || known(s.snr_after_db));
    let expected = separations.iter().any(|s| known(s.snr_expected_db));
    out.push_str(
        "<div class=\"wide tall\"><table class=\"list\"><thead><tr><th class=\"n\">#</th><th>start (UTC)</th><th>target</th>\
         <th class=\"n\">length</th><th class=\"n\">probability</th><th>stopped because</th>\
         <th class=\"n\">iterations</th>",
    );
    if with_snr {
        out.push_str("<th class=\"n\">SNR before</th><th class=\"n\">SNR after</th>");
    }
    if expected {
        out.push_str("<th class=\"n\">SNR expected</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for (i, s) in separations.iter().enumerate() {
        put!(
            out,
            "<tr><td class=\"n\">{0}</td><td>{1}</td><td>{2}</td><td class=\"n\">{3}</td>\
             <td class=\"n\">{4}</td><td>{5}</td><td class=\"n\">{6}</td>",
            if i < DRAWN {
                format!("<a href=\"#separation-{0}\">{0}</a>", i + 1)
            } else {
                (i + 1).to_string()
            },
            stamp(s.start_ns),
            escape(&s.target),
            duration(length_s(s)),
            fixed(s.probability, 2),
            escape(&s.stop),
            count(u64::from(s.iterations))
        );
        let snr = |value: Option<f64>| decibel(value.unwrap_or(f64::NAN));
        if with_snr {
            put!(
                out,
                "<td class=\"n\">{}</td><td class=\"n\"><b>{}</b></td>",
                snr(s.snr_before_db),
                snr(s.snr_after_db)
            );
        }
        if expected {
            put!(out, "<td class=\"n\">{}</td>", snr(s.snr_expected_db));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

fn length_s(s: &Separation) -> f64 {
    s.end_ns.saturating_sub(s.start_ns) as f64 / 1e9
}

fn one(out: &mut String, s: &Separation, i: usize, unit: &str) {
    put!(
        out,
        "<details class=\"separation\" id=\"separation-{0}\"{1}><summary><b>{0}</b> {2} UTC <span>{3} · {4}</span></summary>",
        i + 1,
        if i < OPEN { " open" } else { "" },
        stamp(s.start_ns),
        escape(&s.target),
        duration(length_s(s))
    );
    facts(out, s);
    let n = s.channels.len();
    if n == 0 {
        out.push_str("<p class=\"none\">No waveforms.</p></details>");
        return;
    }
    let height = TOP + 3.0 * (ROW + ROW_GAP) + 30.0;
    put!(
        out,
        "<div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Record, background and source from {} UTC\">",
        stamp(s.start_ns)
    );
    for (row, name) in ["record", "background", "source"].iter().enumerate() {
        put!(
            out,
            "<text class=\"name\" x=\"0\" y=\"{}\">{name}</text>",
            row_top(row) + ROW / 2.0 + 4.0
        );
    }
    put!(
        out,
        "<text class=\"label\" x=\"0\" y=\"{}\">{}</text>",
        row_top(0) + ROW / 2.0 + 18.0,
        escape(unit)
    );
    let cell = (WIDTH - NAMES) / n as f64;
    for (c, channel) in s.channels.iter().enumerate() {
        let x = NAMES + c as f64 * cell + LABELS - 20.0;
        one_channel(out, s, channel, x, cell - LABELS + 10.0);
    }
    out.push_str("</svg></div></details>");
}

fn row_top(row: usize) -> f64 {
    TOP + row as f64 * (ROW + ROW_GAP)
}

/// Stop reason, numbers and the terms of the loss.
fn facts(out: &mut String, s: &Separation) {
    out.push_str("<div class=\"facts\"><dl>");
    let mut fact = |name: &str, value: String| {
        put!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    fact("stopped because", escape(&s.stop));
    fact("iterations", count(u64::from(s.iterations)));
    fact("background windows", count(u64::from(s.n_snippets)));
    if s.probability.is_finite() {
        fact("probability", fixed(s.probability, 2));
    }
    if known(s.snr_before_db) || known(s.snr_after_db) {
        fact(
            "SNR before → after",
            format!(
                "{} → <b>{}</b>",
                decibel(s.snr_before_db.unwrap_or(f64::NAN)),
                decibel(s.snr_after_db.unwrap_or(f64::NAN))
            ),
        );
    }
    if let Some(expected) = s.snr_expected_db.filter(|v| v.is_finite()) {
        fact("SNR expected", decibel(expected));
    }
    out.push_str("</dl>");
    if !s.loss.is_empty() {
        out.push_str(
            "<table class=\"loss\"><thead><tr><th>loss</th><th class=\"n\">start</th><th class=\"n\">end</th>\
             <th class=\"n\">expected</th></tr></thead><tbody>",
        );
        for term in &s.loss {
            put!(
                out,
                "<tr><th>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                escape(&term.name),
                number(term.start),
                number(term.end),
                number(term.expected.unwrap_or(f64::NAN))
            );
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("</div>");
    window_ends(out, s);
}

/// Why each window ended, with its terms beside what they are at the truth.
fn window_ends(out: &mut String, s: &Separation) {
    if s.windows.is_empty() {
        return;
    }
    out.push_str(
        "<details><summary>windows</summary><div class=\"wide tall\"><table class=\"list\"><thead><tr><th>channel</th>\
         <th>start (UTC)</th><th>ended because</th><th class=\"n\">L1 (expected)</th>\
         <th class=\"n\">L2 (expected)</th><th class=\"n\">L3 (expected)</th></tr></thead><tbody>",
    );
    for window in &s.windows {
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td>",
            escape(&window.channel),
            stamp(window.start_ns),
            escape(&window.why)
        );
        for (end, expected) in window.end.iter().zip(&window.expected) {
            // Methods that do not look at the terms leave them at zero.
            if *end == 0.0 && *expected == 0.0 {
                out.push_str("<td class=\"n\"></td>");
                continue;
            }
            put!(
                out,
                "<td class=\"n\">{} ({})</td>",
                number(*end),
                number(*expected)
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></details>");
}

/// Three waveforms under each other, drawn in their own ranges; the style sheet brings them to the shared one.
fn one_channel(out: &mut String, s: &Separation, channel: &SeparatedChannel, x: f64, w: f64) {
    let start_ns = channel.mixture.start_ns;
    let end_ns = channel.mixture.end_ns();
    let span_ns = end_ns.saturating_sub(start_ns);
    put!(
        out,
        "<text class=\"name\" x=\"{:.1}\" y=\"12\" text-anchor=\"middle\">{}<title>{}</title></text>",
        x + w / 2.0,
        escape(channel_code(&channel.id)),
        escape(&channel.id)
    );
    if channel.mixture.is_empty() || span_ns <= 0 {
        return;
    }
    let x_of =
        |ns: i64| x + w * (ns.saturating_sub(start_ns) as f64 / span_ns as f64).clamp(0.0, 1.0);
    let n_columns = (COLUMNS * w / WIDTH) as usize;
    let reduce = |trace: &Trace| columns(std::iter::once(trace), start_ns, span_ns, n_columns);
    let rows = [&channel.mixture, &channel.background, &channel.source].map(reduce);
    let truth = channel.true_source.as_ref().map(reduce);
    let band = channel.source_deviation.as_ref().map(|deviation| {
        let widen = |(c, d): (&(f32, f32), &(f32, f32))| (c.0 - d.1, c.1 + d.1);
        let d = reduce(deviation);
        rows[2].iter().zip(&d).map(widen).collect::<Vec<_>>()
    });
    let mut drawn = rows.each_ref().map(|columns| vec![columns]);
    drawn[2].extend(truth.iter().chain(&band));
    let own = drawn.map(|all| limits(all.into_iter().flatten().copied(), 1.0));
    // One range for all three, around each one's own middle: an offset of the record does not flatten the source.
    let middles = rows.each_ref().map(|c| {
        median(
            c.iter()
                .map(|c| f64::from(c.0) / 2.0 + f64::from(c.1) / 2.0),
        )
        .unwrap_or(0.0)
    });
    let reach = |i: usize| (own[i].0 - middles[i], own[i].1 - middles[i]);
    let low = (0..3).map(|i| reach(i).0).fold(f64::INFINITY, f64::min);
    let high = (0..3).map(|i| reach(i).1).fold(f64::NEG_INFINITY, f64::max);
    let shared = middles.map(|middle| (middle + low, middle + high));
    let classes = ["mixture", "background", "source"];
    for i in 0..3 {
        let frame = Frame {
            x,
            y: row_top(i),
            w,
            h: ROW,
        };
        put!(
            out,
            "<rect class=\"plot\" x=\"{x:.1}\" y=\"{y}\" width=\"{w:.1}\" height=\"{ROW}\"/>\
             <rect class=\"target\" x=\"{:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{ROW}\"/>",
            x_of(s.start_ns),
            x_of(s.end_ns) - x_of(s.start_ns),
            y = frame.y
        );
        for (scale, limits) in [("shared", shared[i]), ("own", own[i])] {
            put!(out, "<g class=\"{scale}\">");
            y_ticks(out, frame, limits);
            out.push_str("</g>");
        }
        let (factor, offset) = to_shared(frame, own[i], shared[i]);
        put!(
            out,
            "<g class=\"fit\" style=\"--a:{factor:.5};--b:{offset:.2}\">"
        );
        if let Some(band) = band.as_ref().filter(|_| i == 2) {
            path(out, "band", band, frame, own[i]);
        }
        let class = format!("wave {}", classes[i]);
        path(out, &class, &rows[i], frame, own[i]);
        if let Some(truth) = truth.as_ref().filter(|_| i == 2) {
            path(out, "truth", truth, frame, own[i]);
        }
        out.push_str("</g>");
    }
    let bottom = row_top(3) - ROW_GAP;
    let (times, step) = time_ticks(start_ns, end_ns, (w / 62.0).max(2.0) as usize);
    for time in times {
        let at = x_of(time);
        put!(
            out,
            "<line class=\"tick\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{}\"/>\
             <text class=\"label\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 4.0,
            bottom + 15.0,
            time_label(time, step)
        );
    }
}

/// Factor and offset that bring heights drawn in a row's own range to those of the shared range.
fn to_shared(frame: Frame, own: (f64, f64), shared: (f64, f64)) -> (f64, f64) {
    let factor = (own.1 - own.0) / (shared.1 - shared.0);
    let offset = frame.y + frame.h * (shared.1 - own.1) / (shared.1 - shared.0) - factor * frame.y;
    if factor.is_finite() && offset.is_finite() {
        (factor, offset)
    } else {
        (1.0, 0.0)
    }
}

fn path(out: &mut String, class: &str, columns: &[(f32, f32)], frame: Frame, limits: (f64, f64)) {
    put!(
        out,
        "<path class=\"{class}\" transform=\"scale(.1)\" d=\"{}\"/>",
        waveform(columns, frame, limits)
    );
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
