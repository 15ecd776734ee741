//! The README's picture: some hours of record with their clusters, and one pulse taken out of it.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::axis::{label, limits, ticks, time_label, time_ticks};
use super::data::{ChannelRecord, SeparatedChannel, Strip};
use super::format::{clock, date, duration};
use super::strip::runs;
use super::summary::median;
use super::trace::{Trace, columns};
use super::{ReportError, folder, palette, temporary};

/// Size of the picture in pixels.
const SIZE: (u32, u32) = (1600, 900);
/// It is drawn this many times larger and averaged, which smooths all edges.
const FINER: u32 = 2;
const FONT: &str = "seismix-sans";
/// DejaVu Sans, Latin, Greek and signs only; licence beside it.
static FONT_FILE: &[u8] = include_bytes!("assets/DejaVuSans-subset.ttf");

const INK: RGBColor = RGBColor(0x1b, 0x24, 0x30);
const MUTED: RGBColor = RGBColor(0x5c, 0x67, 0x75);
const GRID: RGBColor = RGBColor(0xe2, 0xe6, 0xeb);
const RECORD: RGBColor = RGBColor(0x3d, 0x49, 0x59);
const BACKGROUND: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const SOURCE: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const TARGET: RGBColor = RGBColor(0xfb, 0xf1, 0xe3);

/// What the picture shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PictureData {
    /// One line on top.
    pub title: String,
    /// Unit of the waveforms.
    pub amplitude_unit: String,
    /// Start of the stretch of record shown, ns since 1970 UTC.
    pub start_ns: i64,
    /// Its end, half-open.
    pub end_ns: i64,
    /// The channel; some hours suit the width.
    pub channel: ChannelRecord,
    /// Clusters at the scales, finest first.
    pub strips: Vec<Strip>,
    /// One separated source of that channel.
    pub separated: SeparatedChannel,
    /// Start of the separated target, ns since 1970 UTC.
    pub target_start_ns: i64,
    /// Its end, half-open.
    pub target_end_ns: i64,
}

/// Draws the picture as a PNG of 1600 x 900 pixels; the file is complete or not there.
///
/// The same data give the same bytes.
///
/// # Errors
/// [`ReportError::Io`] if the folder cannot be written to, [`ReportError::Picture`] if the library cannot draw.
pub fn render_picture(path: &Path, data: &PictureData) -> Result<(), ReportError> {
    let failed = |message: String| ReportError::Picture {
        path: path.to_owned(),
        message,
    };
    register_font(FONT, FontStyle::Normal, FONT_FILE)
        .map_err(|_| failed("the embedded font cannot be read".to_owned()))?;
    let pixels = draw(data).map_err(&failed)?;

    let io = |source| ReportError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let file = temporary(folder(path), ".png").map_err(io)?;
    {
        let mut backend = BitMapBackend::new(file.path(), SIZE);
        backend
            .blit_bitmap((0, 0), SIZE, &pixels)
            .and_then(|()| backend.present())
            .map_err(|e| failed(e.to_string()))?;
    }
    // The library wrote through the name, so the handle is opened anew to sync what it wrote.
    std::fs::File::open(file.path())
        .and_then(|f| f.sync_all())
        .map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// RGB bytes of the finished picture.
fn draw(data: &PictureData) -> Result<Vec<u8>, String> {
    let (w, h) = (SIZE.0 * FINER, SIZE.1 * FINER);
    let mut canvas = Canvas {
        pixels: vec![255u8; (w * h * 3) as usize],
        texts: Vec::new(),
    };
    canvas.picture(data);
    let Canvas { mut pixels, texts } = canvas;
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (w, h)).into_drawing_area();
        for text in texts {
            let style = TextStyle::from((FONT, text.size * f64::from(FINER)))
                .color(&text.colour)
                .pos(Pos::new(text.side, VPos::Center));
            let at = (fine(text.at.0) as i32, fine(text.at.1) as i32);
            root.draw(&Text::new(text.text, at, style))
                .map_err(|e| e.to_string())?;
        }
        root.present().map_err(|e| e.to_string())?;
    }
    Ok(averaged(&pixels))
}

/// A place in the finer bitmap.
fn fine(v: f64) -> i64 {
    (v * f64::from(FINER)).round() as i64
}

