//! A long run of a record in blocks, each with a background of its own.

use std::ops::Range;

use super::shape::Layout;

/// Part of a run that is fitted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its samples in the run.
    pub span: Range<usize>,
    /// Where sources may begin, in samples of the block; those of its neighbours are among them.
    pub targets: Vec<Range<usize>>,
    /// Onsets in these samples of the run are its own; the blocks share no such sample.
    pub own: Vec<Range<usize>>,
}

impl Block {
    /// Whether a source of the block with its onset at a sample of the run is the block's own; a little before its
    /// targets counts, if no other target is there.
    pub fn owns(&self, onset: f64, layout: Layout) -> bool {
        let lead = layout.lead as f64;
        let of = |t: &Range<usize>| (t.start as f64..t.end as f64).contains(&onset);
        let before = |t: &Range<usize>| (t.start as f64 - lead..t.start as f64).contains(&onset);
        let at = onset - self.span.start as f64;
        self.own.iter().any(of)
            || (self.own.iter().any(before)
                && !self
                    .targets
                    .iter()
                    .any(|t| (t.start as f64..t.end as f64).contains(&at)))
    }
}

/// Cuts a run of `n_samples` around its targets (ascending, apart from each other).
///
/// Targets near each other share a block; a block reaches beyond its targets by a grid at least, and to the samples that
/// a background needs. A target longer than a block is cut into several.
pub fn blocks(n_samples: usize, targets: &[Range<usize>], layout: Layout) -> Vec<Block> {
    let longest = layout.block();
    let pieces: Vec<Range<usize>> = targets
        .iter()
        .filter(|t| t.start < t.end.min(n_samples))
        .flat_map(|t| {
            let end = t.end.min(n_samples);
            (t.start..end)
                .step_by(longest)
                .map(move |from| from..(from + longest).min(end))
        })
        .collect();
    let mut groups: Vec<Vec<Range<usize>>> = Vec::new();
    for piece in &pieces {
        match groups.last_mut() {
            Some(group) if piece.end - group[0].start <= longest => group.push(piece.clone()),
            _ => groups.push(vec![piece.clone()]),
        }
    }
    groups
        .into_iter()
        .map(|own| {
            let (first, last) = (own[0].start, own[own.len() - 1].end);
            let margin = ((longest.saturating_sub(last - first)) / 2).max(layout.grid);
            let mut span = first.saturating_sub(margin)..(last + margin).min(n_samples);
            // At an end of the run the other side gives more.
            let wanted = longest.max(last - first + 2 * layout.grid);
            if span.len() < wanted {
                span.end = (span.start + wanted).min(n_samples);
                span.start = span.end.saturating_sub(wanted);
            }
            let inside = |t: &Range<usize>| {
                let (from, to) = (t.start.max(span.start), t.end.min(span.end));
                (from < to).then(|| from - span.start..to - span.start)
            };
            Block {
                targets: pieces.iter().filter_map(inside).collect(),
                span,
                own,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_belongs_to_one_block() {
        let layout = Layout::for_windows(1000, 100);
        let mut targets: Vec<Range<usize>> =
            (0..40).map(|i| 5000 * i + 100..5000 * i + 1100).collect();
        targets.push(300_000..400_000);
        let blocks = blocks(390_000, &targets, layout);
        let own: usize = blocks.iter().flat_map(|b| &b.own).map(Range::len).sum();
        assert_eq!(own, 40 * 1000 + 90_000);
        for block in &blocks {
            assert!(block.span.end <= 390_000 && block.span.len() >= 24_000);
            assert!(block.targets.iter().all(|t| t.end <= block.span.len()));
            for own in &block.own {
                assert!(block.span.start <= own.start && own.end <= block.span.end);
            }
        }
    }

    #[test]
    fn a_short_run_is_one_block() {
        let layout = Layout::for_windows(1000, 100);
        let blocks = blocks(3000, &[500..1500, 4000..5000], layout);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].span, 0..3000);
        assert_eq!(blocks[0].targets.len(), 1);
        assert_eq!(blocks[0].targets[0], 500..1500);
    }
}
