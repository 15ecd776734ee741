//! The truth about windows.

use super::truth::{BackgroundKind, BurstClass, Pulse, Truth};
use crate::TimeSpan;

/// Only pulses this much above everything around them count.
const LEAST_LOCAL_RATIO: f64 = 3.0;
/// Resolution of the table of a pulse's energy.
const ENERGY_STEP_S: f64 = 0.05;

/// A state of a window and how much of the window is in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label<T> {
    /// The state that takes most of the window.
    pub state: T,
    /// Fraction of the window in that state, 0 to 1.
    pub fraction: f64,
}

/// Class of burst in a window, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BurstLabel {
    /// No burst.
    None,
    /// Steady burst.
    Steady,
    /// Modulated burst.
    Modulated,
}

impl BurstLabel {
    /// Number of the label, 0 to 2.
    #[must_use]
    pub fn class(self) -> usize {
        self as usize
    }
}

/// True properties of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowLabels {
    /// Kind of background.
    pub background: Label<BackgroundKind>,
    /// Class of burst.
    pub burst: Label<BurstLabel>,
    /// True if it holds a pulse: inside the window the pulse, or its tail, reaches at least 3 times the rms
    /// of everything else around. The fraction is that of the pulse's energy inside, for the pulse most inside;
    /// without a pulse, 1 minus that.
    pub pulse: Label<bool>,
}

impl Truth {
    /// Labels of windows, `start_ns` to `end_ns` (exclusive), of any length and in any order.
    #[must_use]
    pub fn labels(&self, windows: &[TimeSpan]) -> Vec<WindowLabels> {
        let energy = self.config.seismometer.energy(ENERGY_STEP_S);
        windows
            .iter()
            .map(|window| WindowLabels {
                background: self.background_label(window),
                burst: self.burst_label(window),
                pulse: self.pulse_label(window, &energy),
            })
            .collect()
    }

    fn background_label(&self, window: &TimeSpan) -> Label<BackgroundKind> {
        let mut shares = [0.0; 3];
        for interval in touching(&self.background, window, |s| (s.start_ns, s.end_ns)) {
            shares[interval.kind.class()] += share(window, interval.start_ns, interval.end_ns);
        }
        majority(BackgroundKind::ALL, shares)
    }

    fn burst_label(&self, window: &TimeSpan) -> Label<BurstLabel> {
        let mut shares = [1.0, 0.0, 0.0];
        for burst in touching(&self.bursts, window, |b| (b.start_ns, b.end_ns)) {
            let share = share(window, burst.start_ns, burst.end_ns);
            let label = match burst.class {
                BurstClass::Steady => BurstLabel::Steady,
                BurstClass::Modulated => BurstLabel::Modulated,
            };
            shares[label.class()] += share;
            shares[0] -= share;
        }
        majority(
            [BurstLabel::None, BurstLabel::Steady, BurstLabel::Modulated],
            shares,
        )
    }

    fn pulse_label(&self, window: &TimeSpan, energy: &[f64]) -> Label<bool> {
        let length_ns = (energy.len() as f64 * ENERGY_STEP_S * 1e9) as i64;
        let (mut holds, mut most) = (false, 0.0f64);
        for pulse in touching(&self.pulses, window, |p| {
            (p.onset_ns, p.onset_ns + length_ns)
        }) {
            if pulse.local_ratio < LEAST_LOCAL_RATIO {
                continue;
            }
            let inside = energy_until(energy, window.end_ns - pulse.onset_ns)
                - energy_until(energy, window.start_ns - pulse.onset_ns);
            holds |= pulse.local_ratio * self.largest_inside(pulse, window) >= LEAST_LOCAL_RATIO;
            most = most.max(inside);
        }
        Label {
            state: holds,
            fraction: if holds { most } else { 1.0 - most },
        }
    }
}

impl Truth {
    /// Largest value of the pulse inside the window, in units of its peak.
    fn largest_inside(&self, pulse: &Pulse, window: &TimeSpan) -> f64 {
        let seconds = |ns: i64| (ns - pulse.onset_ns) as f64 / 1e9;
        let (from, to) = (seconds(window.start_ns), seconds(window.end_ns));
        // It rises to its peak, falls, and swings through once: the largest is at the peak or on a fine grid.
        let step = ((to - from) / 512.0).max(1e-3);
        let on_grid = (0..=512).map(|i| (from + f64::from(i) * step).min(to));
        let peak = Some(self.config.seismometer.peak_s()).filter(|t| (from..to).contains(t));
        on_grid
            .chain(peak)
            .map(|t| self.config.seismometer.pulse(t).abs())
            .fold(0.0, f64::max)
    }
}

