//! One target stretch on all its channels.

use std::ops::Range;

use seismix_data::time::format_utc;
use seismix_separate::{
    Baseline, Channel, LocalResult, Method, Outcome, Problem, cross_fade, pieces,
};

use crate::separate::result::{ChannelResult, WindowOutcome, WindowResult};
use crate::separate::zero_runs::{keep_silence, silent};

/// Samples over which the background fades into the record at either end of a target, inside it.
pub const FADE_SAMPLES: usize = 32;

/// One channel of a gap-free stretch around a target.
pub(super) struct TargetChannel {
    /// `NET.STA.LOC.CHA`.
    pub id: String,
    /// The stretch.
    pub samples: Vec<f64>,
    /// Snippets of background, of one length not above the stretch's.
    pub snippets: Vec<Vec<f64>>,
    /// Windows around other targets, of the same length; none where the method has no use for them.
    pub sources: Vec<Vec<f64>>,
}

/// What became of a target.
#[derive(Default)]
pub(super) struct SolvedTarget {
    /// The channels that could be used.
    pub channels: Vec<ChannelResult>,
    /// The background of each of them, over the target.
    pub backgrounds: Vec<Vec<f64>>,
    /// How far off each sample of these may be, one standard deviation; empty if the method does not tell.
    pub deviations: Vec<Vec<f64>>,
    /// Why the others could not.
    pub refused: Vec<String>,
}

/// Background of the samples `target` of a stretch that begins at `start_ns` with `sample_ns` between samples.
///
/// A method that takes long mixtures gets the target with a margin; for others it is covered by windows of the snippets'
/// length that overlap and are cross-faded. Each window and snippet has the line through its ends taken off before, a
/// long mixture a line for each snippet's length, and gets it back.
pub(super) fn separate_target(
    channels: &[TargetChannel],
    target: Range<usize>,
    method: &dyn Method,
    time_of: &dyn Fn(usize) -> i64,
) -> SolvedTarget {
    let mut solved = SolvedTarget::default();
    let usable: Vec<UsableChannel> = channels
        .iter()
        .filter_map(|channel| match UsableChannel::new(channel) {
            Ok(usable) => Some(usable),
            Err(error) => {
                solved.refused.push(format!("{}: {error}", channel.id));
                None
            }
        })
        .collect();
    let Some(first) = usable.first() else {
        return solved;
    };
    let snippet = first.snippets[0].len();
    let overlap = snippet / 4;
    let whole = usable.iter().all(|channel| {
        let problem = Channel {
            mixture: Vec::new(),
            snippets: channel.snippets.clone(),
            source_snippets: channel.sources.clone(),
        };
        method.takes_whole(&problem)
    });
    let spans = if whole {
        vec![with_margin(
            first.samples.len(),
            &target,
            snippet,
            overlap / 2,
        )]
    } else {
        starts(first.samples.len(), &target, snippet, overlap)
            .into_iter()
            .map(|start| start..start + snippet)
            .collect()
    };
    let blends = || -> Vec<Blend> { usable.iter().map(|_| Blend::new(target.len())).collect() };
    let (mut sums, mut variances) = (blends(), blends());
    let mut told = true;
    let mut windows: Vec<Vec<WindowResult>> = vec![Vec::new(); usable.len()];
    for span in spans {
        let (start, window) = (span.start, span.len());
        let lines: Vec<Baseline> = usable
            .iter()
            .map(|channel| Baseline::new(&channel.samples[span.clone()], snippet))
            .collect();
        let problem = usable.iter().zip(&lines).map(|(channel, line)| Channel {
            mixture: line.subtract(&channel.samples[span.clone()]),
            snippets: channel.snippets.clone(),
            source_snippets: channel.sources.clone(),
        });
        let problem = if whole {
            Problem::whole(problem.collect())
        } else {
            Problem::new(problem.collect())
        };
        let separation = problem.and_then(|problem| method.separate(&problem));
        let separation = match separation {
            Ok(separation) => separation,
            Err(error) => {
                solved.refused.push(error.to_string());
                return solved;
            }
        };
        for (c, separated) in separation.channels.iter().enumerate() {
            let mixture = &usable[c].samples[span.clone()];
            let untouched = separated.outcome != Outcome::Separated;
            let value = |i: usize| {
                if untouched {
                    mixture[i]
                } else {
                    separated.background[i] + lines[c].at(i)
                }
            };
            sums[c].add(start, &target, window, overlap, &value);
            match &separated.local {
                Some(local) => {
                    // What is left as it is lies as far off as what would have been taken out, besides.
                    let variance = |i: usize| {
                        let kept = mixture[i] - lines[c].at(i) - local.waveform[i];
                        let kept = if untouched { kept } else { 0.0 };
                        local.deviation[i].powi(2) + kept * kept
                    };
                    variances[c].add(start, &target, window, overlap, &variance);
                }
                None => told = false,
            }
            let mut window = WindowResult::new(format_utc(time_of(start)), separated);
            if let Some(local) = &separated.local {
                let inside =
                    start.max(target.start) - start..span.end.min(target.end).max(start) - start;
                let removed: Vec<f64> = (0..local.waveform.len())
                    .map(|i| mixture[i] - lines[c].at(i) - local.waveform[i])
                    .collect();
                let expected = expected_inside(local, &removed, untouched, inside);
                window.expected_snr_db = Some(expected);
            }
            windows[c].push(window);
        }
    }
    if told {
        let root = |variance: &Blend| variance.mean().into_iter().map(f64::sqrt).collect();
        solved.deviations = variances.iter().map(root).collect();
    }
    for ((channel, windows), sum) in usable.iter().zip(windows).zip(sums) {
        let mut result = ChannelResult::new(channel.id.to_owned(), windows);
        let record = &channel.samples[target.clone()];
        if silent(record).into_iter().all(|silent| silent) {
            result.leave("the record is zero throughout the target");
        }
        let mut background = record.to_vec();
        if result.outcome == WindowOutcome::Separated {
            cross_fade(&mut background, 0, &sum.mean(), FADE_SAMPLES);
            keep_silence(&mut background, record);
        }
        solved.channels.push(result);
        solved.backgrounds.push(background);
    }
    solved
}

