//! A model's samples as scattering covariances, its history as lines, and loudness among its inputs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs::File;
use std::path::Path;

use common::records::{TRANSFORM, three, write};
use common::{Outcome, finish, seismix};
use ndarray::{ArrayD, Axis};
use ndarray_npy::NpzReader;
use seismix::synth::sample::ClusterSampler;
use seismix::vae::ModelFile;
use seismix::vae::features::CoefficientKind;
use serde_json::Value;

fn command(folder: &Path, arguments: &[&str]) -> Outcome {
    finish(seismix().current_dir(folder).args(arguments))
}

fn features(folder: &Path) {
    write(&folder.join("a.mseed"), &three("SAMP"));
    let arguments = ["features", "a.mseed", "-o", "features", "--quiet"];
    let outcome = command(folder, &[&arguments[..], &TRANSFORM].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

fn train(folder: &Path, model: &str, more: &[&str]) -> ModelFile {
    let arguments = [
        "train",
        "features",
        "-o",
        model,
        "--clusters",
        "3",
        "--quiet",
    ];
    let outcome = command(folder, &[&arguments[..], more].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    ModelFile::load(&folder.join(model)).unwrap()
}

/// Cluster of the finest scale with the most training windows.
fn largest_cluster(sampler: &ClusterSampler) -> usize {
    let counts = &sampler.windows(0).counts;
    (0..counts.len()).max_by_key(|k| counts[*k]).unwrap()
}

/// Samples are in the unit of the record: their mean log power is that of the cluster's windows in every octave and channel,
/// within a standard deviation or `nepers`.
fn check_samples(model: &ModelFile, nepers: f64) {
    let sampler = ClusterSampler::new(model).unwrap();
    let cluster = largest_cluster(&sampler);
    let drawn = sampler.sample(64, cluster, 200, 5).unwrap();
    assert_eq!(drawn.dim().0, 200);
    assert_eq!(drawn.dim().1, 3);
    assert!(drawn.iter().all(|z| z.re.is_finite() && z.im.is_finite()));
    assert_eq!(drawn, sampler.sample(64, cluster, 200, 5).unwrap());
    let fewer = sampler.sample(64, cluster, 10, 5).unwrap();
    let difference = &fewer - &drawn.slice(ndarray::s![..10, .., ..]);
    let scale = drawn.iter().fold(0.0_f64, |m, z| m.max(z.norm()));
    assert!(difference.iter().all(|d| d.norm() < 1e-4 * scale));
    assert_ne!(drawn, sampler.sample(64, cluster, 200, 6).unwrap());
    let rows = sampler.encode(&drawn);
    let windows = sampler.windows(0);
    let mut checked = 0;
    for (at, kind) in sampler.coordinates().kinds().iter().enumerate() {
        if kind.to_string() != "ln ps" {
            continue;
        }
        for channel in 0..3 {
            let at = channel * sampler.coordinates().len() + at;
            let mean = rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64;
            let (wanted, spread) = (
                windows.means[[cluster, at]],
                windows.deviations[[cluster, at]],
            );
            assert!(
                (mean - wanted).abs() < spread.max(nepers),
                "{mean} {wanted} {spread}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 3 * 5);
    assert!(sampler.sample(65, cluster, 1, 0).is_err());
    assert!(sampler.sample(64, 99, 1, 0).is_err());
}

#[test]
fn a_model_draws_covariances_and_signals_are_made_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    features(dir);
    // Steps enough for the network to know its few inputs.
    let model = train(dir, "m", &["--epochs", "60", "--batch", "32"]);
    check_samples(&model, 0.5);
    let sampler = ClusterSampler::new(&model).unwrap();
    let errors = &sampler.decoding().scales[0];
    assert!(errors.iter().any(|one| one.kind == "ln ps"));
    assert!(errors.iter().all(|one| one.error.decoder.is_finite()));
    let cluster = format!("64:{}", largest_cluster(&sampler));
    let synth = |out: &str, threads: &str, seed: &str| {
        let arguments = [
            "synth",
            "-m",
            "m",
            "--cluster",
            &cluster,
            "-n",
            "2",
            "-o",
            out,
            "--threads",
            threads,
            "--seed",
            seed,
            "--max-iter",
            "40",
        ];
        let outcome = command(dir, &arguments);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let says = "2 signals of 3 channels, ";
        assert!(outcome.stdout.contains(says), "{}", outcome.stdout);
        std::fs::read(dir.join(out)).unwrap()
    };
    let one = synth("a.npz", "1", "4");
    assert_eq!(one, synth("b.npz", "3", "4"));
    assert_ne!(one, synth("c.npz", "1", "5"));
    let array = |name: &str| -> ArrayD<f64> {
        let mut npz = NpzReader::new(File::open(dir.join("a.npz")).unwrap()).unwrap();
        npz.by_name(name).unwrap()
    };
    let (signals, coefficients) = (array("signals"), array("coefficients"));
    assert_eq!(signals.shape(), [2, 3, 128]);
    assert_eq!(coefficients.shape()[..2], [2, 3]);
    // The signals have the power that was drawn, in the octave that has most of it.
    let octave = |j: i32| {
        let table = seismix::vae::features::CoefficientTable::scat_cov(4);
        let is = |r: &seismix::vae::features::CoefficientRow| {
            r.kind == CoefficientKind::PowerSpectrum && r.j1_left == j
        };
        table.rows.iter().position(is).unwrap()
    };
    for (signal, drawn) in signals.outer_iter().zip(coefficients.outer_iter()) {
        for (signal, drawn) in signal.outer_iter().zip(drawn.outer_iter()) {
            let power = signal.iter().map(|v| v * v).sum::<f64>() / 128.0;
            let wanted: f64 = (0..=4)
                .map(|j| drawn.index_axis(Axis(0), octave(j))[0])
                .sum();
            let ratio = power / wanted;
            assert!((0.3..3.0).contains(&ratio), "{power} {wanted}");
        }
    }
}

#[test]
fn the_published_features_are_brought_back_as_well() {
    let folder = tempfile::tempdir().unwrap();
    features(folder.path());
    let small = [
        "--hidden", "16", "--latent", "4", "--layers", "1", "--batch", "64",
    ];
    let more = [&["--preset", "paper", "--epochs", "30"], &small[..]].concat();
    // A network this small says means of powers, and where pulses are few the logarithm of a mean is 1 to 2 nepers above the mean
    // of logarithms; a wrong unit would be off by 5 and more.
    check_samples(&train(folder.path(), "p", &more), 2.0);
}

#[test]
fn every_epoch_is_told_on_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    features(dir);
    let model = train(dir, "m", &["--epochs", "3"]);
    let text = std::fs::read_to_string(dir.join("m.history.jsonl")).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    for (line, epoch) in lines.iter().zip(&model.history.epochs) {
        assert_eq!(line["epoch"], epoch.epoch);
        assert_eq!(line["scales"], serde_json::json!(["64", "256"]));
        for list in [
            &line["entropy"],
            &line["cluster_sizes"],
            &line["train"]["scales"],
        ] {
            assert_eq!(list.as_array().unwrap().len(), 2);
        }
        let told = line["train"]["scales"][1]["kl_latent"].as_f64().unwrap();
        assert!((told - f64::from(epoch.train.scales[1].kl_latent)).abs() < 1e-6);
    }
}

#[test]
fn loudness_joins_the_inputs_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    features(dir);
    let without = train(dir, "m", &["--epochs", "1"]);
    let with = train(dir, "a", &["--epochs", "1", "--amplitude", "1"]);
    let widths = |model: &ModelFile| model.model.config().features_per_scale.clone();
    for (without, with) in widths(&without).iter().zip(widths(&with)) {
        assert!(with > *without, "{with} {without}");
    }
    let zero = train(dir, "z", &["--epochs", "1", "--amplitude", "0"]);
    assert_eq!(zero.model.to_vecs(), without.model.to_vecs());
    for wrong in ["-1", "x", "inf"] {
        let outcome = command(dir, &["train", "features", "-o", "w", "--amplitude", wrong]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    }
    let arguments = [
        "train",
        "features",
        "-o",
        "w",
        "--preset",
        "paper",
        "--amplitude",
        "1",
    ];
    assert_eq!(command(dir, &arguments).code, Some(2));
}
