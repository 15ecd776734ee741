//! `seismix synth`: new signals with given scattering covariances.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::Array1;
use seismix::arrays::ArrayError;
use seismix::arrays::npy::Npy;
use seismix::arrays::npz::write_npz;
use seismix::arrays::synth::{SynthConfig, SynthTarget, Synthesized, synth};
use seismix::config::{PerLayer, Target};
use seismix::stage::PipelineError;
use seismix::vae::ModelFile;
use serde_json::{Value, json};

use super::context::CommandContext;
use super::exit::{Failure, Result};
use super::interrupt;
use super::options::{MAX_ITERATIONS, Replacing, Seed};
use super::parsers::whole;

/// Most signals, and samples of each.
const MAX_SIGNALS: usize = 10_000;
const MAX_SAMPLES: usize = 1 << 24;

/// Make new signals that have the scattering covariance of a record, of a cluster's windows, or of a model's samples
///
/// OUT holds `signals` (N,T), or (N,C,T) for several channels, each made on its own; `error`, the largest deviation
/// of a coefficient (scat+cov) from its target, in units of the coefficient's natural scale; with --like
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
    #[arg(long = "cluster-table", short = 'c', visible_alias = "clusters", value_name = "CLUSTERS.csv", requires_all = ["cluster", "features"], conflicts_with = "like")]
    clusters: Option<PathBuf>,
    /// Samples of each signal; one window's coefficients are matched more closely by more [default: twice the window's]
    #[arg(long = "length", visible_alias = "samples", value_name = "T", value_parser = whole::<1, MAX_SAMPLES>, requires = "cluster", conflicts_with = "like")]
    samples: Option<usize>,
    /// Signals to make
    #[arg(long, short = 'n', value_name = "N", default_value = "1", value_parser = whole::<1, MAX_SIGNALS>)]
    count: usize,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    #[command(flatten)]
    replacing: Replacing,
    /// Octaves J of the coefficients; of two numbers the first is used [default: 8]
    #[arg(long, value_name = "J[,J]")]
    octaves: Option<PerLayer>,
    /// Largest accepted deviation of a coefficient, in natural scales
    #[arg(long, value_name = "X", default_value = "0.01")]
    tolerance: f64,
    /// Most iterations per signal
    #[arg(long, value_name = "N", default_value = "2000", value_parser = whole::<1, MAX_ITERATIONS>)]
    max_iter: usize,
    #[command(flatten)]
    seed: Seed,
}

impl Synth {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.open_first(&self.output);
        let single = [&self.like, &self.model, &self.clusters];
        let inputs = single.into_iter().flatten().chain(&self.features);
        context.guard_output(&self.output, inputs)?;
        self.replacing.check(&self.output, "arrays")?;
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

    fn config(&self) -> SynthConfig {
        SynthConfig {
            count: self.count,
            seed: self.seed.seed,
            tolerance: self.tolerance,
            max_iterations: self.max_iter,
        }
    }

    fn like(&self, context: &mut CommandContext, path: &Path) -> Result<()> {
        let input = Npy::read(path)?;
        let target = SynthTarget::Like {
            signals: input.values.view(),
            octaves: self.octaves.map_or(8, |octaves| octaves.first),
        };
        let made = synth(&target, &self.config(), &context.observer)
            .map_err(|error| Failure::of_array(path, &error))?;
        let input =
            json!({ "like": { "file": path.display().to_string(), "sha256": input.sha256 } });
        self.write(context, &made, &input)
    }

    fn of_model(&self, context: &mut CommandContext, cluster: &Target, path: &Path) -> Result<()> {
        let model = ModelFile::load(path).map_err(PipelineError::from)?;
        let target = SynthTarget::Model {
            model: &model,
            cluster,
            n_samples: self.samples,
        };
        let made = synth(&target, &self.config(), &context.observer).map_err(of_stage)?;
        let input = json!({
            "cluster": cluster.to_string(), "model": path.display().to_string(), "trained": model.provenance,
            "channels": made.channels,
        });
        self.write(context, &made, &input)
    }

    fn of_cluster(
        &self,
        context: &mut CommandContext,
        cluster: &Target,
        clusters: &Path,
    ) -> Result<()> {
        let target = SynthTarget::Windows {
            features: &self.features,
            clusters,
            cluster,
            n_samples: self.samples,
        };
        let made = synth(&target, &self.config(), &context.observer).map_err(of_stage)?;
        let input = json!({
            "cluster": cluster.to_string(), "clusters": clusters.display().to_string(), "windows": made.windows,
            "channels": made.channels,
        });
        self.write(context, &made, &input)
    }

    fn write(&self, context: &mut CommandContext, made: &Synthesized, input: &Value) -> Result<()> {
        if interrupt::asked() {
            return Err(Failure::Interrupted);
        }
        let mut provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "synth",
            "seed": self.seed.seed,
            "configuration": {
                "count": self.count, "octaves": made.octaves, "tolerance": self.tolerance, "max_iter": self.max_iter,
            },
        });
        if let (Some(all), Some(own)) = (provenance.as_object_mut(), input.as_object()) {
            all.extend(own.clone());
        }
        let note = Array1::from(provenance.to_string().into_bytes());
        write_npz(&self.output, |archive| {
            archive.add_array("signals", &made.signals)?;
            archive.add_array("error", &made.error)?;
            if let Some(correlation) = &made.correlation {
                archive.add_array("correlation", correlation)?;
            }
            if let Some(drawn) = &made.coefficients {
                archive.add_array("coefficients", drawn)?;
            }
            archive.add_array("iterations", &made.iterations)?;
            archive.add_array("provenance", &note)
        })?;
        self.print(context, made)
    }

    fn print(&self, context: &mut CommandContext, made: &Synthesized) -> Result<()> {
        let output = self.output.display().to_string();
        let errors: Vec<f64> = made.error.iter().copied().collect();
        let worst = errors.iter().fold(0.0_f64, |m, e| m.max(*e));
        let missed = errors.iter().filter(|e| **e > self.tolerance).count();
        let shortfall = match missed {
            0 => String::new(),
            missed => format!(
                "; {missed} of {} did not reach the tolerance of {}",
                errors.len(),
                self.tolerance
            ),
        };
        context.printer.text(format!(
            "{output}: {}, coefficients within {worst:.4} of their natural scales{shortfall}",
            counted(self.count, errors.len())
        ))?;
        let correlation: Option<Vec<f64>> = made
            .correlation
            .as_ref()
            .map(|c| c.iter().copied().collect());
        context.printer.record(&json!({
            "output": output, "signals": self.count, "channels": errors.len() / self.count.max(1), "error": errors,
            "correlation": correlation,
        }))?;
        Ok(())
    }
}

/// Failure of a synthesis without a record.
fn of_stage(error: ArrayError) -> Failure {
    match error {
        ArrayError::Interrupted => Failure::Interrupted,
        ArrayError::Stage(error) => error.into(),
        error @ ArrayError::Setting(_) => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
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
