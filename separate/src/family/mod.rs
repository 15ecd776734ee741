//! Sources that repeat a shape: the shape learned from the record itself, and fitted with the background's spectrum as
//! weight.
//!
//! A [`Family`] is learned from [`Stretch`]es of a record whose targets hold such sources, without labels: the windows
//! that most others are like are aligned, a waveform h a channel is taken from them, the sources are searched and fitted
//! with it, and h is learned anew from the fits, three times. A source is `a . (h * box(rise)) + b . h''` at an onset
//! that all channels share, a and b free on each; a strong one may have further steps of its own on a channel.
//! Everything is weighed by an autoregression of the background around each stretch. What the data do not ask for is
//! not taken out.

mod background;
mod blocks;
mod field;
mod fit;
mod fourier;
mod learn;
mod linear;
mod seed;
mod shape;
mod source;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod uncertainty;

use std::ops::Range;

use num_complex::Complex64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use background::Background;
use field::Field;
use fit::{Demands, Fitted, fit};
use fourier::Fourier;
use learn::{Observation, learn};
use seed::{Snippet, align};

pub use blocks::{Block, blocks};
pub use shape::{Layout, Shape, Wave};
pub use source::{Part, Source};

/// Order of the background's autoregression; 16 cost 2 to 3 dB on InSight records, 300 gave nothing more.
const ORDER: usize = 100;
/// Falls of chi-square that sources must bring in the rounds of learning.
const ROUNDS: [f64; 3] = [300.0, 200.0, 150.0];
/// z from which a source teaches.
const TEACHES: f64 = 12.0;
/// z from which a source's own place says nothing about the background, since its shape is not exact.
const MASKED: f64 = 30.0;
/// Fewest windows that a shape is learned from.
const LEAST_WINDOWS: usize = 4;
/// Part of the energy that a shape must explain in windows it was not learned from.
const SHAPED: f64 = 0.5;
/// What a source must bring where its window is told.
const TOLD: Demands = Demands {
    fall: 25.0,
    second_fall: 100.0,
    z: 4.0,
    usual: None,
    rounds: 5,
    further: true,
};

/// A gap-free stretch of a record, and where in it sources are said to be.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// `[channel][sample]`, of one length, finite, all in the same order of channels.
    pub channels: Vec<Vec<f64>>,
    /// Samples in which a source may begin, ascending.
    pub targets: Vec<Range<usize>>,
}

/// Shapes that sources of one cluster repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Sizes of the shapes.
    pub layout: Layout,
    /// The shapes; sources take the one that fits best.
    pub kinds: Vec<Shape>,
    /// Energy that a source of amplitude 1 has beside its shape, `[kind][channel]`.
    pub discrepancies: Vec<Vec<f64>>,
    /// Where in their targets sources begin, from the tenth to the ninetieth percentile of those that were learned from,
    /// in samples after the target's start, with a little room.
    pub usual: Option<(f64, f64)>,
    /// Sources that they were learned from.
    pub taught_by: usize,
}

/// A stretch with its background known.
struct Prepared<'a> {
    stretch: &'a Stretch,
    /// The targets that are looked at.
    targets: Vec<Range<usize>>,
    backgrounds: Vec<Background>,
    white: Vec<Vec<f64>>,
}

/// What was fitted to a stretch.
#[derive(Debug, Clone)]
pub struct FamilyFit {
    /// The sources, by onset.
    pub sources: Vec<Source>,
    /// Standard deviation of their sum, `[channel][sample]`.
    pub deviation: Vec<Vec<f64>>,
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
        self.n_windows >= LEAST_WINDOWS && self.explained >= SHAPED
    }
}

impl Family {
    /// Sizes of the shapes for targets of so many samples.
    pub fn layout(window_samples: usize) -> Layout {
        Layout::for_windows(window_samples, ORDER)
    }

    /// Channels that the shapes have.
    pub fn n_channels(&self) -> usize {
        self.kinds.first().map_or(0, |shape| shape.channels.len())
    }

