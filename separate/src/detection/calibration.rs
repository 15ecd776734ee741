//! False discovery rates of a station, estimated once from finds and decoys, and applied to any of its days.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::competition::{MIN_SCORE, compete};

/// Fewest wins above the least score with which a stratum stands by itself; with fewer it joins the next windier one.
const MIN_STRATUM_WINS: usize = 40;
/// Finds and decoys within this many seconds compete.
pub const COMPETITION_S: f64 = 6.0;
/// Ratio of the 90th to the 10th percentile of the noise above which a record has two strata.
const LEAST_SPREAD: f64 = 3.0;

/// A find or decoy as the calibration sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Onset in seconds from any one instant.
    pub onset_s: f64,
    /// Score F.
    pub score: f64,
    /// Noise around it: the largest deviation of the channels, in the record's unit.
    pub noise: f64,
}

/// Winners of the competition between finds and decoys, by stratum of noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Strata by rising noise, which together cover all of it.
    pub strata: Vec<Stratum>,
}

/// Stretches of a record with similar noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stratum {
    /// Least noise, in the record's unit; 0 for the quietest.
    pub noise_from: f64,
    /// Least and largest noise of the record's parts.
    #[serde(default)]
    pub noise_seen: (f64, f64),
    /// Hours of record.
    pub hours: f64,
    /// Scores of finds that won, falling.
    pub finds: Vec<f64>,
    /// Scores of decoys that won, falling.
    pub decoys: Vec<f64>,
    /// Hours and decoys from elsewhere that this stratum is judged with as well.
    #[serde(default)]
    pub prior: Option<PriorDecoys>,
}

/// Decoys of other records of the same instrument and noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PriorDecoys {
    /// Hours of record.
    pub hours: f64,
    /// Scores of decoys that won, falling.
    pub decoys: Vec<f64>,
}

/// Hours of a record with their noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseHours {
    /// Largest deviation of the channels, in the record's unit.
    pub noise: f64,
    /// Hours.
    pub hours: f64,
}

/// Indices of the finds, and of the decoys, that win the competition for their seconds.
pub fn winners(finds: &[Scored], decoys: &[Scored]) -> (Vec<usize>, Vec<usize>) {
    let entries = |scored: &[Scored]| -> Vec<(f64, f64)> {
        scored.iter().map(|s| (s.onset_s, s.score)).collect()
    };
    let outcome = compete(&entries(finds), &entries(decoys), COMPETITION_S);
    let finds = outcome.finds.iter().map(|f| f.index).collect();
    (finds, outcome.decoy_indices)
}

impl Calibration {
    /// Calibrates with the finds and decoys of a record, and the noise of its parts.
    pub fn new(finds: &[Scored], decoys: &[Scored], parts: &[NoiseHours]) -> Self {
        let (won, lost) = winners(finds, decoys);
        let split = split(parts);
        let mut strata = Vec::new();
        for inside in [0.0..split, split..f64::INFINITY] {
            if inside.is_empty() {
                continue;
            }
            strata.push(Stratum {
                noise_from: inside.start,
                noise_seen: seen(parts, &inside),
                hours: hours(parts, &inside),
                finds: falling(won.iter().map(|i| &finds[*i]), &inside),
                decoys: falling(lost.iter().map(|i| &decoys[*i]), &inside),
                prior: None,
            });
        }
        let mut calibration = Self { strata };
        calibration.join_small();
        calibration
    }

    /// Joins strata with few finds to the next windier one.
    fn join_small(&mut self) {
        let mut i = 0;
        while i + 1 < self.strata.len() {
            if self.strata[i].n_sure_candidates() >= MIN_STRATUM_WINS {
                i += 1;
                continue;
            }
            let quiet = self.strata.remove(i);
            let windy = &mut self.strata[i];
            windy.noise_from = quiet.noise_from;
            windy.noise_seen.0 = quiet.noise_seen.0.min(windy.noise_seen.0);
            windy.noise_seen.1 = quiet.noise_seen.1.max(windy.noise_seen.1);
            windy.hours += quiet.hours;
            windy.finds.extend(quiet.finds);
            windy.decoys.extend(quiet.decoys);
            windy.finds.sort_by(|a, b| b.total_cmp(a));
            windy.decoys.sort_by(|a, b| b.total_cmp(a));
        }
    }

