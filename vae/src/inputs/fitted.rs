//! Inputs and first clusters of every scale, fitted once and applied to new records.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::deflate::Deflation;
use super::features::{feature_len, scale_features};
use super::project::{Projection, Standardiser};
use super::{
    BlockSegment, CoefficientTable, EnergyRows, EnergySegment, InputsError, InputsOptions,
    ScaleRole, StartMethod, WindowLayout,
};
use crate::start::{
    Hmm, HmmOptions, KMeans, KMeansOptions, Mixture, MixtureOptions, StartError, argmax,
};

/// The clusters a scale starts with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartModel {
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
    pub standardiser: Standardiser,
    /// Cell means of the coarser clusters (empty at the largest scale or when switched off).
    pub deflation: Deflation,
    /// Whether features pass through asinh after deflation.
    pub asinh: bool,
    /// Principal components.
    pub principal: Projection,
    /// Slow directions within the principal components.
    pub slow: Option<Projection>,
    /// Factor on the inputs that are handed out, so that their mean variance over training windows is 1.
    pub scale: f64,
    /// First clusters.
    pub start: StartModel,
}

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
            let features = scale_features(segments, &rows, layout, options, scale)?;
            let context = ScaleContext {
                layout,
                options,
                scale,
                windows: &windows,
            };
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let (fitted, output) = context.fit(features.view(), &training, &coarser)?;
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
            let features = scale_features(segments, &rows, &self.layout, &self.options, scale)?;
            let coarser: Vec<&[usize]> = outputs.iter().map(|out| out.labels.as_slice()).collect();
            let projected = self.scales[scale].project(features.view(), &coarser);
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
        let fitted = &self.scales[scale];
        fitted
            .slow
            .as_ref()
            .unwrap_or(&fitted.principal)
            .map
            .ncols()
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
            let n_features = feature_len(&rows, &self.layout, &self.options, scale);
            if fitted.standardiser.n_features != n_features || !fitted.is_consistent() {
                return damaged(format!(
                    "the parts of scale {} do not fit together",
                    self.layout.scales[scale]
                ));
            }
        }
        Ok(())
    }
}

impl ScaleInputs {
    /// Standardised, deflated, projected features; not yet scaled for handing out.
    fn project(&self, features: ArrayView2<'_, f32>, coarser: &[&[usize]]) -> Array2<f64> {
        let mut standard = self.standardiser.apply(features);
        self.deflation.apply(&mut standard, coarser);
        let values = bend(standard, self.asinh);
        let components = self.principal.apply(values.view());
        match &self.slow {
            Some(slow) => slow.apply(components.view()),
            None => components,
        }
    }

    fn output(
        &self,
        projected: Array2<f64>,
        runs: &[Range<usize>],
    ) -> Result<ScaleWindows, StartError> {
        let posteriors = match &self.start {
            StartModel::KMeans(model) => {
                let labels = model.predict(projected.view())?;
                let n_clusters = model.centers.nrows();
                Array2::from_shape_fn((labels.len(), n_clusters), |(row, cluster)| {
                    f64::from(u8::from(labels[row] == cluster))
                })
            }
            StartModel::Mixture(model) => model.posteriors(projected.view())?,
            StartModel::Hmm(model) => model.posteriors(projected.view(), runs)?,
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

    fn is_consistent(&self) -> bool {
        let n_kept = self.standardiser.kept.len();
        let n_inputs = match &self.slow {
            Some(slow) => {
                if !slow.is_consistent() || slow.map.nrows() != self.principal.map.ncols() {
                    return false;
                }
                slow.map.ncols()
            }
            None => self.principal.map.ncols(),
        };
        let start = match &self.start {
            StartModel::KMeans(model) => model.centers.ncols() == n_inputs,
            StartModel::Mixture(model) => {
                model.gaussians.is_consistent() && model.gaussians.means.ncols() == n_inputs
            }
            StartModel::Hmm(model) => {
                model.is_consistent() && model.gaussians.means.ncols() == n_inputs
            }
        };
        self.standardiser.is_consistent()
            && self.deflation.is_consistent(n_kept)
            && self.principal.is_consistent()
            && self.principal.map.nrows() == n_kept
            && self.scale.is_finite()
            && start
    }
}

/// What the fit of one scale needs to know.
struct ScaleContext<'a> {
    layout: &'a WindowLayout,
    options: &'a InputsOptions,
    scale: usize,
    windows: &'a Windows,
}

impl ScaleContext<'_> {
    fn fit(
        &self,
        features: ArrayView2<'_, f32>,
        training: &[bool],
        coarser: &[&[usize]],
    ) -> Result<(ScaleInputs, ScaleWindows), InputsError> {
        let options = self.options;
        let role = self.layout.role(self.scale);
        let scale_samples = self.layout.scales[self.scale];
        let n_training = training.iter().filter(|&&keep| keep).count();
        let needed = options.clusters(self.scale).max(2);
        if n_training < needed {
            return Err(InputsError::TooFewWindows {
                scale_samples,
                found: n_training,
                needed,
            });
        }
        let levels = options.finest_levels && role == ScaleRole::Finest;
        let mut standardiser = Standardiser::fit(features, training, options.min_std, options.clip);
        if levels {
            standardiser.keep_units();
        }
        if standardiser.kept.is_empty() {
            return Err(InputsError::Constant { scale_samples });
        }
        let mut standard = standardiser.apply(features);
        let deflation = if options.deflation && !levels {
            Deflation::fit(standard.view(), training, coarser, options.min_cell_windows)
        } else {
            Deflation::default()
        };
        deflation.apply(&mut standard, coarser);
        let asinh = options.asinh && role == ScaleRole::Finest && !levels;
        let values = bend(standard, asinh);
        let principal = Projection::principal(
            training_rows(values.view(), training).view(),
            self.n_components(role, n_training),
            options.whitening && !levels,
        );
        let components = principal.apply(values.view());
        let slow = (options.temporal_whitening && role != ScaleRole::Finest)
            .then(|| self.slow(role, components.view(), training));
        let projected = match &slow {
            Some(slow) => slow.apply(components.view()),
            None => components,
        };
        let rows = training_rows(projected.view(), training);
        let spread = rows.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
        let start = self
            .start(rows.view(), &self.training_runs(training))
            .map_err(|source| start_error(self.layout, self.scale, source))?;
        let fitted = ScaleInputs {
            standardiser,
            deflation,
            asinh,
            principal,
            slow,
            scale: if spread > 0.0 {
                spread.sqrt().recip()
            } else {
                1.0
            },
            start,
        };
        let output = fitted
            .output(projected, &self.windows.runs)
            .map_err(|source| start_error(self.layout, self.scale, source))?;
        Ok((fitted, output))
    }

