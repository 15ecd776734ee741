//! Local Gaussian model as a method.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;
use seismix_core::progress::Progress;
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, ExpectedSnr, MethodScore, WeightedEstimate};
use super::filters::{Candidate, Clusters, Filter, Grid, Grids, Kind, Members};
use super::level::Levels;
use super::realization_choice::{RealizedWindow, Recipe};
use super::source_spectrum::without_background;
use crate::channel::{
    Assessment, Channel, ChannelMethod, ChannelSeparation, RejectionReason, check_finite,
    check_snippets,
};
use crate::error::Error;
use crate::method::{Fit, FittedModel, SnippetUse};
use crate::scaling::PowerOfTwoScale;
use crate::scattering::acceptance::AcceptanceTest;
use crate::scattering::terms::{ObjectiveOptions, ObjectiveTerms};
use crate::separation::EstimateKind;
use crate::short_time::ShortTime;
use crate::window_method::{Cover, WindowMethod};
use crate::windowing::OverlapAdd;

/// Fewest snippets of either cluster: with fewer, nothing is left to hold out.
const LEAST_SNIPPETS: usize = 4;
/// Gain over the mixture times its best factor, in dB, below which the clusters are alike.
const LEAST_BEYOND_SCALING_DB: f64 = 0.2;

/// Content of the snippets of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceSnippets {
    /// The source alone.
    Alone,
    /// Source and background, as in windows of a cluster; the background's mean power is subtracted.
    WithBackground,
}

/// Separates by the statistics of both clusters.
///
/// The power of each cell of time and frequency is the background's spectrum times a local gain plus the source's
/// spectrum times a local gain; a Wiener filter of these powers gives the background. Filters of several kinds and
/// frame lengths are tried on mixtures of held-out snippets at the target's level. The estimate is their weighted
/// mean, and the same mixtures give its expected SNR and the band of 90 % of the samples. Requires
/// [`Channel::source_snippets`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LocalMethod {
    /// Loss whose terms are reported, and which refines a realisation.
    pub objective: ObjectiveOptions,
    /// Number of mixtures of held-out snippets; an expected SNR requires at least 30.
    pub n_mixtures: usize,
    /// Content of the source snippets.
    pub source_snippets: SourceSnippets,
    /// Number of draws from the posterior.
    pub n_draws: usize,
    /// True if the estimate is refined until background and source have their clusters' statistics.
    pub realisation: bool,
    /// Seed of mixtures and draws.
    pub seed: u64,
}

/// Gain of the background's SNR, dB beyond the effect of chance, below which a window remains unchanged.
const LEAST_GAIN_DB: f64 = 1.0;

/// Result of the local model for a channel, accepted or not.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalResult {
    /// Posterior mean of the background `(T,)`, which has less energy than the background itself.
    pub waveform: Vec<f64>,
    /// Standard deviation of each sample `(T,)`; 90 % of the true samples lie within 1.645 of them.
    pub deviation: Vec<f64>,
    /// Expected SNR of the waveform.
    pub expected: ExpectedSnr,
    /// Expected SNR of the unchanged mixture.
    pub untouched: ExpectedSnr,
    /// SNR of each filter on the mixtures of snippets.
    pub scores: Vec<MethodScore>,
    /// Level of the source relative to its snippets, dB.
    pub source_level_db: f64,
    /// Plausible realisation of the background `(T,)`, if requested.
    pub realisation: Option<Vec<f64>>,
    /// Draws from the posterior, each `(T,)`.
    pub draws: Vec<Vec<f64>>,
}

impl LocalMethod {
    /// Options with 40 mixtures, without draws and realisation.
    pub fn new(octaves: usize) -> Self {
        Self {
            objective: ObjectiveOptions::floored(octaves),
            n_mixtures: 40,
            source_snippets: SourceSnippets::Alone,
            n_draws: 0,
            realisation: false,
            seed: 0,
        }
    }

    fn solve_channel(
        &self,
        channel: &Channel,
        progress: &dyn Progress,
    ) -> Result<ChannelSeparation, Error> {
        let mixture = &channel.mixture;
        let window = check_snippets(mixture, &channel.snippets)?;
        let pieces = OverlapAdd::halves(mixture.len(), window);
        let rejected = |reason| Ok(ChannelSeparation::judged(mixture, Vec::new(), Err(reason)));
        // A constant has no spectrum, and every filter would divide 0 by 0.
        if mixture.iter().all(|v| *v == mixture[0]) {
            return rejected(RejectionReason::NoSignal);
        }
        let mut clusters = Clusters {
            background: channel.snippets.clone(),
            source: cut_source(&channel.source_snippets, window)?,
        };
        let found = clusters.source.len().min(clusters.background.len());
        if found < LEAST_SNIPPETS {
            return rejected(RejectionReason::TooFewSnippets {
                found,
                least: LEAST_SNIPPETS,
            });
        }
        if self.source_snippets == SourceSnippets::WithBackground {
            without_background(&mut clusters, &ShortTime::new(window, frame(window, 8)));
        }
        let levels = {
            let grid = Grid::new(&clusters, frame(window, 8));
            Levels::new(&pieces.cut(mixture), &clusters, &grid)
        };
        // The expected SNR follows from mixtures of these snippets, so they must be as loud as in the window.
        levels.equalise(&mut clusters);
        let (mut result, beyond_scaling_db) = self.solve(mixture, &pieces, &clusters, progress)?;
        result.source_level_db = levels.source_db();
        let verdict = accept(&result, beyond_scaling_db);
        let separation = ChannelSeparation::judged(mixture, result.waveform.clone(), verdict);
        Ok(ChannelSeparation {
            assessment: Some(self.assess(channel, &pieces, &separation.background)?),
            local: Some(Box::new(result)),
            ..separation
        })
    }

