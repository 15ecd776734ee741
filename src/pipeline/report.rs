//! From the files of a run to the data of its report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use seismix_data::archive::{AlignedSegment, Archive};
use seismix_data::store::{ClusterRow, ClusterTable, FeatureSet, read_clusters};
use seismix_data::time::{DAY_NS, SECOND_NS, parse_utc, steps_ns};
use seismix_data::{StationKey, TimeSpan};
use seismix_separate::Terms;
use seismix_vae::{self as vae, start::ClusterScore};

use super::config::SelectionConfig;
use super::error::{PipelineError, Result};
use super::local_day::LocalDay;
use super::observer::Observer;
use super::records::{
    RecordCache, all_input_files, fault_text, open_archive, sampling_rate, station_keys,
};
use super::run::RunFiles;
use super::separate::{SeparationFile, TargetResult, TermTable, WindowOutcome};
use super::targets::TRANSIENT_MEASURE;
use crate::report::{
    ChannelOverview, ChannelRecord, ClusterReport, GalleryWindow, Gap, InputFile, LossTerm,
    Overview, Provenance, ReportData, Role, ScaleReport, SeparatedChannel, Separation,
    StationRecord, Strip, Trace, Training, TrainingPanel, TrainingSeries, WindowCluster, WindowEnd,
};

/// Length of a bin of the record's picture.
const ENVELOPE_BIN_S: f64 = 5.0;
/// Windows in a cluster's gallery.
const GALLERY: usize = 12;
/// Bins of a gallery window or a separated stretch.
const TRACE_BINS: usize = 600;
/// Separations that are drawn.
const MAX_SEPARATIONS: usize = 60;
/// Notes of feature files that are told.
const MAX_REMARKS: usize = 12;
/// A loss term below this is rounding.
const NO_LOSS: f64 = 1e-12;

/// Gathers the report of a run: what was read, clusters over time, galleries, training, separations.
///
/// # Errors
/// What the run's files and the records refuse.
pub fn report_data(
    paths: &[PathBuf],
    selection: &SelectionConfig,
    files: &RunFiles,
    configuration: &str,
    seed: u64,
    problems: &[(String, String)],
    observer: &dyn Observer,
) -> Result<ReportData> {
    let archive = open_archive(paths, selection, &super::Silent)?;
    let table = read_clusters(&files.clusters)?;
    let model = vae::ModelFile::load(&files.model)?;
    let scores = load_scores(&files.transients)?;
    let separation = if files.separation_json().exists() {
        Some(SeparationFile::load(&files.separation_json())?)
    } else {
        None
    };
    observer.begin("report", 4, "parts");
    let mut cache = RecordCache::new(&archive);
    let keys = station_keys(&archive);
    let rate = keys
        .first()
        .and_then(|key| sampling_rate(&archive, key))
        .unwrap_or(1.0);
    let (overview, stations) = stations(&archive, &keys, &table);
    observer.advance(1);
    let scales = scales(
        &table,
        &scores,
        separation.as_ref(),
        &keys,
        rate,
        &mut cache,
    )?;
    observer.advance(1);
    let separations = match &separation {
        Some(file) => separations(file, &archive, files, &keys)?,
        None => Vec::new(),
    };
    observer.advance(1);
    let faults = archive.faults().iter().map(fault_text);
    let mut told: Vec<(String, String)> = faults.chain(problems.iter().cloned()).collect();
    let mut seen = BTreeSet::new();
    told.retain(|problem| seen.insert(problem.clone()));
    let overview = Overview {
        problems: told
            .into_iter()
            .map(|(input, message)| crate::report::Problem { input, message })
            .collect(),
        ..overview
    };
    let inputs = all_input_files(&archive)?;
    let data = ReportData {
        title: title(&archive),
        amplitude_unit: "counts".into(),
        clock: LocalDay::of_all(&keys).clock(),
        remarks: remarks(&files.features),
        transient_measure: TRANSIENT_MEASURE.into(),
        overview,
        stations,
        scales,
        training: Some(training(&model)),
        separations,
        provenance: Provenance {
            version: super::provenance::VERSION.into(),
            command: String::new(),
            seed,
            configuration: configuration.into(),
            inputs: inputs
                .into_iter()
                .map(|file| InputFile {
                    path: file.name,
                    bytes: file.bytes,
                    sha256: file.sha256,
                })
                .collect(),
            facts: Vec::new(),
        },
        ..ReportData::default()
    };
    observer.advance(1);
    observer.end();
    Ok(data)
}

