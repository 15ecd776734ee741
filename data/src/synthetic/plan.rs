//! From the schedule to samples, a day at a time.

use std::f64::consts::PI;
use std::ops::Range;

use rayon::prelude::*;

use super::noise::{MultifractalRandomWalk, coloured_noise};
use super::pulse::Seismometer;
use super::random::{stream, uniform};
use super::schedule::{self, BurstEvent, PulseEvent, State};
use super::truth::{BackgroundInterval, BackgroundKind, Burst, BurstClass, Pulse, Truth};
use super::{SyntheticConfig, SyntheticError};
use crate::TimeSpan;

/// Neighbouring states and the ends of bursts fade over this time.
const RAMP_S: f64 = 60.0;
/// Below this frequency (cycles a sample) the power laws level off.
const CORNER: f64 = 1.0 / 1024.0;
/// Everything else within this time of the onset makes a pulse's local rms.
const LOCAL_S: f64 = 60.0;
/// Position of the gap in its day, and its length.
const GAP_OF_DAY: f64 = 0.7344;
const GAP_S: f64 = 149.0;

/// One value a channel.
type Channels<T> = [Vec<T>; 3];

/// Everything about an archive but its samples, which [`day`](Self::day) makes.
#[derive(Debug, Clone)]
pub struct SyntheticPlan {
    config: SyntheticConfig,
    states: Vec<State>,
    bursts: Vec<BurstEvent>,
    pulses: Vec<PulseEvent>,
    gain_phases: [f64; 2],
}

/// The parts of one day: counts, `(channel, sample)`, gap and sentinel not yet made. They sum to the record.
#[derive(Debug, Clone, PartialEq)]
pub struct DaySources {
    /// Time of the first sample, ns UTC.
    pub start_ns: i64,
    /// Background.
    pub background: [Vec<i32>; 3],
    /// Bursts.
    pub bursts: [Vec<i32>; 3],
    /// Pulses.
    pub pulses: [Vec<i32>; 3],
    /// For each pulse whose onset lies in this day, in order: rms of everything else near it, over all channels,
    /// counts.
    pub local_rms: Vec<f64>,
}

impl DaySources {
    /// The record of one channel: the sum of the parts.
    #[must_use]
    pub fn record(&self, channel: usize) -> Vec<i32> {
        let parts = self.background[channel]
            .iter()
            .zip(&self.bursts[channel])
            .zip(&self.pulses[channel]);
        parts.map(|((a, b), c)| a + b + c).collect()
    }
}

