//! Shared by the tests: repeatable noise and the definition itself as an oracle.
#![allow(dead_code)]

use std::f64::consts::PI;

use seismix_scattering::{
    CoefficientKind, Complex, FilterBank, Padding, ScatteringPath, ScatteringTransform, Wavelet,
};

/// Gaussian-like noise (sum of uniforms) from a small congruential generator.
pub fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n)
        .map(|_| (0..6).map(|_| uniform()).sum::<f64>() - 3.0)
        .collect()
}

/// `W_j x` by direct sums, O(N^2): reflect, transform, multiply, transform back, crop.
pub fn naive_filter(x: &[f64], j: usize, octaves: usize) -> Vec<Complex<f64>> {
    let t = x.len();
    let n = 2 * t;
    let padded: Vec<f64> = (0..n)
        .map(|i| if i < t { x[i] } else { x[n - 1 - i] })
        .collect();
    let bank = FilterBank::<f64>::new(Wavelet::BattleLemarie, octaves, n).unwrap();
    let unit = |index: usize| Complex::from_polar(1.0, 2.0 * PI * (index % n) as f64 / n as f64);
    let filtered: Vec<Complex<f64>> = (0..n)
        .map(|k| {
            let weight = if j == octaves {
                bank.low_pass[k.min(n - k)]
            } else {
                let band = &bank.band_pass[j];
                k.checked_sub(band.first_bin)
                    .and_then(|i| band.values.get(i))
                    .copied()
                    .unwrap_or(0.0)
            };
            if weight == 0.0 {
                return Complex::new(0.0, 0.0);
            }
            let spectrum: Complex<f64> = padded
                .iter()
                .enumerate()
                .map(|(i, &v)| unit(i * k).conj() * v)
                .sum();
            spectrum * weight
        })
        .collect();
    (0..t)
        .map(|i| {
            filtered
                .iter()
                .enumerate()
                .map(|(k, z)| z * unit(i * k))
                .sum::<Complex<f64>>()
                / n as f64
        })
        .collect()
}

/// One coefficient of a signal, straight from its definition, averaged over `block`.
pub fn naive_coefficient(
    x: &[f64],
    path: &ScatteringPath,
    octaves: usize,
    block: std::ops::Range<usize>,
) -> Complex<f64> {
    let first = |j: usize| naive_filter(x, j, octaves);
    let second = |j1: usize| {
        let modulus: Vec<f64> = first(j1).iter().map(|z| z.norm()).collect();
        naive_filter(&modulus, path.j2.unwrap(), octaves)
    };
    let real = |values: Vec<f64>| {
        values
            .into_iter()
            .map(|v| Complex::new(v, 0.0))
            .collect::<Vec<_>>()
    };
    let product = |a: Vec<Complex<f64>>, b: Vec<Complex<f64>>| {
        a.iter()
            .zip(&b)
            .map(|(a, b)| a * b.conj())
            .collect::<Vec<_>>()
    };
    let series = match path.kind {
        CoefficientKind::Sparsity => real(first(path.j1_left).iter().map(|z| z.norm()).collect()),
        CoefficientKind::Mean => first(octaves),
        CoefficientKind::Scattering => {
            real(second(path.j1_left).iter().map(|z| z.norm()).collect())
        }
        CoefficientKind::PowerSpectrum => product(first(path.j1_left), first(path.j1_left)),
        CoefficientKind::PhaseEnvelope => {
            product(first(path.j1_left), second(path.j1_right.unwrap()))
        }
        CoefficientKind::Envelope => product(second(path.j1_left), second(path.j1_right.unwrap())),
        _ => unreachable!(),
    };
    let n = block.len() as f64;
    series[block].iter().sum::<Complex<f64>>() / n
}

