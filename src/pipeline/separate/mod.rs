//! From records and a cluster table to separated records.

mod file;
mod parts;
mod records;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;
use seismix_data::StationKey;
use seismix_data::archive::Archive;
use seismix_data::store::{ClusterTable, read_clusters};
use seismix_data::time::{format_utc, steps_ns};
use seismix_separate::{Candidate, ObjectiveOptions, Start, WindowOptions, choose_snippets};

pub use file::{ScaleClusters, SeparationFile, TargetResult};
pub use window::{ChannelResult, FADE_SAMPLES};

use super::config::{Objective, SelectionConfig, SeparateConfig, Target};
use super::error::{PipelineError, Result};
use super::local_day::LocalDay;
use super::observer::Observer;
use super::provenance::{InputFile, fingerprint, provenance};
use super::records::{RecordCache, all_input_files, open_archive, sampling_rate, station_keys};
use super::targets::{Stretch, background_candidates, stretches};
use super::workplace::Workplace;
use parts::Parts;
use window::separate_channel;

/// Least probability of a background snippet, lowered step by step where there are too few.
const CONFIDENCE: [f64; 4] = [0.9, 0.7, 0.5, 0.0];
/// A day's distance counts like so many seconds of local time.
const DAY_PENALTY_S: f64 = 1800.0;
/// Fewest snippets that a separation is tried with.
const LEAST_SNIPPETS: usize = 4;
/// Largest range of a snippet, in medians.
const OUTLIER: f64 = 2.5;
/// Targets that are loaded and solved together, between two looks at whether to go on.
const BATCH: usize = 8;

/// Separates the target clusters from the records and writes `background/` and `source/` (SDS trees of miniSEED with
/// the ids, times and sample counts of the input) and `separation.json` into `out`.
///
/// `config.target` must be set; without `config.background` all other clusters of the target's scale are background.
///
/// # Errors
/// What records, table and settings refuse; [`PipelineError::Interrupted`].
pub fn separate(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    clusters: &Path,
    config: &SeparateConfig,
    fresh: bool,
    out: &Path,
    observer: &dyn Observer,
) -> Result<SeparationFile> {
    let archive = open_archive(paths, selection, observer)?;
    let table = read_clusters(clusters)?;
    let job = Job::new(&archive, &table, config)?;
    // What of the files is used matters as much as the files.
    let inputs = (
        InputFile::of(clusters)?,
        all_input_files(&archive)?,
        selection,
    );
    let provenance = provenance("separate", config, 0, &inputs);
    let file_path = out.join("separation.json");
    let parts_folder = out.join("parts");
    if !fresh
        && file_path.exists()
        && let Ok(file) = SeparationFile::load(&file_path)
        && fingerprint(&file.provenance) == fingerprint(&provenance)
    {
        observer.remark("the separated records are up to date");
        // Killed between the file and this, a run leaves them behind.
        Parts::remove(&parts_folder)?;
        return Ok(file);
    }
    let _held = Workplace::hold(out)?;
    // From here on it would speak for records that are not there any more.
    match std::fs::remove_file(&file_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PipelineError::io("removing", &file_path)(error));
        }
        _ => {}
    }
    if fresh {
        Parts::remove(&parts_folder)?;
    }
    let parts = Parts::open(parts_folder.clone(), &fingerprint(&provenance))?;
    let mut cache = RecordCache::new(&archive);
    let mut done: Vec<(TargetResult, Array2<f64>)> = Vec::new();
    observer.begin("separate", job.targets.len() as u64, "targets");
    for batch in (0..job.targets.len()).collect::<Vec<_>>().chunks(BATCH) {
        if observer.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let mut solved: BTreeMap<usize, (TargetResult, Array2<f64>)> = BTreeMap::new();
        let mut prepared = Vec::new();
        for &index in batch {
            match parts.read(index) {
                Some(part) => drop(solved.insert(index, part)),
                None => prepared.push((index, job.prepare(index, &mut cache)?)),
            }
        }
        let finished: Vec<(usize, TargetResult, Array2<f64>)> = prepared
            .into_par_iter()
            .map(|(index, prepared)| {
                let (result, background) = prepared.solve(job.options);
                (index, result, background)
            })
            .collect();
        for (index, result, background) in finished {
            parts.write(index, &result, &background)?;
            solved.insert(index, (result, background));
        }
        observer.advance(batch.len() as u64);
        done.extend(solved.into_values());
    }
    observer.end();
    records::write(&archive, &job.stations(), &done, out, observer)?;
    let file = SeparationFile {
        target: job.target,
        background: job.background,
        targets: done.into_iter().map(|(result, _)| result).collect(),
        provenance,
    };
    file.save(&file_path)?;
    Parts::remove(&parts_folder)?;
    Ok(file)
}

