//! Template matching as a method: learned from a station's targets, fitted to each region, and accepted by target.

use std::collections::BTreeMap;
use std::ops::Range;

use seismix_core::progress::Progress;
use serde::{Deserialize, Serialize};

use super::{Evidence, Layout, Part, RecordSegment, Template, TemplateFit, TemplateSource, Wave};
use crate::channel::Outcome;
use crate::error::Error;
use crate::method::{
    Fit, FittedModel, Grouping, Method, RecordContext, Separator, SnippetUse, TargetExtent,
    TrainingPlan, TrainingSet,
};
use crate::region::Region;
use crate::separation::{
    ChannelOutcome, Diagnostics, EstimateKind, FoundSource, Separation, SourceAmplitudes,
    SourceComponent, WindowReport, rows,
};
use crate::zero_runs::zero_runs;

/// Most groups of targets that a template is learned from, spread evenly over the record.
const MAX_TRAINING_REGIONS: usize = 96;
/// Whitened residual power, relative to the local background, above which a target contains an unmodelled signal.
const MAX_RESIDUAL_POWER: f64 = 3.0;

/// Waveforms that the sources of a cluster repeat, learned from the record itself ([`Template`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TemplateMethod;

/// Template of a station with the evidence for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LearnedTemplate {
    /// `None` if no target exceeds its background.
    template: Option<Template>,
    /// Channels that it was learned on; none if the record around every target has a gap.
    channels: Vec<String>,
    window_samples: usize,
}

impl Method for TemplateMethod {
    fn name(&self) -> &'static str {
        "template"
    }

    fn training(&self, window_samples: usize) -> Option<TrainingPlan> {
        Some(TrainingPlan {
            context: context(Template::layout(window_samples)),
            max_regions: MAX_TRAINING_REGIONS,
        })
    }

    fn fit(&self, station: TrainingSet, progress: &dyn Progress) -> Result<Fit, Error> {
        let window_samples = station.window_samples;
        let (channels, segments) = most_frequent_channels(station.regions);
        let learned = Template::learn_with_progress(&segments, window_samples, progress)?;
        let evidence = learned.as_ref().map(|(_, evidence)| *evidence);
        let model = LearnedTemplate {
            template: learned.map(|(template, _)| template),
            channels,
            window_samples,
        };
        let model = FittedModel::new(self, in_words(evidence, &model), &model)?;
        Ok(match evidence {
            Some(evidence) if evidence.has_shape() => Fit::Ready(model),
            _ => Fit::Unsuitable(model),
        })
    }

    fn separator(&self, model: &FittedModel) -> Result<Box<dyn Separator>, Error> {
        Ok(Box::new(model.parameters::<LearnedTemplate>()?))
    }
}

/// Regions of the set of channels that most regions have; of two sets as frequent, the larger one. A channel may be
/// missing for a while.
fn most_frequent_channels(regions: Vec<Region>) -> (Vec<String>, Vec<RecordSegment>) {
    let mut by_channels: BTreeMap<Vec<String>, Vec<RecordSegment>> = BTreeMap::new();
    for region in regions.into_iter().filter(Region::is_finite) {
        let segment = RecordSegment {
            channels: region.samples,
            targets: region.targets,
            neighbour_targets: region.neighbours,
        };
        by_channels
            .entry(region.channels)
            .or_default()
            .push(segment);
    }
    let most = by_channels
        .into_iter()
        .max_by_key(|(channels, segments)| (segments.len(), channels.len()));
    most.unwrap_or_default()
}

/// Evidence for or against a template, in words.
fn in_words(evidence: Option<Evidence>, model: &LearnedTemplate) -> String {
    match evidence {
        _ if model.channels.is_empty() => {
            "the record around each of its targets has a gap, lacks a channel, or has samples that are not finite".into()
        }
        None => "no window exceeds its background, or no background can be modelled".into(),
        Some(Evidence { n_windows: 0, .. }) => {
            "too few windows exceed their background to learn a shape from some and test it on others".into()
        }
        Some(Evidence {
            n_windows,
            explained,
        }) => format!(
            "{n_windows} windows exceed the background, and a shape learned from every second of them explains \
             {:.0} % of the others' energy",
            100.0 * explained
        ),
    }
}

fn context(layout: Layout) -> RecordContext {
    RecordContext {
        margin: layout.grid,
        grouping: Grouping::Block(layout.block()),
        extent: TargetExtent::Widened,
        snippets: SnippetUse::None,
    }
}

impl LearnedTemplate {
    fn layout(&self) -> Layout {
        Template::layout(self.window_samples)
    }
}

