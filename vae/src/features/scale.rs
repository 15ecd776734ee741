//! What is fitted for one scale, and how it turns features into inputs and first clusters.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::amplitude::AmplitudeInputs;
use super::deflate::Deflation;
use super::project::{Projection, StandardScaler};
use super::source::ScaleFeatures;
use crate::init::{Hmm, KMeans, Mixture, StartError, argmax};

/// The clusters a scale starts with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialModel {
    /// Centres.
    KMeans(KMeans),
    /// Tied mixture.
    Mixture(Mixture),
    /// Tied hidden Markov model.
    Hmm(Hmm),
}

/// What was fitted for one scale.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScaleInputs {
    /// Which features are kept, and their scaling.
    pub standardiser: StandardScaler,
    /// Cell means of the coarser clusters (empty at the largest scale or when switched off).
    pub deflation: Deflation,
    /// Whether features pass through asinh after deflation.
    pub asinh: bool,
    /// Principal components.
    pub principal: Projection,
    /// Slow directions within the principal components.
    pub slow: Option<Projection>,
    /// Levels beside the components (at the finest scale, unless switched off).
    pub levels: Option<LevelInputs>,
    /// Log powers beside them (where they were asked for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<AmplitudeInputs>,
    /// Factor on the inputs that are handed out, so that their mean variance over training windows is 1.
    pub scale: f64,
    /// First clusters.
    pub start: InitialModel,
}

/// Levels of the finest windows as further inputs: see [`InputsOptions::finest_levels`](super::InputsOptions::finest_levels).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LevelInputs {
    /// Which levels are kept; all have the same unit.
    pub standardiser: StandardScaler,
    /// Principal components, not whitened, times the weight.
    pub principal: Projection,
    /// Root of how much variance they have beside all other inputs of the scale together.
    pub weight: f64,
}

impl LevelInputs {
    /// `(window, component)`.
    pub(super) fn project(&self, levels: ArrayView2<'_, f32>) -> Array2<f64> {
        let standard = self.standardiser.apply(levels).mapv(f64::from);
        self.principal.apply(standard.view())
    }

    fn is_consistent(&self) -> bool {
        self.standardiser.is_consistent()
            && self.principal.is_consistent()
            && self.principal.map.nrows() == self.standardiser.kept.len()
            && self.weight.is_finite()
    }
}

/// Inputs and first clusters of one scale.
#[derive(Debug, Clone)]
pub struct ScaleWindows {
    /// `(window, dimension)`, mean variance 1 over the training windows; segments one after the other.
    pub inputs: Array2<f32>,
    /// First cluster of each window.
    pub labels: Vec<usize>,
    /// Probability of each cluster, `(window, cluster)`; 0 and 1 from k-means.
    pub posteriors: Array2<f32>,
}

impl ScaleInputs {
    /// Standardised, deflated, projected features, with the projected levels beside them; not yet scaled for handing out.
    pub(super) fn project(&self, source: &ScaleFeatures, coarser: &[&[usize]]) -> Array2<f64> {
        let mut standard = self.standardiser.apply(source.features.view());
        self.deflation.apply(&mut standard, coarser);
        let values = bend(standard, self.asinh);
        let components = self.principal.apply(values.view());
        let projected = match &self.slow {
            Some(slow) => slow.apply(components.view()),
            None => components,
        };
        let projected = match self.levels.as_ref().zip(source.levels.as_ref()) {
            Some((fitted, levels)) => beside(&projected, &fitted.project(levels.view())),
            None => projected,
        };
        match &self.amplitude {
            Some(fitted) => beside(&projected, &fitted.project(source.powers.view(), coarser)),
            None => projected,
        }
    }

    /// Number of inputs.
    pub(super) fn n_inputs(&self) -> usize {
        let shape = self.slow.as_ref().unwrap_or(&self.principal).map.ncols();
        let levels = self.levels.as_ref();
        let amplitude = self.amplitude.as_ref();
        shape
            + levels.map_or(0, |levels| levels.principal.map.ncols())
            + amplitude.map_or(0, |amplitude| amplitude.principal.map.ncols())
    }

    pub(super) fn output(
        &self,
        projected: Array2<f64>,
        runs: &[Range<usize>],
    ) -> Result<ScaleWindows, StartError> {
        let posteriors = match &self.start {
            InitialModel::KMeans(model) => {
                let labels = model.predict(projected.view())?;
                let n_clusters = model.centers.nrows();
                Array2::from_shape_fn((labels.len(), n_clusters), |(row, cluster)| {
                    f64::from(u8::from(labels[row] == cluster))
                })
            }
            InitialModel::Mixture(model) => model.posteriors(projected.view())?,
            InitialModel::Hmm(model) => model.posteriors(projected.view(), runs)?,
        };
        Ok(ScaleWindows {
            inputs: projected.mapv(|value| (value * self.scale) as f32),
            labels: posteriors
                .outer_iter()
                .map(|row| argmax(row.iter().copied()))
                .collect(),
            posteriors: posteriors.mapv(|value| value as f32),
        })
    }

    pub(super) fn is_consistent(&self) -> bool {
        let n_kept = self.standardiser.kept.len();
        let slow = self.slow.as_ref();
        if !slow.is_none_or(|slow| {
            slow.is_consistent() && slow.map.nrows() == self.principal.map.ncols()
        }) {
            return false;
        }
        let n_inputs = self.n_inputs();
        let start = match &self.start {
            InitialModel::KMeans(model) => model.centers.ncols() == n_inputs,
            InitialModel::Mixture(model) => {
                model.gaussians.is_consistent() && model.gaussians.means.ncols() == n_inputs
            }
            InitialModel::Hmm(model) => {
                model.is_consistent() && model.gaussians.means.ncols() == n_inputs
            }
        };
        self.standardiser.is_consistent()
            && self.deflation.is_consistent(n_kept)
            && self.principal.is_consistent()
            && self.principal.map.nrows() == n_kept
            && self.levels.as_ref().is_none_or(LevelInputs::is_consistent)
            && self
                .amplitude
                .as_ref()
                .is_none_or(AmplitudeInputs::is_consistent)
            && self.scale.is_finite()
            && start
    }
}

/// Columns of one array after those of another with as many rows.
pub(super) fn beside(left: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
    let n = left.ncols();
    Array2::from_shape_fn((left.nrows(), n + right.ncols()), |(row, column)| {
        if column < n {
            left[[row, column]]
        } else {
            right[[row, column - n]]
        }
    })
}

pub(super) fn bend(standard: Array2<f32>, asinh: bool) -> Array2<f64> {
    standard.mapv(|value| {
        let value = f64::from(value);
        if asinh { value.asinh() } else { value }
    })
}
