//! Spectrum of the background as an autoregression of its first differences, and the filter that whitens by it.

use num_complex::Complex64;

use super::spectra::Fourier;

/// Standard deviations beyond which an innovation is not background, and is left out of the model.
const OUTLIER: f64 = 6.0;
/// Times that the model is fitted anew without outliers.
const REFITS: usize = 2;
/// Samples that are left out with an outlier, before and after.
// A burst that is not a known source decays over a second at 20 samples per second.
const OUTLIER_REACH: (usize, usize) = (4, 24);
/// Deviations at which a whitened sample is clipped when the background's level is measured.
const CLIP: f64 = 3.0;
/// Median size of a standard normal variable.
const NORMAL_MEDIAN: f64 = 0.6745;
/// Least level, in units of that of the segment.
// A stretch of constant samples would make the rest infinitely significant.
const LEAST_LEVEL: f64 = 0.03;
/// Samples required for each coefficient of the autoregression.
const SAMPLES_PER_COEFFICIENT: usize = 20;

/// Whitening of one channel of a segment: a finite filter after which the background has unit variance and no colour.
///
/// The filter is an autoregression of the first differences, so offsets and slow drifts are removed as well.
#[derive(Debug, Clone)]
pub(crate) struct WhiteningModel {
    filter: Vec<f64>,
    /// Deviation of the innovations around each sample, in units of that of the segment.
    level: Vec<f64>,
}

impl WhiteningModel {
    /// Fits the model to the samples that are `usable`: those without a known source. `None` if they are too few or hold
    /// no signal.
    ///
    /// `reach`: samples to each side over which the background's level is measured.
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
            let order = order.min(n_usable / SAMPLES_PER_COEFFICIENT);
            if order < 2 {
                break;
            }
            // The remainder after masking may hold no signal; the previous model is used then.
            let Some((coefficients, variance)) = burg(&differences, &usable, order) else {
                break;
            };
            found = Some(with_differencing(&coefficients, variance.sqrt()));
            let innovations = convolve(&differences, &coefficients);
            if !mask_outliers(&innovations, OUTLIER * variance.sqrt(), &mut usable) {
                break;
            }
        }
        let mut model = Self {
            filter: found?,
            level: Vec::new(),
        };
        let usable: Vec<bool> = std::iter::once(false).chain(usable).collect();
        let white = model.whiten(samples);
        model.level = levels(&white, &usable, model.filter.len(), reach);
        Some(model)
    }

    /// Model of a channel without a signal: its whitened samples are 0, so nothing is found on it.
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

    /// Whitened samples; 0 where the filter would need samples from before the segment.
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

    /// Deviation of the innovations around a sample, in units of that of the segment.
    pub(crate) fn level(&self, at: f64) -> f64 {
        let last = self.level.len().saturating_sub(1);
        let at = (at.max(0.0) as usize).min(last);
        self.level.get(at).copied().unwrap_or(1.0)
    }

    /// Frequency response of the filter, W.
    pub(crate) fn response(&self, fourier: &Fourier) -> Vec<Complex64> {
        fourier.forward(&self.filter)
    }
}

/// Leaves out outliers and the samples around them; true if there was any.
fn mask_outliers(innovations: &[f64], limit: f64, usable: &mut [bool]) -> bool {
    let mut changed = false;
    for t in 0..innovations.len() {
        if innovations[t].abs() > limit && usable[t] {
            let to = (t + OUTLIER_REACH.1).min(usable.len());
            usable[t.saturating_sub(OUTLIER_REACH.0)..to].fill(false);
            changed = true;
        }
    }
    changed
}

/// Filter on the samples of an autoregression of their differences: `[1, a_1 .. a_p] * [1, -1] / deviation`.
fn with_differencing(coefficients: &[f64], deviation: f64) -> Vec<f64> {
    let mut filter = vec![0.0; coefficients.len() + 1];
    for (i, a) in coefficients.iter().enumerate() {
        filter[i] += a / deviation;
        filter[i + 1] -= a / deviation;
    }
    filter
}

