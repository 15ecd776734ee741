use super::*;

/// A train of decaying pulses of both signs in weak noise, on an offset.
fn record(n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut level: f64 = 0.0;
    (0..n)
        .map(|t| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            level *= 0.93;
            if t % 97 == 13 {
                level += if t % 2 == 0 { 8.0 } else { -5.0 };
            }
            40.0 + level + 0.3 * noise
        })
        .collect()
}

#[test]
fn a_new_signal_has_the_covariance_and_is_another_signal() {
    let record = record(1500);
    let synthesis = Synthesis::like(&record, 6).unwrap();
    let drawn = synthesis.draw(1, SynthesisOptions::default()).unwrap();
    // Measured anew, on the full grid.
    let exact = seismix_scattering::ScatteringTransform::<f64>::plan(1500)
        .octaves(6)
        .coefficients(CoefficientSet::ScatCov)
        .oversampling(Oversampling::Exact)
        .check()
        .unwrap();
    let [wanted, found] = [&record, &drawn.signal].map(|x| exact.process_vec(x).unwrap());
    let one = std::slice::from_ref(&wanted);
    let scales = natural_scales(exact.paths(), one, one);
    for ((wanted, found), scale) in wanted.iter().zip(&found).zip(&scales) {
        assert!(
            (wanted - found).norm() <= 0.012 * scale,
            "{wanted} {found} {scale}"
        );
    }
    let mean = record.iter().sum::<f64>() / 1500.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let correlation = |drawn: &[f64]| {
        product(&record, drawn) / (product(&record, &record) * product(drawn, drawn)).sqrt()
    };
    let again = synthesis.draw(1, SynthesisOptions::default()).unwrap();
    assert_eq!(drawn.signal, again.signal);
    let other = synthesis.draw(2, SynthesisOptions::default()).unwrap();
    assert_ne!(drawn.signal, other.signal);
    // A few strong waves may be alike by chance: of two draws one is well apart, and none is the record.
    let both = [&drawn, &other].map(|drawn| correlation(&drawn.signal).abs());
    assert!(
        both[0].min(both[1]) < 0.2 && both[0].max(both[1]) < 0.4,
        "{both:?}"
    );
}

/// The signal is that of the record about its mean, in an ordinary unit, moved and scaled.
#[test]
fn level_and_size_change_nothing() {
    let record: Vec<f64> = record(300).iter().map(|v| v - 40.0).collect();
    let options = SynthesisOptions {
        max_iterations: 20,
        ..SynthesisOptions::default()
    };
    let draw = |level: f64, size: f64| {
        let moved: Vec<f64> = record.iter().map(|v| level + size * v).collect();
        let drawn = Synthesis::like(&moved, 5)
            .unwrap()
            .draw(1, options)
            .unwrap();
        let back = drawn.signal.iter().map(|v| (v - level) / size);
        back.collect::<Vec<f64>>()
    };
    let plain = draw(0.0, 1.0);
    for (level, size) in [
        (1e9, 1.0),
        (0.0, 1e100),
        (0.0, 1e-100),
        (0.0, 1e300),
        (1e80, 1e75),
    ] {
        let drawn = draw(level, size);
        let far = plain.iter().zip(&drawn).map(|(a, b)| (a - b).abs());
        assert!(far.fold(0.0, f64::max) < 1e-3, "{level} {size}");
    }
}

#[test]
fn the_gradient_is_that_of_central_differences() {
    let synthesis = Synthesis::like(&record(300), 5).unwrap();
    let point = synthesis
        .draw(
            3,
            SynthesisOptions {
                max_iterations: 3,
                ..SynthesisOptions::default()
            },
        )
        .unwrap()
        .signal;
    let direction = record(300);
    let mut gradient = vec![0.0; 300];
    synthesis.evaluate(&point, Some(&mut gradient));
    let at = |h: f64| {
        let moved: Vec<f64> = point
            .iter()
            .zip(&direction)
            .map(|(p, d)| p + h * d)
            .collect();
        synthesis.evaluate(&moved, None).mean_square
    };
    let h = 1e-5;
    let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
    let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
    assert!(
        (slope - numeric).abs() <= 1e-6 * numeric.abs(),
        "{slope} {numeric}"
    );
}

#[test]
fn what_cannot_be_a_target_is_refused() {
    let silent = Synthesis::like(&[0.0; 256], 4).unwrap();
    let drawn = silent.draw(0, SynthesisOptions::default());
    assert_eq!(drawn.map(|d| d.n_iterations), Err(Error::SilentTarget));
    let mut broken = vec![1.0; 256];
    broken[9] = f64::INFINITY;
    assert!(matches!(
        Synthesis::like(&broken, 4),
        Err(Error::NotFinite { index: 9, .. })
    ));
    assert!(matches!(
        Synthesis::of_coefficients(vec![Complex::new(1.0, 0.0); 3], 256, 4),
        Err(Error::Target { found: 3, .. })
    ));
}
