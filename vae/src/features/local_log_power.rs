//! Log power of the finest windows relative to their neighbours, which sudden events change most.

use ndarray::{Array2, Array3, ArrayView2};
use rayon::prelude::*;

use super::feature_source::EnergyFeatures;
use super::log_energy::quantile;
use super::{
    CoefficientTable, EnergyRows, EnergySegment, FeatureSource as _, InputsError, WindowLayout,
};
use crate::progress::Progress;

/// Local log powers of all windows, `(window, 3 * power)`, segments one after the other: `ln ps_j` of the window and of
/// its loudest and quietest part, each relative to its running median, in neper of power.
pub(super) fn local_log_power(
    source: &EnergyFeatures<'_>,
    progress: &dyn Progress,
) -> Result<Array2<f32>, InputsError> {
    let (rows, layout) = (&source.rows, source.layout());
    let width = local_len(rows);
    source.per_window(width, progress, |segment, out| {
        whole_and_extremes(segment, rows, layout, out);
        subtract_running_median(out, width, local_reach(layout));
    })
}

/// Number of local log powers of a window.
pub(super) fn local_len(rows: &EnergyRows) -> usize {
    3 * rows.power.len()
}

/// Weight of the upper tail of the mean local log power: distance from the median to the 98th percentile over that
/// between the quartiles (1.5 for a Gaussian; large where few windows exceed the rest). 0 for no windows.
pub(super) fn tail_ratio(powers: ArrayView2<'_, f32>, training: &[bool]) -> f64 {
    let mut means: Vec<f32> = powers
        .outer_iter()
        .zip(training)
        .filter(|&(_, &keep)| keep)
        .map(|(row, _)| row.mean().unwrap_or(0.0))
        .collect();
    if means.is_empty() {
        return 0.0;
    }
    means.sort_unstable_by(f32::total_cmp);
    let at = |q: f64| f64::from(quantile(&means, q));
    let quartiles = at(0.75) - at(0.25);
    if quartiles > 0.0 {
        (at(0.98) - at(0.5)) / quartiles
    } else {
        0.0
    }
}

/// Log powers of the whole window, then the largest and the smallest over its parts.
fn whole_and_extremes(
    segment: &EnergySegment,
    rows: &EnergyRows,
    layout: &WindowLayout,
    out: &mut [f32],
) {
    let (n_parts, part_blocks) = layout.parts(0);
    // Shared by all windows, which overlap.
    let parts = segment.pooled_logs(rows, layout, part_blocks);
    let own = segment.pooled_logs(rows, layout, layout.scale_blocks(0));
    let n_power = rows.power.len();
    out.par_chunks_mut(3 * n_power)
        .enumerate()
        .for_each(|(window, out)| {
            let end = layout.end_block(window);
            let (whole, extremes) = out.split_at_mut(n_power);
            let (largest, smallest) = extremes.split_at_mut(n_power);
            whole.copy_from_slice(own.at(end).0);
            largest.fill(f32::NEG_INFINITY);
            smallest.fill(f32::INFINITY);
            for part in 0..n_parts.max(1) {
                let power = parts.at(end - part * part_blocks).0;
                for ((largest, smallest), &value) in
                    largest.iter_mut().zip(smallest.iter_mut()).zip(power)
                {
                    *largest = largest.max(value);
                    *smallest = smallest.min(value);
                }
            }
        });
}

/// Windows on each side of the running median: a quarter of a largest window, at least 8.
fn local_reach(layout: &WindowLayout) -> usize {
    (layout.largest_blocks() / layout.stride_blocks() / 4).max(8)
}

/// Subtracts from each column its median over `reach` windows on each side, fewer at the ends.
fn subtract_running_median(features: &mut [f32], width: usize, reach: usize) {
    let n = features.len() / width.max(1);
    let medians: Vec<Vec<f32>> = (0..width)
        .into_par_iter()
        .map(|column| {
            let values: Vec<f32> = (0..n).map(|row| features[row * width + column]).collect();
            // One column at a time, copied out: rows are `width` apart in memory.
            let around = |row: usize| {
                let mut near = values[row.saturating_sub(reach)..(row + reach + 1).min(n)].to_vec();
                let middle = near.len() / 2;
                *near.select_nth_unstable_by(middle, f32::total_cmp).1
            };
            (0..n).map(around).collect()
        })
        .collect();
    for (row, out) in features.chunks_mut(width).enumerate() {
        for (value, median) in out.iter_mut().zip(&medians) {
            *value -= median[row];
        }
    }
}

/// Log powers of the parts of the finest windows above the enclosing largest window's median,
/// `(window, part, wavelet)`.
///
/// Parts as in [`WindowLayout::parts`], in order of time; for each and each wavelet, the low-pass last, the mean over
/// channels of `ln ps_j` minus the median of the same quantity over all blocks of that length in the enclosing largest
/// window (neper of power; 2.3 is 10 dB). All segments one after the other. Wavelets are kept separate: a pulse exceeds
/// the background in some octaves only.
///
/// # Errors
/// As [`WindowLayout::check`] and [`CoefficientTable::energy_rows`].
pub fn window_powers(
    segments: &[EnergySegment],
    table: &CoefficientTable,
    layout: &WindowLayout,
) -> Result<Array3<f32>, InputsError> {
    layout.check()?;
    let rows = table.energy_rows()?;
    let (n_parts, part_blocks) = layout.parts(0);
    let n_bands = rows.power.len();
    // The median over the largest window is the background that a pulse must exceed.
    let in_largest = layout.largest_blocks() / part_blocks;
    let mut all = Vec::new();
    for segment in segments {
        let begin = all.len();
        let count = layout.n_windows(segment.n_blocks());
        if count == 0 {
            continue;
        }
        all.resize(begin + count * n_parts * n_bands, 0.0);
        let pooled = segment.pooled_logs(&rows, layout, part_blocks);
        let each = all[begin..].par_chunks_mut(n_parts * n_bands).enumerate();
        each.for_each(|(window, out)| {
            let end = layout.end_block(window);
            let mut around = vec![0.0f32; in_largest];
            for band in 0..n_bands {
                let log_power = |part: usize| pooled.at(end - part * part_blocks).0[band];
                for (part, value) in around.iter_mut().enumerate() {
                    *value = log_power(part);
                }
                around.sort_unstable_by(f32::total_cmp);
                let median = quantile(&around, 0.5);
                for part in 0..n_parts {
                    // Parts are numbered back from the end and written in order of time.
                    out[(n_parts - 1 - part) * n_bands + band] = log_power(part) - median;
                }
            }
        });
    }
    let n_windows = all.len() / (n_parts * n_bands);
    Array3::from_shape_vec((n_windows, n_parts, n_bands), all).map_err(|error| {
        let reason = error.to_string();
        seismix_core::Error::Layout { reason }.into()
    })
}
