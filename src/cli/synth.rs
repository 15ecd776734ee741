//! `seismix synth`: new signals with given scattering covariances.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use rayon::prelude::*;
use seismix::config::Target;
use seismix::separation::{Error, Objective, Synthesis, SynthesisOptions, Synthetic};
use seismix::stage::{Observer, PipelineError};
use seismix::synth::{cluster_windows, model_windows};
use seismix::vae::ModelFile;
use serde_json::{Value, json};

use super::arrays;
use super::context::Context;
use super::exit::{Failure, Result};
use super::options::{MAX_ITERATIONS, Seed, positive, whole};
use super::{interrupt, output_guard};

/// A signal that goes with the original more than this is drawn again.
const MOST_CORRELATION: f64 = 0.2;
/// Draws before the least correlated one is kept.
const DRAWS: u64 = 8;
/// Most signals, samples of each, and samples of all, which are held in memory.
const MAX_SIGNALS: usize = 10_000;
const MAX_SAMPLES: usize = 1 << 24;
const MAX_IN_ALL: usize = 1 << 28;

/// Make new signals that have the scattering covariance of a record, of a cluster's windows, or of a model's samples
///
/// OUT holds `signals` (N,T), or (N,C,T) for several channels, each made on its own; `error`, the largest deviation of a
/// coefficient (scat+cov) from its target, in units of the coefficient's natural scale; with --like
/// `correlation` with the original; and with --model `coefficients` (N,C,K,2), the covariances that were drawn.
#[derive(Debug, Args)]
pub struct Synth {
    /// The record to be like, (T,) or (C,T)
    #[arg(long, value_name = "IN.npy", required_unless_present = "cluster")]
    like: Option<PathBuf>,
    /// The cluster to be like, such as 1024:3: like what a model draws from it, or like its windows
    #[arg(long, value_name = "SCALE:CLUSTER[,CLUSTER..]", conflicts_with_all = ["like", "octaves"])]
    cluster: Option<Target>,
    /// A trained model, which draws a scattering covariance of the cluster for each signal
    #[arg(long, short, value_name = "MODEL", requires = "cluster", conflicts_with_all = ["like", "features", "clusters"])]
    model: Option<PathBuf>,
    /// Feature files: each signal is like one of the cluster's windows in them, confident ones first
    #[arg(long, value_name = "FEATURES", requires_all = ["cluster", "clusters"], conflicts_with = "like")]
    features: Vec<PathBuf>,
    /// The table that `seismix cluster` wrote
    #[arg(long, short, value_name = "CLUSTERS.csv", requires_all = ["cluster", "features"], conflicts_with = "like")]
    clusters: Option<PathBuf>,
    /// Samples of each signal; one window's coefficients are matched more closely by more [default: twice the window's]
    #[arg(long, value_name = "T", value_parser = whole::<1, MAX_SAMPLES>, requires = "cluster", conflicts_with = "like")]
    samples: Option<usize>,
    /// Signals to make
    #[arg(long, short = 'n', value_name = "N", default_value = "1", value_parser = whole::<1, MAX_SIGNALS>)]
    count: usize,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    /// Octaves J of the coefficients [default: 8]
    #[arg(long, value_name = "J", value_parser = positive)]
    octaves: Option<usize>,
    /// Good enough: the largest deviation of a coefficient, in natural scales
    #[arg(long, value_name = "X", default_value = "0.01")]
    tolerance: f64,
    /// At most so many iterations a signal
    #[arg(long, value_name = "N", default_value = "2000", value_parser = whole::<1, MAX_ITERATIONS>)]
    max_iter: usize,
    #[command(flatten)]
    seed: Seed,
}

/// One signal to be made.
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

