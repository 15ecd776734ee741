//! `seismix synth`: new signals with the covariance of a record or a cluster, as `scatter` measures it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs::File;
use std::path::Path;

use common::{Outcome, finish, seismix};
use ndarray::{Array1, ArrayD, Axis, concatenate};
use ndarray_npy::{NpzReader, write_npy};

const N: usize = 2048;

fn command(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = seismix();
    command.current_dir(folder).args(arguments);
    finish(&mut command)
}

fn array(folder: &Path, file: &str, name: &str) -> ArrayD<f64> {
    NpzReader::new(File::open(folder.join(file)).unwrap())
        .unwrap()
        .by_name(name)
        .unwrap()
}

/// Decaying pulses at irregular places, in noise.
fn record() -> Array1<f64> {
    let mut state = 9_u64;
    let mut level = 0.0;
    Array1::from_shape_fn(N, |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
        level = 0.9 * level + if uniform > 0.985 { 6.0 } else { 0.0 };
        level + uniform
    })
}

#[test]
fn scatter_finds_the_covariance_of_the_record_in_another_signal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let x = record();
    write_npy(dir.join("x.npy"), &x).unwrap();
    let made = command(
        dir,
        &[
            "synth",
            "--like",
            "x.npy",
            "-n",
            "2",
            "-o",
            "new.npz",
            "--octaves",
            "6",
            "--seed",
            "3",
        ],
    );
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(
        made.stdout.starts_with("new.npz: 2 signals, "),
        "{}",
        made.stdout
    );
    let signals = array(dir, "new.npz", "signals");
    assert_eq!(signals.shape(), [2, N]);
    assert_ne!(
        signals.index_axis(Axis(0), 0),
        signals.index_axis(Axis(0), 1)
    );
    let all = concatenate![Axis(0), x.clone().insert_axis(Axis(0)).into_dyn(), signals];
    write_npy(dir.join("all.npy"), &all).unwrap();
    let measured = command(
        dir,
        &["scatter", "all.npy", "-o", "phi.npz", "--octaves", "6"],
    );
    assert_eq!(measured.code, Some(0), "{}", measured.stderr);
    let phi = array(dir, "phi.npz", "coefficients");
    // In place of the natural scales, which the library's test has: the largest coefficient, and the worst of all must
    // not be far off.
    let wanted = phi.index_axis(Axis(0), 0).to_owned();
    let largest = wanted.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    for i in 1..3 {
        let off = (phi.index_axis(Axis(0), i).to_owned() - &wanted)
            .iter()
            .fold(0.0_f64, |m, v| m.max(v.abs()));
        assert!(off < 0.01 * largest, "{off} of {largest}");
    }
    assert!(
        array(dir, "new.npz", "error")
            .iter()
            .all(|error| *error <= 0.01)
    );
    let correlation = array(dir, "new.npz", "correlation");
    assert!(correlation.iter().all(|c| c.abs() < 0.2), "{correlation}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write_npy(dir.join("x.npy"), &record()).unwrap();
    let make = |out: &str, threads: &str, seed: &str| {
        let arguments = [
            "synth",
            "--like",
            "x.npy",
            "-n",
            "3",
            "--octaves",
            "5",
            "--max-iter",
            "20",
            "-o",
            out,
            "--threads",
            threads,
            "--seed",
            seed,
        ];
        let outcome = command(dir, &arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        std::fs::read(dir.join(out)).unwrap()
    };
    let one = make("a.npz", "1", "4");
    assert_eq!(one, make("b.npz", "3", "4"));
    assert_ne!(one, make("c.npz", "1", "5"));
}

#[test]
fn what_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let assert_failed = |arguments: &[&str], code: i32, says: &str| {
        let outcome = command(dir, arguments);
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(says),
            "must say {says}: {}",
            outcome.stderr
        );
    };
    write_npy(dir.join("zeros.npy"), &Array1::<f64>::zeros(512)).unwrap();
    let mut broken = record();
    broken[11] = f64::NAN;
    write_npy(dir.join("nan.npy"), &broken).unwrap();
    let like = |file| ["synth", "--like", file, "-o", "o.npz", "--octaves", "5"];
    assert_failed(&like("zeros.npy"), 1, "no signal");
    assert_failed(&like("nan.npy"), 1, "sample 11");
    assert_failed(
        &[
            "synth",
            "--like",
            "nan.npy",
            "-o",
            "o.npz",
            "--octaves",
            "30",
        ],
        1,
        "sample 11",
    );
    assert_failed(&["synth", "-o", "o.npz"], 2, "--like");
    for option in [&["-m", "m"][..], &["--samples", "64"], &["--features", "f"]] {
        assert_failed(
            &[&like("zeros.npy"), option].concat(),
            2,
            "cannot be used with",
        );
    }
    assert_failed(
        &["synth", "--cluster", "1024:3", "-o", "o.npz"],
        2,
        "--features",
    );
}
