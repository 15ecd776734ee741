//! Removal of glitches: sources that repeat a waveform are found in whole records, told nothing, and removed where a
//! false discovery rate is kept.
//!
//! A template is learned from the strong transients of a station ([`StationTemplate`]), every record is searched with
//! it and with decoys, and the competition of both gives each find a q-value
//! ([`Calibration`]). Template and calibration are kept as a file; a day's
//! result depends on that file and on the record of the day alone.

mod bundled;
mod catalogue;
mod day;
mod fit;
mod judgement;
pub mod outputs;
mod rows;
mod station;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use seismix_data::archive::{Archive, StationDay};
use seismix_data::time::{DAY_NS, day_start_ns};
use seismix_data::{StationKey, StreamId, TimeSpan};
use seismix_separate::detection::Calibration;
use serde::Serialize;

pub use bundled::bundled_template;
pub use catalogue::{ChannelAmplitude, Glitch, write_csv};
pub use outputs::FileCounts;
pub use station::StationTemplate;

use crate::config::{DeglitchConfig, SelectionConfig};
use crate::records::{open_archive, station_keys};
use crate::stage::progress::{Observer, Stage};
use crate::stage::provenance::{InputFile, provenance};
use crate::stage::{
    Artifact, Checkpoint, Existing, Making, PipelineError, Result, StageContext, read_whole,
};
use day::{DayResult, DaySearch, Detectors};
use outputs::{FileTree, RemovedSpan};

/// Name of the catalogue.
pub const CATALOGUE: &str = "glitches.csv";
/// Name of the summary, which is written last.
pub const SUMMARY: &str = "deglitch.json";

/// Outcome of a removal.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct DeglitchSummary {
    /// Finds.
    pub found: usize,
    /// Glitches that were removed.
    pub removed: usize,
    /// Finds that were left.
    pub left: usize,
    /// Files by what became of them.
    pub files: FileCounts,
    /// Stations, each with what it was searched with.
    pub stations: Vec<StationSummary>,
    /// Provenance of the output.
    pub provenance: serde_json::Value,
}

/// Outcome at one station.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct StationSummary {
    /// Station, location and band.
    pub station: StationKey,
    /// File of the template below the output; `None` if there is none, for the reason given.
    pub template: Option<String>,
    /// Records that the template was learned from, or the reason why there is none.
    pub evidence: String,
    /// Hours that were not searched.
    pub hours_left_out: f64,
    /// Strata of noise.
    pub strata: Vec<StratumSummary>,
}

/// Outcome in a stratum of noise.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct StratumSummary {
    /// Least noise, in the record's unit.
    pub noise_from: f64,
    /// Hours of record that it was calibrated with.
    pub hours: f64,
    /// Finds that no decoy displaced.
    pub finds: usize,
    /// Decoys that no find displaced.
    pub decoys: usize,
    /// Least score with a q-value of at most the rate asked for.
    pub threshold: Option<f64>,
    /// Least q-value of any find.
    pub least_q: Option<f64>,
}

/// Input of [`deglitch`].
#[derive(Debug, Clone, Copy)]
pub struct DeglitchInput<'a> {
    /// SDS archives, folders, files or globs.
    pub paths: &'a [PathBuf],
    /// Records to search; others are copied.
    pub selection: &'a SelectionConfig,
    /// Template to apply in place of learning one.
    pub template: Option<&'a Path>,
}

