//! Windows out of blocks: nested windows of all scales that end together.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use seismix_core::window::WindowLayout;

use super::StoreError;
use crate::TimeSpan;
use crate::time;

/// Windows counted in blocks, and the duration of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockLayout {
    /// Samples a second.
    pub sampling_rate: f64,
    /// Lengths of blocks, windows and strides.
    #[serde(flatten)]
    pub windows: WindowLayout,
}

impl BlockLayout {
    /// Checks the rate and the lengths.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a rate that is not positive, [`StoreError::Core`] with the length that is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        if !(self.sampling_rate.is_finite() && self.sampling_rate > 0.0) {
            return Err(StoreError::invalid(format!(
                "sampling rate {} is not positive",
                self.sampling_rate
            )));
        }
        Ok(self.windows.check()?)
    }

    /// Length of a block in ns, rounded.
    #[must_use]
    pub fn block_ns(&self) -> i64 {
        time::steps_ns(self.windows.block_samples, self.sampling_rate)
    }

    /// Time from one sample to the next in ns, rounded.
    #[must_use]
    pub fn sample_ns(&self) -> i64 {
        time::steps_ns(1, self.sampling_rate)
    }

    /// Last block (exclusive) of each window of a run of `n_blocks` blocks whose first window starts at block `start`.
    fn window_ends(&self, start: usize, n_blocks: usize) -> impl Iterator<Item = usize> + use<> {
        let first = start.saturating_add(self.windows.largest_blocks());
        (first..=n_blocks).step_by(self.windows.stride_blocks())
    }
}

/// One window: the scales share its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Number of the segment, as in `/segment`.
    pub segment: i32,
    /// Block after the last one, counted in the file.
    pub end_block: usize,
}

/// All windows of one feature file, in order of time.
///
/// In each segment the first window starts at the segment's `grid_start`; windows follow at every stride for which the
/// LARGEST one fits. The window of scale `s` is the last `s / block` blocks before `end_block`.
#[derive(Debug, Clone)]
pub struct WindowGrid {
    layout: BlockLayout,
    time: Vec<i64>,
    windows: Vec<Window>,
}

impl WindowGrid {
    /// Enumerates the windows. `time`, `segment`: one value a block; `grid_start`: one block number a segment.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if lengths differ, segment numbers do not ascend, the blocks of a segment are not
    /// contiguous (steps off by more than half a sample), or a grid starts outside its segment.
    pub fn new(
        layout: &BlockLayout,
        time: &[i64],
        segment: &[i32],
        grid_start: &[usize],
    ) -> Result<Self, StoreError> {
        layout.check()?;
        if time.len() != segment.len() {
            return Err(StoreError::invalid(format!(
                "{} block times but {} segment numbers",
                time.len(),
                segment.len()
            )));
        }
        let runs = segment_runs(segment)?;
        if runs.len() != grid_start.len() {
            return Err(StoreError::invalid(format!(
                "{} segments but {} grid starts",
                runs.len(),
                grid_start.len()
            )));
        }
        let mut windows = Vec::new();
        for (run, start) in runs.iter().zip(grid_start) {
            check_contiguous(layout, time, run)?;
            if !run.contains(start) {
                return Err(StoreError::invalid(format!(
                    "window grid starts at block {start}, outside its segment's blocks {run:?}"
                )));
            }
            let segment = segment[run.start];
            windows.extend(
                layout
                    .window_ends(*start, run.end)
                    .map(|end_block| Window { segment, end_block }),
            );
        }
        Ok(Self {
            layout: layout.clone(),
            time: time.to_vec(),
            windows,
        })
    }

    /// The windows.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Number of windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// True if no window fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The lengths it was made with.
    #[must_use]
    pub fn layout(&self) -> &BlockLayout {
        &self.layout
    }

    /// Blocks of a window at scale number `scale` (0 is the smallest), counted in the file.
    ///
    /// # Panics
    /// If `scale` is not below the number of scales, or the window is of another grid.
    #[must_use]
    pub fn blocks(&self, window: &Window, scale: usize) -> Range<usize> {
        window.end_block - self.layout.windows.scale_blocks(scale)..window.end_block
    }

