//! Log powers as further inputs next to the whitened components.
//!
//! Whitening removes amplitude. Two kinds of log power can be added back: at the finest scale those relative to a
//! running median ([`LocalLogPower`](super::LocalLogPower)), at every scale the absolute ones
//! ([`InputsOptions::amplitude`](super::InputsOptions::amplitude)).

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::deflation::Deflation;
use super::pca::Projection;
use super::scale_fit::training_rows;
use super::{InputsOptions, StandardScaler};

/// Principal components of the log powers, at most.
const COMPONENTS: usize = 8;

/// Log powers projected to inputs of a chosen variance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuxiliaryInputs {
    /// Kept powers; all have one common unit.
    #[serde(rename = "standardiser")]
    pub scaler: StandardScaler,
    /// Cell means of the coarser clusters, so that the power that a coarser scale explains is not used twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deflation: Option<Deflation>,
    /// Principal components, not whitened, times the weight.
    pub principal: Projection,
    /// Root of their variance over that of all other inputs of the scale together; not stored for absolute powers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// Variance that the fitted inputs have over training windows: `weight^2 * others`.
#[derive(Debug, Clone, Copy)]
pub(super) struct TargetVariance {
    /// Weight, 0 or more.
    pub(super) weight: f64,
    /// Variance of all other inputs together.
    pub(super) others: f64,
}

impl AuxiliaryInputs {
    /// Fits on the windows where `training` is true; `None` if the powers do not vary or the weight is 0.
    ///
    /// `coarser`: labels of the coarser scales whose cell means are subtracted; `None` to subtract none.
    pub(super) fn fit(
        powers: ArrayView2<'_, f32>,
        training: &[bool],
        coarser: Option<&[&[usize]]>,
        target: TargetVariance,
        options: &InputsOptions,
    ) -> Option<Self> {
        let mut scaler = StandardScaler::fit(powers, training, options.min_std, options.clip);
        if scaler.kept.is_empty() || target.weight <= 0.0 {
            return None;
        }
        // One common unit: a band in which sources are loud must remain the loud one.
        scaler.keep_units();
        let mut standard = scaler.apply(powers);
        let deflation = coarser.map(|coarser| {
            let fitted = Deflation::fit(standard.view(), training, coarser, options);
            fitted.apply(&mut standard, coarser);
            fitted
        });
        let rows = training_rows(standard.mapv(f64::from).view(), training);
        let mut principal = Projection::principal(rows.view(), COMPONENTS, false);
        let own = rows.var_axis(Axis(0), 0.0).sum();
        principal.map *= target.weight * (target.others / own.max(f64::MIN_POSITIVE)).sqrt();
        let weight = deflation.is_none().then_some(target.weight);
        Some(Self {
            scaler,
            deflation,
            principal,
            weight,
        })
    }

    /// `(window, component)`.
    pub(super) fn project(&self, powers: ArrayView2<'_, f32>, coarser: &[&[usize]]) -> Array2<f64> {
        let mut standard = self.scaler.apply(powers);
        if let Some(deflation) = &self.deflation {
            deflation.apply(&mut standard, coarser);
        }
        self.principal.apply(standard.mapv(f64::from).view())
    }

    pub(super) fn is_consistent(&self) -> bool {
        let n_kept = self.scaler.kept.len();
        let deflation = self.deflation.as_ref();
        self.scaler.is_consistent()
            && deflation.is_none_or(|deflation| deflation.is_consistent(n_kept))
            && self.principal.is_consistent()
            && self.principal.map.nrows() == n_kept
            && self.weight.is_none_or(f64::is_finite)
    }
}
