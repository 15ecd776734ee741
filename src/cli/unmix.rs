//! `seismix unmix`: separation of arrays.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array1, Array2, ArrayD};
use seismix::arrays::npy::Npy;
use seismix::arrays::npz::{Name, write_npz};
use seismix::arrays::unmix::{LocalConfig, UnmixArrays, UnmixConfig, Unmixed, evaluate, unmix};
use seismix::config::{Objective, PerLayer, Precision, SeparationMethod};
use seismix::separation::{ChannelSeparation, Optimization, OptimizerStop, Outcome};
use serde_json::{Value, json};

use super::context::CommandContext;
use super::exit::{Failure, Result};
use super::options::{MAX_ITERATIONS, MAX_SNIPPETS, Replacing};
use super::parsers::{method_parser, named, whole};
use super::{interrupt, unmix_local};

/// Separate arrays: a mixture and snippets of its background in, background and source out
///
/// Shapes: (T,) and (R,T), or (C,T) and (R,C,T). Channels are separated one by one. OUT contains `background` and
/// `source` of the mixture's shape; `loss` (iterations, 3: L1, L2, L3), the mean over channels; `loss_expected`, the
/// terms expected at the true background (no rows where nothing was tried). With --method local, OUT also contains
/// `waveform`, the posterior mean, which equals `background` unless the mixture was left unchanged; `sd`, with 90 %
/// of the true samples within 1.645 sd; `expected_snr` (C, 4): mean and spread of the waveform's SNR in dB, and those
/// of the unchanged mixture; `draws` (N, ..) from the posterior; `realisation`, one plausible background;
/// `method_scores` (C, K, 3: mean and spread of the SNR on mixtures of snippets, weight) and their
/// `method_names`. The mixture may then be longer than the snippets.
/// With --evaluate nothing is optimised: OUT contains `loss` (1,3) and `gradient` at the given background.
/// Offset and trend are removed first and added to the background: the line that the snippets share (the offset only,
/// if the mixture is longer), or, if their offsets differ by more than three times their variation, the line through
/// the ends of each window. --objective paper and --evaluate are as published instead and expect arrays without
/// offset.
#[derive(Debug, Args)]
pub struct Unmix {
    /// Mixture x, (T,) or (C,T)
    #[arg(long, value_name = "X.npy")]
    mixture: PathBuf,
    /// Background snippets n_k, (R,T) or (R,C,T); at least 2
    #[arg(
        long = "background-snippets",
        visible_alias = "background",
        value_name = "NK.npy"
    )]
    background: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    #[command(flatten)]
    replacing: Replacing,
    /// Octaves J of the compared coefficients; of two numbers the first is used
    #[arg(long, value_name = "J[,J]", default_value = "8")]
    octaves: PerLayer,
    /// Use the first R snippets only [default: all]
    #[arg(long, value_name = "R", value_parser = whole::<2, MAX_SNIPPETS>)]
    snippets: Option<usize>,
    /// Most iterations [default: 500]
    #[arg(long, value_name = "N", value_parser = whole::<1, MAX_ITERATIONS>)]
    max_iter: Option<usize>,
    /// Loss of the scattering method. paper: the three terms of arXiv 2305.16189 and its stopping rule; seismix: the
    /// same terms with a lower bound on the spread of each coefficient, started at a local Wiener estimate and
    /// stopped at their expected value [default: seismix; with --evaluate: paper]
    #[arg(long, value_name = "NAME", value_parser = named::<Objective>(Objective::NAMES))]
    objective: Option<Objective>,
    /// auto: local if there are source snippets, else scattering; scattering: matches scattering covariances; wiener:
    /// local Wiener filter from the background's spectrum; local: local model of both clusters, calibrated on
    /// mixtures of their snippets; template needs a record: see `seismix separate`
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = method_parser())]
    method: SeparationMethod,
    /// Floating-point type of the transforms; f32 takes 0.6 of the time and changes the result by at most 0.01 dB
    /// [default: f64]
    #[arg(long, value_name = "TYPE", conflicts_with = "evaluate", value_parser = named::<Precision>(Precision::NAMES))]
    precision: Option<Precision>,
    /// Compute the loss and its gradient at this background, of the mixture's shape, only
    #[arg(long, value_name = "N.npy")]
    evaluate: Option<PathBuf>,
    #[command(flatten)]
    local: LocalOptions,
}

/// Options of the local model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Local model (--method local)")]
struct LocalOptions {
    /// Snippets of the source, (R',T') or (R',C,T'), T' at least that of the background's, such as other windows of its
    /// cluster
    #[arg(long, value_name = "S.npy")]
    source_snippets: Option<PathBuf>,
    /// The source snippets contain background, as windows of a cluster do: subtract its mean power
    #[arg(long)]
    with_background: bool,
    /// Also refine the estimate to one plausible realisation
    #[arg(long)]
    realisation: bool,
    /// Also draw N backgrounds from the posterior; at most 1000
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(0..=1000))]
    draws: u16,
    /// Mixtures of held-out snippets for weights and calibration [default: 40]
    #[arg(long, value_name = "N", value_parser = whole::<1, 10_000>)]
    mixtures: Option<usize>,
    /// Seed of mixtures and draws [default: 0]
    #[arg(long, value_name = "N")]
    local_seed: Option<u64>,
}

