//! What is to be separated, from the cluster table and the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use seismix_data::StationKey;
use seismix_data::archive::Archive;
use seismix_data::store::{ClusterTable, read_clusters};
use seismix_data::time::steps_ns;
use seismix_scattering::{Wavelet, WaveletTransform};
use seismix_separate::{
    Candidate, LocalMethod, Method, ObjectiveOptions, ScatteringMethod, SourceSnippets,
    WienerMethod,
};

use crate::config::{ConfigError, Objective, SeparateConfig, SeparationMethod, Target};
use crate::records::{sampling_rate, station_keys};
use crate::separate::ScaleClusters;
use crate::separate::local::LocalOrScattering;
use crate::separate::target_source::{TargetSource, read_windows};
use crate::separate::targets::{Region, background_candidates, stretches};
use crate::stage::{PipelineError, Result};

/// Shortest and longest snippet of background where windows are listed by hand, samples.
const LEAST_SNIPPET: usize = 512;
const MOST_SNIPPET: usize = 4096;

/// What is to be separated.
pub(super) struct Job {
    pub(super) target: ScaleClusters,
    pub(super) background: ScaleClusters,
    pub(super) targets: Vec<Region>,
    pub(super) candidates: BTreeMap<Arc<str>, Vec<Candidate>>,
    pub(super) snippet_samples: usize,
    pub(super) n_snippets: usize,
    pub(super) sample_ns: i64,
    pub(super) keys: BTreeMap<String, StationKey>,
    pub(super) method: Box<dyn Method>,
    /// Whether the method uses windows around other targets.
    pub(super) wants_sources: bool,
    /// Samples of a window as the targets came.
    pub(super) window_samples: usize,
    /// Samples by which a target may be widened to either side.
    pub(super) widen_samples: usize,
}

