//! Features of each scale before any fit.
//!
//! With the *core*, the part of the pooled logs that does not change with the record's amplitude:
//! - largest scale: quantiles .1, .5 and .9 of the core over its 16 parts;
//! - middle scales: the core of the window, its `ln ps_j` minus that of the enclosing largest window, and the same
//!   quantiles over its 4 parts;
//! - finest scale: the core of the window, its `ln ps_j` minus that of the enclosing largest window, and mean, maximum
//!   and minimum over its 4 parts of `ln ps_j` minus that of the largest window, and of the core.
//!
//! Parts follow [`WindowLayout::parts`]; a window of one part has no statistics over parts (at the largest
//! scale its core replaces the quantiles).

use ndarray::Array2;
use rayon::prelude::*;

use super::feature_source::EnergyFeatures;
use super::log_energy::{PooledLogs, quantile};
use super::{EnergyRows, EnergySegment, FeatureSource as _, InputsError, ScaleRole, WindowLayout};
use crate::progress::{NoProgress, Progress};

const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

/// Features of one scale before any fit, `(window, feature)`, segments one after the other: the input of
/// [`FeaturePipeline`](super::FeaturePipeline).
///
/// # Errors
/// As [`EnergyFeatures::new`](super::EnergyFeatures::new).
pub fn window_features(
    segments: &[EnergySegment],
    table: &super::CoefficientTable,
    layout: &WindowLayout,
    scale: usize,
) -> Result<Array2<f32>, InputsError> {
    let source = EnergyFeatures::new(table, segments, layout)?;
    scale_features(&source, scale, &NoProgress)
}

/// [`window_features`] of checked arguments.
pub(super) fn scale_features(
    source: &EnergyFeatures<'_>,
    scale: usize,
    progress: &dyn Progress,
) -> Result<Array2<f32>, InputsError> {
    let width = feature_len(&source.rows, source.layout(), scale);
    source.per_window(width, progress, |segment, out| {
        segment_features(segment, source, scale, out);
    })
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
    source: &EnergyFeatures<'_>,
    scale: usize,
    out: &mut [f32],
) {
    let (rows, layout) = (&source.rows, source.layout());
    let width = feature_len(rows, layout, scale);
    let (n_parts, part_blocks) = layout.parts(scale);
    let role = layout.role(scale);
    // Overlapping windows share most parts: each length is pooled once a segment, not once a window.
    let pooled = |blocks: usize| segment.pooled_logs(rows, layout, blocks);
    let parts = pooled(part_blocks);
    let own = match role {
        ScaleRole::Largest if n_parts > 1 => None,
        _ => Some(pooled(layout.scale_blocks(scale))),
    };
    let largest = (role != ScaleRole::Largest).then(|| pooled(layout.largest_blocks()));
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
                    // Quantiles of four parts would hide a pulse in one of them.
                    (ScaleRole::Finest, Some(reference)) => {
                        extremes_over_parts(&parts, ends, reference, &mut writer);
                    }
                    _ => quantiles_over_parts(&parts, ends, rows.core_len(), &mut writer),
                }
            }
            debug_assert_eq!(writer.at, width);
        });
}

/// Writes values one after the other.
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
    parts: &PooledLogs,
    ends: impl Iterator<Item = usize>,
    n_core: usize,
    writer: &mut Writer<'_>,
) {
    let cores: Vec<&[f32]> = ends.map(|end| parts.at(end).1).collect();
    let mut sorted = vec![0.0f32; cores.len()];
    // All three quantiles from one sort.
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
    parts: &PooledLogs,
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
        // At least two parts here, so there is a first.
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
