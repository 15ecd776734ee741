//! The training curves of a report.

use seismix_vae as vae;
use serde::{Deserialize, Serialize};

use super::encode::nulls_as_nan;
use crate::train::{end_remarks, warning_text};

/// Loss, its terms and cluster sizes over the epochs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingCurves {
    /// Epoch numbers, one for each value of a series.
    pub epochs: Vec<u32>,
    /// Epoch whose weights were kept.
    pub kept_epoch: Option<u32>,
    /// One plot for each quantity.
    pub panels: Vec<TrainingPanel>,
    /// A sentence on how training ended.
    pub remark: String,
}

/// One plot of the training section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingPanel {
    /// Such as `Loss`, `Reconstruction`, `Effective number of clusters`.
    pub title: String,
    /// One line for each scale, or one for all.
    pub series: Vec<TrainingSeries>,
}

/// One quantity over the epochs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingSeries {
    /// Such as `all scales` or `1024`.
    pub label: String,
    /// On the training windows; may be empty.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub train: Vec<f64>,
    /// On the validation windows; may be empty.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub validation: Vec<f64>,
}

/// Collects the training curves from the history in a model file.
pub(super) fn training(model: &vae::ModelFile) -> TrainingCurves {
    let epochs = &model.history.epochs;
    let curves = Curves {
        epochs,
        names: &model.model.config().scale_names,
    };
    TrainingCurves {
        epochs: epochs.iter().map(|e| e.epoch as u32 + 1).collect(),
        kept_epoch: model.history.kept_record().map(|e| e.epoch as u32 + 1),
        panels: vec![
            curves.mean("Loss", |t| f64::from(t.total)),
            curves.mean("Reconstruction", |t| f64::from(t.mean().reconstruction)),
            curves.mean("Latent term", |t| f64::from(t.mean().kl_latent)),
            curves.mean("Cluster term", |t| f64::from(t.mean().kl_cluster)),
            curves.mean("Agreement with the initial labels", |t| {
                f64::from(t.mean().labels)
            }),
            curves.terms("Reconstruction by scale", |t| t.reconstruction),
            curves.terms("Latent term by scale", |t| t.kl_latent),
            curves.terms("Cluster term by scale", |t| t.kl_cluster),
            curves.sizes("Entropy of the responsibilities, nats", |e, s| {
                f64::from(e.entropy[s])
            }),
            curves.sizes("Effective number of clusters", |e, s| {
                f64::from(e.entropy[s]).exp()
            }),
            curves.sizes("Clusters with at least one window", |e, s| {
                e.cluster_sizes[s].iter().filter(|n| **n > 0).count() as f64
            }),
            curves.sizes("Share of the largest cluster, %", |e, s| {
                let sizes = &e.cluster_sizes[s];
                let all: usize = sizes.iter().sum();
                let most = sizes.iter().copied().max().unwrap_or(0);
                100.0 * most as f64 / all.max(1) as f64
            }),
        ],
        remark: remark(model),
    }
}

/// Epochs of a training, and the names of its scales.
struct Curves<'a> {
    epochs: &'a [vae::EpochRecord],
    names: &'a [String],
}

impl Curves<'_> {
    /// A term averaged over the scales.
    fn mean(&self, title: &str, pick: fn(&vae::Terms) -> f64) -> TrainingPanel {
        panel(title, vec![self.series("all scales", pick)])
    }

    /// A term of each scale.
    fn terms(&self, title: &str, pick: fn(&vae::ScaleTerms) -> f32) -> TrainingPanel {
        let series = self.names.iter().enumerate().map(|(scale, name)| {
            self.series(name, |terms| {
                terms.scales.get(scale).map_or(f64::NAN, |t| pick(t).into())
            })
        });
        panel(title, series.collect())
    }

    /// A quantity of the cluster sizes of each scale, known for the training windows only.
    fn sizes(&self, title: &str, pick: fn(&vae::EpochRecord, usize) -> f64) -> TrainingPanel {
        let series = self
            .names
            .iter()
            .enumerate()
            .map(|(scale, name)| TrainingSeries {
                label: name.clone(),
                train: self.epochs.iter().map(|e| pick(e, scale)).collect(),
                validation: Vec::new(),
            });
        panel(title, series.collect())
    }

    fn series(&self, label: &str, pick: impl Fn(&vae::Terms) -> f64) -> TrainingSeries {
        // An epoch without validation keeps its place as NaN, otherwise later values would move to earlier epochs.
        let validation = |e: &vae::EpochRecord| e.validation.as_ref().map_or(f64::NAN, &pick);
        TrainingSeries {
            label: label.into(),
            train: self.epochs.iter().map(|e| pick(&e.train)).collect(),
            validation: self.epochs.iter().map(validation).collect(),
        }
    }
}

fn panel(title: &str, series: Vec<TrainingSeries>) -> TrainingPanel {
    TrainingPanel {
        title: title.into(),
        series,
    }
}

/// TrainPreset, number of epochs, why training ended, and warnings about the kept epoch.
fn remark(model: &vae::ModelFile) -> String {
    let mut text = format!(
        "TrainPreset {}, {} epochs.",
        model.preset,
        model.history.epochs.len()
    );
    let patience = model
        .provenance
        .pointer("/configuration/recipe/patience")
        .and_then(serde_json::Value::as_u64);
    for end in end_remarks(&model.history, patience.map(|n| n as usize)) {
        let mut letters = end.chars();
        let first = letters.next().map(|letter| letter.to_uppercase());
        text.push(' ');
        text.extend(first.into_iter().flatten().chain(letters));
        text.push('.');
    }
    let names = &model.model.config().scale_names;
    for warning in model.history.kept_record().iter().flat_map(|e| &e.warnings) {
        text += &format!(" At the end, {}.", warning_text(warning, names));
    }
    text
}
