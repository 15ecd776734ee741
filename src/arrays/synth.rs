//! New signals with given scattering covariances.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD, ArrayViewD, IxDyn};
use rayon::prelude::*;
use seismix_separate::{Error, Objective as _, Synthesis, SynthesisOptions, Synthetic};
use seismix_vae::ModelFile;

use crate::arrays::ArrayError;
use crate::config::Target;
use crate::stage::Observer;
use crate::synth::{cluster_windows, model_windows};

/// A signal correlated with the original more than this is drawn again.
const MAX_CORRELATION: f64 = 0.2;
/// Draws before the least correlated one is kept.
const MAX_DRAWS: u64 = 8;
/// Most samples of all signals, which are held in memory.
pub const MAX_SAMPLES_IN_ALL: usize = 1 << 28;

/// Signals whose statistics the new ones have.
#[derive(Debug, Clone)]
pub enum SynthTarget<'a> {
    /// A record `(T,)` or `(C,T)`.
    Like {
        /// The record.
        signals: ArrayViewD<'a, f64>,
        /// Octaves J of the coefficients.
        octaves: usize,
    },
    /// Covariances drawn from a cluster of a trained model.
    Model {
        /// The model.
        model: &'a ModelFile,
        /// Clusters at one scale.
        cluster: &'a Target,
        /// Samples of each signal; `None` is twice the window's.
        n_samples: Option<usize>,
    },
    /// Windows of a cluster, from feature files.
    Windows {
        /// Feature files.
        features: &'a [PathBuf],
        /// The table of clusters.
        clusters: &'a Path,
        /// Clusters at one scale.
        cluster: &'a Target,
        /// Samples of each signal; `None` is twice the window's.
        n_samples: Option<usize>,
    },
}

/// Parameters of [`synth`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SynthConfig {
    /// Signals to make, N.
    pub count: usize,
    /// Seed; the same seed gives the same bits on any number of threads.
    pub seed: u64,
    /// Largest deviation of a coefficient at which a signal is accepted, in natural scales; above 0 and below 1.
    pub tolerance: f64,
    /// Most iterations of a signal.
    pub max_iterations: usize,
}

impl Default for SynthConfig {
    fn default() -> Self {
        Self {
            count: 1,
            seed: 0,
            tolerance: 0.01,
            max_iterations: 2000,
        }
    }
}

/// New signals, and how close they are to their targets.
#[derive(Debug, Clone)]
pub struct Synthesized {
    /// `(N,T)` or `(N,C,T)`, in the unit of the target.
    pub signals: ArrayD<f64>,
    /// Largest deviation of a coefficient from its target, in natural scales; `signals` without its last axis.
    pub error: ArrayD<f64>,
    /// Pearson's correlation with the original, of the shape of `error`; of [`SynthTarget::Like`] only.
    pub correlation: Option<ArrayD<f64>>,
    /// The covariances drawn, `(N,C,K,2)`; of [`SynthTarget::Model`] only.
    pub coefficients: Option<ArrayD<f64>>,
    /// Iterations `(N,C)`.
    pub iterations: Array2<i64>,
    /// Octaves J of the coefficients; 0 for [`SynthTarget::Windows`], whose files contain them.
    pub octaves: usize,
    /// Codes of the channels; empty for [`SynthTarget::Like`].
    pub channels: Vec<String>,
    /// The windows used; of [`SynthTarget::Windows`] only.
    pub windows: Vec<SourceWindow>,
}

/// A window of a cluster that served as target.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SourceWindow {
    /// Station and band.
    pub id: String,
    /// First sample, ISO 8601.
    pub starttime: String,
    /// Probability of the cluster.
    pub probability: f32,
}

