//! `seismix train`: a model of the windows at all scales.

use std::path::PathBuf;

use clap::Args;
use seismix::cluster::transients_of_model;
use seismix::train::stability::Stability;
use seismix::train::{ModelInputs, model_inputs, plan, train};
use serde_json::json;

use super::cluster::print_transients;
use super::context::CommandContext;
use super::exit::Result;
use super::options::{Rehearsal, Resuming, Seed, TrainingArgs};

/// Train the model that groups windows into clusters at all scales at once
#[derive(Debug, Args)]
pub struct Train {
    /// Folder of feature files, or some of its files
    #[arg(required = true, value_name = "FEATURES")]
    features: Vec<PathBuf>,
    /// File for the model
    #[arg(long, short, value_name = "MODEL")]
    output: PathBuf,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    resuming: Resuming,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

/// Repeatability of the clusters, if it was requested.
fn stability(model: &seismix::vae::ModelFile) -> Result<Option<Stability>> {
    Ok(match model_inputs(model)? {
        ModelInputs::Compact { stability, .. } => stability.map(|found| *found),
        ModelInputs::Paper { .. } => None,
    })
}

impl Train {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.guard_output(&self.output, &self.features)?;
        let training = self.training.config()?;
        let stage = self.resuming.context(Some(&self.seed), &context.observer);
        if self.rehearsal.dry_run {
            let n = plan(&self.features, &training, &stage, &self.output)?;
            return context.print_plan(&self.output, "windows", n);
        }
        let model = train(&self.features, &training, &stage, &self.output)?;
        context.open_first(&self.output);
        let kept = model.history.kept_record();
        let loss = kept.map(|epoch| epoch.train.total);
        let validation = kept
            .and_then(|epoch| epoch.validation.as_ref())
            .map(|terms| terms.total);
        let show = |value: Option<f32>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
        };
        context.printer.text(format_args!(
            "{}: {} epochs, loss {} (validation {})",
            self.output.display(),
            model.history.epochs.len(),
            show(loss),
            show(validation)
        ))?;
        let scores = transients_of_model(&self.features, &model, &context.observer)?;
        let finest = model_inputs(&model)?.layout().scales.first().copied();
        let transient = print_transients(context, &scores, finest)?;
        context.printer.record(&json!({
            "transient": transient, "stability": stability(&model)?, "model": self.output, "epochs": model.history.epochs.len(), "loss": loss, "validation_loss": validation,
            "stop": model.history.stop, "kept_epoch": kept.map(|epoch| epoch.epoch),
        }))?;
        Ok(())
    }
}
