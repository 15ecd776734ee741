//! How well clusters and separated records match known sources.

use std::path::{Path, PathBuf};

use seismix_data::archive::{Archive, Selection};
use seismix_data::store::ClusterTable;
use seismix_data::synthetic::Truth;
use seismix_data::{StationKey, TimeSpan};
use seismix_vae::agreement::{adjusted_rand_index, normalised_mutual_information};
use seismix_vae::init::{KMeans, KMeansOptions};
use seismix_vae::{self as vae};
use serde::{Deserialize, Serialize};

use crate::records::{RecordCache, raw_samples, station_keys};
use crate::separate::SeparationFile;
use crate::stage::Result;
use crate::stage::progress::{NoProgress, Observer};
use crate::train::feature_dataset::FeatureDataset;
use crate::train::{ModelInputs, model_inputs};

/// Windows count for a scale's agreement if they are at least so much in one state.
const LEAST_FRACTION: f64 = 0.75;
/// Pulses from this many times the background's rms on count as strong.
pub const STRONG_RATIO: f64 = 10.0;

/// Which known source a scale is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Kind of background.
    Background,
    /// Class of burst, or none.
    Burst,
    /// Pulse or none.
    Pulse,
}

/// Agreement of one scale's clusters with a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleAgreement {
    /// Samples in a window.
    pub scale: usize,
    /// Compared with.
    pub source: Source,
    /// Windows that count.
    pub n_windows: usize,
    /// Adjusted Rand index of the model's clusters.
    pub ari: f64,
    /// Normalised mutual information.
    pub nmi: f64,
    /// Adjusted Rand index of k-means on the same inputs, the same number of clusters.
    pub kmeans_ari: f64,
    /// Its normalised mutual information.
    pub kmeans_nmi: f64,
}

/// Detection of windows with a pulse at the finest scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Samples in a window.
    pub scale: usize,
    /// Clusters called transient.
    pub clusters: Vec<usize>,
    /// Share of the windows found that hold a pulse.
    pub precision: f64,
    /// Share of the windows with a pulse that are found.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
}

/// SNR of the background inside one target, all channels together, dB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetSnr {
    /// First sample of the target, ns UTC.
    pub start_ns: i64,
    /// Largest ratio of a pulse's peak to the background's rms in it; 0 without a pulse.
    pub ratio: f64,
    /// Of the mixture.
    pub before_db: f64,
    /// Of the separated background.
    pub after_db: f64,
}

/// Agreement of each scale with the source whose durations it suits: the longest with the kind of background, the
/// shortest with pulses, those between with bursts.
/// `kmeans`: clusters of the same windows by k-means, a list for each scale, from [`kmeans_labels`].
pub fn agreements(
    table: &ClusterTable,
    truth: &Truth,
    kmeans: &[Vec<usize>],
) -> Vec<ScaleAgreement> {
    let scales = table.scales();
    let mut found = Vec::new();
    for (index, &scale) in scales.iter().enumerate() {
        let source = match index {
            _ if index + 1 == scales.len() => Source::Background,
            0 => Source::Pulse,
            _ => Source::Burst,
        };
        let rows: Vec<usize> = table.rows_of_scale(scale).collect();
        let spans: Vec<TimeSpan> = rows
            .iter()
            .map(|row| TimeSpan::new(table.rows[*row].start_ns, table.rows[*row].end_ns + 1))
            .collect();
        let (mut ours, mut theirs, mut truths) = (Vec::new(), Vec::new(), Vec::new());
        for (position, (row, labels)) in rows.iter().zip(truth.labels(&spans)).enumerate() {
            let (class, fraction) = match source {
                Source::Background => (labels.background.state.class(), labels.background.fraction),
                Source::Burst => (labels.burst.state.class(), labels.burst.fraction),
                Source::Pulse => (usize::from(labels.pulse.state), 1.0),
            };
            if fraction >= LEAST_FRACTION {
                ours.push(table.rows[*row].cluster);
                theirs.push(
                    kmeans
                        .get(index)
                        .and_then(|labels| labels.get(position))
                        .copied()
                        .unwrap_or(0),
                );
                truths.push(class);
            }
        }
        found.push(ScaleAgreement {
            scale,
            source,
            n_windows: truths.len(),
            ari: adjusted_rand_index(&ours, &truths),
            nmi: normalised_mutual_information(&ours, &truths),
            kmeans_ari: adjusted_rand_index(&theirs, &truths),
            kmeans_nmi: normalised_mutual_information(&theirs, &truths),
        });
    }
    found
}

