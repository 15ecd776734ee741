//! Where a fit gets its features from: made scale by scale as they are needed, or once for many fits.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::amplitude::log_powers;
use super::features::scale_features;
use super::levels::levels;
use super::{CoefficientTable, EnergyRows, EnergySegment, InputsError, ScaleRole, WindowLayout};

/// Features of one scale, levels at the finest, and powers, `(window, ..)`, segments one after the other.
#[derive(Debug, Clone)]
pub(super) struct ScaleFeatures {
    pub(super) features: Array2<f32>,
    pub(super) levels: Option<Array2<f32>>,
    /// Log powers, `(window, wavelet)`.
    pub(super) powers: Array2<f32>,
}

/// Gives the features of each scale.
pub(super) trait FeatureSource {
    /// Windows.
    fn layout(&self) -> &WindowLayout;

    /// Windows of each segment.
    fn runs(&self) -> &[Range<usize>];

    /// Features of a scale.
    fn of_scale(&self, scale: usize) -> Result<Cow<'_, ScaleFeatures>, InputsError>;
}

/// Features made from energies when they are asked for, so that one scale's are in memory at a time.
pub(super) struct EnergyFeatures<'a> {
    segments: &'a [EnergySegment],
    layout: &'a WindowLayout,
    rows: EnergyRows,
    runs: Vec<Range<usize>>,
}

impl<'a> EnergyFeatures<'a> {
    pub(super) fn new(
        table: &CoefficientTable,
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
        let runs = runs.collect();
        Ok(Self {
            segments,
            layout,
            rows,
            runs,
        })
    }
}

impl FeatureSource for EnergyFeatures<'_> {
    fn layout(&self) -> &WindowLayout {
        self.layout
    }

    fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    fn of_scale(&self, scale: usize) -> Result<Cow<'_, ScaleFeatures>, InputsError> {
        let finest = self.layout.role(scale) == ScaleRole::Finest;
        Ok(Cow::Owned(ScaleFeatures {
            features: scale_features(self.segments, &self.rows, self.layout, scale)?,
            levels: finest.then(|| levels(self.segments, &self.rows, self.layout)),
            powers: log_powers(self.segments, &self.rows, self.layout, scale),
        }))
    }
}

/// Features of all scales, for fits that differ in options or training windows; some 1.5 kB a window and scale.
#[derive(Debug, Clone)]
pub struct WindowFeatures {
    layout: WindowLayout,
    runs: Vec<Range<usize>>,
    scales: Vec<ScaleFeatures>,
}

impl WindowFeatures {
    /// Features of all windows of the segments.
    ///
    /// # Errors
    /// As [`FeaturePipeline::fit`](super::FeaturePipeline::fit), what concerns table, layout and segments.
    pub fn new(
        table: &CoefficientTable,
        segments: &[EnergySegment],
        layout: &WindowLayout,
    ) -> Result<Self, InputsError> {
        let source = EnergyFeatures::new(table, segments, layout)?;
        let scales = (0..layout.scales.len())
            .map(|scale| Ok(source.of_scale(scale)?.into_owned()))
            .collect::<Result<_, InputsError>>()?;
        Ok(Self {
            layout: layout.clone(),
            runs: source.runs,
            scales,
        })
    }

    /// Blocks, scales and stride.
    pub fn layout(&self) -> &WindowLayout {
        &self.layout
    }

    /// Windows of each segment.
    pub fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    /// Features of a scale, `(window, feature)`, segments one after the other.
    pub fn features(&self, scale: usize) -> ArrayView2<'_, f32> {
        self.scales[scale].features.view()
    }

    /// Puts other features of the same windows in place of a scale's, to compare features by the same steps; what is fitted on
    /// them is for these windows only.
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
    fn layout(&self) -> &WindowLayout {
        &self.layout
    }

    fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    fn of_scale(&self, scale: usize) -> Result<Cow<'_, ScaleFeatures>, InputsError> {
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
