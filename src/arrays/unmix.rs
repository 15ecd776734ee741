//! Separation of arrays: a mixture and snippets of its background in, background and source out.

use ndarray::{Array2, ArrayD, ArrayViewD, Axis, IxDyn};
use seismix_separate::{
    self as separation, Assessment, CancelWhen, Channel, ChannelSeparation, LocalMethod,
    MethodOptions, ObjectiveOptions, ObjectiveTerms, Optimization, ScatteringMethod,
    ScatteringObjective, SourceSnippets,
};

pub use crate::arrays::unmix_config::{LocalConfig, Resolved, UnmixConfig};
use crate::arrays::{ArrayError, rows};
use crate::config::{Objective, Precision, SeparationMethod};

/// The arrays of a separation.
#[derive(Debug, Clone)]
pub struct UnmixArrays<'a> {
    /// Mixture x, `(T,)` or `(C,T)`.
    pub mixture: ArrayViewD<'a, f64>,
    /// Background snippets n_k, `(R,T)` or `(R,C,T)`.
    pub background: ArrayViewD<'a, f64>,
    /// Snippets of the source, `(R',T')` or `(R',C,T')`; the local model needs them, other methods refuse them.
    pub source_snippets: Option<ArrayViewD<'a, f64>>,
}

/// Result of [`unmix`].
#[derive(Debug, Clone)]
pub struct Unmixed {
    /// Background, of the mixture's shape and unit.
    pub background: ArrayD<f64>,
    /// Mixture minus background.
    pub source: ArrayD<f64>,
    /// L1, L2 and L3 after each iteration `(iterations, 3)`, mean over channels; no rows if nothing was tried.
    pub loss: Array2<f64>,
    /// The terms at the mixture `(1, 3)`, or no rows.
    pub loss_at_start: Array2<f64>,
    /// The terms expected at the true background `(1, 3)`, or no rows.
    pub loss_expected: Array2<f64>,
    /// Results per channel.
    pub channels: Vec<ChannelSeparation>,
    /// Method and objective used.
    pub resolved: Resolved,
}

/// Separates a mixture into background and source, each channel on its own.
///
/// `cancelled` is polled during the optimisation. The same arrays give the same bits on any number of threads.
///
/// # Errors
/// [`ArrayError::Shape`], [`ArrayError::NotFinite`], [`ArrayError::Setting`], [`ArrayError::Channel`],
/// [`ArrayError::Result`] and [`ArrayError::Interrupted`].
pub fn unmix(
    arrays: &UnmixArrays,
    config: &UnmixConfig,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Unmixed, ArrayError> {
    let resolved = config.resolve(arrays.source_snippets.is_some())?;
    let channels = arrays.channels(config, resolved.method)?;
    if cancelled() {
        return Err(ArrayError::Interrupted);
    }
    let mixture: Vec<f64> = channels.iter().flat_map(|c| c.mixture.clone()).collect();
    let solver = Solver {
        config,
        resolved,
        cancelled,
    };
    let separated = solver.solve(&channels).map_err(in_channel(0))?;
    if cancelled() {
        return Err(ArrayError::Interrupted);
    }
    let background: Vec<f64> = separated
        .iter()
        .flat_map(|separation| separation.background.iter().copied())
        .collect();
    let source: Vec<f64> = mixture
        .iter()
        .zip(&background)
        .map(|(x, n)| x - n)
        .collect();
    check_result("the source", &source)?;
    let shape = arrays.mixture.shape();
    let assessed: Vec<Assessment> = separated.iter().filter_map(|s| s.assessment).collect();
    let mean = |pick: fn(&Assessment) -> ObjectiveTerms| match assessed.is_empty() {
        true => table(&[]),
        false => table(&[mean_terms(assessed.iter().map(pick))]),
    };
    Ok(Unmixed {
        background: shaped(shape, background)?,
        source: shaped(shape, source)?,
        loss: mean_history(&separated),
        loss_at_start: mean(|a| a.start),
        loss_expected: mean(|a| a.expected),
        channels: separated,
        resolved,
    })
}

/// Loss and gradient at a given background.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// L1, L2 and L3 `(1, 3)`, mean over channels.
    pub loss: Array2<f64>,
    /// Gradient of their sum, of the mixture's shape.
    pub gradient: ArrayD<f64>,
}

