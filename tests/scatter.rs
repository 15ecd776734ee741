//! `seismix scatter`: golden numbers through the binary, shapes, and inputs that cannot be used.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs::File;
use std::path::{Path, PathBuf};

use common::{finish, interrupt, seismix};
use ndarray::{Array1, Array2, Array4, ArrayD, Axis};
use ndarray_npy::{NpzReader, WritableElement, write_npy};

fn golden(file: &str, array: &str) -> ArrayD<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    NpzReader::new(File::open(path).unwrap())
        .unwrap()
        .by_name(array)
        .unwrap()
}

/// Writes `input`, runs `scatter` with `options`, and returns the path of the result in `folder`.
fn scatter<T: WritableElement>(
    folder: &Path,
    input: &ArrayD<T>,
    options: &[&str],
) -> common::Outcome {
    write_npy(folder.join("in.npy"), input).unwrap();
    finish(
        seismix()
            .current_dir(folder)
            .args(["scatter", "in.npy", "-o", "out.npz"])
            .args(options),
    )
}

fn output(folder: &Path) -> NpzReader<File> {
    NpzReader::new(File::open(folder.join("out.npz")).unwrap()).unwrap()
}

fn assert_close(found: &Array4<f64>, expected: &ArrayD<f64>, tolerance: f64) {
    let expected = expected
        .view()
        .into_shape_with_order(found.raw_dim())
        .unwrap();
    let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let worst = (found - &expected)
        .iter()
        .fold(0.0_f64, |m, x| m.max(x.abs()));
    assert!(
        worst <= tolerance * largest,
        "{worst:e} against {largest:e}"
    );
}

#[test]
fn golden_numbers_come_out_of_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_T256.npz", "x")
        .index_axis(Axis(0), 2)
        .to_owned();
    for (options, name) in [
        (vec!["--octaves", "5"], "y64_scatcov_none_J5"),
        (vec!["--octaves", "8"], "y64_scatcov_none_J8"),
        (
            vec!["--octaves", "5", "--normalize", "each-ps"],
            "y64_scatcov_eachps_J5",
        ),
    ] {
        let outcome = scatter(folder.path(), &signals, &options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
        let expected = golden("analyze_T256.npz", name)
            .index_axis(Axis(0), 2)
            .to_owned();
        // The tolerance that the golden numbers state for coefficients in f64.
        assert_close(&found, &expected, 1e-12);
    }
}

