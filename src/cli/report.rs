//! `seismix report`: one self-contained page about a run.

use std::path::PathBuf;

use clap::Args;
use seismix::report::{ReportData, write_report};
use seismix::run::{RunFiles, read_settings, report_of};
use seismix::stage::PipelineError;
use serde_json::json;

use super::context::Context;
use super::exit::Result;
use super::output_guard;

/// Write one self-contained page about a run
#[derive(Debug, Args)]
pub struct Report {
    /// Folder of a run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// File for the page
    #[arg(long, short, value_name = "REPORT.html")]
    output: PathBuf,
}

impl Report {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        context.open_first(&self.output);
        let files = RunFiles::of(&self.run);
        let separation = files.separation_json();
        let inputs = [
            &files.model,
            &files.clusters,
            &files.transients,
            &files.report_data,
            &files.settings,
            &separation,
        ];
        output_guard::file(&self.output, inputs.map(PathBuf::as_path))?;
        let settings = read_settings(&files)?;
        // The run's own report holds what only the run knew, such as scores; without it all is gathered anew.
        let data = match ReportData::load(&files.report_data) {
            Ok(data) if data.gathered_from == files.reported()? => data,
            loaded => {
                if loaded.is_ok() {
                    tracing::warn!(
                        "report.json tells of other files than are in the run now: all is gathered anew, without what only the run itself knew, such as scores",
                    );
                }
                report_of(&files, &settings, &[], &context.observer)?
            }
        };
        write_report(&self.output, &data).map_err(PipelineError::from)?;
        context.printer.text(self.output.display())?;
        context.printer.record(&json!({"report": self.output}))?;
        Ok(())
    }
}
