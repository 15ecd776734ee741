//! Acceptance test of the result of any method: the similarity of a background to the snippets.

use seismix_scattering::Real;

use crate::channel::{Assessment, Channel, ChannelSeparation, Optimization, RejectionReason};
use crate::error::Error;
use crate::scattering::loss::ScatteringLoss;
use crate::scattering::terms::{ObjectiveOptions, ObjectiveTerms};
use crate::wiener::LocalWiener;

/// Share of the snippets that a mixture may exceed, by L1 and by the local Wiener filter, and still be background.
// Chosen on toys of six kinds of source at 3 to 20 dB in two kinds of background (docs/benchmarks.md).
const CONSISTENT: f64 = 0.75;
/// Ratio of a term to the largest of a left-out snippet above which a result is rejected.
const IMPOSSIBLE: f64 = 2.0;
/// Excess of a background's energy over the mixture's above which it is not a part of the mixture, dB.
// By chance source and background may cancel a little.
const EXCESS_DB: f64 = 1.0;

/// Acceptance test in double precision.
pub type AcceptanceTest<'a> = AcceptanceTestIn<'a, f64>;

/// Scattering objective of one channel, with the expected terms at the truth; transforms run in `F`.
pub struct AcceptanceTestIn<'a, F: Real> {
    channel: &'a Channel,
    objective: ScatteringLoss<F>,
    wiener: LocalWiener,
    start: ObjectiveTerms,
    /// Expected L1 at the truth, which does not depend on the source, and the largest that passes for background.
    expected_background: f64,
    consistent_background: f64,
    /// A typical sample of the background.
    scale: f64,
}

/// Expected terms at the truth, from leaving out one snippet after the other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LeaveOneOutTerms {
    /// The median of each term.
    pub median: ObjectiveTerms,
    /// The largest of each term.
    pub largest: ObjectiveTerms,
}

