//! The clusters of each scale: a table, and a card for each with its waveforms and its hours of the day.

use maud::{Markup, html};

use super::fingerprint::{decoding, fingerprint};
use super::format::{channel_code, count, duration, fixed, number, percent, px};
use super::gallery::{WIDTH, gallery};
use super::palette;
use crate::report::svg::Frame;
use crate::report::svg::axis::{text, y_axis};
use crate::report::{Clock, ClusterReport, ReportData, Role, ScaleReport};

/// Renders the section.
pub(super) fn section(data: &ReportData, unit: &str) -> Markup {
    html! {
        section id="clusters" {
            h2 { "Clusters" }
            @if data.scales.is_empty() {
                p class="none" { "There is no cluster table." }
            } @else {
                (lead(data))
                nav class="tabs js" aria-label="Scale" {
                    @for scale in &data.scales {
                        button type="button" data-scale=(scale.window_samples) {
                            (scale.window_samples) " " i { (duration(scale.window_s)) }
                        }
                    }
                }
                @for scale in &data.scales { (one_scale(data, scale, unit)) }
            }
        }
    }
}

fn lead(data: &ReportData) -> Markup {
    html! {
        p class="lead" {
            "Each scale (window length) has its own clusters; " code { "1024:3" } " is cluster 3 of the windows of 1024 \
             samples, the form that " code { "--target" } " and " code { "--background" } " take. A window belongs to its \
             most probable cluster; mean probability: of that cluster over its windows. Waveforms: the most probable \
             windows, each scaled to its own range, with half of its peak-to-peak amplitude at the right; they are shifted \
             onto each other where they share a waveform, and the thick line is their mean."
            @if !data.transient_measure.is_empty() {
                " Transient score: " (data.transient_measure.trim_end_matches('.')) "."
            }
        }
    }
}

fn one_scale(data: &ReportData, scale: &ScaleReport, unit: &str) -> Markup {
    let alive = |c: &&ClusterReport| c.n_windows > 0 || !c.gallery.is_empty();
    let hours = hours_total(scale);
    html! {
        div class="scale" data-scale=(scale.window_samples) {
            h3 {
                (scale.window_samples) " samples "
                i {
                    "windows of " (duration(scale.window_s)) ", one every " (duration(scale.stride_s))
                    @if !scale.gallery_channel.is_empty() { "; waveforms of " (channel_code(&scale.gallery_channel)) }
                }
            }
            (table(scale))
            (decoding(&scale.decoding))
            div class="cards" {
                @for cluster in scale.clusters.iter().filter(alive) {
                    article class="card" data-cluster=(cluster.cluster) {
                        header { (chip(scale, cluster)) span { (count(cluster.n_windows)) " windows" } (badges(cluster)) }
                        (gallery(scale, cluster, unit))
                        @if !cluster.hours.is_empty() { (histogram(cluster, &hours, data.clock)) }
                        (fingerprint(&cluster.fingerprint))
                    }
                }
            }
        }
    }
}

