//! The transform with all its options: against the definition in direct sums, its properties, and its adjoint.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{naive_value, noise};
use seismix_scattering::{
    ChannelPairs, CoefficientKind, CoefficientSet, Complex, EnvelopeMean, Error, FilterBank,
    FilterNorm, Normalization, Oversampling, Padding, PowerRows, ScatteringTransform,
    ScatteringTransformBuilder, Wavelet,
};

const FAMILIES: [Wavelet; 5] = [
    Wavelet::BattleLemarie,
    Wavelet::Morlet,
    Wavelet::BumpSteerable,
    Wavelet::Meyer,
    Wavelet::Shannon,
];
const SETS: [CoefficientSet; 5] = [
    CoefficientSet::Raw,
    CoefficientSet::Scat,
    CoefficientSet::Cov,
    CoefficientSet::ScatCov,
    CoefficientSet::CovReduced,
];

type Builder = ScatteringTransformBuilder<f64>;

fn small(t: usize) -> Builder {
    ScatteringTransform::plan(t)
        .oversampling(Oversampling::Exact)
        .octaves(3)
}

/// (name, builder, padding, whether moduli are centred): each set and each option at least once, unnormalised.
fn unnormalized(t: usize) -> Vec<(String, Builder, Padding, bool)> {
    let mut plans = Vec::new();
    for (wavelet, padding) in FAMILIES
        .into_iter()
        .flat_map(|w| [(w, Padding::Reflect), (w, Padding::Periodic)])
    {
        let builder = small(t).wavelet(wavelet).padding(padding);
        plans.push((format!("{wavelet:?} {padding:?}"), builder, padding, false));
    }
    for set in SETS {
        for padding in [Padding::Reflect, Padding::Periodic] {
            let builder = small(t)
                .coefficients(set)
                .moments(&[0.5, 1.0, 2.0, 3.0])
                .padding(padding);
            plans.push((format!("{set:?} {padding:?}"), builder, padding, false));
        }
    }
    let reflect = Padding::Reflect;
    let mut push = |name: &str, builder| plans.push((name.to_owned(), builder, reflect, false));
    push("Q 2 1", small(t).wavelets_per_octave_by_layer(2, 1));
    push("Q 1 2", small(t).wavelets_per_octave_by_layer(1, 2));
    push("J 2 3", small(t).octaves_by_layer(2, 3));
    push("J 3 2", small(t).octaves_by_layer(3, 2));
    push("l2", small(t).filter_norm(FilterNorm::L2));
    for pairs in [
        ChannelPairs::Diag,
        ChannelPairs::Full,
        ChannelPairs::OffDiag,
    ] {
        push(&format!("{pairs:?}"), small(t).channels(2, pairs));
    }
    push(
        "covreduced of two channels",
        small(t)
            .coefficients(CoefficientSet::CovReduced)
            .channels(2, ChannelPairs::Full),
    );
    for padding in [Padding::Reflect, Padding::Periodic] {
        let builder = small(t)
            .channels(2, ChannelPairs::OffDiag)
            .padding(padding)
            .envelope_mean(EnvelopeMean::Removed);
        plans.push((format!("centred {padding:?}"), builder, padding, true));
    }
    plans
}

fn gradient(n: usize, seed: u64) -> Vec<Complex<f64>> {
    let g = noise(2 * n, seed);
    g.chunks(2).map(|g| Complex::new(g[0], g[1])).collect()
}

