//! Unnormalised coefficients of a long record, averaged over consecutive blocks: the features of clustering.
//!
//! A gap-free run is transformed once, in chunks that overlap, so that a block sees its true neighbours (the
//! *continuous* boundary); only the ends of the run are reflected. Windows of any scale are means of blocks. A record
//! shorter than a chunk is transformed as one window, at its own samples.
//!
//! Chunks agree with one transform of the whole record to 3e-5 of a coefficient's natural scale in f64 at full rate,
//! regardless of the width of their margins (Battle-Lemarie; to 3e-3 for Shannon's boxes, whose borders depend on the
//! length of a chunk). The finest filter is cut off at 7/8 of the sampling rate, where it is still 0.002 of its peak,
//! so its impulse response falls off with the inverse of time only.

use num_complex::Complex;
use rayon::prelude::*;

use crate::block::stream::BlockStream;
use crate::coefficients::path::{CoefficientSet, ScatteringPath};
use crate::error::{Error, check_length, parameter};
use crate::fourier::grid::Oversampling;
use crate::fourier::real::Real;
use crate::transform::builder::ScatteringTransformBuilder;
use crate::transform::plan::{ScatteringScratch, ScatteringTransform};
use crate::wavelet::{FilterNorm, Wavelet};

/// Shortest chunk that is transformed at once, in samples: its rows remain in the last-level cache in f32.
const CHUNK_SAMPLES: usize = 1 << 16;

/// Longest block, in samples.
const LONGEST_BLOCK: usize = 1 << 22;

/// Parameters of a [`BlockTransform`].
#[derive(Debug, Clone)]
pub struct BlockTransformBuilder<F> {
    block_samples: usize,
    margin_samples: Option<usize>,
    oversampling: Oversampling,
    octaves: [usize; 2],
    transform: ScatteringTransformBuilder<F>,
}

/// Plan for the block averages of the coefficients of one channel along a record of any length.
///
/// Immutable, `Send + Sync`.
pub struct BlockTransform<F: Real> {
    block_samples: usize,
    /// Blocks of context on either side of those that a chunk yields.
    margin_blocks: usize,
    /// Blocks that a chunk yields.
    chunk_blocks: usize,
    /// Number of band-pass filters of each layer.
    octaves: [usize; 2],
    transform: ScatteringTransform<F>,
    /// Options for records shorter than a chunk.
    short: ScatteringTransformBuilder<F>,
}

/// Work space of a [`BlockTransform`] for one thread.
pub(crate) struct BlockScratch<F: Real> {
    samples: Vec<F>,
    scratch: ScatteringScratch<F>,
}

impl<F: Real> BlockTransformBuilder<F> {
    /// Number of octaves of both layers (default 8).
    #[must_use]
    pub fn octaves(self, octaves: usize) -> Self {
        self.octaves_by_layer(octaves, octaves)
    }

    /// Numbers of octaves of the first and of the second layer.
    #[must_use]
    pub fn octaves_by_layer(mut self, first: usize, second: usize) -> Self {
        self.octaves = [first, second];
        self
    }

    /// Numbers of filters an octave of the first and of the second layer (default 1).
    #[must_use]
    pub fn wavelets_per_octave_by_layer(mut self, first: usize, second: usize) -> Self {
        self.transform = self.transform.wavelets_per_octave_by_layer(first, second);
        self
    }

