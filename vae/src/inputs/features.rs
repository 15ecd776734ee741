//! The features of each scale, before anything is fitted.
//!
//! With the *core* (see the block logs: everything that does not change with the record's amplitude):
//! - largest scale: quantiles .1, .5 and .9 of the core over its 16 parts;
//! - middle scales: the core of the window, its `ln ps_j` minus that of the enclosing largest window, and the same
//!   quantiles over its 4 parts;
//! - finest scale: the core of the window, its `ln ps_j` minus that of the enclosing largest window, and mean, maximum
//!   and minimum over its 4 parts of `ln ps_j` minus that of the largest window, and of the core.
//!
//! Parts follow [`WindowLayout::parts`]; a window of one part has no statistics over parts (its core alone, and the
//! largest scale then has its core in place of the quantiles).

use ndarray::Array2;
use rayon::prelude::*;

use super::blocks::{LevelLogs, quantile};
use super::{EnergyRows, EnergySegment, InputsError, InputsOptions, ScaleRole, WindowLayout};

const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Features of one scale before anything is fitted, `(window, feature)`, segments one after the other; what
/// [`FittedInputs`](super::FittedInputs) starts from.
///
/// # Errors
/// As [`WindowLayout::check`] and [`CoefficientTable::energy_rows`](super::CoefficientTable::energy_rows).
pub fn window_features(
    segments: &[EnergySegment],
    table: &super::CoefficientTable,
    layout: &WindowLayout,
    options: &InputsOptions,
    scale: usize,
) -> Result<Array2<f32>, InputsError> {
    layout.check()?;
    scale_features(segments, &table.energy_rows()?, layout, options, scale)
}

/// [`window_features`] of checked arguments.
pub(super) fn scale_features(
    segments: &[EnergySegment],
    rows: &EnergyRows,
    layout: &WindowLayout,
    options: &InputsOptions,
    scale: usize,
) -> Result<Array2<f32>, InputsError> {
    let width = feature_len(rows, layout, options, scale);
    let levels = options.finest_levels && layout.role(scale) == ScaleRole::Finest;
    let counts: Vec<usize> = segments
        .iter()
        .map(|segment| layout.n_windows(segment.n_blocks()))
        .collect();
    let mut features = Array2::<f32>::zeros((counts.iter().sum(), width));
    let mut rest = features.as_slice_mut().unwrap_or(&mut []);
    for (segment, &count) in segments.iter().zip(&counts) {
        let (here, later) = rest.split_at_mut(count * width);
        rest = later;
        if count > 0 {
            if levels {
                segment_levels(segment, rows, layout, here);
                subtract_running_median(here, width, local_reach(layout));
            } else {
                segment_features(segment, rows, layout, scale, width, here);
            }
        }
    }
    Ok(features)
}

/// Number of features of a scale.
pub(super) fn feature_len(
    rows: &EnergyRows,
    layout: &WindowLayout,
    options: &InputsOptions,
    scale: usize,
) -> usize {
    let (core, power) = (rows.core_len(), rows.power.len());
    let (parts, _) = layout.parts(scale);
    let statistics = if parts > 1 { 3 } else { 0 };
    match layout.role(scale) {
        ScaleRole::Largest if parts > 1 => 3 * core,
        ScaleRole::Largest => core,
        ScaleRole::Middle => core + power + statistics * core,
        ScaleRole::Finest if options.finest_levels => 3 * power,
        ScaleRole::Finest => core + power + statistics * (power + core),
    }
}

fn segment_features(
    segment: &EnergySegment,
    rows: &EnergyRows,
    layout: &WindowLayout,
    scale: usize,
    width: usize,
    out: &mut [f32],
) {
    let (n_parts, part_blocks) = layout.parts(scale);
    let role = layout.role(scale);
    let parts = segment.level(rows, layout, part_blocks);
    let own = match role {
        ScaleRole::Largest if n_parts > 1 => None,
        _ => Some(segment.level(rows, layout, layout.scale_blocks(scale))),
    };
    let largest = match role {
        ScaleRole::Largest => None,
        _ => Some(segment.level(rows, layout, layout.largest_blocks())),
    };
    out.par_chunks_mut(width)
        .enumerate()
        .for_each(|(window, out)| {
            let end = layout.end_block(window);
            let mut writer = Writer { out, at: 0 };
            if let Some(own) = &own {
                writer.put(own.at(end).1.iter().copied());
            }
            let reference = largest.as_ref().map(|largest| largest.at(end).0);
            if let (Some(own), Some(reference)) = (&own, reference) {
                writer.put(own.at(end).0.iter().zip(reference).map(|(a, b)| a - b));
            }
            if n_parts > 1 {
                let ends = (0..n_parts).map(|part| end - part * part_blocks);
                match (role, reference) {
                    (ScaleRole::Finest, Some(reference)) => {
                        extremes_over_parts(&parts, ends, reference, &mut writer);
                    }
                    _ => quantiles_over_parts(&parts, ends, rows.core_len(), &mut writer),
                }
            }
            debug_assert_eq!(writer.at, width);
        });
}

