//! Blocks of a gap-free stretch, by either boundary, in either precision.

use rayon::prelude::*;
use seismix_data::archive::AlignedSegment;
use seismix_data::store::{BlockLayout, CoefficientRow};
use seismix_scattering::{
    self as scattering, BlockTransform, Complex, Real, ScatteringPath, ScatteringTransform,
};

use crate::config::{Boundary, Precision, TransformConfig};
use crate::stage::Result;

/// The blocks of one segment that go into a day's file.
pub(crate) struct Piece {
    /// Sample of the segment at which the first block starts.
    pub first: usize,
    pub n_blocks: usize,
}

/// Blocks of a day, as its file holds them.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Start of each block, ns.
    pub time: Vec<i64>,
    /// Segment of each block.
    pub segment: Vec<i32>,
    /// First block of each segment.
    pub grid_start: Vec<usize>,
    /// `(block, channel, coefficient, re/im)`.
    pub coefficients: Vec<f32>,
}

/// Plan that turns a segment into blocks.
pub(crate) trait BlockPlan: Sync {
    /// The coefficient table.
    fn index(&self) -> Vec<CoefficientRow>;
    /// Samples on either side of a block that it depends on.
    fn context_samples(&self) -> usize;
    /// Work space of a thread, about, for a record of `n_samples`.
    fn scratch_bytes(&self, n_samples: usize) -> u64;
    /// Appends the blocks of one piece.
    fn append(&self, segment: &AlignedSegment, piece: &Piece, to: &mut Blocks) -> Result<()>;
}

/// The plan for the windows of `layout`.
pub(crate) fn block_plan(
    transform: &TransformConfig,
    layout: &BlockLayout,
) -> Result<Box<dyn BlockPlan>> {
    Ok(match transform.precision {
        Precision::F32 => plan_in::<f32>(transform, layout)?,
        Precision::F64 => plan_in::<f64>(transform, layout)?,
    })
}

fn plan_in<F: Real>(
    transform: &TransformConfig,
    layout: &BlockLayout,
) -> std::result::Result<Box<dyn BlockPlan>, scattering::Error> {
    let (octaves, quality) = (transform.octaves, transform.quality);
    let (family, oversampling) = (transform.wavelet, transform.oversampling);
    Ok(match transform.boundary {
        Boundary::Continuous => Box::new(Continuous {
            transform: BlockTransform::<F>::plan(layout.windows.block_samples)
                .octaves_by_layer(octaves.first, octaves.second)
                .wavelets_per_octave_by_layer(quality.first, quality.second)
                .wavelet(family)
                .oversampling(oversampling)
                .check()?,
        }),
        Boundary::Reference => {
            let largest = layout
                .windows
                .scales
                .last()
                .copied()
                .unwrap_or(layout.windows.block_samples);
            Box::new(Reference {
                transform: ScatteringTransform::<F>::plan(largest)
                    .octaves_by_layer(octaves.first, octaves.second)
                    .wavelets_per_octave_by_layer(quality.first, quality.second)
                    .wavelet(family)
                    .oversampling(oversampling)
                    .pool(layout.windows.block_samples)
                    .check()?,
                layout: layout.clone(),
            })
        }
    })
}

/// Blocks see their true neighbours.
struct Continuous<F: Real> {
    transform: BlockTransform<F>,
}

impl<F: Real> BlockPlan for Continuous<F> {
    fn index(&self) -> Vec<CoefficientRow> {
        self.transform
            .paths()
            .iter()
            .map(ScatteringPath::row)
            .collect()
    }

    fn context_samples(&self) -> usize {
        self.transform.context_samples()
    }

    fn scratch_bytes(&self, n_samples: usize) -> u64 {
        self.transform.scratch_bytes(n_samples)
    }

