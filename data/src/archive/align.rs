//! Channels cut to common sample times.

use std::ops::Range;

use ndarray::Array2;

use crate::id::StreamId;
use crate::mseed::same_rate;
use crate::segment::{Anchor, Segment, slice_anchors, time_at};
use crate::time::{TimeSpan, steps_ns};

/// Samples of several channels at common times, free of gaps and of unusable samples (see
/// [`UsableSamples`](crate::usable::UsableSamples)).
#[derive(Debug, Clone, PartialEq)]
pub struct AlignedSegment {
    /// The channels, sorted; rows of `samples`.
    pub channels: Vec<StreamId>,
    /// Nominal rate in Hz.
    pub sampling_rate: f64,
    /// The samples, `(channel, sample)`, in the unit of the records (counts).
    pub samples: Array2<f64>,
    /// Times of the first channel's records; see [`Segment::anchors`](crate::Segment).
    pub anchors: Vec<Anchor>,
    /// How much later than the first channel each channel was sampled, at the first sample, in ns: below half a
    /// sample either way.
    pub sub_sample_offsets_ns: Vec<i64>,
}

impl AlignedSegment {
    /// Number of samples of each channel.
    pub fn npts(&self) -> usize {
        self.samples.ncols()
    }

    /// Time of a sample of the first channel, ns UTC.
    pub fn time_of(&self, index: usize) -> i64 {
        time_at(&self.anchors, self.sampling_rate, index)
    }

    /// Time of the first sample, ns UTC.
    pub fn start_ns(&self) -> i64 {
        self.time_of(0)
    }

    /// Time of the last sample, ns UTC.
    pub fn end_ns(&self) -> i64 {
        self.time_of(self.npts().saturating_sub(1))
    }
}

/// A run of usable samples of one channel.
pub(super) struct Run<'a> {
    segment: &'a Segment,
    range: Range<usize>,
}

/// Runs of all channels so far that go together: a range of the first channel and, for each channel, segment and shift.
#[derive(Clone)]
struct Common<'a> {
    range: Range<usize>,
    /// Segment and index of its sample that goes with sample `range.start` of the first.
    channels: Vec<(&'a Segment, usize)>,
}

/// Intersects the usable runs of all channels, pairing each sample of the first with the nearest of the others, and
/// keeps what the first channel has within `span`. `channels`: for each channel its segments, sorted, without
/// overlaps.
pub(super) fn align(channels: &[Vec<Segment>], span: TimeSpan) -> Vec<AlignedSegment> {
    let runs: Vec<_> = channels.iter().map(|channel| runs(channel)).collect();
    let runs: Vec<_> = runs.iter().map(Vec::as_slice).collect();
    common(&runs, span).iter().map(build).collect()
}

/// Number of samples that all channels have within `span`.
pub(super) fn n_common(channels: &[&[Run<'_>]], span: TimeSpan) -> usize {
    common(channels, span).iter().map(|g| g.range.len()).sum()
}

fn common<'a>(channels: &[&[Run<'a>]], span: TimeSpan) -> Vec<Common<'a>> {
    let mut channels = channels.iter();
    let Some(first) = channels.next() else {
        return Vec::new();
    };
    let mut common: Vec<Common<'_>> = first
        .iter()
        .map(|run| Common {
            channels: vec![(run.segment, run.range.start)],
            range: run.range.clone(),
        })
        .collect();
    for runs in channels {
        common = common
            .iter()
            .flat_map(|group| add_channel(group, runs))
            .collect();
    }
    common
        .into_iter()
        .filter_map(|group| cut(group, span))
        .collect()
}

/// Usable runs of the segments of a channel, in order.
pub(super) fn runs(segments: &[Segment]) -> Vec<Run<'_>> {
    segments
        .iter()
        .flat_map(|segment| {
            let ranges = segment.usable().runs.into_iter();
            ranges.map(move |range| Run { segment, range })
        })
        .collect()
}

