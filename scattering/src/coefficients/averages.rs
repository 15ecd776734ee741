//! Means over blocks of the window, as weights of the samples that are kept.
//!
//! The mean over a block of K samples is a sum with weights 1/K where the window's own samples are kept. On a coarser
//! grid, blocks end half-way between two samples. A block is there the difference of two steps, and a step is given
//! weights that sum whatever the products of a scale can hold (frequencies up to the filter's edge) as the window's own
//! samples would, 1 / (2 sin pi f) for a sine of frequency f, and that fall to 0 before the frequencies whose images
//! lie there. Weights beyond the window's ends are folded back: the real part of a product is even about them, the
//! imaginary part odd.

use std::f64::consts::PI;
use std::ops::Range;

use crate::fourier::grid_fft::folded_sample;
use crate::fourier::real::Real;

/// Samples on either side of a block's end whose weights differ from those of a box.
const REACH: usize = 16;

/// Weights of the blocks of one grid.
pub(crate) struct BlockMeans<F> {
    shapes: Vec<Shape<F>>,
    /// For each block, two runs of consecutive places in a row.
    blocks: Vec<[Run; 2]>,
}

/// A run starts at `start` and has the weights of `shape`.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    shape: usize,
}

/// Weights of consecutive places for the real and for the imaginary part.
#[derive(PartialEq)]
pub(crate) struct Shape<F> {
    pub(crate) real: Weights<F>,
    pub(crate) imaginary: Weights<F>,
    pub(crate) len: usize,
}

/// One weight for all places, or one for each.
#[derive(PartialEq)]
pub(crate) enum Weights<F> {
    Uniform(F),
    Each(Vec<F>),
}

impl<F: Real> BlockMeans<F> {
    /// Blocks of a grid of `n` samples in folded order for a window of `window`, whose products hold frequencies up to
    /// `edge` cycles per sample of the window. `window_imaginary` holds the weights for the whole window.
    pub(crate) fn folded(
        n: usize,
        window: usize,
        n_blocks: usize,
        edge: f64,
        window_imaginary: &[F],
    ) -> Self {
        let mut means = Self {
            shapes: Vec::new(),
            blocks: Vec::with_capacity(n_blocks),
        };
        if n == window {
            return Self::boxes(n, 0, n / n_blocks, n_blocks);
        }
        if n_blocks == 1 {
            means.push([
                (
                    0,
                    Shape {
                        real: Weights::Uniform(F::of(1.0 / n as f64)),
                        imaginary: Weights::Each(window_imaginary.to_vec()),
                        len: n,
                    },
                ),
                (0, Shape::empty()),
            ]);
            return means;
        }
        let in_block = n / n_blocks;
        let step = step(edge, window as f64 / n as f64);
        for block in 0..n_blocks {
            let range = block * in_block..(block + 1) * in_block;
            means.push(weighted_runs(range, n, &step));
        }
        means
    }

    /// `n_blocks` blocks of `block` samples from sample `first` on, of a grid of the window's own `n` samples in folded
    /// order.
    pub(crate) fn boxes(n: usize, first: usize, block: usize, n_blocks: usize) -> Self {
        let mut means = Self {
            shapes: Vec::new(),
            blocks: Vec::with_capacity(n_blocks),
        };
        for i in 0..n_blocks {
            let start = first + i * block;
            means.push(box_runs(start..start + block, n));
        }
        means
    }

    /// Blocks of a row in the order of time, without symmetry.
    pub(crate) fn plain(n: usize, n_blocks: usize) -> Self {
        let mut means = Self {
            shapes: Vec::new(),
            blocks: Vec::with_capacity(n_blocks),
        };
        let in_block = n / n_blocks;
        let weight = F::of(1.0 / in_block as f64);
        for block in 0..n_blocks {
            means.push([
                (block * in_block, Shape::uniform(weight, weight, in_block)),
                (0, Shape::empty()),
            ]);
        }
        means
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The runs of places of a block with their weights.
    pub(crate) fn block(&self, block: usize) -> impl Iterator<Item = (Range<usize>, &Shape<F>)> {
        self.blocks[block].iter().filter_map(|run| {
            let shape = &self.shapes[run.shape];
            (shape.len > 0).then(|| (run.start..run.start + shape.len, shape))
        })
    }

    /// Adds a block; shapes of the last few blocks are used again.
    fn push(&mut self, runs: [(usize, Shape<F>); 2]) {
        let block = runs.map(|(start, shape)| {
            let recent = self.shapes.len().saturating_sub(8);
            let known = self.shapes[recent..].iter().position(|s| *s == shape);
            let shape = match known {
                Some(i) => recent + i,
                None => {
                    self.shapes.push(shape);
                    self.shapes.len() - 1
                }
            };
            Run { start, shape }
        });
        self.blocks.push(block);
    }
}

impl<F: Real> Shape<F> {
    fn uniform(real: F, imaginary: F, len: usize) -> Self {
        Self {
            real: Weights::Uniform(real),
            imaginary: Weights::Uniform(imaginary),
            len,
        }
    }