/// Finds the glitches of records, removes those that are sure, and writes into `out`:
///
/// - `background/`, `source/`, `deviation/`, each with the input's own relative paths and file names;
/// - `glitches.csv`, one row a find ([`Glitch`]);
/// - `templates/STATION.json`, template and calibration of each station ([`StationTemplate`]);
/// - `deglitch.json`, the counts and the provenance.
///
/// # Errors
/// Records, settings and templates that cannot be used; [`PipelineError::Interrupted`].
pub fn deglitch(
    input: &DeglitchInput,
    config: &DeglitchConfig,
    context: &StageContext,
    out: &Path,
) -> Result<DeglitchSummary> {
    config.check()?;
    let observer = context.progress;
    let DeglitchInput {
        paths,
        selection,
        template,
    } = *input;
    let tree = FileTree::new(paths, out)?;
    let archive = open_archive(paths, selection, observer)?;
    let given = template.map(StationTemplate::load).transpose()?;
    let artifact = Artifact::folder(out)?;
    context.recall(artifact.state());
    let read: Vec<&Path> = tree.paths().collect();
    context.inputs.notice(read.iter().copied());
    let inputs = (
        template.map(|t| context.inputs.file(t)).transpose()?,
        all_files(&tree, context)?,
        selection,
    );
    let provenance = provenance("deglitch", config, 0, &inputs);
    let making = Making::new("deglitch", &provenance);
    if artifact.is_current(&making, context)?
        && let Ok(bytes) = read_whole(&artifact.path(SUMMARY))
        && let Ok(summary) = serde_json::from_slice(&bytes)
    {
        observer.remark("the records without glitches are up to date");
        return Ok(summary);
    }
    artifact.settle(SUMMARY, context.existing)?;
    if context.existing == Existing::Fresh {
        artifact.clear_work()?;
    }
    let checkpoint = Checkpoint::open(artifact.work_folder()?.join("parts"), making.fingerprint())?;
    let work = Work {
        archive: &archive,
        config,
        given: given.as_ref(),
        checkpoint: &checkpoint,
        observer,
    };
    let mut stations = Vec::new();
    for key in station_keys(&archive) {
        stations.push(work.station(&key)?);
    }
    context.inputs.check_unchanged(read)?;
    artifact.begin(&making)?;
    artifact.remove(SUMMARY)?;
    let span = archive.selection().span;
    let mut kept = KeptRemoval::new(&archive, &checkpoint);
    let files = tree.write(span, &mut kept, &artifact, observer)?;
    let glitches: Vec<&Glitch> = stations.iter().flat_map(|s| &s.glitches).collect();
    publish_catalogue(&artifact, &glitches)?;
    for station in &stations {
        if let (Some(name), Some(template)) = (&station.summary.template, &station.template) {
            artifact.publish_json(name, template)?;
        }
    }
    let removed = glitches.iter().filter(|g| g.removed).count();
    let summary = DeglitchSummary {
        found: glitches.len(),
        removed,
        left: glitches.len() - removed,
        files,
        stations: stations.into_iter().map(|s| s.summary).collect(),
        provenance,
    };
    artifact.publish_json(SUMMARY, &summary)?;
    artifact.remove_stale()?;
    context.inputs.keep(artifact.state())?;
    artifact.finish(&making)?;
    Ok(summary)
}

fn publish_catalogue(artifact: &Artifact, glitches: &[&Glitch]) -> Result<()> {
    let owned: Vec<Glitch> = glitches.iter().map(|g| (*g).clone()).collect();
    let mut bytes = Vec::new();
    write_csv(&owned, &mut bytes)?;
    artifact.publish_bytes(CATALOGUE, &bytes)
}

/// Records, settings and services that all stations share.
struct Work<'a> {
    archive: &'a Archive,
    config: &'a DeglitchConfig,
    given: Option<&'a StationTemplate>,
    checkpoint: &'a Checkpoint,
    observer: &'a dyn Observer,
}

/// A finished station.
struct Station {
    glitches: Vec<Glitch>,
    template: Option<StationTemplate>,
    summary: StationSummary,
}

