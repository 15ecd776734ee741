//! Targets and background of a separation, from the cluster table and the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use seismix_data::archive::Archive;
use seismix_data::store::{ClusterTable, read_clusters};
use seismix_data::time::steps_ns;
use seismix_data::{StationKey, TimeSpan};
use seismix_separate::SnippetCandidate;

use crate::config::{SeparateConfig, Target};
use crate::records::{sampling_rate, station_keys};
use crate::separate::ScaleClusters;
use crate::separate::target_source::{TargetSource, read_windows};
use crate::separate::targets::{TargetSpan, background_candidates, stretches};
use crate::stage::{PipelineError, Result};

/// Shortest and longest snippet of background where windows are listed by hand, samples.
const LEAST_SNIPPET: usize = 512;
const MOST_SNIPPET: usize = 4096;

/// Targets and background of a separation.
pub(super) struct Job {
    pub(super) target: ScaleClusters,
    pub(super) background: ScaleClusters,
    pub(super) targets: Vec<TargetSpan>,
    pub(super) candidates: BTreeMap<Arc<str>, Vec<SnippetCandidate>>,
    pub(super) snippet_samples: usize,
    pub(super) n_snippets: usize,
    pub(super) sample_ns: i64,
    pub(super) keys: BTreeMap<String, StationKey>,
    /// Samples of a window before windows were joined to targets.
    pub(super) window_samples: usize,
    /// Samples by which a target may be widened on either side.
    pub(super) widen_samples: usize,
}

/// Stations of the archive with their common sampling rate.
struct Stations {
    keys: BTreeMap<String, StationKey>,
    rate: f64,
}

impl Job {
    /// Targets and background of the settings.
    pub(super) fn new(
        archive: &Archive,
        source: &TargetSource,
        config: &SeparateConfig,
    ) -> Result<Self> {
        let table = source.clusters().map(read_clusters).transpose()?;
        let stations = Stations::new(archive, table.as_ref())?;
        match (source.windows(), &table) {
            (Some(windows), table) => {
                Self::of_windows(archive, windows, table.as_ref(), config, stations)
            }
            (None, Some(table)) => Self::of_clusters(table, config, stations),
            (None, None) => Err(PipelineError::unusable(
                "neither clusters nor windows are given",
                "give --clusters CLUSTERS.csv with --target, or --windows FILE.csv",
            )),
        }
    }

    fn of_clusters(
        table: &ClusterTable,
        config: &SeparateConfig,
        stations: Stations,
    ) -> Result<Self> {
        let Some(target) = &config.target else {
            return Err(PipelineError::unusable(
                "no target is named",
                "give --target SCALE:CLUSTER, such as --target 1024:3, or --windows FILE.csv",
            ));
        };
        let target = resolve(target, table, stations.rate, "target")?;
        let background = match &config.background {
            Some(background) => resolve(background, table, stations.rate, "background")?,
            None => other_clusters(table, &target),
        };
        let is_target = |k: &usize| target.clusters.contains(k);
        if background.scale == target.scale && background.clusters.iter().any(is_target) {
            return Err(PipelineError::unusable(
                "a cluster is both target and background",
                "name each cluster once",
            ));
        }
        let finest = table.scales().first().copied().unwrap_or(target.scale);
        let sample_ns = steps_ns(1, stations.rate);
        // Room for a target window with a margin on either side.
        let snippet_samples = 2 * finest;
        let mut targets = stretches(
            table,
            target.scale,
            &target.clusters,
            sample_ns,
            config.max_targets,
        );
        let mut candidates = background_candidates(
            table,
            background.scale,
            &background.clusters,
            sample_ns,
            snippet_samples,
        );
        // A table without ids belongs to the only station.
        if let [only] = stations.keys.keys().collect::<Vec<_>>()[..] {
            let id: Arc<str> = Arc::from(only.as_str());
            for target in targets.iter_mut().filter(|t| t.station.is_empty()) {
                target.station = id.clone();
            }
            if let Some(anonymous) = candidates.remove("") {
                candidates.insert(id, anonymous);
            }
        }
        Ok(Self {
            window_samples: target.scale,
            widen_samples: target.scale / 2,
            target,
            background,
            targets,
            candidates,
            snippet_samples,
            n_snippets: config.snippets,
            sample_ns,
            keys: stations.keys,
        })
    }

