//! Segments of a record, and their whitening.

use std::ops::Range;

use super::options::{AUTOREGRESSION_ORDER, Layout, MIN_MASKING_Z};
use super::source::TemplateSource;
use super::whitening::WhiteningModel;
use crate::error::Error;

/// Part of a shape, after its onset, that is left out when the background is modelled.
const MASKED_LENGTH: f64 = 0.4;

/// Gap-free segment of a record, and the samples of it in which sources may begin.
#[derive(Debug, Clone, Default)]
pub struct RecordSegment {
    /// `[channel][sample]`, of one length, finite, all in the same order of channels.
    pub channels: Vec<Vec<f64>>,
    /// Samples in which a source may begin, ascending.
    pub targets: Vec<Range<usize>>,
    /// Other such samples, apart from these: sources in them are fitted, so that they do not pass for background, but
    /// another segment learns from them.
    pub neighbour_targets: Vec<Range<usize>>,
}

impl RecordSegment {
    /// Samples of each channel.
    pub fn n_samples(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Checks that all channels are finite and of one length.
    ///
    /// # Errors
    /// [`Error::ChannelLength`], [`Error::NotFinite`].
    pub fn check(&self) -> Result<(), Error> {
        let expected = self.n_samples();
        for (c, channel) in self.channels.iter().enumerate() {
            let found = channel.len();
            if found != expected {
                return Err(Error::ChannelLength { found, expected });
            }
            if let Some(index) = channel.iter().position(|v| !v.is_finite()) {
                let what = format!("channel {c}");
                return Err(Error::NotFinite { what, index });
            }
        }
        Ok(())
    }

    /// Own targets, cut to the segment.
    fn own_targets(&self) -> Vec<Range<usize>> {
        clipped(&self.targets, self.n_samples())
    }

    /// Own and neighbour targets, cut to the segment, ascending.
    pub(crate) fn all_targets(&self) -> Vec<Range<usize>> {
        let all = [self.targets.as_slice(), self.neighbour_targets.as_slice()].concat();
        let mut all = clipped(&all, self.n_samples());
        all.sort_by_key(|t| t.start);
        all
    }
}

/// Ranges cut to `0..n`, without empty ones.
fn clipped(ranges: &[Range<usize>], n: usize) -> Vec<Range<usize>> {
    let cut = ranges.iter().map(|t| t.start.min(n)..t.end.min(n));
    cut.filter(|t| !t.is_empty()).collect()
}

/// Segment with models of its background, whitened by them.
pub(crate) struct WhitenedSegment<'a> {
    pub(crate) record: &'a RecordSegment,
    /// Targets that are learned from and judged.
    pub(crate) targets: Vec<Range<usize>>,
    /// Those and their neighbours: where sources are fitted.
    pub(crate) fitted_targets: Vec<Range<usize>>,
    /// Model of each channel's background.
    pub(crate) models: Vec<WhiteningModel>,
    /// The whitened record, `[channel][sample]`.
    pub(crate) white: Vec<Vec<f64>>,
}

impl<'a> WhitenedSegment<'a> {
    /// Models the background from the samples outside the targets. `None` if no channel holds a signal, or one cannot
    /// be modelled.
    pub(crate) fn new(record: &'a RecordSegment, layout: Layout) -> Option<Self> {
        if !record.channels.iter().any(|x| has_signal(x)) {
            return None;
        }
        let usable = outside_targets(record, layout);
        let models = record.channels.iter();
        let models: Option<Vec<_>> = models.map(|x| model_channel(x, &usable, layout)).collect();
        Some(Self::with_models(record, models?))
    }

    fn with_models(record: &'a RecordSegment, models: Vec<WhiteningModel>) -> Self {
        let channels = record.channels.iter().zip(&models);
        Self {
            white: channels.map(|(x, model)| model.whiten(x)).collect(),
            record,
            targets: record.own_targets(),
            fitted_targets: record.all_targets(),
            models,
        }
    }

    /// Models the background anew from the record without `sources`, whose sum is `removed`, `[channel][sample]`.
    ///
    /// Nearly all samples are used then; only those of strong sources are not, since their shape is not exact.
    pub(crate) fn without(
        self,
        sources: &[TemplateSource],
        removed: &[Vec<f64>],
        layout: Layout,
    ) -> Self {
        let n = self.record.n_samples();
        let mut usable = vec![true; n];
        for source in sources.iter().filter(|s| s.z > MIN_MASKING_Z) {
            let end = source.onset + MASKED_LENGTH * layout.length as f64;
            let from = (source.onset - layout.lead as f64).max(0.0) as usize;
            let to = (end.max(0.0) as usize).min(n);
            // An onset may lie beyond the last sample.
            usable[from.min(to)..to].fill(false);
        }
        // With most samples masked the model would be worse than one with the sources' errors in it.
        if usable.iter().filter(|u| **u).count() < n / 2 {
            usable.fill(true);
        }
        let channels = self.record.channels.iter().zip(removed);
        let models: Option<Vec<WhiteningModel>> = channels
            .map(|(x, removed)| {
                let rest: Vec<f64> = x.iter().zip(removed).map(|(x, s)| x - s).collect();
                model_channel(&rest, &usable, layout)
            })
            .collect();
        match models {
            Some(models) => Self::with_models(self.record, models),
            None => self,
        }
    }

    /// Keeps every second target, counted over all segments; `count` is the number before this one.
    pub(crate) fn every_second(&self, half: usize, count: &mut usize) -> Self {
        let (targets, others): (Vec<_>, Vec<_>) = self.targets.iter().cloned().partition(|_| {
            *count += 1;
            *count % 2 == half
        });
        let fitted = self.fitted_targets.iter().filter(|t| !others.contains(t));
        Self {
            fitted_targets: fitted.cloned().collect(),
            targets,
            record: self.record,
            models: self.models.clone(),
            white: self.white.clone(),
        }
    }
}

/// Samples from which the background is modelled: those outside the targets and the tails of sources in them.
fn outside_targets(record: &RecordSegment, layout: Layout) -> Vec<bool> {
    let n = record.n_samples();
    let targets = record.all_targets();
    let mut usable = vec![true; n];
    // Where targets are dense, samples after them are used as well: a tail in the model costs less than no samples.
    for tail in [layout.length / 2, 0] {
        usable.fill(true);
        for target in &targets {
            let to = (target.end + tail).min(n);
            usable[target.start.saturating_sub(layout.lead).min(to)..to].fill(false);
        }
        if usable.iter().filter(|u| **u).count() > n / 4 {
            break;
        }
    }
    // A segment that is all target must be modelled from the targets.
    if usable.iter().filter(|u| **u).count() < n / 20 {
        usable.fill(true);
    }
    usable
}

/// Background model of a channel, which may be dead.
fn model_channel(samples: &[f64], usable: &[bool], layout: Layout) -> Option<WhiteningModel> {
    if has_signal(samples) {
        WhiteningModel::fit(samples, usable, AUTOREGRESSION_ORDER, layout.length)
    } else {
        Some(WhiteningModel::silent(samples.len()))
    }
}

/// True unless all samples are equal.
fn has_signal(samples: &[f64]) -> bool {
    samples.windows(2).any(|pair| pair[0] != pair[1])
}