    /// Learns the shapes from stretches whose targets are about `window_samples` long. `None` if none of the targets
    /// stands out of its background, or no background can be modelled.
    ///
    /// The evidence comes from windows that were not learned from: every second window, by those between.
    pub fn learn(stretches: &[Stretch], window_samples: usize) -> Option<(Self, Evidence)> {
        let layout = Layout::for_windows(window_samples, ORDER);
        let fourier = Fourier::new(layout.grid);
        let prepared: Vec<Prepared> = stretches
            .par_iter()
            .filter_map(|stretch| Prepared::new(stretch, layout))
            .collect();
        let halves = [0, 1].map(|half| {
            let family = Self::learned(
                &fourier,
                layout,
                every_second(&prepared, half),
                &ROUNDS[2..],
            )?;
            Some(family.explained(&fourier, &every_second(&prepared, 1 - half)))
        });
        let mut explained: Vec<f64> = halves.into_iter().flatten().flatten().collect();
        explained.sort_by(f64::total_cmp);
        let evidence = Evidence {
            n_windows: explained.len(),
            explained: explained.get(explained.len() / 2).copied().unwrap_or(0.0),
        };
        let family = Self::learned(&fourier, layout, prepared, &ROUNDS)?;
        Some((family, evidence))
    }

    fn learned(
        fourier: &Fourier,
        layout: Layout,
        mut prepared: Vec<Prepared>,
        rounds: &[f64],
    ) -> Option<Self> {
        let first = first_shape(fourier, layout, &prepared)?;
        let mut family = Self {
            layout,
            kinds: vec![first],
            discrepancies: Vec::new(),
            usual: None,
            taught_by: 1,
        };
        for (round, &fall) in rounds.iter().enumerate() {
            let demands = Demands {
                fall,
                second_fall: fall,
                z: 4.0,
                usual: None,
                rounds: 2,
                further: false,
            };
            let fits: Vec<(Fitted, Vec<Vec<Observation>>)> = prepared
                .par_iter()
                .map(|prepared| family.observe(fourier, prepared, demands))
                .collect();
            family = family.relearned(fourier, &fits)?;
            family.usual = usual_onsets(layout, &prepared, &fits);
            if round + 1 < rounds.len() {
                prepared = prepared
                    .into_par_iter()
                    .zip(&fits)
                    .map(|(prepared, (fitted, _))| family.prepared_again(prepared, &fitted.sources))
                    .collect();
            }
        }
        Some(family)
    }

    /// Energy above the background that sources explain, of each target that stands out.
    fn explained(&self, fourier: &Fourier, prepared: &[Prepared]) -> Vec<f64> {
        let demands = Demands {
            fall: ROUNDS[2],
            second_fall: ROUNDS[2],
            z: 4.0,
            usual: None,
            rounds: 2,
            further: false,
        };
        let of = |p: &Prepared| -> Vec<f64> {
            let field = Field::of_white(
                fourier,
                self.layout,
                &p.backgrounds,
                p.white.clone(),
                &self.kinds,
            );
            let fitted = fit(&field, &p.targets, demands);
            let excess = |x: &[Vec<f64>], target: &Range<usize>| -> f64 {
                x.iter()
                    .map(|x| x[target.clone()].iter().map(|v| v * v - 1.0).sum::<f64>())
                    .sum()
            };
            p.targets
                .iter()
                .filter_map(|target| {
                    let before = excess(&p.white, target);
                    let chance = (2.0 * (target.len() * p.white.len()) as f64).sqrt();
                    let rest = excess(&fitted.residual, target).max(0.0);
                    (before > seed::STRONG * chance).then(|| (1.0 - rest / before).max(0.0))
                })
                .collect()
        };
        prepared.par_iter().map(of).collect::<Vec<_>>().concat()
    }

