//! The search of a gap-free record of any length, block by block.

use rayon::prelude::*;
use seismix_core::progress::Progress;

use super::search::{BlockFinds, Detector};
use super::transients::{Transient, transients};
use crate::error::Error;
use crate::template::RecordSegment;

/// Template lengths of the parts in which strong transients are sought: 48 minutes where a template lasts 51 s, short
/// enough that a part's deviation follows the noise.
const PART_LENGTHS: usize = 56;
/// Template lengths of a training segment before its first target.
const LEAD_LENGTHS: usize = 3;

impl Detector {
    /// Finds of the template and of the decoys in a gap-free record, `[channel][sample]`, all finite.
    ///
    /// Blocks overlap by two margins and are searched in parallel; memory beyond the record is that of a block a thread.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn search_record(
        &self,
        channels: &[Vec<f64>],
        progress: &dyn Progress,
    ) -> Result<BlockFinds, Error> {
        let n = channels.first().map_or(0, Vec::len);
        let (size, margin) = (self.block_samples(), self.margin());
        let own = if n <= size { size } else { size - 2 * margin };
        let starts: Vec<usize> = (0..n).step_by(own.max(1)).collect();
        let blocks: Vec<BlockFinds> = starts
            .into_par_iter()
            .filter(|_| !progress.cancelled())
            .map(|start| {
                let from = start.saturating_sub(margin);
                let to = (start + own + margin).min(n);
                let block: Vec<Vec<f64>> = channels.iter().map(|c| c[from..to].to_vec()).collect();
                let own = start - from..(start + own).min(n) - from;
                self.search(&block, own).shifted(from)
            })
            .collect();
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
        let mut all = BlockFinds::default();
        for block in blocks {
            all.finds.extend(block.finds);
            all.decoys.extend(block.decoys);
            all.noise.extend(block.noise);
        }
        Ok(all)
    }
}

impl BlockFinds {
    /// The finds with positions in a record in which the block begins at sample `from`.
    fn shifted(mut self, from: usize) -> Self {
        let decoys = self.decoys.iter_mut().map(|(_, find)| find);
        for find in self.finds.iter_mut().chain(decoys) {
            find.onset += from as f64;
            find.sample += from;
        }
        for noise in &mut self.noise {
            noise.samples = noise.samples.start + from..noise.samples.end + from;
        }
        self
    }
}

/// Strong isolated transients of a gap-free record of any length, in order of time; see [`transients`].
pub fn record_transients(channels: &[Vec<f64>], template_samples: usize) -> Vec<Transient> {
    let n = channels.first().map_or(0, Vec::len);
    let part = PART_LENGTHS * template_samples;
    let starts: Vec<usize> = (0..n).step_by(part.max(1)).collect();
    let mut found: Vec<Transient> = starts
        .into_par_iter()
        .flat_map_iter(|from| {
            let to = (from + part).min(n);
            let part: Vec<Vec<f64>> = channels.iter().map(|c| c[from..to].to_vec()).collect();
            let found = transients(&part, template_samples).into_iter();
            found.map(move |t| Transient {
                sample: t.sample + from,
                ..t
            })
        })
        .collect();
    found.sort_by_key(|t| t.sample);
    found
}

/// Segments of a record around transients, from which a template can be learned.
///
/// `samples`: those of the transients, ascending. Each is a target of .9 template lengths from an eighth before it.
pub fn training_segments(
    channels: &[Vec<f64>],
    samples: &[usize],
    template_samples: usize,
) -> Vec<RecordSegment> {
    let n = channels.first().map_or(0, Vec::len);
    let length = template_samples;
    let mut segments = Vec::new();
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let from = first.saturating_sub(LEAD_LENGTHS * length);
        let to = (from + 24 * length).min(n);
        let count = rest.partition_point(|s| s + length < to).max(1);
        let (inside, after) = rest.split_at(count);
        rest = after;
        let mut targets: Vec<std::ops::Range<usize>> = Vec::new();
        for sample in inside {
            let start = sample.saturating_sub(length / 8).max(from) - from;
            let end = (start + length * 9 / 10).min(to - from);
            // Windows must not overlap.
            if let Some(last) = targets.last_mut() {
                last.end = last.end.min(start);
            }
            targets.push(start..end);
        }
        segments.push(RecordSegment {
            channels: channels.iter().map(|c| c[from..to].to_vec()).collect(),
            targets,
            neighbour_targets: Vec::new(),
        });
    }
    segments
}
