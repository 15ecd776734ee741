//! Constant, huge, tiny, missing and invalid samples in every method: an error, an outcome, or finite numbers of the right
//! length, and never a panic.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seismix_separate::template::{RecordSegment, Template};
use seismix_separate::{
    CancelWhen, Channel, ChannelMethod, Error, LocalMethod, LocalWiener, METHODS, Method,
    MethodOptions, NoProgress, Progress, Region, Separation, Snippets, Synthesis, SynthesisOptions,
    TemplateMethod, TrainingSet, local_wiener, methods, separate_arrays,
};

const CONSTANTS: [f64; 8] = [
    0.0,
    777.0,
    -12345.0,
    1e20,
    -1e20,
    1e-300,
    1e300,
    f64::MIN_POSITIVE,
];

fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn snippets(seed: u64, n: usize, size: f64) -> Vec<Vec<f64>> {
    let of = |k| noise(seed + k, n).iter().map(|v| v * size).collect();
    (0..6).map(of).collect()
}

/// Signals of `n` samples that have failed somewhere, or might: each constant throughout, over most of the signal, at one
/// sample, and with one sample different.
fn hostile(n: usize) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    for value in CONSTANTS {
        all.push(vec![value; n]);
        for range in [0..n * 3 / 4, n / 8..n, n / 2..(n / 2 + 1).min(n)] {
            let mut signal = noise(1, n);
            signal[range].fill(value);
            all.push(signal);
        }
        let mut step = vec![value; n];
        step[n - 1] += 1.0;
        all.push(step);
    }
    all
}

fn check_local(channel: &Channel, name: &str) {
    let n = channel.mixture.len();
    let Ok(solved) = LocalMethod::new(1).separate_channel(channel) else {
        return;
    };
    let sound = |x: &[f64]| x.len() == n && x.iter().all(|v| v.is_finite());
    assert!(sound(&solved.background), "{name}: background");
    if let Some(local) = solved.local {
        assert!(sound(&local.waveform), "{name}: waveform");
        assert!(sound(&local.deviation), "{name}: deviation");
        assert!(!local.expected.mean_db.is_nan(), "{name}: expected");
    }
}

#[test]
fn the_local_model_survives_any_mixture_and_snippets() {
    let n = 128;
    for (k, signal) in hostile(n).into_iter().enumerate() {
        for size in [1e-3, 1.0, 1e3] {
            check_local(
                &Channel {
                    mixture: signal.clone(),
                    snippets: snippets(10, n, 1.0),
                    source_snippets: snippets(20, n, size),
                },
                &format!("mixture {k}"),
            );
        }
        let mut some = snippets(10, n, 1.0);
        some[1].clone_from(&signal);
        let all = vec![signal.clone(); 6];
        for (name, background, source) in [
            ("snippet", some.clone(), snippets(20, n, 3.0)),
            ("source snippet", snippets(10, n, 1.0), some),
            ("snippets", all.clone(), snippets(20, n, 3.0)),
            ("source snippets", snippets(10, n, 1.0), all),
        ] {
            check_local(
                &Channel {
                    mixture: noise(3, n),
                    snippets: background,
                    source_snippets: source,
                },
                &format!("{name} {k}"),
            );
        }
    }
}

#[test]
fn a_constant_stretch_keeps_the_mixture_with_a_deviation_for_each_sample() {
    // Alike clusters and a long constant stretch: no filter has any weight.
    for value in [0.0, 777.0, -12345.0, 1e20] {
        for n in [256, 900] {
            let mut mixture = noise(1, n);
            mixture[n / 8..].fill(value);
            let snippets: Vec<Vec<f64>> = (0..6)
                .map(|k| {
                    let mut snippet = noise(30 + k, 256);
                    snippet[20..].fill(value);
                    snippet
                })
                .collect();
            let source_snippets = (0..6).map(|k| noise(50 + k, 256)).collect();
            let channel = Channel {
                mixture,
                snippets,
                source_snippets,
            };
            check_local(&channel, &format!("{value} {n}"));
        }
    }
}