    /// Fits the sources of a stretch. `None` if its background cannot be modelled.
    pub fn fit(&self, stretch: &Stretch) -> Option<FamilyFit> {
        let fourier = Fourier::new(self.layout.grid);
        let mut prepared = Prepared::new(stretch, self.layout)?;
        let mut fitted = Fitted {
            sources: Vec::new(),
            residual: Vec::new(),
        };
        for pass in 0..2 {
            let demands = if pass == 0 {
                Demands {
                    fall: ROUNDS[ROUNDS.len() - 1],
                    second_fall: ROUNDS[ROUNDS.len() - 1],
                    rounds: 2,
                    further: false,
                    ..TOLD
                }
            } else {
                Demands {
                    usual: self.usual,
                    ..TOLD
                }
            };
            let mut field = Field::of_white(
                &fourier,
                self.layout,
                &prepared.backgrounds,
                prepared.white.clone(),
                &self.kinds,
            );
            field.discrepancies = self.discrepancies.clone();
            fitted = fit(&field, &stretch.targets, demands);
            if pass == 0 {
                prepared = self.prepared_again(prepared, &fitted.sources);
            }
        }
        let field = Field::of_white(
            &fourier,
            self.layout,
            &prepared.backgrounds,
            prepared.white.clone(),
            &self.kinds,
        );
        let deviation =
            uncertainty::deviations(&field, &fitted.sources, &stretch.targets, self.taught_by);
        Some(FamilyFit {
            sources: fitted.sources,
            deviation,
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
        for source in sources.iter().filter(|s| s.z > MASKED) {
            let from = (source.onset - self.layout.lead as f64).max(0.0) as usize;
            let to = ((source.onset + 0.4 * self.layout.length as f64).max(0.0) as usize).min(n);
            usable[from.min(to)..to].fill(false);
        }
        if usable.iter().filter(|u| **u).count() < n / 2 {
            usable.fill(true);
        }
        let backgrounds: Option<Vec<Background>> = stretch
            .channels
            .iter()
            .zip(&taken)
            .map(|(x, taken)| {
                let rest: Vec<f64> = x.iter().zip(taken).map(|(x, s)| x - s).collect();
                Background::fit(&rest, &usable, ORDER)
            })
            .collect();
        match backgrounds {
            Some(backgrounds) => Prepared::of(stretch, backgrounds),
            None => prepared,
        }
    }

    /// Fits a stretch, and takes from each source of its sources what they tell of the shapes, `[kind][..]`.
    fn observe(
        &self,
        fourier: &Fourier,
        prepared: &Prepared,
        demands: Demands,
    ) -> (Fitted, Vec<Vec<Observation>>) {
        let field = Field::of_white(
            fourier,
            self.layout,
            &prepared.backgrounds,
            prepared.white.clone(),
            &self.kinds,
        );
        let fitted = fit(&field, &prepared.targets, demands);
        let n_channels = field.n_channels();
        let responses: Vec<Vec<Complex64>> = prepared
            .backgrounds
            .iter()
            .map(|b| b.response(fourier))
            .collect();
        let mut observations: Vec<Vec<Observation>> = (0..self.kinds.len() * n_channels)
            .map(|_| Vec::new())
            .collect();
        for source in fitted.sources.iter().filter(|s| s.z > TEACHES) {
            for (c, parts) in source.channels.iter().enumerate() {
                if parts.is_empty() {
                    continue;
                }
                let mut alone = fitted.residual[c].clone();
                for part in parts {
                    let placed = field.place(
                        &field.whitened,
                        source.kind,
                        c,
                        part.wave,
                        source.onset + part.delay,
                    );
                    placed.add_to(&mut alone, part.amplitude);
                }
                let whole = source.onset.floor();
                let start = whole as isize - self.layout.lead as isize;
                let waves = parts.iter().map(|part| {
                    (
                        part.wave,
                        part.wave.kernel(fourier, source.onset - whole + part.delay),
                    )
                });
                observations[source.kind * n_channels + c].push(Observation {
                    waves: waves.collect(),
                    amplitudes: parts.iter().map(|part| part.amplitude).collect(),
                    response: responses[c].clone(),
                    data: fourier.forward(&field::cut(&alone, start, fourier.n_samples())),
                });
            }
        }
        (fitted, observations)
    }

    /// The shapes anew from what all stretches tell.
    fn relearned(
        &self,
        fourier: &Fourier,
        fits: &[(Fitted, Vec<Vec<Observation>>)],
    ) -> Option<Self> {
        let n_channels = self.kinds.first()?.channels.len();
        let strong = |s: &&Source| s.z > TEACHES;
        let told: Vec<(Vec<f64>, f64)> = (0..self.kinds.len() * n_channels)
            .into_par_iter()
            .map(|at| {
                let told: Vec<Observation> = fits
                    .iter()
                    .flat_map(|(_, observations)| observations[at].clone())
                    .collect();
                let before = &self.kinds[at / n_channels].channels[at % n_channels];
                let learned = learn(told.clone(), fourier, self.layout, Some(before));
                let shape = normalised(learned.unwrap_or_else(|| before.clone()));
                // The amplitudes are those of the shape before.
                let left = learn::discrepancy(&told, fourier, before);
                (shape, left)
            })
            .collect();
        let of_kinds = told.chunks(n_channels.max(1));
        Some(Self {
            layout: self.layout,
            discrepancies: of_kinds
                .clone()
                .map(|kind| kind.iter().map(|(_, left)| *left).collect())
                .collect(),
            kinds: of_kinds
                .map(|kind| Shape {
                    channels: kind.iter().map(|(shape, _)| shape.clone()).collect(),
                })
                .collect(),
            usual: None,
            taught_by: fits
                .iter()
                .flat_map(|(fitted, _)| &fitted.sources)
                .filter(strong)
                .count(),
        })
    }
}

fn place(
    fourier: &Fourier,
    layout: Layout,
    spectrum: &[Complex64],
    wave: Wave,
    at: f64,
) -> field::Placed {
    let whole = at.floor();
    let kernel = wave.kernel(fourier, at - whole);
    field::Placed {
        start: whole as isize - layout.lead as isize,
        values: fourier.inverse(kernel.iter().zip(spectrum).map(|(k, h)| k * h).collect()),
    }
}

fn normalised(mut shape: Vec<f64>) -> Vec<f64> {
    let peak = shape
        .iter()
        .fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
    if peak != 0.0 {
        shape.iter_mut().for_each(|v| *v /= peak);
    }
    shape
}

/// Where the strongest source of each target begins.
fn usual_onsets(
    layout: Layout,
    prepared: &[Prepared],
    fits: &[(Fitted, Vec<Vec<Observation>>)],
) -> Option<(f64, f64)> {
    let mut delays: Vec<f64> = Vec::new();
    for (prepared, (fitted, _)) in prepared.iter().zip(fits) {
        for target in &prepared.targets {
            let inside = |s: &&Source| {
                s.z > TEACHES && (target.start as f64..target.end as f64).contains(&s.onset)
            };
            let strongest = fitted
                .sources
                .iter()
                .filter(inside)
                .max_by(|a, b| a.fall.total_cmp(&b.fall));
            delays.extend(strongest.map(|s| s.onset - target.start as f64));
        }
    }
    if delays.len() < LEAST_WINDOWS {
        return None;
    }
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays[(q * (delays.len() - 1) as f64).round() as usize];
    let room = 0.05 * layout.length as f64;
    Some((at(0.1) - room, at(0.9) + room))
}

/// Every second target, over all stretches.
fn every_second<'a>(prepared: &[Prepared<'a>], half: usize) -> Vec<Prepared<'a>> {
    let mut count = 0;
    prepared
        .iter()
        .map(|p| {
            let targets = p.targets.iter().filter(|_| {
                count += 1;
                count % 2 == half
            });
            Prepared {
                targets: targets.cloned().collect(),
                stretch: p.stretch,
                backgrounds: p.backgrounds.clone(),
                white: p.white.clone(),
            }
        })
        .collect()
}

