//! Inputs and first clusters of every scale, fitted once and applied to new records.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::features::feature_len;
use super::fit::{ScaleContext, start_error};
use super::levels::level_len;
use super::options::FinestLevels;
use super::scale::{ScaleInputs, ScaleWindows};
use super::source::{EnergyFeatures, FeatureSource, WindowFeatures};
use super::{
    BlockSegment, CoefficientTable, EnergySegment, InputsError, InputsOptions, ScaleRole,
    WindowLayout,
};

/// Fitted inputs: everything that turns pooled coefficients into network inputs and first clusters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeaturePipeline {
    /// Rows of the coefficient arrays it was fitted on.
    pub table: CoefficientTable,
    /// Its windows.
    pub layout: WindowLayout,
    /// Its options.
    pub options: InputsOptions,
    /// One entry a scale, ascending.
    pub scales: Vec<ScaleInputs>,
}

impl FeaturePipeline {
    /// Fits inputs and first clusters, and returns them for the windows of the given segments.
    ///
    /// `training`: for each segment, which of its windows may be learned from (standardisation, components, cell means
    /// and clusters see no others). Scales are fitted from the largest down. The result has one entry a scale,
    /// ascending.
    ///
    /// # Errors
    /// What [`BlockSegment::energies`], [`WindowLayout::check`] and [`InputsOptions::check`] say;
    /// [`InputsError::TooFewWindows`], [`InputsError::Constant`], [`InputsError::Start`].
    pub fn fit(
        table: &CoefficientTable,
        segments: &[BlockSegment],
        layout: &WindowLayout,
        training: &[Vec<bool>],
        options: &InputsOptions,
    ) -> Result<(Self, Vec<ScaleWindows>), InputsError> {
        let energies = energies(table, segments)?;
        Self::fit_energies(table, &energies, layout, training, options)
    }

    /// [`fit`](Self::fit) on energies, a fifth of the memory: reduce each segment with [`BlockSegment::energies`] as it
    /// is read.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_energies(
        table: &CoefficientTable,
        segments: &[EnergySegment],
        layout: &WindowLayout,
        training: &[Vec<bool>],
        options: &InputsOptions,
    ) -> Result<(Self, Vec<ScaleWindows>), InputsError> {
        let source = EnergyFeatures::new(table, segments, layout)?;
        Self::fit_source(table, &source, training, options)
    }

    /// [`fit`](Self::fit) on features that were made once, for fits that differ in options or training windows.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_features(
        table: &CoefficientTable,
        features: &WindowFeatures,
        training: &[Vec<bool>],
        options: &InputsOptions,
    ) -> Result<(Self, Vec<ScaleWindows>), InputsError> {
        Self::fit_source(table, features, training, options)
    }

    fn fit_source(
        table: &CoefficientTable,
        source: &impl FeatureSource,
        training: &[Vec<bool>],
        options: &InputsOptions,
    ) -> Result<(Self, Vec<ScaleWindows>), InputsError> {
        let layout = source.layout();
        options.check(layout)?;
        let runs = source.runs();
        let training = flatten(training, runs)?;
        let mut scales = Vec::new();
        let mut outputs: Vec<ScaleWindows> = Vec::new();
        for scale in (0..layout.scales.len()).rev() {
            let features = source.of_scale(scale)?;
            let context = ScaleContext {
                layout,
                options,
                scale,
                runs,
            };
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let (fitted, output) = context.fit(&features, &training, &coarser)?;
            scales.push(fitted);
            outputs.push(output);
        }
        scales.reverse();
        outputs.reverse();
        let fitted = Self {
            table: table.clone(),
            layout: layout.clone(),
            options: options.clone(),
            scales,
        };
        Ok((fitted, outputs))
    }

    /// Inputs and first clusters of new records, one entry a scale, ascending.
    ///
    /// On the segments it was fitted on it returns what [`fit`](Self::fit) returned. The hidden Markov model decodes
    /// each segment as one run.
    ///
    /// # Errors
    /// As [`BlockSegment::energies`]; [`InputsError::Damaged`] if the struct contradicts itself.
    pub fn transform(&self, segments: &[BlockSegment]) -> Result<Vec<ScaleWindows>, InputsError> {
        self.transform_energies(&energies(&self.table, segments)?)
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
            let features = source.of_scale(scale)?;
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let projected = self.scales[scale].project(&features, &coarser);
            let output = self.scales[scale]
                .output(projected, source.runs())
                .map_err(|source| start_error(&self.layout, scale, source))?;
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
            let n_features = feature_len(&rows, &self.layout, scale);
            let levels = fitted.levels.as_ref();
            let has_levels = self.options.finest_levels != FinestLevels::Off
                && self.layout.role(scale) == ScaleRole::Finest;
            if fitted.standardiser.n_features != n_features
                || levels.is_some_and(|levels| {
                    !has_levels || levels.standardiser.n_features != level_len(&rows)
                })
                || fitted
                    .amplitude
                    .as_ref()
                    .is_some_and(|amplitude| amplitude.standardiser.n_features != rows.power.len())
                || !fitted.is_consistent()
            {
                return damaged(format!(
                    "the parts of scale {} do not fit together",
                    self.layout.scales[scale]
                ));
            }
        }
        Ok(())
    }
}

fn energies(
    table: &CoefficientTable,
    segments: &[BlockSegment],
) -> Result<Vec<EnergySegment>, InputsError> {
    segments
        .iter()
        .enumerate()
        .map(|(index, segment)| segment.energies(table, index))
        .collect()
}

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
