//! Tables of coefficients, in the order of the output.

use crate::coefficients::path::{CoefficientKind, CoefficientSet, ScaleDistance, ScatteringPath};
use crate::names::option_names;

/// Octaves J and filters an octave Q of the two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerScales {
    /// J of the first and of the second layer.
    pub octaves: [usize; 2],
    /// Q of the first and of the second layer.
    pub wavelets_per_octave: [usize; 2],
}

impl LayerScales {
    /// One filter an octave and the same octaves in both layers.
    pub fn dyadic(octaves: usize) -> Self {
        Self {
            octaves: [octaves; 2],
            wavelets_per_octave: [1; 2],
        }
    }

    /// Index of the low-pass in the first layer, J1 Q1.
    pub fn first_low_pass(&self) -> usize {
        self.octaves[0] * self.wavelets_per_octave[0]
    }

    /// Index of the low-pass in the second layer, J2 Q2.
    pub fn second_low_pass(&self) -> usize {
        self.octaves[1] * self.wavelets_per_octave[1]
    }

    /// True if W_j2 |W_j1 x| is a path: floor(j1/Q1) < floor(j2/Q2). The modulus of band j1 varies more slowly than the
    /// band itself, so filters above it would see no energy. If the second layer has more octaves, the low-pass of the
    /// first is continued into it as well.
    pub fn is_path(&self, j1: usize, j2: usize) -> bool {
        j1 / self.wavelets_per_octave[0] < j2 / self.wavelets_per_octave[1]
    }

    /// Second-layer paths (j1, j2) in lexicographic order.
    pub fn paths(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..=self.first_low_pass()).flat_map(move |j1| {
            (0..=self.second_low_pass())
                .filter(move |&j2| self.is_path(j1, j2))
                .map(move |j2| (j1, j2))
        })
    }

    /// Number of first-layer scales that are continued into the second layer, the first ones.
    pub fn n_sources(&self) -> usize {
        (0..=self.first_low_pass())
            .filter(|&j1| self.is_path(j1, self.second_low_pass()))
            .count()
    }

    /// First-layer scale with the filter of j2 of the second layer: equal j/Q, both band-passes or both low-passes.
    pub(crate) fn partner(&self, j2: usize) -> Option<usize> {
        let [q1, q2] = self.wavelets_per_octave;
        let low_pass = j2 == self.second_low_pass();
        (0..=self.first_low_pass())
            .find(|j1| j1 * q2 == j2 * q1 && (*j1 == self.first_low_pass()) == low_pass)
    }
}

/// Pairs of channels that are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ChannelPairs {
    /// Each channel with itself.
    #[default]
    Diag,
    /// All ordered pairs.
    Full,
    /// All ordered pairs of two different channels.
    OffDiag,
}

option_names!(ChannelPairs, "channels", { Diag => "diag", Full => "full", OffDiag => "offdiag" });

impl ChannelPairs {
    fn list(self, n_channels: usize) -> Vec<(usize, usize)> {
        let all = (0..n_channels).flat_map(|l| (0..n_channels).map(move |r| (l, r)));
        all.filter(|(l, r)| match self {
            Self::Diag => l == r,
            Self::Full => true,
            Self::OffDiag => l != r,
        })
        .collect()
    }
}

/// The table of a set for one channel, one filter an octave.
pub(crate) fn table(set: CoefficientSet, octaves: usize) -> Vec<ScatteringPath> {
    full_table(
        set,
        &LayerScales::dyadic(octaves),
        1,
        ChannelPairs::Diag,
        &[1.0, 2.0],
    )
}

/// The covariances of one channel, one filter an octave: power spectrum, phase-envelope, envelope.
pub(crate) fn products(octaves: usize) -> Vec<ScatteringPath> {
    pair_products(&LayerScales::dyadic(octaves), &[(0, 0)])
}

