//! Cost of the transform: next to the definition computed plainly at full rate, next to its FFTs alone, and against the
//! length of the window and the number of octaves. One line of JSON for each measurement; the least of several runs.
//!
//! `cargo bench -p seismix-scattering --bench cost -- [window|length|octaves|day]...`; `scripts/bench_scattering.py`
//! runs it next to other programs and makes the tables.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod plain;

use std::hint::black_box;
use std::time::Instant;

use plain::PlainPlan;
use rayon::prelude::*;
use realfft::RealFftPlanner;
use rustfft::FftPlanner;
use seismix_scattering::{BlockTransform, Complex, Oversampling, Real, ScatteringTransform};

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    if wanted("window") {
        window::<f32>("f32");
        window::<f64>("f64");
        batch();
    }
    if wanted("day") {
        day();
    }
    if wanted("length") {
        lengths();
    }
    if wanted("octaves") {
        octaves();
    }
}

fn noise<F: Real>(n: usize) -> Vec<F> {
    let mut state = 1_u64;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            F::of((state >> 40) as f64 / (1 << 23) as f64 - 1.0)
        })
        .collect()
}

/// Least time of a call, in seconds, over about half a second and at least three calls.
fn least(mut call: impl FnMut()) -> f64 {
    call();
    let mut least = f64::MAX;
    let began = Instant::now();
    let mut n = 0;
    while n < 3 || began.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        call();
        least = least.min(start.elapsed().as_secs_f64());
        n += 1;
    }
    least
}

fn window<F: Real>(precision: &str) {
    let t = 65_536;
    let x = noise::<F>(t);
    let say = |plan: &str, seconds: f64, ffts: f64| {
        println!(
            r#"{{"measured":"window","plan":"{plan}","precision":"{precision}","samples":{t},"octaves":8,"seconds":{seconds:.6},"ffts_seconds":{ffts:.6}}}"#
        );
    };
    let mut plain = PlainPlan::<F>::new(t, 8);
    let seconds = least(|| drop(black_box(plain.process(&x))));
    let ffts = least(|| plain.ffts_alone());
    say("definition at full rate", seconds, ffts);
    for oversampling in [
        Oversampling::Exact,
        Oversampling::Times(8),
        Oversampling::Times(4),
        Oversampling::Times(2),
    ] {
        let plan = ScatteringTransform::<F>::plan(t)
            .oversampling(oversampling)
            .check()
            .unwrap();
        say(
            &format!("{oversampling:?}"),
            seconds_of(&plan, &x),
            ffts_alone(&plan),
        );
    }
}

fn seconds_of<F: Real>(plan: &ScatteringTransform<F>, x: &[F]) -> f64 {
    let (mut scratch, mut out) = (plan.make_forward_scratch(), plan.make_output());
    least(|| plan.process(x, &mut out, &mut scratch).unwrap())
}

/// Many windows on all cores.
fn batch() {
    let (t, n) = (65_536, 16);
    let x = noise::<f32>(t * n);
    let plan = ScatteringTransform::<f32>::plan(t).check().unwrap();
    let mut out = vec![Complex::new(0.0, 0.0); n * plan.output_len()];
    let seconds = least(|| plan.process_batch(&x, &mut out).unwrap()) / n as f64;
    let plain = least(|| {
        x.par_chunks(t).for_each_init(
            || PlainPlan::<f32>::new(t, 8),
            |plan, x| drop(black_box(plan.process(x))),
        );
    }) / n as f64;
    let threads = rayon::current_num_threads();
    for (plan, seconds) in [("Times(8)", seconds), ("definition at full rate", plain)] {
        println!(
            r#"{{"measured":"batch","plan":"{plan}","precision":"f32","samples":{t},"threads":{threads},"seconds":{seconds:.6}}}"#
        );
    }
}

