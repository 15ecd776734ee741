//! `seismix demo`: the whole pipeline on a synthetic archive whose sources are known.

use std::path::PathBuf;

use clap::Args;
use seismix::config::RunControl;
use seismix::demo::{Demo as Made, demo};
use seismix::run::RunConfig;
use serde_json::json;

use super::context::CommandContext;
use super::exit::Result;
use super::options::{Resuming, Seed};
use super::output::table;

/// Make a synthetic archive with known sources, run the whole pipeline on it and write a report with scores
///
/// Needs no data and no network. RUN then holds the archive, the truth, features, model, clusters, separated records
/// and report.html.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder for everything that is made
    #[arg(long, short, value_name = "RUN")]
    output: PathBuf,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    resuming: Resuming,
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let config = RunConfig {
            control: RunControl {
                seed: self.seed.seed,
                threads: context.common.threads,
                fresh: self.resuming.fresh,
                verify: self.resuming.verify,
                ..RunControl::default()
            },
            ..seismix::demo::settings()
        };
        let made = demo(&config, &context.observer, &self.output)?;
        super::run::print_summary(context, &made.summary)?;
        print_scores(context, &made)
    }
}

fn print_scores(context: &mut CommandContext, made: &Made) -> Result<()> {
    let printer = &mut context.printer;
    let scores = &made.scores;
    printer.text("agreement with the known sources (ARI: adjusted Rand index, NMI: normalised mutual information)")?;
    let rows: Vec<Vec<String>> = scores
        .scales
        .iter()
        .map(|s| {
            let number = |value: f64| format!("{value:.2}");
            vec![
                s.scale.to_string(),
                format!("{:?}", s.source).to_lowercase(),
                s.n_windows.to_string(),
                number(s.ari),
                number(s.nmi),
                number(s.kmeans_ari),
                number(s.kmeans_nmi),
            ]
        })
        .collect();
    printer.text(table(
        &[
            "scale",
            "source",
            "windows",
            "ARI",
            "NMI",
            "k-means ARI",
            "k-means NMI",
        ],
        &rows,
    ))?;
    let d = &scores.detection;
    printer.text(format_args!(
        "windows with a pulse, by the clusters that look like transients: F1 {:.2} (precision {:.2}, recall {:.2})",
        d.f1, d.precision, d.recall
    ))?;
    for snr in &scores.snr {
        printer.text(format_args!(
            "SNR of the background, {} ({}): median {:.1} -> {:.1} dB, 10th percentile {:.1} -> {:.1} dB, median gain {:.1} dB",
            snr.label, snr.n_targets, snr.before_median_db, snr.after_median_db, snr.before_p10_db, snr.after_p10_db, snr.gain_median_db
        ))?;
    }
    printer.text(format_args!(
        "samples changed outside the targets: {}",
        scores.changed_outside
    ))?;
    printer.record(&json!({
        "scales": scores.scales, "detection": scores.detection, "snr": scores.snr, "changed_outside": scores.changed_outside,
    }))?;
    Ok(())
}
