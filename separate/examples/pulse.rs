//! Takes an exponential pulse out of coloured noise, given snippets of the noise.
#![allow(clippy::print_stdout, missing_docs)]

use seismix_separate::{ObjectiveOptions, Start, WindowOptions, separate_window};

fn main() -> Result<(), seismix_separate::Error> {
    let n = 1024;
    let mut state = 7_u64;
    let mut noise = || {
        let mut last = 0.0;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
            last = 0.7 * last + uniform;
            last
        };
        (0..n).map(|_| next()).collect::<Vec<f64>>()
    };
    let background = noise();
    let snippets: Vec<Vec<f64>> = (0..12).map(|_| noise()).collect();
    let pulse: Vec<f64> = (0..n)
        .map(|t| {
            if t < 400 {
                0.0
            } else {
                6.0 * (-((t - 400) as f64) / 60.0).exp()
            }
        })
        .collect();
    let mixture: Vec<f64> = background.iter().zip(&pulse).map(|(b, p)| b + p).collect();

    let options = WindowOptions {
        objective: ObjectiveOptions::floored(6),
        max_iterations: 60,
        start: Start::LocalWiener,
        stop_at_expectation: true,
    };
    let window = separate_window(&mixture, &snippets, options)?;

    let power: f64 = background.iter().map(|v| v * v).sum();
    let error = |estimate: &[f64]| -> f64 {
        estimate
            .iter()
            .zip(&background)
            .map(|(a, b)| (a - b).powi(2))
            .sum()
    };
    println!(
        "SNR of the background before: {:5.1} dB",
        10.0 * (power / error(&mixture)).log10()
    );
    println!(
        "after {:2} iterations:         {:5.1} dB",
        window.history.len(),
        10.0 * (power / error(&window.background)).log10()
    );
    println!(
        "L1 {:.2}, expected {:.2}; ended: {:?}",
        window.end().background,
        window.expected_background_term,
        window.reason
    );
    Ok(())
}
