//! Snippets of background near a target in local time, and windows around other targets.

use std::collections::BTreeMap;

use seismix_data::StreamId;
use seismix_data::time::format_utc;
use seismix_separate::{
    SnippetCandidate, SnippetRules, SnippetUse, Snippets, choose_snippets, pieces,
};

use crate::config::SeparateConfig;
use crate::demo::score::quantile;
use crate::features::local_day::LocalDay;
use crate::records::RecordCache;
use crate::separate::regions::Plan;
use crate::separate::targets::TargetSpan;
use crate::stage::Result;

/// Least probability of a background snippet, lowered step by step if there are too few.
const CONFIDENCE: [f64; 4] = [0.9, 0.7, 0.5, 0.0];
/// Seconds of local time that a day's distance is equivalent to.
const DAY_PENALTY_S: f64 = 1800.0;
/// Fewest snippets with which a separation is tried.
const LEAST_SNIPPETS: usize = SeparateConfig::LEAST_SNIPPETS;
/// Choices of snippets in a row, each without those that the record turned out to lack.
const MOST_CHOICES: usize = 8;
/// Largest range of a snippet, in medians.
const OUTLIER: f64 = 2.5;

/// Start of a window, ns UTC, and its samples `[channel][sample]`.
type Window = (i64, Vec<Vec<f64>>);

/// Snippets of one target.
pub(super) struct ChosenSnippets {
    /// Of each channel.
    pub(super) snippets: Vec<Snippets>,
    /// Starts of the background snippets, ISO 8601.
    pub(super) starts: Vec<String>,
}

impl ChosenSnippets {
    /// Loads the snippets of one target of a plan; the reason, if there are too few.
    pub(super) fn load(
        plan: &Plan<'_>,
        target: usize,
        wanted: SnippetUse,
        channels: &[StreamId],
        cache: &mut RecordCache,
    ) -> Result<std::result::Result<Self, String>> {
        let background = background(plan, &plan.targets[target].span, channels, cache)?;
        if background.len() < LEAST_SNIPPETS {
            return Ok(Err(format!(
                "only {} background snippets of {} samples were found, {LEAST_SNIPPETS} are needed",
                background.len(),
                plan.job.snippet_samples
            )));
        }
        let source = match wanted {
            SnippetUse::BackgroundAndSource => other_targets(plan, target, channels, cache)?,
            SnippetUse::Background | SnippetUse::None => Vec::new(),
        };
        let starts = background.iter().map(|(start, _)| format_utc(*start));
        let starts = starts.collect();
        let mut snippets = vec![Snippets::default(); channels.len()];
        for (_, window) in background {
            let to = snippets.iter_mut().map(|s| &mut s.background);
            to.zip(window).for_each(|(to, samples)| to.push(samples));
        }
        for window in source {
            let to = snippets.iter_mut().map(|s| &mut s.source);
            to.zip(window).for_each(|(to, samples)| to.push(samples));
        }
        Ok(Ok(Self { snippets, starts }))
    }
}

/// Windows of the background, those near in local time first.
fn background(
    plan: &Plan<'_>,
    target: &TargetSpan,
    channels: &[StreamId],
    cache: &mut RecordCache,
) -> Result<Vec<Window>> {
    let job = plan.job;
    let candidates = job
        .candidates
        .get(&target.station)
        .map_or(&[][..], Vec::as_slice);
    let span = (target.start_ns, target.end_ns + job.sample_ns);
    let day_ns = LocalDay::of(&plan.key).length_ns();
    for confidence in CONFIDENCE {
        let rules = SnippetRules {
            // Half as many again, since outliers are left out.
            count: job.n_snippets + job.n_snippets / 2,
            min_probability: confidence,
            day_ns,
            day_penalty_s: DAY_PENALTY_S,
        };
        let n_chosen = choose_snippets(candidates, span, rules).len();
        if n_chosen < job.n_snippets && confidence > 0.0 {
            continue;
        }
        let loaded = nearest_recorded(plan, candidates, (span, rules), channels, cache)?;
        let mut loaded = without_outliers(loaded);
        loaded.truncate(job.n_snippets);
        return Ok(loaded);
    }
    Ok(Vec::new())
}

