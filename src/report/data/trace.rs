//! A waveform reduced for drawing: the lowest and the highest sample of each bin.

use serde::{Deserialize, Serialize};

use super::encode::{base64_f32, null_as_nan};

/// A gap-free waveform as one value a sample, or as lowest and highest value a bin.
///
/// `low` and `high`: `(n_bins,)` in the report's amplitude unit; `high` is empty where each bin is one sample.
/// NaN marks a bin without data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Start of the first bin, ns since 1970 UTC.
    pub start_ns: i64,
    /// Length of a bin in seconds.
    #[serde(deserialize_with = "null_as_nan")]
    pub step_s: f64,
    /// Lowest value of each bin.
    #[serde(with = "base64_f32")]
    pub low: Vec<f32>,
    /// Highest value of each bin; empty if the same.
    #[serde(with = "base64_f32")]
    pub high: Vec<f32>,
}

impl Trace {
    /// Reduces samples to at most `max_bins` bins; fewer samples than that are kept.
    ///
    /// `start_ns`: time of the first sample; `sampling_rate` in hertz; samples that are not finite make their bin NaN
    /// only if no other sample is in it.
    #[must_use]
    pub fn from_samples(
        start_ns: i64,
        sampling_rate: f64,
        samples: impl ExactSizeIterator<Item = f64>,
        max_bins: usize,
    ) -> Self {
        let step_s = 1.0 / sampling_rate;
        let per_bin = samples.len().div_ceil(max_bins.max(1)).max(1);
        if per_bin == 1 {
            return Self {
                start_ns,
                step_s,
                low: samples.map(|v| v as f32).collect(),
                high: Vec::new(),
            };
        }
        let n_bins = samples.len().div_ceil(per_bin);
        let mut low = vec![f32::NAN; n_bins];
        let mut high = vec![f32::NAN; n_bins];
        for (i, value) in samples.enumerate() {
            if value.is_finite() {
                // f32::min and max pass over NaN, so the first finite sample fills the bin.
                low[i / per_bin] = low[i / per_bin].min(value as f32);
                high[i / per_bin] = high[i / per_bin].max(value as f32);
            }
        }
        Self {
            start_ns,
            step_s: step_s * per_bin as f64,
            low,
            high,
        }
    }

    /// Number of bins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// True if there is no bin.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// End of the last bin, ns since 1970 UTC.
    #[must_use]
    pub fn end_ns(&self) -> i64 {
        let length_ns = self.step_s * 1e9 * self.len() as f64;
        // A float saturates when cast; NaN becomes 0.
        self.start_ns.saturating_add(length_ns as i64)
    }

    /// Lowest and highest value of a bin; NaN where either is not finite.
    #[must_use]
    pub fn bin(&self, index: usize) -> (f32, f32) {
        let low = self.low.get(index).copied().unwrap_or(f32::NAN);
        let high = self.high.get(index).copied().unwrap_or(low);
        if low.is_finite() && high.is_finite() {
            (low.min(high), low.max(high))
        } else {
            (f32::NAN, f32::NAN)
        }
    }

    /// The bins that overlap `[start_ns, end_ns)`.
    pub(crate) fn within(&self, start_ns: i64, end_ns: i64) -> Self {
        let at = |ns: i64| ns.saturating_sub(self.start_ns) as f64 / (self.step_s * 1e9);
        // A float saturates when cast; NaN becomes 0.
        let first = (at(start_ns).floor().max(0.0) as usize).min(self.len());
        let last = (at(end_ns).ceil().max(0.0) as usize).clamp(first, self.len());
        let skipped_ns = (first as f64 * self.step_s * 1e9) as i64;
        Self {
            start_ns: self.start_ns.saturating_add(skipped_ns),
            step_s: self.step_s,
            low: self.low[first..last].to_vec(),
            high: self.high.get(first..last).unwrap_or_default().to_vec(),
        }
    }

    /// Merges every `n` bins to one.
    pub(crate) fn merged(&self, n: usize) -> Self {
        if n <= 1 {
            return self.clone();
        }
        let limits = |i: usize| {
            (n * i..n * (i + 1))
                .map(|j| self.bin(j))
                .fold((f32::NAN, f32::NAN), |all, bin| {
                    (all.0.min(bin.0), all.1.max(bin.1))
                })
        };
        let (low, high) = (0..self.len().div_ceil(n)).map(limits).unzip();
        Self {
            start_ns: self.start_ns,
            step_s: self.step_s * n as f64,
            low,
            high,
        }
    }

