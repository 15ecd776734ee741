//! When each source is on. Times are samples counted from the start of the archive.

use rand::rngs::ChaCha8Rng;

use super::SyntheticConfig;
use super::random::{choose, log_uniform, sign, stream, uniform};
use super::truth::{BackgroundKind, BurstClass};

const HOUR_S: f64 = 3600.0;
const MINUTE_S: f64 = 60.0;
/// No two onsets are closer.
const PULSE_DISTANCE_S: f64 = 45.0;

/// A state of the background.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub number: u64,
    pub kind: BackgroundKind,
    pub start: usize,
    pub end: usize,
    /// Weight of each source (second index) in each channel; rows have unit length times `factor`.
    pub mixing: [[f64; 3]; 3],
    /// Rms of each channel relative to the level.
    pub factor: [f64; 3],
}

/// A burst.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BurstEvent {
    pub number: u64,
    pub class: BurstClass,
    pub start: usize,
    pub end: usize,
    pub ratio: f64,
    /// Cycles a sample.
    pub center: f64,
    /// Samples.
    pub modulation_period: f64,
    pub modulation_phase: f64,
    /// Weight of two sources in each channel; mean square over channels 1.
    pub gains: [[f64; 2]; 3],
}

/// A pulse.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PulseEvent {
    /// Onset, between samples.
    pub onset: f64,
    /// Largest peak over the background's rms.
    pub ratio: f64,
    /// Signed share of each channel, the largest is 1 in absolute value.
    pub gains: [f64; 3],
    /// Signed peak of the precursor over that of the pulse.
    pub precursor: f64,
}

/// States until the archive's end; the last one may go beyond it.
pub(super) fn states(config: &SyntheticConfig) -> Vec<State> {
    let total = config.days * config.day_samples();
    let mut states: Vec<State> = Vec::new();
    let mut start = 0;
    let mut kinds = BackgroundKind::ALL;
    while start < total {
        let number = states.len() as u64;
        let rng = &mut stream(config.seed, "background state", number);
        if number.is_multiple_of(3) {
            kinds = three_kinds(
                config.seed,
                number / 3,
                states.last().map(|state| state.kind),
            );
        }
        let kind = kinds[(number % 3) as usize];
        let end = start + config.samples(uniform(rng, 2.0 * HOUR_S, 5.0 * HOUR_S));
        let factor = [(); 3].map(|()| uniform(rng, 0.7, 1.4));
        states.push(State {
            number,
            kind,
            start,
            end,
            mixing: mixing(rng, &factor),
            factor,
        });
        start = end;
    }
    states
}

/// The next three kinds: each once, in random order, not beginning with `last`.
fn three_kinds(seed: u64, group: u64, last: Option<BackgroundKind>) -> [BackgroundKind; 3] {
    let rng = &mut stream(seed, "background kinds", group);
    let mut order = BackgroundKind::ALL;
    order.swap(0, choose(rng, 3));
    order.swap(1, 1 + choose(rng, 2));
    if last == Some(order[0]) {
        order.swap(0, 1 + choose(rng, 2));
    }
    order
}

/// `I + 0.4 N(0, 1)`, each row scaled to the length `factor`.
fn mixing(rng: &mut ChaCha8Rng, factor: &[f64; 3]) -> [[f64; 3]; 3] {
    use rand_distr::{Distribution, StandardNormal};
    let mut matrix = [[0.0; 3]; 3];
    for (c, row) in matrix.iter_mut().enumerate() {
        for (k, weight) in row.iter_mut().enumerate() {
            let normal: f64 = StandardNormal.sample(rng);
            *weight = f64::from(u8::from(c == k)) + 0.4 * normal;
        }
        let length = row.iter().map(|w| w * w).sum::<f64>().sqrt();
        row.iter_mut().for_each(|w| *w *= factor[c] / length);
    }
    matrix
}

/// Bursts that end before the archive does.
pub(super) fn bursts(config: &SyntheticConfig) -> Vec<BurstEvent> {
    let total = config.days * config.day_samples();
    let mut bursts = Vec::new();
    let mut free = 0;
    loop {
        let number = bursts.len() as u64;
        let rng = &mut stream(config.seed, "burst", number);
        let start = free + config.samples(uniform(rng, 20.0 * MINUTE_S, 60.0 * MINUTE_S));
        let end = start + config.samples(uniform(rng, 10.0 * MINUTE_S, 30.0 * MINUTE_S));
        if end >= total {
            return bursts;
        }
        let class = if choose(rng, 2) == 0 {
            BurstClass::Steady
        } else {
            BurstClass::Modulated
        };
        bursts.push(BurstEvent {
            number,
            class,
            start,
            end,
            ratio: log_uniform(rng, 2.0, 5.0),
            center: log_uniform(rng, 0.095, 0.105),
            modulation_period: uniform(rng, 120.0, 130.0),
            modulation_phase: uniform(rng, 0.0, 2.0 * std::f64::consts::PI),
            gains: burst_gains(rng),
        });
        free = end;
    }
}

