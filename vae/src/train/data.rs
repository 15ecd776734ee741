//! Training windows, and batches of them.

use burn_tensor::Tensor;
use ndarray::{Array3, Axis};

use crate::error::{Error, Result};
use crate::model::{Backend, Batch, FvaeConfig};
use crate::noise::{NoiseKey, Purpose};
use crate::objective::LabelBatch;

/// Inputs of the network: one array per scale, (window, channel, feature), standardised.
///
/// Row w of every scale is the same window. The number of features may differ from scale to scale.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingData {
    /// One array per scale.
    pub scales: Vec<Array3<f32>>,
}

impl TrainingData {
    /// Number of windows.
    pub fn n_windows(&self) -> usize {
        self.scales.first().map_or(0, |scale| scale.len_of(Axis(0)))
    }

    /// Checks the arrays against a model's sizes, and every value.
    ///
    /// # Errors
    /// [`Error::Shape`] if scales, windows, channels or features do not fit; [`Error::NonFinite`] with the backend of
    /// the first NaN or infinite value.
    pub fn check(&self, config: &FvaeConfig) -> Result<()> {
        if self.scales.len() != config.n_scales() {
            return Err(Error::shape(
                "scales of the data",
                config.n_scales(),
                self.scales.len(),
            ));
        }
        let n_windows = self.n_windows();
        for (scale, array) in self.scales.iter().enumerate() {
            let expected = (
                n_windows,
                config.n_channels,
                config.features_per_scale[scale],
            );
            if array.dim() != expected {
                let what = format!("data of scale {scale} (window, channel, feature)");
                return Err(Error::shape(what, expected, array.dim()));
            }
            let bad = array.indexed_iter().find(|(_, value)| !value.is_finite());
            if let Some(((window, channel, feature), &value)) = bad {
                return Err(Error::NonFinite {
                    scale,
                    window,
                    channel,
                    feature,
                    value,
                });
            }
        }
        Ok(())
    }

    /// Inputs of the given windows, per scale (batch, channel, feature).
    pub(crate) fn inputs(&self, backend: &Backend, windows: &[usize]) -> Vec<Tensor<3>> {
        self.scales
            .iter()
            .map(|array| {
                let (_, channels, features) = array.dim();
                let mut values = Vec::with_capacity(windows.len() * channels * features);
                for &window in windows {
                    values.extend(array.index_axis(Axis(0), window).iter());
                }
                backend.tensor(values, [windows.len(), channels, features])
            })
            .collect()
    }
}

/// Which streams of noise a batch gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNoise {
    pub seed: u64,
    pub epoch: usize,
    pub step: usize,
    pub gumbel: Purpose,
    pub latent: Purpose,
}

impl BatchNoise {
    /// Inputs of the given windows with their noise.
    pub fn batch(
        &self,
        data: &TrainingData,
        config: &FvaeConfig,
        backend: &Backend,
        windows: &[usize],
    ) -> Batch {
        let n = windows.len();
        // Keyed by epoch and step: a resumed training draws the same noise.
        let key = |purpose, scale| NoiseKey {
            seed: self.seed,
            epoch: self.epoch,
            step: self.step,
            purpose,
            scale,
        };
        let (k, z) = (config.n_clusters, config.latent);
        let gumbel = (0..config.n_scales())
            .map(|s| backend.tensor(key(self.gumbel, s).gumbel(n * k), [n, k]));
        let normal = (0..config.n_scales())
            .map(|s| backend.tensor(key(self.latent, s).normal(n * z), [n, z]));
        Batch {
            inputs: data.inputs(backend, windows),
            gumbel: gumbel.collect(),
            normal: normal.collect(),
        }
    }
}

/// Initial labels of the given windows as one-hot rows over the number of labelled ones.
pub(crate) fn label_batch(
    labels: &[Vec<Option<usize>>],
    weight: f64,
    n_clusters: usize,
    backend: &Backend,
    windows: &[usize],
) -> LabelBatch {
    let one_hot = |labels: &Vec<Option<usize>>| {
        let known = windows.iter().filter(|&&w| labels[w].is_some()).count();
        // Divided here, so that the sum in the objective is a mean over labelled windows.
        let share = 1.0 / known.max(1) as f32;
        let mut rows = vec![0.0_f32; windows.len() * n_clusters];
        for (row, &window) in rows.chunks_exact_mut(n_clusters).zip(windows) {
            if let Some(label) = labels[window] {
                row[label] = share;
            }
        }
        backend.tensor(rows, [windows.len(), n_clusters])
    };
    LabelBatch {
        weight,
        labels: labels.iter().map(one_hot).collect(),
    }
}

/// Checks initial labels against the data.
pub(crate) fn check_labels(
    labels: &[Vec<Option<usize>>],
    config: &FvaeConfig,
    n_windows: usize,
) -> Result<()> {
    if labels.len() != config.n_scales() {
        return Err(Error::shape(
            "scales of initial_labels",
            config.n_scales(),
            labels.len(),
        ));
    }
    for (scale, labels) in labels.iter().enumerate() {
        if labels.len() != n_windows {
            let what = format!("initial_labels of scale {scale}");
            return Err(Error::shape(what, n_windows, labels.len()));
        }
        let bad = |label: &&Option<usize>| label.is_some_and(|label| label >= config.n_clusters);
        if let Some(label) = labels.iter().find(bad) {
            return Err(Error::Data(format!(
                "initial_labels of scale {scale} name cluster {}, but the model has {}",
                label.unwrap_or_default(),
                config.n_clusters
            )));
        }
    }
    Ok(())
}

/// Cuts `windows` into parts of at most `largest`, as equal as can be, so that no step has only a window or two.
pub(crate) fn batches(windows: &[usize], largest: usize) -> impl Iterator<Item = &[usize]> {
    let n = windows.len();
    let parts = n.div_ceil(largest.max(1));
    (0..parts).map(move |part| &windows[part * n / parts..(part + 1) * n / parts])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_even_and_complete() {
        let windows: Vec<usize> = (0..129).collect();
        let parts: Vec<&[usize]> = batches(&windows, 128).collect();
        assert_eq!(parts.iter().map(|p| p.len()).collect::<Vec<_>>(), [64, 65]);
        assert_eq!(parts.concat(), windows);
        assert_eq!(batches(&[], 4).count(), 0);
        assert_eq!(batches(&windows, 1000).count(), 1);
    }
}