/// SNR of the background that is expected of a part of a window, which may hold most of the source: as that of the window, by
/// the share of the background and of its error that the part has.
fn expected_inside(
    local: &LocalResult,
    removed: &[f64],
    untouched: bool,
    part: Range<usize>,
) -> f64 {
    let (whole_db, error): (f64, Vec<f64>) = if untouched {
        let removed = removed.iter().map(|v| v * v).collect();
        (local.untouched.mean_db, removed)
    } else {
        let variance = local.deviation.iter().map(|v| v * v).collect();
        (local.expected.mean_db, variance)
    };
    let kept: Vec<f64> = local.waveform.iter().map(|v| v * v).collect();
    let share = |x: &[f64]| {
        let n = x.len().min(part.end);
        x[part.start.min(n)..n].iter().sum::<f64>() / x.iter().sum::<f64>()
    };
    let moved = 10.0 * (share(&kept) / share(&error)).log10();
    if moved.is_finite() {
        whole_db + moved
    } else {
        whole_db
    }
}

/// A channel that a method can use, its snippets without the lines through their ends.
struct UsableChannel<'a> {
    id: &'a str,
    samples: &'a [f64],
    snippets: Vec<Vec<f64>>,
    sources: Vec<Vec<f64>>,
}

impl<'a> UsableChannel<'a> {
    fn new(channel: &'a TargetChannel) -> Result<Self, seismix_separate::Error> {
        let n = channel.snippets.first().map_or(0, Vec::len);
        let snippets: Vec<Vec<f64>> = channel
            .snippets
            .iter()
            .map(|snippet| Baseline::new(snippet, snippet.len()).subtract(snippet))
            .collect();
        let tried = Channel {
            mixture: vec![0.0; n],
            snippets,
            source_snippets: Vec::new(),
        };
        tried.check()?;
        if let Some(index) = channel.samples.iter().position(|v| !v.is_finite()) {
            let what = "the record around it".into();
            return Err(seismix_separate::Error::NotFinite { what, index });
        }
        Ok(Self {
            id: &channel.id,
            samples: &channel.samples,
            snippets: tried.snippets,
            sources: channel
                .sources
                .iter()
                .filter(|source| source.iter().all(|v| v.is_finite()))
                .map(|source| Baseline::new(source, source.len()).subtract(source))
                .collect(),
        })
    }
}

/// Where the windows begin that cover the target with a margin, inside the stretch.
fn starts(n_samples: usize, target: &Range<usize>, window: usize, overlap: usize) -> Vec<usize> {
    let margin = (overlap / 2) as i64;
    let last = n_samples.saturating_sub(window) as i64;
    let mut starts: Vec<usize> = pieces(
        target.start as i64 - margin,
        target.end as i64 + margin,
        window as i64,
        overlap as i64,
    )
    .into_iter()
    .map(|start| start.clamp(0, last) as usize)
    .collect();
    starts.dedup();
    starts
}

