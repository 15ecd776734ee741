//! Alignment of a cluster's waveforms by cross-correlation, and a test for a common waveform.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex64;

use super::GalleryWindow;

/// Columns to which gallery windows are reduced before they are aligned.
const COLUMNS: usize = 260;

/// Shift and polarity that match one waveform to the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Samples to move by: sample `i` of the aligned waveform is sample `i + shift` of the original.
    pub shift: isize,
    /// −1 where the waveform matches upside down, else 1.
    pub polarity: i8,
    /// Normalised cross-correlation with the mean of the others at that shift, 0 to 1.
    pub correlation: f64,
}

/// Mean correlation below which waveforms are never [`alike`].
pub const MIN_CORRELATION: f64 = 0.45;

/// By how much the mean correlation has to exceed that of surrogates.
const ABOVE_CHANCE: f64 = 0.06;

/// Aligns waveforms by cross-correlation with their growing mean, then once more with the mean of all others.
///
/// `waveforms`: equally sampled, any unit, the most probable first; values that are not finite are taken as the median.
/// Shifts are at most `max_shift` samples to either side of the first. The peak of the mean is put at a third of the
/// first waveform's length. Noise can be aligned as well: [`alike`] tests if the alignment is significant.
#[must_use]
pub fn align(waveforms: &[Vec<f64>], max_shift: usize) -> Vec<Alignment> {
    let prepared: Vec<Vec<f64>> = waveforms.iter().map(|w| normalised(w)).collect();
    let (mut found, stack) = to_the_mean(&prepared, max_shift);
    let offset = peak(&stack) as isize - (prepared.first().map_or(0, Vec::len) / 3) as isize;
    // Most waveforms the right way up: the sign of the mean is a matter of taste.
    let upside_down = found.iter().filter(|a| a.polarity < 0).count() * 2 > found.len();
    for alignment in &mut found {
        alignment.shift += offset;
        if upside_down {
            alignment.polarity = -alignment.polarity;
        }
    }
    found
}

/// True if aligned waveforms share more than chance gives.
///
/// Smooth noise correlates with smooth noise once it may be shifted. So the mean correlation of `aligned` has to
/// exceed, by 0.06, that of three sets of surrogates aligned in the same way: waveforms with the same amplitude
/// spectra and random phases, from a fixed seed.
#[must_use]
pub fn alike(waveforms: &[Vec<f64>], aligned: &[Alignment], max_shift: usize) -> bool {
    let mean = mean_correlation(aligned);
    if aligned.len() < 2 || mean < MIN_CORRELATION {
        return false;
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    (0..3).all(|_| {
        let surrogates: Vec<Vec<f64>> = waveforms
            .iter()
            .map(|w| normalised(&surrogate(&normalised(w), &mut random)))
            .collect();
        let (found, _) = to_the_mean(&surrogates, max_shift);
        mean >= mean_correlation(&found) + ABOVE_CHANCE
    })
}

/// Aligns the windows of a gallery; returns false, and shifts nothing, if they share no waveform.
///
/// `always` shifts them in any case: windows of a transient are compared best at their peaks, even where noise hides
/// their similarity.
pub(super) fn align_gallery(windows: &mut [GalleryWindow], always: bool) -> bool {
    let length = |w: &GalleryWindow| w.trace.end_ns().saturating_sub(w.trace.start_ns);
    let length_ns = windows.iter().map(length).max().unwrap_or(0);
    let n_bins = windows.iter().map(|w| w.trace.len()).min().unwrap_or(0);
    let n_columns = n_bins.clamp(1, COLUMNS);
    let lines: Vec<Vec<f64>> = windows
        .iter()
        .map(|w| {
            let mut columns = vec![(f32::NAN, f32::NAN); n_columns];
            w.trace
                .add_to_columns(w.trace.start_ns, length_ns, &mut columns);
            extremes(&columns)
        })
        .collect();
    let max_shift = n_columns * 3 / 4;
    let found = align(&lines, max_shift);
    let aligned = found.len() > 1 && (always || alike(&lines, &found, max_shift));
    let column_s = length_ns as f64 / 1e9 / n_columns as f64;
    for (window, alignment) in windows.iter_mut().zip(found) {
        window.correlation = alignment.correlation;
        window.is_inverted = aligned && alignment.polarity < 0;
        window.shift_s = if aligned {
            alignment.shift as f64 * column_s
        } else {
            0.0
        };
    }
    aligned
}

/// One value for each column: the limit farther from the median of all, so that one-sided pulses survive.
pub(crate) fn extremes(columns: &[(f32, f32)]) -> Vec<f64> {
    let mut middles: Vec<f64> = columns
        .iter()
        .filter(|c| c.0.is_finite())
        .map(|c| f64::from(c.0) / 2.0 + f64::from(c.1) / 2.0)
        .collect();
    middles.sort_unstable_by(f64::total_cmp);
    let median = middles.get(middles.len() / 2).copied().unwrap_or(0.0);
    columns
        .iter()
        .map(|&(low, high)| {
            let (low, high) = (f64::from(low), f64::from(high));
            if (high - median).abs() >= (low - median).abs() {
                high
            } else {
                low
            }
        })
        .collect()
}

fn mean_correlation(aligned: &[Alignment]) -> f64 {
    aligned.iter().map(|a| a.correlation).sum::<f64>() / aligned.len().max(1) as f64
}

/// Waveform with the same amplitude spectrum, not normalised, and random phases.
fn surrogate(waveform: &[f64], random: &mut ChaCha8Rng) -> Vec<f64> {
    let n = waveform.len();
    let mut out = vec![0.0; n];
    if n == 0 {
        return out;
    }
    let mut planner = RealFftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(n), planner.plan_fft_inverse(n));
    let mut spectrum = forward.make_output_vec();
    let transformed = forward.process(&mut waveform.to_vec(), &mut spectrum);
    for value in &mut spectrum {
        *value *= Complex64::cis(random.random_range(0.0..std::f64::consts::TAU));
    }
    // The first value, and for even lengths the last, of a real signal's spectrum are real.
    spectrum[0] = Complex64::ZERO;
    if n.is_multiple_of(2) {
        let last = &mut spectrum[n / 2];
        *last = Complex64::new(last.norm(), 0.0);
    }
    // Both transforms fail only for buffers of a wrong length; then the surrogate is zero and correlates with nothing.
    if transformed
        .and_then(|()| inverse.process(&mut spectrum, &mut out))
        .is_err()
    {
        out.fill(0.0);
    }
    out
}

