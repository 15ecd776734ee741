//! Fit of one scale: from the features of training windows to its inputs and initial clusters.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};

use super::auxiliary::{AuxiliaryInputs, TargetVariance};
use super::feature_source::ScaleFeatures;
use super::local_log_power::tail_ratio;
use super::scale_inputs::{InitialModel, ScaleInputs, ScaleWindows, asinh_compress, hstack};
use super::slow_features::slow_features;
use super::{
    Deflation, InitMethod, InputsError, InputsOptions, LocalLogPower, Projection, ScaleRole,
    StandardScaler, WindowLayout,
};
use crate::init::{Hmm, HmmOptions, InitError, KMeans, KMeansOptions, Mixture, MixtureOptions};
use crate::progress::Progress;

/// Tail ratio up to which local log powers have no weight (a Gaussian has 1.5), and from which they weigh as much as
/// all other inputs of their scale.
const TAIL_RANGE: [f64; 2] = [2.0, 4.0];

/// Arguments of the fit of one scale.
pub(super) struct ScaleFit<'a> {
    pub(super) layout: &'a WindowLayout,
    pub(super) options: &'a InputsOptions,
    pub(super) scale: usize,
    /// Windows of each segment.
    pub(super) runs: &'a [Range<usize>],
    /// Windows to fit on.
    pub(super) training: &'a [bool],
    pub(super) progress: &'a dyn Progress,
}

