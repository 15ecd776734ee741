//! Synthetic records whose large, medium and fine scale each carry a state of their own, with the states known.
//!
//! Ten records of 2^18 samples on three channels; states change at multiples of 256 samples, the next one drawn from the
//! other two.

use std::f64::consts::TAU;
use std::ops::Range;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use seismix::data::synthetic::{MultifractalRandomWalk, coloured_noise};

/// Samples of a record.
pub const RECORD_SAMPLES: usize = 1 << 18;
/// Borders of states lie at multiples of this.
pub const GRID: usize = 256;
/// Records of a set.
pub const N_RECORDS: usize = 10;

type Channels = [Vec<f64>; 3];

/// What distinguishes the four sets.
#[derive(Debug, Clone, Copy)]
pub struct SetConfig {
    /// Name on the command line.
    pub name: &'static str,
    intermittency: f64,
    burst_frequency: [f64; 2],
    burst_period: [f64; 2],
    burst_ratio: [f64; 2],
    pulse_decay: [f64; 2],
    wavelet_frequency: [f64; 2],
    event_step: [f64; 2],
    event_ratio: [f64; 2],
}

const L1S: SetConfig = SetConfig {
    name: "l1s",
    intermittency: 0.5,
    burst_frequency: [0.095, 0.105],
    burst_period: [120.0, 130.0],
    burst_ratio: [3.0, 3.5],
    pulse_decay: [8.0, 10.0],
    wavelet_frequency: [0.30, 0.33],
    event_step: [96.0, 112.0],
    event_ratio: [5.0, 6.0],
};

const HARDER: SetConfig = SetConfig {
    name: "harder",
    intermittency: 0.4,
    burst_frequency: [0.08, 0.12],
    burst_period: [128.0, 160.0],
    burst_ratio: [1.5, 15.0],
    pulse_decay: [8.0, 16.0],
    wavelet_frequency: [0.25, 0.35],
    event_step: [96.0, 192.0],
    event_ratio: [3.0, 30.0],
};

/// The four sets: narrow, wide, weak and very weak.
pub const SETS: [SetConfig; 4] = [
    L1S,
    HARDER,
    SetConfig {
        name: "weak",
        burst_ratio: [1.0, 10.0],
        event_ratio: [2.0, 20.0],
        ..HARDER
    },
    SetConfig {
        name: "very-weak",
        burst_ratio: [0.3, 3.0],
        event_ratio: [1.0, 10.0],
        ..HARDER
    },
];

/// One record and its states.
pub struct Record {
    /// Samples of each channel.
    pub channels: Channels,
    /// State of each stretch of [`GRID`] samples: fine, medium, large.
    pub states: [Vec<usize>; 3],
}

impl Record {
    /// Record `number` of the set with this seed.
    pub fn generate(config: &SetConfig, seed: u64, number: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number as u64);
        let mut channels: Channels = std::array::from_fn(|_| vec![0.0; RECORD_SAMPLES]);
        let mut level = vec![0.0; RECORD_SAMPLES];
        let large = schedule(&mut rng, 64..129);
        for (span, state) in &large {
            background(
                config,
                span.clone(),
                *state,
                &mut rng,
                &mut channels,
                &mut level,
            );
        }
        let medium = schedule(&mut rng, 8..17);
        for (span, state) in medium.iter().filter(|(_, state)| *state > 0) {
            burst(
                config,
                span.clone(),
                *state == 2,
                &mut rng,
                &mut channels,
                &level,
            );
        }
        let fine = schedule(&mut rng, 2..7);
        for (span, state) in fine.iter().filter(|(_, state)| *state > 0) {
            events(
                config,
                span.clone(),
                *state == 2,
                &mut rng,
                &mut channels,
                &level,
            );
        }
        Self {
            channels,
            states: [&fine, &medium, &large].map(|schedule| {
                let units = schedule.iter().flat_map(|(span, state)| {
                    std::iter::repeat_n(*state, span.len().div_ceil(GRID))
                });
                units.collect()
            }),
        }
    }
}

/// Stretches of `units` times [`GRID`] samples, each in another state than the one before.
fn schedule(rng: &mut ChaCha8Rng, units: Range<usize>) -> Vec<(Range<usize>, usize)> {
    let mut stretches = Vec::new();
    let (mut at, mut state) = (0, rng.random_range(0..3));
    while at < RECORD_SAMPLES {
        let end = (at + GRID * rng.random_range(units.clone())).min(RECORD_SAMPLES);
        stretches.push((at..end, state));
        state = (state + rng.random_range(1..3)) % 3;
        at = end;
    }
    stretches
}

