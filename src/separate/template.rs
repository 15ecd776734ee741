//! Sources that repeat a shape: stretches of the record around the targets, the family learned from them, and what
//! becomes of each target.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::Array2;
use rayon::prelude::*;
use seismix_data::StationKey;
use seismix_data::time::format_utc;
use seismix_separate::template::{Evidence, Layout, RecordSegment, Source, Template, TemplateFit};
use serde::{Deserialize, Serialize};

use crate::records::RecordCache;
use crate::separate::job::Job;
use crate::separate::result::{ChannelResult, WindowOutcome, WindowResult};
use crate::separate::result_file::{TargetResult, given};
use crate::separate::target_source::joined;
use crate::separate::targets::Region;
use crate::separate::told::{beside_family, found, standard_deviation, why};
use crate::separate::zero_runs::silent;
use crate::stage::Result;

/// Stretches that a family is learned from at most, spread evenly over the record.
const LEARNED_FROM: usize = 96;
/// Power of what is left in a target, whitened and over the background's around it, above which it is no background.
const STRANGE: f64 = 3.0;
/// Why a target has no samples to work on.
const NO_STRETCH: &str =
    "the record around it has a gap, lacks a channel, or has samples that are no finite numbers";

/// A family with the evidence for it, as a run keeps it to go on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Learned {
    /// `None` if no target stands out of its background.
    pub(super) family: Option<Template>,
    pub(super) evidence: Evidence,
    /// Channels that it was learned on; none if the record around every target has a gap.
    pub(super) channels: Vec<String>,
}

/// A target as a family takes it.
#[derive(Debug, Clone)]
pub(super) struct TemplateTarget {
    /// What may change.
    pub(super) stretch: Region,
    /// What must be in the record.
    core: Region,
}

/// Targets that share a stretch of background.
pub(super) struct Group {
    /// Numbers of its own targets.
    pub(super) own: Range<usize>,
}

/// A stretch of the record around a group.
pub(super) struct Loaded {
    channels: Vec<String>,
    windows: RecordSegment,
    start_ns: i64,
    /// The samples of each of the group's own targets; `None` where the record has a gap.
    own: Vec<Option<Range<usize>>>,
}

/// One target, solved: result, and background over deviation, `(2 channels, samples)`.
pub(super) type Solved = (TargetResult, Array2<f64>);

/// The targets of one station that sources of a family may lie in.
pub(super) struct TemplateJob<'a> {
    job: &'a Job,
    pub(super) key: StationKey,
    pub(super) targets: Vec<TemplateTarget>,
    pub(super) groups: Vec<Group>,
    layout: Layout,
    window_samples: usize,
}

impl<'a> TemplateJob<'a> {
    /// Of one station. Targets that are clusters' windows are widened by half a window, so that a source that runs on
    /// past its window is not cut; listed windows are taken as they are.
    pub(super) fn new(job: &'a Job, key: &StationKey) -> Self {
        let name = key.to_string();
        let widen = job.widen_samples as i64 * job.sample_ns;
        let cores: Vec<Region> = job
            .targets
            .iter()
            .filter(|t| *t.station == *name)
            .cloned()
            .collect();
        let wide = joined(
            cores
                .iter()
                .map(|t| Region {
                    start_ns: t.start_ns - widen,
                    end_ns: t.end_ns + widen,
                    ..t.clone()
                })
                .collect(),
            job.sample_ns,
        );
        let targets: Vec<TemplateTarget> = wide
            .into_iter()
            .map(|stretch| {
                let inside =
                    |c: &&Region| c.start_ns >= stretch.start_ns && c.end_ns <= stretch.end_ns;
                let start_ns = cores.iter().filter(inside).map(|c| c.start_ns).min();
                let end_ns = cores.iter().filter(inside).map(|c| c.end_ns).max();
                let core = Region {
                    start_ns: start_ns.unwrap_or(stretch.start_ns),
                    end_ns: end_ns.unwrap_or(stretch.end_ns),
                    ..stretch.clone()
                };
                TemplateTarget { stretch, core }
            })
            .collect();
        let layout = Template::layout(job.window_samples);
        let longest = layout.block() as i64 * job.sample_ns;
        let mut groups: Vec<Group> = Vec::new();
        for (i, target) in targets.iter().enumerate() {
            match groups.last_mut() {
                Some(group)
                    if target.stretch.end_ns - targets[group.own.start].stretch.start_ns
                        <= longest =>
                {
                    group.own.end = i + 1;
                }
                _ => groups.push(Group { own: i..i + 1 }),
            }
        }
        Self {
            job,
            key: key.clone(),
            targets,
            groups,
            layout,
            window_samples: job.window_samples,
        }
    }

