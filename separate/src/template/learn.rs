//! Learning of a template: a first shape from the windows that most others resemble, then fits of all sources, and
//! shapes from these fits, in turns.

use std::ops::Range;

use rayon::prelude::*;
use seismix_core::progress::{NoProgress, Progress, Stage};

use super::cancel::Cancel;
use super::fit::{Fitted, fit};
use super::initial::{STRONG, Snippet, align, observations};
use super::options::{
    AUTOREGRESSION_ORDER, DetectionThresholds, LEARNING_CHI2, Layout, MIN_TRAINING_Z, MIN_WINDOWS,
};
use super::segment::{RecordSegment, WhitenedSegment};
use super::shape_fit::{
    Observation, discrepancy, fit_with_restarts, n_starts, normalised, upper_median,
};
use super::source::TemplateSource;
use super::spectra::{Fourier, at_level, cut};
use super::template::{Evidence, Template};
use super::waveform::Shape;
use super::whitened_data::WhitenedData;
use crate::error::Error;

/// Room on either side of the range of typical onsets, in shapes.
const ONSET_ROOM: f64 = 0.05;

/// Fit of one segment, and its sources as observations of the shape, by channel.
type Observed = (Fitted, Vec<Vec<Observation>>);

impl Template {
    /// Learns the shape from segments whose targets are about `window_samples` long. `None` if the energy of no target
    /// exceeds its background's, or no background can be modelled.
    pub fn learn(segments: &[RecordSegment], window_samples: usize) -> Option<(Self, Evidence)> {
        let learned = Self::learn_with_progress(segments, window_samples, &NoProgress);
        learned.ok().flatten()
    }

    /// Learns the shape as [`learn`](Self::learn) does, in one stage of `progress`, until that is cancelled.
    ///
    /// The evidence is from windows that were not learned from: every second window, by the shape of those between.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::ChannelLength`] or [`Error::NotFinite`] for samples that cannot be used;
    /// [`Error::ChannelCount`] if the segments do not have the same channels.
    pub fn learn_with_progress(
        segments: &[RecordSegment],
        window_samples: usize,
        progress: &dyn Progress,
    ) -> Result<Option<(Self, Evidence)>, Error> {
        let expected = segments.first().map_or(0, |s| s.channels.len());
        for segment in segments {
            segment.check()?;
            let found = segment.channels.len();
            if found != expected {
                return Err(Error::ChannelCount { found, expected });
            }
        }
        let cancel = Cancel::new(progress);
        let layout = Layout::for_windows(window_samples, AUTOREGRESSION_ORDER);
        let learner = Learner {
            fourier: &Fourier::new(layout.grid),
            layout,
            cancel: &cancel,
        };
        let n_steps = learner.n_steps(segments.len(), expected);
        let stage = Stage::begin(progress, "learn", n_steps as u64, "fits");
        let learned = learner.learn(segments);
        drop(stage);
        // Whatever was returned is incomplete then.
        if cancel.is_set() {
            return Err(Error::Interrupted);
        }
        Ok(learned)
    }
}

/// Context of a template that is being learned.
struct Learner<'a> {
    fourier: &'a Fourier,
    layout: Layout,
    cancel: &'a Cancel<'a>,
}

