//! Block averages of a record that comes piece by piece.

use num_complex::Complex;

use crate::block::transform::{BlockScratch, BlockTransform, check_finite, reflected};
use crate::error::Error;
use crate::fourier::real::Real;

/// Block averages of one gap-free record of any length, handed over in pieces of any size.
///
/// Blocks come out as soon as the record goes on far enough behind them. How the record is cut into pieces does not
/// change a bit of the result, and memory does not grow with its length.
///
/// ```
/// use seismix_scattering::BlockTransform;
/// let blocks = BlockTransform::<f32>::plan(256).octaves(4).check()?;
/// let mut stream = blocks.stream();
/// let mut out = Vec::new();
/// for piece in vec![0.5_f32; 10_000].chunks(777) {
///     stream.push(piece, &mut out)?;
/// }
/// stream.finish(&mut out)?;
/// assert_eq!(out.len(), 10_000 / 256 * blocks.paths().len());
/// # Ok::<(), seismix_scattering::Error>(())
/// ```
pub struct BlockStream<'a, F: Real> {
    blocks: &'a BlockTransform<F>,
    scratch: BlockScratch<F>,
    /// The end of the record so far.
    buffer: Vec<F>,
    /// Place of `buffer[0]` in the record.
    offset: usize,
    /// Blocks given out.
    n_done: usize,
}

impl<'a, F: Real> BlockStream<'a, F> {
    pub(crate) fn new(blocks: &'a BlockTransform<F>) -> Self {
        Self {
            scratch: blocks.make_scratch(),
            blocks,
            buffer: Vec::new(),
            offset: 0,
            n_done: 0,
        }
    }

    /// Samples that have been handed over.
    pub fn n_samples(&self) -> usize {
        self.offset + self.buffer.len()
    }

    /// Blocks that have been given out.
    pub fn n_blocks(&self) -> usize {
        self.n_done
    }

    /// Takes the next `samples` of the record and appends the blocks that are finished to `out` `(block, coefficient)`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a sample is NaN or infinite; nothing is taken then.
    pub fn push(&mut self, samples: &[F], out: &mut Vec<Complex<F>>) -> Result<(), Error> {
        check_finite(samples, self.n_samples())?;
        let blocks = self.blocks;
        let chunk = blocks.chunk_blocks() * blocks.block_samples();
        let mut left = samples;
        while !left.is_empty() {
            let start = self.n_done * blocks.block_samples();
            let wanted = start + chunk + blocks.context_samples();
            let (now, later) = left.split_at(left.len().min(wanted - self.n_samples()));
            self.buffer.extend_from_slice(now);
            left = later;
            if self.n_samples() == wanted {
                self.give(blocks.chunk_blocks(), None, out);
                // At the record's end up to a chunk before the next one's margin is looked at, as a reflection.
                let keep = (start + chunk)
                    .saturating_sub(blocks.context_samples() + chunk)
                    .max(self.offset);
                self.buffer.drain(..keep - self.offset);
                self.offset = keep;
            }
        }
        Ok(())
    }

    /// Ends the record and appends the blocks that are left; samples after the last whole block only serve as context.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the record holds a block and is too short for the octaves.
    pub fn finish(mut self, out: &mut Vec<Complex<F>>) -> Result<(), Error> {
        let n_samples = self.n_samples();
        let n_blocks = n_samples / self.blocks.block_samples();
        if n_blocks > 0 && self.blocks.is_short(n_samples) {
            let from = out.len();
            let zero = Complex::new(F::zero(), F::zero());
            out.resize(from + n_blocks * self.blocks.paths().len(), zero);
            return self
                .blocks
                .process_short(&self.buffer, 0, n_blocks, &mut out[from..]);
        }
        while self.n_done < n_blocks {
            let now = (n_blocks - self.n_done).min(self.blocks.chunk_blocks());
            self.give(now, Some(n_samples), out);
        }
        Ok(())
    }

    /// Appends `n_blocks` blocks; `end` is the length of the record once it is known.
    fn give(&mut self, n_blocks: usize, end: Option<usize>, out: &mut Vec<Complex<F>>) {
        let blocks = self.blocks;
        let n_paths = blocks.paths().len();
        let from = out.len();
        out.resize(
            from + n_blocks * n_paths,
            Complex::new(F::zero(), F::zero()),
        );
        let start = (self.n_done * blocks.block_samples()) as i64;
        let (buffer, offset) = (&self.buffer, self.offset);
        // Before the end is known nothing beyond it is asked for.
        let length = end.unwrap_or(usize::MAX / 4);
        let sample = |i: i64| buffer[reflected(i, length) - offset];
        blocks.process_chunk(sample, start, &mut out[from..], &mut self.scratch);
        self.n_done += n_blocks;
    }
}
