//! The search of one block: strong sources first, each subtracted before weaker ones are sought.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::block::{Block, Plan};
use super::candidate::{Find, Fitter};
use super::octaves::octaves;
use super::waveform::{Decoy, Waveforms, grid_samples};
use crate::template::{Layout, Template};

/// Template lengths in a block's transform: long enough that edges cost little, short enough to follow the noise.
const BLOCK_LENGTHS: usize = 64;
/// Decrease of chi-square and score of strong finds, which are subtracted before decoys are sought.
const STRONG: (f64, f64) = (120.0, 50.0);
/// Searches for strong finds, each on what the ones before leave.
const STRONG_ROUNDS: usize = 3;
/// Least decrease of chi-square and score of any find.
const WEAK: (f64, f64) = (30.0, 12.0);
/// Searches for weak finds.
const WEAK_ROUNDS: usize = 2;
/// Least share of the misfit that a find explains; gusts explain less.
const MIN_SHARE: f64 = 0.5;

/// A search for the sources of a template, planned once.
///
/// The same record gives the same finds on any number of threads.
pub struct Detector {
    plan: Plan,
    layout: Layout,
    target: Waveforms,
    decoys: Vec<(Decoy, Waveforms)>,
}

/// Finds of a block, sorted by onset.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BlockFinds {
    /// Finds of the template.
    pub finds: Vec<Find>,
    /// Finds of the decoys, on the block less the template's strong finds.
    pub decoys: Vec<(Decoy, Find)>,
    /// Noise over the block.
    pub noise: Vec<Noise>,
}

/// Noise of a part of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Samples of the block.
    pub samples: Range<usize>,
    /// Standard deviation of each channel without sources, in the record's unit, above two periods per template.
    pub deviations: Vec<f64>,
}

impl Detector {
    /// Plans the search for a template's sources in blocks of [`Self::block_samples`].
    pub fn new(template: &Template) -> Self {
        Self::for_samples(template, usize::MAX)
    }

    /// Plans the search in records of at most `n_samples`, with shorter transforms where that suffices.
    pub fn for_samples(template: &Template, n_samples: usize) -> Self {
        let layout = template.layout;
        let grid = grid_samples(layout);
        let longest = (BLOCK_LENGTHS * layout.length).next_power_of_two();
        let transform = n_samples
            .saturating_add(grid)
            .min(longest)
            .next_power_of_two();
        let plan = Plan::new(transform, layout.length, grid);
        let shape = &template.shape;
        let waveforms = |decoy| Waveforms::new(shape, layout, decoy, &plan.grid);
        Self {
            target: waveforms(None),
            decoys: Decoy::ALL
                .map(|decoy| (decoy, waveforms(Some(decoy))))
                .into(),
            layout,
            plan,
        }
    }

    /// Longest block, samples.
    pub fn block_samples(&self) -> usize {
        self.plan.n_samples
    }

    /// Samples at each end of a block whose finds another block should have, since waveforms are cut there.
    pub fn margin(&self) -> usize {
        2 * self.layout.length
    }

    /// Finds of the template and of the decoys in a gap-free block, `[channel][sample]`, all finite.
    ///
    /// Onsets lie in `own`, and not within .6 template lengths of the block's ends.
    pub fn search(&self, channels: &[Vec<f64>], own: Range<usize>) -> BlockFinds {
        let n = channels.first().map_or(0, Vec::len);
        let edge = self.layout.length * 6 / 10;
        let own = own.start.max(edge)..own.end.min(n.saturating_sub(edge));
        if n < self.plan.grid.n_samples() || own.is_empty() {
            return BlockFinds::default();
        }
        let mut state = State::new(self, channels, own);
        state.find_strong();
        let decoys = state.decoys();
        let noise = state.noise();
        state.find_weak();
        let mut finds = state.finds;
        finds.sort_by(|a, b| a.onset.total_cmp(&b.onset));
        BlockFinds {
            finds,
            decoys,
            noise,
        }
    }

