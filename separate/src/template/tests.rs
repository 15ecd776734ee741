//! Templates on records made for it: pulses of one shape in coloured noise on two channels.

use std::ops::Range;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{RecordSegment, Template};

const WINDOW: usize = 300;

type Channels = Vec<Vec<f64>>;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// An overdamped answer to a step, at any fraction of a sample.
fn pulse(t: f64) -> f64 {
    if t < 0.0 {
        0.0
    } else {
        3.0 * ((-t / 40.0).exp() - (-t / 4.0).exp()) - 0.8 * (t / 60.0) * (-t / 60.0).exp()
    }
}

/// Noise, the sources in it, and the windows; `amplitude(i, rng)` of window i on both channels.
fn record(
    seed: u64,
    n_windows: usize,
    amplitude: impl Fn(usize, &mut ChaCha8Rng) -> [f64; 2],
) -> (Channels, Channels, Vec<Range<usize>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = 600 * n_windows + 1200;
    let noise = (0..2).map(|_| {
        let (mut x, mut slow) = (0.0, 0.0);
        (0..n)
            .map(|_| {
                slow = 0.999 * slow + 0.05 * normal(&mut rng);
                x = 0.8 * x + normal(&mut rng);
                x + slow + 500.0
            })
            .collect::<Vec<f64>>()
    });
    let noise: Vec<Vec<f64>> = noise.collect();
    let mut source = vec![vec![0.0; n]; 2];
    let mut windows = Vec::new();
    for i in 0..n_windows {
        let onset = (700 + 600 * i) as f64 + 40.0 * normal(&mut rng).clamp(-2.0, 2.0);
        let factors = amplitude(i, &mut rng);
        for (channel, a) in source.iter_mut().zip(factors) {
            for (t, v) in channel.iter_mut().enumerate() {
                *v += a * pulse(t as f64 - onset);
            }
        }
        windows.push(onset as usize - 60..onset as usize - 60 + WINDOW);
    }
    (noise, source, windows)
}

fn mixed(noise: &[Vec<f64>], source: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let add = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a + b).collect();
    noise.iter().zip(source).map(add).collect()
}

fn strong(i: usize, rng: &mut ChaCha8Rng) -> [f64; 2] {
    let size = [10.0, 30.0, 100.0][i % 3];
    [size * normal(rng).signum(), 0.5 * size * normal(rng)]
}

#[test]
fn sources_of_one_shape_are_taken_out() {
    let (noise, source, targets) = record(1, 24, strong);
    let stretch = RecordSegment {
        channels: mixed(&noise, &source),
        targets: targets.clone(),
        neighbour_targets: Vec::new(),
    };
    let (template, evidence) = Template::learn(std::slice::from_ref(&stretch), WINDOW).unwrap();
    assert!(evidence.has_shape(), "{evidence:?}");
    assert!(evidence.explained > 0.9, "{evidence:?}");
    let fit = template.fit(&stretch).unwrap();
    let found = template.render(&fit.sources, noise[0].len());
    let mut gains: Vec<f64> = Vec::new();
    let (mut covered, mut all) = (0, 0);
    for target in &targets {
        for c in 0..2 {
            let (mut power, mut error) = (0.0, 0.0);
            for t in target.clone() {
                power += source[c][t].powi(2);
                error += (source[c][t] - found[c][t]).powi(2);
                covered +=
                    usize::from((source[c][t] - found[c][t]).abs() <= 1.645 * fit.deviation[c][t]);
                all += 1;
            }
            gains.push(10.0 * (power / error).log10());
        }
    }
    gains.sort_by(f64::total_cmp);
    // A known shape at the known place would give some 30 dB here.
    assert!(gains[gains.len() / 2] > 22.0, "{gains:?}");
    assert!(gains[gains.len() / 10] > 6.0, "{gains:?}");
    let covered = f64::from(covered as u32) / f64::from(all as u32);
    assert!(covered > 0.8, "{covered}");
}

#[test]
fn the_same_on_any_number_of_threads() {
    let (noise, source, targets) = record(2, 8, strong);
    let stretch = RecordSegment {
        channels: mixed(&noise, &source),
        targets,
        neighbour_targets: Vec::new(),
    };
    let solve = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (template, evidence) =
                Template::learn(std::slice::from_ref(&stretch), WINDOW).unwrap();
            let fit = template.fit(&stretch).unwrap();
            (template, evidence, fit.sources, fit.deviation)
        })
    };
    assert!(solve(1) == solve(3));
}

#[test]
fn noise_alone_and_different_shapes_have_no_template() {
    let (noise, _, targets) = record(3, 16, |_, _| [0.0, 0.0]);
    let calm = RecordSegment {
        channels: noise.clone(),
        targets: targets.clone(),
        neighbour_targets: Vec::new(),
    };
    let found = Template::learn(std::slice::from_ref(&calm), WINDOW);
    assert!(found.is_none_or(|(_, evidence)| !evidence.has_shape()));
    // Bursts of noise, each with a texture of its own.
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut bursts = noise;
    for target in &targets {
        for channel in &mut bursts {
            for v in &mut channel[target.start + 40..target.start + 240] {
                *v += 12.0 * normal(&mut rng);
            }
        }
    }
    let mixed = RecordSegment {
        channels: bursts,
        targets,
        neighbour_targets: Vec::new(),
    };
    let found = Template::learn(std::slice::from_ref(&mixed), WINDOW);
    assert!(
        found
            .as_ref()
            .is_none_or(|(_, evidence)| !evidence.has_shape()),
        "{:?}",
        found.map(|(_, evidence)| evidence)
    );
}