#[test]
fn invalid_and_empty_samples_are_errors() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut signal = noise(1, 64);
        signal[7] = bad;
        let channel = Channel {
            mixture: signal.clone(),
            snippets: snippets(10, 64, 1.0),
            source_snippets: snippets(20, 64, 1.0),
        };
        let refused = LocalMethod::new(1).separate_channel(&channel).unwrap_err();
        assert!(matches!(refused, Error::NotFinite { index: 7, .. }));
        let segment = RecordSegment {
            channels: vec![noise(2, 64), signal.clone()],
            ..RecordSegment::default()
        };
        let refused = Template::learn_with_progress(&[segment], 300, &NoProgress).unwrap_err();
        assert!(matches!(refused, Error::NotFinite { index: 7, .. }));
        assert!(Synthesis::like(&signal, 2).is_err());
    }
    for n in [0, 1, 2, 3] {
        assert!(Synthesis::like(&vec![0.0; n], 2).is_err() || n > 0);
        let channel = Channel {
            mixture: vec![0.5; n],
            snippets: snippets(10, n, 1.0),
            source_snippets: snippets(20, n, 1.0),
        };
        check_local(&channel, &format!("{n} samples"));
    }
}

#[test]
fn the_wiener_filter_survives_any_snippets() {
    for n in [1, 5, 128] {
        for signal in hostile(n) {
            // Squares overflow above 1e154; the methods divide by a power of two before they filter.
            if signal.iter().any(|v| v.abs() > 1e100) {
                continue;
            }
            let all = vec![signal.clone(); 3];
            for (mixture, snippets) in [
                (signal.clone(), snippets(10, n, 1.0)),
                (noise(3, n), all.clone()),
                (signal.clone(), all),
                (signal.clone(), Vec::new()),
            ] {
                let found = local_wiener(&mixture, &snippets);
                assert!(found.len() == n && found.iter().all(|v| v.is_finite()));
                let rank = LocalWiener::new(n, &snippets).rank(&mixture);
                assert!((0.0..=1.0).contains(&rank));
            }
        }
    }
}

#[test]
fn a_template_survives_any_segment() {
    let n = 3000;
    let pulses = |mut x: Vec<f64>| {
        for (i, onset) in (300..2700).step_by(400).enumerate() {
            for (t, v) in x[onset..onset + 200].iter_mut().enumerate() {
                *v += 100.0 * (1.0 + i as f64) * (-(t as f64) / 20.0).exp();
            }
        }
        x
    };
    let targets: Vec<_> = (300..2700).step_by(400).map(|t| t - 40..t + 100).collect();
    let with = |channels: Vec<Vec<f64>>| RecordSegment {
        channels,
        targets: targets.clone(),
        neighbour_targets: Vec::new(),
    };
    let good = with(vec![pulses(noise(1, n)), pulses(noise(2, n))]);
    let (template, _) = Template::learn(std::slice::from_ref(&good), 140).unwrap();
    let sound = |rows: &[Vec<f64>], n: usize| {
        let whole = |row: &Vec<f64>| row.len() == n && row.iter().all(|v| v.is_finite());
        rows.iter().all(whole)
    };
    let check = |segment: &RecordSegment, name: &str| {
        let n = segment.n_samples();
        if let Some(fit) = template.fit(segment) {
            assert!(sound(&fit.deviation, n), "{name}: deviation");
            assert!(sound(&fit.residual, n), "{name}: residual");
            assert!(sound(&template.render(&fit.sources, n), n), "{name}");
        }
        if let Some((learned, evidence)) = Template::learn(std::slice::from_ref(segment), 140) {
            let length = learned.layout.length;
            assert!(sound(&learned.shape.channels, length), "{name}: shape");
            assert!(evidence.explained.is_finite(), "{name}: evidence");
        }
    };
    // Every fifth, since each learns a template; all kinds of constants are among them.
    for (k, signal) in hostile(n).into_iter().enumerate().step_by(3) {
        let scaled: Vec<f64> = signal.iter().map(|v| v * 1.0).collect();
        check(&with(vec![pulses(noise(4, n)), scaled]), &format!("{k}"));
    }
    let mut odd = good.clone();
    odd.targets = vec![
        0..0,
        2990..9000,
        5000..6000,
        std::ops::Range { start: 20, end: 10 },
        0..3,
    ];
    check(&odd, "targets outside");
    for n in [0, 1, 3, 50] {
        let short = with(vec![noise(1, n), noise(2, n)]);
        check(&short, &format!("{n} samples"));
    }
    check(&with(Vec::new()), "no channel");
    let other = with(vec![noise(1, n)]);
    assert!(template.fit(&other).is_none());
    let both = [good.clone(), other];
    let refused = Template::learn_with_progress(&both, 140, &NoProgress).unwrap_err();
    assert!(matches!(refused, Error::ChannelCount { found: 1, .. }));
    let mut uneven = good;
    uneven.channels[1].truncate(100);
    assert!(template.fit(&uneven).is_none());
    assert!(Template::learn(&[uneven], 140).is_none());
}

