//! The options that make a toy experiment for `unmix`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use seismix::separation::Channel;
use seismix::toy::{Toy, ToyKind};
use serde_json::json;

use super::arrays;
use super::exit::{Failure, Result};
use super::options::whole;

/// Snippets of a toy, and their samples, unless told.
const SNIPPETS: usize = 10;
const SAMPLES: usize = 1024;
/// Samples of a toy, and of all its snippets, whose transforms take about a kilobyte a sample.
const LEAST_SAMPLES: usize = 64;
const MAX_SAMPLES: usize = 1 << 20;
const MAX_IN_ALL: usize = 1 << 23;
/// Octaves of the published toys of 1024 samples.
const OCTAVES: usize = 6;

/// What the source of a toy is.
#[derive(Debug, Clone)]
enum ToySource {
    /// One of the kinds.
    Kind(ToyKind),
    /// A waveform `(T,)` of one's own.
    File(PathBuf),
}

impl FromStr for ToySource {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text.ends_with(".npy") {
            return Ok(Self::File(text.into()));
        }
        ToyKind::from_str(text, false).map(Self::Kind).map_err(|_| {
            let kinds = ToyKind::value_variants().iter();
            let names: Vec<String> = kinds
                .filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("write one of {}, or a file .npy", names.join(", "))
        })
    }
}

/// A toy experiment in place of arrays.
#[derive(Debug, Args)]
#[command(next_help_heading = "Toy experiments")]
pub struct ToyOptions {
    /// Make mixture and snippets: a source in the increments of a multifractal random walk. exp-glitch, square-glitch,
    /// turbulence, wave-packets, or a waveform (T,) of one's own
    #[arg(long, value_name = "KIND|SOURCE.npy", conflicts_with_all = ["mixture", "background"])]
    toy: Option<ToySource>,
    /// Seed of the toy; the same seed has the same background for every kind [default: 0]
    #[arg(long, value_name = "N", conflicts_with_all = ["mixture", "background"])]
    seed: Option<u64>,
    /// Samples T of the toy; at least 64 [default: 1024]
    #[arg(long, value_name = "T", conflicts_with_all = ["mixture", "background"], value_parser = whole::<LEAST_SAMPLES, MAX_SAMPLES>)]
    samples: Option<usize>,
}

/// What is known of a toy.
pub struct Truth {
    /// The background.
    pub background: Vec<f64>,
    /// The source.
    pub source: Vec<f64>,
}

/// A toy as a problem.
pub struct ToyProblem {
    /// Mixture and snippets.
    pub channel: Channel,
    /// The truth.
    pub truth: Truth,
    /// How it is called in messages.
    pub name: String,
    /// Where it is from.
    pub provenance: serde_json::Value,
}

impl ToyOptions {
    /// Octaves J, unless told.
    pub fn octaves(&self) -> usize {
        if self.toy.is_some() { OCTAVES } else { 8 }
    }

    /// The file that it reads.
    pub fn input(&self) -> Option<&Path> {
        match &self.toy {
            Some(ToySource::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The toy, if one is asked for.
    pub fn make(&self, snippets: Option<usize>) -> Result<Option<ToyProblem>> {
        let Some(source) = &self.toy else {
            return Ok(None);
        };
        let n_snippets = snippets.unwrap_or(SNIPPETS);
        let seed = self.seed.unwrap_or(0);
        let n_samples = match source {
            ToySource::File(path) if self.samples.is_some() => {
                return Err(Failure::usage(format!(
                    "--samples: the toy has those of `{}`",
                    path.display()
                )));
            }
            _ => self.samples.unwrap_or(SAMPLES),
        };
        if n_snippets.saturating_mul(n_samples) > MAX_IN_ALL {
            return Err(Failure::usage(format!(
                "{n_snippets} snippets of {} samples are more than {MAX_IN_ALL} samples in all",
                n_samples
            ))
            .with_help("write fewer --snippets or fewer --samples"));
        }
        let (toy, name, provenance) = match source {
            ToySource::Kind(kind) => (
                Toy::generate(*kind, n_samples, n_snippets, seed),
                format!("toy {kind:?}"),
                json!({ "toy": kind, "seed": seed, "samples": n_samples }),
            ),
            ToySource::File(path) => {
                let source = arrays::read_npy(path)?;
                if source.values.ndim() != 1 {
                    return Err(Failure::new(format!(
                        "{}: an array of shape {:?} is not (T,)",
                        path.display(),
                        source.values.shape()
                    )));
                }
                let file = path.display().to_string();
                (
                    Toy::with_source(source.values.iter().copied().collect(), n_snippets, seed),
                    file.clone(),
                    json!({ "toy": { "file": file, "sha256": source.sha256 }, "seed": seed }),
                )
            }
        };
        Ok(Some(ToyProblem {
            channel: Channel {
                mixture: toy.mixture,
                snippets: toy.snippets,
                source_snippets: Vec::new(),
            },
            truth: Truth {
                background: toy.background,
                source: toy.source,
            },
            name,
            provenance,
        }))
    }
}