impl Job {
    pub(super) fn new(
        archive: &Archive,
        listed: &TargetSource,
        config: &SeparateConfig,
    ) -> Result<Self> {
        let table = listed.clusters().map(read_clusters).transpose()?;
        let keys: BTreeMap<String, StationKey> = station_keys(archive)
            .into_iter()
            .map(|key| (key.to_string(), key))
            .collect();
        // Stations without clusters stay as they are, whatever their rate.
        let clustered: BTreeSet<&str> = table
            .iter()
            .flat_map(|table| &table.rows)
            .filter_map(|row| row.id.as_deref())
            .collect();
        let rates: BTreeSet<u64> = keys
            .iter()
            .filter(|(id, _)| clustered.is_empty() || clustered.contains(id.as_str()))
            .map(|(_, key)| key)
            .filter_map(|key| sampling_rate(archive, key))
            .map(f64::to_bits)
            .collect();
        let rate = match rates.iter().collect::<Vec<_>>()[..] {
            [&bits] => f64::from_bits(bits),
            [] => {
                let ids: Vec<&str> = clustered.into_iter().collect();
                return Err(PipelineError::unusable(
                    format!(
                        "no record of the clusters' stations ({}) is among the paths, or its channels have different rates",
                        ids.join(", ")
                    ),
                    "pass the records that the features were computed from",
                ));
            }
            _ => {
                return Err(PipelineError::unusable(
                    format!("the records have {} sampling rates", rates.len()),
                    "select the channels of one rate with --channel, --location or --station",
                ));
            }
        };
        let sample_ns = steps_ns(1, rate);
        let method: Box<dyn Method> = match (config.method, config.objective) {
            (SeparationMethod::Wiener, _) => Box::new(WienerMethod {
                objective: ObjectiveOptions::floored(config.octaves),
            }),
            (SeparationMethod::Local, _) => Box::new(local(config.octaves)),
            (SeparationMethod::Auto | SeparationMethod::Template, Objective::Seismix) => {
                Box::new(LocalOrScattering {
                    local: local(config.octaves),
                    scattering: ScatteringMethod::to_expectation(config.octaves, config.max_iter),
                })
            }
            (_, Objective::Paper) => {
                Box::new(ScatteringMethod::paper(config.octaves, config.max_iter))
            }
            (_, Objective::Seismix) => Box::new(ScatteringMethod::to_expectation(
                config.octaves,
                config.max_iter,
            )),
        };
        let wants_sources = match config.method {
            SeparationMethod::Local => true,
            SeparationMethod::Auto | SeparationMethod::Template => {
                config.objective == Objective::Seismix
            }
            SeparationMethod::Scattering | SeparationMethod::Wiener => false,
        };
        let (Some(table), None) = (&table, listed.windows()) else {
            return Self::by_hand(
                archive,
                listed,
                table,
                config,
                keys,
                rate,
                (method, wants_sources),
            );
        };
        let Some(target) = &config.target else {
            return Err(PipelineError::unusable(
                "no target is named",
                "give --target SCALE:CLUSTER, such as --target 1024:3, or --windows FILE.csv",
            ));
        };
        let target = resolve(target, table, rate, "target")?;
        let background = match &config.background {
            Some(background) => resolve(background, table, rate, "background")?,
            None => {
                let used: BTreeSet<usize> = table
                    .rows_of_scale(target.scale)
                    .map(|row| table.rows[row].cluster)
                    .collect();
                let others = used
                    .into_iter()
                    .filter(|cluster| !target.clusters.contains(cluster))
                    .collect();
                ScaleClusters {
                    scale: target.scale,
                    clusters: others,
                }
            }
        };
        if background.scale == target.scale
            && background
                .clusters
                .iter()
                .any(|k| target.clusters.contains(k))
        {
            return Err(PipelineError::unusable(
                "a cluster is both target and background",
                "name each cluster once",
            ));
        }
        let finest = table.scales().first().copied().unwrap_or(target.scale);
        // Room for a target window with a margin on either side.
        let snippet_samples = 2 * finest;
        let default_id: Option<Arc<str>> = (keys.len() == 1)
            .then(|| keys.keys().next().map(|key| Arc::from(key.as_str())))
            .flatten();
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
        // A table without ids belongs to the only station there is.
        if let Some(id) = default_id {
            targets
                .iter_mut()
                .filter(|t| t.station.is_empty())
                .for_each(|t| t.station = id.clone());
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
            keys,
            method,
            wants_sources,
        })
    }

    /// With windows listed by hand; the background is the rest of the record, or clusters of a table.
    fn by_hand(
        archive: &Archive,
        listed: &TargetSource,
        table: Option<ClusterTable>,
        config: &SeparateConfig,
        keys: BTreeMap<String, StationKey>,
        rate: f64,
        (method, wants_sources): (Box<dyn Method>, bool),
    ) -> Result<Self> {
        let Some(windows) = listed.windows() else {
            return Err(PipelineError::unusable(
                "neither clusters nor windows are given",
                "give --clusters CLUSTERS.csv with --target, or --windows FILE.csv",
            ));
        };
        if config.target.is_some() {
            return Err(PipelineError::unusable(
                "both windows and a target cluster are given",
                "leave --target or --windows out",
            ));
        }
        let sample_ns = steps_ns(1, rate);
        let stations: Vec<StationKey> = keys.values().cloned().collect();
        let (targets, window_samples) = read_windows(windows, &stations, sample_ns)?;
        let length = window_samples.clamp(LEAST_SNIPPET / 2, MOST_SNIPPET / 2);
        let snippet_samples = 2 * length.next_power_of_two();
        let (background, candidates) = match (&table, &config.background) {
            (Some(table), Some(background)) => {
                let background = resolve(background, table, rate, "background")?;
                let found = background_candidates(
                    table,
                    background.scale,
                    &background.clusters,
                    sample_ns,
                    snippet_samples,
                );
                (background, found)
            }
            (None, Some(_)) => {
                return Err(PipelineError::unusable(
                    "background clusters are named, and no cluster table",
                    "give --clusters CLUSTERS.csv, or leave --background out",
                ));
            }
            (_, None) => (
                ScaleClusters {
                    scale: window_samples,
                    clusters: Vec::new(),
                },
                away_from(archive, &stations, &targets, snippet_samples, sample_ns),
            ),
        };
        Ok(Self {
            target: ScaleClusters {
                scale: window_samples,
                clusters: Vec::new(),
            },
            background,
            targets,
            candidates,
            snippet_samples,
            n_snippets: config.snippets,
            sample_ns,
            window_samples,
            widen_samples: 0,
            keys,
            method,
            wants_sources,
        })
    }

    /// Refuses octaves that windows of a snippet's length do not have.
    pub(super) fn check_octaves(&self, octaves: usize) -> Result<()> {
        let (n, grids) = (
            self.snippet_samples,
            ObjectiveOptions::floored(octaves).oversampling,
        );
        match WaveletTransform::<f64>::new(Wavelet::default(), octaves, n, grids) {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::new(format!(
                "--octaves {octaves}, of windows of {n} samples: {error}"
            ))
            .into()),
        }
    }

    pub(super) fn stations(&self) -> Vec<StationKey> {
        self.keys.values().cloned().collect()
    }
}

/// Windows of `length` samples of the record that touch no target, by station.
fn away_from(
    archive: &Archive,
    stations: &[StationKey],
    targets: &[Region],
    length: usize,
    sample_ns: i64,
) -> BTreeMap<Arc<str>, Vec<Candidate>> {
    let length_ns = length as i64 * sample_ns;
    let mut all = BTreeMap::new();
    for key in stations {
        let name = key.to_string();
        let own: Vec<&Region> = targets.iter().filter(|t| *t.station == *name).collect();
        let streams: Vec<_> = archive
            .streams()
            .into_iter()
            .filter(|s| s.id.station_key() == *key)
            .collect();
        let start = streams.iter().map(|s| s.span.start_ns).max().unwrap_or(0);
        let end = streams.iter().map(|s| s.span.end_ns).min().unwrap_or(0);
        let mut candidates = Vec::new();
        let mut next = 0;
        let mut at = start;
        while at + length_ns <= end {
            while next < own.len() && own[next].end_ns < at {
                next += 1;
            }
            match own.get(next) {
                Some(target) if target.start_ns < at + length_ns => {
                    at = at.max(target.end_ns + sample_ns);
                    next += 1;
                }
                _ => {
                    candidates.push(Candidate {
                        start_ns: at,
                        end_ns: at + length_ns,
                        probability: 1.0,
                    });
                    at += length_ns / 2;
                }
            }
        }
        all.insert(Arc::from(name.as_str()), candidates);
    }
    all
}

/// The local model; windows of a cluster hold background too.
fn local(octaves: usize) -> LocalMethod {
    LocalMethod {
        source_snippets: SourceSnippets::WithBackground,
        ..LocalMethod::new(octaves)
    }
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
