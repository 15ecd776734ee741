//! Runs of zeros, which a digitiser or a gap filler left: they hold no source.

/// Shortest run that is not chance.
const LEAST_RUN: usize = 16;

/// Marks the samples that lie in a run of zeros.
pub(crate) fn zero_runs(samples: &[f64]) -> Vec<bool> {
    let mut zero = vec![false; samples.len()];
    let mut begin = 0;
    for run in samples.chunk_by(|a, b| (*a == 0.0) == (*b == 0.0)) {
        let end = begin + run.len();
        if run[0] == 0.0 && run.len() >= LEAST_RUN {
            zero[begin..end].fill(true);
        }
        begin = end;
    }
    zero
}

/// Restores the zeros of the record in its background.
pub(crate) fn keep_zero_runs(background: &mut [f64], record: &[f64]) {
    for ((value, record), zero) in background.iter_mut().zip(record).zip(zero_runs(record)) {
        if zero {
            *value = *record;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_runs_of_zeros_count() {
        let mut samples = vec![1.0; 100];
        samples[10..10 + LEAST_RUN].fill(0.0);
        samples[40..39 + LEAST_RUN].fill(0.0);
        samples[70..90].fill(-0.0);
        let found: Vec<usize> = (0..100).filter(|i| zero_runs(&samples)[*i]).collect();
        assert_eq!(
            found,
            (10..10 + LEAST_RUN).chain(70..90).collect::<Vec<_>>()
        );
        assert!(zero_runs(&[]).is_empty());
        let mut background = vec![5.0; 100];
        keep_zero_runs(&mut background, &samples);
        assert_eq!(
            background.iter().filter(|v| **v == 0.0).count(),
            LEAST_RUN + 20
        );
    }
}
