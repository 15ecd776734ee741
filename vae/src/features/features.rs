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
use super::{EnergyRows, EnergySegment, InputsError, ScaleRole, WindowLayout};

const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Features of one scale before anything is fitted, `(window, feature)`, segments one after the other; what
/// [`FeaturePipeline`](super::FeaturePipeline) starts from.
///
/// # Errors
/// As [`WindowLayout::check`] and [`CoefficientTable::energy_rows`](super::CoefficientTable::energy_rows).
pub fn window_features(
    segments: &[EnergySegment],
    table: &super::CoefficientTable,
    layout: &WindowLayout,
    scale: usize,
) -> Result<Array2<f32>, InputsError> {
    layout.check()?;
    scale_features(segments, &table.energy_rows()?, layout, scale)
}

/// [`window_features`] of checked arguments.
pub(super) fn scale_features(
    segments: &[EnergySegment],
    rows: &EnergyRows,
    layout: &WindowLayout,
    scale: usize,
) -> Result<Array2<f32>, InputsError> {
    let width = feature_len(rows, layout, scale);
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
            segment_features(segment, rows, layout, scale, width, here);
        }
    }
    Ok(features)
}

/// Number of features of a scale.
pub(super) fn feature_len(rows: &EnergyRows, layout: &WindowLayout, scale: usize) -> usize {
    let (core, power) = (rows.core_len(), rows.power.len());
    let (parts, _) = layout.parts(scale);
    let statistics = if parts > 1 { 3 } else { 0 };
    match layout.role(scale) {
        ScaleRole::Largest if parts > 1 => 3 * core,
        ScaleRole::Largest => core,
        ScaleRole::Middle => core + power + statistics * core,
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
