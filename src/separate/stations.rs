//! One loop for all methods: fit a station, then load, separate, and keep one region after the other.

use std::collections::BTreeSet;

use rayon::prelude::*;
use seismix_data::StationKey;
use seismix_data::time::format_utc;
use seismix_separate::{
    CancelWhen, Error, Fit, Method, RecordContext, Region, Separation, Separator, TrainingPlan,
    TrainingSet,
};

use crate::config::ConfigError;
use crate::records::RecordCache;
use crate::separate::checkpoint::SeparatedTarget;
use crate::separate::job::Job;
use crate::separate::regions::{LoadedRegion, PlacedRegion, Plan};
use crate::separate::result::{ChannelResult, SampleTimes, SourceEntry};
use crate::separate::result_file::TargetResult;
use crate::separate::targets::TargetSpan;
use crate::stage::progress::{Observer, Stage};
use crate::stage::{Checkpoint, PipelineError, Result};

/// Regions that are loaded and separated together, between two cancellation checks.
const BATCH: usize = 8;

/// Separation of all stations.
pub(super) struct StationLoop<'a> {
    job: &'a Job,
    /// Methods to try, in order.
    methods: Vec<Box<dyn Method>>,
    checkpoint: &'a Checkpoint,
    cache: RecordCache<'a>,
    observer: &'a dyn Observer,
    /// Targets of all stations so far.
    pub(super) done: Vec<SeparatedTarget>,
    /// Reason for the method, by station.
    pub(super) reasons: Vec<String>,
}

