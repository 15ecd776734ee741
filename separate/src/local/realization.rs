//! Plausible realisation of the background: the estimate, moved until background and source have the statistics of
//! their snippets.
//!
//! A tether bounds its distance from the estimate by the posterior variance.

use std::ops::ControlFlow;
use std::sync::Mutex;

use seismix_scattering::{CoefficientSet, ScatteringCovariance, Wavelet, WaveletTransform};

use super::filters::{Clusters, Filter, powers};
use crate::error::Error;
use crate::scattering::lbfgs::Lbfgs;
use crate::scattering::optimize::Objective;
use crate::scattering::reference::Reference;
use crate::scattering::spread::{distance, natural_scales};
use crate::scattering::terms::ObjectiveOptions;
use crate::scattering::workspace::Workspace;
use crate::short_time::Cells;

/// Least posterior variance of a cell, relative to the mean one.
const LEAST_VARIANCE: f64 = 1e-3;

/// Least deviation of a coefficient of the source, relative to the natural scale of the background's.
const LEAKAGE: f64 = 0.1;

/// Objective L1(n) + L1(x - n) + strength * tether.
pub(super) struct Realisation<'a> {
    mixture: &'a [f64],
    covariance: ScatteringCovariance<f64>,
    /// Phi of the background's and the source's snippets.
    clusters: [Reference; 2],
    tether: Tether<'a>,
    workspaces: Mutex<Vec<Workspace>>,
}

/// Mean over cells of |N - N_W|^2 / posterior variance.
struct Tether<'a> {
    filter: &'a Filter<'a>,
    anchor: Vec<f64>,
    /// 1 / (variance * cells), frame by frame.
    weights: Vec<Vec<f64>>,
    /// Weight in the loss.
    pub strength: f64,
}

/// Parts of the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    pub background: f64,
    pub source: f64,
    pub tether: f64,
}

impl<'a> Realisation<'a> {
    /// Objective about the estimate `anchor` of the background in `mixture`, with the posterior of `filter`.
    ///
    /// # Errors
    /// Refusals of the transform.
    pub fn new(
        mixture: &'a [f64],
        anchor: &[f64],
        clusters: &Clusters,
        filter: &'a Filter<'a>,
        options: ObjectiveOptions,
    ) -> Result<Self, Error> {
        let transform = WaveletTransform::new(
            Wavelet::default(),
            options.octaves,
            mixture.len(),
            options.oversampling,
        )?;
        let covariance = ScatteringCovariance::new(transform, CoefficientSet::Cov)?;
        let mut work = Workspace::new(&covariance, 0);
        let mut measure = |snippets: &[Vec<f64>]| -> Result<_, Error> {
            let mut all = Vec::with_capacity(snippets.len());
            for snippet in snippets {
                work.analyze_own(covariance.transform(), snippet);
                covariance.measure_layers(&work.layers, &mut work.phi)?;
                all.push(work.phi.clone());
            }
            let scales = natural_scales(covariance.paths(), &all, &all);
            Ok((all, scales))
        };
        let (background, own) = measure(&clusters.background)?;
        let (source, mut scales) = measure(&clusters.source)?;
        // Snippets of the source hold a remainder of the background in octaves that the source leaves empty; without
        // a floor these octaves would have the largest weights.
        for (scale, own) in scales.iter_mut().zip(&own) {
            *scale = scale.max(LEAKAGE / options.std_floor.max(f64::MIN_POSITIVE) * own);
        }
        let floor = options.std_floor;
        let clusters = [
            Reference::new(background, &own, floor),
            Reference::new(source, &scales, floor),
        ];
        Ok(Self {
            mixture,
            clusters,
            tether: Tether::new(mixture, anchor, filter),
            workspaces: Mutex::new(vec![work]),
            covariance,
        })
    }

    /// Sets the weight of the tether.
    pub fn tethered(mut self, strength: f64) -> Self {
        self.tether.strength = strength;
        self
    }

    /// Minimises the objective from `start` `(T,)` in at most `iterations` iterations.
    ///
    /// # Errors
    /// [`Error::Optimizer`].
    pub fn find(&self, start: &[f64], iterations: usize, scale: f64) -> Result<Vec<f64>, Error> {
        let optimizer = Lbfgs {
            max_iterations: iterations,
            memory: 10,
            scale,
        };
        let minimum = optimizer.minimize(self, start, &mut |_| ControlFlow::Continue(()))?;
        Ok(minimum.point)
    }

