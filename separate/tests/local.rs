//! The local model of both clusters: what it gains, what it promises, what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use seismix_separate::{
    Channel, ChannelMethod, ChannelSeparation, Error, LocalMethod, Outcome, RejectionReason,
};

fn white(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| StandardNormal.sample(rng)).collect()
}

/// Noise around 0.06 cycles a sample, in bursts.
fn source(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let noise = white(rng, n);
    let place: f64 = white(rng, 1)[0];
    let (mut a, mut b) = (0.0, 0.0);
    noise
        .iter()
        .enumerate()
        .map(|(t, e)| {
            let next = 1.84 * a - 0.98 * b + e;
            (a, b) = (next, a);
            0.3 * next * (1.0 + (t as f64 / 90.0 + 3.0 * place).sin())
        })
        .collect()
}

fn channel(seed: u64, n: usize, snippet: usize) -> (Channel, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let background = white(&mut rng, n);
    let burst = source(&mut rng, n);
    let mixture = background.iter().zip(&burst).map(|(n, s)| n + s).collect();
    let snippets = (0..12).map(|_| white(&mut rng, snippet)).collect();
    let source_snippets = (0..12).map(|_| source(&mut rng, snippet)).collect();
    let channel = Channel {
        mixture,
        snippets,
        source_snippets,
    };
    (channel, background)
}

fn snr_db(truth: &[f64], estimate: &[f64]) -> f64 {
    let energy: f64 = truth.iter().map(|v| v * v).sum();
    let error: f64 = truth
        .iter()
        .zip(estimate)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    10.0 * (energy / error).log10()
}

fn solve(channel: &Channel) -> ChannelSeparation {
    LocalMethod::new(5).separate_channel(channel).unwrap()
}

#[test]
fn it_gains_what_it_promises_and_the_band_holds() {
    let (mut inside, mut total, mut misses) = (0, 0, 0.0);
    for seed in 0..6 {
        let (channel, truth) = channel(seed, 512, 512);
        let solved = solve(&channel);
        assert_eq!(solved.outcome, Outcome::Separated, "{}", solved.why());
        let local = solved.local.unwrap();
        assert_eq!(solved.background, local.waveform);
        let (before, after) = (
            snr_db(&truth, &channel.mixture),
            snr_db(&truth, &solved.background),
        );
        assert!(after > before.max(0.0) + 5.0, "{before} {after}");
        misses += (local.expected.mean_db - after) / 6.0;
        for ((n, e), d) in truth.iter().zip(&local.waveform).zip(&local.deviation) {
            inside += usize::from((n - e).abs() <= 1.645 * d);
            total += 1;
        }
    }
    assert!(misses.abs() < 1.5, "{misses}");
    let part = inside as f64 / total as f64;
    assert!((0.85..0.95).contains(&part), "{part}");
}

#[test]
fn the_same_bits_on_one_thread_and_on_four() {
    let (channel, _) = channel(3, 512, 512);
    let method = LocalMethod {
        n_draws: 2,
        realisation: true,
        ..LocalMethod::new(5)
    };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let solved = pool
            .unwrap()
            .install(|| method.separate_channel(&channel).unwrap());
        solved.local.clone().unwrap()
    };
    let one = on(1);
    assert_eq!(one, on(4));
    assert_eq!(one.draws.len(), 2);
    assert_ne!(one.draws[0], one.draws[1]);
    assert_ne!(one.realisation.unwrap(), one.waveform);
}

