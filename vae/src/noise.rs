//! Random numbers keyed by their purpose, independent of earlier draws.
//!
//! Every draw comes from a ChaCha8 stream keyed by (seed, epoch, step, purpose, scale). A training that stops and
//! resumes, or that skips a draw, therefore sees the same numbers; nothing has to be saved.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Purpose of a stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights.
    Weights = 1,
    /// Order of the windows in an epoch.
    Order = 2,
    /// Gumbel noise of q(y|x).
    Gumbel = 3,
    /// Normal noise of q(z|x,y).
    Latent = 4,
    /// Gumbel noise in validation.
    ValidationGumbel = 5,
    /// Normal noise in validation.
    ValidationLatent = 6,
    /// Samples of p(z|y).
    Sample = 7,
    /// Samples of p(x|z).
    SampleInputs = 8,
    /// Part of a window's coefficients that its inputs do not determine.
    SampleRest = 9,
}

/// Key of one stream; equal keys give equal numbers.
#[derive(Clone, Copy, Debug)]
pub struct NoiseKey {
    /// Seed of the whole training or sampling.
    pub seed: u64,
    /// Epoch, 0 where there is none.
    pub epoch: usize,
    /// Step in the epoch, or index of a tensor.
    pub step: usize,
    /// Purpose of the numbers.
    pub purpose: Purpose,
    /// Index of the scale, 0 where there is none.
    pub scale: usize,
}

impl NoiseKey {
    /// The generator of this key: the five numbers are the ChaCha key itself, so different keys never share a stream.
    pub fn generator(&self) -> ChaCha8Rng {
        let mut key = [0_u8; 32];
        // Fixed byte order: the same numbers on every machine.
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(self.epoch as u64).to_le_bytes());
        key[16..24].copy_from_slice(&(self.step as u64).to_le_bytes());
        key[24..28].copy_from_slice(&(self.purpose as u32).to_le_bytes());
        key[28..].copy_from_slice(&(self.scale as u32).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }

    /// `n` standard Gumbel numbers, `-ln(-ln(u + 1e-20) + 1e-20)`, u uniform in `[0, 1)`.
    pub fn gumbel(&self, n: usize) -> Vec<f32> {
        let mut generator = self.generator();
        (0..n)
            .map(|_| gumbel_of_uniform(generator.random::<f64>()) as f32)
            .collect()
    }

    /// `n` standard normal numbers.
    pub fn normal(&self, n: usize) -> Vec<f32> {
        let mut generator = self.generator();
        (0..n)
            .map(|_| {
                let value: f64 = StandardNormal.sample(&mut generator);
                value as f32
            })
            .collect()
    }

    /// `items` in random order (Fisher-Yates).
    pub fn shuffled(&self, items: &[usize]) -> Vec<usize> {
        let mut generator = self.generator();
        let mut order = items.to_vec();
        for last in (1..order.len()).rev() {
            order.swap(last, generator.random_range(0..=last));
        }
        order
    }
}

fn gumbel_of_uniform(u: f64) -> f64 {
    // 1e-20 keeps both logarithms finite at u = 0 and u = 1.
    -(-(u + 1e-20).ln() + 1e-20).ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use rand::Rng as _;

    use super::*;

    fn key(seed: u64, epoch: usize, step: usize, purpose: Purpose, scale: usize) -> NoiseKey {
        NoiseKey {
            seed,
            epoch,
            step,
            purpose,
            scale,
        }
    }

    #[test]
    fn equal_keys_give_equal_numbers_and_each_part_of_the_key_matters() {
        let base = key(7, 3, 5, Purpose::Latent, 2);
        let first = base.normal(50);
        assert_eq!(first, base.normal(50));
        // A longer draw starts with the shorter one.
        assert_eq!(first[..], base.normal(80)[..50]);
        for other in [
            key(8, 3, 5, Purpose::Latent, 2),
            key(7, 4, 5, Purpose::Latent, 2),
            key(7, 3, 6, Purpose::Latent, 2),
            key(7, 3, 5, Purpose::Gumbel, 2),
            key(7, 3, 5, Purpose::Latent, 1),
        ] {
            assert_ne!(first, other.normal(50));
        }
    }

    #[test]
    fn moments_are_those_of_the_laws() {
        let n = 200_000;
        let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len() as f64;
        let variance = |v: &[f32]| {
            let m = mean(v);
            v.iter().map(|&x| (f64::from(x) - m).powi(2)).sum::<f64>() / v.len() as f64
        };
        // Five standard errors at n = 2e5: 0.011 for the means, 0.03 (normal) and 0.05 (Gumbel) for variances.
        let normal = key(1, 0, 0, Purpose::Latent, 0).normal(n);
        assert!(mean(&normal).abs() < 0.012);
        assert!((variance(&normal) - 1.0).abs() < 0.03);
        let gumbel = key(1, 0, 0, Purpose::Gumbel, 0).gumbel(n);
        assert!((mean(&gumbel) - 0.577_215_66).abs() < 0.015);
        assert!((variance(&gumbel) - std::f64::consts::PI.powi(2) / 6.0).abs() < 0.06);
        assert!(gumbel_of_uniform(0.0).is_finite() && gumbel_of_uniform(1.0).is_finite());
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let items: Vec<usize> = (10..40).collect();
        let order = key(3, 1, 0, Purpose::Order, 0).shuffled(&items);
        assert_ne!(order, items);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, items);
        assert!(key(3, 1, 0, Purpose::Order, 0).shuffled(&[]).is_empty());
    }

    /// Models and archives that users keep were made with these streams; the sums are those of rand_chacha 0.10.0.
    #[test]
    fn streams_are_those_of_earlier_versions() {
        fn sum(generator: &mut ChaCha8Rng) -> u64 {
            let mut sum = 0_u64;
            let mut mix = |v: u64| sum = sum.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ v;
            for i in 0..10_000 {
                mix(generator.next_u32().into());
                mix(generator.next_u64());
                mix(generator.random::<f64>().to_bits());
                mix(generator.random_range(0..=i) as u64);
                let mut bytes = [0; 5];
                generator.fill_bytes(&mut bytes);
                mix(bytes[4].into());
            }
            sum
        }
        for (seed, expected) in [
            (0, 0x9a7e_c16d_bdd7_b900),
            (7, 0xecf7_5a30_8820_65ab),
            (u64::MAX, 0x015a_f3bf_be4a_1af1),
        ] {
            assert_eq!(
                sum(&mut ChaCha8Rng::seed_from_u64(seed)),
                expected,
                "{seed}"
            );
        }
        let key = std::array::from_fn(|i| i as u8);
        assert_eq!(sum(&mut ChaCha8Rng::from_seed(key)), 0xa183_2164_1681_332f);
    }
}