    /// Mean squared distance of Phi(signal) from those of a cluster, in its deviations, with the gradient added.
    fn term(
        &self,
        signal: &[f64],
        cluster: &Reference,
        work: &mut Workspace,
        gradient: Option<&mut [f64]>,
    ) -> f64 {
        let transform = self.covariance.transform();
        work.analyze_own(transform, signal);
        let done = self.covariance.measure_layers(&work.layers, &mut work.phi);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
        let n = work.phi.len() as f64;
        let sum: f64 = cluster
            .samples
            .iter()
            .map(|sample| distance(&work.phi, sample, &cluster.weights))
            .sum();
        if let Some(gradient) = gradient {
            let means = cluster.spread.mean();
            for ((phi, mean), w) in work.phi.iter_mut().zip(means).zip(&cluster.weights) {
                *phi = (*phi - mean) * (2.0 * w / n);
            }
            work.d_layers.clear();
            let done =
                self.covariance
                    .measure_layers_adjoint(&work.layers, &work.phi, &mut work.d_layers);
            debug_assert!(done.is_ok(), "buffers are sized by the plan");
            work.backpropagate_own(transform, false, gradient);
        }
        sum / (cluster.samples.len() as f64 * n)
    }
}

impl<'a> Tether<'a> {
    fn new(mixture: &[f64], anchor: &[f64], filter: &'a Filter<'a>) -> Self {
        let observed = powers(&filter.transform.analyze(mixture));
        let [background, source] = filter.shares(&observed);
        let mut weights: Vec<Vec<f64>> = background
            .iter()
            .zip(&source)
            // Posterior variance of a cell, v w / (v + w): where it is small, the window determines the background.
            .map(|(v, w)| v.iter().zip(w).map(|(v, w)| v * w / (v + w)).collect())
            .collect();
        let cells: usize = weights.iter().map(Vec::len).sum();
        let mean = weights.iter().flatten().sum::<f64>() / cells as f64;
        // Both halves of the spectrum are used, so the mean is over twice as many cells.
        for weight in weights.iter_mut().flatten() {
            *weight =
                0.5 / (weight.max(LEAST_VARIANCE * mean).max(f64::MIN_POSITIVE) * cells as f64);
        }
        Self {
            filter,
            anchor: anchor.to_vec(),
            weights,
            strength: 0.0,
        }
    }

    fn evaluate(&self, at: &[f64], gradient: Option<&mut [f64]>) -> f64 {
        let moved: Vec<f64> = at.iter().zip(&self.anchor).map(|(n, a)| n - a).collect();
        let mut cells: Cells = self.filter.transform.analyze(&moved);
        let mut sum = 0.0;
        for (cells, weights) in cells.iter_mut().zip(&self.weights) {
            let last = cells.len() - 1;
            for (f, (cell, weight)) in cells.iter_mut().zip(weights).enumerate() {
                // The bins at 0 and half the sampling rate have no mirror image.
                let twice = if f == 0 || f == last { 1.0 } else { 2.0 };
                sum += twice * weight * cell.norm_sqr();
                *cell *= *weight;
            }
        }
        if let Some(gradient) = gradient {
            self.filter
                .transform
                .add_adjoint(cells, 2.0 * self.strength, gradient);
        }
        sum
    }
}

impl Objective for Realisation<'_> {
    type Terms = Parts;

    fn n_samples(&self) -> usize {
        self.mixture.len()
    }

    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> Parts {
        let spare = self.workspaces.lock().ok().and_then(|mut w| w.pop());
        let mut work = spare.unwrap_or_else(|| Workspace::new(&self.covariance, 0));
        let source: Vec<f64> = self.mixture.iter().zip(point).map(|(x, n)| x - n).collect();
        let [own, other] = &self.clusters;
        let parts = if let Some(gradient) = gradient {
            let mut of_source = vec![0.0; point.len()];
            gradient.fill(0.0);
            let parts = Parts {
                background: self.term(point, own, &mut work, Some(gradient)),
                source: self.term(&source, other, &mut work, Some(&mut of_source)),
                tether: self.tether.evaluate(point, Some(gradient)),
            };
            gradient
                .iter_mut()
                .zip(&of_source)
                // The source is x - n, so its gradient has the opposite sign.
                .for_each(|(g, s)| *g -= s);
            parts
        } else {
            Parts {
                background: self.term(point, own, &mut work, None),
                source: self.term(&source, other, &mut work, None),
                tether: self.tether.evaluate(point, None),
            }
        };
        if let Ok(mut spare) = self.workspaces.lock() {
            spare.push(work);
        }
        parts
    }

    fn loss(&self, parts: &Parts) -> f64 {
        parts.background + parts.source + self.tether.strength * parts.tether
    }
}
