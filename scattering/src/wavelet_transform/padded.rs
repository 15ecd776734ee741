//! Extension of a window beyond its ends, and the transform for each choice.

use crate::coefficients::averages::BlockMeans;
use crate::filter_bank::FilterBank;
use crate::fourier::real::Real;
use crate::names::option_names;
use crate::wavelet_transform::periodic::PeriodicTransform;
use crate::wavelet_transform::reflected::{TransformScratch, WaveletTransform};

/// Extension of a window beyond its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Padding {
    /// Its mirror image about half a sample beyond the edge, so that the edge sample is repeated: a period of 2T.
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

/// The transform of one bank with either extension.
pub(crate) enum PaddedTransform<F: Real> {
    Reflect(Box<WaveletTransform<F>>),
    Periodic(Box<PeriodicTransform<F>>),
}

impl<F: Real> PaddedTransform<F> {
    /// `sizes` holds the number of samples kept of each scale; a periodic window keeps all of them.
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

    /// Number of samples kept of scale j.
    pub(crate) fn row_samples(&self, j: usize) -> usize {
        match self {
            Self::Reflect(transform) => transform.row_samples(j),
            Self::Periodic(transform) => transform.filter_bank().n_bins,
        }
    }

    /// Weights of means over `n_blocks` blocks of the window, for each scale.
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

    /// Work space for transforms of one window.
    pub(crate) fn make_scratch(transforms: &[Self], window_samples: usize) -> TransformScratch<F> {
        let lengths = transforms.iter().map(|transform| match transform {
            Self::Reflect(transform) => transform.fft_scratch_len(),
            Self::Periodic(transform) => transform.fft_scratch_len(),
        });
        TransformScratch::new(window_samples, lengths.max().unwrap_or(0))
    }

    pub(crate) fn spectrum(&self, signal: &[F], out: &mut [F], scratch: &mut TransformScratch<F>) {
        match self {
            Self::Reflect(transform) => transform.spectrum(signal, out, scratch),
            Self::Periodic(transform) => transform.spectrum(signal, out, &mut scratch.buffers),
        }
    }

    /// Spectrum of the modulus of a row of scale j.
    pub(crate) fn spectrum_of_modulus(
        &self,
        row: (&[F], &[F]),
        j: usize,
        out: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        match self {
            Self::Reflect(transform) => transform.spectrum_of_modulus(row, j, out, scratch),
            Self::Periodic(transform) => {
                transform.spectrum_of_modulus(row, out, &mut scratch.buffers);
            }
        }
    }

    /// Adds the gradient with respect to a modulus of scale j, given that with respect to its spectrum.
    pub(crate) fn spectrum_of_row_adjoint(
        &self,
        j: usize,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        match self {
            Self::Reflect(transform) => {
                transform.spectrum_of_row_adjoint(j, accumulator, gradient, scratch);
            }
            Self::Periodic(transform) => {
                transform.spectrum_adjoint(accumulator, gradient, &mut scratch.buffers);
            }
        }
    }

    /// `W_j` of the series whose spectrum is given.
    pub(crate) fn filter(
        &self,
        spectrum: &[F],
        j: usize,
        row: (&mut [F], &mut [F]),
        scratch: &mut TransformScratch<F>,
    ) {
        match self {
            Self::Reflect(transform) => transform.filter_bins(spectrum, j, row, scratch),
            Self::Periodic(transform) => transform.filter(spectrum, j, row, &mut scratch.buffers),
        }
    }

    /// Adds to `accumulator` the gradient with respect to the spectrum.
    pub(crate) fn filter_adjoint(
        &self,
        row: (&[F], &[F]),
        j: usize,
        accumulator: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        match self {
            Self::Reflect(transform) => {
                transform.filter_bins_adjoint(row, j, accumulator, scratch);
            }
            Self::Periodic(transform) => {
                transform.filter_adjoint(row, j, accumulator, &mut scratch.buffers);
            }
        }
    }

    /// Adds to `gradient` the gradient with respect to the signal.
    pub(crate) fn spectrum_adjoint(
        &self,
        accumulator: &[F],
        gradient: &mut [F],
        scratch: &mut TransformScratch<F>,
    ) {
        match self {
            Self::Reflect(transform) => transform.spectrum_adjoint(accumulator, gradient, scratch),
            Self::Periodic(transform) => {
                transform.spectrum_adjoint(accumulator, gradient, &mut scratch.buffers);
            }
        }
    }
}