/// Evaluates the scattering objective and its gradient at a background `at` of the mixture's shape.
///
/// # Errors
/// As [`unmix`].
pub fn evaluate(
    arrays: &UnmixArrays,
    at: &ArrayViewD<f64>,
    config: &UnmixConfig,
) -> Result<Evaluation, ArrayError> {
    let channels = arrays.channels(config, SeparationMethod::SCATTERING)?;
    if at.shape() != arrays.mixture.shape() {
        return Err(ArrayError::Shape {
            argument: "evaluate",
            found: at.shape().to_vec(),
            expected: "the mixture's shape".into(),
        });
    }
    let options = match config.objective.unwrap_or(Objective::Paper) {
        Objective::Paper => ObjectiveOptions::paper(config.octaves),
        Objective::Seismix => ObjectiveOptions::floored(config.octaves),
    };
    let mut terms = Vec::with_capacity(channels.len());
    let mut gradient = Vec::with_capacity(at.len());
    for (c, (channel, at)) in channels.iter().zip(rows(at)).enumerate() {
        if let Some(index) = at.iter().position(|value| !value.is_finite()) {
            let what = "the background to evaluate at".to_owned();
            return Err(in_channel(c)(separation::Error::NotFinite { what, index }));
        }
        let objective = ScatteringObjective::new(&channel.mixture, &channel.snippets, options)
            .map_err(in_channel(c))?;
        let mut slope = vec![0.0; at.len()];
        terms.push(objective.evaluate(&at, Some(&mut slope)));
        // The loss is the mean over the channels, so each has its share of the gradient.
        gradient.extend(slope.iter().map(|g| g / channels.len() as f64));
    }
    let loss = table(&[mean_terms(terms.iter().copied())]);
    check_result("the loss", loss.iter())?;
    check_result("the gradient", &gradient)?;
    let gradient = shaped(at.shape(), gradient)?;
    Ok(Evaluation { loss, gradient })
}

impl UnmixArrays<'_> {
    /// Splits the arrays into channels, and checks them.
    fn channels(
        &self,
        config: &UnmixConfig,
        method: SeparationMethod,
    ) -> Result<Vec<Channel>, ArrayError> {
        let local = method == SeparationMethod::LOCAL;
        let n_channels = self.check_shapes(local)?;
        check_finite("mixture", &self.mixture)?;
        check_finite("background", &self.background)?;
        let available = self.background.len_of(Axis(0));
        let n_snippets = config.snippets.unwrap_or(available);
        if n_snippets > available {
            return Err(ArrayError::Setting(format!(
                "{n_snippets} snippets are requested, and the array of background snippets holds {available}"
            )));
        }
        let snippets = rows(&self.background);
        let of_channel = |(c, mixture): (usize, Vec<f64>)| Channel {
            mixture,
            snippets: (0..n_snippets)
                .map(|r| snippets[r * n_channels + c].clone())
                .collect(),
            source_snippets: Vec::new(),
        };
        let mut channels: Vec<Channel> = rows(&self.mixture)
            .into_iter()
            .enumerate()
            .map(of_channel)
            .collect();
        if let Some(sources) = self.source_snippets.as_ref().filter(|_| local) {
            check_finite("source_snippets", sources)?;
            for (i, row) in rows(sources).into_iter().enumerate() {
                channels[i % n_channels].source_snippets.push(row);
            }
        }
        // The local model takes mixtures longer than their snippets, and checks them itself.
        if !local {
            for (c, channel) in channels.iter().enumerate() {
                channel.check().map_err(in_channel(c))?;
            }
        }
        Ok(channels)
    }

    /// The number of channels, if the arrays fit each other.
    fn check_shapes(&self, local: bool) -> Result<usize, ArrayError> {
        let refuse = |argument, found: &[usize], expected: &str| {
            Err(ArrayError::Shape {
                argument,
                found: found.to_vec(),
                expected: expected.to_owned(),
            })
        };
        let mixture = self.mixture.shape();
        let (n_channels, n_samples) = match *mixture {
            [t] if t > 0 => (1, t),
            [c, t] if c > 0 && t > 0 => (c, t),
            _ => return refuse("mixture", mixture, "(T,) or (C,T)"),
        };
        let background = self.background.shape();
        let fits = background.len() == mixture.len() + 1
            && background[1..mixture.len()] == mixture[..mixture.len() - 1]
            && background[mixture.len()] > 0
            && (background[mixture.len()] == n_samples
                || (local && background[mixture.len()] < n_samples));
        if !fits {
            let wanted = match local {
                true => "(R,T) or (R,C,T) with the mixture's C and at most its T",
                false => "(R,T) or (R,C,T) with the mixture's T and C",
            };
            return refuse("background", background, wanted);
        }
        if let Some(sources) = &self.source_snippets {
            let fits = match *sources.shape() {
                [_, t] => n_channels == 1 && t > 0,
                [_, c, t] => c == n_channels && t > 0,
                _ => false,
            };
            if !fits {
                let wanted =
                    format!("(R',T') or (R',C,T') with the mixture's {n_channels} channel(s)");
                return refuse("source_snippets", sources.shape(), &wanted);
            }
        }
        Ok(n_channels)
    }
}

/// The chosen method with its parameters.
struct Solver<'a> {
    config: &'a UnmixConfig,
    resolved: Resolved,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Solver<'_> {
    /// Separates the channels by the registered method.
    fn solve(&self, channels: &[Channel]) -> Result<Vec<ChannelSeparation>, separation::Error> {
        let (octaves, max_iter) = (self.config.octaves, self.config.max_iter);
        let mut options = MethodOptions::new(octaves, max_iter);
        options.local = self.config.local.method(octaves);
        if self.resolved.objective == Objective::Paper {
            options.scattering = ScatteringMethod::paper(octaves, max_iter);
        }
        options.scattering = options
            .scattering
            .with_precision(match self.config.precision {
                Precision::F32 => separation::TransformPrecision::Single,
                Precision::F64 => separation::TransformPrecision::Double,
            });
        let methods = separation::methods(self.resolved.method.name(), &options)?;
        let progress = CancelWhen(self.cancelled);
        separation::separate_arrays(&methods, channels, &progress).map(|(_, all)| all)
    }
}

