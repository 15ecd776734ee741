//! The separated stretches of a report.

use seismix_data::StationKey;
use seismix_data::archive::Archive;
use seismix_data::time::{SECOND_NS, parse_utc, steps_ns};
use seismix_separate::Terms;

use crate::records::{RecordCache, Run, sampling_rate};
use crate::report::gather::TRACE_BINS;
use crate::report::{LossTerm, SeparatedChannel, Separation, Trace, WindowEnd};
use crate::run::RunFiles;
use crate::separate::{SeparationFile, TargetResult, TermTable, WindowOutcome};
use crate::stage::Result;

/// Separations that are drawn.
const MAX_SEPARATIONS: usize = 60;
/// A loss term below this is rounding.
const NO_LOSS: f64 = 1e-12;

pub(crate) fn separations(
    file: &SeparationFile,
    archive: &Archive,
    files: &RunFiles,
    keys: &[StationKey],
) -> Result<Vec<Separation>> {
    let open = |kind: &str| {
        Archive::open(
            &[files.separation.join(kind)],
            seismix_data::archive::Selection::default(),
        )
    };
    let (background, source) = (open("background")?, open("source")?);
    let mut caches = [
        RecordCache::new(archive),
        RecordCache::new(&background),
        RecordCache::new(&source),
    ];
    let mut separations = Vec::new();
    for target in file.targets.iter().take(MAX_SEPARATIONS) {
        let Some(key) = keys.iter().find(|key| key.to_string() == target.id) else {
            continue;
        };
        let around = ((target.end_ns - target.start_ns) / 2).max(30 * SECOND_NS);
        let mut runs = Vec::new();
        for cache in &mut caches {
            if let Some(run) = cache.run(key, target.start_ns, target.end_ns, around)? {
                runs.push(run);
            }
        }
        let [mixture, background, source] = &runs[..] else {
            continue;
        };
        let rate = sampling_rate(archive, key).unwrap_or(1.0);
        let trace = |run: &Run, channel: usize| {
            Trace::from_samples(
                run.start_ns,
                rate,
                run.samples[channel].iter().copied(),
                TRACE_BINS,
            )
        };
        let channels = mixture
            .channels
            .iter()
            .enumerate()
            .map(|(channel, id)| SeparatedChannel {
                id: id.to_string(),
                mixture: trace(mixture, channel),
                background: trace(background, channel),
                source: trace(source, channel),
                ..SeparatedChannel::default()
            });
        separations.push(Separation {
            channels: channels.collect(),
            ..separation(target, file, steps_ns(1, rate))
        });
    }
    Ok(separations)
}

fn channel_code(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or_default()
}

fn separation(target: &TargetResult, file: &SeparationFile, sample_ns: i64) -> Separation {
    let windows = || target.channels.iter().flat_map(|c| &c.windows);
    let n = windows().count().max(1) as f64;
    let mean = |terms: fn(&TermTable) -> Terms, pick: &dyn Fn(Terms) -> f64| {
        let mean = windows()
            .filter_map(|w| w.terms.as_ref())
            .map(|t| pick(terms(t)))
            .sum::<f64>()
            / n;
        if mean < NO_LOSS { 0.0 } else { mean }
    };
    let term = |name: &str, pick: &dyn Fn(Terms) -> f64| LossTerm {
        name: name.into(),
        start: mean(|t| t.start, pick),
        end: mean(|t| t.end, pick),
        expected: Some(mean(|t| t.expected, pick)),
    };
    let loss = if windows().any(|w| w.terms.is_some()) {
        vec![
            term("background", &|t| t.background),
            term("mixture", &|t| t.mixture),
            term("independence", &|t| t.independence),
            term("total", &|t| t.loss()),
        ]
    } else {
        Vec::new()
    };
    let expected: Vec<f64> = windows().filter_map(|w| w.expected_snr_db).collect();
    let mut stops: Vec<(&str, Vec<&str>)> = Vec::new();
    for channel in &target.channels {
        let text = match channel.outcome {
            WindowOutcome::Separated => "separated",
            WindowOutcome::AlreadyBackground => "already like the background, left as it is",
            WindowOutcome::NotSeparable => "not separable, left as it is",
        };
        let code = channel_code(&channel.id);
        match stops.iter_mut().find(|(stop, _)| *stop == text) {
            Some((_, codes)) => codes.push(code),
            None => stops.push((text, vec![code])),
        }
    }
    let ends = target.channels.iter().flat_map(|channel| {
        channel.windows.iter().map(|window| WindowEnd {
            channel: channel_code(&channel.id).to_owned(),
            start_ns: parse_utc(&window.starttime).unwrap_or(target.start_ns),
            why: window.why.clone(),
            end: window.terms.map_or([0.0; 3], |t| t.end.to_array()),
            expected: window.terms.map_or([0.0; 3], |t| t.expected.to_array()),
        })
    });
    let clusters: Vec<String> = file
        .target
        .clusters
        .iter()
        .map(ToString::to_string)
        .collect();
    Separation {
        station: target.id.clone(),
        target: if clusters.is_empty() {
            "listed window".into()
        } else {
            format!("{}:{}", file.target.scale, clusters.join(","))
        },
        start_ns: target.start_ns,
        end_ns: target.end_ns + sample_ns,
        probability: f64::from(target.probability),
        stop: stops
            .iter()
            .map(|(text, codes)| match stops.len() {
                1 => (*text).to_owned(),
                _ => format!("{}: {text}", codes.join(", ")),
            })
            .chain(target.left.clone())
            .collect::<Vec<_>>()
            .join("; "),
        iterations: windows().map(|w| w.iterations).max().unwrap_or(0) as u32,
        n_snippets: target.snippets.len() as u32,
        loss,
        snr_expected_db: (!expected.is_empty())
            .then(|| expected.iter().sum::<f64>() / expected.len() as f64),
        windows: ends.collect(),
        ..Separation::default()
    }
}
