//! Takes an exponential pulse out of coloured noise, given snippets of the noise.
#![allow(clippy::print_stdout, missing_docs)]

use seismix_separate::{Channel, ChannelMethod, ScatteringMethod};

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

    let channel = Channel {
        mixture: mixture.clone(),
        snippets,
        source_snippets: Vec::new(),
    };
    let window = ScatteringMethod::to_expectation(6, 60).separate_channel(&channel)?;

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
        "after:                         {:5.1} dB",
        10.0 * (power / error(&window.background)).log10()
    );
    println!("{:?}", window.outcome);
    let Some(assessment) = &window.assessment else {
        return Ok(());
    };
    println!("             L1     L2     L3");
    for (name, terms) in [
        ("start", assessment.start),
        ("end", assessment.end),
        ("expected", assessment.expected),
    ] {
        let [l1, l2, l3] = terms.to_array();
        println!("{name:9} {l1:6.2} {l2:6.2} {l3:6.2}");
    }
    Ok(())
}
