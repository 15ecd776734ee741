//! Standard deviation of the sum of fitted sources, sample by sample: from the background's noise, the error of the
//! shape, and sources too weak to be found.

use std::ops::Range;

use num_complex::Complex64;

use super::fit::Fitted;
use super::linear::Cholesky;
use super::source::{Part, TemplateSource};
use super::waveform::{PlacedWaveform, Wave};
use super::whitened_data::WhitenedData;

/// Blocks that the samples over which a source is judged are cut into, so that some fit between targets.
const BLOCKS: usize = 6;
/// Standard deviations of the residual power beyond which it is due to an error of the shape.
const CHANCE: f64 = 2.0;
/// Error of a shape learned from one source; it decreases with the root of their number.
// Set on seeds 0 and 1 of the benchmark, as are the two below, so that 90 % of the samples lie within 1.645 deviations.
const SHAPE_ERROR: f64 = 0.03;
/// Amplitude, in standard deviations, that a source may have without being found in a target, or on a channel.
const UNSEEN: f64 = 1.5;
/// Amplitude, in standard deviations, that a further source may have in a target where one was found.
// A second source in a target is rarer than a first.
const UNSEEN_SECOND: f64 = 0.5;
/// Smoothing of a waveform's size, in shapes, to each side.
const SMOOTHING: f64 = 0.01;
/// Steps of the central differences along onset and ramp, samples.
const ONSET_STEP: f64 = 0.05;
const RAMP_STEP: f64 = 0.25;

/// Standard deviation of the fitted sources, `[channel][sample]`.
///
/// Elsewhere in `targets` it is that of a source too weak to be found.
pub(crate) fn deviations(
    data: &WhitenedData,
    fitted: &Fitted,
    targets: &[Range<usize>],
    n_training_sources: usize,
) -> Vec<Vec<f64>> {
    let sources = &fitted.sources;
    let n = data.n_samples();
    let mut variance = vec![vec![0.0; n]; data.n_channels()];
    let errors = ShapeErrors {
        data,
        residual: &fitted.residual,
        usual_power: (0..data.n_channels())
            .map(|c| usual_power(data, &fitted.residual[c], c, targets))
            .collect(),
        least: SHAPE_ERROR / (n_training_sources.max(1) as f64).sqrt(),
    };
    for source in sources {
        add_source(&errors, source, &mut variance);
    }
    let lead = data.layout.lead as f64;
    for target in targets {
        let range = target.start as f64 - lead..target.end as f64;
        let factor = if sources.iter().any(|s| range.contains(&s.onset)) {
            UNSEEN_SECOND
        } else {
            UNSEEN
        };
        add_unseen(data, target, factor, &mut variance);
    }
    for channel in &mut variance {
        channel.iter_mut().for_each(|v| *v = v.sqrt());
    }
    variance
}

/// Standard deviation of the amplitude of a step without a ramp.
fn step_deviation(data: &WhitenedData, channel: usize, at: f64) -> f64 {
    let kernel = Wave::STEP.kernel(data.fourier, 0.0);
    let power = data.gram(channel, &kernel, &kernel);
    // A dead channel holds no source.
    if power > 0.0 {
        data.level(channel, at) / power.sqrt()
    } else {
        0.0
    }
}

/// Adds the mean variance of a step of `factor` standard deviations somewhere in a target.
fn add_unseen(data: &WhitenedData, target: &Range<usize>, factor: f64, variance: &mut [Vec<f64>]) {
    let length = data.layout.length;
    let middle = 0.5 * (target.start + target.end) as f64;
    for (c, variance) in variance.iter_mut().enumerate() {
        // Placed at the lead, the shape fills the first samples of the grid.
        let shape = data.place(&data.raw[c], Wave::STEP, data.layout.lead as f64);
        let size = shape.values[..length].iter().map(|v| v * v).sum::<f64>() / length as f64;
        let deviation = factor * step_deviation(data, c, middle);
        let end = target.end.min(variance.len());
        for v in &mut variance[target.start.min(end)..end] {
            *v += deviation * deviation * size;
        }
    }
}