fn add_channel<'a>(group: &Common<'a>, runs: &[Run<'a>]) -> Vec<Common<'a>> {
    let first = group.channels[0].0;
    let end_ns = first.time_of(group.range.end);
    let start_ns = first.time_of(group.range.start);
    let from = runs.partition_point(|run| run.segment.time_of(run.range.end) < start_ns);
    let mut found = Vec::new();
    for run in &runs[from..] {
        if run.segment.time_of(run.range.start) > end_ns {
            break;
        }
        if same_rate(first.sampling_rate, run.segment.sampling_rate) {
            pair(group, run, &mut found);
        }
    }
    found
}

/// Pairs the samples of a group with those of a run. Where clocks slip by more than half a sample, a new pairing
/// begins.
fn pair<'a>(group: &Common<'a>, run: &Run<'a>, found: &mut Vec<Common<'a>>) {
    let first = group.channels[0].0;
    let half_ns = (steps_ns(1, first.sampling_rate) / 2).unsigned_abs();
    let (mut a, mut b) = (group.range.start, run.range.start);
    while a < group.range.end && b < run.range.end {
        // Move the earlier of the two to the sample nearest to the later.
        let (time_a, time_b) = (first.time_of(a), run.segment.time_of(b));
        if time_a.abs_diff(time_b) > half_ns {
            if time_a < time_b {
                a = nearest_from(first, a, time_b);
            } else {
                b = nearest_from(run.segment, b, time_a);
            }
            if a >= group.range.end || b >= run.range.end {
                return;
            }
            let distance = first.time_of(a).abs_diff(run.segment.time_of(b));
            if distance > half_ns.saturating_add(1) {
                return; // the runs do not meet
            }
        }
        let n = (group.range.end - a).min(run.range.end - b);
        let n = in_step(first, a, run.segment, b, n, half_ns);
        let shift = a - group.range.start;
        let mut channels: Vec<_> = group
            .channels
            .iter()
            .map(|&(segment, index)| (segment, index + shift))
            .collect();
        channels.push((run.segment, b));
        found.push(Common {
            range: a..a + n,
            channels,
        });
        a += n;
        b += n;
    }
}

/// The sample nearest to a time, at or after `from`.
fn nearest_from(segment: &Segment, from: usize, time_ns: i64) -> usize {
    let after = segment.first_index_at(time_ns).max(from);
    let Some(before) = after.checked_sub(1).filter(|&before| before >= from) else {
        return after;
    };
    let distance = |index: usize| segment.time_of(index).abs_diff(time_ns);
    if distance(before) <= distance(after) {
        before
    } else {
        after
    }
}

/// How many samples from `a` and `b` on stay within half a sample (and a quarter, so that it does not flicker) of each
/// other, at most `n`, at least 1. Between anchors both run at the nominal rate, so only anchors need a look.
fn in_step(first: &Segment, a: usize, second: &Segment, b: usize, n: usize, half_ns: u64) -> usize {
    let limit = half_ns.saturating_add(half_ns / 2);
    let steps = |segment: &Segment, start: usize| -> Vec<usize> {
        let from = segment
            .anchors
            .partition_point(|anchor| anchor.index <= start);
        segment.anchors[from..]
            .iter()
            .map(|anchor| anchor.index - start)
            .take_while(|&step| step < n)
            .collect()
    };
    let mut looks = steps(first, a);
    looks.extend(steps(second, b));
    looks.sort_unstable();
    looks
        .into_iter()
        .find(|&step| first.time_of(a + step).abs_diff(second.time_of(b + step)) > limit)
        .unwrap_or(n)
}

fn cut<'a>(group: Common<'a>, span: TimeSpan) -> Option<Common<'a>> {
    let inside = group.channels[0].0.index_range(span);
    let range = group.range.start.max(inside.start)..group.range.end.min(inside.end);
    if range.is_empty() {
        return None;
    }
    let shift = range.start - group.range.start;
    let channels = group.channels.into_iter();
    Some(Common {
        channels: channels.map(|(s, index)| (s, index + shift)).collect(),
        range,
    })
}

