//! Options of inputs and initial clusters.

use serde::{Deserialize, Serialize};

use crate::model::FvaeConfig;

use super::{InputsError, WindowLayout};

/// Method of the initial clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitMethod {
    /// k-means alone.
    KMeans,
    /// A mixture of Gaussians with one covariance, from k-means.
    Mixture,
    /// A hidden Markov model with one covariance, from k-means; it also looks ahead in time.
    Hmm,
}

/// Exponent of the emissions in the hidden Markov model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmissionExponent {
    /// `stride / scale`, at most 1: windows that overlap r-fold repeat their evidence r times.
    Overlap,
    /// One value for all scales.
    Fixed(f64),
}

/// Local log power among the inputs of the finest scale: log powers of the window and of its loudest and quietest part
/// relative to their running median, not whitened.
///
/// Sudden events are rare and loud; whitening removes the very distance that separates them. Where nothing is rare,
/// these inputs only add noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalLogPower {
    /// None.
    Off,
    /// Weight from the upper tail of their mean over training windows, (98th percentile - median) / (third - first
    /// quartile): 0 up to 2 (a Gaussian has 1.5), 1 from 4 on, linear between.
    Tail,
    /// Root of their variance over that of all other inputs of the scale.
    Weight(f64),
}

/// Options of [`FeaturePipeline::fit`](super::FeaturePipeline::fit); the defaults are the recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputsOptions {
    /// Clusters of each scale, ascending scales; a single number serves all.
    pub n_clusters: Vec<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Method of the initial clusters.
    #[serde(rename = "start")]
    pub init: InitMethod,
    /// Exponent of the emissions in the hidden Markov model.
    pub emission_exponent: EmissionExponent,
    /// True if scales above the finest keep only their slowest directions (temporal whitening).
    pub temporal_whitening: bool,
    /// True if the means of coarser clusters are subtracted from finer features.
    pub deflation: bool,
    /// Local log power among the inputs of the finest scale.
    #[serde(rename = "finest_levels")]
    pub local_log_power: LocalLogPower,
    /// Weight of the log powers among the inputs of every scale: the root of the variance of all of them over that of
    /// all other inputs of the scale. 0, the default, leaves them out: no scale above the finest then sees amplitude.
    pub amplitude: f64,
    /// True if the finest features pass through asinh.
    pub asinh: bool,
    /// True if principal components are scaled to unit variance (needed for temporal whitening).
    pub whitening: bool,
    /// Principal components of the scales above the finest, at most; fewer where windows are few.
    pub components: usize,
    /// Principal components of the finest scale, at most.
    pub finest_components: usize,
    /// Slow directions kept at the largest scale, at most.
    pub largest_slow: usize,
    /// Slow directions kept at middle scales, at most.
    pub middle_slow: usize,
    /// Added to the diagonal of the change matrix W.
    pub slow_ridge: f64,
    /// Features with a smaller standard deviation over training windows are dropped (logarithms: .001 is .1 %).
    pub min_std: f64,
    /// Bound on standardised features.
    pub clip: f64,
    /// Training windows a cell of coarser clusters needs for a mean of its own.
    pub min_cell_windows: usize,
}

impl Default for InputsOptions {
    fn default() -> Self {
        Self {
            n_clusters: vec![9],
            seed: 0,
            init: InitMethod::Hmm,
            emission_exponent: EmissionExponent::Overlap,
            temporal_whitening: true,
            deflation: true,
            local_log_power: LocalLogPower::Tail,
            amplitude: 0.0,
            asinh: true,
            whitening: true,
            components: 40,
            finest_components: 30,
            largest_slow: 8,
            middle_slow: 12,
            slow_ridge: 1e-3,
            min_std: 1e-3,
            clip: 10.0,
            min_cell_windows: 20,
        }
    }
}

impl InputsOptions {
    /// Largest weight of local log power and of amplitude; all other inputs are then negligible.
    pub const MAX_WEIGHT: f64 = 100.0;

    /// Number of clusters of a scale.
    pub fn clusters(&self, scale: usize) -> usize {
        match self.n_clusters.as_slice() {
            [one] => *one,
            many => many.get(scale).copied().unwrap_or(0),
        }
    }

    /// Checks every number against its range.
    ///
    /// # Errors
    /// [`InputsError::Option`] naming the field.
    pub fn check(&self, layout: &WindowLayout) -> Result<(), InputsError> {
        let fail = |name, what: String| Err(InputsError::Option { name, what });
        let scales = layout.scales.len();
        if self.n_clusters.len() != 1 && self.n_clusters.len() != scales {
            return fail(
                "n_clusters",
                format!(
                    "{} numbers for {scales} scales; give one, or one a scale",
                    self.n_clusters.len()
                ),
            );
        }
        let most = FvaeConfig::MAX_CLUSTERS;
        if let Some(k) = self.n_clusters.iter().find(|&&k| k == 0 || k > most) {
            return fail(
                "n_clusters",
                format!("{k} clusters; 1 to {most} are possible"),
            );
        }
        for (name, value) in [
            ("components", self.components),
            ("finest_components", self.finest_components),
            ("largest_slow", self.largest_slow),
            ("middle_slow", self.middle_slow),
            ("min_cell_windows", self.min_cell_windows),
        ] {
            if value == 0 {
                return fail(name, "0 given, at least 1 is needed".into());
            }
        }
        for (name, value) in [
            ("slow_ridge", self.slow_ridge),
            ("min_std", self.min_std),
            ("clip", self.clip),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return fail(name, format!("{value} given, a positive number is needed"));
            }
        }
        if let EmissionExponent::Fixed(value) = self.emission_exponent
            && !(value > 0.0 && value <= 1.0)
        {
            return fail(
                "emission_exponent",
                format!("{value} given, it must be in (0, 1]"),
            );
        }
        let in_range = |weight: f64| (0.0..=Self::MAX_WEIGHT).contains(&weight);
        let refused = |weight: f64| {
            let most = Self::MAX_WEIGHT;
            format!("a weight of {weight} given, it must be from 0 to {most}")
        };
        if let LocalLogPower::Weight(value) = self.local_log_power
            && !in_range(value)
        {
            return fail("local_log_power", refused(value));
        }
        if !in_range(self.amplitude) {
            return fail("amplitude", refused(self.amplitude));
        }
        if self.temporal_whitening && !self.whitening {
            return fail("whitening", "off, but temporal whitening needs it".into());
        }
        Ok(())
    }

    /// Exponent of the emissions at a scale.
    pub(super) fn exponent(&self, layout: &WindowLayout, scale: usize) -> f64 {
        match self.emission_exponent {
            EmissionExponent::Overlap => 1.0 / layout.overlap(scale) as f64,
            EmissionExponent::Fixed(value) => value,
        }
    }
}
