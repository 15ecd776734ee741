//! The clusters of each scale: a table, and a card for each with its waveforms and its hours of the day.

use super::axis::ticks;
use super::data::{Clock, ClusterReport, ReportData, Role, ScaleReport};
use super::fingerprint::{decoding, fingerprint};
use super::format::{count, duration, escape, fixed, number, percent, put};
use super::gallery::{WIDTH, gallery};
use super::palette;
use super::record::channel_code;

/// Writes the section.
pub(crate) fn section(out: &mut String, data: &ReportData, unit: &str) {
    out.push_str("<section id=\"clusters\"><h2>Clusters</h2>");
    if data.scales.is_empty() {
        out.push_str("<p class=\"none\">Nothing was clustered.</p></section>");
        return;
    }
    put!(
        out,
        "<p class=\"lead\">Each scale has clusters of its own; <code>1024:3</code> is cluster 3 of the windows of 1024 \
         samples, as <code>--target</code> and <code>--background</code> take it.{} Waveforms: the most confident \
         windows, each in its own scale, moved to match where they are alike; the thick line is their mean.</p>",
        if data.transient_measure.is_empty() {
            String::new()
        } else {
            format!(
                " Transient score: {}.",
                escape(data.transient_measure.trim_end_matches('.'))
            )
        }
    );
    out.push_str("<nav class=\"tabs js\" aria-label=\"Scale\">");
    for scale in &data.scales {
        put!(
            out,
            "<button type=\"button\" data-scale=\"{}\">{} <i>{}</i></button>",
            scale.window_samples,
            scale.window_samples,
            duration(scale.window_s)
        );
    }
    out.push_str("</nav>");
    for scale in &data.scales {
        one_scale(out, data, scale, unit);
    }
    out.push_str("</section>");
}

fn one_scale(out: &mut String, data: &ReportData, scale: &ScaleReport, unit: &str) {
    put!(
        out,
        "<div class=\"scale\" data-scale=\"{0}\"><h3>{0} samples <i>windows of {1}, one every {2}{3}</i></h3>",
        scale.window_samples,
        duration(scale.window_s),
        duration(scale.stride_s),
        if scale.gallery_channel.is_empty() {
            String::new()
        } else {
            format!(
                "; waveforms of {}",
                escape(channel_code(&scale.gallery_channel))
            )
        }
    );
    let total: u64 = scale.clusters.iter().map(|c| c.n_windows).sum();
    let largest = scale
        .clusters
        .iter()
        .map(|c| c.n_windows)
        .max()
        .unwrap_or(0);
    out.push_str(
        "<div class=\"wide\"><table class=\"clusters\"><thead><tr><th>Cluster</th><th class=\"n\">windows</th>\
         <th colspan=\"2\">share</th><th class=\"n\">mean probability</th><th class=\"n\">transient score</th>\
         <th class=\"n\" title=\"Jaccard index with its likes in other fits, over seeds and over blocks of time\">repeats</th><th></th></tr></thead><tbody>",
    );
    for cluster in &scale.clusters {
        table_row(out, scale, cluster, total, largest);
    }
    out.push_str("</tbody></table></div>");
    decoding(out, &scale.decoding);
    out.push_str("<div class=\"cards\">");
    let hours = hours_total(scale);
    let alive = scale
        .clusters
        .iter()
        .filter(|c| c.n_windows > 0 || !c.gallery.is_empty());
    for cluster in alive {
        card(out, data.clock, scale, cluster, (&hours, unit));
    }
    out.push_str("</div></div>");
}

fn table_row(
    out: &mut String,
    scale: &ScaleReport,
    cluster: &ClusterReport,
    total: u64,
    largest: u64,
) {
    put!(
        out,
        "<tr{}><th>{}</th><td class=\"n\">{}</td>",
        if cluster.n_windows == 0 {
            " class=\"dead\""
        } else {
            ""
        },
        chip(scale, cluster),
        count(cluster.n_windows)
    );
    if cluster.n_windows == 0 {
        out.push_str(
            "<td colspan=\"6\">empty: no window has it as its most probable cluster</td></tr>",
        );
        return;
    }
    put!(
        out,
        "<td class=\"n\">{}</td><td class=\"share\"><i class=\"bar b{}\" style=\"width:{:.1}%\"></i></td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
        percent(cluster.n_windows as f64 / total.max(1) as f64),
        palette::index(cluster.cluster),
        100.0 * cluster.n_windows as f64 / largest.max(1) as f64,
        fixed(cluster.mean_probability, 2),
        number(cluster.transient_score.unwrap_or(f64::NAN)),
        cluster.repeats.map_or_else(
            || "–".to_owned(),
            |[seeds, blocks]| format!("{}, {}", fixed(seeds, 2), fixed(blocks, 2))
        ),
        badges(cluster)
    );
}