    /// Span of a window at scale number `scale`: first sample to one sample after the last.
    ///
    /// # Panics
    /// As [`blocks`](Self::blocks).
    #[must_use]
    pub fn span(&self, window: &Window, scale: usize) -> TimeSpan {
        let blocks = self.blocks(window, scale);
        TimeSpan {
            start_ns: self.time[blocks.start],
            end_ns: self.time[blocks.end - 1] + self.layout.block_ns(),
        }
    }

    /// Time of the last sample of a window, the `endtime` of cluster tables.
    ///
    /// # Panics
    /// If the window is of another grid.
    #[must_use]
    pub fn last_sample_ns(&self, window: &Window) -> i64 {
        last_sample_ns(&self.layout, self.time[window.end_block - 1])
    }
}

/// The part of one segment that belongs in the file of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayPiece {
    /// Midnight UTC of the day, ns since 1970.
    pub day_start_ns: i64,
    /// Blocks of the segment that go into the day's file: from the first block of its first window to the end of its
    /// last.
    pub blocks: Range<usize>,
    /// Windows among them.
    pub n_windows: usize,
}

/// Cuts one gap-free segment, whose first window starts at its first block, into the pieces for each day's file.
///
/// A window belongs to the day of its last sample; the piece begins with the blocks its first window needs, up to
/// (largest window - stride) of them on the day before. A segment without a window gives no piece.
#[must_use]
pub fn day_pieces(layout: &BlockLayout, time: &[i64]) -> Vec<DayPiece> {
    let largest = layout.windows.largest_blocks();
    let mut pieces: Vec<DayPiece> = Vec::new();
    for end in layout.window_ends(0, time.len()).filter(|end| *end > 0) {
        let day_start_ns = time::day_start_ns(last_sample_ns(layout, time[end - 1]));
        match pieces.last_mut() {
            Some(piece) if piece.day_start_ns == day_start_ns => {
                piece.blocks.end = end;
                piece.n_windows += 1;
            }
            _ => pieces.push(DayPiece {
                day_start_ns,
                blocks: end - largest..end,
                n_windows: 1,
            }),
        }
    }
    pieces
}

fn last_sample_ns(layout: &BlockLayout, block_start_ns: i64) -> i64 {
    block_start_ns.saturating_add(layout.block_ns() - layout.sample_ns())
}

/// Blocks of each segment, in order.
fn segment_runs(segment: &[i32]) -> Result<Vec<Range<usize>>, StoreError> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (block, number) in segment.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if segment[run.start] == *number => run.end = block + 1,
            Some(run) if segment[run.start] > *number => {
                return Err(StoreError::invalid(format!(
                    "segment number {number} at block {block} follows {}",
                    segment[run.start]
                )));
            }
            _ => runs.push(block..block + 1),
        }
    }
    Ok(runs)
}