fn dot(g: &[Complex<f64>], phi: &[Complex<f64>]) -> f64 {
    g.iter()
        .zip(phi)
        .map(|(g, p)| g.re * p.re + g.im * p.im)
        .sum()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn every_entry_point_against_direct_sums() {
    for t in [40, 37] {
        for (name, builder, padding, centred) in unnormalized(t) {
            let pooled = builder.clone().check().unwrap();
            let plan = if t == 40 && !name.contains("Raw") {
                builder.pool(20).check().unwrap()
            } else {
                pooled
            };
            if plan.paths().iter().any(|path| path.distance.is_some()) {
                continue; // Means of rows that are checked below.
            }
            let x = noise(plan.signal_len(), t as u64);
            let mut scratch = plan.make_scratch();
            let mut out = vec![Complex::new(f64::NAN, f64::NAN); plan.output_len()];
            plan.process(&noise(x.len(), 99), &mut out, &mut scratch)
                .unwrap();
            plan.process(&x, &mut out, &mut scratch).unwrap();
            let mut batch = vec![Complex::new(f64::NAN, f64::NAN); plan.output_len()];
            plan.process_batch(&x, &mut batch).unwrap();
            assert_eq!(out, batch, "{name} T {t}");
            assert_eq!(out, plan.process_vec(&x).unwrap(), "{name} T {t}");
            let largest = out.iter().map(|z| z.norm()).fold(0.0, f64::max);
            let n_blocks = plan.n_blocks();
            // Of raw layers a few samples; the others in full.
            let step = if n_blocks == t { 13 } else { 1 };
            for (k, path) in plan.paths().iter().enumerate() {
                for block in (0..n_blocks).step_by(step) {
                    let size = t / n_blocks;
                    let range = block * size..(block + 1) * size;
                    let oracle = naive_value(&x, &plan, padding, centred, path, range);
                    let ours = out[k * n_blocks + block];
                    // Direct sums of N terms lose about N eps.
                    assert!(
                        (ours - oracle).norm() <= 1e-13 * largest.max(1.0),
                        "{name} T {t} {path:?}: {ours} against {oracle}"
                    );
                }
            }
        }
    }
}

#[test]
fn reduced_rows_are_means_of_rows_of_cov() {
    let (t, octaves) = (256, 5);
    let x = noise(t, 3);
    let plan = |set| {
        ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(octaves)
            .coefficients(set)
            .normalization(Normalization::EachPowerSpectrum)
            .check()
            .unwrap()
    };
    let (whole, reduced) = (plan(CoefficientSet::Cov), plan(CoefficientSet::CovReduced));
    let (phi, few) = (
        whole.process_vec(&x).unwrap(),
        reduced.process_vec(&x).unwrap(),
    );
    for (path, ours) in reduced.paths().iter().zip(&few) {
        let members: Vec<Complex<f64>> = whole
            .paths()
            .iter()
            .zip(&phi)
            .filter(|(row, _)| match path.distance {
                None => *row == path,
                Some(distance) => {
                    row.kind == path.kind
                        && row.j2 != Some(octaves)
                        && row.j1_right == row.j1_left.checked_sub(distance.a)
                        && distance
                            .b
                            .is_none_or(|b| row.j1_left as i32 - row.j2.unwrap() as i32 == b)
                }
            })
            .map(|(_, value)| *value)
            .collect();
        let mean = members.iter().sum::<Complex<f64>>() / members.len() as f64;
        assert!((ours - mean).norm() <= 1e-14, "{path:?}");
    }
}

/// phi^2 + sum psi_j^2 in the middle of the band: 1 for the families that are tight frames. The others' bounds are
/// those of the published filters (a Morlet bank of two filters an octave leaves a hole below its last filter).
#[test]
fn littlewood_paley_bounds() {
    for (wavelet, per_octave, low, high) in [
        (Wavelet::BattleLemarie, 1, 0.999, 1.0001),
        (Wavelet::BattleLemarie, 2, 0.999, 2.0001),
        (Wavelet::Morlet, 1, 0.43, 1.25),
        (Wavelet::Morlet, 2, 0.014, 1.17),
        (Wavelet::BumpSteerable, 1, 1.42, 1.83),
        (Wavelet::BumpSteerable, 2, 1.37, 1.69),
        (Wavelet::Meyer, 1, 0.635, 0.6367),
        (Wavelet::Shannon, 1, 1.0, 1.0),
        (Wavelet::Shannon, 2, 1.0, 1.0),
    ] {
        for n in [2048, 2001] {
            let bank = FilterBank::<f64>::plan(n)
                .wavelet(wavelet)
                .octaves(8)
                .wavelets_per_octave(per_octave)
                .check()
                .unwrap();
            for k in 0..=n / 4 {
                let sum: f64 = (0..=bank.n_band_pass())
                    .map(|j| bank.value(j, k).powi(2))
                    .sum();
                assert!(
                    (low..=high).contains(&sum),
                    "{wavelet:?} Q {per_octave} N {n} bin {k}: {sum}"
                );
            }
            for j in 0..bank.n_band_pass() {
                // Zero mean, but for what rounding leaves of the Morlet's difference.
                assert!(bank.value(j, 0).abs() <= 1e-15, "{wavelet:?} {j}");
            }
        }
    }
}

#[test]
fn linearity_scaling_and_shifts() {
    let t = 120;
    let raw = small(t).coefficients(CoefficientSet::Raw).check().unwrap();
    let n_first = 4 * t;
    let (x, y) = (noise(t, 1), noise(t, 2));
    let mixed: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 2.0 * x - 0.5 * y).collect();
    let [a, b, c] = [&x, &y, &mixed].map(|x| raw.process_vec(x).unwrap());
    for k in 0..n_first {
        assert!((c[k] - (a[k] * 2.0 - b[k] * 0.5)).norm() <= 1e-14);
    }
    for wavelet in FAMILIES {
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(3)
            .wavelet(wavelet)
            .padding(Padding::Periodic)
            .check()
            .unwrap();
        let phi = plan.process_vec(&x).unwrap();
        let largest = phi.iter().map(|z| z.norm()).fold(0.0, f64::max);
        // A period has no ends: shifting it changes nothing.
        let mut shifted = x.clone();
        shifted.rotate_left(17);
        let moved = plan.process_vec(&shifted).unwrap();
        let scaled = plan
            .process_vec(&x.iter().map(|x| -3.0 * x).collect::<Vec<_>>())
            .unwrap();
        for (k, path) in plan.paths().iter().enumerate() {
            assert!((moved[k] - phi[k]).norm() <= 1e-13 * largest, "{path:?}");
            let factor = match path.kind {
                CoefficientKind::Sparsity | CoefficientKind::Scattering => 3.0,
                CoefficientKind::Mean => -3.0,
                CoefficientKind::PhaseEnvelope => -9.0,
                _ => 9.0,
            };
            let difference = (scaled[k] - phi[k] * factor).norm();
            assert!(difference <= 1e-12 * largest, "{path:?}");
        }
    }
}

