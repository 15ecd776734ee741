//! Inline SVG: paths in whole tenths of a unit, relative to the point before; axes; the layout of record panels.

pub(crate) mod axis;
pub(crate) mod panel;

use maud::{Markup, html};

use super::html::format::put;

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
    /// Height of a value between bottom (`limits.0`) and top (`limits.1`), limited to the frame.
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

    /// Closes the outline and lifts the pen.
    pub fn close(&mut self) {
        if self.at.take().is_some() {
            // An outline smaller than a tenth of a unit is one point, and `lz` would be invalid.
            self.d
                .push_str(if self.d.ends_with('l') { "0 0z" } else { "z" });
        }
    }

    /// A line of its own.
    pub fn stroke(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.lift();
        self.to(from.0, from.1);
        self.to(to.0, to.1);
        self.lift();
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

/// A waveform: `(low, high)` of each column, NaN where there are no data.
pub(crate) type Columns = [(f32, f32)];

/// Draws a waveform, with red marks at the edge of the frame where it exceeds the limits.
///
/// Columns that hold one value each are samples and are joined by a line. Other columns are drawn as boxes from the
/// lowest to the highest value, since a line from one extreme to the next would show oscillations that are not in the
/// record.
pub(crate) fn wave(
    class: &str,
    index: Option<usize>,
    columns: &Columns,
    frame: Frame,
    limits: (f64, f64),
) -> Markup {
    let samples = columns
        .iter()
        .all(|(low, high)| low.is_nan() || low == high);
    let (form, d) = if samples {
        ("samples", sample_line(columns, frame, limits))
    } else {
        ("boxes", envelope(columns, frame, limits))
    };
    let marks = clip_marks(columns, frame, limits);
    html! {
        path class=(format!("{class} {form}")) data-i=[index] transform="scale(.1)" d=(d) {}
        @if !marks.is_empty() {
            path class="clipped" transform="scale(.1)" d=(marks) {}
        }
    }
}

fn column_centre(frame: Frame, n: usize, i: usize) -> f64 {
    frame.x + (i as f64 + 0.5) * frame.w / n.max(1) as f64
}

/// A line through the values, interrupted where there are no data.
fn sample_line(columns: &Columns, frame: Frame, limits: (f64, f64)) -> String {
    let mut path = Path::default();
    for (i, (value, _)) in columns.iter().enumerate() {
        if value.is_finite() {
            let x = column_centre(frame, columns.len(), i);
            path.to(x, frame.y_of(f64::from(*value), limits));
        } else {
            path.lift();
        }
    }
    path.finish()
}

/// The outline of the boxes of each run of columns with data: along the highest values, back along the lowest.
fn envelope(columns: &Columns, frame: Frame, limits: (f64, f64)) -> String {
    let width = frame.w / columns.len().max(1) as f64;
    let mut path = Path::default();
    let mut start = 0;
    for run in columns.split(|(low, high)| !(low.is_finite() && high.is_finite())) {
        let left = |i: usize| frame.x + (start + i) as f64 * width;
        for (i, (_, high)) in run.iter().enumerate() {
            let y = frame.y_of(f64::from(*high), limits);
            path.to(left(i), y);
            path.to(left(i + 1), y);
        }
        for (i, (low, _)) in run.iter().enumerate().rev() {
            let y = frame.y_of(f64::from(*low), limits);
            path.to(left(i + 1), y);
            path.to(left(i), y);
        }
        path.close();
        start += run.len() + 1;
    }
    path.finish()
}

/// Short strokes at the upper or lower edge, one for each column that exceeds it.
fn clip_marks(columns: &Columns, frame: Frame, limits: (f64, f64)) -> String {
    const LENGTH: f64 = 4.0;
    let mut path = Path::default();
    for (i, (low, high)) in columns.iter().enumerate() {
        let x = column_centre(frame, columns.len(), i);
        if f64::from(*high) > limits.1 {
            path.stroke((x, frame.y), (x, frame.y + LENGTH));
        }
        if f64::from(*low) < limits.0 {
            path.stroke((x, frame.y + frame.h - LENGTH), (x, frame.y + frame.h));
        }
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
    fn samples_are_a_line_that_breaks_at_gaps_and_stays_in_its_frame() {
        let nan = (f32::NAN, f32::NAN);
        let d = sample_line(&[(0.0, 0.0), nan, (1e30, 1e30)], FRAME, (-1.0, 1.0));
        assert_eq!(d, "M150 50l0 0M350 0l0 0");
        assert_eq!(sample_line(&[], FRAME, (-1.0, 1.0)), "");
        assert_eq!(sample_line(&[(1.0, 1.0)], FRAME, (1.0, 1.0)), "M250 50l0 0");
    }

    #[test]
    fn extremes_are_boxes_that_no_line_joins() {
        let nan = (f32::NAN, f32::NAN);
        // Two columns from bottom to top: a zigzag line would fall from 100 to 0 between them; the outline does not.
        let d = envelope(&[(-1.0, 1.0), (-1.0, 1.0), nan], FRAME, (-1.0, 1.0));
        assert_eq!(d, "M100 0l100 0 100 0 0 100-100 0-100 0z");
        assert_eq!(envelope(&[nan], FRAME, (-1.0, 1.0)), "");
    }

    #[test]
    fn values_outside_of_the_frame_are_marked_at_its_edge() {
        let columns = [(0.0, 0.5), (-3.0, 0.5), (f32::NAN, f32::NAN), (0.0, 2.0)];
        let marks = clip_marks(&columns, Frame { w: 40.0, ..FRAME }, (-1.0, 1.0));
        assert_eq!(marks, "M250 60l0 40M450 0l0 40");
        let drawn = wave("wave", None, &columns, FRAME, (-1.0, 1.0)).into_string();
        assert!(drawn.contains("class=\"wave boxes\"") && drawn.contains("class=\"clipped\""));
        let inside = wave("wave", None, &columns[..1], FRAME, (-1.0, 1.0)).into_string();
        assert!(!inside.contains("clipped"));
    }
}
