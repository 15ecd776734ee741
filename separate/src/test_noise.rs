//! Noise for tests, the same on every machine.

/// Uniform numbers around 0, a stream a seed.
fn uniform(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    }
}

/// White noise, nearly Gaussian, of variance 1/3.
pub(crate) fn white(n: usize, seed: u64) -> Vec<f64> {
    let mut next = uniform(seed);
    (0..n).map(|_| (0..4).map(|_| next()).sum()).collect()
}

/// Noise that remembers 0.6 of its last value.
pub(crate) fn red(seed: u64, n: usize) -> Vec<f64> {
    let mut next = uniform(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut last = 0.0;
    (0..n)
        .map(|_| {
            last = 0.6 * last + next();
            last
        })
        .collect()
}
