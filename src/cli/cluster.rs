//! `seismix cluster`: the cluster of every window at every scale.

use std::path::PathBuf;

use clap::Args;
use seismix::cluster::cluster;
use seismix::stage::PipelineError;
use seismix::vae::ModelFile;
use serde_json::json;

use super::context::Context;
use super::exit::Result;
use super::options::Resuming;
use super::output_guard;

/// Write the cluster of every window at every scale
///
/// The table has one row a window and scale: starttime,endtime,scale,cluster,probability,p0..pK.
#[derive(Debug, Args)]
pub struct Cluster {
    /// Folder of feature files, or some of its files
    #[arg(required = true, value_name = "FEATURES")]
    features: Vec<PathBuf>,
    /// The model that `seismix train` wrote
    #[arg(long, short, value_name = "MODEL")]
    model: PathBuf,
    /// File for the table
    #[arg(long, short, value_name = "CLUSTERS.csv")]
    output: PathBuf,
    #[command(flatten)]
    resuming: Resuming,
}

impl Cluster {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        context.open_first(&self.output);
        let inputs = self.features.iter().chain([&self.model]);
        output_guard::file(&self.output, inputs.map(PathBuf::as_path))?;
        let model = ModelFile::load(&self.model).map_err(PipelineError::from)?;
        let table = cluster(
            &self.features,
            (&self.model, &model),
            &self.resuming.context(None, &context.observer),
            &self.output,
        )?;
        context.printer.text(format_args!(
            "{}: {} rows",
            self.output.display(),
            table.rows.len()
        ))?;
        context
            .printer
            .record(&json!({"clusters": self.output, "rows": table.rows.len()}))?;
        Ok(())
    }
}