impl Learner<'_> {
    /// Fits of segments and of shapes in [`learn`](Self::learn).
    fn n_steps(&self, n_segments: usize, n_channels: usize) -> usize {
        let rounds = LEARNING_CHI2.len();
        // Each half has one round, and is tested on the other; a first shape precedes the rounds.
        let of_segments = 2 * (1 + 1) + rounds;
        let of_shapes = 2 * (1 + 1) + (1 + rounds);
        n_segments * of_segments + n_channels * n_starts() * of_shapes
    }

    fn learn(&self, segments: &[RecordSegment]) -> Option<(Template, Evidence)> {
        let whitened: Vec<WhitenedSegment> = segments
            .par_iter()
            .filter(|_| !self.cancel.is_set())
            .filter_map(|segment| WhitenedSegment::new(segment, self.layout))
            .collect();
        // One round is enough for the evidence: the shape of half the windows is not used any further.
        let halves = [0, 1].map(|half| {
            let learned = self.rounds(every_second(&whitened, half), &LEARNING_CHI2[2..])?;
            Some(self.explained(&learned, &every_second(&whitened, 1 - half)))
        });
        let explained: Vec<f64> = halves.into_iter().flatten().flatten().collect();
        let evidence = Evidence {
            n_windows: explained.len(),
            explained: upper_median(explained),
        };
        let template = self.rounds(whitened, &LEARNING_CHI2)?;
        Some((template, evidence))
    }

    /// Learns in rounds with these chi-square decreases, from a first shape of the segments' own.
    fn rounds(&self, mut segments: Vec<WhitenedSegment>, rounds: &[f64]) -> Option<Template> {
        let mut template = Template {
            layout: self.layout,
            shape: self.first_shape(&segments)?,
            discrepancies: Vec::new(),
            onset_range: None,
            n_training_sources: 1,
        };
        for (round, &chi2_decrease) in rounds.iter().enumerate() {
            let thresholds = DetectionThresholds::preliminary(chi2_decrease);
            let observed: Vec<Observed> = segments
                .par_iter()
                .map(|segment| self.observe(&template, segment, thresholds))
                .collect();
            if self.cancel.is_set() {
                return None;
            }
            template = self.relearn(&template, &observed);
            template.onset_range = onset_range(self.layout, &segments, &observed);
            if round + 1 < rounds.len() {
                segments = segments
                    .into_par_iter()
                    .zip(&observed)
                    .map(|(segment, (fitted, _))| {
                        // A background model takes a while; the next round would stop before it is used.
                        if self.cancel.is_set() {
                            return segment;
                        }
                        let n = segment.record.n_samples();
                        let removed = template.render(&fitted.sources, n);
                        segment.without(&fitted.sources, &removed, self.layout)
                    })
                    .collect();
            }
        }
        Some(template)
    }

    /// Shape that most targets resemble.
    fn first_shape(&self, segments: &[WhitenedSegment]) -> Option<Shape> {
        let snippets: Vec<Snippet> = segments
            .iter()
            .enumerate()
            .flat_map(|(index, segment)| {
                let targets = segment.targets.iter();
                targets.filter_map(move |target| {
                    Snippet::loudest(self.fourier, self.layout, (index, segment), target.clone())
                })
            })
            .collect();
        let aligned = align(self.fourier, snippets, self.cancel);
        if aligned.is_empty() {
            return None;
        }
        let n_channels = segments.first()?.models.len();
        let channels: Vec<Option<Vec<f64>>> = (0..n_channels)
            .map(|c| {
                let found = observations(self.fourier, self.layout, &aligned, segments, c);
                let shape = fit_with_restarts(&found, self.fourier, self.layout, None, self.cancel);
                shape.map(normalised)
            })
            .collect();
        // A dead channel has no shape.
        channels.iter().any(Option::is_some).then(|| Shape {
            channels: channels
                .into_iter()
                .map(|h| h.unwrap_or_else(|| vec![0.0; self.layout.length]))
                .collect(),
        })
    }

    /// Fits a segment; its strong sources become observations of the shape, each with all others subtracted.
    fn observe(
        &self,
        template: &Template,
        segment: &WhitenedSegment,
        thresholds: DetectionThresholds,
    ) -> Observed {
        let data = WhitenedData::new(self.fourier, self.layout, &template.shape, segment);
        let fitted = fit(&data, &segment.fitted_targets, thresholds, self.cancel);
        let mut observed: Vec<Vec<Observation>> = vec![Vec::new(); data.n_channels()];
        let lead = self.layout.lead as f64 / 2.0;
        let own = |s: &&TemplateSource| {
            let begins =
                |t: &Range<usize>| (t.start as f64 - lead..t.end as f64).contains(&s.onset);
            // Sources of neighbour targets are observed by the segment that owns them, so none is used twice.
            s.z > MIN_TRAINING_Z && segment.targets.iter().any(begins)
        };
        for source in fitted.sources.iter().filter(own) {
            for (c, channel) in observed.iter_mut().enumerate() {
                if !source.channels[c].is_empty() {
                    channel.push(self.observation(&data, source, c, &fitted.residual[c]));
                }
            }
        }
        self.cancel.advance();
        (fitted, observed)
    }

    /// Observation of a source on a channel whose residual is without it.
    fn observation(
        &self,
        data: &WhitenedData,
        source: &TemplateSource,
        c: usize,
        residual: &[f64],
    ) -> Observation {
        let parts = &source.channels[c];
        let mut alone = residual.to_vec();
        for part in parts {
            data.place(&data.whitened[c], part.wave, source.onset + part.delay)
                .add_to(&mut alone, part.amplitude);
        }
        let whole = source.onset.floor();
        let start = whole as isize - self.layout.lead as isize;
        let delay = source.onset - whole;
        let waves = parts.iter().map(|part| {
            let kernel = part.wave.kernel(self.fourier, delay + part.delay);
            (part.wave, kernel)
        });
        let spectrum = self
            .fourier
            .forward(&cut(&alone, start, self.fourier.n_samples()));
        // In units of the background around the source, so that loud hours do not pass for strong sources.
        let level = data.level(c, source.onset);
        Observation {
            delay,
            waves: waves.collect(),
            amplitudes: parts.iter().map(|part| part.amplitude).collect(),
            response: at_level(&data.responses[c], level),
            data: at_level(&spectrum, level),
        }
    }

    /// Template with the shape fitted anew to the observations of all segments.
    fn relearn(&self, template: &Template, observed: &[Observed]) -> Template {
        let learned: Vec<(Vec<f64>, f64)> = (0..template.n_channels())
            .into_par_iter()
            .map(|c| {
                let of_channel = observed.iter().flat_map(|(_, o)| o[c].clone());
                let found: Vec<Observation> = of_channel.collect();
                let before = &template.shape.channels[c];
                let (fourier, layout) = (self.fourier, self.layout);
                let shape = fit_with_restarts(&found, fourier, layout, Some(before), self.cancel);
                let shape = normalised(shape.unwrap_or_else(|| before.clone()));
                // By the shape before, since the amplitudes are for that one.
                (shape, discrepancy(&found, fourier, before))
            })
            .collect();
        let (channels, discrepancies) = learned.into_iter().unzip();
        // A source may be missing on some channels.
        let counts = observed.iter().map(|(_, o)| o.iter().map(Vec::len).max());
        Template {
            layout: self.layout,
            shape: Shape { channels },
            discrepancies,
            onset_range: None,
            n_training_sources: counts.map(|n| n.unwrap_or(0)).sum(),
        }
    }

    /// Share of the energy above the background that sources explain, of each target where that energy is significant.
    fn explained(&self, template: &Template, segments: &[WhitenedSegment]) -> Vec<f64> {
        let thresholds = DetectionThresholds::preliminary(LEARNING_CHI2[2]);
        let of = |segment: &WhitenedSegment| -> Vec<f64> {
            let data = WhitenedData::new(self.fourier, self.layout, &template.shape, segment);
            let fitted = fit(&data, &segment.fitted_targets, thresholds, self.cancel);
            self.cancel.advance();
            let share = |target: &Range<usize>| {
                let before = excess_energy(&data, data.white, target);
                // Energy of n normal samples: mean n, variance 2 n.
                let chance = (2.0 * (target.len() * data.n_channels()) as f64).sqrt();
                let rest = excess_energy(&data, &fitted.residual, target).max(0.0);
                (before > STRONG * chance).then(|| (1.0 - rest / before).max(0.0))
            };
            segment.targets.iter().filter_map(share).collect()
        };
        segments.par_iter().map(of).collect::<Vec<_>>().concat()
    }
}