/// The shape that most targets are like.
fn first_shape(fourier: &Fourier, layout: Layout, prepared: &[Prepared]) -> Option<Shape> {
    let snippets: Vec<Snippet> = prepared
        .iter()
        .enumerate()
        .flat_map(|(index, p)| {
            p.targets
                .iter()
                .filter_map(move |t| Snippet::loudest(fourier, layout, index, &p.white, t.clone()))
        })
        .collect();
    let aligned = align(fourier, snippets);
    if aligned.is_empty() {
        return None;
    }
    let n_channels = prepared.first()?.stretch.channels.len();
    let channels: Option<Vec<Vec<f64>>> = (0..n_channels)
        .map(|c| {
            let white = |stretch: usize| {
                let p: &Prepared = &prepared[stretch];
                (p.white[c].clone(), p.backgrounds[c].response(fourier))
            };
            let told = seed::observations(fourier, layout, &aligned, c, &white);
            learn(told, fourier, layout, None).map(normalised)
        })
        .collect();
    channels.map(|channels| Shape { channels })
}

impl<'a> Prepared<'a> {
    /// With the background from outside the targets.
    fn new(stretch: &'a Stretch, layout: Layout) -> Option<Self> {
        let n = stretch.channels.first().map_or(0, Vec::len);
        let mut usable = vec![true; n];
        for after in [layout.length / 2, 0] {
            usable.fill(true);
            for target in &stretch.targets {
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
        let backgrounds: Option<Vec<Background>> = stretch
            .channels
            .iter()
            .map(|x| Background::fit(x, &usable, ORDER))
            .collect();
        Some(Self::of(stretch, backgrounds?))
    }

    fn of(stretch: &'a Stretch, backgrounds: Vec<Background>) -> Self {
        let white = stretch
            .channels
            .iter()
            .zip(&backgrounds)
            .map(|(x, b)| b.whiten(x))
            .collect();
        Self {
            stretch,
            targets: stretch.targets.clone(),
            backgrounds,
            white,
        }
    }
}