impl Work<'_> {
    fn station(&self, key: &StationKey) -> Result<Station> {
        let mut days = self.archive.station_days();
        days.retain(|day| day.key == *key);
        let fitted = self.template(key, &days)?;
        let mut summary = StationSummary {
            station: key.clone(),
            template: None,
            evidence: String::new(),
            hours_left_out: 0.0,
            strata: Vec::new(),
        };
        let mut template = match fitted {
            Ok(template) => template,
            Err(reason) => {
                self.observer
                    .remark(&format!("{key}: nothing is removed: {reason}"));
                summary.evidence = reason;
                return Ok(Station {
                    glitches: Vec::new(),
                    template: None,
                    summary,
                });
            }
        };
        let searched = self.search(&days, &template)?;
        if template.calibration.strata.is_empty() {
            let teaching: Vec<DaySearch> = days
                .iter()
                .zip(&searched)
                .filter(|(day, _)| self.is_for_calibration(day))
                .map(|(_, searched)| searched.clone())
                .collect();
            template.calibration = day::calibrate(&teaching);
            // A short record has too few finds to be judged by its own decoys alone.
            if let Some(bundled) = self.bundled(key)? {
                template.calibration = template.calibration.with_prior(&bundled.calibration);
            }
        }
        let glitches = self.remove(&days, &searched, &template)?;
        summary.template = Some(format!("templates/{key}.json"));
        summary.evidence = template.learned_from.clone();
        summary.hours_left_out = searched.iter().map(|s| s.hours_left_out).sum();
        summary.strata = strata(&template, self.config);
        Ok(Station {
            glitches,
            template: Some(template),
            summary,
        })
    }

    /// True if a day is among those that template and calibration are fitted to.
    fn is_for_calibration(&self, day: &StationDay) -> bool {
        let from = self.config.calibrate_from_ns.unwrap_or(i64::MIN);
        let to = self.config.calibrate_to_ns.unwrap_or(i64::MAX);
        day.day_start_ns < to && day.day_start_ns.saturating_add(DAY_NS) > from
    }

    /// The template of a station: given, kept from an interrupted run, or learned.
    fn template(
        &self,
        key: &StationKey,
        days: &[StationDay],
    ) -> Result<std::result::Result<StationTemplate, String>> {
        if let Some(given) = self.given {
            return Ok(Ok(given.clone()));
        }
        let name = format!("template-{key}");
        if let Some(kept) = self.checkpoint.read(&name) {
            return Ok(kept);
        }
        let mut teaching = days.to_vec();
        teaching.retain(|day| self.is_for_calibration(day));
        let mut learned = fit::learn(self.archive, key, &teaching, self.config, self.observer)?;
        if let (Err(reason), Some(bundled)) = (&learned, self.bundled(key)?) {
            self.observer.remark(&format!(
                "{key}: the template that comes with the program is used: {reason}"
            ));
            learned = Ok(StationTemplate {
                // The decoys of the records given count, and those of the template's own records as well.
                calibration: Calibration::default(),
                ..bundled
            });
        }
        self.checkpoint.write(&name, &learned)?;
        Ok(learned)
    }

    /// The template that comes with the program for a station, unless the user refuses it.
    fn bundled(&self, key: &StationKey) -> Result<Option<StationTemplate>> {
        match self.config.bundled {
            true => bundled_template(key),
            false => Ok(None),
        }
    }

    fn search(&self, days: &[StationDay], template: &StationTemplate) -> Result<Vec<DaySearch>> {
        let mut detectors = Detectors::new(template);
        let stage = Stage::begin(self.observer, "search", days.len() as u64, "days");
        let mut all = Vec::new();
        for day in days {
            self.check_cancelled()?;
            let name = name_of("search", day);
            let searched = match self.checkpoint.read(&name) {
                Some(kept) => kept,
                None => {
                    let segments = day::load(self.archive, day, self.observer);
                    let searched = day::search(&segments, &mut detectors, self.observer)?;
                    self.checkpoint.write(&name, &searched)?;
                    searched
                }
            };
            all.push(searched);
            stage.advance(1);
        }
        Ok(all)
    }

    fn remove(
        &self,
        days: &[StationDay],
        searched: &[DaySearch],
        template: &StationTemplate,
    ) -> Result<Vec<Glitch>> {
        let stage = Stage::begin(self.observer, "remove", days.len() as u64, "days");
        let mut all = Vec::new();
        for (day, searched) in days.iter().zip(searched) {
            self.check_cancelled()?;
            let name = name_of("removed", day);
            let glitches = match self.checkpoint.read::<DayResult>(&name) {
                Some(kept) => kept.glitches,
                None => {
                    let segments = day::load(self.archive, day, self.observer);
                    let (result, samples) = day::remove_sure(
                        &segments,
                        searched,
                        template,
                        self.config,
                        self.observer,
                    )?;
                    day::keep(self.checkpoint, &name, &result, &samples)?;
                    result.glitches
                }
            };
            all.extend(glitches);
            stage.advance(1);
        }
        Ok(all)
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.observer.cancelled() {
            true => Err(PipelineError::Interrupted),
            false => Ok(()),
        }
    }
}

/// Hashes of all files of the input.
fn all_files(tree: &FileTree, context: &StageContext) -> Result<Vec<InputFile>> {
    tree.paths().map(|path| context.inputs.file(path)).collect()
}

/// Removed samples, read back day by day.
struct KeptRemoval<'a> {
    checkpoint: &'a Checkpoint,
    processed: BTreeSet<StreamId>,
    days: BTreeMap<StationKey, Vec<StationDay>>,
}

impl<'a> KeptRemoval<'a> {
    fn new(archive: &Archive, checkpoint: &'a Checkpoint) -> Self {
        let mut days: BTreeMap<StationKey, Vec<StationDay>> = BTreeMap::new();
        for day in archive.station_days() {
            days.entry(day.key.clone()).or_default().push(day);
        }
        Self {
            checkpoint,
            processed: archive.streams().into_iter().map(|s| s.id).collect(),
            days,
        }
    }
}

impl outputs::Removal for KeptRemoval<'_> {
    fn processes(&self, id: &StreamId) -> bool {
        self.processed.contains(id)
    }

    fn removed(&mut self, id: &StreamId, span: TimeSpan) -> Result<Vec<RemovedSpan>> {
        let days = self.days.get(&id.station_key()).into_iter().flatten();
        let first = day_start_ns(span.start_ns);
        let near = days.filter(|d| d.day_start_ns >= first && d.day_start_ns < span.end_ns);
        let mut all = Vec::new();
        for day in near {
            let name = name_of("removed", day);
            // A station without a template has nothing removed.
            all.extend(day::kept_spans(self.checkpoint, &name, id, span).unwrap_or_default());
        }
        Ok(all)
    }
}

/// Name of a part of a day.
fn name_of(part: &str, day: &StationDay) -> String {
    let key = day.key.to_string().replace(['/', '\\'], "_");
    format!("{part}-{key}-{}", day.day_start_ns.div_euclid(DAY_NS))
}

fn strata(template: &StationTemplate, config: &DeglitchConfig) -> Vec<StratumSummary> {
    let strata = template.calibration.strata.iter();
    strata
        .map(|s| StratumSummary {
            noise_from: s.noise_from,
            hours: s.hours,
            finds: s.finds.len(),
            decoys: s.decoys.len(),
            threshold: s.threshold(config.fdr),
            least_q: s.least_q(),
        })
        .collect()
}
