//! Agreement of the clusters with those of other fits: the evidence for their number.

use maud::{Markup, html};

use super::format::fixed;
use crate::report::{ClusterRepeats, ReportData, StabilityReport};

/// Mean Jaccard index below which a cluster is not found again in other fits.
const DISSOLVED: f64 = 0.5;

/// Renders the section, if the agreement was computed.
pub(super) fn section(data: &ReportData) -> Markup {
    let Some(stability) = &data.stability else {
        return Markup::default();
    };
    html! {
        section id="stability" {
            h2 { "Stability of the clusters" }
            p class="lead" {
                "Agreement of the initial clusters with those of other fits, as the adjusted Rand index: 1 for the same \
                 partition, 0 for chance. The other fits differ in their seed, or in the blocks of time from which they \
                 are learned: a random subsample of about 63 % of the blocks. A stable cluster need not be a source, since \
                 a cut through a continuum is stable as well. An unstable cluster should not be interpreted."
            }
            @if !stability.repeats.is_empty() {
                (by_scale(stability))
                (by_cluster(stability))
            }
            @if !stability.candidates.is_empty() {
                (candidates(stability))
            }
        }
    }
}

fn by_scale(stability: &StabilityReport) -> Markup {
    html! {
        div class="wide" {
            table {
                thead {
                    tr {
                        th { "Scale" }
                        @for over in ["over seeds", "over blocks of time"] {
                            th class="n" { (over) ", mean" }
                            th class="n" { "minimum" }
                            th class="n" { "fits" }
                        }
                    }
                }
                tbody {
                    @for (scale, one) in stability.scales.iter().zip(&stability.repeats) {
                        tr {
                            th { (scale) }
                            @for ([mean, least], n) in [one.seeds, one.blocks].iter().zip(one.n_fits) {
                                td class="n" { (fixed(*mean, 2)) }
                                td class="n" { (fixed(*least, 2)) }
                                td class="n" { (n) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row for each cluster, a column for each scale.
fn by_cluster(stability: &StabilityReport) -> Markup {
    let rows = stability.repeats.iter().map(|one| one.clusters.len());
    let rows = rows.max().unwrap_or(0);
    if rows == 0 {
        return Markup::default();
    }
    let cell = |row: usize, clusters: &[ClusterRepeats]| {
        let found = clusters.iter().find(|one| one.cluster as usize == row);
        match found.filter(|one| one.n_windows > 0) {
            Some(one) => {
                let title = format!(
                    "minimum {}, {}; {} windows",
                    fixed(one.seeds[1], 2),
                    fixed(one.blocks[1], 2),
                    one.n_windows
                );
                html! { td class="n" title=(title) { (index(one.seeds[0])) ", " (index(one.blocks[0])) } }
            }
            None => html! { td class="n" { "–" } },
        }
    };
    html! {
        p {
            "Each cluster: mean Jaccard index with the most similar cluster of the other fits (1: the same windows), over \
             seeds, then over blocks of time. Bold: below 0.5, the cluster is not found again. The minimum over all fits is \
             shown under the pointer."
        }
        div class="wide" {
            table {
                (scale_head("Cluster", &stability.scales[..stability.scales.len().min(stability.repeats.len())]))
                tbody {
                    @for row in 0..rows {
                        tr {
                            th { (row) }
                            @for one in &stability.repeats { (cell(row, &one.clusters)) }
                        }
                    }
                }
            }
        }
    }
}

/// A Jaccard index, bold if the cluster is not found again.
fn index(value: f64) -> Markup {
    html! {
        @if value < DISSOLVED { b { (fixed(value, 2)) } } @else { (fixed(value, 2)) }
    }
}

fn scale_head(first: &str, scales: &[u32]) -> Markup {
    html! {
        thead {
            tr {
                th { (first) }
                @for scale in scales { th class="n" { (scale) } }
            }
        }
    }
}

/// A row for each number of clusters that was tried, a column for each scale.
fn candidates(stability: &StabilityReport) -> Markup {
    let recommended = |scale: usize| stability.recommended.get(scale).copied().flatten();
    html! {
        p {
            (stability.n_clusters)
            " clusters per scale are used: the number whose clusters agree best over blocks of time, all scales together. \
             Bold: the largest number that agrees as well as any at that scale; in a column without bold no number agrees."
        }
        div class="wide" {
            table {
                (scale_head("Clusters", &stability.scales))
                tbody {
                    @for one in &stability.candidates {
                        tr {
                            th {
                                (one.n_clusters)
                                @if one.n_clusters == stability.n_clusters { " (used)" }
                            }
                            @for (scale, [mean, least]) in one.blocks.iter().enumerate() {
                                td class="n" title=(format!("minimum {}", fixed(*least, 2))) {
                                    @if recommended(scale) == Some(one.n_clusters) {
                                        b { (fixed(*mean, 2)) }
                                    } @else {
                                        (fixed(*mean, 2))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
