//! Expected terms at the truth, estimated from the snippets by leaving one out.

use rayon::prelude::*;
use seismix_scattering::{Complex, Layers, Real};

use crate::scattering::loss::ScatteringLoss;
use crate::scattering::spread::{distance, doubles, size};
use crate::scattering::terms::ObjectiveTerms;

impl<F: Real> ScatteringLoss<F> {
    /// Expected L1 at the true background: each snippet in turn is the background, compared with the others.
    pub fn expected_background_terms(&self) -> Vec<f64> {
        let samples = &self.background.samples;
        (0..samples.len())
            .map(|k| {
                // With its own deviation in the weights, a snippet would seem more typical than an unseen background.
                let weights = self.background.weights_without(k);
                mean_of_others(k, samples, |other| distance(&samples[k], other, &weights))
                    / weights.len() as f64
            })
            .collect()
    }

    /// Expected terms at the truth if the source is x - `background`.
    ///
    /// Each snippet n_k in turn is the unseen background of the mixture x - n + n_k, and the terms at that truth are
    /// taken over the other snippets. The deviations of L2 and L3 are those around the mixture at hand, without n_k.
    pub fn expected_terms(&self, background: &[f64]) -> Vec<ObjectiveTerms> {
        let measured = self.measure_snippets(background);
        // Deviations around the mixture at hand need R forward transforms in place of R^2.
        let sums: Vec<Vec<Complex<f64>>> = measured.iter().map(|m| m.sum.clone()).collect();
        self.expected_background_terms()
            .into_iter()
            .enumerate()
            .map(|(k, l1)| {
                let weights = self.sums.weights_without(k);
                let l2 = mean_of_others(k, &sums, |other| distance(&sums[k], other, &weights))
                    / weights.len() as f64;
                let l3: f64 = (0..2)
                    .map(|order| {
                        let weights = self.crosses[order].weights_without(k);
                        let of = |m: &Measured| size(&m.crosses[order], &weights);
                        0.5 * mean_of_others(k, &measured, of) / weights.len() as f64
                    })
                    .sum();
                ObjectiveTerms {
                    background: l1,
                    mixture: l2,
                    independence: l3,
                }
            })
            .collect()
    }

    /// Phi(x - n + n_k) and both orders of Phi_x(x - n, n_k), for each snippet.
    fn measure_snippets(&self, background: &[f64]) -> Vec<Measured> {
        let mut work = self.take_workspace();
        let source: Layers<F> = self.source_layers(background, &mut work);
        self.return_workspace(work);
        let transform = self.covariance.transform();
        self.snippets
            .par_iter()
            .map(|snippet| {
                let mut work = self.take_workspace();
                self.measure_sum(&source, snippet, &mut work);
                let crosses = [(&source, snippet), (snippet, &source)].map(|(left, right)| {
                    self.correlations
                        .process(transform, left, right, &mut work.cross);
                    doubles(&work.cross)
                });
                let sum = doubles(&work.phi);
                self.return_workspace(work);
                Measured { sum, crosses }
            })
            .collect()
    }
}

struct Measured {
    sum: Vec<Complex<f64>>,
    crosses: [Vec<Complex<f64>>; 2],
}

fn mean_of_others<T>(k: usize, all: &[T], value: impl Fn(&T) -> f64) -> f64 {
    let others = all.iter().enumerate().filter(|(other, _)| *other != k);
    others.map(|(_, other)| value(other)).sum::<f64>() / (all.len() - 1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::scattering::loss::ScatteringObjective;
    use crate::scattering::terms::ObjectiveOptions;
    use crate::test_noise::red as noise;

    /// Leaving out snippet k gives the terms of a loss without it at n_k: L1 exactly, the others except for the
    /// mixture that their deviations are taken around.
    #[test]
    fn l1_is_that_of_a_loss_built_without_the_snippet() {
        let snippets: Vec<Vec<f64>> = (1..8).map(|seed| noise(seed, 256)).collect();
        let mixture = noise(50, 256);
        let options = ObjectiveOptions::paper(4);
        let all = ScatteringObjective::new(&mixture, &snippets, options).unwrap();
        for (k, expected) in all.expected_background_terms().into_iter().enumerate() {
            let mut others = snippets.clone();
            let unseen = others.remove(k);
            let without = ScatteringObjective::new(&mixture, &others, options).unwrap();
            let direct = without.evaluate(&unseen, None).background;
            assert!(
                (expected / direct - 1.0).abs() < 1e-9,
                "{k}: {expected} {direct}"
            );
        }
    }

    /// Over many draws, the median of each term at the truth is what the snippets say, within its sampling error.
    #[test]
    fn terms_at_the_truth_are_as_expected() {
        let source: Vec<f64> = (0..256)
            .map(|t| 3.0 * (-((t as f64 - 120.0) / 9.0).powi(2)).exp())
            .collect();
        let mut ratios: [Vec<f64>; 3] = Default::default();
        for draw in 0..40 {
            let seed = 1000 * (draw + 1);
            let truth = noise(seed, 256);
            let snippets: Vec<Vec<f64>> = (1..13).map(|k| noise(seed + k, 256)).collect();
            let mixture: Vec<f64> = truth.iter().zip(&source).map(|(n, g)| n + g).collect();
            let objective =
                ScatteringObjective::new(&mixture, &snippets, ObjectiveOptions::paper(4)).unwrap();
            let at_truth = objective.evaluate(&truth, None).to_array();
            let expected = objective.expected_terms(&truth);
            for (i, ratios) in ratios.iter_mut().enumerate() {
                let mut of_term: Vec<f64> = expected.iter().map(|t| t.to_array()[i]).collect();
                of_term.sort_by(f64::total_cmp);
                ratios.push(at_truth[i] / of_term[of_term.len() / 2]);
            }
        }
        for (i, ratios) in ratios.iter_mut().enumerate() {
            ratios.sort_by(f64::total_cmp);
            let middle = ratios[ratios.len() / 2];
            assert!((0.8..1.25).contains(&middle), "L{}: {middle}", i + 1);
        }
    }
}
