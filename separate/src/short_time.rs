//! Short-time Fourier transform, and the signal of given cells.

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Hops per frame.
// Squared sine windows at four hops a frame add up to a constant, 2.
pub(crate) const HOPS_A_FRAME: usize = 4;

/// Cells, frame by frame.
pub(crate) type Cells = Vec<Vec<Complex<f64>>>;

/// Short-time Fourier transform with sine windows at four hops a frame; reflected at the ends.
pub(crate) struct ShortTime {
    frame: usize,
    hop: usize,
    n_samples: usize,
    window: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl ShortTime {
    /// Plans the transform for signals of `n_samples` >= 1, in frames of `frame` samples, a multiple of
    /// [`HOPS_A_FRAME`].
    pub fn new(n_samples: usize, frame: usize) -> Self {
        let window = (0..frame)
            .map(|i| (PI * (i as f64 + 0.5) / frame as f64).sin())
            .collect();
        let mut planner = RealFftPlanner::new();
        Self {
            frame,
            hop: frame / HOPS_A_FRAME,
            n_samples,
            window,
            forward: planner.plan_fft_forward(frame),
            inverse: planner.plan_fft_inverse(frame),
        }
    }

    pub fn n_bins(&self) -> usize {
        self.frame / 2 + 1
    }

    pub fn n_frames(&self) -> usize {
        self.n_samples.div_ceil(self.hop) + HOPS_A_FRAME - 1
    }

    /// Mean power of a cell of white noise of unit variance, which is the energy of the window.
    pub fn gain(&self) -> f64 {
        self.frame as f64 / 2.0
    }

    /// Sample of the signal at position `i` of frame `m`, by reflection at its ends.
    fn sample(&self, m: usize, i: usize) -> usize {
        let n = self.n_samples as i64;
        let t = (m * self.hop + i) as i64 - (self.frame - self.hop) as i64;
        // Reflection about the half samples -1/2 and n - 1/2 has the period 2n, however long the frame is.
        let t = t.rem_euclid(2 * n);
        (if t < n { t } else { 2 * n - 1 - t }) as usize
    }

    /// Cells, frame by frame.
    pub fn analyze(&self, signal: &[f64]) -> Cells {
        let mut real = self.forward.make_input_vec();
        let mut scratch = self.forward.make_scratch_vec();
        (0..self.n_frames())
            .map(|m| {
                for (i, (to, w)) in real.iter_mut().zip(&self.window).enumerate() {
                    *to = signal[self.sample(m, i)] * w;
                }
                let mut cells = self.forward.make_output_vec();
                let done = self
                    .forward
                    .process_with_scratch(&mut real, &mut cells, &mut scratch);
                debug_assert!(done.is_ok(), "buffers are the plan's own");
                cells
            })
            .collect()
    }

    /// Adds `scale` times the adjoint of [`analyze`](Self::analyze), over both halves of the spectrum: the gradient of
    /// `scale / 2 * sum c |cell|^2` for `cells` = c times the cells, each inner bin counted twice.
    pub fn add_adjoint(&self, cells: Cells, scale: f64, to: &mut [f64]) {
        self.frames_back(cells, |m, i, value| {
            to[self.sample(m, i)] += scale * value;
        });
    }

    /// Signal of given cells, by weighted overlap and addition.
    pub fn synthesize(&self, cells: Cells) -> Vec<f64> {
        let mut sum = vec![0.0; self.n_samples];
        self.frames_back(cells, |m, i, value| {
            if let Some(t) = self.inside(m, i) {
                // The inverse transform is not scaled.
                sum[t] += value / self.frame as f64;
            }
        });
        sum.iter().zip(self.weights()).map(|(s, w)| s / w).collect()
    }

    /// Mean of one value per frame over the frames around each sample, weighted by the squared windows.
    pub fn spread(&self, of_frames: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.n_samples];
        for (m, value) in of_frames.iter().enumerate() {
            for (i, w) in self.window.iter().enumerate() {
                if let Some(t) = self.inside(m, i) {
                    sum[t] += w * w * value;
                }
            }
        }
        sum.iter().zip(self.weights()).map(|(s, w)| s / w).collect()
    }

    fn weights(&self) -> Vec<f64> {
        let mut weight = vec![0.0; self.n_samples];
        for m in 0..self.n_frames() {
            for (i, w) in self.window.iter().enumerate() {
                if let Some(t) = self.inside(m, i) {
                    weight[t] += w * w;
                }
            }
        }
        weight
    }

    fn inside(&self, m: usize, i: usize) -> Option<usize> {
        (m * self.hop + i)
            .checked_sub(self.frame - self.hop)
            .filter(|t| *t < self.n_samples)
    }

    /// Passes each frame's windowed samples, computed from its cells, to `take`.
    fn frames_back(&self, cells: Cells, mut take: impl FnMut(usize, usize, f64)) {
        let mut real = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        for (m, mut cells) in cells.into_iter().enumerate() {
            // A real signal has real values at 0 and half the sampling rate; the transform refuses others.
            cells[0].im = 0.0;
            if let Some(last) = cells.last_mut() {
                last.im = 0.0;
            }
            let done = self
                .inverse
                .process_with_scratch(&mut cells, &mut real, &mut scratch);
            debug_assert!(done.is_ok(), "buffers are the plan's own");
            for (i, (value, w)) in real.iter().zip(&self.window).enumerate() {
                take(m, i, value * w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_noise::white as noise;

    #[test]
    fn cells_give_the_signal_back() {
        for (n, frame) in [(200, 32), (64, 16), (1000, 64)] {
            let transform = ShortTime::new(n, frame);
            let x = noise(n, 3);
            let back = transform.synthesize(transform.analyze(&x));
            assert!(
                x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-12),
                "{n} {frame}"
            );
        }
    }

    #[test]
    fn the_adjoint_is_the_gradient_of_the_energy_of_the_cells() {
        let transform = ShortTime::new(100, 32);
        let x = noise(100, 5);
        let weight = |m: usize, f: usize| 1.0 + ((m * 7 + f * 3) % 5) as f64;
        let energy = |x: &[f64]| -> f64 {
            let mut sum = 0.0;
            for (m, frame) in transform.analyze(x).iter().enumerate() {
                for (f, cell) in frame.iter().enumerate() {
                    let twice = if f == 0 || f == 16 { 1.0 } else { 2.0 };
                    sum += 0.5 * twice * weight(m, f) * cell.norm_sqr();
                }
            }
            sum
        };
        let mut cells = transform.analyze(&x);
        for (m, frame) in cells.iter_mut().enumerate() {
            for (f, cell) in frame.iter_mut().enumerate() {
                *cell *= weight(m, f);
            }
        }
        let mut gradient = vec![0.0; 100];
        transform.add_adjoint(cells, 1.0, &mut gradient);
        for t in [0, 1, 50, 99] {
            let moved = |by: f64| {
                let mut y = x.clone();
                y[t] += by;
                energy(&y)
            };
            let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((slope / gradient[t] - 1.0).abs() < 1e-6, "{t}");
        }
    }

    #[test]
    fn a_level_that_holds_throughout_is_spread_as_it_is() {
        let transform = ShortTime::new(90, 16);
        let spread = transform.spread(&vec![3.0; transform.n_frames()]);
        assert!(spread.iter().all(|v| (v - 3.0).abs() < 1e-12));
    }
}
