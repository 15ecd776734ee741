//! From windows, which may overlap, to a strip of colour over time.

use super::WindowCluster;

/// An interval assigned to one cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClusterRun {
    /// Start, ns since 1970 UTC.
    pub start_ns: i64,
    /// End, half-open.
    pub end_ns: i64,
    /// The cluster.
    pub cluster: u32,
    /// Mean probability over its windows; NaN if none is known.
    pub probability: f64,
}

/// Joins windows to intervals of one cluster.
///
/// Each time takes the cluster of the window whose centre is nearest, so that long windows are not smeared over
/// their whole length; times that no window covers are gaps.
pub(crate) fn runs(windows: &[WindowCluster]) -> Vec<ClusterRun> {
    let mut windows: Vec<WindowCluster> = windows
        .iter()
        .copied()
        .filter(|w| w.end_ns > w.start_ns)
        .collect();
    windows.sort_by_key(|w| (w.start_ns, w.end_ns));

    let mut runs: Vec<ClusterRun> = Vec::new();
    let mut sum = (0.0, 0u32);
    let mut cell_start = None;
    for (i, window) in windows.iter().enumerate() {
        let start_ns = cell_start.unwrap_or(window.start_ns);
        let next = windows.get(i + 1).filter(|next| touches(window, next));
        let end_ns = next.map_or(window.end_ns, |next| border(window, next));
        cell_start = next.map(|_| end_ns);

        let extends = runs
            .last()
            .is_some_and(|run| run.end_ns == start_ns && run.cluster == window.cluster);
        if !extends {
            runs.push(ClusterRun {
                start_ns,
                end_ns,
                cluster: window.cluster,
                probability: f64::NAN,
            });
            sum = (0.0, 0);
        }
        if window.probability.is_finite() {
            sum = (sum.0 + window.probability, sum.1 + 1);
        }
        if let Some(run) = runs.last_mut() {
            run.end_ns = end_ns.max(run.start_ns);
            run.probability = sum.0 / f64::from(sum.1);
        }
    }
    runs.retain(|run| run.end_ns > run.start_ns);
    runs
}

/// True if there is no gap between two windows; a fiftieth of a window is rounding.
fn touches(window: &WindowCluster, next: &WindowCluster) -> bool {
    let tolerance = window.end_ns.saturating_sub(window.start_ns) / 50;
    next.start_ns <= window.end_ns.saturating_add(tolerance)
}

/// Half-way between two centres.
fn border(window: &WindowCluster, next: &WindowCluster) -> i64 {
    let centre = |w: &WindowCluster| i128::from(w.start_ns) + i128::from(w.end_ns);
    let border = (centre(window) + centre(next)).div_euclid(4);
    i64::try_from(border).unwrap_or(window.end_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start_ns: i64, end_ns: i64, cluster: u32) -> WindowCluster {
        WindowCluster {
            start_ns,
            end_ns,
            cluster,
            probability: 0.5,
        }
    }

    fn spans(windows: &[WindowCluster]) -> Vec<(i64, i64, u32)> {
        runs(windows)
            .iter()
            .map(|r| (r.start_ns, r.end_ns, r.cluster))
            .collect()
    }

    #[test]
    fn adjacent_windows_keep_their_borders_and_equals_join() {
        let windows = [window(0, 100, 1), window(100, 200, 1), window(200, 300, 2)];
        assert_eq!(spans(&windows), [(0, 200, 1), (200, 300, 2)]);
    }

    #[test]
    fn overlapping_windows_meet_half_way_between_centres() {
        let windows = [window(0, 400, 0), window(100, 500, 1), window(200, 600, 1)];
        assert_eq!(spans(&windows), [(0, 250, 0), (250, 600, 1)]);
    }

    #[test]
    fn gaps_stay_open() {
        let windows = [window(0, 100, 0), window(150, 250, 0)];
        assert_eq!(spans(&windows), [(0, 100, 0), (150, 250, 0)]);
    }

    #[test]
    fn odd_windows_are_harmless() {
        let windows = [
            window(5, 5, 0),
            window(9, 3, 0),
            window(i64::MIN, i64::MAX, 3),
            window(10, 20, u32::MAX),
        ];
        assert!(runs(&windows).iter().all(|r| r.end_ns > r.start_ns));
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn the_probability_is_the_mean() {
        let mut windows = [window(0, 10, 1), window(10, 20, 1), window(20, 30, 1)];
        windows[0].probability = 1.0;
        windows[1].probability = f64::NAN;
        assert_eq!(runs(&windows)[0].probability, 0.75);
    }
}