    /// True if `weak` may be what the template's error leaves of `strong`: near it, along its tail, and at its end.
    fn in_shadow(&self, weak: &Find, strong: &Find) -> bool {
        let length = self.layout.length as f64;
        let after = (weak.onset - strong.onset) / length;
        let share = match after {
            a if (-0.49..0.06).contains(&a) => 0.03,
            a if (0.06..0.59).contains(&a) => 0.01,
            a if (0.59..1.47).contains(&a) => 0.003,
            _ => return false,
        };
        weak.decrease() < share * strong.decrease()
    }
}

/// A block under search.
struct State<'a> {
    detector: &'a Detector,
    own: Range<usize>,
    /// The record less the finds.
    rest: Vec<Vec<f64>>,
    block: Block,
    finds: Vec<Find>,
}

impl<'a> State<'a> {
    fn new(detector: &'a Detector, record: &'a [Vec<f64>], own: Range<usize>) -> Self {
        Self {
            block: Block::new(&detector.plan, record, None),
            rest: record.to_vec(),
            detector,
            own,
            finds: Vec::new(),
        }
    }

    /// Peaks of the statistic with their fits, those above both thresholds.
    fn candidates(&self, waveforms: &Waveforms, (decrease, score): (f64, f64)) -> Vec<Find> {
        let plan = &self.detector.plan;
        let (statistic, which) = self.block.statistic(plan, waveforms);
        let fitter = Fitter::new(plan, &self.block, waveforms);
        let white: Vec<Vec<f64>> = self
            .block
            .channels
            .iter()
            .map(|c| c.as_ref().map_or_else(Vec::new, |c| c.white.clone()))
            .collect();
        let apart = (self.detector.layout.length / 25).max(2);
        peaks(&statistic, decrease, apart)
            .into_iter()
            // Finds next to the own samples are fitted as well: they may cast a shadow into them.
            .map(|t| fitter.fit(&white, t, usize::from(which[t])))
            .filter(|find| find.score() > score)
            .collect()
    }

    /// Accepts candidates, the best first, that are not near another new one, near an old one, or in a shadow.
    fn accept(&self, mut candidates: Vec<Find>, by: fn(&Find) -> f64, old: &[Find]) -> Vec<Find> {
        candidates.sort_by(|a, b| by(b).total_cmp(&by(a)));
        let length = self.detector.layout.length as f64;
        let within =
            |a: &Find, b: &Find, lengths: f64| (a.onset - b.onset).abs() < lengths * length;
        let mut new: Vec<Find> = Vec::new();
        for find in candidates {
            // Sources nearer than half a length are fitted one after the other, in rounds.
            let near = new.iter().any(|o| within(o, &find, 0.49));
            let known = old
                .iter()
                .any(|o| within(o, &find, 0.029) || self.detector.in_shadow(&find, o));
            if !near && !known {
                new.push(find);
            }
        }
        new
    }

    fn find_strong(&mut self) {
        for _ in 0..STRONG_ROUNDS {
            let candidates = self.candidates(&self.detector.target, STRONG);
            let new = self.accept(candidates, Find::decrease, &self.finds);
            if new.is_empty() {
                break;
            }
            self.subtract(&new);
            self.finds.extend(new);
            // The spectrum and the levels again, without the sources.
            self.block = Block::new(&self.detector.plan, &self.rest, None);
        }
        self.refit();
    }

    /// Fits each find once more with the others subtracted.
    fn refit(&mut self) {
        let detector = self.detector;
        let fitter = Fitter::new(&detector.plan, &self.block, &detector.target);
        let mut rest = std::mem::take(&mut self.rest);
        for find in &mut self.finds {
            let negative = Find {
                amplitudes: find.amplitudes.iter().map(|[a, b]| [-a, -b]).collect(),
                ..find.clone()
            };
            fitter.subtract(&detector.target, &negative, &mut rest);
            let white = self.block.whiten_near(&detector.plan, &rest, find.sample);
            *find = fitter.fit(&white, find.sample, find.atom);
            fitter.subtract(&detector.target, find, &mut rest);
        }
        self.rest = rest;
        if !self.finds.is_empty() {
            self.block = Block::new(&detector.plan, &self.rest, None);
        }
    }

    fn subtract(&mut self, finds: &[Find]) {
        let fitter = Fitter::new(&self.detector.plan, &self.block, &self.detector.target);
        for find in finds {
            fitter.subtract(&self.detector.target, find, &mut self.rest);
        }
    }

