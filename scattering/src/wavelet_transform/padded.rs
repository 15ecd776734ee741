//! What lies beyond the ends of a window, and the transform for each choice.

use crate::coefficients::averages::BlockMeans;
use crate::filter_bank::FilterBank;
use crate::fourier::real::Real;
use crate::names::option_names;
use crate::wavelet_transform::periodic::{PeriodicScratch, PeriodicTransform};
use crate::wavelet_transform::reflected::{TransformScratch, WaveletTransform};

/// What lies beyond the ends of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Padding {
    /// Its mirror image, the edge sample repeated: a period of 2T.
    #[default]
    Reflect,
    /// The window again: a period of T.
    Periodic,
}

option_names!(Padding, "padding", { Reflect => "reflect", Periodic => "periodic" });

impl Padding {
    /// Length N of the padded window, the number of bins of its filters.
    pub fn n_bins(self, window_samples: usize) -> usize {
        match self {
            Self::Reflect => 2 * window_samples,
            Self::Periodic => window_samples,
        }
    }
}

/// One bank's transform.
pub(crate) enum PaddedTransform<F: Real> {
    Reflect(Box<WaveletTransform<F>>),
    Periodic(Box<PeriodicTransform<F>>),
}

/// Work space of a [`PaddedTransform`].
pub(crate) enum PaddedScratch<F> {
    Reflect(TransformScratch<F>),
    Periodic(PeriodicScratch<F>),
}

impl<F: Real> PaddedTransform<F> {
    /// `sizes` holds how many samples of each scale are kept; all of them where the window is one period.
    pub(crate) fn new(
        bank: FilterBank<F>,
        padding: Padding,
        window_samples: usize,
        sizes: &[usize],
    ) -> Self {
        match padding {
            Padding::Reflect => Self::Reflect(Box::new(WaveletTransform::from_bank(
                bank,
                window_samples,
                sizes,
            ))),
            Padding::Periodic => Self::Periodic(Box::new(PeriodicTransform::new(bank))),
        }
    }

    /// Samples that are kept of scale j.
    pub(crate) fn row_samples(&self, j: usize) -> usize {
        match self {
            Self::Reflect(transform) => transform.row_samples(j),
            Self::Periodic(transform) => transform.filter_bank().n_bins,
        }
    }

    /// Means over `n_blocks` blocks of the window, for each scale.
    pub(crate) fn block_means(&self, n_blocks: usize) -> Vec<BlockMeans<F>> {
        match self {
            Self::Reflect(transform) => transform.block_means(n_blocks),
            Self::Periodic(transform) => {
                let bank = transform.filter_bank();
                (0..=bank.n_band_pass())
                    .map(|_| BlockMeans::plain(bank.n_bins, n_blocks))
                    .collect()
            }
        }
    }

    pub(crate) fn filter_bank(&self) -> &FilterBank<F> {
        match self {
            Self::Reflect(transform) => transform.filter_bank(),
            Self::Periodic(transform) => transform.filter_bank(),
        }
    }

    /// Length of the spectrum of a row of scale j, or of the signal; entry 0 alone holds the mean.
    pub(crate) fn spectrum_len(&self, j: Option<usize>) -> usize {
        match self {
            Self::Reflect(transform) => {
                j.map_or(transform.n_samples(), |j| transform.row_samples(j))
            }
            Self::Periodic(transform) => transform.spectrum_len(),
        }
    }

    /// Work space for `first` and for others of the same window.
    pub(crate) fn make_scratch(first: &Self, others: &[Self]) -> PaddedScratch<F> {
        match first {
            Self::Reflect(first) => {
                let lengths = others.iter().map(|transform| match transform {
                    Self::Reflect(transform) => transform.fft_scratch_len(),
                    Self::Periodic(_) => 0,
                });
                let length = lengths.fold(first.fft_scratch_len(), usize::max);
                PaddedScratch::Reflect(first.make_shared_scratch(length))
            }
            Self::Periodic(first) => PaddedScratch::Periodic(first.make_scratch()),
        }
    }

    pub(crate) fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut PaddedScratch<F>) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.spectrum(signal, out, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.spectrum(signal, out, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }

    /// Spectrum of the modulus of a row of scale j.
    pub(crate) fn spectrum_of_modulus(
        &self,
        row: (&[F], &[F]),
        j: usize,
        out: &mut [F],
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.spectrum_of_modulus(row, j, out, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.spectrum_of_modulus(row, out, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }

    /// Adds to `gradient` of a modulus of scale j that with respect to its spectrum.
    pub(crate) fn spectrum_of_row_adjoint(
        &self,
        j: usize,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.spectrum_of_row_adjoint(j, accumulator, gradient, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.spectrum_adjoint(accumulator, gradient, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }

    pub(crate) fn filter(
        &self,
        spectrum: &[F],
        j: usize,
        (re, im): (&mut [F], &mut [F]),
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.filter_bins(spectrum, j, re, im, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.filter(spectrum, j, re, im, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }

    /// Adds to `accumulator` the gradient with respect to the spectrum.
    pub(crate) fn filter_adjoint(
        &self,
        (re, im): (&[F], &[F]),
        j: usize,
        accumulator: &mut [F],
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.filter_bins_adjoint(re, im, j, accumulator, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.filter_adjoint(re, im, j, accumulator, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }

    /// Adds to `gradient` the gradient with respect to the signal.
    pub(crate) fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.spectrum_adjoint(accumulator, gradient, scratch);
            }
            (Self::Periodic(transform), PaddedScratch::Periodic(scratch)) => {
                transform.spectrum_adjoint(accumulator, gradient, scratch);
            }
            _ => debug_assert!(false, "scratch of another plan"),
        }
    }
}