    fn n_components(&self, role: ScaleRole, _n_training: usize) -> usize {
        match role {
            ScaleRole::Finest => self.options.finest_components,
            ScaleRole::Largest | ScaleRole::Middle => self.options.components,
        }
    }

    fn slow(
        &self,
        role: ScaleRole,
        components: ArrayView2<'_, f64>,
        training: &[bool],
    ) -> Projection {
        let apart = self.layout.overlap(self.scale);
        let mut pairs = Vec::new();
        for run in &self.windows.runs {
            for later in run.start + apart..run.end.max(run.start + apart) {
                if training[later] && training[later - apart] {
                    pairs.push((later - apart, later));
                }
            }
        }
        let (keep, unit_change) = match role {
            ScaleRole::Largest => (self.options.largest_slow, true),
            ScaleRole::Middle | ScaleRole::Finest => (self.options.middle_slow, false),
        };
        Projection::slow(
            components,
            &pairs,
            keep,
            self.options.slow_ridge,
            unit_change,
        )
    }

    fn training_runs(&self, training: &[bool]) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut at = 0;
        for segment in &self.windows.runs {
            let mut begin = at;
            for window in segment.clone() {
                if training[window] {
                    at += 1;
                } else if at > begin {
                    runs.push(begin..at);
                    begin = at;
                }
            }
            if at > begin {
                runs.push(begin..at);
            }
        }
        runs
    }

    fn start(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
    ) -> Result<StartModel, StartError> {
        let n_clusters = self.options.clusters(self.scale);
        // Seeds of neighbouring runs must not meet at other scales.
        let seed = self.options.seed ^ (self.scale as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // One covariance for all clusters is a whitening by another name.
        let levels =
            self.options.finest_levels && self.layout.role(self.scale) == ScaleRole::Finest;
        let method = if levels {
            StartMethod::KMeans
        } else {
            self.options.start
        };
        Ok(match method {
            StartMethod::KMeans => {
                StartModel::KMeans(KMeans::fit(rows, &KMeansOptions::new(n_clusters, seed))?)
            }
            StartMethod::Mixture => {
                StartModel::Mixture(Mixture::fit(rows, &MixtureOptions::new(n_clusters, seed))?)
            }
            StartMethod::Hmm => {
                let mut options = HmmOptions::new(n_clusters, seed);
                options.emission_exponent = self.options.exponent(self.layout, self.scale);
                options.initial_stay = options
                    .initial_stay
                    .powf(1.0 / self.layout.overlap(self.scale) as f64);
                StartModel::Hmm(Hmm::fit(rows, runs, &options)?)
            }
        })
    }
}

fn start_error(layout: &WindowLayout, scale: usize, source: StartError) -> InputsError {
    InputsError::Start {
        scale_samples: layout.scales[scale],
        source,
    }
}

fn bend(standard: Array2<f32>, asinh: bool) -> Array2<f64> {
    standard.mapv(|value| {
        let value = f64::from(value);
        if asinh { value.asinh() } else { value }
    })
}

fn training_rows(values: ArrayView2<'_, f64>, training: &[bool]) -> Array2<f64> {
    let rows: Vec<usize> = (0..values.nrows()).filter(|&row| training[row]).collect();
    values.select(Axis(0), &rows)
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
