//! `seismix unmix`: the separation alone, on arrays.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn};
use seismix::config::{Objective, Precision};
use seismix::separation::{
    self, Assessment, Baseline, Channel, ChannelSeparation, Method, ObjectiveOptions, Optimization,
    Outcome, Problem, ScatteringMethod, ScatteringObjective, StopReason, Terms, WienerMethod,
};
use seismix::toy::snr_db;
use serde_json::json;

use super::arrays::{self, Name};
use super::context::Context;
use super::exit::{Failure, Result};
use super::options::{MAX_ITERATIONS, MAX_SNIPPETS, positive, whole};
use super::toy::{ToyOptions, Truth};
use super::unmix_local::{self, LocalOptions};
use super::{interrupt, output_guard};

mod given;
mod told;

use told::{joined, mean_history, mean_terms, outcome, reason, rows};

/// Separate arrays: a mixture and snippets of its background in, background and source out
///
/// Shapes: (T,) and (R,T), or (C,T) and (R,C,T). OUT holds `background` and `source` of the mixture's shape, `loss`
/// (iterations, 3: L1, L2, L3), the mean over the channels, which are separated one by one, and what each term is
/// expected to be at the truth, `loss_expected`; these have no rows where nothing was tried.
/// With --toy the arrays are made: a toy experiment whose truth is known; OUT holds it too, and the SNR before and after.
/// With --method local OUT also holds `waveform`, the posterior mean, which is `background` unless the verdict is to leave
/// the mixture as it is; `sd`, 1.645 of which to either side hold 90 % of the samples of the truth; `expected_snr` (C, 4):
/// mean and spread of the waveform's SNR in dB, and those of the mixture left as it is; `draws` (N, ..) from the
/// posterior; `realisation`, one plausible background; `method_scores` (C, K, 3: mean and spread of the SNR on mixtures of
/// snippets, weight) and their `method_names`. There the mixture may be longer than the snippets.
/// With --evaluate nothing is optimised: OUT holds `loss` (1,3) and `gradient` at the given background.
/// Level and trend are taken off before, and go to the background: the line that the snippets share (the level, where the
/// mixture is longer), or, where their levels differ by more than three times what they vary by, the line through the ends of
/// each window. Not so with --objective paper and --evaluate, which are as published and expect arrays without offset.
#[derive(Debug, Args)]
pub struct Unmix {
    /// Mixture x, (T,) or (C,T)
    #[arg(
        long,
        value_name = "X.npy",
        required_unless_present = "toy",
        requires = "background"
    )]
    mixture: Option<PathBuf>,
    /// Background snippets n_k, (R,T) or (R,C,T); at least 2
    #[arg(
        long,
        value_name = "NK.npy",
        required_unless_present = "toy",
        requires = "mixture"
    )]
    background: Option<PathBuf>,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    /// Octaves J of the coefficients that are compared [default: 8; toys: 6]
    #[arg(long, value_name = "J", value_parser = positive)]
    octaves: Option<usize>,
    /// Use the first R snippets only [default: all; toys: 10]
    #[arg(long, value_name = "R", value_parser = whole::<2, MAX_SNIPPETS>)]
    snippets: Option<usize>,
    /// At most so many iterations [default: 500]
    #[arg(long, value_name = "N", value_parser = whole::<1, MAX_ITERATIONS>)]
    max_iter: Option<usize>,
    /// paper: the three losses of arXiv 2305.16189, from the mixture, and its stopping rule; seismix: the same with a
    /// floor under the spread of each coefficient, from a local Wiener estimate, stopped at its expected value
    /// [default: paper]
    #[arg(long, value_name = "NAME")]
    objective: Option<Objective>,
    /// scattering: the objective above; wiener: a local Wiener filter by the background's spectrum; local: a local model
    /// of both clusters, weighed and calibrated on mixtures of their snippets; auto: local where there are source
    /// snippets, else the scattering objective
    #[arg(long, value_name = "NAME", default_value = "scattering")]
    method: MethodName,
    /// Floating-point type of the transforms; f32 takes 0.6 of the time and changes the result by 0.01 dB at most on the toys
    /// [default: f64]
    #[arg(long, value_name = "TYPE", conflicts_with = "evaluate")]
    precision: Option<Precision>,
    /// Only the loss and its gradient at this background, of the mixture's shape
    #[arg(long, value_name = "N.npy", conflicts_with = "toy")]
    evaluate: Option<PathBuf>,
    #[command(flatten)]
    local: LocalOptions,
    #[command(flatten)]
    toy: ToyOptions,
}

