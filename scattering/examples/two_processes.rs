//! Separates two processes with one power spectrum by their scattering covariances.
#![allow(clippy::print_stdout, missing_docs)]

use seismix_scattering::{CoefficientKind, Normalization, ScatteringTransform};

fn main() -> Result<(), seismix_scattering::Error> {
    let n = 4096;
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let noise: Vec<f64> = (0..n).map(|_| (0..6).map(|_| uniform()).sum()).collect();
    let bursts: Vec<f64> = (0..n)
        .map(|t| {
            if (t / 64) % 8 == 0 {
                2.8 * noise[t]
            } else {
                0.0
            }
        })
        .collect();

    let plan = ScatteringTransform::<f64>::plan(n)
        .octaves(6)
        .normalization(Normalization::EachPowerSpectrum)
        .check()?;
    let (a, b) = (plan.process_vec(&noise)?, plan.process_vec(&bursts)?);
    println!("octave  centre (cycles/sample)  sparsity of noise  of bursts (1 = constant modulus)");
    for (path, (a, b)) in plan.paths().iter().zip(a.iter().zip(&b)) {
        if path.kind == CoefficientKind::Sparsity {
            let (center, _, _) = path.center_frequencies_hz(6, 1.0);
            println!(
                "{:>6}  {center:>22.4}  {:>17.3}  {:>9.3}",
                path.j1_left, a.re, b.re
            );
        }
    }
    Ok(())
}
