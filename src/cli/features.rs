//! `seismix features`: pyramid features of an archive.

use std::path::PathBuf;

use clap::Args;
use seismix::features;
use seismix::stage::StageContext;
use serde_json::json;

use super::context::CommandContext;
use super::exit::Result;
use super::options::{Planning, Resuming, SelectionArgs, Sharding, Transform, run_control};

/// Compute the features of an archive: one HDF5 file a station and day
///
/// Each file holds scattering covariances pooled over short blocks, from which the windows of all scales are made when
/// they are read. Files are written under temporary names and renamed, so a run can be stopped and resumes where it
/// was.
#[derive(Debug, Args)]
pub struct Features {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the feature files
    #[arg(long, short, value_name = "FEATURES")]
    output: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    transform: Transform,
    #[command(flatten)]
    resuming: Resuming,
    #[command(flatten)]
    planning: Planning,
    #[command(flatten)]
    sharding: Sharding,
}

impl Features {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let selection = self.selection.config()?;
        let transform = self.transform.config()?;
        let run = run_control(
            &context.common,
            None,
            &self.resuming,
            &self.planning,
            Some(&self.sharding),
        );
        if run.dry_run {
            let printer = &mut context.printer;
            let plan = features::plan(
                &self.paths,
                &selection,
                &transform,
                &StageContext::new(&run, &context.observer),
                &self.output,
            )?;
            for day in &plan.days {
                printer.text(format_args!(
                    "{}  {}",
                    day.file.display(),
                    if day.exists {
                        "there, would be checked"
                    } else {
                        "to be made"
                    }
                ))?;
            }
            printer.text(format_args!(
                "{} days, peak memory about {:.0} MiB",
                plan.days.len(),
                plan.memory_bytes as f64 / f64::from(1 << 20)
            ))?;
            printer.record(&json!({"days": plan.days.len(), "memory_bytes": plan.memory_bytes}))?;
            return Ok(());
        }
        context.open_first(&self.output);
        let summary = features::features(
            &self.paths,
            &selection,
            &transform,
            &StageContext::new(&run, &context.observer),
            &self.output,
        )?;
        let printer = &mut context.printer;
        printer.text(format_args!(
            "{} feature files with {} windows in {} ({} up to date)",
            summary.files.len(),
            summary.n_windows,
            self.output.display(),
            summary.n_up_to_date
        ))?;
        printer.record(&json!({
            "files": summary.files, "windows": summary.n_windows, "up_to_date": summary.n_up_to_date, "failed": summary.n_failed,
        }))?;
        Ok(())
    }
}
