//! The features of arXiv 2305.16189, made from blocks.
//!
//! `scat+cov` at every scale, divided by the sigma of the enclosing largest window (each_ps): with
//! `sigma_j^2 = mean |W_j x|^2` over that window, `phaseenv` by `sigma_j2 sigma_j1`, `envelope` by
//! `sigma_j1 sigma_j1'`, `spars` and `scat` by `sigma_j1`, `ps` by `sigma_j^2`, `mean` by `sigma_J`. A sigma of 0 gives
//! 0. Real and imaginary parts lie side by side: 420 numbers a channel and scale at J = 8.

use std::ops::Range;

use nalgebra::Complex;
use ndarray::{Array3, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{BlockSegment, CoefficientKind, CoefficientTable, InputsError, WindowLayout};

/// Plan of the paper's features for one table and layout.
#[derive(Debug, Clone)]
pub struct PaperFeatures {
    table: CoefficientTable,
    layout: WindowLayout,
    power: Vec<usize>,
    /// Per row, the wavelets whose sigmas divide it.
    divisors: Vec<(usize, Option<usize>)>,
}

impl PaperFeatures {
    /// Checks table and layout.
    ///
    /// # Errors
    /// [`InputsError::Layout`]; [`InputsError::Table`] if a row names a wavelet without a power-spectrum row.
    pub fn plan(table: &CoefficientTable, layout: &WindowLayout) -> Result<Self, InputsError> {
        layout.check()?;
        let power = table.energy_rows()?.power;
        let band = |j: i32, row: usize| {
            usize::try_from(j)
                .ok()
                .filter(|&j| j < power.len())
                .ok_or_else(|| InputsError::Table {
                    what: format!(
                        "names wavelet {j} in row {row}, which has no power-spectrum row"
                    ),
                })
        };
        let divisors = table
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let left = band(row.j1_left, index)?;
                let right = match row.kind {
                    CoefficientKind::Sparsity
                    | CoefficientKind::Mean
                    | CoefficientKind::Scattering
                    | CoefficientKind::Raw => None,
                    CoefficientKind::PowerSpectrum
                    | CoefficientKind::PhaseEnvelope
                    | CoefficientKind::Envelope => Some(band(row.j1_right, index)?),
                };
                Ok((left, right))
            })
            .collect::<Result<_, InputsError>>()?;
        Ok(Self {
            table: table.clone(),
            layout: layout.clone(),
            power,
            divisors,
        })
    }

    /// Numbers a channel and scale: two a coefficient.
    pub fn n_features(&self) -> usize {
        2 * self.table.len()
    }

    /// Features of some windows of a segment at one scale, `(window, channel, feature)`, not standardised.
    ///
    /// `scale` is an index into the layout's scales, `windows` a range of the segment's windows: take as many at a time
    /// as memory allows. `index` only names the segment in errors. Sums run in f64.
    ///
    /// # Errors
    /// [`InputsError::Shape`] if the array does not match the table or has fewer windows; [`InputsError::NotFinite`].
    pub fn process(
        &self,
        segment: &BlockSegment,
        index: usize,
        scale: usize,
        windows: Range<usize>,
    ) -> Result<Array3<f32>, InputsError> {
        segment.check(&self.table, index)?;
        let available = self.layout.n_windows(segment.n_blocks());
        if windows.end > available || scale >= self.layout.scales.len() {
            return Err(InputsError::Shape {
                segment: index,
                what: format!(
                    "windows up to {} at scale {scale} asked for, there are {available} at {} scales",
                    windows.end,
                    self.layout.scales.len()
                ),
            });
        }
        let n_channels = segment.coefficients.dim().1;
        let width = n_channels * self.n_features();
        let first = windows.start;
        let mut out = Array3::<f32>::zeros((windows.len(), n_channels, self.n_features()));
        let flat = out.as_slice_mut().unwrap_or(&mut []);
        // One window a task: windows overlap in what they read, never in what they write.
        flat.par_chunks_mut(width.max(1))
            .enumerate()
            .try_for_each(|(offset, out)| {
                self.window(segment, index, scale, first + offset, out)
            })?;
        Ok(out)
    }

    /// Coefficients of features that are not standardised, `(window, channel, coefficient)`: [`process`](Self::process)
    /// undone. `ln_power`: logarithms of the powers of each wavelet in the enclosing largest windows,
    /// `(window, channel * wavelet)`.
    ///
    /// # Errors
    /// [`InputsError::Shape`] if the arrays do not fit.
    pub fn denormalise(
        &self,
        features: &Array3<f32>,
        ln_power: ArrayView2<'_, f64>,
    ) -> Result<Array3<Complex<f64>>, InputsError> {
        let (n, channels, width) = features.dim();
        let bands = self.power.len();
        if width != self.n_features() || ln_power.dim() != (n, channels * bands) {
            return Err(InputsError::Shape {
                segment: 0,
                what: format!(
                    "features of shape {:?} and powers of shape {:?}",
                    features.dim(),
                    ln_power.dim()
                ),
            });
        }
        let shape = (n, channels, self.table.len());
        Ok(Array3::from_shape_fn(shape, |(window, channel, row)| {
            let sigma = |j: usize| (0.5 * ln_power[[window, channel * bands + j]]).exp();
            let (left, right) = self.divisors[row];
            // Inverts the division of `window`.
            let factor = sigma(left) * right.map_or(1.0, sigma);
            let part = |p: usize| f64::from(features[[window, channel, 2 * row + p]]) * factor;
            Complex::new(part(0), part(1))
        }))
    }

    fn window(
        &self,
        segment: &BlockSegment,
        index: usize,
        scale: usize,
        window: usize,
        out: &mut [f32],
    ) -> Result<(), InputsError> {
        let own = self.layout.block_range(scale, window);
        // each_ps: the largest window's power, so that features of all scales share one reference.
        let largest = self
            .layout
            .block_range(self.layout.scales.len() - 1, window);
        // Double precision: up to 256 blocks are summed before the quotient.
        let mut sums = vec![0.0f64; self.n_features()];
        for (channel, out) in out.chunks_mut(self.n_features()).enumerate() {
            sums.fill(0.0);
            for block in own.clone() {
                let values = segment.coefficients.index_axis(Axis(0), block);
                let values = values.index_axis(Axis(0), channel);
                for (sum, &value) in sums.iter_mut().zip(values.iter()) {
                    *sum += f64::from(value);
                }
            }
            if sums.iter().any(|sum| !sum.is_finite()) {
                return Err(InputsError::NotFinite {
                    segment: index,
                    block: own.start,
                    channel,
                });
            }
            let sigmas: Vec<f64> = self
                .power
                .iter()
                .map(|&row| {
                    let power =
                        |block: usize| f64::from(segment.coefficients[[block, channel, row, 0]]);
                    let sum: f64 = largest.clone().map(power).sum();
                    // A mean of squares on a coarse grid can be a rounding error below zero.
                    (sum / largest.len() as f64).max(0.0).sqrt()
                })
                .collect();
            for (row, &(left, right)) in self.divisors.iter().enumerate() {
                // A digitally silent channel has sigma 0; its features are 0, not NaN.
                let divisor = sigmas[left] * right.map_or(1.0, |right| sigmas[right]);
                let factor = if divisor > 0.0 {
                    (divisor * own.len() as f64).recip()
                } else {
                    0.0
                };
                for part in 0..2 {
                    out[2 * row + part] = (sums[2 * row + part] * factor) as f32;
                }
            }
        }
        Ok(())
    }
}

