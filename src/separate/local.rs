//! The local model where the source's cluster has windows enough, else the scattering objective.

use seismix_separate::{
    Channel, Error, LocalMethod, Method, Outcome, Problem, RejectionReason, ScatteringMethod,
    Separation,
};

/// Two methods, of which the second takes what the first has too little for.
pub(super) struct LocalOrScattering {
    pub local: LocalMethod,
    pub scattering: ScatteringMethod,
}

impl Method for LocalOrScattering {
    fn name(&self) -> &'static str {
        "local model of both clusters, scattering objective where windows are few"
    }

    fn takes_whole(&self, channel: &Channel) -> bool {
        self.local.takes_whole(channel)
    }

    fn separate(&self, problem: &Problem) -> Result<Separation, Error> {
        let found = match self.local.separate(problem) {
            Err(Error::NoSourceSnippets) => None,
            found => Some(found?),
        };
        let few = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::NotSeparable(RejectionReason::TooFewSnippets { .. })
            )
        };
        match found {
            Some(found) if !found.channels.iter().any(|c| few(&c.outcome)) => Ok(found),
            _ => self.scattering.separate(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn few_windows_go_to_the_scattering_objective() {
        let wave = |k: usize| -> Vec<f64> {
            (0..256)
                .map(|t| ((t * t * 3 + 7 * k * t + k) % 101) as f64 / 50.0 - 1.0)
                .collect()
        };
        let method = LocalOrScattering {
            local: LocalMethod::new(4),
            scattering: ScatteringMethod::to_expectation(4, 5),
        };
        for (n_sources, local) in [(0, false), (2, false), (8, true)] {
            let channel = Channel {
                mixture: wave(0)
                    .iter()
                    .zip(wave(50))
                    .map(|(a, b)| a + 3.0 * b)
                    .collect(),
                snippets: (1..9).map(wave).collect(),
                source_snippets: (51..51 + n_sources).map(wave).collect(),
            };
            let solved = method
                .separate(&Problem::new(vec![channel]).unwrap())
                .unwrap();
            assert_eq!(solved.channels[0].local.is_some(), local, "{n_sources}");
        }
    }
}
