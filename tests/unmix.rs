//! `seismix unmix`: golden loss and gradient through the binary, separation, and arrays that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs::File;
use std::path::Path;

use common::{Outcome, finish, seismix};
use ndarray::{Array1, Array2, ArrayD, Axis, concatenate, stack};
use ndarray_npy::{NpzReader, write_npy};

fn golden(file: &str, array: &str) -> ArrayD<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    NpzReader::new(File::open(path).unwrap())
        .unwrap()
        .by_name(array)
        .unwrap()
}

/// `seismix unmix` in a folder.
fn run(folder: &Path, options: &[&str]) -> Outcome {
    let mut command = seismix();
    command.current_dir(folder).arg("unmix");
    finish(command.args(options))
}

fn unmix(
    folder: &Path,
    mixture: &ArrayD<f64>,
    snippets: &ArrayD<f64>,
    options: &[&str],
) -> Outcome {
    write_npy(folder.join("x.npy"), mixture).unwrap();
    write_npy(folder.join("nk.npy"), snippets).unwrap();
    let files = [
        "--mixture",
        "x.npy",
        "--background",
        "nk.npy",
        "-o",
        "out.npz",
    ];
    run(folder, &[&files[..], options].concat())
}

fn array(folder: &Path, name: &str) -> ArrayD<f64> {
    NpzReader::new(File::open(folder.join("out.npz")).unwrap())
        .unwrap()
        .by_name(name)
        .unwrap()
}

fn worst(found: &ArrayD<f64>, expected: &ArrayD<f64>) -> f64 {
    let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    (found - expected)
        .iter()
        .fold(0.0_f64, |m, x| m.max(x.abs()))
        / largest
}

