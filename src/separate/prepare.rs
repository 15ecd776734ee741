//! Loads what a target needs: the record around it, and snippets of background near in local time.

use std::ops::Range;

use ndarray::Array2;
use seismix_data::time::format_utc;
use seismix_data::{StationKey, StreamId};
use seismix_separate::{Method, choose_snippets, pieces};

use crate::config::SeparateConfig;
use crate::demo::score::quantile;
use crate::features::local_day::LocalDay;
use crate::records::RecordCache;
use crate::separate::TargetResult;
use crate::separate::job::Job;
use crate::separate::result_file::given;
use crate::separate::target::{TargetChannel, separate_target};
use crate::separate::targets::Region;
use crate::stage::Result;

/// Least probability of a background snippet, lowered step by step where there are too few.
const CONFIDENCE: [f64; 4] = [0.9, 0.7, 0.5, 0.0];
/// A day's distance counts like so many seconds of local time.
const DAY_PENALTY_S: f64 = 1800.0;
/// Fewest snippets that a separation is tried with.
const LEAST_SNIPPETS: usize = SeparateConfig::LEAST_SNIPPETS;
/// Largest range of a snippet, in medians.
const OUTLIER: f64 = 2.5;

/// A target with the samples it needs.
pub(super) struct Prepared {
    result: TargetResult,
    /// The target's samples in the stretch.
    span: Range<usize>,
    /// Time of the stretch's first sample, and between samples, ns.
    start_ns: i64,
    sample_ns: i64,
    channels: Vec<TargetChannel>,
}

impl Prepared {
    /// Separates all channels; one that cannot be separated is left as it is, with the reason.
    pub(super) fn solve(self, method: &dyn Method) -> (TargetResult, Array2<f64>) {
        let mut result = self.result;
        let n_samples = self.span.len();
        let time_of = |sample: usize| self.start_ns + sample as i64 * self.sample_ns;
        let solved = separate_target(&self.channels, self.span, method, &time_of);
        result.channels = solved.channels;
        if !solved.refused.is_empty() {
            result.left = Some(solved.refused.join("; "));
        }
        result.given = given(if !solved.deviations.is_empty() {
            "local"
        } else if result.method.contains("Wiener") {
            "wiener"
        } else {
            "scattering"
        })
        .to_owned();
        let n_rows = solved.backgrounds.len() + solved.deviations.len();
        let rows = solved.backgrounds.into_iter().chain(solved.deviations);
        let rows: Vec<f64> = rows.flatten().collect();
        let background = Array2::from_shape_vec((n_rows, n_samples), rows)
            .unwrap_or_else(|_| Array2::zeros((0, n_samples)));
        (result, background)
    }
}

