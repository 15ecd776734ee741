//! tmp
use seismix_scattering::*;
use std::time::Instant;
fn best(n: usize, mut f: impl FnMut()) -> f64 {
    let mut b = f64::MAX;
    for _ in 0..n {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_secs_f64());
    }
    b
}
fn ffts<F: Real>(plan: &ScatteringTransform<F>, n: usize) -> f64 {
    let mut p = rustfft::FftPlanner::<F>::new();
    let mut r = realfft::RealFftPlanner::<F>::new();
    let oct = plan.scales().octaves[0];
    let mut c = vec![];
    let mut re = vec![plan.window_samples()];
    for j in 0..oct {
        c.push(plan.row_samples(0, j));
        re.push(plan.row_samples(0, j));
        for j2 in j + 1..oct {
            c.push(plan.row_samples(1, j2));
        }
        re.push(plan.row_samples(1, oct));
    }
    re.push(plan.row_samples(0, oct));
    let cs: Vec<_> = c.iter().map(|&n| p.plan_fft_inverse(n)).collect();
    let rs: Vec<_> = re.iter().map(|&n| r.plan_fft_forward(n)).collect();
    let m = plan.window_samples();
    let mut z = vec![Complex::new(F::of(0.1), F::of(0.2)); m];
    let mut scr = vec![Complex::new(F::of(0.0), F::of(0.0)); 4 * m];
    let mut x = vec![F::of(0.1); m];
    let mut y = vec![Complex::new(F::of(0.0), F::of(0.0)); m / 2 + 1];
    best(n, || {
        for f in &cs {
            f.process_with_scratch(&mut z[..f.len()], &mut scr);
            z[..f.len()].fill(Complex::new(F::of(0.1), F::of(0.2)));
        }
        for f in &rs {
            let l = f.len();
            x[..l].fill(F::of(0.1));
            f.process_with_scratch(&mut x[..l], &mut y[..l / 2 + 1], &mut scr)
                .unwrap();
        }
    })
}
fn main() {
    if std::env::args().any(|a| a == "prof") {
        let t = 65536;
        let x: Vec<f32> = (0..t)
            .map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0)
            .collect();
        let plan = ScatteringTransform::<f32>::plan(t).check().unwrap();
        let mut s = plan.make_forward_scratch();
        let mut o = plan.make_output();
        for _ in 0..800 {
            plan.process(&x, &mut o, &mut s).unwrap();
        }
        return;
    }
    let t = 65536;
    let x: Vec<f32> = (0..t)
        .map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0)
        .collect();
    for ov in [
        Oversampling::Exact,
        Oversampling::Times(2),
        Oversampling::Times(4),
        Oversampling::Times(8),
    ] {
        let plan = ScatteringTransform::<f32>::plan(t)
            .oversampling(ov)
            .check()
            .unwrap();
        let mut s = plan.make_forward_scratch();
        let mut o = plan.make_output();
        let w = best(30, || plan.process(&x, &mut o, &mut s).unwrap());
        println!(
            "{ov:?}: {:.2} ms, ffts alone {:.2} ms",
            w * 1e3,
            ffts(&plan, 30) * 1e3
        );
    }
    let n = 1_728_000;
    let x: Vec<f32> = (0..n)
        .map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0)
        .collect();
    for b in [256, 1024] {
        let p = BlockTransform::<f32>::plan(b).check().unwrap();
        let nb = n / b;
        let mut o = vec![Complex::new(0.0, 0.0); nb * p.paths().len()];
        let w = best(3, || {
            let mut s = p.stream();
            let mut v = Vec::new();
            s.push(&x, &mut v).unwrap();
            s.finish(&mut v).unwrap();
            std::hint::black_box(&v);
        });
        println!(
            "block {b}: channel-day {:.3} s, chunk {} gives {} blocks; chunk ffts {:.2} ms",
            w,
            p.transform().window_samples(),
            p.chunk_blocks(),
            ffts(p.transform(), 10) * 1e3 * (nb as f64 / p.chunk_blocks() as f64)
        );
        let _ = &mut o;
    }
}
