//! Inputs and first clusters of every scale, fitted once and applied to new records.

use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::features::{feature_len, scale_features};
use super::fit::{ScaleContext, start_error};
use super::levels::{level_len, levels};
use super::options::FinestLevels;
use super::scale::{ScaleInputs, ScaleWindows};
use super::{
    BlockSegment, CoefficientTable, EnergyRows, EnergySegment, InputsError, InputsOptions,
    ScaleRole, WindowLayout,
};

/// Fitted inputs: everything that turns pooled coefficients into network inputs and first clusters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FittedInputs {
    /// Rows of the coefficient arrays it was fitted on.
    pub table: CoefficientTable,
    /// Its windows.
    pub layout: WindowLayout,
    /// Its options.
    pub options: InputsOptions,
    /// One entry a scale, ascending.
    pub scales: Vec<ScaleInputs>,
}

/// Windows of all segments of a call, laid out one segment after the other.
struct Windows {
    runs: Vec<Range<usize>>,
    total: usize,
}

impl Windows {
    fn of(segments: &[EnergySegment], layout: &WindowLayout) -> Self {
        let mut total = 0;
        let runs = segments
            .iter()
            .map(|segment| {
                let begin = total;
                total += layout.n_windows(segment.n_blocks());
                begin..total
            })
            .collect();
        Self { runs, total }
    }
}

impl FittedInputs {
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
        layout.check()?;
        options.check(layout)?;
        let rows = table.energy_rows()?;
        check_segments(segments, &rows)?;
        let windows = Windows::of(segments, layout);
        let training = flatten(training, &windows)?;
        let mut scales = Vec::new();
        let mut outputs: Vec<ScaleWindows> = Vec::new();
        for scale in (0..layout.scales.len()).rev() {
            let features = scale_features(segments, &rows, layout, scale)?;
            let levels = levels_of(segments, &rows, layout, options, scale);
            let context = ScaleContext {
                layout,
                options,
                scale,
                runs: &windows.runs,
            };
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let (fitted, output) = context.fit(
                features.view(),
                levels.as_ref().map(|l| l.view()),
                &training,
                &coarser,
            )?;
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
        let rows = self.table.energy_rows()?;
        check_segments(segments, &rows)?;
        let windows = Windows::of(segments, &self.layout);
        let mut outputs: Vec<ScaleWindows> = Vec::new();
        for scale in (0..self.layout.scales.len()).rev() {
            let features = scale_features(segments, &rows, &self.layout, scale)?;
            let levels = levels_of(segments, &rows, &self.layout, &self.options, scale);
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let projected = self.scales[scale].project(
                features.view(),
                levels.as_ref().map(|l| l.view()),
                &coarser,
            );
            let output = self.scales[scale]
                .output(projected, &windows.runs)
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

/// Levels of the finest scale's windows, if they are wanted.
fn levels_of(
    segments: &[EnergySegment],
    rows: &EnergyRows,
    layout: &WindowLayout,
    options: &InputsOptions,
    scale: usize,
) -> Option<Array2<f32>> {
    let wanted =
        options.finest_levels != FinestLevels::Off && layout.role(scale) == ScaleRole::Finest;
    wanted.then(|| levels(segments, rows, layout))
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

fn check_segments(segments: &[EnergySegment], rows: &EnergyRows) -> Result<(), InputsError> {
    for (segment, energies) in segments.iter().enumerate() {
        let (_, channels, found) = energies.energies.dim();
        let expected = segments[0].n_channels();
        if found != rows.len() || channels != expected || channels == 0 {
            return Err(InputsError::Shape {
                segment,
                what: format!(
                    "{channels} channels of {found} energies, expected {} of {}",
                    expected.max(1),
                    rows.len()
                ),
            });
        }
    }
    Ok(())
}

fn flatten(training: &[Vec<bool>], windows: &Windows) -> Result<Vec<bool>, InputsError> {
    if training.len() != windows.runs.len() {
        return Err(InputsError::Shape {
            segment: training.len().min(windows.runs.len()),
            what: format!(
                "training masks for {} segments, {} segments given",
                training.len(),
                windows.runs.len()
            ),
        });
    }
    let mut flat = Vec::with_capacity(windows.total);
    for (segment, (mask, run)) in training.iter().zip(&windows.runs).enumerate() {
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