impl SyntheticPlan {
    /// Draws the schedule.
    ///
    /// # Errors
    /// As [`SyntheticConfig::check`].
    pub fn new(config: &SyntheticConfig) -> Result<Self, SyntheticError> {
        config.check()?;
        let rng = &mut stream(config.seed, "gain", 0);
        Ok(Self {
            config: config.clone(),
            states: schedule::states(config),
            bursts: schedule::bursts(config),
            pulses: schedule::pulses(config),
            gain_phases: [uniform(rng, 0.0, 2.0 * PI), uniform(rng, 0.0, 2.0 * PI)],
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &SyntheticConfig {
        &self.config
    }

    /// The samples of one day, counted from 0. Parallel; the result does not depend on the number of threads.
    #[must_use]
    pub fn day(&self, day: usize) -> DaySources {
        let n = self.config.day_samples();
        let samples = day * n..(day + 1) * n;
        let background = round(self.background(&samples));
        let bursts = round(self.burst_samples(&samples));
        let pulses = round(self.pulse_samples(&samples));
        let here = self
            .pulses
            .iter()
            .filter(|p| samples.contains(&(p.onset as usize)));
        let local_rms = here
            .map(|p| self.local_rms(p.onset - samples.start as f64, &background, &bursts))
            .collect();
        DaySources {
            start_ns: self.config.time_ns(samples.start as f64),
            background,
            bursts,
            pulses,
            local_rms,
        }
    }

    /// Samples of a day, counted in it, that the record lacks.
    #[must_use]
    pub fn gap(&self, day: usize) -> Option<Range<usize>> {
        let start = (self.config.day_samples() as f64 * GAP_OF_DAY).round() as usize;
        (self.config.gap && day == 1).then(|| start..start + self.config.samples(GAP_S))
    }

    /// The truth, given what [`day`](Self::day) measured: the local rms of all pulses in order.
    #[must_use]
    pub fn truth(&self, local_rms: &[f64]) -> Truth {
        let time = |sample: usize| self.config.time_ns(sample as f64);
        let total = self.config.days * self.config.day_samples();
        let background = self.states.iter().map(|state| BackgroundInterval {
            kind: state.kind,
            start_ns: time(state.start),
            end_ns: time(state.end.min(total)),
        });
        let bursts = self.bursts.iter().map(|burst| Burst {
            class: burst.class,
            start_ns: time(burst.start),
            end_ns: time(burst.end),
            ratio: burst.ratio,
            center_frequency_hz: burst.center * self.config.sampling_rate,
            modulation_period_s: burst.modulation_period / self.config.sampling_rate,
        });
        let pulses = self
            .pulses
            .iter()
            .zip(local_rms)
            .map(|(pulse, rms)| self.pulse_truth(pulse, *rms));
        let gaps = (0..self.config.days).filter_map(|day| {
            let first = day * self.config.day_samples();
            self.gap(day)
                .map(|gap| (first + gap.start, first + gap.end))
        });
        let gaps: Vec<(usize, usize)> = gaps.collect();
        Truth {
            config: self.config.clone(),
            background: background.collect(),
            bursts: bursts.collect(),
            pulses: pulses.collect(),
            sentinels: gaps.iter().map(|gap| time(gap.0 - 1)).collect(),
            gaps: gaps
                .iter()
                .map(|gap| TimeSpan {
                    start_ns: time(gap.0),
                    end_ns: time(gap.1),
                })
                .collect(),
        }
    }

    fn pulse_truth(&self, pulse: &PulseEvent, local_rms: f64) -> Pulse {
        let peak_counts = self.pulse_peaks(pulse);
        let largest = peak_counts.iter().fold(0.0f64, |m, p| m.max(p.abs()));
        let peak = pulse.onset + self.config.seismometer.peak_s() * self.config.sampling_rate;
        Pulse {
            onset_ns: self.config.time_ns(pulse.onset),
            peak_ns: self.config.time_ns(peak),
            peak_counts,
            precursor_counts: peak_counts.map(|p| p * pulse.precursor),
            ratio: pulse.ratio,
            local_ratio: largest / local_rms.max(1e-9),
        }
    }

    /// Slowly varying gain, quiet at night and windy at 14 hours; within `gain_range^(+-1/2)`.
    fn gain(&self, sample: f64) -> f64 {
        let t = sample / self.config.sampling_rate;
        let swing = |period_s: f64, phase: f64| (2.0 * PI * t / period_s + phase).cos();
        let daily = swing(86_400.0, -2.0 * PI * 14.0 / 24.0);
        let v = 0.78 * daily
            + 0.15 * swing(17_000.0, self.gain_phases[0])
            + 0.07 * swing(5_200.0, self.gain_phases[1]);
        self.config.gain_range.powf(0.5 * v)
    }

    /// Rms of the background over all channels, as designed, in counts.
    fn background_rms(&self, sample: f64) -> f64 {
        let at = self
            .states
            .partition_point(|state| (state.end as f64) <= sample);
        let factor = self.states.get(at).map_or([1.0; 3], |state| state.factor);
        let mean_square = factor.iter().map(|f| f * f).sum::<f64>() / 3.0;
        self.config.level_counts * self.gain(sample) * mean_square.sqrt()
    }

    fn background(&self, samples: &Range<usize>) -> Channels<f64> {
        let half = self.config.samples(RAMP_S) / 2;
        let near: Vec<&State> = self
            .states
            .iter()
            .filter(|s| s.start < samples.end + half && s.end + half > samples.start)
            .collect();
        let series: Vec<Channels<f64>> = near
            .par_iter()
            .map(|state| self.state_samples(state, 2 * half))
            .collect();
        let mut sum = zeros(samples.len());
        for (state, channels) in near.iter().zip(&series) {
            // The series begins half a ramp before its state; the first state has nothing before it.
            add(
                &mut sum,
                channels,
                state.start as i64 - half as i64 - samples.start as i64,
            );
        }
        let gain: Vec<f64> = samples
            .clone()
            .into_par_iter()
            .map(|i| self.config.level_counts * self.gain(i as f64))
            .collect();
        sum.iter_mut()
            .for_each(|channel| channel.iter_mut().zip(&gain).for_each(|(x, g)| *x *= g));
        sum
    }

    /// One state, channels of rms `factor`, faded in and out with constant power over `ramp` samples.
    fn state_samples(&self, state: &State, ramp: usize) -> Channels<f64> {
        let n = state.end - state.start + ramp;
        let mut rng = stream(self.config.seed, "background", state.number);
        let mut sources = match state.kind {
            BackgroundKind::Multifractal => MultifractalRandomWalk {
                hurst: 0.5,
                lambda: 0.3,
                integral_samples: 2048,
            }
            .three(n, &mut rng),
            BackgroundKind::Flat => three(|| coloured_noise(n, &mut rng, power_law(0.3))),
            BackgroundKind::Steep => three(|| coloured_noise(n, &mut rng, power_law(1.5))),
        };
        sources.iter_mut().for_each(|source| normalise(source));
        let fade = |i: usize| {
            let rise = if state.start == 0 {
                1.0
            } else {
                ((i as f64 + 0.5) / ramp as f64).min(1.0)
            };
            let fall = ((n as f64 - i as f64 - 0.5) / ramp as f64).min(1.0);
            (0.5 * PI * rise).sin() * (0.5 * PI * fall).sin()
        };
        let weights: Vec<f64> = (0..n).map(fade).collect();
        state.mixing.map(|row| {
            let mixed =
                |i: usize| row[0] * sources[0][i] + row[1] * sources[1][i] + row[2] * sources[2][i];
            weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * mixed(i))
                .collect()
        })
    }

    fn burst_samples(&self, samples: &Range<usize>) -> Channels<f64> {
        let near: Vec<&BurstEvent> = self
            .bursts
            .iter()
            .filter(|b| b.start < samples.end && b.end > samples.start)
            .collect();
        let series: Vec<Channels<f64>> = near.par_iter().map(|burst| self.burst(burst)).collect();
        let mut sum = zeros(samples.len());
        for (burst, channels) in near.iter().zip(&series) {
            add(
                &mut sum,
                channels,
                burst.start as i64 - samples.start as i64,
            );
        }
        sum
    }

    /// Band noise with Hann ramps; rms over channels, away from the ramps, `ratio` times that of the background.
    fn burst(&self, burst: &BurstEvent) -> Channels<f64> {
        let n = burst.end - burst.start;
        let ramp = self.config.samples(RAMP_S) as f64;
        let mut rng = stream(self.config.seed, "burst noise", burst.number);
        let mut sources = coloured_noise(n, &mut rng, |f| {
            let x = (f - burst.center) / (0.35 * burst.center);
            (-0.5 * x * x).exp()
        });
        sources.iter_mut().for_each(|source| normalise(source));
        let rms = burst.ratio * self.background_rms(0.5 * (burst.start + burst.end) as f64);
        let envelope = |i: usize| {
            let edge = ((i as f64 + 0.5).min(n as f64 - i as f64 - 0.5) / ramp).min(1.0);
            let hann = 0.5 - 0.5 * (PI * edge).cos();
            let swing = match burst.class {
                BurstClass::Steady => 1.0,
                // E (1 + cos)^4 = 35 / 8, so this has unit mean square.
                BurstClass::Modulated => {
                    let angle =
                        2.0 * PI * i as f64 / burst.modulation_period + burst.modulation_phase;
                    (1.0 + angle.cos()).powi(2) / f64::sqrt(35.0 / 8.0)
                }
            };
            rms * hann * swing
        };
        let weights: Vec<f64> = (0..n).map(envelope).collect();
        burst.gains.map(|g| {
            weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * (g[0] * sources[0][i] + g[1] * sources[1][i]))
                .collect()
        })
    }

    fn pulse_samples(&self, samples: &Range<usize>) -> Channels<f64> {
        let (rate, instrument) = (self.config.sampling_rate, self.config.seismometer);
        let (lead, tail) = (
            Seismometer::lead_s(rate) * rate,
            instrument.duration_s() * rate,
        );
        let mut sum = zeros(samples.len());
        for pulse in &self.pulses {
            let first = ((pulse.onset - lead).floor().max(0.0) as usize).max(samples.start);
            let last = ((pulse.onset + tail).ceil() as usize).min(samples.end);
            let peaks = self.pulse_peaks(pulse);
            for i in first..last {
                let t = (i as f64 - pulse.onset) / rate;
                let shape = instrument.pulse(t) + pulse.precursor * instrument.precursor(t, rate);
                sum.iter_mut()
                    .zip(peaks)
                    .for_each(|(channel, peak)| channel[i - samples.start] += peak * shape);
            }
        }
        sum
    }

    /// Signed peak of each channel, counts.
    fn pulse_peaks(&self, pulse: &PulseEvent) -> [f64; 3] {
        let scale = pulse.ratio * self.background_rms(pulse.onset);
        pulse.gains.map(|gain| gain * scale)
    }

    fn local_rms(&self, onset: f64, background: &Channels<i32>, bursts: &Channels<i32>) -> f64 {
        let reach = self.config.samples(LOCAL_S);
        let n = background[0].len();
        let near = (onset as usize).saturating_sub(reach)..(onset as usize + reach).min(n);
        let square = |c: usize, i: usize| f64::from(background[c][i] + bursts[c][i]).powi(2);
        let sum: f64 = (0..3)
            .flat_map(|c| near.clone().map(move |i| (c, i)))
            .map(|(c, i)| square(c, i))
            .sum();
        (sum / (3 * near.len().max(1)) as f64).sqrt()
    }
}

/// Spectral amplitude of power `(f^2 + corner^2)^(-beta / 2)`.
fn power_law(beta: f64) -> impl Fn(f64) -> f64 {
    move |f| (f * f + CORNER * CORNER).powf(-0.25 * beta)
}

fn three(mut pair: impl FnMut() -> [Vec<f64>; 2]) -> Channels<f64> {
    let [a, b] = pair();
    let [c, _] = pair();
    [a, b, c]
}

fn normalise(x: &mut [f64]) {
    let rms = (x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64).sqrt();
    if rms > 0.0 {
        x.iter_mut().for_each(|x| *x /= rms);
    }
}

fn zeros(n: usize) -> Channels<f64> {
    [vec![0.0; n], vec![0.0; n], vec![0.0; n]]
}

/// Adds `part`, which begins `offset` samples after `sum` does, where they overlap.
fn add(sum: &mut Channels<f64>, part: &Channels<f64>, offset: i64) {
    let skip = usize::try_from(-offset).unwrap_or(0);
    let start = usize::try_from(offset).unwrap_or(0);
    for (sum, part) in sum.iter_mut().zip(part) {
        sum.iter_mut()
            .skip(start)
            .zip(part.iter().skip(skip))
            .for_each(|(s, p)| *s += p);
    }
}

fn round(channels: Channels<f64>) -> Channels<i32> {
    channels.map(|channel| channel.into_iter().map(|x| x.round() as i32).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
