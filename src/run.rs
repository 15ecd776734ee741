//! All stages, one after the other, resumable at any moment.

mod check;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{
    Length, RunControl, SelectionConfig, SeparateConfig, Target, TrainConfig, TransformConfig,
};
use crate::features::FeaturesSummary;
use crate::report::{ReportData, ReportSources, ReportedFile, gather, write_report};
use crate::separate::targets::{save_scores, score_transients, transient_clusters};
use crate::separate::{SeparationFile, TargetSource, separate};
use crate::stage::progress::Observer;
use crate::stage::provenance::{InputFile, VERSION};
use crate::stage::{Artifact, Existing, Making, PipelineError, Result, StageContext};
use crate::{cluster, features, train};
use seismix_data::store::ClusterTable;
use seismix_vae::init::ClusterScore;

pub use check::plan;

/// Names of the files that a run writes into its folder.
const SETTINGS: &str = "run.json";
const TRANSIENTS: &str = "transients.json";
const REPORT_DATA: &str = "report.json";
const REPORT: &str = "report.html";

/// Settings of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Which streams and times.
    pub selection: SelectionConfig,
    /// The transform and its windows.
    pub transform: TransformConfig,
    /// The model.
    pub train: TrainConfig,
    /// The separation.
    pub separate: SeparateConfig,
    /// Seed, memory, resuming.
    pub control: RunControl,
}

/// Paths of a run's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    /// Feature files.
    pub features: PathBuf,
    /// The model.
    pub model: PathBuf,
    /// The cluster table.
    pub clusters: PathBuf,
    /// Scores of the finest clusters as transients.
    pub transients: PathBuf,
    /// Separated records and `separation.json`.
    pub separation: PathBuf,
    /// The data of the report.
    pub report_data: PathBuf,
    /// The report.
    pub report: PathBuf,
    /// The run's settings and inputs, for `seismix report`.
    pub settings: PathBuf,
}

impl RunFiles {
    /// The files of the run in `folder`.
    pub fn of(folder: &Path) -> Self {
        Self {
            features: folder.join("features"),
            model: folder.join("model.safetensors"),
            clusters: folder.join("clusters.csv"),
            transients: folder.join(TRANSIENTS),
            separation: folder.join("separated"),
            report_data: folder.join(REPORT_DATA),
            report: folder.join(REPORT),
            settings: folder.join(SETTINGS),
        }
    }

    /// Inputs of a report with their hashes; feature files by their sizes.
    ///
    /// # Errors
    /// [`PipelineError::Io`].
    pub fn reported(&self) -> Result<Vec<ReportedFile>> {
        let hashed = [
            &self.model,
            &self.clusters,
            &self.transients,
            &self.separation_json(),
        ];
        let mut all = Vec::new();
        for path in hashed.into_iter().filter(|path| path.exists()) {
            let file = InputFile::of(path)?;
            all.push(ReportedFile {
                path: file.name,
                bytes: file.bytes,
                sha256: file.sha256,
            });
        }
        let mut features = Vec::new();
        for entry in std::fs::read_dir(&self.features).into_iter().flatten() {
            let entry = entry.map_err(PipelineError::io("reading", &self.features))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".h5") {
                features.push(ReportedFile {
                    path: name,
                    bytes: entry.metadata().map_or(0, |m| m.len()),
                    sha256: String::new(),
                });
            }
        }
        features.sort_by(|a, b| a.path.cmp(&b.path));
        all.extend(features);
        Ok(all)
    }

    /// Targets with their outcomes.
    pub fn separation_json(&self) -> PathBuf {
        self.separation.join("separation.json")
    }
}

/// Settings and inputs as `run.json` keeps them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSettings {
    /// Version that made the run.
    pub version: String,
    /// Paths as they were given; bytes that are not UTF-8 are replaced, so that such records have to be named again
    /// for another report.
    #[serde(serialize_with = "as_text")]
    pub paths: Vec<PathBuf>,
    /// All settings.
    pub config: RunConfig,
}