/// Separators of one station: each region goes to the first that accepts it.
struct Chosen {
    separators: Vec<(&'static str, Box<dyn Separator>)>,
    context: RecordContext,
}

impl<'a> StationLoop<'a> {
    pub(super) fn new(
        job: &'a Job,
        methods: Vec<Box<dyn Method>>,
        checkpoint: &'a Checkpoint,
        cache: RecordCache<'a>,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            job,
            methods,
            checkpoint,
            cache,
            observer,
            done: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Separates the targets of all stations.
    pub(super) fn all(&mut self) -> Result<()> {
        let job = self.job;
        for key in job.stations() {
            self.station(&key)?;
        }
        let known = |id: &str| job.keys.contains_key(id);
        for target in job.targets.iter().filter(|t| !known(&t.station)) {
            self.unknown(target);
        }
        Ok(())
    }

    /// Separates all targets of one station.
    fn station(&mut self, key: &StationKey) -> Result<()> {
        let name = key.to_string();
        if !self.job.targets.iter().any(|t| *t.station == *name) {
            return Ok(());
        }
        let chosen = self.choose(key)?;
        let plan = Plan::new(self.job, key, chosen.context.clone());
        let n_targets = plan.targets.len() as u64;
        self.observer.begin("separate", n_targets, "targets");
        // Parts are numbered through all stations.
        let offset = self.done.len();
        for batch in plan.groups.chunks(BATCH) {
            if self.observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let mut regions = Vec::new();
            for group in batch {
                let kept = group
                    .clone()
                    .map(|i| SeparatedTarget::read(self.checkpoint, offset + i));
                match kept.collect::<Option<Vec<_>>>() {
                    Some(kept) => regions.push(Err(kept)),
                    None => regions.extend(plan.load(group, &mut self.cache)?.into_iter().map(Ok)),
                }
            }
            let (checkpoint, observer) = (self.checkpoint, self.observer);
            let separated: Vec<Result<Vec<SeparatedTarget>>> = regions
                .into_par_iter()
                .map(|region| {
                    let targets = match region {
                        Err(kept) => kept,
                        Ok(loaded) => {
                            let first = offset + loaded.targets.start;
                            let targets = chosen.separate(&plan, loaded, observer)?;
                            // Each is kept as soon as it is finished, so that a killed run resumes after it.
                            for (i, target) in targets.iter().enumerate() {
                                target.write(checkpoint, first + i)?;
                            }
                            targets
                        }
                    };
                    observer.advance(targets.len() as u64);
                    Ok(targets)
                })
                .collect();
            for targets in separated {
                self.done.extend(targets?);
            }
        }
        self.observer.end();
        Ok(())
    }

    /// Lists a target of a station of which there is no record.
    fn unknown(&mut self, target: &TargetSpan) {
        let reason = format!("no record of station {} is among the paths", target.station);
        self.done.push(SeparatedTarget {
            result: skipped(target, "", vec![reason]),
            background: Default::default(),
            deviation: None,
        });
    }

    /// Methods that separated any target, sorted.
    pub(super) fn methods_used(&self) -> String {
        let used = self.done.iter().map(|t| t.result.method.as_str());
        let used: BTreeSet<&str> = used.filter(|method| !method.is_empty()).collect();
        match used.is_empty() {
            true => self.methods.first().map_or("", |m| m.name()).to_owned(),
            false => used.into_iter().collect::<Vec<_>>().join(", "),
        }
    }

    /// Fits the methods in order until one suits all regions of the station.
    fn choose(&mut self, key: &StationKey) -> Result<Chosen> {
        let named = self.methods.len() == 1;
        let mut chosen: Option<Chosen> = None;
        let mut against = Vec::new();
        for index in 0..self.methods.len() {
            let fit = self.fit(index, key)?;
            let method = &self.methods[index];
            let (name, evidence) = (method.name(), &fit.model().evidence);
            let suits = match &fit {
                Fit::Unsuitable(_) if named => {
                    against.push(format!("{key}: {name}, as named, although {evidence}"));
                    true
                }
                Fit::Unsuitable(_) => {
                    against.push(format!("{key}: not {name}, since {evidence}"));
                    false
                }
                Fit::Ready(_) | Fit::Partial(_) if evidence.is_empty() => true,
                Fit::Ready(_) | Fit::Partial(_) => {
                    against.push(format!("{key}: {name}, since {evidence}"));
                    true
                }
            };
            if suits {
                let separator = method.separator(fit.model()).map_err(refused)?;
                if !Chosen::add(&mut chosen, name, separator) {
                    break;
                }
            }
            if matches!(fit, Fit::Ready(_)) {
                break;
            }
        }
        for reason in against {
            self.observer.remark(&reason);
            self.reasons.push(reason);
        }
        chosen.ok_or_else(|| {
            PipelineError::unusable(format!("no method suits {key}"), "name one with --method")
        })
    }

    /// Fits one method to a station, or reads the fit that an interrupted run has kept.
    fn fit(&mut self, index: usize, key: &StationKey) -> Result<Fit> {
        let (job, method) = (self.job, &self.methods[index]);
        let Some(training) = method.training(job.window_samples) else {
            return fit(job, &**method, Vec::new(), self.observer);
        };
        let name = format!("{}-{key}", method.name());
        if let Some(kept) = self.checkpoint.read(&name) {
            return Ok(kept);
        }
        let regions = self.training_regions(key, training)?;
        let fit = fit(job, &*self.methods[index], regions, self.observer)?;
        self.checkpoint.write(&name, &fit)?;
        Ok(fit)
    }

    /// Regions that a method learns from, spread evenly over the station's record.
    fn training_regions(
        &mut self,
        key: &StationKey,
        training: TrainingPlan,
    ) -> Result<Vec<Region>> {
        let plan = Plan::new(self.job, key, training.context);
        let every = plan.groups.len().div_ceil(training.max_regions).max(1);
        let n_groups = plan.groups.len().div_ceil(every) as u64;
        let stage = Stage::begin(self.observer, "read", n_groups, "training regions");
        let mut regions = Vec::new();
        for group in plan.groups.iter().step_by(every) {
            if self.observer.cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let loaded = plan.load(group, &mut self.cache)?.into_iter();
            let usable = loaded.filter_map(|l| l.region.ok());
            regions.extend(usable.map(|placed| placed.region));
            stage.advance(1);
        }
        Ok(regions)
    }
}

/// Fits a method to training regions.
pub(super) fn fit(
    job: &Job,
    method: &dyn Method,
    regions: Vec<Region>,
    observer: &dyn Observer,
) -> Result<Fit> {
    let station = TrainingSet {
        window_samples: job.window_samples,
        snippet_samples: job.snippet_samples,
        regions,
    };
    method.fit(station, observer).map_err(refused)
}

/// Error of a method in terms of the command line.
fn refused(error: Error) -> PipelineError {
    match error {
        Error::Interrupted => PipelineError::Interrupted,
        Error::Octaves {
            octaves,
            n_samples,
            source,
        } => ConfigError::new(format!(
            "--octaves {octaves}, of windows of {n_samples} samples: {source}"
        ))
        .into(),
        other => other.into(),
    }
}

impl Chosen {
    /// Adds the next separator; false if it needs other regions than the first.
    fn add(chosen: &mut Option<Self>, name: &'static str, separator: Box<dyn Separator>) -> bool {
        let own = separator.context();
        let Some(chosen) = chosen else {
            *chosen = Some(Self {
                context: own,
                separators: vec![(name, separator)],
            });
            return true;
        };
        let context = &mut chosen.context;
        if context.grouping != own.grouping || context.extent != own.extent {
            return false;
        }
        context.margin = context.margin.max(own.margin);
        context.snippets = context.snippets.max(own.snippets);
        chosen.separators.push((name, separator));
        true
    }

