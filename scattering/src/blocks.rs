//! Unnormalised coefficients of a long record, averaged over consecutive blocks: the features of clustering.
//!
//! A gap-free run is transformed once, in chunks that overlap, so that a block sees its true neighbours
//! (the *continuous* boundary, MATH: section 3); only the ends of the run are reflected.

use num_complex::Complex;
use rayon::prelude::*;

use crate::correlation::Correlations;
use crate::covariance::measure_range;
use crate::error::{Error, check_length, parameter};
use crate::filter_bank::Wavelet;
use crate::layers::Layers;
use crate::path::{CoefficientSet, ScatteringPath};
use crate::path_table::table;
use crate::real::Real;
use crate::transform::{Oversampling, WaveletTransform};

/// Longest chunk that is transformed at once, in samples.
const CHUNK_SAMPLES: usize = 65_536;

/// Parameters of a [`BlockTransform`].
#[derive(Debug, Clone)]
pub struct BlockTransformBuilder {
    block_samples: usize,
    octaves: usize,
    wavelet: Wavelet,
    set: CoefficientSet,
}

/// Plan for the block averages of `scat+cov` (or `cov`) along a record of any length.
pub struct BlockTransform<F: Real> {
    block_samples: usize,
    margin_samples: usize,
    set: CoefficientSet,
    wavelet: Wavelet,
    paths: Vec<ScatteringPath>,
    correlations: Correlations,
    transform: WaveletTransform<F>,
}

impl BlockTransformBuilder {
    /// Number of octaves (default 8).
    #[must_use]
    pub fn octaves(mut self, octaves: usize) -> Self {
        self.octaves = octaves;
        self
    }

    /// Wavelet family.
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet) -> Self {
        self.wavelet = wavelet;
        self
    }

    /// Which coefficients (default `scat+cov`).
    #[must_use]
    pub fn coefficients(mut self, set: CoefficientSet) -> Self {
        self.set = set;
        self
    }

    /// Builds the plan.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the block is empty or longer than half a chunk, or there are too many octaves.
    pub fn check<F: Real>(self) -> Result<BlockTransform<F>, Error> {
        if self.octaves == 0 || self.octaves > 10 {
            return Err(parameter(
                "octaves",
                self.octaves,
                "give 1 to 10 for a record transformed in chunks of 65536 samples",
            ));
        }
        if self.block_samples == 0 || self.block_samples > CHUNK_SAMPLES / 4 {
            return Err(parameter(
                "block",
                self.block_samples,
                format!("give 1 to {} samples", CHUNK_SAMPLES / 4),
            ));
        }
        Ok(BlockTransform {
            block_samples: self.block_samples,
            // 32 periods of the lowest filter: what a chunk's reflected end does has faded to 1e-5 there.
            margin_samples: (1_usize << (self.octaves + 5)).min(CHUNK_SAMPLES / 4),
            set: self.set,
            wavelet: self.wavelet,
            paths: table(self.set, self.octaves),
            correlations: Correlations::new(self.octaves),
            transform: WaveletTransform::new(
                self.wavelet,
                self.octaves,
                CHUNK_SAMPLES,
                Oversampling::Exact,
            )?,
        })
    }
}

impl<F: Real> BlockTransform<F> {
    /// Starts the plan for blocks of `block_samples` samples.
    pub fn plan(block_samples: usize) -> BlockTransformBuilder {
        BlockTransformBuilder {
            block_samples,
            octaves: 8,
            wavelet: Wavelet::default(),
            set: CoefficientSet::default(),
        }
    }

    /// What each coefficient is.
    pub fn paths(&self) -> &[ScatteringPath] {
        &self.paths
    }

    /// Samples a block.
    pub fn block_samples(&self) -> usize {
        self.block_samples
    }

    /// Samples on either side of a block that its averages depend on; give so much context where the record has it.
    pub fn context_samples(&self) -> usize {
        self.margin_samples
    }

    /// Averages over `n_blocks` consecutive blocks, the first of which starts at sample `first` of the gap-free
    /// `run`, into `out` `(block, coefficient)`, unnormalised. Parallel over chunks; the result does not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// [`Error::Length`] if the blocks do not lie inside the run or `out` has not `n_blocks * paths` elements;
    /// [`Error::NotFinite`] if the run holds a NaN or an infinity.
    pub fn process(
        &self,
        run: &[F],
        first: usize,
        n_blocks: usize,
        out: &mut [Complex<F>],
    ) -> Result<(), Error> {
        let n_paths = self.paths.len();
        check_length("out", out.len(), n_blocks * n_paths)?;
        let end = first + n_blocks * self.block_samples;
        if end > run.len() {
            return Err(Error::Length {
                name: "run",
                found: run.len(),
                expected: end,
            });
        }
        if let Some(index) = run.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                index,
                value: format!("{}", run[index].to_double()),
            });
        }
        if n_blocks == 0 {
            return Ok(());
        }
        let short;
        let transform = if run.len() < CHUNK_SAMPLES {
            short = WaveletTransform::new(
                self.wavelet,
                self.transform.octaves(),
                run.len(),
                Oversampling::Exact,
            )?;
            &short
        } else {
            &self.transform
        };
        let chunk_blocks = ((CHUNK_SAMPLES - 2 * self.margin_samples) / self.block_samples).max(1);
        out.par_chunks_mut(chunk_blocks * n_paths)
            .enumerate()
            .for_each_init(
                || Workspace::new(transform),
                |work, (chunk, out)| {
                    let start = first + chunk * chunk_blocks * self.block_samples;
                    self.process_chunk(transform, run, start, out, work);
                },
            );
        Ok(())
    }

    /// Blocks from sample `start` of `run` on, as many as `out` holds.
    fn process_chunk(
        &self,
        transform: &WaveletTransform<F>,
        run: &[F],
        start: usize,
        out: &mut [Complex<F>],
        work: &mut Workspace<F>,
    ) {
        let n = transform.n_samples();
        // The chunk starts a margin before its blocks, or where the run's end keeps it inside.
        let chunk_start = start.saturating_sub(self.margin_samples).min(run.len() - n);
        let Workspace {
            layers,
            spectrum,
            scratch,
        } = work;
        layers.analyze_first(
            transform,
            &run[chunk_start..chunk_start + n],
            spectrum,
            scratch,
        );
        layers.analyze_second(transform, false, spectrum, scratch);
        for (block, out) in out.chunks_exact_mut(self.paths.len()).enumerate() {
            let from = start - chunk_start + block * self.block_samples;
            measure_range(
                layers,
                self.set,
                &self.correlations,
                from..from + self.block_samples,
                out,
                1,
            );
        }
    }
}

/// What one thread needs for a chunk.
struct Workspace<F: Real> {
    layers: Layers<F>,
    spectrum: Vec<F>,
    scratch: crate::transform::TransformScratch<F>,
}

impl<F: Real> Workspace<F> {
    fn new(transform: &WaveletTransform<F>) -> Self {
        Self {
            layers: Layers::new(transform),
            spectrum: transform.make_spectrum(),
            scratch: transform.make_scratch(),
        }
    }
}