/// Deviation of whitened samples around each of them: the root mean square of those that are usable within `reach`,
/// clipped at three deviations for the sake of unknown sources, measured every quarter of `reach` and interpolated.
///
/// The first `skip` samples are not white.
fn levels(white: &[f64], usable: &[bool], skip: usize, reach: usize) -> Vec<f64> {
    let n = white.len();
    let hop = (reach / 4).max(1);
    let around = |centre: usize| -> f64 {
        let mut reach = reach.max(1);
        loop {
            let from = centre.saturating_sub(reach).max(skip).min(n);
            let sizes: Vec<f64> = (from..(centre + reach).min(n))
                .filter(|t| usable[*t])
                .map(|t| white[t].abs())
                .collect();
            // Inside a long target hardly any sample is usable.
            if sizes.len() < reach / 2 && reach < n {
                reach *= 2;
                continue;
            }
            return clipped_rms(sizes).max(LEAST_LEVEL);
        }
    };
    // Levels change by factors, so their logarithms are interpolated.
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

/// Root mean square of sizes, each clipped at three deviations as their median shows them.
fn clipped_rms(mut sizes: Vec<f64>) -> f64 {
    sizes.sort_by(f64::total_cmp);
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(1.0);
    let limit = CLIP * median / NORMAL_MEDIAN;
    let sum: f64 = sizes.iter().map(|v| v.min(limit).powi(2)).sum();
    (sum / sizes.len().max(1) as f64).sqrt()
}

/// Causal convolution, with samples before the start taken as 0.
fn convolve(samples: &[f64], filter: &[f64]) -> Vec<f64> {
    (0..samples.len())
        .map(|t| {
            let taken = filter.len().min(t + 1);
            (0..taken).map(|i| filter[i] * samples[t - i]).sum()
        })
        .collect()
}

/// Autoregression by Burg's method over the usable runs of a series: `[1, a_1 .. a_p]` and the innovations' variance.
///
/// Forward and backward errors never cross a hole. All reflection coefficients are below 1, so the model is stable.
fn burg(series: &[f64], usable: &[bool], order: usize) -> Option<(Vec<f64>, f64)> {
    let runs = runs(usable);
    let energy =
        |(from, to): &(usize, usize)| series[*from..*to].iter().map(|v| v * v).sum::<f64>();
    let total: f64 = runs.iter().map(energy).sum();
    let count: usize = runs.iter().map(|(from, to)| to - from).sum();
    let variance = total / count.max(1) as f64;
    // Squares overflow or vanish for samples beyond 1e154 or below 1e-162.
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let mut forward = series.to_vec();
    let mut backward = series.to_vec();
    let mut coefficients = vec![1.0];
    for m in 1..=order {
        let (mut cross, mut power, mut n) = (0.0, 0.0, 0);
        for &(from, to) in &runs {
            for t in (from + m)..to {
                cross += forward[t] * backward[t - 1];
                power += forward[t] * forward[t] + backward[t - 1] * backward[t - 1];
                n += 1;
            }
        }
        // Short runs have no samples of higher order; those that remain would fit their noise.
        if n < 4 * order || power <= 0.0 {
            break;
        }
        // Burg: k = -2 sum f b / sum (f^2 + b^2), whose size cannot exceed 1.
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
    }
    let variance = innovation_variance(&forward, &runs, coefficients.len() - 1, variance);
    (variance > 0.0 && variance.is_finite()).then_some((coefficients, variance))
}

/// Runs of usable samples, each from its first to after its last.
fn runs(usable: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (t, &ok) in usable.iter().enumerate() {
        match runs.last_mut() {
            Some((_, end)) if ok && *end == t => *end = t + 1,
            _ if ok => runs.push((t, t + 1)),
            _ => {}
        }
    }
    runs
}

/// Variance of the innovations after order `p`; `before` if no run is that long.
// Measured, since the recursion's own value, by the product of 1 - reflection^2, does not see what holes do.
fn innovation_variance(innovations: &[f64], runs: &[(usize, usize)], p: usize, before: f64) -> f64 {
    let (mut sum, mut n) = (0.0, 0);
    for &(from, to) in runs {
        let own = &innovations[(from + p).min(to)..to];
        sum += own.iter().map(|v| v * v).sum::<f64>();
        n += own.len();
    }
    if n > 0 { sum / n as f64 } else { before }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
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
    fn the_model_is_found_despite_holes_and_outliers() {
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
        // Calm, then five times as loud, and a source that is not masked.
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
