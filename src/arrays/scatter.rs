//! Scattering coefficients of a batch of signals.

use ndarray::{Array3, ArrayViewD};
use rayon::prelude::*;
use seismix_scattering::{
    ChannelPairs, CoefficientSet, Complex, EnvelopeMean, FilterNorm, Normalization, Oversampling,
    Padding, PowerRows, Real, ScatteringPath, ScatteringTransform, Wavelet,
};

use crate::arrays::ArrayError;
use crate::config::PerLayer;

/// Parameters of [`scatter`]; the default is that of `seismix scatter`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterConfig {
    /// Octaves J of each layer.
    pub octaves: PerLayer,
    /// Wavelets per octave Q of each layer.
    pub quality: PerLayer,
    /// Wavelet family.
    pub wavelet: Wavelet,
    /// Coefficients to compute.
    pub coefficients: CoefficientSet,
    /// Exponents of the moments of [`CoefficientSet::Scat`].
    pub moments: Vec<f64>,
    /// Divisor of the first layer.
    pub normalization: Normalization,
    /// Powers (C, JQ + 1) or (JQ + 1,) whose root divides the first layer, in the square of the signals' unit.
    pub given_power: Option<Vec<f64>>,
    /// Normalisation of the filters.
    pub filter_norm: FilterNorm,
    /// Mean of each modulus before the second layer.
    pub envelope_mean: EnvelopeMean,
    /// Rows of the power spectrum under a normalisation.
    pub power_rows: PowerRows,
    /// Pairs of channels.
    pub channels: ChannelPairs,
    /// Samples of the blocks that are averaged over; `None` is all of them (1 for [`CoefficientSet::Raw`]).
    pub pool: Option<usize>,
    /// Extension beyond the ends.
    pub padding: Padding,
    /// Density of the layers' grids.
    pub oversampling: Oversampling,
    /// Sampling rate, to compute the filters' centre frequencies in Hz.
    pub sampling_rate_hz: Option<f64>,
}

impl Default for ScatterConfig {
    fn default() -> Self {
        Self {
            octaves: PerLayer::both(8),
            quality: PerLayer::both(1),
            wavelet: Wavelet::default(),
            coefficients: CoefficientSet::default(),
            moments: vec![1.0, 2.0],
            normalization: Normalization::default(),
            given_power: None,
            filter_norm: FilterNorm::default(),
            envelope_mean: EnvelopeMean::default(),
            power_rows: PowerRows::default(),
            channels: ChannelPairs::Diag,
            pool: None,
            padding: Padding::default(),
            oversampling: Oversampling::Exact,
            sampling_rate_hz: None,
        }
    }
}

/// Coefficients of a batch, and their index.
#[derive(Debug, Clone)]
pub struct Scattered<F> {
    /// (batch, coefficient, block).
    pub coefficients: Array3<Complex<F>>,
    /// One for each coefficient; channels follow each other within each kind.
    pub paths: Vec<ScatteringPath>,
    /// Centre frequencies in Hz of the left, right and second filter of each coefficient: 0 for the low-pass, -1 for
    /// none and for means over scales. `None` without a sampling rate.
    pub frequencies_hz: Option<[Vec<f64>; 3]>,
}

