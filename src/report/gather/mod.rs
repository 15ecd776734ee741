//! From the files of a run to the data of its report.

mod clusters;
mod fingerprints;
mod records;
mod separations;
mod stability;
mod training;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use seismix_data::archive::Archive;
use seismix_data::store::{FeatureSet, read_clusters};
use seismix_vae::{self as vae, init::ClusterScore};

use crate::config::SelectionConfig;
use crate::features::local_day::LocalDay;
use crate::features::notes::DayNote;
use crate::records::{
    RecordCache, all_input_files, fault_text, open_archive, sampling_rate, station_keys,
};
use crate::report::{InputFile, Overview, Provenance, ReportData};
use crate::run::RunFiles;
use crate::separate::SeparationFile;
use crate::separate::targets::TRANSIENT_MEASURE;
use crate::stage::inputs::Inputs;
use crate::stage::progress::Observer;
use crate::stage::{PipelineError, Result};

/// Bins of a gallery window or a separated stretch.
const TRACE_BINS: usize = 600;
/// Notes of feature files that are told.
const MAX_REMARKS: usize = 12;

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
    let archive = open_archive(paths, selection, &crate::stage::NoProgress)?;
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
    let (overview, stations) = records::stations(&archive, &keys, &table);
    observer.advance(1);
    let mut scales = clusters::scales(
        &table,
        &scores,
        separation.as_ref(),
        &keys,
        rate,
        &mut cache,
    )?;
    fingerprints::add(&mut scales, &model, seed)?;
    let stability = stability::stability(&model, &mut scales)?;
    observer.advance(1);
    let separations = match &separation {
        Some(file) => separations::separations(file, &archive, files, &keys)?,
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
    let inputs = all_input_files(&archive, &Inputs::default())?;
    let data = ReportData {
        title: title(&archive),
        amplitude_unit: "counts".into(),
        clock: LocalDay::of_all(&keys).clock(),
        remarks: remarks(&files.features),
        transient_measure: TRANSIENT_MEASURE.into(),
        overview,
        stations,
        scales,
        stability,
        training: Some(training::training(&model)),
        separations,
        provenance: Provenance {
            version: crate::stage::provenance::VERSION.into(),
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

/// What the feature files note, such as why a day has no window.
fn remarks(features: &Path) -> Vec<String> {
    let Ok(set) = FeatureSet::open(&[features]) else {
        return Vec::new();
    };
    let mut remarks = Vec::new();
    for day in set.days() {
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
    remarks
}
