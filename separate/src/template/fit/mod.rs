//! Sources of a stretch: found one after the other, refined, fitted together, and dropped where the data do not ask
//! for them.

mod further;
mod search;

use std::ops::Range;

use num_complex::Complex64;

use super::linear::{Cholesky, simplex};
use super::shape::Wave;
use super::source::{Part, Source};
use super::whitened_data::{PlacedWaveform, WhitenedData, pair, product};
use search::{EVALUATIONS, RISES, refine};

/// Fall of chi-square that a parameter must bring.
const PARAMETER: f64 = 9.0;
/// The same for a jump: gusts are sudden too, and at high frequencies a jump is all that a source holds.
const JUMP: f64 = 16.0;
/// Fall of chi-square for which a ramp is kept in place of a step.
const RAMP: f64 = 6.0;
/// Sources in a stretch at most.
const MOST_SOURCES: usize = 96;
/// Sources closer than this part of a shape are one.
const APART: f64 = 0.03;
/// A source must explain this part of the local misfit.
const EXPLAINED: f64 = 0.2;
/// Local misfit that the background's own changes within a stretch bring about.
const STEADY: f64 = 1.25;
/// A source that is not the strongest of its target must explain this part.
const SECOND_EXPLAINED: f64 = 0.5;
/// What a source must bring that begins elsewhere in its target than sources are wont to.
const UNUSUAL_FALL: f64 = 300.0;

/// What a source has to bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DetectionThresholds {
    pub(crate) chi2_decrease: f64,
    /// The same for every source of a target but its strongest.
    pub(crate) second_chi2_decrease: f64,
    pub(crate) z: f64,
    /// Where sources are wont to begin, in samples after the start of their target.
    pub(crate) onset_range: Option<(f64, f64)>,
    pub(crate) rounds: usize,
    /// Whether channels get further waves with times and ramps of their own.
    pub(crate) further: bool,
}

/// The sources of a stretch, and what they leave of it.
pub(crate) struct Fitted {
    pub(crate) sources: Vec<Source>,
    /// The whitened residual.
    pub(crate) residual: Vec<Vec<f64>>,
}

/// One unknown: a wave of a source on a channel.
#[derive(Clone, Copy)]
struct Unknown {
    source: usize,
    wave: Wave,
    delay: f64,
}

/// Onset, ramp and kind of a source before its amplitudes are known.
#[derive(Clone, Copy)]
struct Pick {
    kind: usize,
    onset: f64,
    rise: f64,
    score: f64,
}

struct Solved {
    unknowns: Vec<Unknown>,
    placed: Vec<PlacedWaveform>,
    amplitudes: Vec<f64>,
    covariance: Vec<f64>,
}

impl Solved {
    fn n(&self) -> usize {
        self.unknowns.len()
    }

    fn deviation(&self, i: usize) -> f64 {
        self.covariance[i * self.n() + i].max(0.0).sqrt()
    }

    /// Fall of chi-square that some unknowns bring beside the others.
    fn chi2_decrease(&self, group: &[usize]) -> f64 {
        let n = self.n();
        let of = |i: &usize, j: &usize| self.covariance[i * n + j];
        let matrix: Vec<f64> = group
            .iter()
            .flat_map(|i| group.iter().map(move |j| of(i, j)))
            .collect();
        let a: Vec<f64> = group.iter().map(|i| self.amplitudes[*i]).collect();
        let solved = Cholesky::new(&matrix, group.len()).solve(&a);
        a.iter()
            .zip(&solved)
            .map(|(a, s)| a * s)
            .sum::<f64>()
            .max(0.0)
    }
}

/// Finds the sources whose onsets lie in any of `targets`.
pub(crate) fn fit(
    field: &WhitenedData,
    targets: &[Range<usize>],
    demands: DetectionThresholds,
) -> Fitted {
    let targets: Vec<Range<isize>> = targets
        .iter()
        .map(|t| t.start as isize - field.layout.lead as isize / 2..t.end as isize)
        .collect();
    let mut work = Work {
        field,
        targets: targets.clone(),
        picks: Vec::new(),
        refused: Vec::new(),
        unknowns: vec![Vec::new(); field.n_channels()],
        residual: field.white.clone(),
    };
    for _ in 0..demands.rounds {
        if !work.round(&targets, demands) {
            break;
        }
    }
    work.prune(demands);
    if demands.further && work.further() {
        work.solve();
    }
    work.finish(demands)
}

/// Fall of chi-square that a wave must bring.
fn asked_of(wave: Wave) -> f64 {
    match wave {
        Wave::Step { .. } => PARAMETER,
        Wave::Jump => JUMP,
    }
}

struct Work<'a> {
    field: &'a WhitenedData<'a>,
    targets: Vec<Range<isize>>,
    picks: Vec<Pick>,
    /// Onsets that were tried and did not bring what is asked for.
    refused: Vec<f64>,
    /// `[channel]`, in the order of sources.
    unknowns: Vec<Vec<Unknown>>,
    residual: Vec<Vec<f64>>,
}

