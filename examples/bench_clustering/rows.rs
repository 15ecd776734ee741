//! The ways of clustering that are compared.

use std::ops::Range;

use ndarray::{Array2, Array3, Axis};
use seismix::vae::agreement::f1_of_union;
use seismix::vae::features::paper::{PaperFeatures, PaperScaler};
use seismix::vae::features::{
    EnergyFeatures, FeaturePipeline, InitMethod, InputsOptions, LocalLogPower, ScaleWindows,
    WindowFeatures, window_powers,
};
use seismix::vae::init::{
    KMeans, KMeansOptions, Mixture, MixtureOptions, TransientRule, transient_score,
};
use seismix::vae::progress::NoProgress;
use seismix::vae::stability::{StabilityOptions, stability};
use seismix::vae::{Preset, Split, TrainingData, split, train};

use super::Outcome;
use super::ceiling;
use super::corpus::{FullSet, Set};

/// Share of the windows that validates.
const VALIDATION: f64 = 0.1;

/// A way of clustering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// First clusters of the default inputs.
    Start,
    /// The network started from them: the default.
    Ours,
    /// First clusters without temporal whitening.
    NoTemporalWhitening,
    /// Without deflation.
    NoDeflation,
    /// By k-means alone.
    NoHmm,
    /// By a mixture of Gaussians.
    MixtureStart,
    /// Without levels at the finest scale.
    NoLevels,
    /// With the powers and ratios themselves in place of their logarithms.
    NoLogarithms,
    /// First clusters of the published features by the same steps.
    PublishedFeatures,
    /// Without the three.
    NoneOfThree,
    /// The network on the same inputs from a random start.
    RandomStart,
    /// First clusters of band powers of a plain spectrogram.
    Spectrogram,
    /// k-means on 20 principal components of the published features.
    KMeansRaw,
    /// A mixture on the same.
    MixtureRaw,
    /// The network on the published features, from a random start, at a laptop's size.
    Paper,
    /// A small supervised network on the default features, half of the records predicting the other half.
    Ceiling,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Start,
        Self::Ours,
        Self::NoTemporalWhitening,
        Self::NoDeflation,
        Self::NoHmm,
        Self::MixtureStart,
        Self::NoLevels,
        Self::NoLogarithms,
        Self::PublishedFeatures,
        Self::NoneOfThree,
        Self::RandomStart,
        Self::Spectrogram,
        Self::KMeansRaw,
        Self::MixtureRaw,
        Self::Paper,
        Self::Ceiling,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Ours => "ours",
            Self::NoTemporalWhitening => "no-temporal-whitening",
            Self::NoDeflation => "no-deflation",
            Self::NoHmm => "no-hmm",
            Self::MixtureStart => "mixture-start",
            Self::NoLevels => "no-levels",
            Self::NoLogarithms => "no-logarithms",
            Self::PublishedFeatures => "published-features",
            Self::NoneOfThree => "none-of-three",
            Self::RandomStart => "random-start",
            Self::Spectrogram => "spectrogram",
            Self::KMeansRaw => "kmeans-raw",
            Self::MixtureRaw => "mixture-raw",
            Self::Paper => "paper",
            Self::Ceiling => "ceiling",
        }
    }

    /// The row of a name.
    pub fn named(name: &str) -> Outcome<Self> {
        let found = Self::ALL.into_iter().find(|row| row.name() == name);
        found.ok_or_else(|| format!("no row `{name}`").into())
    }

    /// Whether it can be had for a set.
    pub fn serves(self, set: &str) -> bool {
        set != "demo" || !(self == Self::Spectrogram || self.wants_all_coefficients())
    }

    /// Whether it needs more than energies.
    pub fn wants_all_coefficients(self) -> bool {
        matches!(
            self,
            Self::KMeansRaw | Self::MixtureRaw | Self::Paper | Self::PublishedFeatures
        )
    }

    /// Clusters of each scale's windows, ascending; with `tell` the network's loss is printed.
    pub fn run(
        self,
        set: &Set,
        full: Option<&FullSet>,
        clusters: usize,
        tell: bool,
    ) -> Outcome<Vec<Vec<usize>>> {
        let options = InputsOptions {
            n_clusters: vec![clusters],
            ..InputsOptions::default()
        };
        let split = blocked(set)?;
        let start = |options: InputsOptions| -> Outcome<Vec<Vec<usize>>> {
            let scales = fit(set, &split, &options)?;
            Ok(scales.into_iter().map(|scale| scale.labels).collect())
        };
        match self {
            Self::Start | Self::Spectrogram => start(options),
            Self::NoTemporalWhitening => start(InputsOptions {
                temporal_whitening: false,
                ..options
            }),
            Self::NoDeflation => start(InputsOptions {
                deflation: false,
                ..options
            }),
            Self::NoHmm => start(InputsOptions {
                init: InitMethod::KMeans,
                ..options
            }),
            Self::MixtureStart => start(InputsOptions {
                init: InitMethod::Mixture,
                ..options
            }),
            Self::NoLogarithms => {
                let mut features = WindowFeatures::new(&set.table, &set.segments, &set.layout)?;
                for scale in 0..set.layout.scales.len() {
                    let plain = features.features(scale).mapv(f32::exp);
                    features.replace(scale, plain)?;
                }
                start_of(set, &split, &features, &options)
            }
            Self::PublishedFeatures => {
                let full = full.ok_or("all coefficients are needed")?;
                let mut features = WindowFeatures::new(&set.table, &set.segments, &set.layout)?;
                let data = published_features(full, set, &split)?;
                for (scale, published) in data.scales.into_iter().enumerate() {
                    let (windows, channels, width) = published.dim();
                    let flat = published.into_shape_with_order((windows, channels * width))?;
                    features.replace(scale, flat)?;
                }
                start_of(set, &split, &features, &options)
            }
            Self::NoLevels => start(InputsOptions {
                local_log_power: LocalLogPower::Off,
                ..options
            }),
            Self::NoneOfThree => start(InputsOptions {
                temporal_whitening: false,
                deflation: false,
                init: InitMethod::KMeans,
                ..options
            }),
            Self::Ours | Self::RandomStart => {
                let scales = fit(set, &split, &options)?;
                network(set, &scales, &split, clusters, self == Self::Ours, tell)
            }
            Self::KMeansRaw | Self::MixtureRaw | Self::Paper => {
                let full = full.ok_or("all coefficients are needed")?;
                self.published(full, set, &split, clusters)
            }
            Self::Ceiling => ceiling::run(set),
        }
    }

    /// Rows on the published features.
    fn published(
        self,
        full: &FullSet,
        set: &Set,
        split: &Split,
        clusters: usize,
    ) -> Outcome<Vec<Vec<usize>>> {
        let data = published_features(full, set, split)?;
        if self == Self::Paper {
            let names = names(set);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (_, channels, width) = data.scales[0].dim();
            let mut preset = Preset::paper(&names, width, channels);
            preset.config.n_clusters = clusters;
            preset.config.hidden = 128;
            preset.options.epochs = 30;
            preset.options.batch = 1024;
            let (model, _) = train(&preset.config, &data, split, &preset.options, None, &mut ())?;
            return most_probable(&model.responsibilities(&data)?);
        }
        let mut labels = Vec::new();
        for scale in &data.scales {
            let (windows, channels, width) = scale.dim();
            let flat: Vec<f64> = scale.iter().map(|&value| f64::from(value)).collect();
            let flat = Array2::from_shape_vec((windows, channels * width), flat)?;
            let components = ceiling::principal_components(&flat, 20);
            labels.push(if self == Self::KMeansRaw {
                let options = KMeansOptions::new(clusters, 0);
                KMeans::fit(components.view(), &options, &NoProgress)?.predict(components.view())?
            } else {
                let options = MixtureOptions::new(clusters, 0);
                Mixture::fit(components.view(), &options, &NoProgress)?
                    .predict(components.view())?
            });
        }
        Ok(labels)
    }
}

