//! Writes one synthetic day with known sources, an SDS archive and its truth, and says what is in it.
//!
//! `cargo run -p seismix-data --example synthetic_archive -- [FOLDER]`; without a folder it goes to a temporary one and
//! is removed again.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use seismix_data::TimeSpan;
use seismix_data::synthetic::{Archive, SyntheticConfig};
use seismix_data::time::format_utc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| temporary.path().to_path_buf(), PathBuf::from);
    let config = SyntheticConfig {
        days: 1,
        seed: 7,
        ..Default::default()
    };
    let truth = Archive::generate(&folder, &config)?;

    println!(
        "records in {}, truth in {}",
        folder.join("archive").display(),
        folder.join("truth").display()
    );
    for state in &truth.background {
        println!(
            "{} {} until {}",
            format_utc(state.start_ns),
            state.kind.name(),
            format_utc(state.end_ns)
        );
    }
    println!(
        "{} bursts, {} pulses",
        truth.bursts.len(),
        truth.pulses.len()
    );
    let largest = truth
        .pulses
        .iter()
        .max_by(|a, b| a.ratio.total_cmp(&b.ratio));
    if let Some(pulse) = largest {
        let window = TimeSpan {
            start_ns: pulse.onset_ns,
            end_ns: pulse.onset_ns + 51_200_000_000,
        };
        let labels = truth.labels(&[window])[0];
        println!(
            "largest pulse: {} counts at {}",
            pulse.peak_counts[0].round(),
            format_utc(pulse.peak_ns)
        );
        println!("its window: {labels:?}");
    }
    Ok(())
}
