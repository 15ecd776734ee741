//! How far off the sum of fitted sources may be, sample by sample.

use std::ops::Range;

use super::fit::Fitted;
use super::linear::Cholesky;
use super::shape::Wave;
use super::source::Source;
use super::whitened_data::WhitenedData;

/// The covariance of amplitudes, onset and ramp counts so many times; set on seeds 0 and 1 of the benchmark.
const BY_NOISE: f64 = 1.0;
/// Parts that the samples which a source is judged by are cut into, to fit between targets.
const BLOCKS: usize = 6;
/// Deviations of chance beyond which the power that a source leaves around it tells of the shape's error.
const CHANCE: f64 = 2.0;
/// The shape's error also counts so many times where the waveform itself is small: before the onset, and along the tail.
const BY_SPREAD: f64 = 1.0;
/// A shape is never known better than this over the root of the number of sources it was learned from; set with it.
const LEAST_SHAPE_ERROR: f64 = 0.03;
/// A source that was not found, or a channel on which it was not, may hold so many deviations of an amplitude.
const UNSEEN: f64 = 1.5;
/// The same for one more source beside those that were found.
const FURTHER_UNSEEN: f64 = 0.5;
/// Smoothing of a waveform's size, in shapes, to each side.
const SMOOTHING: f64 = 0.01;

/// Standard deviation of the fitted sources, `[channel][sample]` over the field; beyond what is fitted, that of a source
/// too weak to be found in `targets`.
pub(crate) fn deviations(
    field: &WhitenedData,
    fitted: &Fitted,
    targets: &[Range<usize>],
    taught_by: usize,
) -> Vec<Vec<f64>> {
    let sources = &fitted.sources;
    let least = LEAST_SHAPE_ERROR / (taught_by.max(1) as f64).sqrt();
    let n = field.n_samples();
    let mut variance = vec![vec![0.0; n]; field.n_channels()];
    let onset_range: Vec<f64> = (0..field.n_channels())
        .map(|c| usual_power(field, &fitted.residual[c], c, targets))
        .collect();
    for source in sources {
        of_source(
            field,
            source,
            &fitted.residual,
            &onset_range,
            least,
            &mut variance,
        );
    }
    for target in targets {
        let inside = |s: &Source| {
            (target.start as f64 - field.layout.lead as f64..target.end as f64).contains(&s.onset)
        };
        let factor = if sources.iter().any(inside) {
            FURTHER_UNSEEN
        } else {
            UNSEEN
        };
        unseen(field, target, factor, &mut variance);
    }
    for channel in &mut variance {
        channel.iter_mut().for_each(|v| *v = v.sqrt());
    }
    variance
}

/// Deviation of the amplitude of a step without a ramp.
fn step_deviation(field: &WhitenedData, kind: usize, channel: usize, at: f64) -> f64 {
    let kernel = Wave::Step { rise: 0.0 }.kernel(field.fourier, 0.0);
    let power = field.gram(kind, channel, &kernel, &kernel);
    if power > 0.0 {
        field.level(channel, at) / power.sqrt()
    } else {
        0.0
    }
}

fn unseen(field: &WhitenedData, target: &Range<usize>, factor: f64, variance: &mut [Vec<f64>]) {
    for (c, variance) in variance.iter_mut().enumerate() {
        let shape = field.place(
            &field.raw,
            0,
            c,
            Wave::Step { rise: 0.0 },
            field.layout.lead as f64,
        );
        let length = field.layout.length;
        let size = shape.values[..length].iter().map(|v| v * v).sum::<f64>() / length as f64;
        let deviation =
            factor * step_deviation(field, 0, c, 0.5 * (target.start + target.end) as f64);
        let end = target.end.min(variance.len());
        for v in &mut variance[target.start.min(end)..end] {
            *v += deviation * deviation * size;
        }
    }
}

