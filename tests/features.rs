//! What `features` writes is the transform of the record, with every option.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::records::{N, integers, samples, write};
use common::{finish, seismix};
use seismix::data::store::{DayFeatures, read_day};
use seismix::scattering::{BlockTransform, Complex, Oversampling, ScatteringTransform};
use tempfile::TempDir;

/// Sample values as the record holds them.
fn values(seed: u64) -> Vec<f64> {
    samples(N, seed).iter().map(|v| v.round()).collect()
}

fn record() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let of = |(seed, code)| {
        let id = format!("XX.S.00.{code}");
        integers(&id, 20.0, "2020-01-02T00:00:00Z", &values(seed))
    };
    write(
        &folder.path().join("in.mseed"),
        &[(1, "BHU"), (2, "BHV")].map(of),
    );
    folder
}

fn features(folder: &Path, options: &[&str]) -> DayFeatures {
    let mut command = seismix();
    command
        .current_dir(folder)
        .args(["features", "in.mseed", "-o", "F", "--scales", "256,1024"])
        .args(options);
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, Some(0), "{options:?}: {}", outcome.stderr);
    read_day(&folder.join("F").join("XX.S.00.2020.002.h5")).unwrap()
}

/// The coefficients (channel, coefficient) of a block.
fn block(day: &DayFeatures, block: usize, channel: usize) -> Vec<Complex<f64>> {
    (0..day.meta.index.len())
        .map(|k| {
            let part = |part| f64::from(day.coefficients[[block, channel, k, part]]);
            Complex::new(part(0), part(1))
        })
        .collect()
}

/// Values are stored in f32.
fn assert_close(ours: &[Complex<f64>], expected: &[Complex<f64>], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let largest = expected.iter().map(|z| z.norm()).fold(0.0, f64::max);
    for (k, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (a - b).norm() <= 1e-7 * b.norm() + 1e-12 * largest,
            "{what}, coefficient {k}: {a} against {b}"
        );
    }
}

#[test]
fn continuous_blocks_see_their_neighbours() {
    let folder = record();
    let options = ["--octaves", "5", "--oversampling", "exact"];
    let day = features(folder.path(), &options);
    assert_eq!(day.meta.boundary, "continuous");
    let plan = BlockTransform::<f64>::plan(64)
        .octaves(5)
        .oversampling(Oversampling::Exact)
        .check()
        .unwrap();
    let (n_blocks, n_paths) = (day.time.len(), plan.paths().len());
    for (channel, seed) in [1, 2].into_iter().enumerate() {
        let mut expected = vec![Complex::new(0.0, 0.0); n_blocks * n_paths];
        plan.process(&values(seed), 0, n_blocks, &mut expected)
            .unwrap();
        for (b, expected) in expected.chunks_exact(n_paths).enumerate() {
            assert_close(&block(&day, b, channel), expected, &format!("block {b}"));
        }
    }
}

#[test]
fn reference_windows_are_reflected_on_their_own() {
    let folder = record();
    let options = [
        "--octaves",
        "5",
        "--boundary",
        "reference",
        "--stride",
        "512",
        "--oversampling",
        "exact",
    ];
    let day = features(folder.path(), &options);
    assert_eq!(day.meta.boundary, "reference");
    assert_eq!(day.meta.layout.windows.block_samples, 256);
    let grid = day.windows().unwrap();
    assert_eq!(grid.len(), (N - 1024) / 512 + 1);
    let plan = ScatteringTransform::<f64>::plan(1024)
        .octaves(5)
        .pool(256)
        .oversampling(Oversampling::Exact)
        .check()
        .unwrap();
    for (channel, seed) in [1, 2].into_iter().enumerate() {
        let x = values(seed);
        for (i, window) in grid.windows().iter().enumerate() {
            let start = i * 512;
            let phi = plan.process_vec(&x[start..start + 1024]).unwrap();
            for (b, at) in grid.blocks(window, 1).enumerate() {
                let expected: Vec<_> = phi.iter().skip(b).step_by(4).copied().collect();
                assert_close(
                    &block(&day, at, channel),
                    &expected,
                    &format!("window {i}, block {b}"),
                );
                let offset = day.time[at] - day.time[0];
                assert_eq!(offset, (start + b * 256) as i64 * 50_000_000);
            }
        }
    }
}

#[test]
fn families_layers_and_precision_reach_the_file() {
    let folder = record();
    for (options, wavelet, n_rows) in [
        (vec!["--wavelet", "morlet", "--octaves", "4"], "morlet", 50),
        (
            vec!["--wavelet", "meyer", "--quality", "2,1", "--octaves", "3"],
            "meyer",
            0,
        ),
        (
            vec![
                "--octaves",
                "3,4",
                "--precision",
                "f32",
                "--oversampling",
                "4",
            ],
            "battle-lemarie",
            0,
        ),
    ] {
        let day = features(folder.path(), &[&options[..], &["--fresh"]].concat());
        assert_eq!(day.meta.wavelet, wavelet);
        if n_rows > 0 {
            assert_eq!(day.meta.index.len(), n_rows, "{options:?}");
        }
        assert!(day.meta.index.len() > 20, "{options:?}");
        let grid = day.windows().unwrap();
        assert_eq!(grid.len(), (N - 1024) / 256 + 1, "{options:?}");
        assert!(day.coefficients.iter().any(|v| *v > 0.0));
    }
}

#[test]
fn coarse_grids_stay_near_the_exact_ones() {
    let folder = record();
    let exact = features(
        folder.path(),
        &["--octaves", "5", "--oversampling", "exact"],
    );
    // A record this short is always transformed at its own samples in `continuous`, so compare reflected windows.
    let boundary = ["--octaves", "5", "--boundary", "reference", "--fresh"];
    let of = |n| {
        features(
            folder.path(),
            &[&boundary[..], &["--oversampling", n]].concat(),
        )
    };
    let (fine, coarse) = (of("exact"), of("8"));
    let size = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    let difference = size(&mut (&fine.coefficients - &coarse.coefficients).into_iter());
    let whole = size(&mut fine.coefficients.iter().copied());
    assert!(
        difference > 0.0 && difference < 1e-3 * whole,
        "{difference} of {whole}"
    );
    assert!(exact.coefficients.iter().all(|v| v.is_finite()));
}

#[test]
fn a_bad_oversampling_is_refused() {
    let folder = record();
    let mut command = seismix();
    command.current_dir(folder.path()).args([
        "features",
        "in.mseed",
        "-o",
        "F",
        "--oversampling",
        "1",
    ]);
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("exact"), "{}", outcome.stderr);
}
