//! Gathering of a report from the files of a run, or of single stages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use seismix_data::archive::{Archive, expand_paths};
use seismix_data::store::{ClusterTable, FeatureSet, read_clusters};
use seismix_data::time::{DAY_NS, year_day};
use seismix_vae::{self as vae, init::ClusterScore};

use super::clusters::ClusterSources;
use super::{
    ChannelOverview, InputOverview, InputProblem, ReportData, ReportProvenance, ReportedFile,
    StationRecord, clusters, fingerprints, records, separations, stability, training,
};
use crate::config::SelectionConfig;
use crate::features::local_day::LocalDay;
use crate::features::notes::DayNote;
use crate::records::{
    RecordCache, all_input_files, fault_text, open_archive, sampling_rate, station_keys,
};
use crate::separate::SeparationFile;
use crate::separate::targets::TRANSIENT_MEASURE;
use crate::stage::inputs::Inputs;
use crate::stage::progress::Observer;
use crate::stage::{NoProgress, PipelineError, Result};

/// Largest number of bins of a gallery window or a separated region.
pub(super) const TRACE_BINS: usize = 600;
/// Largest number of notes of feature files that are shown.
const MAX_REMARKS: usize = 12;

/// Files from which a report is gathered; each may be missing.
#[derive(Debug, Clone, Default)]
pub struct ReportSources {
    /// Paths of the records.
    pub records: Vec<PathBuf>,
    /// Streams and times of the records.
    pub selection: SelectionConfig,
    /// Folder of feature files.
    pub features: Option<PathBuf>,
    /// Model file.
    pub model: Option<PathBuf>,
    /// Cluster table.
    pub clusters: Option<PathBuf>,
    /// Transient scores.
    pub transients: Option<PathBuf>,
    /// Folder with `separation.json` and the separated records.
    pub separation: Option<PathBuf>,
    /// Settings of the run, as text.
    pub configuration: String,
    /// Seed of the run.
    pub seed: u64,
    /// Inputs that the stages could not use, and why.
    pub problems: Vec<(String, String)>,
}

impl ReportSources {
    /// Outputs of stages in a folder: of a run, or of one stage alone.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let existing = |path: PathBuf| path.exists().then_some(path);
        let holds_features = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names = entries.map(|entry| entry.path());
            names.any(|path| path.extension().is_some_and(|ending| ending == "h5"))
        };
        let folders = [folder.join("features"), folder.to_owned()];
        let separated = [folder.join("separated"), folder.to_owned()];
        Self {
            features: folders.into_iter().find(|f| holds_features(f)),
            model: existing(folder.join("model.safetensors")),
            clusters: existing(folder.join("clusters.csv")),
            transients: existing(folder.join("transients.json")),
            separation: separated
                .into_iter()
                .find(|f| f.join("separation.json").exists()),
            ..Self::default()
        }
    }

    /// Files and folders of stages that are read; of a separation all its records.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let single = [
            &self.features,
            &self.model,
            &self.clusters,
            &self.transients,
        ];
        let mut files: Vec<PathBuf> = single.into_iter().flatten().cloned().collect();
        if let Some(folder) = &self.separation {
            let kinds = ["background", "source", "deviation"].map(|kind| folder.join(kind));
            files.extend(expand_paths(&kinds).map_or_else(|_| Vec::new(), |list| list.files));
            files.push(folder.join("separation.json"));
        }
        files
    }

    /// True if there is no output of any stage.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let all = [
            &self.features,
            &self.model,
            &self.clusters,
            &self.separation,
        ];
        all.into_iter().all(Option::is_none)
    }

    /// One sentence for each part of the report that cannot be shown.
    fn absent(&self) -> Vec<String> {
        let parts = [
            (
                self.records.is_empty(),
                "No records were given: the waveforms of the record and of the clusters are not shown.",
            ),
            (
                self.features.is_none(),
                "No feature files were found: notes of the feature stage are not shown.",
            ),
            (
                self.model.is_none(),
                "No model file was found: training curves and cluster fingerprints are not shown.",
            ),
            (
                self.clusters.is_none(),
                "No cluster table was found: clusters are not shown.",
            ),
            (
                self.separation.is_none(),
                "No separation was found: separated sources are not shown.",
            ),
        ];
        let missing = parts.into_iter().filter(|(is_missing, _)| *is_missing);
        missing.map(|(_, text)| text.to_owned()).collect()
    }
}

/// Files of a report that are there, opened.
struct Opened {
    archive: Option<Archive>,
    features: Option<FeatureSet>,
    table: Option<ClusterTable>,
    model: Option<vae::ModelFile>,
    scores: Vec<ClusterScore>,
    separation: Option<SeparationFile>,
}

