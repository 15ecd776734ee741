//! Means over the window and over blocks of it, as weights of the samples that are kept.
//!
//! The mean over a block of K samples is a sum with weights 1/K where the window's own samples are kept. On a coarser
//! grid, blocks end half-way between two samples. A block is there the difference of two steps, and a step is given
//! weights that sum every frequency of a scale's products (up to the filter's edge) as the window's own samples would,
//! 1 / (2 sin pi f) for a sine of frequency f, and that fall to 0 before the frequencies whose images lie there.
//! Weights beyond the window's ends are folded back: the real part of a product is even about them, the imaginary part
//! odd.

use std::f64::consts::PI;
use std::ops::Range;

use num_complex::Complex;
use rustfft::FftPlanner;

use crate::fourier::grid_fft::{fold, folded_sample};
use crate::fourier::real::Real;

/// Samples on either side of a block's end whose weights differ from those of a box. The taper of [`step`] has all
/// derivatives, so its weights fall faster than any power; at 16 samples they are below 1e-6 on the default grids.
const REACH: usize = 16;

/// Quadrature points of [`step`]: the integrand has at most 16 periods on its support, so the midpoint rule is exact to
/// rounding.
const STEP_POINTS: usize = 1024;

/// Weights of the blocks of one grid.
pub(crate) struct BlockMeans<F> {
    shapes: Vec<Shape<F>>,
    /// For each block, two runs of consecutive places in a row: its even and its odd samples in folded order.
    blocks: Vec<[Run; 2]>,
}

/// Consecutive places of a row from `start`, with the weights of `shape`.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    shape: usize,
}

/// Weights of consecutive places for the real and for the imaginary part.
#[derive(Clone, PartialEq)]
pub(crate) struct Shape<F> {
    pub(crate) real: Weights<F>,
    pub(crate) imaginary: Weights<F>,
    pub(crate) len: usize,
}

/// Weights of the places of a run.
#[derive(Clone, PartialEq)]
pub(crate) enum Weights<F> {
    /// 1/n for every place; n is negative where a run holds conjugates.
    Mean(F),
    /// One for each place.
    Each(Vec<F>),
}

impl<F: Real> BlockMeans<F> {
    /// Blocks of a grid of `n` samples in folded order for a window of `window`, whose products hold frequencies up to
    /// `edge` cycles per sample of the window. `whole` holds the weights of the whole window.
    pub(crate) fn folded(
        n: usize,
        window: usize,
        n_blocks: usize,
        edge: f64,
        whole: &Shape<F>,
    ) -> Self {
        if n == window {
            return Self::boxes(n, 0, n / n_blocks, n_blocks);
        }
        if n_blocks == 1 {
            return Self::from_runs(std::iter::once([(0, whole.clone()), (0, Shape::empty())]));
        }
        let in_block = n / n_blocks;
        let step = step(edge, window as f64 / n as f64);
        Self::from_runs((0..n_blocks).map(|block| {
            let range = block * in_block..(block + 1) * in_block;
            weighted_runs(range, n, &step)
        }))
    }

    /// `n_blocks` blocks of `block` samples from sample `first`, of a grid of the window's own `n` samples in folded
    /// order.
    pub(crate) fn boxes(n: usize, first: usize, block: usize, n_blocks: usize) -> Self {
        Self::from_runs((0..n_blocks).map(|i| {
            let start = first + i * block;
            box_runs(start..start + block, n)
        }))
    }

    /// Blocks of a row in the order of time, without symmetry.
    pub(crate) fn plain(n: usize, n_blocks: usize) -> Self {
        let in_block = n / n_blocks;
        Self::from_runs((0..n_blocks).map(|block| {
            let shape = Shape::mean(in_block, in_block as f64);
            [(block * in_block, shape), (0, Shape::empty())]
        }))
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The runs of places of a block with their weights.
    #[inline(always)]
    pub(crate) fn block(&self, block: usize) -> impl Iterator<Item = (Range<usize>, &Shape<F>)> {
        self.blocks[block].iter().filter_map(|run| {
            let shape = &self.shapes[run.shape];
            (shape.len > 0).then(|| (run.start..run.start + shape.len, shape))
        })
    }

    /// One block for each pair of runs. Blocks share shapes: all inner blocks of a grid have the same weights, so a
    /// record's worth of blocks needs no more memory than a few.
    fn from_runs(blocks: impl Iterator<Item = [(usize, Shape<F>); 2]>) -> Self {
        let mut shapes: Vec<Shape<F>> = Vec::new();
        let blocks = blocks
            .map(|runs| {
                runs.map(|(start, shape)| {
                    // Shapes alternate with a period of at most four (even and odd samples of even and odd blocks), so
                    // the last eight suffice; a search of all would be quadratic.
                    let recent = shapes.len().saturating_sub(8);
                    let known = shapes[recent..].iter().position(|s| *s == shape);
                    let shape = known.map_or_else(
                        || {
                            shapes.push(shape);
                            shapes.len() - 1
                        },
                        |i| recent + i,
                    );
                    Run { start, shape }
                })
            })
            .collect();
        Self { shapes, blocks }
    }
}

impl<F: Real> Shape<F> {
    /// Weights of a mean over a whole window of `window` samples of what is kept of it on a grid of `n`, in folded
    /// order.
    pub(crate) fn of_window(n: usize, window: usize) -> Self {
        let mut imaginary = imaginary_weights(n, window);
        fold(&mut imaginary, |w| -w);
        Self {
            // The plain mean: all frequencies of an even function but 0 sum to zero over the window.
            real: Weights::Mean(F::of(n as f64)),
            imaginary: Weights::Each(imaginary.into_iter().map(F::of).collect()),
            len: n,
        }
    }

