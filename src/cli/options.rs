//! Groups of options that several commands share.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use seismix::config::{
    Boundary, ComputeDevice, ConfigError, Length, Memory, Objective, Oversampling, PerLayer,
    Precision, RunControl, SelectionConfig, SeparateConfig, SeparationMethod, Shard, Target,
    TrainConfig, TrainPreset, TransformConfig, Wavelet,
};
use seismix::data::time;
use seismix::stage::{Artifact, Existing, Observer, StageContext};

use seismix::vae::{FvaeConfig, TrainOptions};

use super::exit::{Failure, Result};
use super::parsers::{at_least_two, instant, method_parser, named, positive_real, weight, whole};
use super::progress::Color;
use super::recipe::RecipeOptions;

/// Most threads.
const MAX_THREADS: usize = 1024;
/// Most snippets of background.
pub const MAX_SNIPPETS: usize = 10_000;
/// Most iterations of an optimisation.
pub const MAX_ITERATIONS: usize = 1_000_000;
/// Fewest snippets that a stretch of a record is separated with.
const LEAST_SNIPPETS: usize = SeparateConfig::LEAST_SNIPPETS;

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Common {
    /// Threads to use [default: one a core]; results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = whole::<1, MAX_THREADS>)]
    pub threads: Option<usize>,
    /// Print results as JSON lines
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bars, no logs but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More logs on stderr; twice for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// TOML file with settings; its keys are the names of the options, its tables those of the commands
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Colours on stderr: auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Selection of records.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection (as in FDSN web services)")]
pub struct SelectionArgs {
    /// Network codes, with commas and the wildcards * and ? [default: all]
    #[arg(long, value_name = "CODES")]
    network: Option<String>,
    /// Station codes, likewise [default: all]
    #[arg(long, value_name = "CODES")]
    station: Option<String>,
    /// Location codes, likewise; -- is the empty one [default: all]
    #[arg(long, value_name = "CODES", allow_hyphen_values = true)]
    location: Option<String>,
    /// Channel codes, likewise [default: all]
    #[arg(long, value_name = "CODES")]
    channel: Option<String>,
    /// First instant, included; UTC, such as 2019-06-05T12:00:00Z [default: the first there is]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    starttime: Option<i64>,
    /// Last instant, excluded; UTC [default: the last there is]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    endtime: Option<i64>,
}

impl SelectionArgs {
    /// The configuration for the pipeline.
    pub fn config(&self) -> Result<SelectionConfig> {
        if let (Some(start), Some(end)) = (self.starttime, self.endtime)
            && start >= end
        {
            return Err(Failure::usage(format!(
                "--endtime {} is not after --starttime {}",
                time::format_utc(end),
                time::format_utc(start)
            )));
        }
        let config = SelectionConfig {
            network: self.network.clone(),
            station: self.station.clone(),
            location: self.location.clone(),
            channel: self.channel.clone(),
            starttime_ns: self.starttime,
            endtime_ns: self.endtime,
        };
        // A wrong code is an error before any work, whatever the command does with it.
        config.for_data()?;
        Ok(config)
    }
}

/// The transform and its windows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transform (lengths in samples, or in seconds as 51.2s)")]
pub struct Transform {
    /// Octaves J of the first and of the second layer
    #[arg(long, value_name = "J[,J]", default_value = "8")]
    octaves: PerLayer,
    /// Wavelets per octave Q of the first and of the second layer
    #[arg(long, value_name = "Q[,Q]", default_value = "1")]
    quality: PerLayer,
    /// Wavelet family
    #[arg(long, value_name = "NAME", default_value = "battle-lemarie", value_parser = named::<Wavelet>(Wavelet::NAMES))]
    wavelet: Wavelet,
    /// Window lengths, increasing; windows of all scales end together [default: 1024,4096,16384,65536]
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',', num_args = 1)]
    scales: Option<Vec<Length>>,
    /// The longest window, where --scales is not given: the scales are its 64th, 16th and 4th part and itself
    /// [default: 65536]
    #[arg(long, value_name = "LENGTH", conflicts_with = "scales")]
    window: Option<Length>,
    /// Step from window to window [default: the shortest scale]
    #[arg(long, value_name = "LENGTH")]
    stride: Option<Length>,
    /// Length of the pooled blocks that are stored [default: a quarter of the shortest scale; with
    /// --boundary reference all of it]
    #[arg(long, value_name = "LENGTH")]
    block: Option<Length>,
    /// Samples beyond the edges of a window: their true neighbours, or their own reflection, as the paper's
    /// code has it (a hundred times the work, and every window with blocks of its own)
    #[arg(long, value_name = "NAME", default_value = "continuous", value_parser = named::<Boundary>(Boundary::NAMES))]
    boundary: Boundary,
    /// Grids of the layers: at least N times the upper edge of each filter, or every sample. At 16 the worst error of
    /// a day of real data is 1e-3 of a coefficient's natural scale in windows of 1024 samples, 2e-5 in those of 65536
    #[arg(long, value_name = "N|exact", default_value = "16")]
    oversampling: Oversampling,
    /// Floating-point type
    #[arg(long, value_name = "TYPE", default_value = "f64", value_parser = named::<Precision>(Precision::NAMES))]
    precision: Precision,
}

