//! Sources of a segment: found one after the other, fitted together, and dropped where they are not significant.

use std::ops::Range;

use super::cancel::Cancel;
use super::detect::{Candidate, PARAMETER_CHI2, refine, search};
use super::linear::Cholesky;
use super::options::DetectionThresholds;
use super::source::{Part, TemplateSource};
use super::waveform::{PlacedWaveform, Wave};
use super::whitened_data::WhitenedData;

/// Chi-square decrease required of a second derivative.
// More than for a response: gusts are sudden too, and at high frequencies it is all that a source has.
const SECOND_DERIVATIVE_CHI2: f64 = 16.0;
/// Most sources in a segment; the joint solution is cubic in their number.
const MAX_SOURCES: usize = 96;
/// Distance, in shapes, below which two onsets belong to one source.
// Two responses closer than that are nearly collinear, and their amplitudes arbitrary.
const MIN_DISTANCE: f64 = 0.03;
/// Share of the local misfit that a source must explain.
// A gust has a large chi-square under the noise model of a whole segment, but most of it remains after the fit.
const MIN_EXPLAINED_MISFIT: f64 = 0.2;
/// Share of the local misfit that a source must explain if it is not the strongest of its target.
const MIN_EXPLAINED_MISFIT_SECOND: f64 = 0.5;
/// Local misfit due to changes of the background within a segment.
const USUAL_MISFIT: f64 = 1.25;
/// Required chi-square decrease when the onset lies outside the typical range.
// Strong sources begin at similar delays after a target's start; elsewhere a gust is more probable than a source.
const ATYPICAL_ONSET_CHI2: f64 = 300.0;

/// Sources of a segment, and the whitened record without them.
pub(crate) struct Fitted {
    pub(crate) sources: Vec<TemplateSource>,
    /// Whitened residual, `[channel][sample]`.
    pub(crate) residual: Vec<Vec<f64>>,
}

/// One unknown amplitude: of a wave of a source on a channel.
#[derive(Clone, Copy)]
pub(super) struct Unknown {
    pub(super) source: usize,
    pub(super) wave: Wave,
    pub(super) delay: f64,
}

/// Least-squares solution of one channel.
pub(super) struct ChannelSolution {
    pub(super) unknowns: Vec<Unknown>,
    placed: Vec<PlacedWaveform>,
    pub(super) amplitudes: Vec<f64>,
    /// Covariance of the amplitudes, row by row.
    covariance: Vec<f64>,
}

impl ChannelSolution {
    fn n(&self) -> usize {
        self.unknowns.len()
    }

    /// Indexes of the unknowns of a source.
    pub(super) fn of_source(&self, source: usize) -> Vec<usize> {
        let unknowns = self.unknowns.iter().enumerate();
        let own = unknowns.filter(|(_, u)| u.source == source);
        own.map(|(i, _)| i).collect()
    }

    fn deviation(&self, i: usize) -> f64 {
        self.covariance[i * self.n() + i].max(0.0).sqrt()
    }

    /// Decrease of chi-square by some unknowns when all others are fitted as well: a' C^-1 a, with C their block of the
    /// covariance.
    fn chi2_decrease(&self, group: &[usize]) -> f64 {
        let n = self.n();
        let of = |i: &usize, j: &usize| self.covariance[i * n + j];
        let block: Vec<f64> = group
            .iter()
            .flat_map(|i| group.iter().map(move |j| of(i, j)))
            .collect();
        let a: Vec<f64> = group.iter().map(|i| self.amplitudes[*i]).collect();
        let solved = Cholesky::new(&block, group.len()).solve(&a);
        // Rounding can make a vanishing decrease negative.
        a.iter()
            .zip(&solved)
            .map(|(a, s)| a * s)
            .sum::<f64>()
            .max(0.0)
    }
}

/// Finds the sources whose onsets lie in any of `targets`.
pub(crate) fn fit(
    data: &WhitenedData,
    targets: &[Range<usize>],
    thresholds: DetectionThresholds,
    cancel: &Cancel,
) -> Fitted {
    // A window may begin a little after its source's onset.
    let early = data.layout.lead as isize / 2;
    let mut joint = JointFit {
        data,
        thresholds,
        cancel,
        targets: targets
            .iter()
            .map(|t| t.start as isize - early..t.end as isize)
            .collect(),
        candidates: Vec::new(),
        rejected: Vec::new(),
        unknowns: vec![Vec::new(); data.n_channels()],
        residual: data.white.to_vec(),
    };
    for _ in 0..thresholds.rounds {
        if !joint.add_round() {
            break;
        }
    }
    joint.prune();
    if thresholds.secondary_steps && joint.add_secondary_steps() {
        joint.solve();
    }
    joint.finish()
}

