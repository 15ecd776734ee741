//! `unmix --method local`: its options, and what it adds to the output.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn};
use ndarray_npy::WriteNpzError;
use seismix::separation::{Channel, ChannelSeparation, LocalMethod, LocalResult, SourceSnippets};
use serde_json::json;

use super::arrays::{self, Archive};
use super::exit::{Failure, Result};
use super::options::whole;

/// Options of the local model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Local model (--method local)")]
pub struct LocalOptions {
    /// Snippets of the source, (R',T') or (R',C,T'), T' not below that of the background's; such as other windows of its
    /// cluster
    #[arg(long, value_name = "S.npy")]
    source_snippets: Option<PathBuf>,
    /// The source snippets hold background too, as windows of a cluster do: take its mean power off them
    #[arg(long)]
    with_background: bool,
    /// Also refine the estimate to one plausible realisation
    #[arg(long)]
    realisation: bool,
    /// Also draw so many backgrounds from the posterior; at most 1000
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(0..=1000))]
    draws: u16,
    /// Mixtures of held-out snippets to weigh and calibrate on [default: 40]
    #[arg(long, value_name = "N", value_parser = whole::<1, 10_000>)]
    mixtures: Option<usize>,
    /// Seed of mixtures and draws [default: 0]
    #[arg(long, value_name = "N")]
    local_seed: Option<u64>,
}

impl LocalOptions {
    /// As it is noted in the output.
    pub fn configuration(&self) -> serde_json::Value {
        json!({
            "realisation": self.realisation, "draws": self.draws, "mixtures": self.n_mixtures(), "seed": self.local_seed.unwrap_or(0),
            "with_background": self.with_background,
        })
    }

    fn n_mixtures(&self) -> usize {
        self.mixtures.unwrap_or(40)
    }

    /// Whether there are source snippets.
    pub fn has_source(&self) -> bool {
        self.source_snippets.is_some()
    }

    /// The file that it reads.
    pub fn input(&self) -> Option<&Path> {
        self.source_snippets.as_deref()
    }

    /// The option that other methods have no use for.
    pub fn unused(&self) -> Option<&'static str> {
        let given = [
            (self.source_snippets.is_some(), "--source-snippets"),
            (self.with_background, "--with-background"),
            (self.realisation, "--realisation"),
            (self.draws > 0, "--draws"),
            (self.mixtures.is_some(), "--mixtures"),
            (self.local_seed.is_some(), "--local-seed"),
        ];
        given
            .iter()
            .find(|(given, _)| *given)
            .map(|(_, name)| *name)
    }

    /// The method.
    pub fn method(&self, octaves: usize) -> LocalMethod {
        LocalMethod {
            n_mixtures: self.n_mixtures(),
            n_draws: self.draws.into(),
            realisation: self.realisation,
            seed: self.local_seed.unwrap_or(0),
            source_snippets: if self.with_background {
                SourceSnippets::WithBackground
            } else {
                SourceSnippets::Alone
            },
            ..LocalMethod::new(octaves)
        }
    }

    /// Reads the source snippets into the channels.
    pub fn read(&self, channels: &mut [Channel], provenance: &mut serde_json::Value) -> Result<()> {
        let path = self
            .source_snippets
            .as_ref()
            .ok_or_else(|| Failure::usage("--method local needs --source-snippets".to_owned()))?;
        let found = arrays::read_finite(path)?;
        let shape = found.values.shape();
        let fits = match shape {
            [_, _] => channels.len() == 1,
            [_, c, _] => *c == channels.len(),
            _ => false,
        };
        if !fits {
            return Err(Failure::new(format!(
                "{}: an array of shape {shape:?} is not (R',T') or (R',C,T') with the mixture's {} channel(s)",
                path.display(),
                channels.len()
            )));
        }
        let n = channels.len();
        for (i, row) in arrays::rows(&found.values).into_iter().enumerate() {
            channels[i % n].source_snippets.push(row);
        }
        provenance["source_snippets"] =
            json!({ "file": path.display().to_string(), "sha256": found.sha256 });
        Ok(())
    }
}

/// What the local model found in each channel, if it did so in all.
fn results(separations: &[ChannelSeparation]) -> Option<Vec<&LocalResult>> {
    separations.iter().map(|s| s.local.as_deref()).collect()
}

/// The arrays of the local model.
pub fn write(
    archive: &mut Archive<'_>,
    separations: &[ChannelSeparation],
    shape: &[usize],
) -> std::result::Result<(), WriteNpzError> {
    let Some(results) = results(separations) else {
        return Ok(());
    };
    let shaped = |lead: &[usize], values: Vec<f64>| -> ArrayD<f64> {
        let shape: Vec<usize> = lead.iter().chain(shape).copied().collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap_or_default()
    };
    let all = |pick: &dyn Fn(&LocalResult) -> Vec<f64>| -> Vec<f64> {
        results.iter().flat_map(|result| pick(result)).collect()
    };
    archive.add_array("waveform", &shaped(&[], all(&|r| r.waveform.clone())))?;
    archive.add_array("sd", &shaped(&[], all(&|r| r.deviation.clone())))?;
    let expected = Array2::from_shape_fn((results.len(), 4), |(c, i)| {
        let (own, before) = (results[c].expected, results[c].untouched);
        [own.mean_db, own.spread_db, before.mean_db, before.spread_db][i]
    });
    archive.add_array("expected_snr", &expected)?;
    let n_draws = results.first().map_or(0, |r| r.draws.len());
    if n_draws > 0 {
        let draws: Vec<f64> = (0..n_draws)
            .flat_map(|k| all(&|r| r.draws[k].clone()))
            .collect();
        archive.add_array("draws", &shaped(&[n_draws], draws))?;
    }
    if results.iter().all(|r| r.realisation.is_some()) {
        let values = all(&|r| r.realisation.clone().unwrap_or_default());
        archive.add_array("realisation", &shaped(&[], values))?;
    }
    let scores = results.first().map_or(&[][..], |r| &r.scores[..]);
    let table = Array3::from_shape_fn((results.len(), scores.len(), 3), |(c, k, i)| {
        let score = &results[c].scores[k];
        [score.mean_db, score.spread_db, score.weight][i]
    });
    archive.add_array("method_scores", &table)?;
    let names: Vec<&str> = scores.iter().map(|s| s.name.as_str()).collect();
    archive.add_array("method_names", &Array1::from(names.join("\n").into_bytes()))
}

/// The same in a line of JSON.
pub fn told(separations: &[ChannelSeparation]) -> Option<serde_json::Value> {
    let results = results(separations)?;
    let of = |r: &&LocalResult| {
        let scores: Vec<serde_json::Value> = r
            .scores
            .iter()
            .map(|s| json!({ "name": s.name, "mean_db": s.mean_db, "spread_db": s.spread_db, "weight": s.weight }))
            .collect();
        json!({
            "expected_snr_db": r.expected.mean_db, "spread_db": r.expected.spread_db,
            "untouched_snr_db": r.untouched.mean_db, "source_level_db": r.source_level_db, "scores": scores,
        })
    };
    Some(results.iter().map(of).collect())
}
