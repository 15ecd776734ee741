//! `seismix separate`: a chosen source taken out of the records.

use std::path::PathBuf;

use clap::Args;
use seismix::config::PerLayer;
use seismix::separate::{TargetSource, plan, separate};

use super::context::CommandContext;
use super::exit::Result;
use super::options::{Rehearsal, Resuming, SelectionArgs, SeparationArgs};
use super::output_guard;

/// Separate the windows of chosen clusters into background and source
///
/// DIR receives two SDS trees, background/ and source/, with the ids, times and sample numbers of the input;
/// background + source is the input. Outside the targets the background is the input, bit for bit.
/// With --method template or local it also receives deviation/: the standard deviation of the background, per sample.
#[derive(Debug, Args)]
#[command(mut_arg("target", |arg| arg.required_unless_present("windows")))]
pub struct Separate {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The table that `seismix cluster` wrote; --target names clusters of it
    #[arg(
        long = "cluster-table",
        short = 'c',
        visible_alias = "clusters",
        value_name = "CLUSTERS.csv",
        required_unless_present = "windows"
    )]
    clusters: Option<PathBuf>,
    /// Windows with sources in place of clusters: columns starttime, endtime (UTC, of the last sample) and maybe id
    #[arg(long, value_name = "FILE.csv", conflicts_with = "target")]
    windows: Option<PathBuf>,
    /// Folder for the separated records
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    separation: SeparationArgs,
    /// Octaves J of the compared coefficients; of two numbers the first is used
    #[arg(
        long,
        value_name = "J[,J]",
        default_value = "8",
        help_heading = "Separation"
    )]
    octaves: PerLayer,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    resuming: Resuming,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Separate {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let written = ["background", "source", "deviation", "parts"];
        output_guard::folder(&self.output, &self.paths, &written)?;
        let selection = self.selection.config()?;
        let separation = self.separation.config(self.octaves.first)?;
        let listed = match (&self.clusters, &self.windows) {
            (clusters, Some(windows)) => TargetSource::Windows {
                windows,
                clusters: clusters.as_deref(),
            },
            (Some(clusters), None) => TargetSource::Clusters(clusters),
            (None, None) => {
                return Err(super::exit::Failure::usage("neither --cluster-table nor --windows is given")
                    .with_help("name the clusters with --cluster-table and --target, or list windows with --windows"));
            }
        };
        let stage = self.resuming.context(None, &context.observer);
        let (paths, out) = (&self.paths, &self.output);
        if self.rehearsal.dry_run {
            let n = plan(paths, &selection, &listed, &separation, &stage, out)?;
            return context.print_plan(out, "targets", n);
        }
        let file = separate(paths, &selection, &listed, &separation, &stage, out)?;
        context.open_first(&self.output);
        super::run::print_separation(context, &file, &self.output)
    }
}