impl Transform {
    /// The configuration for the pipeline.
    pub fn config(&self) -> Result<TransformConfig> {
        let scales = match (&self.scales, self.window) {
            (Some(scales), _) => scales.clone(),
            (None, Some(window)) => quarters(window)?,
            (None, None) => TransformConfig::default().scales,
        };
        Ok(TransformConfig {
            octaves: self.octaves,
            quality: self.quality,
            wavelet: self.wavelet,
            scales,
            stride: self.stride,
            block: self.block,
            boundary: self.boundary,
            oversampling: self.oversampling,
            precision: self.precision,
        })
    }
}

/// A window with its 64th, 16th and 4th part, shortest first.
fn quarters(window: Length) -> Result<Vec<Length>> {
    let parts = [64, 16, 4, 1];
    match window {
        Length::Samples(n) if n % 64 == 0 => Ok(parts.map(|p| Length::Samples(n / p)).to_vec()),
        Length::Samples(n) => Err(Failure::usage(format!(
            "--window {n} is not a multiple of 64 samples"
        ))
        .with_help("give the windows one by one with --scales")),
        Length::Seconds(s) => Ok(parts.map(|p| Length::Seconds(s / p as f64)).to_vec()),
    }
}

/// A number of clusters, or that it be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clusters {
    Number(usize),
    Auto,
}

impl FromStr for Clusters {
    type Err = ConfigError;

    fn from_str(text: &str) -> std::result::Result<Self, ConfigError> {
        match text {
            "auto" => Ok(Self::Auto),
            number => whole::<2, { FvaeConfig::MAX_CLUSTERS }>(number)
                .map(Self::Number)
                .map_err(|error| ConfigError::new(format!("{error}, or auto"))),
        }
    }
}

/// The model and its training.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Sizes, features and start: compact trains in minutes on two cores, paper is arXiv 2305.16189
    #[arg(long, value_name = "NAME", default_value = "compact", value_parser = named::<TrainPreset>(TrainPreset::NAMES))]
    preset: TrainPreset,
    /// Clusters a scale, or auto: the number that repeats best over blocks of time [default: 9]
    #[arg(long, value_name = "K|auto")]
    clusters: Option<Clusters>,
    /// Fit the first clusters with N seeds and on N subsamples of blocks of time, and say how far each cluster repeats
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<1, { TrainConfig::MAX_SEEDS }>)]
    seeds: usize,
    /// Let loudness join the features of every scale: the log powers, with WEIGHT (0 to 100) times the spread of all
    /// other inputs; 0 for not
    #[arg(long, value_name = "WEIGHT", default_value = "0", value_parser = weight)]
    amplitude: f64,
    /// Latent dimensions a scale [default: 8; paper: 32]
    #[arg(long, value_name = "N", value_parser = whole::<1, { FvaeConfig::MAX_WIDTH }>)]
    latent: Option<usize>,
    /// Width of the hidden layers [default: 64; paper: 1024]
    #[arg(long, value_name = "N", value_parser = whole::<1, { FvaeConfig::MAX_WIDTH }>)]
    hidden: Option<usize>,
    /// Hidden layers [default: 2; paper: 4]
    #[arg(long, value_name = "N", value_parser = whole::<1, { FvaeConfig::MAX_LAYERS }>)]
    layers: Option<usize>,
    /// Passes over the training windows [default: 24; paper: 1000]
    #[arg(long, value_name = "N", value_parser = whole::<1, { TrainOptions::MAX_EPOCHS }>)]
    epochs: Option<usize>,
    /// Windows a step [default: 128; paper: 16384]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    batch: Option<usize>,
    /// Adam's step size at the start [default: 0.005; paper: 0.001]
    #[arg(long, value_name = "X", value_parser = positive_real)]
    learning_rate: Option<f64>,
    /// Device for the training: cpu, or, where built with the feature of that name, wgpu, vulkan, cuda, with a number
    /// for one of several (cuda:1)
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: ComputeDevice,
    #[command(flatten)]
    recipe: RecipeOptions,
}