#[test]
fn one_window_or_none_has_no_template() {
    let (noise, source, targets) = record(5, 1, strong);
    let one = RecordSegment {
        channels: mixed(&noise, &source),
        targets,
        neighbour_targets: Vec::new(),
    };
    let found = Template::learn(std::slice::from_ref(&one), WINDOW);
    assert!(found.is_none_or(|(_, evidence)| !evidence.has_shape()));
    assert!(Template::learn(&[], WINDOW).is_none());
    let none = RecordSegment {
        channels: vec![vec![1.0; 500]; 2],
        targets: Vec::new(),
        neighbour_targets: Vec::new(),
    };
    assert!(Template::learn(&[none], WINDOW).is_none());
}

/// The pulse as a recorder of some bandwidth gives it, and its second derivative.
fn smooth_pulse(t: f64) -> (f64, f64) {
    let smooth = |t: f64| -> f64 {
        let of = |i: i32| {
            let u = f64::from(i) / 10.0;
            (-0.5 * (u / 1.5).powi(2)).exp() * pulse(t - u)
        };
        (-60..=60).map(of).sum::<f64>() / (10.0 * 1.5 * (2.0 * std::f64::consts::PI).sqrt())
    };
    let d = 0.5;
    let second = (smooth(t + d) - 2.0 * smooth(t) + smooth(t - d)) / (d * d);
    (smooth(t), second)
}

#[test]
fn a_jump_that_the_first_sources_share_is_not_taken_for_the_shape() {
    // Most have a jump of one sign and size, as large as the step; the others show that it is not a part of the
    // shape.
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (noise, _, targets) = record(7, 24, strong);
    let mut source = vec![vec![0.0; noise[0].len()]; 2];
    for (i, target) in targets.iter().enumerate() {
        let onset = target.start as f64 + 60.0 + 0.3 * normal(&mut rng);
        let size = [30.0, 100.0, 300.0][i % 3];
        let jump = if i % 4 == 3 { -4.0 } else { 8.0 } * (1.0 + 0.3 * normal(&mut rng));
        for (channel, factor) in source.iter_mut().zip([1.0, -0.5]) {
            let part = channel.iter_mut().enumerate();
            for (t, v) in part.skip(target.start).take(560) {
                let (step, second) = smooth_pulse(t as f64 - onset);
                *v += factor * size * (step + jump * second);
            }
        }
    }
    let stretch = RecordSegment {
        channels: mixed(&noise, &source),
        targets: targets.clone(),
        neighbour_targets: Vec::new(),
    };
    let (template, _) = Template::learn(std::slice::from_ref(&stretch), WINDOW).unwrap();
    let fit = template.fit(&stretch).unwrap();
    let found = template.render(&fit.sources, noise[0].len());
    let mut gains: Vec<f64> = targets
        .iter()
        .map(|target| {
            let energy =
                |x: &dyn Fn(usize) -> f64| target.clone().map(|t| x(t).powi(2)).sum::<f64>();
            10.0 * (energy(&|t| source[0][t]) / energy(&|t| source[0][t] - found[0][t])).log10()
        })
        .collect();
    gains.sort_by(f64::total_cmp);
    // 33 dB; 26 where the shape keeps the jump that most of the sources have.
    assert!(gains[gains.len() / 2] > 30.0, "{gains:.1?}");
}

#[test]
fn a_dead_channel_changes_nothing_on_the_others() {
    let (noise, source, targets) = record(1, 16, strong);
    let alive = mixed(&noise, &source);
    let dead = vec![7.0; alive[0].len()];
    let found = |channels: Vec<Vec<f64>>| {
        let stretch = RecordSegment {
            channels,
            targets: targets.clone(),
            neighbour_targets: Vec::new(),
        };
        let (template, evidence) = Template::learn(std::slice::from_ref(&stretch), WINDOW).unwrap();
        let fit = template.fit(&stretch).unwrap();
        (
            evidence.explained,
            template.render(&fit.sources, noise[0].len()),
        )
    };
    let (without, two) = found(alive.clone());
    let (with, three) = found(vec![alive[0].clone(), alive[1].clone(), dead]);
    assert!((without - with).abs() < 0.02, "{without} {with}");
    assert!(three[2].iter().all(|v| *v == 0.0));
    for c in 0..2 {
        let off: f64 = two[c]
            .iter()
            .zip(&three[c])
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        let all: f64 = two[c].iter().map(|v| v * v).sum();
        assert!(off < 1e-4 * all, "{}", off / all);
    }
}

#[test]
fn neighbour_targets_are_fitted_and_not_learned_from() {
    let (noise, source, targets) = record(6, 16, strong);
    let (own, neighbours) = targets.split_at(8);
    let stretch = RecordSegment {
        channels: mixed(&noise, &source),
        targets: own.to_vec(),
        neighbour_targets: neighbours.to_vec(),
    };
    let (template, evidence) = Template::learn(std::slice::from_ref(&stretch), WINDOW).unwrap();
    assert!(evidence.n_windows <= 8, "{evidence:?}");
    assert!(
        template.n_training_sources <= 8,
        "{}",
        template.n_training_sources
    );
    let onsets = |of: &[Range<usize>]| {
        let fit = template.fit(&stretch).unwrap();
        let inside =
            |s: &&super::TemplateSource| of.iter().any(|t| t.contains(&(s.onset as usize)));
        fit.sources.iter().filter(inside).count()
    };
    assert!(onsets(own) > 5 && onsets(neighbours) > 5);
}