    /// Equal weights of `len` places of a block of `n` samples; `-n` for conjugates.
    fn mean(len: usize, n: f64) -> Self {
        Self {
            real: Weights::Mean(F::of(n.abs())),
            imaginary: Weights::Mean(F::of(n)),
            len,
        }
    }

    fn empty() -> Self {
        Self::mean(0, 1.0)
    }
}

/// Weights w_n such that `sum w_n s(tau_n)` is the mean over the window's samples of any odd function s of tau that a
/// grid of `n` samples resolves.
///
/// An odd function is a sum of sines; the mean of `sin(pi k tau / T)` over the T samples of the window is
/// `1 / (T sin(pi k / 2T))` for odd k and 0 for even k.
fn imaginary_weights(n: usize, window: usize) -> Vec<f64> {
    if n == window {
        return vec![1.0 / n as f64; n];
    }
    let full = window as f64;
    let period = 2 * n;
    let mut series = vec![Complex::new(0.0, 0.0); period];
    for (k, term) in series.iter_mut().enumerate().take(n + 1).skip(1).step_by(2) {
        let mean = 1.0 / (full * (PI * k as f64 / (2.0 * full)).sin());
        // The highest sine, k = n, is +-1 at every sample: its norm is n, that of the others n/2.
        let amplitude = if k == n { 1.0 } else { 2.0 } / n as f64;
        *term = Complex::from_polar(amplitude * mean, PI * k as f64 / period as f64);
    }
    FftPlanner::new()
        .plan_fft_inverse(period)
        .process(&mut series);
    series[..n].iter().map(|z| z.im).collect()
}

/// Places of the even and of the odd samples of a range, both ascending.
fn places(range: Range<usize>, n: usize) -> [Range<usize>; 2] {
    let even = range.start.div_ceil(2)..range.end.div_ceil(2);
    // Sample 2i + 1 is at place n - 1 - i.
    let odd = n - range.end / 2..n - range.start / 2;
    [even, odd]
}

/// A box: equal weights for all samples of the block, of the opposite sign for the imaginary part of conjugates.
fn box_runs<F: Real>(range: Range<usize>, n: usize) -> [(usize, Shape<F>); 2] {
    let in_block = range.len() as f64;
    let [even, odd] = places(range, n);
    [
        (even.start, Shape::mean(even.len(), in_block)),
        (odd.start, Shape::mean(odd.len(), -in_block)),
    ]
}

fn weighted_runs<F: Real>(block: Range<usize>, n: usize, step: &[f64]) -> [(usize, Shape<F>); 2] {
    let reach = step.len() / 2;
    let scale = 1.0 / block.len() as f64;
    // The step up at the block's start minus that at its end, at any place, beyond the window too.
    let at = |from_border: i64| match from_border + reach as i64 {
        i if i < 0 => 0.0,
        i => step.get(i as usize).copied().unwrap_or(1.0),
    };
    let weight = |i: i64| (at(i - block.start as i64) - at(i - block.end as i64)) * scale;
    let first = block.start.saturating_sub(reach);
    let last = (block.end + reach).min(n);
    // The extension is even about the window's ends (reflection), so the weight of a mirrored sample falls on its
    // image.
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
    // In cycles per grid step: the products' band ends at `pass`, its images begin at 1 - pass, and the taper lies
    // between the two. Grids coarser than 2.5 times the edge leave no room for it; 0.4 keeps it a fifth of the rate
    // wide.
    let pass = (edge * spacing).min(0.4);
    let stop = 1.0 - pass;
    let width = stop / STEP_POINTS as f64;
    let up = |i: i64| {
        let sum: f64 = (0..STEP_POINTS)
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

/// A fall from 1 at 0 to 0 at 1 with all derivatives; those of any order vanish at both ends.
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
    /// Means of exp(2 pi i f tau) made even and odd about the window's ends, by the weights and at the window's own
    /// samples.
    fn worst_error(n: usize, window: usize, n_blocks: usize, edge: f64) -> f64 {
        let whole = Shape::of_window(n, window);
        let means = BlockMeans::<f64>::folded(n, window, n_blocks, edge, &whole);
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
                            Weights::Mean(n) => n.recip(),
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
        // that is not a multiple of the grid.
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

    #[test]
    fn imaginary_weights_give_the_fine_mean() {
        for (n, window) in [(16, 128), (24, 36), (45, 101), (16, 16)] {
            let weights = imaginary_weights(n, window);
            for k in 1..n {
                let coarse: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(i, w)| w * (PI * k as f64 * (i as f64 + 0.5) / n as f64).sin())
                    .sum();
                let mean: f64 = (0..window)
                    .map(|t| (PI * k as f64 * (t as f64 + 0.5) / window as f64).sin())
                    .sum::<f64>()
                    / window as f64;
                assert!(
                    (coarse - mean).abs() < 1e-14,
                    "k {k}: {coarse} against {mean}"
                );
            }
        }
    }
}