/// Every `FINER` x `FINER` pixels to one.
fn averaged(fine: &[u8]) -> Vec<u8> {
    let stride = (SIZE.0 * FINER * 3) as usize;
    let mut pixels = Vec::with_capacity((SIZE.0 * SIZE.1 * 3) as usize);
    for y in 0..SIZE.1 as usize {
        for x in 0..SIZE.0 as usize {
            for colour in 0..3 {
                let mut sum = 0u32;
                for dy in 0..FINER as usize {
                    for dx in 0..FINER as usize {
                        let at = (y * FINER as usize + dy) * stride;
                        sum += u32::from(fine[at + (x * FINER as usize + dx) * 3 + colour]);
                    }
                }
                pixels.push(((sum + FINER * FINER / 2) / (FINER * FINER)) as u8);
            }
        }
    }
    pixels
}

/// A box in final pixels.
#[derive(Clone, Copy)]
struct Box2 {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

/// Text to set once all boxes are there.
struct Words {
    text: String,
    at: (f64, f64),
    size: f64,
    colour: RGBColor,
    side: HPos,
}

/// Boxes in final pixels on the finer bitmap, and text to come on top.
struct Canvas {
    pixels: Vec<u8>,
    texts: Vec<Words>,
}

impl Canvas {
    fn picture(&mut self, data: &PictureData) {
        let unit = if data.amplitude_unit.is_empty() {
            "counts"
        } else {
            &data.amplitude_unit
        };
        self.text(&data.title, (40.0, 34.0), 27.0, INK, HPos::Left);
        self.record(data, unit);
        self.separation(data, unit);
    }

    /// Top: the record, its clusters, the time axis.
    fn record(&mut self, data: &PictureData, unit: &str) {
        let n_strips = data.strips.len().min(6);
        let strips_height = n_strips as f64 * 25.0;
        let plot = Box2 {
            x: 130.0,
            y: 88.0,
            w: 1430.0,
            h: 350.0 - strips_height,
        };
        let span_ns = data.end_ns.saturating_sub(data.start_ns);
        let x_of = |ns: i64| {
            let share = ns.saturating_sub(data.start_ns) as f64 / span_ns.max(1) as f64;
            plot.x + plot.w * share.clamp(0.0, 1.0)
        };
        let caption = format!(
            "{}   {} {} UTC",
            data.channel.id,
            date(data.start_ns),
            clock(data.start_ns)
        );
        self.text(&caption, (plot.x, 70.0), 16.0, MUTED, HPos::Left);
        self.text(unit, (plot.x - 10.0, 70.0), 14.0, MUTED, HPos::Right);
        let target = Box2 {
            x: x_of(data.target_start_ns),
            w: (x_of(data.target_end_ns) - x_of(data.target_start_ns)).max(2.0),
            ..plot
        };
        if data.target_end_ns > data.start_ns && data.target_start_ns < data.end_ns {
            self.fill(target, TARGET);
        }
        let columns = columns(
            data.channel.pieces.iter(),
            data.start_ns,
            span_ns,
            (plot.w * f64::from(FINER)) as usize,
        );
        let range = limits(columns.iter().copied(), 0.999);
        self.y_axis(plot, range, 4);
        self.wave(plot, &columns, range, (RECORD, 1.4));

        let mut y = plot.y + plot.h + 8.0;
        for strip in data.strips.iter().take(n_strips) {
            let length_ns = strip
                .windows
                .first()
                .map(|w| w.end_ns.saturating_sub(w.start_ns));
            let name = length_ns.map_or_else(String::new, |ns| duration(ns as f64 / 1e9));
            self.text(&name, (plot.x - 10.0, y + 9.0), 14.0, MUTED, HPos::Right);
            for run in runs(&strip.windows) {
                let (from, to) = (x_of(run.start_ns), x_of(run.end_ns));
                if run.end_ns > data.start_ns && run.start_ns < data.end_ns && to > from {
                    let [r, g, b] = palette::light(run.cluster);
                    let cell = Box2 {
                        x: from,
                        y,
                        w: to - from,
                        h: 18.0,
                    };
                    self.fill(cell, RGBColor(r, g, b));
                }
            }
            y += 25.0;
        }
        let (times, step) = time_ticks(data.start_ns, data.end_ns, 14);
        for time in times {
            self.time_tick(x_of(time), y, time, step);
        }
        let at = (plot.x + plot.w / 2.0, y + 42.0);
        let text = "clusters found without labels, one strip for each length of window";
        self.text(text, at, 15.0, MUTED, HPos::Center);
    }

