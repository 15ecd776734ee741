//! Methods that work on windows of the snippets' length, as separators of whole targets.

use std::ops::Range;

use seismix_core::progress::Progress;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::channel::{Channel, ChannelMethod, ChannelSeparation, Outcome, check_finite};
use crate::error::Error;
use crate::local::LocalResult;
use crate::method::{Fit, FittedModel, Method, RecordContext, Separator, SnippetUse, TrainingSet};
use crate::region::{Region, Snippets};
use crate::scattering::terms::ObjectiveOptions;
use crate::separation::{
    ChannelOutcome, Diagnostics, EstimateKind, Separation, WindowReport, rows,
};
use crate::windowing::{FADE_SAMPLES, OverlapAdd, cross_fade, windows_of, with_margin};

/// Way of covering a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// Overlapping windows of the snippets' length.
    Windows,
    /// The target with a margin, at least a snippet long: the method cuts it itself.
    Whole,
}

/// Method that works on windows of the snippets' length.
pub(crate) trait WindowMethod:
    ChannelMethod + Clone + Serialize + DeserializeOwned + 'static
{
    /// Name on the command line and in results.
    const NAME: &'static str;
    /// Result of its fit, which needs no evidence.
    const FIT: fn(FittedModel) -> Fit;
    /// Way in which targets are presented to it.
    const COVER: Cover;
    /// Kind of its estimate.
    const ESTIMATE: EstimateKind;
    /// Snippets that it uses.
    const SNIPPETS: SnippetUse;

    /// The loss, which limits the octaves.
    fn objective(&self) -> ObjectiveOptions;

    /// Fewest snippets of either kind with which it accepts a region.
    fn least_snippets(&self) -> usize {
        0
    }

    /// True if arrays are to be separated with their baseline.
    fn keeps_baseline(&self) -> bool {
        false
    }
}

impl<M: WindowMethod> Method for M {
    fn name(&self) -> &'static str {
        M::NAME
    }

    /// Checks the octaves for windows of the snippets' length; nothing is learned.
    fn fit(&self, station: TrainingSet, _: &dyn Progress) -> Result<Fit, Error> {
        let snippet_samples = station.snippet_samples;
        self.objective().check_octaves(snippet_samples)?;
        let separator = WindowSeparator {
            method: self.clone(),
            snippet_samples,
        };
        Ok(M::FIT(FittedModel::new(self, "", &separator)?))
    }

    fn separator(&self, model: &FittedModel) -> Result<Box<dyn Separator>, Error> {
        Ok(Box::new(model.parameters::<WindowSeparator<M>>()?))
    }
}

/// Separator of a [`WindowMethod`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WindowSeparator<M> {
    method: M,
    snippet_samples: usize,
}

impl<M: WindowMethod> Separator for WindowSeparator<M> {
    fn margin(&self) -> usize {
        self.snippet_samples
    }

    fn context(&self) -> RecordContext {
        RecordContext {
            snippets: M::SNIPPETS,
            ..RecordContext::alone(self.margin())
        }
    }

    fn accepts(&self, region: &Region) -> bool {
        let least = self.method.least_snippets();
        (0..region.channels.len())
            .filter_map(|c| UsableChannel::new(region, c).ok())
            .all(|channel| channel.snippets.len().min(channel.sources.len()) >= least)
    }

    fn separate(&self, region: &Region, progress: &dyn Progress) -> Result<Vec<Separation>, Error> {
        let targets = region.targets.iter();
        targets
            .map(|target| separate_target(&self.method, region, target, progress))
            .collect()
    }

    fn separate_arrays(
        &self,
        channels: &[Channel],
        progress: &dyn Progress,
    ) -> Result<Vec<ChannelSeparation>, Error> {
        if self.method.keeps_baseline() {
            return self.method.separate_channels(channels, progress);
        }
        let (level, baselines): (Vec<Channel>, Vec<Baseline>) =
            channels.iter().map(Channel::without_baseline).unzip();
        let separated = self.method.separate_channels(&level, progress)?;
        let all = separated.into_iter().zip(baselines.iter().zip(channels));
        Ok(all
            .map(|(s, (baseline, given))| s.with_baseline(baseline, &given.mixture))
            .collect())
    }
}