/// `W_j x` by direct sums with any bank.
pub fn naive_filter_of(
    x: &[f64],
    bank: &FilterBank<f64>,
    j: usize,
    padding: Padding,
) -> Vec<Complex<f64>> {
    let (t, n) = (x.len(), bank.n_bins);
    let padded: Vec<f64> = match padding {
        Padding::Periodic => x.to_vec(),
        _ => x.iter().chain(x.iter().rev()).copied().collect(),
    };
    assert_eq!(padded.len(), n);
    let unit: Vec<Complex<f64>> = (0..n)
        .map(|i| Complex::from_polar(1.0, 2.0 * PI * i as f64 / n as f64))
        .collect();
    let mut out = vec![Complex::new(0.0, 0.0); t];
    for k in 0..n {
        let weight = bank.value(j, k) / n as f64;
        if weight == 0.0 {
            continue;
        }
        let spectrum: Complex<f64> = padded
            .iter()
            .enumerate()
            .map(|(i, &v)| unit[i * k % n].conj() * v)
            .sum();
        for (i, out) in out.iter_mut().enumerate() {
            *out += spectrum * unit[i * k % n] * weight;
        }
    }
    out
}

/// One unnormalised coefficient of the channels `(channel, T)` of a signal, from its definition, averaged over `block`.
/// `centred`: the moduli lose their mean before the second layer.
pub fn naive_value(
    signal: &[f64],
    plan: &ScatteringTransform<f64>,
    padding: Padding,
    centred: bool,
    path: &ScatteringPath,
    block: std::ops::Range<usize>,
) -> Complex<f64> {
    let t = plan.window_samples();
    let [bank1, bank2] = plan.filter_banks();
    let first = |channel: usize, j: usize| {
        naive_filter_of(&signal[channel * t..(channel + 1) * t], bank1, j, padding)
    };
    let second = |channel: usize, j1: usize| {
        let modulus: Vec<f64> = first(channel, j1).iter().map(|z| z.norm()).collect();
        let mean = if centred {
            modulus.iter().sum::<f64>() / t as f64
        } else {
            0.0
        };
        let modulus: Vec<f64> = modulus.iter().map(|v| v - mean).collect();
        naive_filter_of(&modulus, bank2, path.j2.unwrap(), padding)
    };
    let own = |channel: usize, j1: usize| match path.j2 {
        Some(_) => second(channel, j1),
        None => first(channel, j1),
    };
    let left = match path.kind {
        CoefficientKind::PhaseEnvelope => first(path.channel_left, path.j1_left),
        _ => own(path.channel_left, path.j1_left),
    };
    let series: Vec<Complex<f64>> = match path.kind {
        CoefficientKind::Raw | CoefficientKind::Mean => left,
        CoefficientKind::Sparsity | CoefficientKind::Scattering => left
            .iter()
            .map(|z| Complex::new(z.norm().powf(path.exponent), 0.0))
            .collect(),
        _ => {
            let right = own(path.channel_right, path.j1_right.unwrap());
            left.iter().zip(&right).map(|(a, b)| a * b.conj()).collect()
        }
    };
    let n = block.len() as f64;
    series[block].iter().sum::<Complex<f64>>() / n
}

/// The natural scale of each coefficient of one channel, the root of the energies of what is multiplied, from a table
/// of means.
pub fn natural_scales(paths: &[ScatteringPath], means: &[Complex<f64>]) -> Vec<f64> {
    let energy = |kind: CoefficientKind, j1: usize, j2: Option<usize>| {
        let of = |p: &&ScatteringPath| {
            p.kind == kind && p.j1_left == j1 && p.j1_right == Some(j1) && p.j2 == j2
        };
        let at = paths.iter().position(|p| of(&p)).unwrap();
        means[at].re
    };
    let power = |j| energy(CoefficientKind::PowerSpectrum, j, None);
    paths
        .iter()
        .map(|path| {
            let right = path.j1_right.unwrap_or(path.j1_left);
            let of_second = |j1| energy(CoefficientKind::Envelope, j1, path.j2);
            match path.kind {
                CoefficientKind::PhaseEnvelope => (power(path.j1_left) * of_second(right)).sqrt(),
                CoefficientKind::Envelope => (of_second(path.j1_left) * of_second(right)).sqrt(),
                CoefficientKind::PowerSpectrum => power(path.j1_left),
                _ => power(path.j1_left).sqrt(),
            }
        })
        .collect()
}