fn check_contiguous(
    layout: &BlockLayout,
    time: &[i64],
    run: &Range<usize>,
) -> Result<(), StoreError> {
    let (step, half_sample) = (layout.block_ns(), 0.5e9 / layout.sampling_rate);
    for block in run.start + 1..run.end {
        let found = time[block].saturating_sub(time[block - 1]);
        if (found.saturating_sub(step)).abs() as f64 > half_sample {
            return Err(StoreError::invalid(format!(
                "blocks {} and {block} of one segment are {found} ns apart instead of {step}",
                block - 1
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn layout() -> BlockLayout {
        BlockLayout {
            sampling_rate: 20.0,
            windows: WindowLayout {
                block_samples: 256,
                scales: vec![1024, 4096],
                stride_samples: 1024,
            },
        }
    }

    fn times(start_ns: i64, n: usize) -> Vec<i64> {
        (0..n as i64)
            .map(|i| start_ns + i * 12_800_000_000)
            .collect()
    }

    #[test]
    fn windows_end_together_at_every_stride_that_fits() {
        // 16 blocks a large window, 4 a stride: 25 blocks hold windows that end at 16, 20, 24.
        let time = times(0, 25);
        let grid = WindowGrid::new(&layout(), &time, &[3; 25], &[0]).unwrap();
        let ends: Vec<usize> = grid.windows().iter().map(|w| w.end_block).collect();
        assert_eq!(ends, [16, 20, 24]);
        let window = grid.windows()[1];
        assert_eq!(window.segment, 3);
        assert_eq!(grid.blocks(&window, 0), 16..20);
        assert_eq!(grid.blocks(&window, 1), 4..20);
        assert_eq!(
            grid.span(&window, 0),
            TimeSpan {
                start_ns: time[16],
                end_ns: time[20]
            }
        );
        assert_eq!(grid.last_sample_ns(&window), time[20] - 50_000_000);
    }

    #[test]
    fn segments_do_not_share_windows() {
        let mut time = times(0, 20);
        time.extend(times(1_000_000_000_000, 17));
        let segment: Vec<i32> = [vec![0; 20], vec![1; 17]].concat();
        let grid = WindowGrid::new(&layout(), &time, &segment, &[0, 21]).unwrap();
        let ends: Vec<usize> = grid.windows().iter().map(|w| w.end_block).collect();
        assert_eq!(ends, [16, 20, 37]);
    }

    #[test]
    fn short_segments_and_nothing_give_no_window() {
        assert!(
            WindowGrid::new(&layout(), &times(0, 15), &[0; 15], &[0])
                .unwrap()
                .is_empty()
        );
        assert!(
            WindowGrid::new(&layout(), &[], &[], &[])
                .unwrap()
                .is_empty()
        );
        assert!(day_pieces(&layout(), &times(0, 15)).is_empty());
    }

    #[test]
    fn contradictions_are_refused() {
        let time = times(0, 20);
        let mut late = time.clone();
        late[7] += 30_000_000; // more than half a sample of 50 ms
        for (time, segment, start) in [
            (time.clone(), vec![0; 19], vec![0]),
            (late, vec![0; 20], vec![0]),
            (
                time.clone(),
                [vec![1; 10], vec![0; 10]].concat(),
                vec![0, 10],
            ),
            (time.clone(), vec![0; 20], vec![20]),
            (time.clone(), vec![0; 20], vec![]),
        ] {
            assert!(WindowGrid::new(&layout(), &time, &segment, &start).is_err());
        }
        let mut bad = layout();
        bad.sampling_rate = f64::NAN;
        assert!(bad.check().is_err());
        let mut bad = layout();
        bad.windows.block_samples = 0;
        assert!(bad.check().is_err());
    }

    #[test]
    fn a_layout_keeps_its_json() {
        let json = r#"{"sampling_rate":20.0,"block_samples":256,"scales":[1024,4096],"stride_samples":1024}"#;
        let layout: BlockLayout = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&layout).unwrap(), json);
    }

    #[test]
    fn day_pieces_hold_each_window_once() {
        const DAY: i64 = 86_400_000_000_000;
        let layout = layout();
        let time = times(10 * DAY - 3_000_000_000_000, 16 * 40 + 3);
        let whole = WindowGrid::new(&layout, &time, &vec![0; time.len()], &[0]).unwrap();
        let pieces = day_pieces(&layout, &time);
        assert_eq!(pieces.len(), 2);
        let mut ends = Vec::new();
        for piece in &pieces {
            let part = &time[piece.blocks.clone()];
            let grid = WindowGrid::new(&layout, part, &vec![0; part.len()], &[0]).unwrap();
            assert_eq!(grid.len(), piece.n_windows);
            for window in grid.windows() {
                assert_eq!(
                    time::day_start_ns(grid.last_sample_ns(window)),
                    piece.day_start_ns
                );
                ends.push(window.end_block + piece.blocks.start);
            }
        }
        assert_eq!(
            ends,
            whole
                .windows()
                .iter()
                .map(|w| w.end_block)
                .collect::<Vec<_>>()
        );
        // The second file begins with context of the day before: all but a stride of its first window at most.
        let context = time[pieces[1].blocks.start..]
            .iter()
            .take_while(|t| **t < 10 * DAY)
            .count();
        assert!((1..=16).contains(&context), "{context}");
    }
}
