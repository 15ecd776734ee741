//! Plan of the transform with all its options: any bank in either layer, several channels, every set of coefficients.

use num_complex::Complex;
use rayon::prelude::*;

use crate::coefficients::averages::BlockMeans;
use crate::coefficients::operations::AveragingSchedule;
use crate::coefficients::path::{CoefficientSet, ScatteringPath};
use crate::coefficients::rows::Rows;
use crate::coefficients::table::{LayerScales, Reduction, full_table};
use crate::error::{Error, check_length};
use crate::filter_bank::FilterBank;
use crate::fourier::real::Real;
use crate::transform::builder::ScatteringTransformBuilder;
use crate::transform::forward::NEVER;
use crate::transform::normalization::Normalization;
use crate::wavelet_transform::padded::PaddedTransform;
use crate::wavelet_transform::reflected::TransformScratch;

/// Plan for scattering coefficients of windows of one length (arXiv 2204.10177).
///
/// The first layer is `W_j1 x` for every filter of the first bank, the second `W_j2 |W_j1 x|` for every path
/// floor(j1/Q1) < floor(j2/Q2), j2 up to and including the low-pass. Coefficients are averages of these and of their
/// products ([`CoefficientKind`](crate::CoefficientKind)).
///
/// The second layer is computed one j2 at a time, so that memory grows with the number of filters, not with that of
/// their pairs. Immutable, `Send + Sync`.
pub struct ScatteringTransform<F: Real> {
    pub(crate) options: ScatteringTransformBuilder<F>,
    /// Transform of the first layer, and of the second if it differs.
    pub(crate) transforms: Vec<PaddedTransform<F>>,
    pub(crate) base: Vec<ScatteringPath>,
    pub(crate) reduction: Option<Reduction>,
    pub(crate) schedule: AveragingSchedule,
    /// Weights of the blocks on the grids of the two layers.
    pub(crate) means: Vec<Vec<BlockMeans<F>>>,
    n_blocks: usize,
    pub(crate) given_sigma: Vec<F>,
}

/// Work space of a [`ScatteringTransform`] for one thread; its content between calls has no meaning.
pub struct ScatteringScratch<F: Real> {
    pub(crate) window_samples: usize,
    /// Longest row of the second layer, and number of rows: the shape of `second`, whose rows are shortened in use.
    pub(crate) longest_second: (usize, usize),
    pub(crate) transform: TransformScratch<F>,
    pub(crate) spectrum: Vec<F>,
    /// (channel, j1) `W_j1 x`.
    pub(crate) first: Rows<F>,
    /// (channel, j1) spectra of the moduli that are continued into the second layer.
    pub(crate) sources: Spectra<F>,
    /// (channel, j1) `W_j2 |W_j1 x|` for one j2.
    pub(crate) second: Rows<F>,
    /// Unnormalised coefficients, `(base coefficient, block)`.
    pub(crate) raw: Vec<Complex<F>>,
    /// (channel, j1) mean power.
    pub(crate) power: Vec<F>,
    pub(crate) sigma: Vec<F>,
    /// (channel) mean square of the signal.
    pub(crate) level: Vec<F>,
    pub(crate) gradients: Option<GradientScratch<F>>,
}

/// Spectra of the moduli, each with the bins of its own grid.
pub(crate) struct Spectra<F> {
    starts: Vec<usize>,
    pub(crate) bins: Vec<F>,
}

impl<F: Real> Spectra<F> {
    fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let mut starts = vec![0];
        for length in lengths {
            starts.push(starts[starts.len() - 1] + length);
        }
        Self {
            bins: vec![F::zero(); starts[starts.len() - 1]],
            starts,
        }
    }

    pub(crate) fn of(&self, source: usize) -> &[F] {
        &self.bins[self.starts[source]..self.starts[source + 1]]
    }

    pub(crate) fn of_mut(&mut self, source: usize) -> &mut [F] {
        &mut self.bins[self.starts[source]..self.starts[source + 1]]
    }
}