impl Separator for LearnedTemplate {
    fn margin(&self) -> usize {
        self.layout().grid
    }

    fn context(&self) -> RecordContext {
        context(self.layout())
    }

    fn separate(&self, region: &Region, progress: &dyn Progress) -> Result<Vec<Separation>, Error> {
        let fitted = self.fit_region(region, progress)?;
        let targets = region.targets.iter();
        Ok(targets
            .map(|target| match &fitted {
                Ok(fitted) => fitted.separation(region, target),
                Err(reason) => Separation::skipped(reason),
            })
            .collect())
    }
}

impl LearnedTemplate {
    /// Fits the sources of a region, or gives the reason why none can be fitted.
    fn fit_region(
        &self,
        region: &Region,
        progress: &dyn Progress,
    ) -> Result<Result<FittedRegion, String>, Error> {
        if !region.is_finite() {
            return Ok(Err(
                "the record around it has samples that are not finite".into()
            ));
        }
        let Some(template) = &self.template else {
            let reason = "no target exceeds its background, so there is no shape to remove";
            return Ok(Err(reason.into()));
        };
        if region.channels != self.channels {
            return Ok(Err(format!(
                "the record around it has the channels {}, and the shape was learned from {}",
                region.channels.join(", "),
                self.channels.join(", ")
            )));
        }
        let segment = RecordSegment {
            channels: region.samples.clone(),
            targets: region.targets.clone(),
            neighbour_targets: region.neighbours.clone(),
        };
        let Some(fit) = template.fit_with_progress(&segment, progress)? else {
            let reason =
                "its background cannot be modelled: too few samples without a source, or no signal";
            return Ok(Err(reason.into()));
        };
        Ok(Ok(FittedRegion {
            rendered: template.render(&fit.sources, region.n_samples()),
            fit,
            layout: self.layout(),
        }))
    }
}

/// Sources fitted to a region, and their sum.
struct FittedRegion {
    fit: TemplateFit,
    /// Sum of the sources, `[channel][sample]`.
    rendered: Vec<Vec<f64>>,
    layout: Layout,
}

impl FittedRegion {
    fn separation(&self, region: &Region, target: &Range<usize>) -> Separation {
        let parts = [&self.rendered, &self.fit.deviation];
        let mut samples = parts.into_iter().flatten().flat_map(|x| &x[target.clone()]);
        if !samples.all(|v| v.is_finite()) {
            return Separation::skipped(
                "its fit is not a finite number: its samples are too large or too small",
            );
        }
        let sources = self.sources_in(target);
        let (mut backgrounds, mut deviations) = (Vec::new(), Vec::new());
        let mut channels = Vec::new();
        for (c, id) in region.channels.iter().enumerate() {
            let channel = self.channel(region, target, c, &sources);
            backgrounds.push(channel.background);
            deviations.push(channel.deviation);
            channels.push(ChannelOutcome::new(id.clone(), vec![channel.report]));
        }
        Separation {
            background: rows(&backgrounds, target.len()),
            deviation: Some(rows(&deviations, target.len())),
            channels,
            sources: sources.into_iter().map(|s| self.found(s)).collect(),
            skipped: Vec::new(),
            estimate: EstimateKind::RecordMinusSources,
        }
    }

    /// Sources with their onset in a target, or so shortly before it that the lead of their waveform reaches into it.
    fn sources_in(&self, target: &Range<usize>) -> Vec<&TemplateSource> {
        let (start, end) = (target.start as f64, target.end as f64);
        let inside = |s: &&TemplateSource| {
            (start - 0.5..end).contains(&s.onset.max(start))
                && s.onset > start - self.layout.lead as f64
        };
        self.fit.sources.iter().filter(inside).collect()
    }