/// Blocks of time that validate, as in training: nothing overlaps.
fn blocked(set: &Set) -> Outcome<Split> {
    let stride = set.layout.stride_samples as i64;
    let largest = set.layout.scales.last().copied().unwrap_or(0) as i64;
    let mut ends = Vec::new();
    let mut at = 0;
    for segment in &set.segments {
        for window in 0..set.layout.n_windows(segment.n_blocks()) as i64 {
            ends.push(at + window * stride);
        }
        at = ends.last().copied().unwrap_or(0) + largest;
    }
    Ok(split::blocked(&ends, VALIDATION, 2 * largest, largest)?)
}

/// Mean agreement of first clusters over seeds and over drawings of blocks, scale by scale, the largest first.
pub fn stabilities(set: &Set, clusters: usize, n: usize) -> Outcome<String> {
    let options = InputsOptions {
        n_clusters: vec![clusters],
        ..InputsOptions::default()
    };
    let split = blocked(set)?;
    let masks = masks(set, &split);
    let features = WindowFeatures::new(&set.table, &set.segments, &set.layout)?;
    let how = StabilityOptions {
        n_seeds: n,
        n_subsamples: n,
        block_windows: 2 * set.layout.overlap(set.layout.scales.len() - 1),
        seed: 0,
    };
    let found = stability(&features, &masks, &options, &how, &NoProgress)?;
    let texts = found.into_iter().rev().map(|scale| {
        format!(
            "{:.2} {:.2} ({:.2})",
            scale.seeds.mean, scale.blocks.mean, scale.blocks.least
        )
    });
    Ok(texts.collect::<Vec<_>>().join("   "))
}

