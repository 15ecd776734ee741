//! `seismix run`: all stages, one after the other.

use std::path::PathBuf;

use clap::Args;
use seismix::run::{RunConfig, RunSummary, plan, run};
use seismix::separate::Outcome;
use seismix::separate::SeparationFile;
use serde_json::json;
use std::path::Path;

use super::context::CommandContext;
use super::exit::Result;
use super::options::{
    Planning, Resuming, Seed, SelectionArgs, SeparationArgs, TrainingArgs, Transform, run_control,
};
use super::output_guard;

/// Do everything: features, train, cluster, separate and report
///
/// Can be stopped at any moment; the same command resumes and ends with the same bytes.
/// Without --target it takes the cluster that looks most like a transient at the shortest scale, and reports by which
/// measure.
#[derive(Debug, Args)]
pub struct Run {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for everything that is made
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    transform: Transform,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    separation: SeparationArgs,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    resuming: Resuming,
    #[command(flatten)]
    planning: Planning,
}

impl Run {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let written = ["features", "separated"];
        output_guard::folder(&self.output, &self.paths, &written)?;
        let transform = self.transform.config()?;
        let config = RunConfig {
            selection: self.selection.config()?,
            train: self.training.config()?,
            separate: self.separation.config(transform.octaves.first)?,
            control: run_control(
                &context.common,
                Some(&self.seed),
                &self.resuming,
                &self.planning,
                None,
            ),
            transform,
        };
        if config.control.dry_run {
            let plan = plan(&self.paths, &config, &context.observer, &self.output)?;
            context.printer.text(format_args!(
                "{} day(s): features, train ({} epochs), cluster, separate (at most {} stretches), report; peak memory about {:.0} MiB",
                plan.days.len(),
                config.train.epochs,
                config.separate.max_targets,
                plan.memory_bytes as f64 / f64::from(1 << 20)
            ))?;
            context
                .printer
                .record(&json!({"days": plan.days.len(), "memory_bytes": plan.memory_bytes}))?;
            return Ok(());
        }
        let summary = run(&self.paths, &config, &context.observer, &self.output)?;
        print_summary(context, &summary)
    }
}

/// Prints the results of a run.
pub fn print_summary(context: &mut CommandContext, summary: &RunSummary) -> Result<()> {
    let scales = summary.table.scales();
    let finest = scales.first().copied().unwrap_or(0);
    let windows = summary.table.rows_of_scale(finest).count();
    let list = |clusters: &[usize]| {
        clusters
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let printer = &mut context.printer;
    printer.text(format_args!("{windows} windows at {} scales", scales.len()))?;
    let called: Vec<usize> = summary
        .scores
        .iter()
        .filter(|s| s.is_transient)
        .map(|s| s.cluster)
        .collect();
    printer.text(format_args!(
        "clusters at the finest scale that look like transients: {}",
        if called.is_empty() {
            "none".to_owned()
        } else {
            format!("{finest}:{}", list(&summary.transient))
        }
    ))?;
    printer.record(&json!({
        "windows": windows, "scales": scales, "transient": called, "report": summary.files.report,
        "failed_days": summary.n_failed,
    }))?;
    print_separation(context, &summary.separation, &summary.files.separation)?;
    context.open_first(&summary.files.report);
    context
        .printer
        .text(format_args!("report: {}", summary.files.report.display()))?;
    Ok(())
}

/// Prints the outcomes of a separation.
pub fn print_separation(
    context: &mut CommandContext,
    file: &SeparationFile,
    folder: &Path,
) -> Result<()> {
    // What a target is: separated on any channel, or not separable on any, or background already.
    let ended = |wanted: Outcome| {
        let any = |t: &seismix::separate::TargetResult, outcome| {
            t.channels.iter().any(|c| c.outcome == outcome)
        };
        let of = |t: &&seismix::separate::TargetResult| {
            let order = [
                Outcome::Separated,
                Outcome::NotSeparable,
                Outcome::AlreadyBackground,
            ];
            order.into_iter().find(|outcome| any(t, *outcome)) == Some(wanted)
        };
        file.targets.iter().filter(of).count()
    };
    let separated = ended(Outcome::Separated);
    let refused = ended(Outcome::NotSeparable);
    let untouched = ended(Outcome::AlreadyBackground);
    // With channels, a reason speaks of those that are not among them.
    let skipped: Vec<_> = file
        .targets
        .iter()
        .filter(|t| t.skipped_reason.is_some())
        .collect();
    let left = file
        .targets
        .iter()
        .filter(|t| t.channels.is_empty())
        .count();
    let clusters: Vec<String> = file
        .target
        .clusters
        .iter()
        .map(ToString::to_string)
        .collect();
    let printer = &mut context.printer;
    printer.text(format_args!(
        "{}: {} stretches by {}, {separated} separated, {untouched} already like the background, {refused} not separable, {} left as they are; {}",
        if clusters.is_empty() {
            "listed windows".to_owned()
        } else {
            format!("target {}:{}", file.target.scale, clusters.join(","))
        },
        file.targets.len(),
        file.method,
        left,
        folder.display()
    ))?;
    for reason in &file.reasons {
        printer.text(format_args!("  {reason}"))?;
    }
    for target in &skipped {
        printer.text(format_args!(
            "  {} {}: {}",
            target.id,
            target.starttime,
            target.skipped_reason.as_deref().unwrap_or_default()
        ))?;
    }
    printer.record(&json!({
        "target": file.target, "stretches": file.targets.len(), "separated": separated,
        "already_background": untouched, "not_separable": refused, "left": left, "folder": folder,
        "method": file.method, "reasons": file.reasons,
    }))?;
    Ok(())
}