    fn channel(
        &self,
        region: &Region,
        target: &Range<usize>,
        c: usize,
        sources: &[&TemplateSource],
    ) -> SeparatedChannel {
        let record = &region.samples[c][target.clone()];
        let mut removed = self.rendered[c][target.clone()].to_vec();
        for (removed, zero) in removed.iter_mut().zip(zero_runs(record)) {
            if zero {
                *removed = 0.0;
            }
        }
        let mut deviation = self.fit.deviation[c][target.clone()].to_vec();
        let has_source = sources.iter().any(|s| !s.channels[c].is_empty());
        let residual = &self.fit.residual[c][target.clone()];
        let n = target.len().max(1) as f64;
        let residual_power = residual.iter().map(|v| v * v).sum::<f64>() / n;
        let unmodelled = residual_power > MAX_RESIDUAL_POWER;
        if unmodelled && !has_source {
            // The unmodelled signal may be as large as the record itself, and a source that continues from another
            // target is not distinguishable from it: the target is unchanged.
            removed.fill(0.0);
            deviation.fill(standard_deviation(record));
        }
        let outcome = if removed.iter().any(|v| *v != 0.0) {
            Outcome::Separated
        } else if unmodelled {
            Outcome::NotSeparable
        } else {
            Outcome::AlreadyBackground
        };
        let background: Vec<f64> = record.iter().zip(&removed).map(|(x, s)| x - s).collect();
        let mut why = why(sources, c, &removed, &deviation);
        if unmodelled {
            why += &format!(
                "; an unmodelled signal of {residual_power:.1} times the whitened background's power remains here"
            );
        }
        let mut report = WindowReport::new(target.start, outcome, why);
        if has_source || !unmodelled {
            report.expected_snr_db = snr_db(&background, &deviation);
        }
        report.diagnostics = Diagnostics::Template { residual_power };
        SeparatedChannel {
            background,
            deviation,
            report,
        }
    }

    fn found(&self, source: &TemplateSource) -> FoundSource {
        let longest = source
            .channels
            .iter()
            .flatten()
            .map(|p| p.delay + ramp_length(p));
        let longest = longest.fold(0.0, f64::max);
        FoundSource {
            onset: source.onset,
            end: source.onset + longest + (self.layout.length - self.layout.lead) as f64,
            kind: "template".into(),
            channels: source
                .channels
                .iter()
                .map(|parts| amplitudes(parts))
                .collect(),
            chi2_decrease: source.chi2_decrease,
            z: source.z,
            misfit: source.misfit,
            ramp_length: source.ramp_length,
        }
    }
}

/// One channel of a target without its sources.
struct SeparatedChannel {
    background: Vec<f64>,
    deviation: Vec<f64>,
    report: WindowReport,
}

fn amplitudes(parts: &[Part]) -> SourceAmplitudes {
    let n = parts.len();
    let mut covariance = vec![0.0; n * n];
    for (i, part) in parts.iter().enumerate() {
        covariance[i * n + i] = part.deviation * part.deviation;
    }
    let component = |part: &Part| SourceComponent {
        wave: match part.wave {
            Wave::Response { .. } => "step".into(),
            Wave::SecondDerivative => "jump".into(),
        },
        delay: part.delay,
        ramp_length: ramp_length(part),
        amplitude: part.amplitude,
    };
    SourceAmplitudes {
        components: parts.iter().map(component).collect(),
        covariance,
    }
}

fn ramp_length(part: &Part) -> f64 {
    match part.wave {
        Wave::Response { ramp_length } => ramp_length,
        Wave::SecondDerivative => 0.0,
    }
}

/// Standard deviation of samples about their mean.
fn standard_deviation(samples: &[f64]) -> f64 {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().sum::<f64>() / n;
    (samples.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// SNR of a background about its mean with these standard deviations; `None` without signal or error.
fn snr_db(background: &[f64], deviation: &[f64]) -> Option<f64> {
    let mean = background.iter().sum::<f64>() / background.len().max(1) as f64;
    let signal: f64 = background.iter().map(|v| (v - mean).powi(2)).sum();
    let error: f64 = deviation.iter().map(|v| v * v).sum();
    (error > 0.0 && signal > 0.0).then(|| 10.0 * (signal / error).log10())
}

/// Outcome of one channel of a target in a few words, with the numbers that decided.
fn why(sources: &[&TemplateSource], channel: usize, removed: &[f64], deviation: &[f64]) -> String {
    let here: Vec<&&TemplateSource> = sources
        .iter()
        .filter(|s| !s.channels[channel].is_empty())
        .collect();
    if here.is_empty() {
        return if removed.iter().any(|v| *v != 0.0) {
            "no source begins here; the end of one from another target was removed".into()
        } else if sources.is_empty() {
            "no source with the learned shape exceeds the background".into()
        } else {
            "the source exceeds the background on other channels only".into()
        };
    }
    let strongest = here.iter().map(|s| s.z).fold(0.0, f64::max);
    let last = removed.last().copied().unwrap_or(0.0);
    let uncertain = deviation.last().copied().unwrap_or(0.0);
    let continues = if last.abs() > 3.0 * uncertain && last.abs() > 1.0 {
        format!("; it continues past the end with {last:.0} counts, which are not removed")
    } else {
        String::new()
    };
    format!(
        "{} source{} like the template, up to {strongest:.1} deviations{continues}",
        here.len(),
        if here.len() == 1 { "" } else { "s" }
    )
}