fn masks(set: &Set, split: &Split) -> Vec<Vec<bool>> {
    let runs = runs(set);
    let mut flat = vec![false; runs.last().map_or(0, |run| run.end)];
    for &window in &split.training {
        flat[window] = true;
    }
    runs.into_iter().map(|run| flat[run].to_vec()).collect()
}

fn fit(set: &Set, split: &Split, options: &InputsOptions) -> Outcome<Vec<ScaleWindows>> {
    let masks = masks(set, split);
    let source = EnergyFeatures::new(&set.table, &set.segments, &set.layout)?;
    let (_, scales) = FeaturePipeline::fit(&source, &masks, options, &NoProgress)?;
    Ok(scales)
}

/// First clusters of features of one's own.
fn start_of(
    set: &Set,
    split: &Split,
    features: &WindowFeatures,
    options: &InputsOptions,
) -> Outcome<Vec<Vec<usize>>> {
    let masks = masks(set, split);
    let (_, scales) = FeaturePipeline::fit(features, &masks, options, &NoProgress)?;
    Ok(scales.into_iter().map(|scale| scale.labels).collect())
}

/// Windows of each segment.
fn runs(set: &Set) -> Vec<Range<usize>> {
    let mut at = 0;
    let run = |segment: &seismix::vae::features::EnergySegment| {
        let begin = at;
        at += set.layout.n_windows(segment.n_blocks());
        begin..at
    };
    set.segments.iter().map(run).collect()
}

fn names(set: &Set) -> Vec<String> {
    set.layout.scales.iter().map(ToString::to_string).collect()
}

/// The default network, from first clusters or from nothing.
fn network(
    set: &Set,
    scales: &[ScaleWindows],
    split: &Split,
    clusters: usize,
    started: bool,
    tell: bool,
) -> Outcome<Vec<Vec<usize>>> {
    let data = TrainingData {
        scales: scales
            .iter()
            .map(|scale| scale.inputs.clone().insert_axis(Axis(1)))
            .collect(),
    };
    let widths: Vec<usize> = data.scales.iter().map(|scale| scale.dim().2).collect();
    let names = names(set);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut preset = Preset::compact(&names, &widths);
    preset.config.n_clusters = clusters;
    if started {
        let labels = scales.iter();
        let labels = labels.map(|scale| scale.labels.iter().map(|label| Some(*label)).collect());
        preset.options.initial_labels = Some(labels.collect());
    }
    let (model, history) = train(&preset.config, &data, split, &preset.options, None, &mut ())?;
    if tell {
        let last = history.epochs.last();
        let validation = last.and_then(|epoch| epoch.validation.as_ref());
        let loss = validation.map_or(f32::NAN, |terms| terms.total);
        println!("  validation loss without start labels: {loss:.2}");
    }
    most_probable(&model.responsibilities(&data)?)
}

fn most_probable(responsibilities: &[Array2<f32>]) -> Outcome<Vec<Vec<usize>>> {
    let best = |p: ndarray::ArrayView1<'_, f32>| {
        (0..p.len()).fold(0, |best, k| if p[k] > p[best] { k } else { best })
    };
    let labels = responsibilities
        .iter()
        .map(|scale| scale.outer_iter().map(best).collect());
    Ok(labels.collect())
}

/// `scat+cov`, each_ps, standardised on training windows.
fn published_features(full: &FullSet, set: &Set, split: &Split) -> Outcome<TrainingData> {
    let plan = PaperFeatures::plan(&full.table, &full.layout)?;
    let runs = runs(set);
    let mut scales = Vec::new();
    for scale in 0..full.layout.scales.len() {
        let mut parts = Vec::new();
        for (index, (segment, run)) in full.segments.iter().zip(&runs).enumerate() {
            parts.push(plan.process(segment, index, scale, 0..run.len())?);
        }
        let views: Vec<_> = parts.iter().map(|part: &Array3<f32>| part.view()).collect();
        let mut joined = ndarray::concatenate(Axis(0), &views)?;
        let mut training = vec![false; joined.dim().0];
        split
            .training
            .iter()
            .for_each(|&window| training[window] = true);
        let mut standardiser = PaperScaler::new(joined.dim().1, plan.n_features());
        standardiser.push(&joined, &training)?;
        standardiser.apply(&mut joined)?;
        scales.push(joined);
    }
    Ok(TrainingData { scales })
}

/// F1 of windows with a pulse by the clusters that the rule calls transient.
pub fn transient_f1(set: &Set, labels: &[usize], clusters: usize, truth: &[bool]) -> Outcome<f64> {
    let powers = window_powers(&set.segments, &set.table, &set.layout)?;
    let scores = transient_score(
        powers.view(),
        labels,
        &runs(set),
        clusters,
        &TransientRule::default(),
    )?;
    let called = seismix::separate::targets::transient_clusters(&scores);
    Ok(f1_of_union(labels, truth, &called))
}
