//! Random numbers keyed by what they are for.

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The generator for one purpose and number of a seed; independent of every other.
pub(super) fn stream(seed: u64, purpose: &str, number: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(b"seismix synthetic 1\0");
    hash.update(seed.to_le_bytes());
    hash.update(number.to_le_bytes());
    hash.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Uniform in `low <= x < high`.
pub(super) fn uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Uniform in the logarithm.
pub(super) fn log_uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    uniform(rng, low.ln(), high.ln()).exp()
}

/// +1 or -1.
pub(super) fn sign(rng: &mut ChaCha8Rng) -> f64 {
    if rng.random::<bool>() { 1.0 } else { -1.0 }
}

/// One of `n` things, by number.
pub(super) fn choose(rng: &mut ChaCha8Rng, n: usize) -> usize {
    rng.random_range(0..n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, purpose, number| stream(seed, purpose, number).random::<u64>();
        assert_eq!(draw(1, "pulse", 0), draw(1, "pulse", 0));
        let all = [
            draw(1, "pulse", 0),
            draw(2, "pulse", 0),
            draw(1, "burst", 0),
            draw(1, "pulse", 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
