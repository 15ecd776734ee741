//! Levels of both clusters in a window, relative to those of their snippets.

use super::filters::{Clusters, Grid, powers};
use super::gains::Powers;

/// Range and step of the log gains that are tried, neper of power.
const RANGE: f64 = 9.0;
const STEP: f64 = 0.1;
/// Least deviation of a window's log power from its cluster's.
const LEAST_SPREAD: f64 = 0.3;
/// Share of the way that background and source snippets are moved to the window's level.
// The background's level in the window is estimated less exactly, and varies less from window to window.
const KNOWN: [f64; 2] = [0.5, 1.0];
/// Share of the differences between the snippets' own levels that is removed.
const NARROWED: [f64; 2] = [0.5, 1.0];

/// Log powers of the snippets, and those of the window.
pub(super) struct Levels {
    /// Log power of each background and each source snippet.
    pub snippets: [Vec<f64>; 2],
    /// The window's most probable log power of background and of source.
    pub window: [f64; 2],
}

impl Levels {
    /// Estimates the most probable levels of a window.
    ///
    /// The likelihood is Whittle's, of the mean spectrum given the clusters' spectra; the priors are Gaussians of the
    /// log powers as wide as those of the snippets.
    pub fn new(mixture_pieces: &[&[f64]], clusters: &Clusters, grid: &Grid) -> Self {
        let spectra = |signals: &mut dyn Iterator<Item = &[f64]>| -> Powers {
            signals
                .map(|signal| mean_frame(&powers(&grid.transform.analyze(signal))))
                .collect()
        };
        let observed = mean_frame(&spectra(&mut mixture_pieces.iter().copied()));
        let both = [&clusters.background, &clusters.source]
            .map(|snippets| spectra(&mut snippets.iter().map(Vec::as_slice)));
        let snippets = [0, 1].map(|c| -> Vec<f64> {
            let power = |s: &Vec<f64>| s.iter().sum::<f64>().max(f64::MIN_POSITIVE).ln();
            both[c].iter().map(power).collect()
        });
        let centers = [0, 1].map(|c: usize| mean(&snippets[c]));
        let spreads = [0, 1].map(|c: usize| {
            let squares = snippets[c].iter().map(|l| (l - centers[c]).powi(2));
            (squares.sum::<f64>() / snippets[c].len() as f64)
                .sqrt()
                .max(LEAST_SPREAD)
        });
        // Shape of each cluster's spectrum: the mean of its snippets', each at the same power.
        let shapes = [0, 1].map(|c: usize| {
            let equal: Powers = both[c]
                .iter()
                .zip(&snippets[c])
                .map(|(s, log)| s.iter().map(|v| v / log.exp()).collect())
                .collect();
            mean_frame(&equal)
        });
        let floor = 1e-12 * observed.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        // Frames overlap by three quarters, so a quarter of the cells is independent.
        let cells = (grid.transform.n_frames() * mixture_pieces.len()) as f64 / 4.0;
        let cost = |logs: [f64; 2]| -> f64 {
            let [b, a] = logs.map(f64::exp);
            let misfit: f64 = observed
                .iter()
                .zip(&shapes[0])
                .zip(&shapes[1])
                .map(|((p, n), s)| {
                    let expected = b * n + a * s + floor;
                    p / expected + expected.ln()
                })
                .sum();
            let prior = |c: usize| 0.5 * ((logs[c] - centers[c]) / spreads[c]).powi(2);
            // Bounded, so that the prior keeps weight: the spectra of a window are never exactly those of the
            // clusters.
            cells.min(8.0) * misfit + prior(0) + prior(1)
        };
        let steps = (2.0 * RANGE / STEP) as usize;
        let mut window = centers;
        // The cost is not convex in the log levels, so each in turn is searched on a grid.
        for _ in 0..4 {
            for c in [1, 0] {
                let tried = (0..=steps).map(|i| centers[c] - RANGE + STEP * i as f64);
                let at = |log: f64| {
                    let mut logs = window;
                    logs[c] = log;
                    cost(logs)
                };
                window[c] = tried
                    .min_by(|l, r| at(*l).total_cmp(&at(*r)))
                    .unwrap_or(centers[c]);
            }
        }
        Self { snippets, window }
    }

    /// Level of the source in the window relative to its snippets, dB.
    pub fn source_db(&self) -> f64 {
        (self.window[1] - mean(&self.snippets[1])) * 10.0 / std::f64::consts::LN_10
    }

    /// Scales the snippets to the window's level.
    pub fn equalise(&self, clusters: &mut Clusters) {
        for (c, snippets) in [&mut clusters.background, &mut clusters.source]
            .into_iter()
            .enumerate()
        {
            let center = mean(&self.snippets[c]);
            for (snippet, log) in snippets.iter_mut().zip(&self.snippets[c]) {
                let wanted = center + KNOWN[c] * (self.window[c] - center);
                let own = center + (1.0 - NARROWED[c]) * (log - center);
                // Log powers, so half of the difference scales the samples.
                let factor = (0.5 * (own + wanted - center - log)).exp();
                snippet.iter_mut().for_each(|v| *v *= factor);
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn mean_frame(frames: &Powers) -> Vec<f64> {
    let n = frames.len().max(1) as f64;
    let mut mean = vec![0.0; frames.first().map_or(0, Vec::len)];
    for frame in frames {
        mean.iter_mut().zip(frame).for_each(|(m, p)| *m += p / n);
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_factor_is_found() {
        let tone = |n: usize, step: f64, height: f64, phase: f64| -> Vec<f64> {
            (0..n)
                .map(|t| height * (t as f64 * step + phase).sin())
                .collect()
        };
        let mut clusters = Clusters {
            background: (0..4).map(|k| tone(256, 0.3, 1.0, f64::from(k))).collect(),
            source: (0..4).map(|k| tone(256, 1.5, 1.0, f64::from(k))).collect(),
        };
        let grid = Grid::new(&clusters, 64);
        let mixture: Vec<f64> = tone(256, 0.3, 1.0, 0.5)
            .iter()
            .zip(tone(256, 1.5, 3.0, 0.2))
            .map(|(n, s)| n + s)
            .collect();
        let levels = Levels::new(&[&mixture], &clusters, &grid);
        let expected = 20.0 * 3f64.log10();
        assert!((levels.source_db() - expected).abs() < 1.0);
        levels.equalise(&mut clusters);
        let rms = (clusters.source[0].iter().map(|v| v * v).sum::<f64>() / 256.0).sqrt();
        assert!((rms / (3.0 / 2f64.sqrt()) - 1.0).abs() < 0.1, "{rms}");
    }
}
