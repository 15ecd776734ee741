//! A synthetic archive with known sources through the whole pipeline, with scores.

pub mod score;

use std::path::{Path, PathBuf};

use seismix_data::synthetic::{Archive as SyntheticArchive, SyntheticConfig, Truth};
use serde::{Deserialize, Serialize};

use crate::demo::score::{
    Detection, STRONG_RATIO, ScaleAgreement, TargetSnr, agreements, detection, kmeans_labels,
    quantile, target_snrs,
};
use crate::report::{ReportData, ScaleScore, Scores, SnrScore, TransientScore};
use crate::run::{RunConfig, RunSummary, making, publish_report, run_in};
use crate::stage::progress::Observer;
use crate::stage::provenance::provenance;
use crate::stage::{Artifact, Making, PipelineError, Result, StageContext};

/// Scores of the demo against the known sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DemoScores {
    /// Agreement with the known sources, scale by scale.
    pub scales: Vec<ScaleAgreement>,
    /// Pulses found at the finest scale.
    pub detection: Detection,
    /// SNR of the background in each target.
    pub targets: Vec<TargetSnr>,
    /// Summary of the SNR by pulse amplitude.
    pub snr: Vec<SnrSummary>,
    /// Samples outside the targets that differ from the input: none.
    pub changed_outside: usize,
}

/// SNR of the background over some targets, dB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnrSummary {
    /// Which targets.
    pub label: String,
    /// How many.
    pub n_targets: usize,
    /// Median before.
    pub before_median_db: f64,
    /// Tenth percentile before.
    pub before_p10_db: f64,
    /// Median after.
    pub after_median_db: f64,
    /// Tenth percentile after.
    pub after_p10_db: f64,
    /// Median of the improvement.
    pub gain_median_db: f64,
}

/// Outputs of the demo.
pub struct Demo {
    /// The run.
    pub summary: RunSummary,
    /// Its scores.
    pub scores: DemoScores,
}

/// Settings of the demo: the defaults, with fewer clusters and iterations than a real archive wants.
pub fn settings() -> RunConfig {
    RunConfig::default()
}

/// Makes the archive in `out/archive` and its truth in `out/truth`, runs all stages on it, and scores them.
///
/// # Errors
/// What any stage refuses.
pub fn demo(config: &RunConfig, observer: &dyn Observer, out: &Path) -> Result<Demo> {
    let artifact = Artifact::folder(out)?;
    let context = StageContext::new(&config.control, observer);
    artifact.check_settings(&making(config), context.existing)?;
    let synthetic = SyntheticConfig {
        seed: config.control.seed,
        ..SyntheticConfig::default()
    };
    let truth = archive(&synthetic, &context, out)?;
    let records = vec![out.join("archive")];
    let (summary, mut data) = run_in(&artifact, &records, config, observer, out)?;
    observer.begin("score", 1, "step");
    let model = seismix_vae::ModelFile::load(&summary.files.model)?;
    let features: Vec<PathBuf> = vec![summary.files.features.clone()];
    let kmeans = kmeans_labels(&features, &model, config.control.seed, observer)?;
    let scales = agreements(&summary.table, &truth, &kmeans);
    let detection = detection(&summary.table, &summary.transient, &truth);
    let targets = target_snrs(
        &records,
        &summary.separation,
        &summary.files.separation,
        &out.join("truth/pulses"),
        &truth,
    )?;
    let snr = vec![
        snr_summary(
            &format!("pulses of {STRONG_RATIO:.0} times the background's rms and more"),
            &targets,
            |t| t.ratio >= STRONG_RATIO,
        ),
        snr_summary("all targets", &targets, |_| true),
    ];
    let changed_outside =
        crate::separate::changed_outside(&records, &summary.files.separation, &summary.separation)?;
    let scores = DemoScores {
        scales,
        detection,
        targets,
        snr,
        changed_outside,
    };
    artifact.publish_json("scores.json", &scores)?;
    data.scores = Some(report_scores(&scores));
    mark_snrs(&mut data, &scores);
    publish_report(&artifact, &data)?;
    artifact.finish(&making(config))?;
    observer.advance(1);
    observer.end();
    Ok(Demo { summary, scores })
}