    /// Bottom: record = background + source, on one scale.
    fn separation(&mut self, data: &PictureData, unit: &str) {
        let s = &data.separated;
        let start_ns = s.mixture.start_ns;
        let end_ns = s.mixture.end_ns();
        let span_ns = end_ns.saturating_sub(start_ns);
        let reduce = |trace: &Trace| columns(std::iter::once(trace), start_ns, span_ns, 900);
        let mut parts = [&s.mixture, &s.background, &s.source].map(reduce);
        // The record's offset says nothing here, and without it all three share one axis.
        let middle = median(
            parts[0]
                .iter()
                .map(|c| f64::from(c.0) / 2.0 + f64::from(c.1) / 2.0),
        );
        for columns in &mut parts[..2] {
            for column in columns.iter_mut() {
                column.0 -= middle.unwrap_or(0.0) as f32;
                column.1 -= middle.unwrap_or(0.0) as f32;
            }
        }
        let range = limits(parts.iter().flatten().copied(), 1.0);
        let names = [
            ("record", RECORD),
            ("background", BACKGROUND),
            ("source", SOURCE),
        ];
        for (i, (columns, (name, colour))) in parts.iter().zip(names).enumerate() {
            let plot = Box2 {
                x: 130.0 + i as f64 * 488.0,
                y: 576.0,
                w: 454.0,
                h: 250.0,
            };
            let x_of = |ns: i64| {
                let share = ns.saturating_sub(start_ns) as f64 / span_ns.max(1) as f64;
                plot.x + plot.w * share.clamp(0.0, 1.0)
            };
            let (from, to) = (x_of(data.target_start_ns), x_of(data.target_end_ns));
            if to > from {
                let target = Box2 {
                    x: from,
                    w: to - from,
                    ..plot
                };
                self.fill(target, TARGET);
            }
            self.text(name, (plot.x, plot.y - 22.0), 20.0, colour, HPos::Left);
            if i == 0 {
                self.text(
                    unit,
                    (plot.x - 10.0, plot.y - 22.0),
                    14.0,
                    MUTED,
                    HPos::Right,
                );
                self.y_axis(plot, range, 4);
            } else {
                self.grid(plot, range, 4);
                let sign = if i == 1 { "=" } else { "+" };
                let at = (plot.x - 17.0, plot.y + plot.h / 2.0);
                self.text(sign, at, 26.0, MUTED, HPos::Center);
            }
            self.wave(plot, columns, range, (colour, 2.0));
            let (times, step) = time_ticks(start_ns, end_ns, 5);
            for time in times {
                self.time_tick(x_of(time), plot.y + plot.h + 2.0, time, step);
            }
        }
    }

    fn grid(&mut self, plot: Box2, range: (f64, f64), about: usize) {
        for value in ticks(range.0, range.1, about).0 {
            let line = Box2 {
                y: y_of(plot, value, range) - 0.5,
                h: 1.0,
                ..plot
            };
            self.fill(line, GRID);
        }
    }

    fn y_axis(&mut self, plot: Box2, range: (f64, f64), about: usize) {
        self.grid(plot, range, about);
        let (values, decimals) = ticks(range.0, range.1, about);
        for value in values {
            let at = (plot.x - 10.0, y_of(plot, value, range));
            self.text(&label(value, decimals), at, 14.0, MUTED, HPos::Right);
        }
    }

    fn time_tick(&mut self, x: f64, y: f64, time: i64, step: i64) {
        let tick = Box2 {
            x: x - 0.5,
            y,
            w: 1.0,
            h: 6.0,
        };
        self.fill(tick, MUTED);
        self.text(
            &time_label(time, step),
            (x, y + 17.0),
            14.0,
            MUTED,
            HPos::Center,
        );
    }

    /// A waveform as upright bars, each reaching to the one before, so that it is one line.
    fn wave(
        &mut self,
        plot: Box2,
        columns: &[(f32, f32)],
        range: (f64, f64),
        pen: (RGBColor, f64),
    ) {
        let n = (plot.w * f64::from(FINER)) as usize;
        let finer = f64::from(FINER);
        let mut before: Option<(f64, f64)> = None;
        for i in 0..n {
            let Some((low, high)) = at(columns, (i as f64 + 0.5) / n as f64) else {
                before = None;
                continue;
            };
            let (top, bottom) = (y_of(plot, high, range), y_of(plot, low, range));
            let reached = before.map_or((top, bottom), |(t, b)| (top.min(b), bottom.max(t)));
            let bar = Box2 {
                x: plot.x + i as f64 / finer - (pen.1 - 1.0) / 2.0,
                y: reached.0 - pen.1 / 2.0,
                w: pen.1 - 0.5,
                h: reached.1 - reached.0 + pen.1,
            };
            self.fill(bar, pen.0);
            before = Some((top, bottom));
        }
    }