/// Separates one target of a region by a method that works on windows.
///
/// Each window and snippet has the line through its ends removed before, a long mixture a line for each snippet's
/// length, and restored after.
fn separate_target<M: WindowMethod>(
    method: &M,
    region: &Region,
    target: &Range<usize>,
    progress: &dyn Progress,
) -> Result<Separation, Error> {
    let mut separation = Separation {
        estimate: M::ESTIMATE,
        ..Separation::default()
    };
    let mut usable = Vec::new();
    for (c, id) in region.channels.iter().enumerate() {
        match UsableChannel::new(region, c) {
            Ok(channel) => usable.push(channel),
            Err(error) => separation.skipped.push(format!("{id}: {error}")),
        }
    }
    let Some(first) = usable.first() else {
        return Ok(separation);
    };
    let snippet = first.snippets[0].len();
    let overlap = snippet / 4;
    let n = region.n_samples();
    let spans = match M::COVER {
        Cover::Whole => vec![with_margin(n, target, snippet, overlap / 2)],
        Cover::Windows => windows_of(n, target, snippet, overlap),
    };
    let add = OverlapAdd::linear(target.clone(), spans, overlap);
    let mut solved: Vec<Vec<Window>> = usable.iter().map(|_| Vec::new()).collect();
    for span in &add.spans {
        let place = Place { span, target };
        match solve_span(&usable, place, method, progress) {
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Ok(windows) => solved
                .iter_mut()
                .zip(windows)
                .for_each(|(all, w)| all.push(w)),
            Err(error) => {
                separation.skipped.push(error.to_string());
                return Ok(separation);
            }
        }
    }
    Ok(assemble(separation, &usable, solved, &add))
}