impl TrainingArgs {
    /// The configuration for the pipeline: the preset, changed by what is given.
    pub fn config(&self) -> Result<TrainConfig> {
        self.device.check().map_err(|error| {
            Failure::usage(error.to_string())
                .with_help("leave --device out to compute on the processor")
        })?;
        let preset = TrainConfig::preset(self.preset);
        let auto_clusters = self.clusters == Some(Clusters::Auto);
        let config = TrainConfig {
            preset: self.preset,
            clusters: match self.clusters {
                Some(Clusters::Number(clusters)) => clusters,
                Some(Clusters::Auto) | None => preset.clusters,
            },
            auto_clusters,
            seeds: self.seeds,
            amplitude: self.amplitude,
            latent: self.latent.unwrap_or(preset.latent),
            hidden: self.hidden.unwrap_or(preset.hidden),
            layers: self.layers.unwrap_or(preset.layers),
            epochs: self.epochs.unwrap_or(preset.epochs),
            batch: self.batch.unwrap_or(preset.batch),
            learning_rate: self.learning_rate.unwrap_or(preset.learning_rate),
            device: self.device,
            recipe: self.recipe.config(),
        };
        config.check()?;
        Ok(config)
    }
}

/// Targets and method of the separation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Separation")]
pub struct SeparationArgs {
    /// Clusters to take out, at one scale, such as 65536:3 or 51.2s:0,5 [default for run: chosen, and said]
    #[arg(long, value_name = "SCALE:CLUSTER[,CLUSTER..]")]
    pub target: Option<Target>,
    /// Clusters whose windows are the background [default: the other clusters of the target's scale]
    #[arg(long, value_name = "SCALE:CLUSTER[,CLUSTER..]")]
    background: Option<Target>,
    /// Most stretches to separate, the most confident first
    #[arg(long, value_name = "N", default_value = "50", value_parser = whole::<1, 1_000_000>)]
    max_targets: usize,
    /// Background snippets for each stretch
    #[arg(long, value_name = "R", default_value = "20", value_parser = whole::<LEAST_SNIPPETS, MAX_SNIPPETS>)]
    snippets: usize,
    /// Most iterations for each
    #[arg(long, value_name = "N", default_value = "100", value_parser = whole::<1, MAX_ITERATIONS>)]
    max_iter: usize,
    /// paper: the published loss, run on to the end; seismix: a floor under each deviation, stopped at its expected
    /// value
    /// [default: seismix]; given, it implies --method scattering
    #[arg(long, value_name = "NAME", value_parser = named::<Objective>(Objective::NAMES))]
    objective: Option<Objective>,
    /// Separation method: auto takes template where the target's windows share a waveform, else local, and reports why;
    /// template: waveforms learned from the windows and fitted with the background's spectrum as weight; local: a
    /// local model of both clusters; scattering: scattering covariances matched by optimisation; wiener: the part
    /// that exceeds the background's spectrum, cell by cell
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = method_parser())]
    method: SeparationMethod,
}

