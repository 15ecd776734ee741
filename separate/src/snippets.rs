//! Choice of the background windows that serve as snippets for a target.

/// Window that may serve as a background snippet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SnippetCandidate {
    /// First sample, ns UTC (or of local mean solar time, the same for all).
    pub start_ns: i64,
    /// One past the last sample.
    pub end_ns: i64,
    /// Probability that it holds background alone, 0 to 1.
    pub probability: f64,
}

/// Rules of the choice of snippets for a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SnippetRules {
    /// Most snippets.
    pub count: usize,
    /// Least probability of a candidate.
    pub min_probability: f64,
    /// Length of the local day, ns: 86 400 s on Earth and 88 775.244 s on Mars.
    pub day_ns: i64,
    /// Seconds of local time that a distance of one day is equivalent to.
    pub day_penalty_s: f64,
}

/// Indices of the candidates nearest to a target in local time of day, in order of distance.
///
/// They overlap neither the target (start and end, ns) nor one another.
pub fn choose_snippets(
    candidates: &[SnippetCandidate],
    target: (i64, i64),
    rules: SnippetRules,
) -> Vec<usize> {
    let SnippetRules {
        count,
        min_probability,
        day_ns,
        day_penalty_s,
    } = rules;
    let middle = |start: i64, end: i64| start + (end - start) / 2;
    let target_middle = middle(target.0, target.1);
    let distance = |candidate: &SnippetCandidate| {
        let difference = middle(candidate.start_ns, candidate.end_ns) - target_middle;
        // Noise repeats with the local day, so 23 h apart are as near as 1 h.
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
    // Ties by index, so that equal distances give the same choice everywhere.
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

    fn rules(count: usize, day_penalty_s: f64) -> SnippetRules {
        SnippetRules {
            count,
            min_probability: 0.8,
            day_ns: DAY_NS,
            day_penalty_s,
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
            choose_snippets(&candidates, target, rules(9, 600.0)),
            vec![2, 1, 3]
        );
        assert_eq!(
            choose_snippets(&candidates, target, rules(2, 1e6)),
            vec![1, 3]
        );
        assert!(choose_snippets(&[], target, rules(2, 0.0)).is_empty());
    }
}
