//! Overlapping segments of one stream: the earlier counts.

use serde::Serialize;

use crate::id::StreamId;
use crate::mseed::{append, piece_of_segment};
use crate::segment::Segment;
use crate::time::{TimeSpan, steps_ns};

/// Samples that the archive holds twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The stream.
    pub id: StreamId,
    /// From the first to one ns after the last sample that was left out.
    pub span: TimeSpan,
    /// Number of samples left out.
    pub npts: usize,
    /// True if both copies agree to the bit.
    pub identical: bool,
}

/// Leaves out of each segment what an earlier one covers, and joins what then continues. `segments`: one stream,
/// sorted by start.
pub(super) fn resolve(segments: Vec<Segment>) -> (Vec<Segment>, Vec<Overlap>) {
    let mut kept: Vec<Segment> = Vec::new();
    let mut overlaps = Vec::new();
    for mut segment in segments {
        let Some(last) = kept.last_mut() else {
            kept.push(segment);
            continue;
        };
        let half_ns = steps_ns(1, last.sampling_rate) / 2;
        let covered = segment.first_index_at(last.end_ns().saturating_add(half_ns));
        if covered > 0 {
            overlaps.push(describe(last, &segment, covered));
            if covered == segment.npts() {
                continue;
            }
            segment = segment.slice(covered..segment.npts());
        }
        let continues = piece_of_segment(last).continued_by(&piece_of_segment(&segment));
        match continues {
            Some(_) => append(last, segment),
            None => kept.push(segment),
        }
    }
    (kept, overlaps)
}

fn describe(first: &Segment, second: &Segment, covered: usize) -> Overlap {
    let identical = first.index_near(second.start_ns()).is_some_and(|start| {
        start + covered <= first.npts()
            && (0..covered).all(|index| {
                let (a, b) = (first.samples.get(start + index), second.samples.get(index));
                a.to_bits() == b.to_bits()
            })
    });
    Overlap {
        id: second.id.clone(),
        span: TimeSpan::new(
            second.start_ns(),
            second.time_of(covered - 1).saturating_add(1),
        ),
        npts: covered,
        identical,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::segment::Samples;

    fn segment(start_ms: i64, values: std::ops::Range<i32>) -> Segment {
        let id = "XX.TEST.00.BHZ".parse().unwrap();
        Segment::new(
            id,
            20.0,
            start_ms * 1_000_000,
            Samples::I32(values.collect()),
        )
    }

    #[test]
    fn duplicates_vanish_and_the_rest_joins() {
        let (kept, overlaps) = resolve(vec![
            segment(0, 0..10),
            segment(0, 0..10),
            segment(251, 5..20),
        ]);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].samples, Samples::I32((0..20).collect()));
        assert_eq!(kept[0].time_of(10), 501_000_000);
        let seen: Vec<_> = overlaps.iter().map(|o| (o.npts, o.identical)).collect();
        assert_eq!(seen, [(10, true), (5, true)]);
    }

    #[test]
    fn different_copies_are_said_so() {
        let (kept, overlaps) = resolve(vec![segment(0, 0..10), segment(250, 105..120)]);
        let expected: Vec<i32> = (0..10).chain(110..120).collect();
        assert_eq!(kept[0].samples, Samples::I32(expected));
        assert!(!overlaps[0].identical);
    }

    #[test]
    fn gaps_stay() {
        let (kept, overlaps) = resolve(vec![segment(0, 0..10), segment(600, 0..10)]);
        assert_eq!((kept.len(), overlaps.len()), (2, 0));
    }
}