/// Adds the variance of one source on all channels.
fn add_source(errors: &ShapeErrors, source: &TemplateSource, variance: &mut [Vec<f64>]) {
    let data = errors.data;
    let columns: Vec<Option<Columns>> = (0..data.n_channels())
        .map(|c| Columns::new(data, source, c))
        .collect();
    // All channels share onset and ramp, so their information on them adds up.
    let mut shared = [[0.0; 2]; 2];
    for own in columns.iter().flatten().map(Columns::information) {
        for (sum, v) in shared.iter_mut().flatten().zip(own.iter().flatten()) {
            *sum += v;
        }
    }
    for (c, columns) in columns.iter().enumerate() {
        match columns {
            Some(columns) => {
                let shape_error = errors.of(source, columns, c);
                columns.add_noise_variance(&shared, &mut variance[c]);
                add_shape_variance(data, columns, shape_error, &mut variance[c]);
            }
            None => add_unseen_channel(data, source, c, &mut variance[c]),
        }
    }
}

/// Adds the variance of a source on a channel on which it was not found.
fn add_unseen_channel(
    data: &WhitenedData,
    source: &TemplateSource,
    c: usize,
    variance: &mut [f64],
) {
    let ramp_length = source.ramp_length;
    let placed = data.place(&data.raw[c], Wave::Response { ramp_length }, source.onset);
    let deviation = UNSEEN * step_deviation(data, c, source.onset);
    let (from, values) = placed.inside(variance.len());
    for (v, h) in variance[from..].iter_mut().zip(values) {
        *v += (deviation * h).powi(2);
    }
}

/// Adds the variance due to the shape's error, a fixed share of the source: along the source its running mean square,
/// and as much again spread evenly, where the waveform itself is small: before the onset, and along the tail.
fn add_shape_variance(
    data: &WhitenedData,
    columns: &Columns,
    shape_error: f64,
    variance: &mut [f64],
) {
    let layout = data.layout;
    let samples = columns.samples(variance.len());
    let (first, last) = (samples.start, samples.end);
    let sum: Vec<f64> = samples.clone().map(|t| columns.sum_at(t)).collect();
    let power = sum.iter().map(|v| v * v).sum::<f64>();
    let spread = shape_error.powi(2) * power / layout.length as f64;
    let support = first + layout.length + layout.longest_ramp;
    let reach = ((SMOOTHING * layout.length as f64) as usize).max(1);
    let ahead = &sum[..reach.min(sum.len())];
    let mut running: f64 = ahead.iter().map(|v| v * v).sum();
    for t in samples {
        if t + reach < last {
            running += sum[t + reach - first].powi(2);
        }
        if t > first + reach {
            running -= sum[t - reach - 1 - first].powi(2);
        }
        let count = (t + reach + 1).min(last) - t.saturating_sub(reach).max(first);
        // The running sum may end a little below zero by rounding.
        variance[t] += shape_error * shape_error * running.max(0.0) / count as f64;
        if t < support {
            variance[t] += spread;
        }
    }
}

/// Usual power of the background, in units of its level, over as many samples as a source is judged over.
///
/// It is the upper quartile of such stretches between targets, at least 1.
// The background varies within a segment, and its usual excess must not pass for an error of the shape.
fn usual_power(
    data: &WhitenedData,
    residual: &[f64],
    channel: usize,
    targets: &[Range<usize>],
) -> f64 {
    let n_local = data.local(data.layout.lead as f64).len();
    let block = (n_local / BLOCKS).max(1);
    let of_block = |from: usize| -> Option<f64> {
        let to = from + block;
        let outside = targets.iter().all(|t| t.end <= from || t.start >= to);
        let part = residual.get(from..to).filter(|_| outside)?;
        let variance = data.level(channel, (from + block / 2) as f64).powi(2);
        Some(part.iter().map(|v| v * v).sum::<f64>() / (block as f64 * variance))
    };
    let starts = (0..residual.len()).step_by(block);
    let blocks: Vec<f64> = starts.filter_map(of_block).collect();
    let mut powers: Vec<f64> = blocks
        .chunks_exact(BLOCKS)
        .map(|blocks| blocks.iter().sum::<f64>() / BLOCKS as f64)
        .collect();
    powers.sort_by(f64::total_cmp);
    powers.get(3 * powers.len() / 4).map_or(1.0, |p| p.max(1.0))
}

