//! How loud a window is, for those who want it among the inputs: by default nothing but the finest levels sees amplitude.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::deflate::Deflation;
use super::fit::training_rows;
use super::project::{Projection, StandardScaler};
use super::{EnergyRows, EnergySegment, InputsOptions, WindowLayout};

/// Principal components of the log powers, at most.
const COMPONENTS: usize = 8;

/// Log powers as further inputs: see [`InputsOptions::amplitude`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AmplitudeInputs {
    /// Which powers are kept; all have the same unit.
    pub standardiser: StandardScaler,
    /// Cell means of the coarser clusters: what a coarser scale has told is not told again.
    pub deflation: Deflation,
    /// Principal components, not whitened, times the weight.
    pub principal: Projection,
}

impl AmplitudeInputs {
    /// Powers with a variance of `weight^2` times `variance` over training windows; none if they do not vary.
    pub(super) fn fit(
        powers: ArrayView2<'_, f32>,
        training: &[bool],
        coarser: &[&[usize]],
        options: &InputsOptions,
        variance: f64,
    ) -> Option<Self> {
        let mut standardiser = StandardScaler::fit(powers, training, options.min_std, options.clip);
        if standardiser.kept.is_empty() || options.amplitude <= 0.0 {
            return None;
        }
        standardiser.keep_units();
        let mut standard = standardiser.apply(powers);
        let deflation = if options.deflation {
            Deflation::fit(standard.view(), training, coarser, options.min_cell_windows)
        } else {
            Deflation::default()
        };
        deflation.apply(&mut standard, coarser);
        let standard = standard.mapv(f64::from);
        let rows = training_rows(standard.view(), training);
        let mut principal = Projection::principal(rows.view(), COMPONENTS, false);
        let own = rows.var_axis(Axis(0), 0.0).sum();
        principal.map *= options.amplitude * (variance / own.max(f64::MIN_POSITIVE)).sqrt();
        Some(Self {
            standardiser,
            deflation,
            principal,
        })
    }

    /// `(window, component)`.
    pub(super) fn project(&self, powers: ArrayView2<'_, f32>, coarser: &[&[usize]]) -> Array2<f64> {
        let mut standard = self.standardiser.apply(powers);
        self.deflation.apply(&mut standard, coarser);
        self.principal.apply(standard.mapv(f64::from).view())
    }

    pub(super) fn is_consistent(&self) -> bool {
        let n_kept = self.standardiser.kept.len();
        self.standardiser.is_consistent()
            && self.deflation.is_consistent(n_kept)
            && self.principal.is_consistent()
            && self.principal.map.nrows() == n_kept
    }
}

/// `ln ps_j` of every window, mean over channels, `(window, power)`, segments one after the other.
pub(super) fn log_powers(
    segments: &[EnergySegment],
    rows: &EnergyRows,
    layout: &WindowLayout,
    scale: usize,
) -> Array2<f32> {
    let width = rows.power.len();
    let counts: Vec<usize> = segments
        .iter()
        .map(|segment| layout.n_windows(segment.n_blocks()))
        .collect();
    let mut powers = Array2::<f32>::zeros((counts.iter().sum(), width));
    let mut rest = powers.as_slice_mut().unwrap_or(&mut []);
    for (segment, &count) in segments.iter().zip(&counts) {
        let (here, later) = rest.split_at_mut(count * width);
        rest = later;
        if count == 0 {
            continue;
        }
        let own = segment.level(rows, layout, layout.scale_blocks(scale));
        here.par_chunks_mut(width)
            .enumerate()
            .for_each(|(window, out)| out.copy_from_slice(own.at(layout.end_block(window)).0));
    }
    powers
}
