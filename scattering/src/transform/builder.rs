//! Parameters of the transform and their checks.

use std::marker::PhantomData;

use crate::coefficients::path::CoefficientSet;
use crate::coefficients::table::{ChannelPairs, LayerScales, table_len};
use crate::error::{Error, check_length, parameter};
use crate::filter_bank::FilterBank;
use crate::fourier::grid::grid_sizes;
use crate::fourier::grid::{OVERSAMPLING_ADVICE, Oversampling};
use crate::fourier::real::Real;
use crate::names::option_names;
use crate::transform::normalization::Normalization;
use crate::transform::plan::ScatteringTransform;
use crate::wavelet::{FilterNorm, Wavelet};
use crate::wavelet_transform::padded::{PaddedTransform, Padding};

/// Longest table of coefficients: 240 MB of paths.
const MOST_PATHS: u128 = 1 << 21;

/// Most values of an output: 2 GiB in f64.
const MOST_VALUES: u128 = 1 << 27;

/// Most values of the work space of one thread: 128 GiB in f64. Sizes given by the user are multiplied with each other,
/// and an allocation that fails ends the process without a message.
const MOST_SCRATCH: u128 = 1 << 34;

/// Treatment of the mean of each modulus before the second layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EnvelopeMean {
    /// |W_j1 x| is filtered unchanged.
    #[default]
    Kept,
    /// The mean over the window is removed, as in the cross covariances of a separation (arXiv 2301.11981).
    Removed,
}

option_names!(EnvelopeMean, "envelope_mean", { Kept => "kept", Removed => "removed" });

/// Treatment of the power spectrum of each channel with itself by a normalisation, which would turn it into 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PowerRows {
    /// Divided like all other coefficients.
    #[default]
    Normalized,
    /// Unchanged, so that the output contains the amplitude.
    Kept,
}

option_names!(PowerRows, "power_rows", { Normalized => "normalized", Kept => "kept" });

/// Parameters of a [`ScatteringTransform`]; only [`check`](Self::check)ed ones run.
#[derive(Debug, Clone)]
pub struct ScatteringTransformBuilder<F> {
    pub(crate) window_samples: usize,
    pub(crate) scales: LayerScales,
    pub(crate) wavelet: Wavelet,
    pub(crate) filter_norm: FilterNorm,
    pub(crate) padding: Padding,
    pub(crate) n_channels: usize,
    pub(crate) pairs: ChannelPairs,
    pub(crate) coefficients: CoefficientSet,
    pub(crate) moments: Vec<f64>,
    pub(crate) normalization: Normalization,
    pub(crate) given_power: Vec<f64>,
    pub(crate) power_rows: PowerRows,
    pub(crate) envelope_mean: EnvelopeMean,
    pub(crate) pool_samples: Option<usize>,
    pub(crate) oversampling: Oversampling,
    real: PhantomData<F>,
}

impl<F: Real> ScatteringTransformBuilder<F> {
    pub(crate) fn new(window_samples: usize) -> Self {
        Self {
            window_samples,
            scales: LayerScales::dyadic(8),
            wavelet: Wavelet::default(),
            filter_norm: FilterNorm::default(),
            padding: Padding::default(),
            n_channels: 1,
            pairs: ChannelPairs::default(),
            coefficients: CoefficientSet::default(),
            moments: vec![1.0, 2.0],
            normalization: Normalization::default(),
            given_power: Vec::new(),
            power_rows: PowerRows::default(),
            envelope_mean: EnvelopeMean::default(),
            pool_samples: None,
            oversampling: Oversampling::default(),
            real: PhantomData,
        }
    }

    pub(crate) fn window(mut self, samples: usize) -> Self {
        self.window_samples = samples;
        self
    }

    /// Number J of octaves of both layers (default 8).
    #[must_use]
    #[doc(alias = "J")]
    pub fn octaves(self, octaves: usize) -> Self {
        self.octaves_by_layer(octaves, octaves)
    }

    /// Numbers J of octaves of the first and of the second layer.
    #[must_use]
    pub fn octaves_by_layer(mut self, first: usize, second: usize) -> Self {
        self.scales.octaves = [first, second];
        self
    }

    /// Number Q of filters an octave of both layers (default 1).
    #[must_use]
    #[doc(alias = "Q")]
    pub fn wavelets_per_octave(self, wavelets_per_octave: usize) -> Self {
        self.wavelets_per_octave_by_layer(wavelets_per_octave, wavelets_per_octave)
    }

    /// Numbers Q of filters an octave of the first and of the second layer.
    #[must_use]
    pub fn wavelets_per_octave_by_layer(mut self, first: usize, second: usize) -> Self {
        self.scales.wavelets_per_octave = [first, second];
        self
    }

