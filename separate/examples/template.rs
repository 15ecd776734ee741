//! Learns the shape of twelve pulses from a record, and removes them: `cargo run --example template`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seismix_separate::template::{RecordSegment, Template};

/// Twelve pulses of one shape and many sizes in noise on one channel.
fn main() {
    let (n_pulses, window) = (12, 300);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut last = 0.0;
    let noise: Vec<f64> = (0..600 * (n_pulses + 2))
        .map(|_| {
            let fresh: f64 = StandardNormal.sample(&mut rng);
            last = 0.8 * last + fresh;
            last
        })
        .collect();
    let mut source = vec![0.0; noise.len()];
    let mut targets = Vec::new();
    for i in 0..n_pulses {
        let onset = 700 + 600 * i;
        let size = [10.0, -30.0, 100.0][i % 3];
        for (t, v) in source[onset..onset + 500].iter_mut().enumerate() {
            let t = t as f64;
            *v += size * 3.0 * ((-t / 40.0).exp() - (-t / 4.0).exp());
        }
        targets.push(onset - 60..onset - 60 + window);
    }
    let record: Vec<f64> = noise.iter().zip(&source).map(|(n, s)| n + s).collect();
    let segment = RecordSegment {
        channels: vec![record],
        targets: targets.clone(),
        neighbour_targets: Vec::new(),
    };
    let (template, evidence) = Template::learn(std::slice::from_ref(&segment), window).unwrap();
    let fit = template.fit(&segment).unwrap();
    let found = template.render(&fit.sources, noise.len());
    println!(
        "{} windows exceed their background; a shape of every second explains {:.0} % of the others",
        evidence.n_windows,
        100.0 * evidence.explained
    );
    for target in targets {
        let energy = |x: &dyn Fn(usize) -> f64| target.clone().map(|t| x(t).powi(2)).sum::<f64>();
        let gain = energy(&|t| source[t]) / energy(&|t| source[t] - found[0][t]);
        println!(
            "samples {target:?}: the background gains {:.1} dB",
            10.0 * gain.log10()
        );
    }
}