/// Time reversal conjugates what has a phase; Shannon's low-pass is not even, so it is left out.
#[test]
fn time_reversal_conjugates() {
    let t = 256;
    let x = noise(t, 5);
    let reversed: Vec<f64> = x.iter().rev().copied().collect();
    for wavelet in &FAMILIES[..4] {
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(4)
            .wavelet(*wavelet)
            .wavelets_per_octave(2)
            .check()
            .unwrap();
        let (a, b) = (
            plan.process_vec(&x).unwrap(),
            plan.process_vec(&reversed).unwrap(),
        );
        let largest = a.iter().map(|z| z.norm()).fold(0.0, f64::max);
        for ((path, a), b) in plan.paths().iter().zip(&a).zip(&b) {
            assert!(
                (a.conj() - b).norm() <= 1e-12 * largest,
                "{wavelet:?} {path:?}"
            );
        }
    }
}

#[test]
fn normalizations_agree_where_they_must() {
    let t = 256;
    let plan = |builder: Builder| builder.octaves(4).channels(2, ChannelPairs::Full);
    let x: Vec<f64> = noise(3 * 2 * t, 7);
    let none = plan(ScatteringTransform::plan(t).oversampling(Oversampling::Exact))
        .check()
        .unwrap();
    let power = none.power_spectrum(&x).unwrap();
    let given = plan(ScatteringTransform::plan(t).oversampling(Oversampling::Exact))
        .given_power(&power)
        .check()
        .unwrap();
    let batch = plan(ScatteringTransform::plan(t).oversampling(Oversampling::Exact))
        .normalization(Normalization::BatchPowerSpectrum)
        .check()
        .unwrap();
    let mut a = vec![Complex::new(f64::NAN, 0.0); 3 * batch.output_len()];
    let mut b = a.clone();
    batch.process_batch(&x, &mut a).unwrap();
    given.process_batch(&x, &mut b).unwrap();
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).norm() <= 1e-13));
    // Normalised once more by a power of 1, nothing changes; amplitude is not seen.
    let each = plan(ScatteringTransform::plan(t).oversampling(Oversampling::Exact))
        .normalization(Normalization::EachPowerSpectrum)
        .check()
        .unwrap();
    let first = each.process_vec(&x[..2 * t]).unwrap();
    let loud: Vec<f64> = x[..2 * t].iter().map(|x| 1e6 * x).collect();
    let again = each.process_vec(&loud).unwrap();
    assert!(
        first
            .iter()
            .zip(&again)
            .all(|(a, b)| (a - b).norm() <= 1e-13)
    );
    for (path, value) in each.paths().iter().zip(&first) {
        if path.kind == CoefficientKind::PowerSpectrum && path.channel_left == path.channel_right {
            assert!((value.re - 1.0).abs() <= 1e-13 && value.im == 0.0);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let plan = small(200)
        .channels(2, ChannelPairs::Full)
        .normalization(Normalization::BatchPowerSpectrum)
        .check()
        .unwrap();
    let x = noise(5 * plan.signal_len(), 8);
    let g = gradient(5 * plan.output_len(), 9);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut out = plan.make_output().repeat(5);
            let mut d_x = vec![0.0; x.len()];
            plan.process_batch(&x, &mut out).unwrap();
            plan.adjoint_batch(&x, &g, &mut d_x).unwrap();
            (out, d_x)
        })
    };
    assert_eq!(run(1), run(2));
}

