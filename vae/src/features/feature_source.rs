//! Sources of features for a fit: computed scale by scale when needed, or once for many fits.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::local_log_power::local_log_power;
use super::log_energy::log_powers;
use super::window_features::scale_features;
use super::{CoefficientTable, EnergyRows, EnergySegment, InputsError, ScaleRole, WindowLayout};
use crate::progress::{NoProgress, Progress};

/// Features of one scale and its log powers, `(window, ..)`, segments one after the other.
#[derive(Debug, Clone)]
pub struct ScaleFeatures {
    pub(super) features: Array2<f32>,
    /// At the finest scale only.
    pub(super) local_log_power: Option<Array2<f32>>,
    /// `(window, wavelet)`.
    pub(super) log_power: Array2<f32>,
}

/// Source of the features of each scale.
pub trait FeatureSource {
    /// Coefficient table of the segments.
    fn table(&self) -> &CoefficientTable;

    /// Blocks, scales and stride.
    fn layout(&self) -> &WindowLayout;

    /// Windows of each segment.
    fn runs(&self) -> &[Range<usize>];

    /// Features of a scale.
    ///
    /// # Errors
    /// [`InputsError::Cancelled`].
    fn of_scale(
        &self,
        scale: usize,
        progress: &dyn Progress,
    ) -> Result<Cow<'_, ScaleFeatures>, InputsError>;
}

/// Features computed from energies on demand, so that those of one scale are in memory at a time.
pub struct EnergyFeatures<'a> {
    table: &'a CoefficientTable,
    pub(super) segments: &'a [EnergySegment],
    layout: &'a WindowLayout,
    pub(super) rows: EnergyRows,
    runs: Vec<Range<usize>>,
}

impl<'a> EnergyFeatures<'a> {
    /// Checks that table, layout and segments fit together.
    ///
    /// # Errors
    /// [`InputsError::Layout`], [`InputsError::Table`], [`InputsError::Shape`].
    pub fn new(
        table: &'a CoefficientTable,
        segments: &'a [EnergySegment],
        layout: &'a WindowLayout,
    ) -> Result<Self, InputsError> {
        layout.check()?;
        let rows = table.energy_rows()?;
        check_segments(segments, &rows)?;
        let mut end = 0;
        let runs = segments.iter().map(|segment| {
            let begin = end;
            end += layout.n_windows(segment.n_blocks());
            begin..end
        });
        Ok(Self {
            table,
            segments,
            layout,
            runs: runs.collect(),
            rows,
        })
    }

    /// One row per window, segments one after the other; `fill` computes the rows of a segment that has windows.
    pub(super) fn per_window(
        &self,
        width: usize,
        progress: &dyn Progress,
        mut fill: impl FnMut(&EnergySegment, &mut [f32]),
    ) -> Result<Array2<f32>, InputsError> {
        let n_windows = self.runs.last().map_or(0, |run| run.end);
        let mut values = Array2::<f32>::zeros((n_windows, width));
        let mut rest = values.as_slice_mut().unwrap_or(&mut []);
        for (segment, run) in self.segments.iter().zip(&self.runs) {
            if progress.cancelled() {
                return Err(InputsError::Cancelled);
            }
            let (here, later) = rest.split_at_mut(run.len() * width);
            rest = later;
            if !run.is_empty() {
                fill(segment, here);
            }
        }
        Ok(values)
    }
}

impl FeatureSource for EnergyFeatures<'_> {
    fn table(&self) -> &CoefficientTable {
        self.table
    }

    fn layout(&self) -> &WindowLayout {
        self.layout
    }

    fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    fn of_scale(
        &self,
        scale: usize,
        progress: &dyn Progress,
    ) -> Result<Cow<'_, ScaleFeatures>, InputsError> {
        let finest = self.layout.role(scale) == ScaleRole::Finest;
        Ok(Cow::Owned(ScaleFeatures {
            features: scale_features(self, scale, progress)?,
            local_log_power: finest
                .then(|| local_log_power(self, progress))
                .transpose()?,
            log_power: log_powers(self, scale, progress)?,
        }))
    }
}

/// Features of all scales in memory, for fits that differ in options or training windows; some 1.5 kB a window and
/// scale.
#[derive(Debug, Clone)]
pub struct WindowFeatures {
    table: CoefficientTable,
    layout: WindowLayout,
    runs: Vec<Range<usize>>,
    scales: Vec<ScaleFeatures>,
}

impl WindowFeatures {
    /// Features of all windows of the segments.
    ///
    /// # Errors
    /// As [`EnergyFeatures::new`].
    pub fn new(
        table: &CoefficientTable,
        segments: &[EnergySegment],
        layout: &WindowLayout,
    ) -> Result<Self, InputsError> {
        Self::with_progress(&EnergyFeatures::new(table, segments, layout)?, &NoProgress)
    }

    /// Features of all windows of a source.
    ///
    /// # Errors
    /// [`InputsError::Cancelled`].
    pub fn with_progress(
        source: &EnergyFeatures<'_>,
        progress: &dyn Progress,
    ) -> Result<Self, InputsError> {
        let scales = (0..source.layout.scales.len())
            .map(|scale| Ok(source.of_scale(scale, progress)?.into_owned()))
            .collect::<Result<_, InputsError>>()?;
        Ok(Self {
            table: source.table.clone(),
            layout: source.layout.clone(),
            runs: source.runs.clone(),
            scales,
        })
    }

    /// Features of a scale, `(window, feature)`, segments one after the other.
    pub fn features(&self, scale: usize) -> ArrayView2<'_, f32> {
        self.scales[scale].features.view()
    }

    /// Replaces a scale's features by others of the same windows, to compare features by the same steps; a fit to
    /// them is valid for these windows only.
    ///
    /// # Errors
    /// [`InputsError::Shape`] if the number of windows differs.
    pub fn replace(&mut self, scale: usize, features: Array2<f32>) -> Result<(), InputsError> {
        let own = &mut self.scales[scale].features;
        let (expected, found) = (own.nrows(), features.nrows());
        if found != expected {
            let what = format!("{found} windows of features, expected {expected}");
            return Err(InputsError::Shape { segment: 0, what });
        }
        *own = features;
        Ok(())
    }
}

impl FeatureSource for WindowFeatures {
    fn table(&self) -> &CoefficientTable {
        &self.table
    }

    fn layout(&self) -> &WindowLayout {
        &self.layout
    }

    fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    fn of_scale(
        &self,
        scale: usize,
        _progress: &dyn Progress,
    ) -> Result<Cow<'_, ScaleFeatures>, InputsError> {
        Ok(Cow::Borrowed(&self.scales[scale]))
    }
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