/// What is to be separated.
struct Job {
    target: ScaleClusters,
    background: ScaleClusters,
    targets: Vec<Stretch>,
    candidates: BTreeMap<Arc<str>, Vec<Candidate>>,
    snippet_samples: usize,
    n_snippets: usize,
    sample_ns: i64,
    keys: BTreeMap<String, StationKey>,
    options: WindowOptions,
}

impl Job {
    fn new(archive: &Archive, table: &ClusterTable, config: &SeparateConfig) -> Result<Self> {
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
        let objective = match config.objective {
            Objective::Paper => ObjectiveOptions::paper(config.octaves),
            Objective::Seismix => ObjectiveOptions::floored(config.octaves),
        };
        let options = WindowOptions {
            objective,
            max_iterations: config.max_iter,
            start: match config.objective {
                Objective::Paper => Start::Mixture,
                Objective::Seismix => Start::LocalWiener,
            },
            stop_at_expectation: config.objective == Objective::Seismix,
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
            options,
        })
    }

    fn stations(&self) -> Vec<StationKey> {
        self.keys.values().cloned().collect()
    }

    /// Loads what one target needs.
    fn prepare(&self, index: usize, cache: &mut RecordCache) -> Result<Prepared> {
        let stretch = &self.targets[index];
        let mut result = TargetResult {
            id: stretch.station.to_string(),
            starttime: format_utc(stretch.start_ns),
            endtime: format_utc(stretch.end_ns),
            start_ns: stretch.start_ns,
            end_ns: stretch.end_ns,
            probability: stretch.probability,
            n_windows: stretch.n_windows,
            snippets: Vec::new(),
            snippet_samples: self.snippet_samples,
            channels: Vec::new(),
            left: None,
        };
        let left = |mut result: TargetResult, why: String| {
            result.left = Some(why);
            Ok(Prepared {
                result,
                channels: Vec::new(),
            })
        };
        let Some(key) = self.keys.get(&*stretch.station) else {
            return left(
                result,
                format!(
                    "no record of station {} is among the paths",
                    stretch.station
                ),
            );
        };
        let margin = self.snippet_samples as i64 * self.sample_ns;
        let Some(run) = cache.run(key, stretch.start_ns, stretch.end_ns, margin)? else {
            return left(
                result,
                "the record has no gap-free stretch around it".into(),
            );
        };
        if run.n_samples() < self.snippet_samples {
            return left(
                result,
                format!(
                    "the gap-free stretch around it has {} samples, {} are needed",
                    run.n_samples(),
                    self.snippet_samples
                ),
            );
        }
        let candidates = self
            .candidates
            .get(&stretch.station)
            .map_or(&[][..], Vec::as_slice);
        let span = (stretch.start_ns, stretch.end_ns + self.sample_ns);
        let day_ns = LocalDay::of(key).length_ns();
        let mut snippets: Vec<Vec<Vec<f64>>> = vec![Vec::new(); run.channels.len()];
        // Some more than asked for, since those that stand out of the others are left out.
        let wanted = self.n_snippets + self.n_snippets / 2;
        for confidence in CONFIDENCE {
            let chosen =
                choose_snippets(candidates, span, wanted, confidence, day_ns, DAY_PENALTY_S);
            if chosen.len() < self.n_snippets && confidence > 0.0 {
                continue;
            }
            let mut loaded = Vec::new();
            for index in chosen {
                let start = candidates[index].start_ns;
                if let Some(samples) =
                    cache.samples(key, start, self.snippet_samples, &run.channels)?
                {
                    loaded.push((start, samples));
                }
            }
            for (start, samples) in without_outliers(loaded).into_iter().take(self.n_snippets) {
                result.snippets.push(format_utc(start));
                for (to, samples) in snippets.iter_mut().zip(samples) {
                    to.push(samples);
                }
            }
            break;
        }
        if result.snippets.len() < LEAST_SNIPPETS {
            let why = format!(
                "only {} background snippets of {} samples were found, {LEAST_SNIPPETS} are needed",
                result.snippets.len(),
                self.snippet_samples
            );
            return left(result, why);
        }
        let channels =
            run.channels
                .iter()
                .zip(snippets)
                .enumerate()
                .map(|(channel, (id, snippets))| PreparedChannel {
                    id: id.to_string(),
                    run: run.samples[channel].clone(),
                    target: run.target.clone(),
                    snippets,
                });
        Ok(Prepared {
            result,
            channels: channels.collect(),
        })
    }
}