/// Block means of a day of one channel at 20 Hz, from samples in memory.
fn day() {
    let n = 1_728_000;
    let x = noise::<f32>(n);
    for block in [1024, 256] {
        let blocks = BlockTransform::<f32>::plan(block).check().unwrap();
        let seconds = least(|| {
            let (mut stream, mut out) = (blocks.stream(), Vec::new());
            stream.push(&x, &mut out).unwrap();
            stream.finish(&mut out).unwrap();
            black_box(out);
        });
        let n_chunks = (n / block).div_ceil(blocks.chunk_blocks());
        let ffts = n_chunks as f64 * ffts_alone(blocks.transform());
        println!(
            r#"{{"measured":"day","plan":"blocks of {block}","precision":"f32","samples":{n},"seconds":{seconds:.6},"ffts_seconds":{ffts:.6}}}"#
        );
    }
}

/// The FFTs that a plan runs, and nothing else.
fn ffts_alone<F: Real>(plan: &ScatteringTransform<F>) -> f64 {
    let (mut complex, mut real) = (FftPlanner::<F>::new(), RealFftPlanner::<F>::new());
    let octaves = plan.scales().octaves[0];
    let (mut complex_lengths, mut real_lengths) = (Vec::new(), vec![plan.window_samples()]);
    for j1 in 0..octaves {
        complex_lengths.push(plan.row_samples(0, j1));
        real_lengths.push(plan.row_samples(0, j1));
        complex_lengths.extend((j1 + 1..octaves).map(|j2| plan.row_samples(1, j2)));
        real_lengths.push(plan.row_samples(1, octaves));
    }
    real_lengths.push(plan.row_samples(0, octaves));
    let complex: Vec<_> = complex_lengths
        .iter()
        .map(|&n| complex.plan_fft_inverse(n))
        .collect();
    let real: Vec<_> = real_lengths
        .iter()
        .map(|&n| real.plan_fft_forward(n))
        .collect();
    let zero = Complex::new(F::zero(), F::zero());
    let n = plan.window_samples();
    let mut z = vec![zero; n];
    let (mut x, mut half) = (vec![F::zero(); n], vec![zero; n / 2 + 1]);
    let longest = complex.iter().map(|fft| fft.get_inplace_scratch_len());
    let longest = longest
        .chain(real.iter().map(|fft| fft.get_scratch_len()))
        .max();
    let mut scratch = vec![zero; longest.unwrap_or(0)];
    // Zeros stay zeros; repeated transforms of anything else would overflow.
    least(|| {
        for fft in &complex {
            fft.process_with_scratch(&mut z[..fft.len()], &mut scratch);
        }
        for fft in &real {
            let n = fft.len();
            fft.process_with_scratch(&mut x[..n], &mut half[..n / 2 + 1], &mut scratch)
                .unwrap();
        }
    })
}

fn lengths() {
    // Powers of two, then neighbours of one and lengths with an odd factor, then primes.
    let powers = (10..=22).map(|p| 1 << p);
    let others = [1000, 10_000, 100_000, 1_000_000, 3 << 14, 65_535, 65_537];
    let primes = [1021, 8191, 65_521, 262_139, 1_048_573, 4_194_301];
    for (kind, lengths) in [
        ("power of two", powers.collect::<Vec<_>>()),
        ("other", others.to_vec()),
        ("prime", primes.to_vec()),
    ] {
        for t in lengths {
            let plan = ScatteringTransform::<f32>::plan(t)
                .octaves(6)
                .check()
                .unwrap();
            let seconds = seconds_of(&plan, &noise(t));
            println!(
                r#"{{"measured":"length","kind":"{kind}","precision":"f32","samples":{t},"octaves":6,"seconds":{seconds:.7}}}"#
            );
        }
    }
}

fn octaves() {
    let t = 1 << 18;
    let x = noise::<f32>(t);
    for octaves in 4..=16 {
        let plan = ScatteringTransform::<f32>::plan(t)
            .octaves(octaves)
            .check()
            .unwrap();
        let seconds = seconds_of(&plan, &x);
        println!(
            r#"{{"measured":"octaves","precision":"f32","samples":{t},"octaves":{octaves},"seconds":{seconds:.6},"coefficients":{}}}"#,
            plan.paths().len()
        );
    }
}