/// Residual of all sources, from which the error of the shape is estimated.
struct ShapeErrors<'a> {
    data: &'a WhitenedData<'a>,
    residual: &'a [Vec<f64>],
    /// Power of the background alone, by channel.
    usual_power: Vec<f64>,
    /// Least error.
    least: f64,
}

impl ShapeErrors<'_> {
    /// Error of the shape on a channel, as a share of the source: from the residual power around it that exceeds chance,
    /// and from what the shape does not describe of others.
    fn of(&self, source: &TemplateSource, columns: &Columns, channel: usize) -> f64 {
        let data = self.data;
        let part = &self.residual[channel][data.local(source.onset)];
        let n = part.len().max(1) as f64;
        let variance = data.level(channel, source.onset).powi(2);
        let power = part.iter().map(|v| v * v).sum::<f64>() / n / variance;
        // The mean square of n normal variables has a standard deviation of root 2/n.
        let beyond = power - self.usual_power[channel] - CHANCE * (2.0 / n).sqrt();
        let own = n * beyond.max(0.0) / columns.chi2_decrease().max(1.0);
        let of_others = data.discrepancies.get(channel).copied().unwrap_or(0.0);
        let others = of_others / data.energy(channel).max(f64::MIN_POSITIVE);
        (own + others).sqrt().max(self.least)
    }
}

/// Waves of a source on a channel at amplitude 1, followed by the derivatives of their sum by onset and ramp.
struct Columns {
    amplitudes: Vec<f64>,
    /// In the unit of the record, `n + 2`.
    raw: Vec<PlacedWaveform>,
    /// Inner products of the same, whitened, `(n + 2, n + 2)`: the information on amplitudes, onset and ramp.
    gram: Matrix,
}

impl Columns {
    /// `None` if the source has no wave on the channel.
    fn new(data: &WhitenedData, source: &TemplateSource, c: usize) -> Option<Self> {
        let parts = &source.channels[c];
        if parts.is_empty() {
            return None;
        }
        let columns = |spectrum: &[Complex64]| -> Vec<PlacedWaveform> {
            let waves = parts.iter();
            let mut columns: Vec<PlacedWaveform> = waves
                .map(|p| data.place(spectrum, p.wave, source.onset + p.delay))
                .collect();
            columns.push(derivative(
                data,
                source.onset,
                parts,
                spectrum,
                Along::Onset,
            ));
            columns.push(derivative(data, source.onset, parts, spectrum, Along::Ramp));
            columns
        };
        let white = columns(&data.whitened[c]);
        let n = data.n_samples();
        let level = data.level(c, source.onset);
        Some(Self {
            amplitudes: parts.iter().map(|p| p.amplitude).collect(),
            raw: columns(&data.raw[c]),
            gram: Matrix::new(white.len(), |i, j| {
                white[i].dot_placed(&white[j], n) / (level * level)
            }),
        })
    }

    /// Number of amplitudes.
    fn n(&self) -> usize {
        self.amplitudes.len()
    }

    /// Samples of a segment of `n_samples` that any column reaches.
    fn samples(&self, n_samples: usize) -> Range<usize> {
        let inside = self.raw.iter().map(|p| p.inside(n_samples));
        let ranges = inside.map(|(from, values)| from..from + values.len());
        let joined = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        joined.unwrap_or(0..0)
    }

    /// Sum of the waves at a sample.
    fn sum_at(&self, t: usize) -> f64 {
        let waves = self.amplitudes.iter().zip(&self.raw);
        waves.map(|(a, p)| a * p.at(t)).sum()
    }

    /// Decrease of chi-square by the waves: a' G a.
    fn chi2_decrease(&self) -> f64 {
        self.gram.quadratic(&self.amplitudes)
    }