    fn find_weak(&mut self) {
        let mut weak: Vec<Find> = Vec::new();
        for round in 0..WEAK_ROUNDS {
            let candidates = self.candidates(&self.detector.target, WEAK);
            let old = [self.finds.as_slice(), &weak].concat();
            let new = self.accept(candidates, Find::score, &old);
            if new.is_empty() {
                break;
            }
            if round + 1 < WEAK_ROUNDS {
                self.subtract(&new);
                self.block = Block::new(&self.detector.plan, &self.rest, Some(&self.block));
            }
            weak.extend(new);
        }
        self.finds.extend(weak);
        let own = self.own.clone();
        self.finds
            .retain(|f| own.contains(&f.sample) && f.share() >= MIN_SHARE);
    }

    fn decoys(&self) -> Vec<(Decoy, Find)> {
        let mut all = Vec::new();
        for (decoy, waveforms) in &self.detector.decoys {
            let found = self.accept(self.candidates(waveforms, WEAK), Find::score, &[]);
            let kept = found.into_iter().filter(|f| {
                self.own.contains(&f.sample)
                    && f.share() >= MIN_SHARE
                    && !self.finds.iter().any(|o| self.detector.in_shadow(f, o))
            });
            all.extend(kept.map(|find| (*decoy, find)));
        }
        all
    }

    /// Noise over parts of 24 template lengths (20 minutes where a template lasts 51 s).
    fn noise(&self) -> Vec<Noise> {
        let plan = &self.detector.plan;
        let part = 24 * self.detector.layout.length;
        let bands = octaves(plan.grid.n_frequencies());
        let n = plan.grid.n_samples() as f64;
        let starts = (self.own.start..self.own.end).step_by(part);
        starts
            .map(|from| {
                let to = (from + part).min(self.own.end);
                let hops = from / plan.pace.hop..(to / plan.pace.hop).max(from / plan.pace.hop + 1);
                let deviation = |channel: &super::block::WhiteChannel| {
                    let power = |(band, weights): (&Range<usize>, &Vec<f64>)| {
                        let mut levels: Vec<f64> = weights[hops.start..hops.end.min(weights.len())]
                            .iter()
                            .map(|w| 1.0 / w)
                            .collect();
                        levels.sort_by(f64::total_cmp);
                        let level = levels.get(levels.len() / 2).copied().unwrap_or(1.0);
                        // Whitening multiplied the noise by the filter, so its power is the reciprocal square.
                        let inside = channel.filter[band.clone()]
                            .iter()
                            .skip(usize::from(band.start == 0) * 4);
                        let own: f64 = inside
                            .filter(|f| **f > 0.0)
                            .map(|f| 2.0 / (n * f * f))
                            .sum();
                        own * level
                    };
                    bands
                        .iter()
                        .zip(&channel.levels.weights)
                        .map(power)
                        .sum::<f64>()
                        .sqrt()
                };
                let channels = self.block.channels.iter();
                Noise {
                    samples: from..to,
                    deviations: channels
                        .map(|c| c.as_ref().map_or(0.0, deviation))
                        .collect(),
                }
            })
            .collect()
    }
}

/// Local maxima above `least`, each the largest within `apart` samples.
fn peaks(series: &[f64], least: f64, apart: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut t = 0;
    while t < series.len() {
        if series[t] <= least {
            t += 1;
            continue;
        }
        let from = t.saturating_sub(apart);
        let to = (t + apart + 1).min(series.len());
        match (from..to)
            .rev()
            .max_by(|a, b| series[*a].total_cmp(&series[*b]))
        {
            Some(best) if best == t => {
                found.push(t);
                // Nothing within reach exceeds it.
                t += apart;
            }
            Some(best) if best > t => t = best,
            _ => t += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::peaks;

    #[test]
    fn peaks_are_the_largest_within_reach() {
        let mut series = vec![0.0; 100];
        for (at, value) in [
            (10, 5.0),
            (14, 7.0),
            (17, 6.0),
            (40, 3.0),
            (60, 1.0),
            (99, 9.0),
        ] {
            series[at] = value;
        }
        assert_eq!(peaks(&series, 2.0, 5), [14, 40, 99]);
        assert_eq!(peaks(&series, 2.0, 2), [10, 14, 17, 40, 99]);
    }
}
