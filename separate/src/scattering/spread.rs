//! Variance of a coefficient over the snippets, and its natural scale.

use seismix_scattering::{CoefficientKind, Complex, Real, ScatteringPath};

/// sum_i w_i |a_i - b_i|^2.
pub(crate) fn distance<F: Real>(a: &[Complex<F>], b: &[Complex<f64>], weights: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .zip(weights)
        .map(|((a, b), w)| (double(*a) - b).norm_sqr() * w)
        .sum()
}

/// sum_i w_i |z_i|^2.
pub(crate) fn size<F: Real>(z: &[Complex<F>], weights: &[f64]) -> f64 {
    z.iter()
        .zip(weights)
        .map(|(z, w)| double(*z).norm_sqr() * w)
        .sum()
}

/// Converts a number to double precision.
pub(crate) fn double<F: Real>(z: Complex<F>) -> Complex<f64> {
    Complex::new(z.re.to_double(), z.im.to_double())
}

/// Coefficients in double precision.
pub(crate) fn doubles<F: Real>(z: &[Complex<F>]) -> Vec<Complex<f64>> {
    z.iter().map(|z| double(*z)).collect()
}

/// The nearest number of a type.
pub(crate) fn narrow<F: Real>(z: Complex<f64>) -> Complex<F> {
    Complex::new(F::of(z.re), F::of(z.im))
}

/// Mean and complex variance (with R - 1) of each coefficient over R samples, with a floor under the deviation.
pub(crate) struct Spread {
    n_samples: usize,
    mean: Vec<Complex<f64>>,
    /// sum_k |z_k - mean|^2.
    squares: Vec<f64>,
    /// Square of the floor under the deviation.
    floor: Vec<f64>,
}

impl Spread {
    /// Of `samples`, R of K; the deviations are at least `floor` times the natural scale.
    pub fn new(samples: &[Vec<Complex<f64>>], natural_scale: &[f64], floor: f64) -> Self {
        let n = samples.len() as f64;
        let mean: Vec<Complex<f64>> = (0..natural_scale.len())
            .map(|i| samples.iter().map(|z| z[i]).sum::<Complex<f64>>() / n)
            .collect();
        let squares = mean
            .iter()
            .enumerate()
            .map(|(i, mean)| samples.iter().map(|z| (z[i] - mean).norm_sqr()).sum())
            .collect();
        Self {
            n_samples: samples.len(),
            mean,
            squares,
            floor: natural_scale.iter().map(|s| (floor * s).powi(2)).collect(),
        }
    }

    /// The mean.
    pub fn mean(&self) -> &[Complex<f64>] {
        &self.mean
    }

    /// 1 / max(std, floor)^2; 0 where that is infinite.
    pub fn weights(&self) -> Vec<f64> {
        let degrees = self.n_samples as f64 - 1.0;
        self.squares
            .iter()
            .zip(&self.floor)
            .map(|(squares, floor)| inverse((squares / degrees).max(*floor)))
            .collect()
    }

    /// Weights from all samples except `left_out`, one of them.
    ///
    /// With two samples the remaining one has no spread, and that of both is used in its place.
    pub fn weights_without(&self, left_out: &[Complex<f64>]) -> Vec<f64> {
        let n = self.n_samples as f64;
        if n < 3.0 {
            return self.weights();
        }
        self.squares
            .iter()
            .zip(&self.mean)
            .zip(left_out)
            .zip(&self.floor)
            .map(|(((squares, mean), z), floor)| {
                // Removing z_k from n samples decreases the sum of squares by |z_k - mean|^2 n / (n - 1).
                let own = (z - mean).norm_sqr() * n / (n - 1.0);
                let others = squares - own;
                // Below this the difference is rounding: the others do not vary.
                let others = if others > 1e-12 * squares {
                    others
                } else {
                    0.0
                };
                inverse((others / (n - 2.0)).max(*floor))
            })
            .collect()
    }
}

fn inverse(variance: f64) -> f64 {
    if variance > 0.0 { 1.0 / variance } else { 0.0 }
}

/// Natural scale of each coefficient: the root of the two energies that it correlates, averaged over the samples.
/// For a mean modulus, the root of the energy of what it averages.
pub(crate) fn natural_scales(
    paths: &[ScatteringPath],
    left: &[Vec<Complex<f64>>],
    right: &[Vec<Complex<f64>>],
) -> Vec<f64> {
    let average = |samples: &[Vec<Complex<f64>>], k: usize| {
        samples.iter().map(|phi| phi[k].re.abs()).sum::<f64>() / samples.len() as f64
    };
    let power = |samples: &[Vec<Complex<f64>>], j: usize| {
        let at = paths
            .iter()
            .position(|p| p.kind == CoefficientKind::PowerSpectrum && p.j1_left == j);
        at.map_or(0.0, |k| average(samples, k))
    };
    let envelope = |samples: &[Vec<Complex<f64>>], j1: usize, j2: Option<usize>| {
        let at = paths.iter().position(|p| {
            p.kind == CoefficientKind::Envelope
                && p.j1_left == j1
                && p.j1_right == Some(j1)
                && p.j2 == j2
        });
        at.map_or(0.0, |k| average(samples, k))
    };
    paths
        .iter()
        .map(|path| {
            let right_scale = path.j1_right.unwrap_or(path.j1_left);
            match path.kind {
                CoefficientKind::PhaseEnvelope => {
                    (power(left, path.j1_left) * envelope(right, right_scale, path.j2)).sqrt()
                }
                CoefficientKind::Envelope => (envelope(left, path.j1_left, path.j2)
                    * envelope(right, right_scale, path.j2))
                .sqrt(),
                CoefficientKind::PowerSpectrum => {
                    (power(left, path.j1_left) * power(right, right_scale)).sqrt()
                }
                CoefficientKind::Scattering => envelope(left, path.j1_left, path.j2).sqrt(),
                _ => power(left, path.j1_left).sqrt(),
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn samples(n: usize) -> Vec<Vec<Complex<f64>>> {
        let value = |i: usize| ((i * 7919) % 101) as f64 / 101.0 - 0.5;
        (0..n)
            .map(|k| {
                (0..4)
                    .map(|i| Complex::new(value(k * 9 + i), value(k * 5 + i + 60)))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn leaving_one_out_is_the_spread_of_the_others() {
        let all = samples(6);
        let spread = Spread::new(&all, &[0.0; 4], 0.0);
        for k in 0..6 {
            let mut others = all.clone();
            let left_out = others.remove(k);
            let direct = Spread::new(&others, &[0.0; 4], 0.0).weights();
            for (a, b) in spread.weights_without(&left_out).iter().zip(&direct) {
                assert!((a / b - 1.0).abs() < 1e-10, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_floor_bounds_the_weight_and_no_spread_weighs_nothing() {
        let same = vec![vec![Complex::new(2.0, 0.0)]; 3];
        assert_eq!(Spread::new(&same, &[4.0], 0.5).weights(), [0.25]);
        assert_eq!(Spread::new(&same, &[4.0], 0.0).weights(), [0.0]);
    }
}
