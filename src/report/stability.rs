//! How far clusters repeat: the evidence for their number.

use super::cluster_data::{ClusterRepeats, StabilityReport};
use super::data::ReportData;
use super::format::{fixed, put};

/// A cluster whose mean Jaccard index is lower dissolves in other fits.
const DISSOLVED: f64 = 0.5;

/// Writes the section, if there is one.
pub(crate) fn section(out: &mut String, data: &ReportData) {
    let Some(stability) = &data.stability else {
        return;
    };
    out.push_str(
        "<section id=\"stability\"><h2>Do the clusters repeat?</h2><p class=\"lead\">Agreement (adjusted Rand index: 1 for \
         the same partition, 0 for chance) of the first clusters with those of fits that differ in their seed, and in the \
         blocks of time that they see: a subsample of some 63 % of the blocks, those that as many draws with replacement hit. What repeats need not be a source: a cut through a continuum repeats as well. What does \
         not repeat should not be interpreted.</p>",
    );
    if !stability.repeats.is_empty() {
        repeats(out, stability);
    }
    if !stability.candidates.is_empty() {
        candidates(out, stability);
    }
    out.push_str("</section>");
}

fn repeats(out: &mut String, stability: &StabilityReport) {
    out.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Scale</th><th class=\"n\">over seeds</th><th class=\"n\">least</th>\
         <th class=\"n\">fits</th><th class=\"n\">over blocks of time</th><th class=\"n\">least</th><th class=\"n\">fits</th>\
         </tr></thead><tbody>",
    );
    for (scale, one) in stability.scales.iter().zip(&stability.repeats) {
        put!(
            out,
            "<tr><th>{scale}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            fixed(one.seeds[0], 2),
            fixed(one.seeds[1], 2),
            one.n_fits[0],
            fixed(one.blocks[0], 2),
            fixed(one.blocks[1], 2),
            one.n_fits[1]
        );
    }
    out.push_str("</tbody></table></div>");
    clusters(out, stability);
}

/// A row a cluster, a column a scale.
fn clusters(out: &mut String, stability: &StabilityReport) {
    let most = stability.repeats.iter().map(|one| one.clusters.len()).max();
    if most.is_none_or(|n| n == 0) {
        return;
    }
    out.push_str(
        "<p>Cluster by cluster: Jaccard index with the cluster most like it in the other fits (1: the same windows), over seeds, \
         then over blocks of time. Bold: below .5, the cluster dissolves. The least of all fits shows under the pointer.</p>\
         <div class=\"wide\"><table><thead><tr><th>Cluster</th>",
    );
    for (scale, _) in stability.scales.iter().zip(&stability.repeats) {
        put!(out, "<th class=\"n\">{scale}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in 0..most.unwrap_or(0) {
        put!(out, "<tr><th>{row}</th>");
        for (_, scale) in stability.scales.iter().zip(&stability.repeats) {
            let one = scale
                .clusters
                .iter()
                .find(|one| one.cluster as usize == row);
            match one {
                Some(one) if one.n_windows > 0 => cell(out, one),
                _ => out.push_str("<td class=\"n\">–</td>"),
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

fn cell(out: &mut String, one: &ClusterRepeats) {
    let shown = |value: f64| {
        let text = fixed(value, 2);
        if value < DISSOLVED {
            format!("<b>{text}</b>")
        } else {
            text
        }
    };
    put!(
        out,
        "<td class=\"n\" title=\"least {}, {}; {} windows\">{}, {}</td>",
        fixed(one.seeds[1], 2),
        fixed(one.blocks[1], 2),
        one.n_windows,
        shown(one.seeds[0]),
        shown(one.blocks[0])
    );
}

/// A row a number of clusters, a column a scale; the number that a scale speaks for is bold, the one taken is marked.
fn candidates(out: &mut String, stability: &StabilityReport) {
    put!(
        out,
        "<p>{} clusters a scale were taken: the number that repeats best over blocks of time, over all scales together. Bold: \
         the largest number that repeats as well as any at that scale; a scale without bold has none that repeats.</p>\
         <div class=\"wide\"><table><thead><tr><th>Clusters</th>",
        stability.n_clusters
    );
    for scale in &stability.scales {
        put!(out, "<th class=\"n\">{scale}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for one in &stability.candidates {
        let taken = if one.n_clusters == stability.n_clusters {
            " (taken)"
        } else {
            ""
        };
        put!(out, "<tr><th>{}{taken}</th>", one.n_clusters);
        for (scale, [mean, least]) in one.blocks.iter().enumerate() {
            let chosen = stability.recommended.get(scale).copied().flatten();
            let mean = fixed(*mean, 2);
            let mean = if chosen == Some(one.n_clusters) {
                format!("<b>{mean}</b>")
            } else {
                mean
            };
            put!(
                out,
                "<td class=\"n\" title=\"least {}\">{mean}</td>",
                fixed(*least, 2)
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}
