//! Snippets of background near a target in local time, and windows around other targets.

use seismix_data::StreamId;
use seismix_data::time::format_utc;
use seismix_separate::{SnippetRules, SnippetUse, Snippets, choose_snippets, pieces};

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
    // Half as many again, since outliers are left out.
    let wanted = job.n_snippets + job.n_snippets / 2;
    for confidence in CONFIDENCE {
        let chosen = choose_snippets(
            candidates,
            span,
            SnippetRules {
                count: wanted,
                min_probability: confidence,
                day_ns,
                day_penalty_s: DAY_PENALTY_S,
            },
        );
        if chosen.len() < job.n_snippets && confidence > 0.0 {
            continue;
        }
        let mut loaded = Vec::new();
        for index in chosen {
            let start = candidates[index].start_ns;
            if let Some(window) = cache.samples(&plan.key, start, job.snippet_samples, channels)? {
                loaded.push((start, window));
            }
        }
        let mut loaded = without_outliers(loaded);
        loaded.truncate(job.n_snippets);
        return Ok(loaded);
    }
    Ok(Vec::new())
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
