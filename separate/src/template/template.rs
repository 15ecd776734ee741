//! Template: the shape that sources share, and its fit to a segment of the record.

use seismix_core::progress::{NoProgress, Progress};
use serde::{Deserialize, Deserializer, Serialize};

use super::cancel::Cancel;
use super::fit::fit;
use super::options::{
    AUTOREGRESSION_ORDER, DetectionThresholds, LEARNING_CHI2, Layout, MIN_EXPLAINED, MIN_WINDOWS,
};
use super::segment::{RecordSegment, WhitenedSegment};
use super::source::TemplateSource;
use super::spectra::Fourier;
use super::uncertainty;
use super::waveform::{PlacedWaveform, Shape};
use super::whitened_data::WhitenedData;
use crate::error::Error;

/// Shape that the sources of one cluster repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Sizes of the shape.
    pub layout: Layout,
    /// The shape.
    #[serde(alias = "kinds", deserialize_with = "one_or_first")]
    pub shape: Shape,
    /// Energy that a source of amplitude 1 has apart from its shape, by channel.
    #[serde(deserialize_with = "one_or_first")]
    pub discrepancies: Vec<f64>,
    /// Range of typical onsets in samples after a target's start: the tenth to the ninetieth percentile of the training
    /// sources, and a twentieth of a shape more on either side.
    #[serde(alias = "usual")]
    pub onset_range: Option<(f64, f64)>,
    /// Number of sources that the shape was learned from.
    #[serde(alias = "taught_by")]
    pub n_training_sources: usize,
}

/// Reads a value, or the first of a list of such: files once held a list of shapes, of which one was ever made.
fn one_or_first<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrList<T> {
        One(T),
        List(Vec<T>),
    }
    match OneOrList::deserialize(deserializer)? {
        OneOrList::One(value) => Ok(value),
        OneOrList::List(list) => {
            let first = list.into_iter().next();
            first.ok_or_else(|| serde::de::Error::custom("the template holds no shape"))
        }
    }
}

/// Sources that were fitted to a segment.
#[derive(Debug, Clone)]
pub struct TemplateFit {
    /// The sources, by onset.
    pub sources: Vec<TemplateSource>,
    /// Standard deviation of their sum, `[channel][sample]`.
    pub deviation: Vec<Vec<f64>>,
    /// Whitened residual, in deviations of the background around each sample, `[channel][sample]`.
    pub residual: Vec<Vec<f64>>,
}

/// Evidence that windows share a shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Windows whose energy exceeds that of their background.
    pub n_windows: usize,
    /// Share of their energy above the background that the shape of the other half of the windows explains, median over
    /// these windows; 0 if there are too few.
    pub explained: f64,
}

impl Evidence {
    /// True if the shape of one half of the windows explains most of the other half.
    pub fn has_shape(&self) -> bool {
        self.n_windows >= MIN_WINDOWS && self.explained >= MIN_EXPLAINED
    }
}

impl Template {
    /// Sizes of the shape for targets of `window_samples`.
    pub fn layout(window_samples: usize) -> Layout {
        Layout::for_windows(window_samples, AUTOREGRESSION_ORDER)
    }

    /// Number of channels of the shape.
    pub fn n_channels(&self) -> usize {
        self.shape.channels.len()
    }

    /// Fits the sources of a segment. `None` if its background cannot be modelled, or its channels do not match the
    /// template's.
    pub fn fit(&self, segment: &RecordSegment) -> Option<TemplateFit> {
        self.fit_with_progress(segment, &NoProgress).ok().flatten()
    }

    /// Fits the sources of a segment as [`fit`](Self::fit) does, until `progress` is cancelled.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::ChannelLength`] or [`Error::NotFinite`] for samples that cannot be used.
    pub fn fit_with_progress(
        &self,
        segment: &RecordSegment,
        progress: &dyn Progress,
    ) -> Result<Option<TemplateFit>, Error> {
        segment.check()?;
        if segment.channels.len() != self.n_channels() {
            return Ok(None);
        }
        let cancel = Cancel::new(progress);
        let fourier = Fourier::new(self.layout.grid);
        let Some(first) = WhitenedSegment::new(segment, self.layout) else {
            return Ok(None);
        };
        // The first fit only serves to take the sources out of the samples that the background is modelled from.
        let preliminary = DetectionThresholds::preliminary(LEARNING_CHI2[LEARNING_CHI2.len() - 1]);
        let found = {
            let data = WhitenedData::new(&fourier, self.layout, &self.shape, &first)
                .with_discrepancies(&self.discrepancies);
            fit(&data, &first.fitted_targets, preliminary, &cancel).sources
        };
        let removed = self.render(&found, segment.n_samples());
        let whitened = first.without(&found, &removed, self.layout);
        let data = WhitenedData::new(&fourier, self.layout, &self.shape, &whitened)
            .with_discrepancies(&self.discrepancies);
        let thresholds = DetectionThresholds {
            onset_range: self.onset_range,
            ..DetectionThresholds::FINAL
        };
        let targets = &whitened.fitted_targets;
        let fitted = fit(&data, targets, thresholds, &cancel);
        if cancel.is_set() {
            return Err(Error::Interrupted);
        }
        let deviation = uncertainty::deviations(&data, &fitted, targets, self.n_training_sources);
        let in_levels = |(c, x): (usize, &Vec<f64>)| -> Vec<f64> {
            let samples = x.iter().enumerate();
            samples.map(|(t, v)| v / data.level(c, t as f64)).collect()
        };
        Ok(Some(TemplateFit {
            deviation,
            residual: fitted.residual.iter().enumerate().map(in_levels).collect(),
            sources: fitted.sources,
        }))
    }

    /// Sum of sources over `n_samples` samples, `[channel][sample]`, in the unit of the record.
    pub fn render(&self, sources: &[TemplateSource], n_samples: usize) -> Vec<Vec<f64>> {
        let fourier = Fourier::new(self.layout.grid);
        let spectra = self.shape.spectra(&fourier);
        let mut sum = vec![vec![0.0; n_samples]; self.n_channels()];
        for source in sources {
            for ((parts, spectrum), sum) in source.channels.iter().zip(&spectra).zip(&mut sum) {
                for part in parts {
                    let at = source.onset + part.delay;
                    let whole = at.floor();
                    let onset = (whole, at - whole);
                    let lead = self.layout.lead;
                    PlacedWaveform::new(&fourier, lead, spectrum, part.wave, onset)
                        .add_to(sum, part.amplitude);
                }
            }
        }
        sum
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_with_a_list_of_shapes_can_be_read() {
        let layout = r#""layout":{"lead":5,"length":128,"grid":512,"longest_rise":16}"#;
        let old = format!(
            r#"{{{layout},"kinds":[{{"channels":[[0.0,1.0]]}}],"discrepancies":[[0.5]],"usual":[1.0,2.0],"taught_by":3}}"#
        );
        let read: Template = serde_json::from_str(&old).unwrap();
        assert_eq!(read.shape.channels, [[0.0, 1.0]]);
        assert_eq!(read.discrepancies, [0.5]);
        assert_eq!((read.layout.longest_ramp, read.n_training_sources), (16, 3));
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Template>(&written).unwrap(), read);
    }
}