#[test]
fn loss_and_gradient_are_golden() {
    let folder = tempfile::tempdir().unwrap();
    for octaves in ["5", "8"] {
        let file = format!("loss_R5_T1024_J{octaves}.npz");
        let (x, nks) = (golden(&file, "x"), golden(&file, "nks"));
        let point = golden(&file, "points").index_axis(Axis(0), 2).to_owned();
        write_npy(folder.path().join("n.npy"), &point).unwrap();
        let outcome = unmix(
            folder.path(),
            &x,
            &nks,
            &["--octaves", octaves, "--evaluate", "n.npy"],
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let loss = array(folder.path(), "loss");
        assert_eq!(loss.shape(), [1, 3]);
        let terms = golden(&file, "terms_y64").index_axis(Axis(0), 2).to_owned();
        // The tolerances that the golden numbers state.
        assert!(worst(&loss.index_axis(Axis(0), 0).to_owned(), &terms) < 1e-11);
        let gradient = golden(&file, "grad_y64").index_axis(Axis(0), 2).to_owned();
        assert!(worst(&array(folder.path(), "gradient"), &gradient) < 1e-9);
    }
}

#[test]
fn two_equal_channels_have_the_loss_of_one_and_half_its_gradient_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = "loss_R5_T1024_J5.npz";
    let (x, nks) = (golden(file, "x"), golden(file, "nks"));
    let point = golden(file, "points").index_axis(Axis(0), 1).to_owned();
    let options = ["--octaves", "5", "--evaluate", "n.npy"];
    write_npy(folder.path().join("n.npy"), &point).unwrap();
    unmix(folder.path(), &x, &nks, &options);
    let (loss, gradient) = (
        array(folder.path(), "loss"),
        array(folder.path(), "gradient"),
    );

    let twice = |a: &ArrayD<f64>, axis| stack(Axis(axis), &[a.view(), a.view()]).unwrap();
    write_npy(folder.path().join("n.npy"), &twice(&point, 0)).unwrap();
    let outcome = unmix(folder.path(), &twice(&x, 0), &twice(&nks, 1), &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(array(folder.path(), "loss"), loss);
    let both = array(folder.path(), "gradient");
    assert_eq!(both.shape(), [2, 1024]);
    assert_eq!(both.index_axis(Axis(0), 1).to_owned(), gradient / 2.0);
}

#[test]
fn background_and_source_add_up_to_the_mixture_and_the_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let file = "loss_R5_T1024_J5.npz";
    let (x, nks) = (golden(file, "x"), golden(file, "nks"));
    for objective in ["paper", "seismix"] {
        let options = [
            "--octaves",
            "5",
            "--max-iter",
            "5",
            "--objective",
            objective,
        ];
        let outcome = unmix(folder.path(), &x, &nks, &options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let sum = array(folder.path(), "background") + array(folder.path(), "source");
        // One rounding of the difference, one of the sum.
        assert!(worst(&sum, &x) < 4.0 * f64::EPSILON);
        let loss = array(folder.path(), "loss");
        let start = array(folder.path(), "loss_at_start").sum();
        assert!(loss.len_of(Axis(0)) <= 5 && loss.len_of(Axis(1)) == 3);
        let last = loss.index_axis(Axis(0), loss.len_of(Axis(0)) - 1).sum();
        assert!(last < start, "{objective}: {last} against {start}");
    }
}

fn assert_failed(outcome: &Outcome, code: i32, says: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    for text in says {
        assert!(
            outcome.stderr.contains(text),
            "must say {text}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let noise = |i: usize| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
    let x = Array1::from_shape_fn(256, noise).into_dyn();
    let nks = Array2::from_shape_fn((3, 256), |(r, t)| noise(r * 256 + t + 999)).into_dyn();
    let j = ["--octaves", "5"];
    let short = nks.select(Axis(0), &[0]);
    assert_failed(&unmix(dir, &x, &short, &j), 1, &["at least 2"]);
    assert_failed(&unmix(dir, &x, &x, &j), 1, &["nk.npy", "(R,T)", "help: "]);
    let longer = concatenate![Axis(0), x, x];
    assert_failed(&unmix(dir, &longer, &nks, &j), 1, &["nk.npy", "[3, 256]"]);
    assert_failed(&unmix(dir, &x, &nks, &["--octaves", "20"]), 2, &["octaves"]);
    assert_failed(
        &unmix(dir, &x, &nks, &["--octaves", "5", "--snippets", "4"]),
        2,
        &["holds 3"],
    );
    let mut broken = nks.clone();
    broken[[1, 5]] = f64::NAN;
    assert_failed(&unmix(dir, &x, &broken, &j), 1, &["nk.npy", "[1, 5]"]);
    let flat = Array2::<f64>::ones((3, 256)).into_dyn();
    assert_failed(&unmix(dir, &x, &flat, &j), 1, &["hold no signal"]);
}

/// Without flags a separation gives its best result; the published objective has to be requested.
#[test]
fn the_default_gives_the_best_result() {
    for (toy, least_db) in [("toy_exp_glitch.npz", 7.5), ("toy_square_glitch.npz", 7.5)] {
        let folder = tempfile::tempdir().unwrap();
        let [x, nks, truth] = ["x", "nks", "n_true"].map(|name| golden(toy, name));
        let snr = |options: &[&str]| {
            let outcome = unmix(folder.path(), &x, &nks, options);
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let error = array(folder.path(), "background") - &truth;
            let energy = |a: &ArrayD<f64>| a.mapv(|v| v * v).sum();
            10.0 * (energy(&truth) / energy(&error)).log10()
        };
        let (default, paper) = (snr(&[]), snr(&["--objective", "paper"]));
        println!("{toy}: {default:.2} dB without flags, {paper:.2} dB with --objective paper");
        assert!(default >= least_db && default > paper, "{default} {paper}");
    }
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let toy = "toy_exp_glitch.npz";
    let (x, nks) = (golden(toy, "x"), golden(toy, "nks"));
    for objective in ["paper", "seismix"] {
        let bytes = ["1", "3"].map(|threads| {
            // Iterations that differences would grow over.
            let options = ["--octaves", "6", "--max-iter", "8", "--threads", threads];
            let outcome = unmix(
                folder.path(),
                &x,
                &nks,
                &[&options[..], &["--objective", objective]].concat(),
            );
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            std::fs::read(folder.path().join("out.npz")).unwrap()
        });
        assert_eq!(bytes[0], bytes[1], "{objective}");
    }
}

/// Arrays of any rank, order and element type, and files that are cut short, are used or named, and none panics.
#[test]
fn files_that_hold_no_usable_array_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let noise = |i: usize| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
    let x = Array1::from_shape_fn(64, noise).into_dyn();
    let nks = Array2::from_shape_fn((3, 64), |(r, t)| noise(r * 64 + t + 999)).into_dyn();
    let j = ["--octaves", "3"];
    let scalar = ArrayD::from_elem(vec![], 1.0);
    assert_failed(&unmix(dir, &scalar, &nks, &j), 1, &["x.npy", "[]", "(T,)"]);
    assert_failed(&unmix(dir, &x, &scalar, &j), 1, &["nk.npy", "[]"]);
    let cube = ArrayD::from_elem(vec![1, 1, 64], 1.0);
    assert_failed(&unmix(dir, &cube, &nks, &j), 1, &["x.npy", "[1, 1, 64]"]);
    assert_eq!(unmix(dir, &x, &nks, &j).code, Some(0));
    let whole = std::fs::read(dir.join("nk.npy")).unwrap();
    let again = [
        "--mixture",
        "x.npy",
        "--background",
        "nk.npy",
        "-o",
        "out.npz",
    ];
    for (content, says) in [
        (&whole[..whole.len() - 8], "cut short"),
        (&whole[..20], "cut short"),
        (&[], "not a .npy file"),
    ] {
        std::fs::write(dir.join("nk.npy"), content).unwrap();
        assert_failed(&run(dir, &again), 1, &["nk.npy", says]);
    }
    // A pipe is not opened, which would wait for a writer; a folder cannot be read.
    std::fs::remove_file(dir.join("nk.npy")).unwrap();
    std::fs::create_dir(dir.join("nk.npy")).unwrap();
    assert_failed(&run(dir, &again), 1, &["nk.npy", "regular file"]);
    std::fs::remove_dir(dir.join("nk.npy")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(dir.join("nk.npy"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        assert_failed(&run(dir, &again), 1, &["nk.npy", "regular file"]);
    }
}

#[test]
fn windows_that_cannot_be_separated_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let noise = |i: usize| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
    let nks = Array2::from_shape_fn((6, 256), |(r, t)| noise(r * 256 + t + 999)).into_dyn();
    let zeros = Array1::<f64>::zeros(256).into_dyn();
    let options = ["--octaves", "5", "--objective", "seismix"];
    for objective in ["paper", "seismix"] {
        let options = ["--octaves", "5", "--objective", objective];
        let outcome = unmix(dir, &zeros, &nks, &options);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(
            outcome.stdout.contains("the window is constant"),
            "{}",
            outcome.stdout
        );
        assert_eq!(array(dir, "background"), zeros);
    }
    let mut broken = zeros.clone();
    broken[[7]] = f64::NAN;
    assert_failed(&unmix(dir, &broken, &nks, &options), 1, &["x.npy", "[7]"]);
    // A window with less in it than background has: what is missing cannot be taken out.
    let quiet = Array1::from_shape_fn(256, |i| 0.05 * noise(i)).into_dyn();
    let outcome = unmix(dir, &quiet, &nks, &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("missing"), "{}", outcome.stdout);
    assert_eq!(array(dir, "background"), quiet);
    // Snippets shorter than the mixture.
    let short = nks.slice(ndarray::s![.., ..200]).to_owned().into_dyn();
    assert_failed(&unmix(dir, &quiet, &short, &options), 1, &["[6, 200]"]);
    // None at all.
    let none = Array2::<f64>::zeros((0, 256)).into_dyn();
    assert_failed(&unmix(dir, &quiet, &none, &options), 1, &["empty"]);
}

/// What a method cannot use is refused, not passed over.
#[test]
fn options_without_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (x, nks, _) = band_in_noise(dir, 512, 512);
    for (options, says) in [
        (
            &["--method", "wiener", "--objective", "paper"][..],
            "--objective",
        ),
        (&["--method", "template"], "seismix separate"),
        (&["--method", "family"], "seismix separate"),
        (
            &["--objective", "paper", "--source-snippets", "s.npy"],
            "--source-snippets",
        ),
        (&["--method", "wiener", "--max-iter", "3"], "--max-iter"),
        (&["--method", "wiener", "--precision", "f32"], "--precision"),
        (&["--mixtures", "9"], "--mixtures"),
        (&["--local-seed", "9"], "--local-seed"),
    ] {
        assert_failed(&unmix(dir, &x, &nks, options), 2, &[says]);
    }
    assert!(!dir.join("out.npz").exists());
}

/// Snippets that are all the same have no spread; a window that nothing was tried on has no terms.
#[test]
fn what_was_not_weighed_has_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (x, nks, _) = band_in_noise(dir, 512, 512);
    let first = nks.index_axis(Axis(0), 0).to_owned();
    let same = stack(Axis(0), &vec![first.view(); 8]).unwrap();
    let refused = unmix(dir, &x, &same, &["--octaves", "5", "--objective", "paper"]);
    assert_failed(&refused, 1, &["all background snippets are the same"]);
    let few = nks.slice(ndarray::s![..3, ..]).to_owned().into_dyn();
    let local = [
        "--octaves",
        "5",
        "--method",
        "local",
        "--source-snippets",
        "s.npy",
    ];
    let outcome = unmix(dir, &x, &few, &local);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("3 snippet(s)"),
        "{}",
        outcome.stdout
    );
    assert!(!outcome.stdout.contains("L1"), "{}", outcome.stdout);
    assert_eq!(array(dir, "loss").shape(), [0, 3]);
    let told = unmix(dir, &x, &few, &[&local[..], &["--json"]].concat()).stdout;
    let told: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    assert!(told["loss"].is_null() && told["loss_expected"].is_null());
}

