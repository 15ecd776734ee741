//! Pooled coefficients of a gap-free segment, the energies among them, and the logarithms of those.

use ndarray::{Array1, Array2, Array3, Array4, Axis};
use rayon::prelude::*;

use super::feature_source::EnergyFeatures;
use super::{CoefficientTable, EnergyRows, FeatureSource as _, InputsError, WindowLayout};
use crate::progress::Progress;

/// Share of a coefficient's own median over the segment that is added before any logarithm.
///
/// An empty block (a dropout, digital silence) then looks like a very weak one (-60 dB) of the segment's typical shape
/// instead of giving an infinity; an ordinary block changes by a millionth.
pub const FLOOR: f32 = 1e-6;

/// Pooled, unnormalised `scat+cov` coefficients of one gap-free segment.
#[derive(Debug, Clone)]
pub struct BlockSegment {
    /// `(block, channel, coefficient, 2)`: means over consecutive blocks, real and imaginary part, unnormalised.
    pub coefficients: Array4<f32>,
}

impl BlockSegment {
    /// Number of blocks.
    pub fn n_blocks(&self) -> usize {
        self.coefficients.dim().0
    }

    /// Energies that the default inputs are computed from, about a fifth of the numbers.
    ///
    /// `segment` only names the segment in errors.
    ///
    /// # Errors
    /// [`InputsError::Table`] as in [`CoefficientTable::energy_rows`], [`InputsError::Shape`] if the array does not
    /// match the table, [`InputsError::NotFinite`] at the first coefficient that is not.
    pub fn energies(
        &self,
        table: &CoefficientTable,
        segment: usize,
    ) -> Result<EnergySegment, InputsError> {
        let rows = table.energy_rows()?;
        self.check(table, segment)?;
        let (n_blocks, n_channels, _, _) = self.coefficients.dim();
        let mut energies = Array3::<f32>::zeros((n_blocks, n_channels, rows.len()));
        for block in 0..n_blocks {
            for channel in 0..n_channels {
                let from = self.coefficients.index_axis(Axis(0), block);
                let from = from.index_axis(Axis(0), channel);
                let from = from.column(0);
                let mut to = energies.index_axis_mut(Axis(0), block);
                let mut to = to.row_mut(channel);
                let wanted = rows
                    .power
                    .iter()
                    .chain(rows.ratios.iter().map(|ratio| &ratio.row));
                for (value, &row) in to.iter_mut().zip(wanted) {
                    // A mean of squares on a coarse grid can end a rounding error below zero.
                    *value = from[row].max(0.0);
                }
                if to.iter().any(|value| !value.is_finite()) || from.iter().any(|v| v.is_nan()) {
                    return Err(InputsError::NotFinite {
                        segment,
                        block,
                        channel,
                    });
                }
            }
        }
        Ok(EnergySegment { energies })
    }

    /// Checks the array against the table.
    pub(super) fn check(
        &self,
        table: &CoefficientTable,
        segment: usize,
    ) -> Result<(), InputsError> {
        let (_, channels, coefficients, parts) = self.coefficients.dim();
        if coefficients != table.len() || parts != 2 || channels == 0 {
            return Err(InputsError::Shape {
                segment,
                what: format!(
                    "{channels} channels of {coefficients} coefficients of {parts} parts, expected at least one channel of {} of 2",
                    table.len()
                ),
            });
        }
        Ok(())
    }
}

/// The energies of one gap-free segment.
///
/// `energies`: `(block, channel, row)`, rows as in [`EnergyRows`]: power spectrum, `spars`, `scat`, diagonal
/// `envelope`; unnormalised, in the units of the coefficients (amplitudes are not squared yet).
#[derive(Debug, Clone)]
pub struct EnergySegment {
    /// `(block, channel, row)`.
    pub energies: Array3<f32>,
}

/// Logarithms over windows of one length.
///
/// `values`: `(window, power + core)`, averaged over channels. First `ln ps_j` of every wavelet, the low-pass last,
/// then the core: `ln ps_j - ln ps_(j+1)` between neighbours, `2 ln spars_j - ln ps_j`, `2 ln scat(j1,j2) - ln
/// ps_j1`,
/// `ln env(j1,j1,j2) - ln ps_j1`. Only the first part depends on the units of the record.
#[derive(Debug, Clone)]
pub(super) struct PooledLogs {
    values: Array2<f32>,
    n_power: usize,
    first_end: usize,
    step: usize,
}

impl PooledLogs {
    /// The logs of the window that ends before block `end`: `(power, core)`.
    pub(super) fn at(&self, end: usize) -> (&[f32], &[f32]) {
        debug_assert!((end - self.first_end).is_multiple_of(self.step));
        let row = (end - self.first_end) / self.step;
        let width = self.values.ncols();
        let values = self.values.as_slice().unwrap_or(&[]);
        values[row * width..(row + 1) * width].split_at(self.n_power)
    }
}

impl EnergySegment {
    /// Number of blocks.
    pub fn n_blocks(&self) -> usize {
        self.energies.dim().0
    }

    /// Number of channels.
    pub fn n_channels(&self) -> usize {
        self.energies.dim().1
    }

