//! Block averages of a record that arrives in pieces.

use num_complex::Complex;

use crate::block::transform::{BlockScratch, BlockTransform, check_finite, reflected};
use crate::error::Error;
use crate::fourier::real::Real;

/// Block averages of one gap-free record of any length that arrives in pieces of any size.
///
/// Blocks are appended as soon as enough of the record follows them. The result does not depend on the sizes of the
/// pieces, to the bit, and memory does not grow with the length of the record.
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
    /// The last samples received.
    buffer: Vec<F>,
    /// Place of `buffer[0]` in the record.
    offset: usize,
    /// Number of blocks appended so far.
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

    /// Number of samples received.
    pub fn n_samples(&self) -> usize {
        self.offset + self.buffer.len()
    }

    /// Number of blocks appended so far.
    pub fn n_blocks(&self) -> usize {
        self.n_done
    }

    /// Receives the next `samples` of the record and appends the finished blocks to `out` `(block, coefficient)`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a sample is NaN or infinite; the stream is unchanged then.
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
                self.append(blocks.chunk_blocks(), None, out);
                // Should the record end now, the reflection reaches back a chunk and a margin from its end: that much
                // is kept, and nothing more.
                let keep = (start + chunk)
                    .saturating_sub(blocks.context_samples() + chunk)
                    .max(self.offset);
                self.buffer.drain(..keep - self.offset);
                self.offset = keep;
            }
        }
        Ok(())
    }

    /// Ends the record and appends the remaining blocks; samples after the last whole block are context only.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the record contains a block and is too short for the octaves.
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
            self.append(now, Some(n_samples), out);
        }
        Ok(())
    }

    /// Appends `n_blocks` blocks; `end` is the length of the record, once known.
    fn append(&mut self, n_blocks: usize, end: Option<usize>, out: &mut Vec<Complex<F>>) {
        let blocks = self.blocks;
        let n_paths = blocks.paths().len();
        let from = out.len();
        out.resize(
            from + n_blocks * n_paths,
            Complex::new(F::zero(), F::zero()),
        );
        let start = (self.n_done * blocks.block_samples()) as i64;
        let (buffer, offset) = (&self.buffer, self.offset);
        // A complete chunk reads no sample beyond those received, so until the end is known none is reflected; a
        // quarter of the range keeps twice the length within an i64.
        let length = end.unwrap_or(usize::MAX / 4);
        let sample = |i: i64| buffer[reflected(i, length) - offset];
        blocks.process_chunk(sample, start, &mut out[from..], &mut self.scratch);
        self.n_done += n_blocks;
    }
}
