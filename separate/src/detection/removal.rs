//! Removal of finds from a record: their sources are fitted together and subtracted.

use std::ops::Range;

use seismix_core::progress::Progress;

use crate::error::Error;
use crate::template::{RecordSegment, Template, TemplateSource};
use crate::zero_runs::zero_runs;

/// Samples of a target before and after a find's onset, in template lengths: 2 s and 42 s of 51 s.
const TARGET: (f64, f64) = (0.04, 0.82);
/// Distance within which a fitted source is that of a find, in template lengths: 3 s of 51 s.
const SAME: f64 = 0.06;

/// Sources removed from a record.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// Sources, by onset.
    pub sources: Vec<RemovedSource>,
    /// Sum of the sources over the record, `[channel][sample]`, in the record's unit.
    pub removed: Vec<Vec<f64>>,
    /// Standard deviation of that sum, `[channel][sample]`; 0 away from sources.
    pub deviation: Vec<Vec<f64>>,
    /// Samples in which anything is removed, ascending and apart.
    pub spans: Vec<Range<usize>>,
}

/// Source that was removed for a find.
#[derive(Debug, Clone)]
pub struct RemovedSource {
    /// Index of the find among the onsets to remove; `None` for a further source beside one.
    pub find: Option<usize>,
    /// The source, its onset in samples of the record.
    pub source: TemplateSource,
}

/// Fits the sources of finds and sums them.
///
/// `record`: `[channel][sample]`, gap-free and finite. `sure`: onsets of finds to remove, `others`: onsets of finds
/// that must stay, in samples, ascending. A fitted source that is one of `others` stays; what else the fit needs near
/// a sure find belongs to it.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::ChannelLength`] or [`Error::NotFinite`] for samples that cannot be used.
pub fn remove(
    template: &Template,
    record: &[Vec<f64>],
    sure: &[f64],
    others: &[f64],
    progress: &dyn Progress,
) -> Result<Removal, Error> {
    let n = record.first().map_or(0, Vec::len);
    let length = template.layout.length as f64;
    let mut sum = Sum {
        template,
        record,
        removal: Removal {
            removed: vec![vec![0.0; n]; record.len()],
            deviation: vec![vec![0.0; n]; record.len()],
            ..Removal::default()
        },
    };
    let targets = targets(sure, length, n);
    for group in groups(&targets, template.layout.block()) {
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        sum.add_group(&targets, group, &Finds { sure, others }, progress)?;
    }
    Ok(sum.finish())
}

/// Onsets of the finds of a record, ascending.
struct Finds<'a> {
    sure: &'a [f64],
    others: &'a [f64],
}

/// Targets around onsets; those that touch are one.
fn targets(onsets: &[f64], length: f64, n: usize) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for onset in onsets {
        let start = (onset - TARGET.0 * length).max(0.0) as usize;
        let end = ((onset + TARGET.1 * length).max(0.0) as usize).min(n);
        match all.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ if start < end => all.push(start..end),
            _ => {}
        }
    }
    all
}

/// Numbers of the targets that are fitted together, so that they share a model of the background.
fn groups(targets: &[Range<usize>], block: usize) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        match all.last_mut() {
            Some(group) if target.end - targets[group.start].start <= block => group.end = i + 1,
            _ => all.push(i..i + 1),
        }
    }
    all
}

/// Sum of removed sources in progress.
struct Sum<'a> {
    template: &'a Template,
    record: &'a [Vec<f64>],
    removal: Removal,
}

