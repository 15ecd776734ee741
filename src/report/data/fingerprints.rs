//! Mean coefficients of each cluster's windows, and of samples of the model, against octaves.

use std::collections::BTreeMap;

use seismix_vae as vae;
use seismix_vae::decode::CoordinateKind;
use seismix_vae::features::CoefficientRow;
use serde::{Deserialize, Serialize};

use super::ScaleReport;
use super::encode::{null_as_nan, nulls_as_nan};
use crate::stage::Result;
use crate::synth::sample::ClusterSampler;
use crate::train::model_inputs;

/// Windows drawn of each cluster.
const SAMPLES: usize = 100;
/// Decibels in a neper of power.
const DB: f64 = 4.342_944_819_032_518;

/// One quantity of a cluster against octaves, in its windows and in samples of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FingerprintPanel {
    /// Quantity and unit, such as `Power, dB`.
    pub title: String,
    /// Label of the horizontal axis.
    pub along: String,
    /// The first octave, or distance in octaves; the others follow.
    pub first: u32,
    /// Mean over the cluster's training windows.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub data: Vec<f64>,
    /// Standard deviation over them.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub data_spread: Vec<f64>,
    /// Mean over samples of the model; empty if there are none.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub model: Vec<f64>,
    /// Standard deviation over them.
    #[serde(deserialize_with = "nulls_as_nan")]
    pub model_spread: Vec<f64>,
}

/// Root mean square error of one kind of coefficients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodingRow {
    /// Kind, such as `ln ps`.
    pub kind: String,
    /// Error of the decoder.
    #[serde(deserialize_with = "null_as_nan")]
    pub decoder: f64,
    /// Error of the cluster's mean.
    #[serde(deserialize_with = "null_as_nan")]
    pub cluster: f64,
    /// Error of the mean of all windows.
    #[serde(deserialize_with = "null_as_nan")]
    pub constant: f64,
    /// True if the windows were not used in training.
    pub held_out: bool,
}

/// Mean and standard deviation of each coordinate, channels one after the other.
struct Moments {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

/// Adds fingerprints and the errors of the decoder to the scales of a report; a model of an older version has neither.
///
/// # Errors
/// [`crate::stage::PipelineError::Model`] or `Inputs` if the model file is damaged.
pub(super) fn add(scales: &mut [ScaleReport], model: &vae::ModelFile, seed: u64) -> Result<()> {
    let inputs = model_inputs(model)?;
    if inputs.decoding().is_none() {
        return Ok(());
    }
    let sampler = ClusterSampler::new(model)?;
    let held_out = sampler.decoding().n_held_out > 0;
    let rows = &inputs.table().rows;
    for report in scales {
        let samples = report.window_samples as usize;
        let Some(scale) = sampler.scales().iter().position(|s| *s == samples) else {
            continue;
        };
        let errors = sampler.decoding().scales.get(scale);
        report.decoding = errors
            .into_iter()
            .flatten()
            .map(|one| DecodingRow {
                kind: one.kind.clone(),
                decoder: one.error.decoder,
                cluster: one.error.cluster,
                constant: one.error.constant,
                held_out,
            })
            .collect();
        let windows = sampler.windows(scale);
        for cluster in &mut report.clusters {
            let number = cluster.cluster as usize;
            if windows.counts.get(number).is_none_or(|count| *count == 0) {
                continue;
            }
            let data = Moments {
                mean: windows.means.row(number).to_vec(),
                deviation: windows.deviations.row(number).to_vec(),
            };
            let drawn = sampler.sample(samples, number, SAMPLES, seed)?;
            let drawn = moments(&sampler.encode(&drawn));
            let panel = |q: &Quantity| q.panel(&sampler, rows, &data, drawn.as_ref());
            cluster.fingerprint = QUANTITIES.iter().map(panel).collect();
        }
    }
    Ok(())
}

fn moments(rows: &[Vec<f64>]) -> Option<Moments> {
    let n = rows.len() as f64;
    let width = rows.first()?.len();
    let mean: Vec<f64> = (0..width)
        .map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / n)
        .collect();
    let deviation = (0..width)
        .map(|i| {
            let square = rows.iter().map(|row| (row[i] - mean[i]).powi(2));
            (square.sum::<f64>() / n).sqrt()
        })
        .collect();
    Some(Moments { mean, deviation })
}

