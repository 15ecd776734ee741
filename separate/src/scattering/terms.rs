//! The three terms of the loss, and how it is built.

use seismix_scattering::{Oversampling, Wavelet, WaveletTransform};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The three terms of the loss: ratios of squared deviations to sampling variance, without unit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ObjectiveTerms {
    /// L1 = mean |Phi(n) - Phi(n_k)|^2 / std_k^2: n has the statistics of the background.
    pub background: f64,
    /// L2 = mean |Phi(x) - Phi(x - n + n_k)|^2 / std_k^2: the source plus any background looks like the mixture.
    pub mixture: f64,
    /// L3 = 1/2 mean over both orders of |Phi_x(x - n, n_k)|^2 / std_k^2: the source is independent of the background.
    pub independence: f64,
}

impl ObjectiveTerms {
    /// L = L1 + L2 + L3.
    pub fn loss(&self) -> f64 {
        self.background + self.mixture + self.independence
    }

    /// The three terms in order.
    pub fn to_array(self) -> [f64; 3] {
        [self.background, self.mixture, self.independence]
    }

    /// From the three terms in order.
    pub fn from_array([background, mixture, independence]: [f64; 3]) -> Self {
        Self {
            background,
            mixture,
            independence,
        }
    }
}

/// How the loss is built.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveOptions {
    /// Octaves J of the transform.
    pub octaves: usize,
    /// Floor under each std_k, relative to the natural scale of its coefficient; 0 is the published loss. Without it
    /// a coefficient that hardly varies over the snippets (the mean of detrended windows) rules the whole sum.
    pub std_floor: f64,
    /// Grids of the transform; 4 times changes a coefficient by 5e-4 of its natural scale, far below its spread.
    pub oversampling: Oversampling,
}

impl ObjectiveOptions {
    /// The published loss: no floor, and the full rate, which agrees with the reference to rounding.
    pub fn paper(octaves: usize) -> Self {
        Self {
            octaves,
            std_floor: 0.0,
            oversampling: Oversampling::Exact,
        }
    }

    /// The published loss on coarse grids: 3 times faster, coefficients within 1e-4 of their natural scales.
    pub fn published_on_grids(octaves: usize) -> Self {
        Self {
            oversampling: Oversampling::Times(8),
            ..Self::paper(octaves)
        }
    }

    /// Refuses octaves for which windows of `n_samples` samples are too short.
    pub(crate) fn check_octaves(self, n_samples: usize) -> Result<(), Error> {
        let Self {
            octaves,
            oversampling,
            ..
        } = self;
        match WaveletTransform::<f64>::new(Wavelet::default(), octaves, n_samples, oversampling) {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Octaves {
                octaves,
                n_samples,
                source,
            }),
        }
    }

    /// The loss for records: std_k is at least 1 % of the coefficient's natural scale.
    pub fn floored(octaves: usize) -> Self {
        Self {
            octaves,
            std_floor: 1e-2,
            oversampling: Oversampling::Times(4),
        }
    }
}
