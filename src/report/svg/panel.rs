//! Layout of a record panel: channels under each other, then one strip for each scale, then the time axis.

use super::Frame;
use crate::report::{StationRecord, Trace};

const DAY_NS: i64 = 86_400_000_000_000;
/// Records up to this length are drawn in one panel, longer ones with one panel for each day.
const ONE_PANEL_NS: i64 = 36 * 3_600_000_000_000;
/// Largest number of panels on a page.
pub(crate) const MAX_PANELS: usize = 30;

/// Width of the drawing.
pub(crate) const WIDTH: f64 = 1200.0;
/// Left end of the plots; names and labels are left of it.
pub(crate) const LEFT: f64 = 104.0;
/// Width of the plots; half of the last time label is right of them.
pub(crate) const PLOT: f64 = WIDTH - LEFT - 18.0;
/// Upper end of the first channel.
pub(crate) const TOP: f64 = 4.0;
/// Height of a strip.
pub(crate) const STRIP_HEIGHT: f64 = 13.0;
const CHANNEL_GAP: f64 = 6.0;
const STRIP_GAP: f64 = 3.0;
const AXIS_HEIGHT: f64 = 22.0;

/// An interval of time drawn as one panel, with the layout of its station.
pub(crate) struct Panel {
    /// Start, ns since 1970 UTC.
    pub start_ns: i64,
    /// Length in ns, more than 0.
    pub span_ns: i64,
    n_channels: usize,
    n_strips: usize,
}

impl Panel {
    /// End, half-open.
    pub fn end_ns(&self) -> i64 {
        self.start_ns.saturating_add(self.span_ns)
    }

    /// True if the panel is one UTC day.
    pub fn is_day(&self) -> bool {
        self.span_ns == DAY_NS && self.start_ns.rem_euclid(DAY_NS) == 0
    }

    /// Horizontal place of a time, limited to the plot.
    pub fn x_of(&self, ns: i64) -> f64 {
        let share = ns.saturating_sub(self.start_ns) as f64 / self.span_ns as f64;
        LEFT + PLOT * share.clamp(0.0, 1.0)
    }

    /// Plot of a channel.
    pub fn channel(&self, i: usize) -> Frame {
        // One channel alone has the room of two.
        let height = match self.n_channels {
            1 => 122.0,
            2 => 84.0,
            _ => 58.0,
        };
        Frame {
            x: LEFT,
            y: TOP + i as f64 * (height + CHANNEL_GAP),
            w: PLOT,
            h: height,
        }
    }

    /// Upper end of a strip; that after the last is the time axis.
    pub fn strip_top(&self, i: usize) -> f64 {
        self.channel(self.n_channels).y + 1.0 + i as f64 * (STRIP_HEIGHT + STRIP_GAP)
    }

    /// Height of the time axis.
    pub fn bottom(&self) -> f64 {
        self.strip_top(self.n_strips)
    }

    /// Height of the drawing.
    pub fn height(&self) -> f64 {
        self.bottom() + AXIS_HEIGHT
    }
}

/// The panels of a station in the order of time; empty without samples and windows.
pub(crate) fn panels(station: &StationRecord) -> Vec<Panel> {
    let pieces = station.channels.iter().flat_map(|c| c.pieces.iter());
    let pieces = pieces
        .filter(|p| !p.is_empty())
        .map(|p| (p.start_ns, p.end_ns()));
    let windows = station.strips.iter().flat_map(|s| s.windows.iter());
    let windows = windows.map(|w| (w.start_ns, w.end_ns));
    let spans: Vec<(i64, i64)> = pieces.chain(windows).filter(|(s, e)| e > s).collect();
    let panel = |start_ns: i64, span_ns: i64| Panel {
        start_ns,
        span_ns,
        n_channels: station.channels.len(),
        n_strips: station.strips.len(),
    };
    let Some(start_ns) = spans.iter().map(|s| s.0).min() else {
        return Vec::new();
    };
    let end_ns = spans.iter().map(|s| s.1).max().unwrap_or(start_ns);
    let span_ns = end_ns.saturating_sub(start_ns);
    if span_ns <= ONE_PANEL_NS {
        return vec![panel(start_ns, span_ns)];
    }
    let mut days: Vec<i64> = Vec::new();
    for (start, end) in spans {
        // Headers may claim any span: one alone must not fill the memory with days that are never drawn.
        let first = start.div_euclid(DAY_NS);
        let last = (end - 1).div_euclid(DAY_NS).min(first + 4000);
        days.extend(first..=last);
        if days.len() > 100_000 {
            days.sort_unstable();
            days.dedup();
        }
    }
    days.sort_unstable();
    days.dedup();
    let starts = days.into_iter().map(|day| day.saturating_mul(DAY_NS));
    starts.map(|start_ns| panel(start_ns, DAY_NS)).collect()
}

/// Gaps between the pieces of a channel, from the end of one to the start of the next.
pub(crate) fn gaps(pieces: &[Trace]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = pieces
        .iter()
        .filter(|p| !p.is_empty())
        .map(|p| (p.start_ns, p.end_ns()))
        .collect();
    spans.sort_unstable();
    let between = spans.windows(2).map(|pair| (pair[0].1, pair[1].0));
    between.filter(|(end, start)| start > end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ChannelRecord;

    fn piece(start_ns: i64, n: usize) -> Trace {
        Trace {
            start_ns,
            step_s: 5.0,
            low: vec![-1.0; n],
            high: vec![1.0; n],
        }
    }

    fn station(pieces: Vec<Trace>) -> StationRecord {
        StationRecord {
            channels: vec![ChannelRecord {
                id: "XB.ELYSE.02.BHU".into(),
                pieces,
            }],
            ..StationRecord::default()
        }
    }

    #[test]
    fn short_records_are_one_panel_and_long_ones_one_for_each_day() {
        let short = panels(&station(vec![piece(DAY_NS - 1_000_000_000, 7200)]));
        assert_eq!(short.len(), 1);
        assert_eq!(short[0].span_ns, 36_000_000_000_000);
        let long = panels(&station(vec![piece(1, 17_279), piece(3 * DAY_NS, 17_280)]));
        let starts: Vec<i64> = long.iter().map(|p| p.start_ns / DAY_NS).collect();
        assert_eq!(starts, [0, 3]);
    }

    #[test]
    fn gaps_are_between_pieces() {
        let pieces = [piece(100_000_000_000, 4), piece(0, 10)];
        assert_eq!(gaps(&pieces), [(50_000_000_000, 100_000_000_000)]);
    }
}
