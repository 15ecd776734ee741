//! Synthesis of signals with a given scattering covariance, by the adjoint and optimiser of the separation.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use seismix_scattering::{
    CoefficientKind, CoefficientSet, Complex, Oversampling, ScatteringCovariance, ScatteringPath,
    Wavelet, WaveletTransform,
};

use crate::baseline::without;
use crate::error::Error;
use crate::scaling::{PowerOfTwoScale, largest};
use crate::scattering::lbfgs::Lbfgs;
use crate::scattering::optimize::{Objective, OptimizerStop, State};
use crate::scattering::spread::natural_scales;
use crate::scattering::workspace::Workspace;

/// Number of updates that the optimiser remembers.
const MEMORY: usize = 30;
/// Relative decrease of the loss, and iterations, below which a synthesis has stalled.
// A target that no signal has, such as a random draw, cannot be reached; the error is reported instead.
const STALLED: (f64, usize) = (0.02, 50);
/// Centre frequency of the first octave, cycles per sample.
const FIRST_CENTER: f64 = 0.425;

/// Difference of a signal from its target, in natural scales of the coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mismatch {
    /// Mean over the coefficients of the squared deviation.
    pub mean_square: f64,
    /// Largest deviation.
    pub worst: f64,
}

/// Synthesis of signals of `n_samples` with a target scattering covariance (`scat+cov`, not normalised).
///
/// The natural scale of a coefficient is the root of the two energies that it correlates, or of the energy of what it
/// averages. A coefficient of an empty band is not used.
pub struct Synthesis {
    covariance: ScatteringCovariance<f64>,
    target: Vec<Complex<f64>>,
    /// 1 / natural scale.
    inverse_scale: Vec<f64>,
    spare: Mutex<Vec<Workspace<f64>>>,
    /// Unit of the computation, and level that is added at the end.
    unit: PowerOfTwoScale,
    level: f64,
}

/// End of a synthesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SynthesisOptions {
    /// Largest acceptable deviation, in natural scales.
    pub tolerance: f64,
    /// Maximum number of iterations of L-BFGS.
    pub max_iterations: usize,
}

impl Default for SynthesisOptions {
    fn default() -> Self {
        Self {
            tolerance: 0.01,
            max_iterations: 1000,
        }
    }
}

/// Synthetic signal.
#[derive(Debug, Clone)]
pub struct Synthetic {
    /// The signal `(T,)`.
    pub signal: Vec<f64>,
    /// Difference of its covariance from the target.
    pub mismatch: Mismatch,
    /// Iterations made.
    pub n_iterations: usize,
    /// Reason for its end; [`OptimizerStop::Reached`] also after a stall, which `mismatch` shows.
    pub reason: OptimizerStop,
}

impl Synthesis {
    /// Synthesis like `signal` `(T,)`: its scattering covariance about its mean is the target, and the mean is added
    /// at the end.
    ///
    /// # Errors
    /// [`Error::NotFinite`], or refusals of the transform.
    pub fn like(signal: &[f64], octaves: usize) -> Result<Self, Error> {
        if let Some(index) = signal.iter().position(|v| !v.is_finite()) {
            let what = "the signal".into();
            return Err(Error::NotFinite { what, index });
        }
        let covariance = plan(signal.len(), octaves)?;
        let unit = PowerOfTwoScale::unless_ordinary(largest(signal));
        let signal = unit.divide(signal);
        let mean = signal.iter().sum::<f64>() / signal.len().max(1) as f64;
        let mut level = [mean];
        unit.multiply(&mut level);
        let target = covariance.process_vec(&without(&signal, |_| mean))?;
        Ok(Self {
            unit,
            level: level[0],
            ..Self::new(covariance, target)?
        })
    }

    /// Synthesis with the coefficients `target`, in the order of [`paths`](Self::paths).
    ///
    /// # Errors
    /// [`Error::Target`] if their number is not that of the coefficients at these octaves, or one is not finite; or
    /// refusals of the transform.
    pub fn of_coefficients(
        target: Vec<Complex<f64>>,
        n_samples: usize,
        octaves: usize,
    ) -> Result<Self, Error> {
        Self::new(plan(n_samples, octaves)?, target)
    }