    /// The family of the station's targets, from the stretches around them.
    pub(super) fn learn(&self, cache: &mut RecordCache) -> Result<Learned> {
        let every = self.groups.len().div_ceil(LEARNED_FROM).max(1);
        let mut by_channels: BTreeMap<Vec<String>, Vec<RecordSegment>> = BTreeMap::new();
        for group in self.groups.iter().step_by(every) {
            for loaded in self.load(group, cache)? {
                if !loaded.channels.is_empty() {
                    let same = by_channels.entry(loaded.channels).or_default();
                    same.push(loaded.windows);
                }
            }
        }
        // A channel may be off for a while; of two sets as frequent, the larger one.
        let most = by_channels
            .into_iter()
            .max_by_key(|(channels, stretches)| (stretches.len(), channels.len()));
        let (channels, stretches) = most.unwrap_or_default();
        let learned = Template::learn(&stretches, self.window_samples);
        let none = Evidence {
            n_windows: 0,
            explained: 0.0,
        };
        let (family, evidence) = learned.map_or((None, none), |(f, e)| (Some(f), e));
        Ok(Learned {
            family,
            evidence,
            channels,
        })
    }

    /// The record around a group: one stretch, or one a target where gaps lie between them.
    pub(super) fn load(&self, group: &Group, cache: &mut RecordCache) -> Result<Vec<Loaded>> {
        if let Some(loaded) = self.load_run(group.own.clone(), cache)? {
            return Ok(vec![loaded]);
        }
        let mut all = Vec::new();
        for target in group.own.clone() {
            all.push(match self.load_run(target..target + 1, cache)? {
                Some(loaded) => loaded,
                None => Loaded {
                    channels: Vec::new(),
                    windows: RecordSegment {
                        channels: Vec::new(),
                        targets: Vec::new(),
                        neighbour_targets: Vec::new(),
                    },
                    start_ns: 0,
                    own: vec![None],
                },
            });
        }
        Ok(all)
    }

    fn load_run(&self, own: Range<usize>, cache: &mut RecordCache) -> Result<Option<Loaded>> {
        let sample_ns = self.job.sample_ns;
        let (first, last) = (
            &self.targets[own.start].core,
            &self.targets[own.end - 1].core,
        );
        let block = self.layout.block();
        let span = ((last.end_ns - first.start_ns) / sample_ns).max(0) as usize + 1;
        // One length for all groups, so that a day is read once.
        let reach = (2 * block).saturating_sub(span).max(block) as i64 * sample_ns;
        let Some(mut run) = cache.run(&self.key, first.start_ns, last.end_ns, reach)? else {
            return Ok(None);
        };
        let wanted = block.max(span + 2 * self.layout.grid);
        let margin = (wanted - span) / 2;
        let mut from = run.target.start.saturating_sub(margin);
        let to = (from + wanted).min(run.n_samples());
        // At an end of the run the other side gives more.
        from = to.saturating_sub(wanted).min(from);
        for samples in &mut run.samples {
            samples.truncate(to);
            samples.drain(..from);
        }
        run.start_ns += from as i64 * sample_ns;
        if run.samples.iter().flatten().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let n = run.n_samples() as i64;
        let index = |ns: i64| {
            let from = ns - run.start_ns;
            (from + sample_ns / 2).div_euclid(sample_ns).clamp(0, n) as usize
        };
        let range = |t: &Region| index(t.start_ns)..(index(t.end_ns) + 1).min(n as usize);
        let ranges = |targets: &[TemplateTarget]| -> Vec<Range<usize>> {
            let all = targets.iter().map(|t| range(&t.stretch));
            all.filter(|t| t.len() > 1).collect()
        };
        let targets = ranges(&self.targets[own.clone()]);
        let neighbour_targets = [
            ranges(&self.targets[..own.start]),
            ranges(&self.targets[own.end..]),
        ]
        .concat();
        Ok(Some(Loaded {
            channels: run.channels.iter().map(ToString::to_string).collect(),
            start_ns: run.start_ns,
            own: own.map(|t| Some(range(&self.targets[t].stretch))).collect(),
            windows: RecordSegment {
                channels: run.samples,
                targets,
                neighbour_targets,
            },
        }))
    }

    /// Takes the sources of a group's stretches out of its own targets.
    pub(super) fn solve(
        &self,
        group: &Group,
        loaded: Vec<Loaded>,
        learned: &Learned,
    ) -> Vec<Solved> {
        let fits: Vec<Vec<Solved>> = loaded
            .into_par_iter()
            .map(|loaded| self.solve_run(&loaded, learned))
            .collect();
        let mut solved: Vec<Solved> = fits.into_iter().flatten().collect();
        for ((result, _), target) in solved.iter_mut().zip(&self.targets[group.own.clone()]) {
            result.probability = target.stretch.probability;
            result.n_windows = target.stretch.n_windows;
            if result.end_ns == 0 {
                result.start_ns = target.stretch.start_ns;
                result.end_ns = target.stretch.end_ns;
                result.starttime = format_utc(result.start_ns);
                result.endtime = format_utc(result.end_ns);
            }
        }
        solved
    }

