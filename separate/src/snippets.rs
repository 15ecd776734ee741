//! Which background windows serve as snippets for a target.

/// A window that could serve as a background snippet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SnippetCandidate {
    /// First sample, ns UTC (or of local mean solar time, the same for all).
    pub start_ns: i64,
    /// One past the last sample.
    pub end_ns: i64,
    /// How sure the model is that it holds background alone, 0..1.
    pub probability: f64,
}

/// Indices of at most `count` candidates that do not overlap the target nor one another, of probability at least
/// `min_probability`, nearest in local time of day (a day apart costs as much as `day_penalty_s` seconds of it),
/// in order of distance. `day_ns` is the length of the local day, 86 400 s on Earth and 88 775.244 s on Mars.
pub fn choose_snippets(
    candidates: &[SnippetCandidate],
    target: (i64, i64),
    count: usize,
    min_probability: f64,
    day_ns: i64,
    day_penalty_s: f64,
) -> Vec<usize> {
    let middle = |start: i64, end: i64| start + (end - start) / 2;
    let target_middle = middle(target.0, target.1);
    let distance = |candidate: &SnippetCandidate| {
        let difference = middle(candidate.start_ns, candidate.end_ns) - target_middle;
        let of_day = difference.rem_euclid(day_ns);
        let of_day = of_day.min(day_ns - of_day);
        let days = ((difference.abs() + day_ns / 2) / day_ns) as f64;
        of_day as f64 / 1e9 + days * day_penalty_s
    };
    let mut order: Vec<(f64, usize)> = candidates
        .iter()
        .enumerate()
        .filter(|(_, c)| {
            c.probability >= min_probability && (c.end_ns <= target.0 || c.start_ns >= target.1)
        })
        .map(|(index, c)| (distance(c), index))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = Vec::new();
    for (_, index) in order {
        if chosen.len() == count {
            break;
        }
        let candidate = &candidates[index];
        let apart = |other: &usize| {
            candidates[*other].end_ns <= candidate.start_ns
                || candidates[*other].start_ns >= candidate.end_ns
        };
        if chosen.iter().all(apart) {
            chosen.push(index);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NS: i64 = 86_400_000_000_000;
    const HOUR: i64 = DAY_NS / 24;

    fn candidate(start: i64, probability: f64) -> SnippetCandidate {
        SnippetCandidate {
            start_ns: start,
            end_ns: start + HOUR,
            probability,
        }
    }

    #[test]
    fn nearest_in_local_time_sure_and_apart() {
        let candidates = [
            candidate(0, 0.9),
            candidate(HOUR / 2, 0.9),
            candidate(DAY_NS + 2 * HOUR, 0.9),
            candidate(10 * HOUR, 0.9),
            candidate(3 * HOUR, 0.5),
            candidate(2 * HOUR, 0.9),
        ];
        let target = (2 * HOUR, 3 * HOUR);
        // 5 is the target itself, 4 is unsure, 0 overlaps 1, and 2 stands at the same hour of the next day.
        assert_eq!(
            choose_snippets(&candidates, target, 9, 0.8, DAY_NS, 600.0),
            vec![2, 1, 3]
        );
        assert_eq!(
            choose_snippets(&candidates, target, 2, 0.8, DAY_NS, 1e6),
            vec![1, 3]
        );
        assert!(choose_snippets(&[], target, 2, 0.8, DAY_NS, 0.0).is_empty());
    }
}
