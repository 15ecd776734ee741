//! The training of a report: every term over the epochs.

use seismix_vae as vae;

use crate::report::{Training, TrainingPanel, TrainingSeries};
use crate::train::{end_remarks, warning_text};

pub(crate) fn training(model: &vae::ModelFile) -> Training {
    let epochs = &model.history.epochs;
    let names = &model.model.config().scale_names;
    let means = |pick: &dyn Fn(&vae::Terms) -> f64| TrainingSeries {
        label: "all scales".into(),
        train: epochs.iter().map(|e| pick(&e.train)).collect(),
        validation: epochs
            .iter()
            .filter_map(|e| e.validation.as_ref())
            .map(pick)
            .collect(),
    };
    let by_scale = |pick: &dyn Fn(&vae::EpochRecord, usize) -> f64| -> Vec<TrainingSeries> {
        let series = names
            .iter()
            .enumerate()
            .map(|(scale, name)| TrainingSeries {
                label: name.clone(),
                train: epochs.iter().map(|e| pick(e, scale)).collect(),
                validation: Vec::new(),
            });
        series.collect()
    };
    let panel = |title: &str, series: Vec<TrainingSeries>| TrainingPanel {
        title: title.into(),
        series,
    };
    let terms = |title: &str, pick: fn(&vae::ScaleTerms) -> f32| {
        let series = names.iter().enumerate().map(|(scale, name)| {
            let of =
                |terms: &vae::Terms| terms.scales.get(scale).map_or(f64::NAN, |t| pick(t).into());
            TrainingSeries {
                label: name.clone(),
                train: epochs.iter().map(|e| of(&e.train)).collect(),
                validation: epochs
                    .iter()
                    .filter_map(|e| e.validation.as_ref())
                    .map(of)
                    .collect(),
            }
        });
        panel(title, series.collect())
    };
    let kept = model.history.kept_record();
    let warnings = kept.map(|e| e.warnings.as_slice()).unwrap_or_default();
    let warnings = warnings.iter().map(|warning| {
        let text = warning_text(warning, names);
        format!(" At the end, {text}.")
    });
    let patience = model
        .provenance
        .pointer("/configuration/recipe/patience")
        .and_then(serde_json::Value::as_u64);
    let ends = end_remarks(&model.history, patience.map(|n| n as usize));
    let ends = ends.iter().map(|remark| format!(" {}.", sentence(remark)));
    Training {
        epochs: epochs.iter().map(|e| e.epoch as u32 + 1).collect(),
        kept_epoch: kept.map(|e| e.epoch as u32 + 1),
        panels: vec![
            panel("Loss", vec![means(&|t| f64::from(t.total))]),
            panel(
                "Reconstruction",
                vec![means(&|t| f64::from(t.mean().reconstruction))],
            ),
            panel(
                "Latent term",
                vec![means(&|t| f64::from(t.mean().kl_latent))],
            ),
            panel(
                "Cluster term",
                vec![means(&|t| f64::from(t.mean().kl_cluster))],
            ),
            panel("Start labels", vec![means(&|t| f64::from(t.mean().start))]),
            terms("Reconstruction by scale", |t| t.reconstruction),
            terms("Latent term by scale", |t| t.kl_latent),
            terms("Cluster term by scale", |t| t.kl_cluster),
            panel(
                "Entropy of the responsibilities, nats",
                by_scale(&|e, s| f64::from(e.entropy[s])),
            ),
            panel(
                "Effective number of clusters",
                by_scale(&|e, s| f64::from(e.entropy[s]).exp()),
            ),
            panel(
                "Clusters with a window",
                by_scale(&|e, s| e.cluster_sizes[s].iter().filter(|n| **n > 0).count() as f64),
            ),
            panel(
                "Share of the largest cluster, %",
                by_scale(&|e, s| {
                    let sizes = &e.cluster_sizes[s];
                    let all: usize = sizes.iter().sum();
                    let most = sizes.iter().copied().max().unwrap_or(0);
                    100.0 * most as f64 / all.max(1) as f64
                }),
            ),
        ],
        remark: format!(
            "Preset {}, {} epochs.{}{}",
            model.preset,
            model.history.epochs.len(),
            ends.collect::<String>(),
            warnings.collect::<String>()
        ),
    }
}

/// A remark with a capital letter; options stay as they are.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}