impl SeparationArgs {
    /// The configuration for the pipeline; `octaves` are those of the coefficients compared.
    pub fn config(&self, octaves: usize) -> Result<SeparateConfig> {
        let method = match (self.method, self.objective) {
            (method, None) | (method @ SeparationMethod::SCATTERING, _) => method,
            (SeparationMethod::AUTO, Some(_)) => SeparationMethod::SCATTERING,
            (method, Some(_)) => {
                return Err(
                    Failure::usage(format!("--method {method} has no --objective"))
                        .with_help("leave --objective out, or write --method scattering"),
                );
            }
        };
        Ok(SeparateConfig {
            target: self.target.clone(),
            background: self.background.clone(),
            octaves,
            max_targets: self.max_targets,
            snippets: self.snippets,
            max_iter: self.max_iter,
            objective: self.objective.unwrap_or(Objective::Seismix),
            method,
        })
    }
}

/// The seed, for the commands that draw.
#[derive(Debug, Args)]
pub struct Seed {
    /// Seed of everything random; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
}

/// Treatment of finished work.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct Resuming {
    /// Keep finished work and resume; this is the default
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Make everything again; needed to replace an output of other settings
    #[arg(long)]
    pub fresh: bool,
    /// Read every input again, also where size, time and inode are unchanged
    #[arg(long)]
    pub verify: bool,
}

impl Resuming {
    /// Context of a stage whose work does not fall into days.
    pub fn context<'a>(&self, seed: Option<&Seed>, progress: &'a dyn Observer) -> StageContext<'a> {
        let control = RunControl {
            seed: seed.map_or(0, |seed| seed.seed),
            fresh: self.fresh,
            verify: self.verify,
            ..RunControl::default()
        };
        StageContext::new(&control, progress)
    }
}

/// Permission to replace a file, for commands whose output is a single file that is quickly made.
#[derive(Debug, Args)]
pub struct Replacing {
    /// Replace the output file even if seismix did not write it
    #[arg(long, help_heading = "Running")]
    fresh: bool,
}

impl Replacing {
    /// Refuses an output file that must not be replaced, before any work is done.
    ///
    /// # Errors
    /// [`Failure::Failed`] that names what is in the way.
    pub fn check(&self, output: &Path, command: &str) -> Result<()> {
        let existing = if self.fresh {
            Existing::Fresh
        } else {
            Existing::Resume
        };
        let (artifact, name) = Artifact::rehearse_file(output)?;
        artifact.check_command(command, existing)?;
        artifact.check_names([&name], existing)?;
        if !artifact.path(&name).exists() {
            return Ok(());
        }
        // One lock at a time.
        drop(artifact);
        let (artifact, name) = Artifact::file(output)?;
        Ok(artifact.settle(&name, existing)?)
    }
}

/// Rehearsal, for the commands that do not plan memory.
#[derive(Debug, Args)]
pub struct Rehearsal {
    /// Check inputs, settings and output, print the work to be done, and write nothing
    #[arg(long, help_heading = "Running")]
    pub dry_run: bool,
}

/// How much memory the days of an archive may take, and whether anything is done at all.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct Planning {
    /// Peak memory allowed, such as 512MiB; a day that takes more is refused
    #[arg(long, value_name = "SIZE", default_value = "2GiB")]
    memory: Memory,
    /// Print the work to be done and its memory, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Part of the days, for the commands whose work falls into days.
#[derive(Debug, Args)]
pub struct Sharding {
    /// Do the i-th of n parts of the days; the parts need not be joined [default: all]
    #[arg(long, value_name = "i/n", help_heading = "Running")]
    shard: Option<Shard>,
}

/// The configuration for the pipeline.
pub fn run_control(
    common: &Common,
    seed: Option<&Seed>,
    resuming: &Resuming,
    planning: &Planning,
    sharding: Option<&Sharding>,
) -> RunControl {
    RunControl {
        seed: seed.map_or(0, |seed| seed.seed),
        threads: common.threads,
        memory: planning.memory,
        dry_run: planning.dry_run,
        shard: sharding.and_then(|sharding| sharding.shard),
        fresh: resuming.fresh,
        verify: resuming.verify,
    }
}
