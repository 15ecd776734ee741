//! A long target in overlapping windows that fade into each other.

use std::f64::consts::PI;

use crate::stitch::pieces;

/// Windows of `window` samples over a target, each shared by half with the next.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    n_samples: usize,
    window: usize,
    pub starts: Vec<usize>,
}

impl Pieces {
    /// `window` is at most `n_samples`.
    pub fn new(n_samples: usize, window: usize) -> Self {
        let starts = pieces(0, n_samples as i64, window as i64, (window / 2) as i64);
        Self {
            n_samples,
            window,
            starts: starts.into_iter().map(|s| s.max(0) as usize).collect(),
        }
    }

    pub fn cut<'a>(&self, signal: &'a [f64]) -> Vec<&'a [f64]> {
        let of = |s: &usize| &signal[*s..*s + self.window];
        self.starts.iter().map(of).collect()
    }

    /// Means of what the windows hold, each counting less towards its ends.
    pub fn blend(&self, parts: &[Vec<f64>]) -> Vec<f64> {
        self.faded(parts, |weight, sum| weight / sum)
    }

    /// The same for parts that are independent of each other: variances add up to those of one.
    pub fn blend_independent(&self, parts: &[Vec<f64>]) -> Vec<f64> {
        self.faded(parts, |weight, sum| (weight / sum).sqrt())
    }

    fn faded(&self, parts: &[Vec<f64>], share: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        if let ([0], [only]) = (self.starts.as_slice(), parts) {
            return only.clone();
        }
        let weight = |i: usize| (PI * (i as f64 + 0.5) / self.window as f64).sin().powi(2);
        let mut total = vec![0.0; self.n_samples];
        for start in &self.starts {
            for i in 0..self.window {
                total[start + i] += weight(i);
            }
        }
        let mut sum = vec![0.0; self.n_samples];
        for (start, part) in self.starts.iter().zip(parts) {
            for (i, value) in part.iter().enumerate() {
                sum[start + i] += share(weight(i), total[start + i]) * value;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pieces_give_the_signal_and_independent_ones_its_variance() {
        let signal: Vec<f64> = (0..1000_i32).map(f64::from).collect();
        let pieces = Pieces::new(1000, 256);
        let parts: Vec<Vec<f64>> = pieces
            .cut(&signal)
            .into_iter()
            .map(<[f64]>::to_vec)
            .collect();
        let back = pieces.blend(&parts);
        assert!(back.iter().zip(&signal).all(|(a, b)| (a - b).abs() < 1e-9));
        let mut energy = vec![0.0; 1000];
        for k in 0..parts.len() {
            let unit: Vec<Vec<f64>> = (0..parts.len())
                .map(|other| vec![f64::from(u8::from(other == k)); 256])
                .collect();
            for (e, v) in energy.iter_mut().zip(pieces.blend_independent(&unit)) {
                *e += v * v;
            }
        }
        assert!(energy.iter().all(|e| (e - 1.0).abs() < 1e-12));
    }
}
