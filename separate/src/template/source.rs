//! A fitted source.

use serde::{Deserialize, Serialize};

use super::shape::Wave;

/// One wave of a source on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What of the shape.
    pub wave: Wave,
    /// Samples after the source's onset at which it begins.
    pub delay: f64,
    /// Its factor, in the unit of the record, after shrinking.
    pub amplitude: f64,
    /// Standard deviation of the factor by the background's spectrum.
    pub deviation: f64,
}

/// One source: waves of one kind of shape that begin together on all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Which of the family's shapes.
    pub kind: usize,
    /// Its onset, in samples of the stretch.
    pub onset: f64,
    /// Length of its ramp, samples.
    pub rise: f64,
    /// Its waves, channel by channel.
    pub channels: Vec<Vec<Part>>,
    /// Fall of chi-square that it brings, all channels.
    pub chi2_decrease: f64,
    /// Root of the largest chi2_decrease of one channel: how many deviations the source stands out there.
    pub z: f64,
    /// Mean square of the whitened residual around it, on the worst channel; 1 is the background alone.
    pub misfit: f64,
}

impl Source {
    /// How much of the local misfit it explains: `chi2_decrease / (chi2_decrease + n (misfit - 1))`, with n the samples it is judged over.
    pub fn explained(&self, n_samples: usize) -> f64 {
        let rest = n_samples as f64 * (self.misfit - 1.0).max(0.0);
        self.chi2_decrease / (self.chi2_decrease + rest).max(f64::MIN_POSITIVE)
    }
}