/// Each set and option with each normalisation; of two plans alike one is enough.
fn all_plans(t: usize) -> Vec<(String, ScatteringTransform<f64>)> {
    let mut plans = Vec::new();
    for (name, builder, ..) in unnormalized(t) {
        for normalization in [
            Normalization::None,
            Normalization::EachPowerSpectrum,
            Normalization::BatchPowerSpectrum,
        ] {
            let plan = builder.clone().normalization(normalization);
            plans.push((format!("{name} {normalization:?}"), plan.check().unwrap()));
        }
        let plan = builder.clone().check().unwrap();
        let power = plan
            .power_spectrum(&noise(3 * plan.signal_len(), 50))
            .unwrap();
        let plan = builder.clone().given_power(&power).check().unwrap();
        plans.push((format!("{name} Given"), plan));
        for (times, pool) in [(2, t / 4), (3, t)] {
            let coarse = builder
                .clone()
                .normalization(Normalization::EachPowerSpectrum)
                .oversampling(Oversampling::Times(times))
                .pool(pool);
            plans.push((
                format!("{name} EachPower {times} times, pool {pool}"),
                coarse.check().unwrap(),
            ));
        }
        let kept = builder
            .normalization(Normalization::EachPowerSpectrum)
            .power_rows(PowerRows::Kept)
            .pool(t / 4);
        plans.push((format!("{name} EachKept pool"), kept.check().unwrap()));
    }
    plans
}

