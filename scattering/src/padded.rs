//! What lies beyond the ends of a window, and the transform at the window's own rate for each choice.

use crate::error::Error;
use crate::filter_bank::{FilterBank, FilterBankBuilder};
use crate::periodic::{PeriodicScratch, PeriodicTransform};
use crate::real::Real;
use crate::transform::{Oversampling, TransformScratch, WaveletTransform};

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
    pub(crate) fn new(
        bank: FilterBankBuilder<F>,
        padding: Padding,
        window_samples: usize,
    ) -> Result<Self, Error> {
        let bank = bank.check()?;
        Ok(match padding {
            Padding::Reflect => Self::Reflect(Box::new(WaveletTransform::from_bank(
                bank,
                window_samples,
                Oversampling::Exact,
            ))),
            Padding::Periodic => Self::Periodic(Box::new(PeriodicTransform::new(bank))),
        })
    }

    pub(crate) fn filter_bank(&self) -> &FilterBank<F> {
        match self {
            Self::Reflect(transform) => transform.filter_bank(),
            Self::Periodic(transform) => transform.filter_bank(),
        }
    }

    /// Length of a spectrum buffer; entry 0 alone holds the mean.
    pub(crate) fn spectrum_len(&self) -> usize {
        match self {
            Self::Reflect(transform) => transform.n_samples(),
            Self::Periodic(transform) => transform.spectrum_len(),
        }
    }

    pub(crate) fn make_scratch(&self) -> PaddedScratch<F> {
        match self {
            Self::Reflect(transform) => PaddedScratch::Reflect(transform.make_scratch()),
            Self::Periodic(transform) => PaddedScratch::Periodic(transform.make_scratch()),
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

    pub(crate) fn filter(
        &self,
        spectrum: &[F],
        j: usize,
        (re, im): (&mut [F], &mut [F]),
        scratch: &mut PaddedScratch<F>,
    ) {
        match (self, scratch) {
            (Self::Reflect(transform), PaddedScratch::Reflect(scratch)) => {
                transform.filter(spectrum, j, re, im, scratch);
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
                transform.filter_adjoint(re, im, j, accumulator, scratch);
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
