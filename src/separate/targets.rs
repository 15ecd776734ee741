//! Which stretches of a record to separate, and which to take background from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array3, Axis};
use seismix_data::store::{ClusterRow, ClusterTable};
use seismix_separate::SnippetCandidate;
use seismix_vae::features::window_powers;
use seismix_vae::init::{ClusterScore, TransientRule, transient_score};

use crate::stage::progress::Observer;
use crate::stage::{PipelineError, Result};
use crate::train::feature_dataset::FeatureDataset;

/// How transients are told, in words, for reports.
pub const TRANSIENT_MEASURE: &str = "median, over the cluster's windows, of how far the loudest quarter of the window \
    stands out of the windows around it (neper of power, mean over the third of the octaves where it is most), times the \
    share of windows elsewhere; a transient stands out by 2.8 (12 dB) or more, is rare (30 % at most) and short (6 windows \
    at most on average)";

/// Consecutive windows of the target clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSpan {
    /// Station and band, `NET.STA.LOC.BAND`.
    pub station: Arc<str>,
    /// First sample, ns UTC.
    pub start_ns: i64,
    /// Last sample, ns UTC.
    pub end_ns: i64,
    /// Mean probability of the target clusters over its windows.
    pub probability: f32,
    /// Windows in it.
    pub n_windows: usize,
}

/// Scores every cluster of the finest scale as a transient, from the feature files and the table made of them.
///
/// # Errors
/// What the files refuse; [`PipelineError::Unusable`] if table and files do not belong together.
pub fn score_transients(
    features: &[PathBuf],
    table: &ClusterTable,
    observer: &dyn Observer,
) -> Result<Vec<ClusterScore>> {
    let corpus = FeatureDataset::open(features, observer)?;
    let finest = corpus.layout().scales[0];
    let labels: Vec<usize> = table
        .rows_of_scale(finest)
        .map(|row| table.rows[row].cluster)
        .collect();
    let n_clusters = table
        .probabilities
        .ncols()
        .max(labels.iter().max().map_or(0, |k| k + 1));
    let mut powers: Vec<Array3<f32>> = Vec::new();
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut n = 0;
    for day in corpus.days() {
        let loaded = corpus.load(day)?;
        let energies = loaded
            .segments
            .iter()
            .enumerate()
            .map(|(index, segment)| segment.energies(corpus.table(), index))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        powers.push(window_powers(&energies, corpus.table(), corpus.layout())?);
        for windows in &loaded.windows {
            runs.push(n..n + windows.len());
            n += windows.len();
        }
    }
    if n != labels.len() {
        return Err(PipelineError::unusable(
            format!(
                "the cluster table has {} windows at scale {finest}, the feature files {n}",
                labels.len()
            ),
            "run `seismix cluster` on these feature files again",
        ));
    }
    let views: Vec<_> = powers.iter().map(|part| part.view()).collect();
    let powers = ndarray::concatenate(Axis(0), &views).map_err(PipelineError::internal)?;
    Ok(transient_score(
        powers.view(),
        &labels,
        &runs,
        n_clusters,
        &TransientRule::default(),
    )?)
}

/// The clusters called transient, best first; if the rule calls none so, the best scoring one alone.
pub fn transient_clusters(scores: &[ClusterScore]) -> Vec<usize> {
    let mut order: Vec<&ClusterScore> = scores.iter().filter(|score| score.n_windows > 0).collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.cluster.cmp(&b.cluster)));
    let called: Vec<usize> = order
        .iter()
        .filter(|score| score.is_transient)
        .map(|score| score.cluster)
        .collect();
    if called.is_empty() {
        order
            .first()
            .map(|score| score.cluster)
            .into_iter()
            .collect()
    } else {
        called
    }
}

/// Consecutive windows of `clusters` at `scale`, most probable first, at most `max` of them, in the order of time.
///
/// Windows follow each other if the next starts no later than one and a half samples after the end of the one before.
pub fn stretches(
    table: &ClusterTable,
    scale: usize,
    clusters: &[usize],
    sample_ns: i64,
    max: usize,
) -> Vec<TargetSpan> {
    let mut stretches: Vec<(TargetSpan, f64)> = Vec::new();
    for (station, rows) in rows_by_station(table, scale) {
        for row in rows
            .into_iter()
            .filter(|row| clusters.contains(&table.rows[*row].cluster))
        {
            let probability = membership(table, row, clusters);
            let row = &table.rows[row];
            match stretches.last_mut() {
                Some((last, sum))
                    if last.station == station
                        && row.start_ns - last.end_ns <= sample_ns * 3 / 2 =>
                {
                    last.end_ns = last.end_ns.max(row.end_ns);
                    last.n_windows += 1;
                    *sum += probability;
                }
                _ => stretches.push((
                    TargetSpan {
                        station: station.clone(),
                        start_ns: row.start_ns,
                        end_ns: row.end_ns,
                        probability: 0.0,
                        n_windows: 1,
                    },
                    probability,
                )),
            }
        }
    }
    let mut stretches: Vec<TargetSpan> = stretches
        .into_iter()
        .map(|(stretch, sum)| TargetSpan {
            probability: (sum / stretch.n_windows as f64) as f32,
            ..stretch
        })
        .collect();
    stretches.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then(a.start_ns.cmp(&b.start_ns))
            .then(a.station.cmp(&b.station))
    });
    stretches.truncate(max);
    stretches.sort_by(|a, b| a.station.cmp(&b.station).then(a.start_ns.cmp(&b.start_ns)));
    stretches
}