/// Levels of the finest windows: log powers of the whole window, then the largest and the smallest over its parts.
fn segment_levels(
    segment: &EnergySegment,
    rows: &EnergyRows,
    layout: &WindowLayout,
    out: &mut [f32],
) {
    let (n_parts, part_blocks) = layout.parts(0);
    let parts = segment.level(rows, layout, part_blocks);
    let own = segment.level(rows, layout, layout.scale_blocks(0));
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

/// Takes off each column its median over `reach` windows on each side, fewer at the ends.
fn subtract_running_median(features: &mut [f32], width: usize, reach: usize) {
    let n = features.len() / width.max(1);
    let medians: Vec<Vec<f32>> = (0..width)
        .into_par_iter()
        .map(|column| {
            let values: Vec<f32> = (0..n).map(|row| features[row * width + column]).collect();
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

struct Writer<'a> {
    out: &'a mut [f32],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, values: impl Iterator<Item = f32>) {
        for value in values {
            self.out[self.at] = value;
            self.at += 1;
        }
    }
}

fn quantiles_over_parts(
    parts: &LevelLogs,
    ends: impl Iterator<Item = usize>,
    n_core: usize,
    writer: &mut Writer<'_>,
) {
    let cores: Vec<&[f32]> = ends.map(|end| parts.at(end).1).collect();
    let mut sorted = vec![0.0f32; cores.len()];
    let mut found = vec![[0.0f32; 3]; n_core];
    for (index, found) in found.iter_mut().enumerate() {
        for (value, core) in sorted.iter_mut().zip(&cores) {
            *value = core[index];
        }
        sorted.sort_unstable_by(f32::total_cmp);
        *found = QUANTILES.map(|q| quantile(&sorted, q));
    }
    for which in 0..QUANTILES.len() {
        writer.put(found.iter().map(|found| found[which]));
    }
}

fn extremes_over_parts(
    parts: &LevelLogs,
    ends: impl Iterator<Item = usize>,
    reference: &[f32],
    writer: &mut Writer<'_>,
) {
    let rows: Vec<Vec<f32>> = ends
        .map(|end| {
            let (power, core) = parts.at(end);
            let relative = power.iter().zip(reference).map(|(a, b)| a - b);
            relative.chain(core.iter().copied()).collect()
        })
        .collect();
    let fold = |combine: fn(f32, f32) -> f32| {
        let mut folded = rows[0].clone();
        for row in &rows[1..] {
            for (value, &other) in folded.iter_mut().zip(row) {
                *value = combine(*value, other);
            }
        }
        folded
    };
    let n = rows.len() as f32;
    writer.put(fold(|a, b| a + b).into_iter().map(|sum| sum / n));
    writer.put(fold(f32::max).into_iter());
    writer.put(fold(f32::min).into_iter());
}

/// Log power of the parts of the finest windows above the enclosing largest window's median, `(window, part)`.
///
/// Parts as in [`WindowLayout::parts`], in order of time; for each, the mean over channels and band-pass wavelets of
/// `ln ps_j` minus the median of the same quantity over all blocks of that length in the enclosing largest window
/// (neper of power; 2.3 is 10 dB). All segments one after the other. The mean over wavelets of logarithms gives each
/// octave one vote, so a red background does not hide a weak pulse at its quiet end.
///
/// # Errors
/// As [`WindowLayout::check`] and [`CoefficientTable::energy_rows`](super::CoefficientTable::energy_rows).
pub fn window_powers(
    segments: &[EnergySegment],
    table: &super::CoefficientTable,
    layout: &WindowLayout,
) -> Result<Array2<f32>, InputsError> {
    layout.check()?;
    let rows = table.energy_rows()?;
    let (n_parts, part_blocks) = layout.parts(0);
    let bands = rows.power.len() - 1;
    let mut all = Vec::new();
    for segment in segments {
        let count = layout.n_windows(segment.n_blocks());
        if count == 0 {
            continue;
        }
        let level = segment.level(&rows, layout, part_blocks);
        let log_power = |end: usize| {
            let (power, _) = level.at(end);
            power[..bands].iter().sum::<f32>() / bands as f32
        };
        let in_largest = layout.largest_blocks() / part_blocks;
        let mut around = Vec::with_capacity(in_largest);
        for window in 0..count {
            let end = layout.end_block(window);
            around.clear();
            around.extend((0..in_largest).map(|part| log_power(end - part * part_blocks)));
            around.sort_unstable_by(f32::total_cmp);
            let median = quantile(&around, 0.5);
            all.extend(
                (0..n_parts)
                    .rev()
                    .map(|part| log_power(end - part * part_blocks) - median),
            );
        }
    }
    let n_windows = all.len() / n_parts;
    Array2::from_shape_vec((n_windows, n_parts), all).map_err(|error| InputsError::Layout {
        what: error.to_string(),
    })
}