impl Opened {
    fn open(sources: &ReportSources) -> Result<Self> {
        let archive = match &sources.records[..] {
            [] => None,
            paths => Some(open_archive(paths, &sources.selection, &NoProgress)?),
        };
        let features = sources.features.as_ref().map(|f| FeatureSet::open(&[f]));
        let separation = sources.separation.as_ref();
        let separation = separation.map(|f| SeparationFile::load(&f.join("separation.json")));
        let scores = sources.transients.as_ref().map(|path| load_scores(path));
        Ok(Self {
            archive,
            features: features.transpose()?,
            table: sources
                .clusters
                .as_ref()
                .map(|p| read_clusters(p))
                .transpose()?,
            model: sources
                .model
                .as_ref()
                .map(|p| vae::ModelFile::load(p))
                .transpose()?,
            scores: scores.transpose()?.unwrap_or_default(),
            separation: separation.transpose()?,
        })
    }

    /// Stations of the records; without records those of the feature files.
    fn keys(&self) -> Vec<seismix_data::StationKey> {
        match (&self.archive, &self.features) {
            (Some(archive), _) => station_keys(archive),
            (None, Some(set)) => {
                let keys: BTreeSet<_> = set
                    .days()
                    .iter()
                    .map(|d| d.header.meta.station_key())
                    .collect();
                keys.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Samples per second of the records; without records, of the windows in the cluster table.
    fn rate(&self) -> f64 {
        let recorded = self.archive.as_ref().and_then(|archive| {
            station_keys(archive)
                .first()
                .and_then(|key| sampling_rate(archive, key))
        });
        let row = self.table.as_ref().and_then(|table| table.rows.first());
        let of_row = row.filter(|row| row.end_ns > row.start_ns).map(|row| {
            // A row ends at its last sample, not one step later.
            (row.scale.saturating_sub(1)) as f64 * 1e9 / (row.end_ns - row.start_ns) as f64
        });
        recorded.or(of_row).unwrap_or(1.0)
    }
}

/// Gathers a report from what there is; the summary lists what is missing.
///
/// # Errors
/// Those of reading the files and the records.
pub fn gather(sources: &ReportSources, observer: &dyn Observer) -> Result<ReportData> {
    let opened = Opened::open(sources)?;
    let (keys, rate) = (opened.keys(), opened.rate());
    let sample_ns = (1e9 / rate).round() as i64;
    observer.begin("report", 3, "parts");
    let (mut overview, stations) = stations(&opened, &keys, sample_ns);
    observer.advance(1);
    let mut scales = match &opened.table {
        Some(table) => {
            let from = ClusterSources {
                table,
                scores: &opened.scores,
                separation: opened.separation.as_ref(),
                keys: &keys,
                rate,
            };
            let mut cache = opened.archive.as_ref().map(RecordCache::new);
            clusters::scales(&from, cache.as_mut())?
        }
        None => Vec::new(),
    };
    let stability = match &opened.model {
        Some(model) => {
            fingerprints::add(&mut scales, model, sources.seed)?;
            stability::stability(model, &mut scales)?
        }
        None => None,
    };
    observer.advance(1);
    let mut regions = Vec::new();
    if let (Some(file), Some(folder)) = (&opened.separation, &sources.separation) {
        regions = separations::separations(file, folder, opened.archive.as_ref())?;
    }
    let counts = opened.separation.as_ref();
    let counts = counts.map(|file| separations::counts(file, opened.table.as_ref(), sample_ns));
    overview
        .problems
        .extend(problems(sources, opened.archive.as_ref()));
    let data = ReportData {
        format: super::FORMAT,
        title: title(&overview, &stations),
        amplitude_unit: "counts".into(),
        clock: LocalDay::of_all(&keys).clock(),
        remarks: remarks(&opened),
        absent: sources.absent(),
        transient_measure: TRANSIENT_MEASURE.into(),
        overview,
        stations,
        scales,
        stability,
        training: opened.model.as_ref().map(training::training),
        separation_counts: counts,
        separations: regions,
        provenance: provenance(sources, opened.archive.as_ref())?,
        ..ReportData::default()
    };
    observer.advance(1);
    observer.end();
    Ok(data)
}

/// Channels that were used, and the stations with their clusters over time.
fn stations(
    opened: &Opened,
    keys: &[seismix_data::StationKey],
    sample_ns: i64,
) -> (InputOverview, Vec<StationRecord>) {
    let (mut overview, channels) = match &opened.archive {
        Some(archive) => records::channels(archive, keys),
        None => Default::default(),
    };
    if opened.archive.is_none() {
        overview.channels = featured_channels(opened.features.as_ref());
    }
    let mut names: Vec<String> = keys.iter().map(ToString::to_string).collect();
    if let Some(table) = opened.table.as_ref().filter(|_| names.is_empty()) {
        let ids = table.rows.iter().filter_map(|row| row.id.as_deref());
        names = ids
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            names.push("record".into());
        }
    }
    let mut channels = channels.into_iter();
    let stations = names.into_iter().map(|station| {
        let table = opened.table.as_ref();
        StationRecord {
            strips: table.map_or_else(Vec::new, |t| records::strips(t, &station, sample_ns)),
            channels: channels.next().unwrap_or_default(),
            station,
        }
    });
    (overview, stations.collect())
}

/// Channels as the feature files name them: days and sampling are known, numbers of samples are not.
fn featured_channels(set: Option<&FeatureSet>) -> Vec<ChannelOverview> {
    let mut channels: Vec<ChannelOverview> = Vec::new();
    for meta in set
        .iter()
        .flat_map(|set| set.days())
        .map(|day| &day.header.meta)
    {
        for code in &meta.channels {
            let (network, station, location) = (&meta.network, &meta.station, &meta.location);
            let id = format!("{network}.{station}.{location}.{code}");
            let end_ns = meta.day_start_ns.saturating_add(DAY_NS);
            match channels.iter_mut().find(|channel| channel.id == id) {
                Some(channel) => channel.end_ns = channel.end_ns.max(end_ns),
                None => channels.push(ChannelOverview {
                    id,
                    sampling_rate: f64::NAN,
                    start_ns: meta.day_start_ns,
                    end_ns,
                    n_samples: 0,
                }),
            }
        }
    }
    channels
}

/// Inputs that could not be used, each once.
fn problems(sources: &ReportSources, archive: Option<&Archive>) -> Vec<InputProblem> {
    let faults = archive
        .into_iter()
        .flat_map(Archive::faults)
        .map(fault_text);
    let mut seen = BTreeSet::new();
    faults
        .chain(sources.problems.iter().cloned())
        .filter(|problem| seen.insert(problem.clone()))
        .map(|(input, message)| InputProblem { input, message })
        .collect()
}

fn provenance(sources: &ReportSources, archive: Option<&Archive>) -> Result<ReportProvenance> {
    let inputs = archive
        .map(|archive| all_input_files(archive, &Inputs::default()))
        .transpose()?;
    let reported = |file: crate::stage::provenance::InputFile| ReportedFile {
        path: file.name,
        bytes: file.bytes,
        sha256: file.sha256,
    };
    Ok(ReportProvenance {
        version: crate::stage::provenance::VERSION.into(),
        seed: sources.seed,
        configuration: sources.configuration.clone(),
        inputs: inputs.into_iter().flatten().map(reported).collect(),
        ..ReportProvenance::default()
    })
}

fn load_scores(path: &Path) -> Result<Vec<ClusterScore>> {
    let bytes = crate::stage::read_whole(path).map_err(PipelineError::io("reading", path))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        PipelineError::unusable(
            format!("`{}` is damaged: {e}", path.display()),
            "run the same command again",
        )
    })
}

