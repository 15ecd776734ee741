//! The head of the page: what was processed, what came out, and the scores where the truth is known.

use super::data::{ReportData, Role, ScaleReport, Scores};
use super::format::{clock, count, date, decibel, duration, escape, fixed, put, stamp};

/// Writes the section.
pub(crate) fn section(out: &mut String, data: &ReportData) {
    out.push_str("<section id=\"summary\">");
    outcome(out, data);
    if let Some(scores) = &data.scores {
        scores_tables(out, scores);
    }
    inputs(out, data);
    out.push_str("</section>");
}

/// A few sentences a reader can stop after.
fn outcome(out: &mut String, data: &ReportData) {
    out.push_str("<div class=\"outcome\">");
    for sentence in sentences(data) {
        put!(out, "<p>{sentence}</p>");
    }
    for remark in &data.remarks {
        put!(out, "<p>{}</p>", escape(remark));
    }
    out.push_str("</div>");
}

/// The automatic sentences, as HTML.
fn sentences(data: &ReportData) -> Vec<String> {
    let mut sentences = Vec::new();
    let channels = &data.overview.channels;
    if !channels.is_empty() {
        let start = channels.iter().map(|c| c.start_ns).min().unwrap_or(0);
        let end = channels.iter().map(|c| c.end_ns).max().unwrap_or(0);
        let recorded = channels
            .iter()
            .map(|c| c.n_samples as f64 / c.sampling_rate)
            .filter(|s| s.is_finite())
            .fold(0.0, f64::max);
        let span = if date(start) == date(end) {
            format!("{} {} to {}", date(start), clock(start), clock(end))
        } else {
            format!("{} to {}", stamp(start), stamp(end))
        };
        sentences.push(format!(
            "<b>{}</b> of record on <b>{}</b>, {span} UTC.",
            duration(recorded),
            plural(channels.len() as u64, "channel")
        ));
    }
    if !data.scales.is_empty() {
        let scales: Vec<String> = data.scales.iter().map(|s| duration(s.window_s)).collect();
        let windows: u64 = data
            .scales
            .iter()
            .flat_map(|s| s.clusters.iter())
            .map(|c| c.n_windows)
            .sum();
        let in_use = |s: &ScaleReport| s.clusters.iter().filter(|c| c.n_windows > 0).count();
        let used: Vec<String> = data.scales.iter().map(|s| in_use(s).to_string()).collect();
        let of = data.scales.iter().map(|s| s.clusters.len()).max();
        sentences.push(format!(
            "<b>{}</b> of {} were grouped at {}; {} of {} clusters are in use.",
            plural(windows, "window"),
            list(&scales),
            plural(data.scales.len() as u64, "time scale"),
            list(&used),
            of.unwrap_or(0)
        ));
        let transient = names(data, |c| c.is_transient);
        sentences.push(if transient.is_empty() {
            "No cluster looks like a transient.".to_owned()
        } else {
            format!("Looks like a transient: <b>{}</b>.", list(&transient))
        });
    }
    if !data.separations.is_empty() {
        let targets = names(data, |c| c.role == Some(Role::Target));
        let targets = if targets.is_empty() {
            String::new()
        } else {
            format!(" of {}", list(&targets))
        };
        let mut text = format!(
            "<b>{}</b>{targets} {} separated from the background",
            plural(data.separations.len() as u64, "stretch"),
            if data.separations.len() == 1 {
                "was"
            } else {
                "were"
            }
        );
        let before = median(data.separations.iter().filter_map(|s| s.snr_before_db));
        let after = median(data.separations.iter().filter_map(|s| s.snr_after_db));
        if let (Some(before), Some(after)) = (before, after) {
            text += &format!(
                "; the background’s signal-to-noise ratio there went from {} to <b>{}</b> (medians)",
                decibel(before),
                decibel(after)
            );
        }
        sentences.push(text + ".");
    }
    if !data.overview.problems.is_empty() {
        sentences.push(format!(
            "<b class=\"bad\">{} could not be used</b>; see the list of problems.",
            plural(data.overview.problems.len() as u64, "input")
        ));
    }
    sentences
}

/// `scale:cluster` of the clusters asked for.
fn names(data: &ReportData, wanted: impl Fn(&super::data::ClusterReport) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for scale in &data.scales {
        for cluster in scale.clusters.iter().filter(|c| wanted(c)) {
            names.push(format!("{}:{}", scale.window_samples, cluster.cluster));
        }
    }
    names
}

/// `a, b and c`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// `1 gap`, `3 gaps`, `2 stretches`.
pub(crate) fn plural(n: u64, noun: &str) -> String {
    let ending = match (n, noun.ends_with("ch")) {
        (1, _) => "",
        (_, true) => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", count(n))
}

/// Median of the finite values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(upper), 0) => Some((values[middle - 1] + upper) / 2.0),
        (upper, _) => upper.copied(),
    }
}

