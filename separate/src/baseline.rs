//! Level and trend of windows, which are due to the instrument: subtracted before a separation, and added to the
//! background after it.

use crate::channel::{Channel, ChannelSeparation, Outcome};
use crate::scaling::largest;

/// Units in the last place of the largest sample below which a remainder is rounding.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Ratio of the deviation of levels to that of samples about them up to which snippets share a level.
// Slow waves of the background move levels by one or two deviations, and belong to it.
const AGREEING: f64 = 3.0;

/// Straight lines between nodes that are a snippet's length apart; one line in a window of that length.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Positions, in samples, and values; at least two. The outer lines continue to the ends.
    nodes: Vec<(f64, f64)>,
}

impl Baseline {
    /// Baseline of `samples`, in lines of about `snippet` samples.
    pub fn new(samples: &[f64], snippet: usize) -> Self {
        let n = samples.len();
        // Nodes are means over a sixteenth of a snippet, so that a pulse between them does not tilt the line.
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

    /// Value at a sample.
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

    /// Subtracts the baseline from samples; zeros where the remainder is rounding.
    pub fn subtract(&self, samples: &[f64]) -> Vec<f64> {
        without(samples, |i| self.at(i))
    }

    /// Adds the baseline to samples.
    pub fn add(&self, samples: &mut [f64]) {
        for (i, v) in samples.iter_mut().enumerate() {
            *v += self.at(i);
        }
    }
}

/// Subtracts a line or a level from samples; zeros where the remainder is rounding.
pub(crate) fn without(samples: &[f64], line: impl Fn(usize) -> f64) -> Vec<f64> {
    let left = samples.iter().enumerate().map(|(i, v)| v - line(i));
    let left: Vec<f64> = left.collect();
    // A constant record must be silent, not a signal of rounding errors that methods would separate.
    if largest(&left) <= ROUNDING * largest(samples) {
        return vec![0.0; samples.len()];
    }
    left
}

/// Line that all snippets lie on, if their levels agree to within the effect of slow waves.
///
/// The level of the background is known then, and a further one in the mixture belongs to the source. With `level`
/// the line has no trend; `None` if the levels do not agree.
fn shared(snippets: &[Vec<f64>], own: &[Baseline], level: bool) -> Option<Baseline> {
    let first = own.first()?;
    if snippets.iter().any(|s| s.len() != snippets[0].len()) {
        return None;
    }
    let n = own.len() as f64;
    let mean = |k: usize| own.iter().map(|line| line.nodes[k].1 / n).sum::<f64>();
    let places = first.nodes.iter().enumerate();
    let mut line = Baseline {
        nodes: places.map(|(k, (place, _))| (*place, mean(k))).collect(),
    };
    if level {
        let n = line.nodes.len() as f64;
        let mean = line.nodes.iter().map(|node| node.1 / n).sum();
        line.nodes.iter_mut().for_each(|node| node.1 = mean);
    }
    let left: Vec<Vec<f64>> = snippets
        .iter()
        .zip(own)
        .map(|(snippet, own)| own.subtract(snippet))
        .collect();
    let levels: Vec<f64> = own
        .iter()
        .flat_map(|own| own.nodes.iter().zip(&line.nodes).map(|(a, b)| a.1 - b.1))
        .collect();
    // In units of the largest value, so that no square overflows or vanishes.
    let unit = left
        .iter()
        .map(|s| largest(s))
        .fold(largest(&levels), f64::max);
    if unit == 0.0 {
        return Some(line);
    }
    let mean_square = |values: &mut dyn Iterator<Item = &f64>, n: usize| {
        values.map(|v| (v / unit).powi(2)).sum::<f64>() / n.max(1) as f64
    };
    let spread = mean_square(&mut levels.iter(), levels.len());
    let own = mean_square(&mut left.iter().flatten(), left.iter().map(Vec::len).sum());
    (spread <= AGREEING.powi(2) * own).then_some(line)
}

/// Reports if signals lie nearer to a line than to zero.
fn lie_on(signals: &[Vec<f64>], line: &Baseline, snippet: usize) -> bool {
    let n = (signals.len() * line.nodes.len()) as f64;
    let (mut level, mut target) = (0.0, 0.0);
    for signal in signals {
        let own = Baseline::new(signal.get(..snippet).unwrap_or(signal), snippet);
        level += own.nodes.iter().map(|node| node.1 / n).sum::<f64>();
        target += line.nodes.iter().map(|node| node.1 / n).sum::<f64>();
    }
    (level - target).abs() < level.abs()
}

impl Channel {
    /// Channel without the level and trend of its windows, and those of the mixture.
    ///
    /// One line is subtracted from all windows if the snippets share it, and one level if the mixture is longer than
    /// they are. Otherwise each window loses its own line.
    pub fn without_baseline(&self) -> (Self, Baseline) {
        let snippet = self.snippets.first().map_or(self.mixture.len(), Vec::len);
        let of = |samples: &Vec<f64>| Baseline::new(samples, snippet);
        let own: Vec<Baseline> = self.snippets.iter().map(of).collect();
        let common = shared(&self.snippets, &own, self.mixture.len() != snippet);
        let Some(line) = common else {
            let off = |all: &[Vec<f64>]| all.iter().map(|s| of(s).subtract(s)).collect();
            let baseline = of(&self.mixture);
            let channel = Self {
                mixture: baseline.subtract(&self.mixture),
                snippets: off(&self.snippets),
                source_snippets: off(&self.source_snippets),
            };
            return (channel, baseline);
        };
        // Windows of a cluster lie on the line too, sources alone do not. Beyond a snippet's length the line repeats.
        let too = lie_on(&self.source_snippets, &line, snippet);
        let off = |s: &Vec<f64>| without(s, |i| line.at(i % snippet.max(1)));
        // A mixture that is a line holds no signal, wherever the snippets lie.
        let own = of(&self.mixture);
        let empty = largest(&own.subtract(&self.mixture)) == 0.0;
        let baseline = if empty { own } else { line.clone() };
        let channel = Self {
            mixture: baseline.subtract(&self.mixture),
            snippets: self.snippets.iter().map(off).collect(),
            source_snippets: match too {
                true => self.source_snippets.iter().map(off).collect(),
                false => self.source_snippets.clone(),
            },
        };
        (channel, baseline)
    }
}

impl ChannelSeparation {
    /// Separation of `mixture`, from that of the mixture without its baseline, which is added to the background.
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

