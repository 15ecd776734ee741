//! Learns a family of shapes from records with windows, and takes the sources out.
//!
//! `cargo run --example family` does so on a record made for it, and prints what was gained.
//! `cargo run --example family -- FOLDER`: FOLDER holds `0.npy`, `1.npy`, .. `(channel, sample)` and `windows.csv` with a
//! line `record,start,end` (samples) a window. Writes `0.source.npy` and so on, and `sources.csv`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use ndarray_npy::{read_npy, write_npy};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use seismix_separate::template::{Block, Layout, RecordSegment, Template, blocks};

fn main() {
    match std::env::args().nth(1) {
        Some(folder) => arrays(&PathBuf::from(folder)),
        None => made_up(),
    }
}

/// Twelve pulses of one shape and many sizes in noise on one channel.
fn made_up() {
    let (n_pulses, window) = (12, 300);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut last = 0.0;
    let noise: Vec<f64> = (0..600 * (n_pulses + 2))
        .map(|_| {
            let fresh: f64 = StandardNormal.sample(&mut rng);
            last = 0.8 * last + fresh;
            last
        })
        .collect();
    let mut source = vec![0.0; noise.len()];
    let mut targets = Vec::new();
    for i in 0..n_pulses {
        let onset = 700 + 600 * i;
        let size = [10.0, -30.0, 100.0][i % 3];
        for (t, v) in source[onset..onset + 500].iter_mut().enumerate() {
            let t = t as f64;
            *v += size * 3.0 * ((-t / 40.0).exp() - (-t / 4.0).exp());
        }
        targets.push(onset - 60..onset - 60 + window);
    }
    let record: Vec<f64> = noise.iter().zip(&source).map(|(n, s)| n + s).collect();
    let stretch = RecordSegment {
        channels: vec![record],
        targets: targets.clone(),
        beside: Vec::new(),
    };
    let (family, evidence) = Template::learn(std::slice::from_ref(&stretch), window).unwrap();
    let fit = family.fit(&stretch).unwrap();
    let found = family.render(&fit.sources, noise.len());
    println!(
        "{} windows stand out; a shape of every second explains {:.0} % of the others",
        evidence.n_windows,
        100.0 * evidence.explained
    );
    for target in targets {
        let energy = |x: &dyn Fn(usize) -> f64| target.clone().map(|t| x(t).powi(2)).sum::<f64>();
        let gain = energy(&|t| source[t]) / energy(&|t| source[t] - found[0][t]);
        println!(
            "samples {target:?}: the background gains {:.1} dB",
            10.0 * gain.log10()
        );
    }
}

fn arrays(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("windows.csv")).unwrap();
    let rows: Vec<Vec<usize>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|v| v.parse().unwrap()).collect())
        .collect();
    let n = rows.iter().map(|row| row[0]).max().unwrap() + 1;
    let mut lengths: Vec<usize> = rows.iter().map(|row| row[2] - row[1]).collect();
    lengths.sort_unstable();
    let window = lengths[lengths.len() / 2];
    let layout = Layout::for_windows(window, 100);
    let mut stretches = Vec::new();
    let mut places: Vec<(usize, Block)> = Vec::new();
    let mut records = Vec::new();
    for record in 0..n {
        let samples: Array2<f64> = read_npy(folder.join(format!("{record}.npy"))).unwrap();
        let mut targets: Vec<Range<usize>> = Vec::new();
        let mut own: Vec<Range<usize>> = rows
            .iter()
            .filter(|row| row[0] == record)
            .map(|row| row[1]..row[2])
            .collect();
        own.sort_by_key(|t| t.start);
        for t in own {
            match targets.last_mut() {
                Some(last) if t.start <= last.end => last.end = last.end.max(t.end),
                _ => targets.push(t),
            }
        }
        for block in blocks(samples.ncols(), &targets, layout) {
            let channels = samples
                .outer_iter()
                .map(|row| row.as_slice().unwrap()[block.span.clone()].to_vec());
            let from = block.span.start;
            let own = block.own.iter().map(|t| t.start - from..t.end - from);
            let (targets, beside) = block
                .targets
                .iter()
                .cloned()
                .partition(|t| own.clone().any(|own| own == *t));
            stretches.push(RecordSegment {
                channels: channels.collect(),
                targets,
                beside,
            });
            places.push((record, block));
        }
        records.push(samples);
    }
    let began = std::time::Instant::now();
    let (family, evidence) = Template::learn(&stretches, window).unwrap();
    println!("{evidence:?}");
    println!("learned in {:.1} s", began.elapsed().as_secs_f64());
    let fits: Vec<_> = stretches
        .par_iter()
        .map(|s| family.fit(s).unwrap())
        .collect();
    println!("fitted after {:.1} s", began.elapsed().as_secs_f64());
    let mut csv = String::from("record,onset,rise,fall,z,misfit,parts\n");
    let mut sources = vec![Vec::new(); n];
    let mut deviations: Vec<Array2<f64>> = records.iter().map(|r| Array2::zeros(r.dim())).collect();
    for ((record, block), fit) in places.iter().zip(&fits) {
        for own in &block.own {
            for (c, deviation) in fit.deviation.iter().enumerate() {
                for t in own.clone() {
                    deviations[*record][[c, t]] = deviation[t - block.span.start];
                }
            }
        }
        for source in &fit.sources {
            let mut source = source.clone();
            source.onset += block.span.start as f64;
            if block.owns(source.onset, layout) {
                let parts: Vec<usize> = source.channels.iter().map(Vec::len).collect();
                writeln!(
                    csv,
                    "{record},{:.2},{:.2},{:.1},{:.1},{:.2},{}",
                    source.onset,
                    source.rise,
                    source.chi2_decrease,
                    source.z,
                    source.misfit,
                    parts
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join("|")
                )
                .unwrap();
                sources[*record].push(source);
            }
        }
    }
    std::fs::write(folder.join("sources.csv"), csv).unwrap();
    for (record, sources) in sources.iter().enumerate() {
        let shape = records[record].dim();
        let rows = family.render(sources, shape.1);
        let flat: Vec<f64> = rows.into_iter().flatten().collect();
        write_npy(
            folder.join(format!("{record}.source.npy")),
            &Array2::from_shape_vec(shape, flat).unwrap(),
        )
        .unwrap();
        write_npy(
            folder.join(format!("{record}.deviation.npy")),
            &deviations[record],
        )
        .unwrap();
    }
    for (k, kind) in family.kinds.iter().enumerate() {
        let flat: Vec<f64> = kind.channels.iter().flatten().copied().collect();
        let shape = (kind.channels.len(), layout.length);
        write_npy(
            folder.join(format!("shape{k}.npy")),
            &Array2::from_shape_vec(shape, flat).unwrap(),
        )
        .unwrap();
    }
}