fn load_scores(path: &Path) -> Result<Vec<ClusterScore>> {
    let bytes = std::fs::read(path).map_err(PipelineError::io("reading", path))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        PipelineError::unusable(
            format!("`{}` is damaged: {e}", path.display()),
            "run the same command again",
        )
    })
}

fn title(archive: &Archive) -> String {
    let streams = archive.streams();
    let first = streams.iter().map(|s| s.span.start_ns).min().unwrap_or(0);
    let last = streams.iter().map(|s| s.span.end_ns).max().unwrap_or(0);
    let mut stations: Vec<String> = streams
        .iter()
        .map(|s| format!("{}.{}", s.id.network, s.id.station))
        .collect();
    stations.dedup();
    let day = |ns: i64| {
        let (year, day) = seismix_data::time::year_day(ns);
        format!("{year} day {day}")
    };
    format!(
        "{}, {} to {}",
        stations.join(", "),
        day(first),
        day(last.saturating_sub(1))
    )
}

/// The record of each station, reduced for drawing, with the clusters over time; and what was read.
fn stations(
    archive: &Archive,
    keys: &[StationKey],
    table: &ClusterTable,
) -> (Overview, Vec<StationRecord>) {
    let mut overview = Overview::default();
    for stream in archive.streams() {
        overview.channels.push(ChannelOverview {
            id: stream.id.to_string(),
            sampling_rate: stream.sampling_rate,
            start_ns: stream.span.start_ns,
            end_ns: stream.span.end_ns,
            n_samples: stream.npts as u64,
        });
    }
    let mut records = Vec::new();
    for key in keys {
        let mut channels: BTreeMap<String, ChannelRecord> = BTreeMap::new();
        let mut last_end: BTreeMap<String, i64> = BTreeMap::new();
        let mut days: Vec<i64> = archive
            .station_days()
            .into_iter()
            .filter(|day| day.key == *key)
            .map(|day| day.day_start_ns)
            .collect();
        days.sort_unstable();
        for day in days {
            let loaded = archive.load(key, TimeSpan::new(day, day.saturating_add(DAY_NS)));
            for segment in &loaded.segments {
                for (row, id) in segment.channels.iter().enumerate() {
                    let id = id.to_string();
                    let samples = segment.samples.row(row);
                    let trace = envelope(segment, samples.as_slice().unwrap_or_default(), day);
                    let record = channels.entry(id.clone()).or_insert_with(|| ChannelRecord {
                        id: id.clone(),
                        pieces: Vec::new(),
                    });
                    let step = (1e9 / segment.sampling_rate) as i64;
                    if let Some(end) = last_end.get(&id).filter(|end| {
                        segment.start_ns() - **end > 3 * step && segment.start_ns() - **end < DAY_NS
                    }) {
                        overview.gaps.push(Gap {
                            id: id.clone(),
                            start_ns: end + step,
                            end_ns: segment.start_ns(),
                        });
                    }
                    last_end.insert(id, segment.end_ns());
                    record.pieces.push(trace);
                }
            }
        }
        let id = key.to_string();
        let sample_ns = sampling_rate(archive, key).map_or(1, |rate| steps_ns(1, rate));
        let strips = table.scales().into_iter().map(|scale| {
            let rows = table.rows_of_scale(scale).map(|row| &table.rows[row]);
            let rows = rows.filter(|row| row.id.as_deref().is_none_or(|found| found == id));
            let windows = rows.map(|row| WindowCluster {
                start_ns: row.start_ns,
                end_ns: row.end_ns + sample_ns,
                cluster: row.cluster as u32,
                probability: f64::from(row.probability),
            });
            Strip {
                window_samples: scale as u32,
                windows: windows.collect(),
            }
        });
        records.push(StationRecord {
            station: id.clone(),
            strips: strips.collect(),
            channels: channels.into_values().collect(),
        });
    }
    (overview, records)
}

/// The lowest and highest sample of each bin. The last bin is left out unless it is full and ends on the day: the
/// picture must not reach into a day without data.
fn envelope(segment: &AlignedSegment, samples: &[f64], day_start_ns: i64) -> Trace {
    let rate = true_rate(segment);
    let per_bin = ((ENVELOPE_BIN_S * rate).round() as usize).max(1);
    let left_s = (day_start_ns.saturating_add(DAY_NS) - segment.start_ns()) as f64 / 1e9;
    let bins = (samples.len() / per_bin).min((left_s * rate / per_bin as f64) as usize);
    let drawn = if bins > 0 {
        &samples[..bins * per_bin]
    } else {
        samples
    };
    Trace::from_samples(segment.start_ns(), rate, drawn.iter().copied(), bins.max(1))
}

