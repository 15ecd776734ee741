//! What a step of training costs: seconds a step of two networks, on made-up inputs and one thread.
//!
//! `cargo run --release -p seismix-vae --example step_cost -- compact 128 40` prints, for the network `compact`,
//! `wide` (hidden 128) or `paper`, a batch of 128 windows and 40 steps, the least, the median and the first step's
//! time; `scripts/bench_training.py` runs it beside PyTorch.

#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;
use std::time::Instant;

use ndarray::Array3;
use seismix_vae::model::TensorKind;
use seismix_vae::noise::{NoiseKey, Purpose};
use seismix_vae::{
    EpochRecord, Fvae, FvaeConfig, Split, TrainObserver, TrainOptions, TrainingData, train,
};

/// Times between the ends of epochs of one step.
struct Clock {
    last: Instant,
    seconds: Vec<f64>,
}

impl TrainObserver for Clock {
    fn begin(&mut self, _done: usize, _epochs: usize) {
        self.last = Instant::now();
    }

    fn epoch(&mut self, _record: &EpochRecord) -> ControlFlow<()> {
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("compact", String::as_str);
    let number = |index: usize, otherwise: usize| -> Result<usize, std::num::ParseIntError> {
        arguments.get(index).map_or(Ok(otherwise), |a| a.parse())
    };
    let (batch, steps) = (number(1, 128)?, number(2, 10)?);
    let (channels, features, latent, hidden, layers) = match name {
        "compact" => (1, 24, 8, 64, 2),
        "wide" => (3, 420, 32, 128, 4),
        "paper" => (3, 420, 32, 1024, 4),
        _ => return Err(format!("no network `{name}`: compact, wide or paper").into()),
    };
    let names = ["1024", "4096", "16384", "65536"];
    let config = FvaeConfig {
        scale_names: names.map(str::to_owned).to_vec(),
        features_per_scale: vec![features; names.len()],
        n_channels: channels,
        n_clusters: 9,
        latent,
        hidden,
        layers,
    };
    let scale = |scale: usize| {
        let key = NoiseKey {
            seed: 1,
            epoch: 0,
            step: 0,
            purpose: Purpose::Sample,
            scale,
        };
        let values = key.normal(batch * channels * features);
        Array3::from_shape_vec((batch, channels, features), values)
    };
    let data = TrainingData {
        scales: (0..names.len()).map(scale).collect::<Result<_, _>>()?,
    };
    let split = Split::all(batch);
    let options = TrainOptions {
        epochs: steps,
        batch,
        ..TrainOptions::default()
    };
    let mut clock = Clock {
        last: Instant::now(),
        seconds: Vec::new(),
    };
    train(&config, &data, &split, &options, None, &mut clock)?;
    let first = clock.seconds[0];
    clock.seconds.sort_by(f64::total_cmp);
    println!(
        "{name} batch {batch}: least {:.5} s a step, median {:.5}, first {first:.5}; {} parameters",
        clock.seconds[0],
        clock.seconds[clock.seconds.len() / 2],
        n_parameters(&config)?
    );
    Ok(())
}

/// Number of trainable numbers.
fn n_parameters(config: &FvaeConfig) -> Result<usize, seismix_vae::Error> {
    let model = Fvae::new(config, 0)?;
    let trained = model
        .specs()
        .iter()
        .filter(|spec| spec.kind == TensorKind::Parameter);
    Ok(trained
        .map(|spec| spec.shape.iter().product::<usize>())
        .sum())
}