/// The button that shows where a cluster is.
fn chip(scale: &ScaleReport, cluster: &ClusterReport) -> String {
    format!(
        "<button type=\"button\" class=\"chip wide-chip b{}\" data-scale=\"{s}\" data-cluster=\"{c}\">{s}:{c}</button>",
        palette::index(cluster.cluster),
        s = scale.window_samples,
        c = cluster.cluster
    )
}

fn badges(cluster: &ClusterReport) -> String {
    let mut badges = String::new();
    if cluster.is_transient {
        badges.push_str("<span class=\"badge hot\">transient</span>");
    }
    match cluster.role {
        Some(Role::Target) => badges.push_str("<span class=\"badge\">target</span>"),
        Some(Role::Background) => badges.push_str("<span class=\"badge\">background</span>"),
        None => {}
    }
    badges
}

/// Windows of all clusters in each hour.
fn hours_total(scale: &ScaleReport) -> [u64; 24] {
    let mut total = [0u64; 24];
    for cluster in &scale.clusters {
        for (sum, n) in total.iter_mut().zip(&cluster.hours) {
            *sum = sum.saturating_add(*n);
        }
    }
    total
}

fn card(
    out: &mut String,
    clock: Clock,
    scale: &ScaleReport,
    cluster: &ClusterReport,
    (hours, unit): (&[u64; 24], &str),
) {
    put!(
        out,
        "<article class=\"card\" data-cluster=\"{}\"><header>{}<span>{} windows</span>{}</header>",
        cluster.cluster,
        chip(scale, cluster),
        count(cluster.n_windows),
        badges(cluster)
    );
    gallery(out, scale, cluster, unit);
    if !cluster.hours.is_empty() {
        histogram(out, cluster, hours, clock);
    }
    fingerprint(out, &cluster.fingerprint);
    out.push_str("</article>");
}

/// The cluster's share of all windows in each hour of the day.
fn histogram(out: &mut String, cluster: &ClusterReport, hours: &[u64; 24], clock: Clock) {
    const HEIGHT: f64 = 62.0;
    const X: f64 = 34.0;
    let shares: Vec<Option<f64>> = hours
        .iter()
        .zip(cluster.hours.iter().chain(std::iter::repeat(&0)))
        .map(|(all, n)| (*all > 0).then(|| *n as f64 / *all as f64))
        .collect();
    let largest = shares.iter().flatten().copied().fold(0.0, f64::max);
    let top = if largest > 0.0 { largest * 100.0 } else { 1.0 };
    let width = (WIDTH - X) / 24.0;
    put!(
        out,
        "<svg class=\"hours\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Share of the windows in each hour\">",
        HEIGHT + 34.0
    );
    let (values, decimals) = ticks(0.0, top, 2);
    for value in values {
        let y = 4.0 + HEIGHT * (1.0 - value / top);
        put!(
            out,
            "<line class=\"grid\" x1=\"{X}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            X - 5.0,
            y + 3.5,
            fixed(value, decimals)
        );
    }
    for (hour, share) in shares.iter().enumerate() {
        let x = X + hour as f64 * width;
        match share {
            // No window ended in this hour: neither zero nor anything else is known.
            None => put!(
                out,
                "<rect class=\"unknown\" x=\"{:.1}\" y=\"4\" width=\"{:.1}\" height=\"{HEIGHT}\"/>",
                x,
                width
            ),
            Some(share) => {
                let h = HEIGHT * share * 100.0 / top;
                put!(
                    out,
                    "<rect class=\"f{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{h:.1}\">\
                     <title>{hour:02} to {:02} h: {} of {} windows, {}</title></rect>",
                    palette::index(cluster.cluster),
                    x + 0.75,
                    4.0 + HEIGHT - h,
                    width - 1.5,
                    hour + 1,
                    count(cluster.hours.get(hour).copied().unwrap_or(0)),
                    count(hours[hour]),
                    percent(*share)
                );
            }
        }
    }
    for hour in [0, 6, 12, 18, 24] {
        let anchor = if hour == 24 { "end" } else { "middle" };
        put!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{hour}</text>",
            X + f64::from(hour) * width,
            HEIGHT + 18.0
        );
    }
    put!(
        out,
        "<text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">% of windows by hour ({})</text></svg>",
        X + (WIDTH - X) / 2.0,
        HEIGHT + 31.0,
        match clock {
            Clock::Utc => "UTC",
            Clock::Lmst => "local mean solar time",
        }
    );
}