/// Shifts relative to the first waveform, and the mean of the shifted waveforms.
fn to_the_mean(prepared: &[Vec<f64>], max_shift: usize) -> (Vec<Alignment>, Vec<f64>) {
    let still = Alignment {
        shift: 0,
        polarity: 1,
        correlation: 0.0,
    };
    let mut found = vec![still; prepared.len()];
    let length = prepared.iter().map(Vec::len).max().unwrap_or(0);
    let mut stack = vec![0.0; length];
    for (i, (waveform, alignment)) in prepared.iter().zip(&mut found).enumerate() {
        if i > 0 {
            *alignment = best(waveform, &stack, max_shift);
        }
        add(&mut stack, waveform, *alignment, 1.0);
    }
    if prepared.len() > 1 {
        for (waveform, alignment) in prepared.iter().zip(&mut found) {
            add(&mut stack, waveform, *alignment, -1.0);
            *alignment = best(waveform, &stack, max_shift);
            add(&mut stack, waveform, *alignment, 1.0);
        }
    }
    (found, stack)
}

/// Subtracts the median and scales to unit energy; a constant becomes zero.
fn normalised(waveform: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = waveform.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_unstable_by(f64::total_cmp);
    let median = finite.get(finite.len() / 2).copied().unwrap_or(0.0);
    let largest = finite.iter().fold(0.0f64, |m, v| m.max((v - median).abs()));
    // Divided by the largest first, so that squares neither overflow nor vanish.
    let scale = if largest > 0.0 && largest.is_finite() {
        1.0 / largest
    } else {
        0.0
    };
    let mut out: Vec<f64> = waveform
        .iter()
        .map(|v| {
            if v.is_finite() {
                (v - median) * scale
            } else {
                0.0
            }
        })
        .collect();
    let norm = out.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm > 0.0 {
        out.iter_mut().for_each(|v| *v /= norm);
    }
    out
}

/// Adds an aligned waveform to the stack.
fn add(stack: &mut [f64], waveform: &[f64], by: Alignment, weight: f64) {
    let weight = weight * f64::from(by.polarity);
    for (i, value) in waveform.iter().enumerate() {
        let at = i as isize - by.shift;
        if let Some(sum) = usize::try_from(at).ok().and_then(|at| stack.get_mut(at)) {
            *sum += weight * value;
        }
    }
}

/// The shift with the largest absolute correlation; of equals the one nearest to none.
fn best(waveform: &[f64], stack: &[f64], max_shift: usize) -> Alignment {
    let norm = stack.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut found = Alignment {
        shift: 0,
        polarity: 1,
        correlation: 0.0,
    };
    if norm.is_nan() || norm <= 0.0 {
        return found;
    }
    let max_shift = max_shift.min(waveform.len()) as isize;
    let nearest_first = (0..=max_shift).flat_map(|s| [s, -s]);
    for shift in nearest_first {
        let (from, skip) = (shift.max(0) as usize, (-shift).max(0) as usize);
        let dot: f64 = waveform
            .iter()
            .skip(from)
            .zip(stack.iter().skip(skip))
            .map(|(a, b)| a * b)
            .sum();
        let correlation = dot.abs() / norm;
        // A rounding's worth better is no better.
        if correlation > found.correlation + 1e-12 {
            found = Alignment {
                shift,
                polarity: if dot < 0.0 { -1 } else { 1 },
                correlation,
            };
        }
    }
    found.correlation = found.correlation.min(1.0);
    found
}