/// Stations, and the days of the samples that were used.
fn title(overview: &InputOverview, stations: &[StationRecord]) -> String {
    let mut names: Vec<&str> = stations.iter().map(|s| s.station.as_str()).collect();
    // `NET.STA` is enough for a title.
    for name in &mut names {
        let end = name
            .match_indices('.')
            .nth(1)
            .map_or(name.len(), |(at, _)| at);
        *name = &name[..end];
    }
    names.dedup();
    let start = overview.channels.iter().map(|c| c.start_ns).min();
    let end = overview.channels.iter().map(|c| c.end_ns).max();
    let (Some(start), Some(end)) = (start, end) else {
        return names.join(", ");
    };
    let day = |ns: i64| {
        let (year, day) = year_day(ns);
        format!("{year} day {day}")
    };
    let (first, last) = (day(start), day(end.saturating_sub(1)));
    if first == last {
        format!("{}, {first}", names.join(", "))
    } else {
        format!("{}, {first} to {last}", names.join(", "))
    }
}

/// Notes in the feature files, such as why a day has no window, and reasons for the choice of the separation method.
fn remarks(opened: &Opened) -> Vec<String> {
    let mut remarks = Vec::new();
    for day in opened.features.iter().flat_map(|set| set.days()) {
        let meta = &day.header.meta;
        for note in DayNote::of(meta) {
            remarks.push(format!(
                "{} {}: {note}.",
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
    if let Some(file) = &opened.separation {
        remarks.extend(
            file.reasons
                .iter()
                .map(|reason| format!("Separation method of {reason}.")),
        );
    }
    remarks
}
