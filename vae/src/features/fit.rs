//! The fit of one scale: from features of training windows to its inputs and first clusters.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};

use super::amplitude::AmplitudeInputs;
use super::deflate::Deflation;
use super::levels::tail_ratio;
use super::options::FinestLevels;
use super::project::{Projection, StandardScaler};
use super::scale::{InitialModel, LevelInputs, ScaleInputs, ScaleWindows, bend, beside};
use super::source::ScaleFeatures;
use super::{InputsError, InputsOptions, ScaleRole, StartMethod, WindowLayout};
use crate::init::{Hmm, HmmOptions, KMeans, KMeansOptions, Mixture, MixtureOptions, StartError};

/// Ratio of tail to quartiles up to which levels count for nothing (a Gaussian has 1.5), and from which they weigh as much
/// as all other inputs of their scale.
const TAIL_RANGE: [f64; 2] = [2.0, 4.0];
/// Principal components of the levels, at most.
const LEVEL_COMPONENTS: usize = 8;

/// What the fit of one scale needs to know.
pub(super) struct ScaleContext<'a> {
    pub(super) layout: &'a WindowLayout,
    pub(super) options: &'a InputsOptions,
    pub(super) scale: usize,
    /// Windows of each segment.
    pub(super) runs: &'a [Range<usize>],
}