    fn new(
        covariance: ScatteringCovariance<f64>,
        target: Vec<Complex<f64>>,
    ) -> Result<Self, Error> {
        let expected = covariance.paths().len();
        let finite = |z: &Complex<f64>| z.re.is_finite() && z.im.is_finite();
        if target.len() != expected || !target.iter().all(finite) {
            return Err(Error::Target {
                found: target.len(),
                expected,
            });
        }
        let alone = std::slice::from_ref(&target);
        let scales = natural_scales(covariance.paths(), alone, alone);
        let inverse_scale = scales.iter().map(|s| if *s > 0.0 { 1.0 / s } else { 0.0 });
        Ok(Self {
            inverse_scale: inverse_scale.collect(),
            spare: Mutex::new(Vec::new()),
            covariance,
            target,
            unit: PowerOfTwoScale::unless_ordinary(1.0),
            level: 0.0,
        })
    }

    /// The coefficients.
    pub fn paths(&self) -> &[ScatteringPath] {
        self.covariance.paths()
    }

    /// Draws a signal; each seed gives another one.
    ///
    /// It starts at Gaussian noise with the target's power in each octave. The unknowns are that noise before its
    /// colour, so that all octaves change equally fast.
    ///
    /// # Errors
    /// [`Error::SilentTarget`] if the target holds no energy, [`Error::Optimizer`].
    pub fn draw(&self, seed: u64, options: SynthesisOptions) -> Result<Synthetic, Error> {
        self.draw_until(seed, options, &|| false)
    }

    /// Draws a signal as [`draw`](Self::draw) does, until `asked` returns true after an iteration.
    ///
    /// # Errors
    /// Those of [`draw`](Self::draw); [`Error::Interrupted`] once `asked` returns true.
    pub fn draw_until(
        &self,
        seed: u64,
        options: SynthesisOptions,
        asked: &dyn Fn() -> bool,
    ) -> Result<Synthetic, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let white: Vec<f64> = (0..self.n_samples())
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let coloured = Coloured::new(self, &white)?;
        let optimizer = Lbfgs {
            max_iterations: options.max_iterations,
            memory: MEMORY,
            scale: 1.0,
        };
        let mut losses = Vec::new();
        let mut good_enough = |state: &State<'_, Mismatch>| {
            losses.push(state.terms.mean_square);
            let (share, iterations) = STALLED;
            let before = losses.iter().rev().nth(iterations);
            let stalled =
                before.is_some_and(|before| state.terms.mean_square > (1.0 - share) * before);
            if stalled || asked() || state.terms.worst <= options.tolerance {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let minimum = optimizer.minimize(&coloured, &white, &mut good_enough)?;
        if asked() {
            return Err(Error::Interrupted);
        }
        let mut signal = coloured.signal(&minimum.point);
        self.unit.multiply(&mut signal);
        signal.iter_mut().for_each(|v| *v += self.level);
        let worst = minimum.terms.worst;
        if !(worst.is_finite() && signal.iter().all(|v| v.is_finite())) {
            return Err(Error::OutOfRange { what: "the signal" });
        }
        Ok(Synthetic {
            signal,
            mismatch: minimum.terms,
            n_iterations: minimum.history.len() - 1,
            reason: minimum.reason,
        })
    }

    fn rows(&self, kind: CoefficientKind) -> impl Iterator<Item = usize> + '_ {
        let paths = self.paths().iter().enumerate();
        paths
            .filter(move |(_, path)| path.kind == kind)
            .map(|(row, _)| row)
    }
}

impl Objective for Synthesis {
    type Terms = Mismatch;

    fn n_samples(&self) -> usize {
        self.covariance.window_samples()
    }

    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> Mismatch {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut work = spare.unwrap_or_else(|| Workspace::new(&self.covariance, 0));
        let transform = self.covariance.transform();
        work.analyze_own(transform, point);
        let done = self.covariance.measure_layers(&work.layers, &mut work.phi);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
        let n = self.target.len() as f64;
        let mut mismatch = Mismatch::default();
        for ((phi, target), inverse) in work
            .phi
            .iter_mut()
            .zip(&self.target)
            .zip(&self.inverse_scale)
        {
            let deviation = (*phi - target) * *inverse;
            mismatch.mean_square += deviation.norm_sqr() / n;
            mismatch.worst = mismatch.worst.max(deviation.norm());
            *phi = deviation * (2.0 * inverse / n);
        }
        if let Some(gradient) = gradient {
            work.d_layers.clear();
            let done =
                self.covariance
                    .measure_layers_adjoint(&work.layers, &work.phi, &mut work.d_layers);
            debug_assert!(done.is_ok(), "buffers are sized by the plan");
            gradient.fill(0.0);
            work.backpropagate_own(transform, false, gradient);
        }
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(work);
        }
        mismatch
    }

    fn loss(&self, terms: &Mismatch) -> f64 {
        terms.mean_square
    }
}

