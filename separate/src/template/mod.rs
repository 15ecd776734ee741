//! Sources that repeat a shape: the shape learned from the record itself, and fitted with the background's spectrum as
//! weight.
//!
//! A [`Template`] is learned from [`RecordSegment`]es of a record whose targets hold such sources, without labels: the windows
//! that most others are like are aligned, a waveform h a channel is taken from them, the sources are searched and fitted
//! with it, and h is learned anew from the fits, three times. A source is `a . (h * box(rise)) + b . h''` at an onset
//! that all channels share, a and b free on each; a strong one may have further steps of its own on a channel.
//! Everything is weighed by an autoregression of the background around each stretch. What the data do not ask for is
//! not taken out.

mod blocks;
mod fit;
mod initial;
mod learn;
mod learning;
mod linear;
mod restart;
mod shape;
mod source;
mod spectra;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod uncertainty;
mod whitened_data;
mod whitening;

use std::ops::Range;

use num_complex::Complex64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use fit::{DetectionThresholds, Fitted, fit};
use initial::{Snippet, align};
use learn::Observation;
use spectra::Fourier;
use whitened_data::WhitenedData;
use whitening::WhiteningModel;

pub use blocks::{Block, blocks};
pub use shape::{Layout, Shape, Wave};
pub use source::{Part, Source};

/// Order of the background's autoregression; 16 cost 2 to 3 dB on InSight records, 300 gave nothing more.
const ORDER: usize = 100;
/// Falls of chi-square that sources must bring in the rounds of learning.
const ROUNDS: [f64; 3] = [300.0, 200.0, 150.0];
/// z from which a source teaches.
const MIN_TRAINING_Z: f64 = 12.0;
/// z from which a source's own place says nothing about the background, since its shape is not exact.
const MIN_MASKING_Z: f64 = 30.0;
/// Fewest windows that a shape is learned from.
const MIN_WINDOWS: usize = 4;
/// Part of the energy that a shape must explain in windows it was not learned from.
const MIN_EXPLAINED: f64 = 0.5;
/// What a source must bring where its window is told.
const FINAL: DetectionThresholds = DetectionThresholds {
    chi2_decrease: 25.0,
    second_chi2_decrease: 100.0,
    z: 4.0,
    onset_range: None,
    rounds: 5,
    further: true,
};

/// A gap-free stretch of a record, and where in it sources are said to be.
#[derive(Debug, Clone)]
pub struct RecordSegment {
    /// `[channel][sample]`, of one length, finite, all in the same order of channels.
    pub channels: Vec<Vec<f64>>,
    /// Samples in which a source may begin, ascending.
    pub targets: Vec<Range<usize>>,
    /// Other such samples, apart from these: sources in them are no background, but they are learned from and judged with
    /// another stretch.
    pub beside: Vec<Range<usize>>,
}

impl RecordSegment {
    /// All targets, ascending.
    fn all(&self) -> Vec<Range<usize>> {
        let mut all = [self.targets.as_slice(), self.beside.as_slice()].concat();
        all.sort_by_key(|t| t.start);
        all
    }
}

/// Shapes that sources of one cluster repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Sizes of the shapes.
    pub layout: Layout,
    /// The shapes; sources take the one that fits best.
    pub kinds: Vec<Shape>,
    /// Energy that a source of amplitude 1 has beside its shape, `[kind][channel]`.
    pub discrepancies: Vec<Vec<f64>>,
    /// Where in their targets sources begin, from the tenth to the ninetieth percentile of those that were learned from,
    /// in samples after the target's start, with a little room.
    pub onset_range: Option<(f64, f64)>,
    /// Sources that they were learned from.
    pub taught_by: usize,
}

/// A stretch with its background known.
struct Prepared<'a> {
    stretch: &'a RecordSegment,
    /// The targets that are learned from and judged.
    targets: Vec<Range<usize>>,
    /// Those and others beside them: where sources are fitted.
    fitted: Vec<Range<usize>>,
    backgrounds: Vec<WhiteningModel>,
    white: Vec<Vec<f64>>,
}