/// White noise, a multifractal random walk, or red noise; neighbours overlap 256 samples.
fn background(
    config: &SetConfig,
    span: Range<usize>,
    state: usize,
    rng: &mut ChaCha8Rng,
    channels: &mut Channels,
    level: &mut [f64],
) {
    const OVERLAP: usize = 128;
    let from = span.start.saturating_sub(OVERLAP);
    let to = (span.end + OVERLAP).min(RECORD_SAMPLES);
    let n = to - from;
    let mut sources: Channels = match state {
        0 => three(n, rng, |_| 1.0),
        1 => MultifractalRandomWalk {
            hurst: 0.5,
            lambda: config.intermittency,
            integral_samples: 2048,
        }
        .three(n, rng),
        _ => three(n, rng, |f| (f * f + 1.0 / (1024.0 * 1024.0)).powf(-0.375)),
    };
    sources.iter_mut().for_each(|source| to_unit(source));
    let gain = 10f64.powf(uniform(rng, [-0.5, 0.5]));
    for (index, channel) in channels.iter_mut().enumerate() {
        let weights: [f64; 3] = std::array::from_fn(|k| {
            let normal: f64 = StandardNormal.sample(rng);
            0.4 * normal + f64::from(u8::from(k == index))
        });
        let mut mixed: Vec<f64> = (0..n)
            .map(|t| (0..3).map(|k| weights[k] * sources[k][t]).sum())
            .collect();
        to_unit(&mut mixed);
        let factor = gain * uniform(rng, [0.5, 1.5]);
        for (t, value) in mixed.iter().enumerate() {
            let rise = if from < span.start {
                ramp(t, 2 * OVERLAP)
            } else {
                1.0
            };
            let fall = if to > span.end {
                ramp(n - 1 - t, 2 * OVERLAP)
            } else {
                1.0
            };
            channel[from + t] += factor * rise * fall * value;
        }
    }
    level[span].fill(gain);
}

/// Band noise, steady or modulated, from two sources.
fn burst(
    config: &SetConfig,
    span: Range<usize>,
    modulated: bool,
    rng: &mut ChaCha8Rng,
    channels: &mut Channels,
    level: &[f64],
) {
    let n = span.len();
    let center = log_uniform(rng, config.burst_frequency);
    let mut sources = coloured_noise(n, rng, |f| {
        (-0.5 * ((f - center) / (0.35 * center)).powi(2)).exp()
    });
    if modulated {
        let (period, phase) = (uniform(rng, config.burst_period), uniform(rng, [0.0, TAU]));
        for source in &mut sources {
            for (t, value) in source.iter_mut().enumerate() {
                *value *= (1.0 + (TAU * t as f64 / period + phase).cos()).powi(2);
            }
        }
    }
    let mixed: Vec<Vec<f64>> = (0..3)
        .map(|_| {
            let mut gain = || {
                let size = uniform(rng, [0.7, 1.0]);
                if rng.random() { size } else { -size }
            };
            let weights = [gain(), gain()];
            (0..n)
                .map(|t| weights[0] * sources[0][t] + weights[1] * sources[1][t])
                .collect()
        })
        .collect();
    let power = mixed.iter().flatten().map(|x| x * x).sum::<f64>() / (3 * n) as f64;
    let mean_level = level[span.clone()].iter().sum::<f64>() / n as f64;
    let factor = log_uniform(rng, config.burst_ratio) * mean_level / power.sqrt();
    for (channel, mixed) in channels.iter_mut().zip(&mixed) {
        for (t, value) in mixed.iter().enumerate() {
            channel[span.start + t] += factor * ramp(t, 128) * ramp(n - 1 - t, 128) * value;
        }
    }
}

/// One-sided pulses, or wavelets, every hundred samples or two.
fn events(
    config: &SetConfig,
    span: Range<usize>,
    wavelets: bool,
    rng: &mut ChaCha8Rng,
    channels: &mut Channels,
    level: &[f64],
) {
    let mut at = span.start as f64 + uniform(rng, [8.0, 96.0]);
    while at < span.end as f64 - 16.0 {
        let onset = at as usize;
        let peak = log_uniform(rng, config.event_ratio) * level[onset];
        let shape: Vec<f64> = if wavelets {
            let width = uniform(rng, [8.0, 16.0]);
            let frequency = uniform(rng, config.wavelet_frequency);
            let phase = uniform(rng, [0.0, TAU]);
            let wavelet =
                |t: f64| (-0.5 * (t / width).powi(2)).exp() * (TAU * frequency * t + phase).cos();
            (0..120).map(|t| wavelet(f64::from(t) - 28.0)).collect()
        } else {
            let decay = uniform(rng, config.pulse_decay);
            (0..160).map(|t| (-f64::from(t) / decay).exp()).collect()
        };
        for channel in channels.iter_mut() {
            let gain = peak * uniform(rng, [0.7, 1.0]);
            for (sample, value) in channel[onset..].iter_mut().zip(&shape) {
                *sample += gain * value;
            }
        }
        at += uniform(rng, config.event_step);
    }
}

fn three(n: usize, rng: &mut ChaCha8Rng, amplitude: impl Fn(f64) -> f64 + Copy) -> Channels {
    let [a, b] = coloured_noise(n, rng, amplitude);
    let [c, _] = coloured_noise(n, rng, amplitude);
    [a, b, c]
}

fn to_unit(values: &mut [f64]) {
    let power = values.iter().map(|x| x * x).sum::<f64>() / values.len().max(1) as f64;
    let factor = power.max(f64::MIN_POSITIVE).sqrt().recip();
    values.iter_mut().for_each(|x| *x *= factor);
}

/// Half a Hann window of `length` samples, then 1.
fn ramp(t: usize, length: usize) -> f64 {
    if t >= length {
        1.0
    } else {
        0.5 - 0.5 * (TAU / 2.0 * (t as f64 + 0.5) / length as f64).cos()
    }
}

fn uniform(rng: &mut ChaCha8Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

fn log_uniform(rng: &mut ChaCha8Rng, range: [f64; 2]) -> f64 {
    uniform(rng, range.map(f64::ln)).exp()
}