impl Job {
    /// Loads what one target needs.
    pub(super) fn prepare(&self, index: usize, cache: &mut RecordCache) -> Result<Prepared> {
        let stretch = &self.targets[index];
        let mut result = TargetResult {
            id: stretch.station.to_string(),
            starttime: format_utc(stretch.start_ns),
            endtime: format_utc(stretch.end_ns),
            start_ns: stretch.start_ns,
            end_ns: stretch.end_ns,
            probability: stretch.probability,
            n_windows: stretch.n_windows,
            method: self.method.name().to_owned(),
            given: String::new(),
            sources: Vec::new(),
            snippets: Vec::new(),
            snippet_samples: self.snippet_samples,
            channels: Vec::new(),
            left: None,
        };
        let left = |mut result: TargetResult, why: String| {
            result.left = Some(why);
            Ok(Prepared {
                result,
                span: 0..0,
                start_ns: 0,
                sample_ns: 0,
                channels: Vec::new(),
            })
        };
        let Some(key) = self.keys.get(&*stretch.station) else {
            return left(
                result,
                format!(
                    "no record of station {} is among the paths",
                    stretch.station
                ),
            );
        };
        let margin = self.snippet_samples as i64 * self.sample_ns;
        let Some(run) = cache.run(key, stretch.start_ns, stretch.end_ns, margin)? else {
            return left(
                result,
                "the record has no gap-free stretch around it".into(),
            );
        };
        if run.n_samples() < self.snippet_samples {
            return left(
                result,
                format!(
                    "the gap-free stretch around it has {} samples, {} are needed",
                    run.n_samples(),
                    self.snippet_samples
                ),
            );
        }
        let candidates = self
            .candidates
            .get(&stretch.station)
            .map_or(&[][..], Vec::as_slice);
        let span = (stretch.start_ns, stretch.end_ns + self.sample_ns);
        let day_ns = LocalDay::of(key).length_ns();
        let mut snippets: Vec<Vec<Vec<f64>>> = vec![Vec::new(); run.channels.len()];
        // Some more than asked for, since those that stand out of the others are left out.
        let wanted = self.n_snippets + self.n_snippets / 2;
        for confidence in CONFIDENCE {
            let chosen =
                choose_snippets(candidates, span, wanted, confidence, day_ns, DAY_PENALTY_S);
            if chosen.len() < self.n_snippets && confidence > 0.0 {
                continue;
            }
            let mut loaded = Vec::new();
            for index in chosen {
                let start = candidates[index].start_ns;
                if let Some(samples) =
                    cache.samples(key, start, self.snippet_samples, &run.channels)?
                {
                    loaded.push((start, samples));
                }
            }
            for (start, samples) in without_outliers(loaded).into_iter().take(self.n_snippets) {
                result.snippets.push(format_utc(start));
                for (to, samples) in snippets.iter_mut().zip(samples) {
                    to.push(samples);
                }
            }
            break;
        }
        if result.snippets.len() < LEAST_SNIPPETS {
            let why = format!(
                "only {} background snippets of {} samples were found, {LEAST_SNIPPETS} are needed",
                result.snippets.len(),
                self.snippet_samples
            );
            return left(result, why);
        }
        let sources = self.sources(index, key, &run.channels, cache)?;
        let channels = run
            .channels
            .iter()
            .zip(snippets)
            .zip(run.samples)
            .zip(sources)
            .map(|(((id, snippets), samples), sources)| TargetChannel {
                id: id.to_string(),
                samples,
                snippets,
                sources,
            });
        Ok(Prepared {
            result,
            span: run.target,
            start_ns: run.start_ns,
            sample_ns: self.sample_ns,
            channels: channels.collect(),
        })
    }
}

impl Job {
    /// Windows around other targets of the station, those near in time first, by channel.
    fn sources(
        &self,
        index: usize,
        key: &StationKey,
        channels: &[StreamId],
        cache: &mut RecordCache,
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let mut found = vec![Vec::new(); channels.len()];
        if !self.wants_sources {
            return Ok(found);
        }
        let own = &self.targets[index];
        let mut others: Vec<&Region> = self
            .targets
            .iter()
            .filter(|t| t.station == own.station && t.start_ns != own.start_ns)
            .collect();
        others.sort_by_key(|t| ((t.start_ns - own.start_ns).abs(), t.start_ns));
        let length_ns = self.snippet_samples as i64 * self.sample_ns;
        for other in others {
            for start in pieces(other.start_ns, other.end_ns, length_ns, 0) {
                if found.first().is_none_or(|all| all.len() >= self.n_snippets) {
                    return Ok(found);
                }
                let overlaps = start < own.end_ns && start + length_ns > own.start_ns;
                if overlaps {
                    continue;
                }
                if let Some(samples) = cache.samples(key, start, self.snippet_samples, channels)? {
                    for (to, samples) in found.iter_mut().zip(samples) {
                        to.push(samples);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Snippets whose range on any channel is at most [`OUTLIER`] times the median's: one missed source among the snippets
/// makes every source look like background.
fn without_outliers(snippets: Vec<(i64, Vec<Vec<f64>>)>) -> Vec<(i64, Vec<Vec<f64>>)> {
    let range = |samples: &[f64]| {
        let (low, high) = samples
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(*v), high.max(*v))
            });
        high - low
    };
    let ranges: Vec<Vec<f64>> = snippets
        .iter()
        .map(|(_, channels)| channels.iter().map(|c| range(c)).collect())
        .collect();
    let n_channels = ranges.first().map_or(0, Vec::len);
    let medians: Vec<f64> = (0..n_channels)
        .map(|channel| {
            quantile(
                &ranges.iter().map(|r| r[channel]).collect::<Vec<f64>>(),
                0.5,
            )
        })
        .collect();
    let fits = |ranges: &Vec<f64>| {
        ranges
            .iter()
            .zip(&medians)
            .all(|(range, median)| *range <= OUTLIER * median)
    };
    snippets
        .into_iter()
        .zip(&ranges)
        .filter(|(_, ranges)| fits(ranges))
        .map(|(snippet, _)| snippet)
        .collect()
}
