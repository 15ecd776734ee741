//! Which records continue each other.

use crate::time::steps_ns;

/// Records that may still be continued at the same time: more are only in files made of overlaps.
const MAX_OPEN: usize = 16;
/// Rates that differ by less, relatively, are one rate with rounding.
const RATE_TOLERANCE: f64 = 1e-4;

/// The time that a record (or any run of samples) covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Time of the first sample, ns UTC.
    pub start_ns: i64,
    /// When the sample after the last is due, ns UTC.
    pub due_ns: i64,
    /// Rate in Hz, positive.
    pub sampling_rate: f64,
}

impl Piece {
    /// A record of `npts` samples from `start_ns` on.
    pub fn new(start_ns: i64, sampling_rate: f64, npts: usize) -> Self {
        Self {
            start_ns,
            due_ns: start_ns.saturating_add(steps_ns(npts, sampling_rate)),
            sampling_rate,
        }
    }

    fn half_step_ns(&self) -> u64 {
        (steps_ns(1, self.sampling_rate) / 2).unsigned_abs()
    }

    /// Time in ns from the due time of the sample after this piece to the start of `next`; `None` if it does not
    /// continue it.
    ///
    /// It does at the same rate and within half a sample of the end of *this piece*, not of the start of a segment
    /// plus its number of samples: clocks drift against their nominal rate (arbitrarily far in the end).
    pub fn continued_by(&self, next: &Self) -> Option<u64> {
        let same_rate = same_rate(self.sampling_rate, next.sampling_rate);
        let distance = next.start_ns.abs_diff(self.due_ns);
        (same_rate && distance <= self.half_step_ns()).then_some(distance)
    }
}

/// True for rates that differ by rounding only.
pub(crate) fn same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= RATE_TOLERANCE * a.abs()
}

/// Groups the records of one stream into gap-free runs: lists of indices into `pieces`, each in order of time, sorted
/// by start.
///
/// The order of `pieces` does not matter, except between equal starts. Overlapping records end in different runs.
pub fn join_pieces(pieces: &[Piece]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&index| pieces[index].start_ns);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<(usize, Piece)> = Vec::new(); // group and its last piece, oldest first
    for index in order {
        let piece = pieces[index];
        let best = open
            .iter()
            .enumerate()
            .filter_map(|(slot, (_, last))| Some((last.continued_by(&piece)?, slot)))
            .min();
        match best {
            Some((_, slot)) => {
                groups[open[slot].0].push(index);
                open[slot].1 = piece;
            }
            None => {
                open.retain(|(_, last)| {
                    let due = last.due_ns.saturating_add_unsigned(last.half_step_ns());
                    due >= piece.start_ns
                });
                if open.len() == MAX_OPEN {
                    open.remove(0);
                }
                open.push((groups.len(), piece));
                groups.push(vec![index]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn piece(start_ms: i64, npts: usize) -> Piece {
        Piece::new(start_ms * MS, 20.0, npts)
    }

    #[test]
    fn drift_and_jitter_make_no_gap() {
        // 6000 records of 288 samples, each starting -1, 0 or 1 ms off and 20 us early on average: 120 ms in the end.
        let mut start = 0;
        let pieces: Vec<Piece> = (0..6000_i64)
            .map(|index| {
                let this = piece(start, 288);
                start += 14_400 + i64::from(index % 10 == 0) - 2 * i64::from(index % 8 == 0);
                this
            })
            .collect();
        let drift = pieces[5999].start_ns - 5999 * 14_400 * MS;
        assert!(drift < -600 * MS, "{drift}");
        assert_eq!(join_pieces(&pieces).len(), 1);
    }

    #[test]
    fn a_step_above_half_a_sample_is_a_gap() {
        assert_eq!(join_pieces(&[piece(0, 10), piece(525, 10)]).len(), 1);
        assert_eq!(join_pieces(&[piece(0, 10), piece(526, 10)]).len(), 2);
        assert_eq!(join_pieces(&[piece(0, 10), piece(475, 10)]).len(), 1);
        assert_eq!(join_pieces(&[piece(0, 10), piece(474, 10)]).len(), 2);
    }

    #[test]
    fn order_does_not_matter() {
        let groups = join_pieces(&[piece(1000, 10), piece(0, 10), piece(500, 10)]);
        assert_eq!(groups, [[1, 2, 0]]);
    }

    #[test]
    fn duplicates_run_beside_each_other() {
        let pieces = [
            piece(0, 10),
            piece(500, 10),
            piece(500, 10),
            piece(1000, 10),
        ];
        assert_eq!(join_pieces(&pieces), [vec![0, 1, 3], vec![2]]);
        let twice = [piece(0, 10), piece(0, 10), piece(500, 10), piece(500, 10)];
        assert_eq!(join_pieces(&twice), [[0, 2], [1, 3]]);
    }

    #[test]
    fn another_rate_is_another_run() {
        let slower = Piece {
            sampling_rate: 10.0,
            ..piece(500, 10)
        };
        assert_eq!(join_pieces(&[piece(0, 10), slower]).len(), 2);
    }

    #[test]
    fn many_overlaps_take_no_quadratic_time() {
        let pieces = vec![piece(0, 10); 200_000];
        assert_eq!(join_pieces(&pieces).len(), 200_000);
    }
}
