//! Sources of a stretch: found one after the other, refined, fitted together, and dropped where the data do not ask
//! for them.

use std::ops::Range;

use num_complex::Complex64;

use super::field::{Field, Placed, pair, product};
use super::linear::{Cholesky, simplex};
use super::shape::Wave;
use super::source::{Part, Source};

/// Rises that are searched, as parts of a shape.
const RISES: [f64; 4] = [0.0, 0.022, 0.04, 0.065];
/// Fall of chi-square that a parameter must bring.
const PARAMETER: f64 = 9.0;
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
/// Evaluations of a refinement.
const EVALUATIONS: usize = 80;
/// Further waves a channel at most.
const FURTHER: usize = 2;
/// Fall of chi-square that a further wave must bring: three parameters, found by a search.
const FURTHER_FALL: f64 = 40.0;
/// Sources weaker than this get no further waves.
const FURTHER_Z: f64 = 12.0;
/// Where further waves are looked for around the onset, in parts of a shape, and how finely.
const FURTHER_REACH: (f64, f64) = (-0.025, 0.09);
const FURTHER_STEPS: usize = 40;

/// What a source has to bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands {
    pub(crate) fall: f64,
    /// The same for every source of a target but its strongest.
    pub(crate) second_fall: f64,
    pub(crate) z: f64,
    /// Where sources are wont to begin, in samples after the start of their target.
    pub(crate) usual: Option<(f64, f64)>,
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
    placed: Vec<Placed>,
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
    fn fall(&self, group: &[usize]) -> f64 {
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
pub(crate) fn fit(field: &Field, targets: &[Range<usize>], demands: Demands) -> Fitted {
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

struct Work<'a> {
    field: &'a Field<'a>,
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
    fn round(&mut self, targets: &[Range<isize>], demands: Demands) -> bool {
        let mut found = false;
        for target in targets {
            if self.picks.len() >= MOST_SOURCES {
                break;
            }
            let Some(pick) = self.search(target.clone(), demands) else {
                continue;
            };
            if pick.score < demands.fall {
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

    /// The onset in a range that brings most.
    fn search(&self, onsets: Range<isize>, demands: Demands) -> Option<Pick> {
        let field = self.field;
        let valid = field.valid_lags() as isize;
        let mut best: Option<Pick> = None;
        let mut from = onsets.start;
        while from < onsets.end {
            let lags = valid.min(onsets.end - from) as usize;
            let segment = field.segment(&self.residual, from);
            for kind in 0..field.n_kinds() {
                let against = field.against(kind, &segment);
                for half in [0.0, 0.5] {
                    let jump = Wave::Jump.kernel(field.fourier, half);
                    let jumps: Vec<Vec<f64>> = against
                        .iter()
                        .map(|a| correlation(field, a, &jump))
                        .collect();
                    for rise in RISES.map(|r| r * field.layout.length as f64) {
                        let step = Wave::Step { rise }.kernel(field.fourier, half);
                        let mut score = vec![0.0; lags];
                        for c in 0..against.len() {
                            let steps = correlation(field, &against[c], &step);
                            let g11 = field.gram(kind, c, &step, &step);
                            let g12 = field.gram(kind, c, &step, &jump);
                            let g22 = field.gram(kind, c, &jump, &jump);
                            for (lag, sum) in score.iter_mut().enumerate() {
                                let (one, two) = pair(g11, g12, g22, steps[lag], jumps[c][lag]);
                                *sum += one.max(two - PARAMETER);
                            }
                        }
                        for (lag, score) in score.into_iter().enumerate() {
                            let onset = (from + lag as isize) as f64 + half;
                            let better = best.is_none_or(|b| score > b.score)
                                && (score >= UNUSUAL_FALL || self.is_usual(onset, demands));
                            if better && !self.is_taken(onset, None) && !self.is_refused(onset) {
                                best = Some(Pick {
                                    kind,
                                    onset,
                                    rise,
                                    score,
                                });
                            }
                        }
                    }
                }
            }
            from += lags as isize;
        }
        best
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
        let placed: Vec<Placed> = unknowns
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
        Solved {
            amplitudes: cholesky.solve(&right),
            covariance: cholesky.inverse(),
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

    /// Onsets and ramps of all sources once more, each with the others taken off.
    fn refine_all(&mut self) {
        if self.picks.len() < 2 {
            return;
        }
        let solved = self.solve();
        let apart = 2.0 * self.field.layout.length as f64;
        for source in 0..self.picks.len() {
            let pick = self.picks[source];
            let near = |(i, p): (usize, &Pick)| i != source && (p.onset - pick.onset).abs() < apart;
            if !self.picks.iter().enumerate().any(near) {
                continue;
            }
            let alone = self.with_source(&solved, source);
            let refined = refine(self.field, &alone, pick);
            if !self.is_taken(refined.onset, Some(source)) {
                self.picks[source] = refined;
                for unknown in self.unknowns.iter_mut().flatten() {
                    if unknown.source == source && matches!(unknown.wave, Wave::Step { .. }) {
                        unknown.wave = Wave::Step { rise: refined.rise };
                    }
                }
            }
        }
        self.solve();
    }

    /// Fall and z of each source.
    fn strengths(&self, solved: &[Solved]) -> Vec<(f64, f64)> {
        (0..self.picks.len())
            .map(|source| {
                let (mut fall, mut z) = (0.0, 0.0_f64);
                for solved in solved {
                    let group: Vec<usize> = (0..solved.n())
                        .filter(|i| solved.unknowns[*i].source == source)
                        .collect();
                    let of_channel = solved.fall(&group);
                    fall += of_channel;
                    z = z.max(of_channel.sqrt());
                }
                (fall, z)
            })
            .collect()
    }

    /// Drops sources that do not bring what is asked for, weakest first; whether any was.
    fn prune(&mut self, demands: Demands) -> bool {
        let mut pruned = false;
        loop {
            let solved = self.solve();
            let n_local = self.field.local(self.field.layout.lead as f64).len().max(1) as f64;
            let strengths = self.strengths(&solved);
            let first = self.is_first(&strengths);
            let failing = strengths
                .into_iter()
                .enumerate()
                .filter(|(i, (fall, z))| {
                    let rest = self.field.misfit(&self.residual, self.picks[*i].onset) - STEADY;
                    let explained = fall / (fall + n_local * rest.max(0.0)).max(f64::MIN_POSITIVE);
                    let (mut wanted, part) = if first[*i] {
                        (demands.fall, EXPLAINED)
                    } else {
                        (demands.second_fall, SECOND_EXPLAINED)
                    };
                    if !self.is_usual(self.picks[*i].onset, demands) {
                        wanted = wanted.max(UNUSUAL_FALL);
                    }
                    *fall < wanted || *z < demands.z || explained < part
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
    fn is_usual(&self, onset: f64, demands: Demands) -> bool {
        let Some((from, to)) = demands.usual else {
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
                    .map(|i| (i, solved.fall(&[i])))
                    .filter(|(_, fall)| *fall < PARAMETER)
                    .min_by(|a, b| a.1.total_cmp(&b.1));
                match weakest {
                    Some((i, _)) => drop(self.unknowns[c].remove(i)),
                    None => break,
                }
            }
        }
        self.solve()
    }

    /// Further waves with times and ramps of their own, channel by channel; whether there was any.
    fn further(&mut self) -> bool {
        let mut any = false;
        for _ in 0..FURTHER {
            let solved = self.eliminate();
            let strengths = self.strengths(&solved);
            let mut found = Vec::new();
            for (source, strength) in strengths.iter().enumerate() {
                if strength.1 < FURTHER_Z {
                    continue;
                }
                let pick = self.picks[source];
                let alone = self.with_source(&solved, source);
                let segment = self.field.segment(&alone, pick.onset.floor() as isize);
                let against = self.field.against(pick.kind, &segment);
                for (c, against) in against.iter().enumerate() {
                    let own: Vec<Unknown> = self.unknowns[c]
                        .iter()
                        .filter(|u| u.source == source)
                        .copied()
                        .collect();
                    if own.is_empty() {
                        continue;
                    }
                    if let Some((delay, rise)) = further_wave(self.field, pick, c, &own, against) {
                        found.push((
                            c,
                            Unknown {
                                source,
                                wave: Wave::Step { rise },
                                delay,
                            },
                        ));
                    }
                }
            }
            if found.is_empty() {
                break;
            }
            any = true;
            for (c, unknown) in found {
                self.unknowns[c].push(unknown);
            }
        }
        any
    }

    /// Amplitudes of strong sources once more, with what the shape does not describe as further noise: the background's
    /// weights alone would fit the frequencies where it is low, whatever that does to the rest.
    fn balance(&self, solved: &mut [Solved]) {
        let field = self.field;
        for source in 0..self.picks.len() {
            let pick = self.picks[source];
            let alone = self.with_source(solved, source);
            let segment = field.segment(&alone, pick.onset.floor() as isize);
            let against = field.against(pick.kind, &segment);
            for (c, solved) in solved.iter_mut().enumerate() {
                let group: Vec<usize> = (0..solved.n())
                    .filter(|i| solved.unknowns[*i].source == source)
                    .collect();
                let step = |i: &&usize| matches!(solved.unknowns[**i].wave, Wave::Step { .. });
                let size: f64 = group
                    .iter()
                    .filter(step)
                    .map(|i| solved.amplitudes[*i].abs())
                    .sum();
                let Some(weights) = field.weights(pick.kind, c, size) else {
                    continue;
                };
                let fraction = pick.onset - pick.onset.floor();
                let kernels: Vec<Vec<Complex64>> = group
                    .iter()
                    .map(|i| {
                        let u = &solved.unknowns[*i];
                        u.wave.kernel(field.fourier, fraction + u.delay)
                    })
                    .collect();
                let n = group.len();
                let gram: Vec<f64> = (0..n * n)
                    .map(|at| {
                        field.weighted_gram(
                            pick.kind,
                            c,
                            &kernels[at / n],
                            &kernels[at % n],
                            &weights,
                        )
                    })
                    .collect();
                let weighted: Vec<Complex64> = against[c]
                    .iter()
                    .zip(&weights)
                    .map(|(a, w)| a * w)
                    .collect();
                let right: Vec<f64> = kernels.iter().map(|k| product(k, &weighted)).collect();
                let amplitudes = Cholesky::new(&gram, n).solve(&right);
                for (i, a) in group.into_iter().zip(amplitudes) {
                    solved.amplitudes[i] = a;
                }
            }
        }
    }

    /// Last choices, and the sources as they are given out.
    fn finish(mut self, demands: Demands) -> Fitted {
        let mut solved = self.eliminate();
        while self.prune(demands) {
            solved = self.eliminate();
        }
        let strengths = self.strengths(&solved);
        let falls: Vec<Vec<f64>> = solved
            .iter()
            .map(|solved| {
                let fall = |source: usize| {
                    let of = |i: &usize| solved.unknowns[*i].source == source;
                    solved.fall(&(0..solved.n()).filter(of).collect::<Vec<_>>())
                };
                (0..self.picks.len()).map(fall).collect()
            })
            .collect();
        self.balance(&mut solved);
        let mut residual = self.field.white.clone();
        let mut sources: Vec<Source> = self
            .picks
            .iter()
            .zip(&strengths)
            .map(|(pick, (fall, z))| Source {
                kind: pick.kind,
                onset: pick.onset,
                rise: pick.rise,
                channels: vec![Vec::new(); self.field.n_channels()],
                fall: *fall,
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

/// Correlation of a kernel with the data at all lags of the grid.
fn correlation(field: &Field, against: &[Complex64], kernel: &[Complex64]) -> Vec<f64> {
    let spectrum: Vec<Complex64> = against
        .iter()
        .zip(kernel)
        .enumerate()
        .map(|(k, (a, kernel))| a * kernel.conj() / field.fourier.weight(k))
        .collect();
    field.fourier.inverse(spectrum)
}

/// The best onset and ramp near a pick, in a residual that holds no other source.
fn refine(field: &Field, residual: &[Vec<f64>], pick: Pick) -> Pick {
    let whole = pick.onset.floor();
    let segment = field.segment(residual, whole as isize);
    let against = field.against(pick.kind, &segment);
    let longest = field.layout.longest_rise as f64;
    let reach = field.layout.lead as f64 / 2.0;
    let score = |delay: f64, rise: f64| -> f64 {
        if (delay - (pick.onset - whole)).abs() > reach || rise > longest {
            return 0.0;
        }
        let falls = field.falls(pick.kind, &against, delay, rise);
        falls
            .iter()
            .map(|(one, two)| one.max(two - PARAMETER))
            .sum()
    };
    let start = pick.onset - whole;
    let side = (0.01 * field.layout.length as f64).max(1.0);
    let mut ramp = |[delay, rise]: [f64; 2]| -score(delay, rise.abs());
    let (at, least) = simplex(
        &mut ramp,
        [start, pick.rise],
        [0.4, side],
        0.01,
        EVALUATIONS,
    );
    let from = at[0]
        + if at[1].abs() < side {
            0.0
        } else {
            at[1].abs() / 2.0
        };
    let mut step = |[delay, _]: [f64; 2]| -score(delay, 0.0);
    let (alone, without) = simplex(&mut step, [from, 0.0], [0.5, 0.0], 0.01, EVALUATIONS / 2);
    let (delay, rise, best) = if -least > -without + RAMP {
        (at[0], at[1].abs(), -least)
    } else {
        (alone[0], 0.0, -without)
    };
    if best <= pick.score.min(score(start, pick.rise)) {
        return pick;
    }
    Pick {
        onset: whole + delay,
        rise,
        score: best,
        ..pick
    }
}

/// Delay and rise of the further wave on a channel that brings most beside a source's own, if it brings enough.
fn further_wave(
    field: &Field,
    pick: Pick,
    channel: usize,
    own: &[Unknown],
    against: &[Complex64],
) -> Option<(f64, f64)> {
    let fraction = pick.onset - pick.onset.floor();
    let kernels: Vec<Vec<Complex64>> = own
        .iter()
        .map(|u| u.wave.kernel(field.fourier, fraction + u.delay))
        .collect();
    let n = kernels.len();
    let mut gram = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            gram[i * n + j] = field.gram(pick.kind, channel, &kernels[i], &kernels[j]);
            gram[j * n + i] = gram[i * n + j];
        }
    }
    let right: Vec<f64> = kernels.iter().map(|k| product(k, against)).collect();
    let cholesky = Cholesky::new(&gram, n);
    let base = cholesky.solve(&right);
    let longest = field.layout.longest_rise as f64;
    // Fall beside the others: the part of the wave that they do not span.
    let fall = |delay: f64, rise: f64| -> f64 {
        if rise > longest {
            return 0.0;
        }
        let kernel = Wave::Step { rise }.kernel(field.fourier, fraction + delay);
        let cross: Vec<f64> = kernels
            .iter()
            .map(|k| field.gram(pick.kind, channel, k, &kernel))
            .collect();
        let spanned = cholesky.solve(&cross);
        let norm = field.gram(pick.kind, channel, &kernel, &kernel);
        let own: f64 = cross.iter().zip(&spanned).map(|(a, b)| a * b).sum();
        let dot: f64 = cross.iter().zip(&base).map(|(a, b)| a * b).sum();
        let rest = norm - own;
        if rest < 1e-5 * norm {
            return 0.0;
        }
        (product(&kernel, against) - dot).powi(2) / rest
    };
    let length = field.layout.length as f64;
    let (from, to) = (FURTHER_REACH.0 * length, FURTHER_REACH.1 * length);
    let mut best = (0.0, 0.0, 0.0);
    for rise in RISES.map(|r| r * length) {
        for i in 0..=FURTHER_STEPS {
            let delay = from + (to - from) * i as f64 / FURTHER_STEPS as f64;
            let found = fall(delay, rise);
            if found > best.0 {
                best = (found, delay, rise);
            }
        }
    }
    let mut negative = |[delay, rise]: [f64; 2]| {
        if delay < 1.5 * from || delay > 1.5 * to {
            0.0
        } else {
            -fall(delay, rise.abs())
        }
    };
    let side = 0.01 * length;
    let (at, least) = simplex(
        &mut negative,
        [best.1, best.2],
        [1.0, side],
        0.02,
        EVALUATIONS,
    );
    (-least > FURTHER_FALL).then_some((at[0], at[1].abs()))
}