/// Samples a second by the clock of the records, which may be a little off the nominal rate.
fn true_rate(segment: &AlignedSegment) -> f64 {
    let ns = segment.end_ns() - segment.start_ns();
    if ns > 0 {
        (segment.npts() - 1) as f64 / (ns as f64 / 1e9)
    } else {
        segment.sampling_rate
    }
}

fn scales(
    table: &ClusterTable,
    scores: &[ClusterScore],
    separation: Option<&SeparationFile>,
    keys: &[StationKey],
    rate: f64,
    cache: &mut RecordCache,
) -> Result<Vec<ScaleReport>> {
    let finest = table.scales().first().copied().unwrap_or(0);
    let n_clusters = table.probabilities.ncols();
    let local_day = LocalDay::of_all(keys);
    let mut reports = Vec::new();
    for scale in table.scales() {
        let rows: Vec<usize> = table.rows_of_scale(scale).collect();
        let starts: Vec<i64> = rows
            .windows(2)
            .map(|w| table.rows[w[1]].end_ns - table.rows[w[0]].end_ns)
            .filter(|step| *step > 0)
            .collect();
        let stride_s = starts.iter().min().map_or(f64::NAN, |ns| *ns as f64 / 1e9);
        let mut gallery_channel = String::new();
        let mut clusters = Vec::new();
        for cluster in 0..n_clusters {
            let mut members: Vec<usize> = rows
                .iter()
                .copied()
                .filter(|row| table.rows[*row].cluster == cluster)
                .collect();
            let mut hours = vec![0; 24];
            for row in &members {
                let row = &table.rows[*row];
                let middle = row.start_ns + (row.end_ns - row.start_ns) / 2;
                hours[local_day.hour(middle)] += 1;
            }
            let n = members.len();
            let mean = members
                .iter()
                .map(|row| f64::from(table.rows[*row].probability))
                .sum::<f64>()
                / n.max(1) as f64;
            members.sort_by(|a, b| {
                table.rows[*b]
                    .probability
                    .total_cmp(&table.rows[*a].probability)
                    .then(a.cmp(b))
            });
            let score = scores
                .iter()
                .find(|score| scale == finest && score.cluster == cluster);
            // Pulses are moved onto each other, with what lies around them; of other clusters, what lies beyond the
            // window would draw the eye.
            let context = score.is_some_and(|score| score.is_transient);
            let chosen = apart(&members, table);
            let mut gallery = Vec::new();
            for row in chosen {
                if let Some((channel, window)) =
                    gallery_window(&table.rows[row], context, keys, cache)?
                {
                    gallery_channel = channel;
                    gallery.push(window);
                }
            }
            let role = separation.and_then(|file| {
                if file.target.scale == scale && file.target.clusters.contains(&cluster) {
                    Some(Role::Target)
                } else if file.background.scale == scale
                    && file.background.clusters.contains(&cluster)
                {
                    Some(Role::Background)
                } else {
                    None
                }
            });
            clusters.push(ClusterReport {
                cluster: cluster as u32,
                n_windows: n as u64,
                mean_probability: if n > 0 { mean } else { f64::NAN },
                transient_score: score.map(|score| score.score),
                is_transient: score.is_some_and(|score| score.is_transient),
                role,
                hours,
                gallery,
            });
        }
        reports.push(ScaleReport {
            window_samples: scale as u32,
            window_s: scale as f64 / rate,
            stride_s,
            gallery_channel,
            clusters,
        });
    }
    Ok(reports)
}

/// The first rows that do not overlap one another, in order of time so that records are read once.
fn apart(members: &[usize], table: &ClusterTable) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for &row in members {
        if chosen.len() == GALLERY {
            break;
        }
        let (a, b) = (table.rows[row].start_ns, table.rows[row].end_ns);
        if chosen
            .iter()
            .all(|other| table.rows[*other].end_ns < a || table.rows[*other].start_ns > b)
        {
            chosen.push(row);
        }
    }
    chosen
}

