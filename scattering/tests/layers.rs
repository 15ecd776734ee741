//! Shared layers: their averages are those of the transform, and their adjoint is that of the same function.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::noise;
use seismix_scattering::{
    CoefficientSet, Complex, Correlations, Layers, Oversampling, ScatteringCovariance,
    ScatteringTransform, Wavelet, WaveletTransform,
};

const OCTAVES: usize = 4;

fn plan(n: usize, oversampling: Oversampling, set: CoefficientSet) -> ScatteringCovariance<f64> {
    let transform = WaveletTransform::new(Wavelet::default(), OCTAVES, n, oversampling).unwrap();
    ScatteringCovariance::new(transform, set).unwrap()
}

fn layers(plan: &ScatteringCovariance<f64>, signal: &[f64], center: bool) -> Layers<f64> {
    let transform = plan.transform();
    let (mut spectrum, mut scratch) = (transform.make_spectrum(), transform.make_scratch());
    let mut layers = Layers::new(transform);
    layers.analyze_first(transform, signal, &mut spectrum, &mut scratch);
    layers.analyze_second(transform, center, &mut spectrum, &mut scratch);
    layers
}

fn signal_gradient(
    plan: &ScatteringCovariance<f64>,
    layers: &Layers<f64>,
    mut d_layers: Layers<f64>,
    center: bool,
) -> Vec<f64> {
    let transform = plan.transform();
    let (mut spectrum, mut scratch) = (transform.make_spectrum(), transform.make_scratch());
    d_layers.backpropagate_second(transform, center, &mut spectrum, &mut scratch);
    d_layers.backpropagate_modulus(layers);
    let mut gradient = vec![0.0; plan.window_samples()];
    d_layers.backpropagate_first(transform, &mut gradient, &mut spectrum, &mut scratch);
    gradient
}

/// Largest difference relative to the largest value.
fn relative(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> f64 {
    let (mut worst, mut size) = (0.0_f64, 0.0_f64);
    for (a, b) in a.zip(b) {
        worst = worst.max((a - b).abs());
        size = size.max(b.abs());
    }
    worst / size
}

#[test]
fn averages_and_adjoints_are_those_of_the_transform() {
    for n in [256, 300, 251] {
        for oversampling in [Oversampling::Exact, Oversampling::Times(4)] {
            for set in [CoefficientSet::Cov, CoefficientSet::ScatCov] {
                let shared = plan(n, oversampling, set);
                let whole = ScatteringTransform::<f64>::plan(n)
                    .octaves(OCTAVES)
                    .oversampling(oversampling)
                    .coefficients(set)
                    .check()
                    .unwrap();
                let x = noise(n, 1);
                let own = layers(&shared, &x, false);
                let mut phi = shared.make_output();
                shared.measure_layers(&own, &mut phi).unwrap();
                let expected = whole.process_vec(&x).unwrap();
                let parts =
                    |z: &[Complex<f64>]| z.iter().flat_map(|z| [z.re, z.im]).collect::<Vec<_>>();
                let error = relative(parts(&phi).into_iter(), parts(&expected).into_iter());
                assert!(error < 1e-14, "n {n}, {oversampling}, {set}: {error:e}");

                let mut d_layers = Layers::new(shared.transform());
                shared
                    .measure_layers_adjoint(&own, &phi, &mut d_layers)
                    .unwrap();
                let gradient = signal_gradient(&shared, &own, d_layers, false);
                let mut expected = vec![0.0; n];
                whole
                    .adjoint(&x, &phi, &mut expected, &mut whole.make_scratch())
                    .unwrap();
                let error = relative(gradient.into_iter(), expected.into_iter());
                assert!(
                    error < 1e-12,
                    "gradient, n {n}, {oversampling}, {set}: {error:e}"
                );
            }
        }
    }
}

/// Central differences of sum |cross|^2 / 2 with respect to either signal.
#[test]
fn cross_covariances_have_their_gradients() {
    let n = 128;
    let shared = plan(n, Oversampling::Times(4), CoefficientSet::Cov);
    let correlations = Correlations::new(OCTAVES);
    assert_eq!(correlations.len(), correlations.paths().len());
    let (x, y) = (noise(n, 1), noise(n, 2));
    let cross = |x: &[f64], y: &[f64]| {
        let (left, right) = (layers(&shared, x, true), layers(&shared, y, true));
        let mut out = vec![Complex::new(0.0, 0.0); correlations.len()];
        correlations.process(shared.transform(), &left, &right, &mut out);
        out
    };
    let value = |x: &[f64], y: &[f64]| cross(x, y).iter().map(|z| z.norm_sqr()).sum::<f64>() / 2.0;
    let (left, right) = (layers(&shared, &x, true), layers(&shared, &y, true));
    let d_out = cross(&x, &y);
    for of_left in [true, false] {
        let mut d_layers = Layers::new(shared.transform());
        let (d_left, d_right) = match of_left {
            true => (Some(&mut d_layers), None),
            false => (None, Some(&mut d_layers)),
        };
        let sides = ((&left, d_left), (&right, d_right));
        correlations.adjoint(shared.transform(), sides.0, sides.1, &d_out);
        let own = if of_left { &left } else { &right };
        let gradient = signal_gradient(&shared, own, d_layers, true);
        let size = gradient.iter().fold(0.0_f64, |a, g| a.max(g.abs()));
        for t in (0..n).step_by(17) {
            let step = 1e-5;
            let moved = |by: f64| {
                let mut z = if of_left { x.clone() } else { y.clone() };
                z[t] += by;
                if of_left {
                    value(&z, &y)
                } else {
                    value(&x, &z)
                }
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            // The second difference is about step^2 of the value; rounding about eps / step.
            assert!((difference - gradient[t]).abs() < 1e-6 * size, "sample {t}");
        }
    }
}

#[test]
#[should_panic(expected = "layers of another transform")]
fn layers_of_another_window_are_refused() {
    let (a, b) = (
        plan(64, Oversampling::Exact, CoefficientSet::Cov),
        plan(128, Oversampling::Exact, CoefficientSet::Cov),
    );
    let mut own = layers(&a, &noise(64, 1), false);
    let transform = b.transform();
    let (mut spectrum, mut scratch) = (transform.make_spectrum(), transform.make_scratch());
    own.analyze_first(transform, &noise(128, 1), &mut spectrum, &mut scratch);
}
