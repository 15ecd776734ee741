//! The head of the page: input, results in short, and scores where the truth is known.

use maud::{Markup, html};

use super::format::{
    MISSING, clock, count, date, decibel, duration, fixed, list, median, plural, short, stamp,
};
use super::separations::outcome;
use crate::report::{
    ChannelOverview, ClusterReport, InputOverview, RecordGap, ReportData, Role, ScaleReport,
    Scores, SnrScore, TransientScore,
};

/// Largest number of gaps that are listed.
const GAPS_SHOWN: usize = 200;

/// Renders the section.
pub(super) fn section(data: &ReportData) -> Markup {
    html! {
        section id="summary" {
            div class="outcome" {
                (input_sentence(&data.overview))
                (cluster_sentences(data))
                (separation_sentences(data))
                @if !data.overview.problems.is_empty() {
                    p { b class="bad" { (plural(data.overview.problems.len() as u64, "input")) " could not be used" } "; see the list of problems." }
                }
                @for remark in &data.remarks { p { (remark) } }
            }
            @if !data.absent.is_empty() {
                ul class="note absent" { @for sentence in &data.absent { li { (sentence) } } }
            }
            @if let Some(scores) = &data.scores { (score_tables(scores)) }
            (inputs(&data.overview))
        }
    }
}

fn input_sentence(overview: &InputOverview) -> Markup {
    let channels = &overview.channels;
    let start = channels.iter().map(|c| c.start_ns).min();
    let end = channels.iter().map(|c| c.end_ns).max();
    let (Some(start), Some(end)) = (start, end) else {
        return Markup::default();
    };
    let recorded = channels
        .iter()
        .map(|c| c.n_samples as f64 / c.sampling_rate);
    let recorded = recorded.filter(|s| s.is_finite()).fold(0.0, f64::max);
    let span = if date(start) == date(end) {
        format!("{} {} to {}", date(start), clock(start), clock(end))
    } else {
        format!("{} to {}", stamp(start), stamp(end))
    };
    html! {
        p {
            @if recorded > 0.0 { b { (duration(recorded)) } " of record on " }
            b { (plural(channels.len() as u64, "channel")) } ", " (span) " UTC."
        }
    }
}

fn cluster_sentences(data: &ReportData) -> Markup {
    if data.scales.is_empty() {
        return Markup::default();
    }
    let lengths: Vec<String> = data.scales.iter().map(|s| duration(s.window_s)).collect();
    let clusters = || data.scales.iter().flat_map(|s| &s.clusters);
    let windows: u64 = clusters().map(|c| c.n_windows).sum();
    let in_use = |s: &ScaleReport| s.clusters.iter().filter(|c| c.n_windows > 0).count();
    let used: Vec<String> = data.scales.iter().map(|s| in_use(s).to_string()).collect();
    let of = data
        .scales
        .iter()
        .map(|s| s.clusters.len())
        .max()
        .unwrap_or(0);
    let transient = names(data, |c| c.is_transient);
    let scored = clusters().any(|c| c.transient_score.is_some());
    html! {
        p {
            b { (plural(windows, "window")) } " of " (list(&lengths)) " were assigned to clusters at "
            (plural(data.scales.len() as u64, "time scale")) "; " (list(&used)) " of " (of) " clusters have windows."
        }
        @if !transient.is_empty() {
            p { "Transient clusters: " b { (list(&transient)) } " (scale:cluster)." }
        } @else if scored {
            p { "No cluster is transient by the rule of the score." }
        }
    }
}

fn separation_sentences(data: &ReportData) -> Markup {
    let regions = &data.separations;
    let before = median(regions.iter().filter_map(|s| s.snr_before_db));
    let after = median(regions.iter().filter_map(|s| s.snr_after_db));
    let background = names(data, |c| c.role == Some(Role::Background));
    html! {
        @if let Some(counts) = &data.separation_counts { (outcome(counts)) }
        @if let (Some(before), Some(after)) = (before, after) {
            p {
                "The signal-to-noise ratio of the background in these regions changed from " (decibel(before)) " to "
                b { (decibel(after)) } " (medians)."
            }
        }
        @if !background.is_empty() { p { "Background samples are from " (list(&background)) "." } }
    }
}

/// `scale:cluster` of the clusters that satisfy a condition.
fn names(data: &ReportData, wanted: impl Fn(&ClusterReport) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for scale in &data.scales {
        for cluster in scale.clusters.iter().filter(|c| wanted(c)) {
            names.push(format!("{}:{}", scale.window_samples, cluster.cluster));
        }
    }
    names
}

/// Tables against the known sources.
fn score_tables(scores: &Scores) -> Markup {
    html! {
        h3 { "Agreement with the known sources" }
        div class="columns" {
            @if !scores.scales.is_empty() { (agreement(scores)) }
            div {
                @if let Some(transient) = &scores.transient { (detection(transient)) }
                @if !scores.snr.is_empty() { (snr_table(&scores.snr)) }
            }
        }
    }
}

fn agreement(scores: &Scores) -> Markup {
    html! {
        table class="scores" {
            caption { "Agreement of clusters and sources (1 is perfect, 0 is chance), with k-means on the same features for comparison" }
            thead {
                tr { th rowspan="2" { "Scale" } th colspan="2" { "adjusted Rand index" } th colspan="2" { "normalised mutual information" } }
                tr { @for _ in 0..2 { th { "seismix" } th { "k-means" } } }
            }
            tbody {
                @for row in &scores.scales {
                    tr {
                        th { (row.window_samples) }
                        @for (ours, theirs) in [(row.ari, row.kmeans_ari), (row.nmi, row.kmeans_nmi)] {
                            (score_cell(ours, ours >= theirs))
                            (score_cell(theirs, theirs > ours))
                        }
                    }
                }
            }
        }
    }
}