impl ScaleContext<'_> {
    /// Fits the scale to the windows where `training` is true.
    pub(super) fn fit(
        &self,
        source: &ScaleFeatures,
        training: &[bool],
        coarser: &[&[usize]],
    ) -> Result<(ScaleInputs, ScaleWindows), InputsError> {
        let options = self.options;
        let features = source.features.view();
        let role = self.layout.role(self.scale);
        let scale_samples = self.layout.scales[self.scale];
        let n_training = training.iter().filter(|&&keep| keep).count();
        let needed = options.clusters(self.scale).max(2);
        if n_training < needed {
            return Err(InputsError::TooFewWindows {
                scale_samples,
                found: n_training,
                needed,
            });
        }
        let standardiser = StandardScaler::fit(features, training, options.min_std, options.clip);
        if standardiser.kept.is_empty() {
            return Err(InputsError::Constant { scale_samples });
        }
        let mut standard = standardiser.apply(features);
        let deflation = if options.deflation {
            Deflation::fit(standard.view(), training, coarser, options.min_cell_windows)
        } else {
            Deflation::default()
        };
        deflation.apply(&mut standard, coarser);
        let asinh = options.asinh && role == ScaleRole::Finest;
        let values = bend(standard, asinh);
        let principal = Projection::principal(
            training_rows(values.view(), training).view(),
            self.n_components(role, n_training),
            options.whitening,
        );
        let components = principal.apply(values.view());
        let slow = (options.temporal_whitening && role != ScaleRole::Finest)
            .then(|| self.slow(role, components.view(), training));
        let shape = match &slow {
            Some(slow) => slow.apply(components.view()),
            None => components,
        };
        let levels = source.levels.as_ref().and_then(|levels| {
            let levels = levels.view();
            let variance = training_rows(shape.view(), training)
                .var_axis(Axis(0), 0.0)
                .sum();
            let fitted = self.levels(levels, training, variance)?;
            let projected = fitted.project(levels);
            Some((fitted, projected))
        });
        let (levels, projected) = match levels {
            Some((fitted, levels)) => (Some(fitted), beside(&shape, &levels)),
            None => (None, shape),
        };
        let (amplitude, projected) = self.amplitude(source, training, coarser, projected);
        let rows = training_rows(projected.view(), training);
        let spread = rows.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
        let start = self
            .start(rows.view(), &self.training_runs(training))
            .map_err(|source| start_error(self.layout, self.scale, source))?;
        let fitted = ScaleInputs {
            standardiser,
            deflation,
            asinh,
            principal,
            slow,
            levels,
            amplitude,
            scale: if spread > 0.0 {
                spread.sqrt().recip()
            } else {
                1.0
            },
            start,
        };
        let output = fitted
            .output(projected, self.runs)
            .map_err(|source| start_error(self.layout, self.scale, source))?;
        Ok((fitted, output))
    }

    /// Principal components to keep: a sixteenth of the training windows that share nothing, at least 12, at most what
    /// the options say. Slow directions among more would be slow by chance.
    fn n_components(&self, role: ScaleRole, n_training: usize) -> usize {
        let alone = n_training / self.layout.overlap(self.scale);
        let most = match role {
            ScaleRole::Finest => self.options.finest_components,
            ScaleRole::Largest | ScaleRole::Middle => self.options.components,
        };
        most.min((alone / 16).max(12))
    }

    /// Log powers beside the inputs, if they are wanted.
    fn amplitude(
        &self,
        source: &ScaleFeatures,
        training: &[bool],
        coarser: &[&[usize]],
        projected: Array2<f64>,
    ) -> (Option<AmplitudeInputs>, Array2<f64>) {
        if self.options.amplitude <= 0.0 {
            return (None, projected);
        }
        let variance = training_rows(projected.view(), training)
            .var_axis(Axis(0), 0.0)
            .sum();
        let powers = source.powers.view();
        let fitted = AmplitudeInputs::fit(powers, training, coarser, self.options, variance);
        let joined = match &fitted {
            Some(fitted) => beside(&projected, &fitted.project(powers, coarser)),
            None => projected,
        };
        (fitted, joined)
    }

    /// Levels with a variance of `weight^2` times `variance`; none if they do not vary.
    fn levels(
        &self,
        levels: ArrayView2<'_, f32>,
        training: &[bool],
        variance: f64,
    ) -> Option<LevelInputs> {
        let weight = match self.options.finest_levels {
            FinestLevels::Off => return None,
            FinestLevels::Tail => {
                let [none, full] = TAIL_RANGE;
                ((tail_ratio(levels, training) - none) / (full - none)).clamp(0.0, 1.0)
            }
            FinestLevels::Weight(weight) => weight,
        };
        let (min_std, clip) = (self.options.min_std, self.options.clip);
        let mut standardiser = StandardScaler::fit(levels, training, min_std, clip);
        if standardiser.kept.is_empty() || weight <= 0.0 {
            return None;
        }
        standardiser.keep_units();
        let standard = standardiser.apply(levels).mapv(f64::from);
        let rows = training_rows(standard.view(), training);
        let mut principal = Projection::principal(rows.view(), LEVEL_COMPONENTS, false);
        let own = rows.var_axis(Axis(0), 0.0).sum();
        principal.map *= weight * (variance / own.max(f64::MIN_POSITIVE)).sqrt();
        Some(LevelInputs {
            standardiser,
            principal,
            weight,
        })
    }

    fn slow(
        &self,
        role: ScaleRole,
        components: ArrayView2<'_, f64>,
        training: &[bool],
    ) -> Projection {
        let apart = self.layout.overlap(self.scale);
        let mut pairs = Vec::new();
        for run in self.runs {
            for later in run.start + apart..run.end.max(run.start + apart) {
                if training[later] && training[later - apart] {
                    pairs.push((later - apart, later));
                }
            }
        }
        let (keep, unit_change) = match role {
            ScaleRole::Largest => (self.options.largest_slow, true),
            ScaleRole::Middle | ScaleRole::Finest => (self.options.middle_slow, false),
        };
        Projection::slow(
            components,
            &pairs,
            keep,
            self.options.slow_ridge,
            unit_change,
        )
    }

    fn training_runs(&self, training: &[bool]) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut at = 0;
        for segment in self.runs {
            let mut begin = at;
            for window in segment.clone() {
                if training[window] {
                    at += 1;
                } else if at > begin {
                    runs.push(begin..at);
                    begin = at;
                }
            }
            if at > begin {
                runs.push(begin..at);
            }
        }
        runs
    }

    fn start(
        &self,
        rows: ArrayView2<'_, f64>,
        runs: &[Range<usize>],
    ) -> Result<InitialModel, StartError> {
        let n_clusters = self.options.clusters(self.scale);
        // Seeds of neighbouring runs must not meet at other scales.
        let seed = self.options.seed ^ (self.scale as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(match self.options.start {
            StartMethod::KMeans => {
                InitialModel::KMeans(KMeans::fit(rows, &KMeansOptions::new(n_clusters, seed))?)
            }
            StartMethod::Mixture => {
                InitialModel::Mixture(Mixture::fit(rows, &MixtureOptions::new(n_clusters, seed))?)
            }
            StartMethod::Hmm => {
                let mut options = HmmOptions::new(n_clusters, seed);
                options.emission_exponent = self.options.exponent(self.layout, self.scale);
                options.initial_stay = options
                    .initial_stay
                    .powf(1.0 / self.layout.overlap(self.scale) as f64);
                InitialModel::Hmm(Hmm::fit(rows, runs, &options)?)
            }
        })
    }
}

pub(super) fn start_error(layout: &WindowLayout, scale: usize, source: StartError) -> InputsError {
    InputsError::Start {
        scale_samples: layout.scales[scale],
        source,
    }
}

pub(super) fn training_rows(values: ArrayView2<'_, f64>, training: &[bool]) -> Array2<f64> {
    let rows: Vec<usize> = (0..values.nrows()).filter(|&row| training[row]).collect();
    values.select(Axis(0), &rows)
}
