//! Runs of zeros, where a digitiser or a gap filler wrote nothing: no method has anything to take out there.

/// Zeros in a row that are no chance.
const LEAST_RUN: usize = 16;

/// Which samples lie in such a run.
pub(super) fn silent(samples: &[f64]) -> Vec<bool> {
    let mut silent = vec![false; samples.len()];
    let mut begin = 0;
    for run in samples.chunk_by(|a, b| (*a == 0.0) == (*b == 0.0)) {
        let end = begin + run.len();
        if run[0] == 0.0 && run.len() >= LEAST_RUN {
            silent[begin..end].fill(true);
        }
        begin = end;
    }
    silent
}

/// Puts the zeros of the record back into its background.
pub(super) fn keep_silence(background: &mut [f64], record: &[f64]) {
    for ((value, record), silent) in background.iter_mut().zip(record).zip(silent(record)) {
        if silent {
            *value = *record;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_runs_of_zeros_are_silence() {
        let mut samples = vec![1.0; 100];
        samples[10..10 + LEAST_RUN].fill(0.0);
        samples[40..39 + LEAST_RUN].fill(0.0);
        samples[70..90].fill(-0.0);
        let found: Vec<usize> = (0..100).filter(|i| silent(&samples)[*i]).collect();
        assert_eq!(
            found,
            (10..10 + LEAST_RUN).chain(70..90).collect::<Vec<_>>()
        );
        assert!(silent(&[]).is_empty());
        let mut background = vec![5.0; 100];
        keep_silence(&mut background, &samples);
        assert_eq!(
            background.iter().filter(|v| **v == 0.0).count(),
            LEAST_RUN + 20
        );
    }
}