/// Mean and population standard deviation of each feature, channel and scale over training windows.
///
/// Gather with [`push`](Self::push), part by part; parts may be dropped afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaperScaler {
    /// Windows gathered.
    pub n_windows: u64,
    /// Mean, `channel * feature` entries.
    pub mean: Vec<f64>,
    /// Sum of squared deviations from the mean.
    pub squares: Vec<f64>,
}

impl PaperScaler {
    /// Nothing gathered yet.
    pub fn new(n_channels: usize, n_features: usize) -> Self {
        let n = n_channels * n_features;
        Self {
            n_windows: 0,
            mean: vec![0.0; n],
            squares: vec![0.0; n],
        }
    }

    /// Adds the windows where `training` is true; `features`: `(window, channel, feature)` (Welford's update).
    ///
    /// # Errors
    /// [`InputsError::Shape`] if features or mask have another size.
    pub fn push(&mut self, features: &Array3<f32>, training: &[bool]) -> Result<(), InputsError> {
        self.check(features)?;
        if training.len() != features.dim().0 {
            return Err(InputsError::Shape {
                segment: 0,
                what: format!(
                    "a training mask of {} for {} windows",
                    training.len(),
                    features.dim().0
                ),
            });
        }
        for (window, _) in features
            .outer_iter()
            .zip(training)
            .filter(|&(_, &keep)| keep)
        {
            self.n_windows += 1;
            // Welford's update: sums of squares would cancel for features with a large mean.
            let share = 1.0 / self.n_windows as f64;
            let moments = self.mean.iter_mut().zip(&mut self.squares);
            for ((mean, squares), &value) in moments.zip(window.iter()) {
                let before = f64::from(value) - *mean;
                *mean += before * share;
                *squares += before * (f64::from(value) - *mean);
            }
        }
        Ok(())
    }

