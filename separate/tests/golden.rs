//! Loss, terms and gradient against the published reference; the toy separations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs
)]

use std::fs::File;
use std::path::PathBuf;

use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;
use seismix_separate::{
    Channel, ChannelMethod, ObjectiveOptions, Outcome, ScatteringMethod, ScatteringObjective,
    StartingPoint,
};

fn npz(name: &str) -> NpzReader<File> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name);
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

fn rows(array: &Array2<f64>) -> Vec<Vec<f64>> {
    array.outer_iter().map(|row| row.to_vec()).collect()
}

#[test]
fn loss_terms_and_gradient() {
    for (name, octaves) in [
        ("loss_R5_T1024_J5.npz", 5),
        ("loss_R5_T1024_J8.npz", 8),
        ("loss_R20_T2048_J8.npz", 8),
    ] {
        let mut file = npz(name);
        let x: Array1<f64> = file.by_name("x").unwrap();
        let nks: Array2<f64> = file.by_name("nks").unwrap();
        let points: Array2<f64> = file.by_name("points").unwrap();
        let terms: Array2<f64> = file.by_name("terms_y64").unwrap();
        let gradients: Array2<f64> = file.by_name("grad_y64").unwrap();
        let by_term: Array3<f64> = file.by_name("grad_terms_y64").unwrap();
        let objective =
            ScatteringObjective::new(&x.to_vec(), &rows(&nks), ObjectiveOptions::paper(octaves))
                .unwrap();
        for point in 0..4 {
            let n = points.row(point).to_vec();
            let mut gradient = vec![0.0; n.len()];
            let ours = objective.evaluate(&n, Some(&mut gradient)).to_array();
            for (term, value) in ours.iter().enumerate() {
                let reference = terms[[point, term]];
                assert!(
                    (value - reference).abs() <= 1e-11 * reference.abs(),
                    "{name} point {point} L{}: {value} against {reference}",
                    term + 1
                );
            }
            let compare = |ours: &[f64], reference: Vec<f64>, what: &str| {
                let largest = reference.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
                let worst = ours
                    .iter()
                    .zip(&reference)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f64::max);
                assert!(
                    worst <= 1e-9 * largest,
                    "{name} point {point} gradient of {what}: {:e}",
                    worst / largest
                );
            };
            for (term, weights) in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
                .into_iter()
                .enumerate()
            {
                // At the truth the source is at rounding level over long stretches and the phase that the gradient
                // of L3 needs is arbitrary there.
                if point == 1 && term == 2 {
                    continue;
                }
                let mut gradient = vec![0.0; n.len()];
                objective.evaluate_weighted(&n, weights, Some(&mut gradient));
                let reference = by_term.slice(ndarray::s![point, term, ..]).to_vec();
                compare(&gradient, reference, &format!("L{}", term + 1));
            }
            if point != 1 {
                compare(&gradient, gradients.row(point).to_vec(), "L");
            }
        }
    }
}

#[test]
fn gradient_against_central_differences() {
    let mut file = npz("loss_R5_T1024_J5.npz");
    let x: Array1<f64> = file.by_name("x").unwrap();
    let nks: Array2<f64> = file.by_name("nks").unwrap();
    let points: Array2<f64> = file.by_name("points").unwrap();
    let objective =
        ScatteringObjective::new(&x.to_vec(), &rows(&nks), ObjectiveOptions::floored(5)).unwrap();
    let n = points.row(2).to_vec();
    let mut gradient = vec![0.0; n.len()];
    objective.evaluate(&n, Some(&mut gradient));
    for direction in [nks.row(0).to_vec(), nks.row(1).to_vec()] {
        let at = |h: f64| {
            objective
                .evaluate(
                    &n.iter()
                        .zip(&direction)
                        .map(|(n, d)| n + h * d)
                        .collect::<Vec<_>>(),
                    None,
                )
                .loss()
        };
        let h = 1e-5;
        let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert!(
            (slope - numeric).abs() <= 1e-6 * numeric.abs().max(1.0),
            "{slope} against {numeric}"
        );
    }
}

/// SNR = 10 log10(sum true^2 / sum (true - estimate)^2).
fn snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    let signal: f64 = truth.iter().map(|v| v * v).sum();
    let error: f64 = truth
        .iter()
        .zip(estimate)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    10.0 * (signal / error).log10()
}

fn toy(name: &str) -> (Channel, Vec<f64>, Array2<f64>) {
    let mut file = npz(name);
    let mixture: Array1<f64> = file.by_name("x").unwrap();
    let truth: Array1<f64> = file.by_name("n_true").unwrap();
    let snippets: Array2<f64> = file.by_name("nks").unwrap();
    let log: Array2<f64> = file.by_name("log").unwrap();
    let channel = Channel {
        mixture: mixture.to_vec(),
        snippets: rows(&snippets),
        source_snippets: Vec::new(),
    };
    (channel, truth.to_vec(), log)
}

/// The reference ends at 7.04 and 7.01 dB and passes 12.2 and 11.0 on its way.
#[test]
fn toys_stop_near_their_best() {
    for (name, least_db) in [
        ("toy_exp_glitch.npz", 10.8),
        ("toy_square_glitch.npz", 10.3),
    ] {
        let (channel, truth, _) = toy(name);
        for start in [StartingPoint::Mixture, StartingPoint::LocalWiener] {
            let method = ScatteringMethod {
                start,
                ..ScatteringMethod::to_expectation(6, 100)
            };
            let ours = method.separate_channel(&channel).unwrap();
            let snr = snr_db(&truth, &ours.background);
            let n_iterations = ours.optimization.map_or(0, |o| o.n_iterations());
            println!(
                "{name} {start:?}: {snr:.2} dB after {n_iterations} iterations, {:?} {:?}",
                ours.outcome, ours.assessment
            );
            assert_eq!(ours.outcome, Outcome::Separated);
            if start == StartingPoint::LocalWiener {
                assert!(snr >= least_db, "{name}: {snr} dB");
            }
        }
    }
}

#[test]
fn run_out_the_published_objective_reaches_the_reference_loss() {
    for name in ["toy_exp_glitch.npz", "toy_square_glitch.npz"] {
        let (channel, truth, log) = toy(name);
        let ours = ScatteringMethod::paper(6, 200)
            .separate_channel(&channel)
            .unwrap();
        let run = ours.optimization.unwrap();
        println!(
            "{name}: run out to {:.4} against {:.4}, {:.2} dB, {} evaluations",
            run.history[200].loss(),
            log[[199, 2]],
            snr_db(&truth, &ours.background),
            run.evaluations
        );
        for it in [10, 30, 60, 100, 200] {
            let (ours, reference) = (run.history[it].loss(), log[[it - 1, 2]]);
            println!(
                "{name}: {:+.2} % after {it} iterations",
                100.0 * (ours / reference - 1.0)
            );
            assert!(
                (ours / reference - 1.0).abs() < 0.02,
                "{name}: loss {ours} against {reference} after {it} iterations"
            );
        }
    }
}
