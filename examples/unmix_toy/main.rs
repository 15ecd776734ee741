//! Toy experiments for `unmix`: a known source in synthetic background, separated, and scored by its SNR.
//!
//! `cargo run --release --example unmix_toy -- KIND|SOURCE.npy [--seed N] [--samples T] [--snippets R] [--octaves J]
//! [--max-iter N] [--objective paper|seismix] [--method NAME] [--write DIR]` prints one JSON line. `--write` also writes
//! x.npy, nk.npy and n.npy (mixture, snippets and true background), the input of `seismix unmix`.
#![expect(clippy::print_stdout, reason = "an example")]

mod toy;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use ndarray::{Array1, Array2};
use seismix::arrays::npy::Npy;
use seismix::arrays::unmix::{UnmixArrays, UnmixConfig, unmix};
use serde_json::json;
use toy::{Toy, ToyKind, snr_db};

const OPTIONS: [&str; 8] = [
    "seed",
    "samples",
    "snippets",
    "octaves",
    "max-iter",
    "objective",
    "method",
    "write",
];

/// Value of an option, or its default.
fn value<T: FromStr>(
    options: &BTreeMap<String, String>,
    name: &str,
    default: T,
) -> Result<T, String> {
    match options.get(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| format!("--{name}: `{text}` is not valid")),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments
        .next()
        .ok_or("give a kind of source, or a file .npy")?;
    let mut options = BTreeMap::new();
    while let Some(flag) = arguments.next() {
        let name = flag.strip_prefix("--").unwrap_or_default().to_owned();
        if !OPTIONS.contains(&name.as_str()) {
            return Err(format!("`{flag}` is not one of --{}", OPTIONS.join(", --")).into());
        }
        options.insert(name, arguments.next().ok_or("an option without a value")?);
    }
    let seed = value(&options, "seed", 0)?;
    let n_snippets = value(&options, "snippets", 10)?;
    let toy = match ToyKind::ALL.iter().find(|(name, _)| *name == source) {
        Some((_, kind)) => {
            Toy::generate(*kind, value(&options, "samples", 1024)?, n_snippets, seed)
        }
        None => {
            let waveform = Npy::read(Path::new(&source))?.values;
            Toy::with_source(waveform.iter().copied().collect(), n_snippets, seed)
        }
    };
    let mixture = Array1::from(toy.mixture.clone()).into_dyn();
    let shape = (toy.snippets.len(), toy.mixture.len());
    let snippets = Array2::from_shape_fn(shape, |(k, t)| toy.snippets[k][t]).into_dyn();
    if let Some(folder) = options.get("write").map(Path::new) {
        std::fs::create_dir_all(folder)?;
        ndarray_npy::write_npy(folder.join("x.npy"), &mixture)?;
        ndarray_npy::write_npy(folder.join("nk.npy"), &snippets)?;
        let truth = Array1::from(toy.background.clone());
        ndarray_npy::write_npy(folder.join("n.npy"), &truth)?;
    }
    let default = UnmixConfig::default();
    let objective = options.get("objective").map(|text| text.parse());
    let config = UnmixConfig {
        // As in the published toys of 1024 samples.
        octaves: value(&options, "octaves", 6)?,
        max_iter: value(&options, "max-iter", default.max_iter)?,
        method: value(&options, "method", default.method)?,
        objective: objective.transpose()?,
        ..default
    };
    let arrays = UnmixArrays {
        mixture: mixture.view(),
        background: snippets.view(),
        source_snippets: None,
    };
    let found = unmix(&arrays, &config, &|| false)?;
    let background: Vec<f64> = found.background.iter().copied().collect();
    let channel = &found.channels[0];
    let iterations = channel
        .optimization
        .as_ref()
        .map_or(0, |run| run.n_iterations());
    let energy: f64 = toy.source.iter().map(|v| v * v).sum();
    println!(
        "{}",
        json!({
            "snr_db": [snr_db(&toy.background, &toy.mixture), snr_db(&toy.background, &background)],
            "outcome": format!("{:?}", channel.outcome), "why": channel.why(), "iterations": iterations,
            "source_energy": energy,
        })
    );
    Ok(())
}
