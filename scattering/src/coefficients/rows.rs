//! Rows of samples: the storage of both layers and of their gradients.

use std::ops::Range;

use crate::fourier::real::Real;

/// A row of the two layers: `W_j x`, or `W_j2 |W_j1 x|`. The number is that of the storage it is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    First(usize),
    Second(usize),
}

/// Both layers of a signal, readable row by row: real and imaginary parts.
pub(crate) trait LayerRows<F> {
    fn row(&self, row: Row) -> (&[F], &[F]);
}

/// Gradients of both layers, writable row by row.
pub(crate) trait LayerRowsMut<F> {
    fn row_mut(&mut self, row: Row) -> (&mut [F], &mut [F]);
}

/// Rows of samples one after the other, real and imaginary parts apart; or their gradients.
#[derive(Clone)]
pub(crate) struct Rows<F> {
    /// First sample of each row.
    starts: Vec<usize>,
    /// Number of samples of each row in use.
    lengths: Vec<usize>,
    pub(crate) re: Vec<F>,
    pub(crate) im: Vec<F>,
}

impl<F: Real> Rows<F> {
    /// Zeroed rows of the given lengths.
    pub(crate) fn new(lengths: Vec<usize>) -> Self {
        let mut total = 0;
        let starts = lengths
            .iter()
            .map(|length| {
                total += length;
                total - length
            })
            .collect();
        Self {
            starts,
            lengths,
            re: vec![F::zero(); total],
            im: vec![F::zero(); total],
        }
    }

    /// Restricts every row to its first `length` samples, at most the length that it was made with.
    pub(crate) fn use_only(&mut self, length: usize) {
        self.lengths.fill(length);
    }

    /// Sets the samples in use to zero.
    pub(crate) fn clear(&mut self) {
        for row in 0..self.starts.len() {
            let (re, im) = self.row_mut(row);
            re.fill(F::zero());
            im.fill(F::zero());
        }
    }

    /// Number of samples in use of each row.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Place of a row in `re` and `im`.
    #[inline(always)]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row] + self.lengths[row]
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> (&[F], &[F]) {
        let range = self.range(row);
        (&self.re[range.clone()], &self.im[range])
    }

    #[inline(always)]
    pub(crate) fn row_mut(&mut self, row: usize) -> (&mut [F], &mut [F]) {
        let range = self.range(row);
        (&mut self.re[range.clone()], &mut self.im[range])
    }
}

/// Both layers, the second at one j2.
pub(crate) struct RowPair<'a, F> {
    pub(crate) first: &'a Rows<F>,
    pub(crate) second: &'a Rows<F>,
}

/// Gradients of both layers, of the second at one j2.
pub(crate) struct RowPairMut<'a, F> {
    pub(crate) first: &'a mut Rows<F>,
    pub(crate) second: &'a mut Rows<F>,
}

impl<F: Real> LayerRows<F> for RowPair<'_, F> {
    #[inline(always)]
    fn row(&self, row: Row) -> (&[F], &[F]) {
        match row {
            Row::First(row) => self.first.row(row),
            Row::Second(row) => self.second.row(row),
        }
    }
}

impl<F: Real> LayerRowsMut<F> for RowPairMut<'_, F> {
    #[inline(always)]
    fn row_mut(&mut self, row: Row) -> (&mut [F], &mut [F]) {
        match row {
            Row::First(row) => self.first.row_mut(row),
            Row::Second(row) => self.second.row_mut(row),
        }
    }
}
