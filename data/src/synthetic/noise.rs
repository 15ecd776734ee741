//! Random series of a given spectrum or covariance.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

/// Two independent Gaussian series of length `n`, zero mean and unit expected variance, whose spectral amplitude is
/// `amplitude(f)`, `f` in cycles a sample, 0 to 0.5.
///
/// Made by one complex FFT of white coefficients at the next power of two, of which the first `n` samples are kept, so
/// the ends do not match as in a periodic series. An amplitude that is 0 everywhere gives zeros.
pub fn coloured_noise(
    n: usize,
    rng: &mut impl Rng,
    amplitude: impl Fn(f64) -> f64,
) -> [Vec<f64>; 2] {
    let m = n.next_power_of_two();
    let mut power = 0.0;
    let mut x: Vec<Complex64> = (0..m)
        .map(|k| {
            let a = amplitude(k.min(m - k) as f64 / m as f64);
            power += a * a;
            normal_pair(rng) * a
        })
        .collect();
    transform(&mut x);
    let scale = if power > 0.0 {
        1.0 / f64::sqrt(power)
    } else {
        0.0
    };
    split(&x[..n], scale)
}

/// Two independent Gaussian series of length `n` with covariance `covariance(lag)`, by circulant embedding (Dietrich
/// and Newsam 1997). Negative eigenvalues, if the embedding has any, are set to 0.
fn with_covariance(
    n: usize,
    rng: &mut impl Rng,
    covariance: impl Fn(usize) -> f64,
) -> [Vec<f64>; 2] {
    let m = (2 * n).next_power_of_two();
    let mut eigenvalues: Vec<Complex64> = (0..m)
        .map(|k| Complex64::new(covariance(k.min(m - k)), 0.0))
        .collect();
    transform(&mut eigenvalues);
    let mut x: Vec<Complex64> = eigenvalues
        .iter()
        .map(|value| normal_pair(rng) * (value.re.max(0.0) / m as f64).sqrt())
        .collect();
    transform(&mut x);
    split(&x[..n], 1.0)
}

/// Two independent series of fractional Gaussian noise of Hurst exponent `hurst` (0 to 1), unit variance:
/// covariance `(|l+1|^2H - 2 |l|^2H + |l-1|^2H) / 2`.
pub fn fractional_gaussian_noise(n: usize, rng: &mut impl Rng, hurst: f64) -> [Vec<f64>; 2] {
    if hurst == 0.5 {
        let pairs: Vec<Complex64> = (0..n).map(|_| normal_pair(rng)).collect();
        return split(&pairs, 1.0);
    }
    let power = |l: f64| l.abs().powf(2.0 * hurst);
    with_covariance(n, rng, |l| {
        let l = l as f64;
        0.5 * (power(l + 1.0) - 2.0 * power(l) + power(l - 1.0))
    })
}

/// Parameters of a multifractal random walk (Bacry, Delour, Muzy 2001).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultifractalRandomWalk {
    /// Hurst exponent of the Gaussian noise, 0 to 1.
    pub hurst: f64,
    /// Intermittency, 0 (Gaussian) to about 0.5.
    pub lambda: f64,
    /// Longest lag of the log-correlation, in samples.
    pub integral_samples: usize,
}

impl MultifractalRandomWalk {
    /// Increments of two walks that share one log-volatility, unit expected variance: `e(t) exp(w(t))`, `e` fractional
    /// Gaussian noise, `w` Gaussian with covariance `lambda^2 log(L / (|l| + 1))` for lags below `L` and mean
    /// `-lambda^2 log L`, so that `E exp(2 w) = 1`.
    pub fn increments(&self, n: usize, rng: &mut impl Rng) -> [Vec<f64>; 2] {
        let volatility = self.volatility(n, rng);
        let mut noise = fractional_gaussian_noise(n, rng, self.hurst);
        noise
            .iter_mut()
            .for_each(|series| modulate(series, &volatility));
        noise
    }

    /// Increments of three walks that share one log-volatility, see [`increments`](Self::increments).
    pub fn three(&self, n: usize, rng: &mut impl Rng) -> [Vec<f64>; 3] {
        let volatility = self.volatility(n, rng);
        let [mut a, mut b] = fractional_gaussian_noise(n, rng, self.hurst);
        let [mut c, _] = fractional_gaussian_noise(n, rng, self.hurst);
        [&mut a, &mut b, &mut c]
            .into_iter()
            .for_each(|series| modulate(series, &volatility));
        [a, b, c]
    }

    /// `exp(w)`.
    fn volatility(&self, n: usize, rng: &mut impl Rng) -> Vec<f64> {
        let (variance, l) = (
            self.lambda * self.lambda,
            self.integral_samples.max(1) as f64,
        );
        let covariance = |lag: usize| {
            if (lag as f64) < l {
                variance * (l / (lag as f64 + 1.0)).ln()
            } else {
                0.0
            }
        };
        let [mut omega, _] = with_covariance(n, rng, covariance);
        omega
            .iter_mut()
            .for_each(|w| *w = (*w - variance * l.ln()).exp());
        omega
    }
}