/// Chi-square decrease required of a wave.
fn required_chi2(wave: Wave) -> f64 {
    match wave {
        Wave::Response { .. } => PARAMETER_CHI2,
        Wave::SecondDerivative => SECOND_DERIVATIVE_CHI2,
    }
}

/// Fit in progress.
pub(super) struct JointFit<'a> {
    pub(super) data: &'a WhitenedData<'a>,
    thresholds: DetectionThresholds,
    pub(super) cancel: &'a Cancel<'a>,
    targets: Vec<Range<isize>>,
    pub(super) candidates: Vec<Candidate>,
    /// Onsets that were tried and were not significant.
    rejected: Vec<f64>,
    /// `[channel]`, in the order of sources.
    pub(super) unknowns: Vec<Vec<Unknown>>,
    residual: Vec<Vec<f64>>,
}

impl JointFit<'_> {
    /// Adds at most one source in each target; false if none was found.
    fn add_round(&mut self) -> bool {
        let mut found = false;
        for target in self.targets.clone() {
            if self.candidates.len() >= MAX_SOURCES || self.cancel.is_set() {
                break;
            }
            let admissible = |onset: f64, score: f64| {
                (score >= ATYPICAL_ONSET_CHI2 || self.onset_is_typical(onset))
                    && !self.is_occupied(onset, None)
                    && !self.was_rejected(onset)
            };
            let Some(candidate) = search(self.data, &self.residual, target, &admissible) else {
                continue;
            };
            if candidate.score < self.thresholds.chi2_decrease {
                continue;
            }
            let refined = refine(self.data, &self.residual, candidate);
            found = true;
            // The search moved to a source that is there already, and would find it again in the next round.
            if self.is_occupied(refined.onset, None) {
                self.rejected.push(candidate.onset);
            } else {
                self.add(refined);
            }
        }
        if found {
            self.solve();
            self.prune();
            self.refine_all();
        }
        found
    }

    fn add(&mut self, candidate: Candidate) {
        let source = self.candidates.len();
        self.candidates.push(candidate);
        let ramp_length = candidate.ramp_length;
        for unknowns in &mut self.unknowns {
            for wave in [Wave::Response { ramp_length }, Wave::SecondDerivative] {
                unknowns.push(Unknown {
                    source,
                    wave,
                    delay: 0.0,
                });
            }
        }
    }

    /// True if a source other than `except` begins near this onset.
    fn is_occupied(&self, onset: f64, except: Option<usize>) -> bool {
        let distance = MIN_DISTANCE * self.data.layout.length as f64;
        let mut others = self.candidates.iter().enumerate();
        others.any(|(i, c)| Some(i) != except && (c.onset - onset).abs() < distance)
    }

    fn was_rejected(&self, onset: f64) -> bool {
        let distance = MIN_DISTANCE * self.data.layout.length as f64;
        let mut rejected = self.rejected.iter();
        rejected.any(|at| (at - onset).abs() < distance)
    }

    /// True if the onset is as long after the start of its target as those of most training sources.
    fn onset_is_typical(&self, onset: f64) -> bool {
        let Some((from, to)) = self.thresholds.onset_range else {
            return true;
        };
        // Targets here begin half a lead early.
        let lead = (self.data.layout.lead / 2) as f64;
        let mut targets = self.targets.iter();
        targets.any(|t| (from..=to).contains(&(onset - t.start as f64 - lead)))
    }

    /// Solves for all amplitudes, and updates the residual.
    pub(super) fn solve(&mut self) -> Vec<ChannelSolution> {
        let mut all = Vec::new();
        for c in 0..self.unknowns.len() {
            let solution = self.solve_channel(c);
            let mut residual = self.data.white[c].clone();
            for (placed, a) in solution.placed.iter().zip(&solution.amplitudes) {
                placed.add_to(&mut residual, -a);
            }
            self.residual[c] = residual;
            all.push(solution);
        }
        all
    }

    fn solve_channel(&self, c: usize) -> ChannelSolution {
        let data = self.data;
        let n_samples = data.n_samples();
        let unknowns = self.unknowns[c].clone();
        let onset = |u: &Unknown| self.candidates[u.source].onset;
        let placed: Vec<PlacedWaveform> = unknowns
            .iter()
            .map(|u| data.place(&data.whitened[c], u.wave, onset(u) + u.delay))
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
        let right: Vec<f64> = placed.iter().map(|p| p.dot(&data.white[c])).collect();
        let cholesky = Cholesky::new(&gram, n);
        let mut covariance = cholesky.inverse();
        // The data are white with the mean variance of the segment; around a source it differs by the level squared.
        let level: Vec<f64> = unknowns.iter().map(|u| data.level(c, onset(u))).collect();
        for (at, v) in covariance.iter_mut().enumerate() {
            *v *= level[at / n] * level[at % n];
        }
        ChannelSolution {
            amplitudes: cholesky.solve(&right),
            covariance,
            unknowns,
            placed,
        }
    }

    /// Residual with one source added back.
    pub(super) fn with_source(&self, solved: &[ChannelSolution], source: usize) -> Vec<Vec<f64>> {
        let mut residual = self.residual.clone();
        for (residual, solution) in residual.iter_mut().zip(solved) {
            for i in solution.of_source(source) {
                solution.placed[i].add_to(residual, solution.amplitudes[i]);
            }
        }
        residual
    }

    /// Chi-square decrease and z-score of each source.
    pub(super) fn strengths(&self, solved: &[ChannelSolution]) -> Vec<(f64, f64)> {
        (0..self.candidates.len())
            .map(|source| {
                let (mut sum, mut z) = (0.0, 0.0_f64);
                for solution in solved {
                    let of_channel = solution.chi2_decrease(&solution.of_source(source));
                    sum += of_channel;
                    z = z.max(of_channel.sqrt());
                }
                (sum, z)
            })
            .collect()
    }

    /// Marks each source that is the strongest in its target.
    fn strongest_of_targets(&self, strengths: &[(f64, f64)]) -> Vec<bool> {
        let target = |onset: f64| {
            let of = |t: &Range<isize>| (t.start as f64..t.end as f64).contains(&onset);
            self.targets.iter().position(of)
        };
        let targets: Vec<_> = self.candidates.iter().map(|c| target(c.onset)).collect();
        (0..targets.len())
            .map(|i| {
                (0..targets.len())
                    .all(|j| j == i || targets[j] != targets[i] || strengths[j].0 <= strengths[i].0)
            })
            .collect()
    }

    /// Drops sources that are not significant, weakest first; true if any was.
    fn prune(&mut self) -> bool {
        let mut pruned = false;
        loop {
            let solved = self.solve();
            let strengths = self.strengths(&solved);
            let strongest = self.strongest_of_targets(&strengths);
            // One at a time: the others grow when the sources that they overlap with are dropped.
            let weakest = (0..strengths.len())
                .filter(|i| !self.is_significant(*i, strengths[*i], strongest[*i]))
                .min_by(|a, b| strengths[*a].0.total_cmp(&strengths[*b].0));
            let Some(weakest) = weakest else {
                return pruned;
            };
            pruned = true;
            self.rejected.push(self.candidates[weakest].onset);
            self.remove(weakest);
            if self.cancel.is_set() {
                return false;
            }
        }
    }

    fn is_significant(&self, source: usize, (decrease, z): (f64, f64), strongest: bool) -> bool {
        let thresholds = self.thresholds;
        let onset = self.candidates[source].onset;
        let n_local = self.data.local(self.data.layout.lead as f64).len().max(1) as f64;
        let rest = self.data.misfit(&self.residual, onset) - USUAL_MISFIT;
        // Share of the misfit around the source that the fit removes: Dchi2 / (Dchi2 + n (misfit - usual)).
        let explained = decrease / (decrease + n_local * rest.max(0.0)).max(f64::MIN_POSITIVE);
        let (mut required, share) = if strongest {
            (thresholds.chi2_decrease, MIN_EXPLAINED_MISFIT)
        } else {
            (thresholds.second_chi2_decrease, MIN_EXPLAINED_MISFIT_SECOND)
        };
        if !self.onset_is_typical(onset) {
            // The strictest requirement applies, whatever the rank of the source in its target.
            required = required.max(ATYPICAL_ONSET_CHI2);
        }
        !(decrease < required || z < thresholds.z || explained < share)
    }

    fn remove(&mut self, source: usize) {
        self.candidates.remove(source);
        for unknowns in &mut self.unknowns {
            unknowns.retain(|u| u.source != source);
            for unknown in unknowns.iter_mut().filter(|u| u.source > source) {
                unknown.source -= 1;
            }
        }
    }

    /// Refines onsets and ramps of sources near others, each with the others subtracted.
    fn refine_all(&mut self) {
        if self.candidates.len() < 2 {
            return;
        }
        let solved = self.solve();
        // A source further away has no sample in common with this one.
        let reach = 2.0 * self.data.layout.length as f64;
        for source in 0..self.candidates.len() {
            if self.cancel.is_set() {
                return;
            }
            let candidate = self.candidates[source];
            let mut others = self.candidates.iter().enumerate();
            if !others.any(|(i, c)| i != source && (c.onset - candidate.onset).abs() < reach) {
                continue;
            }
            let alone = self.with_source(&solved, source);
            let refined = refine(self.data, &alone, candidate);
            if self.is_occupied(refined.onset, Some(source)) {
                continue;
            }
            self.candidates[source] = refined;
            let ramp_length = refined.ramp_length;
            let all = self.unknowns.iter_mut().flatten();
            for unknown in all.filter(|u| u.source == source && u.wave.is_response()) {
                unknown.wave = Wave::Response { ramp_length };
            }
        }
        self.solve();
    }

    /// Drops single waves that are not significant, weakest first.
    pub(super) fn eliminate(&mut self) -> Vec<ChannelSolution> {
        for c in 0..self.unknowns.len() {
            while !self.cancel.is_set() {
                let solution = self.solve_channel(c);
                let weakest = (0..solution.n())
                    .map(|i| (i, solution.chi2_decrease(&[i])))
                    .filter(|(i, decrease)| *decrease < required_chi2(solution.unknowns[*i].wave))
                    .min_by(|a, b| a.1.total_cmp(&b.1));
                match weakest {
                    Some((i, _)) => drop(self.unknowns[c].remove(i)),
                    None => break,
                }
            }
        }
        self.solve()
    }

    /// Final selection, and the sources as they are returned.
    fn finish(mut self) -> Fitted {
        let mut solved = self.eliminate();
        while self.prune() {
            solved = self.eliminate();
        }
        let strengths = self.strengths(&solved);
        // Those of the significance test: reweighted amplitudes have another covariance.
        let decreases: Vec<Vec<f64>> = solved
            .iter()
            .map(|solution| {
                let of = |source| solution.chi2_decrease(&solution.of_source(source));
                (0..self.candidates.len()).map(of).collect()
            })
            .collect();
        self.reweight_amplitudes(&mut solved);
        let mut residual = self.data.white.to_vec();
        let mut sources: Vec<TemplateSource> = self
            .candidates
            .iter()
            .zip(&strengths)
            .map(|(candidate, (chi2_decrease, z))| TemplateSource {
                onset: candidate.onset,
                ramp_length: candidate.ramp_length,
                channels: vec![Vec::new(); self.data.n_channels()],
                chi2_decrease: *chi2_decrease,
                z: *z,
                misfit: self.data.misfit(&self.residual, candidate.onset),
            })
            .collect();
        for (c, solution) in solved.iter().enumerate() {
            for (index, source) in sources.iter_mut().enumerate() {
                let parts = shrunk(solution, index, decreases[c][index], &mut residual[c]);
                source.channels[c] = parts;
            }
        }
        sources.retain(|s| s.channels.iter().any(|parts| !parts.is_empty()));
        sources.sort_by(|a, b| a.onset.total_cmp(&b.onset));
        Fitted { sources, residual }
    }
}

/// Waves of a source on a channel, subtracted from the residual.
///
/// Amplitudes are shrunk by 1 - 2 k / chi2 for k waves: a fit of k unknowns to noise alone decreases chi-square by k.
fn shrunk(
    solution: &ChannelSolution,
    source: usize,
    chi2_decrease: f64,
    residual: &mut [f64],
) -> Vec<Part> {
    let group = solution.of_source(source);
    let k = group.len() as f64;
    let factor = (1.0 - 2.0 * k / chi2_decrease.max(f64::MIN_POSITIVE)).max(0.0);
    let part = |i: usize| {
        let amplitude = factor * solution.amplitudes[i];
        solution.placed[i].add_to(residual, -amplitude);
        Part {
            wave: solution.unknowns[i].wave,
            delay: solution.unknowns[i].delay,
            amplitude,
            deviation: solution.deviation(i),
        }
    };
    group.into_iter().map(part).collect()
}
