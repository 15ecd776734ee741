//! Limits, ticks and labels of axes.

use maud::{Markup, html};

use super::Frame;
use crate::report::html::format::{civil, fixed, px, scientific};

/// Labels left of a plot at about `about` round values, with a line across at each.
pub(crate) fn y_axis(frame: Frame, limits: (f64, f64), about: usize) -> Markup {
    let (values, decimals) = ticks(limits.0, limits.1, about);
    html! {
        @for value in values {
            @let y = frame.y_of(value, limits);
            line class="grid" x1=(px(frame.x)) x2=(px(frame.x + frame.w)) y1=(px(y)) y2=(px(y)) {}
            (text(frame.x - 6.0, y + 3.5, "end", &label(value, decimals)))
        }
    }
}

/// Ticks with labels below a plot; `at` gives the place and the text of each.
pub(crate) fn x_axis(y: f64, at: impl Iterator<Item = (f64, String)>) -> Markup {
    html! {
        @for (x, label) in at {
            line class="tick" x1=(px(x)) x2=(px(x)) y1=(px(y)) y2=(px(y + 4.0)) {}
            (text(x, y + 15.0, "middle", &label))
        }
    }
}

/// A small label; `anchor` is `start`, `middle` or `end`.
pub(crate) fn text(x: f64, y: f64, anchor: &str, label: &str) -> Markup {
    html! { text class="label" x=(px(x)) y=(px(y)) text-anchor=(anchor) { (label) } }
}

/// About `about` round values inside `[low, high]`, with the number of decimals of their labels.
pub(crate) fn ticks(low: f64, high: f64, about: usize) -> (Vec<f64>, usize) {
    let span = high - low;
    if !(span > 0.0 && span.is_finite() && low.is_finite()) {
        return (Vec::new(), 0);
    }
    let raw = span / about.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= raw * 0.75)
        .unwrap_or(power);
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    let first = (low / step - 1e-9).ceil();
    let values = (0..=3 * about.max(1) + 3)
        .map(|i| (first + i as f64) * step)
        .take_while(|v| *v <= high + 1e-9 * span)
        .map(|v| if v == 0.0 { 0.0 } else { v })
        .collect();
    (values, decimals)
}

/// The label of a tick; large or tiny ones in powers of ten.
pub(crate) fn label(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e6 || decimals > 4 && value != 0.0 {
        let text = scientific(value, 2);
        // 1.00×10⁶ says no more than 1×10⁶.
        text.replace(".00×", "×").replace("0×", "×")
    } else {
        fixed(value, decimals)
    }
}

/// Round times inside `[start_ns, end_ns]`, `at_most` of them, and the step between them in ns.
pub(crate) fn time_ticks(start_ns: i64, end_ns: i64, at_most: usize) -> (Vec<i64>, i64) {
    const S: i64 = 1_000_000_000;
    const STEPS_S: [i64; 18] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
        86_400,
    ];
    let span = i128::from(end_ns) - i128::from(start_ns);
    if span <= 0 {
        return (Vec::new(), S);
    }
    let fits = |step: i64| span / i128::from(step) < at_most.max(1) as i128;
    let step = STEPS_S
        .into_iter()
        .map(|s| s * S)
        .find(|s| fits(*s))
        .unwrap_or_else(|| {
            let days = span / i128::from(86_400 * S) / at_most.max(1) as i128 + 1;
            86_400 * S * i64::try_from(days).unwrap_or(1)
        });
    let mut values = Vec::new();
    let mut value = start_ns.div_euclid(step).saturating_mul(step);
    if value < start_ns {
        value = value.saturating_add(step);
    }
    while value <= end_ns && values.len() <= at_most.max(1) {
        values.push(value);
        let Some(next) = value.checked_add(step) else {
            break;
        };
        value = next;
    }
    (values, step)
}

/// The label of a time tick: `12:30`, with seconds if ticks are closer than a minute.
pub(crate) fn time_label(ns: i64, step_ns: i64) -> String {
    let t = civil(ns);
    if step_ns < 60_000_000_000 {
        format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
    } else {
        format!("{:02}:{:02}", t.hour(), t.minute())
    }
}

/// Limits around the given lows and highs that let `share` of them through, with a margin; never empty.
///
/// Values that are not finite are skipped. Seismic records have rare peaks a thousand times the rest:
/// with `share` below 1 these are clipped so that the rest can be seen.
pub(crate) fn limits(values: impl Iterator<Item = (f32, f32)>, share: f64) -> (f64, f64) {
    let (mut lows, mut highs): (Vec<f32>, Vec<f32>) = values
        .filter(|(l, h)| l.is_finite() && h.is_finite())
        .unzip();
    if lows.is_empty() {
        return (-1.0, 1.0);
    }
    lows.sort_unstable_by(f32::total_cmp);
    highs.sort_unstable_by(f32::total_cmp);
    let last = lows.len() - 1;
    let cut = ((1.0 - share.clamp(0.5, 1.0)) * last as f64).floor() as usize;
    let (low, high) = (f64::from(lows[cut]), f64::from(highs[last - cut]));
    let low = low.min(high);
    let span = high - low;
    let margin = if span > 0.0 {
        span * 0.08
    } else {
        low.abs().max(1.0) * 0.1
    };
    (low - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            ticks(0.0, 10.0, 5),
            (vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 0)
        );
        let (values, decimals) = ticks(-0.13, 0.27, 4);
        assert_eq!(decimals, 1);
        assert_eq!(values.len(), 4);
        for (low, high) in [
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
            (1.0, 1.0),
            (2.0, 1.0),
        ] {
            assert!(ticks(low, high, 5).0.is_empty());
        }
        for scale in [1e-12, 1e-3, 1.0, 7e5, 1e300] {
            let (values, _) = ticks(-0.37 * scale, 1.91 * scale, 4);
            assert!((3..=6).contains(&values.len()), "{scale}: {values:?}");
            assert!(
                values
                    .iter()
                    .all(|v| (-0.37 * scale..=1.91 * scale).contains(v))
            );
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(label(2_000_000.0, 0), "2×10⁶");
        assert_eq!(label(-1_500_000.0, 0), "−1.5×10⁶");
        assert_eq!(label(0.25, 2), "0.25");
        assert_eq!(label(0.0, 9), "0.000000000");
    }

    #[test]
    fn time_ticks_fall_on_round_times() {
        let day = 86_400_000_000_000;
        let (values, step) = time_ticks(0, day, 13);
        assert_eq!(step, 7_200_000_000_000);
        assert_eq!(values.len(), 13);
        let (values, step) = time_ticks(1_500_000_001, 9_000_000_000, 10);
        assert_eq!((step, values[0]), (1_000_000_000, 2_000_000_000));
        assert_eq!(time_label(values[0], step), "00:00:02");
        assert!(time_ticks(i64::MIN, i64::MAX, 10).0.len() <= 11);
        assert!(time_ticks(5, 5, 10).0.is_empty());
    }

    #[test]
    fn limits_pass_over_rare_peaks_and_nan() {
        let values = (0..1000).map(|i| (-1.0f32, if i == 500 { 1e6 } else { 1.0 }));
        let (low, high) = limits(values, 0.995);
        assert!(low > -1.5 && high < 1.5);
        assert_eq!(limits(std::iter::empty(), 1.0), (-1.0, 1.0));
        let (low, high) = limits([(f32::NAN, 1.0), (3.0, 3.0)].into_iter(), 1.0);
        assert!(low < 3.0 && high > 3.0);
    }
}