    /// Separator of a region: the first that accepts it, else the last.
    fn of(&self, region: &Region) -> (&'static str, &dyn Separator) {
        let last = self.separators.len() - 1;
        let accepts =
            |(i, (_, s)): &(usize, &(_, Box<dyn Separator>))| *i == last || s.accepts(region);
        let (name, separator) = match self.separators.iter().enumerate().find(accepts) {
            Some((_, found)) => found,
            None => &self.separators[last],
        };
        (name, &**separator)
    }

    /// Separates a loaded region; one result for each of its targets.
    fn separate(
        &self,
        plan: &Plan<'_>,
        loaded: LoadedRegion,
        observer: &dyn Observer,
    ) -> Result<Vec<SeparatedTarget>> {
        let spans = plan.targets[loaded.targets.clone()].iter().map(|t| &t.span);
        let placed = match loaded.region {
            Ok(placed) => placed,
            Err(reason) => {
                let name = self.separators[0].0;
                let none = |span| SeparatedTarget {
                    result: skipped(span, name, vec![reason.clone()]),
                    background: Default::default(),
                    deviation: None,
                };
                return Ok(spans.map(none).collect());
            }
        };
        let (name, separator) = self.of(&placed.region);
        let progress = CancelWhen(|| observer.cancelled());
        let separations = match separator.separate(&placed.region, &progress) {
            Err(Error::Interrupted) => return Err(PipelineError::Interrupted),
            Err(error) => {
                let none = || Separation::skipped(error.to_string());
                placed.region.targets.iter().map(|_| none()).collect()
            }
            Ok(separations) => separations,
        };
        let all = spans.enumerate().zip(separations);
        Ok(all
            .map(|((i, span), separation)| finished(span, name, (plan.job, &placed, i), separation))
            .collect())
    }
}

/// Result of one target with its place in time.
fn finished(
    span: &TargetSpan,
    method: &str,
    (job, placed, index): (&Job, &PlacedRegion, usize),
    separation: Separation,
) -> SeparatedTarget {
    let region = &placed.region;
    let target = &region.targets[index];
    let separation = separation.keep_zero_runs(region, target);
    let times = SampleTimes {
        start_ns: placed.start_ns,
        sample_ns: job.sample_ns,
    };
    let mut result = skipped(span, method, separation.skipped);
    if !separation.channels.is_empty() {
        result.start_ns = times.at(target.start as f64);
        result.end_ns = times.at(target.end as f64 - 1.0);
        result.starttime = format_utc(result.start_ns);
        result.endtime = format_utc(result.end_ns);
    }
    result.estimate_type = separation.estimate.to_string();
    if !region.snippets.is_empty() {
        result.snippets = placed.snippet_starts.clone();
        result.snippet_samples = job.snippet_samples;
    }
    let sources = separation.sources.iter();
    result.sources = sources
        .map(|source| SourceEntry::new(source, &region.channels, times))
        .collect();
    let channels = separation.channels.into_iter();
    result.channels = channels.map(|c| ChannelResult::new(c, times)).collect();
    SeparatedTarget {
        result,
        background: separation.background,
        deviation: separation.deviation,
    }
}

/// Result of a target of which nothing has been separated yet.
fn skipped(span: &TargetSpan, method: &str, reasons: Vec<String>) -> TargetResult {
    TargetResult {
        id: span.station.to_string(),
        starttime: format_utc(span.start_ns),
        endtime: format_utc(span.end_ns),
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        probability: span.probability,
        n_windows: span.n_windows,
        method: method.to_owned(),
        estimate_type: String::new(),
        sources: Vec::new(),
        snippets: Vec::new(),
        snippet_samples: 0,
        channels: Vec::new(),
        skipped_reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
    }
}