/// Fraction of the pulse's energy before `ns` after the onset.
fn energy_until(energy: &[f64], ns: i64) -> f64 {
    let step = ns as f64 / (1e9 * ENERGY_STEP_S);
    if step <= 0.0 {
        0.0
    } else {
        energy.get(step as usize).copied().unwrap_or(1.0)
    }
}

/// The items, sorted and all starting in order, that share time with the window.
fn touching<'a, T>(
    items: &'a [T],
    window: &'a TimeSpan,
    span: impl Fn(&T) -> (i64, i64) + Copy + 'a,
) -> impl Iterator<Item = &'a T> {
    // Ends ascend as well: states are contiguous, bursts apart, pulses of one length.
    let first = items.partition_point(move |item| span(item).1 <= window.start_ns);
    items[first..]
        .iter()
        .take_while(move |item| span(item).0 < window.end_ns)
}

fn share(window: &TimeSpan, start_ns: i64, end_ns: i64) -> f64 {
    let inside = end_ns.min(window.end_ns) - start_ns.max(window.start_ns);
    inside.max(0) as f64 / (window.end_ns - window.start_ns).max(1) as f64
}

fn majority<T: Copy>(states: [T; 3], shares: [f64; 3]) -> Label<T> {
    let mut best = 0;
    for k in 1..3 {
        if shares[k] > shares[best] {
            best = k;
        }
    }
    Label {
        state: states[best],
        fraction: shares[best],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::SyntheticConfig;
    use crate::synthetic::truth::{BackgroundInterval, Burst, Pulse};

    const S: i64 = 1_000_000_000;

    fn truth() -> Truth {
        let pulse = |onset_s: i64, local_ratio: f64| Pulse {
            onset_ns: onset_s * S,
            peak_ns: onset_s * S + 6_200_000_000,
            peak_counts: [100.0; 3],
            precursor_counts: [0.0; 3],
            ratio: 10.0,
            local_ratio,
        };
        Truth {
            config: SyntheticConfig::default(),
            background: vec![
                BackgroundInterval {
                    kind: BackgroundKind::Steep,
                    start_ns: 0,
                    end_ns: 1000 * S,
                },
                BackgroundInterval {
                    kind: BackgroundKind::Flat,
                    start_ns: 1000 * S,
                    end_ns: 9000 * S,
                },
            ],
            bursts: vec![Burst {
                class: BurstClass::Modulated,
                start_ns: 500 * S,
                end_ns: 1100 * S,
                ratio: 3.0,
                center_frequency_hz: 2.0,
                modulation_period_s: 6.0,
            }],
            pulses: vec![pulse(100, 10.0), pulse(300, 2.9)],
            gaps: vec![],
            sentinels: vec![],
        }
    }

    fn labels(start_s: i64, end_s: i64) -> WindowLabels {
        truth().labels(&[TimeSpan {
            start_ns: start_s * S,
            end_ns: end_s * S,
        }])[0]
    }

    #[test]
    fn majority_and_fraction() {
        let found = labels(900, 1200);
        assert_eq!(
            found.background,
            Label {
                state: BackgroundKind::Flat,
                fraction: 2.0 / 3.0
            }
        );
        assert_eq!(
            found.burst,
            Label {
                state: BurstLabel::Modulated,
                fraction: 2.0 / 3.0
            }
        );
        assert_eq!(
            found.pulse,
            Label {
                state: false,
                fraction: 1.0
            }
        );
        let found = labels(1090, 1200);
        assert_eq!(found.burst.state, BurstLabel::None);
        assert!((found.burst.fraction - 100.0 / 110.0).abs() < 1e-12);
    }

    #[test]
    fn windows_hold_pulses_where_they_are_seen() {
        assert!(labels(80, 131).pulse.state);
        assert!(labels(80, 131).pulse.fraction > 0.95);
        assert!(labels(55, 107).pulse.state, "the peak is inside");
        assert!(labels(110, 160).pulse.state, "its tail still stands out");
        assert!(labels(110, 160).pulse.fraction < 0.5, "most was before");
        assert!(!labels(20, 71).pulse.state, "before the onset");
        assert!(!labels(220, 271).pulse.state, "nothing of it is left");
        assert!(!labels(290, 341).pulse.state, "too weak to count");
        assert!(labels(0, 3000).pulse.state);
    }
}
