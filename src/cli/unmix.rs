//! `seismix unmix`: the separation alone, on arrays.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn};
use seismix::pipeline::Observer;
use seismix::pipeline::config::Objective;
use seismix::separate::{
    self, ObjectiveOptions, ScatteringObjective, Start, StopReason, Terms, WindowOptions,
    WindowSeparation, separate_window,
};
use serde_json::json;

use super::arrays::{self, Name};
use super::failure::{Failure, Result};
use super::options::{at_least_two, positive};
use super::{Context, interrupt};

/// Separate arrays: a mixture and snippets of its background in, background and source out
///
/// Shapes: (T,) and (R,T), or (C,T) and (R,C,T). OUT holds `background` and `source` of the mixture's shape, and `loss`
/// (iterations, 3: L1, L2, L3), the mean over the channels, which are separated one by one.
/// With --evaluate nothing is optimised: OUT holds `loss` (1,3) and `gradient` at the given background.
#[derive(Debug, Args)]
pub struct Unmix {
    /// Mixture x, (T,) or (C,T)
    #[arg(long, value_name = "X.npy")]
    mixture: PathBuf,
    /// Background snippets n_k, (R,T) or (R,C,T); at least 2
    #[arg(long, value_name = "NK.npy")]
    background: PathBuf,
    /// File for the result
    #[arg(long, short, value_name = "OUT.npz")]
    output: PathBuf,
    /// Octaves J of the coefficients that are compared
    #[arg(long, value_name = "J", default_value = "8", value_parser = positive)]
    octaves: usize,
    /// Use the first R snippets only [default: all]
    #[arg(long, value_name = "R", value_parser = at_least_two)]
    snippets: Option<usize>,
    /// At most so many iterations
    #[arg(long, value_name = "N", default_value = "500", value_parser = positive)]
    max_iter: usize,
    /// paper: the three losses of arXiv 2305.16189 and its stopping rule; seismix: the same with a floor under the
    /// spread of each coefficient, stopped where the first loss is at its expected value
    #[arg(long, value_name = "NAME", default_value = "paper")]
    objective: Objective,
    /// Only the loss and its gradient at this background, of the mixture's shape
    #[arg(long, value_name = "N.npy")]
    evaluate: Option<PathBuf>,
}

/// One channel of the problem.
struct Channel {
    mixture: Vec<f64>,
    snippets: Vec<Vec<f64>>,
}

impl Unmix {
    /// Runs the command.
    pub fn run(&self, context: &mut Context) -> Result<()> {
        let mixture = arrays::read_npy(&self.mixture)?;
        let background = arrays::read_npy(&self.background)?;
        let channels = self.channels(&mixture.values, &background.values)?;
        let shape = mixture.values.shape().to_vec();
        let mut provenance = json!({
            "program": "seismix",
            "version": env!("CARGO_PKG_VERSION"),
            "command": "unmix",
            "mixture": { "file": self.mixture.display().to_string(), "sha256": mixture.sha256 },
            "background": { "file": self.background.display().to_string(), "sha256": background.sha256 },
            "configuration": {
                "octaves": self.octaves,
                "snippets": channels[0].snippets.len(),
                "max_iter": self.max_iter,
                "objective": self.objective,
            },
        });
        match &self.evaluate {
            None => self.separate(context, &channels, &shape, &provenance),
            Some(path) => {
                let at = arrays::read_npy(path)?;
                if at.values.shape() != shape {
                    return Err(self.mismatch(path, at.values.shape(), "the mixture's shape"));
                }
                provenance["evaluate"] =
                    json!({ "file": path.display().to_string(), "sha256": at.sha256 });
                self.evaluate(context, &channels, &at.values, &provenance)
            }
        }
    }

    /// Splits the arrays into channels.
    fn channels(&self, mixture: &ArrayD<f64>, background: &ArrayD<f64>) -> Result<Vec<Channel>> {
        let shape = mixture.shape();
        if shape.len() > 2 {
            return Err(self.mismatch(&self.mixture, shape, "(T,) or (C,T)"));
        }
        if background.ndim() != shape.len() + 1 || background.shape()[1..] != *shape {
            let wanted = "(R,T) or (R,C,T) with the mixture's T and C";
            return Err(self.mismatch(&self.background, background.shape(), wanted));
        }
        let n_samples = shape[shape.len() - 1];
        let n_channels = mixture.len() / n_samples;
        let available = background.len_of(Axis(0));
        let n_snippets = self.snippets.unwrap_or(available);
        if n_snippets > available {
            return Err(Failure::usage(format!(
                "--snippets {n_snippets}: {} holds {available}",
                self.background.display()
            )));
        }
        let rows = |array: &ArrayD<f64>| -> Vec<Vec<f64>> {
            let values: Vec<f64> = array.iter().copied().collect();
            values
                .chunks_exact(n_samples)
                .map(<[f64]>::to_vec)
                .collect()
        };
        let snippets = rows(background);
        let of_channel = |(c, mixture): (usize, Vec<f64>)| Channel {
            mixture,
            snippets: (0..n_snippets)
                .map(|r| snippets[r * n_channels + c].clone())
                .collect(),
        };
        Ok(rows(mixture)
            .into_iter()
            .enumerate()
            .map(of_channel)
            .collect())
    }

    fn mismatch(&self, path: &Path, found: &[usize], wanted: &str) -> Failure {
        Failure::new(format!(
            "{}: an array of shape {found:?} is not {wanted}",
            path.display()
        ))
        .with_help("give a mixture (T,) with snippets (R,T), or (C,T) with (R,C,T)")
    }