/// Loads the candidates that the rules choose for a target. Those that the record lacks on these channels make room
/// for the next ones.
fn nearest_recorded(
    plan: &Plan<'_>,
    candidates: &[SnippetCandidate],
    (target, rules): ((i64, i64), SnippetRules),
    channels: &[StreamId],
    cache: &mut RecordCache,
) -> Result<Vec<Window>> {
    let mut candidates = candidates.to_vec();
    let mut known: BTreeMap<usize, Window> = BTreeMap::new();
    for _ in 0..MOST_CHOICES {
        let chosen = choose_snippets(&candidates, target, rules);
        let mut all_recorded = true;
        for &index in &chosen {
            if known.contains_key(&index) {
                continue;
            }
            let start = candidates[index].start_ns;
            match cache.samples(&plan.key, start, plan.job.snippet_samples, channels)? {
                Some(window) => {
                    known.insert(index, (start, window));
                }
                None => {
                    // Below every least probability: not chosen again.
                    candidates[index].probability = f64::NEG_INFINITY;
                    all_recorded = false;
                }
            }
        }
        if all_recorded {
            return Ok(chosen
                .iter()
                .filter_map(|index| known.remove(index))
                .collect());
        }
    }
    let chosen = choose_snippets(&candidates, target, rules);
    Ok(chosen
        .iter()
        .filter_map(|index| known.remove(index))
        .collect())
}

/// Windows around other targets of the station, those near in time first.
fn other_targets(
    plan: &Plan<'_>,
    target: usize,
    channels: &[StreamId],
    cache: &mut RecordCache,
) -> Result<Vec<Vec<Vec<f64>>>> {
    let (job, own) = (plan.job, &plan.targets[target].span);
    let mut found = Vec::new();
    let others = plan.targets.iter().map(|t| &t.span);
    let mut others: Vec<&TargetSpan> = others.filter(|t| t.start_ns != own.start_ns).collect();
    others.sort_by_key(|t| ((t.start_ns - own.start_ns).abs(), t.start_ns));
    let length_ns = job.snippet_samples as i64 * job.sample_ns;
    for other in others {
        for start in pieces(other.start_ns, other.end_ns, length_ns, 0) {
            if found.len() >= job.n_snippets {
                return Ok(found);
            }
            let overlaps = start < own.end_ns && start + length_ns > own.start_ns;
            if overlaps {
                continue;
            }
            found.extend(cache.samples(&plan.key, start, job.snippet_samples, channels)?);
        }
    }
    Ok(found)
}

/// Snippets whose range on any channel is at most [`OUTLIER`] times the median's: one missed source among the snippets
/// makes every source look like background.
fn without_outliers(snippets: Vec<Window>) -> Vec<Window> {
    let range = |samples: &[f64]| {
        let low = samples.iter().fold(f64::INFINITY, |low, v| low.min(*v));
        let high = samples
            .iter()
            .fold(f64::NEG_INFINITY, |high, v| high.max(*v));
        high - low
    };
    let ranges: Vec<Vec<f64>> = snippets
        .iter()
        .map(|(_, channels)| channels.iter().map(|c| range(c)).collect())
        .collect();
    let n_channels = ranges.first().map_or(0, Vec::len);
    let medians: Vec<f64> = (0..n_channels)
        .map(|channel| quantile(&ranges.iter().map(|r| r[channel]).collect::<Vec<_>>(), 0.5))
        .collect();
    let fits = |ranges: &[f64]| {
        let mut all = ranges.iter().zip(&medians);
        all.all(|(range, median)| *range <= OUTLIER * median)
    };
    let all = snippets.into_iter().zip(&ranges);
    all.filter(|(_, ranges)| fits(ranges))
        .map(|(snippet, _)| snippet)
        .collect()
}
