//! Template and calibration of a station: learned once, kept as a file, applied to any of its days.

use std::path::Path;

use seismix_data::{StationKey, StreamId};
use seismix_separate::detection::Calibration;
use seismix_separate::template::{Evidence, Template};
use serde::{Deserialize, Serialize};

use crate::stage::{PipelineError, Result, write_json, write_output};

/// Format of the file, as its first key says.
const FORMAT: &str = "seismix template 1";
/// Largest file that is read.
const MAX_BYTES: u64 = 256 << 20;

/// Template of a repeating source of one station, with the calibration of its finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StationTemplate {
    /// Format and version of the file.
    pub format: String,
    /// Station, location and band that it was learned at.
    pub station: StationKey,
    /// Channel code of each waveform, such as `BHU`.
    pub channels: Vec<String>,
    /// Sampling rate of the waveforms, Hz.
    pub sampling_rate: f64,
    /// Waveforms.
    pub template: Template,
    /// Evidence that the sources share a waveform; `None` if it was not tested.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Records that it was learned from, in words.
    pub learned_from: String,
    /// False discovery rates by score and noise; empty until the template was tried on a record.
    #[serde(default)]
    pub calibration: Calibration,
}

impl StationTemplate {
    /// A template without calibration.
    pub fn new(
        station: &StationKey,
        channels: &[StreamId],
        sampling_rate: f64,
        template: Template,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            station: station.clone(),
            channels: channels.iter().map(|id| id.channel.clone()).collect(),
            sampling_rate,
            template,
            evidence: None,
            learned_from: String::new(),
            calibration: Calibration::default(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Unusable`] if it is no template of this format, or an impossible one.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = seismix_core::regular_file::read(path, MAX_BYTES)
            .map_err(PipelineError::io("reading", path))?;
        Self::from_json(&bytes).map_err(|reason| {
            PipelineError::unusable(
                format!("`{}` is no template: {reason}", path.display()),
                "give a file from the folder `templates/` of an output of `seismix deglitch`",
            )
        })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// As [`write_output`].
    pub fn save(&self, path: &Path) -> Result<()> {
        write_output(path, "template", |staged| write_json(staged, self))
    }

    /// Reads a template from JSON.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn from_json(bytes: &[u8]) -> std::result::Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if read.format != FORMAT {
            return Err(format!("its format is `{}`, not `{FORMAT}`", read.format));
        }
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let template = &self.template;
        let n = self.channels.len();
        if n == 0 || template.shape.channels.len() != n || template.discrepancies.len() != n {
            return Err("its channels and waveforms differ in number".into());
        }
        if !(self.sampling_rate > 0.0 && self.sampling_rate.is_finite()) {
            return Err(format!("its sampling rate is {} Hz", self.sampling_rate));
        }
        let layout = template.layout;
        if layout != Template::layout(layout.length) {
            return Err("its sizes do not go together".into());
        }
        let sound = |h: &Vec<f64>| h.len() == layout.length && h.iter().all(|v| v.is_finite());
        if !template.shape.channels.iter().all(sound) {
            return Err("a waveform has another length, or samples that are not finite".into());
        }
        Ok(())
    }

    /// The template at another sampling rate; its calibration is kept.
    pub fn at_rate(&self, sampling_rate: f64) -> Self {
        Self {
            template: self.template.resampled(sampling_rate / self.sampling_rate),
            sampling_rate,
            ..self.clone()
        }
    }

    /// The template for some channels of a record at its rate; `None` if it lacks one of them.
    ///
    /// Channels go together by their codes, or by the component's letter where the band differs.
    pub fn matched(&self, channels: &[StreamId], sampling_rate: f64) -> Option<Template> {
        let component = |code: &str| code.chars().last();
        let index = |id: &StreamId| {
            let same = self.channels.iter().position(|c| *c == id.channel);
            let letter = component(&id.channel);
            same.or_else(|| self.channels.iter().position(|c| component(c) == letter))
        };
        let chosen: Vec<usize> = channels.iter().map(index).collect::<Option<_>>()?;
        let template = self.template.of_channels(&chosen);
        let ratio = sampling_rate / self.sampling_rate;
        Some(match (ratio - 1.0).abs() < 1e-3 {
            true => template,
            false => template.resampled(ratio),
        })
    }
}
