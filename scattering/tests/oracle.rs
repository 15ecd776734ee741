//! The plans against the definition in direct sums, and properties that follow from the definition.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

mod common;

use common::{naive_coefficient, noise};
use seismix_scattering::{
    BlockTransform, CoefficientKind, CoefficientSet, Complex, Error, Normalization, Oversampling,
    ScatteringTransform,
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

/// Chunks see their true neighbours: block averages of a long run agree with one transform of all of it.
#[test]
fn chunks_agree_with_one_transform_of_the_whole() {
    let n = 200_000;
    let run = noise(n, 12);
    let (octaves, block) = (8, 256);
    let blocks = BlockTransform::<f64>::plan(block)
        .oversampling(Oversampling::Exact)
        .octaves(octaves)
        .check()
        .unwrap();
    let n_blocks = n / block - 8;
    let n_paths = blocks.paths().len();
    let mut out = vec![Complex::new(0.0, 0.0); n_blocks * n_paths];
    blocks.process(&run, 512, n_blocks, &mut out).unwrap();
    let used = (n / block) * block;
    // One plan over the whole run (its end reflected at `used`; the last blocks are left out of the comparison).
    let whole = ScatteringTransform::<f64>::plan(used)
        .oversampling(Oversampling::Exact)
        .octaves(octaves)
        .pool(block)
        .check()
        .unwrap();
    let reference = whole.process_vec(&run[..used]).unwrap();
    let mut worst = 0.0_f64;
    for (k, path) in blocks.paths().iter().enumerate() {
        let row = &reference[k * whole.n_blocks()..(k + 1) * whole.n_blocks()];
        let largest = row.iter().map(|z| z.norm()).fold(0.0, f64::max);
        let natural = if path.kind == CoefficientKind::PhaseEnvelope
            || path.kind == CoefficientKind::Envelope
        {
            1e-3_f64.max(largest)
        } else {
            largest
        };
        for b in 0..n_blocks - 32 {
            worst = worst.max((out[b * n_paths + k] - row[b + 2]).norm() / natural);
        }
    }
    // Cut side lobes make the filters fall off slowly; 8192 samples of context leave 6e-6 (measured).
    assert!(worst < 2e-5, "{worst:e}");
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
        "`pool` is 7: give a divisor of the window of 64 samples"
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

/// Coarser grids keep what the filters let through; errors are relative to the natural scale of each coefficient, the
/// root of the two energies that it correlates.
#[test]
fn coarse_grids_are_as_accurate_as_stated() {
    for t in [4096, 3000] {
        let x: Vec<f64> = noise(t, 31)
            .iter()
            .scan(0.0, |last, v| {
                *last = 0.9 * *last + v;
                Some(*last)
            })
            .collect();
        let plan = |oversampling| {
            ScatteringTransform::<f64>::plan(t)
                .oversampling(Oversampling::Exact)
                .octaves(7)
                .oversampling(oversampling)
                .check()
                .unwrap()
        };
        let exact = plan(Oversampling::Exact);
        let reference = exact.process_vec(&x).unwrap();
        let of = |kind, j1, j2| {
            let at = exact.paths().iter().position(|p| {
                p.kind == kind && p.j1_left == j1 && p.j1_right == Some(j1) && p.j2 == j2
            });
            reference[at.unwrap()].re
        };
        let power = |j| of(CoefficientKind::PowerSpectrum, j, None);
        for (times, tolerance) in [(2, 5e-3), (4, 5e-4), (8, 1e-4)] {
            let coarse = plan(Oversampling::Times(times)).process_vec(&x).unwrap();
            let mut worst = 0.0_f64;
            for (path, (a, b)) in exact.paths().iter().zip(reference.iter().zip(&coarse)) {
                let right = path.j1_right.unwrap_or(path.j1_left);
                let natural = match path.kind {
                    CoefficientKind::PhaseEnvelope => {
                        (power(path.j1_left) * of(CoefficientKind::Envelope, right, path.j2)).sqrt()
                    }
                    CoefficientKind::Envelope => (of(path.kind, path.j1_left, path.j2)
                        * of(path.kind, right, path.j2))
                    .sqrt(),
                    CoefficientKind::PowerSpectrum => power(path.j1_left),
                    _ => power(path.j1_left).sqrt(),
                };
                worst = worst.max((a - b).norm() / natural);
            }
            println!("T {t}, {times} times: {worst:.1e}");
            assert!(worst <= tolerance, "T {t} oversampling {times}: {worst:e}");
        }
    }
}