    /// With listed windows; the background is the rest of the record, or clusters of a table.
    fn of_windows(
        archive: &Archive,
        windows: &Path,
        table: Option<&ClusterTable>,
        config: &SeparateConfig,
        stations: Stations,
    ) -> Result<Self> {
        if config.target.is_some() {
            return Err(PipelineError::unusable(
                "both windows and a target cluster are given",
                "leave --target or --windows out",
            ));
        }
        let sample_ns = steps_ns(1, stations.rate);
        let keys: Vec<StationKey> = stations.keys.values().cloned().collect();
        let (targets, window_samples) = read_windows(windows, &keys, sample_ns)?;
        let length = window_samples.clamp(LEAST_SNIPPET / 2, MOST_SNIPPET / 2);
        let snippet_samples = 2 * length.next_power_of_two();
        let none = ScaleClusters {
            scale: window_samples,
            clusters: Vec::new(),
        };
        let (background, candidates) = match (table, &config.background) {
            (Some(table), Some(background)) => {
                let background = resolve(background, table, stations.rate, "background")?;
                let (scale, clusters) = (background.scale, &background.clusters);
                let found =
                    background_candidates(table, scale, clusters, sample_ns, snippet_samples);
                (background, found)
            }
            (None, Some(_)) => {
                return Err(PipelineError::unusable(
                    "background clusters are named, and no cluster table",
                    "give --clusters CLUSTERS.csv, or leave --background out",
                ));
            }
            (_, None) => {
                let found = away_from(archive, &keys, &targets, snippet_samples, sample_ns);
                (none.clone(), found)
            }
        };
        Ok(Self {
            target: none,
            background,
            targets,
            candidates,
            snippet_samples,
            n_snippets: config.snippets,
            sample_ns,
            window_samples,
            widen_samples: 0,
            keys: stations.keys,
        })
    }

    pub(super) fn stations(&self) -> Vec<StationKey> {
        self.keys.values().cloned().collect()
    }
}

impl Stations {
    /// Stations of an archive; those of the table, if it names some, must have one rate.
    fn new(archive: &Archive, table: Option<&ClusterTable>) -> Result<Self> {
        let all = station_keys(archive).into_iter();
        let keys: BTreeMap<String, StationKey> = all.map(|key| (key.to_string(), key)).collect();
        // Stations without clusters are unchanged, whatever their rate.
        let clustered: BTreeSet<&str> = table
            .iter()
            .flat_map(|table| &table.rows)
            .filter_map(|row| row.id.as_deref())
            .collect();
        let rates: BTreeSet<u64> = keys
            .iter()
            .filter(|(id, _)| clustered.is_empty() || clustered.contains(id.as_str()))
            .filter_map(|(_, key)| sampling_rate(archive, key))
            .map(f64::to_bits)
            .collect();
        match rates.iter().collect::<Vec<_>>()[..] {
            [&bits] => Ok(Self {
                keys,
                rate: f64::from_bits(bits),
            }),
            [] => {
                let ids: Vec<&str> = clustered.into_iter().collect();
                Err(PipelineError::unusable(
                    format!(
                        "no record of the clusters' stations ({}) is among the paths, or its channels have different rates",
                        ids.join(", ")
                    ),
                    "pass the records that the features were computed from",
                ))
            }
            _ => Err(PipelineError::unusable(
                format!("the records have {} sampling rates", rates.len()),
                "select the channels of one rate with --channel, --location or --station",
            )),
        }
    }
}

