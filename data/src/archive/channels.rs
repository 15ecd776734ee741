//! The choice of the channels of a span, so that a component with little data does not cut the others.

use super::align::{n_common, runs};
use crate::id::StreamId;
use crate::mseed::same_rate;
use crate::segment::Segment;
use crate::time::TimeSpan;

/// Channels of which all subsets are compared; with more, only the sets of the most complete channels.
const MAX_ENUMERATED: usize = 6;

/// A channel that has samples in the span but is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutChannel {
    /// The channel.
    pub id: StreamId,
    /// Spans in which it has samples.
    pub spans: Vec<TimeSpan>,
}

/// The set of channels, as indices, whose number times common samples in `span` is largest; among equals the larger
/// set, then the first in order.
///
/// Channels of different rates have nothing in common, and no rate is preferred: all are kept, and nothing aligns.
pub(super) fn choose_channels(channels: &[Vec<Segment>], span: TimeSpan) -> Vec<usize> {
    let all: Vec<usize> = (0..channels.len()).collect();
    let mut rates = channels.iter().flatten().map(|s| s.sampling_rate);
    let first_rate = rates.next().unwrap_or_default();
    if all.len() < 2 || !rates.all(|rate| same_rate(first_rate, rate)) {
        return all;
    }
    let runs: Vec<_> = channels.iter().map(|channel| runs(channel)).collect();
    let n_common = |set: &[usize]| {
        let set: Vec<_> = set.iter().map(|&index| runs[index].as_slice()).collect();
        n_common(&set, span)
    };
    let n_all = n_common(&all);
    let own: Vec<usize> = all.iter().map(|&index| n_common(&[index])).collect();
    // The usual case: a smaller set cannot gain more than its channels' own samples.
    if own
        .iter()
        .all(|&n| n.saturating_mul(all.len() - 1) <= n_all.saturating_mul(all.len()))
    {
        return all;
    }
    let mut best = (n_all * all.len(), all.len(), all.clone());
    for set in candidates(&own) {
        let value = n_common(&set) * set.len();
        if (value, set.len()) > (best.0, best.1) {
            best = (value, set.len(), set);
        }
    }
    best.2
}

/// Sets of channels to compare, given the samples of each.
fn candidates(own: &[usize]) -> Vec<Vec<usize>> {
    let n = own.len();
    if n <= MAX_ENUMERATED {
        let members = |bits: usize| (0..n).filter(|index| bits >> index & 1 == 1).collect();
        return (1..1 << n).map(members).collect();
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(own[index]));
    (1..=n)
        .map(|size| {
            let mut set = order[..size].to_vec();
            set.sort_unstable();
            set
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "channels with one run")]
mod tests {
    use super::*;
    use crate::segment::Samples;

    /// A channel of one sample a second in the given ranges.
    fn channel(ranges: &[std::ops::Range<i64>]) -> Vec<Segment> {
        let segment = |range: &std::ops::Range<i64>| {
            let values = range.clone().map(|i| i as i32).collect();
            let id = StreamId::new("XX", "TEST", "00", "LHU");
            Segment::new(id, 1.0, range.start * 1_000_000_000, Samples::I32(values))
        };
        ranges.iter().map(segment).collect()
    }

    fn choose(channels: &[Vec<Segment>]) -> Vec<usize> {
        choose_channels(channels, TimeSpan::ALL)
    }

    #[test]
    fn a_component_with_minutes_does_not_cut_the_day() {
        let whole = channel(&[0..86_400]);
        for part in [channel(&[40_000..40_180]), channel(&[0..50_000])] {
            assert_eq!(
                choose(&[whole.clone(), part.clone(), whole.clone()]),
                [0, 2]
            );
            assert_eq!(choose(&[part, whole.clone(), whole.clone()]), [1, 2]);
        }
    }

    #[test]
    fn gaps_of_a_component_do_not_cost_it() {
        let whole = channel(&[0..1000]);
        let most = channel(&[0..300, 400..800]);
        assert_eq!(choose(&[whole.clone(), most, whole.clone()]), [0, 1, 2]);
        assert_eq!(choose(&[whole.clone(), channel(&[0..500])]), [0, 1]);
        assert_eq!(choose(&[whole]), [0]);
        assert!(choose(&[]).is_empty());
    }

    #[test]
    fn pairs_that_never_meet_give_the_longer_pair() {
        let (early, late) = (channel(&[0..400]), channel(&[400..1000]));
        let four = [early.clone(), late.clone(), early.clone(), late.clone()];
        assert_eq!(choose(&four), [1, 3]);
        let many: Vec<_> = (0..8)
            .map(|i| channel(&[0..if i == 3 { 9 } else { 900 }]))
            .collect();
        assert_eq!(choose(&many), [0, 1, 2, 4, 5, 6, 7]);
    }

    #[test]
    fn different_rates_are_kept() {
        let mut fast = channel(&[0..1000]);
        fast[0].sampling_rate = 2.0;
        assert_eq!(choose(&[channel(&[0..100]), fast]), [0, 1]);
    }
}