fn build(group: &Common<'_>) -> AlignedSegment {
    let first = group.channels[0].0;
    let n = group.range.len();
    let mut samples = Array2::zeros((group.channels.len(), n));
    for (mut row, &(segment, start)) in samples.rows_mut().into_iter().zip(&group.channels) {
        for (to, index) in row.iter_mut().zip(start..) {
            *to = segment.samples.get(index);
        }
    }
    let start_ns = first.time_of(group.range.start);
    let channels = group.channels.iter();
    AlignedSegment {
        channels: channels.clone().map(|(s, _)| s.id.clone()).collect(),
        sampling_rate: first.sampling_rate,
        samples,
        anchors: slice_anchors(&first.anchors, first.sampling_rate, group.range.clone()),
        sub_sample_offsets_ns: channels
            .map(|&(segment, index)| segment.time_of(index).saturating_sub(start_ns))
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::segment::Samples;

    const MS: i64 = 1_000_000;

    fn segment(channel: &str, start_ms: i64, values: Vec<i32>) -> Segment {
        let id = StreamId::new("XX", "TEST", "00", channel);
        Segment::new(id, 20.0, start_ms * MS, Samples::I32(values))
    }

    fn ramp(n: i32) -> Vec<i32> {
        (0..n).collect()
    }

    #[test]
    fn channels_that_start_apart_are_cut() {
        let u = vec![segment("BHU", 0, ramp(1000))];
        let v = vec![segment("BHV", 3_010, ramp(500))];
        let aligned = align(&[u, v], TimeSpan::ALL);
        assert_eq!(aligned.len(), 1);
        let both = &aligned[0];
        assert_eq!((both.npts(), both.start_ns()), (500, 3_000 * MS));
        assert_eq!(both.sub_sample_offsets_ns, [0, 10 * MS]);
        assert_eq!(both.samples[[0, 0]], 60.0);
        assert_eq!(both.samples[[1, 0]], 0.0);
        assert_eq!(both.samples[[0, 499]], 559.0);
    }

    #[test]
    fn a_sentinel_on_one_channel_splits_all() {
        let mut values = ramp(100);
        values[40] = -8_388_607;
        let channels = [
            vec![segment("BHU", 0, ramp(100))],
            vec![segment("BHV", 0, values)],
            vec![segment("BHW", 0, ramp(50)), segment("BHW", 3_000, ramp(40))],
        ];
        let aligned = align(&channels, TimeSpan::ALL);
        let lengths: Vec<_> = aligned
            .iter()
            .map(|a| (a.start_ns() / MS, a.npts()))
            .collect();
        assert_eq!(lengths, [(0, 40), (2050, 9), (3000, 40)]);
        assert_eq!(aligned[2].samples[[2, 0]], 0.0);
        assert_eq!(aligned[2].samples[[0, 0]], 60.0);
    }

    #[test]
    fn a_slipping_clock_is_paired_anew() {
        // The second clock loses 1 ms each 100 samples: after 2500 samples it is half a sample off.
        let u = segment("BHU", 0, ramp(10_000));
        let mut v = segment("BHV", 0, ramp(10_000));
        v.anchors = (0..100)
            .map(|record| Anchor {
                index: record * 100,
                time_ns: record as i64 * (5_000 - 1) * MS,
            })
            .collect();
        let aligned = align(&[vec![u], vec![v.clone()]], TimeSpan::ALL);
        assert!(aligned.len() > 1);
        for part in &aligned {
            for index in [0, part.npts() - 1] {
                let other = v.time_of(part.samples[[1, index]] as usize);
                let off = other - part.time_of(index);
                assert!(off.abs() <= 38 * MS, "{off}");
            }
            assert!(part.sub_sample_offsets_ns[1].abs() <= 25 * MS);
        }
        let total: usize = aligned.iter().map(AlignedSegment::npts).sum();
        assert!(total > 9_900, "{total}");
    }

    #[test]
    fn neighbouring_spans_share_no_sample_and_lose_none() {
        let channels = [
            vec![segment("BHU", 0, ramp(100))],
            vec![segment("BHV", 20, ramp(100))],
        ];
        let border = 2_010 * MS;
        let before = align(&channels, TimeSpan::new(0, border));
        let after = align(&channels, TimeSpan::new(border, i64::MAX));
        assert_eq!(before[0].npts() + after[0].npts(), 100);
        assert_eq!(after[0].start_ns(), before[0].end_ns() + 50 * MS);
    }

    #[test]
    fn different_rates_have_nothing_in_common() {
        let mut slow = segment("BHV", 0, ramp(100));
        slow.sampling_rate = 10.0;
        let fast = segment("BHU", 0, ramp(100));
        assert!(align(&[vec![fast], vec![slow]], TimeSpan::ALL).is_empty());
        assert!(align(&[], TimeSpan::ALL).is_empty());
    }
}
