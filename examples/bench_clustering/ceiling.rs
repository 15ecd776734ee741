//! What a small supervised network makes of the same features.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use seismix::vae::features::window_features;

use super::Outcome;
use super::corpus::Set;

const HIDDEN: usize = 64;
const EPOCHS: usize = 30;
const BATCH: usize = 128;
const STEP: f64 = 2e-3;
const DECAY: f64 = 1e-4;

/// States that networks predict which were trained on every other segment, or on the other half of a single one.
pub fn run(set: &Set) -> Outcome<Vec<Vec<usize>>> {
    let mut half = Vec::new();
    for (index, segment) in set.segments.iter().enumerate() {
        let n = set.layout.n_windows(segment.n_blocks());
        let few = set.segments.len() < 4;
        half.extend((0..n).map(|window| if few { window * 8 / n % 2 } else { index % 2 }));
    }
    let mut all = Vec::new();
    for (scale, states) in set.states.iter().enumerate() {
        let features = window_features(&set.segments, &set.table, &set.layout, scale)?;
        let features = standardised(features.mapv(f64::from));
        let n_states = 1 + states.iter().flatten().max().copied().unwrap_or(0);
        let mut labels = vec![0; states.len()];
        for tested in 0..2 {
            let known: Vec<(usize, usize)> = states
                .iter()
                .enumerate()
                .filter(|(window, _)| half[*window] != tested)
                .filter_map(|(window, state)| Some((window, (*state)?)))
                .collect();
            let network = Network::fit(&features, &known, n_states);
            let predicted = network.predict(&features);
            let other = half.iter().enumerate().filter(|(_, part)| **part == tested);
            other.for_each(|(window, _)| labels[window] = predicted[window]);
        }
        all.push(labels);
    }
    Ok(all)
}

/// Zero mean, unit deviation, bounded.
fn standardised(mut features: Array2<f64>) -> Array2<f64> {
    for mut column in features.axis_iter_mut(Axis(1)) {
        let (mean, std) = (column.mean().unwrap_or(0.0), column.std(0.0));
        column.mapv_inplace(|x| ((x - mean) / std.max(1e-9)).clamp(-10.0, 10.0));
    }
    features
}

/// The first principal components, not scaled.
pub fn principal_components(rows: &Array2<f64>, n: usize) -> Array2<f64> {
    let mean = rows.mean_axis(Axis(0)).unwrap_or_default();
    let centred = rows - &mean;
    let covariance = centred.t().dot(&centred) / rows.nrows() as f64;
    let width = covariance.nrows();
    let eigen = SymmetricEigen::new(DMatrix::from_fn(width, width, |i, j| covariance[[i, j]]));
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let map = Array2::from_shape_fn((width, n.min(width)), |(i, k)| {
        eigen.eigenvectors[(i, order[k])]
    });
    centred.dot(&map)
}

/// One hidden layer of rectifiers and a softmax, fitted by Adam.
struct Network {
    layers: [Array2<f64>; 2],
}

impl Network {
    fn fit(features: &Array2<f64>, known: &[(usize, usize)], n_states: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut layer = |inputs: usize, outputs: usize| {
            let size = (6.0 / inputs as f64).sqrt();
            Array2::from_shape_fn((inputs + 1, outputs), |_| {
                size * (rng.random::<f64>() - 0.5)
            })
        };
        let layers = [layer(features.ncols(), HIDDEN), layer(HIDDEN, n_states)];
        let mut network = Self { layers };
        let mut moments = [0, 1].map(|_| [0, 1].map(|k| Array2::zeros(network.layers[k].dim())));
        let mut order = known.to_vec();
        let steps = EPOCHS * order.len().div_ceil(BATCH);
        let mut step = 0;
        for _ in 0..EPOCHS {
            order.shuffle(&mut rng);
            for batch in order.chunks(BATCH) {
                let windows: Vec<usize> = batch.iter().map(|(window, _)| *window).collect();
                let inputs = with_one(&features.select(Axis(0), &windows));
                let hidden = with_one(&inputs.dot(&network.layers[0]).mapv(|x| x.max(0.0)));
                let mut error = softmax(hidden.dot(&network.layers[1]));
                for (mut row, (_, state)) in error.outer_iter_mut().zip(batch) {
                    row[*state] -= 1.0;
                }
                error /= batch.len() as f64;
                let mut back = error.dot(&network.layers[1].t());
                back.zip_mut_with(&hidden, |b, h| *b *= f64::from(u8::from(*h > 0.0)));
                let back = back.slice(ndarray::s![.., ..HIDDEN]).to_owned();
                let gradients = [inputs.t().dot(&back), hidden.t().dot(&error)];
                step += 1;
                let rate =
                    STEP * 0.5 * (1.02 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
                for (k, gradient) in gradients.iter().enumerate() {
                    let gradient = gradient + &(&network.layers[k] * DECAY);
                    moments[0][k] = &moments[0][k] * 0.9 + &gradient * 0.1;
                    moments[1][k] = &moments[1][k] * 0.999 + gradient.mapv(|g| g * g) * 1e-3;
                    let (first, second) = (1.0 - 0.9f64.powi(step), 1.0 - 0.999f64.powi(step));
                    let root = moments[1][k].mapv(|v: f64| (v / second).sqrt() + 1e-8);
                    network.layers[k] -= &(&moments[0][k] / root * (rate / first));
                }
            }
        }
        network
    }

    fn predict(&self, features: &Array2<f64>) -> Vec<usize> {
        let hidden = with_one(features).dot(&self.layers[0]).mapv(|x| x.max(0.0));
        let scores = with_one(&hidden).dot(&self.layers[1]);
        let best = |row: ndarray::ArrayView1<'_, f64>| {
            (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
        };
        scores.outer_iter().map(best).collect()
    }
}

fn with_one(rows: &Array2<f64>) -> Array2<f64> {
    let ones = Array1::<f64>::ones(rows.nrows()).insert_axis(Axis(1));
    ndarray::concatenate![Axis(1), rows.view(), ones.view()]
}

fn softmax(mut scores: Array2<f64>) -> Array2<f64> {
    for mut row in scores.outer_iter_mut() {
        let most = row.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        row.mapv_inplace(|x| (x - most).exp());
        let sum = row.sum();
        row /= sum;
    }
    scores
}
