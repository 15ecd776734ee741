//! Regions of a station's record around its targets, as a separator wants them.

use std::ops::Range;

use seismix_data::{StationKey, StreamId};
use seismix_separate::{Grouping, RecordContext, Region, SnippetUse, TargetExtent};

use crate::records::{RecordCache, Run};
use crate::separate::job::Job;
use crate::separate::snippets::ChosenSnippets;
use crate::separate::target_source::joined;
use crate::separate::targets::TargetSpan;
use crate::stage::Result;

/// Reason for which a target has no samples to work on.
const NO_RECORD: &str =
    "the record around it has a gap, lacks a channel, or has samples that are not finite";

/// Target of a station.
#[derive(Debug, Clone)]
pub(super) struct PlannedTarget {
    /// Samples that may change.
    pub(super) span: TargetSpan,
    /// Samples that the record must have: the target before it was widened.
    core: TargetSpan,
}

/// Targets of one station, grouped into regions.
pub(super) struct Plan<'a> {
    pub(super) job: &'a Job,
    pub(super) key: StationKey,
    pub(super) targets: Vec<PlannedTarget>,
    /// Numbers of the targets that share a region.
    pub(super) groups: Vec<Range<usize>>,
    context: RecordContext,
}

/// Record around some targets of a plan.
pub(super) struct LoadedRegion {
    /// Numbers of its targets.
    pub(super) targets: Range<usize>,
    /// Samples, or the reason why there are none.
    pub(super) region: std::result::Result<PlacedRegion, String>,
}

/// Region with its place in time.
pub(super) struct PlacedRegion {
    pub(super) region: Region,
    /// Its channels.
    pub(super) ids: Vec<StreamId>,
    /// Time of its first sample, ns UTC.
    pub(super) start_ns: i64,
    /// Starts of the background snippets, ISO 8601.
    pub(super) snippet_starts: Vec<String>,
}

impl<'a> Plan<'a> {
    /// Plans the regions of one station for a separator.
    pub(super) fn new(job: &'a Job, key: &StationKey, context: RecordContext) -> Self {
        let name = key.to_string();
        let own = job.targets.iter().filter(|t| *t.station == *name);
        let cores: Vec<TargetSpan> = own.cloned().collect();
        let targets = match context.extent {
            TargetExtent::AsGiven => cores
                .into_iter()
                .map(|core| PlannedTarget {
                    span: core.clone(),
                    core,
                })
                .collect(),
            TargetExtent::Widened => widened(&cores, job),
        };
        let groups = groups(&targets, context.grouping, job.sample_ns);
        Self {
            job,
            key: key.clone(),
            targets,
            groups,
            context,
        }
    }

    /// Loads the record around a group: one region, or one for each target if there is a gap between them.
    pub(super) fn load(
        &self,
        group: &Range<usize>,
        cache: &mut RecordCache,
    ) -> Result<Vec<LoadedRegion>> {
        if let Some(shared) = self.load_region(group.clone(), cache)?
            && (group.len() == 1 || shared.region.is_finite())
        {
            return Ok(vec![self.with_snippets(group.clone(), shared, cache)?]);
        }
        let mut all = Vec::new();
        for target in group.clone() {
            let own = target..target + 1;
            all.push(match self.load_region(own.clone(), cache)? {
                Some(region) => self.with_snippets(own, region, cache)?,
                None => LoadedRegion {
                    targets: own,
                    region: Err(NO_RECORD.into()),
                },
            });
        }
        Ok(all)
    }

    fn load_region(
        &self,
        own: Range<usize>,
        cache: &mut RecordCache,
    ) -> Result<Option<PlacedRegion>> {
        let sample_ns = self.job.sample_ns;
        let (start_ns, end_ns) = (
            self.targets[own.start].core.start_ns,
            self.targets[own.end - 1].core.end_ns,
        );
        let span = ((end_ns - start_ns) / sample_ns).max(0) as usize + 1;
        let reach = match self.context.grouping {
            Grouping::Single => self.context.margin,
            // One length for all groups, so that a day is read once.
            Grouping::Block(block) => (2 * block).saturating_sub(span).max(block),
        };
        let reach_ns = reach as i64 * sample_ns;
        let Some(mut run) = cache.run(&self.key, start_ns, end_ns, reach_ns)? else {
            return Ok(None);
        };
        if let Grouping::Block(block) = self.context.grouping {
            cut(
                &mut run,
                block.max(span + 2 * self.context.margin),
                span,
                sample_ns,
            );
        }
        let n = run.n_samples();
        let range = |t: &PlannedTarget| samples_of(&t.span, run.start_ns, n, sample_ns);
        let (before, after) = (&self.targets[..own.start], &self.targets[own.end..]);
        let near = |t: &Range<usize>| t.len() > 1;
        Ok(Some(PlacedRegion {
            region: Region {
                channels: run.channels.iter().map(ToString::to_string).collect(),
                targets: self.targets[own].iter().map(range).collect(),
                neighbours: before.iter().chain(after).map(range).filter(near).collect(),
                samples: run.samples,
                ..Region::default()
            },
            ids: run.channels,
            start_ns: run.start_ns,
            snippet_starts: Vec::new(),
        }))
    }

