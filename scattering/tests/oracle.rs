//! The plans against the definition in direct sums, and properties that follow from the definition.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

mod common;

use common::{naive_coefficient, natural_scales, noise};
use seismix_scattering::{
    BlockTransform, CoefficientKind, CoefficientSet, Complex, Error, Normalization, Oversampling,
    ScatteringTransform, Wavelet,
};

#[test]
fn every_coefficient_of_short_windows() {
    for (t, octaves) in [(40, 3), (37, 3), (64, 4)] {
        let x = noise(t, t as u64);
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(octaves)
            .check()
            .unwrap();
        let phi = plan.process_vec(&x).unwrap();
        let largest = phi.iter().map(|z| z.norm()).fold(0.0, f64::max);
        for (path, ours) in plan.paths().iter().zip(&phi) {
            let oracle = naive_coefficient(&x, path, octaves, 0..t);
            // Direct sums of N terms lose about N eps.
            assert!(
                (ours - oracle).norm() <= 1e-13 * largest,
                "T {t} {path:?}: {ours} against {oracle}"
            );
        }
    }
}

#[test]
fn blocks_of_a_short_run_are_means_of_the_whole() {
    let (t, octaves, block) = (96, 3, 16);
    let run = noise(t, 11);
    let blocks = BlockTransform::<f64>::plan(block)
        .oversampling(Oversampling::Exact)
        .octaves(octaves)
        .check()
        .unwrap();
    let mut out = vec![Complex::new(f64::NAN, 0.0); 4 * blocks.paths().len()];
    blocks.process(&run, 24, 4, &mut out).unwrap();
    for (b, out) in out.chunks_exact(blocks.paths().len()).enumerate() {
        for (path, ours) in blocks.paths().iter().zip(out) {
            let start = 24 + b * block;
            let oracle = naive_coefficient(&run, path, octaves, start..start + block);
            assert!((ours - oracle).norm() <= 1e-12, "block {b} {path:?}");
        }
    }
}

#[test]
fn scaling_time_reversal_and_idempotence() {
    let t = 512;
    let x = noise(t, 20);
    let plan = ScatteringTransform::<f64>::plan(t)
        .oversampling(Oversampling::Exact)
        .octaves(6)
        .check()
        .unwrap();
    let phi = plan.process_vec(&x).unwrap();
    let largest = phi.iter().map(|z| z.norm()).fold(0.0, f64::max);
    let scaled = plan
        .process_vec(&x.iter().map(|v| -3.0 * v).collect::<Vec<_>>())
        .unwrap();
    let reversed = plan
        .process_vec(&x.iter().rev().copied().collect::<Vec<_>>())
        .unwrap();
    for ((path, phi), (scaled, reversed)) in plan
        .paths()
        .iter()
        .zip(&phi)
        .zip(scaled.iter().zip(&reversed))
    {
        let factor = match path.kind {
            CoefficientKind::Sparsity | CoefficientKind::Scattering => 3.0,
            CoefficientKind::Mean => -3.0,
            CoefficientKind::PhaseEnvelope => -9.0,
            _ => 9.0,
        };
        assert!(
            (scaled - phi * factor).norm() <= 1e-12 * largest,
            "{path:?}"
        );
        assert!(
            (reversed - phi.conj()).norm() <= 1e-12 * largest,
            "{path:?}"
        );
    }
    let normalized = ScatteringTransform::<f64>::plan(t)
        .oversampling(Oversampling::Exact)
        .octaves(6)
        .normalization(Normalization::EachPowerSpectrum)
        .check()
        .unwrap();
    let a = normalized.process_vec(&x).unwrap();
    for (path, z) in normalized.paths().iter().zip(&a) {
        if path.kind == CoefficientKind::PowerSpectrum {
            assert!((z.re - 1.0).abs() < 1e-13, "{path:?}: {z}");
        }
    }
    let b = normalized
        .process_vec(&x.iter().map(|v| 1e-6 * v).collect::<Vec<_>>())
        .unwrap();
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).norm() < 1e-12));
}

#[test]
fn bad_calls_are_refused_with_a_cure() {
    let plan = ScatteringTransform::<f64>::plan(64)
        .oversampling(Oversampling::Exact)
        .octaves(3)
        .check()
        .unwrap();
    assert!(matches!(
        plan.process_vec(&[0.0; 63]),
        Err(Error::Length {
            found: 63,
            expected: 64,
            ..
        })
    ));
    let mut x = vec![0.0; 64];
    x[10] = f64::NAN;
    assert!(matches!(
        plan.process_vec(&x),
        Err(Error::NotFinite { index: 10, .. })
    ));
    assert!(
        ScatteringTransform::<f64>::plan(3)
            .oversampling(Oversampling::Exact)
            .check()
            .is_err()
    );
    assert!(
        ScatteringTransform::<f64>::plan(64)
            .oversampling(Oversampling::Exact)
            .octaves(0)
            .check()
            .is_err()
    );
    assert!(
        ScatteringTransform::<f64>::plan(64)
            .oversampling(Oversampling::Exact)
            .octaves(30)
            .check()
            .is_err()
    );
    let error = ScatteringTransform::<f64>::plan(64)
        .oversampling(Oversampling::Exact)
        .octaves(3)
        .pool(7)
        .check()
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "`pool` is `7`: give a divisor of the window of 64 samples"
    );
    assert!(
        ScatteringTransform::<f64>::plan(64)
            .oversampling(Oversampling::Exact)
            .octaves(3)
            .coefficients(CoefficientSet::Cov)
            .check()
            .is_ok()
    );
}

/// Coarser grids keep what the filters let through; errors are relative to the natural scale of each coefficient.
#[test]
fn coarse_grids_are_as_accurate_as_stated() {
    for (t, octaves) in [(4096, 7), (3000, 7), (16_384, 8), (1021, 5)] {
        for wavelet in [
            Wavelet::BattleLemarie,
            Wavelet::Morlet,
            Wavelet::BumpSteerable,
            Wavelet::Meyer,
            Wavelet::Shannon,
        ] {
            let mut last = 0.0;
            let x: Vec<f64> = noise(t, 31)
                .iter()
                .map(|v| {
                    last = 0.9 * last + v;
                    last
                })
                .collect();
            let plan = |oversampling| {
                ScatteringTransform::<f64>::plan(t)
                    .octaves(octaves)
                    .wavelet(wavelet)
                    .oversampling(oversampling)
                    .check()
                    .unwrap()
            };
            let exact = plan(Oversampling::Exact);
            let reference = exact.process_vec(&x).unwrap();
            let natural = natural_scales(exact.paths(), &reference);
            let default = if wavelet == Wavelet::BumpSteerable {
                2e-4
            } else {
                1.2e-4
            };
            for (oversampling, tolerance) in [
                (Oversampling::Times(2), 8e-3),
                (Oversampling::Times(4), 1.2e-3),
                (Oversampling::default(), default),
            ] {
                let coarse = plan(oversampling).process_vec(&x).unwrap();
                let errors = reference.iter().zip(&coarse).zip(&natural);
                let worst = errors.map(|((a, b), natural)| (a - b).norm() / natural);
                let worst = worst.fold(0.0, f64::max);
                println!("T {t}, {wavelet:?}, {oversampling:?}: {worst:.1e}");
                assert!(
                    worst <= tolerance,
                    "T {t} {wavelet:?} {oversampling:?}: {worst:e}"
                );
            }
        }
    }
}