    /// Judges strata with few hours by the decoys of other records as well.
    ///
    /// Of those the strata are used that meet the noise of this record, in the same unit; of several the one with most
    /// decoys above the least score an hour, which promises least.
    pub fn with_prior(mut self, prior: &Self) -> Self {
        for stratum in &mut self.strata {
            let found = prior.most_decoys(stratum.noise_seen);
            stratum.prior = found.filter(|p| stratum.hours < p.hours);
        }
        self
    }

    fn most_decoys(&self, (quietest, windiest): (f64, f64)) -> Option<PriorDecoys> {
        let next = self.strata.iter().skip(1).map(|s| s.noise_from);
        let ends = next.chain([f64::INFINITY]);
        let rate = |s: &&Stratum| {
            let above = s.decoys.partition_point(|d| *d >= MIN_SCORE);
            above as f64 / s.hours.max(f64::MIN_POSITIVE)
        };
        self.strata
            .iter()
            .zip(ends)
            .filter(|(s, end)| s.noise_from <= windiest && quietest < *end && s.hours > 0.0)
            .map(|(s, _)| s)
            .max_by(|a, b| rate(a).total_cmp(&rate(b)))
            .map(|s| PriorDecoys {
                hours: s.hours,
                decoys: s.decoys.clone(),
            })
    }

    /// Index of the stratum of a noise.
    pub fn stratum(&self, noise: f64) -> usize {
        let above = self.strata.partition_point(|s| s.noise_from <= noise);
        above.saturating_sub(1)
    }

    /// The q-value of a score: the least false discovery rate at a threshold at or below it. `None` below the least
    /// score that is judged, or without a record to judge by.
    pub fn q(&self, noise: f64, score: f64) -> Option<f64> {
        self.strata.get(self.stratum(noise))?.q(score)
    }
}

impl Stratum {
    /// Finds above the least score that is judged.
    fn n_sure_candidates(&self) -> usize {
        self.finds.partition_point(|f| *f >= MIN_SCORE)
    }

    /// The score of the best decoy; 0 without any.
    pub fn best_decoy(&self) -> f64 {
        self.decoys.first().copied().unwrap_or(0.0)
    }

    /// Expected share of false ones among the finds of this score or more, by decoys at least as good.
    ///
    /// `e(F) = (1 + V) / W`; with decoys of other records `(1 + V + V') h / (h + h') / W` for h hours here, h' there.
    fn false_share(&self, score: f64) -> f64 {
        let at_least = |scores: &[f64]| scores.partition_point(|s| *s >= score) as f64;
        let mut expected = 1.0 + at_least(&self.decoys);
        if let Some(prior) = &self.prior {
            let share = self.hours / (self.hours + prior.hours);
            expected = (expected + at_least(&prior.decoys)) * share;
        }
        expected / at_least(&self.finds).max(1.0)
    }

    /// See [`Calibration::q`].
    pub fn q(&self, score: f64) -> Option<f64> {
        if score.is_nan() || score < MIN_SCORE || self.finds.is_empty() {
            return None;
        }
        let judged = &self.finds[..self.n_sure_candidates()];
        // A score between two finds belongs to the better threshold of those below it.
        let below = judged.iter().filter(|f| **f <= score);
        let own = std::iter::once(self.false_share(score));
        let q = own.chain(below.map(|f| self.false_share(*f)));
        Some(q.fold(f64::INFINITY, f64::min))
    }

    /// The least q that any find of the stratum has.
    pub fn least_q(&self) -> Option<f64> {
        self.q(self.finds.first().copied()?)
    }

    /// The least score with a q of at most `rate`.
    pub fn threshold(&self, rate: f64) -> Option<f64> {
        let judged = &self.finds[..self.n_sure_candidates()];
        let kept = judged.iter().rev();
        kept.copied()
            .find(|f| self.q(*f).is_some_and(|q| q <= rate))
    }
}

/// Noise that divides quiet from windy hours: the geometric mean of its 10th and 90th percentile if these are far
/// apart, else infinity.
fn split(parts: &[NoiseHours]) -> f64 {
    let mut sorted: Vec<NoiseHours> = parts.iter().copied().filter(|p| p.noise > 0.0).collect();
    sorted.sort_by(|a, b| a.noise.total_cmp(&b.noise));
    let total: f64 = sorted.iter().map(|p| p.hours).sum();
    let at = |share: f64| {
        let mut sum = 0.0;
        let reached = sorted.iter().find(|p| {
            sum += p.hours;
            sum >= share * total
        });
        reached.map(|p| p.noise)
    };
    match (at(0.1), at(0.9)) {
        (Some(low), Some(high)) if high > LEAST_SPREAD * low => (low * high).sqrt(),
        _ => f64::INFINITY,
    }
}

