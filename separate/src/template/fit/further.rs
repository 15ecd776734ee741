//! Further steps of strong sources, each channel with a time and a ramp of its own, and amplitudes that allow for what a
//! shape does not describe.

use super::*;

/// Further waves a channel at most.
const FURTHER: usize = 2;
/// Fall of chi-square that a further wave must bring: three parameters, found by a search.
const FURTHER_FALL: f64 = 40.0;
/// Where further waves are looked for around the onset, in parts of a shape, and how finely.
const FURTHER_REACH: (f64, f64) = (-0.025, 0.09);
const FURTHER_STEPS: usize = 40;
/// Sources weaker than this get no further waves.
const FURTHER_Z: f64 = 12.0;

impl Work<'_> {
    /// Further waves with times and ramps of their own, channel by channel; whether there was any.
    pub(super) fn further(&mut self) -> bool {
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
    pub(super) fn balance(&self, solved: &mut [Solved]) {
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
                let Some(weights) = field.weights(pick.kind, c, size, pick.onset) else {
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
}

/// Delay and rise of the further wave on a channel that brings most beside a source's own, if it brings enough.
fn further_wave(
    field: &WhitenedData,
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
    let level = field.level(channel, pick.onset).powi(2);
    // Fall beside the others: the part of the wave that they do not span.
    let chi2_decrease = |delay: f64, rise: f64| -> f64 {
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
        (product(&kernel, against) - dot).powi(2) / rest / level
    };
    let length = field.layout.length as f64;
    let (from, to) = (FURTHER_REACH.0 * length, FURTHER_REACH.1 * length);
    let mut best = (0.0, 0.0, 0.0);
    for rise in RISES.map(|r| r * length) {
        for i in 0..=FURTHER_STEPS {
            let delay = from + (to - from) * i as f64 / FURTHER_STEPS as f64;
            let found = chi2_decrease(delay, rise);
            if found > best.0 {
                best = (found, delay, rise);
            }
        }
    }
    let mut negative = |[delay, rise]: [f64; 2]| {
        if delay < 1.5 * from || delay > 1.5 * to {
            0.0
        } else {
            -chi2_decrease(delay, rise.abs())
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
