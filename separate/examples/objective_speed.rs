//! Time of one loss with gradient, on one thread, for several sizes and grids.
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;

use seismix_scattering::Oversampling;
use seismix_separate::{ObjectiveOptions, ScatteringObjective};

fn main() -> Result<(), seismix_separate::Error> {
    let mut state = 7_u64;
    let mut noise = |n: usize| {
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
            })
            .collect::<Vec<f64>>()
    };
    for (t, r) in [(1024, 10), (2048, 20)] {
        let x = noise(t);
        let snippets: Vec<Vec<f64>> = (0..r).map(|_| noise(t)).collect();
        for oversampling in [
            Oversampling::Exact,
            Oversampling::Times(4),
            Oversampling::Times(2),
        ] {
            let options = ObjectiveOptions {
                oversampling,
                ..ObjectiveOptions::paper(8)
            };
            let objective = ScatteringObjective::new(&x, &snippets, options)?;
            let n: Vec<f64> = x.iter().map(|v| 0.5 * v).collect();
            let mut gradient = vec![0.0; t];
            let mut terms = objective.evaluate(&n, Some(&mut gradient));
            let start = Instant::now();
            for _ in 0..10 {
                terms = objective.evaluate(&n, Some(&mut gradient));
            }
            let ms = start.elapsed().as_secs_f64() * 100.0;
            println!(
                "T {t} R {r} {oversampling:?}: {ms:.1} ms, loss {:.6}",
                terms.loss()
            );
        }
    }
    Ok(())
}
