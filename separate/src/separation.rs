//! Result of a separation: the same for every method.

use std::fmt;
use std::ops::Range;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::channel::{Assessment, ChannelSeparation, Optimization, Outcome};
use crate::local::LocalResult;
use crate::region::Region;
use crate::zero_runs::{keep_zero_runs, zero_runs};

/// Separation of one target.
#[derive(Debug, Clone, Default)]
pub struct Separation {
    /// Background, `(channel, sample)`, a row for each of [`channels`](Self::channels), in the unit of the record.
    pub background: Array2<f64>,
    /// Standard deviation of each sample of the background, of the same shape, if the method estimates it.
    pub deviation: Option<Array2<f64>>,
    /// Outcome of each channel that could be processed.
    pub channels: Vec<ChannelOutcome>,
    /// Sources found, by onset.
    pub sources: Vec<FoundSource>,
    /// Channels that could not be processed, or the whole target, with the reason.
    pub skipped: Vec<String>,
    /// Kind of estimate that the background is.
    pub estimate: EstimateKind,
}

impl Separation {
    /// Target of which no channel could be processed.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self {
            skipped: vec![reason.into()],
            ..Self::default()
        }
    }

    /// Target of a region with this background on all channels, `[channel][sample]`.
    pub fn separated(region: &Region, target: &Range<usize>, background: &[Vec<f64>]) -> Self {
        let outcome = |id: &String| {
            let window = WindowReport::new(target.start, Outcome::Separated, String::new());
            ChannelOutcome::new(id.clone(), vec![window])
        };
        Self {
            background: rows(background, target.len()),
            channels: region.channels.iter().map(outcome).collect(),
            ..Self::default()
        }
    }

    /// Restores the record where it is zero over a run of samples: a digitiser or a gap filler wrote nothing there.
    pub fn keep_zero_runs(mut self, region: &Region, target: &Range<usize>) -> Self {
        for (row, outcome) in self.channels.iter_mut().enumerate() {
            let Some(c) = region.channels.iter().position(|id| *id == outcome.id) else {
                continue;
            };
            let record = &region.samples[c][target.clone()];
            let mut background = self.background.index_axis_mut(Axis(0), row);
            if zero_runs(record).into_iter().all(|zero| zero) {
                outcome.reject("the record is zero throughout the target");
                background.iter_mut().zip(record).for_each(|(b, x)| *b = *x);
            } else if let Some(background) = background.as_slice_mut() {
                keep_zero_runs(background, record);
            }
        }
        self
    }

    /// Rows of the separation as channels of arrays.
    pub(crate) fn into_channels(self) -> Vec<ChannelSeparation> {
        let rows = self.background.outer_iter();
        rows.zip(self.channels)
            .map(|(background, channel)| ChannelSeparation {
                background: background.to_vec(),
                outcome: channel.outcome,
                rejection: None,
                assessment: None,
                optimization: None,
                local: None,
            })
            .collect()
    }
}

/// Rows of one length as an array; empty if there is none.
pub(crate) fn rows(rows: &[Vec<f64>], n_samples: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), n_samples), |(c, t)| rows[c][t])
}

/// Outcome of one channel of a target.
#[derive(Debug, Clone)]
pub struct ChannelOutcome {
    /// Name of the channel.
    pub id: String,
    /// Separated if any of its windows is.
    pub outcome: Outcome,
    /// Windows that cover the target, in time.
    pub windows: Vec<WindowReport>,
}

impl ChannelOutcome {
    /// Outcome of a channel from those of its windows, at least one.
    pub fn new(id: String, windows: Vec<WindowReport>) -> Self {
        let any = |wanted| windows.iter().any(|window| window.outcome == wanted);
        let outcome = if any(Outcome::Separated) {
            Outcome::Separated
        } else if any(Outcome::NotSeparable) {
            Outcome::NotSeparable
        } else {
            Outcome::AlreadyBackground
        };
        Self {
            id,
            outcome,
            windows,
        }
    }

    /// Rejects the channel, whatever the outcome of its windows.
    fn reject(&mut self, why: &str) {
        self.outcome = Outcome::NotSeparable;
        for window in &mut self.windows {
            window.outcome = Outcome::NotSeparable;
            window.why = format!("{why}: it is unchanged");
        }
    }
}

