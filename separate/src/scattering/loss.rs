//! The separation loss L1 + L2 + L3 and its gradient (arXiv 2301.11981; MATH: section 5).

use std::sync::Mutex;

use rayon::prelude::*;
use seismix_scattering::{
    CoefficientSet, Complex, Correlations, Layers, Real, ScatteringCovariance, Wavelet,
    WaveletTransform,
};

use crate::channel::check_channel;
use crate::error::Error;
use crate::scattering::optimize::Objective;
use crate::scattering::reference::Reference;
use crate::scattering::spread::{distance, double, doubles, narrow, natural_scales, size};
use crate::scattering::terms::{ObjectiveOptions, ObjectiveTerms};
use crate::scattering::workspace::Workspace;

/// Snippets that one task sums.
// Fixed, so that the order of summation does not depend on the number of threads.
const GROUP: usize = 4;

/// Loss as a function of the background n `(T,)`, for a mixture and snippets in one unit.
///
/// Values that do not depend on n are computed once. Transforms run in `F`; coefficients, and all sums over them, are
/// in double precision.
pub struct ScatteringLoss<F: Real> {
    pub(crate) covariance: ScatteringCovariance<F>,
    pub(crate) correlations: Correlations,
    pub(crate) mixture: Vec<f64>,
    /// Phi(x).
    pub(crate) phi_mixture: Vec<Complex<f64>>,
    /// Layers of each snippet, its moduli centred before the second layer.
    pub(crate) snippets: Vec<Layers<F>>,
    /// Phi(n_k), which L1 compares with and is weighed by.
    pub(crate) background: Reference,
    /// Phi(x + n_k), whose spread weighs L2.
    pub(crate) sums: Reference,
    /// Phi_x(x, n_k) and Phi_x(n_k, x), whose spreads weigh the two orders of L3.
    pub(crate) crosses: [Reference; 2],
    workspaces: Mutex<Vec<Workspace<F>>>,
}

/// Contribution of a group of snippets.
struct GroupSum<F: Real> {
    mixture: f64,
    independence: f64,
    d_source: Option<Layers<F>>,
}

/// The loss in double precision.
pub type ScatteringObjective = ScatteringLoss<f64>;

impl<F: Real> ScatteringLoss<F> {
    /// Builds the loss for `mixture` `(T,)` and `snippets`, R of `(T,)`.
    ///
    /// # Errors
    /// [`Error::TooFewSnippets`], [`Error::SnippetLength`], [`Error::NotFinite`], [`Error::SameSnippets`], or
    /// refusals of the transform.
    pub fn new(
        mixture: &[f64],
        snippets: &[Vec<f64>],
        options: ObjectiveOptions,
    ) -> Result<Self, Error> {
        check_channel(mixture, snippets)?;
        if options.std_floor == 0.0 && snippets.iter().all(|s| *s == snippets[0]) {
            return Err(Error::SameSnippets);
        }
        let transform = WaveletTransform::new(
            Wavelet::default(),
            options.octaves,
            mixture.len(),
            options.oversampling,
        )?;
        let covariance = ScatteringCovariance::new(transform, CoefficientSet::Cov)?;
        let correlations = Correlations::new(options.octaves);
        let transform = covariance.transform();
        let mut work = Workspace::new(&covariance, correlations.len());

        let mut phi_mixture = covariance.make_output();
        let mut mixture_centered = Layers::new(transform);
        let narrow_mixture = numbers(mixture);
        work.analyze(transform, &mut mixture_centered, &narrow_mixture, false);
        covariance.measure_layers(&mixture_centered, &mut phi_mixture)?;
        let phi_mixture = doubles(&phi_mixture);
        // Cross covariances of moduli are about their means; the covariance of one signal is not.
        work.analyze_second(transform, &mut mixture_centered, true);

        let mut phi_snippets = Vec::with_capacity(snippets.len());
        let mut phi_sums = Vec::with_capacity(snippets.len());
        let mut crosses = [Vec::new(), Vec::new()];
        let mut layers_of_snippets = Vec::with_capacity(snippets.len());
        for snippet in snippets {
            let mut layers = Layers::new(transform);
            work.analyze(transform, &mut layers, &numbers(snippet), false);
            covariance.measure_layers(&layers, &mut work.phi)?;
            phi_snippets.push(doubles(&work.phi));
            work.analyze_second(transform, &mut layers, true);
            let orders = [(&mixture_centered, &layers), (&layers, &mixture_centered)];
            for (to, (left, right)) in crosses.iter_mut().zip(orders) {
                correlations.process(transform, left, right, &mut work.cross);
                to.push(doubles(&work.cross));
            }
            // W(x + n_k) = W x + W n_k, so the first layer of a sum needs no transform.
            work.layers.set_first_to_sum(&mixture_centered, &layers);
            work.analyze_second_own(transform);
            covariance.measure_layers(&work.layers, &mut work.phi)?;
            phi_sums.push(doubles(&work.phi));
            layers_of_snippets.push(layers);
        }
        let paths = covariance.paths();
        let floor = options.std_floor;
        let mixture_alone = [phi_mixture.clone()];
        let of_background = natural_scales(paths, &phi_snippets, &phi_snippets);
        let of_sums = natural_scales(paths, &phi_sums, &phi_sums);
        let of_crosses = [
            natural_scales(paths, &mixture_alone, &phi_snippets),
            natural_scales(paths, &phi_snippets, &mixture_alone),
        ];
        // Cross covariances have the products only, without the first-order coefficients.
        let n_first_order = covariance.paths().len() - correlations.len();
        let [first, second] = crosses;
        Ok(Self {
            background: Reference::new(phi_snippets, &of_background, floor),
            sums: Reference::new(phi_sums, &of_sums, floor),
            crosses: [
                Reference::new(first, &of_crosses[0][n_first_order..], floor),
                Reference::new(second, &of_crosses[1][n_first_order..], floor),
            ],
            mixture: mixture.to_vec(),
            phi_mixture,
            snippets: layers_of_snippets,
            workspaces: Mutex::new(vec![work]),
            covariance,
            correlations,
        })
    }