/// A window of the station's first channel, with half a window on both sides if `context` asks for it and the record
/// has it.
fn gallery_window(
    row: &ClusterRow,
    context: bool,
    keys: &[StationKey],
    cache: &mut RecordCache,
) -> Result<Option<(String, GalleryWindow)>> {
    let key = match &row.id {
        Some(id) => keys.iter().find(|key| *key.to_string() == **id),
        None => keys.first(),
    };
    let Some(key) = key else { return Ok(None) };
    let Some(rate) = cache.sampling_rate(key) else {
        return Ok(None);
    };
    let half_ns = steps_ns(row.scale / 2, rate);
    let (around, within) = (
        (row.start_ns - half_ns, 2 * row.scale),
        (row.start_ns, row.scale),
    );
    let wanted = if context {
        &[around, within][..]
    } else {
        &[within]
    };
    for &(start, n) in wanted {
        if let Some((id, samples)) = cache.first_channel(key, start, n)? {
            let trace = Trace::from_samples(start, rate, samples.into_iter(), TRACE_BINS);
            let window = GalleryWindow {
                probability: f64::from(row.probability),
                trace,
            };
            return Ok(Some((id.to_string(), window)));
        }
    }
    Ok(None)
}

/// What the feature files note, such as why a day has no window.
fn remarks(features: &Path) -> Vec<String> {
    let Ok(set) = FeatureSet::open(&[features]) else {
        return Vec::new();
    };
    let mut remarks = Vec::new();
    for day in set.days() {
        let meta = &day.header.meta;
        for line in meta.note.iter().flat_map(|note| note.lines()) {
            remarks.push(format!(
                "{} {}: {line}.",
                meta.station_id(),
                meta.day_name()
            ));
        }
    }
    if remarks.len() > MAX_REMARKS {
        let more = remarks.len() - MAX_REMARKS;
        remarks.truncate(MAX_REMARKS);
        remarks.push(format!("And {more} more notes in the feature files."));
    }
    remarks
}

fn training(model: &vae::ModelFile) -> Training {
    let epochs = &model.history.epochs;
    let names = &model.model.config().scale_names;
    let means = |pick: &dyn Fn(&vae::Terms) -> f64| TrainingSeries {
        label: "all scales".into(),
        train: epochs.iter().map(|e| pick(&e.train)).collect(),
        validation: epochs
            .iter()
            .filter_map(|e| e.validation.as_ref())
            .map(pick)
            .collect(),
    };
    let by_scale = |pick: &dyn Fn(&vae::EpochRecord, usize) -> f64| -> Vec<TrainingSeries> {
        let series = names
            .iter()
            .enumerate()
            .map(|(scale, name)| TrainingSeries {
                label: name.clone(),
                train: epochs.iter().map(|e| pick(e, scale)).collect(),
                validation: Vec::new(),
            });
        series.collect()
    };
    let panel = |title: &str, series: Vec<TrainingSeries>| TrainingPanel {
        title: title.into(),
        series,
    };
    Training {
        epochs: epochs.iter().map(|e| e.epoch as u32 + 1).collect(),
        kept_epoch: epochs.last().map(|e| e.epoch as u32 + 1),
        panels: vec![
            panel("Loss", vec![means(&|t| f64::from(t.total))]),
            panel(
                "Reconstruction",
                vec![means(&|t| f64::from(t.mean().reconstruction))],
            ),
            panel(
                "Latent term",
                vec![means(&|t| f64::from(t.mean().kl_latent))],
            ),
            panel(
                "Cluster term",
                vec![means(&|t| f64::from(t.mean().kl_cluster))],
            ),
            panel(
                "Reconstruction by scale",
                by_scale(&|e, s| f64::from(e.train.scales[s].reconstruction)),
            ),
            panel(
                "Effective number of clusters",
                by_scale(&|e, s| f64::from(e.entropy[s]).exp()),
            ),
        ],
        remark: format!(
            "Preset {}, {} epochs.",
            model.preset,
            model.history.epochs.len()
        ),
    }
}

