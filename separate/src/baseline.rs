//! The level and trend of a window, which no statistics of a few snippets can tell apart from a source: taken off before
//! a separation, and given back to the background after it.

use crate::method::{Channel, ChannelSeparation, Outcome};
use crate::unit::largest;

/// What is left of a signal is rounding up to so many units in its last place.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Straight lines from node to node of a window, a snippet's length apart; one line through a window of that length.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Places, in samples, and values; the first and the last line go on to the ends. At least two.
    nodes: Vec<(f64, f64)>,
}

impl Baseline {
    /// Of `samples`, in lines of about `snippet` samples. Nodes are means over a sixteenth of a snippet, so that a pulse
    /// between them does not tilt it.
    pub fn new(samples: &[f64], snippet: usize) -> Self {
        let n = samples.len();
        let part = (snippet / 16).clamp(1, n.max(1));
        let n_lines = (n as f64 / snippet.max(1) as f64).round().max(1.0) as usize;
        let node = |k: usize| {
            let from = k * n.saturating_sub(part) / n_lines;
            let own = &samples[from..(from + part).min(n)];
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            (from as f64 + (part as f64 - 1.0) / 2.0, mean)
        };
        Self {
            nodes: (0..=n_lines).map(node).collect(),
        }
    }

    /// Its value at a sample.
    pub fn at(&self, index: usize) -> f64 {
        let x = index as f64;
        let right = self.nodes.partition_point(|(place, _)| *place <= x);
        let right = right.clamp(1, self.nodes.len() - 1);
        let ((x0, y0), (x1, y1)) = (self.nodes[right - 1], self.nodes[right]);
        if x1 > x0 {
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        } else {
            y0
        }
    }

    /// The samples without it; zeros where what is left is rounding.
    pub fn subtract(&self, samples: &[f64]) -> Vec<f64> {
        without(samples, |i| self.at(i))
    }

    /// Gives it back to the samples.
    pub fn add(&self, samples: &mut [f64]) {
        for (i, v) in samples.iter_mut().enumerate() {
            *v += self.at(i);
        }
    }
}

/// Samples without a line, or a level; zeros where what is left is rounding.
pub(crate) fn without(samples: &[f64], line: impl Fn(usize) -> f64) -> Vec<f64> {
    let left = samples.iter().enumerate().map(|(i, v)| v - line(i));
    let left: Vec<f64> = left.collect();
    if largest(&left) <= ROUNDING * largest(samples) {
        return vec![0.0; samples.len()];
    }
    left
}

impl Channel {
    /// The channel with every window's own baseline taken off, and that of the mixture.
    pub fn without_baseline(&self) -> (Self, Baseline) {
        let snippet = self.snippets.first().map_or(self.mixture.len(), Vec::len);
        let of = |samples: &[f64]| Baseline::new(samples, snippet);
        let off = |all: &[Vec<f64>]| all.iter().map(|s| of(s).subtract(s)).collect();
        let baseline = of(&self.mixture);
        let channel = Self {
            mixture: baseline.subtract(&self.mixture),
            snippets: off(&self.snippets),
            source_snippets: off(&self.source_snippets),
        };
        (channel, baseline)
    }
}

impl ChannelSeparation {
    /// The separation of `mixture` from that of the same without its baseline, which goes to the background.
    pub fn with_baseline(mut self, baseline: &Baseline, mixture: &[f64]) -> Self {
        if self.outcome == Outcome::Separated {
            baseline.add(&mut self.background);
        } else {
            self.background = mixture.to_vec();
        }
        if let Some(local) = &mut self.local {
            baseline.add(&mut local.waveform);
            local
                .realisation
                .iter_mut()
                .chain(&mut local.draws)
                .for_each(|signal| baseline.add(signal));
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_noise::white;

    #[test]
    fn a_line_comes_off_and_goes_back() {
        let samples: Vec<f64> = (0..100).map(|i| 5.1 - 0.27 * f64::from(i)).collect();
        for snippet in [20, 34, 50, 100] {
            let line = Baseline::new(&samples, snippet);
            let mut left = line.subtract(&samples);
            assert_eq!(left, vec![0.0; 100], "{snippet}");
            line.add(&mut left);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
            assert!(left.iter().zip(&samples).all(near), "{snippet}");
        }
    }

    #[test]
    fn what_is_left_does_not_depend_on_the_line() {
        let plain = white(256, 3);
        let tilted: Vec<f64> = plain
            .iter()
            .enumerate()
            .map(|(i, v)| v + 1e3 - 2.0 * i as f64)
            .collect();
        for snippet in [64, 100, 256] {
            let [a, b] = [&plain, &tilted].map(|s| Baseline::new(s, snippet).subtract(s));
            let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
            assert!(far.fold(0.0, f64::max) < 1e-10, "{snippet}");
        }
    }

    #[test]
    fn short_and_empty_windows_are_survived() {
        for n in 0..5 {
            let samples = vec![3.0; n];
            for snippet in 0..4 {
                let line = Baseline::new(&samples, snippet);
                assert_eq!(line.subtract(&samples), vec![0.0; n], "{n} {snippet}");
            }
        }
    }
}