fn detection(score: &TransientScore) -> Markup {
    let name = |c: &u32| format!("{}:{c}", score.window_samples);
    let clusters: Vec<String> = score.clusters.iter().map(name).collect();
    let clusters = if clusters.is_empty() {
        "no cluster".to_owned()
    } else {
        list(&clusters)
    };
    html! {
        table class="scores" {
            caption {
                "Detection of windows with a pulse at scale " (score.window_samples) " by " (clusters) ": share of the detected \
                 windows that have a pulse (precision), of the windows with a pulse that are detected (recall), and their \
                 harmonic mean (F1)"
            }
            thead { tr { th { "F1" } th { "precision" } th { "recall" } } }
            tbody {
                tr {
                    (score_cell(score.f1, true))
                    (score_cell(score.precision, false))
                    (score_cell(score.recall, false))
                }
            }
        }
    }
}

fn snr_table(rows: &[SnrScore]) -> Markup {
    html! {
        table class="scores" {
            caption { "Signal-to-noise ratio of the background in the separated windows, over n windows" }
            thead {
                tr { th rowspan="2" { "Windows" } th rowspan="2" { "n" } th colspan="2" { "median" } th colspan="2" { "10th percentile" } }
                tr { @for _ in 0..2 { th { "before" } th { "after" } } }
            }
            tbody {
                @for row in rows {
                    tr {
                        th { (row.label) }
                        td { (count(u64::from(row.n_windows))) }
                        td { (decibel(row.before_median_db)) }
                        td { b { (decibel(row.after_median_db)) } }
                        td { (decibel(row.before_p10_db)) }
                        td { b { (decibel(row.after_p10_db)) } }
                    }
                }
            }
        }
    }
}

fn score_cell(value: f64, is_best: bool) -> Markup {
    // NaN becomes an empty bar.
    let width = (value.clamp(0.0, 1.0) * 64.0).max(0.0);
    html! {
        td class="score" {
            @if is_best { b { (fixed(value, 2)) } } @else { (fixed(value, 2)) }
            i class="bar" style=(format!("width:{width:.0}px")) {}
        }
    }
}

/// Channels, gaps and failures.
fn inputs(overview: &InputOverview) -> Markup {
    html! {
        @if !overview.channels.is_empty() {
            h3 { "What was read" }
            p class="note" { "The part of each channel that was used, after the selection of streams and times." }
            div class="wide" {
                table {
                    thead {
                        tr {
                            th { "Channel" } th { "from (UTC)" } th { "to (UTC)" }
                            @for name in ["rate", "samples", "recorded", "gaps", "in gaps"] { th class="n" { (name) } }
                        }
                    }
                    tbody { @for channel in &overview.channels { (channel_row(channel, &overview.gaps)) } }
                }
            }
            (gap_list(&overview.gaps))
        }
        @if !overview.problems.is_empty() {
            h3 class="bad" { "Problems" }
            table { tbody { @for problem in &overview.problems { tr { th { (problem.input) } td { (problem.message) } } } } }
        }
    }
}

fn channel_row(channel: &ChannelOverview, gaps: &[RecordGap]) -> Markup {
    let gaps = gaps.iter().filter(|g| g.id == channel.id);
    let gap_s: f64 = gaps.clone().map(gap_length_s).sum();
    let n_gaps = gaps.count() as u64;
    let sampled = channel.n_samples > 0;
    let if_sampled = |text: String| if sampled { text } else { MISSING.to_owned() };
    html! {
        tr {
            th { (channel.id) }
            td { (stamp(channel.start_ns)) }
            td { (stamp(channel.end_ns)) }
            td class="n" { (if_sampled(format!("{} Hz", short(channel.sampling_rate)))) }
            td class="n" { (if_sampled(count(channel.n_samples))) }
            td class="n" { (if_sampled(duration(channel.n_samples as f64 / channel.sampling_rate))) }
            td class="n" { (if_sampled(count(n_gaps))) }
            td class="n" { @if n_gaps == 0 { (MISSING) } @else { (duration(gap_s)) } }
        }
    }
}

fn gap_length_s(gap: &RecordGap) -> f64 {
    gap.end_ns.saturating_sub(gap.start_ns) as f64 / 1e9
}

/// The gaps in the order of time; if there are many, the longest.
fn gap_list(gaps: &[RecordGap]) -> Markup {
    let mut shown: Vec<&RecordGap> = gaps.iter().collect();
    if shown.is_empty() {
        return Markup::default();
    }
    shown.sort_by_key(|g| std::cmp::Reverse(g.end_ns.saturating_sub(g.start_ns)));
    shown.truncate(GAPS_SHOWN);
    shown.sort_by_key(|g| (g.start_ns, &g.id));
    html! {
        details {
            summary {
                (plural(gaps.len() as u64, "gap"))
                @if gaps.len() > GAPS_SHOWN { ", the " (GAPS_SHOWN) " longest" }
            }
            table {
                thead { tr { th { "Channel" } th { "from (UTC)" } th { "to (UTC)" } th class="n" { "length" } } }
                tbody {
                    @for gap in shown {
                        tr {
                            th { (gap.id) }
                            td { (stamp(gap.start_ns)) }
                            td { (stamp(gap.end_ns)) }
                            td class="n" { (duration(gap_length_s(gap))) }
                        }
                    }
                }
            }
        }
    }
}