#[test]
fn no_input_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (x, nks, _) = band_in_noise(folder.path(), 512, 512);
    for output in ["x.npy", "nk.npy", "s.npy", "./x.npy", "at.npy"] {
        write_npy(folder.path().join("at.npy"), &x).unwrap();
        let mut options = vec!["--mixture", "x.npy", "--background", "nk.npy", "-o", output];
        match output {
            "at.npy" => options.extend(["--evaluate", "at.npy"]),
            _ => options.extend(["--method", "local", "--source-snippets", "s.npy"]),
        }
        write_npy(folder.path().join("x.npy"), &x).unwrap();
        write_npy(folder.path().join("nk.npy"), &nks).unwrap();
        let before = std::fs::read(folder.path().join(output)).unwrap();
        assert_failed(&run(folder.path(), &options), 2, &["is an input"]);
        let after = std::fs::read(folder.path().join(output)).unwrap();
        assert_eq!(before, after);
    }
}

/// Either the numbers of an ordinary unit, scaled, or a clear error; never a NaN.
#[test]
fn no_size_of_samples_gives_out_what_is_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (x, nks, _) = band_in_noise(dir, 512, 512);
    let sources: ArrayD<f64> = ndarray_npy::read_npy(dir.join("s.npy")).unwrap();
    let local = ["--method", "local", "--source-snippets", "s.npy"];
    for options in [
        &["--objective", "paper", "--max-iter", "3"][..],
        &["--objective", "seismix"],
        &["--objective", "seismix", "--precision", "f32"],
        &["--method", "wiener"],
        &local,
    ] {
        let options = [&["--octaves", "5"], options].concat();
        let solve = |mixture: f64, snippets: f64| {
            write_npy(dir.join("s.npy"), &(&sources * snippets)).unwrap();
            unmix(dir, &(&x * mixture), &(&nks * snippets), &options)
        };
        assert_eq!(solve(1.0, 1.0).code, Some(0));
        let ordinary = array(dir, "background");
        // Powers of two, near 1e80, 1e100, 1e300 and 1e-100.
        for exponent in [266, 332, 996, -332] {
            let size = 2_f64.powi(exponent);
            let outcome = solve(size, size);
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let found = array(dir, "background") / size;
            assert!(worst(&found, &ordinary) < 1e-9, "{options:?} {exponent}");
            for name in ["source", "loss", "loss_expected"] {
                assert!(array(dir, name).iter().all(|v| v.is_finite()));
            }
        }
        std::fs::remove_file(dir.join("out.npz")).unwrap();
        for (mixture, snippets) in [(1e100, 1.0), (1.0, 1e-100)] {
            let says = ["no statistics in common"];
            assert_failed(&solve(mixture, snippets), 1, &says);
        }
        assert!(!dir.join("out.npz").exists());
    }
    write_npy(dir.join("at.npy"), &x).unwrap();
    let evaluate = ["--octaves", "5", "--evaluate", "at.npy"];
    let outcome = unmix(dir, &(&x * 1e200), &(&nks * 1e200), &evaluate);
    assert_failed(&outcome, 1, &["finite"]);
}