/// Additional buffers of the adjoint: gradients.
pub(crate) struct GradientScratch<F> {
    pub(crate) d_first: Rows<F>,
    pub(crate) d_sources: Spectra<F>,
    pub(crate) d_modulus: Vec<F>,
    pub(crate) d_second: Rows<F>,
    pub(crate) d_raw: Vec<Complex<F>>,
    pub(crate) d_power: Vec<F>,
}

impl<F: Real> ScatteringTransform<F> {
    /// Starts the plan for windows of `window_samples` samples.
    pub fn plan(window_samples: usize) -> ScatteringTransformBuilder<F> {
        ScatteringTransformBuilder::new(window_samples)
    }

    pub(crate) fn from_parts(
        options: ScatteringTransformBuilder<F>,
        transforms: Vec<PaddedTransform<F>>,
    ) -> Self {
        let base = full_table(
            options.coefficients,
            &options.scales,
            options.n_channels,
            options.pairs,
            &options.moments,
        );
        let pool = pool_of(&options);
        let n_blocks = options.window_samples / pool;
        let means = transforms
            .iter()
            .map(|transform| transform.block_means(n_blocks))
            .collect();
        let reduction = (options.coefficients == CoefficientSet::CovReduced)
            .then(|| Reduction::new(&base, &options.scales));
        Self {
            schedule: AveragingSchedule::new(&base, &options.scales),
            given_sigma: options
                .given_power
                .iter()
                .map(|power| F::of(power.sqrt()))
                .collect(),
            options,
            transforms,
            base,
            reduction,
            means,
            n_blocks,
        }
    }

    /// Description of each coefficient, in the order of the output.
    pub fn paths(&self) -> &[ScatteringPath] {
        self.reduction
            .as_ref()
            .map_or(&self.base, |reduction| &reduction.paths)
    }

    /// Octaves and filters an octave of the two layers.
    pub fn scales(&self) -> &LayerScales {
        &self.options.scales
    }

    /// The filters of the first and of the second layer.
    pub fn filter_banks(&self) -> [&FilterBank<F>; 2] {
        [0, 1].map(|layer| self.layer(layer).filter_bank())
    }

    /// Centre frequencies in Hz at `sampling_rate_hz` of (`j1_left`, `j1_right`, `j2`); 0 for the low-pass.
    pub fn center_frequencies_hz(
        &self,
        path: &ScatteringPath,
        sampling_rate_hz: f64,
    ) -> (f64, Option<f64>, Option<f64>) {
        let [first, second] = self.filter_banks();
        let hz = |bank: &FilterBank<F>, j: usize| {
            bank.band_pass
                .get(j)
                .map_or(0.0, |band| band.center_frequency * sampling_rate_hz)
        };
        (
            hz(first, path.j1_left),
            path.j1_right.map(|j| hz(first, j)),
            path.j2.map(|j| hz(second, j)),
        )
    }

    /// Length T of a window.
    pub fn window_samples(&self) -> usize {
        self.options.window_samples
    }

    /// Number C of channels.
    pub fn n_channels(&self) -> usize {
        self.options.n_channels
    }

    /// Length of a signal, channels times samples.
    pub fn signal_len(&self) -> usize {
        self.n_channels() * self.window_samples()
    }

    /// Number of blocks: 1 without pooling, T for unpooled raw layers.
    pub fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// Replaces the blocks by `n_blocks` of `block` samples from sample `first`, for a window kept at its own samples.
    pub(crate) fn with_boxes(mut self, first: usize, block: usize, n_blocks: usize) -> Self {
        let n = self.window_samples();
        for (layer, means) in self.means.iter_mut().enumerate() {
            for (j, means) in means.iter_mut().enumerate() {
                // Boxes of samples exist on the window's own grid only.
                let transform = &self.transforms[layer];
                debug_assert_eq!(transform.row_samples(j), n, "coarse grid");
                *means = BlockMeans::boxes(n, first, block, n_blocks);
            }
        }
        self.n_blocks = n_blocks;
        self
    }