impl LocalConfig {
    fn method(&self, octaves: usize) -> LocalMethod {
        LocalMethod {
            n_mixtures: self.n_mixtures,
            n_draws: self.n_draws,
            realisation: self.realisation,
            seed: self.seed,
            source_snippets: if self.with_background {
                SourceSnippets::WithBackground
            } else {
                SourceSnippets::Alone
            },
            ..LocalMethod::new(octaves)
        }
    }
}

/// Terms after each iteration, averaged over the channels that were assessed; a channel that has stopped keeps its last
/// terms. Without iterations, the terms at the end.
fn mean_history(separations: &[ChannelSeparation]) -> Array2<f64> {
    let assessed: Vec<(&ChannelSeparation, Assessment)> = separations
        .iter()
        .filter_map(|s| Some((s, s.assessment?)))
        .collect();
    if assessed.is_empty() {
        return table(&[]);
    }
    let after = |(s, assessment): &(&ChannelSeparation, Assessment), i: usize| {
        let history = s.optimization.as_ref().map(|run| &run.history);
        let terms = history.and_then(|history| history.get(i + 1));
        terms.copied().unwrap_or(assessment.end)
    };
    let longest = separations
        .iter()
        .filter_map(|s| s.optimization.as_ref())
        .map(Optimization::n_iterations)
        .max();
    let at = |i: usize| mean_terms(assessed.iter().map(|s| after(s, i)));
    let history: Vec<[f64; 3]> = (0..longest.unwrap_or(0).max(1)).map(at).collect();
    table(&history)
}

fn mean_terms(terms: impl ExactSizeIterator<Item = ObjectiveTerms>) -> [f64; 3] {
    let n = terms.len() as f64;
    let mut sum = [0.0; 3];
    for terms in terms {
        for (sum, term) in sum.iter_mut().zip(terms.to_array()) {
            *sum += term;
        }
    }
    sum.map(|sum| sum / n)
}

fn table(rows: &[[f64; 3]]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 3), |(i, term)| rows[i][term])
}

fn shaped(shape: &[usize], values: Vec<f64>) -> Result<ArrayD<f64>, ArrayError> {
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| ArrayError::Setting(error.to_string()))
}

fn check_finite(argument: &'static str, array: &ArrayViewD<f64>) -> Result<(), ArrayError> {
    match array.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(ArrayError::NotFinite {
            argument,
            index: ndarray::Dimension::slice(&index).to_vec(),
            value,
        }),
    }
}

fn check_result<'a>(
    what: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<(), ArrayError> {
    match values.into_iter().all(|v| v.is_finite()) {
        true => Ok(()),
        false => Err(ArrayError::Result(separation::Error::OutOfRange { what })),
    }
}

fn in_channel(channel: usize) -> impl Fn(separation::Error) -> ArrayError {
    move |error| match error {
        separation::Error::Interrupted => ArrayError::Interrupted,
        error => ArrayError::Channel { channel, error },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn noise(shape: &[usize]) -> ArrayD<f64> {
        let mut i = 0_usize;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            i += 1;
            ((i * 7919) % 1009) as f64 / 1009.0 - 0.5
        })
    }

    #[test]
    fn arrays_that_do_not_fit_are_typed_errors() {
        let refused = |mixture: &[usize], background: &[usize], sources: Option<&[usize]>| {
            let (x, nk) = (noise(mixture), noise(background));
            let sources = sources.map(noise);
            let arrays = UnmixArrays {
                mixture: x.view(),
                background: nk.view(),
                source_snippets: sources.as_ref().map(|s| s.view()),
            };
            unmix(&arrays, &UnmixConfig::default(), &|| false)
                .unwrap_err()
                .argument()
        };
        assert_eq!(refused(&[], &[2, 64], None), Some("mixture"));
        assert_eq!(refused(&[0], &[2, 0], None), Some("mixture"));
        assert_eq!(refused(&[0, 64], &[2, 0, 64], None), Some("mixture"));
        assert_eq!(refused(&[1, 1, 64], &[2, 1, 1, 64], None), Some("mixture"));
        assert_eq!(refused(&[64], &[], None), Some("background"));
        assert_eq!(refused(&[64], &[64], None), Some("background"));
        assert_eq!(refused(&[64], &[2, 32], None), Some("background"));
        assert_eq!(refused(&[2, 64], &[3, 1, 64], None), Some("background"));
        assert_eq!(refused(&[64], &[2, 64], Some(&[])), Some("source_snippets"));
        assert_eq!(
            refused(&[2, 64], &[3, 2, 64], Some(&[3, 64])),
            Some("source_snippets")
        );
    }
}
