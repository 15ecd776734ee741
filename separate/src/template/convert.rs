//! Templates of other sampling rates and of fewer channels.

use std::f64::consts::PI;

use super::options::{AUTOREGRESSION_ORDER, Layout};
use super::template::Template;
use super::waveform::Shape;

/// Share of the lower of two Nyquist frequencies up to which a waveform is kept, and at which it has faded out.
const BAND: (f64, f64) = (0.84, 1.0);

impl Template {
    /// The template at another sampling rate: `ratio` is the new rate over the old one.
    ///
    /// The waveform is interpolated by its Fourier series, without what the lower of both rates cannot hold. Amplitudes
    /// keep their meaning. A waveform that becomes longer than the longest is cut at its end.
    pub fn resampled(&self, ratio: f64) -> Self {
        let length = (self.layout.length as f64 * ratio).round().max(1.0) as usize;
        let layout = Layout::for_windows(length, AUTOREGRESSION_ORDER);
        let channels = self.shape.channels.iter();
        let channels = channels.map(|h| resampled(h, self.layout, layout, ratio));
        Self {
            layout,
            shape: Shape {
                channels: channels.collect(),
            },
            discrepancies: self.discrepancies.clone(),
            onset_range: self
                .onset_range
                .map(|(from, to)| (from * ratio, to * ratio)),
            n_training_sources: self.n_training_sources,
        }
    }

    /// The template of some of its channels, by index.
    pub fn of_channels(&self, channels: &[usize]) -> Self {
        let shapes = channels.iter().map(|c| self.shape.channels[*c].clone());
        Self {
            shape: Shape {
                channels: shapes.collect(),
            },
            discrepancies: channels.iter().map(|c| self.discrepancies[*c]).collect(),
            ..self.clone()
        }
    }
}

/// Waveform with its onset at the lead of `new`, sampled `ratio` times as densely.
fn resampled(h: &[f64], old: Layout, new: Layout, ratio: f64) -> Vec<f64> {
    // Zeros behind the waveform keep its end from running into its beginning.
    let n = 2 * h.len();
    let cut = ratio.min(1.0);
    let series: Vec<(f64, f64, f64)> = (0..=n / 2)
        .map(|k| {
            let angle = 2.0 * PI * k as f64 / n as f64;
            let (mut re, mut im) = (0.0, 0.0);
            for (t, v) in h.iter().enumerate() {
                let (sin, cos) = (angle * t as f64).sin_cos();
                re += v * cos;
                im += v * sin;
            }
            let twice = if k == 0 || 2 * k == n { 1.0 } else { 2.0 };
            let part = 2.0 * k as f64 / n as f64 / cut;
            let gain = twice * fade(part) / n as f64;
            (angle, gain * re, gain * im)
        })
        .filter(|(_, re, im)| *re != 0.0 || *im != 0.0)
        .collect();
    (0..new.length)
        .map(|i| {
            let t = old.lead as f64 + (i as f64 - new.lead as f64) / ratio;
            if !(-1.0..h.len() as f64).contains(&t) {
                return 0.0;
            }
            let terms = series.iter().map(|(angle, re, im)| {
                let (sin, cos) = (angle * t).sin_cos();
                re * cos + im * sin
            });
            terms.sum()
        })
        .collect()
}

/// 1 in the band, 0 above, a raised cosine between.
fn fade(part: f64) -> f64 {
    let at = ((part - BAND.0) / (BAND.1 - BAND.0)).clamp(0.0, 1.0);
    0.5 + 0.5 * (PI * at).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(layout: Layout, rate: f64) -> Vec<f64> {
        (0..layout.length)
            .map(|i| {
                let t = (i as f64 - layout.lead as f64) / rate - 1.5;
                (-t * t / 0.5).exp() * (2.0 * t).cos()
            })
            .collect()
    }

    fn template(length: usize, rate: f64) -> Template {
        let layout = Template::layout(length);
        Template {
            layout,
            shape: Shape {
                channels: vec![pulse(layout, rate), vec![0.0; layout.length]],
            },
            discrepancies: vec![0.1, 0.2],
            onset_range: Some((10.0, 20.0)),
            n_training_sources: 7,
        }
    }

    #[test]
    fn a_resampled_waveform_is_the_same_function_of_time() {
        for ratio in [0.5, 0.8, 1.0, 2.0] {
            let old = template(512, 10.0);
            let new = old.resampled(ratio);
            let truth = template((512.0 * ratio).round() as usize, 10.0 * ratio);
            assert_eq!(new.layout, truth.layout);
            let own = new.shape.channels[0].iter().zip(&truth.shape.channels[0]);
            let worst = own.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-3, "{ratio}: {worst}");
            assert!(new.shape.channels[1].iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn channels_are_chosen_by_index() {
        let chosen = template(256, 10.0).of_channels(&[1]);
        assert_eq!(chosen.discrepancies, [0.2]);
        assert_eq!(chosen.n_channels(), 1);
    }
}