    /// Wavelet family (default Battle-Lemarie).
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet) -> Self {
        self.transform = self.transform.wavelet(wavelet);
        self
    }

    /// Normalisation of the filters (default L1). With L2 the filters depend on the length of the chunks.
    #[must_use]
    pub fn filter_norm(mut self, norm: FilterNorm) -> Self {
        self.transform = self.transform.filter_norm(norm);
        self
    }

    /// Set of coefficients (default `scat+cov`); all but raw layers and `covreduced`, which reduces normalised ones.
    #[must_use]
    pub fn coefficients(mut self, set: CoefficientSet) -> Self {
        self.transform = self.transform.coefficients(set);
        self
    }

    /// Exponents of the moments in [`CoefficientSet::Scat`] (default 1 and 2).
    #[must_use]
    pub fn moments(mut self, exponents: &[f64]) -> Self {
        self.transform = self.transform.moments(exponents);
        self
    }

    /// Density of the grids that the layers are kept on (default 8 times the filters' edges). A block of few periods
    /// of a filter has larger errors than a long window: see the accuracy of the crate.
    #[must_use]
    pub fn oversampling(mut self, oversampling: Oversampling) -> Self {
        self.oversampling = oversampling;
        self
    }

    /// Least number of true neighbouring samples on either side of a block; farther samples may be replaced by a
    /// reflection. Default 2^(J+5), 32 periods of the lowest filter.
    #[must_use]
    pub fn margin(mut self, samples: usize) -> Self {
        self.margin_samples = Some(samples);
        self
    }

    /// Builds the plan.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the block is empty or longer than 2^22 samples, the set has no block means, or the
    /// transform refuses the rest.
    pub fn check(self) -> Result<BlockTransform<F>, Error> {
        let block = self.block_samples;
        if !(1..=LONGEST_BLOCK).contains(&block) {
            let reason = format!("give 1 to {LONGEST_BLOCK} samples");
            return Err(parameter("block", block, reason));
        }
        let set = self.transform.coefficients;
        if matches!(set, CoefficientSet::Raw | CoefficientSet::CovReduced) {
            return Err(parameter(
                "coefficients",
                set,
                "blocks hold means that can be averaged further; give scat, cov or scat+cov",
            ));
        }
        let octaves = self.octaves[0].max(self.octaves[1]);
        if !(1..=14).contains(&octaves) {
            let reason =
                "give 1 to 14 for a record; transform windows one by one for longer periods";
            return Err(parameter("octaves", octaves, reason));
        }
        let margin = self.margin_samples.unwrap_or(1 << (octaves + 5));
        if margin > 1 << 23 {
            return Err(parameter("margin", margin, "give 2^23 samples or fewer"));
        }
        let margin_blocks = margin.div_ceil(block);
        // Margins are at most a quarter of a chunk each, so at most half of the work is repeated; a power of two of
        // blocks has fast FFTs.
        let total = (CHUNK_SAMPLES / block)
            .max(4 * margin_blocks)
            .max(4)
            .next_power_of_two();
        let options = self
            .transform
            .octaves_by_layer(self.octaves[0], self.octaves[1]);
        let transform = options
            .clone()
            .window(total * block)
            .pool(block)
            .oversampling(self.oversampling)
            .check()?;
        Ok(BlockTransform {
            block_samples: block,
            margin_blocks,
            chunk_blocks: total - 2 * margin_blocks,
            octaves: [0, 1].map(|layer| transform.filter_banks()[layer].n_band_pass()),
            transform,
            short: options.oversampling(Oversampling::Exact),
        })
    }
}

impl<F: Real> BlockTransform<F> {
    /// Starts the plan for blocks of `block_samples` samples.
    pub fn plan(block_samples: usize) -> BlockTransformBuilder<F> {
        BlockTransformBuilder {
            block_samples,
            margin_samples: None,
            oversampling: Oversampling::default(),
            octaves: [8, 8],
            transform: ScatteringTransform::plan(4),
        }
    }

    /// Description of each coefficient.
    pub fn paths(&self) -> &[ScatteringPath] {
        self.transform.paths()
    }

    /// Number of samples of a block.
    pub fn block_samples(&self) -> usize {
        self.block_samples
    }

    /// Number of samples on either side of a block that its averages depend on: the context to provide where the record
    /// has it.
    pub fn context_samples(&self) -> usize {
        self.margin_blocks * self.block_samples
    }

    /// Approximate work space of [`process`](Self::process) for a run of `n_samples`, in bytes a thread.
    pub fn scratch_bytes(&self, n_samples: usize) -> u64 {
        let n = self.transform.window_samples();
        let octaves = (self.octaves[0] + self.octaves[1]) as u64;
        let values = if self.is_short(n_samples) {
            // First layer, spectra of its moduli, second layer for one j2, buffers; all at full rate.
            (5 * octaves / 2 + 10) * n_samples as u64
        } else {
            (octaves + 24) * n as u64
        };
        let raw = 2 * (self.paths().len() * self.transform.n_blocks()) as u64;
        (values + raw) * size_of::<F>() as u64
    }

    /// Number of blocks that are computed at once.
    pub fn chunk_blocks(&self) -> usize {
        self.chunk_blocks
    }

    /// The transform of a chunk.
    pub fn transform(&self) -> &ScatteringTransform<F> {
        &self.transform
    }

