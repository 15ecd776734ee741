//! The adjoint against the directional derivative, and against central differences.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::noise;
use seismix_scattering::{
    CoefficientSet, Complex, Normalization, Oversampling, ScatteringTransform,
};

fn plans(t: usize, octaves: usize) -> Vec<(String, ScatteringTransform<f64>)> {
    let mut plans = Vec::new();
    for set in [CoefficientSet::Cov, CoefficientSet::ScatCov] {
        for normalization in [Normalization::None, Normalization::EachPowerSpectrum] {
            for pool in [t, t / 4] {
                let plan = ScatteringTransform::plan(t)
                    .oversampling(Oversampling::Exact)
                    .octaves(octaves)
                    .coefficients(set)
                    .normalization(normalization)
                    .pool(pool);
                plans.push((
                    format!("{set:?} {normalization:?} pool {pool}"),
                    plan.check().unwrap(),
                ));
            }
        }
    }
    for times in [2, 4] {
        let plan = ScatteringTransform::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(octaves)
            .oversampling(Oversampling::Times(times));
        plans.push((format!("on a grid of {times} times"), plan.check().unwrap()));
        let plan = ScatteringTransform::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(octaves)
            .normalization(Normalization::EachPowerSpectrum);
        plans.push((
            format!("EachPower on a grid of {times} times"),
            plan.oversampling(Oversampling::Times(times))
                .check()
                .unwrap(),
        ));
    }
    plans
}

fn dot(g: &[Complex<f64>], phi: &[Complex<f64>]) -> f64 {
    g.iter()
        .zip(phi)
        .map(|(g, p)| g.re * p.re + g.im * p.im)
        .sum()
}

/// Each coefficient is homogeneous of degree p in the signal, so the directional derivative along the signal itself
/// is exactly p times the coefficient (Euler): an exact dot-product test for a non-linear map.
#[test]
fn euler_dot_product() {
    for (t, octaves) in [(256, 5), (300, 4), (253 * 4, 6)] {
        let x = noise(t, 1);
        for (name, plan) in plans(t, octaves) {
            let phi = plan.process_vec(&x).unwrap();
            let d_out: Vec<Complex<f64>> = noise(2 * phi.len(), 2)
                .chunks(2)
                .map(|g| Complex::new(g[0], g[1]))
                .collect();
            let mut d_x = vec![f64::NAN; t];
            plan.adjoint(&x, &d_out, &mut d_x, &mut plan.make_scratch())
                .unwrap();
            let along: f64 = d_x.iter().zip(&x).map(|(g, x)| g * x).sum();
            let weighted: Vec<Complex<f64>> = plan
                .paths()
                .iter()
                .zip(phi.chunks_exact(plan.n_blocks()))
                .flat_map(|(path, blocks)| {
                    let degree = if name.contains("EachPower") {
                        0.0
                    } else if path.j1_right.is_some() {
                        2.0
                    } else {
                        1.0
                    };
                    blocks.iter().map(move |z| z * degree)
                })
                .collect();
            let expected = dot(&d_out, &weighted);
            let size: f64 = d_x.iter().map(|g| g * g).sum::<f64>().sqrt()
                * x.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!(
                (along - expected).abs() <= 1e-12 * size,
                "{name} T {t}: {along} against {expected} (size {size})"
            );
        }
    }
}

#[test]
fn central_differences() {
    let t = 256;
    let x = noise(t, 3);
    let direction = noise(t, 4);
    for (name, plan) in plans(t, 5) {
        let d_out: Vec<Complex<f64>> = noise(2 * plan.output_len(), 5)
            .chunks(2)
            .map(|g| Complex::new(g[0], g[1]))
            .collect();
        let value = |h: f64| {
            let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + h * d).collect();
            dot(&d_out, &plan.process_vec(&moved).unwrap())
        };
        let mut d_x = vec![0.0; t];
        plan.adjoint(&x, &d_out, &mut d_x, &mut plan.make_scratch())
            .unwrap();
        let slope: f64 = d_x.iter().zip(&direction).map(|(g, d)| g * d).sum();
        // Fourth-order differences; h = 1e-4 balances truncation against rounding of 1e-16/h.
        let h = 1e-4;
        let numeric =
            (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
        let size = d_x.iter().map(|g| g * g).sum::<f64>().sqrt()
            * direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        assert!(
            (slope - numeric).abs() <= 1e-8 * size,
            "{name}: {slope} against {numeric}"
        );
    }
}

#[test]
fn nothing_is_nan_where_there_is_no_energy() {
    let t = 256;
    let mut impulse = vec![0.0; t];
    impulse[100] = 1.0;
    for (what, x) in [
        ("zero", vec![0.0; t]),
        ("constant", vec![7.5; t]),
        ("impulse", impulse),
    ] {
        for (name, plan) in plans(t, 5) {
            let phi = plan.process_vec(&x).unwrap();
            assert!(
                phi.iter().all(|z| z.re.is_finite() && z.im.is_finite()),
                "{what} {name}"
            );
            let d_out = vec![Complex::new(1.0, 1.0); phi.len()];
            let mut d_x = vec![f64::NAN; t];
            plan.adjoint(&x, &d_out, &mut d_x, &mut plan.make_scratch())
                .unwrap();
            assert!(d_x.iter().all(|g| g.is_finite()), "{what} {name}");
            if what == "zero" {
                let mean_only: f64 = d_x.iter().sum();
                assert!(phi.iter().all(|z| z.norm() == 0.0) && mean_only.is_finite());
            }
        }
    }
}

/// Results do not depend on the content that a previous call left in scratch and outputs.
#[test]
fn dirty_buffers_change_nothing() {
    let t = 200;
    let plan = ScatteringTransform::<f64>::plan(t)
        .oversampling(Oversampling::Exact)
        .octaves(4)
        .normalization(Normalization::EachPowerSpectrum)
        .check()
        .unwrap();
    let (x, other) = (noise(t, 8), noise(t, 9));
    let d_out: Vec<Complex<f64>> = noise(2 * plan.output_len(), 10)
        .chunks(2)
        .map(|g| Complex::new(g[0], g[1]))
        .collect();
    let clean = plan.process_vec(&x).unwrap();
    let mut clean_gradient = vec![0.0; t];
    plan.adjoint(&x, &d_out, &mut clean_gradient, &mut plan.make_scratch())
        .unwrap();
    let mut scratch = plan.make_scratch();
    let mut out = vec![Complex::new(f64::NAN, f64::NAN); plan.output_len()];
    let mut gradient = vec![f64::NAN; t];
    plan.adjoint(&other, &d_out, &mut gradient, &mut scratch)
        .unwrap();
    plan.process(&x, &mut out, &mut scratch).unwrap();
    plan.adjoint(&x, &d_out, &mut gradient, &mut scratch)
        .unwrap();
    assert_eq!(out, clean);
    assert_eq!(gradient, clean_gradient);
}