/// Energy of whitened channels in a target above that of the background, which is 1 per sample.
fn excess_energy(data: &WhitenedData, white: &[Vec<f64>], target: &Range<usize>) -> f64 {
    let of = |(c, x): (usize, &Vec<f64>)| {
        let part = &x[target.clone()];
        // A dead channel, or the first samples, which the filter cannot whiten, hold no background.
        if part.iter().all(|v| *v == 0.0) {
            return 0.0;
        }
        let level = |t: usize| data.level(c, (target.start + t) as f64);
        part.iter()
            .enumerate()
            .map(|(t, v)| (v / level(t)).powi(2) - 1.0)
            .sum::<f64>()
    };
    white.iter().enumerate().map(of).sum()
}

/// Range of the delays after their target's start of the strongest sources, one of each target.
fn onset_range(
    layout: Layout,
    segments: &[WhitenedSegment],
    observed: &[Observed],
) -> Option<(f64, f64)> {
    let mut delays: Vec<f64> = Vec::new();
    for (segment, (fitted, _)) in segments.iter().zip(observed) {
        for target in &segment.targets {
            let inside = |s: &&TemplateSource| {
                s.z > MIN_TRAINING_Z && (target.start as f64..target.end as f64).contains(&s.onset)
            };
            let sources = fitted.sources.iter().filter(inside);
            let strongest = sources.max_by(|a, b| a.chi2_decrease.total_cmp(&b.chi2_decrease));
            delays.extend(strongest.map(|s| s.onset - target.start as f64));
        }
    }
    if delays.len() < MIN_WINDOWS {
        return None;
    }
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays[(q * (delays.len() - 1) as f64).round() as usize];
    let room = ONSET_ROOM * layout.length as f64;
    // Percentiles, so that a few false onsets do not widen the range to the whole target.
    Some((at(0.1) - room, at(0.9) + room))
}

/// Segments with every second target, counted over all of them.
fn every_second<'a>(segments: &[WhitenedSegment<'a>], half: usize) -> Vec<WhitenedSegment<'a>> {
    let mut count = 0;
    let kept = segments.iter().map(|s| s.every_second(half, &mut count));
    kept.collect()
}
