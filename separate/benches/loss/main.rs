//! One loss with its gradient, compared with a naive implementation; docs/benchmarks.md has the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod naive;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use naive::Naive;
use seismix_separate::{ObjectiveOptions, ScatteringObjective};

/// Mixture, snippets, and a background to evaluate at.
fn problem(n_samples: usize, n_snippets: usize) -> (Vec<f64>, Vec<Vec<f64>>, Vec<f64>) {
    let mut state = 7_u64;
    let mut last = 0.0;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        last = 0.6 * last + (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        last
    };
    let mut signal = || (0..n_samples).map(|_| noise()).collect::<Vec<f64>>();
    let mixture = signal();
    let at = mixture.iter().map(|v| 0.5 * v).collect();
    (mixture, (0..n_snippets).map(|_| signal()).collect(), at)
}

fn one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.unwrap().install(work)
}

/// Checks that the naive version gives the same numbers, without which the comparison is not valid.
fn same_numbers() {
    let (mixture, snippets, at) = problem(512, 3);
    let naive = Naive::new(&mixture, &snippets, 6).evaluate(&at);
    let ours = ScatteringObjective::new(&mixture, &snippets, ObjectiveOptions::paper(6)).unwrap();
    let mut gradient = vec![0.0; at.len()];
    let terms = ours.evaluate(&at, Some(&mut gradient)).to_array();
    for (ours, naive) in terms.iter().zip(naive.0) {
        assert!((ours / naive - 1.0).abs() < 1e-9, "{ours} against {naive}");
    }
    let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    for (ours, naive) in gradient.iter().zip(&naive.1) {
        assert!(
            (ours - naive).abs() < 1e-9 * largest,
            "{ours} against {naive}"
        );
    }
}

fn loss_and_gradient(criterion: &mut Criterion) {
    same_numbers();
    let mut group = criterion.benchmark_group("loss and gradient, f64, one thread, T 2048, J 8");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    for n_snippets in [20, 100] {
        let (mixture, snippets, at) = problem(2048, n_snippets);
        for (name, options) in [
            ("exact", ObjectiveOptions::paper(8)),
            ("8 times", ObjectiveOptions::published_on_grids(8)),
            ("4 times", ObjectiveOptions::floored(8)),
        ] {
            let objective = ScatteringObjective::new(&mixture, &snippets, options).unwrap();
            let mut gradient = vec![0.0; at.len()];
            group.bench_function(BenchmarkId::new(name, n_snippets), |bencher| {
                one_thread(|| {
                    bencher.iter(|| black_box(objective.evaluate(&at, Some(&mut gradient))))
                })
            });
        }
    }
    let (mixture, snippets, at) = problem(2048, 20);
    let naive = Naive::new(&mixture, &snippets, 8);
    group.bench_function(BenchmarkId::new("naive", 20), |bencher| {
        bencher.iter(|| black_box(naive.evaluate(&at)))
    });
    group.finish();
}

criterion_group!(benches, loss_and_gradient);
criterion_main!(benches);
