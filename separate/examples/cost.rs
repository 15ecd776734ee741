//! Cost of one loss with its gradient on one thread, by number of snippets and of samples, as a table in CSV.
//!
//! Times are CPU times of the thread, the least of several repeats, so that the load of the machine has no effect.
//! `scripts/plot_cost.py` draws the table. The argument `all` extends it to R = 200 and T = 16384.
#![allow(clippy::print_stdout, missing_docs)]

use std::fs;

use seismix_separate::{ObjectiveOptions, ScatteringObjective};

/// CPU time of this thread, or wall time where the system has no such clock, ms.
fn cpu_ms(start: std::time::Instant) -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = text.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    ns.map_or_else(|| start.elapsed().as_secs_f64() * 1e3, |ns| ns / 1e6)
}

/// Largest memory of the process so far, in MB.
fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}

fn main() -> Result<(), seismix_separate::Error> {
    let all = std::env::args().any(|argument| argument == "all");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| seismix_separate::Error::Optimizer(error.to_string()))?;
    pool.install(|| table(all))
}

fn table(all: bool) -> Result<(), seismix_separate::Error> {
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
    let (samples, snippets): (&[usize], &[usize]) = if all {
        (
            &[512, 1024, 2048, 4096, 8192, 16384],
            &[10, 20, 50, 100, 200],
        )
    } else {
        (&[512, 1024], &[10, 20])
    };
    let base = if all { 2048 } else { 1024 };
    let (repeats, least_ms) = if all { (4, 200.0) } else { (1, 20.0) };
    let sizes = samples
        .iter()
        .map(|t| (*t, 20))
        .chain(snippets.iter().map(|r| (base, *r)));
    let mut sizes: Vec<(usize, usize)> = sizes.collect();
    // The peak of memory is that of the largest size so far, so sizes ascend.
    sizes.sort_by_key(|(t, r)| t * r);
    sizes.dedup();
    println!("grids,samples,snippets,setup_ms,evaluation_ms,peak_mb");
    for (t, r) in sizes {
        let x = noise(t);
        let background: Vec<Vec<f64>> = (0..r).map(|_| noise(t)).collect();
        for (name, options) in [
            ("4 times", ObjectiveOptions::floored(8)),
            ("8 times", ObjectiveOptions::published_on_grids(8)),
            ("exact", ObjectiveOptions::paper(8)),
        ] {
            let clock = std::time::Instant::now();
            let before = cpu_ms(clock);
            let objective = ScatteringObjective::new(&x, &background, options)?;
            let setup = cpu_ms(clock) - before;
            let n: Vec<f64> = x.iter().map(|v| 0.5 * v).collect();
            let mut gradient = vec![0.0; t];
            objective.evaluate(&n, Some(&mut gradient));
            let mut least = f64::INFINITY;
            for _ in 0..repeats {
                // The clock has ticks of some ms, and a repeat is much longer.
                let (before, mut evaluations) = (cpu_ms(clock), 0);
                let spent = loop {
                    objective.evaluate(&n, Some(&mut gradient));
                    evaluations += 1;
                    let spent = cpu_ms(clock) - before;
                    if spent > least_ms || clock.elapsed().as_secs() > 30 {
                        break spent;
                    }
                };
                least = least.min(spent / f64::from(evaluations));
            }
            println!("{name},{t},{r},{setup:.1},{least:.2},{:.0}", peak_mb());
        }
    }
    Ok(())
}