impl ScaleFit<'_> {
    /// Fits the scale; `coarser`: labels of the coarser scales, the largest first.
    pub(super) fn fit(
        &self,
        source: &ScaleFeatures,
        coarser: &[&[usize]],
    ) -> Result<(ScaleInputs, ScaleWindows), InputsError> {
        let (options, training) = (self.options, self.training);
        let features = source.features.view();
        let role = self.layout.role(self.scale);
        let n_training = self.check_training()?;
        let scaler = StandardScaler::fit(features, training, options.min_std, options.clip);
        if scaler.kept.is_empty() {
            return Err(InputsError::Constant {
                scale_samples: self.layout.scales[self.scale],
            });
        }
        let mut standard = scaler.apply(features);
        let deflation = Deflation::fit(standard.view(), training, coarser, options);
        deflation.apply(&mut standard, coarser);
        // Rare loud events dominate the finest scale's components unless large values are compressed.
        let asinh = options.asinh && role == ScaleRole::Finest;
        let values = asinh_compress(standard, asinh);
        let principal = Projection::principal(
            training_rows(values.view(), training).view(),
            self.n_components(role, n_training),
            options.whitening,
        );
        let components = principal.apply(values.view());
        let slow = (options.temporal_whitening && role != ScaleRole::Finest)
            .then(|| slow_features(components.view(), &self.distant_pairs(), role, options));
        let shape = match &slow {
            Some(slow) => slow.apply(components.view()),
            None => components,
        };
        let (local_log_power, projected) = self.append_local_log_power(source, shape);
        let (log_power, projected) = self.append_log_power(source, coarser, projected);
        let rows = training_rows(projected.view(), training);
        // Mean variance 1: the weights of the objective's terms are tuned for that.
        let spread = rows.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
        let initial = self.initial(rows.view()).map_err(|e| self.init_error(e))?;
        let fitted = ScaleInputs {
            scaler,
            deflation,
            asinh,
            principal,
            slow_features: slow,
            local_log_power,
            log_power,
            scale: if spread > 0.0 {
                spread.sqrt().recip()
            } else {
                1.0
            },
            initial,
        };
        let output = fitted.output(projected, self.runs);
        Ok((fitted, output.map_err(|e| self.init_error(e))?))
    }

    /// Number of training windows, if they are enough.
    fn check_training(&self) -> Result<usize, InputsError> {
        let found = self.training.iter().filter(|&&keep| keep).count();
        let needed = self.options.clusters(self.scale).max(2);
        if found < needed {
            return Err(InputsError::TooFewWindows {
                scale_samples: self.layout.scales[self.scale],
                found,
                needed,
            });
        }
        Ok(found)
    }

    /// Principal components to keep: a sixteenth of the training windows that share no sample, at least 12, at most the
    /// number in the options. Slow directions among more would be slow by chance.
    fn n_components(&self, role: ScaleRole, n_training: usize) -> usize {
        let alone = n_training / self.layout.overlap(self.scale);
        let most = match role {
            ScaleRole::Finest => self.options.finest_components,
            ScaleRole::Largest | ScaleRole::Middle => self.options.components,
        };
        most.min((alone / 16).max(12))
    }

    /// Training windows one window length apart in one segment.
    fn distant_pairs(&self) -> Vec<(usize, usize)> {
        let apart = self.layout.overlap(self.scale);
        let later = |run: &Range<usize>| run.start + apart..run.end.max(run.start + apart);
        let all = self.runs.iter().flat_map(later);
        all.map(|later| (later - apart, later))
            .filter(|&(earlier, later)| self.training[earlier] && self.training[later])
            .collect()
    }

    fn append_local_log_power(
        &self,
        source: &ScaleFeatures,
        shape: Array2<f64>,
    ) -> (Option<AuxiliaryInputs>, Array2<f64>) {
        let Some(powers) = &source.local_log_power else {
            return (None, shape);
        };
        let weight = match self.options.local_log_power {
            LocalLogPower::Off => 0.0,
            LocalLogPower::Tail => {
                let [none, full] = TAIL_RANGE;
                ((tail_ratio(powers.view(), self.training) - none) / (full - none)).clamp(0.0, 1.0)
            }
            LocalLogPower::Weight(weight) => weight,
        };
        self.append(powers.view(), None, weight, shape)
    }

    fn append_log_power(
        &self,
        source: &ScaleFeatures,
        coarser: &[&[usize]],
        projected: Array2<f64>,
    ) -> (Option<AuxiliaryInputs>, Array2<f64>) {
        let powers = source.log_power.view();
        self.append(powers, Some(coarser), self.options.amplitude, projected)
    }

    /// Fits log powers of a given weight and appends them to the inputs.
    fn append(
        &self,
        powers: ArrayView2<'_, f32>,
        coarser: Option<&[&[usize]]>,
        weight: f64,
        inputs: Array2<f64>,
    ) -> (Option<AuxiliaryInputs>, Array2<f64>) {
        if weight <= 0.0 {
            return (None, inputs);
        }
        // Variance over training windows only, like everything that is fitted.
        let others = training_rows(inputs.view(), self.training)
            .var_axis(Axis(0), 0.0)
            .sum();
        let target = TargetVariance { weight, others };
        let fitted = AuxiliaryInputs::fit(powers, self.training, coarser, target, self.options);
        let joined = match &fitted {
            Some(fitted) => hstack(&inputs, &fitted.project(powers, coarser.unwrap_or(&[]))),
            None => inputs,
        };
        (fitted, joined)
    }

    /// Runs of consecutive training windows, as ranges of the rows that [`training_rows`] selects.
    fn training_runs(&self) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut at = 0;
        for segment in self.runs {
            // A gap between training windows ends a run: the model must not step over it.
            let mut begin = at;
            for window in segment.clone() {
                if self.training[window] {
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

    /// Fits initial clusters to the inputs of the training windows.
    fn initial(&self, rows: ArrayView2<'_, f64>) -> Result<InitialModel, InitError> {
        let n_clusters = self.options.clusters(self.scale);
        // Multiplied by an odd constant, so that neighbouring seeds never coincide at different scales.
        let seed = self.options.seed ^ (self.scale as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(match self.options.init {
            InitMethod::KMeans => {
                let options = KMeansOptions::new(n_clusters, seed);
                InitialModel::KMeans(KMeans::fit(rows, &options, self.progress)?)
            }
            InitMethod::Mixture => {
                let options = MixtureOptions::new(n_clusters, seed);
                InitialModel::Mixture(Mixture::fit(rows, &options, self.progress)?)
            }
            InitMethod::Hmm => {
                let overlap = self.layout.overlap(self.scale) as f64;
                let mut options = HmmOptions::new(n_clusters, seed);
                options.emission_exponent = self.options.exponent(self.layout, self.scale);
                // The probability is for windows that share no sample; a step of one stride is a fraction of that.
                options.initial_stay = options.initial_stay.powf(1.0 / overlap);
                let runs = self.training_runs();
                InitialModel::Hmm(Hmm::fit(rows, &runs, &options, self.progress)?)
            }
        })
    }

    pub(super) fn init_error(&self, source: InitError) -> InputsError {
        init_error(self.layout, self.scale, source)
    }
}

/// Names the scale at which clustering failed; a cancelled fit remains a cancelled fit.
pub(super) fn init_error(layout: &WindowLayout, scale: usize, source: InitError) -> InputsError {
    match source {
        InitError::Cancelled => InputsError::Cancelled,
        source => InputsError::Init {
            scale_samples: layout.scales[scale],
            source,
        },
    }
}

/// The rows where `training` is true, in order.
pub(super) fn training_rows(values: ArrayView2<'_, f64>, training: &[bool]) -> Array2<f64> {
    let rows: Vec<usize> = (0..values.nrows()).filter(|&row| training[row]).collect();
    values.select(Axis(0), &rows)
}