/// All other clusters of the target's scale.
fn other_clusters(table: &ClusterTable, target: &ScaleClusters) -> ScaleClusters {
    let rows = table.rows_of_scale(target.scale);
    let used: BTreeSet<usize> = rows.map(|row| table.rows[row].cluster).collect();
    let others = used.into_iter().filter(|k| !target.clusters.contains(k));
    ScaleClusters {
        scale: target.scale,
        clusters: others.collect(),
    }
}

/// Windows of `length` samples of the record that touch no target, by station.
///
/// A window lies where any channel has samples: which channels are used is decided day by day when it is loaded, and
/// windows that these channels lack are rejected then. The time that all channels have in common would let a component
/// with seconds of data cost the background of the whole record.
fn away_from(
    archive: &Archive,
    stations: &[StationKey],
    targets: &[TargetSpan],
    length: usize,
    sample_ns: i64,
) -> BTreeMap<Arc<str>, Vec<SnippetCandidate>> {
    let length_ns = length as i64 * sample_ns;
    let mut all = BTreeMap::new();
    for key in stations {
        let name = key.to_string();
        let own: Vec<&TargetSpan> = targets.iter().filter(|t| *t.station == *name).collect();
        let mut candidates = Vec::new();
        let (mut next, mut at) = (0, i64::MIN);
        for span in recorded(archive, key, sample_ns) {
            // A target may reach into the next span.
            at = at.max(span.start_ns);
            while at.saturating_add(length_ns) <= span.end_ns {
                while next < own.len() && own[next].end_ns < at {
                    next += 1;
                }
                match own.get(next) {
                    Some(target) if target.start_ns < at + length_ns => {
                        at = at.max(target.end_ns + sample_ns);
                        next += 1;
                    }
                    _ => {
                        candidates.push(SnippetCandidate {
                            start_ns: at,
                            end_ns: at + length_ns,
                            probability: 1.0,
                        });
                        at += length_ns / 2;
                    }
                }
            }
        }
        all.insert(Arc::from(name.as_str()), candidates);
    }
    all
}

/// Selected spans in which any channel of a station has samples by the headers, in order; those that touch are joined.
fn recorded(archive: &Archive, key: &StationKey, sample_ns: i64) -> Vec<TimeSpan> {
    let selected = archive.selection().span;
    let runs = archive.files().iter().flat_map(|file| &file.spans);
    let mut spans: Vec<TimeSpan> = runs
        .filter(|run| run.id.station_key() == *key)
        .map(|run| TimeSpan::new(run.start_ns, run.end_ns.saturating_add(1)))
        .map(|span| span.intersection(&selected))
        .filter(|span| !span.is_empty())
        .collect();
    spans.sort_unstable_by_key(|span| (span.start_ns, span.end_ns));
    let mut joined: Vec<TimeSpan> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start_ns.saturating_sub(last.end_ns) <= sample_ns * 3 / 2 => {
                last.end_ns = last.end_ns.max(span.end_ns);
            }
            _ => joined.push(span),
        }
    }
    joined
}

/// Checks that a target's scale and clusters are in the table.
fn resolve(target: &Target, table: &ClusterTable, rate: f64, what: &str) -> Result<ScaleClusters> {
    let scale = target.scale.samples(rate)?;
    let scales = table.scales();
    if !scales.contains(&scale) {
        let known: Vec<String> = scales.iter().map(ToString::to_string).collect();
        return Err(PipelineError::unusable(
            format!("the {what}'s scale of {scale} samples is not in the cluster table"),
            format!("its scales are {}", known.join(", ")),
        ));
    }
    let n_clusters = table.probabilities.ncols().max(
        table
            .rows
            .iter()
            .map(|row| row.cluster + 1)
            .max()
            .unwrap_or(0),
    );
    if let Some(cluster) = target.clusters.iter().find(|k| **k >= n_clusters) {
        return Err(PipelineError::unusable(
            format!("the {what}'s cluster {cluster} is not in the cluster table"),
            format!(
                "clusters are numbered 0 to {}",
                n_clusters.saturating_sub(1)
            ),
        ));
    }
    Ok(ScaleClusters {
        scale,
        clusters: target.clusters.clone(),
    })
}