/// Tables against the known sources.
fn scores_tables(out: &mut String, scores: &Scores) {
    out.push_str("<h3>Against the known sources</h3><div class=\"columns\">");
    if !scores.scales.is_empty() {
        out.push_str(
            "<table class=\"scores\"><caption>How well clusters match the sources (1 is perfect, 0 is chance)</caption>\
             <thead><tr><th rowspan=\"2\">Scale</th><th colspan=\"2\">adjusted Rand index</th>\
             <th colspan=\"2\">normalised mutual information</th></tr>\
             <tr><th>seismix</th><th>k-means</th><th>seismix</th><th>k-means</th></tr></thead><tbody>",
        );
        for row in &scores.scales {
            put!(out, "<tr><th>{}</th>", row.window_samples);
            for (ours, theirs) in [(row.ari, row.kmeans_ari), (row.nmi, row.kmeans_nmi)] {
                score_cell(out, ours, ours >= theirs);
                score_cell(out, theirs, theirs > ours);
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("<div>");
    if let Some(t) = &scores.transient {
        let clusters: Vec<String> = t
            .clusters
            .iter()
            .map(|c| format!("{}:{c}", t.window_samples))
            .collect();
        put!(
            out,
            "<table class=\"scores\"><caption>Windows with a pulse told from the rest, at scale {} by {}</caption>\
             <thead><tr><th>F1</th><th>precision</th><th>recall</th></tr></thead><tbody><tr>",
            t.window_samples,
            if clusters.is_empty() {
                "no cluster".to_owned()
            } else {
                list(&clusters)
            }
        );
        score_cell(out, t.f1, true);
        score_cell(out, t.precision, false);
        score_cell(out, t.recall, false);
        out.push_str("</tr></tbody></table>");
    }
    if !scores.snr.is_empty() {
        out.push_str(
            "<table class=\"scores\"><caption>Background’s signal-to-noise ratio inside the separated windows</caption>\
             <thead><tr><th rowspan=\"2\">Windows</th><th rowspan=\"2\">n</th><th colspan=\"2\">median</th>\
             <th colspan=\"2\">10th percentile</th></tr><tr><th>before</th><th>after</th>\
             <th>before</th><th>after</th></tr></thead><tbody>",
        );
        for row in &scores.snr {
            put!(
                out,
                "<tr><th>{}</th><td>{}</td><td>{}</td><td><b>{}</b></td><td>{}</td><td><b>{}</b></td></tr>",
                escape(&row.label),
                count(u64::from(row.n_windows)),
                decibel(row.before_median_db),
                decibel(row.after_median_db),
                decibel(row.before_p10_db),
                decibel(row.after_p10_db)
            );
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("</div></div>");
}

fn score_cell(out: &mut String, value: f64, best: bool) {
    let share = if value.is_finite() {
        value.clamp(0.0, 1.0) * 64.0
    } else {
        0.0
    };
    let tag = if best { "b" } else { "span" };
    put!(
        out,
        "<td class=\"score\"><{tag}>{}</{tag}><i class=\"bar\" style=\"width:{share:.0}px\"></i></td>",
        fixed(value, 2)
    );
}

/// Channels, gaps and what failed.
fn inputs(out: &mut String, data: &ReportData) {
    let overview = &data.overview;
    if overview.channels.is_empty() && overview.problems.is_empty() {
        return;
    }
    out.push_str("<h3>What was read</h3>");
    if !overview.channels.is_empty() {
        out.push_str(
            "<div class=\"wide\"><table><thead><tr><th>Channel</th><th>from (UTC)</th><th>to (UTC)</th>\
             <th class=\"n\">rate</th><th class=\"n\">samples</th><th class=\"n\">recorded</th>\
             <th class=\"n\">gaps</th><th class=\"n\">in gaps</th></tr></thead><tbody>",
        );
        for channel in &overview.channels {
            let gaps = overview.gaps.iter().filter(|g| g.id == channel.id);
            let gap_s: f64 = gaps
                .clone()
                .map(|g| g.end_ns.saturating_sub(g.start_ns) as f64 / 1e9)
                .sum();
            let n_gaps = gaps.count() as u64;
            put!(
                out,
                "<tr><th>{}</th><td>{}</td><td>{}</td><td class=\"n\">{} Hz</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                escape(&channel.id),
                stamp(channel.start_ns),
                stamp(channel.end_ns),
                super::format::short(channel.sampling_rate),
                count(channel.n_samples),
                duration(channel.n_samples as f64 / channel.sampling_rate),
                count(n_gaps),
                if n_gaps == 0 {
                    super::format::MISSING.to_owned()
                } else {
                    duration(gap_s)
                }
            );
        }
        out.push_str("</tbody></table></div>");
    }
    gap_list(out, data);
    if !overview.problems.is_empty() {
        put!(out, "<h3 class=\"bad\">Problems</h3><table><tbody>");
        for problem in &overview.problems {
            put!(
                out,
                "<tr><th>{}</th><td>{}</td></tr>",
                escape(&problem.input),
                escape(&problem.message)
            );
        }
        out.push_str("</tbody></table>");
    }
}

/// Every gap, folded away; the longest first when there are many.
fn gap_list(out: &mut String, data: &ReportData) {
    const SHOWN: usize = 200;
    let mut gaps: Vec<_> = data.overview.gaps.iter().collect();
    if gaps.is_empty() {
        return;
    }
    gaps.sort_by_key(|g| (g.start_ns, g.id.clone()));
    let n = gaps.len();
    if n > SHOWN {
        gaps.sort_by_key(|g| std::cmp::Reverse(g.end_ns.saturating_sub(g.start_ns)));
        gaps.truncate(SHOWN);
    }
    put!(
        out,
        "<details><summary>{}{}</summary><table><thead><tr><th>Channel</th><th>from (UTC)</th><th>to (UTC)</th>\
         <th class=\"n\">length</th></tr></thead><tbody>",
        plural(n as u64, "gap"),
        if n > SHOWN {
            format!(", the {SHOWN} longest")
        } else {
            String::new()
        }
    );
    for gap in gaps {
        put!(
            out,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            escape(&gap.id),
            stamp(gap.start_ns),
            stamp(gap.end_ns),
            duration(gap.end_ns.saturating_sub(gap.start_ns) as f64 / 1e9)
        );
    }
    out.push_str("</tbody></table></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_together_well() {
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(plural(1, "stretch"), "1 stretch");
        assert_eq!(plural(2, "stretch"), "2 stretches");
        assert_eq!(plural(0, "gap"), "0 gaps");
        assert_eq!(median([3.0, f64::NAN, 1.0].into_iter()), Some(2.0));
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}