impl<'a, F: Real> AcceptanceTestIn<'a, F> {
    /// Builds the test for one channel.
    ///
    /// # Errors
    /// Those of [`ScatteringLoss::new`], and [`Error::NoBackground`] if the snippets hold no signal.
    pub fn new(channel: &'a Channel, options: ObjectiveOptions) -> Result<Self, Error> {
        let objective = ScatteringLoss::new(&channel.mixture, &channel.snippets, options)?;
        let power = channel.snippets.iter().map(|s| power(s)).sum::<f64>();
        let scale = (power / channel.snippets.len() as f64).sqrt();
        // Silent snippets have no spread, and every weight would be infinite.
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::NoBackground);
        }
        let mut expected = objective.expected_background_terms();
        expected.sort_by(f64::total_cmp);
        Ok(Self {
            expected_background: at_quantile(&expected, 0.5),
            consistent_background: at_quantile(&expected, CONSISTENT),
            start: objective.evaluate(&channel.mixture, None),
            wiener: LocalWiener::new(channel.mixture.len(), &channel.snippets),
            objective,
            channel,
            scale,
        })
    }

    /// The objective.
    pub fn objective(&self) -> &ScatteringLoss<F> {
        &self.objective
    }

    /// The local Wiener filter of the channel.
    pub fn wiener(&self) -> &LocalWiener {
        &self.wiener
    }

    /// Root mean square of the snippets about their means.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Expected terms at the truth if the source is the mixture minus `background`.
    pub fn expectation(&self, background: &[f64]) -> LeaveOneOutTerms {
        let all = self.objective.expected_terms(background);
        let of = |quantile: f64| {
            let term = |i: usize| {
                let mut values: Vec<f64> = all.iter().map(|terms| terms.to_array()[i]).collect();
                values.sort_by(f64::total_cmp);
                at_quantile(&values, quantile)
            };
            ObjectiveTerms::from_array([term(0), term(1), term(2)])
        };
        LeaveOneOutTerms {
            median: of(0.5),
            largest: of(1.0),
        }
    }

    /// Reports if the loss, or L1 alone, is at most its expected value at the truth.
    pub fn at_expectation(&self, background: &[f64], terms: &ObjectiveTerms) -> bool {
        // L1 alone suffices: where the background differs from the snippets in its own way, the other terms never
        // reach their expectation, and minimising them further removes the background instead (12.6 dB became 2.3).
        terms.background <= self.expected_background
            || terms.loss() <= self.expectation(background).median.loss()
    }

    /// Verdict before any separation: a mixture without signal, or one that is background already.
    pub fn without_method(&self) -> Option<ChannelSeparation> {
        self.without_signal().or_else(|| {
            // Both: L1 does not see short pulses, and the filter does not see changes of texture.
            let consistent = self.start.background <= self.consistent_background
                && self.wiener.rank(&self.channel.mixture) <= CONSISTENT;
            let unchanged = || ChannelSeparation::unchanged(&self.channel.mixture);
            consistent.then(|| self.assessed(unchanged()))
        })
    }

    /// The verdict on a mixture without signal.
    pub fn without_signal(&self) -> Option<ChannelSeparation> {
        let silent = power(&self.channel.mixture) == 0.0;
        silent.then(|| {
            let mixture = &self.channel.mixture;
            let rejected = Err(RejectionReason::NoSignal);
            let separation = ChannelSeparation::judged(mixture, Vec::new(), rejected);
            self.assessed(separation)
        })
    }

    /// Adds the terms to a separation that leaves the mixture unchanged.
    fn assessed(&self, separation: ChannelSeparation) -> ChannelSeparation {
        let expectation = self.expectation(&separation.background);
        ChannelSeparation {
            assessment: Some(self.assessment(self.start, expectation)),
            ..separation
        }
    }

    fn assessment(&self, end: ObjectiveTerms, expectation: LeaveOneOutTerms) -> Assessment {
        Assessment {
            start: self.start,
            end,
            expected: expectation.median,
            largest: expectation.largest,
        }
    }

    /// Terms at a background, and their expectation at the truth.
    pub fn assess(&self, background: &[f64]) -> Assessment {
        let end = self.objective.evaluate(background, None);
        self.assessment(end, self.expectation(background))
    }

    /// The verdict on a background that a method found.
    pub fn verdict(
        &self,
        background: Vec<f64>,
        optimization: Option<Optimization>,
    ) -> ChannelSeparation {
        let end = match optimization.as_ref().and_then(|o| o.history.last()) {
            Some(terms) => *terms,
            None => self.objective.evaluate(&background, None),
        };
        let expectation = self.expectation(&background);
        let verdict = self.check(&background, end, &expectation);
        ChannelSeparation {
            assessment: Some(self.assessment(end, expectation)),
            optimization,
            ..ChannelSeparation::judged(&self.channel.mixture, background, verdict)
        }
    }

    fn check(
        &self,
        background: &[f64],
        end: ObjectiveTerms,
        expected: &LeaveOneOutTerms,
    ) -> Result<(), RejectionReason> {
        // Subtracting a part of the mixture cannot add energy, apart from chance correlation.
        let excess_db = 10.0 * (power(background) / power(&self.channel.mixture)).log10();
        if excess_db > EXCESS_DB {
            return Err(RejectionReason::LessThanBackground { excess_db });
        }
        let terms = end.to_array().into_iter().zip(expected.largest.to_array());
        let exceeding = |(_, (value, largest)): &(usize, (f64, f64))| *value > IMPOSSIBLE * largest;
        match terms.enumerate().find(exceeding) {
            Some((i, (value, largest))) => Err(RejectionReason::Term {
                term: i + 1,
                value,
                largest,
            }),
            None => Ok(()),
        }
    }
}

/// Mean square about the mean.
fn power(signal: &[f64]) -> f64 {
    let n = signal.len().max(1) as f64;
    let mean = signal.iter().sum::<f64>() / n;
    signal.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n
}

/// Quantile of sorted values, interpolated linearly.
fn at_quantile(sorted: &[f64], quantile: f64) -> f64 {
    let at = quantile * (sorted.len().max(1) - 1) as f64;
    let below = sorted[at as usize];
    let above = sorted[(at as usize + 1).min(sorted.len() - 1)];
    below + at.fract() * (above - below)
}