/// SNR of the stored toys, and the same background, whatever line lies under mixture and snippets.
#[test]
fn an_offset_and_a_trend_change_nothing() {
    for (toy, least_db) in [
        ("toy_exp_glitch.npz", 10.8),
        ("toy_square_glitch.npz", 10.3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let [x, nks, truth] = ["x", "nks", "n_true"].map(|name| golden(toy, name));
        let n = x.len();
        let rms = (truth.mapv(|v| v * v).sum() / n as f64).sqrt();
        let line = Array1::from_shape_fn(n, |t| rms * (10.0 - 0.02 * t as f64)).into_dyn();
        let energy = |a: &ArrayD<f64>| a.mapv(|v| v * v).sum();
        for options in [
            &["--objective", "seismix"][..],
            &["--objective", "seismix", "--precision", "f32"],
            &["--method", "wiener"],
        ] {
            let options = [&["--octaves", "6"], options].concat();
            let snr = |under: &ArrayD<f64>| {
                let outcome = unmix(dir, &(&x + under), &(&nks + under), &options);
                assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
                assert!(
                    !outcome.stdout.contains("not separable"),
                    "{}",
                    outcome.stdout
                );
                let [n, g] = ["background", "source"].map(|name| array(dir, name));
                assert!(worst(&(&n + &g), &(&x + under)) < 1e-14);
                10.0 * (energy(&truth) / energy(&(n - under - &truth))).log10()
            };
            let [plain, moved] = [ArrayD::zeros(x.raw_dim()), line.clone()].map(|l| snr(&l));
            println!("{toy} {options:?}: {plain:.2} dB, {moved:.2} dB on a line");
            assert!((plain - moved).abs() < 0.01, "{plain} {moved}");
            if options.contains(&"seismix") {
                assert!(moved >= least_db, "{moved}");
            }
        }
    }
}

/// A level changes nothing in the local model either, on a mixture longer than its snippets, in all that it gives out.
#[test]
fn a_level_changes_nothing_in_the_local_model() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (x, nks, _) = band_in_noise(dir, 1200, 512);
    let sources: ArrayD<f64> = ndarray_npy::read_npy(dir.join("s.npy")).unwrap();
    let options = [
        "--octaves",
        "5",
        "--method",
        "local",
        "--source-snippets",
        "s.npy",
        "--draws",
        "1",
        "--realisation",
    ];
    let line = |n: usize| Array1::from_elem(n, 30.0).into_dyn();
    let names = ["background", "waveform", "draws", "realisation"];
    let solve = |times: f64| {
        write_npy(dir.join("s.npy"), &(&sources + &(line(512) * times))).unwrap();
        let outcome = unmix(
            dir,
            &(&x + &(line(1200) * times)),
            &(&nks + &(line(512) * times)),
            &options,
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        (
            names.map(|name| array(dir, name) - line(1200) * times),
            ["sd", "source", "loss"].map(|name| array(dir, name)),
        )
    };
    let (plain, moved) = (solve(0.0), solve(1.0));
    for ((a, b), name) in plain.0.iter().zip(&moved.0).zip(names) {
        assert!(worst(b, a) < 1e-6, "{name}");
    }
    for (a, b) in plain.1.iter().zip(&moved.1) {
        assert!(worst(b, a) < 1e-6);
    }
}

/// A source in a band, in noise; both with snippets.
fn band_in_noise(
    folder: &Path,
    n: usize,
    snippet: usize,
) -> (ArrayD<f64>, ArrayD<f64>, ArrayD<f64>) {
    let mut state = 7_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut rows = |count: usize, length: usize, tone: f64| -> Vec<f64> {
        (0..count)
            .flat_map(|_| {
                let phase = 6.0 * noise();
                (0..length)
                    .map(|t| {
                        let swing =
                            (0.3 * t as f64 + phase).sin() * (t as f64 / 40.0 + phase).sin();
                        tone * swing + if tone > 0.0 { 0.0 } else { noise() }
                    })
                    .collect::<Vec<f64>>()
            })
            .collect()
    };
    let background = rows(1, n, 0.0);
    let source = rows(1, n, 1.0);
    let mixture: Vec<f64> = background.iter().zip(&source).map(|(n, s)| n + s).collect();
    let shaped = |shape: &[usize], values: Vec<f64>| ArrayD::from_shape_vec(shape, values).unwrap();
    let sources = shaped(&[8, snippet], rows(8, snippet, 1.0));
    write_npy(folder.join("s.npy"), &sources).unwrap();
    (
        shaped(&[n], mixture),
        shaped(&[8, snippet], rows(8, snippet, 0.0)),
        shaped(&[n], background),
    )
}

#[test]
fn the_local_model_gives_out_its_promise_and_its_draws() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than any snippet.
    let (x, nks, truth) = band_in_noise(folder.path(), 1200, 512);
    let options = [
        "--octaves",
        "5",
        "--method",
        "auto",
        "--source-snippets",
        "s.npy",
        "--draws",
        "2",
        "--realisation",
        "--json",
    ];
    let outcome = unmix(folder.path(), &x, &nks, &options);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let get = |name: &str| array(folder.path(), name);
    let background = get("background");
    assert_eq!(background, get("waveform"));
    assert_eq!(get("draws").shape(), [2, 1200]);
    assert_eq!(get("realisation").shape(), [1200]);
    let expected = get("expected_snr");
    let energy = |a: &ArrayD<f64>| a.iter().map(|v| v * v).sum::<f64>();
    let reached = 10.0 * (energy(&truth) / energy(&(&truth - &background))).log10();
    assert!(
        reached > 6.0 && (expected[[0, 0]] - reached).abs() < 3.0,
        "{reached} {expected}"
    );
    let (error, sd) = (&truth - &background, get("sd"));
    let inside = error
        .iter()
        .zip(&sd)
        .filter(|(e, s)| e.abs() <= 1.645 * **s);
    assert!((0.8..0.97).contains(&(inside.count() as f64 / 1200.0)));
    let told: serde_json::Value = serde_json::from_str(outcome.stdout.trim()).unwrap();
    assert!(
        told["local"][0]["expected_snr_db"].is_f64()
            && told["why"][0].as_str().unwrap().contains("expected SNR")
    );
    let first = std::fs::read(folder.path().join("out.npz")).unwrap();
    unmix(folder.path(), &x, &nks, &options);
    assert_eq!(first, std::fs::read(folder.path().join("out.npz")).unwrap());
}

#[test]
fn the_local_model_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (x, nks, _) = band_in_noise(folder.path(), 512, 512);
    let none = unmix(folder.path(), &x, &nks, &["--method", "local"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("--source-snippets"), "{}", none.stderr);
    let idle = unmix(
        folder.path(),
        &x,
        &nks,
        &["--method", "wiener", "--source-snippets", "s.npy"],
    );
    assert_eq!(idle.code, Some(2));
    assert!(
        idle.stderr.contains("--source-snippets: used by"),
        "{}",
        idle.stderr
    );
    let wiener = unmix(
        folder.path(),
        &x,
        &nks,
        &["--octaves", "5", "--method", "wiener"],
    );
    assert_eq!(wiener.code, Some(0), "{}", wiener.stderr);
    write_npy(folder.path().join("s.npy"), &Array2::<f64>::ones((8, 100))).unwrap();
    let short = unmix(
        folder.path(),
        &x,
        &nks,
        &["--method", "local", "--source-snippets", "s.npy"],
    );
    assert_ne!(short.code, Some(0));
    assert!(
        short.stderr.contains("100 samples, at least 512"),
        "{}",
        short.stderr
    );
}
