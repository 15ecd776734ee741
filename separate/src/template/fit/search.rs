//! Where sources begin: correlation over all lags, then a simplex search of onset and ramp.

use super::*;

/// Rises that are searched, as parts of a shape.
pub(super) const RISES: [f64; 4] = [0.0, 0.022, 0.04, 0.065];
/// Evaluations of a refinement.
pub(super) const EVALUATIONS: usize = 80;

impl Work<'_> {
    /// The onset in a range that brings most.
    pub(super) fn search(
        &self,
        onsets: Range<isize>,
        demands: DetectionThresholds,
    ) -> Option<Pick> {
        let field = self.field;
        let valid = field.valid_lags() as isize;
        let mut best: Option<Pick> = None;
        let mut from = onsets.start;
        while from < onsets.end {
            let lags = valid.min(onsets.end - from) as usize;
            let segment = field.segment(&self.residual, from);
            let levels: Vec<Vec<f64>> = (0..field.n_channels())
                .map(|c| {
                    let of = |lag: usize| field.level(c, (from + lag as isize) as f64).powi(2);
                    (0..lags).map(of).collect()
                })
                .collect();
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
                                let level = levels[c][lag];
                                let (one, two) = pair(g11, g12, g22, steps[lag], jumps[c][lag]);
                                let (one, two) = (one / level, two / level);
                                *sum += one.max(two - PARAMETER);
                            }
                        }
                        for (lag, score) in score.into_iter().enumerate() {
                            let onset = (from + lag as isize) as f64 + half;
                            let better = best.is_none_or(|b| score > b.score)
                                && (score >= UNUSUAL_FALL || self.onset_is_typical(onset, demands));
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

    /// Onsets and ramps of all sources once more, each with the others taken off.
    pub(super) fn refine_all(&mut self) {
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
}

/// Correlation of a kernel with the data at all lags of the grid.
fn correlation(field: &WhitenedData, against: &[Complex64], kernel: &[Complex64]) -> Vec<f64> {
    let spectrum: Vec<Complex64> = against
        .iter()
        .zip(kernel)
        .enumerate()
        .map(|(k, (a, kernel))| a * kernel.conj() / field.fourier.weight(k))
        .collect();
    field.fourier.inverse(spectrum)
}

/// The best onset and ramp near a pick, in a residual that holds no other source.
pub(super) fn refine(field: &WhitenedData, residual: &[Vec<f64>], pick: Pick) -> Pick {
    let whole = pick.onset.floor();
    let segment = field.segment(residual, whole as isize);
    let against = field.against(pick.kind, &segment);
    let longest = field.layout.longest_rise as f64;
    let reach = field.layout.lead as f64 / 2.0;
    let score = |delay: f64, rise: f64| -> f64 {
        if (delay - (pick.onset - whole)).abs() > reach || rise > longest {
            return 0.0;
        }
        let falls = field.falls(pick.kind, &against, whole, delay, rise);
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
