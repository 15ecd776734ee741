//! Fit of a model: inputs, network and decoder.

use std::path::{Path, PathBuf};

use seismix_vae as vae;

use crate::config::{TrainConfig, TrainPreset};
use crate::stage::{PipelineError, Result, StageContext};
use crate::train::decoding::DecoderData;
use crate::train::feature_dataset::FeatureDataset;
use crate::train::history::TrainLog;
use crate::train::prepare::{Prepared, prepare};

/// Arguments of a fit.
pub(super) struct Fit<'a> {
    pub(super) dataset: &'a FeatureDataset,
    pub(super) config: &'a TrainConfig,
    pub(super) context: &'a StageContext<'a>,
}

impl Fit<'_> {
    /// Prepares inputs, trains the network and fits the decoder. The provenance is left empty.
    ///
    /// `checkpoint`: state of a training that was cut off; `history`: file for the lines of the epochs.
    pub(super) fn run(&self, checkpoint: &Path, history: PathBuf) -> Result<vae::ModelFile> {
        let observer = self.context.progress;
        let mut prepared = prepare(self.dataset, self.config, self.context)?;
        let scales = self.dataset.layout().scales.iter();
        let names: Vec<String> = scales.map(ToString::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let preset = self.preset(&mut prepared, &names);
        let mut log = TrainLog::new(observer, history, &names);
        let trained = self.train(&preset, &prepared, checkpoint, &mut log);
        observer.end();
        let (model, history) = trained?;
        log.finish()?;
        if history.stop == vae::StopReason::Interrupted {
            return Err(PipelineError::Interrupted);
        }
        for remark in end_remarks(&history, self.config.recipe.patience) {
            observer.remark(&remark);
        }
        let kept = history.kept_record();
        for warning in kept.map_or(&[][..], |epoch| &epoch.warnings) {
            observer.remark(&warning_text(warning, &names));
        }
        let data = DecoderData {
            dataset: self.dataset,
            inputs: &prepared.inputs,
            data: &prepared.data,
            split: &prepared.split,
        };
        let decoded = data.fit(&model, &history, observer)?;
        let arrays = decoded.map_or_else(Default::default, |(arrays, decoding)| {
            prepared.inputs.set_decoding(decoding);
            arrays
        });
        Ok(vae::ModelFile {
            model,
            history,
            preset: preset.name.to_owned(),
            arrays,
            inputs: serde_json::to_value(&prepared.inputs).map_err(PipelineError::internal)?,
            provenance: serde_json::Value::Null,
        })
    }

    /// Sizes and training options; takes the initial labels.
    fn preset(&self, prepared: &mut Prepared, names: &[&str]) -> vae::Preset {
        let config = self.config;
        let scales = &prepared.data.scales;
        let mut preset = match config.preset {
            TrainPreset::Compact => {
                let widths: Vec<usize> = scales.iter().map(|scale| scale.dim().2).collect();
                vae::Preset::compact(names, &widths)
            }
            TrainPreset::Paper => {
                let (_, channels, width) = scales[0].dim();
                vae::Preset::paper(names, width, channels)
            }
        };
        preset.config.n_clusters = prepared.n_clusters;
        preset.config.latent = config.latent;
        preset.config.hidden = config.hidden;
        preset.config.layers = config.layers;
        let options = &mut preset.options;
        options.epochs = config.epochs;
        options.batch = config.batch;
        options.learning_rate = config.learning_rate;
        options.seed = self.context.seed;
        options.device = config.device;
        options.patience = config.recipe.patience;
        if let Some(schedule) = config.recipe.schedule {
            options.schedule = schedule.0;
        }
        if let Some(temperature) = config.recipe.temperature {
            options.temperature = temperature.0;
        }
        if config.preset == TrainPreset::Compact {
            options.label_epochs = config.epochs;
        }
        options.initial_labels = prepared.initial_labels.take();
        preset
    }

    /// Trains the network; a checkpoint of other features or settings, or a damaged one, is replaced.
    fn train(
        &self,
        preset: &vae::Preset,
        prepared: &Prepared,
        checkpoint: &Path,
        log: &mut TrainLog<'_>,
    ) -> Result<(vae::Fvae, vae::History)> {
        let mut train = || {
            let (data, split) = (&prepared.data, &prepared.split);
            let (config, options) = (&preset.config, &preset.options);
            vae::train(config, data, split, options, Some(checkpoint), log)
        };
        match train() {
            Err(error @ (vae::Error::OtherTraining { .. } | vae::Error::File { .. })) => {
                let text = format!("the checkpoint cannot be used and is replaced: {error}");
                self.context.progress.remark(&text);
                std::fs::remove_file(checkpoint)
                    .map_err(PipelineError::io("removing", checkpoint))?;
                Ok(train()?)
            }
            done => Ok(done?),
        }
    }
}

/// Remarks on the end of a training with `patience`; epochs are numbered from 1.
pub(crate) fn end_remarks(history: &vae::History, patience: Option<usize>) -> Vec<String> {
    let Some(patience) = patience else {
        return Vec::new();
    };
    let n = history.epochs.len();
    let mut remarks = Vec::new();
    if history.stop == vae::StopReason::Patience {
        remarks.push(format!(
            "training stopped after epoch {n}: {patience} without a lower validation loss"
        ));
    }
    match history.kept {
        Some(epoch) if epoch + 1 < n => remarks.push(format!(
            "the weights of epoch {} are kept, where the validation loss was lowest",
            epoch + 1
        )),
        Some(_) => {}
        None => remarks.push(
            "--patience had no effect: no time was held out to validate on (--validation 0, or a record shorter than \
             eight of the largest windows)"
                .to_owned(),
        ),
    }
    remarks
}

/// Text of a warning about a cluster.
pub(crate) fn warning_text<S: AsRef<str>>(warning: &vae::ClusterWarning, scales: &[S]) -> String {
    let name = |scale: usize| scales.get(scale).map_or("", AsRef::as_ref);
    match *warning {
        vae::ClusterWarning::Dead { scale, cluster } => {
            format!("cluster {cluster} at scale {} is empty", name(scale))
        }
        vae::ClusterWarning::Collapsed { scale, cluster } => {
            format!(
                "nearly all windows at scale {} are in cluster {cluster}",
                name(scale)
            )
        }
        vae::ClusterWarning::Undecided { scale } => {
            format!("the clusters at scale {} are undecided", name(scale))
        }
    }
}
