//! Description of a coefficient.

pub use seismix_core::coefficient::CoefficientKind;
use seismix_core::coefficient::CoefficientRow;

use crate::names::option_names;

/// Set of coefficients that a plan computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CoefficientSet {
    /// Both layers as series of time, no average.
    Raw,
    /// Moments E|.|^q of both layers.
    Scat,
    /// Sparsity, mean, power spectrum, phase-envelope, envelope (174 at J = 8).
    Cov,
    /// `Cov` with the second-layer moduli (`scat`) after the mean (210 at J = 8).
    #[default]
    ScatCov,
    /// The scale-invariant reduction of `Cov`: phase-envelope averaged over j at fixed distance a of the two scales,
    /// envelope at fixed (a, b); low-pass rows are kept one by one (97 at J = 8).
    CovReduced,
}

option_names!(CoefficientSet, "coefficients", {
    Raw => "raw",
    Scat => "scat",
    Cov => "cov",
    ScatCov => "scat+cov",
    CovReduced => "covreduced",
});

/// Distances between scales in an averaged coefficient of [`CoefficientSet::CovReduced`], in filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScaleDistance {
    /// a = j1_left - j1_right.
    pub a: usize,
    /// b = j1_left - j2 < 0, of an envelope.
    pub b: Option<i32>,
}

/// One coefficient. A scale j is an index of its layer's filter bank, JQ the low-pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScatteringPath {
    /// Kind of the average.
    pub kind: CoefficientKind,
    /// First-layer scale of the left factor (for `PhaseEnvelope`: the one with the frequency of `j2`).
    pub j1_left: usize,
    /// First-layer scale of the right factor of a product.
    pub j1_right: Option<usize>,
    /// Second-layer scale, of coefficients of the second layer.
    pub j2: Option<usize>,
    /// True if the two paths are equal or both end in the low-pass. With one channel, and for moments, the coefficient
    /// is then real; see [`is_real`](Self::is_real) for two channels.
    pub real: bool,
    /// Channel of the left factor.
    pub channel_left: usize,
    /// Channel of the right factor; equal to the left one for a single factor.
    pub channel_right: usize,
    /// Exponent q of a modulus, 2 for a product.
    pub exponent: f64,
    /// Distances of the scales, for a mean over scales. The scales above are then those of its first term.
    pub distance: Option<ScaleDistance>,
}

impl ScatteringPath {
    pub(crate) fn single(kind: CoefficientKind, channel: usize, j1: usize) -> Self {
        Self {
            kind,
            j1_left: j1,
            j1_right: None,
            j2: None,
            real: true,
            channel_left: channel,
            channel_right: channel,
            exponent: 1.0,
            distance: None,
        }
    }

    /// Row of an index table, with -1 for no wavelet.
    pub fn row(&self) -> CoefficientRow {
        let number = |j: Option<usize>| j.map_or(-1, |j| j as i32);
        CoefficientRow {
            kind: self.kind,
            j1_left: self.j1_left as i32,
            j1_right: number(self.j1_right),
            j2: number(self.j2),
            real: self.real,
        }
    }

    /// True if the coefficient is real by construction, for two channels too.
    pub fn is_real(&self) -> bool {
        let same = self.channel_left == self.channel_right;
        let product = self.j1_right.is_some();
        // Equal paths of two channels are not conjugates of each other, and `real` does not record which of its two
        // reasons holds, so cross products are taken for complex.
        self.real && (same || !product)
    }

    /// Centre frequencies in Hz at `sampling_rate_hz` of (`j1_left`, `j1_right`, `j2`), one filter an octave;
    /// 0 for the low-pass.
    pub fn center_frequencies_hz(
        &self,
        octaves: usize,
        sampling_rate_hz: f64,
    ) -> (f64, Option<f64>, Option<f64>) {
        let hz = |j: usize| {
            if j == octaves {
                0.0
            } else {
                0.425 * 0.5_f64.powi(j as i32) * sampling_rate_hz
            }
        };
        (hz(self.j1_left), self.j1_right.map(hz), self.j2.map(hz))
    }
}

/// Number of envelope coefficients at `octaves` octaves: J (J + 1) (J + 2) / 6.
pub fn envelope_count(octaves: usize) -> usize {
    octaves * (octaves + 1) * (octaves + 2) / 6
}

/// Second-layer paths (j1, j2), j1 < j2 <= J, in lexicographic order.
pub fn scattering_paths(octaves: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..octaves).flat_map(move |j1| (j1 + 1..=octaves).map(move |j2| (j1, j2)))
}

/// Position of (j1, j2) in [`scattering_paths`].
pub(crate) fn pair_index(octaves: usize, j1: usize, j2: usize) -> usize {
    debug_assert!(j1 < j2 && j2 <= octaves);
    j1 * octaves - j1 * j1.saturating_sub(1) / 2 + (j2 - j1 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_in_lexicographic_order() {
        for octaves in 1..10 {
            for (position, (j1, j2)) in scattering_paths(octaves).enumerate() {
                assert_eq!(pair_index(octaves, j1, j2), position);
            }
        }
    }
}