/// The target with a margin, inside the stretch, at least a snippet long.
fn with_margin(
    n_samples: usize,
    target: &Range<usize>,
    snippet: usize,
    margin: usize,
) -> Range<usize> {
    let short = snippet.saturating_sub(target.len() + 2 * margin);
    let start = target.start.saturating_sub(margin + short / 2);
    let end = (target.end + margin + short.div_ceil(2)).min(n_samples);
    if end - start < snippet {
        let start = start.min(n_samples.saturating_sub(snippet));
        return start..(start + snippet).min(n_samples);
    }
    start..end
}

/// A weighted mean of windows over a target.
struct Blend {
    sum: Vec<f64>,
    weight: Vec<f64>,
}

impl Blend {
    fn new(n_samples: usize) -> Self {
        Self {
            sum: vec![0.0; n_samples],
            weight: vec![0.0; n_samples],
        }
    }

    /// Adds the window that begins at `start` of the stretch; where windows overlap, each counts less towards its end.
    fn add(
        &mut self,
        start: usize,
        target: &Range<usize>,
        window: usize,
        overlap: usize,
        value: &dyn Fn(usize) -> f64,
    ) {
        let inside = start.max(target.start)..(start + window).min(target.end);
        for at in inside {
            let i = at - start;
            let weight = (i.min(window - 1 - i) + 1).min(overlap.max(1)) as f64;
            self.sum[at - target.start] += weight * value(i);
            self.weight[at - target.start] += weight;
        }
    }

