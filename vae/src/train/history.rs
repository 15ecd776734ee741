//! History of a training, epoch by epoch.

use serde::{Deserialize, Serialize};

use crate::objective::Terms;

/// Warning about the clusters of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterWarning {
    /// No training window is in the cluster.
    Dead {
        /// Index of the scale.
        scale: usize,
        /// Index of the cluster.
        cluster: usize,
    },
    /// Nearly all training windows are in one cluster.
    Collapsed {
        /// Index of the scale.
        scale: usize,
        /// That cluster.
        cluster: usize,
    },
    /// All clusters are about equally probable for a window: the scale's clusters mean nothing.
    Undecided {
        /// Index of the scale.
        scale: usize,
    },
}

/// Share of the windows above which a cluster has collapsed its scale.
const COLLAPSED_SHARE: f64 = 0.95;
/// Entropy of q(y|x), as a share of ln K, above which a scale is undecided.
const UNDECIDED_ENTROPY: f64 = 0.95;

/// One epoch.
///
/// Loss terms are single precision, which is their accuracy; their JSON is then exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Temperature of the Gumbel-softmax.
    pub temperature: f32,
    /// Learning rate of the first step.
    pub learning_rate: f32,
    /// Terms over the training windows, while the weights were changing.
    pub train: Terms,
    /// Terms over the validation windows after the epoch, with the same noise every time; the total is without the
    /// start labels.
    pub validation: Option<Terms>,
    /// Number of training windows in each cluster (scale, cluster), by the most probable cluster.
    pub cluster_sizes: Vec<Vec<usize>>,
    /// Mean entropy of q(y|x) in nats, per scale; ln K if undecided.
    pub entropy: Vec<f32>,
    /// Dead, collapsed or undecided clusters.
    pub warnings: Vec<ClusterWarning>,
}

impl EpochRecord {
    /// Fills `entropy` and `warnings` from the rest.
    pub(crate) fn with_warnings(mut self) -> Self {
        self.entropy = self
            .train
            .scales
            .iter()
            .zip(&self.cluster_sizes)
            .map(|(terms, sizes)| ((sizes.len() as f64).ln() - f64::from(terms.kl_cluster)) as f32)
            .collect();
        self.warnings = self
            .cluster_sizes
            .iter()
            .zip(&self.entropy)
            .enumerate()
            .flat_map(|(scale, (sizes, &entropy))| warnings(scale, sizes, entropy))
            .collect();
        self
    }
}

fn warnings(scale: usize, sizes: &[usize], entropy: f32) -> Vec<ClusterWarning> {
    let total: usize = sizes.iter().sum();
    let mut found = Vec::new();
    for (cluster, &size) in sizes.iter().enumerate() {
        if size == 0 {
            found.push(ClusterWarning::Dead { scale, cluster });
        } else if size as f64 > COLLAPSED_SHARE * total as f64 {
            found.push(ClusterWarning::Collapsed { scale, cluster });
        }
    }
    if f64::from(entropy) > UNDECIDED_ENTROPY * (sizes.len() as f64).ln() {
        found.push(ClusterWarning::Undecided { scale });
    }
    found
}

/// Reason for the end of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// All epochs were done.
    #[default]
    Finished,
    /// The validation loss stopped falling.
    Patience,
    /// The observer requested a stop; the same call resumes from the checkpoint.
    Interrupted,
}

/// A whole training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Every epoch done.
    pub epochs: Vec<EpochRecord>,
    /// Reason for its end.
    pub stop: StopReason,
    /// Epoch whose weights the model has, where they were chosen by validation loss (`patience`); `None`: the last.
    #[serde(default)]
    pub kept: Option<usize>,
}

impl History {
    /// The epoch whose weights the model has.
    pub fn kept_record(&self) -> Option<&EpochRecord> {
        match self.kept {
            Some(epoch) => self.epochs.get(epoch),
            None => self.epochs.last(),
        }
    }

    /// Epoch of the lowest validation loss, the first of equals, not before epoch `first`; `None` without validation.
    pub(crate) fn best(&self, first: usize) -> Option<usize> {
        let losses = self.epochs.iter().enumerate().skip(first);
        losses
            .filter_map(|(epoch, record)| Some((epoch, record.validation.as_ref()?.total)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(epoch, _)| epoch)
    }

    /// Epochs since [`best`](Self::best).
    pub(crate) fn epochs_without_progress(&self, first: usize) -> usize {
        self.best(first)
            .map_or(0, |best| self.epochs.len() - (best + 1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::objective::ScaleTerms;

    #[test]
    fn dead_collapsed_and_undecided_clusters_are_named() {
        let terms = |kl_cluster: f32| ScaleTerms {
            kl_cluster,
            ..ScaleTerms::default()
        };
        let record = EpochRecord {
            epoch: 0,
            temperature: 1.0,
            learning_rate: 1e-3,
            train: Terms {
                total: 0.0,
                scales: vec![terms(1.0), terms(0.01)],
            },
            validation: None,
            cluster_sizes: vec![vec![97, 0, 3], vec![30, 40, 30]],
            entropy: vec![],
            warnings: vec![],
        }
        .with_warnings();
        assert_eq!(
            record.warnings,
            [
                ClusterWarning::Collapsed {
                    scale: 0,
                    cluster: 0
                },
                ClusterWarning::Dead {
                    scale: 0,
                    cluster: 1
                },
                ClusterWarning::Undecided { scale: 1 },
            ]
        );
        assert!((record.entropy[0] - (3.0_f32.ln() - 1.0)).abs() < 1e-6);
    }
}