fn as_text<S: serde::Serializer>(paths: &[PathBuf], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

/// Summary of a run.
pub struct RunSummary {
    /// Its files.
    pub files: RunFiles,
    /// The cluster table.
    pub table: ClusterTable,
    /// How much each cluster of the finest scale looks like a transient.
    pub scores: Vec<ClusterScore>,
    /// Clusters called transient, best first.
    pub transient: Vec<usize>,
    /// Result of the separation.
    pub separation: SeparationFile,
    /// Days without features because of an error.
    pub n_failed: usize,
}

/// Features, training, clusters, separation, report. Each stage keeps what is intact and of the same settings and
/// inputs, so the same command resumes where it was stopped.
///
/// # Errors
/// What any stage refuses; [`PipelineError::OtherSettings`] if the folder holds a run of other settings;
/// [`PipelineError::Interrupted`].
pub fn run(
    paths: &[PathBuf],
    config: &RunConfig,
    progress: &dyn Observer,
    out: &Path,
) -> Result<RunSummary> {
    let artifact = Artifact::folder(out)?;
    let (summary, _) = run_in(&artifact, paths, config, progress, out)?;
    artifact.finish(&making(config))?;
    Ok(summary)
}

/// Settings of a run that decide its results.
pub(crate) fn making(config: &RunConfig) -> Making {
    Making::new(
        "run",
        &json!({
            "configuration": {
                "selection": config.selection,
                "transform": config.transform,
                "train": config.train,
                "separate": config.separate,
            },
            "seed": config.control.seed,
        }),
    )
}

/// All stages, in a folder that is open already; the summary, and the data of the report.
pub(crate) fn run_in(
    artifact: &Artifact,
    paths: &[PathBuf],
    config: &RunConfig,
    progress: &dyn Observer,
    out: &Path,
) -> Result<(RunSummary, ReportData)> {
    let files = RunFiles::of(out);
    let watched = Watched::new(progress);
    let mut context = StageContext::new(&config.control, &watched);
    let making = making(config);
    artifact.check_settings(&making, context.existing)?;
    check::check_output(artifact, paths, config, out)?;
    if context.existing == Existing::Resume {
        // The settings of all stages are those of the run, except a target that it chose itself.
        context.existing = Existing::Update;
    }
    context.recall(artifact.state());
    artifact.begin(&making)?;
    let settings = RunSettings {
        version: VERSION.into(),
        paths: paths.to_vec(),
        config: config.clone(),
    };
    artifact.publish_json(SETTINGS, &settings)?;
    let (made, table) = model_and_table(paths, config, &context, &files)?;
    let scores = score_transients(&made.files, &table, &watched)?;
    artifact.publish(TRANSIENTS, |path| save_scores(path, &scores))?;
    let found = (&table, &scores[..]);
    let separation = separated(paths, config, &context, &files, found)?;
    let data = report_of(&files, &settings, &watched.problems(), &watched)?;
    publish_report(artifact, &data)?;
    context.inputs.keep(artifact.state())?;
    let transient = transient_clusters(&scores);
    let summary = RunSummary {
        files,
        table,
        scores,
        transient,
        separation,
        n_failed: made.n_failed,
    };
    Ok((summary, data))
}

/// Publishes the page of a run and its data.
pub(crate) fn publish_report(artifact: &Artifact, data: &ReportData) -> Result<()> {
    artifact.publish(REPORT_DATA, |path| data.save(path))?;
    artifact.publish(REPORT, |path| write_report(path, data))
}

/// Features, model and clusters.
fn model_and_table(
    paths: &[PathBuf],
    config: &RunConfig,
    context: &StageContext,
    files: &RunFiles,
) -> Result<(FeaturesSummary, ClusterTable)> {
    let made = features::features(
        paths,
        &config.selection,
        &config.transform,
        context,
        &files.features,
    )?;
    if made.files.is_empty() {
        return Err(PipelineError::unusable(
            format!("none of the {} days gave features", made.n_failed),
            "the lines above say why",
        ));
    }
    let model = train::train(&made.files, &config.train, context, &files.model)?;
    let model = (files.model.as_path(), &model);
    let table = cluster::cluster(&made.files, model, context, &files.clusters)?;
    Ok((made, table))
}

/// Separation of the target that is set, or of the cluster that looks most like a transient.
fn separated(
    paths: &[PathBuf],
    config: &RunConfig,
    context: &StageContext,
    files: &RunFiles,
    (table, scores): (&ClusterTable, &[ClusterScore]),
) -> Result<SeparationFile> {
    let transient = transient_clusters(scores);
    let finest = table.scales().first().copied().unwrap_or(0);
    let targets = with_targets(
        &config.separate,
        finest,
        scores,
        &transient,
        context.progress,
    );
    let listed = TargetSource::Clusters(&files.clusters);
    let selection = &config.selection;
    separate(
        paths,
        selection,
        &listed,
        &targets,
        context,
        &files.separation,
    )
}

/// Passes everything on, and keeps the problems for the report.
struct Watched<'a> {
    inner: &'a dyn Observer,
    problems: Mutex<Vec<(String, String)>>,
}

