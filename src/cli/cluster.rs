//! `seismix cluster`: the cluster of every window at every scale.

use std::path::PathBuf;

use clap::Args;
use seismix::cluster::{cluster, plan};
use seismix::separate::targets::score_transients;
use seismix::stage::PipelineError;
use seismix::vae::ModelFile;
use seismix::vae::init::ClusterScore;
use serde_json::json;

use super::context::CommandContext;
use super::exit::Result;
use super::options::{Rehearsal, Resuming};

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
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Cluster {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let inputs = self.features.iter().chain([&self.model]);
        context.guard_output(&self.output, inputs)?;
        let model = ModelFile::load(&self.model).map_err(PipelineError::from)?;
        let stage = self.resuming.context(None, &context.observer);
        let model = (self.model.as_path(), &model);
        if self.rehearsal.dry_run {
            let n = plan(&self.features, model, &stage, &self.output)?;
            return context.print_plan(&self.output, "windows", n);
        }
        let table = cluster(&self.features, model, &stage, &self.output)?;
        context.open_first(&self.output);
        context.printer.text(format_args!(
            "{}: {} rows",
            self.output.display(),
            table.rows.len()
        ))?;
        let scores = score_transients(&self.features, &table, &context.observer)?;
        let transient = print_transients(context, &scores, table.scales().first().copied())?;
        context.printer.record(&json!({
            "clusters": self.output, "rows": table.rows.len(), "transient": transient,
        }))?;
        Ok(())
    }
}

/// Prints the clusters of the finest scale that look like transients; returns their numbers.
pub(super) fn print_transients(
    context: &mut CommandContext,
    scores: &[ClusterScore],
    finest: Option<usize>,
) -> Result<Vec<usize>> {
    let called: Vec<&ClusterScore> = scores.iter().filter(|score| score.is_transient).collect();
    let list = called.iter().map(|score| {
        let share = 100.0 * score.share;
        let (cluster, prominence) = (score.cluster, score.prominence);
        format!("{cluster} (prominence {prominence:.1}, {share:.1} % of windows)")
    });
    let list = list.collect::<Vec<_>>().join(", ");
    let text = if list.is_empty() { "none" } else { &list };
    context.printer.text(format_args!(
        "clusters at scale {} that look like transients: {text}",
        finest.map_or_else(String::new, |scale| scale.to_string())
    ))?;
    Ok(called.iter().map(|score| score.cluster).collect())
}