/// Index of the largest absolute value.
fn peak(values: &[f64]) -> usize {
    let mut at = 0;
    for (i, value) in values.iter().enumerate() {
        if value.abs() > values[at].abs() {
            at = i;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A one-sided pulse at `at`, of height `gain`, on a little deterministic noise.
    fn pulse(n: usize, at: usize, gain: f64, seed: u32) -> Vec<f64> {
        let mut state = seed;
        (0..n)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(state >> 8) / f64::from(1 << 24) - 0.5;
                let t = i as f64 - at as f64;
                let shape = if t >= 0.0 { t * (-t / 6.0).exp() } else { 0.0 };
                40.0 + gain * shape + 0.2 * noise
            })
            .collect()
    }

    #[test]
    fn pulses_are_brought_together_whatever_their_sign_and_size() {
        let places = [90, 40, 100, 75, 140];
        let gains = [1.0, 30.0, -4.0, 0.8, 2.0];
        let waveforms: Vec<_> = (0..5)
            .map(|i| pulse(200, places[i], gains[i], i as u32 + 1))
            .collect();
        let found = align(&waveforms, 150);
        for i in 0..5 {
            assert_eq!(
                found[i].shift - found[0].shift,
                places[i] as isize - 90,
                "{found:?}"
            );
            assert_eq!(found[i].polarity < 0, gains[i] < 0.0);
            assert!(found[i].correlation > 0.9);
        }
        // The pulse peaks 6 samples after its onset, at 96; a third of the window is 66.
        assert!((found[0].shift - 30).abs() <= 2, "{found:?}");
    }

    #[test]
    fn pulses_are_alike_and_noise_is_not_however_smooth() {
        let pulses: Vec<_> = (0..8)
            .map(|i| pulse(200, 40 + 13 * i, 1.0, i as u32 + 1))
            .collect();
        assert!(alike(&pulses, &align(&pulses, 100), 100));
        for smoothing in [0.0, 0.9, 0.97] {
            let noise: Vec<Vec<f64>> = (0..10)
                .map(|i| {
                    let mut slow = 0.0;
                    pulse(200, 0, 0.0, 1000 + i)
                        .iter()
                        .map(|v| {
                            slow = smoothing * slow + v - 40.0;
                            slow
                        })
                        .collect()
                })
                .collect();
            assert!(!alike(&noise, &align(&noise, 100), 100), "{smoothing}");
        }
        assert!(!alike(&[], &[], 5));
    }

    #[test]
    fn surrogates_keep_the_amplitude_spectrum() {
        let original = normalised(&pulse(50, 10, 1.0, 9));
        let other = surrogate(&original, &mut ChaCha8Rng::seed_from_u64(77));
        let power = |x: &[f64], k: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, v) in x.iter().enumerate() {
                let angle = std::f64::consts::TAU * (i * k) as f64 / 50.0;
                re += v * angle.cos();
                im += v * angle.sin();
            }
            re * re + im * im
        };
        // The inverse transform is not normalised: a factor of 50.
        for k in 1..25 {
            let ratio = power(&other, k).sqrt() / power(&original, k).sqrt();
            assert!((ratio - 50.0).abs() < 1e-6, "{k}: {ratio}");
        }
    }

    #[test]
    fn a_circular_example_agrees_with_the_definition() {
        // Slow and obvious: try each shift, write the moved copy out, multiply.
        let (a, b) = (pulse(64, 20, 1.0, 3), pulse(64, 29, 1.0, 4));
        let (a, b) = (normalised(&a), normalised(&b));
        let moved = |shift: isize| -> Vec<f64> {
            (0..64)
                .map(|i: isize| {
                    usize::try_from(i + shift)
                        .ok()
                        .and_then(|j| b.get(j))
                        .copied()
                        .unwrap_or(0.0)
                })
                .collect()
        };
        let dot = |x: &[f64]| x.iter().zip(&a).map(|(p, q)| p * q).sum::<f64>().abs();
        let naive = (-40..=40)
            .max_by(|s, t| dot(&moved(*s)).total_cmp(&dot(&moved(*t))))
            .unwrap_or(0);
        let found = best(&b, &a, 40);
        assert_eq!(found.shift, naive);
        assert!((found.correlation - dot(&moved(naive))).abs() < 1e-12);
    }

    #[test]
    fn nothing_constant_and_not_finite_are_harmless() {
        assert!(align(&[], 10).is_empty());
        let odd = vec![
            vec![],
            vec![f64::NAN; 5],
            vec![3.0; 9],
            vec![f64::INFINITY, 1.0, f64::MAX, f64::MIN],
        ];
        let found = align(&odd, usize::MAX);
        assert!(!alike(&odd, &found, usize::MAX));
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|a| a.correlation.is_finite()));
    }
}
