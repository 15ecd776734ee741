//! Statistics of samples: powers, SNR in dB, medians and quantiles. Order statistics sort by `total_cmp`, NaN last.

/// `sum a b`; the longer of the two is cut.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `sum x^2`.
#[must_use]
pub fn energy(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

/// `sum x^2 / n`, 0 for no samples.
#[must_use]
pub fn mean_square(x: &[f64]) -> f64 {
    energy(x) / x.len().max(1) as f64
}

/// Root of [`mean_square`].
#[must_use]
pub fn rms(x: &[f64]) -> f64 {
    mean_square(x).sqrt()
}

/// `sum x / n`, 0 for no samples.
#[must_use]
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len().max(1) as f64
}

/// `sum (x - mean)^2`.
#[must_use]
pub fn squared_deviation(x: &[f64]) -> f64 {
    let mean = mean(x);
    x.iter().map(|v| (v - mean).powi(2)).sum()
}

/// `sum (x - mean)^2 / n`, 0 for no samples.
#[must_use]
pub fn variance(x: &[f64]) -> f64 {
    squared_deviation(x) / x.len().max(1) as f64
}

/// Mean and sample standard deviation, `sqrt(sum (x - mean)^2 / (n - 1))`; 0 for fewer than two samples.
#[must_use]
pub fn mean_and_deviation(x: &[f64]) -> (f64, f64) {
    let n = x.len().max(1) as f64;
    (mean(x), (squared_deviation(x) / (n - 1.0).max(1.0)).sqrt())
}

/// `sum (a - b)^2`; the longer of the two is cut.
#[must_use]
pub fn squared_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Signal-to-noise ratio of an estimate in dB, `10 log10(sum truth^2 / sum (truth - estimate)^2)`.
///
/// Infinite for an exact estimate, NaN if the truth is zero too.
#[must_use]
pub fn snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    10.0 * (energy(truth) / squared_difference(truth, estimate)).log10()
}

/// [`snr_db`] within -200 to 200 dB, so that means over several estimates remain finite.
#[must_use]
pub fn bounded_snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    let (own, error) = (energy(truth), squared_difference(truth, estimate));
    let ratio = own.max(f64::MIN_POSITIVE) / error.max(f64::MIN_POSITIVE);
    (10.0 * ratio.log10()).clamp(-200.0, 200.0)
}

/// Median; the mean of the two middle values for an even number. Reorders `x`.
#[must_use]
pub fn median(x: &mut [f64]) -> Option<f64> {
    x.sort_unstable_by(f64::total_cmp);
    let middle = x.len() / 2;
    let upper = *x.get(middle)?;
    Some(if x.len().is_multiple_of(2) {
        (x[middle - 1] + upper) / 2.0
    } else {
        upper
    })
}

/// Order statistic number `n / 2` (from 0): the median for an odd number of values, else the upper of the two middle
/// ones. It is one of the values, and cheaper than [`median`]. Reorders `x`.
#[must_use]
pub fn upper_median(x: &mut [f64]) -> Option<f64> {
    order_statistic(x, x.len() / 2)
}

/// Value number `rank` (from 0) in ascending order. Reorders `x`.
#[must_use]
pub fn order_statistic(x: &mut [f64], rank: usize) -> Option<f64> {
    (rank < x.len()).then(|| *x.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// Value number `floor(q n)` (from 0, the last at most) in ascending order: a quantile without interpolation.
/// Reorders `x`.
#[must_use]
pub fn quantile_nearest(x: &mut [f64], q: f64) -> Option<f64> {
    let rank = ((q * x.len() as f64) as usize).min(x.len().saturating_sub(1));
    order_statistic(x, rank)
}

/// Quantile `q` (0 to 1) of ascending values, linear between neighbours, `a + f (b - a)`.
#[must_use]
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position as usize;
    let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(a + position.fract() * (b - a))
}

/// Quantile `q` (0 to 1) of ascending single-precision values, linear between neighbours, `a (1 - f) + b f`.
///
/// The formula differs from that of [`quantile_sorted`] in the last bit; features of trained models depend on it.
#[must_use]
pub fn quantile_sorted_f32(sorted: &[f32], q: f64) -> Option<f32> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let weight = (position - below as f64) as f32;
    Some(sorted[below] * (1.0 - weight) + sorted[(below + 1).min(last)] * weight)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_ratios() {
        let x = [3.0, -4.0];
        assert_eq!((energy(&x), mean_square(&x)), (25.0, 12.5));
        assert_eq!((mean(&x), variance(&x)), (-0.5, 12.25));
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
        assert_eq!(mean_and_deviation(&[]), (0.0, 0.0));
        assert_eq!(rms(&[]), 0.0);
        assert_eq!(dot(&x, &[1.0, 1.0, 9.0]), -1.0);
        assert!((snr_db(&[10.0], &[9.0]) - 20.0).abs() < 1e-12);
        assert_eq!(snr_db(&[1.0], &[1.0]), f64::INFINITY);
        assert_eq!(bounded_snr_db(&[1.0], &[1.0]), 200.0);
        assert_eq!(bounded_snr_db(&[0.0], &[1.0]), -200.0);
    }

    #[test]
    fn medians_of_even_odd_and_no_numbers() {
        let mut x = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(median(&mut x), Some(2.5));
        assert_eq!(upper_median(&mut x), Some(3.0));
        assert_eq!(median(&mut [5.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(upper_median(&mut [5.0, 1.0, 2.0]), Some(2.0));
        assert_eq!((median(&mut []), upper_median(&mut [])), (None, None));
        assert_eq!(median(&mut [f64::NAN, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn quantiles_are_numpys() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile_sorted(&sorted, 0.5), Some(2.5));
        assert!((quantile_sorted(&sorted, 0.1).unwrap() - 1.3).abs() < 1e-12);
        assert_eq!(quantile_sorted(&sorted, 1.0), Some(4.0));
        assert_eq!(quantile_sorted(&[], 0.5), None);
        assert_eq!(quantile_sorted_f32(&[7.0], 0.9), Some(7.0));
        assert_eq!(quantile_sorted_f32(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(quantile_nearest(&mut [3.0, 1.0, 2.0], 0.9), Some(3.0));
        assert_eq!(quantile_nearest(&mut [3.0, 1.0, 2.0], 1.0), Some(3.0));
        assert_eq!(quantile_nearest(&mut [], 0.5), None);
    }
}