/// Number of coefficients in [`full_table`] without making it, to refuse tables that no memory holds; an upper bound if
/// the layers differ. In `u128`, since the sizes are the user's and not yet checked.
pub(crate) fn table_len(
    set: CoefficientSet,
    scales: &LayerScales,
    n_channels: usize,
    pairs: ChannelPairs,
    n_moments: usize,
) -> u128 {
    let n_first = scales.first_low_pass() as u128 + 1;
    let q = scales.wavelets_per_octave.map(|q| q as u128);
    let (mut n_second, mut n_envelopes) = (0_u128, 0_u128);
    for j2 in 0..=scales.second_low_pass() as u128 {
        // Paths have floor(j1 / Q1) < floor(j2 / Q2), i.e. j1 < floor(j2 / Q2) Q1.
        let active = (j2 / q[1] * q[0]).min(n_first);
        n_second += active;
        n_envelopes += active * (active + 1) / 2;
    }
    let (channels, n_pairs) = (n_channels as u128, pairs.list(n_channels).len() as u128);
    match set {
        CoefficientSet::Raw => channels * (n_first + n_second),
        CoefficientSet::Scat => channels * (n_first + n_second) * n_moments as u128,
        _ => channels * (n_first + n_second) + n_pairs * (n_first + n_second + n_envelopes),
    }
}

/// The table of a set; for `CovReduced` the table before its [`Reduction`].
pub(crate) fn full_table(
    set: CoefficientSet,
    scales: &LayerScales,
    n_channels: usize,
    pairs: ChannelPairs,
    moments: &[f64],
) -> Vec<ScatteringPath> {
    match set {
        CoefficientSet::Raw => both_layers(CoefficientKind::Raw, scales, n_channels, &[1.0]),
        CoefficientSet::Scat => {
            both_layers(CoefficientKind::Scattering, scales, n_channels, moments)
        }
        CoefficientSet::Cov | CoefficientSet::ScatCov | CoefficientSet::CovReduced => {
            let mut paths = Vec::new();
            let low_pass = scales.first_low_pass();
            for channel in 0..n_channels {
                let sparsity = CoefficientKind::Sparsity;
                paths.extend((0..low_pass).map(|j| ScatteringPath::single(sparsity, channel, j)));
                paths.push(ScatteringPath::single(
                    CoefficientKind::Mean,
                    channel,
                    low_pass,
                ));
            }
            if set == CoefficientSet::ScatCov {
                for channel in 0..n_channels {
                    paths.extend(second_layer(CoefficientKind::Scattering, scales, channel));
                }
            }
            paths.extend(pair_products(scales, &pairs.list(n_channels)));
            paths
        }
    }
}

fn second_layer(
    kind: CoefficientKind,
    scales: &LayerScales,
    channel: usize,
) -> impl Iterator<Item = ScatteringPath> + '_ {
    scales.paths().map(move |(j1, j2)| ScatteringPath {
        j2: Some(j2),
        real: kind != CoefficientKind::Raw || j2 == scales.second_low_pass(),
        ..ScatteringPath::single(kind, channel, j1)
    })
}

/// All paths of the first layer, then of the second; moments vary fastest.
fn both_layers(
    kind: CoefficientKind,
    scales: &LayerScales,
    n_channels: usize,
    moments: &[f64],
) -> Vec<ScatteringPath> {
    let mut paths = Vec::new();
    for channel in 0..n_channels {
        paths.extend((0..=scales.first_low_pass()).map(|j| ScatteringPath {
            real: kind != CoefficientKind::Raw || j == scales.first_low_pass(),
            ..ScatteringPath::single(kind, channel, j)
        }));
    }
    for channel in 0..n_channels {
        paths.extend(second_layer(kind, scales, channel));
    }
    paths
        .iter()
        .flat_map(|&path| {
            moments
                .iter()
                .map(move |&exponent| ScatteringPath { exponent, ..path })
        })
        .collect()
}