impl Sum<'_> {
    fn add_group(
        &mut self,
        targets: &[Range<usize>],
        group: Range<usize>,
        finds: &Finds,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let n = self.record.first().map_or(0, Vec::len);
        let own = &targets[group.clone()];
        let span = own[0].start..own[own.len() - 1].end;
        let segment = around(&span, self.template, n);
        let within =
            |range: &&Range<usize>| range.start >= segment.start && range.end <= segment.end;
        let local = |range: &Range<usize>| range.start - segment.start..range.end - segment.start;
        let beside = targets[..group.start].iter().chain(&targets[group.end..]);
        let cut = RecordSegment {
            channels: self
                .record
                .iter()
                .map(|c| c[segment.clone()].to_vec())
                .collect(),
            targets: own.iter().map(local).collect(),
            neighbour_targets: beside.filter(within).map(local).collect(),
        };
        let Some(fit) = self.template.fit_with_progress(&cut, progress)? else {
            return Ok(());
        };
        let from = segment.start as f64;
        let lead = self.template.layout.lead as f64;
        let same = SAME * self.template.layout.length as f64;
        let mut kept = Vec::new();
        for source in fit.sources {
            let onset = source.onset + from;
            let inside = |t: &Range<usize>| (t.start as f64 - lead..t.end as f64).contains(&onset);
            let find = nearest(finds.sure, onset, same);
            // A find that must stay keeps its source, unless a sure one is as near.
            let stays = nearest(finds.others, onset, same).is_some() && find.is_none();
            if own.iter().any(inside) && !stays && is_finite(&source) {
                kept.push((find, source));
            }
        }
        let sources: Vec<TemplateSource> = kept.iter().map(|(_, s)| s.clone()).collect();
        let rendered = self.template.render(&sources, segment.len());
        self.add(segment.start, &rendered, &fit.deviation);
        for (find, mut source) in kept {
            source.onset += from;
            self.removal.sources.push(RemovedSource { find, source });
        }
        Ok(())
    }

    /// Adds the sum of a segment's sources; deviations of independent fits add up in squares.
    fn add(&mut self, from: usize, rendered: &[Vec<f64>], deviation: &[Vec<f64>]) {
        for (c, rendered) in rendered.iter().enumerate() {
            let own = rendered.iter().zip(&deviation[c]);
            for (t, (value, deviation)) in own.enumerate() {
                if *value == 0.0 || !value.is_finite() {
                    continue;
                }
                self.removal.removed[c][from + t] += value;
                let total = &mut self.removal.deviation[c][from + t];
                *total = total.hypot(*deviation);
            }
        }
    }

    fn finish(mut self) -> Removal {
        let mut changed = vec![false; self.record.first().map_or(0, Vec::len)];
        for (c, removed) in self.removal.removed.iter_mut().enumerate() {
            // A digitiser or a gap filler wrote runs of zeros: nothing is there to remove.
            let zeros = zero_runs(&self.record[c]);
            for (t, value) in removed.iter_mut().enumerate() {
                if zeros[t] {
                    *value = 0.0;
                    self.removal.deviation[c][t] = 0.0;
                }
                changed[t] |= *value != 0.0;
            }
        }
        self.removal.spans = runs(&changed);
        let by_onset =
            |a: &RemovedSource, b: &RemovedSource| a.source.onset.total_cmp(&b.source.onset);
        self.removal.sources.sort_by(by_onset);
        self.removal
    }
}

/// Samples around a span from which its background is modelled: a block at least, and the room of a waveform.
fn around(span: &Range<usize>, template: &Template, n: usize) -> Range<usize> {
    let layout = template.layout;
    let wanted = layout.block().max(span.len() + 2 * layout.grid).min(n);
    let margin = wanted.saturating_sub(span.len()) / 2;
    let from = span.start.saturating_sub(margin);
    let to = (from + wanted).min(n);
    // At an end of the record the other side gives more.
    to.saturating_sub(wanted).min(from)..to
}

/// Index of the onset nearest to a sample, if one is near enough.
fn nearest(onsets: &[f64], sample: f64, within: f64) -> Option<usize> {
    let after = onsets.partition_point(|o| *o < sample);
    let distance = |i: &usize| (onsets[*i] - sample).abs();
    let beside = [
        after.checked_sub(1),
        (after < onsets.len()).then_some(after),
    ];
    let best = beside
        .into_iter()
        .flatten()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(&best) <= within).then_some(best)
}

fn is_finite(source: &TemplateSource) -> bool {
    let parts = source.channels.iter().flatten();
    source.onset.is_finite() && parts.into_iter().all(|p| p.amplitude.is_finite())
}

/// Ranges of true values.
fn runs(marked: &[bool]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut begin = 0;
    for run in marked.chunk_by(|a, b| a == b) {
        let end = begin + run.len();
        if run[0] {
            all.push(begin..end);
        }
        begin = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_touch_are_one_and_groups_are_short() {
        let found = targets(&[10.0, 50.0, 500.0, 900.0], 100.0, 1000);
        assert_eq!(found, [6..132, 496..582, 896..982]);
        assert_eq!(groups(&found, 600), [0..2, 2..3]);
        assert!(targets(&[], 100.0, 1000).is_empty());
    }

    #[test]
    fn the_nearest_onset_counts() {
        let onsets = [10.0, 20.0];
        assert_eq!(nearest(&onsets, 14.0, 5.0), Some(0));
        assert_eq!(nearest(&onsets, 17.0, 5.0), Some(1));
        assert_eq!(nearest(&onsets, 30.0, 5.0), None);
        assert_eq!(nearest(&[], 30.0, 5.0), None);
    }

    #[test]
    fn runs_of_true() {
        assert_eq!(runs(&[true, false, true, true]), [0..1, 2..4]);
        assert!(runs(&[]).is_empty());
    }
}
