//! False discovery rates from the competition of finds with those of decoys.

use serde::{Deserialize, Serialize};

/// Least score with a false discovery rate. Below, nothing tried tells sources from chance in quiet hours.
pub(crate) const MIN_SCORE: f64 = 40.0;

/// A find in the competition: onset in seconds, and score F.
pub type Entry = (f64, f64);

/// A find of the template that no better decoy displaced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankedFind {
    /// Index of the find among those given.
    pub index: usize,
    /// Its score F.
    pub score: f64,
    /// False discovery rate among all finds of its stratum at least as good; `None` below the least score.
    pub q: Option<f64>,
}

/// Outcome of the competition in one stratum of noise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Competition {
    /// Finds that won, by falling score.
    pub finds: Vec<RankedFind>,
    /// Scores of the decoys that won, falling.
    pub decoys: Vec<f64>,
    /// Their indices among those given.
    pub decoy_indices: Vec<usize>,
}

/// Lets finds and decoys compete for the same seconds, and estimates the share of false ones among the winners.
///
/// From the best score down, a find loses to a decoy that won within `within` seconds, a decoy loses to any winner
/// there. With W target wins and V decoy wins of score F or more, the false discovery rate is `(1 + V) / W`; q is the
/// least of these at or below a find's score. Each decoy win counts as one false find although there are three decoys:
/// each meets signals that the others do not see.
pub fn compete(finds: &[Entry], decoys: &[Entry], within: f64) -> Competition {
    struct Runner {
        onset: f64,
        score: f64,
        index: usize,
        is_target: bool,
    }
    let targets = finds.iter().enumerate();
    let mut runners: Vec<Runner> = targets
        .map(|(index, (onset, score))| Runner {
            onset: *onset,
            score: *score,
            index,
            is_target: true,
        })
        .chain(
            decoys
                .iter()
                .enumerate()
                .map(|(index, (onset, score))| Runner {
                    onset: *onset,
                    score: *score,
                    index,
                    is_target: false,
                }),
        )
        .collect();
    // Among equals a decoy comes first: the estimate must not be too low.
    runners.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(a.is_target.cmp(&b.is_target))
            .then(a.onset.total_cmp(&b.onset))
    });
    let mut winners: std::collections::BTreeMap<i64, Vec<(f64, bool)>> =
        std::collections::BTreeMap::new();
    let cell = |onset: f64| (onset / within).floor() as i64;
    let mut outcome = Competition::default();
    for runner in runners {
        let here = cell(runner.onset);
        let mut rivals = winners
            .range(here - 1..=here + 1)
            .flat_map(|(_, w)| w)
            .filter(|(onset, _)| (onset - runner.onset).abs() < within);
        let wins = match runner.is_target {
            true => rivals.all(|(_, is_target)| *is_target),
            false => rivals.next().is_none(),
        };
        if !wins {
            continue;
        }
        winners
            .entry(here)
            .or_default()
            .push((runner.onset, runner.is_target));
        if runner.is_target {
            outcome.finds.push(RankedFind {
                index: runner.index,
                score: runner.score,
                q: None,
            });
        } else {
            outcome.decoys.push(runner.score);
            outcome.decoy_indices.push(runner.index);
        }
    }
    outcome.rank();
    outcome
}

impl Competition {
    /// q of each find, from the lowest score up.
    fn rank(&mut self) {
        let mut least = f64::INFINITY;
        for i in (0..self.finds.len()).rev() {
            let score = self.finds[i].score;
            let false_finds = 1 + self.decoys.partition_point(|d| *d >= score);
            least = least.min(false_finds as f64 / (i + 1) as f64);
            self.finds[i].q = (score >= MIN_SCORE).then_some(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoys_near_better_finds_do_not_count_and_displace_worse_ones() {
        let finds = [
            (0.0, 100.0),
            (50.0, 60.0),
            (100.0, 80.0),
            (103.0, 90.0),
            (200.0, 39.0),
        ];
        let decoys = [(4.0, 90.0), (52.0, 70.0), (300.0, 85.0)];
        let found = compete(&finds, &decoys, 6.0);
        let scores: Vec<f64> = found.finds.iter().map(|f| f.score).collect();
        assert_eq!(scores, [100.0, 90.0, 80.0, 39.0]);
        assert_eq!(found.decoys, [85.0, 70.0]);
        let q: Vec<Option<f64>> = found.finds.iter().map(|f| f.q).collect();
        // 1/1, 1/2, 2/3, 3/4 by falling score; the least at or below each.
        assert_eq!(q, [Some(0.5), Some(0.5), Some(2.0 / 3.0), None]);
    }
}