impl<'a> Watched<'a> {
    fn new(inner: &'a dyn Observer) -> Self {
        Self {
            inner,
            problems: Mutex::new(Vec::new()),
        }
    }

    fn problems(&self) -> Vec<(String, String)> {
        let problems = self.problems.lock();
        problems.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Watched<'_> {
    fn begin(&self, stage: &str, total: u64, unit: &str) {
        self.inner.begin(stage, total, unit);
    }

    fn advance(&self, steps: u64) {
        self.inner.advance(steps);
    }

    fn remark(&self, text: &str) {
        self.inner.remark(text);
    }

    fn end(&self) {
        self.inner.end();
    }

    fn problem(&self, subject: &str, reason: &str) {
        let problem = (subject.to_owned(), reason.to_owned());
        let problems = self.problems.lock();
        let mut problems = problems.unwrap_or_else(PoisonError::into_inner);
        problems.push(problem);
        drop(problems);
        self.inner.problem(subject, reason);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

/// Settings and inputs of a run.
///
/// # Errors
/// [`PipelineError::Unusable`] if the folder holds no run.
pub fn read_settings(files: &RunFiles) -> Result<RunSettings> {
    let bytes = crate::stage::read_whole(&files.settings).map_err(|e| {
        PipelineError::unusable(
            format!("reading `{}`: {e}", files.settings.display()),
            "give the folder that `seismix run` or `seismix demo` wrote",
        )
    })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        PipelineError::unusable(
            format!("`{}` is damaged: {e}", files.settings.display()),
            "give the folder of a run that ended",
        )
    })
}

/// Gathers the report of a finished run; `problems` are inputs that a stage could not use, and why.
///
/// # Errors
/// Those of reading the run's files and the records.
pub fn report_of(
    files: &RunFiles,
    settings: &RunSettings,
    problems: &[(String, String)],
    observer: &dyn Observer,
) -> Result<ReportData> {
    let config = &settings.config;
    let existing = |path: &Path| path.exists().then(|| path.to_owned());
    let sources = ReportSources {
        records: settings.paths.clone(),
        selection: config.selection.clone(),
        features: existing(&files.features),
        model: existing(&files.model),
        clusters: existing(&files.clusters),
        transients: existing(&files.transients),
        separation: existing(&files.separation_json()).map(|_| files.separation.clone()),
        configuration: serde_json::to_string_pretty(config).map_err(PipelineError::internal)?,
        seed: config.control.seed,
        problems: problems.to_vec(),
    };
    Ok(ReportData {
        gathered_from: files.reported()?,
        ..gather(&sources, observer)?
    })
}

/// Without a target: the cluster of the finest scale that looks most like a transient; without a background: the
/// finest clusters that do not.
fn with_targets(
    config: &SeparateConfig,
    finest: usize,
    scores: &[ClusterScore],
    transient: &[usize],
    observer: &dyn Observer,
) -> SeparateConfig {
    let mut config = config.clone();
    if config.target.is_none() {
        let Some(&best) = transient.first() else {
            return config;
        };
        if let Some(score) = scores.iter().find(|score| score.cluster == best) {
            let verdict = if score.is_transient {
                "looks most like a transient"
            } else {
                "is the least unlike a transient"
            };
            observer.remark(&format!(
                "target {finest}:{best}: of the clusters at the finest scale it {verdict} (prominence {:.1}, share {:.1} %, stay {:.1} windows)",
                score.prominence,
                100.0 * score.share,
                score.dwell
            ));
        }
        config.target = Some(Target {
            scale: Length::Samples(finest),
            clusters: vec![best],
        });
    }
    if config.background.is_none() {
        let target = config
            .target
            .as_ref()
            .map(|target| target.clusters.clone())
            .unwrap_or_default();
        let quiet = scores.iter().filter(|s| {
            s.n_windows > 0 && !transient.contains(&s.cluster) && !target.contains(&s.cluster)
        });
        let clusters: Vec<usize> = quiet.map(|score| score.cluster).collect();
        if !clusters.is_empty() {
            config.background = Some(Target {
                scale: Length::Samples(finest),
                clusters,
            });
        }
    }
    config
}