/// Each coefficient is homogeneous in the signal, so the directional derivative along the signal itself is exactly its
/// degree times the coefficient (Euler): an exact dot-product test for a non-linear map.
#[test]
fn euler_dot_product() {
    let t = 48;
    for (name, plan) in all_plans(t) {
        let n_batch = if name.contains("Batch") { 3 } else { 1 };
        let x = noise(n_batch * plan.signal_len(), 11);
        let mut phi = plan.make_output().repeat(n_batch);
        plan.process_batch(&x, &mut phi).unwrap();
        let g = gradient(phi.len(), 12);
        let mut d_x = vec![f64::NAN; x.len()];
        plan.adjoint_batch(&x, &g, &mut d_x).unwrap();
        let along: f64 = d_x.iter().zip(&x).map(|(g, x)| g * x).sum();
        let mut weighted = phi.clone();
        let n_blocks = plan.n_blocks();
        for member in weighted.chunks_exact_mut(plan.output_len()) {
            for (path, blocks) in plan.paths().iter().zip(member.chunks_exact_mut(n_blocks)) {
                let spared = name.contains("Kept")
                    && path.kind == CoefficientKind::PowerSpectrum
                    && path.channel_left == path.channel_right;
                let amplitude_free = name.contains("Each") || name.contains("Batch");
                let degree = if amplitude_free && !spared {
                    0.0
                } else {
                    path.exponent
                };
                blocks.iter_mut().for_each(|value| *value *= degree);
            }
        }
        let expected = dot(&g, &weighted);
        let size = norm(&d_x) * norm(&x);
        assert!(
            (along - expected).abs() <= 1e-12 * size,
            "{name}: {along} against {expected} (size {size})"
        );
    }
}