    fn empty() -> Self {
        Self::uniform(F::zero(), F::zero(), 0)
    }
}

/// Places of the even and of the odd samples of a range, both ascending.
fn places(range: Range<usize>, n: usize) -> [Range<usize>; 2] {
    let even = range.start.div_ceil(2)..range.end.div_ceil(2);
    // Sample 2i + 1 stands at n - 1 - i.
    let odd = n - range.end / 2..n - range.start / 2;
    [even, odd]
}

/// A box: the same weight for all samples of the block, the sign of conjugates turned.
fn box_runs<F: Real>(range: Range<usize>, n: usize) -> [(usize, Shape<F>); 2] {
    let weight = F::of(1.0 / range.len() as f64);
    let [even, odd] = places(range, n);
    [
        (even.start, Shape::uniform(weight, weight, even.len())),
        (odd.start, Shape::uniform(weight, -weight, odd.len())),
    ]
}

fn weighted_runs<F: Real>(block: Range<usize>, n: usize, step: &[f64]) -> [(usize, Shape<F>); 2] {
    let reach = step.len() / 2;
    let scale = 1.0 / block.len() as f64;
    // The step up at the block's start less that at its end, at any place, beyond the window too.
    let at = |from_border: i64| match from_border + reach as i64 {
        i if i < 0 => 0.0,
        i => step.get(i as usize).copied().unwrap_or(1.0),
    };
    let weight = |i: i64| (at(i - block.start as i64) - at(i - block.end as i64)) * scale;
    let first = block.start.saturating_sub(reach);
    let last = (block.end + reach).min(n);
    let mirrored = |i: usize| {
        let (i, n) = (i as i64, n as i64);
        weight(-1 - i) + weight(2 * n - 1 - i)
    };
    places(first..last, n).map(|places| {
        let start = places.start;
        let (real, imaginary): (Vec<F>, Vec<F>) = places
            .map(|place| {
                let (i, conjugate) = folded_sample(place, n);
                let sign = if conjugate { -1.0 } else { 1.0 };
                let own = weight(i as i64);
                (F::of(own + mirrored(i)), F::of(sign * (own - mirrored(i))))
            })
            .unzip();
        let len = real.len();
        let shape = Shape {
            real: Weights::Each(real),
            imaginary: Weights::Each(imaginary),
            len,
        };
        (start, shape)
    })
}

/// Weights of a step up at 0 of the samples at i + 1/2, i = -[`REACH`] .. [`REACH`], in steps of the grid of `spacing`
/// samples: 1/2 + (1/r) int_0^1 taper(g) sin(2 pi g (i + 1/2)) / sin(pi g / r) dg.
fn step(edge: f64, spacing: f64) -> Vec<f64> {
    // What is to be summed ends at `pass`, its images begin at 1 - pass.
    let pass = (edge * spacing).min(0.4);
    let stop = 1.0 - pass;
    let n_points = 1024;
    let width = stop / n_points as f64;
    let up = |i: i64| {
        let sum: f64 = (0..n_points)
            .map(|p| {
                let g = (p as f64 + 0.5) * width;
                let sine = (2.0 * PI * g * (i as f64 + 0.5)).sin();
                taper((g - pass) / (stop - pass)) * sine / (PI * g / spacing).sin()
            })
            .sum();
        0.5 + sum * width / spacing
    };
    let reach = REACH as i64;
    (-reach..reach).map(up).collect()
}

/// From 1 at 0 to 0 at 1, with all derivatives.
fn taper(x: f64) -> f64 {
    if x <= 0.0 {
        1.0
    } else if x >= 1.0 {
        0.0
    } else {
        1.0 / (1.0 + (1.0 / (1.0 - x) - 1.0 / x).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fourier::grid_fft::fold;
    use num_complex::Complex;

    /// Means of exp(2 pi i f tau) made even and odd about the window's ends, by the weights and at the window's own samples.
    fn worst_error(n: usize, window: usize, n_blocks: usize, edge: f64) -> f64 {
        let means = BlockMeans::<f64>::folded(n, window, n_blocks, edge, &vec![0.0; n]);
        let value =
            |k: usize, tau: f64| Complex::from_polar(1.0, PI * k as f64 * tau / window as f64);
        let mut worst = 0.0_f64;
        for k in (0..=(2.0 * edge * window as f64) as usize).step_by(7) {
            let mut row: Vec<Complex<f64>> = (0..n)
                .map(|i| value(k, (i as f64 + 0.5) * window as f64 / n as f64))
                .collect();
            fold(&mut row, |z| z.conj());
            let size = window / n_blocks;
            for block in 0..n_blocks {
                let fine: Complex<f64> = (block * size..(block + 1) * size)
                    .map(|t| value(k, t as f64 + 0.5) / size as f64)
                    .sum();
                let mut mean = Complex::new(0.0, 0.0);
                for (range, shape) in means.block(block) {
                    for (place, z) in row[range].iter().enumerate() {
                        let at = |weights: &Weights<f64>| match weights {
                            Weights::Uniform(weight) => *weight,
                            Weights::Each(weights) => weights[place],
                        };
                        mean.re += at(&shape.real) * z.re;
                        mean.im += at(&shape.imaginary) * z.im;
                    }
                }
                worst = worst.max((mean - fine).norm());
            }
        }
        worst
    }

    #[test]
    fn a_box_on_the_windows_own_samples() {
        assert!(worst_error(60, 60, 4, 0.5) < 1e-14);
        assert!(worst_error(63, 63, 9, 0.5) < 1e-14);
    }

    #[test]
    fn coarse_means_are_those_of_the_windows_own_samples() {
        // A grid at four times the edge, as the default has it; blocks of 32, 8 and 9 samples; and one of a window
        // that is no multiple of the grid.
        for (n, window, n_blocks, edge) in [
            (512, 2048, 16, 0.0625),
            (128, 4096, 16, 0.0078),
            (144, 4608, 16, 0.0078),
            (1024, 2048, 16, 0.128),
            (768, 1900, 4, 0.1),
        ] {
            let error = worst_error(n, window, n_blocks, edge);
            assert!(error < 1e-6, "n {n} of {window}, {n_blocks}: {error:e}");
        }
        assert!(worst_error(512, 2048, 16, 0.125) < 4e-3);
    }
}