impl Work<'_> {
    /// One more source in each target that shows one; whether there was any.
    fn round(&mut self, targets: &[Range<isize>], demands: DetectionThresholds) -> bool {
        let mut found = false;
        for target in targets {
            if self.picks.len() >= MOST_SOURCES {
                break;
            }
            let Some(pick) = self.search(target.clone(), demands) else {
                continue;
            };
            if pick.score < demands.chi2_decrease {
                continue;
            }
            let refined = refine(self.field, &self.residual, pick);
            found = true;
            if self.is_taken(refined.onset, None) {
                self.refused.push(pick.onset);
            } else {
                self.add(refined);
            }
        }
        if found {
            self.solve();
            self.prune(demands);
            self.refine_all();
        }
        found
    }

    /// Whether each source is the strongest whose onset is in its target.
    fn is_first(&self, falls: &[(f64, f64)]) -> Vec<bool> {
        let target = |onset: f64| {
            let of = |t: &Range<isize>| (t.start as f64..t.end as f64).contains(&onset);
            self.targets.iter().position(of)
        };
        (0..self.picks.len())
            .map(|i| {
                let own = target(self.picks[i].onset);
                (0..self.picks.len()).all(|j| {
                    j == i || target(self.picks[j].onset) != own || falls[j].0 <= falls[i].0
                })
            })
            .collect()
    }

    fn add(&mut self, pick: Pick) {
        let source = self.picks.len();
        self.picks.push(pick);
        for unknowns in &mut self.unknowns {
            for wave in [Wave::Step { rise: pick.rise }, Wave::Jump] {
                unknowns.push(Unknown {
                    source,
                    wave,
                    delay: 0.0,
                });
            }
        }
    }

    fn is_taken(&self, onset: f64, but: Option<usize>) -> bool {
        let apart = APART * self.field.layout.length as f64;
        self.picks
            .iter()
            .enumerate()
            .any(|(i, pick)| Some(i) != but && (pick.onset - onset).abs() < apart)
    }

    fn is_refused(&self, onset: f64) -> bool {
        let apart = APART * self.field.layout.length as f64;
        self.refused.iter().any(|at| (at - onset).abs() < apart)
    }

    /// All amplitudes together; the residual follows.
    fn solve(&mut self) -> Vec<Solved> {
        let mut all = Vec::new();
        for c in 0..self.unknowns.len() {
            let solved = self.solve_channel(c);
            let mut residual = self.field.white[c].clone();
            for (placed, a) in solved.placed.iter().zip(&solved.amplitudes) {
                placed.add_to(&mut residual, -a);
            }
            self.residual[c] = residual;
            all.push(solved);
        }
        all
    }

    fn solve_channel(&self, c: usize) -> Solved {
        let field = self.field;
        let n_samples = field.n_samples();
        let unknowns = self.unknowns[c].clone();
        let placed: Vec<PlacedWaveform> = unknowns
            .iter()
            .map(|u| {
                let pick = &self.picks[u.source];
                field.place(&field.whitened, pick.kind, c, u.wave, pick.onset + u.delay)
            })
            .collect();
        let n = unknowns.len();
        let mut gram = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot = placed[i].dot_placed(&placed[j], n_samples);
                gram[i * n + j] = dot;
                gram[j * n + i] = dot;
            }
        }
        let right: Vec<f64> = placed.iter().map(|p| p.dot(&field.white[c])).collect();
        let cholesky = Cholesky::new(&gram, n);
        let mut covariance = cholesky.inverse();
        let level: Vec<f64> = unknowns
            .iter()
            .map(|u| field.level(c, self.picks[u.source].onset))
            .collect();
        for (at, v) in covariance.iter_mut().enumerate() {
            *v *= level[at / n] * level[at % n];
        }
        Solved {
            amplitudes: cholesky.solve(&right),
            covariance,
            unknowns,
            placed,
        }
    }

    /// Residual with one source put back.
    fn with_source(&self, solved: &[Solved], source: usize) -> Vec<Vec<f64>> {
        let mut residual = self.residual.clone();
        for (residual, solved) in residual.iter_mut().zip(solved) {
            for i in 0..solved.n() {
                if solved.unknowns[i].source == source {
                    solved.placed[i].add_to(residual, solved.amplitudes[i]);
                }
            }
        }
        residual
    }

    /// Fall and z of each source.
    fn strengths(&self, solved: &[Solved]) -> Vec<(f64, f64)> {
        (0..self.picks.len())
            .map(|source| {
                let (mut chi2_decrease, mut z) = (0.0, 0.0_f64);
                for solved in solved {
                    let group: Vec<usize> = (0..solved.n())
                        .filter(|i| solved.unknowns[*i].source == source)
                        .collect();
                    let of_channel = solved.chi2_decrease(&group);
                    chi2_decrease += of_channel;
                    z = z.max(of_channel.sqrt());
                }
                (chi2_decrease, z)
            })
            .collect()
    }

    /// Drops sources that do not bring what is asked for, weakest first; whether any was.
    fn prune(&mut self, demands: DetectionThresholds) -> bool {
        let mut pruned = false;
        loop {
            let solved = self.solve();
            let n_local = self.field.local(self.field.layout.lead as f64).len().max(1) as f64;
            let strengths = self.strengths(&solved);
            let first = self.is_first(&strengths);
            let failing = strengths
                .into_iter()
                .enumerate()
                .filter(|(i, (chi2_decrease, z))| {
                    let rest = self.field.misfit(&self.residual, self.picks[*i].onset) - STEADY;
                    let explained = chi2_decrease
                        / (chi2_decrease + n_local * rest.max(0.0)).max(f64::MIN_POSITIVE);
                    let (mut wanted, part) = if first[*i] {
                        (demands.chi2_decrease, EXPLAINED)
                    } else {
                        (demands.second_chi2_decrease, SECOND_EXPLAINED)
                    };
                    if !self.onset_is_typical(self.picks[*i].onset, demands) {
                        wanted = wanted.max(UNUSUAL_FALL);
                    }
                    *chi2_decrease < wanted || *z < demands.z || explained < part
                })
                .min_by(|a, b| a.1.0.total_cmp(&b.1.0));
            let Some((weakest, _)) = failing else {
                return pruned;
            };
            pruned = true;
            self.refused.push(self.picks[weakest].onset);
            self.remove(weakest);
        }
    }

    /// Whether sources are wont to begin so long after the start of their target.
    fn onset_is_typical(&self, onset: f64, demands: DetectionThresholds) -> bool {
        let Some((from, to)) = demands.onset_range else {
            return true;
        };
        let lead = (self.field.layout.lead / 2) as f64;
        self.targets
            .iter()
            .any(|t| (from..=to).contains(&(onset - t.start as f64 - lead)))
    }

    fn remove(&mut self, source: usize) {
        self.picks.remove(source);
        for unknowns in &mut self.unknowns {
            unknowns.retain(|u| u.source != source);
            for unknown in unknowns.iter_mut().filter(|u| u.source > source) {
                unknown.source -= 1;
            }
        }
    }

    /// Drops unknowns that bring less than a parameter must, weakest first.
    fn eliminate(&mut self) -> Vec<Solved> {
        for c in 0..self.unknowns.len() {
            loop {
                let solved = self.solve_channel(c);
                let weakest = (0..solved.n())
                    .map(|i| (i, solved.chi2_decrease(&[i])))
                    .filter(|(i, chi2_decrease)| {
                        *chi2_decrease < asked_of(solved.unknowns[*i].wave)
                    })
                    .min_by(|a, b| a.1.total_cmp(&b.1));
                match weakest {
                    Some((i, _)) => drop(self.unknowns[c].remove(i)),
                    None => break,
                }
            }
        }
        self.solve()
    }

    /// Last choices, and the sources as they are given out.
    fn finish(mut self, demands: DetectionThresholds) -> Fitted {
        let mut solved = self.eliminate();
        while self.prune(demands) {
            solved = self.eliminate();
        }
        let strengths = self.strengths(&solved);
        let falls: Vec<Vec<f64>> = solved
            .iter()
            .map(|solved| {
                let chi2_decrease = |source: usize| {
                    let of = |i: &usize| solved.unknowns[*i].source == source;
                    solved.chi2_decrease(&(0..solved.n()).filter(of).collect::<Vec<_>>())
                };
                (0..self.picks.len()).map(chi2_decrease).collect()
            })
            .collect();
        self.balance(&mut solved);
        let mut residual = self.field.white.clone();
        let mut sources: Vec<Source> = self
            .picks
            .iter()
            .zip(&strengths)
            .map(|(pick, (chi2_decrease, z))| Source {
                kind: pick.kind,
                onset: pick.onset,
                rise: pick.rise,
                channels: vec![Vec::new(); self.field.n_channels()],
                chi2_decrease: *chi2_decrease,
                z: *z,
                misfit: self.field.misfit(&self.residual, pick.onset),
            })
            .collect();
        for (c, solved) in solved.iter().enumerate() {
            for (index, source) in sources.iter_mut().enumerate() {
                let group: Vec<usize> = (0..solved.n())
                    .filter(|i| solved.unknowns[*i].source == index)
                    .collect();
                if group.is_empty() {
                    continue;
                }
                let shrink = (1.0
                    - 2.0 * group.len() as f64 / falls[c][index].max(f64::MIN_POSITIVE))
                .max(0.0);
                for i in group {
                    let amplitude = shrink * solved.amplitudes[i];
                    solved.placed[i].add_to(&mut residual[c], -amplitude);
                    source.channels[c].push(Part {
                        wave: solved.unknowns[i].wave,
                        delay: solved.unknowns[i].delay,
                        amplitude,
                        deviation: solved.deviation(i),
                    });
                }
            }
        }
        sources.retain(|s| s.channels.iter().any(|parts| !parts.is_empty()));
        sources.sort_by(|a, b| a.onset.total_cmp(&b.onset));
        Fitted { sources, residual }
    }
}