impl Synth {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        context.open_first(&self.output);
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            return Err(Failure::usage(format!(
                "--tolerance {}: write a number above 0 and below 1",
                self.tolerance
            )));
        }
        let single = [&self.like, &self.model, &self.clusters];
        let inputs = single.into_iter().flatten().chain(&self.features);
        output_guard::file(&self.output, inputs.map(PathBuf::as_path))?;
        match (&self.like, &self.cluster) {
            (Some(path), _) => self.like(context, path),
            (None, Some(cluster)) => match (&self.model, &self.clusters) {
                (Some(model), _) => self.of_model(context, cluster, model),
                (None, Some(clusters)) => self.of_cluster(context, cluster, clusters),
                (None, None) => Err(Failure::usage("--cluster says nothing by itself")
                    .with_help("add -m MODEL, or --features FEATURES -c CLUSTERS.csv")),
            },
            (None, None) => Err(Failure::usage("give --like or --cluster".to_owned())),
        }
    }

    fn like(&self, context: &mut Context, path: &Path) -> Result<()> {
        let input = arrays::read_npy(path)?;
        let shape = input.values.shape().to_vec();
        if shape.is_empty() || shape.len() > 2 {
            return Err(Failure::new(format!(
                "{}: an array of shape {shape:?} is not (T,) or (C,T)",
                path.display()
            )));
        }
        let n_samples = shape[shape.len() - 1];
        self.check_size(input.values.len() / n_samples.max(1), n_samples)?;
        let octaves = self.octaves.unwrap_or(8);
        let values: Vec<f64> = input.values.iter().copied().collect();
        let originals: Vec<&[f64]> = values.chunks_exact(shape[shape.len() - 1]).collect();
        let refused = |error: Error| {
            let message = format!("{}: {error}", path.display());
            match error {
                Error::Scattering(_) => Failure::usage(message),
                _ => Failure::new(message),
            }
        };
        let syntheses = originals
            .iter()
            .map(|original| Synthesis::like(original, octaves))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refused)?;
        let jobs = (0..self.count).flat_map(|i| {
            let channels = syntheses.iter().zip(&originals).enumerate();
            channels.map(move |(c, (synthesis, original))| Job {
                synthesis,
                original: Some(original),
                seed: self.seed_of(i, c),
            })
        });
        let made = self.make(context, jobs.collect()).map_err(|e| match e {
            Unmade::Interrupted => Failure::Interrupted,
            Unmade::Refused(error) => refused(error),
        })?;
        let input =
            json!({ "like": { "file": path.display().to_string(), "sha256": input.sha256 } });
        self.write(context, &made, &shape, octaves, input, Beside::Correlation)
    }

    fn of_model(&self, context: &mut Context, cluster: &Target, path: &Path) -> Result<()> {
        self.check_size(1, self.samples.unwrap_or(1))?;
        let model = ModelFile::load(path).map_err(PipelineError::from)?;
        let drawn = model_windows(&model, cluster, self.samples, self.count, self.seed.seed)?;
        let shape = [drawn.channels.len(), drawn.n_samples];
        let jobs = drawn
            .syntheses
            .iter()
            .enumerate()
            .map(|(at, synthesis)| Job {
                synthesis,
                original: None,
                seed: self.seed_of(at / shape[0], at % shape[0]),
            });
        let made = self.make(context, jobs.collect()).map_err(|e| match e {
            Unmade::Interrupted => Failure::Interrupted,
            Unmade::Refused(error) => Failure::new(error.to_string()),
        })?;
        let input = json!({
            "cluster": cluster.to_string(), "model": path.display().to_string(), "trained": model.provenance,
            "channels": drawn.channels,
        });
        self.write(
            context,
            &made,
            &shape,
            drawn.octaves,
            input,
            Beside::Coefficients(&drawn.coefficients),
        )
    }

    fn of_cluster(&self, context: &mut Context, cluster: &Target, clusters: &Path) -> Result<()> {
        self.check_size(1, self.samples.unwrap_or(1))?;
        let seed = self.seed.seed;
        let windows = cluster_windows(
            &self.features,
            clusters,
            cluster,
            self.samples,
            self.count,
            seed,
        )?;
        let first = &windows[0].channels;
        let shape = [first.len(), first.first().map_or(0, |(_, s)| s.n_samples())];
        let jobs = windows.iter().enumerate().flat_map(|(i, window)| {
            let channels = window.channels.iter().enumerate();
            channels.map(move |(c, (_, synthesis))| Job {
                synthesis,
                original: None,
                seed: self.seed_of(i, c),
            })
        });
        let made = self.make(context, jobs.collect()).map_err(|e| match e {
            Unmade::Interrupted => Failure::Interrupted,
            Unmade::Refused(error) => Failure::new(error.to_string()),
        })?;
        let told: Vec<Value> = windows
            .iter()
            .map(|w| json!({ "id": w.id, "starttime": w.starttime, "probability": w.probability }))
            .collect();
        let codes: Vec<&String> = first.iter().map(|(code, _)| code).collect();
        let input = json!({
            "cluster": cluster.to_string(), "clusters": clusters.display().to_string(), "windows": told, "channels": codes,
        });
        self.write(context, &made, &shape, 0, input, Beside::Nothing)
    }

    /// Seeds of different signals and channels are far apart.
    fn seed_of(&self, signal: usize, channel: usize) -> u64 {
        let number = (signal * 64 + channel) as u64;
        self.seed.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number << 8)
    }

    /// Refuses more samples than are held in memory.
    fn check_size(&self, n_channels: usize, n_samples: usize) -> Result<()> {
        let all = [self.count, n_channels, n_samples]
            .into_iter()
            .try_fold(1_usize, usize::checked_mul);
        if all.is_some_and(|all| all <= MAX_IN_ALL) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} signals of {n_channels} channel(s) of {n_samples} samples are more than {MAX_IN_ALL} samples in all",
            self.count
        ))
        .with_help("make fewer at a time, each time with another --seed"))
    }

    fn make(&self, context: &Context, jobs: Vec<Job>) -> std::result::Result<Vec<Made>, Unmade> {
        let options = SynthesisOptions {
            tolerance: self.tolerance,
            max_iterations: self.max_iter,
        };
        let observer = &context.observer;
        observer.begin("synth", jobs.len() as u64, "channels");
        let made = jobs
            .par_iter()
            .map(|job| {
                if interrupt::asked() {
                    return Err(Unmade::Interrupted);
                }
                let made = job.draw(options).map_err(|error| match error {
                    Error::Interrupted => Unmade::Interrupted,
                    error => Unmade::Refused(error),
                });
                observer.advance(1);
                made
            })
            .collect::<Vec<_>>();
        observer.end();
        made.into_iter().collect()
    }

    fn write(
        &self,
        context: &mut Context,
        made: &[Made],
        shape: &[usize],
        octaves: usize,
        input: Value,
        beside: Beside,
    ) -> Result<()> {
        if interrupt::asked() {
            return Err(Failure::Interrupted);
        }
        let mut shape_of_all = vec![self.count];
        shape_of_all.extend(shape);
        let samples: Vec<f64> = made
            .iter()
            .flat_map(|m| m.synthetic.signal.iter().copied())
            .collect();
        let shaped = |shape: &[usize], values: Vec<f64>| {
            ArrayD::from_shape_vec(IxDyn(shape), values)
                .map_err(|error| Failure::new(error.to_string()))
        };
        let signals = shaped(&shape_of_all, samples)?;
        let without_time = &shape_of_all[..shape_of_all.len() - 1];
        let errors: Vec<f64> = made.iter().map(|m| m.synthetic.mismatch.worst).collect();
        let correlations: Vec<f64> = made.iter().map(|m| m.correlation).collect();
        let error = shaped(without_time, errors.clone())?;
        let correlation = shaped(without_time, correlations.clone())?;
        let iterations: Vec<i64> = made
            .iter()
            .map(|m| m.synthetic.n_iterations as i64)
            .collect();
        let n_channels = iterations.len() / self.count;
        let iterations = Array2::from_shape_vec((self.count, n_channels), iterations)
            .map_err(|error| Failure::new(error.to_string()))?;
        let mut provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "synth",
            "seed": self.seed.seed,
            "configuration": {
                "count": self.count, "octaves": octaves, "tolerance": self.tolerance, "max_iter": self.max_iter,
            },
        });
        if let (Some(all), Some(own)) = (provenance.as_object_mut(), input.as_object()) {
            all.extend(own.clone());
        }
        let note = Array1::from(provenance.to_string().into_bytes());
        arrays::write_npz(&self.output, |archive| {
            archive.add_array("signals", &signals)?;
            archive.add_array("error", &error)?;
            match beside {
                Beside::Correlation => archive.add_array("correlation", &correlation)?,
                Beside::Coefficients(drawn) => archive.add_array("coefficients", drawn)?,
                Beside::Nothing => {}
            }
            archive.add_array("iterations", &iterations)?;
            archive.add_array("provenance", &note)
        })?;
        let output = self.output.display().to_string();
        let worst = errors.iter().fold(0.0_f64, |m, e| m.max(*e));
        let short = errors.iter().filter(|e| **e > self.tolerance).count();
        context.printer.text(format!(
            "{output}: {}, coefficients within {worst:.4} of their natural scales{}",
            counted(self.count, made.len()),
            if short > 0 {
                format!(
                    "; {short} of {} came no nearer than that to the {} asked for",
                    made.len(),
                    self.tolerance
                )
            } else {
                String::new()
            }
        ))?;
        context.printer.record(&json!({
            "output": output, "signals": self.count, "channels": made.len() / self.count.max(1), "error": errors,
            "correlation": if matches!(beside, Beside::Correlation) { json!(correlations) } else { Value::Null },
        }))?;
        Ok(())
    }
}