/// A way to separate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum MethodName {
    /// The scattering objective.
    Scattering,
    /// The local Wiener filter.
    Wiener,
    /// The local model of both clusters.
    Local,
    /// The local model where there are source snippets, else the scattering objective.
    Auto,
}

/// The arrays of a problem, and where they are from.
struct Given {
    channels: Vec<Channel>,
    /// Shape of the mixture.
    shape: Vec<usize>,
    /// How it is called in messages.
    name: String,
    provenance: serde_json::Value,
    truth: Option<Truth>,
}

impl Unmix {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        context.open_first(&self.output);
        let inputs = [&self.mixture, &self.background, &self.evaluate];
        let inputs = inputs.into_iter().filter_map(Option::as_deref);
        output_guard::file(
            &self.output,
            inputs.chain(self.local.input()).chain(self.toy.input()),
        )?;
        self.check_used()?;
        let mut given = match self.toy.make(self.snippets)? {
            Some(toy) => Given {
                channels: vec![toy.channel],
                shape: vec![toy.truth.background.len()],
                name: toy.name,
                provenance: toy.provenance,
                truth: Some(toy.truth),
            },
            None => self.read()?,
        };
        let octaves = self.octaves.unwrap_or(self.toy.octaves());
        let mut provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "unmix",
            "configuration": {
                "octaves": octaves,
                "snippets": given.channels[0].snippets.len(),
                "max_iter": self.max_iter(),
                "objective": self.objective(),
                "method": self.method,
                "local": self.local.configuration(),
                "precision": self.precision.unwrap_or(Precision::F64),
                "baseline_off": !self.as_published(),
            },
        });
        if let (Some(all), Some(own)) = (provenance.as_object_mut(), given.provenance.as_object()) {
            all.extend(own.clone());
        }
        if self.local_wanted() {
            self.local.read(&mut given.channels, &mut provenance)?;
        } else if let Some(path) = self.local.unused() {
            return Err(Failure::usage(format!(
                "{path}: used by --method local and --method auto only"
            )));
        }
        for (c, channel) in given.channels.iter().enumerate() {
            // The local model takes mixtures that are longer than their snippets, and checks them itself.
            if !self.local_wanted() {
                let checked = channel.check();
                checked.map_err(|error| refused(&given.name, c, &error))?;
            }
        }
        match &self.evaluate {
            None => self.separate(context, given, octaves, &provenance),
            Some(path) => {
                let at = arrays::read_npy(path)?;
                if at.values.shape() != given.shape {
                    return Err(mismatch(path, at.values.shape(), "the mixture's shape"));
                }
                provenance["evaluate"] =
                    json!({ "file": path.display().to_string(), "sha256": at.sha256 });
                self.evaluate(context, &given, octaves, &at.values, &provenance)
            }
        }
    }

    fn objective(&self) -> Objective {
        self.objective.unwrap_or(Objective::Paper)
    }

    fn max_iter(&self) -> usize {
        self.max_iter.unwrap_or(500)
    }

    /// Refuses what the method has no use for.
    fn check_used(&self) -> Result<()> {
        let without = match self.method {
            MethodName::Wiener => "wiener",
            MethodName::Local => "local",
            MethodName::Scattering | MethodName::Auto => return Ok(()),
        };
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
                "{name}: --method {without} has no use for it"
            ))
            .with_help("leave it out, or take --method scattering")),
            None => Ok(()),
        }
    }

    /// Whether the local model is to be used.
    fn local_wanted(&self) -> bool {
        match self.method {
            MethodName::Local => true,
            MethodName::Auto => self.local.has_source(),
            MethodName::Scattering | MethodName::Wiener => false,
        }
    }

    /// Whether the loss is the published one, which takes the arrays as they are.
    fn as_published(&self) -> bool {
        let scattering = self.method != MethodName::Wiener && !self.local_wanted();
        self.evaluate.is_some() || (scattering && self.objective() == Objective::Paper)
    }

    fn solve(
        &self,
        channels: Vec<Channel>,
        octaves: usize,
    ) -> std::result::Result<separation::Separation, separation::Error> {
        if self.as_published() {
            return self.solve_as_given(channels, octaves);
        }
        let (level, baselines): (Vec<Channel>, Vec<Baseline>) =
            channels.iter().map(Channel::without_baseline).unzip();
        let mut separation = self.solve_as_given(level, octaves)?;
        separation.channels = separation
            .channels
            .into_iter()
            .zip(baselines.iter().zip(&channels))
            .map(|(separated, (baseline, given))| separated.with_baseline(baseline, &given.mixture))
            .collect();
        Ok(separation)
    }

    fn solve_as_given(
        &self,
        channels: Vec<Channel>,
        octaves: usize,
    ) -> std::result::Result<separation::Separation, separation::Error> {
        if self.local_wanted() {
            let method = self.local.method(octaves);
            let all = channels.iter().map(|c| match interrupt::asked() {
                true => Err(separation::Error::Interrupted),
                false => method.separate_channel(c),
            });
            let channels = all.collect::<std::result::Result<Vec<_>, _>>()?;
            return Ok(separation::Separation { channels });
        }
        let problem = Problem::new(channels)?;
        let precision = match self.precision.unwrap_or(Precision::F64) {
            Precision::F32 => separation::Precision::Single,
            Precision::F64 => separation::Precision::Double,
        };
        match (self.method, self.objective()) {
            (MethodName::Wiener, _) => WienerMethod {
                objective: ObjectiveOptions::floored(octaves),
            }
            .separate(&problem),
            (_, Objective::Paper) => ScatteringMethod::paper(octaves, self.max_iter())
                .with_precision(precision)
                .separate_until(&problem, &interrupt::asked),
            (_, Objective::Seismix) => ScatteringMethod::to_expectation(octaves, self.max_iter())
                .with_precision(precision)
                .separate_until(&problem, &interrupt::asked),
        }
    }

    fn separate(
        &self,
        context: &mut Context,
        given: Given,
        octaves: usize,
        provenance: &serde_json::Value,
    ) -> Result<()> {
        if interrupt::asked() {
            return Err(Failure::Interrupted);
        }
        let Given {
            channels,
            shape,
            name,
            truth,
            ..
        } = given;
        let mixture: Vec<f64> = channels.iter().flat_map(|c| c.mixture.clone()).collect();
        let snippets = truth.as_ref().map(|_| channels[0].snippets.clone());
        let separations = self
            .solve(channels, octaves)
            .map_err(|error| refused(&name, 0, &error))?
            .channels;
        if interrupt::asked() {
            return Err(Failure::Interrupted);
        }

        let background: Vec<f64> = separations
            .iter()
            .flat_map(|separation| separation.background.iter().copied())
            .collect();
        let source: Vec<f64> = mixture
            .iter()
            .zip(&background)
            .map(|(x, n)| x - n)
            .collect();
        let snr = truth.as_ref().map(|truth| {
            [&mixture, &background].map(|estimate| snr_db(&truth.background, estimate))
        });
        let shaped = |values: &[f64]| {
            ArrayD::from_shape_vec(IxDyn(&shape), values.to_vec())
                .map_err(|error| Failure::new(error.to_string()))
        };
        finite(&name, "the source", &source)?;
        let (background, source) = (shaped(&background)?, shaped(&source)?);
        let loss = mean_history(&separations);
        let judged: Vec<Assessment> = separations.iter().filter_map(|s| s.assessment).collect();
        let mean = |pick: &dyn Fn(&Assessment) -> Terms| match judged.is_empty() {
            true => rows(&[]),
            false => rows(&[mean_terms(judged.iter().map(pick))]),
        };
        let start = mean(&|a| a.start);
        let expected = mean(&|a| a.expected);
        let reasons: Vec<&str> = separations.iter().map(reason).collect();
        let outcomes: Vec<&str> = separations.iter().map(|s| outcome(&s.outcome)).collect();
        let names =
            |texts: &[&'static str]| Array1::from_iter(texts.iter().map(|&t| Name::from(t)));
        let (reason_names, outcome_names) = (names(&reasons), names(&outcomes));
        let iterations = Array1::from_iter(separations.iter().map(|s| {
            s.optimization
                .as_ref()
                .map_or(0, Optimization::n_iterations) as i64
        }));
        let note = Array1::from(provenance.to_string().into_bytes());
        arrays::write_npz(&self.output, |archive| {
            archive.add_array("background", &background)?;
            archive.add_array("source", &source)?;
            archive.add_array("loss", &loss)?;
            archive.add_array("loss_at_start", &start)?;
            archive.add_array("loss_expected", &expected)?;
            archive.add_array("iterations", &iterations)?;
            archive.add_array("stop_reason", &reason_names)?;
            archive.add_array("outcome", &outcome_names)?;
            unmix_local::write(archive, &separations, &shape)?;
            if let (Some(truth), Some(snippets), Some(snr)) = (&truth, &snippets, snr) {
                let vector = |values: &[f64]| Array1::from(values.to_vec());
                archive.add_array("mixture", &vector(&mixture))?;
                archive.add_array("true_background", &vector(&truth.background))?;
                archive.add_array("true_source", &vector(&truth.source))?;
                let shape = (snippets.len(), mixture.len());
                let snippets = Array2::from_shape_fn(shape, |(k, t)| snippets[k][t]);
                archive.add_array("snippets", &snippets)?;
                archive.add_array("snr_db", &vector(&snr))?;
            }
            archive.add_array("provenance", &note)
        })?;
        let output = self.output.display();
        let last_row =
            |table: &Array2<f64>| table.rows().into_iter().next_back().map(|row| row.to_vec());
        let (last, expected) = (last_row(&loss), last_row(&expected));
        let why: Vec<String> = separations.iter().map(ChannelSeparation::why).collect();
        context.printer.record(&json!({
            "output": output.to_string(), "iterations": iterations.to_vec(), "outcome": outcomes, "why": why,
            "stop_reason": reasons, "loss": last, "loss_expected": expected, "snr_db": snr,
            "local": unmix_local::told(&separations),
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
        if let Some([before, after]) = snr {
            context.printer.text(format!(
                "SNR of the background: {before:.2} dB before, {after:.2} dB after"
            ))?;
        }
        Ok(())
    }

    fn evaluate(
        &self,
        context: &mut Context,
        given: &Given,
        octaves: usize,
        at: &ArrayD<f64>,
        provenance: &serde_json::Value,
    ) -> Result<()> {
        let channels = &given.channels;
        let options = match self.objective() {
            Objective::Paper => ObjectiveOptions::paper(octaves),
            Objective::Seismix => ObjectiveOptions::floored(octaves),
        };
        let values: Vec<f64> = at.iter().copied().collect();
        let n_samples = channels[0].mixture.len();
        let mut terms = Vec::with_capacity(channels.len());
        let mut gradient = Vec::with_capacity(values.len());
        for (c, (channel, at)) in channels
            .iter()
            .zip(values.chunks_exact(n_samples))
            .enumerate()
        {
            if let Some(index) = at.iter().position(|value| !value.is_finite()) {
                let what = "the background to evaluate at".to_owned();
                let error = separation::Error::NotFinite { what, index };
                return Err(refused(&given.name, c, &error));
            }
            let objective = ScatteringObjective::new(&channel.mixture, &channel.snippets, options)
                .map_err(|error| refused(&given.name, c, &error))?;
            let mut slope = vec![0.0; n_samples];
            terms.push(objective.evaluate(at, Some(&mut slope)));
            // The loss is the mean over the channels, and so is its gradient's share of each.
            gradient.extend(slope.iter().map(|g| g / channels.len() as f64));
        }
        let loss = rows(&[mean_terms(terms.iter().copied())]);
        finite(&given.name, "the loss", loss.iter())?;
        finite(&given.name, "the gradient", &gradient)?;
        let gradient = ArrayD::from_shape_vec(IxDyn(at.shape()), gradient)
            .map_err(|error| Failure::new(error.to_string()))?;
        let note = Array1::from(provenance.to_string().into_bytes());
        arrays::write_npz(&self.output, |archive| {
            archive.add_array("loss", &loss)?;
            archive.add_array("gradient", &gradient)?;
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

fn mismatch(path: &Path, found: &[usize], wanted: &str) -> Failure {
    Failure::new(format!(
        "{}: an array of shape {found:?} is not {wanted}",
        path.display()
    ))
    .with_help("give a mixture (T,) with snippets (R,T), or (C,T) with (R,C,T)")
}

/// Refuses what is no number before it is written.
fn finite<'a>(
    name: &str,
    what: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<()> {
    if values.into_iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    let error = separation::Error::OutOfRange { what };
    Err(Failure::new(format!("{name}: {error}")))
}

/// The settings do not fit the arrays, or the arrays cannot be used.
fn refused(name: &str, channel: usize, error: &separation::Error) -> Failure {
    let message = format!("{name} (channel {channel}): {error}");
    match error {
        separation::Error::Interrupted => Failure::Interrupted,
        separation::Error::Scattering(_) => Failure::usage(message),
        _ => Failure::new(message),
    }
}
