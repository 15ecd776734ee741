//! Onsets of sources: correlation at all lags of a grid, then a simplex search of onset and ramp.

use std::ops::Range;

use num_complex::Complex64;

use super::linear::simplex;
use super::spectra::Fourier;
use super::waveform::Wave;
use super::whitened_data::{WhitenedData, pair_decreases};

/// Chi-square decrease required of a further parameter.
// Three standard deviations: the safe choice, with which even the weakest sources do not lose signal-to-noise ratio.
pub(super) const PARAMETER_CHI2: f64 = 9.0;
/// Chi-square decrease for which a ramp is kept in place of a step.
// Less than for another parameter: a step is the special case of a ramp of length 0.
const RAMP_CHI2: f64 = 6.0;
/// Ramps that are searched, in shapes: 0, 1.1, 2 and 3 seconds for a shape of fifty seconds.
pub(super) const RAMPS: [f64; 4] = [0.0, 0.022, 0.04, 0.065];
/// Evaluations of a simplex search.
pub(super) const EVALUATIONS: usize = 80;
/// Side of the simplex along the ramp, in shapes.
pub(super) const RAMP_SIDE: f64 = 0.01;

/// Onset and ramp of a source before its amplitudes are known.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) onset: f64,
    pub(super) ramp_length: f64,
    /// Chi-square decrease, less that required of a second derivative where there is one.
    pub(super) score: f64,
}

/// Finds the onset with the largest score in a range, among those that are `admissible(onset, score)`.
pub(super) fn search(
    data: &WhitenedData,
    residual: &[Vec<f64>],
    onsets: Range<isize>,
    admissible: &dyn Fn(f64, f64) -> bool,
) -> Option<Candidate> {
    let valid = data.valid_lags() as isize;
    let mut best: Option<Candidate> = None;
    let mut from = onsets.start;
    while from < onsets.end {
        let lags = valid.min(onsets.end - from) as usize;
        let grid = SearchGrid::new(data, residual, from, lags);
        // Half a sample is fine enough a start for the simplex search.
        for half in [0.0, 0.5] {
            let second = Wave::SecondDerivative.kernel(data.fourier, half);
            let seconds = grid.correlations(&second);
            for ramp_length in RAMPS.map(|r| r * data.layout.length as f64) {
                let response = Wave::Response { ramp_length }.kernel(data.fourier, half);
                let scores = grid.scores(&response, &second, &seconds);
                for (lag, score) in scores.into_iter().enumerate() {
                    let onset = (from + lag as isize) as f64 + half;
                    if best.is_none_or(|b| score > b.score) && admissible(onset, score) {
                        best = Some(Candidate {
                            onset,
                            ramp_length,
                            score,
                        });
                    }
                }
            }
        }
        from += lags as isize;
    }
    best
}

/// One grid of a residual, against the shape.
struct SearchGrid<'a> {
    data: &'a WhitenedData<'a>,
    /// Cross spectra of the channels, without the frequencies' weights.
    cross: Vec<Vec<Complex64>>,
    /// Variance of the background around each lag, by channel.
    variances: Vec<Vec<f64>>,
}

impl<'a> SearchGrid<'a> {
    /// Grid whose lag 0 is an onset at sample `from`.
    fn new(data: &'a WhitenedData<'a>, residual: &[Vec<f64>], from: isize, lags: usize) -> Self {
        let variance = |c: usize| {
            let of = |lag: usize| data.level(c, (from + lag as isize) as f64).powi(2);
            (0..lags).map(of).collect()
        };
        Self {
            variances: (0..data.n_channels()).map(variance).collect(),
            cross: data.cross_spectra(residual, from),
            data,
        }
    }

    /// Correlation of a kernel with each channel at all lags.
    fn correlations(&self, kernel: &[Complex64]) -> Vec<Vec<f64>> {
        let of = |cross: &Vec<Complex64>| correlation(self.data.fourier, cross, kernel);
        self.cross.iter().map(of).collect()
    }

    /// Score of each lag: chi-square decreases of all channels, each by the better of one wave and two.
    fn scores(
        &self,
        response: &[Complex64],
        second: &[Complex64],
        seconds: &[Vec<f64>],
    ) -> Vec<f64> {
        let data = self.data;
        let mut scores = vec![0.0; self.variances.first().map_or(0, Vec::len)];
        for (c, variances) in self.variances.iter().enumerate() {
            let responses = correlation(data.fourier, &self.cross[c], response);
            let gram = [
                data.gram(c, response, response),
                data.gram(c, response, second),
                data.gram(c, second, second),
            ];
            for (lag, sum) in scores.iter_mut().enumerate() {
                let variance = variances[lag];
                let (one, two) = pair_decreases(gram, [responses[lag], seconds[c][lag]]);
                let (one, two) = (one / variance, two / variance);
                // A second wave nearly always decreases chi-square; it has to pay for its parameter.
                *sum += one.max(two - PARAMETER_CHI2);
            }
        }
        scores
    }
}

/// Correlation of a kernel with a channel at all lags of the grid.
fn correlation(fourier: &Fourier, cross: &[Complex64], kernel: &[Complex64]) -> Vec<f64> {
    // The cross spectra hold the weights of the frequencies, which an inverse transform applies itself.
    let spectrum: Vec<Complex64> = cross
        .iter()
        .zip(kernel)
        .enumerate()
        .map(|(k, (a, kernel))| a * kernel.conj() / fourier.weight(k))
        .collect();
    fourier.inverse(spectrum)
}

/// Finds the best onset and ramp near a candidate, in a residual without other sources.
pub(super) fn refine(
    data: &WhitenedData,
    residual: &[Vec<f64>],
    candidate: Candidate,
) -> Candidate {
    let whole = candidate.onset.floor();
    let start = candidate.onset - whole;
    let cross = data.cross_spectra(residual, whole as isize);
    let longest = data.layout.longest_ramp as f64;
    let reach = data.layout.lead as f64 / 2.0;
    let score = |delay: f64, ramp_length: f64| -> f64 {
        // The simplex must not wander to another source, nor to ramps for which the grid has no room.
        if (delay - start).abs() > reach || ramp_length > longest {
            return 0.0;
        }
        let decreases = data.chi2_decreases(&cross, whole, delay, ramp_length);
        let best = decreases
            .iter()
            .map(|(one, two)| one.max(two - PARAMETER_CHI2));
        best.sum()
    };
    let side = (RAMP_SIDE * data.layout.length as f64).max(1.0);
    let mut ramp = |[delay, length]: [f64; 2]| -score(delay, length.abs());
    let corner = [start, candidate.ramp_length];
    let (at, with_ramp) = simplex(&mut ramp, corner, [0.4, side], 0.01, EVALUATIONS);
    // A step that stands for a ramp begins at its middle.
    let from = at[0]
        + if at[1].abs() < side {
            0.0
        } else {
            at[1].abs() / 2.0
        };
    let mut step = |[delay, _]: [f64; 2]| -score(delay, 0.0);
    let (alone, without) = simplex(&mut step, [from, 0.0], [0.5, 0.0], 0.01, EVALUATIONS / 2);
    let (delay, ramp_length, best) = if -with_ramp > -without + RAMP_CHI2 {
        (at[0], at[1].abs(), -with_ramp)
    } else {
        (alone[0], 0.0, -without)
    };
    if best <= candidate.score.min(score(start, candidate.ramp_length)) {
        return candidate;
    }
    Candidate {
        onset: whole + delay,
        ramp_length,
        score: best,
    }
}
