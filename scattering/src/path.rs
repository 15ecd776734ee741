//! The table of coefficients: what each one is, in the order in which they are given out.

/// Kind of a coefficient (MATH: section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoefficientKind {
    /// `spars`: E|W_j x|.
    Sparsity,
    /// `mean`: E[x * phi].
    Mean,
    /// `scat`: E|W_j2 |W_j1 x||.
    Scattering,
    /// `ps`: E|W_j x|^2.
    PowerSpectrum,
    /// `phaseenv`: E[W_j2 x . conj(W_j2 |W_j1 x|)].
    PhaseEnvelope,
    /// `envelope`: E[W_j2 |W_j1 x| . conj(W_j2 |W_j1' x|)].
    Envelope,
}

impl CoefficientKind {
    /// The short name used in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sparsity => "spars",
            Self::Mean => "mean",
            Self::Scattering => "scat",
            Self::PowerSpectrum => "ps",
            Self::PhaseEnvelope => "phaseenv",
            Self::Envelope => "envelope",
        }
    }
}

/// Which coefficients a plan computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CoefficientSet {
    /// Sparsity, mean, power spectrum, phase-envelope, envelope (174 at J = 8).
    Cov,
    /// The same with the second-layer moduli (`scat`) after the mean (210 at J = 8).
    #[default]
    ScatCov,
}

/// One coefficient. A scale j is an index of the filter bank, J the low-pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScatteringPath {
    /// What is averaged.
    pub kind: CoefficientKind,
    /// First-layer scale of the left factor (for `PhaseEnvelope`: j2 itself).
    pub j1_left: usize,
    /// First-layer scale of the right factor, where there is one.
    pub j1_right: Option<usize>,
    /// Second-layer scale, where there is one.
    pub j2: Option<usize>,
    /// Whether the coefficient is real by construction: equal paths, or both ending in the low-pass.
    pub real: bool,
}

impl ScatteringPath {
    /// Centre frequencies in Hz at `sampling_rate_hz` of (`j1_left`, `j1_right`, `j2`), one filter an octave;
    /// 0 stands for the low-pass.
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

/// The coefficient table of a set, one filter an octave.
pub(crate) fn table(set: CoefficientSet, octaves: usize) -> Vec<ScatteringPath> {
    use CoefficientKind as Kind;
    let single = |kind, j| ScatteringPath {
        kind,
        j1_left: j,
        j1_right: None,
        j2: None,
        real: true,
    };
    let mut paths: Vec<ScatteringPath> = (0..octaves).map(|j| single(Kind::Sparsity, j)).collect();
    paths.push(single(Kind::Mean, octaves));
    if set == CoefficientSet::ScatCov {
        paths.extend(scattering_paths(octaves).map(|(j1, j2)| ScatteringPath {
            j2: Some(j2),
            ..single(Kind::Scattering, j1)
        }));
    }
    paths.extend(products(octaves));
    paths
}

/// The covariances: power spectrum, phase-envelope, envelope.
pub(crate) fn products(octaves: usize) -> Vec<ScatteringPath> {
    use CoefficientKind as Kind;
    let mut paths = Vec::new();
    for j in 0..=octaves {
        paths.push(ScatteringPath {
            kind: Kind::PowerSpectrum,
            j1_left: j,
            j1_right: Some(j),
            j2: None,
            real: true,
        });
    }
    for j2 in 1..=octaves {
        for j1 in 0..j2 {
            let real = j2 == octaves;
            paths.push(ScatteringPath {
                kind: Kind::PhaseEnvelope,
                j1_left: j2,
                j1_right: Some(j1),
                j2: Some(j2),
                real,
            });
        }
    }
    for left in 0..octaves {
        // For each left path (j1, j2) the right paths (j1', j2), j1' <= j1.
        for j2 in left + 1..=octaves {
            for right in 0..=left {
                let real = left == right || j2 == octaves;
                paths.push(ScatteringPath {
                    kind: Kind::Envelope,
                    j1_left: left,
                    j1_right: Some(right),
                    j2: Some(j2),
                    real,
                });
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_paper() {
        assert_eq!(table(CoefficientSet::Cov, 8).len(), 174);
        assert_eq!(table(CoefficientSet::ScatCov, 8).len(), 210);
        assert_eq!(table(CoefficientSet::Cov, 5).len(), 62);
        assert_eq!(envelope_count(8), 120);
    }

    #[test]
    fn pairs_are_numbered_in_lexicographic_order() {
        for octaves in 1..10 {
            for (position, (j1, j2)) in scattering_paths(octaves).enumerate() {
                assert_eq!(pair_index(octaves, j1, j2), position);
            }
        }
    }
}