fn of_source(
    field: &WhitenedData,
    source: &Source,
    residual: &[Vec<f64>],
    onset_range: &[f64],
    least: f64,
    variance: &mut [Vec<f64>],
) {
    // What each channel tells of onset and ramp beside its amplitudes; all channels share them.
    let columns: Vec<Columns> = (0..field.n_channels())
        .map(|c| Columns::new(field, source, c))
        .collect();
    let mut shared = [0.0; 4];
    for columns in &columns {
        for (sum, v) in shared.iter_mut().zip(columns.information()) {
            *sum += v;
        }
    }
    for (c, columns) in columns.iter().enumerate() {
        let variance = &mut variance[c];
        if columns.n == 0 {
            let placed = field.place(
                &field.raw,
                source.kind,
                c,
                Wave::Step { rise: source.rise },
                source.onset,
            );
            let deviation = UNSEEN * step_deviation(field, source.kind, c, source.onset);
            let (from, values) = placed.inside(variance.len());
            for (v, h) in variance[from..].iter_mut().zip(values) {
                *v += (deviation * h).powi(2);
            }
            continue;
        }
        let shape_error =
            shape_error(field, source, columns, c, &residual[c], onset_range[c]).max(least);
        let covariance = columns.covariance(&shared);
        let m = columns.n + 2;
        let mut sum = vec![0.0; variance.len()];
        let first = columns
            .raw
            .iter()
            .map(|p| p.inside(variance.len()).0)
            .min()
            .unwrap_or(0);
        let last = columns
            .raw
            .iter()
            .map(|p| {
                let (from, values) = p.inside(variance.len());
                from + values.len()
            })
            .max()
            .unwrap_or(0);
        let mut row = vec![0.0; m];
        for t in first..last {
            for (value, placed) in row.iter_mut().zip(&columns.raw) {
                let at = t as isize - placed.start;
                *value = usize::try_from(at)
                    .ok()
                    .and_then(|at| placed.values.get(at))
                    .copied()
                    .unwrap_or(0.0);
            }
            let mut total = 0.0;
            for i in 0..m {
                for j in 0..m {
                    total += row[i] * covariance[i * m + j] * row[j];
                }
            }
            variance[t] += BY_NOISE * BY_NOISE * total.max(0.0);
            sum[t] = columns
                .amplitudes
                .iter()
                .zip(&row)
                .map(|(a, v)| a * v)
                .sum();
        }
        let power = sum[first..last].iter().map(|v| v * v).sum::<f64>();
        let spread = (BY_SPREAD * shape_error).powi(2) * power / field.layout.length as f64;
        let support = first + field.layout.length + field.layout.longest_rise;
        let reach = ((SMOOTHING * field.layout.length as f64) as usize).max(1);
        let mut running: f64 = sum[first..(first + reach).min(last)]
            .iter()
            .map(|v| v * v)
            .sum();
        for t in first..last {
            if t + reach < last {
                running += sum[t + reach].powi(2);
            }
            if t > first + reach {
                running -= sum[t - reach - 1].powi(2);
            }
            let count = (t + reach + 1).min(last) - t.saturating_sub(reach).max(first);
            variance[t] += shape_error * shape_error * running.max(0.0) / count as f64;
            if t < support {
                variance[t] += spread;
            }
        }
    }
}

/// Power of the background over as many samples as a source is judged by, in units of its level, that three quarters of such
/// parts stay below; at least 1.
fn usual_power(
    field: &WhitenedData,
    residual: &[f64],
    channel: usize,
    targets: &[Range<usize>],
) -> f64 {
    let n_local = field.local(field.layout.lead as f64).len();
    let block = (n_local / BLOCKS).max(1);
    let of_block = |from: usize| -> Option<f64> {
        let to = from + block;
        let outside = targets.iter().all(|t| t.end <= from || t.start >= to);
        let part = residual.get(from..to).filter(|_| outside)?;
        let level = field.level(channel, (from + block / 2) as f64).powi(2);
        Some(part.iter().map(|v| v * v).sum::<f64>() / (block as f64 * level))
    };
    let blocks: Vec<f64> = (0..residual.len())
        .step_by(block)
        .filter_map(of_block)
        .collect();
    let mut powers: Vec<f64> = blocks
        .chunks_exact(BLOCKS)
        .map(|blocks| blocks.iter().sum::<f64>() / BLOCKS as f64)
        .collect();
    powers.sort_by(f64::total_cmp);
    powers.get(3 * powers.len() / 4).map_or(1.0, |p| p.max(1.0))
}

/// Error of the shape on a channel, as a part of the source: by what the source leaves around it beyond chance, and by what
/// the shape leaves of others.
fn shape_error(
    field: &WhitenedData,
    source: &Source,
    columns: &Columns,
    channel: usize,
    residual: &[f64],
    onset_range: f64,
) -> f64 {
    let part = &residual[field.local(source.onset)];
    let n = part.len().max(1) as f64;
    let level = field.level(channel, source.onset).powi(2);
    let power = part.iter().map(|v| v * v).sum::<f64>() / n / level;
    let beyond = (power - onset_range - CHANCE * (2.0 / n).sqrt()).max(0.0);
    let own = n * beyond / columns.chi2_decrease().max(1.0);
    let of_others = field.discrepancies.get(source.kind);
    let left = of_others.and_then(|d| d.get(channel)).copied();
    let others = left.unwrap_or(0.0) / field.energy(source.kind, channel).max(f64::MIN_POSITIVE);
    (own + others).sqrt()
}

/// The waves of a source on a channel, and how they change with its onset and its ramp, whitened and raw.
struct Columns {
    /// Amplitudes.
    n: usize,
    amplitudes: Vec<f64>,
    raw: Vec<super::whitened_data::PlacedWaveform>,
    /// `(n + 2, n + 2)`.
    gram: Vec<f64>,
}