/// Signals of constants and NaN: throughout, over most of the signal, and at one sample.
fn constants_and_nan(n: usize) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    for value in [0.0, 777.0, -12345.0, 1e20, 1e-300, f64::NAN] {
        for range in [0..n, n / 8..n, n / 2..(n / 2 + 1).min(n)] {
            let mut signal = noise(1, n);
            signal[range].fill(value);
            all.push(signal);
        }
    }
    all
}

#[test]
fn every_method_survives_any_arrays() {
    for registration in METHODS {
        let named = methods(registration.name, &MethodOptions::new(1, 3)).unwrap();
        let check = |channel: Channel, name: &str| {
            let invalid = channel.mixture.iter().any(|v| !v.is_finite());
            match separate_arrays(&named, std::slice::from_ref(&channel), &NoProgress) {
                Ok((_, found)) => {
                    assert!(!invalid && found.len() == 1, "{name}");
                    let background = &found[0].background;
                    assert_eq!(background.len(), channel.mixture.len(), "{name}");
                    assert!(background.iter().all(|v| v.is_finite()), "{name}");
                }
                Err(error) => assert!(!error.to_string().is_empty(), "{name}"),
            }
        };
        for n in [0, 1, 2, 3, 128] {
            for (k, signal) in constants_and_nan(n).into_iter().enumerate() {
                let channel = |mixture, background| Channel {
                    mixture,
                    snippets: background,
                    source_snippets: snippets(20, n, 3.0),
                };
                let name = format!("{}, {n} samples, {k}", registration.name);
                check(channel(signal.clone(), snippets(10, n, 1.0)), &name);
                check(channel(noise(3, n), vec![signal.clone(); 6]), &name);
                check(channel(signal, Vec::new()), &name);
            }
        }
    }
}

const TARGETS: std::ops::Range<usize> = 300..2700;

/// Region of 3000 samples of noise with a pulse of `height` every 400 samples, and snippets of its background.
fn region(height: f64, seed: u64) -> Region {
    let n = 3000;
    let mut samples = noise(seed, n);
    for onset in TARGETS.step_by(400) {
        for (t, v) in samples[onset..onset + 200].iter_mut().enumerate() {
            *v += height * (-(t as f64) / 20.0).exp();
        }
    }
    Region {
        channels: vec!["A".into()],
        samples: vec![samples],
        targets: TARGETS.step_by(400).map(|t| t - 40..t + 100).collect(),
        snippets: vec![Snippets {
            background: snippets(10, 128, 1.0),
            source: snippets(20, 128, 3.0),
        }],
        ..Region::default()
    }
}

fn station(regions: Vec<Region>) -> TrainingSet {
    TrainingSet {
        window_samples: 140,
        snippet_samples: 128,
        regions,
    }
}

#[test]
fn every_method_survives_any_region() {
    let sound = |s: &Separation, name: &str| {
        assert!(s.background.iter().all(|v| v.is_finite()), "{name}");
        let mut deviation = s.deviation.iter().flatten();
        assert!(deviation.all(|v| v.is_finite()), "{name}: deviation");
        assert!(
            s.channels.len() == 1 || !s.skipped.is_empty(),
            "{name}: neither a result nor a reason"
        );
    };
    for registration in METHODS {
        let method = registration.build(&MethodOptions::new(1, 3));
        let fit = method.fit(station(vec![region(300.0, 1)]), &NoProgress);
        let separator = method.separator(fit.unwrap().model()).unwrap();
        let check = |region: &Region, name: &str| {
            let name = format!("{}, {name}", registration.name);
            if let Ok(found) = separator.separate(region, &NoProgress) {
                assert_eq!(found.len(), region.targets.len(), "{name}");
                found.iter().for_each(|s| sound(s, &name));
            }
        };
        for (k, signal) in constants_and_nan(3000).into_iter().enumerate() {
            let mut hostile = region(300.0, 2);
            hostile.targets = vec![1500..1760, 2740..3000];
            let good = hostile.samples[0].clone();
            hostile.samples[0] = signal.clone();
            check(&hostile, &format!("samples {k}"));
            hostile.samples[0] = good;
            hostile.snippets[0].background[2] = signal[1450..1578].to_vec();
            check(&hostile, &format!("snippet {k}"));
        }
        for n in [0, 1, 3, 50] {
            let mut short = region(300.0, 2);
            short.samples[0].truncate(n);
            short.targets = std::iter::once(0..n).collect();
            check(&short, &format!("{n} samples"));
        }
    }
}