/// A quantity of a fingerprint.
struct Quantity {
    kind: CoordinateKind,
    title: &'static str,
    /// Label of the horizontal axis.
    along: &'static str,
    /// Position of a coefficient on the horizontal axis.
    place: fn(&CoefficientRow) -> Option<i32>,
    /// Factor to the unit of the title.
    factor: f64,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        kind: CoordinateKind::Power,
        title: "Power, dB",
        along: "octave j",
        place: |row| Some(row.j1_left),
        factor: DB,
    },
    Quantity {
        kind: CoordinateKind::Sparsity,
        title: "Sparsity, dB (mean modulus squared over power)",
        along: "octave j",
        place: |row| Some(row.j1_left),
        factor: DB,
    },
    Quantity {
        kind: CoordinateKind::PhaseEnvelope,
        title: "Phase-envelope, share of the largest possible",
        along: "octaves from wave to envelope",
        place: |row| (!row.real).then_some(row.j1_left - row.j1_right),
        factor: 1.0,
    },
    Quantity {
        kind: CoordinateKind::EnvelopeEnergy,
        title: "Envelope, dB over the power of its wave",
        along: "octaves from wave to envelope",
        place: |row| Some(row.j2 - row.j1_left),
        factor: DB,
    },
];

impl Quantity {
    fn panel(
        &self,
        sampler: &ClusterSampler,
        rows: &[CoefficientRow],
        data: &Moments,
        drawn: Option<&Moments>,
    ) -> FingerprintPanel {
        let (first, data, data_spread) = self.curve(sampler, rows, data);
        let drawn = drawn.map(|drawn| self.curve(sampler, rows, drawn));
        let (_, model, model_spread) = drawn.unwrap_or_default();
        FingerprintPanel {
            title: self.title.into(),
            along: self.along.into(),
            first,
            data,
            data_spread,
            model,
            model_spread,
        }
    }

    /// Means over channels, and over the rows at each place of the axis; of complex coordinates the modulus of the
    /// mean. Spreads are roots of mean squares.
    fn curve(
        &self,
        sampler: &ClusterSampler,
        rows: &[CoefficientRow],
        moments: &Moments,
    ) -> (u32, Vec<f64>, Vec<f64>) {
        let coordinates = sampler.coordinates();
        let width = coordinates.len();
        let n_channels = moments.mean.len() / width.max(1);
        let mut places: BTreeMap<i32, (f64, f64, f64)> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let at = coordinates.of_row(index);
            if coordinates.kinds()[at] != self.kind {
                continue;
            }
            let Some(place) = (self.place)(row) else {
                continue;
            };
            let complex = self.kind == CoordinateKind::PhaseEnvelope && !row.real;
            for channel in 0..n_channels {
                let at = channel * width + at;
                let (mean, square) = if complex {
                    // Real and imaginary parts follow each other; the spread is that of one part.
                    (
                        moments.mean[at].hypot(moments.mean[at + 1]),
                        0.5 * (moments.deviation[at].powi(2) + moments.deviation[at + 1].powi(2)),
                    )
                } else {
                    (moments.mean[at], moments.deviation[at].powi(2))
                };
                let (sum, squares, n) = places.entry(place).or_default();
                *sum += mean * self.factor;
                *squares += square * self.factor * self.factor;
                *n += 1.0;
            }
        }
        let first = places
            .keys()
            .next()
            .map_or(0, |first| (*first).max(0) as u32);
        let mean = places.values().map(|(sum, _, n)| sum / n).collect();
        let spread = places.values().map(|(_, square, n)| (square / n).sqrt());
        (first, mean, spread.collect())
    }
}