/// What was fitted to a stretch.
#[derive(Debug, Clone)]
pub struct TemplateFit {
    /// The sources, by onset.
    pub sources: Vec<Source>,
    /// Standard deviation of their sum, `[channel][sample]`.
    pub deviation: Vec<Vec<f64>>,
    /// What they leave, whitened, in deviations of the background around each sample, `[channel][sample]`.
    pub residual: Vec<Vec<f64>>,
}

/// Whether windows share a shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Windows that stand out of their background.
    pub n_windows: usize,
    /// Energy above the background that the shape of the other half of the windows explains, median over these windows;
    /// 0 if there are too few to tell.
    pub explained: f64,
}

impl Evidence {
    /// Whether they do: the shape of one half explains most of the other.
    pub fn has_shape(&self) -> bool {
        self.n_windows >= MIN_WINDOWS && self.explained >= MIN_EXPLAINED
    }
}

impl Template {
    /// Sizes of the shapes for targets of so many samples.
    pub fn layout(window_samples: usize) -> Layout {
        Layout::for_windows(window_samples, ORDER)
    }

    /// Channels that the shapes have.
    pub fn n_channels(&self) -> usize {
        self.kinds.first().map_or(0, |shape| shape.channels.len())
    }

    /// Fits the sources of a stretch. `None` if its background cannot be modelled.
    pub fn fit(&self, stretch: &RecordSegment) -> Option<TemplateFit> {
        let fourier = Fourier::new(self.layout.grid);
        let all = stretch.all();
        let mut prepared = Prepared::new(stretch, self.layout)?;
        let mut fitted = Fitted {
            sources: Vec::new(),
            residual: Vec::new(),
        };
        for pass in 0..2 {
            let demands = if pass == 0 {
                DetectionThresholds {
                    chi2_decrease: ROUNDS[ROUNDS.len() - 1],
                    second_chi2_decrease: ROUNDS[ROUNDS.len() - 1],
                    rounds: 2,
                    further: false,
                    ..FINAL
                }
            } else {
                DetectionThresholds {
                    onset_range: self.onset_range,
                    ..FINAL
                }
            };
            let mut field = WhitenedData::of_white(
                &fourier,
                self.layout,
                &prepared.backgrounds,
                prepared.white.clone(),
                &self.kinds,
            );
            field.discrepancies = self.discrepancies.clone();
            fitted = fit(&field, &all, demands);
            if pass == 0 {
                prepared = self.prepared_again(prepared, &fitted.sources);
            }
        }
        let mut field = WhitenedData::of_white(
            &fourier,
            self.layout,
            &prepared.backgrounds,
            prepared.white.clone(),
            &self.kinds,
        );
        field.discrepancies = self.discrepancies.clone();
        let deviation = uncertainty::deviations(&field, &fitted, &all, self.taught_by);
        let in_levels = |(c, x): (usize, &Vec<f64>)| -> Vec<f64> {
            let samples = x.iter().enumerate();
            samples.map(|(t, v)| v / field.level(c, t as f64)).collect()
        };
        let residual = fitted.residual.iter().enumerate().map(in_levels).collect();
        Some(TemplateFit {
            sources: fitted.sources,
            deviation,
            residual,
        })
    }

    /// The sum of sources over `n_samples` samples, `[channel][sample]`, in the unit of the record.
    pub fn render(&self, sources: &[Source], n_samples: usize) -> Vec<Vec<f64>> {
        let fourier = &Fourier::new(self.layout.grid);
        let spectra: Vec<Vec<Vec<Complex64>>> = self
            .kinds
            .iter()
            .map(|shape| shape.spectra(fourier))
            .collect();
        let n_channels = self.kinds.first().map_or(0, |shape| shape.channels.len());
        let mut sum = vec![vec![0.0; n_samples]; n_channels];
        for source in sources {
            for (c, parts) in source.channels.iter().enumerate() {
                for part in parts {
                    let placed = place(
                        fourier,
                        self.layout,
                        &spectra[source.kind][c],
                        part.wave,
                        source.onset + part.delay,
                    );
                    placed.add_to(&mut sum[c], part.amplitude);
                }
            }
        }
        sum
    }

