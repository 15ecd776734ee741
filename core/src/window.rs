//! Nested windows over gap-free segments, counted in blocks.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Nested windows that end together.
///
/// A segment of `n` blocks has `(n - largest) / stride + 1` windows (none if it is shorter than the largest scale);
/// window `w` ends, at every scale, `largest + w * stride` samples after the segment's first block begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowLayout {
    /// Samples of the smallest block.
    pub block_samples: usize,
    /// Window lengths in samples, ascending; every one a multiple of the block.
    pub scales: Vec<usize>,
    /// Samples between the ends of neighbouring windows; a multiple of the block.
    pub stride_samples: usize,
}

impl Default for WindowLayout {
    /// Blocks of 256, scales of 1024, 4096, 16,384 and 65,536 samples, stride 1024.
    fn default() -> Self {
        Self {
            block_samples: 256,
            scales: vec![1024, 4096, 16_384, 65_536],
            stride_samples: 1024,
        }
    }
}

/// Place of a scale among the others; it decides which features are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScaleRole {
    /// The longest windows (also the only ones, if there is one scale).
    Largest,
    /// Neither the longest nor the shortest.
    Middle,
    /// The shortest windows.
    Finest,
}

impl WindowLayout {
    /// Checks that lengths are positive multiples of the block and that scales ascend.
    ///
    /// # Errors
    /// [`Error::Layout`] with the rule that is broken.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Layout { reason });
        if self.block_samples == 0 {
            return fail("the block has no samples".into());
        }
        if self.scales.is_empty() {
            return fail("there are no scales".into());
        }
        if self.stride_samples == 0 || !self.stride_samples.is_multiple_of(self.block_samples) {
            return fail(format!(
                "the stride of {} samples is not a positive multiple of the block of {}",
                self.stride_samples, self.block_samples
            ));
        }
        for &scale in &self.scales {
            if scale == 0 || !scale.is_multiple_of(self.block_samples) {
                return fail(format!(
                    "the scale of {scale} samples is not a positive multiple of the block of {}",
                    self.block_samples
                ));
            }
        }
        if self.scales.windows(2).any(|pair| pair[0] >= pair[1]) {
            return fail("scales must be given in ascending order, each once".into());
        }
        Ok(())
    }

    /// Blocks in a window of scale `scale` (index into `scales`).
    pub fn scale_blocks(&self, scale: usize) -> usize {
        self.scales[scale] / self.block_samples
    }

    /// Blocks in the largest window.
    pub fn largest_blocks(&self) -> usize {
        self.scale_blocks(self.scales.len() - 1)
    }

    /// Blocks between the ends of neighbouring windows.
    pub fn stride_blocks(&self) -> usize {
        self.stride_samples / self.block_samples
    }

    /// Number of windows in a segment of `n_blocks` blocks.
    pub fn n_windows(&self, n_blocks: usize) -> usize {
        n_blocks
            .checked_sub(self.largest_blocks())
            .map_or(0, |rest| rest / self.stride_blocks() + 1)
    }

    /// The block after the last one of window `window`, at every scale.
    pub fn end_block(&self, window: usize) -> usize {
        self.largest_blocks() + window * self.stride_blocks()
    }

    /// Blocks `[begin, end)` of window `window` at scale `scale`.
    pub fn block_range(&self, scale: usize, window: usize) -> std::ops::Range<usize> {
        let end = self.end_block(window);
        end - self.scale_blocks(scale)..end
    }

    /// Place of scale `scale` among the others.
    pub fn role(&self, scale: usize) -> ScaleRole {
        if scale + 1 == self.scales.len() {
            ScaleRole::Largest
        } else if scale == 0 {
            ScaleRole::Finest
        } else {
            ScaleRole::Middle
        }
    }

    /// Strides in a window of scale `scale`, at least 1: how many neighbouring windows share a sample, and how many
    /// windows apart two windows are that share none.
    pub fn overlap(&self, scale: usize) -> usize {
        self.scales[scale].div_ceil(self.stride_samples)
    }

    /// Division of a window of scale `scale`: `(parts, blocks in a part)`.
    ///
    /// The largest scale aims at 16 parts, the others at 4 (65,536 = 16 x 4096, 16,384 = 4 x 4096, 4096 = 4 x 1024,
    /// 1024 = 4 x 256). Where the window has no such divisor, the largest number of equal parts below the aim is taken;
    /// a window of a single block is its own only part.
    pub fn parts(&self, scale: usize) -> (usize, usize) {
        let aim = match self.role(scale) {
            ScaleRole::Largest => 16,
            ScaleRole::Middle | ScaleRole::Finest => 4,
        };
        let blocks = self.scale_blocks(scale);
        let parts = (1..=aim)
            .rev()
            .find(|&parts| blocks.is_multiple_of(parts))
            .unwrap_or(1);
        (parts, blocks / parts)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_together_and_stay_inside() {
        let layout = WindowLayout::default();
        layout.check().unwrap();
        assert_eq!(layout.n_windows(255), 0);
        assert_eq!(layout.n_windows(256), 1);
        assert_eq!(layout.n_windows(259), 1);
        assert_eq!(layout.n_windows(260), 2);
        assert_eq!(layout.block_range(3, 0), 0..256);
        assert_eq!(layout.block_range(0, 1), 256..260);
        let last = layout.n_windows(1000) - 1;
        assert!(layout.end_block(last) <= 1000);
        assert!(layout.end_block(last + 1) > 1000);
    }

    #[test]
    fn parts_follow_the_recipe_and_fall_back_to_divisors() {
        let layout = WindowLayout::default();
        let parts: Vec<_> = (0..4).map(|scale| layout.parts(scale)).collect();
        assert_eq!(parts, [(4, 1), (4, 4), (4, 16), (16, 16)]);
        let odd = WindowLayout {
            block_samples: 100,
            scales: vec![100, 600, 1300],
            stride_samples: 100,
        };
        odd.check().unwrap();
        let parts: Vec<_> = (0..3).map(|scale| odd.parts(scale)).collect();
        assert_eq!(parts, [(1, 1), (3, 2), (13, 1)]);
    }

    #[test]
    fn broken_layouts_say_what_is_wrong() {
        let base = WindowLayout::default();
        let cases = [
            (
                WindowLayout {
                    block_samples: 0,
                    ..base.clone()
                },
                "block has no samples",
            ),
            (
                WindowLayout {
                    scales: vec![],
                    ..base.clone()
                },
                "no scales",
            ),
            (
                WindowLayout {
                    stride_samples: 100,
                    ..base.clone()
                },
                "stride of 100",
            ),
            (
                WindowLayout {
                    scales: vec![1000],
                    ..base.clone()
                },
                "scale of 1000",
            ),
            (
                WindowLayout {
                    scales: vec![4096, 1024],
                    ..base.clone()
                },
                "ascending",
            ),
        ];
        for (layout, text) in cases {
            let error = layout.check().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