fn pair_products(scales: &LayerScales, pairs: &[(usize, usize)]) -> Vec<ScatteringPath> {
    let product = |kind, (left, right), j1_left, j1_right| ScatteringPath {
        j1_right: Some(j1_right),
        channel_right: right,
        exponent: 2.0,
        ..ScatteringPath::single(kind, left, j1_left)
    };
    let mut paths = Vec::new();
    for &pair in pairs {
        for j in 0..=scales.first_low_pass() {
            paths.push(product(CoefficientKind::PowerSpectrum, pair, j, j));
        }
    }
    let low_pass = scales.second_low_pass();
    for &pair in pairs {
        for j2 in 0..=low_pass {
            // The product needs W_j2 x: where the first layer lacks the filter of j2 there is no coefficient.
            let Some(left) = scales.partner(j2) else {
                continue;
            };
            for right in (0..=scales.first_low_pass()).filter(|&j1| scales.is_path(j1, j2)) {
                paths.push(ScatteringPath {
                    j2: Some(j2),
                    real: j2 == low_pass,
                    ..product(CoefficientKind::PhaseEnvelope, pair, left, right)
                });
            }
        }
    }
    for &pair in pairs {
        for (left, j2) in scales.paths() {
            // The matrix over (j1, j1') is Hermitian, so the half j1' <= j1 holds everything.
            for right in 0..=left {
                paths.push(ScatteringPath {
                    j2: Some(j2),
                    real: left == right || j2 == low_pass,
                    ..product(CoefficientKind::Envelope, pair, left, right)
                });
            }
        }
    }
    paths
}

/// Rows of one kind and pair of channels at equal distances of their scales.
struct Group {
    /// (is an envelope, left channel, right channel).
    of: (bool, usize, usize),
    distance: ScaleDistance,
    rows: Vec<usize>,
}

/// Means over scales that reduce `cov` to `covreduced`.
#[derive(Debug, Clone)]
pub(crate) struct Reduction {
    /// The reduced table.
    pub paths: Vec<ScatteringPath>,
    /// For each of its rows, the rows of `cov` that are averaged.
    pub rows: Vec<Vec<usize>>,
}

impl Reduction {
    pub(crate) fn new(base: &[ScatteringPath], scales: &LayerScales) -> Self {
        let mut reduced = Self {
            paths: Vec::new(),
            rows: Vec::new(),
        };
        let averaged = |path: &ScatteringPath| {
            matches!(
                path.kind,
                CoefficientKind::PhaseEnvelope | CoefficientKind::Envelope
            ) && path.j2 != Some(scales.second_low_pass())
        };
        let mut groups: Vec<Group> = Vec::new();
        for (k, path) in base.iter().enumerate() {
            // The low-pass has no scale, so its products are not averaged over any.
            if !averaged(path) {
                reduced.paths.push(*path);
                reduced.rows.push(vec![k]);
                continue;
            }
            let a = path.j1_left - path.j1_right.unwrap_or(path.j1_left);
            let b = (path.kind == CoefficientKind::Envelope)
                .then(|| path.j1_left as i32 - path.j2.unwrap_or(0) as i32);
            let of = (
                path.kind == CoefficientKind::Envelope,
                path.channel_left,
                path.channel_right,
            );
            let distance = ScaleDistance { a, b };
            match groups
                .iter_mut()
                .find(|group| group.of == of && group.distance == distance)
            {
                Some(group) => group.rows.push(k),
                None => groups.push(Group {
                    of,
                    distance,
                    rows: vec![k],
                }),
            }
        }
        // The order of the reference's index table: kind and channels in the order of the base, distances ascending.
        groups.sort_by_key(|group| (group.of, group.distance.a, group.distance.b));
        for Group { distance, rows, .. } in groups {
            let first = base[rows[0]];
            let real = rows.iter().all(|&k| base[k].real);
            reduced.paths.push(ScatteringPath {
                distance: Some(distance),
                real,
                ..first
            });
            reduced.rows.push(rows);
        }
        reduced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coefficients::path::envelope_count;

    #[test]
    fn counts_are_those_of_the_paper() {
        assert_eq!(table(CoefficientSet::Cov, 8).len(), 174);
        assert_eq!(table(CoefficientSet::ScatCov, 8).len(), 210);
        assert_eq!(table(CoefficientSet::Cov, 5).len(), 62);
        assert_eq!(envelope_count(8), 120);
        let base = table(CoefficientSet::Cov, 8);
        assert_eq!(
            Reduction::new(&base, &LayerScales::dyadic(8)).paths.len(),
            97
        );
    }
}