    fn append(&self, segment: &AlignedSegment, piece: &Piece, to: &mut Blocks) -> Result<()> {
        let n_paths = self.transform.paths().len();
        let block_samples = self.transform.block_samples();
        let number = to.grid_start.len() as i32;
        to.grid_start.push(to.time.len());
        for block in 0..piece.n_blocks {
            let start = piece.first + block * block_samples;
            to.time.push(segment.time_of(start));
            to.segment.push(number);
        }
        let channels = (0..segment.samples.nrows())
            .into_par_iter()
            .map(|channel| {
                let run = samples_of::<F>(segment, channel, 0..segment.samples.ncols());
                let mut out = vec![Complex::new(F::zero(), F::zero()); piece.n_blocks * n_paths];
                self.transform
                    .process(&run, piece.first, piece.n_blocks, &mut out)?;
                Ok(out)
            })
            .collect::<std::result::Result<Vec<_>, scattering::Error>>()?;
        to.coefficients
            .reserve(piece.n_blocks * channels.len() * n_paths * 2);
        for block in 0..piece.n_blocks {
            for channel in &channels {
                let values = &channel[block * n_paths..(block + 1) * n_paths];
                to.coefficients.extend(values.iter().flat_map(parts));
            }
        }
        Ok(())
    }
}

/// Each largest window is reflected on its own, and is a segment of its own.
struct Reference<F: Real> {
    transform: ScatteringTransform<F>,
    layout: BlockLayout,
}

impl<F: Real> BlockPlan for Reference<F> {
    fn index(&self) -> Vec<CoefficientRow> {
        self.transform
            .paths()
            .iter()
            .map(ScatteringPath::row)
            .collect()
    }

    fn context_samples(&self) -> usize {
        0
    }

    fn scratch_bytes(&self, _: usize) -> u64 {
        let n_scales = self.transform.filter_banks()[0].n_band_pass() as u64;
        let values = (5 * n_scales + 10) * self.transform.window_samples() as u64;
        (values + 4 * self.transform.output_len() as u64) * size_of::<F>() as u64
    }

    fn append(&self, segment: &AlignedSegment, piece: &Piece, to: &mut Blocks) -> Result<()> {
        let (window, stride) = (
            self.transform.window_samples(),
            self.layout.windows.stride_samples,
        );
        let block_samples = self.layout.windows.block_samples;
        let n_blocks = self.transform.n_blocks();
        let n_windows = (piece.n_blocks * block_samples - window) / stride + 1;
        let n_channels = segment.samples.nrows();
        let n_values = self.transform.output_len();
        for i in 0..n_windows {
            let number = to.grid_start.len() as i32;
            to.grid_start.push(to.time.len());
            for block in 0..n_blocks {
                let start = piece.first + i * stride + block * block_samples;
                to.time.push(segment.time_of(start));
                to.segment.push(number);
            }
        }
        let of_window = n_channels * n_values * 2;
        let from = to.coefficients.len();
        to.coefficients.resize(from + n_windows * of_window, 0.0);
        to.coefficients[from..]
            .par_chunks_mut(of_window)
            .enumerate()
            .try_for_each_init(
                || {
                    (
                        self.transform.make_forward_scratch(),
                        self.transform.make_output(),
                    )
                },
                |(scratch, phi), (i, out)| {
                    let start = piece.first + i * stride;
                    for channel in 0..n_channels {
                        let signal = samples_of::<F>(segment, channel, start..start + window);
                        self.transform.process(&signal, phi, scratch)?;
                        // From (coefficient, block) to (block, channel, coefficient).
                        let n_paths = n_values / n_blocks;
                        for (k, blocks) in phi.chunks_exact(n_blocks).enumerate() {
                            for (block, value) in blocks.iter().enumerate() {
                                let at = ((block * n_channels + channel) * n_paths + k) * 2;
                                out[at..at + 2].copy_from_slice(&parts(value));
                            }
                        }
                    }
                    Ok::<(), scattering::Error>(())
                },
            )?;
        Ok(())
    }
}

fn samples_of<F: Real>(
    segment: &AlignedSegment,
    channel: usize,
    range: std::ops::Range<usize>,
) -> Vec<F> {
    let row = segment.samples.row(channel);
    range.map(|i| F::of(row[i])).collect()
}

fn parts<F: Real>(value: &Complex<F>) -> [f32; 2] {
    [value.re.to_double() as f32, value.im.to_double() as f32]
}