fn burst_gains(rng: &mut ChaCha8Rng) -> [[f64; 2]; 3] {
    let mut gains = [[(); 2]; 3].map(|row| row.map(|()| sign(rng) * uniform(rng, 0.7, 1.0)));
    let mean_square = gains.iter().flatten().map(|g| g * g).sum::<f64>() / 3.0;
    gains
        .iter_mut()
        .flatten()
        .for_each(|g| *g /= mean_square.sqrt());
    gains
}

/// Pulses whose onset lies in the archive: a Poisson process with a dead time, one in 4 to 6 minutes in busy spells
/// of 2 to 5 hours, one in 90 minutes in the calm ones between.
pub(super) fn pulses(config: &SyntheticConfig) -> Vec<PulseEvent> {
    let total_s = (config.days * config.day_samples()) as f64 / config.sampling_rate;
    let mut pulses: Vec<PulseEvent> = Vec::new();
    let (mut spell_start, mut number, mut free) = (0.0, 0u64, 0.0f64);
    let mut busy = choose(&mut stream(config.seed, "first spell", 0), 2) == 0;
    while spell_start < total_s {
        let rng = &mut stream(config.seed, "spell", number);
        let spell_end = spell_start + uniform(rng, 2.0 * HOUR_S, 5.0 * HOUR_S);
        let interval = if busy {
            uniform(rng, 4.0 * MINUTE_S, 6.0 * MINUTE_S)
        } else {
            90.0 * MINUTE_S
        };
        let mut at = free.max(spell_start);
        loop {
            at += -(interval - PULSE_DISTANCE_S) * (1.0 - uniform(rng, 0.0, 1.0)).ln();
            if at >= spell_end.min(total_s) {
                break;
            }
            pulses.push(pulse(config, pulses.len() as u64, at));
            at += PULSE_DISTANCE_S;
            free = at;
        }
        (spell_start, number, busy) = (spell_end, number + 1, !busy);
    }
    pulses
}

fn pulse(config: &SyntheticConfig, number: u64, onset_s: f64) -> PulseEvent {
    let rng = &mut stream(config.seed, "pulse", number);
    let mut gains = [(); 3].map(|()| uniform(rng, 0.5, 1.0));
    let largest = gains.iter().copied().fold(0.0, f64::max);
    gains.iter_mut().for_each(|g| *g = *g / largest * sign(rng));
    PulseEvent {
        onset: onset_s * config.sampling_rate,
        ratio: log_uniform(rng, 5.0, 100.0),
        gains,
        precursor: sign(rng) * log_uniform(rng, 0.1, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(days: usize) -> SyntheticConfig {
        SyntheticConfig {
            days,
            seed: 5,
            ..Default::default()
        }
    }

    #[test]
    fn more_days_change_nothing_before() {
        let (short, long) = (config(2), config(5));
        let n = states(&short).len();
        assert_eq!(states(&short), states(&long)[..n]);
        let n = bursts(&short).len();
        assert_eq!(bursts(&short), bursts(&long)[..n]);
        let n = pulses(&short).len();
        assert_eq!(pulses(&short), pulses(&long)[..n]);
    }

    #[test]
    fn states_are_contiguous_and_change() {
        let states = states(&config(10));
        assert_eq!(states[0].start, 0);
        for pair in states.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
            assert_ne!(pair[0].kind, pair[1].kind);
        }
        for group in states.chunks_exact(3) {
            let mut kinds: Vec<BackgroundKind> = group.iter().map(|s| s.kind).collect();
            kinds.sort();
            assert_eq!(kinds, BackgroundKind::ALL);
        }
    }

    #[test]
    fn pulses_keep_their_distance_and_their_rate() {
        let config = config(20);
        let pulses = pulses(&config);
        assert!(
            pulses
                .windows(2)
                .all(|p| p[1].onset - p[0].onset >= 45.0 * 20.0)
        );
        // Half the time one in 300 s, half the time one in 5400 s: 152 a day.
        assert!((2400..3700).contains(&pulses.len()), "{}", pulses.len());
        let small = pulses.iter().filter(|p| p.ratio < 22.4).count() as f64 / pulses.len() as f64;
        assert!(
            (small - 0.5).abs() < 0.05,
            "half of a log-uniform 5 to 100 is below 22.4: {small}"
        );
        assert!(
            pulses.iter().all(|p| p.gains.iter().any(|g| g.abs() == 1.0)
                && p.gains.iter().all(|g| g.abs() >= 0.5))
        );
    }

    #[test]
    fn bursts_have_their_lengths() {
        let bursts = bursts(&config(10));
        assert!(bursts.len() > 150);
        for burst in &bursts {
            assert!((12_000..=36_000).contains(&(burst.end - burst.start)));
            let mean_square = burst.gains.iter().flatten().map(|g| g * g).sum::<f64>() / 3.0;
            assert!((mean_square - 1.0).abs() < 1e-12);
        }
        assert!(bursts.windows(2).all(|b| b[1].start - b[0].end >= 24_000));
    }
}