fn separations(
    file: &SeparationFile,
    archive: &Archive,
    files: &RunFiles,
    keys: &[StationKey],
) -> Result<Vec<Separation>> {
    let open = |kind: &str| {
        Archive::open(
            &[files.separation.join(kind)],
            seismix_data::archive::Selection::default(),
        )
    };
    let (background, source) = (open("background")?, open("source")?);
    let mut caches = [
        RecordCache::new(archive),
        RecordCache::new(&background),
        RecordCache::new(&source),
    ];
    let mut separations = Vec::new();
    for target in file.targets.iter().take(MAX_SEPARATIONS) {
        let Some(key) = keys.iter().find(|key| key.to_string() == target.id) else {
            continue;
        };
        let around = ((target.end_ns - target.start_ns) / 2).max(30 * SECOND_NS);
        let mut runs = Vec::new();
        for cache in &mut caches {
            if let Some(run) = cache.run(key, target.start_ns, target.end_ns, around)? {
                runs.push(run);
            }
        }
        let [mixture, background, source] = &runs[..] else {
            continue;
        };
        let rate = sampling_rate(archive, key).unwrap_or(1.0);
        let trace = |run: &super::records::Run, channel: usize| {
            Trace::from_samples(
                run.start_ns,
                rate,
                run.samples[channel].iter().copied(),
                TRACE_BINS,
            )
        };
        let channels = mixture
            .channels
            .iter()
            .enumerate()
            .map(|(channel, id)| SeparatedChannel {
                id: id.to_string(),
                mixture: trace(mixture, channel),
                background: trace(background, channel),
                source: trace(source, channel),
                ..SeparatedChannel::default()
            });
        separations.push(Separation {
            channels: channels.collect(),
            ..separation(target, file, steps_ns(1, rate))
        });
    }
    Ok(separations)
}

fn channel_code(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or_default()
}

fn separation(target: &TargetResult, file: &SeparationFile, sample_ns: i64) -> Separation {
    let windows = || target.channels.iter().flat_map(|c| &c.windows);
    let n = windows().count().max(1) as f64;
    let mean = |terms: fn(&TermTable) -> Terms, pick: &dyn Fn(Terms) -> f64| {
        let mean = windows()
            .filter_map(|w| w.terms.as_ref())
            .map(|t| pick(terms(t)))
            .sum::<f64>()
            / n;
        if mean < NO_LOSS { 0.0 } else { mean }
    };
    let term = |name: &str, pick: &dyn Fn(Terms) -> f64| LossTerm {
        name: name.into(),
        start: mean(|t| t.start, pick),
        end: mean(|t| t.end, pick),
        expected: Some(mean(|t| t.expected, pick)),
    };
    let loss = if windows().any(|w| w.terms.is_some()) {
        vec![
            term("background", &|t| t.background),
            term("mixture", &|t| t.mixture),
            term("independence", &|t| t.independence),
            term("total", &|t| t.loss()),
        ]
    } else {
        Vec::new()
    };
    let expected: Vec<f64> = windows().filter_map(|w| w.expected_snr_db).collect();
    let mut stops: Vec<(&str, Vec<&str>)> = Vec::new();
    for channel in &target.channels {
        let text = match channel.outcome {
            WindowOutcome::Separated => "separated",
            WindowOutcome::AlreadyBackground => "already like the background, left as it is",
            WindowOutcome::NotSeparable => "not separable, left as it is",
        };
        let code = channel_code(&channel.id);
        match stops.iter_mut().find(|(stop, _)| *stop == text) {
            Some((_, codes)) => codes.push(code),
            None => stops.push((text, vec![code])),
        }
    }
    let ends = target.channels.iter().flat_map(|channel| {
        channel.windows.iter().map(|window| WindowEnd {
            channel: channel_code(&channel.id).to_owned(),
            start_ns: parse_utc(&window.starttime).unwrap_or(target.start_ns),
            why: window.why.clone(),
            end: window.terms.map_or([0.0; 3], |t| t.end.to_array()),
            expected: window.terms.map_or([0.0; 3], |t| t.expected.to_array()),
        })
    });
    let clusters: Vec<String> = file
        .target
        .clusters
        .iter()
        .map(ToString::to_string)
        .collect();
    Separation {
        station: target.id.clone(),
        target: if clusters.is_empty() {
            "listed window".into()
        } else {
            format!("{}:{}", file.target.scale, clusters.join(","))
        },
        start_ns: target.start_ns,
        end_ns: target.end_ns + sample_ns,
        probability: f64::from(target.probability),
        stop: stops
            .iter()
            .map(|(text, codes)| match stops.len() {
                1 => (*text).to_owned(),
                _ => format!("{}: {text}", codes.join(", ")),
            })
            .chain(target.left.clone())
            .collect::<Vec<_>>()
            .join("; "),
        iterations: windows().map(|w| w.iterations).max().unwrap_or(0) as u32,
        n_snippets: target.snippets.len() as u32,
        loss,
        snr_expected_db: (!expected.is_empty())
            .then(|| expected.iter().sum::<f64>() / expected.len() as f64),
        windows: ends.collect(),
        ..Separation::default()
    }
}