    /// Widens `columns`, which divide `[start_ns, start_ns + span_ns)` evenly, by this trace's bins.
    ///
    /// A bin goes to each column it overlaps; columns without one stay as they are.
    pub fn add_to_columns(&self, start_ns: i64, span_ns: i64, columns: &mut [(f32, f32)]) {
        let step_ns = self.step_s * 1e9;
        if !(step_ns > 0.0 && step_ns.is_finite()) || span_ns <= 0 || columns.is_empty() {
            return;
        }
        let n = columns.len();
        let per_ns = n as f64 / span_ns as f64;
        let offset_ns = self.start_ns.saturating_sub(start_ns) as f64;
        // Only the bins inside the span are looked at, with one more on both sides for rounding.
        let first = ((-offset_ns / step_ns).floor() - 1.0).max(0.0) as usize;
        let last = ((span_ns as f64 - offset_ns) / step_ns).ceil().max(0.0) as usize;
        for i in first..last.saturating_add(1).min(self.len()) {
            let (low, high) = self.bin(i);
            if low.is_nan() {
                continue;
            }
            // The small term keeps a border that is exact but for rounding in one column.
            let from = (offset_ns + i as f64 * step_ns) * per_ns + 1e-6;
            let to = (offset_ns + (i + 1) as f64 * step_ns) * per_ns - 1e-6;
            if to < 0.0 || from >= n as f64 {
                continue;
            }
            let (from, to) = (from.max(0.0) as usize, (to as usize).min(n - 1));
            for column in columns.iter_mut().take(to + 1).skip(from) {
                column.0 = column.0.min(low);
                column.1 = column.1.max(high);
            }
        }
    }
}

/// Columns over `[start_ns, start_ns + span_ns)` from several traces: `(low, high)`, NaN where there are no data.
///
/// At most `max_columns`, and no more than there are bins in the span, so that nothing is drawn as steps.
#[must_use]
pub fn columns<'a>(
    traces: impl Iterator<Item = &'a Trace> + Clone,
    start_ns: i64,
    span_ns: i64,
    max_columns: usize,
) -> Vec<(f32, f32)> {
    let step_s = traces
        .clone()
        .map(|t| t.step_s)
        .filter(|s| *s > 0.0)
        .fold(0.0, f64::max);
    let n_bins = (span_ns as f64 / (step_s * 1e9)).round();
    let n = if n_bins.is_finite() && n_bins >= 1.0 {
        max_columns.min(n_bins as usize)
    } else {
        max_columns
    };
    let mut columns = vec![(f32::NAN, f32::NAN); n.max(1)];
    for trace in traces {
        trace.add_to_columns(start_ns, span_ns, &mut columns);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_stay_as_they_are() {
        let trace = Trace::from_samples(7, 20.0, [1.0, -2.0, 3.0].into_iter(), 3);
        assert_eq!(trace.low, [1.0, -2.0, 3.0]);
        assert!(trace.high.is_empty());
        assert_eq!(trace.end_ns(), 7 + 150_000_000);
    }

    #[test]
    fn bins_hold_the_extremes_and_pass_over_what_is_not_finite() {
        let samples = [1.0, 5.0, f64::NAN, -3.0, f64::INFINITY, f64::NAN, 2.0];
        let trace = Trace::from_samples(0, 1.0, samples.into_iter(), 4);
        assert_eq!(trace.step_s, 2.0);
        assert_eq!(trace.bin(0), (1.0, 5.0));
        assert_eq!(trace.bin(1), (-3.0, -3.0));
        assert!(trace.bin(2).0.is_nan());
        assert_eq!(trace.bin(3), (2.0, 2.0));
        assert!(trace.bin(99).1.is_nan());
    }

    #[test]
    fn columns_keep_every_extreme_and_leave_gaps_open() {
        let samples: Vec<f64> = (0..1000).map(|i| f64::from((i * 7919) % 1000)).collect();
        let trace = Trace::from_samples(1_000_000_000, 1.0, samples.iter().copied(), 1000);
        let columns = columns([&trace].into_iter(), 0, 2_000_000_000_000, 100);
        assert_eq!(columns.len(), 100);
        let highest = columns.iter().map(|c| c.1).fold(f32::NAN, f32::max);
        let lowest = columns.iter().map(|c| c.0).fold(f32::NAN, f32::min);
        assert_eq!((lowest, highest), (0.0, 999.0));
        // The record ends at 1001 s of 2000 s: column 50 holds its last second, the rest nothing.
        assert!(!columns[50].0.is_nan());
        assert!(columns[51..].iter().all(|c| c.0.is_nan()));
    }

    #[test]
    fn as_many_columns_as_samples_give_the_samples_back() {
        let samples: Vec<f64> = (0..512).map(|i| f64::from(i).sin()).collect();
        let trace = Trace::from_samples(123_456_789, 20.0, samples.iter().copied(), 512);
        let columns = columns([&trace].into_iter(), 123_456_789, 25_600_000_000, 4000);
        assert_eq!(columns.len(), 512);
        for (column, sample) in columns.iter().zip(&samples) {
            assert_eq!(*column, (*sample as f32, *sample as f32));
        }
    }

    #[test]
    fn senseless_steps_and_spans_draw_nothing() {
        for step_s in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            let trace = Trace {
                start_ns: i64::MIN,
                step_s,
                low: vec![1.0; 4],
                high: vec![],
            };
            for span in [i64::MIN, -1, 0, 1, i64::MAX] {
                let columns = columns([&trace].into_iter(), 0, span, 8);
                assert!(columns.iter().all(|c| c.0.is_nan()), "{step_s} {span}");
            }
            let _ = trace.end_ns();
        }
    }
}