    /// Information on onset and ramp with the amplitudes free: the Schur complement D - B' A^-1 B.
    fn information(&self) -> [[f64; 2]; 2] {
        let n = self.n();
        let gram = &self.gram;
        let amplitudes = Matrix::new(n, |i, j| gram.at(i, j));
        let cholesky = Cholesky::new(&amplitudes.values, n);
        [0, 1].map(|i| {
            let cross: Vec<f64> = (0..n).map(|k| gram.at(k, n + i)).collect();
            let solved = cholesky.solve(&cross);
            [0, 1].map(|j| {
                let spanned: f64 = (0..n).map(|k| gram.at(k, n + j) * solved[k]).sum();
                gram.at(n + i, n + j) - spanned
            })
        })
    }

    /// Covariance of amplitudes, onset and ramp, with the information of all channels on the last two.
    fn covariance(&self, shared: &[[f64; 2]; 2]) -> Matrix {
        let (n, m) = (self.n(), self.n() + 2);
        let own = self.information();
        let gram = Matrix::new(m, |i, j| {
            let v = self.gram.at(i, j);
            if i >= n && j >= n {
                // Onset and ramp are common, so the information of the other channels on them is added to its own.
                v + (shared[i - n][j - n] - own[i - n][j - n])
            } else {
                v
            }
        });
        Matrix {
            n: m,
            values: Cholesky::new(&gram.values, m).inverse(),
        }
    }

    /// Adds the variance of the waves by the covariance of amplitudes, onset and ramp: c' C c with c the columns at a
    /// sample.
    fn add_noise_variance(&self, shared: &[[f64; 2]; 2], variance: &mut [f64]) {
        let covariance = self.covariance(shared);
        for t in self.samples(variance.len()) {
            let row: Vec<f64> = self.raw.iter().map(|p| p.at(t)).collect();
            // Rounding can make a vanishing variance negative, and its root not a number.
            variance[t] += covariance.quadratic(&row).max(0.0);
        }
    }
}

/// Parameter that a source's waves depend on.
#[derive(Clone, Copy)]
enum Along {
    Onset,
    Ramp,
}

/// Derivative of the sum of a source's waves by its onset or its ramp, as a central difference.
fn derivative(
    data: &WhitenedData,
    onset: f64,
    parts: &[Part],
    spectrum: &[Complex64],
    along: Along,
) -> PlacedWaveform {
    let (by_onset, by_ramp) = match along {
        Along::Onset => (ONSET_STEP, 0.0),
        Along::Ramp => (0.0, RAMP_STEP),
    };
    let lead = data.layout.lead;
    let mut sum = PlacedWaveform {
        start: onset.floor() as isize - lead as isize,
        values: vec![0.0; data.fourier.n_samples()],
    };
    for sign in [1.0, -1.0] {
        for part in parts {
            let wave = match part.wave {
                Wave::Response { ramp_length } => Wave::Response {
                    // A ramp shorter than the step would become negative; a box of length -r is that of length r.
                    ramp_length: (ramp_length + sign * by_ramp).abs(),
                },
                Wave::SecondDerivative => Wave::SecondDerivative,
            };
            // From one whole sample for both signs, so that their difference is that of equal grids.
            let whole = onset.floor() + part.delay.floor();
            let fraction = onset + part.delay - whole + sign * by_onset;
            let placed = PlacedWaveform::new(data.fourier, lead, spectrum, wave, (whole, fraction));
            let skip = placed.start - sum.start;
            for (i, v) in placed.values.iter().enumerate() {
                let at = usize::try_from(i as isize + skip).ok();
                if let Some(to) = at.and_then(|at| sum.values.get_mut(at)) {
                    *to += sign * part.amplitude * v / (2.0 * (by_onset + by_ramp));
                }
            }
        }
    }
    sum
}

/// Square matrix, row by row.
struct Matrix {
    n: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn new(n: usize, of: impl Fn(usize, usize) -> f64) -> Self {
        Self {
            n,
            values: (0..n * n).map(|at| of(at / n, at % n)).collect(),
        }
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    /// x' M x, over the first rows and columns if `x` is shorter.
    fn quadratic(&self, x: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (i, a) in x.iter().enumerate() {
            for (j, b) in x.iter().enumerate() {
                sum += a * self.at(i, j) * b;
            }
        }
        sum
    }
}
