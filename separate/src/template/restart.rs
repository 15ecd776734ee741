//! A shape that others lead to as well: each start takes another jump for the one that sources have in common.
//!
//! Waves of a source are its steps, `a h`, and its jump, `b h''`. Where the sources that a shape was learned from have a
//! jump in common, `b / a = g`, the shape is `h + g h''`, and stays so: other sources, `h + r h''`, are none of
//! `a (h + g h'') + b (h'' + g h'''')` at high frequencies, but no small change of the shape makes them so. Taken for
//! granted, however, g tells the shape: it is what these jumps and steps leave to be explained. So each of many
//! g is taken for granted once, shape and amplitudes follow each other from there, and the shape that leaves least is
//! the one.

use super::learn::{Observation, learn, left};
use super::shape::{Layout, Wave};
use super::spectra::Fourier;

/// Times that shape, amplitudes and weights follow each other; after 4 of them one record of the benchmark lost 2 dB.
const TURNS: usize = 8;
/// Least jump over step that is tried, samples^2; and how often it is doubled. A jump beyond rules at all frequencies.
const LEAST_JUMP: f64 = 0.1;
const DOUBLINGS: i32 = 9;

/// The shape that leaves least of the observations. Without a `previous` shape the amplitudes are taken for a start.
///
/// `None` if the observations do not tell it.
pub(crate) fn best(
    observations: &[Observation],
    fourier: &Fourier,
    layout: Layout,
    previous: Option<&[f64]>,
) -> Option<Vec<f64>> {
    let observations: Vec<Observation> = observations
        .iter()
        .map(|o| with_jump(o.clone(), fourier))
        .collect();
    let mut least: Option<(f64, Vec<f64>)> = None;
    let mut consider = |mut observations: Vec<Observation>, previous| {
        let found = learn(&mut observations, fourier, layout, previous, TURNS);
        if let Some(shape) = found {
            let left = left(&mut observations, fourier, &shape);
            if least.as_ref().is_none_or(|(least, _)| left < *least) {
                least = Some((left, shape));
            }
        }
    };
    consider(observations.clone(), previous);
    for shared in shared_jumps() {
        let start = observations.iter().map(|o| o.sharing(shared)).collect();
        consider(start, None);
    }
    least.map(|(_, shape)| shape)
}

/// Jumps over steps that sources may have in common.
fn shared_jumps() -> impl Iterator<Item = f64> {
    let sizes = (0..=DOUBLINGS).map(|i| LEAST_JUMP * 2.0_f64.powi(i));
    std::iter::once(0.0).chain(sizes.flat_map(|size| [size, -size]))
}

/// With a jump among its waves.
fn with_jump(mut observation: Observation, fourier: &Fourier) -> Observation {
    let is_jump = |(wave, _): &(Wave, Vec<_>)| matches!(wave, Wave::Jump);
    if !observation.waves.iter().any(is_jump) {
        let kernel = Wave::Jump.kernel(fourier, observation.delay);
        observation.waves.push((Wave::Jump, kernel));
        observation.amplitudes.push(0.0);
    }
    observation
}

impl Observation {
    /// With so much more jump, in proportion to its steps.
    fn sharing(&self, shared: f64) -> Self {
        let mut observation = self.clone();
        let is_jump = |wave: &Wave| matches!(wave, Wave::Jump);
        let waves = self.waves.iter().zip(&self.amplitudes);
        let step: f64 = waves
            .filter(|((wave, _), _)| !is_jump(wave))
            .map(|(_, a)| a)
            .sum();
        for ((wave, _), a) in self.waves.iter().zip(&mut observation.amplitudes) {
            if is_jump(wave) {
                *a += shared * step;
            }
        }
        observation
    }
}