    /// Terms at `background`, and, if `gradient` `(T,)` is given, the gradient of their sum.
    pub fn evaluate(&self, background: &[f64], gradient: Option<&mut [f64]>) -> ObjectiveTerms {
        self.evaluate_weighted(background, [1.0; 3], gradient)
    }

    /// Evaluates the terms with the gradient of `weights[0] L1 + weights[1] L2 + weights[2] L3`.
    ///
    /// The terms themselves are not weighted.
    pub fn evaluate_weighted(
        &self,
        background: &[f64],
        weights: [f64; 3],
        gradient: Option<&mut [f64]>,
    ) -> ObjectiveTerms {
        let with_gradient = gradient.is_some();
        let mut work = self.take_workspace();
        let transform = self.covariance.transform();
        let mut total = vec![F::zero(); if with_gradient { background.len() } else { 0 }];

        // L1: the background's own statistics.
        work.analyze_own(transform, &numbers(background));
        self.measure(&work.layers, &mut work.phi);
        let background_term = self.background_term(&work.phi);
        if with_gradient && weights[0] != 0.0 {
            self.background_gradient(weights[0], &mut work.phi);
            work.d_layers.clear();
            self.measure_adjoint(&work.layers, &work.phi, &mut work.d_layers);
            work.backpropagate_own(transform, false, &mut total);
        }

        // L2 and L3 share the layers of the source.
        let source = self.source_layers(background, &mut work);
        let groups: Vec<GroupSum<F>> = (0..self.snippets.len().div_ceil(GROUP))
            .into_par_iter()
            .map(|group| self.group_sum(group, &source, weights, with_gradient))
            .collect();
        let mut terms = ObjectiveTerms {
            background: background_term,
            ..ObjectiveTerms::default()
        };
        let mut d_source: Option<Layers<F>> = None;
        for group in groups {
            terms.mixture += group.mixture;
            terms.independence += group.independence;
            match (&mut d_source, group.d_source) {
                (Some(sum), Some(part)) => sum.add(&part),
                (sum @ None, Some(part)) => *sum = Some(part),
                (_, None) => {}
            }
        }
        if let (Some(gradient), Some(d_source)) = (gradient, d_source) {
            work.layers = source;
            work.d_layers = d_source;
            let mut through_source = vec![F::zero(); background.len()];
            work.backpropagate_own(transform, true, &mut through_source);
            for ((to, own), source) in gradient.iter_mut().zip(&total).zip(&through_source) {
                // L2 and L3 depend on the source x - n, whose derivative by n is -1.
                *to = (*own - *source).to_double();
            }
        }
        self.return_workspace(work);
        terms
    }

    /// Layers of the source x - n, its moduli centred before the second layer.
    pub(crate) fn source_layers(&self, background: &[f64], work: &mut Workspace<F>) -> Layers<F> {
        let transform = self.covariance.transform();
        let source: Vec<f64> = self
            .mixture
            .iter()
            .zip(background)
            .map(|(x, n)| x - n)
            .collect();
        let source = numbers(&source);
        let mut layers = Layers::new(transform);
        work.analyze(transform, &mut layers, &source, true);
        layers
    }

    /// Phi(x - n + n_k) into the workspace, from the layers of x - n and n_k.
    pub(crate) fn measure_sum(
        &self,
        source: &Layers<F>,
        snippet: &Layers<F>,
        work: &mut Workspace<F>,
    ) {
        work.layers.set_first_to_sum(source, snippet);
        work.analyze_second_own(self.covariance.transform());
        self.measure(&work.layers, &mut work.phi);
    }

    fn background_term(&self, phi: &[Complex<F>]) -> f64 {
        let sum: f64 = self
            .background
            .samples
            .iter()
            .map(|snippet| distance(phi, snippet, &self.background.weights))
            .sum();
        sum / (self.snippets.len() * phi.len()) as f64
    }