    /// Wavelet family (default Battle-Lemarie).
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet) -> Self {
        self.wavelet = wavelet;
        self
    }

    /// Normalisation of the filters (default L1).
    #[must_use]
    pub fn filter_norm(mut self, norm: FilterNorm) -> Self {
        self.filter_norm = norm;
        self
    }

    /// Extension of the window beyond its ends (default its reflection).
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Number of channels (default 1), and the pairs of them that are multiplied (default each with itself).
    #[must_use]
    pub fn channels(mut self, n_channels: usize, pairs: ChannelPairs) -> Self {
        self.n_channels = n_channels;
        self.pairs = pairs;
        self
    }

    /// Set of coefficients (default `scat+cov`).
    #[must_use]
    pub fn coefficients(mut self, set: CoefficientSet) -> Self {
        self.coefficients = set;
        self
    }

    /// Exponents q of the moments in [`CoefficientSet::Scat`] (default 1 and 2).
    #[must_use]
    pub fn moments(mut self, exponents: &[f64]) -> Self {
        self.moments = exponents.to_vec();
        self
    }

    /// Normalisation of the first layer (default none).
    #[must_use]
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Divides by the root of `power` `(channel, first-layer scale)`, in the square of the signal's unit, for example
    /// from
    /// [`ScatteringTransform::power_spectrum`].
    #[must_use]
    pub fn given_power(mut self, power: &[f64]) -> Self {
        self.normalization = Normalization::Given;
        self.given_power = power.to_vec();
        self
    }

    /// Treatment of the power spectrum by normalisation (default divided).
    #[must_use]
    pub fn power_rows(mut self, rows: PowerRows) -> Self {
        self.power_rows = rows;
        self
    }

    /// Treatment of the mean of the moduli before the second layer (default kept).
    #[must_use]
    pub fn envelope_mean(mut self, mean: EnvelopeMean) -> Self {
        self.envelope_mean = mean;
        self
    }

    /// Averages over consecutive blocks of `samples` instead of the whole window ([`CoefficientSet::Raw`]: instead of
    /// not at all); must divide the window.
    #[must_use]
    pub fn pool(mut self, samples: usize) -> Self {
        self.pool_samples = Some(samples);
        self
    }

    /// Density of the grids that the layers are kept on (default 8 times the filters' edges). Raw layers and periodic
    /// windows are always exact.
    #[must_use]
    pub fn oversampling(mut self, oversampling: Oversampling) -> Self {
        self.oversampling = oversampling;
        self
    }

    /// Builds the plan.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the window is shorter than 4 samples, the filters do not fit it, the pool does not
    /// divide it, the oversampling is below 2, `OffDiag` has fewer than two channels, an exponent is not positive,
    /// `CovReduced` has different Q in the two layers, or the table, the output or the work space exceed their
    /// limits;
    /// [`Error::Length`] if the given power has not one value for each channel and first-layer scale.
    pub fn check(self) -> Result<ScatteringTransform<F>, Error> {
        self.check_parameters()?;
        // Equal banks are built once: filters are the largest part of a plan.
        let same = self.scales.octaves[0] == self.scales.octaves[1]
            && self.scales.wavelets_per_octave[0] == self.scales.wavelets_per_octave[1];
        let layers = if same { 0..1 } else { 0..2 };
        let banks = layers
            .map(|layer| self.bank(layer))
            .collect::<Result<Vec<_>, Error>>()?;
        let sizes = self.grid_sizes(&banks);
        self.check_scratch(&sizes)?;
        let transforms = banks
            .into_iter()
            .zip(&sizes)
            .map(|(bank, sizes)| {
                PaddedTransform::new(bank, self.padding, self.window_samples, sizes)
            })
            .collect();
        Ok(ScatteringTransform::from_parts(self, transforms))
    }

    /// Number of samples to keep of each scale of each layer. Phase-envelopes multiply rows of the two layers, so the
    /// scales that they pair have one grid.
    fn grid_sizes(&self, banks: &[FilterBank<F>]) -> Vec<Vec<usize>> {
        let n_blocks = self
            .pool_samples
            .map_or(1, |pool| self.window_samples / pool);
        let oversampling = match (self.coefficients, self.padding) {
            // Raw layers are series at the window's rate; the coarse grids rest on the symmetry of the reflection.
            (CoefficientSet::Raw, _) | (_, Padding::Periodic) => Oversampling::Exact,
            _ => self.oversampling,
        };
        let mut sizes: Vec<Vec<usize>> = banks
            .iter()
            .map(|bank| grid_sizes(bank, oversampling, n_blocks))
            .collect();
        if let [first, second] = &mut sizes[..] {
            for (j2, second) in second.iter_mut().enumerate() {
                if let Some(j1) = self.scales.partner(j2) {
                    let size = first[j1].max(*second);
                    (first[j1], *second) = (size, size);
                }
            }
        }
        sizes
    }

    fn check_parameters(&self) -> Result<(), Error> {
        let window = self.window_samples;
        if !(4..=1 << 28).contains(&window) {
            return Err(parameter("window", window, "give 4 to 2^28 samples"));
        }
        if let Some(pool) = self.pool_samples
            && (pool == 0 || !window.is_multiple_of(pool))
        {
            let reason = format!("give a divisor of the window of {window} samples");
            return Err(parameter("pool", pool, reason));
        }
        if let Oversampling::Times(times @ 0..2) = self.oversampling {
            return Err(parameter("oversampling", times, OVERSAMPLING_ADVICE));
        }
        if !(1..=64).contains(&self.n_channels) {
            return Err(parameter("channels", self.n_channels, "give 1 to 64"));
        }
        if self.pairs == ChannelPairs::OffDiag && self.n_channels < 2 {
            return Err(parameter(
                "channels",
                "offdiag",
                "pairs of different channels require two channels; give diag for one",
            ));
        }
        // Written so that NaN is refused. Above 16 the moments of any heavy-tailed record are those of one sample.
        let usable = |q: &f64| *q > 0.0 && *q <= 16.0;
        if self.moments.is_empty() {
            return Err(parameter("moments", "empty", "give at least one exponent"));
        }
        if let Some(q) = self.moments.iter().find(|q| !usable(q)) {
            return Err(parameter("moments", q, "give exponents above 0, up to 16"));
        }
        self.check_size()?;
        self.check_normalization()
    }

    fn check_normalization(&self) -> Result<(), Error> {
        let [first, second] = self.scales.wavelets_per_octave;
        if self.coefficients == CoefficientSet::CovReduced && first != second {
            return Err(parameter(
                "wavelets_per_octave",
                format!("{first},{second}"),
                "covreduced compares scales of the two layers; give both the same number",
            ));
        }
        if self.normalization == Normalization::Given {
            // The bank's own limits, which are checked after this, rule out larger numbers; without the bounds the
            // product might overflow first.
            let n_scales = first.min(64) * self.scales.octaves[0].min(40) + 1;
            check_length("power", self.given_power.len(), self.n_channels * n_scales)?;
            if let Some(power) = self
                .given_power
                .iter()
                .find(|p| !(p.is_finite() && **p >= 0.0))
            {
                return Err(parameter("power", power, "give finite values of 0 or more"));
            }
        }
        Ok(())
    }

    /// Refuses tables and outputs that no memory holds, before anything is allocated.
    fn check_size(&self) -> Result<(), Error> {
        let scales = &self.scales;
        let usable = |(octaves, per_octave): (&usize, &usize)| {
            (1..=40).contains(octaves) && (1..=64).contains(per_octave)
        };
        if !scales
            .octaves
            .iter()
            .zip(&scales.wavelets_per_octave)
            .all(usable)
        {
            // The bank reports these by name.
            return Ok(());
        }
        let n_moments = self.moments.len();
        let n_paths = table_len(
            self.coefficients,
            scales,
            self.n_channels,
            self.pairs,
            n_moments,
        );
        let whole = match self.coefficients {
            CoefficientSet::Raw => 1,
            _ => self.window_samples,
        };
        let n_blocks = (self.window_samples / self.pool_samples.unwrap_or(whole)) as u128;
        if n_paths > MOST_PATHS || n_paths * n_blocks > MOST_VALUES {
            return Err(parameter(
                "coefficients",
                format!("{n_paths} in {n_blocks} blocks"),
                format!(
                    "at most {MOST_PATHS} coefficients and {MOST_VALUES} values are possible; take fewer octaves, filters an octave, channels or blocks"
                ),
            ));
        }
        Ok(())
    }

    /// Refuses a work space that no memory holds; `sizes` holds the samples of each scale of each layer.
    fn check_scratch(&self, sizes: &[Vec<usize>]) -> Result<(), Error> {
        let total = |sizes: &[usize]| sizes.iter().map(|&n| n as u128).sum::<u128>();
        let first = total(&sizes[0]);
        let longest = sizes.iter().flatten().max().map_or(0, |&n| n as u128);
        // Rows of the first layer (real and imaginary), spectra of their moduli, one j2 of the second layer; twice all
        // of it with the gradients.
        let values =
            2 * self.n_channels as u128 * (3 * first + 2 * longest * sizes[0].len() as u128);
        if values > MOST_SCRATCH {
            let reason = format!(
                "the work space of {values} values exceeds {MOST_SCRATCH}; take shorter windows, fewer channels or filters, or coarser grids",
            );
            return Err(parameter("window", self.window_samples, reason));
        }
        Ok(())
    }

    fn bank(&self, layer: usize) -> Result<FilterBank<F>, Error> {
        FilterBank::plan(self.padding.n_bins(self.window_samples))
            .wavelet(self.wavelet)
            .octaves(self.scales.octaves[layer])
            .wavelets_per_octave(self.scales.wavelets_per_octave[layer])
            .filter_norm(self.filter_norm)
            .check()
    }
}
