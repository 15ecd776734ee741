//! Paths of inline SVG, written short: whole tenths of a unit, relative to the point before.

use super::format::put;

/// A rectangle of the drawing, in its units; `y` grows downwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Frame {
    /// Where a value lies between bottom (`limits.0`) and top (`limits.1`), kept inside.
    pub fn y_of(&self, value: f64, limits: (f64, f64)) -> f64 {
        let share = (value - limits.0) / (limits.1 - limits.0);
        let share = if share.is_finite() { share } else { 0.5 };
        self.y + self.h * (1.0 - share.clamp(0.0, 1.0))
    }
}

/// A path's `d`, for an element with `transform="scale(.1)"`.
#[derive(Debug, Default)]
pub(crate) struct Path {
    d: String,
    at: Option<(i64, i64)>,
}

impl Path {
    /// Lifts the pen: the next point starts a new line.
    pub fn lift(&mut self) {
        self.at = None;
    }

    /// A line to this point, or the start of one.
    pub fn to(&mut self, x: f64, y: f64) {
        let (x, y) = ((x * 10.0).round() as i64, (y * 10.0).round() as i64);
        match self.at {
            None => put!(self.d, "M{x} {y}l"),
            Some((px, py)) => {
                let (dx, dy) = (x - px, y - py);
                if (dx, dy) == (0, 0) {
                    return;
                }
                let separator = if self.d.ends_with('l') || dx < 0 {
                    ""
                } else {
                    " "
                };
                put!(self.d, "{separator}{dx}");
                put!(self.d, "{}{dy}", if dy < 0 { "" } else { " " });
            }
        }
        self.at = Some((x, y));
    }

    /// A filled box.
    pub fn rect(&mut self, x: f64, y: f64, w: f64, h: f64) {
        let t = |v: f64| (v * 10.0).round() as i64;
        let (x0, x1) = (t(x), t(x + w).max(t(x) + 1));
        put!(self.d, "M{x0} {}H{x1}v{}H{x0}z", t(y), t(h).max(1));
        self.at = None;
    }

    /// The attribute's value; lone points become dots.
    pub fn finish(self) -> String {
        // `M1 2l` without a line would be invalid: a line of length 0 with round caps shows as a dot.
        let d = self.d.replace("lM", "l0 0M");
        match d.strip_suffix('l') {
            Some(start) => format!("{start}l0 0"),
            None => d,
        }
    }
}

/// The outline of a waveform: one point a column where low and high agree, else two.
pub(crate) fn waveform(columns: &[(f32, f32)], frame: Frame, limits: (f64, f64)) -> String {
    let mut path = Path::default();
    let mut before = f32::NAN;
    let width = frame.w / columns.len().max(1) as f64;
    for (i, &(low, high)) in columns.iter().enumerate() {
        if !(low.is_finite() && high.is_finite()) {
            path.lift();
            before = f32::NAN;
            continue;
        }
        let x = frame.x + (i as f64 + 0.5) * width;
        // The nearer end first, so that the line does not cross the column twice.
        let (a, b) = if (before - high).abs() < (before - low).abs() {
            (high, low)
        } else {
            (low, high)
        };
        path.to(x, frame.y_of(f64::from(a), limits));
        if a != b {
            path.to(x, frame.y_of(f64::from(b), limits));
        }
        before = b;
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        x: 10.0,
        y: 0.0,
        w: 30.0,
        h: 10.0,
    };

    #[test]
    fn paths_are_relative_and_short() {
        let mut path = Path::default();
        path.to(1.0, 2.0);
        path.to(2.0, 1.0);
        path.to(1.5, 3.0);
        path.lift();
        path.to(9.0, 9.0);
        assert_eq!(path.finish(), "M10 20l10-10-5 20M90 90l0 0");
    }

    #[test]
    fn waveforms_break_at_gaps_and_stay_in_their_frame() {
        let d = waveform(
            &[(0.0, 0.0), (f32::NAN, f32::NAN), (-1e30, 1e30)],
            FRAME,
            (-1.0, 1.0),
        );
        assert_eq!(d, "M150 50l0 0M350 100l0-100");
        assert_eq!(waveform(&[], FRAME, (-1.0, 1.0)), "");
        assert_eq!(waveform(&[(1.0, 1.0)], FRAME, (1.0, 1.0)), "M250 50l0 0");
    }
}