    /// Gradient of L1 with respect to Phi(n), in place of Phi(n).
    fn background_gradient(&self, weight: f64, phi: &mut [Complex<F>]) {
        let scale = 2.0 * weight / phi.len() as f64;
        let means = self.background.spread.mean();
        for ((phi, mean), w) in phi.iter_mut().zip(means).zip(&self.background.weights) {
            // The mean over k of z - z_k is z minus the mean, so one vector serves all snippets.
            *phi = narrow((double(*phi) - mean) * (scale * w));
        }
    }

    /// L2 and L3 over one group of snippets, with their gradients with respect to the layers of the source.
    fn group_sum(
        &self,
        group: usize,
        source: &Layers<F>,
        weights: [f64; 3],
        with_gradient: bool,
    ) -> GroupSum<F> {
        let mut work = self.take_workspace();
        let n_snippets = self.snippets.len();
        let members = group * GROUP..((group + 1) * GROUP).min(n_snippets);
        let per_mixture = 1.0 / (n_snippets * self.phi_mixture.len()) as f64;
        // L3 is the mean of both orders of the cross covariance.
        let per_cross = 0.5 / (n_snippets * self.correlations.len()) as f64;
        let mut sum = GroupSum {
            mixture: 0.0,
            independence: 0.0,
            d_source: with_gradient.then(|| Layers::new(self.covariance.transform())),
        };
        for snippet in &self.snippets[members] {
            self.measure_sum(source, snippet, &mut work);
            sum.mixture += per_mixture * distance(&work.phi, &self.phi_mixture, &self.sums.weights);
            if let Some(d_source) = sum.d_source.as_mut().filter(|_| weights[1] != 0.0) {
                self.add_mixture_gradient(2.0 * weights[1] * per_mixture, &mut work, d_source);
            }
            for (order, reference) in self.crosses.iter().enumerate() {
                let source_is_left = order == 0;
                let (left, right) = if source_is_left {
                    (source, snippet)
                } else {
                    (snippet, source)
                };
                let transform = self.covariance.transform();
                self.correlations
                    .process(transform, left, right, &mut work.cross);
                sum.independence += per_cross * size(&work.cross, &reference.weights);
                if let Some(d_source) = sum.d_source.as_mut().filter(|_| weights[2] != 0.0) {
                    for (z, w) in work.cross.iter_mut().zip(&reference.weights) {
                        *z = narrow(double(*z) * (2.0 * weights[2] * per_cross * w));
                    }
                    let (d_left, d_right) = if source_is_left {
                        (Some(d_source), None)
                    } else {
                        (None, Some(d_source))
                    };
                    let (left, right) = ((left, d_left), (right, d_right));
                    self.correlations
                        .adjoint(transform, left, right, &work.cross);
                }
            }
        }
        self.return_workspace(work);
        sum
    }

    /// Adds the gradient of `scale / 2` times the squared distance of Phi(x - n + n_k), which is in the workspace with
    /// its layers, from Phi(x).
    fn add_mixture_gradient(&self, scale: f64, work: &mut Workspace<F>, d_source: &mut Layers<F>) {
        for ((phi, target), weight) in work
            .phi
            .iter_mut()
            .zip(&self.phi_mixture)
            .zip(&self.sums.weights)
        {
            *phi = narrow((double(*phi) - target) * (scale * weight));
        }
        work.d_layers.clear();
        self.measure_adjoint(&work.layers, &work.phi, &mut work.d_layers);
        work.backpropagate_to_first(self.covariance.transform());
        d_source.add_first(&work.d_layers);
    }

    fn measure(&self, layers: &Layers<F>, phi: &mut [Complex<F>]) {
        let done = self.covariance.measure_layers(layers, phi);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
    }

    fn measure_adjoint(&self, layers: &Layers<F>, d_phi: &[Complex<F>], d_layers: &mut Layers<F>) {
        let done = self
            .covariance
            .measure_layers_adjoint(layers, d_phi, d_layers);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
    }

    pub(crate) fn take_workspace(&self) -> Workspace<F> {
        let spare = self
            .workspaces
            .lock()
            .ok()
            .and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Workspace::new(&self.covariance, self.correlations.len()))
    }

    pub(crate) fn return_workspace(&self, work: Workspace<F>) {
        if let Ok(mut spare) = self.workspaces.lock() {
            spare.push(work);
        }
    }
}

impl<F: Real> Objective for ScatteringLoss<F> {
    type Terms = ObjectiveTerms;

    fn n_samples(&self) -> usize {
        self.mixture.len()
    }

    fn evaluate(&self, point: &[f64], gradient: Option<&mut [f64]>) -> ObjectiveTerms {
        self.evaluate_weighted(point, [1.0; 3], gradient)
    }

    fn loss(&self, terms: &ObjectiveTerms) -> f64 {
        terms.loss()
    }
}

fn numbers<F: Real>(values: &[f64]) -> Vec<F> {
    values.iter().map(|v| F::of(*v)).collect()
}