/// k-means on the model's own inputs, all windows, as many clusters as the model has; by scale.
pub fn kmeans_labels(
    features: &[PathBuf],
    model: &vae::ModelFile,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Vec<Vec<usize>>> {
    let ModelInputs::Compact { fitted, .. } = model_inputs(model)? else {
        return Ok(Vec::new());
    };
    let corpus = FeatureDataset::open(features, observer)?;
    let (segments, _) = corpus.load_energies(&NoProgress)?;
    let scales = fitted.transform_energies(&segments)?;
    let options = KMeansOptions::new(model.model.config().n_clusters, seed);
    scales
        .iter()
        .map(|scale| {
            let rows = scale.inputs.mapv(f64::from);
            let kmeans = KMeans::fit(rows.view(), &options, &NoProgress)?;
            Ok(kmeans.predict(rows.view())?)
        })
        .collect()
}

/// How well the union of `clusters` tells the finest windows with a pulse from the rest.
pub fn detection(table: &ClusterTable, clusters: &[usize], truth: &Truth) -> Detection {
    let scale = table.scales().first().copied().unwrap_or(0);
    let rows: Vec<usize> = table.rows_of_scale(scale).collect();
    let spans: Vec<TimeSpan> = rows
        .iter()
        .map(|row| TimeSpan::new(table.rows[*row].start_ns, table.rows[*row].end_ns + 1))
        .collect();
    let (mut hits, mut found, mut held) = (0.0, 0.0, 0.0);
    for (row, labels) in rows.iter().zip(truth.labels(&spans)) {
        let (is_found, holds) = (
            clusters.contains(&table.rows[*row].cluster),
            labels.pulse.state,
        );
        hits += f64::from(u8::from(is_found && holds));
        found += f64::from(u8::from(is_found));
        held += f64::from(u8::from(holds));
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let (precision, recall) = (share(hits, found), share(hits, held));
    Detection {
        scale,
        clusters: clusters.to_vec(),
        precision,
        recall,
        f1: share(2.0 * hits, found + held),
    }
}

/// SNR of the background before and after, for every target; the truth is the record without pulses.
///
/// # Errors
/// What records refuse.
pub fn target_snrs(
    archive: &[PathBuf],
    separation: &SeparationFile,
    separated: &Path,
    pulses: &Path,
    truth: &Truth,
) -> Result<Vec<TargetSnr>> {
    let mixture = Archive::open(archive, Selection::default())?;
    let estimate = Archive::open(&[separated.join("background")], Selection::default())?;
    let pulses = Archive::open(&[pulses], Selection::default())?;
    let keys: Vec<StationKey> = station_keys(&mixture);
    let mut caches = [RecordCache::new(&mixture), RecordCache::new(&estimate)];
    let mut snrs = Vec::new();
    for target in separation
        .targets
        .iter()
        .filter(|target| !target.channels.is_empty())
    {
        let Some(key) = keys.iter().find(|key| key.to_string() == target.id) else {
            continue;
        };
        let mut parts = Vec::new();
        for cache in &mut caches {
            if let Some(run) = cache.run(key, target.start_ns, target.end_ns, 0)? {
                parts.push(run);
            }
        }
        let [mixture, estimate] = &parts[..] else {
            continue;
        };
        // Between pulses their record is zero, which a cache of usable samples leaves out.
        let sources = mixture
            .channels
            .iter()
            .map(|id| raw_samples(&pulses, id, mixture.start_ns, mixture.n_samples()));
        let Some(sources) = sources.collect::<Option<Vec<Vec<f64>>>>() else {
            continue;
        };
        let (mut power, mut before, mut after) = (0.0, 0.0, 0.0);
        for (channel, source) in sources.iter().enumerate() {
            let range = mixture.target.clone();
            let truth: Vec<f64> = range
                .clone()
                .map(|t| mixture.samples[channel][t] - source[t])
                .collect();
            let mean = truth.iter().sum::<f64>() / truth.len() as f64;
            for (i, t) in range.enumerate() {
                power += (truth[i] - mean).powi(2);
                before += (mixture.samples[channel][t] - truth[i]).powi(2);
                after += (estimate.samples[channel][t] - truth[i]).powi(2);
            }
        }
        let inside = truth
            .pulses
            .iter()
            .filter(|p| p.peak_ns >= target.start_ns && p.peak_ns <= target.end_ns);
        snrs.push(TargetSnr {
            start_ns: target.start_ns,
            ratio: inside.map(|p| p.local_ratio).fold(0.0, f64::max),
            before_db: decibel(power / before),
            after_db: decibel(power / after),
        });
    }
    Ok(snrs)
}

/// 10 log10, within +-120 dB where one side is zero.
fn decibel(ratio: f64) -> f64 {
    if ratio.is_nan() {
        0.0
    } else {
        (10.0 * ratio.log10()).clamp(-120.0, 120.0)
    }
}

/// The `q` quantile (0..1) of values, by linear interpolation; NaN without values.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = q * last as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}