    /// Population standard deviations, `channel * feature` entries.
    pub fn std(&self) -> Vec<f64> {
        let n = self.n_windows.max(1) as f64;
        self.squares
            .iter()
            .map(|squares| (squares.max(0.0) / n).sqrt())
            .collect()
    }

    /// `(v - mean) / std` in place; a standard deviation of 0 gives 0.
    ///
    /// # Errors
    /// [`InputsError::Shape`] if features have another size.
    pub fn apply(&self, features: &mut Array3<f32>) -> Result<(), InputsError> {
        self.check(features)?;
        let std = self.std();
        for mut window in features.outer_iter_mut() {
            for ((value, mean), std) in window.iter_mut().zip(&self.mean).zip(&std) {
                let deviation = f64::from(*value) - mean;
                *value = if *std > 0.0 {
                    (deviation / std) as f32
                } else {
                    0.0
                };
            }
        }
        Ok(())
    }

    /// `v * std + mean` in place, back from [`apply`](Self::apply).
    ///
    /// # Errors
    /// [`InputsError::Shape`] if features have another size.
    pub fn restore(&self, features: &mut Array3<f32>) -> Result<(), InputsError> {
        self.check(features)?;
        let std = self.std();
        for mut window in features.outer_iter_mut() {
            for ((value, mean), std) in window.iter_mut().zip(&self.mean).zip(&std) {
                *value = (f64::from(*value) * std + mean) as f32;
            }
        }
        Ok(())
    }