    /// Separates a mixture by filters that are calibrated on its clusters. Returns the gain over scaling, dB, as well.
    fn solve(
        &self,
        mixture: &[f64],
        pieces: &OverlapAdd,
        clusters: &Clusters,
        progress: &dyn Progress,
    ) -> Result<(LocalResult, f64), Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let candidates = Self::candidates(clusters.background[0].len());
        let grids = Grids::new(clusters, &candidates);
        let n_mixtures = self.n_mixtures.max(1);
        let calibration = Calibration::new(&grids, candidates, n_mixtures, &mut rng, progress)?;
        // Trials leave snippets out; the estimate itself is made with all of them.
        let all = Members::all(clusters);
        let needed = calibration.needed();
        let filters = needed.par_iter().map(|(_, c)| grids.fit(*c, &all));
        let filters: Vec<Filter<'_>> = filters.collect();
        let mut weighed = Vec::new();
        let parts = pieces.cut(mixture);
        for part in &parts {
            Error::if_cancelled(progress)?;
            weighed.push(calibration.apply(part, &filters));
        }
        let posterior = Posterior {
            pieces,
            parts,
            weighed,
            best: grids.fit(calibration.best, &all),
        };
        let waveform = posterior.mean(|w| &w.background);
        let mut draws = Vec::with_capacity(self.n_draws);
        for _ in 0..self.n_draws {
            Error::if_cancelled(progress)?;
            draws.push(posterior.draw(&waveform, calibration.draw_scale, &mut rng));
        }
        let realisation = if self.realisation {
            let recipe = Recipe::choose(&calibration, &grids, self.objective, progress)?;
            Some(posterior.realise(recipe, clusters, self.objective)?)
        } else {
            None
        };
        let result = LocalResult {
            expected: together(&posterior.weighed, |w| w.expected),
            untouched: together(&posterior.weighed, |w| w.expected_nothing),
            deviation: posterior.mean(|w| &w.deviation),
            waveform,
            scores: calibration.scores,
            source_level_db: 0.0,
            realisation,
            draws,
        };
        Ok((result, calibration.beyond_scaling_db))
    }

    fn candidates(window: usize) -> Vec<Candidate> {
        let candidates = [
            (Kind::Excess, 8),
            (Kind::Spectra, 8),
            (Kind::Frames, 32),
            (Kind::Frames, 16),
            (Kind::Frames, 8),
            (Kind::Frames, 4),
            (Kind::Octaves, 16),
            (Kind::Octaves, 8),
        ];
        let mut all: Vec<Candidate> = Vec::new();
        for (kind, part) in candidates {
            let candidate = Candidate {
                kind,
                frame: frame(window, part),
            };
            if !all.contains(&candidate) {
                all.push(candidate);
            }
        }
        all
    }

    /// Terms of the scattering objective, mean over the pieces.
    fn assess(
        &self,
        channel: &Channel,
        pieces: &OverlapAdd,
        background: &[f64],
    ) -> Result<Assessment, Error> {
        let parts = pieces.cut(&channel.mixture);
        let n = parts.len() as f64;
        let mut mean = Assessment::default();
        for (mixture, background) in parts.into_iter().zip(pieces.cut(background)) {
            let piece = Channel {
                mixture: mixture.to_vec(),
                snippets: channel.snippets.clone(),
                source_snippets: Vec::new(),
            };
            let judge = AcceptanceTest::new(&piece, self.objective)?;
            let own = judge.assess(background);
            let add = |to: &mut ObjectiveTerms, from: ObjectiveTerms| {
                to.background += from.background / n;
                to.mixture += from.mixture / n;
                to.independence += from.independence / n;
            };
            add(&mut mean.start, own.start);
            add(&mut mean.end, own.end);
            add(&mut mean.expected, own.expected);
            add(&mut mean.largest, own.largest);
        }
        Ok(mean)
    }
}

impl ChannelMethod for LocalMethod {
    /// Separates a channel, whose mixture may be longer than its snippets.
    ///
    /// It is processed in overlapping pieces of their length, with one calibration for all.
    fn separate_with_progress(
        &self,
        channel: &Channel,
        progress: &dyn Progress,
    ) -> Result<ChannelSeparation, Error> {
        Error::if_cancelled(progress)?;
        check_snippets(&channel.mixture, &channel.snippets)?;
        PowerOfTwoScale::of_channel(channel)?
            .solve(channel, |channel| self.solve_channel(channel, progress))
    }
}