    /// Starts a stream for a record that arrives in pieces.
    pub fn stream(&self) -> BlockStream<'_, F> {
        BlockStream::new(self)
    }

    /// Averages over `n_blocks` consecutive blocks, the first of which starts at sample `first` of the gap-free
    /// `run`, into `out` `(block, coefficient)`, unnormalised. Parallel over chunks; the result does not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// [`Error::Length`] if the blocks do not lie inside the run or `out` does not have `n_blocks * paths` elements;
    /// [`Error::NotFinite`] if the run holds a NaN or an infinity; [`Error::Parameter`] if the run is too short for the
    /// octaves.
    pub fn process(
        &self,
        run: &[F],
        first: usize,
        n_blocks: usize,
        out: &mut [Complex<F>],
    ) -> Result<(), Error> {
        let n_paths = self.paths().len();
        check_length("out", out.len(), n_blocks.saturating_mul(n_paths))?;
        let end = n_blocks
            .checked_mul(self.block_samples)
            .and_then(|samples| samples.checked_add(first));
        if end.is_none_or(|end| end > run.len()) {
            return Err(Error::Length {
                name: "run",
                found: run.len(),
                expected: end.unwrap_or(usize::MAX),
            });
        }
        check_finite(run, 0)?;
        if n_blocks == 0 {
            return Ok(());
        }
        // A chunk longer than the record would consist mostly of reflections.
        if self.is_short(run.len()) {
            return self.process_short(run, first, n_blocks, out);
        }
        out.par_chunks_mut(self.chunk_blocks * n_paths)
            .enumerate()
            .for_each_init(
                || self.make_scratch(),
                |scratch, (chunk, out)| {
                    // Chunks are counted from `first`, not from the run's start, so results do not depend on threads.
                    let start = first + chunk * self.chunk_blocks * self.block_samples;
                    // A margin may exceed a short run, so the reflection is repeated as often as needed.
                    let source = |i: i64| run[reflected(i, run.len())];
                    self.process_chunk(source, start as i64, out, scratch);
                },
            );
        Ok(())
    }

    /// True if a record ends before its first chunk would be complete; it is then transformed as one window, at its own
    /// samples: its coarse grids would not divide into blocks.
    pub(crate) fn is_short(&self, n_samples: usize) -> bool {
        n_samples < (self.chunk_blocks + self.margin_blocks) * self.block_samples
    }

    pub(crate) fn process_short(
        &self,
        run: &[F],
        first: usize,
        n_blocks: usize,
        out: &mut [Complex<F>],
    ) -> Result<(), Error> {
        let plan = self.short.clone().window(run.len()).check()?;
        let plan = plan.with_boxes(first, self.block_samples, n_blocks);
        let mut scratch = plan.make_forward_scratch();
        plan.analyze(run, &mut scratch);
        plan.measure(0..n_blocks, &mut scratch);
        transpose(&scratch.raw, n_blocks, 0, out);
        Ok(())
    }

    pub(crate) fn make_scratch(&self) -> BlockScratch<F> {
        BlockScratch {
            samples: vec![F::zero(); self.transform.window_samples()],
            scratch: self.transform.make_forward_scratch(),
        }
    }

    /// Computes the blocks from sample `start` that fit into `out`; `sample` returns any sample, beyond the record too.
    pub(crate) fn process_chunk(
        &self,
        sample: impl Fn(i64) -> F,
        start: i64,
        out: &mut [Complex<F>],
        work: &mut BlockScratch<F>,
    ) {
        let n_paths = self.paths().len();
        let from = start - self.context_samples() as i64;
        for (i, to) in work.samples.iter_mut().enumerate() {
            *to = sample(from + i as i64);
        }
        self.transform.analyze(&work.samples, &mut work.scratch);
        let blocks = self.margin_blocks..self.margin_blocks + out.len() / n_paths;
        self.transform.measure(blocks.clone(), &mut work.scratch);
        transpose(
            &work.scratch.raw,
            self.transform.n_blocks(),
            blocks.start,
            out,
        );
    }
}

/// Transposes `(coefficient, block)` to `(block, coefficient)`, for the blocks from `first` that fit into `out`.
fn transpose<F: Real>(raw: &[Complex<F>], n_blocks: usize, first: usize, out: &mut [Complex<F>]) {
    let n_paths = raw.len() / n_blocks;
    for (block, out) in out.chunks_exact_mut(n_paths).enumerate() {
        for (out, raw) in out
            .iter_mut()
            .zip(raw[first + block..].iter().step_by(n_blocks))
        {
            *out = *raw;
        }
    }
}

/// Place of sample `i` in a record of `n` samples that is extended by repeated reflection at both ends. `n` is not 0.
pub(crate) fn reflected(i: i64, n: usize) -> usize {
    if (0..n as i64).contains(&i) {
        return i as usize;
    }
    let turned = i.rem_euclid(2 * n as i64) as usize;
    if turned < n {
        turned
    } else {
        2 * n - 1 - turned
    }
}

/// Refuses NaN and infinities; `offset` is the place of the first sample in the record.
pub(crate) fn check_finite<F: Real>(samples: &[F], offset: usize) -> Result<(), Error> {
    match samples.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            index: offset + index,
            value: format!("{}", samples[index].to_double()),
        }),
    }
}