    fn check(&self, features: &Array3<f32>) -> Result<(), InputsError> {
        let (_, channels, n_features) = features.dim();
        if channels * n_features != self.mean.len() || self.squares.len() != self.mean.len() {
            return Err(InputsError::Shape {
                segment: 0,
                what: format!(
                    "{channels} channels of {n_features} features, {} numbers a window expected",
                    self.mean.len()
                ),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use ndarray::{Array4, Slice};

    fn setup() -> (CoefficientTable, WindowLayout, BlockSegment) {
        let table = CoefficientTable::scat_cov(3);
        let layout = WindowLayout {
            block_samples: 8,
            scales: vec![16, 64],
            stride_samples: 16,
        };
        let coefficients = Array4::from_shape_fn((12, 2, table.len(), 2), |(b, c, k, part)| {
            1.0 + ((b * 7 + c * 5 + k * 3 + part * 2) % 11) as f32
        });
        (table, layout, BlockSegment { coefficients })
    }

    #[test]
    fn each_kind_is_divided_by_its_sigmas() {
        let (table, layout, segment) = setup();
        let features = PaperFeatures::plan(&table, &layout)
            .unwrap()
            .process(&segment, 0, 0, 1..3)
            .unwrap();
        assert_eq!(features.dim(), (2, 2, 2 * table.len()));
        // Window 1 ends before block 10; its largest window begins with block 2.
        let mean = |blocks: Range<usize>, k: usize, part: usize| {
            let value = |block: usize| f64::from(segment.coefficients[[block, 1, k, part]]);
            blocks.clone().map(value).sum::<f64>() / blocks.len() as f64
        };
        let sigma = |j: i32| mean(2..10, table.power_row(j).unwrap(), 0).sqrt();
        for (k, row) in table.rows.iter().enumerate() {
            let divisor = match row.kind {
                CoefficientKind::Sparsity | CoefficientKind::Scattering | CoefficientKind::Raw => {
                    sigma(row.j1_left)
                }
                CoefficientKind::Mean => sigma(3),
                CoefficientKind::PowerSpectrum => sigma(row.j1_left).powi(2),
                CoefficientKind::PhaseEnvelope => sigma(row.j2) * sigma(row.j1_right),
                CoefficientKind::Envelope => sigma(row.j1_left) * sigma(row.j1_right),
            };
            for part in 0..2 {
                let expected = mean(8..10, k, part) / divisor;
                let found = f64::from(features[[0, 1, 2 * k + part]]);
                assert!((found - expected).abs() < 1e-5 * expected.abs(), "row {k}");
            }
        }
    }

    #[test]
    fn at_the_largest_scale_power_is_one() {
        let (table, layout, segment) = setup();
        let plan = PaperFeatures::plan(&table, &layout).unwrap();
        let features = plan.process(&segment, 0, 1, 0..3).unwrap();
        for j in 0..=3 {
            let row = table.power_row(j).unwrap();
            for value in features.index_axis(Axis(2), 2 * row) {
                assert!((value - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn silence_gives_zero() {
        let (table, layout, mut segment) = setup();
        segment.coefficients.index_axis_mut(Axis(1), 0).fill(0.0);
        let plan = PaperFeatures::plan(&table, &layout).unwrap();
        let features = plan.process(&segment, 0, 0, 0..3).unwrap();
        assert!(
            features
                .index_axis(Axis(1), 0)
                .iter()
                .all(|&value| value == 0.0)
        );
        assert!(
            features
                .index_axis(Axis(1), 1)
                .iter()
                .all(|&value| value != 0.0)
        );
    }

    #[test]
    fn coefficients_come_back_from_standardised_features() {
        let (table, layout, segment) = setup();
        let plan = PaperFeatures::plan(&table, &layout).unwrap();
        let raw = plan.process(&segment, 0, 0, 0..3).unwrap();
        let mut standardiser = PaperScaler::new(2, plan.n_features());
        standardiser.push(&raw, &[true; 3]).unwrap();
        let mut features = raw.clone();
        standardiser.apply(&mut features).unwrap();
        standardiser.restore(&mut features).unwrap();
        let mean = |blocks: Range<usize>, channel: usize, k: usize, part: usize| {
            let value = |block: usize| f64::from(segment.coefficients[[block, channel, k, part]]);
            blocks.clone().map(value).sum::<f64>() / blocks.len() as f64
        };
        let powers = ndarray::Array2::from_shape_fn((3, 2 * 4), |(window, at)| {
            let row = table.power_row((at % 4) as i32).unwrap();
            mean(2 * window..2 * window + 8, at / 4, row, 0).ln()
        });
        let found = plan.denormalise(&features, powers.view()).unwrap();
        for ((window, channel, k), value) in found.indexed_iter() {
            let end = 8 + 2 * window;
            let wanted = Complex::new(
                mean(end - 2..end, channel, k, 0),
                mean(end - 2..end, channel, k, 1),
            );
            assert!(
                (value - wanted).norm() < 1e-4 * wanted.norm(),
                "{value} {wanted}"
            );
        }
        assert!(plan.denormalise(&features, powers.t()).is_err());
    }

    #[test]
    fn standardisation_is_exact_and_incremental() {
        let (table, layout, segment) = setup();
        let plan = PaperFeatures::plan(&table, &layout).unwrap();
        let mut features = plan.process(&segment, 0, 0, 0..3).unwrap();
        features.index_axis_mut(Axis(1), 0).column_mut(4).fill(2.5);
        let mut whole = PaperScaler::new(2, plan.n_features());
        whole.push(&features, &[true, true, false]).unwrap();
        let mut parts = PaperScaler::new(2, plan.n_features());
        parts
            .push(
                &features.slice_axis(Axis(0), Slice::from(0..1)).to_owned(),
                &[true],
            )
            .unwrap();
        parts
            .push(
                &features.slice_axis(Axis(0), Slice::from(1..3)).to_owned(),
                &[true, false],
            )
            .unwrap();
        assert_eq!(whole, parts);
        let raw = features.clone();
        whole.apply(&mut features).unwrap();
        assert!(
            features
                .index_axis(Axis(1), 0)
                .column(4)
                .iter()
                .all(|&value| value == 0.0)
        );
        let (a, b) = (f64::from(raw[[0, 1, 7]]), f64::from(raw[[1, 1, 7]]));
        if a != b {
            // Two windows: each lies one population standard deviation from the mean.
            assert!((f64::from(features[[0, 1, 7]]).abs() - 1.0).abs() < 1e-4);
        }
    }
}
