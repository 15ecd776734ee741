//! The background's spectrum as an autoregression of its first differences, and the filter that whitens by it.

use num_complex::Complex64;

use super::spectra::Fourier;

/// Innovations beyond so many standard deviations are no background; the model is fitted again without them.
const OUTLIER: f64 = 6.0;
/// Times that is done.
const REFITS: usize = 2;
/// Samples around such an innovation that are left out with it, before and after.
const OUTLIER_REACH: (usize, usize) = (4, 24);
/// Deviations that a whitened sample counts at most for the background's level.
const OF_KNOWN: f64 = 3.0;
/// Median size of a normal variable, in deviations.
const MEDIAN: f64 = 0.6745;
/// Least level, in units of that of the stretch: silence is no background.
const LEAST_LEVEL: f64 = 0.03;
/// Samples for each coefficient of the autoregression, at least.
const SAMPLES_A_COEFFICIENT: usize = 20;

/// Whitens a stretch of one channel: a finite filter after which the background has unit variance and no colour.
///
/// The filter is an autoregression of the first differences, so offsets and slow drifts are gone as well.
#[derive(Debug, Clone)]
pub(crate) struct WhiteningModel {
    filter: Vec<f64>,
    /// Deviation of the innovations around each sample, in units of that of the stretch.
    level: Vec<f64>,
}