impl WindowMethod for LocalMethod {
    const NAME: &'static str = "local";
    const FIT: fn(FittedModel) -> Fit = Fit::Partial;
    const COVER: Cover = Cover::Whole;
    const ESTIMATE: EstimateKind = EstimateKind::PosteriorMean;
    const SNIPPETS: SnippetUse = SnippetUse::BackgroundAndSource;

    fn objective(&self) -> ObjectiveOptions {
        self.objective
    }

    fn least_snippets(&self) -> usize {
        LEAST_SNIPPETS
    }
}

/// Posterior of a mixture's background: its pieces, and the weighted estimate of each.
struct Posterior<'a> {
    pieces: &'a OverlapAdd,
    parts: Vec<&'a [f64]>,
    weighed: Vec<WeightedEstimate>,
    /// Filter with the best mean SNR.
    best: Filter<'a>,
}

impl Posterior<'_> {
    /// Weighted mean over the pieces.
    fn mean(&self, pick: impl Fn(&WeightedEstimate) -> &Vec<f64>) -> Vec<f64> {
        let parts: Vec<Vec<f64>> = self.weighed.iter().map(|w| pick(w).clone()).collect();
        self.pieces.mean(&parts)
    }

    /// Draw about the posterior mean.
    fn draw(&self, mean: &[f64], scale: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let parts = self.parts.iter();
        let deviations: Vec<Vec<f64>> = parts
            .map(|part| self.best.draw_deviation(part, rng))
            .collect();
        // Draws of overlapping pieces are independent; their plain mean would vary too little.
        let deviation = self.pieces.mean_of_independent(&deviations);
        mean.iter()
            .zip(&deviation)
            .map(|(mean, d)| mean + scale * d)
            .collect()
    }

    /// Realisation by a recipe, piece by piece.
    fn realise(
        &self,
        recipe: Recipe,
        clusters: &Clusters,
        options: ObjectiveOptions,
    ) -> Result<Vec<f64>, Error> {
        let pieces: Vec<Result<Vec<f64>, Error>> = self
            .parts
            .par_iter()
            .zip(&self.weighed)
            .enumerate()
            .map(|(i, (part, weighed))| {
                let window = RealizedWindow {
                    mixture: part,
                    estimate: &weighed.background,
                    clusters,
                    filter: &self.best,
                    seed: i as u64,
                };
                recipe.realise(&window, options)
            })
            .collect();
        let pieces: Vec<Vec<f64>> = pieces.into_iter().collect::<Result<_, _>>()?;
        Ok(self.pieces.mean(&pieces))
    }
}

/// Accepts an estimate that is expected to be better than the mixture, silence, and the mixture times a factor.
fn accept(result: &LocalResult, beyond_scaling_db: f64) -> Result<(), RejectionReason> {
    if beyond_scaling_db < LEAST_BEYOND_SCALING_DB {
        return Err(RejectionReason::Alike {
            gain_db: beyond_scaling_db,
        });
    }
    // A gain within the spread of the expectation could be chance; 0 dB is the SNR of silence.
    let chance = result.expected.spread_db;
    let least_db = (result.untouched.mean_db + chance + LEAST_GAIN_DB).max(0.0);
    if result.expected.mean_db > least_db {
        return Ok(());
    }
    Err(RejectionReason::NoGain {
        expected_db: result.expected.mean_db,
        least_db,
    })
}

/// Frame length: a part of the window, at least 16 samples.
fn frame(window: usize, part: usize) -> usize {
    // A multiple of the four hops of a frame.
    (window / part).max(16).next_multiple_of(4)
}

/// Source snippets cut into pieces of `window` samples.
fn cut_source(snippets: &[Vec<f64>], window: usize) -> Result<Vec<Vec<f64>>, Error> {
    if snippets.is_empty() {
        return Err(Error::NoSourceSnippets);
    }
    let mut cut = Vec::new();
    for (index, snippet) in snippets.iter().enumerate() {
        if snippet.len() < window {
            return Err(Error::SourceLength {
                index,
                found: snippet.len(),
                least: window,
            });
        }
        check_finite(&format!("source snippet {index}"), snippet)?;
        cut.extend(snippet.chunks_exact(window).map(<[f64]>::to_vec));
    }
    if cut.iter().flatten().all(|v| *v == 0.0) {
        return Err(Error::SilentSource);
    }
    Ok(cut)
}

/// SNR of all pieces: the sum of their energies over the sum of their errors'.
fn together(
    pieces: &[WeightedEstimate],
    expected: impl Fn(&WeightedEstimate) -> ExpectedSnr,
) -> ExpectedSnr {
    let (mut energy, mut error, mut spread) = (0.0, 0.0, 0.0);
    for piece in pieces {
        let own: f64 = piece
            .background
            .iter()
            .map(|v| v * v)
            .sum::<f64>()
            .max(f64::MIN_POSITIVE);
        let expected = expected(piece);
        energy += own;
        error += own / 10f64.powf(expected.mean_db / 10.0);
        spread += expected.spread_db / pieces.len() as f64;
    }
    ExpectedSnr {
        mean_db: 10.0 * (energy / error).log10(),
        spread_db: spread,
    }
}