/// Makes new signals with the scattering covariance (`scat+cov`) of a target, each channel on its own.
///
/// # Errors
/// [`ArrayError::Setting`], [`ArrayError::Shape`], [`ArrayError::Synthesis`] if a target has no signal or is not
/// finite,
/// [`ArrayError::Stage`] from models and feature files, [`ArrayError::Interrupted`].
pub fn synth(
    target: &SynthTarget,
    config: &SynthConfig,
    observer: &dyn Observer,
) -> Result<Synthesized, ArrayError> {
    if !(config.tolerance > 0.0 && config.tolerance < 1.0) {
        return Err(ArrayError::Setting(format!(
            "the tolerance {} is not valid: write a number above 0 and below 1",
            config.tolerance
        )));
    }
    match target {
        SynthTarget::Like { signals, octaves } => like(signals, *octaves, config, observer),
        SynthTarget::Model {
            model,
            cluster,
            n_samples,
        } => {
            config.check_size(1, n_samples.unwrap_or(1))?;
            let drawn = model_windows(model, cluster, *n_samples, config.count, config.seed)?;
            let shape = [drawn.channels.len(), drawn.n_samples];
            let jobs = jobs(
                &drawn.syntheses.iter().collect::<Vec<_>>(),
                shape[0],
                config,
            );
            let made = make(jobs, config, observer)?;
            Ok(Synthesized {
                coefficients: Some(drawn.coefficients),
                octaves: drawn.octaves,
                channels: drawn.channels,
                ..Synthesized::of(&made, &shape, config)?
            })
        }
        SynthTarget::Windows {
            features,
            clusters,
            cluster,
            n_samples,
        } => {
            config.check_size(1, n_samples.unwrap_or(1))?;
            let (count, seed) = (config.count, config.seed);
            let windows = cluster_windows(features, clusters, cluster, *n_samples, count, seed)?;
            let first = windows.first().map_or(&[][..], |w| &w.channels[..]);
            let n_samples = first.first().map_or(0, |(_, s)| s.n_samples());
            let channels = windows.iter().flat_map(|window| &window.channels);
            let syntheses: Vec<&Synthesis> = channels.map(|(_, synthesis)| synthesis).collect();
            let made = make(jobs(&syntheses, first.len(), config), config, observer)?;
            let source = |w: &crate::synth::ClusterWindow| SourceWindow {
                id: w.id.clone(),
                starttime: w.starttime.clone(),
                probability: w.probability,
            };
            Ok(Synthesized {
                channels: first.iter().map(|(code, _)| code.clone()).collect(),
                windows: windows.iter().map(source).collect(),
                ..Synthesized::of(&made, &[first.len(), n_samples], config)?
            })
        }
    }
}

fn like(
    signals: &ArrayViewD<f64>,
    octaves: usize,
    config: &SynthConfig,
    observer: &dyn Observer,
) -> Result<Synthesized, ArrayError> {
    let shape = signals.shape().to_vec();
    let n_samples = match shape[..] {
        [t] if t > 0 => t,
        [c, t] if c > 0 && t > 0 => t,
        _ => {
            return Err(ArrayError::Shape {
                argument: "like",
                found: shape,
                expected: "(T,) or (C,T)".into(),
            });
        }
    };
    config.check_size(signals.len() / n_samples, n_samples)?;
    let originals = super::rows(signals);
    let syntheses = originals
        .iter()
        .map(|original| Synthesis::like(original, octaves))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ArrayError::Synthesis)?;
    let jobs = (0..config.count).flat_map(|i| {
        let channels = syntheses.iter().zip(&originals).enumerate();
        channels.map(move |(c, (synthesis, original))| Job {
            synthesis,
            original: Some(original),
            seed: config.seed_of(i, c),
        })
    });
    let made = make(jobs.collect(), config, observer)?;
    let found = Synthesized::of(&made, &shape, config)?;
    let correlations = made.iter().map(|m| m.correlation).collect();
    let without_time = &found.signals.shape()[..shape.len()];
    Ok(Synthesized {
        correlation: Some(shaped(without_time, correlations)?),
        octaves,
        ..found
    })
}

/// One job for each synthesis, the channels of a signal after each other.
fn jobs<'a>(syntheses: &[&'a Synthesis], n_channels: usize, config: &SynthConfig) -> Vec<Job<'a>> {
    let n_channels = n_channels.max(1);
    let job = |(at, synthesis): (usize, &&'a Synthesis)| Job {
        synthesis,
        original: None,
        seed: config.seed_of(at / n_channels, at % n_channels),
    };
    syntheses.iter().enumerate().map(job).collect()
}

impl SynthConfig {
    /// Seeds of different signals and channels are far apart.
    fn seed_of(&self, signal: usize, channel: usize) -> u64 {
        let number = (signal * 64 + channel) as u64;
        self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number << 8)
    }

    /// Refuses more samples than are held in memory.
    fn check_size(&self, n_channels: usize, n_samples: usize) -> Result<(), ArrayError> {
        let all = [self.count, n_channels, n_samples]
            .into_iter()
            .try_fold(1_usize, usize::checked_mul);
        if all.is_some_and(|all| all <= MAX_SAMPLES_IN_ALL) {
            return Ok(());
        }
        Err(ArrayError::Setting(format!(
            "{} signals of {n_channels} channel(s) of {n_samples} samples exceed {MAX_SAMPLES_IN_ALL} samples in all: \
             make fewer at a time, each time with another seed",
            self.count
        )))
    }
}

/// One signal of one channel to be made.
struct Job<'a> {
    synthesis: &'a Synthesis,
    original: Option<&'a [f64]>,
    seed: u64,
}