impl LocalOptions {
    fn config(&self) -> LocalConfig {
        let default = LocalConfig::default();
        LocalConfig {
            with_background: self.with_background,
            realisation: self.realisation,
            n_draws: self.draws.into(),
            n_mixtures: self.mixtures.unwrap_or(default.n_mixtures),
            seed: self.local_seed.unwrap_or(default.seed),
        }
    }

    /// The first option that is given.
    fn given(&self) -> Option<&'static str> {
        let given = [
            (self.source_snippets.is_some(), "--source-snippets"),
            (self.with_background, "--with-background"),
            (self.realisation, "--realisation"),
            (self.draws > 0, "--draws"),
            (self.mixtures.is_some(), "--mixtures"),
            (self.local_seed.is_some(), "--local-seed"),
        ];
        given
            .iter()
            .find(|(given, _)| *given)
            .map(|(_, name)| *name)
    }
}

/// The arrays of the files.
struct Files {
    mixture: Npy,
    background: Npy,
    source_snippets: Option<Npy>,
    evaluate: Option<Npy>,
}

impl Files {
    fn arrays(&self) -> UnmixArrays<'_> {
        UnmixArrays {
            mixture: self.mixture.values.view(),
            background: self.background.values.view(),
            source_snippets: self.source_snippets.as_ref().map(|npy| npy.values.view()),
        }
    }
}