    /// Length of the output, coefficients times blocks.
    pub fn output_len(&self) -> usize {
        self.paths().len() * self.n_blocks()
    }

    /// A zeroed output, `(coefficient, block)`.
    pub fn make_output(&self) -> Vec<Complex<F>> {
        zeros(self.output_len())
    }

    /// Number of samples kept of scale j of a layer (0 or 1), the length of one of its FFTs.
    pub fn row_samples(&self, layer: usize, j: usize) -> usize {
        self.layer(layer).row_samples(j)
    }

    /// Work space for one thread, for [`process`](Self::process) and [`adjoint`](Self::adjoint).
    pub fn make_scratch(&self) -> ScatteringScratch<F> {
        let mut scratch = self.make_forward_scratch();
        scratch.gradients = Some(GradientScratch {
            d_first: self.make_first(),
            d_sources: self.make_sources(),
            d_modulus: vec![F::zero(); self.window_samples()],
            d_second: self.make_second(),
            d_raw: zeros(scratch.raw.len()),
            d_power: vec![F::zero(); self.n_first()],
        });
        scratch
    }

    /// Work space for [`process`](Self::process) alone, half the memory.
    pub fn make_forward_scratch(&self) -> ScatteringScratch<F> {
        ScatteringScratch {
            window_samples: self.window_samples(),
            longest_second: self.longest_second(),
            transform: PaddedTransform::make_scratch(&self.transforms, self.window_samples()),
            spectrum: vec![F::zero(); self.layer(0).spectrum_len(None)],
            first: self.make_first(),
            sources: self.make_sources(),
            second: self.make_second(),
            raw: zeros(self.base.len() * self.n_blocks()),
            power: vec![F::zero(); self.n_first()],
            sigma: vec![F::zero(); self.n_first()],
            level: vec![F::zero(); self.n_channels()],
            gradients: None,
        }
    }

    fn make_first(&self) -> Rows<F> {
        let channel = (0..self.n_scales()).map(|j| self.row_samples(0, j));
        let lengths: Vec<usize> = channel.collect();
        Rows::new(lengths.repeat(self.n_channels()))
    }

    /// Longest row of the second layer, and number of rows.
    pub(crate) fn longest_second(&self) -> (usize, usize) {
        // One buffer serves every j2; the first j2 without sources (above all first-layer bands) is never computed.
        let longest = (0..self.schedule.second.len())
            .filter(|&j2| self.n_active(j2) > 0)
            .map(|j2| self.row_samples(1, j2))
            .max();
        (longest.unwrap_or(0), self.n_second())
    }

    fn make_second(&self) -> Rows<F> {
        let (longest, n_rows) = self.longest_second();
        Rows::new(vec![longest; n_rows])
    }

    fn make_sources(&self) -> Spectra<F> {
        let n_sources = self.options.scales.n_sources();
        Spectra::new(
            (0..self.n_second()).map(|row| self.layer(0).spectrum_len(Some(row % n_sources))),
        )
    }

    /// Coefficients of `signal` `(channel, window_samples)`, any unit `u`, into `out` `(coefficient, block)`.
    /// Unnormalised, moments E|.|^q are in `u^q`, mean and raw layers in `u`, products in `u^2`.
    /// With `BatchPowerSpectrum` the signal is a batch of one.
    ///
    /// # Errors
    /// [`Error::Length`] if a buffer differs from the plan, [`Error::NotFinite`] if the signal holds a NaN or an
    /// infinity, [`Error::Parameter`] if the scratch is of another plan; nothing is written then. [`Error::OutOfRange`]
    /// if a coefficient overflows the type.
    pub fn process(
        &self,
        signal: &[F],
        out: &mut [Complex<F>],
        scratch: &mut ScatteringScratch<F>,
    ) -> Result<(), Error> {
        self.process_until(signal, out, scratch, NEVER)
    }