    /// Adds the snippets that the separator uses.
    fn with_snippets(
        &self,
        targets: Range<usize>,
        mut placed: PlacedRegion,
        cache: &mut RecordCache,
    ) -> Result<LoadedRegion> {
        let needed = self.job.snippet_samples;
        let found = placed.region.n_samples();
        let region = if self.context.snippets == SnippetUse::None {
            Ok(placed)
        } else if found < needed {
            Err(format!(
                "the gap-free stretch around it has {found} samples, {needed} are needed"
            ))
        } else {
            let wanted = self.context.snippets;
            let chosen = ChosenSnippets::load(self, targets.start, wanted, &placed.ids, cache)?;
            chosen.map(|chosen| {
                placed.region.snippets = chosen.snippets;
                placed.snippet_starts = chosen.starts;
                placed
            })
        };
        Ok(LoadedRegion { targets, region })
    }
}

/// Targets with half a window more on either side; those that then touch are joined.
fn widened(cores: &[TargetSpan], job: &Job) -> Vec<PlannedTarget> {
    let widen = job.widen_samples as i64 * job.sample_ns;
    let wide = cores.iter().map(|t| TargetSpan {
        start_ns: t.start_ns - widen,
        end_ns: t.end_ns + widen,
        ..t.clone()
    });
    let wide = joined(wide.collect(), job.sample_ns).into_iter();
    wide.map(|span| {
        let inside = |c: &&TargetSpan| c.start_ns >= span.start_ns && c.end_ns <= span.end_ns;
        let start_ns = cores.iter().filter(inside).map(|c| c.start_ns).min();
        let end_ns = cores.iter().filter(inside).map(|c| c.end_ns).max();
        let core = TargetSpan {
            start_ns: start_ns.unwrap_or(span.start_ns),
            end_ns: end_ns.unwrap_or(span.end_ns),
            ..span.clone()
        };
        PlannedTarget { span, core }
    })
    .collect()
}

/// Numbers of the targets that share a region.
fn groups(targets: &[PlannedTarget], grouping: Grouping, sample_ns: i64) -> Vec<Range<usize>> {
    let Grouping::Block(block) = grouping else {
        return (0..targets.len()).map(|i| i..i + 1).collect();
    };
    let longest = block as i64 * sample_ns;
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if target.span.end_ns - targets[group.start].span.start_ns <= longest => {
                group.end = i + 1;
            }
            _ => groups.push(i..i + 1),
        }
    }
    groups
}

/// Cuts a run to `wanted` samples around its target; at an end of the run the other side gives more.
fn cut(run: &mut Run, wanted: usize, span: usize, sample_ns: i64) {
    let margin = (wanted - span) / 2;
    let from = run.target.start.saturating_sub(margin);
    let to = (from + wanted).min(run.n_samples());
    let from = to.saturating_sub(wanted).min(from);
    for samples in &mut run.samples {
        samples.truncate(to);
        samples.drain(..from);
    }
    run.start_ns += from as i64 * sample_ns;
}

/// Samples of a target in `n_samples` samples from `start_ns` on.
fn samples_of(
    target: &TargetSpan,
    start_ns: i64,
    n_samples: usize,
    sample_ns: i64,
) -> Range<usize> {
    let n = n_samples as i64;
    let index = |ns: i64| {
        let from = ns - start_ns + sample_ns / 2;
        from.div_euclid(sample_ns).clamp(0, n) as usize
    };
    index(target.start_ns)..(index(target.end_ns) + 1).min(n_samples)
}