/// The synthetic archive, made unless it is there and intact.
fn archive(config: &SyntheticConfig, context: &StageContext, out: &Path) -> Result<Truth> {
    // An output of its own in the folder of the run.
    let artifact = Artifact::part(out, "demo")?;
    let made_by = provenance("demo", config, config.seed, &());
    let making = Making::new("demo", &made_by);
    if artifact.is_current(&making, context)?
        && let Ok(truth) = Truth::read(&artifact.path("truth/truth.json"))
    {
        return Ok(truth);
    }
    let progress = context.progress;
    progress.begin("make archive", config.days as u64, "days");
    let work = artifact.work_folder()?;
    let truth = SyntheticArchive::generate(&work, config)
        .map_err(|error| PipelineError::from(error).or_disk_full(out))?;
    artifact.begin(&making)?;
    for name in files_below(&work)? {
        artifact.publish_staged(&name, "", &work.join(&name))?;
    }
    artifact.publish_json("truth/provenance.json", &made_by)?;
    artifact.remove_stale()?;
    progress.advance(config.days as u64);
    progress.end();
    artifact.finish(&making)?;
    Ok(truth)
}

/// Names of all files below a folder, relative to it, sorted.
fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(&next).map_err(PipelineError::io("reading", &next))?;
        for entry in entries {
            let path = entry.map_err(PipelineError::io("reading", &next))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn snr_summary(
    label: &str,
    targets: &[TargetSnr],
    which: impl Fn(&TargetSnr) -> bool,
) -> SnrSummary {
    let chosen: Vec<&TargetSnr> = targets.iter().filter(|t| which(t)).collect();
    let values =
        |pick: &dyn Fn(&TargetSnr) -> f64| chosen.iter().map(|t| pick(t)).collect::<Vec<f64>>();
    let (before, after) = (values(&|t| t.before_db), values(&|t| t.after_db));
    SnrSummary {
        label: label.into(),
        n_targets: chosen.len(),
        before_median_db: quantile(&before, 0.5),
        before_p10_db: quantile(&before, 0.1),
        after_median_db: quantile(&after, 0.5),
        after_p10_db: quantile(&after, 0.1),
        gain_median_db: quantile(&values(&|t| t.after_db - t.before_db), 0.5),
    }
}

fn report_scores(scores: &DemoScores) -> Scores {
    Scores {
        scales: scores
            .scales
            .iter()
            .map(|s| ScaleScore {
                window_samples: s.scale as u32,
                ari: s.ari,
                nmi: s.nmi,
                kmeans_ari: s.kmeans_ari,
                kmeans_nmi: s.kmeans_nmi,
            })
            .collect(),
        transient: Some(TransientScore {
            window_samples: scores.detection.scale as u32,
            clusters: scores
                .detection
                .clusters
                .iter()
                .map(|k| *k as u32)
                .collect(),
            precision: scores.detection.precision,
            recall: scores.detection.recall,
            f1: scores.detection.f1,
        }),
        snr: scores
            .snr
            .iter()
            .map(|s| SnrScore {
                label: s.label.clone(),
                n_windows: s.n_targets as u32,
                before_median_db: s.before_median_db,
                before_p10_db: s.before_p10_db,
                after_median_db: s.after_median_db,
                after_p10_db: s.after_p10_db,
            })
            .collect(),
    }
}

fn mark_snrs(data: &mut ReportData, scores: &DemoScores) {
    for separation in &mut data.separations {
        if let Some(snr) = scores
            .targets
            .iter()
            .find(|t| t.start_ns == separation.start_ns)
        {
            separation.snr_before_db = Some(snr.before_db);
            separation.snr_after_db = Some(snr.after_db);
        }
    }
}
