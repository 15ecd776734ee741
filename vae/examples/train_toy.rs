//! Finds the clusters of a small set of Gaussian blobs at two scales, and samples one of them.
//!
//! `cargo run -p seismix-vae --example train_toy`

#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use ndarray::{Array3, Axis};
use seismix_vae::noise::{NoiseKey, Purpose};
use seismix_vae::{EpochRecord, Preset, TrainObserver, TrainingData, split, train};

const N: usize = 600;
const FEATURES: usize = 6;

/// The cluster that a window truly belongs to at each of the two scales.
fn truth(window: usize) -> [usize; 2] {
    [window % 3, (window / 3) % 3]
}

fn blobs() -> TrainingData {
    let scale = |scale: usize| {
        let key = NoiseKey {
            seed: 1,
            epoch: 0,
            step: 0,
            purpose: Purpose::Sample,
            scale,
        };
        let noise = key.normal(N * FEATURES);
        Array3::from_shape_fn((N, 1, FEATURES), |(window, _, feature)| {
            let inside = feature % 3 == truth(window)[scale];
            f32::from(u8::from(inside)) * 3.0 - 1.0 + 0.4 * noise[window * FEATURES + feature]
        })
    };
    TrainingData {
        scales: vec![scale(0), scale(1)],
    }
}

struct Print;

impl TrainObserver for Print {
    fn epoch(&mut self, record: &EpochRecord) -> ControlFlow<()> {
        if record.epoch % 10 == 9 {
            println!(
                "epoch {:2}: loss {:7.3}, cluster sizes {:?}",
                record.epoch + 1,
                record.train.total,
                record.cluster_sizes
            );
        }
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = blobs();
    let mut preset = Preset::compact(&["short", "long"], &[FEATURES, FEATURES]);
    preset.config.n_clusters = 3;
    // Few windows make few steps an epoch. A low weight of the reconstruction makes samples lean on their cluster.
    preset.options.epochs = 60;
    preset.options.label_epochs = 20;
    preset.options.weights.reconstruction = 0.5;
    // A rough start, right for two windows of three, as k-means might give.
    let rough = |scale: usize| {
        (0..N)
            .map(|w| (w % 7 < 5).then_some(truth(w)[scale]))
            .collect()
    };
    preset.options.initial_labels = Some(vec![rough(0), rough(1)]);
    let end_times: Vec<i64> = (0..N as i64).collect();
    let split = split::blocked(&end_times, 0.1, 20, 1)?;
    let (model, _) = train(
        &preset.config,
        &data,
        &split,
        &preset.options,
        None,
        &mut Print,
    )?;
    let found = model.responsibilities(&data)?;
    println!("window 4 belongs to {:?}; probabilities:", truth(4));
    for (scale, rows) in found.iter().enumerate() {
        println!("  scale {scale}: {:.3}", rows.row(4));
    }
    for cluster in 0..3 {
        let samples = model.sample(0, cluster, 200, 7)?;
        if let Some(mean) = samples.mean_axis(Axis(0)) {
            println!("mean of 200 samples of cluster {cluster}: {mean:.2}");
        }
    }
    Ok(())
}
