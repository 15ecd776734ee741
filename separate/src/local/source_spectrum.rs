//! Spectrum of a source from windows that hold background as well.

use super::filters::{Clusters, powers};
use crate::short_time::ShortTime;

/// Least share of a bin's power that remains.
// Bins where background and sum have equal power would otherwise be silent, which no filter can divide by.
const LEAST_PART: f64 = 1e-4;

/// Subtracts the background's mean power from that of the source snippets, bin by bin.
///
/// Each cell is multiplied by the root of the share of the power that the background does not explain, so the cluster
/// has the spectrum of the source alone.
pub(super) fn without_background(clusters: &mut Clusters, transform: &ShortTime) {
    let spectrum = |snippets: &[Vec<f64>]| -> Vec<f64> {
        let mut mean = vec![0.0; transform.n_bins()];
        for snippet in snippets {
            for frame in powers(&transform.analyze(snippet)) {
                mean.iter_mut().zip(frame).for_each(|(m, p)| *m += p);
            }
        }
        let n = (snippets.len() * transform.n_frames()).max(1) as f64;
        mean.iter().map(|m| m / n).collect()
    };
    let background = spectrum(&clusters.background);
    let both = spectrum(&clusters.source);
    let factors: Vec<f64> = both
        .iter()
        .zip(&background)
        .map(|(both, own)| {
            let part = 1.0 - own / both.max(f64::MIN_POSITIVE);
            part.clamp(LEAST_PART, 1.0).sqrt()
        })
        .collect();
    for snippet in &mut clusters.source {
        let mut cells = transform.analyze(snippet);
        for frame in &mut cells {
            for (cell, factor) in frame.iter_mut().zip(&factors) {
                *cell *= *factor;
            }
        }
        *snippet = transform.synthesize(cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of the background at half its power in the source's windows, which is left with the other half.
    #[test]
    fn half_of_a_shared_tone_goes() {
        let tone = |height: f64, phase: f64| -> Vec<f64> {
            (0..512)
                .map(|t| height * (t as f64 * 0.5 + phase).sin())
                .collect()
        };
        let mut clusters = Clusters {
            background: (0..3).map(|k| tone(1.0, f64::from(k))).collect(),
            source: (0..3).map(|k| tone(2f64.sqrt(), f64::from(k))).collect(),
        };
        without_background(&mut clusters, &ShortTime::new(512, 64));
        let power = clusters.source[1].iter().map(|v| v * v).sum::<f64>() / 512.0;
        assert!((power / 0.5 - 1.0).abs() < 0.05, "{power}");
    }
}