fn modulate(series: &mut [f64], volatility: &[f64]) {
    series.iter_mut().zip(volatility).for_each(|(x, v)| *x *= v);
}

fn normal_pair(rng: &mut impl Rng) -> Complex64 {
    let re: f64 = StandardNormal.sample(rng);
    let im: f64 = StandardNormal.sample(rng);
    Complex64::new(re, im)
}

fn transform(x: &mut [Complex64]) {
    FftPlanner::new().plan_fft_forward(x.len()).process(x);
}

fn split(x: &[Complex64], scale: f64) -> [Vec<f64>; 2] {
    [
        x.iter().map(|z| z.re * scale).collect(),
        x.iter().map(|z| z.im * scale).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::random::stream;

    const N: usize = 1 << 18;

    fn mean_product(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len().min(b.len()) as f64
    }

    /// Mean power of octave bands `2^-(j+1)` to `2^-j` cycles a sample, per unit frequency.
    fn octaves(x: &[f64]) -> Vec<f64> {
        let mut z: Vec<Complex64> = x.iter().map(|x| Complex64::new(*x, 0.0)).collect();
        transform(&mut z);
        let band = |j: u32| {
            let bins = z.len() >> (j + 1)..z.len() >> j;
            bins.clone().map(|k| z[k].norm_sqr()).sum::<f64>() / bins.len() as f64
        };
        (1..8).map(band).collect()
    }

    #[test]
    fn coloured_noise_has_its_slope_variance_and_independence() {
        for beta in [0.0, 0.4, 1.4] {
            let [a, b] = coloured_noise(N, &mut stream(1, "slope", 0), |f| {
                (f + 1e-4).powf(-beta / 2.0)
            });
            // f^-beta: long memory, so the sample variance scatters more for the steep one.
            assert!((mean_product(&a, &a) - 1.0).abs() < 0.1 + 0.1 * beta);
            assert!(mean_product(&a, &b).abs() < 0.05 + 0.05 * beta);
            let power = octaves(&a);
            let slope = (power[6] / power[0]).log2() / 6.0;
            assert!((slope - beta).abs() < 0.06, "beta {beta}: {slope}");
        }
        assert!(
            coloured_noise(100, &mut stream(1, "none", 0), |_| 0.0)[0]
                .iter()
                .all(|x| *x == 0.0)
        );
    }

    #[test]
    fn fractional_gaussian_noise_has_its_covariance() {
        for hurst in [0.3, 0.5, 0.8] {
            let [x, _] = fractional_gaussian_noise(N, &mut stream(2, "fgn", 0), hurst);
            for lag in [0, 1, 5] {
                let l = lag as f64;
                let p = |l: f64| l.abs().powf(2.0 * hurst);
                let expected = 0.5 * (p(l + 1.0) - 2.0 * p(l) + p(l - 1.0));
                let found = mean_product(&x[lag..], &x[..N - lag]);
                // Standard error about 1 / sqrt(N) = 0.002 for white, more with long memory.
                assert!(
                    (found - expected).abs() < 0.03,
                    "H {hurst}, lag {lag}: {found}, {expected}"
                );
            }
        }
    }

    #[test]
    fn walk_increments_are_intermittent_at_small_lags_only() {
        let walk = MultifractalRandomWalk {
            hurst: 0.5,
            lambda: 0.3,
            integral_samples: 2048,
        };
        let [x, y] = walk.increments(N, &mut stream(3, "mrw", 0));
        assert!(
            (mean_product(&x, &x) - 1.0).abs() < 0.2,
            "{}",
            mean_product(&x, &x)
        );
        // Neither channels nor neighbours correlate, but their squares do.
        assert!(mean_product(&x, &y).abs() < 0.05);
        assert!(mean_product(&x[1..], &x[..N - 1]).abs() < 0.05);
        let squares: Vec<f64> = x.iter().map(|x| x * x).collect();
        let other: Vec<f64> = y.iter().map(|y| y * y).collect();
        // E exp(4 w) = L^(4 lambda^2) = 15.6, slowly approached.
        assert!(mean_product(&squares, &other) > 3.0);
        let kurtosis = |lag: usize| {
            let sums: Vec<f64> = x
                .chunks_exact(lag)
                .map(|chunk| chunk.iter().sum())
                .collect();
            let second = mean_product(&sums, &sums);
            sums.iter().map(|s| s.powi(4)).sum::<f64>() / sums.len() as f64 / (second * second)
        };
        let (small, middle, large) = (kurtosis(1), kurtosis(64), kurtosis(4096));
        assert!(
            small > 2.0 * middle && middle > large + 0.5,
            "{small} {middle} {large}"
        );
        assert!((large - 3.0).abs() < 2.0, "{large}");
        let [gaussian, _] = MultifractalRandomWalk {
            lambda: 0.0,
            ..walk
        }
        .increments(N, &mut stream(3, "mrw", 1));
        let fourth = gaussian.iter().map(|x| x.powi(4)).sum::<f64>() / N as f64;
        assert!((fourth - 3.0).abs() < 0.1);
    }
}