    /// [`process`](Self::process) with a check between filters: once `stop` returns true, the call ends.
    ///
    /// # Errors
    /// Those of `process`; [`Error::Interrupted`] after a stop.
    pub fn process_until(
        &self,
        signal: &[F],
        out: &mut [Complex<F>],
        scratch: &mut ScatteringScratch<F>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        self.check_signal(signal)?;
        check_length("out", out.len(), self.output_len())?;
        self.check_scratch(scratch)?;
        let complete = self.analyze_until(signal, scratch, stop)
            && self.measure_until(0..self.n_blocks(), scratch, stop);
        if !complete {
            return Err(Error::Interrupted);
        }
        self.fill_sigma(signal, scratch);
        self.finish(&scratch.raw, &scratch.sigma, out);
        self.check_range(out)
    }

    /// [`process`](Self::process) into buffers of its own.
    ///
    /// # Errors
    /// See `process`.
    pub fn process_vec(&self, signal: &[F]) -> Result<Vec<Complex<F>>, Error> {
        let mut out = self.make_output();
        self.process(signal, &mut out, &mut self.make_forward_scratch())?;
        Ok(out)
    }

    /// Coefficients of a batch of `signals` `(batch, channel, window_samples)` into `out` `(batch, coefficient,
    /// block)`, in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// See [`process`](Self::process).
    pub fn process_batch(&self, signals: &[F], out: &mut [Complex<F>]) -> Result<(), Error> {
        self.process_batch_until(signals, out, &|| false)
    }

    /// [`process_batch`](Self::process_batch) with a check between filters: once `stop` returns true, the call ends.
    ///
    /// # Errors
    /// Those of `process_batch`; [`Error::Interrupted`] after a stop.
    pub fn process_batch_until(
        &self,
        signals: &[F],
        out: &mut [Complex<F>],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Error> {
        let n_batch = self.check_batch(signals)?;
        check_length("out", out.len(), n_batch * self.output_len())?;
        if self.options.normalization != Normalization::BatchPowerSpectrum {
            return out
                .par_chunks_mut(self.output_len())
                .zip(signals.par_chunks(self.signal_len()))
                .try_for_each_init(
                    || self.make_forward_scratch(),
                    |scratch, (out, signal)| self.process_until(signal, out, scratch, stop),
                );
        }
        // Two passes: coefficients, then the division by the batch's sigma (coefficients are homogeneous in each band).
        let members = self
            .measure_batch(signals, stop)
            .ok_or(Error::Interrupted)?;
        let sigma = self.batch_sigma(&members);
        out.par_chunks_mut(self.output_len())
            .zip(members)
            .try_for_each(|(out, member)| {
                self.finish(&member.raw, &sigma, out);
                self.check_range(out)
            })
    }

    /// Mean power sigma_j^2 of each first-layer band `(channel, scale)`, averaged over a batch of `signals`
    /// `(batch, channel, window_samples)`; see [`ScatteringTransformBuilder::given_power`].
    ///
    /// # Errors
    /// See [`process`](Self::process).
    pub fn power_spectrum(&self, signals: &[F]) -> Result<Vec<f64>, Error> {
        let n_batch = self.check_batch(signals)?;
        let mut mean = vec![0.0; self.n_first()];
        let mut scratch = self.make_forward_scratch();
        for signal in signals.chunks_exact(self.signal_len()) {
            self.analyze(signal, &mut scratch);
            self.fill_power(signal, &mut scratch);
            for (mean, power) in mean.iter_mut().zip(&scratch.power) {
                // In f64: a sum of many f32 powers would lose the small ones.
                *mean += power.to_double() / n_batch as f64;
            }
        }
        Ok(mean)
    }
}

/// Number of samples of a block.
fn pool_of<F>(options: &ScatteringTransformBuilder<F>) -> usize {
    let whole = match options.coefficients {
        CoefficientSet::Raw => 1,
        _ => options.window_samples,
    };
    options.pool_samples.unwrap_or(whole)
}

/// A zeroed complex buffer.
pub(crate) fn zeros<F: Real>(n: usize) -> Vec<Complex<F>> {
    vec![Complex::new(F::zero(), F::zero()); n]
}