    /// Where snippets agree, a level that the mixture alone has is kept for the source; where they do not, it is its own.
    #[test]
    fn a_level_that_is_shared_is_told_from_the_sources() {
        let on = |level: f64, seed: u64| -> Vec<f64> {
            white(256, seed).iter().map(|v| v + level).collect()
        };
        let channel = |levels: &dyn Fn(u64) -> f64| Channel {
            mixture: on(1003.0, 20),
            snippets: (1..9).map(|k| on(levels(k), k)).collect(),
            source_snippets: vec![vec![3.0; 300]; 4],
        };
        let mean = |s: &[f64]| s.iter().sum::<f64>() / s.len() as f64;
        let (shared, line) = channel(&|_| 1000.0).without_baseline();
        assert!((line.at(128) - 1000.0).abs() < 0.2);
        assert!((mean(&shared.mixture) - 3.0).abs() < 0.5);
        assert_eq!(shared.source_snippets[0], vec![3.0; 300]);
        let (own, line) = channel(&|k| 100.0 * k as f64).without_baseline();
        assert!((line.at(128) - 1003.0).abs() < 1.0);
        assert!(mean(&own.mixture).abs() < 1.0);
        assert_eq!(own.source_snippets[0], vec![0.0; 300]);
        // Slow waves are no levels.
        let waves = |k: u64| if k.is_multiple_of(2) { 1001.0 } else { 999.0 };
        let (shared, line) = channel(&waves).without_baseline();
        assert!((line.at(128) - 1000.0).abs() < 0.2);
        assert!((mean(&shared.mixture) - 3.0).abs() < 0.5);
        let mut cluster = channel(&|_| 1000.0);
        cluster.source_snippets = (31..35).map(|k| on(1002.0, k)).collect();
        let (shared, _) = cluster.without_baseline();
        assert!((mean(&shared.source_snippets[0]) - 2.0).abs() < 0.5);
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