    fn solve_run(&self, loaded: &Loaded, learned: &Learned) -> Vec<Solved> {
        let family = learned.family.as_ref();
        let suited = family.filter(|_| loaded.channels == learned.channels);
        let n = loaded.windows.channels.first().map_or(0, Vec::len);
        let fit = suited.and_then(|family| Some((family, family.fit(&loaded.windows)?)));
        let (fit, source) = fit
            .map(|(family, fit)| {
                let source = family.render(&fit.sources, n);
                (fit, source)
            })
            .unzip();
        loaded
            .own
            .iter()
            .map(|target| match (target, &fit, &source) {
                (Some(target), Some(fit), Some(source)) => self.solved(loaded, target.clone(), fit, source),
                _ => {
                    let why = if target.is_none() {
                        NO_STRETCH.to_owned()
                    } else if family.is_none() {
                        "no target stands out of its background, so there is no shape to take out".into()
                    } else if suited.is_none() {
                        format!(
                            "the record around it has the channels {}, and the shape was learned from {}",
                            loaded.channels.join(", "),
                            learned.channels.join(", ")
                        )
                    } else {
                        "its background cannot be modelled: too few samples without a source, or no signal".into()
                    };
                    (self.result(Some(why)), Array2::zeros((0, 0)))
                }
            })
            .collect()
    }

    fn result(&self, left: Option<String>) -> TargetResult {
        TargetResult {
            id: self.key.to_string(),
            starttime: String::new(),
            endtime: String::new(),
            start_ns: 0,
            end_ns: 0,
            probability: 0.0,
            n_windows: 0,
            method: "family".into(),
            given: given("family").into(),
            snippets: Vec::new(),
            snippet_samples: 0,
            sources: Vec::new(),
            channels: Vec::new(),
            left,
        }
    }

    fn solved(
        &self,
        loaded: &Loaded,
        target: Range<usize>,
        fit: &TemplateFit,
        source: &[Vec<f64>],
    ) -> Solved {
        let sample_ns = self.job.sample_ns;
        let time = |sample: f64| loaded.start_ns + (sample * sample_ns as f64).round() as i64;
        let start_ns = time(target.start as f64);
        let inside: Vec<&Source> = fit
            .sources
            .iter()
            .filter(|s| {
                (target.start as f64 - 0.5..target.end as f64)
                    .contains(&s.onset.max(target.start as f64))
                    && s.onset > target.start as f64 - self.layout.lead as f64
            })
            .collect();
        let mut result = self.result(None);
        result.start_ns = start_ns;
        result.end_ns = time(target.end as f64 - 1.0);
        result.starttime = format_utc(result.start_ns);
        result.endtime = format_utc(result.end_ns);
        result.sources = inside
            .iter()
            .map(|s| found(s, &loaded.channels, time(s.onset), sample_ns as f64 * 1e-9))
            .collect();
        let channels = loaded.channels.len();
        let fit_of = |c: usize| {
            [
                &source[c][target.clone()],
                &fit.deviation[c][target.clone()],
            ]
        };
        if !(0..channels).all(|c| fit_of(c).into_iter().flatten().all(|v| v.is_finite())) {
            let why =
                "its fit came out as no finite number: its samples are too large or too small";
            return (self.result(Some(why.into())), Array2::zeros((0, 0)));
        }
        let mut rows = Array2::zeros((2 * channels, target.len()));
        for (c, id) in loaded.channels.iter().enumerate() {
            let record = &loaded.windows.channels[c][target.clone()];
            let mut taken = source[c][target.clone()].to_vec();
            for (taken, silent) in taken.iter_mut().zip(silent(record)) {
                if silent {
                    *taken = 0.0;
                }
            }
            let mut deviation = fit.deviation[c][target.clone()].to_vec();
            let here = inside.iter().any(|s| !s.channels[c].is_empty());
            let residual = &fit.residual[c][target.clone()];
            let around = residual.iter().map(|v| v * v).sum::<f64>() / target.len().max(1) as f64;
            let stranger = around > STRANGE;
            if stranger && !here {
                // Whatever it is, it may be as large as the record itself; and so what runs in from another target stays too.
                taken.fill(0.0);
                let spread = standard_deviation(record);
                deviation.fill(spread);
            }
            let power: f64 = taken.iter().map(|v| v * v).sum();
            for t in 0..target.len() {
                rows[[c, t]] = record[t] - taken[t];
                rows[[channels + c, t]] = deviation[t];
            }
            let background = rows.row(c);
            let mean = background.iter().sum::<f64>() / target.len().max(1) as f64;
            let kept: f64 = background.iter().map(|v| (v - mean).powi(2)).sum();
            let wrong: f64 = deviation.iter().map(|v| v * v).sum();
            let outcome = if power > 0.0 {
                WindowOutcome::Separated
            } else if stranger {
                WindowOutcome::NotSeparable
            } else {
                WindowOutcome::AlreadyBackground
            };
            let window = WindowResult {
                starttime: result.starttime.clone(),
                outcome,
                why: why(&inside, c, &taken, &deviation) + &beside_family(stranger, around),
                stop: None,
                iterations: 0,
                terms: None,
                expected_snr_db: (wrong > 0.0 && kept > 0.0 && (here || !stranger))
                    .then(|| 10.0 * (kept / wrong).log10()),
            };
            result
                .channels
                .push(ChannelResult::new(id.clone(), vec![window]));
        }
        (result, rows)
    }
}