impl WhiteningModel {
    /// From the samples of a stretch that are `usable`: those that hold no known source. `None` if they are too few or
    /// hold no signal.
    ///
    /// `reach`: samples to each side over which the background's level is taken.
    pub(crate) fn fit(
        samples: &[f64],
        usable: &[bool],
        order: usize,
        reach: usize,
    ) -> Option<Self> {
        let n = samples.len();
        if n < 4 {
            return None;
        }
        let differences: Vec<f64> = (1..n).map(|i| samples[i] - samples[i - 1]).collect();
        let mut usable: Vec<bool> = (1..n).map(|i| usable[i] && usable[i - 1]).collect();
        let mut found = None;
        for _ in 0..=REFITS {
            let n_usable = usable.iter().filter(|u| **u).count();
            let order = order.min(n_usable / SAMPLES_A_COEFFICIENT);
            if order < 2 {
                break;
            }
            let Some((coefficients, variance)) = burg(&differences, &usable, order) else {
                break;
            };
            let filter = with_differencing(&coefficients, variance.sqrt());
            found = Some(filter);
            let innovations = convolve(&differences, &coefficients);
            let limit = OUTLIER * variance.sqrt();
            let mut changed = false;
            for t in 0..innovations.len() {
                if innovations[t].abs() > limit && usable[t] {
                    let to = (t + OUTLIER_REACH.1).min(usable.len());
                    usable[t.saturating_sub(OUTLIER_REACH.0)..to].fill(false);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let mut background = Self {
            filter: found?,
            level: Vec::new(),
        };
        let usable: Vec<bool> = std::iter::once(false).chain(usable).collect();
        let white = background.whiten(samples);
        background.level = levels(&white, &usable, background.filter.len(), reach);
        Some(background)
    }

    /// Of a channel without a signal: it tells nothing, and nothing is found on it.
    pub(crate) fn silent(n_samples: usize) -> Self {
        Self {
            filter: vec![0.0; 2],
            level: vec![1.0; n_samples],
        }
    }

    /// Samples of the filter.
    pub(crate) fn n_samples(&self) -> usize {
        self.filter.len()
    }

    /// The whitened stretch; 0 where the filter would need samples from before it.
    pub(crate) fn whiten(&self, samples: &[f64]) -> Vec<f64> {
        let reach = self.filter.len() - 1;
        let mut white = vec![0.0; samples.len()];
        for t in reach..samples.len() {
            let past = &samples[t - reach..=t];
            white[t] = past
                .iter()
                .rev()
                .zip(&self.filter)
                .map(|(x, w)| x * w)
                .sum();
        }
        white
    }

    /// Deviation of the innovations around a sample, in units of that of the stretch.
    pub(crate) fn level(&self, at: f64) -> f64 {
        let last = self.level.len().saturating_sub(1);
        let at = (at.max(0.0) as usize).min(last);
        self.level.get(at).copied().unwrap_or(1.0)
    }

    /// The filter's response.
    pub(crate) fn response(&self, fourier: &Fourier) -> Vec<Complex64> {
        fourier.forward(&self.filter)
    }
}

/// `[1, a_1 .. a_p] * [1, -1] / deviation`.
fn with_differencing(coefficients: &[f64], deviation: f64) -> Vec<f64> {
    let mut filter = vec![0.0; coefficients.len() + 1];
    for (i, a) in coefficients.iter().enumerate() {
        filter[i] += a / deviation;
        filter[i + 1] -= a / deviation;
    }
    filter
}

/// Deviation of whitened samples around each of them: the root mean square of those that are usable within `reach`,
/// taken every quarter of it. Sources that are not known count at most three deviations.
///
/// The first `skip` samples are not white.
fn levels(white: &[f64], usable: &[bool], skip: usize, reach: usize) -> Vec<f64> {
    let n = white.len();
    let hop = (reach / 4).max(1);
    let around = |centre: usize| -> f64 {
        let mut reach = reach.max(1);
        loop {
            let from = centre.saturating_sub(reach).max(skip).min(n);
            let mut sizes: Vec<f64> = (from..(centre + reach).min(n))
                .filter(|t| usable[*t])
                .map(|t| white[t].abs())
                .collect();
            if sizes.len() < reach / 2 && reach < n {
                reach *= 2;
                continue;
            }
            sizes.sort_by(f64::total_cmp);
            let median = sizes.get(sizes.len() / 2).copied().unwrap_or(1.0);
            let limit = OF_KNOWN * median / MEDIAN;
            let sum: f64 = sizes.iter().map(|v| v.min(limit).powi(2)).sum();
            return (sum / sizes.len().max(1) as f64).sqrt().max(LEAST_LEVEL);
        }
    };
    let logarithms: Vec<f64> = (0..=n / hop + 1)
        .map(|i| around((i * hop).min(n)).ln())
        .collect();
    (0..n)
        .map(|t| {
            let (i, part) = (t / hop, (t % hop) as f64 / hop as f64);
            (logarithms[i] * (1.0 - part) + logarithms[i + 1] * part).exp()
        })
        .collect()
}

/// Filters causally; samples before the start count as 0.
fn convolve(samples: &[f64], filter: &[f64]) -> Vec<f64> {
    (0..samples.len())
        .map(|t| {
            let taken = filter.len().min(t + 1);
            (0..taken).map(|i| filter[i] * samples[t - i]).sum()
        })
        .collect()
}

/// Burg's autoregression over the usable runs of a series: `[1, a_1 .. a_p]` and the variance of its innovations.
///
/// Forward and backward errors never reach over a hole. All reflection coefficients are below 1, so the model is stable.
fn burg(series: &[f64], usable: &[bool], order: usize) -> Option<(Vec<f64>, f64)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (t, &ok) in usable.iter().enumerate() {
        match runs.last_mut() {
            Some((_, end)) if ok && *end == t => *end = t + 1,
            _ if ok => runs.push((t, t + 1)),
            _ => {}
        }
    }
    let mut forward = series.to_vec();
    let mut backward = series.to_vec();
    let mut coefficients = vec![1.0];
    let total: f64 = runs
        .iter()
        .map(|(from, to)| series[*from..*to].iter().map(|v| v * v).sum::<f64>())
        .sum();
    let count: usize = runs.iter().map(|(from, to)| to - from).sum();
    let mut variance = total / count.max(1) as f64;
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    for m in 1..=order {
        let (mut cross, mut power, mut n) = (0.0, 0.0, 0);
        for &(from, to) in &runs {
            for t in (from + m)..to {
                cross += forward[t] * backward[t - 1];
                power += forward[t] * forward[t] + backward[t - 1] * backward[t - 1];
                n += 1;
            }
        }
        if n < 4 * order || power <= 0.0 {
            break;
        }
        let reflection = -2.0 * cross / power;
        for &(from, to) in &runs {
            for t in ((from + m)..to).rev() {
                let (f, b) = (forward[t], backward[t - 1]);
                forward[t] = f + reflection * b;
                backward[t] = b + reflection * f;
            }
        }
        coefficients.push(0.0);
        let old = coefficients.clone();
        for i in 1..=m {
            coefficients[i] = old[i] + reflection * old[m - i];
        }
        variance *= 1.0 - reflection * reflection;
    }
    // The variance as the innovations show it: the recursion's own is blind to what holes do.
    let p = coefficients.len() - 1;
    let (mut sum, mut n) = (0.0, 0);
    for &(from, to) in &runs {
        let innovations = &forward[(from + p).min(to)..to];
        sum += innovations.iter().map(|v| v * v).sum::<f64>();
        n += innovations.len();
    }
    if n > 0 {
        variance = sum / n as f64;
    }
    (variance > 0.0 && variance.is_finite()).then_some((coefficients, variance))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// Integrated autoregression: differences d[t] = 0.6 d[t-1] + 3 e[t].
    fn series(n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut d, mut x) = (0.0, 0.0);
        (0..n)
            .map(|_| {
                let e: f64 = StandardNormal.sample(&mut rng);
                d = 0.6 * d + 3.0 * e;
                x += d;
                x
            })
            .collect()
    }

    #[test]
    fn it_finds_the_model_beside_holes_and_outliers() {
        let mut samples = series(20_000);
        let mut usable = vec![true; samples.len()];
        for hole in (1000..20_000).step_by(3000) {
            samples[hole..hole + 400].iter_mut().for_each(|v| *v += 1e4);
            usable[hole - 1..=hole + 400].fill(false);
        }
        samples[500] += 300.0;
        let background = WhiteningModel::fit(&samples, &usable, 8, 2000).unwrap();
        let expected = [1.0 / 3.0, -1.6 / 3.0, 0.6 / 3.0, 0.0];
        for (found, expected) in background.filter.iter().zip(expected) {
            assert!((found - expected).abs() < 0.02, "{:?}", background.filter);
        }
        let white = background.whiten(&samples);
        let calm = &white[600..900];
        let power = calm.iter().map(|v| v * v).sum::<f64>() / calm.len() as f64;
        assert!((power - 1.0).abs() < 0.25, "{power}");
    }

    #[test]
    fn the_level_follows_the_noise() {
        // Calm, then five times as loud, and a source that nobody told of.
        let mut differences = series(20_000);
        for i in (1..differences.len()).rev() {
            differences[i] -= differences[i - 1];
        }
        let mut x = 0.0;
        let mut samples: Vec<f64> = differences
            .iter()
            .enumerate()
            .map(|(t, d)| {
                x += d * if t < 10_000 { 1.0 } else { 5.0 };
                x
            })
            .collect();
        samples[5000..5020].iter_mut().for_each(|v| *v += 100.0);
        let background = WhiteningModel::fit(&samples, &vec![true; samples.len()], 8, 500).unwrap();
        let mean = (1.0_f64 + 25.0).sqrt() / 2.0_f64.sqrt();
        for (at, expected) in [(3000.0, 1.0), (5000.0, 1.0), (16_000.0, 5.0)] {
            let found = background.level(at) * mean;
            assert!((found / expected - 1.0).abs() < 0.2, "{at}: {found}");
        }
    }

    #[test]
    fn silence_and_too_few_samples_have_no_model() {
        assert!(WhiteningModel::fit(&[1.0; 1000], &[true; 1000], 10, 100).is_none());
        assert!(WhiteningModel::fit(&series(1000), &[false; 1000], 10, 100).is_none());
        assert!(WhiteningModel::fit(&[], &[], 10, 100).is_none());
    }
}
