//! The shape of a pulse: what a broad-band seismometer makes of a step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Half the length of the anti-alias filter, in samples.
const FILTER_HALF_SAMPLES: f64 = 16.0;
/// Cut-off of the anti-alias filter, cycles a sample.
const FILTER_CUT: f64 = 0.4;

/// A velocity seismometer: a damped pendulum of one corner period, flat for velocity above, then a linear-phase
/// anti-alias filter.
///
/// To a step in acceleration it answers with `h(t) = exp(-a t) sin(b t) / b`, `a = damping w`, `b = w sqrt(1 -
/// damping^2)`,
/// `w = 2 pi / period`: a one-sided pulse with a slight undershoot. To a step in displacement it answers with `h''(t)`,
/// which is an impulse (seen through the anti-alias filter) and a faint tail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seismometer {
    /// Corner period in s, 1 to 300.
    pub period_s: f64,
    /// Damping as a fraction of critical, 0.3 to 0.95.
    pub damping: f64,
}

impl Default for Seismometer {
    /// Peak 6 s after the onset, zero after 25 s, undershoot 5 %.
    fn default() -> Self {
        Self {
            period_s: 35.0,
            damping: 0.7,
        }
    }
}

impl Seismometer {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1.0..=300.0).contains(&self.period_s) {
            return Err(format!(
                "the seismometer's period is {} s; use 1 to 300",
                self.period_s
            ));
        }
        if !(0.3..=0.95).contains(&self.damping) {
            return Err(format!(
                "the seismometer's damping is {}; use 0.3 to 0.95",
                self.damping
            ));
        }
        Ok(())
    }

    fn rates(&self) -> (f64, f64) {
        let w = 2.0 * PI / self.period_s;
        (
            self.damping * w,
            w * (1.0 - self.damping * self.damping).sqrt(),
        )
    }

    /// Time of the pulse's peak after the onset, s.
    #[must_use]
    pub fn peak_s(&self) -> f64 {
        let (a, b) = self.rates();
        (b / a).atan() / b
    }

    /// Time after the onset by which the pulse has fallen below 1e-8 of its peak, s.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        // exp(-a t) h'(0) / h(peak) with some room.
        20.0 / self.rates().0
    }

    /// The pulse `t_s` seconds after the onset; its peak is 1. Zero before the onset.
    #[must_use]
    pub fn pulse(&self, t_s: f64) -> f64 {
        let (a, b) = self.rates();
        let h = |t: f64| (-a * t).exp() * (b * t).sin();
        if t_s <= 0.0 {
            0.0
        } else {
            h(t_s) / h(self.peak_s())
        }
    }

    /// The precursor `t_s` seconds after the onset; the peak of its impulse is 1. The filter is acausal: it begins 16
    /// samples before the onset.
    #[must_use]
    pub fn precursor(&self, t_s: f64, sampling_rate: f64) -> f64 {
        let (a, b) = self.rates();
        // h'' = delta - 2 a h' - w^2 h; the filter turns delta into its own impulse response, of peak 2 cut rate.
        let tail = if t_s <= 0.0 {
            0.0
        } else {
            let (h, envelope) = ((b * t_s).sin() / b, (-a * t_s).exp());
            let slope = (b * t_s).cos() - a * h;
            -envelope * (2.0 * a * slope + (a * a + b * b) * h)
        };
        filter(t_s * sampling_rate) + tail / (2.0 * FILTER_CUT * sampling_rate)
    }

    /// Cumulative energy of the pulse, 0 at the onset to 1 at its end, at `step_s` seconds a value.
    pub(super) fn energy(&self, step_s: f64) -> Vec<f64> {
        let n = (self.duration_s() / step_s).ceil() as usize;
        let mut sum = 0.0;
        let mut energy: Vec<f64> = Vec::with_capacity(n + 1);
        energy.push(0.0);
        for i in 0..n {
            sum += self.pulse((i as f64 + 0.5) * step_s).powi(2);
            energy.push(sum);
        }
        energy.iter_mut().for_each(|e| *e /= sum);
        energy
    }

    /// Seconds before the onset at which the precursor begins.
    pub(super) fn lead_s(sampling_rate: f64) -> f64 {
        FILTER_HALF_SAMPLES / sampling_rate
    }
}

/// Windowed sinc with peak 1, `x` in samples.
fn filter(x: f64) -> f64 {
    if x.abs() >= FILTER_HALF_SAMPLES {
        return 0.0;
    }
    let window = 0.5 + 0.5 * (PI * x / FILTER_HALF_SAMPLES).cos();
    let y = 2.0 * PI * FILTER_CUT * x;
    let sinc = if y.abs() < 1e-9 { 1.0 } else { y.sin() / y };
    window * sinc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_is_one_sided_and_about_a_minute_long() {
        let instrument = Seismometer::default();
        let x: Vec<f64> = (0..3000)
            .map(|i| instrument.pulse(f64::from(i) * 0.05))
            .collect();
        let peak = x.iter().copied().fold(0.0, f64::max);
        let dip = x.iter().copied().fold(0.0, f64::min);
        assert!((peak - 1.0).abs() < 1e-4, "{peak}");
        assert!((-0.08..-0.01).contains(&dip), "{dip}");
        assert!((instrument.pulse(instrument.peak_s()) - 1.0).abs() < 1e-12);
        assert!((3.0..10.0).contains(&instrument.peak_s()));
        // Zero between 20 and 40 s, nothing to see after a minute, nothing at all at the end.
        let zero = x.iter().skip(1).position(|x| *x <= 0.0).unwrap_or(0) as f64 * 0.05;
        assert!((20.0..40.0).contains(&zero), "{zero}");
        assert!(x[1200..].iter().all(|x| x.abs() < 0.01));
        assert!(instrument.pulse(instrument.duration_s()).abs() < 1e-7);
        assert_eq!(instrument.pulse(-0.01), 0.0);
    }

    #[test]
    fn pulse_and_precursor_obey_the_pendulum() {
        // h'' by finite differences of the pulse, away from the onset, is the precursor's tail.
        let instrument = Seismometer::default();
        let (a, b) = instrument.rates();
        let t = instrument.peak_s();
        let unit = (-a * t).exp() * (b * t).sin() / b; // h at its peak
        for t in [2.0, 7.0, 20.0, 50.0] {
            let d = 1e-3;
            let second = (instrument.pulse(t + d) - 2.0 * instrument.pulse(t)
                + instrument.pulse(t - d))
                / (d * d);
            let expected = second * unit / (2.0 * FILTER_CUT * 20.0);
            assert!(
                (instrument.precursor(t, 20.0) - expected).abs() < 1e-6,
                "{t}"
            );
        }
        assert!((instrument.precursor(0.0, 20.0) - 1.0).abs() < 1e-12);
        assert_eq!(instrument.precursor(-0.8, 20.0), 0.0);
    }

    #[test]
    fn energy_rises_to_one() {
        let energy = Seismometer::default().energy(0.05);
        assert!(energy.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(energy[0], 0.0);
        assert!((energy[energy.len() - 1] - 1.0).abs() < 1e-12);
        // Most of it lies within the first half minute.
        assert!(energy[600] > 0.97);
    }
}