    /// The background once more, from the record without the sources.
    fn prepared_again<'a>(&self, prepared: Prepared<'a>, sources: &[Source]) -> Prepared<'a> {
        let stretch = prepared.stretch;
        let n = stretch.channels.first().map_or(0, Vec::len);
        let taken = self.render(sources, n);
        let mut usable = vec![true; n];
        for source in sources.iter().filter(|s| s.z > MIN_MASKING_Z) {
            let from = (source.onset - self.layout.lead as f64).max(0.0) as usize;
            let to = ((source.onset + 0.4 * self.layout.length as f64).max(0.0) as usize).min(n);
            usable[from.min(to)..to].fill(false);
        }
        if usable.iter().filter(|u| **u).count() < n / 2 {
            usable.fill(true);
        }
        let backgrounds: Option<Vec<WhiteningModel>> = stretch
            .channels
            .iter()
            .zip(&taken)
            .map(|(x, taken)| {
                let rest: Vec<f64> = x.iter().zip(taken).map(|(x, s)| x - s).collect();
                background(&rest, &usable, self.layout)
            })
            .collect();
        match backgrounds {
            Some(backgrounds) => Prepared::of(stretch, backgrounds),
            None => prepared,
        }
    }
}

/// The background of a channel, which may be dead.
fn background(samples: &[f64], usable: &[bool], layout: Layout) -> Option<WhiteningModel> {
    if has_signal(samples) {
        WhiteningModel::fit(samples, usable, ORDER, layout.length)
    } else {
        Some(WhiteningModel::silent(samples.len()))
    }
}

/// Whether not all samples are the same.
fn has_signal(samples: &[f64]) -> bool {
    samples.windows(2).any(|pair| pair[0] != pair[1])
}

fn place(
    fourier: &Fourier,
    layout: Layout,
    spectrum: &[Complex64],
    wave: Wave,
    at: f64,
) -> whitened_data::PlacedWaveform {
    let whole = at.floor();
    let kernel = wave.kernel(fourier, at - whole);
    whitened_data::PlacedWaveform {
        start: whole as isize - layout.lead as isize,
        values: fourier.inverse(kernel.iter().zip(spectrum).map(|(k, h)| k * h).collect()),
    }
}

impl<'a> Prepared<'a> {
    /// With the background from outside the targets.
    fn new(stretch: &'a RecordSegment, layout: Layout) -> Option<Self> {
        let n = stretch.channels.first().map_or(0, Vec::len);
        let mut usable = vec![true; n];
        for after in [layout.length / 2, 0] {
            usable.fill(true);
            for target in stretch.targets.iter().chain(&stretch.beside) {
                let to = (target.end + after).min(n);
                usable[target.start.saturating_sub(layout.lead).min(to)..to].fill(false);
            }
            if usable.iter().filter(|u| **u).count() > n / 4 {
                break;
            }
        }
        if usable.iter().filter(|u| **u).count() < n / 20 {
            usable.fill(true);
        }
        let backgrounds: Option<Vec<WhiteningModel>> = stretch
            .channels
            .iter()
            .map(|x| background(x, &usable, layout))
            .collect();
        if !stretch.channels.iter().any(|x| has_signal(x)) {
            return None;
        }
        Some(Self::of(stretch, backgrounds?))
    }

    fn of(stretch: &'a RecordSegment, backgrounds: Vec<WhiteningModel>) -> Self {
        let white = stretch
            .channels
            .iter()
            .zip(&backgrounds)
            .map(|(x, b)| b.whiten(x))
            .collect();
        Self {
            stretch,
            targets: stretch.targets.clone(),
            fitted: stretch.all(),
            backgrounds,
            white,
        }
    }
}