#[test]
fn a_long_target_is_taken_in_pieces_without_a_seam() {
    let (channel, truth) = channel(5, 3000, 512);
    let solved = solve(&channel);
    assert_eq!(solved.outcome, Outcome::Separated, "{}", solved.why());
    assert!(snr_db(&truth, &solved.background) > 5.0 + snr_db(&truth, &channel.mixture).max(0.0));
    // The removed source is as smooth where pieces meet, half a piece apart, as elsewhere.
    let removed: Vec<f64> = channel
        .mixture
        .iter()
        .zip(&solved.background)
        .map(|(x, n)| x - n)
        .collect();
    let rough = |t: usize| (removed[t + 1] - 2.0 * removed[t] + removed[t - 1]).powi(2);
    let mean = |all: &mut dyn Iterator<Item = usize>| {
        let (mut sum, mut count) = (0.0, 0.0);
        for t in all {
            sum += rough(t);
            count += 1.0;
        }
        sum / count
    };
    // 3000 samples in 11 pieces of 512, whose starts are 248.8 apart.
    let starts: Vec<usize> = (0..=10).map(|i| i * 2488 / 10).collect();
    let borders = starts.iter().flat_map(|s| [*s, s + 512]);
    let mut near = borders
        .filter(|t| (3..2997).contains(t))
        .flat_map(|t| t - 2..t + 2);
    let at_borders = mean(&mut near);
    let everywhere = mean(&mut (1..2999));
    assert!(at_borders < 2.0 * everywhere, "{at_borders} {everywhere}");
}

#[test]
fn a_cluster_of_the_backgrounds_own_is_no_source() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let channel = Channel {
        mixture: white(&mut rng, 512),
        snippets: (0..10).map(|_| white(&mut rng, 512)).collect(),
        source_snippets: (0..10).map(|_| white(&mut rng, 512)).collect(),
    };
    let solved = solve(&channel);
    let alike = matches!(solved.rejection, Some(RejectionReason::Alike { .. }));
    assert!(alike, "{}", solved.why());
    assert_eq!(solved.background, channel.mixture);
}

#[test]
fn what_cannot_be_used_has_a_clear_outcome() {
    let (good, _) = channel(0, 256, 256);
    let with = |change: &dyn Fn(&mut Channel)| {
        let mut changed = good.clone();
        change(&mut changed);
        LocalMethod::new(5).separate_channel(&changed)
    };
    let one = with(&|c| c.source_snippets.truncate(1)).unwrap();
    let Some(RejectionReason::TooFewSnippets { found: 1, .. }) = one.rejection else {
        panic!("{}", one.why())
    };
    assert_eq!(one.background, good.mixture);
    let silent = with(&|c| c.mixture.fill(2.0)).unwrap();
    assert_eq!(silent.rejection, Some(RejectionReason::NoSignal));
    // One long source snippet is cut into windows.
    let long = with(&|c| c.source_snippets = vec![c.source_snippets.concat()]).unwrap();
    assert_eq!(long.local, solve(&good).local);
    let refused = [
        with(&|c| c.source_snippets.clear()).unwrap_err(),
        with(&|c| c.source_snippets[2].truncate(100)).unwrap_err(),
        with(&|c| c.source_snippets[2][7] = f64::NAN).unwrap_err(),
        with(&|c| c.source_snippets.iter_mut().for_each(|s| s.fill(0.0))).unwrap_err(),
        with(&|c| c.snippets.iter_mut().for_each(|s| s.fill(1.0))).unwrap_err(),
        with(&|c| c.mixture[9] = f64::INFINITY).unwrap_err(),
        with(&|c| c.mixture.clear()).unwrap_err(),
    ];
    assert_eq!(refused[0], Error::NoSourceSnippets);
    assert!(matches!(refused[1], Error::SourceLength { index: 2, .. }));
    assert!(
        matches!(&refused[2], Error::NotFinite { what, index: 7 } if what == "source snippet 2")
    );
    assert_eq!(refused[3], Error::SilentSource);
    assert_eq!(refused[4], Error::NoBackground);
    assert!(matches!(&refused[5], Error::NotFinite { index: 9, .. }));
    assert!(matches!(refused[6], Error::SnippetLength { .. }));
}

#[test]
fn short_windows_and_wild_levels_are_survived() {
    for n in [1, 2, 5, 17, 64] {
        for factor in [1e-200, 1e-9, 1.0, 1e12, 1e150] {
            let (mut small, _) = channel(2, n, n);
            let scale = |s: &mut Vec<f64>| s.iter_mut().for_each(|v| *v *= factor);
            scale(&mut small.mixture);
            small.snippets.iter_mut().for_each(scale);
            // Octaves that do not fit are the transform's to refuse.
            if let Ok(solved) = LocalMethod::new(1).separate_channel(&small) {
                assert!(
                    solved.background.iter().all(|v| v.is_finite()),
                    "{n} {factor}"
                );
            }
        }
    }
}
