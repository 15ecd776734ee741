//! Training and validation windows that share no sample.
//!
//! Windows overlap, so a random split leaks: nearly every validation window has a training neighbour that shares
//! most of its samples. Here whole blocks of time are held out, and windows closer than a guard to any of them are
//! used for neither.

use crate::error::{Error, Result, setting};

/// Indices of windows for training and for validation, each ascending; they are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Windows to train on.
    pub training: Vec<usize>,
    /// Windows to validate on; may be empty.
    pub validation: Vec<usize>,
    /// Windows of neither, because they may share samples with a validation window.
    pub guarded: Vec<usize>,
}

impl Split {
    /// All of `n` windows train, none validates.
    pub fn all(n: usize) -> Self {
        Self {
            training: (0..n).collect(),
            ..Self::default()
        }
    }

    /// Checks that indices are below `n`, ascending and disjoint.
    ///
    /// # Errors
    /// [`Error::Data`] with the offending index.
    pub fn check(&self, n: usize) -> Result<()> {
        let mut seen = vec![false; n];
        for &window in self.training.iter().chain(&self.validation) {
            match seen.get_mut(window) {
                None => {
                    return Err(Error::Data(format!(
                        "the split names window {window} of {n}: make it from the same windows"
                    )));
                }
                Some(true) => {
                    return Err(Error::Data(format!(
                        "the split names window {window} twice: training and validation must be disjoint"
                    )));
                }
                Some(used) => *used = true,
            }
        }
        Ok(())
    }
}

/// Holds out blocks of time.
///
/// `end_times_ns`: end of each window in ns (windows at all scales end together), in any order. Time is cut into
/// blocks of `block_ns` from the earliest end; of the blocks that hold windows every n-th, `n = round(1 / fraction)`,
/// validates, starting with number `n / 2`. Training windows that end less than `guard_ns` from the end of a
/// validation window are left out; with `guard_ns` = the largest window's length no sample is shared. Blocks are
/// halved until at least `n` of them hold windows.
///
/// `fraction = 0` holds nothing out.
///
/// # Errors
/// [`Error::Setting`] unless 0 <= `fraction` <= 0.5, `block_ns` > 0 and `guard_ns` >= 0.
/// [`Error::Data`] if fewer than two training windows remain: use a smaller fraction, or longer records.
pub fn blocked(end_times_ns: &[i64], fraction: f64, block_ns: i64, guard_ns: i64) -> Result<Split> {
    setting(
        (0.0..=0.5).contains(&fraction),
        "validation fraction",
        fraction,
        "from 0 to 0.5",
    )?;
    setting(block_ns > 0, "block_ns", block_ns, "above 0")?;
    setting(guard_ns >= 0, "guard_ns", guard_ns, "0 or more")?;
    let (Some(&first), Some(&last)) = (end_times_ns.iter().min(), end_times_ns.iter().max()) else {
        return Ok(Split::default());
    };
    if fraction < 1e-6 {
        return Ok(Split::all(end_times_ns.len()));
    }
    let period = (1.0 / fraction).round() as usize;
    // i128 throughout: times may span the whole range of i64.
    let mut block = i128::from(block_ns).min(i128::from(last) - i128::from(first) + 1);
    let mut blocks = occupied_blocks(end_times_ns, first, block);
    while blocks.len() < period && block > 1 {
        // Halved until a short record has enough blocks for one to validate.
        block = (block / 2).max(1);
        blocks = occupied_blocks(end_times_ns, first, block);
    }
    let validates = |time: i64| {
        let index = block_index(time, first, block);
        // Ranks of occupied blocks, not block numbers: gaps must not change the share that validates.
        let rank = blocks.partition_point(|&other| other < index);
        // From the middle of a period, so that neither end of the record is always held out.
        rank % period == period / 2
    };
    let mut held_out: Vec<i64> = end_times_ns
        .iter()
        .copied()
        .filter(|&t| validates(t))
        .collect();
    held_out.sort_unstable();
    let mut split = Split::default();
    for (window, &time) in end_times_ns.iter().enumerate() {
        if validates(time) {
            split.validation.push(window);
        } else if distance_to(&held_out, time) < i128::from(guard_ns) {
            split.guarded.push(window);
        } else {
            split.training.push(window);
        }
    }
    if split.training.len() < 2 {
        return Err(Error::Data(format!(
            "of {} windows {} train after {} validate and {} are guarded: use a smaller validation fraction, or longer \
             records",
            end_times_ns.len(),
            split.training.len(),
            split.validation.len(),
            split.guarded.len()
        )));
    }
    Ok(split)
}