/// Synthesis as a function of white noise that is filtered to the target's power in each octave.
struct Coloured<'a> {
    synthesis: &'a Synthesis,
    mean: f64,
    /// Amplitude of each bin of the spectrum, with the scaling of an FFT and its inverse.
    amplitude: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl<'a> Coloured<'a> {
    /// Filter from the ratio of the octaves' powers to those of `white`.
    fn new(synthesis: &'a Synthesis, white: &[f64]) -> Result<Self, Error> {
        let n = white.len();
        let target = &synthesis.target;
        let of_white = synthesis.covariance.process_vec(white)?;
        let mean = synthesis.rows(CoefficientKind::Mean).next();
        let mean = mean.map_or(0.0, |row| target[row].re);
        let rows: Vec<usize> = synthesis.rows(CoefficientKind::PowerSpectrum).collect();
        let mut powers: Vec<f64> = rows
            .iter()
            .map(|&row| target[row].re / of_white[row].re.max(f64::MIN_POSITIVE))
            .collect();
        // The low-pass, which is last, holds the mean too; a part remains so that no unknown is multiplied by zero.
        if let (Some(power), Some(&row)) = (powers.last_mut(), rows.last()) {
            let rest = (1.0 - mean * mean / target[row].re.max(f64::MIN_POSITIVE)).max(1e-6);
            *power *= rest;
        }
        let amplitude: Vec<f64> = (0..=n / 2)
            .map(|k| {
                // Octaves below the first centre; between two of them the power is interpolated geometrically.
                let octave = (FIRST_CENTER * n as f64 / k.max(1) as f64).log2();
                let at = octave.clamp(0.0, (powers.len() - 1) as f64);
                let (low, part) = (at as usize, at.fract());
                let high = (low + 1).min(powers.len() - 1);
                (powers[low].powf(1.0 - part) * powers[high].powf(part)).sqrt() / n as f64
            })
            .collect();
        if !amplitude.iter().any(|a| *a > 0.0) {
            return Err(Error::SilentTarget);
        }
        let mut planner = RealFftPlanner::new();
        Ok(Self {
            synthesis,
            mean,
            amplitude,
            forward: planner.plan_fft_forward(n),
            inverse: planner.plan_fft_inverse(n),
        })
    }

    /// Applies the filter, which is its own transpose.
    fn filter(&self, signal: &mut [f64]) {
        let mut spectrum = self.forward.make_output_vec();
        let done = self.forward.process(signal, &mut spectrum);
        debug_assert!(done.is_ok(), "buffers are the plan's own");
        for (bin, amplitude) in spectrum.iter_mut().zip(&self.amplitude) {
            *bin *= amplitude;
        }
        let done = self.inverse.process(&mut spectrum, signal);
        debug_assert!(done.is_ok(), "buffers are the plan's own");
    }

    /// Signal of the white noise `white`.
    fn signal(&self, white: &[f64]) -> Vec<f64> {
        let mut signal = white.to_vec();
        self.filter(&mut signal);
        signal.iter_mut().for_each(|v| *v += self.mean);
        signal
    }
}

impl Objective for Coloured<'_> {
    type Terms = Mismatch;

    fn n_samples(&self) -> usize {
        self.synthesis.n_samples()
    }

    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> Mismatch {
        let signal = self.signal(point);
        match gradient {
            None => self.synthesis.evaluate(&signal, None),
            Some(gradient) => {
                let mismatch = self.synthesis.evaluate(&signal, Some(&mut *gradient));
                // The filter is real and even in frequency, hence symmetric, and the chain rule applies it once more.
                self.filter(gradient);
                mismatch
            }
        }
    }

    fn loss(&self, terms: &Mismatch) -> f64 {
        terms.mean_square
    }
}

fn plan(n_samples: usize, octaves: usize) -> Result<ScatteringCovariance<f64>, Error> {
    // Coarse grids change coefficients by 3e-4 of a natural scale, far below any useful tolerance.
    let grids = Oversampling::Times(4);
    let transform = WaveletTransform::new(Wavelet::default(), octaves, n_samples, grids)?;
    Ok(ScatteringCovariance::new(
        transform,
        CoefficientSet::ScatCov,
    )?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