/// Snippets whose range on any channel is at most [`OUTLIER`] times the median's: one missed source among the snippets
/// makes every source look like background.
fn without_outliers(snippets: Vec<(i64, Vec<Vec<f64>>)>) -> Vec<(i64, Vec<Vec<f64>>)> {
    let range = |samples: &[f64]| {
        let (low, high) = samples
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(*v), high.max(*v))
            });
        high - low
    };
    let ranges: Vec<Vec<f64>> = snippets
        .iter()
        .map(|(_, channels)| channels.iter().map(|c| range(c)).collect())
        .collect();
    let n_channels = ranges.first().map_or(0, Vec::len);
    let medians: Vec<f64> = (0..n_channels)
        .map(|channel| {
            super::score::quantile(
                &ranges.iter().map(|r| r[channel]).collect::<Vec<f64>>(),
                0.5,
            )
        })
        .collect();
    let fits = |ranges: &Vec<f64>| {
        ranges
            .iter()
            .zip(&medians)
            .all(|(range, median)| *range <= OUTLIER * median)
    };
    snippets
        .into_iter()
        .zip(&ranges)
        .filter(|(_, ranges)| fits(ranges))
        .map(|(snippet, _)| snippet)
        .collect()
}

/// A target with the samples it needs.
struct Prepared {
    result: TargetResult,
    channels: Vec<PreparedChannel>,
}

struct PreparedChannel {
    id: String,
    run: Vec<f64>,
    target: std::ops::Range<usize>,
    snippets: Vec<Vec<f64>>,
}

impl Prepared {
    /// Separates all channels; one that cannot be separated is left as it is, with the reason.
    fn solve(self, options: WindowOptions) -> (TargetResult, Array2<f64>) {
        let mut result = self.result;
        let n_samples = self
            .channels
            .first()
            .map_or(0, |channel| channel.target.len());
        let solved: Vec<_> = self
            .channels
            .par_iter()
            .map(|channel| {
                separate_channel(
                    &channel.id,
                    &channel.run,
                    channel.target.clone(),
                    &channel.snippets,
                    options,
                )
            })
            .collect();
        // A row for each channel in the result: those that could be separated.
        let mut rows: Vec<f64> = Vec::new();
        let mut reasons = Vec::new();
        for (channel, solved) in self.channels.iter().zip(solved) {
            match solved {
                Ok((samples, of_channel)) => {
                    result.channels.push(of_channel);
                    rows.extend(samples);
                }
                Err(error) => reasons.push(format!("{}: {error}", channel.id)),
            }
        }
        if !reasons.is_empty() {
            result.left = Some(reasons.join("; "));
        }
        let background = Array2::from_shape_vec((result.channels.len(), n_samples), rows)
            .unwrap_or_else(|_| Array2::zeros((0, n_samples)));
        (result, background)
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

/// Number of samples outside the targets in which the separated background differs from the input: 0.
///
/// # Errors
/// What records refuse.
pub fn changed_outside(
    paths: &[PathBuf],
    separated: &Path,
    file: &SeparationFile,
) -> Result<usize> {
    let input = Archive::open(paths, Default::default())?;
    let output = Archive::open(&[separated.join("background")], Default::default())?;
    let mut changed = 0;
    for day in input.station_days() {
        for id in input.channels_of(&day.key) {
            let span = seismix_data::TimeSpan::day_of(day.day_start_ns);
            let (a, b) = (
                input.load_raw_starting(&id, span).segments,
                output.load_raw_starting(&id, span).segments,
            );
            for (a, b) in a.iter().zip(&b) {
                let half = (0.5e9 / a.sampling_rate) as i64;
                let targets = file.targets.iter().filter(|t| t.id == day.key.to_string());
                let spans: Vec<(i64, i64)> = targets
                    .map(|t| (t.start_ns - half, t.end_ns + half))
                    .collect();
                for index in (0..a.npts().max(b.npts())).filter(|i| {
                    *i >= a.npts()
                        || *i >= b.npts()
                        || a.samples.get(*i).to_bits() != b.samples.get(*i).to_bits()
                }) {
                    let time = a.time_of(index);
                    changed +=
                        usize::from(!spans.iter().any(|(from, to)| (*from..=*to).contains(&time)));
                }
            }
            changed += a.len().abs_diff(b.len());
        }
    }
    Ok(changed)
}