    /// Offset of each energy of each channel before logarithms, `(channel, row)`: [`FLOOR`] times its median over the
    /// segment's blocks; where that is zero, times the mean; where that is zero too, one.
    fn floors(&self, rows: &EnergyRows) -> Array2<f32> {
        let (n_blocks, n_channels, n_rows) = self.energies.dim();
        let mut floors = Array2::<f32>::ones((n_channels, n_rows));
        for ((channel, row), floor) in floors.indexed_iter_mut() {
            let mut values: Vec<f32> = self
                .energies
                .index_axis(Axis(1), channel)
                .column(row)
                .iter()
                .map(|&value| rows.as_energy(row, value))
                .collect();
            // The median, so that an event does not raise the floor of its own segment.
            let middle = n_blocks / 2;
            let typical = if n_blocks == 0 {
                0.0
            } else {
                *values.select_nth_unstable_by(middle, f32::total_cmp).1
            };
            // More than half of the blocks may be silent.
            let typical = if typical > 0.0 {
                typical
            } else {
                let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
                (sum / n_blocks.max(1) as f64) as f32
            };
            // Otherwise the floor remains 1: it must not underflow to 0, whose logarithm is infinite.
            if typical * FLOOR > f32::MIN_POSITIVE && typical.is_finite() {
                *floor = typical * FLOOR;
            }
        }
        floors
    }

    /// Logs over windows of `blocks` blocks, at every end that windows or parts of windows of `layout` can have.
    pub(super) fn pooled_logs(
        &self,
        rows: &EnergyRows,
        layout: &WindowLayout,
        blocks: usize,
    ) -> PooledLogs {
        let floors = self.floors(rows);
        // The coarsest grid of block ends that holds every end needed.
        let step = gcd(layout.stride_blocks(), blocks);
        let phase = layout.largest_blocks() % step;
        // The first end on the grid that has enough blocks before it.
        let first_end = blocks + (phase + step - blocks % step) % step;
        let n_ends = (self.n_blocks() + 1)
            .saturating_sub(first_end)
            .div_ceil(step);
        let n_power = rows.power.len();
        let width = n_power + rows.core_len();
        let mut values = Array2::<f32>::zeros((n_ends, width));
        if let Some(flat) = values.as_slice_mut() {
            flat.par_chunks_mut(width)
                .enumerate()
                .for_each(|(index, out)| {
                    let end = first_end + index * step;
                    self.window_logs(rows, &floors, end - blocks..end, out);
                });
        }
        PooledLogs {
            values,
            n_power,
            first_end,
            step,
        }
    }

    /// Logs of the means over some blocks, mean over channels.
    fn window_logs(
        &self,
        rows: &EnergyRows,
        floors: &Array2<f32>,
        blocks: std::ops::Range<usize>,
        out: &mut [f32],
    ) {
        let n_channels = self.n_channels();
        let n_power = rows.power.len();
        let scale = 1.0 / blocks.len() as f64;
        // In double precision: a day of blocks is added.
        // In double precision: blocks differ by orders of magnitude, and small ones must not vanish.
        let mut sums = Array1::<f64>::zeros(rows.len());
        let mut logs = vec![0.0f64; rows.len()];
        let mut merged = vec![0.0f64; out.len()];
        for channel in 0..n_channels {
            sums.fill(0.0);
            for block in blocks.clone() {
                let energies = self.energies.index_axis(Axis(0), block);
                let energies = energies.row(channel);
                for (sum, &value) in sums.iter_mut().zip(&energies) {
                    *sum += f64::from(value);
                }
            }
            for (row, (log, &sum)) in logs.iter_mut().zip(&sums).enumerate() {
                let mean = sum * scale;
                let energy = if rows.is_amplitude(row) {
                    mean * mean
                } else {
                    mean
                };
                *log = (energy + f64::from(floors[[channel, row]])).ln();
            }
            // Logs are averaged over channels, not energies: a loud component must not hide the others.
            for j in 0..n_power {
                merged[j] += logs[j];
            }
            for j in 0..n_power - 1 {
                merged[n_power + j] += logs[j] - logs[j + 1];
            }
            for (index, ratio) in rows.ratios.iter().enumerate() {
                merged[2 * n_power - 1 + index] += logs[n_power + index] - logs[ratio.band];
            }
        }
        for (out, &sum) in out.iter_mut().zip(&merged) {
            *out = (sum / n_channels as f64) as f32;
        }
    }
}

impl EnergyRows {
    fn is_amplitude(&self, row: usize) -> bool {
        row >= self.power.len() && self.ratios[row - self.power.len()].squared
    }

