//! Fitted transform of one scale, from features to inputs and initial clusters.

use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::auxiliary::AuxiliaryInputs;
use super::feature_source::ScaleFeatures;
use super::{Deflation, Projection, StandardScaler};
use crate::init::{Hmm, InitError, KMeans, Mixture, most_probable, one_hot};

/// Initial clusters of a scale.
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

/// Fitted parameters of one scale.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScaleInputs {
    /// Kept features, and their scaling.
    #[serde(rename = "standardiser")]
    pub scaler: StandardScaler,
    /// Cell means of the coarser clusters (empty at the largest scale or when switched off).
    pub deflation: Deflation,
    /// True if features pass through asinh after deflation.
    pub asinh: bool,
    /// Principal components.
    pub principal: Projection,
    /// Slow directions within the principal components.
    #[serde(rename = "slow")]
    pub slow_features: Option<Projection>,
    /// Local log powers next to the components (at the finest scale, unless switched off).
    #[serde(rename = "levels")]
    pub local_log_power: Option<AuxiliaryInputs>,
    /// Absolute log powers next to them (where amplitude has a weight).
    #[serde(rename = "amplitude", default, skip_serializing_if = "Option::is_none")]
    pub log_power: Option<AuxiliaryInputs>,
    /// Factor that gives the inputs a mean variance of 1 over training windows.
    pub scale: f64,
    /// Initial clusters.
    #[serde(rename = "start")]
    pub initial: InitialModel,
}

/// Inputs and initial clusters of one scale.
#[derive(Debug, Clone)]
pub struct ScaleWindows {
    /// `(window, dimension)`, mean variance 1 over the training windows; segments one after the other.
    pub inputs: Array2<f32>,
    /// Initial cluster of each window.
    pub labels: Vec<usize>,
    /// Probability of each cluster, `(window, cluster)`; 0 and 1 from k-means.
    pub posteriors: Array2<f32>,
}

impl ScaleInputs {
    /// Standardised, deflated and projected features with the log powers appended; not yet scaled to unit variance.
    pub(super) fn project(&self, source: &ScaleFeatures, coarser: &[&[usize]]) -> Array2<f64> {
        let mut standard = self.scaler.apply(source.features.view());
        self.deflation.apply(&mut standard, coarser);
        let values = asinh_compress(standard, self.asinh);
        let components = self.principal.apply(values.view());
        let projected = match &self.slow_features {
            Some(slow) => slow.apply(components.view()),
            None => components,
        };
        let local = self.local_log_power.as_ref();
        let local = local.zip(source.local_log_power.as_ref());
        let absolute = self.log_power.as_ref().zip(Some(&source.log_power));
        let added = local.into_iter().chain(absolute);
        added.fold(projected, |projected, (fitted, powers)| {
            hstack(&projected, &fitted.project(powers.view(), coarser))
        })
    }

    /// Number of inputs.
    pub(super) fn n_inputs(&self) -> usize {
        let shape = self.slow_features.as_ref().unwrap_or(&self.principal);
        let added = self.auxiliary().map(|inputs| inputs.principal.map.ncols());
        shape.map.ncols() + added.sum::<usize>()
    }

    fn auxiliary(&self) -> impl Iterator<Item = &AuxiliaryInputs> {
        self.local_log_power.iter().chain(&self.log_power)
    }

    pub(super) fn output(
        &self,
        projected: Array2<f64>,
        runs: &[Range<usize>],
    ) -> Result<ScaleWindows, InitError> {
        let rows = projected.view();
        let posteriors = match &self.initial {
            InitialModel::KMeans(model) => one_hot(&model.predict(rows)?, model.centers.nrows()),
            InitialModel::Mixture(model) => model.posteriors(rows)?,
            InitialModel::Hmm(model) => model.posteriors(rows, runs)?,
        };
        Ok(ScaleWindows {
            inputs: projected.mapv(|value| (value * self.scale) as f32),
            labels: most_probable(posteriors.view()),
            posteriors: posteriors.mapv(|value| value as f32),
        })
    }

    pub(super) fn is_consistent(&self) -> bool {
        let n_kept = self.scaler.kept.len();
        let n_components = self.principal.map.ncols();
        let slow = self.slow_features.as_ref();
        let slow_fits =
            slow.is_none_or(|slow| slow.is_consistent() && slow.map.nrows() == n_components);
        let (initial_fits, width) = match &self.initial {
            InitialModel::KMeans(model) => (true, model.centers.ncols()),
            InitialModel::Mixture(model) => {
                let gaussians = &model.gaussians;
                (gaussians.is_consistent(), gaussians.means.ncols())
            }
            InitialModel::Hmm(model) => (model.is_consistent(), model.gaussians.means.ncols()),
        };
        slow_fits
            && initial_fits
            && width == self.n_inputs()
            && self.scaler.is_consistent()
            && self.deflation.is_consistent(n_kept)
            && self.principal.is_consistent()
            && self.principal.map.nrows() == n_kept
            && self.auxiliary().all(AuxiliaryInputs::is_consistent)
            && self.scale.is_finite()
    }
}

/// Columns of one array followed by those of another with as many rows.
pub(super) fn hstack(left: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
    let n = left.ncols();
    // Always in C order: `concatenate` may choose another, and sums over rows would round otherwise.
    Array2::from_shape_fn((left.nrows(), n + right.ncols()), |(row, column)| {
        if column < n {
            left[[row, column]]
        } else {
            right[[row, column - n]]
        }
    })
}

/// `asinh(x)` where `asinh` is true: linear for ordinary windows, logarithmic for extreme ones.
pub(super) fn asinh_compress(standard: Array2<f32>, asinh: bool) -> Array2<f64> {
    standard.mapv(|value| {
        let value = f64::from(value);
        if asinh { value.asinh() } else { value }
    })
}
