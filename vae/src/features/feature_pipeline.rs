//! Inputs and initial clusters of every scale, fitted once and applied to new records.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::feature_source::EnergyFeatures;
use super::local_log_power::local_len;
use super::scale_fit::{ScaleFit, init_error};
use super::window_features::feature_len;
use super::{
    BlockSegment, CoefficientTable, EnergySegment, FeatureSource, InputsError, InputsOptions,
    LocalLogPower, ScaleInputs, ScaleRole, ScaleWindows, WindowLayout,
};
use crate::progress::{NoProgress, Progress};

/// Fitted transform from pooled coefficients to network inputs and initial clusters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeaturePipeline {
    /// Rows of the coefficient arrays it was fitted on.
    pub table: CoefficientTable,
    /// Blocks, scales and stride.
    pub layout: WindowLayout,
    /// Options of the fit.
    pub options: InputsOptions,
    /// One entry a scale, ascending.
    pub scales: Vec<ScaleInputs>,
}

impl FeaturePipeline {
    /// Fits inputs and initial clusters, and returns them for the windows of the source; one entry a scale, ascending.
    ///
    /// `training`: for each segment, true for the windows to fit on (standardisation, components, cell means and
    /// clusters use no others). Scales are fitted from the largest down; each advances `progress` by one.
    ///
    /// # Errors
    /// As [`InputsOptions::check`]; [`InputsError::TooFewWindows`], [`InputsError::Constant`], [`InputsError::Init`],
    /// [`InputsError::Cancelled`].
    pub fn fit(
        source: &impl FeatureSource,
        training: &[Vec<bool>],
        options: &InputsOptions,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<ScaleWindows>), InputsError> {
        let layout = source.layout();
        options.check(layout)?;
        let runs = source.runs();
        let training = flatten(training, runs)?;
        let mut scales = Vec::new();
        let mut outputs: Vec<ScaleWindows> = Vec::new();
        // Finer scales are deflated by the clusters of coarser ones, so the largest comes first.
        for scale in (0..layout.scales.len()).rev() {
            let features = source.of_scale(scale, progress)?;
            let fit = ScaleFit {
                layout,
                options,
                scale,
                runs,
                training: &training,
                progress,
            };
            let (fitted, output) = fit.fit(&features, &labels(&outputs))?;
            scales.push(fitted);
            outputs.push(output);
            progress.advance(1);
        }
        scales.reverse();
        outputs.reverse();
        let fitted = Self {
            table: source.table().clone(),
            layout: layout.clone(),
            options: options.clone(),
            scales,
        };
        Ok((fitted, outputs))
    }

    /// Inputs and initial clusters of new records, one entry a scale, ascending.
    ///
    /// On the segments it was fitted on it returns the result of [`fit`](Self::fit). The hidden Markov model decodes
    /// each segment as one run.
    ///
    /// # Errors
    /// As [`BlockSegment::energies`]; [`InputsError::Damaged`] if the struct contradicts itself.
    pub fn transform(&self, segments: &[BlockSegment]) -> Result<Vec<ScaleWindows>, InputsError> {
        let energies: Result<Vec<EnergySegment>, InputsError> = segments
            .iter()
            .enumerate()
            .map(|(index, segment)| segment.energies(&self.table, index))
            .collect();
        self.transform_energies(&energies?)
    }

    /// [`transform`](Self::transform) on energies.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn transform_energies(
        &self,
        segments: &[EnergySegment],
    ) -> Result<Vec<ScaleWindows>, InputsError> {
        self.check()?;
        let source = EnergyFeatures::new(&self.table, segments, &self.layout)?;
        let mut outputs: Vec<ScaleWindows> = Vec::new();
        for scale in (0..self.layout.scales.len()).rev() {
            let features = source.of_scale(scale, &NoProgress)?;
            let projected = self.scales[scale].project(&features, &labels(&outputs));
            let output = self.scales[scale]
                .output(projected, source.runs())
                .map_err(|source| init_error(&self.layout, scale, source))?;
            outputs.push(output);
        }
        outputs.reverse();
        Ok(outputs)
    }

    /// Number of inputs of a scale.
    pub fn n_inputs(&self, scale: usize) -> usize {
        self.scales[scale].n_inputs()
    }

    /// Checks a struct that came from a file.
    ///
    /// # Errors
    /// [`InputsError::Damaged`], [`InputsError::Layout`], [`InputsError::Option`], [`InputsError::Table`].
    pub fn check(&self) -> Result<(), InputsError> {
        self.layout.check()?;
        self.options.check(&self.layout)?;
        let rows = self.table.energy_rows()?;
        let damaged = |what: String| Err(InputsError::Damaged { what });
        if self.scales.len() != self.layout.scales.len() {
            return damaged(format!(
                "{} fitted scales for {} scales of the layout",
                self.scales.len(),
                self.layout.scales.len()
            ));
        }
        for (scale, fitted) in self.scales.iter().enumerate() {
            let has_local = self.options.local_log_power != LocalLogPower::Off
                && self.layout.role(scale) == ScaleRole::Finest;
            let local = fitted.local_log_power.as_ref();
            let absolute = fitted.log_power.as_ref();
            let fits = fitted.scaler.n_features == feature_len(&rows, &self.layout, scale)
                && local
                    .is_none_or(|inputs| has_local && inputs.scaler.n_features == local_len(&rows))
                && absolute.is_none_or(|inputs| inputs.scaler.n_features == rows.power.len())
                && fitted.is_consistent();
            if !fits {
                return damaged(format!(
                    "the parts of scale {} do not fit together",
                    self.layout.scales[scale]
                ));
            }
        }
        Ok(())
    }
}

/// Labels of the scales fitted so far.
fn labels(outputs: &[ScaleWindows]) -> Vec<&[usize]> {
    outputs.iter().map(|out| out.labels.as_slice()).collect()
}

/// One mask for all windows, from one a segment.
fn flatten(training: &[Vec<bool>], runs: &[Range<usize>]) -> Result<Vec<bool>, InputsError> {
    if training.len() != runs.len() {
        return Err(InputsError::Shape {
            segment: training.len().min(runs.len()),
            what: format!(
                "training masks for {} segments, {} segments given",
                training.len(),
                runs.len()
            ),
        });
    }
    let mut flat = Vec::with_capacity(runs.last().map_or(0, |run| run.end));
    for (segment, (mask, run)) in training.iter().zip(runs).enumerate() {
        if mask.len() != run.len() {
            return Err(InputsError::Shape {
                segment,
                what: format!(
                    "a training mask of {} for {} windows",
                    mask.len(),
                    run.len()
                ),
            });
        }
        flat.extend_from_slice(mask);
    }
    Ok(flat)
}