    fn as_energy(&self, row: usize, value: f32) -> f32 {
        if self.is_amplitude(row) {
            value * value
        } else {
            value
        }
    }
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Linear interpolation between order statistics, as NumPy's default; `sorted` must not be empty.
pub(super) fn quantile(sorted: &[f32], q: f64) -> f32 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let weight = (position - below as f64) as f32;
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

/// `ln ps_j` of every window, mean over channels, `(window, power)`, segments one after the other.
pub(super) fn log_powers(
    source: &EnergyFeatures<'_>,
    scale: usize,
    progress: &dyn Progress,
) -> Result<Array2<f32>, InputsError> {
    let (rows, layout) = (&source.rows, source.layout());
    let width = rows.power.len();
    source.per_window(width, progress, |segment, out| {
        let pooled = segment.pooled_logs(rows, layout, layout.scale_blocks(scale));
        out.par_chunks_mut(width)
            .enumerate()
            .for_each(|(window, out)| out.copy_from_slice(pooled.at(layout.end_block(window)).0));
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn segment(n_blocks: usize, value: impl Fn(usize, usize, usize) -> f32) -> BlockSegment {
        let n = CoefficientTable::scat_cov(3).len();
        BlockSegment {
            coefficients: Array4::from_shape_fn((n_blocks, 2, n, 2), |(b, c, k, part)| {
                if part == 0 { value(b, c, k) } else { 0.0 }
            }),
        }
    }

    fn layout() -> WindowLayout {
        WindowLayout {
            block_samples: 8,
            scales: vec![16, 64],
            stride_samples: 16,
        }
    }

    #[test]
    fn logs_follow_their_definition() {
        let table = CoefficientTable::scat_cov(3);
        let rows = table.energy_rows().unwrap();
        let value = |b: usize, c: usize, k: usize| 1.0 + ((b * 7 + c * 3 + k * 11) % 13) as f32;
        let energies = segment(12, value).energies(&table, 0).unwrap();
        let level = energies.pooled_logs(&rows, &layout(), 2);
        let (power, core) = level.at(6);
        let pooled = |c: usize, k: usize| f64::from(value(4, c, k) + value(5, c, k)) / 2.0;
        let ps = |c: usize, j: i32| pooled(c, table.power_row(j).unwrap()).ln();
        let mean = |f: &dyn Fn(usize) -> f64| (f(0) + f(1)) / 2.0;
        let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-4, "{a} {b}");
        close(power[3], mean(&|c| ps(c, 3)));
        close(core[1], mean(&|c| ps(c, 1) - ps(c, 2)));
        close(core[3 + 2], mean(&|c| 2.0 * pooled(c, 2).ln() - ps(c, 2)));
        // First scattering row is (0, 1), first diagonal envelope row is (0, 0, 1).
        close(core[3 + 3], mean(&|c| 2.0 * pooled(c, 4).ln() - ps(c, 0)));
        let envelope = table
            .rows
            .iter()
            .position(|row| row.kind == super::super::CoefficientKind::Envelope)
            .unwrap();
        close(
            core[3 + 3 + 6],
            mean(&|c| pooled(c, envelope).ln() - ps(c, 0)),
        );
    }

    #[test]
    fn the_core_does_not_see_amplitude() {
        let table = CoefficientTable::scat_cov(3);
        let rows = table.energy_rows().unwrap();
        let value = |b: usize, c: usize, k: usize| 1.0 + ((b * 5 + c + k * 3) % 7) as f32;
        let amplitude = |k: usize| match table.rows[k].kind {
            super::super::CoefficientKind::Sparsity
            | super::super::CoefficientKind::Mean
            | super::super::CoefficientKind::Scattering => 1e-3,
            _ => 1e-6,
        };
        let one = segment(12, value).energies(&table, 0).unwrap();
        let other = segment(12, |b, c, k| value(b, c, k) * amplitude(k))
            .energies(&table, 0)
            .unwrap();
        for end in [4, 8, 12] {
            let (one, other) = (
                one.pooled_logs(&rows, &layout(), 4),
                other.pooled_logs(&rows, &layout(), 4),
            );
            for (a, b) in one.at(end).1.iter().zip(other.at(end).1) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }

    #[test]
    fn empty_blocks_stay_finite_and_typical() {
        let table = CoefficientTable::scat_cov(3);
        let rows = table.energy_rows().unwrap();
        let one = segment(12, |b, _, k| if b == 3 { 0.0 } else { 1.0 + k as f32 });
        let level = one
            .energies(&table, 0)
            .unwrap()
            .pooled_logs(&rows, &layout(), 1);
        let (full, empty) = (level.at(2), level.at(4));
        for (a, b) in full.1.iter().zip(empty.1) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
        assert!((full.0[0] - empty.0[0] - 1e6f32.ln()).abs() < 1e-3);
        let nothing = segment(12, |_, _, _| 0.0).energies(&table, 0).unwrap();
        assert!(
            nothing
                .pooled_logs(&rows, &layout(), 4)
                .values
                .iter()
                .all(|v| *v == 0.0)
        );
    }

    #[test]
    fn not_a_number_is_named() {
        let table = CoefficientTable::scat_cov(3);
        let mut one = segment(12, |_, _, _| 1.0);
        one.coefficients[[5, 1, 4, 0]] = f32::NAN;
        let error = one.energies(&table, 2).unwrap_err().to_string();
        assert!(
            error.starts_with("segment 2, block 5, channel 1"),
            "{error}"
        );
    }

    #[test]
    fn quantiles_are_numpys() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0], 0.1) - 1.3).abs() < 1e-6);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
    }
}