/// Block of a time; i128, since times may span the whole range of i64.
fn block_index(time: i64, first: i64, block: i128) -> i128 {
    (i128::from(time) - i128::from(first)) / block
}

/// Blocks that hold a window, ascending.
fn occupied_blocks(times: &[i64], first: i64, block: i128) -> Vec<i128> {
    let mut blocks: Vec<i128> = times
        .iter()
        .map(|&time| block_index(time, first, block))
        .collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// Distance of `time` to the nearest of `sorted`; the largest number if there is none.
fn distance_to(sorted: &[i64], time: i64) -> i128 {
    let after = sorted.partition_point(|&t| t < time);
    let gap = |t: &i64| (i128::from(*t) - i128::from(time)).abs();
    let right = sorted.get(after).map(gap);
    let left = after
        .checked_sub(1)
        .and_then(|before| sorted.get(before))
        .map(gap);
    right.into_iter().chain(left).min().unwrap_or(i128::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn no_training_window_shares_a_sample_with_a_validation_window() {
        let (stride, window) = (1_024, 65_536);
        // Unsorted on purpose, with a gap.
        let mut times: Vec<i64> = (0..2_000)
            .map(|k| k * stride + if k > 900 { 500_000 } else { 0 })
            .collect();
        times.reverse();
        let split = blocked(&times, 0.1, 200_000, window).unwrap();
        split.check(times.len()).unwrap();
        assert_eq!(
            split.training.len() + split.validation.len() + split.guarded.len(),
            times.len()
        );
        assert!(split.validation.len() > 100 && split.training.len() > 1_000);
        for &v in &split.validation {
            for &t in &split.training {
                assert!((times[v] - times[t]).abs() >= window);
            }
        }
    }

    #[test]
    fn a_short_record_gets_shorter_blocks() {
        let times: Vec<i64> = (0..100).collect();
        let split = blocked(&times, 0.2, 1_000_000, 1).unwrap();
        // 100 is halved to 12: nine blocks, of which the third and the eighth validate.
        let expected: Vec<usize> = (24..36).chain(84..96).collect();
        assert_eq!(split.validation, expected);
        assert_eq!(split.training.len(), 76);
    }

    #[test]
    fn limits() {
        assert_eq!(blocked(&[], 0.1, 1, 1).unwrap(), Split::default());
        assert_eq!(blocked(&[5, 6], 0.0, 1, 1).unwrap(), Split::all(2));
        assert!(blocked(&[1, 2], f64::NAN, 1, 1).is_err());
        assert!(blocked(&[1, 2], 0.1, 0, 1).is_err());
        assert!(blocked(&[1, 2], 0.1, 1, -1).is_err());
        // The guard eats everything.
        assert!(blocked(&(0..50).collect::<Vec<_>>(), 0.5, 5, 1_000).is_err());
        assert!(blocked(&[i64::MIN, i64::MAX, 0, 1], 0.25, 1, 1).is_ok());
        let twice = Split {
            training: vec![0, 1],
            validation: vec![1],
            guarded: vec![],
        };
        assert!(twice.check(2).unwrap_err().to_string().contains("twice"));
        assert!(Split::all(3).check(2).is_err());
    }
}
