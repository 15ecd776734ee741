//! `seismix report`: one self-contained page about a run, or about the output of single stages.

use std::path::{Path, PathBuf};

use clap::Args;
use seismix::report::{ReportData, ReportSources, gather, write_report};
use seismix::run::{RunFiles, read_settings, report_of};
use seismix::stage::write_output;
use serde_json::json;

use super::context::CommandContext;
use super::exit::{Failure, Result};
use super::options::Replacing;
use super::output_guard;

/// Write one self-contained page about a run or about the output of single stages
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  seismix report RUN -o report.html                        the page of a run
  seismix report FEATURES -o report.html                   feature files alone
  seismix report SEPARATED --records archive -o page.html  a separation, with the records it was made from")]
pub struct Report {
    /// Folder of a run, or with the output of single stages: feature files, clusters.csv, model.safetensors,
    /// separation.json. The page lists what is missing
    #[arg(value_name = "FOLDER")]
    run: PathBuf,
    /// Records to draw, where the folder is not that of a run or they were moved: files, folders or globs of miniSEED
    #[arg(long, value_name = "PATH", num_args = 1..)]
    records: Vec<PathBuf>,
    /// File for the page
    #[arg(long, short, value_name = "REPORT.html")]
    output: PathBuf,
    #[command(flatten)]
    replacing: Replacing,
}

impl Report {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.open_first(&self.output);
        let files = RunFiles::of(&self.run);
        let mut inputs = vec![
            files.model.clone(),
            files.clusters.clone(),
            files.transients.clone(),
            files.report_data.clone(),
            files.settings.clone(),
            files.separation_json(),
        ];
        inputs.extend(ReportSources::in_folder(&self.run).files());
        inputs.extend(output_guard::record_files(&self.record_paths(&files)));
        context.guard_output(&self.output, &inputs)?;
        self.replacing.check(&self.output, "report")?;
        let data = if files.settings.exists() {
            self.of_run(&files, context)?
        } else {
            self.of_stages(context)?
        };
        write_output(&self.output, "report", |path| write_report(path, &data))?;
        context.printer.text(self.output.display())?;
        context.printer.record(&json!({"report": self.output}))?;
        Ok(())
    }

    /// Paths of the records to draw: those that are given, or those of the run.
    fn record_paths(&self, files: &RunFiles) -> Vec<PathBuf> {
        if !self.records.is_empty() {
            return self.records.clone();
        }
        // A folder that holds no run has none; damaged settings are reported where they are used.
        read_settings(files).map_or_else(|_| Vec::new(), |settings| settings.paths)
    }

    /// The report of a run. Its own `report.json` holds results that only the run knew, such as scores.
    fn of_run(&self, files: &RunFiles, context: &CommandContext) -> Result<ReportData> {
        let saved = ReportData::load(&files.report_data).ok();
        let reported = files.reported()?;
        let is_current = |data: &ReportData| data.gathered_from == reported;
        if let Some(data) = &saved
            && is_current(data)
            && data.has_current_format()
            && self.records.is_empty()
        {
            return Ok(data.clone());
        }
        let mut settings = read_settings(files)?;
        if !self.records.is_empty() {
            settings.paths.clone_from(&self.records);
        }
        let mut data = report_of(files, &settings, &[], &context.observer)?;
        match saved {
            Some(saved) if is_current(&saved) => data.keep_results_of(&saved),
            Some(_) => log::warn!(
                "`{}` was made from other files than the folder holds now: scores of the demo and inputs that failed \
                 during the run are left out of the page",
                files.report_data.display()
            ),
            None => {}
        }
        Ok(data)
    }

    /// The report of whatever stages wrote to the folder.
    fn of_stages(&self, context: &CommandContext) -> Result<ReportData> {
        let sources = ReportSources {
            records: self.records.clone(),
            ..ReportSources::in_folder(&self.run)
        };
        if sources.is_empty() {
            return Err(no_output(&self.run));
        }
        Ok(gather(&sources, &context.observer)?)
    }
}

fn no_output(folder: &Path) -> Failure {
    Failure::new(format!(
        "`{}` holds no output of a stage: no features/*.h5, clusters.csv, model.safetensors or separation.json",
        folder.display()
    ))
    .with_help("give the folder that `seismix run`, `features`, `train`, `cluster` or `separate` wrote")
}