#[test]
fn channels_stand_one_after_the_other_within_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_misc.npz", "multi_x");
    let outcome = scatter(folder.path(), &signals, &["--octaves", "5"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mut archive = output(folder.path());
    let found: Array4<f64> = archive.by_name("coefficients").unwrap();
    assert_close(
        &found,
        &golden("analyze_misc.npz", "multi_y64_diag_none"),
        1e-12,
    );

    // The index says the same as the reference's table.
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/index_multi_diag_J5.csv");
    let mut table = csv::Reader::from_path(table).unwrap();
    let channel: Array1<i32> = archive.by_name("channel").unwrap();
    let j1_left: Array1<i32> = archive.by_name("j1_left").unwrap();
    let j1_right: Array1<i32> = archive.by_name("j1_right").unwrap();
    let j2: Array1<i32> = archive.by_name("j2").unwrap();
    let real: Array1<bool> = archive.by_name("real").unwrap();
    let mut rows = 0;
    for (k, row) in table.records().enumerate() {
        let row = row.unwrap();
        let cell = |column: usize| row[column].parse().unwrap_or(-1);
        let expected = (cell(2), cell(9), cell(10), cell(11), &row[14] == "1");
        let found = (channel[k], j1_left[k], j1_right[k], j2[k], real[k]);
        assert_eq!(found, expected, "row {k}");
        rows += 1;
    }
    assert_eq!(rows, channel.len());
}

#[test]
fn every_option_agrees_with_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    for (input, array, options) in [
        (
            "wav_x",
            "wav_y64_morlet_Q21",
            "--wavelet morlet --quality 2,1",
        ),
        ("wav_x", "wav_y64_meyer_Q22", "--wavelet meyer --quality 2"),
        ("wav_x", "wav_y64_shannon_Q11", "--wavelet shannon"),
        (
            "wav_x",
            "wav_y64_bump_steerable_Q11",
            "--wavelet bump-steerable",
        ),
        ("wav_x", "wav_y64_J58", "--octaves 5,8"),
        ("wav_x", "wav_y64_J85", "--octaves 8,5"),
        (
            "multi_x",
            "multi_y64_full_batchps",
            "--channels full --normalize batch-ps",
        ),
        (
            "multi_x",
            "multi_y64_offdiag_eachps",
            "--channels offdiag --normalize each-ps",
        ),
        ("raw_x", "raw_y64", "--coefficients raw"),
        (
            "covreduced_x",
            "covreduced_y32",
            "--coefficients covreduced --normalize each-ps",
        ),
    ] {
        let mut arguments: Vec<&str> = options.split(' ').collect();
        if !options.contains("--octaves") {
            arguments.extend(["--octaves", "5"]);
        }
        let signals = golden("analyze_misc.npz", input);
        let outcome = scatter(folder.path(), &signals, &arguments);
        assert_eq!(outcome.code, Some(0), "{options}: {}", outcome.stderr);
        let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
        // The reduced set exists in f32 only.
        let tolerance = if array.ends_with("y32") { 1e-5 } else { 1e-12 };
        assert_close(&found, &golden("analyze_misc.npz", array), tolerance);
    }
    let signals = golden("analyze_misc.npz", "wav_x");
    let moments = ["--coefficients", "scat", "--moments", "0.5,1,2,3"];
    let options = [&moments[..], &["--octaves", "5"]].concat();
    let outcome = scatter(folder.path(), &signals, &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    let real = found.index_axis(Axis(3), 0).to_owned();
    let expected = golden("analyze_misc.npz", "scatq_y64");
    let expected = expected.into_shape_with_order(real.raw_dim()).unwrap();
    let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * largest;
    assert!(real.iter().zip(&expected).all(close));
}

#[test]
fn coarse_grids_come_near_the_exact_ones() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_misc.npz", "multi_x");
    let run = |oversampling| {
        let options = ["--octaves", "5", "--oversampling", oversampling];
        let outcome = scatter(folder.path(), &signals, &options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
        found
    };
    // Relative to the largest coefficient; less is asked for here than of each one in the crate's own tests.
    assert_close(&run("8"), &run("exact").into_dyn(), 1e-4);
}

#[test]
fn given_powers_filters_and_frequencies() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_misc.npz", "wav_x");
    let run = |options: &[&str]| {
        let outcome = scatter(
            folder.path(),
            &signals,
            &[&["--octaves", "5"], options].concat(),
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
        found
    };
    let first = signals.select(Axis(0), &[0]);
    scatter(folder.path(), &first, &["--octaves", "5"]);
    let mut file = output(folder.path());
    let plain: Array4<f64> = file.by_name("coefficients").unwrap();
    let ps = [14, 15, 16, 17, 18, 19].map(|k: usize| k + 7);
    let power = Array1::from_iter(ps.iter().map(|k| plain[[0, *k, 0, 0]]));
    let power_file = folder.path().join("power.npy");
    write_npy(&power_file, &power).unwrap();
    // Given its own power, a signal is normalised as by each-ps.
    let given = run(&["--given-power", power_file.to_str().unwrap()]);
    let each = run(&["--normalize", "each-ps"]);
    let alone = |all: &Array4<f64>| all.select(Axis(0), &[0]);
    assert_close(&alone(&given), &alone(&each).into_dyn(), 1e-12);
    // Filters of unit energy are weaker, and kept powers are those of no normalisation.
    let unit = run(&["--filter-norm", "l2"]);
    assert!(unit[[0, 0, 0, 0]] < plain[[0, 0, 0, 0]]);
    let kept = run(&["--normalize", "each-ps", "--keep-power"]);
    for k in ps {
        assert_eq!(kept[[0, k, 0, 0]], plain[[0, k, 0, 0]]);
    }
    run(&["--sampling-rate", "20"]);
    let left: Array1<f64> = output(folder.path()).by_name("f1_left_hz").unwrap();
    let second: Array1<f64> = output(folder.path()).by_name("f2_hz").unwrap();
    assert_eq!((left[0], left[5], second[0]), (8.5, 0.0, -1.0));
    for bad in [
        &["--sampling-rate", "0"][..],
        &[
            "--given-power",
            power_file.to_str().unwrap(),
            "--quality",
            "2",
        ],
        &[
            "--given-power",
            power_file.to_str().unwrap(),
            "--normalize",
            "each-ps",
        ],
        &["--oversampling", "1"],
    ] {
        let outcome = scatter(
            folder.path(),
            &signals,
            &[&["--octaves", "5"], bad].concat(),
        );
        assert_eq!(outcome.code, Some(2), "{bad:?}: {}", outcome.stderr);
    }
}

#[test]
fn pooled_blocks_and_every_rank() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_pool.npz", "pool_x");
    let two = signals.select(Axis(0), &[0, 1]);
    let outcome = scatter(
        folder.path(),
        &two,
        &["--normalize", "each-ps", "--pool", "64"],
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    assert_eq!(found.shape(), [2, 210, 64, 2]);
    assert_close(&found, &golden("analyze_pool.npz", "pool_y64_k64"), 1e-12);

    let one = signals.index_axis(Axis(0), 0).to_owned();
    let outcome = scatter(
        folder.path(),
        &one,
        &["--normalize", "each-ps", "--pool", "64", "--json"],
    );
    assert!(
        outcome.stdout.contains("[1,210,64,2]"),
        "{}",
        outcome.stdout
    );
    let alone: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    assert_eq!(alone, found.select(Axis(0), &[0]));
}

#[test]
fn integers_and_single_precision() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Array1::from_shape_fn(256, |t| ((t * t) % 37) as i32 - 18).into_dyn();
    let outcome = scatter(folder.path(), &counts, &["--octaves", "5"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let from_i32: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    scatter(folder.path(), &counts.mapv(f64::from), &["--octaves", "5"]);
    let from_f64: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    assert_eq!(from_i32, from_f64);
    scatter(
        folder.path(),
        &counts,
        &["--octaves", "5", "--precision", "f32"],
    );
    let single: Array4<f32> = output(folder.path()).by_name("coefficients").unwrap();
    // A few hundred roundings of 6e-8.
    assert_close(&single.mapv(f64::from), &from_f64.into_dyn(), 1e-5);
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let signals = golden("analyze_misc.npz", "multi_x");
    let mut bytes = Vec::new();
    for threads in ["1", "2", "3"] {
        scatter(
            folder.path(),
            &signals,
            &["--octaves", "5", "--threads", threads],
        );
        bytes.push(std::fs::read(folder.path().join("out.npz")).unwrap());
    }
    assert!(bytes[0] == bytes[1] && bytes[1] == bytes[2]);
}

fn assert_failed(outcome: &common::Outcome, folder: &Path, code: i32, says: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    for text in says {
        assert!(
            outcome.stderr.contains(text),
            "must say {text}: {}",
            outcome.stderr
        );
    }
    assert!(!folder.join("out.npz").exists());
}

#[test]
fn inputs_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut signal = Array2::from_shape_fn((2, 256), |(b, t)| (b + t) as f64).into_dyn();
    signal[[1, 17]] = f64::NAN;
    let failed = scatter(dir, &signal, &["--octaves", "5"]);
    assert_failed(
        &failed,
        dir,
        1,
        &["error: in.npy: ", "batch 1", "sample 17 is `NaN`"],
    );

    let failed = scatter(dir, &ArrayD::<f64>::zeros(vec![]), &[]);
    assert_failed(&failed, dir, 1, &["in.npy", "[]", "(B,C,T)"]);
    let failed = scatter(dir, &Array1::<f64>::zeros(0).into_dyn(), &[]);
    assert_failed(&failed, dir, 1, &["in.npy", "empty"]);
    let failed = scatter(dir, &Array4::<f64>::zeros((1, 1, 1, 64)).into_dyn(), &[]);
    assert_failed(&failed, dir, 1, &["in.npy", "[1, 1, 1, 64]", "(B,C,T)"]);
    let failed = scatter(dir, &Array1::from_elem(64, true).into_dyn(), &[]);
    assert_failed(&failed, dir, 1, &["in.npy", "`|b1`"]);
    let failed = scatter(dir, &Array1::<f64>::ones(1).into_dyn(), &[]);
    assert_failed(&failed, dir, 2, &["in.npy"]);
    let failed = scatter(
        dir,
        &Array1::<f64>::ones(64).into_dyn(),
        &["--octaves", "5", "--pool", "5"],
    );
    assert_failed(&failed, dir, 2, &["pool"]);

    std::fs::write(dir.join("in.npy"), "hello").unwrap();
    let failed = finish(
        seismix()
            .current_dir(dir)
            .args(["scatter", "in.npy", "-o", "out.npz"]),
    );
    assert_failed(
        &failed,
        dir,
        1,
        &["error: in.npy: ", "not a .npy file", "help: "],
    );
    let failed = finish(
        seismix()
            .current_dir(dir)
            .args(["scatter", "none.npy", "-o", "out.npz"]),
    );
    assert_failed(&failed, dir, 1, &["error: none.npy: "]);
}

#[test]
fn a_constant_signal_has_finite_coefficients() {
    let folder = tempfile::tempdir().unwrap();
    let constant = Array1::from_elem(256, 5.0).into_dyn();
    let outcome = scatter(
        folder.path(),
        &constant,
        &["--octaves", "5", "--normalize", "each-ps"],
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let found: Array4<f64> = output(folder.path()).by_name("coefficients").unwrap();
    assert!(found.iter().all(|x| x.is_finite()));
}

#[test]
fn nothing_is_left_where_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(folder.path().join("in.npy"), &Array1::from_elem(256, 5.0)).unwrap();
    let mut command = seismix();
    command.current_dir(folder.path()).args([
        "scatter",
        "in.npy",
        "-o",
        "in.npy/out.npz",
        "--octaves",
        "5",
    ]);
    let failed = finish(&mut command);
    assert_failed(&failed, folder.path(), 1, &["in.npy"]);
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(left, [folder.path().join("in.npy")]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130_and_leaves_no_file() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    // Seconds of work for one thread of a fast machine; every signal looks at the interrupt.
    let signals = Array2::from_shape_fn((20_000, 4096), |(b, t)| ((b * 31 + t * t) % 97) as i8);
    write_npy(folder.path().join("in.npy"), &signals).unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("seismix"))
        .current_dir(folder.path())
        .args(["scatter", "in.npy", "-o", "out.npz", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([interrupt(), &pid])
            .status()
            .unwrap()
            .success()
    );
    let asked = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(20),
        "{:?}",
        asked.elapsed()
    );
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [folder.path().join("in.npy")]);
}
