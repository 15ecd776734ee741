use std::marker::PhantomData;

use crate::covariance::ScatteringCovariance;
use crate::error::{Error, parameter};
use crate::filter_bank::Wavelet;
use crate::normalization::Normalization;
use crate::path::CoefficientSet;
use crate::real::Real;
use crate::transform::{Oversampling, WaveletTransform};

/// Parameters of a [`ScatteringCovariance`]; only [`check`](Self::check)ed ones run.
#[derive(Debug, Clone)]
pub struct PlanBuilder<F> {
    pub(crate) window_samples: usize,
    pub(crate) octaves: usize,
    pub(crate) wavelet: Wavelet,
    pub(crate) coefficients: CoefficientSet,
    pub(crate) normalization: Normalization,
    pub(crate) pool_samples: Option<usize>,
    pub(crate) oversampling: Oversampling,
    real: PhantomData<F>,
}

impl<F: Real> PlanBuilder<F> {
    pub(crate) fn new(window_samples: usize) -> Self {
        Self {
            window_samples,
            octaves: 8,
            wavelet: Wavelet::default(),
            coefficients: CoefficientSet::default(),
            normalization: Normalization::default(),
            pool_samples: None,
            oversampling: Oversampling::default(),
            real: PhantomData,
        }
    }

    /// Number J of octaves (default 8).
    #[must_use]
    #[doc(alias = "J")]
    pub fn octaves(mut self, octaves: usize) -> Self {
        self.octaves = octaves;
        self
    }

    /// Wavelet family (default Battle-Lemarie).
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet) -> Self {
        self.wavelet = wavelet;
        self
    }

    /// Which coefficients (default `scat+cov`).
    #[must_use]
    pub fn coefficients(mut self, set: CoefficientSet) -> Self {
        self.coefficients = set;
        self
    }

    /// Normalisation of the first layer (default none).
    #[must_use]
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Averages over consecutive blocks of `samples` instead of the whole window; must divide it.
    #[must_use]
    pub fn pool(mut self, samples: usize) -> Self {
        self.pool_samples = Some(samples);
        self
    }

    /// On which grids the transform is kept (default exact). Pooling wants the exact one.
    #[must_use]
    pub fn oversampling(mut self, oversampling: Oversampling) -> Self {
        self.oversampling = oversampling;
        self
    }

    /// Builds the plan.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the window is shorter than 4 samples, the octaves do not fit it, or the pool does
    /// not divide it.
    pub fn check(self) -> Result<ScatteringCovariance<F>, Error> {
        if !matches!(
            self.coefficients,
            CoefficientSet::Cov | CoefficientSet::ScatCov
        ) {
            return Err(parameter(
                "coefficients",
                format!("{:?}", self.coefficients),
                "plan a ScatteringTransform for this set",
            ));
        }
        if !matches!(
            self.normalization,
            Normalization::None | Normalization::EachPowerSpectrum
        ) {
            return Err(parameter(
                "normalization",
                format!("{:?}", self.normalization),
                "plan a ScatteringTransform for this normalisation",
            ));
        }
        let transform = WaveletTransform::new(
            self.wavelet,
            self.octaves,
            self.window_samples,
            self.oversampling,
        )?;
        let pool = self.pool_samples.unwrap_or(self.window_samples);
        if pool == 0 || !self.window_samples.is_multiple_of(pool) {
            let reason = format!(
                "give a divisor of the window of {} samples",
                self.window_samples
            );
            return Err(parameter("pool", pool, reason));
        }
        if pool != self.window_samples && !transform.is_exact() {
            return Err(parameter(
                "oversampling",
                format!("{:?}", self.oversampling),
                "pooling needs the exact grid; leave one of the two out",
            ));
        }
        Ok(ScatteringCovariance::from_parts(
            transform,
            self.coefficients,
            self.normalization,
            pool,
        ))
    }
}
