//! Signals cut into overlapping windows, and windows back to the record: the overlap-add of every method.

use std::f64::consts::{FRAC_PI_2, PI};
use std::ops::Range;

/// Samples over which the background fades into the record at either end of a target, inside it.
pub const FADE_SAMPLES: usize = 32;

/// Windows that cover a target with a margin, inside the region.
pub(crate) fn windows_of(
    n_samples: usize,
    target: &Range<usize>,
    window: usize,
    overlap: usize,
) -> Vec<Range<usize>> {
    let margin = (overlap / 2) as i64;
    let last = n_samples.saturating_sub(window) as i64;
    let mut starts: Vec<usize> = pieces(
        target.start as i64 - margin,
        target.end as i64 + margin,
        window as i64,
        overlap as i64,
    )
    .into_iter()
    .map(|start| start.clamp(0, last) as usize)
    .collect();
    starts.dedup();
    starts.into_iter().map(|s| s..s + window).collect()
}

/// Target with a margin, inside the region, at least a snippet long.
pub(crate) fn with_margin(
    n_samples: usize,
    target: &Range<usize>,
    snippet: usize,
    margin: usize,
) -> Range<usize> {
    let short = snippet.saturating_sub(target.len() + 2 * margin);
    let start = target.start.saturating_sub(margin + short / 2);
    let end = (target.end + margin + short.div_ceil(2)).min(n_samples);
    if end - start < snippet {
        let start = start.min(n_samples.saturating_sub(snippet));
        return start..(start + snippet).min(n_samples);
    }
    start..end
}

/// Decrease of a window's weight towards its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taper {
    /// Linear over this number of samples.
    Linear(usize),
    /// sin^2 over the whole window.
    SinSquared,
}

impl Taper {
    fn weight(self, i: usize, window: usize) -> f64 {
        match self {
            Self::Linear(overlap) => (i.min(window - 1 - i) + 1).min(overlap.max(1)) as f64,
            Self::SinSquared => (PI * (i as f64 + 0.5) / window as f64).sin().powi(2),
        }
    }
}

/// Overlapping windows, and the weighted mean of their values over an output range.
#[derive(Debug, Clone)]
pub(crate) struct OverlapAdd {
    /// Samples of the output.
    pub(crate) output: Range<usize>,
    /// Samples of the windows.
    pub(crate) spans: Vec<Range<usize>>,
    taper: Taper,
}

impl OverlapAdd {
    /// Windows whose weights decrease linearly over their last `overlap` samples.
    pub(crate) fn linear(output: Range<usize>, spans: Vec<Range<usize>>, overlap: usize) -> Self {
        Self {
            output,
            spans,
            taper: Taper::Linear(overlap),
        }
    }

    /// Windows of `window` samples, each shared by half with the next, that cover a signal at least as long.
    pub(crate) fn halves(n_samples: usize, window: usize) -> Self {
        let starts = pieces(0, n_samples as i64, window as i64, (window / 2) as i64);
        let span = |s: i64| s.max(0) as usize..s.max(0) as usize + window;
        Self {
            output: 0..n_samples,
            spans: starts.into_iter().map(span).collect(),
            taper: Taper::SinSquared,
        }
    }

    /// Parts of a signal in the windows.
    pub(crate) fn cut<'a>(&self, signal: &'a [f64]) -> Vec<&'a [f64]> {
        self.spans.iter().map(|s| &signal[s.clone()]).collect()
    }

    /// Weighted mean of the windows' values.
    pub(crate) fn mean(&self, parts: &[Vec<f64>]) -> Vec<f64> {
        if self.is_single() {
            return parts.first().cloned().unwrap_or_default();
        }
        match self.taper {
            Taper::Linear(_) => {
                let sum = self.sum(parts, |weight, _| weight);
                let total = self.total();
                sum.iter().zip(&total).map(|(s, w)| s / w).collect()
            }
            Taper::SinSquared => self.sum(parts, |weight, total| weight / total),
        }
    }

    /// Mean of parts with independent errors, weighted so that their variances add up to that of one part.
    pub(crate) fn mean_of_independent(&self, parts: &[Vec<f64>]) -> Vec<f64> {
        if self.is_single() {
            return parts.first().cloned().unwrap_or_default();
        }
        self.sum(parts, |weight, total| (weight / total).sqrt())
    }

    /// One window that is the output: its values need no weight, and keep their bits.
    fn is_single(&self) -> bool {
        self.taper == Taper::SinSquared && self.spans == [self.output.clone()]
    }

    /// Sum of the weights at each sample of the output.
    fn total(&self) -> Vec<f64> {
        let mut total = vec![0.0; self.output.len()];
        for span in &self.spans {
            for at in span.start.max(self.output.start)..span.end.min(self.output.end) {
                total[at - self.output.start] += self.taper.weight(at - span.start, span.len());
            }
        }
        total
    }

    fn sum(&self, parts: &[Vec<f64>], share: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let total = self.total();
        let mut sum = vec![0.0; self.output.len()];
        for (span, part) in self.spans.iter().zip(parts) {
            for at in span.start.max(self.output.start)..span.end.min(self.output.end) {
                let (i, out) = (at - span.start, at - self.output.start);
                let weight = self.taper.weight(i, span.len());
                sum[out] += share(weight, total[out]) * part[i];
            }
        }
        sum
    }
}

/// Writes `estimate` into `record` from sample `start`, faded over `fade` samples at either end.
///
/// The ramps are cos^2, so that the seams have no step; samples outside keep their bits. Returns the number of
/// samples written: samples beyond the end of the record are dropped.
pub fn cross_fade(record: &mut [f64], start: usize, estimate: &[f64], fade: usize) -> usize {
    let n = estimate.len().min(record.len().saturating_sub(start));
    let fade = fade.min(estimate.len() / 2);
    for (i, (to, &from)) in record.iter_mut().skip(start).zip(estimate).enumerate() {
        let edge = i.min(estimate.len() - 1 - i);
        let weight = if edge < fade {
            (FRAC_PI_2 * (edge as f64 + 0.5) / fade as f64)
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
    fn equal_parts_give_the_signal_and_independent_ones_its_variance() {
        let signal: Vec<f64> = (0..1000_i32).map(f64::from).collect();
        let add = OverlapAdd::halves(1000, 256);
        let parts: Vec<Vec<f64>> = add.cut(&signal).into_iter().map(<[f64]>::to_vec).collect();
        let back = add.mean(&parts);
        assert!(back.iter().zip(&signal).all(|(a, b)| (a - b).abs() < 1e-9));
        let mut energy = vec![0.0; 1000];
        for k in 0..parts.len() {
            let unit: Vec<Vec<f64>> = (0..parts.len())
                .map(|other| vec![f64::from(u8::from(other == k)); 256])
                .collect();
            for (e, v) in energy.iter_mut().zip(add.mean_of_independent(&unit)) {
                *e += v * v;
            }
        }
        assert!(energy.iter().all(|e| (e - 1.0).abs() < 1e-12));
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
