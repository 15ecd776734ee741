//! Source that was found in a record.

use serde::{Deserialize, Serialize};

use super::waveform::Wave;

/// One wave of a source on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Waveform, made from the shape.
    pub wave: Wave,
    /// Samples from the source's onset to that of the wave.
    pub delay: f64,
    /// Amplitude in the unit of the record, after shrinking.
    pub amplitude: f64,
    /// Standard deviation of the amplitude, by the background's spectrum.
    pub deviation: f64,
}

/// Source: waves that begin together on all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateSource {
    /// Onset, in samples of the segment.
    pub onset: f64,
    /// Length of its ramp, samples.
    #[serde(alias = "rise")]
    pub ramp_length: f64,
    /// Waves of each channel.
    pub channels: Vec<Vec<Part>>,
    /// Decrease of chi-square by the source, all channels.
    #[serde(alias = "fall")]
    pub chi2_decrease: f64,
    /// Root of the largest decrease of chi-square on one channel: a z-score.
    pub z: f64,
    /// Mean square of the whitened residual around it, on the worst channel; 1 for the background alone.
    pub misfit: f64,
}