/// Joins the windows of each channel, and fades them into the record.
fn assemble(
    mut separation: Separation,
    usable: &[UsableChannel<'_>],
    solved: Vec<Vec<Window>>,
    add: &OverlapAdd,
) -> Separation {
    let target = &add.output;
    let has_deviation = solved.iter().flatten().all(|w| w.variance.is_some());
    let (mut backgrounds, mut deviations) = (Vec::new(), Vec::new());
    for (channel, windows) in usable.iter().zip(solved) {
        let record = &channel.samples[target.clone()];
        let mut background = record.to_vec();
        let (mut values, mut variances, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        for window in windows {
            values.push(window.values);
            variances.extend(window.variance);
            reports.push(window.report);
        }
        let outcome = ChannelOutcome::new(channel.id.to_owned(), reports);
        if outcome.outcome == Outcome::Separated {
            cross_fade(&mut background, 0, &add.mean(&values), FADE_SAMPLES);
        }
        if has_deviation {
            let variance = add.mean(&variances);
            deviations.push(variance.into_iter().map(f64::sqrt).collect());
        }
        backgrounds.push(background);
        separation.channels.push(outcome);
    }
    separation.background = rows(&backgrounds, target.len());
    separation.deviation = has_deviation.then(|| rows(&deviations, target.len()));
    separation
}

/// One window of one channel, separated.
struct Window {
    /// Background with its line; the mixture unless it was separated.
    values: Vec<f64>,
    /// Squared error expected of each sample, if the method estimates it.
    variance: Option<Vec<f64>>,
    report: WindowReport,
}

/// Samples of a window and of its target in the region.
#[derive(Clone, Copy)]
struct Place<'a> {
    span: &'a Range<usize>,
    target: &'a Range<usize>,
}

fn solve_span(
    usable: &[UsableChannel<'_>],
    place: Place<'_>,
    method: &dyn ChannelMethod,
    progress: &dyn Progress,
) -> Result<Vec<Window>, Error> {
    let mut lines = Vec::new();
    let mut channels = Vec::new();
    for channel in usable {
        let mixture = &channel.samples[place.span.clone()];
        let line = Baseline::new(mixture, usable[0].snippets[0].len());
        channels.push(Channel {
            mixture: line.subtract(mixture),
            snippets: channel.snippets.clone(),
            source_snippets: channel.sources.clone(),
        });
        lines.push(line);
    }
    let separated = method.separate_channels(&channels, progress)?;
    let all = separated.into_iter().zip(usable).zip(&lines);
    Ok(all
        .map(|((separated, channel), line)| {
            Window::new(separated, &channel.samples[place.span.clone()], line, place)
        })
        .collect())
}

impl Window {
    fn new(
        separated: ChannelSeparation,
        mixture: &[f64],
        line: &Baseline,
        Place { span, target }: Place<'_>,
    ) -> Self {
        let unchanged = separated.outcome != Outcome::Separated;
        let values = match unchanged {
            true => mixture.to_vec(),
            false => (0..mixture.len())
                .map(|i| separated.background[i] + line.at(i))
                .collect(),
        };
        let mut report = WindowReport::new(span.start, separated.outcome, separated.why());
        let assessment = separated.assessment;
        let Some(local) = separated.local else {
            report.diagnostics = Diagnostics::Scattering {
                assessment,
                optimization: separated.optimization,
            };
            return Self {
                values,
                variance: None,
                report,
            };
        };
        let removed: Vec<f64> = (0..mixture.len())
            .map(|i| mixture[i] - line.at(i) - local.waveform[i])
            .collect();
        // An unchanged mixture still contains what would have been removed, in addition to the error of the estimate.
        let variance = |i: usize| {
            let kept = if unchanged { removed[i] } else { 0.0 };
            local.deviation[i].powi(2) + kept * kept
        };
        let variance = (0..mixture.len()).map(variance).collect();
        let end = span.end.min(target.end).max(span.start);
        let inside = span.start.max(target.start) - span.start..end - span.start;
        report.expected_snr_db = Some(expected_inside(&local, &removed, unchanged, inside));
        report.diagnostics = Diagnostics::Local {
            assessment,
            result: local,
        };
        Self {
            values,
            variance: Some(variance),
            report,
        }
    }
}

/// Expected SNR of the background in a part of a window, which may hold most of the source: that of the window, by the
/// share of the background and of its error that the part has.
fn expected_inside(
    local: &LocalResult,
    removed: &[f64],
    unchanged: bool,
    part: Range<usize>,
) -> f64 {
    let (whole_db, error): (f64, Vec<f64>) = if unchanged {
        let removed = removed.iter().map(|v| v * v).collect();
        (local.untouched.mean_db, removed)
    } else {
        let variance = local.deviation.iter().map(|v| v * v).collect();
        (local.expected.mean_db, variance)
    };
    let kept: Vec<f64> = local.waveform.iter().map(|v| v * v).collect();
    let share = |x: &[f64]| {
        let n = x.len().min(part.end);
        x[part.start.min(n)..n].iter().sum::<f64>() / x.iter().sum::<f64>()
    };
    let change_db = 10.0 * (share(&kept) / share(&error)).log10();
    // The SNR of a part without energy or without error is not defined.
    if change_db.is_finite() {
        whole_db + change_db
    } else {
        whole_db
    }
}

/// Channel that a method can use, its snippets without the lines through their ends.
struct UsableChannel<'a> {
    id: &'a str,
    samples: &'a [f64],
    snippets: Vec<Vec<f64>>,
    sources: Vec<Vec<f64>>,
}

impl<'a> UsableChannel<'a> {
    fn new(region: &'a Region, c: usize) -> Result<Self, Error> {
        let none = Snippets::default();
        let own = region.snippets.get(c).unwrap_or(&none);
        let level = |s: &Vec<f64>| Baseline::new(s, s.len()).subtract(s);
        let tried = Channel {
            mixture: vec![0.0; own.background.first().map_or(0, Vec::len)],
            snippets: own.background.iter().map(level).collect(),
            source_snippets: Vec::new(),
        };
        tried.check()?;
        let (found, least) = (region.samples[c].len(), tried.mixture.len());
        // Windows of a snippet's length would reach beyond the record.
        if found < least {
            return Err(Error::RecordLength { found, least });
        }
        check_finite("the record around it", &region.samples[c])?;
        Ok(Self {
            id: &region.channels[c],
            samples: &region.samples[c],
            snippets: tried.snippets,
            sources: own
                .source
                .iter()
                .filter(|source| source.iter().all(|v| v.is_finite()))
                .map(level)
                .collect(),
        })
    }
}