    fn objective(&self) -> ObjectiveOptions {
        match self.objective {
            Objective::Paper => ObjectiveOptions::paper(self.octaves),
            Objective::Seismix => ObjectiveOptions::floored(self.octaves),
        }
    }

    fn separate(
        &self,
        context: &mut Context,
        channels: &[Channel],
        shape: &[usize],
        provenance: &serde_json::Value,
    ) -> Result<()> {
        let options = WindowOptions {
            objective: self.objective(),
            max_iterations: self.max_iter,
            start: Start::Mixture,
            stop_at_expectation: self.objective == Objective::Seismix,
        };
        let mut separations = Vec::with_capacity(channels.len());
        context
            .observer
            .begin("unmix", channels.len() as u64, "channels");
        for (c, channel) in channels.iter().enumerate() {
            if interrupt::asked() {
                return Err(Failure::Interrupted);
            }
            let separation = separate_window(&channel.mixture, &channel.snippets, options)
                .map_err(|error| self.refused(c, &error))?;
            separations.push(separation);
            context.observer.advance(1);
        }
        context.observer.end();

        let background: Vec<f64> = separations
            .iter()
            .flat_map(|separation| separation.background.iter().copied())
            .collect();
        let mixture = channels.iter().flat_map(|channel| &channel.mixture);
        let source: Vec<f64> = mixture.zip(&background).map(|(x, n)| x - n).collect();
        let array = |values: Vec<f64>| {
            ArrayD::from_shape_vec(IxDyn(shape), values)
                .map_err(|error| Failure::new(error.to_string()))
        };
        let (background, source) = (array(background)?, array(source)?);
        let loss = mean_history(&separations);
        let start = rows(&[mean_terms(separations.iter().map(|s| s.start))]);
        let reasons: Vec<&str> = separations.iter().map(|s| reason(s.reason)).collect();
        let reason_names = Array1::from_iter(reasons.iter().map(|&name| Name::from(name)));
        let iterations = Array1::from_iter(separations.iter().map(|s| s.history.len() as i64));
        let note = Array1::from(provenance.to_string().into_bytes());
        arrays::write_npz(&self.output, |archive| {
            archive.add_array("background", &background)?;
            archive.add_array("source", &source)?;
            archive.add_array("loss", &loss)?;
            archive.add_array("loss_at_start", &start)?;
            archive.add_array("iterations", &iterations)?;
            archive.add_array("stop_reason", &reason_names)?;
            archive.add_array("provenance", &note)
        })?;
        let output = self.output.display();
        let last: Vec<f64> = loss
            .rows()
            .into_iter()
            .next_back()
            .map_or(vec![], |row| row.to_vec());
        context.printer.record(&json!({
            "output": output.to_string(), "iterations": iterations.to_vec(),
            "stop_reason": reasons, "loss": last,
        }))?;
        context.printer.text(format!(
            "{output}: {} iterations, stopped by {}; L1, L2, L3 = {}",
            joined(&iterations.to_vec()),
            reasons.join(", "),
            joined(&last)
        ))?;
        Ok(())
    }

    fn evaluate(
        &self,
        context: &mut Context,
        channels: &[Channel],
        at: &ArrayD<f64>,
        provenance: &serde_json::Value,
    ) -> Result<()> {
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
                return Err(self.refused(c, &separate::Error::NotFinite { what, index }));
            }
            let objective =
                ScatteringObjective::new(&channel.mixture, &channel.snippets, self.objective())
                    .map_err(|error| self.refused(c, &error))?;
            let mut slope = vec![0.0; n_samples];
            terms.push(objective.evaluate(at, Some(&mut slope)));
            // The loss is the mean over the channels, and so is its gradient's share of each.
            gradient.extend(slope.iter().map(|g| g / channels.len() as f64));
        }
        let loss = rows(&[mean_terms(terms.iter().copied())]);
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

    /// The settings do not fit the arrays, or the arrays cannot be used.
    fn refused(&self, channel: usize, error: &separate::Error) -> Failure {
        let message = format!("{} (channel {channel}): {error}", self.mixture.display());
        match error {
            separate::Error::Scattering(_) => Failure::usage(message),
            _ => Failure::new(message),
        }
    }
}

/// The terms after each iteration, averaged over channels; one that has stopped keeps its last terms.
/// Where no iteration was made, the terms at the start.
fn mean_history(separations: &[WindowSeparation]) -> Array2<f64> {
    let longest = separations.iter().map(|s| s.history.len()).max();
    let at = |i: usize| {
        let terms = separations
            .iter()
            .map(|s| s.history.get(i).copied().unwrap_or_else(|| s.end()));
        mean_terms(terms)
    };
    let history: Vec<[f64; 3]> = (0..longest.unwrap_or(0).max(1)).map(at).collect();
    rows(&history)
}

fn mean_terms(terms: impl ExactSizeIterator<Item = Terms>) -> [f64; 3] {
    let n = terms.len() as f64;
    let mut sum = [0.0; 3];
    for terms in terms {
        for (sum, term) in sum.iter_mut().zip(terms.to_array()) {
            *sum += term;
        }
    }
    sum.map(|sum| sum / n)
}

fn rows(rows: &[[f64; 3]]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 3), |(i, term)| rows[i][term])
}

fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Reached => "stop rule",
        StopReason::MaxIterations => "max iterations",
        StopReason::Converged => "convergence",
        StopReason::LineSearch => "line search",
    }
}

fn joined(values: &[impl std::fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
    values.join(", ")
}