/// One signal made, and its correlation with the original.
struct Made {
    synthetic: Synthetic,
    correlation: f64,
}

fn make(
    jobs: Vec<Job>,
    config: &SynthConfig,
    observer: &dyn Observer,
) -> Result<Vec<Made>, ArrayError> {
    let options = SynthesisOptions {
        tolerance: config.tolerance,
        max_iterations: config.max_iterations,
    };
    observer.begin("synth", jobs.len() as u64, "channels");
    let made = jobs
        .par_iter()
        .map(|job| {
            if observer.cancelled() {
                return Err(ArrayError::Interrupted);
            }
            let made = job
                .draw(options, &|| observer.cancelled())
                .map_err(|error| match error {
                    Error::Interrupted => ArrayError::Interrupted,
                    error => ArrayError::Synthesis(error),
                });
            observer.advance(1);
            made
        })
        .collect::<Vec<_>>();
    observer.end();
    made.into_iter().collect()
}

impl Job<'_> {
    /// Draws until the signal is not the original; a few strong waves may agree with it by chance.
    fn draw(
        &self,
        options: SynthesisOptions,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Made, Error> {
        let mut best: Option<Made> = None;
        for draw in 0..MAX_DRAWS {
            let seed = self.seed.wrapping_add(draw);
            let synthetic = self.synthesis.draw_until(seed, options, cancelled)?;
            let correlation = self
                .original
                .map_or(0.0, |original| correlation(original, &synthetic.signal));
            let better = best
                .as_ref()
                .is_none_or(|best| correlation.abs() < best.correlation.abs());
            if better {
                best = Some(Made {
                    synthetic,
                    correlation,
                });
            }
            if correlation.abs() < MAX_CORRELATION {
                break;
            }
        }
        best.ok_or(Error::SilentTarget)
    }
}

impl Synthesized {
    /// The signals and their errors; each has `shape`.
    fn of(made: &[Made], shape: &[usize], config: &SynthConfig) -> Result<Self, ArrayError> {
        let all = [&[config.count], shape].concat();
        let samples = made.iter().flat_map(|m| &m.synthetic.signal).copied();
        let errors = made.iter().map(|m| m.synthetic.mismatch.worst).collect();
        let iterations: Vec<i64> = made
            .iter()
            .map(|m| m.synthetic.n_iterations as i64)
            .collect();
        let n_channels = iterations.len() / config.count.max(1);
        Ok(Self {
            signals: shaped(&all, samples.collect())?,
            error: shaped(&all[..all.len() - 1], errors)?,
            correlation: None,
            coefficients: None,
            iterations: Array2::from_shape_vec((config.count, n_channels), iterations)
                .map_err(|error| ArrayError::Setting(error.to_string()))?,
            octaves: 0,
            channels: Vec::new(),
            windows: Vec::new(),
        })
    }
}

fn shaped(shape: &[usize], values: Vec<f64>) -> Result<ArrayD<f64>, ArrayError> {
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| ArrayError::Setting(error.to_string()))
}

/// Pearson's correlation of two signals.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |x: &[f64]| -> Vec<f64> {
        let mean = x.iter().map(|v| v / x.len() as f64).sum::<f64>();
        let left: Vec<f64> = x.iter().map(|v| v - mean).collect();
        // Near 1, so that no square overflows or underflows.
        let largest = left.iter().fold(f64::MIN_POSITIVE, |m, v| v.abs().max(m));
        left.into_iter().map(|v| v / largest).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = (product(&a, &a) * product(&b, &b)).sqrt();
    if size > 0.0 {
        product(&a, &b) / size
    } else {
        0.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stage::NoProgress;

    #[test]
    fn arrays_and_settings_that_cannot_be_used_are_typed_errors() {
        let run = |shape: &[usize], config: SynthConfig| {
            let signals = ArrayD::from_shape_fn(IxDyn(shape), |_| 1.0);
            let target = SynthTarget::Like {
                signals: signals.view(),
                octaves: 3,
            };
            synth(&target, &config, &NoProgress).unwrap_err()
        };
        for shape in [&[][..], &[0], &[2, 0], &[1, 1, 64]] {
            let refused = run(shape, SynthConfig::default());
            assert!(
                matches!(refused, ArrayError::Shape { .. }),
                "{shape:?}: {refused}"
            );
        }
        for config in [
            SynthConfig {
                count: usize::MAX,
                ..Default::default()
            },
            SynthConfig {
                tolerance: f64::NAN,
                ..Default::default()
            },
        ] {
            assert!(run(&[64], config).is_setting(), "{config:?}");
        }
    }
}