    fn fill(&mut self, b: Box2, colour: RGBColor) {
        let (w, h) = (i64::from(SIZE.0 * FINER), i64::from(SIZE.1 * FINER));
        let (x0, y0) = (fine(b.x), fine(b.y));
        let (x1, y1) = (fine(b.x + b.w).max(x0 + 1), fine(b.y + b.h).max(y0 + 1));
        for y in y0.clamp(0, h)..y1.clamp(0, h) {
            for x in x0.clamp(0, w)..x1.clamp(0, w) {
                let at = ((y * w + x) * 3) as usize;
                self.pixels[at..at + 3].copy_from_slice(&[colour.0, colour.1, colour.2]);
            }
        }
    }

    fn text(&mut self, text: &str, at: (f64, f64), size: f64, colour: RGBColor, side: HPos) {
        self.texts.push(Words {
            text: text.to_owned(),
            at,
            size,
            colour,
            side,
        });
    }
}

fn y_of(plot: Box2, value: f64, range: (f64, f64)) -> f64 {
    let share = (value - range.0) / (range.1 - range.0);
    let share = if share.is_finite() { share } else { 0.5 };
    plot.y + plot.h * (1.0 - share.clamp(0.0, 1.0))
}

/// Lowest and highest value at a share of the width: of the column there, or between the centres of two
/// where columns are wider than pixels.
fn at(columns: &[(f32, f32)], share: f64) -> Option<(f64, f64)> {
    let place = share * columns.len() as f64 - 0.5;
    let left = place.floor().max(0.0) as usize;
    let weight = (place - left as f64).clamp(0.0, 1.0);
    let get = |i: usize| {
        columns
            .get(i)
            .filter(|c| c.0.is_finite() && c.1.is_finite())
            .map(|c| (f64::from(c.0), f64::from(c.1)))
    };
    let (a, b) = (get(left), get(left + 1));
    let (near, far) = if weight < 0.5 { (a, b) } else { (b, a) };
    let weight = weight.min(1.0 - weight);
    match (near, far) {
        (Some(n), Some(f)) => Some((
            n.0 * (1.0 - weight) + f.0 * weight,
            n.1 * (1.0 - weight) + f.1 * weight,
        )),
        (Some(n), None) => Some(n),
        // Past the centre of the last column there is only that one.
        (None, Some(f)) if left + 1 >= columns.len() => Some(f),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_nonsense_still_give_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        render_picture(&path, &PictureData::default()).unwrap();
        let empty = std::fs::read(&path).unwrap();
        let bad = Trace {
            start_ns: i64::MAX - 5,
            step_s: f64::NAN,
            low: vec![f32::NAN, f32::INFINITY, 1.0],
            high: vec![],
        };
        let data = PictureData {
            title: "Ωµ\u{1f600}\n".into(),
            start_ns: i64::MIN,
            end_ns: i64::MAX,
            channel: ChannelRecord {
                id: String::new(),
                pieces: vec![bad.clone()],
            },
            separated: SeparatedChannel {
                mixture: bad,
                ..SeparatedChannel::default()
            },
            ..PictureData::default()
        };
        render_picture(&path, &data).unwrap();
        assert_ne!(empty, std::fs::read(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("nowhere/picture.png");
        assert!(matches!(
            render_picture(&missing, &data),
            Err(ReportError::Io { .. })
        ));
    }

    #[test]
    fn columns_are_read_between_their_centres() {
        let columns = [(0.0, 0.0), (2.0, 4.0), (f32::NAN, f32::NAN)];
        assert_eq!(at(&columns, 1.0 / 6.0), Some((0.0, 0.0)));
        assert_eq!(at(&columns, 0.5), Some((2.0, 4.0)));
        assert_eq!(at(&columns, 5.0 / 6.0), None);
        let between = at(&columns, 1.0 / 6.0 + 1.0 / 12.0).unwrap();
        assert!((between.0 - 0.5).abs() < 1e-9);
        assert_eq!(at(&[], 0.5), None);
    }
}