/// Windows of `length` samples inside consecutive windows of the background clusters, half a length apart, by station;
/// their probability is the least of the windows they touch.
pub fn background_candidates(
    table: &ClusterTable,
    scale: usize,
    clusters: &[usize],
    sample_ns: i64,
    length: usize,
) -> BTreeMap<Arc<str>, Vec<SnippetCandidate>> {
    let length_ns = length as i64 * sample_ns;
    let mut candidates: BTreeMap<Arc<str>, Vec<SnippetCandidate>> = BTreeMap::new();
    for (station, rows) in rows_by_station(table, scale) {
        let mut run: Vec<(&ClusterRow, f64)> = Vec::new();
        let mut flush = |run: &mut Vec<(&ClusterRow, f64)>| {
            if let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) {
                let mut start = first.start_ns;
                while start + length_ns <= last.end_ns + sample_ns + sample_ns / 2 {
                    let end = start + length_ns;
                    let touched = run
                        .iter()
                        .filter(|(row, _)| row.start_ns < end && row.end_ns >= start);
                    let probability = touched.map(|(_, p)| *p).fold(1.0, f64::min);
                    candidates
                        .entry(station.clone())
                        .or_default()
                        .push(SnippetCandidate {
                            start_ns: start,
                            end_ns: end,
                            probability,
                        });
                    start += length_ns / 2;
                }
            }
            run.clear();
        };
        for row in rows
            .into_iter()
            .filter(|row| clusters.contains(&table.rows[*row].cluster))
        {
            let probability = membership(table, row, clusters);
            let row = &table.rows[row];
            if run
                .last()
                .is_some_and(|(last, _)| row.start_ns - last.end_ns > sample_ns * 3 / 2)
            {
                flush(&mut run);
            }
            run.push((row, probability));
        }
        flush(&mut run);
    }
    candidates
}

/// Rows of a scale by station, in the order of time.
fn rows_by_station(table: &ClusterTable, scale: usize) -> BTreeMap<Arc<str>, Vec<usize>> {
    let mut stations: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for row in table.rows_of_scale(scale) {
        let station = table.rows[row].id.clone().unwrap_or_else(|| Arc::from(""));
        stations.entry(station).or_default().push(row);
    }
    for rows in stations.values_mut() {
        rows.sort_by_key(|row| table.rows[*row].start_ns);
    }
    stations
}

/// Probability that a row belongs to any of the clusters.
fn membership(table: &ClusterTable, row: usize, clusters: &[usize]) -> f64 {
    if table.probabilities.ncols() == 0 {
        return f64::from(table.rows[row].probability);
    }
    let p = table.probabilities.row(row);
    clusters
        .iter()
        .filter_map(|k| p.get(*k))
        .map(|p| f64::from(*p))
        .sum::<f64>()
        .min(1.0)
}

/// Writes the scores beside a run's clusters.
///
/// # Errors
/// [`PipelineError::Io`].
pub fn save_scores(path: &Path, scores: &[ClusterScore]) -> Result<()> {
    let json = serde_json::to_vec_pretty(scores).map_err(PipelineError::internal)?;
    crate::stage::write_atomic(path, &json)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ndarray::Array2;

    const SAMPLE: i64 = 50_000_000;

    /// Windows of 4 samples one after the other, with a hole after the fifth.
    fn table(clusters: &[usize]) -> ClusterTable {
        let rows = clusters.iter().enumerate().map(|(i, &cluster)| {
            let start_ns = (4 * i as i64 + if i >= 5 { 100 } else { 0 }) * SAMPLE;
            ClusterRow {
                start_ns,
                end_ns: start_ns + 3 * SAMPLE,
                scale: 4,
                cluster,
                probability: 0.75,
                id: Some("A.B..BH".into()),
            }
        });
        let rows: Vec<_> = rows.collect();
        let mut probabilities = Array2::from_elem((rows.len(), 2), 0.25);
        for (mut p, row) in probabilities.outer_iter_mut().zip(&rows) {
            p[row.cluster] = row.probability;
        }
        ClusterTable {
            rows,
            probabilities,
        }
    }

    #[test]
    fn stretches_join_windows_that_follow_each_other() {
        let table = table(&[0, 1, 1, 0, 1, 1, 0]);
        let found = stretches(&table, 4, &[1], SAMPLE, 10);
        let spans: Vec<_> = found
            .iter()
            .map(|s| (s.start_ns / SAMPLE, s.end_ns / SAMPLE, s.n_windows))
            .collect();
        assert_eq!(spans, [(4, 11, 2), (16, 19, 1), (120, 123, 1)]);
        assert_eq!(stretches(&table, 4, &[1], SAMPLE, 2).len(), 2);
        assert!(stretches(&table, 8, &[1], SAMPLE, 2).is_empty());
    }

    #[test]
    fn candidates_lie_inside_background() {
        let table = table(&[0, 0, 0, 1, 0, 0, 0]);
        let candidates = background_candidates(&table, 4, &[0], SAMPLE, 8);
        let starts: Vec<_> = candidates
            .values()
            .flatten()
            .map(|c| c.start_ns / SAMPLE)
            .collect();
        assert_eq!(starts, [0, 4, 120]);
        assert!(
            candidates
                .values()
                .flatten()
                .all(|c| (c.probability - 0.75).abs() < 1e-6)
        );
    }
}