impl Unmix {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.open_first(&self.output);
        let optional = [&self.evaluate, &self.local.source_snippets];
        let inputs = [&self.mixture, &self.background].into_iter();
        let inputs = inputs.chain(optional.into_iter().flatten());
        context.guard_output(&self.output, inputs)?;
        self.replacing.check(&self.output, "arrays")?;
        let method = self.check_used()?;
        let config = UnmixConfig {
            octaves: self.octaves.first,
            snippets: self.snippets,
            max_iter: self.max_iter.unwrap_or(500),
            method: self.method,
            objective: self.objective,
            precision: self.precision.unwrap_or(Precision::F64),
            local: self.local.config(),
        };
        let files = Files {
            mixture: Npy::read(&self.mixture)?,
            background: Npy::read(&self.background)?,
            source_snippets: self.read(self.local.source_snippets.as_ref())?,
            evaluate: self.read(self.evaluate.as_ref())?,
        };
        let provenance = self.provenance(&config, method, &files);
        match &files.evaluate {
            None => {
                let unmixed = unmix(&files.arrays(), &config, &interrupt::asked)
                    .map_err(|error| self.failure(&error))?;
                self.write(context, &unmixed, &provenance)
            }
            Some(at) => {
                let found = evaluate(&files.arrays(), &at.values.view(), &config)
                    .map_err(|error| self.failure(&error))?;
                self.write_evaluation(context, &found.loss, &found.gradient, &provenance)
            }
        }
    }

    fn read(&self, path: Option<&PathBuf>) -> Result<Option<Npy>> {
        Ok(path.map(|path| Npy::read(path)).transpose()?)
    }

    /// Refuses options that the method does not use; returns the method.
    fn check_used(&self) -> Result<SeparationMethod> {
        let method = match (self.method, self.objective) {
            (SeparationMethod::AUTO, None) if self.local.source_snippets.is_some() => {
                SeparationMethod::LOCAL
            }
            (SeparationMethod::AUTO, _) => SeparationMethod::SCATTERING,
            (method, _) => method,
        };
        if method == SeparationMethod::LOCAL && self.local.source_snippets.is_none() {
            return Err(Failure::usage("--method local needs --source-snippets"));
        }
        if method != SeparationMethod::LOCAL
            && let Some(option) = self.local.given()
        {
            return Err(Failure::usage(format!(
                "{option}: used by --method local, and by --method auto without --objective, only"
            )));
        }
        if method == SeparationMethod::SCATTERING {
            return Ok(method);
        }
        let given = [
            (
                self.objective.is_some() && self.evaluate.is_none(),
                "--objective",
            ),
            (self.max_iter.is_some(), "--max-iter"),
            (self.precision.is_some(), "--precision"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(Failure::usage(format!(
                "{name}: --method {method} does not use it"
            ))
            .with_help("leave it out, or use --method scattering")),
            None => Ok(method),
        }
    }

    /// Names the file of the array at fault.
    fn failure(&self, error: &seismix::arrays::ArrayError) -> Failure {
        let path = match error.argument() {
            Some("background") => &self.background,
            Some("source_snippets") => self.local.source_snippets.as_ref().unwrap_or(&self.mixture),
            Some("evaluate") => self.evaluate.as_ref().unwrap_or(&self.mixture),
            _ => &self.mixture,
        };
        Failure::of_array(path, error).with_help_for_shape(
            error,
            "give a mixture (T,) with snippets (R,T), or (C,T) with (R,C,T)",
        )
    }

    fn provenance(&self, config: &UnmixConfig, method: SeparationMethod, files: &Files) -> Value {
        let file = |path: &Path, npy: &Npy| json!({ "file": path.display().to_string(), "sha256": npy.sha256 });
        let default = match &files.evaluate {
            Some(_) => Objective::Paper,
            None => Objective::Seismix,
        };
        let objective = config.objective.unwrap_or(default);
        let as_published = files.evaluate.is_some()
            || (method == SeparationMethod::SCATTERING && objective == Objective::Paper);
        let local = &config.local;
        let used = config
            .snippets
            .or_else(|| files.background.values.shape().first().copied());
        let mut provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "unmix",
            "configuration": {
                "octaves": config.octaves,
                "snippets": used,
                "max_iter": config.max_iter,
                "objective": objective,
                "method": method,
                "local": {
                    "realisation": local.realisation, "draws": local.n_draws, "mixtures": local.n_mixtures,
                    "seed": local.seed, "with_background": local.with_background,
                },
                "precision": config.precision,
                "baseline_off": !as_published,
            },
            "mixture": file(&self.mixture, &files.mixture),
            "background": file(&self.background, &files.background),
        });
        let optional = [
            (
                "source_snippets",
                &self.local.source_snippets,
                &files.source_snippets,
            ),
            ("evaluate", &self.evaluate, &files.evaluate),
        ];
        for (name, path, npy) in optional {
            if let (Some(path), Some(npy)) = (path, npy) {
                provenance[name] = file(path, npy);
            }
        }
        provenance
    }

    fn write(
        &self,
        context: &mut CommandContext,
        found: &Unmixed,
        provenance: &Value,
    ) -> Result<()> {
        let channels = &found.channels;
        let reasons: Vec<&str> = channels.iter().map(stop_reason).collect();
        let outcomes: Vec<&str> = channels.iter().map(|s| outcome(&s.outcome)).collect();
        let names =
            |texts: &[&'static str]| Array1::from_iter(texts.iter().map(|&t| Name::from(t)));
        let (reason_names, outcome_names) = (names(&reasons), names(&outcomes));
        let iterations = Array1::from_iter(channels.iter().map(|s| {
            s.optimization
                .as_ref()
                .map_or(0, Optimization::n_iterations) as i64
        }));
        let note = Array1::from(provenance.to_string().into_bytes());
        write_npz(&self.output, |archive| {
            archive.add_array("background", &found.background)?;
            archive.add_array("source", &found.source)?;
            archive.add_array("loss", &found.loss)?;
            archive.add_array("loss_at_start", &found.loss_at_start)?;
            archive.add_array("loss_expected", &found.loss_expected)?;
            archive.add_array("iterations", &iterations)?;
            archive.add_array("stop_reason", &reason_names)?;
            archive.add_array("outcome", &outcome_names)?;
            unmix_local::write(archive, channels, found.background.shape())?;
            archive.add_array("provenance", &note)
        })?;
        let output = self.output.display();
        let last_row =
            |table: &Array2<f64>| table.rows().into_iter().next_back().map(|row| row.to_vec());
        let (last, expected) = (last_row(&found.loss), last_row(&found.loss_expected));
        let why: Vec<String> = channels.iter().map(ChannelSeparation::why).collect();
        context.printer.record(&json!({
            "output": output.to_string(), "iterations": iterations.to_vec(), "outcome": outcomes, "why": why,
            "stop_reason": reasons, "loss": last, "loss_expected": expected, "method": found.resolved.method,
            "local": unmix_local::record(channels),
        }))?;
        let terms = last
            .zip(expected)
            .map_or(String::new(), |(last, expected)| {
                let (last, expected) = (joined(&last), joined(&expected));
                format!("; L1, L2, L3 = {last}, expected {expected}")
            });
        context
            .printer
            .text(format!("{output}: {}{terms}", why.join("; ")))?;
        Ok(())
    }

    fn write_evaluation(
        &self,
        context: &mut CommandContext,
        loss: &Array2<f64>,
        gradient: &ArrayD<f64>,
        provenance: &Value,
    ) -> Result<()> {
        let note = Array1::from(provenance.to_string().into_bytes());
        write_npz(&self.output, |archive| {
            archive.add_array("loss", loss)?;
            archive.add_array("gradient", gradient)?;
            archive.add_array("provenance", &note)
        })?;
        let output = self.output.display();
        let terms = loss.row(0).to_vec();
        context
            .printer
            .record(&json!({ "output": output.to_string(), "loss": terms }))?;
        context
            .printer
            .text(format!("{output}: L1, L2, L3 = {}", joined(&terms)))?;
        Ok(())
    }
}

fn stop_reason(separation: &ChannelSeparation) -> &'static str {
    match separation.optimization.as_ref().map(|run| run.reason) {
        None => "not optimised",
        Some(OptimizerStop::Reached) => "stop rule",
        Some(OptimizerStop::MaxIterations) => "max iterations",
        Some(OptimizerStop::Converged) => "convergence",
        Some(OptimizerStop::LineSearch) => "line search",
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Separated => "separated",
        Outcome::AlreadyBackground => "already background",
        Outcome::NotSeparable => "not separable",
    }
}

fn joined(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    values.join(", ")
}