impl Columns {
    fn new(field: &WhitenedData, source: &Source, c: usize) -> Self {
        let parts = &source.channels[c];
        if parts.is_empty() {
            return Self {
                n: 0,
                amplitudes: Vec::new(),
                raw: Vec::new(),
                gram: Vec::new(),
            };
        }
        let columns =
            |spectra: &[Vec<Vec<num_complex::Complex64>>]| -> Vec<super::whitened_data::PlacedWaveform> {
                let mut columns: Vec<super::whitened_data::PlacedWaveform> = parts
                    .iter()
                    .map(|p| field.place(spectra, source.kind, c, p.wave, source.onset + p.delay))
                    .collect();
                let changed = |by_onset: f64, by_rise: f64| {
                    let mut sum: Option<super::whitened_data::PlacedWaveform> = None;
                    for sign in [1.0, -1.0] {
                        for p in parts {
                            let wave = match p.wave {
                                Wave::Step { rise } => Wave::Step {
                                    rise: (rise + sign * by_rise).abs(),
                                },
                                Wave::Jump => Wave::Jump,
                            };
                            // From the whole sample before, so that all begin at one sample.
                            let whole = source.onset.floor() + p.delay.floor();
                            let fraction = source.onset + p.delay - whole + sign * by_onset;
                            let placed =
                                shifted(field, &spectra[source.kind][c], wave, whole, fraction);
                            let base = sum.get_or_insert_with(|| super::whitened_data::PlacedWaveform {
                                start: source.onset.floor() as isize - field.layout.lead as isize,
                                values: vec![0.0; field.fourier.n_samples()],
                            });
                            let skip = placed.start - base.start;
                            for (i, v) in placed.values.iter().enumerate() {
                                let at = i as isize + skip;
                                if let Some(to) = usize::try_from(at)
                                    .ok()
                                    .and_then(|at| base.values.get_mut(at))
                                {
                                    *to += sign * p.amplitude * v / (2.0 * (by_onset + by_rise));
                                }
                            }
                        }
                    }
                    sum
                };
                columns.extend(changed(0.05, 0.0));
                columns.extend(changed(0.0, 0.25));
                columns
            };
        let white = columns(&field.whitened);
        let m = white.len();
        let n = field.n_samples();
        let level = field.level(c, source.onset);
        let gram = (0..m * m)
            .map(|at| white[at / m].dot_placed(&white[at % m], n) / (level * level))
            .collect();
        Self {
            n: parts.len(),
            amplitudes: parts.iter().map(|p| p.amplitude).collect(),
            raw: columns(&field.raw),
            gram,
        }
    }

    /// Fall of chi-square that the waves bring.
    fn chi2_decrease(&self) -> f64 {
        let (n, m) = (self.n, self.n + 2);
        let mut sum = 0.0;
        for i in 0..n {
            for j in 0..n {
                sum += self.amplitudes[i] * self.gram[i * m + j] * self.amplitudes[j];
            }
        }
        sum
    }

    /// Information on onset and ramp with the amplitudes free, `(2, 2)`.
    fn information(&self) -> [f64; 4] {
        if self.n == 0 {
            return [0.0; 4];
        }
        let (n, m) = (self.n, self.n + 2);
        let block: Vec<f64> = (0..n * n)
            .map(|at| self.gram[(at / n) * m + at % n])
            .collect();
        let cholesky = Cholesky::new(&block, n);
        let mut out = [0.0; 4];
        for i in 0..2 {
            let cross: Vec<f64> = (0..n).map(|k| self.gram[k * m + n + i]).collect();
            let solved = cholesky.solve(&cross);
            for j in 0..2 {
                let spanned: f64 = (0..n).map(|k| self.gram[k * m + n + j] * solved[k]).sum();
                out[i * 2 + j] = self.gram[(n + i) * m + n + j] - spanned;
            }
        }
        out
    }

    /// Covariance of amplitudes, onset and ramp, with what all channels tell of the last two.
    fn covariance(&self, shared: &[f64; 4]) -> Vec<f64> {
        let (n, m) = (self.n, self.n + 2);
        let mut gram = self.gram.clone();
        let own = self.information();
        for i in 0..2 {
            for j in 0..2 {
                gram[(n + i) * m + n + j] += shared[i * 2 + j] - own[i * 2 + j];
            }
        }
        Cholesky::new(&gram, m).inverse()
    }
}

fn shifted(
    field: &WhitenedData,
    spectrum: &[num_complex::Complex64],
    wave: Wave,
    whole: f64,
    fraction: f64,
) -> super::whitened_data::PlacedWaveform {
    let kernel = wave.kernel(field.fourier, fraction);
    super::whitened_data::PlacedWaveform {
        start: whole as isize - field.layout.lead as isize,
        values: field
            .fourier
            .inverse(kernel.iter().zip(spectrum).map(|(k, h)| k * h).collect()),
    }
}