/// Progress that is cancelled after so many questions, and keeps the steps and the longest time between two questions.
struct Watched {
    limit: usize,
    polls: AtomicUsize,
    total: AtomicU64,
    steps: AtomicU64,
    open: AtomicUsize,
    last: Mutex<(Instant, Duration)>,
}

impl Watched {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            polls: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            last: Mutex::new((Instant::now(), Duration::ZERO)),
        }
    }
}

impl Progress for Watched {
    fn begin(&self, _: &str, total: u64, _: &str) {
        self.total.fetch_add(total, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self, steps: u64) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    fn end(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        let mut last = self.last.lock().unwrap();
        *last = (Instant::now(), last.1.max(last.0.elapsed()));
        self.polls.fetch_add(1, Ordering::Relaxed) >= self.limit
    }
}

#[test]
fn a_template_that_is_learned_reports_its_steps_and_stops_when_cancelled() {
    let regions = || vec![region(300.0, 1), region(250.0, 2)];
    let whole = Watched::new(usize::MAX);
    TemplateMethod.fit(station(regions()), &whole).unwrap();
    let [total, steps] = [&whole.total, &whole.steps].map(|n| n.load(Ordering::Relaxed));
    assert_eq!(steps, total);
    assert!(total > 100, "{total} steps are too few to see progress");
    let longest = whole.last.lock().unwrap().1;
    assert!(
        longest < Duration::from_secs(1),
        "{longest:?} without a question"
    );
    let polls = whole.polls.load(Ordering::Relaxed);
    for limit in [0, 1, 10, polls / 4, polls / 2, polls - 1] {
        let cancelled = Watched::new(limit);
        let stopped = TemplateMethod.fit(station(regions()), &cancelled);
        assert_eq!(stopped.unwrap_err(), Error::Interrupted, "{limit}");
        assert_eq!(cancelled.open.load(Ordering::Relaxed), 0, "{limit}");
        assert!(cancelled.steps.load(Ordering::Relaxed) <= total);
    }
}

#[test]
fn separations_stop_when_cancelled() {
    for registration in METHODS {
        let mut options = MethodOptions::new(1, 5);
        options.local.n_draws = 2;
        options.local.realisation = true;
        let method = registration.build(&options);
        let fit = method.fit(station(vec![region(300.0, 1)]), &NoProgress);
        let separator = method.separator(fit.unwrap().model()).unwrap();
        let region = region(300.0, 2);
        let whole = Watched::new(usize::MAX);
        separator.separate(&region, &whole).unwrap();
        let polls = whole.polls.load(Ordering::Relaxed);
        assert!(polls > 0, "{} never asks", registration.name);
        for limit in [0, polls / 2, polls - 1] {
            let stopped = separator.separate(&region, &Watched::new(limit));
            assert_eq!(
                stopped.unwrap_err(),
                Error::Interrupted,
                "{} after {limit} of {polls}",
                registration.name
            );
        }
    }
}

#[test]
fn learning_and_fitting_stop_when_cancelled() {
    let n = 3000;
    let mut x = noise(1, n);
    for onset in (300..2700).step_by(400) {
        for (t, v) in x[onset..onset + 200].iter_mut().enumerate() {
            *v += 300.0 * (-(t as f64) / 20.0).exp();
        }
    }
    let segment = RecordSegment {
        channels: vec![x],
        targets: (300..2700).step_by(400).map(|t| t - 40..t + 100).collect(),
        neighbour_targets: Vec::new(),
    };
    let all = std::slice::from_ref(&segment);
    let (template, _) = Template::learn(all, 140).unwrap();
    // Cancelled at the first check, and somewhere in the middle, and only once.
    for at in [1, 5, 100] {
        let checks = AtomicUsize::new(0);
        let cancelled = || checks.fetch_add(1, Ordering::Relaxed) + 1 == at;
        let stopped = Template::learn_with_progress(all, 140, &CancelWhen(cancelled));
        assert_eq!(stopped.unwrap_err(), Error::Interrupted, "{at}");
        assert_eq!(
            checks.load(Ordering::Relaxed),
            at,
            "no check after the request"
        );
    }
    let stopped = template.fit_with_progress(&segment, &CancelWhen(|| true));
    assert_eq!(stopped.unwrap_err(), Error::Interrupted);
}

#[test]
fn a_synthesis_survives_any_target() {
    let options = SynthesisOptions {
        tolerance: 0.1,
        max_iterations: 3,
    };
    for signal in hostile(64) {
        let Ok(synthesis) = Synthesis::like(&signal, 2) else {
            continue;
        };
        if let Ok(drawn) = synthesis.draw(1, options) {
            assert!(drawn.signal.iter().all(|v| v.is_finite()));
        }
    }
}
