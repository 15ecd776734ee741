//! From windows back to the record.

/// Writes `estimate` into `record` from sample `start` on, faded in and out over `fade` samples at either end with
/// cos^2 ramps, so that nothing shows at the seams; samples outside stay bit-identical.
///
/// Returns the number of samples written: what would stick out of the record is left off.
pub fn cross_fade(record: &mut [f64], start: usize, estimate: &[f64], fade: usize) -> usize {
    let n = estimate.len().min(record.len().saturating_sub(start));
    let fade = fade.min(estimate.len() / 2);
    for (i, (to, &from)) in record.iter_mut().skip(start).zip(estimate).enumerate() {
        let edge = i.min(estimate.len() - 1 - i);
        let weight = if edge < fade {
            (std::f64::consts::FRAC_PI_2 * (edge as f64 + 0.5) / fade as f64)
                .sin()
                .powi(2)
        } else {
            1.0
        };
        *to = if weight == 1.0 {
            from
        } else {
            *to * (1.0 - weight) + from * weight
        };
    }
    n
}

/// Starts of windows of `window` samples that cover `from..to` with at least `overlap` samples shared by neighbours,
/// spread evenly; one centred window if the stretch fits into it. Starts may be negative near a record's begin.
pub fn pieces(from: i64, to: i64, window: i64, overlap: i64) -> Vec<i64> {
    let length = to - from;
    if length <= window {
        return vec![from - (window - length) / 2];
    }
    let step = (window - overlap).max(1);
    let n = (length - window + step - 1) / step;
    (0..=n).map(|i| from + i * (length - window) / n).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fades_sum_to_one_and_leave_the_rest() {
        let mut record = vec![1.0; 100];
        assert_eq!(cross_fade(&mut record, 20, &[3.0; 40], 10), 40);
        assert!(
            record[..20]
                .iter()
                .chain(&record[60..])
                .all(|v| v.to_bits() == 1.0_f64.to_bits())
        );
        assert!(record[30..50].iter().all(|v| *v == 3.0));
        assert!(record[20] > 1.0 && record[20] < 1.1 && record[29] < 3.0 && record[29] > 2.9);
        let mut short = vec![0.0; 10];
        assert_eq!(cross_fade(&mut short, 5, &[1.0; 20], 0), 5);
    }

    #[test]
    fn pieces_cover_the_stretch() {
        assert_eq!(pieces(100, 200, 300, 50), vec![0]);
        for (from, to, window, overlap) in
            [(0, 1000, 300, 50), (-70, 4000, 512, 256), (5, 306, 300, 0)]
        {
            let starts = pieces(from, to, window, overlap);
            assert_eq!(starts[0], from);
            assert_eq!(starts.last().unwrap() + window, to);
            assert!(
                starts
                    .windows(2)
                    .all(|w| w[1] > w[0] && w[1] - w[0] <= window - overlap)
            );
        }
    }
}