/// Least and largest noise of the parts in a stratum; 0 for both without any.
fn seen(parts: &[NoiseHours], inside: &Range<f64>) -> (f64, f64) {
    let inside = || parts.iter().map(|p| p.noise).filter(|n| inside.contains(n));
    let least = inside().min_by(f64::total_cmp);
    let largest = inside().max_by(f64::total_cmp);
    (least.unwrap_or(0.0), largest.unwrap_or(0.0))
}

fn hours(parts: &[NoiseHours], inside: &Range<f64>) -> f64 {
    let of = parts.iter().filter(|p| inside.contains(&p.noise));
    of.map(|p| p.hours).sum()
}

fn falling<'a>(scored: impl Iterator<Item = &'a Scored>, inside: &Range<f64>) -> Vec<f64> {
    let of = scored.filter(|s| inside.contains(&s.noise));
    let mut scores: Vec<f64> = of.map(|s| s.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scored(scores: &[f64], noise: f64, first_s: f64) -> Vec<Scored> {
        let of = |(i, score): (usize, &f64)| Scored {
            onset_s: first_s + 100.0 * i as f64,
            score: *score,
            noise,
        };
        scores.iter().enumerate().map(of).collect()
    }

    fn hours(noise: f64, hours: f64) -> NoiseHours {
        NoiseHours { noise, hours }
    }

    #[test]
    fn q_is_that_of_the_competition() {
        let scores: Vec<f64> = (0..60).map(|i| 400.0 - 5.0 * f64::from(i)).collect();
        let finds = scored(&scores, 1.0, 0.0);
        let decoys = scored(&[120.0, 60.0, 45.0], 1.0, 50.0);
        let calibration = Calibration::new(&finds, &decoys, &[hours(1.0, 10.0)]);
        assert_eq!(calibration.strata.len(), 1);
        let entries =
            |s: &[Scored]| -> Vec<(f64, f64)> { s.iter().map(|s| (s.onset_s, s.score)).collect() };
        let outcome = compete(&entries(&finds), &entries(&decoys), COMPETITION_S);
        for find in &outcome.finds {
            assert_eq!(calibration.q(1.0, find.score), find.q, "{}", find.score);
        }
        assert_eq!(calibration.q(1.0, 39.9), None);
        assert!(calibration.strata[0].threshold(0.05).unwrap() >= 100.0);
    }

    #[test]
    fn quiet_and_windy_hours_are_judged_apart() {
        let scores: Vec<f64> = (0..50).map(|i| 300.0 - f64::from(i)).collect();
        let quiet = scored(&scores, 1.0, 0.0);
        let windy = scored(&scores, 20.0, 1e6);
        let decoys = scored(&[350.0; 10], 20.0, 2e6);
        let parts = [hours(1.0, 10.0), hours(20.0, 10.0)];
        let calibration = Calibration::new(&[quiet, windy].concat(), &decoys, &parts);
        assert_eq!(calibration.strata.len(), 2);
        assert_eq!(calibration.q(1.0, 300.0), Some(1.0 / 50.0));
        assert_eq!(calibration.q(20.0, 300.0), Some(11.0 / 50.0));
        assert_eq!((calibration.stratum(0.0), calibration.stratum(1e9)), (0, 1));
    }

    #[test]
    fn few_finds_are_judged_with_decoys_of_other_hours() {
        let finds = scored(&[200.0, 100.0, 80.0], 1.0, 0.0);
        let alone = Calibration::new(&finds, &[], &[hours(1.0, 3.0)]);
        assert_eq!(alone.q(1.0, 200.0), Some(1.0 / 3.0));
        let many: Vec<f64> = (0..60).map(|i| 500.0 - f64::from(i)).collect();
        let elsewhere = Calibration::new(
            &scored(&many, 1.0, 0.0),
            &scored(&[90.0], 1.0, 50.0),
            &[hours(1.0, 57.0)],
        );
        let joined = alone.with_prior(&elsewhere);
        // Above 90 one false find in 60 hours, 2 of its 3 finds in 3 hours.
        assert!((joined.q(1.0, 200.0).unwrap() - 0.05 / 2.0).abs() < 1e-12);
        // At 80 two, of all three.
        assert!((joined.q(1.0, 80.0).unwrap() - 0.1 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_judge_by_gives_no_q() {
        let empty = Calibration::new(&[], &[], &[]);
        assert_eq!(empty.q(1.0, 1e9), None);
        assert_eq!(empty.strata[0].least_q(), None);
    }
}