/// What is written beside the signals.
#[derive(Clone, Copy)]
enum Beside<'a> {
    Nothing,
    Correlation,
    Coefficients(&'a ArrayD<f64>),
}

/// Why nothing was made.
enum Unmade {
    Interrupted,
    Refused(Error),
}

impl Job<'_> {
    /// Draws until the signal is not the original; a few strong waves may come out alike by chance.
    fn draw(&self, options: SynthesisOptions) -> std::result::Result<Made, Error> {
        let mut best: Option<Made> = None;
        for draw in 0..DRAWS {
            let synthetic = self.synthesis.draw_until(
                self.seed.wrapping_add(draw),
                options,
                &interrupt::asked,
            )?;
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
            if correlation.abs() < MOST_CORRELATION {
                break;
            }
        }
        best.ok_or(Error::SilentTarget)
    }
}

/// `2 signals`, or `1 signal of 3 channels`.
fn counted(signals: usize, made: usize) -> String {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match made / signals.max(1) {
        0 | 1 => plural(signals, "signal"),
        channels => format!(
            "{} of {}",
            plural(signals, "signal"),
            plural(channels, "channel")
        ),
    }
}

/// Pearson's correlation of two signals.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |x: &[f64]| -> Vec<f64> {
        let mean = x.iter().map(|v| v / x.len() as f64).sum::<f64>();
        let left: Vec<f64> = x.iter().map(|v| v - mean).collect();
        // Near 1, so that no square is too large or too small.
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