    fn mean(&self) -> Vec<f64> {
        let of = |(sum, weight): (&f64, &f64)| sum / weight;
        self.sum.iter().zip(&self.weight).map(of).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use seismix_separate::{ExpectedSnr, ScatteringMethod};

    #[test]
    fn the_part_that_holds_the_error_is_expected_to_be_worse() {
        // Four samples in ten hold all the error, and two fifths of the background: 10 dB become 6.
        let snr = |mean_db| ExpectedSnr {
            mean_db,
            spread_db: 1.0,
        };
        let error = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let local = LocalResult {
            waveform: vec![1.0; 10],
            deviation: error.to_vec(),
            expected: snr(10.0),
            untouched: snr(0.0),
            scores: Vec::new(),
            source_level_db: 0.0,
            realisation: None,
            draws: Vec::new(),
        };
        let removed = error.map(|v| 3.0 * v);
        let part = 10.0 * 0.4_f64.log10();
        for (untouched, whole) in [(false, 10.0), (true, 0.0)] {
            let found = expected_inside(&local, &removed, untouched, 3..7);
            assert!((found - whole - part).abs() < 1e-12, "{found}");
            // All of it, and a part without any error, are as the whole.
            assert!((expected_inside(&local, &removed, untouched, 0..10) - whole).abs() < 1e-12);
            assert!((expected_inside(&local, &removed, untouched, 0..3) - whole).abs() < 1e-12);
        }
    }

    fn noise(seed: u64, n: usize) -> Vec<f64> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
            })
            .collect()
    }

    /// A pulse at sample 900 of 2000, on an offset of 1000; 10 snippets of 512 samples.
    fn channel() -> TargetChannel {
        let pulse = |i: usize| {
            if i < 900 {
                0.0
            } else {
                20.0 * (-(i as f64 - 900.0) / 40.0).exp()
            }
        };
        TargetChannel {
            id: "A.B..BHZ".into(),
            samples: noise(1, 2000)
                .iter()
                .enumerate()
                .map(|(i, v)| v + 1000.0 + pulse(i))
                .collect(),
            snippets: (2..12).map(|seed| noise(seed, 512)).collect(),
            sources: Vec::new(),
        }
    }

    fn separate(channels: &[TargetChannel], target: Range<usize>) -> SolvedTarget {
        let method = ScatteringMethod::to_expectation(5, 40);
        separate_target(channels, target, &method, &|sample| sample as i64)
    }

    #[test]
    fn a_line_comes_off_and_goes_back() {
        let samples: Vec<f64> = (0..100).map(|i| 5.0 - 0.25 * f64::from(i)).collect();
        for snippet in [20, 34, 50, 100] {
            let line = Baseline::new(&samples, snippet);
            assert!(
                line.subtract(&samples).iter().all(|v| v.abs() < 1e-12),
                "{snippet}"
            );
        }
    }

    #[test]
    fn only_the_target_changes_and_its_ends_fade() {
        let channel = channel();
        let run = channel.samples.clone();
        let solved = separate(&[channel], 850..1150);
        assert_eq!(solved.channels[0].outcome, WindowOutcome::Separated);
        let background = &solved.backgrounds[0];
        let error = |values: &[f64]| values.iter().map(|v| (v - 1000.0).powi(2)).sum::<f64>();
        assert_eq!(background.len(), 300);
        assert!(error(background) < 0.25 * error(&run[850..1150]));
        assert!((background[0] - run[850]).abs() < 0.01 * 20.0);
    }

    #[test]
    fn the_local_model_takes_a_long_target_whole_and_tells_deviations() {
        use seismix_separate::{LocalMethod, SourceSnippets};
        let mut long = channel();
        let loud = |seed: u64, n: usize| -> Vec<f64> {
            let fast = noise(seed, n);
            (0..n)
                .map(|i| 8.0 * (fast[i] - fast[i.saturating_sub(1)]))
                .collect()
        };
        let burst = loud(50, 1500);
        for (v, b) in long.samples[250..1750].iter_mut().zip(&burst) {
            *v += b;
        }
        long.sources = (60..70).map(|seed| loud(seed, 512)).collect();
        let method = LocalMethod {
            source_snippets: SourceSnippets::WithBackground,
            ..LocalMethod::new(5)
        };
        let solved = separate_target(&[long], 250..1750, &method, &|sample| sample as i64);
        assert_eq!(solved.channels[0].windows.len(), 1);
        assert_eq!(solved.channels[0].outcome, WindowOutcome::Separated);
        assert_eq!(solved.deviations[0].len(), 1500);
        assert!(
            solved.deviations[0]
                .iter()
                .all(|v| v.is_finite() && *v > 0.0)
        );
        let wrong: f64 = solved.backgrounds[0]
            .iter()
            .zip(&channel().samples[250..1750])
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        assert!(wrong < 0.5 * burst.iter().map(|v| v * v).sum::<f64>());
    }

    #[test]
    fn a_channel_that_cannot_be_used_is_told_and_the_others_are_separated() {
        let mut broken = channel();
        broken.id = "A.B..BHN".into();
        broken.samples[1000] = f64::NAN;
        let mut silent = channel();
        silent.snippets = vec![vec![3.0; 512]; 10];
        let solved = separate(&[broken, silent, channel()], 850..1150);
        assert_eq!(solved.channels.len(), 1);
        assert_eq!(solved.channels[0].outcome, WindowOutcome::Separated);
        assert_eq!(solved.refused.len(), 2);
        assert!(
            solved.refused[0].contains("sample 1000"),
            "{:?}",
            solved.refused
        );
        assert!(
            solved.refused[1].contains("hold no signal"),
            "{:?}",
            solved.refused
        );
    }

    #[test]
    fn a_silent_target_stays_bit_for_bit() {
        let mut silent = channel();
        silent.samples = vec![7.0; 2000];
        let solved = separate(&[silent], 700..900);
        assert_eq!(solved.channels[0].outcome, WindowOutcome::NotSeparable);
        assert_eq!(solved.backgrounds[0], vec![7.0; 200]);
        assert!(solved.channels[0].windows[0].why.contains("constant"));
    }

    #[test]
    fn zeros_stay_zeros_by_any_method() {
        let wiener = seismix_separate::WienerMethod {
            objective: seismix_separate::ObjectiveOptions::floored(5),
        };
        let scattering = ScatteringMethod::to_expectation(5, 40);
        let methods: [&dyn Method; 2] = [&wiener, &scattering];
        for method in methods {
            let mut partly = channel();
            partly.samples.iter_mut().for_each(|v| *v -= 1000.0);
            partly.samples[950..1100].fill(0.0);
            let solve = |channel: &TargetChannel, target: Range<usize>| {
                separate_target(std::slice::from_ref(channel), target, method, &|i| i as i64)
            };
            let solved = solve(&partly, 850..1150);
            assert!(solved.backgrounds[0][100..250].iter().all(|v| *v == 0.0));
            let solved = solve(&partly, 970..1080);
            let found = &solved.channels[0];
            assert_eq!(found.outcome, WindowOutcome::NotSeparable);
            assert!(
                found
                    .windows
                    .iter()
                    .all(|w| w.why.contains("zero throughout"))
            );
            assert_eq!(solved.backgrounds[0], vec![0.0; 110]);
        }
    }

    /// Background alone passes for background when it is within three quarters of the snippets in two respects.
    #[test]
    fn most_targets_of_background_alone_stay_bit_for_bit() {
        let mut untouched = 0;
        for seed in 100..120 {
            let mut calm = channel();
            calm.samples = noise(seed, 2000);
            let input = calm.samples[700..900].to_vec();
            let solved = separate(&[calm], 700..900);
            if solved.channels[0].outcome == WindowOutcome::AlreadyBackground {
                assert_eq!(solved.backgrounds[0], input);
                untouched += 1;
            }
        }
        assert!(untouched >= 10, "{untouched} of 20");
    }
}
