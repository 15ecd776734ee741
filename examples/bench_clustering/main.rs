//! Clustering on records whose states are known: the nested sets, and the archive of `seismix demo`.
//!
//! `cargo run --example bench_clustering -- --sets l1s,harder --seeds 0-4 --clusters 3,9 --rows start,ours,kmeans-raw`
//!
//! One line a set, row and number of clusters, printed as it comes: for each scale, the largest first, the median over
//! seeds and the worst seed of the adjusted Rand index (purity above 3 clusters), over windows at least three quarters in
//! one state; for `demo` also the F1 of windows with a pulse, by the clusters that the rule calls transient and by the
//! best union of clusters. With `--stability N`, for each scale, the largest first: the mean agreement over N seeds and over
//! N subsamples of blocks of time. Coefficients are kept in `--cache` by set and seed.
#![expect(clippy::print_stdout, reason = "a tool for a terminal")]

mod agreement;
mod ceiling;
mod corpus;
mod records;
mod rows;

use std::path::PathBuf;
use std::time::Instant;

use agreement::{best_f1_union, purity};
use clap::Parser;
use corpus::{FullSet, Set};
use rows::{Row, transient_f1};
use seismix::vae::agreement::adjusted_rand_index;

/// What a step of the benchmark ends with.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Compare ways of clustering on records whose states are known
#[derive(Parser)]
struct Arguments {
    /// Sets: l1s, harder, weak, very-weak, demo
    #[arg(long, value_delimiter = ',', default_value = "l1s,harder")]
    sets: Vec<String>,
    /// Seeds of records, such as 0-4
    #[arg(long, default_value = "0-4")]
    seeds: String,
    /// Numbers of clusters
    #[arg(long, value_delimiter = ',', default_value = "3,9")]
    clusters: Vec<usize>,
    /// Rows; all: every one that is affordable
    #[arg(long, value_delimiter = ',', default_value = "start,ours")]
    rows: Vec<String>,
    /// Where coefficients are kept
    #[arg(long, default_value = "target/bench-clustering")]
    cache: PathBuf,
    /// How far clusters repeat over so many seeds and as many subsamples of blocks of time, instead of rows
    #[arg(long, value_name = "N")]
    stability: Option<usize>,
    /// Also print each seed, and the validation loss of networks
    #[arg(long)]
    each: bool,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let (first, last) = arguments
        .seeds
        .split_once('-')
        .unwrap_or((&arguments.seeds, &arguments.seeds));
    let seeds: Vec<u64> = (first.parse()?..=last.parse()?).collect();
    let rows: Vec<Row> = if arguments.rows.iter().any(|row| row == "all") {
        Row::ALL.to_vec()
    } else {
        let named = arguments.rows.iter().map(|name| Row::named(name));
        named.collect::<Outcome<_>>()?
    };
    for set in &arguments.sets {
        for &clusters in &arguments.clusters {
            if let Some(n) = arguments.stability {
                for &seed in &seeds {
                    let data = Set::load(set, seed, &arguments.cache)?;
                    let texts = rows::stabilities(&data, clusters, n)?;
                    println!("{set:9} seed {seed} K {clusters:2} {texts}");
                }
                continue;
            }
            for &row in rows.iter().filter(|row| row.serves(set)) {
                let began = Instant::now();
                let mut scores = Vec::new();
                for &seed in &seeds {
                    let found = score(set, seed, clusters, row, &arguments)?;
                    if arguments.each {
                        println!("  {set} seed {seed} {}: {}", row.name(), each(&found));
                    }
                    scores.push(found);
                }
                println!(
                    "{set:9} K {clusters:2} {:22} {}  {:4.0} s a seed",
                    row.name(),
                    summary(&scores),
                    began.elapsed().as_secs_f64() / seeds.len() as f64
                );
            }
        }
    }
    Ok(())
}

/// Scores of a row with one seed: one a scale, the largest first; then two of pulses.
fn score(
    set: &str,
    seed: u64,
    clusters: usize,
    row: Row,
    arguments: &Arguments,
) -> Outcome<Vec<f64>> {
    let cache = &arguments.cache;
    let data = if row == Row::Spectrogram {
        Set::spectrogram(set, seed, cache)?
    } else {
        Set::load(set, seed, cache)?
    };
    let full = if row.wants_all_coefficients() {
        Some(FullSet::load(set, seed, cache)?)
    } else {
        None
    };
    let labels = row.run(&data, full.as_ref(), clusters, arguments.each)?;
    let mut scores = Vec::new();
    for (labels, states) in labels.iter().zip(&data.states).rev() {
        let known = labels.iter().zip(states);
        let (found, truth): (Vec<usize>, Vec<usize>) = known
            .filter_map(|(&label, state)| Some((label, (*state)?)))
            .unzip();
        scores.push(if clusters > 3 && !data.pulses {
            purity(&found, &truth)
        } else {
            adjusted_rand_index(&found, &truth)
        });
    }
    if data.pulses {
        let truth: Vec<bool> = data.states[0]
            .iter()
            .map(|state| *state == Some(1))
            .collect();
        scores.push(transient_f1(&data, &labels[0], clusters, &truth)?);
        scores.push(best_f1_union(&labels[0], &truth).0);
    }
    Ok(scores)
}

fn each(scores: &[f64]) -> String {
    let texts: Vec<String> = scores.iter().map(|score| format!("{score:.2}")).collect();
    texts.join(" ")
}

/// Median and worst of each score.
fn summary(scores: &[Vec<f64>]) -> String {
    let columns = scores.first().map_or(0, Vec::len);
    let texts: Vec<String> = (0..columns)
        .map(|column| {
            let mut values: Vec<f64> = scores.iter().map(|row| row[column]).collect();
            values.sort_by(f64::total_cmp);
            let n = values.len();
            let median = 0.5 * (values[(n - 1) / 2] + values[n / 2]);
            format!("{median:.2} ({:.2})", values[0])
        })
        .collect();
    texts.join("  ")
}
