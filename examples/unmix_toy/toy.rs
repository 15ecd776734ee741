//! The toy experiments of arXiv 2301.11981: a known source in the increments of a multifractal random walk.

use std::f64::consts::TAU;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use seismix::data::synthetic::{MultifractalRandomWalk, fractional_gaussian_noise};

/// Where the square wave begins before the middle, in samples of 1024.
const SQUARE_LEAD: usize = 5;
/// Levels and lengths (in samples of 1024) of the square wave.
const SQUARE: [(f64, usize); 4] = [(-1.0, 5), (2.0, 100), (-1.0, 20), (1.0, 40)];
/// Pulses, and wave packets, in a window.
const PULSES: usize = 3;

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToyKind {
    /// Three double-sided exponentials of 4.2 times the background's rms, anywhere in the window.
    ExpGlitch,
    /// A square wave in the middle, a quarter of the background's energy.
    SquareGlitch,
    /// A smooth, intermittent walk (Hurst exponent 1/3) all over the window, as much energy as the background.
    Turbulence,
    /// Three wave packets of random frequency, place and phase, as much energy as the background.
    WavePackets,
}

/// A mixture with its truth, and snippets of other background.
#[derive(Debug, Clone)]
pub struct Toy {
    /// Background plus source `(T,)`.
    pub mixture: Vec<f64>,
    /// The true background `(T,)`.
    pub background: Vec<f64>,
    /// The true source `(T,)`.
    pub source: Vec<f64>,
    /// Snippets of background, R of `(T,)`.
    pub snippets: Vec<Vec<f64>>,
}

impl Toy {
    /// Background and snippets of rms 1 / sqrt(T) (H = 0.5, lambda = 0.2, integral scale T + 1), and a source of this
    /// kind. The same seed gives the same background and snippets for every kind.
    pub fn generate(kind: ToyKind, n_samples: usize, n_snippets: usize, seed: u64) -> Self {
        let (background, snippets) = backgrounds(n_samples, n_snippets, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let source = kind.source(&background, &mut rng);
        Self::new(background, source, snippets)
    }

    /// The same background and snippets with a source of one's own.
    pub fn with_source(source: Vec<f64>, n_snippets: usize, seed: u64) -> Self {
        let (background, snippets) = backgrounds(source.len(), n_snippets, seed);
        Self::new(background, source, snippets)
    }

    fn new(background: Vec<f64>, source: Vec<f64>, snippets: Vec<Vec<f64>>) -> Self {
        let mixture = background.iter().zip(&source).map(|(n, g)| n + g).collect();
        Self {
            mixture,
            background,
            source,
            snippets,
        }
    }
}

fn backgrounds(n_samples: usize, n_snippets: usize, seed: u64) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let walk = MultifractalRandomWalk {
        hurst: 0.5,
        lambda: 0.2,
        integral_samples: n_samples + 1,
    };
    let rms = 1.0 / (n_samples as f64).sqrt();
    let mut draw = || -> Vec<f64> {
        let [increments, _] = walk.increments(n_samples, &mut rng);
        increments.iter().map(|v| v * rms).collect()
    };
    let background = draw();
    (background, (0..n_snippets).map(|_| draw()).collect())
}

impl ToyKind {
    /// All kinds, by name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("exp-glitch", Self::ExpGlitch),
        ("square-glitch", Self::SquareGlitch),
        ("turbulence", Self::Turbulence),
        ("wave-packets", Self::WavePackets),
    ];

    fn source(self, background: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
        let n = background.len();
        let length = n as f64;
        match self {
            Self::ExpGlitch => {
                let height = 4.2 / length.sqrt();
                let places: Vec<f64> = (0..PULSES).map(|_| length * rng.random::<f64>()).collect();
                let decay = length / 65.0;
                let pulses = |t: usize| -> f64 {
                    let of = |place: &f64| (-(t as f64 - place).abs() / decay).exp();
                    places.iter().map(of).sum()
                };
                (0..n).map(|t| height * pulses(t)).collect()
            }
            Self::SquareGlitch => {
                let samples = |of_1024: usize| of_1024 * n / 1024;
                let mut wave = vec![0.0; n / 2 - samples(SQUARE_LEAD)];
                for (level, length) in SQUARE {
                    wave.extend(std::iter::repeat_n(level, samples(length)));
                }
                wave.resize(n, 0.0);
                with_energy(wave, 0.25 * energy(background))
            }
            Self::Turbulence => {
                let [increments, _] = fractional_gaussian_noise(n, rng, 1.0 / 3.0);
                let volatility = MultifractalRandomWalk {
                    hurst: 0.5,
                    lambda: 0.2,
                    integral_samples: n + 1,
                };
                let [gusts, _] = volatility.increments(n, rng);
                let mut level = 0.0;
                let walk: Vec<f64> = increments
                    .iter()
                    .zip(&gusts)
                    .map(|(step, gust)| {
                        level += step * gust.abs();
                        level
                    })
                    .collect();
                let mean = walk.iter().sum::<f64>() / length;
                let walk = walk.iter().map(|v| v - mean).collect();
                with_energy(walk, energy(background))
            }
            Self::WavePackets => {
                let mut wave = vec![0.0; n];
                for _ in 0..PULSES {
                    let [place, phase, octave, size] = [(); 4].map(|()| rng.random::<f64>());
                    let frequency = 8.0 / length * (3.0 * octave).exp2();
                    let width = 1.0 / frequency;
                    for (t, value) in wave.iter_mut().enumerate() {
                        let from = t as f64 - place * length;
                        *value += (0.5 + size)
                            * (-0.5 * (from / width).powi(2)).exp()
                            * (TAU * (frequency * from + phase)).sin();
                    }
                }
                with_energy(wave, energy(background))
            }
        }
    }
}

fn energy(signal: &[f64]) -> f64 {
    signal.iter().map(|v| v * v).sum()
}

fn with_energy(signal: Vec<f64>, wanted: f64) -> Vec<f64> {
    let factor = (wanted / energy(&signal)).sqrt();
    signal.iter().map(|v| v * factor).collect()
}

/// Signal-to-noise ratio of an estimate, `10 log10(sum true^2 / sum (true - estimate)^2)`, in dB.
pub fn snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    let error: f64 = truth
        .iter()
        .zip(estimate)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    10.0 * (energy(truth) / error).log10()
}
