//! What is to be separated, from the cluster table and the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use seismix_data::StationKey;
use seismix_data::archive::Archive;
use seismix_data::store::ClusterTable;
use seismix_data::time::steps_ns;
use seismix_separate::{Candidate, Method, ScatteringMethod};

use super::ScaleClusters;
use crate::pipeline::config::{Objective, SeparateConfig, Target};
use crate::pipeline::error::{PipelineError, Result};
use crate::pipeline::records::{sampling_rate, station_keys};
use crate::pipeline::targets::{Stretch, background_candidates, stretches};

/// What is to be separated.
pub(super) struct Job {
    pub(super) target: ScaleClusters,
    pub(super) background: ScaleClusters,
    pub(super) targets: Vec<Stretch>,
    pub(super) candidates: BTreeMap<Arc<str>, Vec<Candidate>>,
    pub(super) snippet_samples: usize,
    pub(super) n_snippets: usize,
    pub(super) sample_ns: i64,
    pub(super) keys: BTreeMap<String, StationKey>,
    pub(super) method: Box<dyn Method>,
}

impl Job {
    pub(super) fn new(
        archive: &Archive,
        table: &ClusterTable,
        config: &SeparateConfig,
    ) -> Result<Self> {
        let keys: BTreeMap<String, StationKey> = station_keys(archive)
            .into_iter()
            .map(|key| (key.to_string(), key))
            .collect();
        // Stations without clusters stay as they are, whatever their rate.
        let clustered: BTreeSet<&str> = table
            .rows
            .iter()
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
        let Some(target) = &config.target else {
            return Err(PipelineError::unusable(
                "no target is named",
                "give --target SCALE:CLUSTER, such as --target 1024:3",
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
        let sample_ns = steps_ns(1, rate);
        let finest = table.scales().first().copied().unwrap_or(target.scale);
        // Room for a target window with a margin on either side.
        let snippet_samples = 2 * finest;
        let method = match config.objective {
            Objective::Paper => ScatteringMethod::paper(config.octaves, config.max_iter),
            Objective::Seismix => ScatteringMethod::to_expectation(config.octaves, config.max_iter),
        };
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
            target,
            background,
            targets,
            candidates,
            snippet_samples,
            n_snippets: config.snippets,
            sample_ns,
            keys,
            method: Box::new(method),
        })
    }

    pub(super) fn stations(&self) -> Vec<StationKey> {
        self.keys.values().cloned().collect()
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