#[test]
fn central_differences() {
    let t = 48;
    for (name, plan) in all_plans(t) {
        let n_batch = if name.contains("Batch") { 2 } else { 1 };
        let n = n_batch * plan.signal_len();
        let (x, direction) = (noise(n, 13), noise(n, 14));
        let g = gradient(n_batch * plan.output_len(), 15);
        let value = |h: f64| {
            let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
            let mut out = plan.make_output().repeat(n_batch);
            plan.process_batch(&moved, &mut out).unwrap();
            dot(&g, &out)
        };
        let mut d_x = vec![0.0; n];
        plan.adjoint_batch(&x, &g, &mut d_x).unwrap();
        let slope: f64 = d_x.iter().zip(&direction).map(|(g, d)| g * d).sum();
        // Fourth-order differences. A modulus that comes within h of zero bends, so h shrinks until none does; rounding
        // of 1e-16/h then bounds what can be asked.
        let size = norm(&d_x) * norm(&direction);
        let error = [1e-4, 1e-5, 1e-6]
            .map(|h| {
                let near = 8.0 * (value(h) - value(-h));
                let numeric = (near - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
                (slope - numeric).abs() / size
            })
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        // sqrt|z| bends more: q = 1/2 is among the moments.
        let tolerance = if name.contains("Scat ") { 1e-5 } else { 1e-7 };
        assert!(error <= tolerance, "{name}: {slope}, off by {error:e}");
    }
}

#[test]
fn nothing_is_nan_where_there_is_no_energy() {
    let t = 48;
    for (name, plan) in all_plans(t) {
        let n = plan.signal_len();
        let mut impulse = vec![0.0; n];
        impulse[n / 3] = 1.0;
        for (what, x) in [
            ("zero", vec![0.0; n]),
            ("constant", vec![7.5; n]),
            ("impulse", impulse),
        ] {
            let mut out = plan.make_output();
            plan.process_batch(&x, &mut out).unwrap();
            assert!(
                out.iter().all(|z| z.re.is_finite() && z.im.is_finite()),
                "{what} {name}"
            );
            if what == "zero" {
                assert!(out.iter().all(|z| z.norm() == 0.0), "{what} {name}");
            }
            if what == "constant" && name.contains("EachPower") {
                // Bands of a constant are rounding noise: they must not be blown up to 1.
                for (path, value) in plan.paths().iter().zip(out.chunks_exact(plan.n_blocks())) {
                    if path.kind == CoefficientKind::Sparsity {
                        assert!(value[0].norm() == 0.0, "{name} {path:?} {}", value[0]);
                    }
                }
            }
            let mut d_x = vec![f64::NAN; n];
            plan.adjoint_batch(&x, &vec![Complex::new(1.0, 1.0); out.len()], &mut d_x)
                .unwrap();
            assert!(d_x.iter().all(|g| g.is_finite()), "{what} {name}");
        }
    }
}

/// Results do not depend on the content that a previous call left in scratch and outputs.
#[test]
fn dirty_buffers_change_nothing() {
    let t = 48;
    for (name, plan) in all_plans(t) {
        let n = plan.signal_len();
        let (x, other) = (noise(n, 21), noise(n, 22));
        let g = gradient(plan.output_len(), 23);
        let mut clean = vec![0.0; n];
        plan.adjoint(&x, &g, &mut clean, &mut plan.make_scratch())
            .unwrap();
        let mut scratch = plan.make_scratch();
        let mut d_x = vec![f64::NAN; n];
        plan.adjoint(&other, &g, &mut d_x, &mut scratch).unwrap();
        plan.process(&other, &mut plan.make_output(), &mut scratch)
            .unwrap();
        plan.adjoint(&x, &g, &mut d_x, &mut scratch).unwrap();
        assert_eq!(d_x, clean, "{name}");
    }
}

#[test]
fn bad_plans_and_calls_are_refused_with_a_cure() {
    let text = |builder: Builder| builder.check().err().unwrap().to_string();
    assert_eq!(
        text(small(64).pool(7)),
        "`pool` is `7`: give a divisor of the window of 64 samples"
    );
    assert_eq!(
        text(small(64).channels(1, ChannelPairs::OffDiag)),
        "`channels` is `offdiag`: pairs of different channels require two channels; give diag for one"
    );
    assert_eq!(
        text(
            small(64)
                .coefficients(CoefficientSet::CovReduced)
                .wavelets_per_octave_by_layer(2, 1)
        ),
        "`wavelets_per_octave` is `2,1`: covreduced compares scales of the two layers; give both the same number"
    );
    assert!(text(small(64).moments(&[f64::NAN])).starts_with("`moments` is `NaN`"));
    assert!(text(small(64).moments(&[])).starts_with("`moments` is `empty`"));
    assert!(text(small(64).octaves(0)).starts_with("`octaves` is `0`"));
    assert!(text(small(64).octaves(30)).contains("take fewer octaves or a longer window"));
    assert!(text(small(64).wavelets_per_octave(0)).starts_with("`wavelets_per_octave` is `0`"));
    assert!(text(small(3)).starts_with("`window` is `3`"));
    assert!(text(small(64).given_power(&[1.0])).contains("has 1 elements, the plan requires 4"));
    assert!(text(small(64).given_power(&[1.0, -1.0, 1.0, 1.0])).starts_with("`power` is `-1`"));
    let plan = small(64).channels(2, ChannelPairs::Full).check().unwrap();
    let mut out = plan.make_output();
    assert!(matches!(
        plan.process_batch(&[0.0; 127], &mut out),
        Err(Error::Length { .. })
    ));
    let mut x = vec![0.0; 128];
    x[74] = f64::INFINITY;
    assert!(matches!(
        plan.process_batch(&x, &mut out),
        Err(Error::NotFinite { index: 10, .. })
    ));
}

#[test]
fn what_fits_no_memory_or_no_float_is_refused() {
    // A table of 50 million coefficients, and one of a thousand with as many blocks as samples.
    let table = ScatteringTransform::<f64>::plan(20_000)
        .octaves(11)
        .wavelets_per_octave(64)
        .check();
    assert!(matches!(table, Err(Error::Parameter { .. })));
    let blocks = ScatteringTransform::<f64>::plan(1 << 20)
        .octaves(8)
        .pool(1)
        .check();
    let text = blocks.err().unwrap().to_string();
    assert!(text.contains("210 in 1048576 blocks"), "{text}");
    // Counted without the table, as many as it has.
    for set in SETS {
        let plan = small(64).coefficients(set).channels(3, ChannelPairs::Full);
        assert!(plan.check().is_ok(), "{set:?}");
    }
    let plan = ScatteringTransform::<f32>::plan(64)
        .octaves(3)
        .check()
        .unwrap();
    let huge: Vec<f32> = noise(64, 1).iter().map(|v| *v as f32 * 1e30).collect();
    let error = plan.process_vec(&huge).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
}