/// Outcome of one window of a channel.
#[derive(Debug, Clone)]
pub struct WindowReport {
    /// First sample, in samples of the region.
    pub start: usize,
    /// Outcome of the acceptance test.
    pub outcome: Outcome,
    /// Reason of the outcome, in words.
    pub why: String,
    /// Expected SNR of the background, dB: its power over that of its error; `None` if it was not estimated.
    pub expected_snr_db: Option<f64>,
    /// Numbers that only this method has.
    pub diagnostics: Diagnostics,
}

impl WindowReport {
    /// Window without numbers of its method.
    pub fn new(start: usize, outcome: Outcome, why: String) -> Self {
        Self {
            start,
            outcome,
            why,
            expected_snr_db: None,
            diagnostics: Diagnostics::None,
        }
    }
}

/// Numbers that only one method has.
#[derive(Debug, Clone, Default)]
pub enum Diagnostics {
    /// None.
    #[default]
    None,
    /// Of a fitted template.
    Template {
        /// Whitened residual power in the target, relative to the local background.
        residual_power: f64,
    },
    /// Of the local model.
    Local {
        /// Terms of the scattering objective.
        assessment: Option<Assessment>,
        /// Estimate and calibration.
        result: Box<LocalResult>,
    },
    /// Of the scattering objective.
    Scattering {
        /// Its terms.
        assessment: Option<Assessment>,
        /// Its optimisation.
        optimization: Option<Optimization>,
    },
}

impl Diagnostics {
    /// Terms of the scattering objective.
    pub fn assessment(&self) -> Option<&Assessment> {
        match self {
            Self::Local { assessment, .. } | Self::Scattering { assessment, .. } => {
                assessment.as_ref()
            }
            Self::None | Self::Template { .. } => None,
        }
    }

    /// Whitened residual power relative to the local background.
    pub fn residual_power(&self) -> Option<f64> {
        match self {
            Self::Template { residual_power } => Some(*residual_power),
            _ => None,
        }
    }

    /// Optimisation of the scattering objective.
    pub fn optimization(&self) -> Option<&Optimization> {
        match self {
            Self::Scattering { optimization, .. } => optimization.as_ref(),
            _ => None,
        }
    }
}

/// Kind of estimate that a background is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EstimateKind {
    /// The record without fitted sources.
    #[default]
    RecordMinusSources,
    /// Posterior mean.
    PosteriorMean,
    /// Record scaled to the mean spectrum of the background.
    SpectralMean,
    /// One realisation with the statistics of the background.
    Realization,
}

impl fmt::Display for EstimateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RecordMinusSources => "best waveform: the record minus the sources, noise included",
            Self::PosteriorMean => {
                "best waveform: a mean over the plausible backgrounds, with less energy than the background itself"
            }
            Self::SpectralMean => {
                "best waveform, by the mean spectra: it has less energy than the background itself"
            }
            Self::Realization => {
                "one plausible realisation: its statistics are those of the background, the accuracy of its waveform is not estimated"
            }
        })
    }
}

/// Source that a separator has found in a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundSource {
    /// Onset, in samples of the region.
    pub onset: f64,
    /// End, in samples of the region.
    pub end: f64,
    /// Family or class of the source.
    pub kind: String,
    /// Amplitudes, a list for each channel of the region; empty where the source is not significant.
    pub channels: Vec<SourceAmplitudes>,
    /// Decrease of chi-square; 0 if the method has none.
    pub chi2_decrease: f64,
    /// Standard deviations by which the source exceeds the background on its clearest channel.
    pub z: f64,
    /// Mean square of the whitened residual around it on the worst channel; 1 for the background alone.
    pub misfit: f64,
    /// Ramp length, samples; 0 for a step.
    pub ramp_length: f64,
}

/// Amplitudes of a source on one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceAmplitudes {
    /// Components of the waveform.
    pub components: Vec<SourceComponent>,
    /// Covariance of their amplitudes, row by row, `(component, component)`.
    pub covariance: Vec<f64>,
}

/// One component of a source's waveform on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceComponent {
    /// Waveform: `step`, the response itself over a ramp; `jump`, its second derivative.
    pub wave: String,
    /// Onset after that of the source, samples.
    pub delay: f64,
    /// Ramp length, samples.
    pub ramp_length: f64,
    /// Factor on the waveform, in the unit of the record.
    pub amplitude: f64,
}

impl SourceAmplitudes {
    /// Standard deviation of a component's amplitude.
    pub fn deviation(&self, component: usize) -> f64 {
        let n = self.components.len();
        let variance = self.covariance.get(component * n + component);
        variance.map_or(0.0, |v| v.sqrt())
    }
}