fn table(scale: &ScaleReport) -> Markup {
    let sizes = || scale.clusters.iter().map(|c| c.n_windows);
    let (total, largest) = (sizes().sum::<u64>(), sizes().max().unwrap_or(0));
    let scored = scale.clusters.iter().any(|c| c.transient_score.is_some());
    let compared = scale.clusters.iter().any(|c| c.repeats.is_some());
    let jaccard = "Mean Jaccard index with the most similar cluster of other fits, over seeds, then over blocks of time";
    html! {
        div class="wide" {
            table class="clusters" {
                thead {
                    tr {
                        th { "Cluster" }
                        th class="n" { "windows" }
                        th colspan="2" { "share" }
                        th class="n" { "mean probability" }
                        @if scored { th class="n" { "transient score" } }
                        @if compared { th class="n" title=(jaccard) { "stability" } }
                        th {}
                    }
                }
                tbody {
                    @for cluster in &scale.clusters {
                        @if cluster.n_windows == 0 {
                            tr class="dead" {
                                th { (chip(scale, cluster)) }
                                td class="n" { "0" }
                                td colspan="6" { "empty: most probable cluster of no window" }
                            }
                        } @else {
                            tr {
                                th { (chip(scale, cluster)) }
                                td class="n" { (count(cluster.n_windows)) }
                                td class="n" { (percent(cluster.n_windows as f64 / total.max(1) as f64)) }
                                td class="share" {
                                    @let width = 100.0 * cluster.n_windows as f64 / largest.max(1) as f64;
                                    i class=(format!("bar b{}", palette::index(cluster.cluster))) style=(format!("width:{width:.1}%")) {}
                                }
                                td class="n" { (fixed(cluster.mean_probability, 2)) }
                                @if scored { td class="n" { (number(cluster.transient_score.unwrap_or(f64::NAN))) } }
                                @if compared {
                                    @let [seeds, blocks] = cluster.repeats.unwrap_or([f64::NAN; 2]);
                                    td class="n" { (fixed(seeds, 2)) ", " (fixed(blocks, 2)) }
                                }
                                td { (badges(cluster)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Button that marks the times of a cluster in the record.
fn chip(scale: &ScaleReport, cluster: &ClusterReport) -> Markup {
    let (samples, number) = (scale.window_samples, cluster.cluster);
    html! {
        button type="button" class=(format!("chip wide-chip b{}", palette::index(number)))
            data-scale=(samples) data-cluster=(number) { (samples) ":" (number) }
    }
}

fn badges(cluster: &ClusterReport) -> Markup {
    let role = cluster.role.map(|role| match role {
        Role::Target => (
            "target",
            "Windows of this cluster are separated from the record",
        ),
        Role::Background => (
            "background",
            "Windows of this cluster were used as samples of the background",
        ),
    });
    html! {
        @if cluster.is_transient { span class="badge hot" { "transient" } }
        @if let Some((name, title)) = role { span class="badge" title=(title) { (name) } }
    }
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

/// The cluster's share of all windows in each hour of the day.
fn histogram(cluster: &ClusterReport, hours: &[u64; 24], clock: Clock) -> Markup {
    const FRAME: Frame = Frame {
        x: 34.0,
        y: 4.0,
        w: WIDTH - 34.0,
        h: 62.0,
    };
    let n_of = |hour: usize| cluster.hours.get(hour).copied().unwrap_or(0);
    let per_cent: Vec<Option<f64>> = (0..24)
        .map(|hour| (hours[hour] > 0).then(|| 100.0 * n_of(hour) as f64 / hours[hour] as f64))
        .collect();
    let largest = per_cent.iter().flatten().copied().fold(0.0, f64::max);
    let range = (0.0, if largest > 0.0 { largest } else { 1.0 });
    let width = FRAME.w / 24.0;
    let bottom = FRAME.y + FRAME.h;
    let clock = match clock {
        Clock::Utc => "UTC",
        Clock::Lmst => "local mean solar time",
    };
    html! {
        svg class="hours" viewBox=(format!("0 0 {WIDTH} 96")) role="img" aria-label="Share of the windows in each hour" {
            (y_axis(FRAME, range, 2))
            @for (hour, share) in per_cent.iter().enumerate() {
                @let x = FRAME.x + hour as f64 * width;
                @if let Some(share) = share {
                    @let y = FRAME.y_of(*share, range);
                    rect class=(format!("f{}", palette::index(cluster.cluster))) x=(px(x + 0.75)) y=(px(y))
                        width=(px(width - 1.5)) height=(px(bottom - y)) {
                        title {
                            (format!("{hour:02}")) " to " (format!("{:02}", hour + 1)) " h: " (count(n_of(hour))) " of "
                            (count(hours[hour])) " windows, " (percent(share / 100.0))
                        }
                    }
                } @else {
                    // No window lies in this hour: the share is unknown, not zero.
                    rect class="unknown" x=(px(x)) y=(px(FRAME.y)) width=(px(width)) height=(px(FRAME.h)) {}
                }
            }
            @for hour in [0, 6, 12, 18, 24] {
                @let anchor = if hour == 24 { "end" } else { "middle" };
                (text(FRAME.x + f64::from(hour) * width, bottom + 14.0, anchor, &hour.to_string()))
            }
            (text(FRAME.x + FRAME.w / 2.0, bottom + 27.0, "middle", &format!("% of the windows in each hour of the day ({clock})")))
        }
    }
}