/// Computes the scattering coefficients of signals `(T,)`, `(B,T)` or `(B,C,T)`, in the type `F`.
///
/// `cancelled` is called between the filters of each signal. The same signals give the same bits on any number of
/// threads.
///
/// # Errors
/// [`ArrayError::Shape`], [`ArrayError::Setting`], [`ArrayError::Transform`], [`ArrayError::Signal`] and
/// [`ArrayError::Interrupted`].
pub fn scatter<F: Real>(
    signals: &ArrayViewD<f64>,
    config: &ScatterConfig,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Scattered<F>, ArrayError> {
    if let Some(rate) = config.sampling_rate_hz
        && !(rate.is_finite() && rate > 0.0)
    {
        return Err(ArrayError::Setting(format!(
            "the sampling rate `{rate}` is not valid: give a positive number of samples per second"
        )));
    }
    let dimensions = batch_dimensions(signals)?;
    let (n_batch, n_channels, n_samples) = dimensions;
    let samples = converted::<F>(signals, dimensions)?;
    let plan = config
        .transform::<F>(n_channels, n_samples)
        .map_err(ArrayError::Transform)?;
    // The mean power of the batch needs all signals at once.
    let whole_batch =
        config.given_power.is_none() && config.normalization == Normalization::BatchPowerSpectrum;
    let values = if whole_batch {
        let mut values = plan.make_output().repeat(n_batch);
        plan.process_batch_until(&samples, &mut values, cancelled)
            .map_err(refused)?;
        values
    } else {
        one_by_one(&plan, &samples, cancelled)?
    };
    let shape = (n_batch, plan.paths().len(), plan.n_blocks());
    let coefficients = Array3::from_shape_vec(shape, values)
        .map_err(|error| ArrayError::Setting(error.to_string()))?;
    Ok(Scattered {
        coefficients,
        paths: plan.paths().to_vec(),
        frequencies_hz: config.sampling_rate_hz.map(|rate| frequencies(&plan, rate)),
    })
}

fn refused(error: seismix_scattering::Error) -> ArrayError {
    match error {
        seismix_scattering::Error::Interrupted => ArrayError::Interrupted,
        error => ArrayError::Transform(error),
    }
}

/// Batch, channels and samples of signals of one to three axes.
fn batch_dimensions(signals: &ArrayViewD<f64>) -> Result<(usize, usize, usize), ArrayError> {
    match *signals.shape() {
        [t] if t > 0 => Ok((1, 1, t)),
        [b, t] if b > 0 && t > 0 => Ok((b, 1, t)),
        [b, c, t] if b > 0 && c > 0 && t > 0 => Ok((b, c, t)),
        _ => Err(ArrayError::Shape {
            argument: "signals",
            found: signals.shape().to_vec(),
            expected: "(T,), (B,T) or (B,C,T)".into(),
        }),
    }
}

/// The samples `(batch, channel, T)`, all finite in the type of the transform.
fn converted<F: Real>(
    signals: &ArrayViewD<f64>,
    (_, n_channels, n_samples): (usize, usize, usize),
) -> Result<Vec<F>, ArrayError> {
    let samples: Vec<F> = signals.iter().map(|&x| F::of(x)).collect();
    // A finite f64 may be infinite as f32, so the converted value is tested.
    match samples.iter().position(|x| !x.is_finite()) {
        None => Ok(samples),
        Some(at) => {
            let (signal, index) = (at / n_samples, at % n_samples);
            let value = format!("{}", samples[at].to_double());
            Err(ArrayError::Signal {
                batch: signal / n_channels,
                channel: signal % n_channels,
                error: seismix_scattering::Error::NotFinite { index, value },
            })
        }
    }
}

impl ScatterConfig {
    /// The plan for signals of `n_channels` of `n_samples`.
    fn transform<F: Real>(
        &self,
        n_channels: usize,
        n_samples: usize,
    ) -> Result<ScatteringTransform<F>, seismix_scattering::Error> {
        let mut builder = ScatteringTransform::plan(n_samples)
            .octaves_by_layer(self.octaves.first, self.octaves.second)
            .wavelets_per_octave_by_layer(self.quality.first, self.quality.second)
            .wavelet(self.wavelet)
            .padding(self.padding)
            .channels(n_channels, self.channels)
            .coefficients(self.coefficients)
            .moments(&self.moments)
            .normalization(self.normalization)
            .filter_norm(self.filter_norm)
            .oversampling(self.oversampling)
            .envelope_mean(self.envelope_mean)
            .power_rows(self.power_rows);
        if let Some(power) = &self.given_power {
            builder = builder.given_power(power);
        }
        if let Some(pool) = self.pool {
            builder = builder.pool(pool);
        }
        builder.check()
    }
}

/// The coefficients of all signals, each transformed on its own.
fn one_by_one<F: Real>(
    plan: &ScatteringTransform<F>,
    samples: &[F],
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Complex<F>>, ArrayError> {
    let members = samples
        .par_chunks(plan.signal_len())
        .map_init(
            || plan.make_forward_scratch(),
            |scratch, signal| {
                let mut out = plan.make_output();
                plan.process_until(signal, &mut out, scratch, &|| cancelled())
                    .map_err(refused)?;
                Ok(out)
            },
        )
        .collect::<Result<Vec<_>, ArrayError>>()?;
    Ok(members.concat())
}

fn frequencies<F: Real>(plan: &ScatteringTransform<F>, sampling_rate_hz: f64) -> [Vec<f64>; 3] {
    let mut columns = [const { Vec::new() }; 3];
    for path in plan.paths() {
        let hz = match path.distance {
            Some(_) => [-1.0; 3],
            None => {
                let (left, right, second) = plan.center_frequencies_hz(path, sampling_rate_hz);
                [left, right.unwrap_or(-1.0), second.unwrap_or(-1.0)]
            }
        };
        for (column, hz) in columns.iter_mut().zip(hz) {
            column.push(hz);
        }
    }
    columns
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    #[test]
    fn shapes_of_any_rank_are_used_or_refused_and_none_panics() {
        let config = ScatterConfig {
            octaves: PerLayer::both(3),
            ..Default::default()
        };
        let run = |shape: &[usize]| {
            let signals = ArrayD::from_shape_fn(IxDyn(shape), |_| 1.0);
            scatter::<f64>(&signals.view(), &config, &|| false)
        };
        for shape in [&[64][..], &[2, 64], &[2, 3, 64]] {
            assert_eq!(
                run(shape).unwrap().coefficients.dim().0,
                if shape.len() > 1 { 2 } else { 1 }
            );
        }
        for shape in [&[][..], &[0], &[0, 64], &[2, 0, 64], &[1, 1, 1, 64]] {
            let refused = run(shape).unwrap_err();
            assert!(
                matches!(refused, ArrayError::Shape { .. }),
                "{shape:?}: {refused}"
            );
        }
        let cancelled = scatter::<f64>(&ArrayD::ones(IxDyn(&[64])).view(), &config, &|| true);
        assert!(matches!(cancelled, Err(ArrayError::Interrupted)));
    }

    /// A stop is noticed inside of a signal and inside of a batch that is normalised together.
    #[test]
    fn a_stop_waits_neither_for_the_signal_nor_for_the_batch() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        for (normalization, shape) in [
            (Normalization::None, [1, 256]),
            (Normalization::BatchPowerSpectrum, [40, 256]),
        ] {
            let config = ScatterConfig {
                octaves: PerLayer::both(4),
                normalization,
                ..Default::default()
            };
            let signals = ArrayD::from_shape_fn(IxDyn(&shape), |at| (at[1] as f64).sin());
            let run = |most: usize| {
                let calls = AtomicUsize::new(0);
                let stop = || calls.fetch_add(1, Ordering::SeqCst) >= most;
                let found = scatter::<f64>(&signals.view(), &config, &stop);
                (found.map(drop), calls.into_inner())
            };
            let (whole, n_calls) = run(usize::MAX);
            whole.unwrap();
            // Layers of 5 and 4 + 3 + 2 + 1 rows.
            assert!(n_calls >= 15 * shape[0], "{n_calls}");
            let (stopped, called) = run(n_calls / 3);
            assert!(matches!(stopped, Err(ArrayError::Interrupted)));
            assert!(
                called < n_calls / 2 + rayon::current_num_threads(),
                "{called} of {n_calls}"
            );
        }
    }
}
