//! The separation loss L1 + L2 + L3 and its gradient (arXiv 2301.11981; MATH: section 5).

use std::sync::Mutex;

use rayon::prelude::*;
use seismix_scattering::{
    CoefficientKind, CoefficientSet, Complex, Correlations, Layers, Oversampling,
    ScatteringCovariance, ScatteringPath, TransformScratch,
};

use crate::error::Error;

/// Snippets summed by one task: fixed, so that the order of summation does not depend on the number of threads.
const GROUP: usize = 4;

/// The three terms of the loss: ratios of squared deviations to sampling variance, without unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Terms {
    /// L1 = mean |Phi(n) - Phi(n_k)|^2 / std_k^2: n has the statistics of the background.
    pub background: f64,
    /// L2 = mean |Phi(x) - Phi(x - n + n_k)|^2 / std_k^2: the source plus any background looks like the mixture.
    pub mixture: f64,
    /// L3 = 1/2 mean over both orders of |Phi_x(x - n, n_k)|^2 / std_k^2: the source is independent of the background.
    pub independence: f64,
}

impl Terms {
    /// L = L1 + L2 + L3.
    pub fn loss(&self) -> f64 {
        self.background + self.mixture + self.independence
    }

    /// The three terms in order.
    pub fn to_array(self) -> [f64; 3] {
        [self.background, self.mixture, self.independence]
    }
}

/// How the loss is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectiveOptions {
    /// Octaves J of the transform.
    pub octaves: usize,
    /// Floor under each std_k, relative to the natural scale of its coefficient; 0 is the published loss. Without it
    /// a coefficient that hardly varies over the snippets (the mean of detrended windows) rules the whole sum.
    pub std_floor: f64,
    /// Grids of the transform; 2 times changes a coefficient by 5e-4 of its natural scale, far below its spread.
    pub oversampling: Oversampling,
}

impl ObjectiveOptions {
    /// The published loss: no floor.
    pub fn paper(octaves: usize) -> Self {
        Self {
            octaves,
            std_floor: 0.0,
            oversampling: Oversampling::Exact,
        }
    }

    /// The loss for records: std_k is at least 1 % of the coefficient's natural scale.
    pub fn floored(octaves: usize) -> Self {
        Self {
            octaves,
            std_floor: 1e-2,
            oversampling: Oversampling::Times(2),
        }
    }
}

/// The loss as a function of the background n `(T,)`, for a mixture and snippets in one unit.
///
/// Everything that does not depend on n is computed once, when it is built.
pub struct ScatteringObjective {
    covariance: ScatteringCovariance<f64>,
    correlations: Correlations,
    mixture: Vec<f64>,
    phi_mixture: Vec<Complex<f64>>,
    phi_snippets: Vec<Vec<Complex<f64>>>,
    /// Layers of each snippet, its moduli centred before the second layer.
    snippets: Vec<Layers<f64>>,
    weight_background: Vec<f64>,
    weight_mixture: Vec<f64>,
    weight_source_first: Vec<f64>,
    weight_snippet_first: Vec<f64>,
    workspaces: Mutex<Vec<Workspace>>,
}

/// What one task works in.
struct Workspace {
    layers: Layers<f64>,
    d_layers: Layers<f64>,
    spectrum: Vec<f64>,
    accumulator: Vec<f64>,
    phi: Vec<Complex<f64>>,
    cross: Vec<Complex<f64>>,
    transform: TransformScratch<f64>,
}

/// What a group of snippets adds.
struct GroupSum {
    mixture: f64,
    independence: f64,
    d_source: Option<Layers<f64>>,
}

impl ScatteringObjective {
    /// Builds the loss for `mixture` `(T,)` and `snippets`, R of `(T,)`.
    ///
    /// # Errors
    /// [`Error::TooFewSnippets`], [`Error::SnippetLength`], [`Error::NotFinite`], or what the transform refuses.
    pub fn new(
        mixture: &[f64],
        snippets: &[Vec<f64>],
        options: ObjectiveOptions,
    ) -> Result<Self, Error> {
        check_input(mixture, snippets)?;
        let covariance = ScatteringCovariance::plan(mixture.len())
            .octaves(options.octaves)
            .coefficients(CoefficientSet::Cov)
            .oversampling(options.oversampling)
            .check()?;
        let correlations = Correlations::new(options.octaves);
        let transform = covariance.transform();
        let mut work = Workspace::new(&covariance, &correlations);

        let mut phi_mixture = covariance.make_output();
        let mut mixture_centered = Layers::new(transform);
        work.analyze(transform, &mut mixture_centered, mixture, false);
        covariance.measure_layers(&mixture_centered, &mut phi_mixture)?;
        mixture_centered.analyze_second(transform, true, &mut work.spectrum, &mut work.transform);

        let mut phi_snippets = Vec::with_capacity(snippets.len());
        let mut phi_sums = Vec::with_capacity(snippets.len());
        let mut source_first = Vec::with_capacity(snippets.len());
        let mut snippet_first = Vec::with_capacity(snippets.len());
        let mut layers_of_snippets = Vec::with_capacity(snippets.len());
        for snippet in snippets {
            let mut layers = Layers::new(transform);
            work.analyze(transform, &mut layers, snippet, false);
            let mut phi = covariance.make_output();
            covariance.measure_layers(&layers, &mut phi)?;
            layers.analyze_second(transform, true, &mut work.spectrum, &mut work.transform);
            for (left, right, to) in [
                (&mixture_centered, &layers, &mut source_first),
                (&layers, &mixture_centered, &mut snippet_first),
            ] {
                let mut cross = vec![Complex::new(0.0, 0.0); correlations.len()];
                correlations.process(transform, left, right, &mut cross);
                to.push(cross);
            }
            let sum: Vec<f64> = mixture.iter().zip(snippet).map(|(x, n)| x + n).collect();
            work.analyze_own(transform, &sum);
            covariance.measure_layers(&work.layers, &mut work.phi)?;
            phi_sums.push(work.phi.clone());
            phi_snippets.push(phi);
            layers_of_snippets.push(layers);
        }
        let paths = covariance.paths();
        let products = &paths[options.octaves + 1..];
        let scale_background = natural_scales(paths, &phi_snippets, &phi_snippets);
        let scale_sum = natural_scales(paths, &phi_sums, &phi_sums);
        let mixture_alone = [phi_mixture.clone()];
        let scale_source_first =
            &natural_scales(paths, &mixture_alone, &phi_snippets)[options.octaves + 1..];
        let scale_snippet_first =
            &natural_scales(paths, &phi_snippets, &mixture_alone)[options.octaves + 1..];
        debug_assert_eq!(products.len(), correlations.len());
        Ok(Self {
            weight_background: weights(&phi_snippets, &scale_background, options.std_floor),
            weight_mixture: weights(&phi_sums, &scale_sum, options.std_floor),
            weight_source_first: weights(&source_first, scale_source_first, options.std_floor),
            weight_snippet_first: weights(&snippet_first, scale_snippet_first, options.std_floor),
            mixture: mixture.to_vec(),
            phi_mixture,
            phi_snippets,
            snippets: layers_of_snippets,
            workspaces: Mutex::new(vec![work]),
            covariance,
            correlations,
        })
    }

    /// Samples T of the window.
    pub fn n_samples(&self) -> usize {
        self.mixture.len()
    }

    /// The terms at `background`, and, where `gradient` `(T,)` is given, the gradient of their sum.
    pub fn evaluate(&self, background: &[f64], gradient: Option<&mut [f64]>) -> Terms {
        self.evaluate_weighted(background, [1.0; 3], gradient)
    }

    /// As [`evaluate`](Self::evaluate), with the gradient of `weights[0] L1 + weights[1] L2 + weights[2] L3`; the
    /// terms themselves are not weighted.
    pub fn evaluate_weighted(
        &self,
        background: &[f64],
        weights: [f64; 3],
        gradient: Option<&mut [f64]>,
    ) -> Terms {
        let with_gradient = gradient.is_some();
        let n = self.n_samples();
        let mut work = self.take_workspace();
        let transform = self.covariance.transform();
        let mut total = vec![0.0; if with_gradient { n } else { 0 }];

        // L1: the background's own statistics.
        work.analyze_own(transform, background);
        self.measure(&work.layers, &mut work.phi);
        let background_term = self.background_term(&work.phi);
        if with_gradient && weights[0] != 0.0 {
            self.background_gradient(weights[0], &mut work.phi);
            work.d_layers.clear();
            self.measure_adjoint(&work.layers, &work.phi, &mut work.d_layers);
            work.backpropagate_own(transform, false, &mut total);
        }

        // L2 and L3 share the layers of the source.
        let source: Vec<f64> = self
            .mixture
            .iter()
            .zip(background)
            .map(|(x, n)| x - n)
            .collect();
        let mut source_layers = Layers::new(transform);
        work.analyze(transform, &mut source_layers, &source, true);
        let groups: Vec<GroupSum> = (0..self.snippets.len().div_ceil(GROUP))
            .into_par_iter()
            .map(|group| self.group_sum(group, &source_layers, weights, with_gradient))
            .collect();
        let mut terms = Terms {
            background: background_term,
            mixture: 0.0,
            independence: 0.0,
        };
        let mut d_source: Option<Layers<f64>> = None;
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
            work.layers = source_layers;
            work.d_layers = d_source;
            let mut through_source = vec![0.0; n];
            work.backpropagate_own(transform, true, &mut through_source);
            for ((to, own), source) in gradient.iter_mut().zip(&total).zip(&through_source) {
                *to = own - source;
            }
        }
        self.return_workspace(work);
        terms
    }

    /// L1 of each snippet against all the others: what L1 is at the true background, a signal of the same kind that
    /// the snippets have not seen.
    pub fn background_term_of_snippets(&self) -> Vec<f64> {
        let n = self.phi_snippets.len();
        (0..n)
            .map(|k| {
                let others = self
                    .phi_snippets
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != k);
                let sum: f64 = others
                    .map(|(_, phi)| distance(&self.phi_snippets[k], phi, &self.weight_background))
                    .sum();
                sum / ((n - 1) * self.weight_background.len()) as f64
            })
            .collect()
    }

    fn background_term(&self, phi: &[Complex<f64>]) -> f64 {
        let sum: f64 = self
            .phi_snippets
            .iter()
            .map(|snippet| distance(phi, snippet, &self.weight_background))
            .sum();
        sum / (self.phi_snippets.len() * phi.len()) as f64
    }

    /// Gradient of L1 with respect to Phi(n), in place of Phi(n).
    fn background_gradient(&self, weight: f64, phi: &mut [Complex<f64>]) {
        let scale = 2.0 * weight / (self.phi_snippets.len() * phi.len()) as f64;
        for (i, phi) in phi.iter_mut().enumerate() {
            let sum: Complex<f64> = self
                .phi_snippets
                .iter()
                .map(|snippet| *phi - snippet[i])
                .sum();
            *phi = sum * (scale * self.weight_background[i]);
        }
    }

    /// L2 and L3 over one group of snippets, with their gradients with respect to the layers of the source.
    fn group_sum(
        &self,
        group: usize,
        source: &Layers<f64>,
        weights: [f64; 3],
        with_gradient: bool,
    ) -> GroupSum {
        let mut work = self.take_workspace();
        let transform = self.covariance.transform();
        let n_snippets = self.snippets.len();
        let members = group * GROUP..((group + 1) * GROUP).min(n_snippets);
        let per_mixture = 1.0 / (n_snippets * self.phi_mixture.len()) as f64;
        let per_cross = 0.5 / (n_snippets * self.correlations.len()) as f64;
        let mut sum = GroupSum {
            mixture: 0.0,
            independence: 0.0,
            d_source: with_gradient.then(|| Layers::new(transform)),
        };
        for snippet in &self.snippets[members] {
            work.layers.set_first_to_sum(source, snippet);
            work.layers
                .analyze_second(transform, false, &mut work.spectrum, &mut work.transform);
            self.measure(&work.layers, &mut work.phi);
            sum.mixture +=
                per_mixture * distance(&work.phi, &self.phi_mixture, &self.weight_mixture);
            if let Some(d_source) = sum.d_source.as_mut().filter(|_| weights[1] != 0.0) {
                for ((phi, target), weight) in work
                    .phi
                    .iter_mut()
                    .zip(&self.phi_mixture)
                    .zip(&self.weight_mixture)
                {
                    *phi = (*phi - target) * (2.0 * weights[1] * per_mixture * weight);
                }
                work.d_layers.clear();
                self.measure_adjoint(&work.layers, &work.phi, &mut work.d_layers);
                work.d_layers.backpropagate_second(
                    transform,
                    false,
                    &mut work.accumulator,
                    &mut work.transform,
                );
                work.d_layers.backpropagate_modulus(&work.layers);
                d_source.add_first(&work.d_layers);
            }
            for source_is_left in [true, false] {
                let weight = if source_is_left {
                    &self.weight_source_first
                } else {
                    &self.weight_snippet_first
                };
                let (left, right) = if source_is_left {
                    (source, snippet)
                } else {
                    (snippet, source)
                };
                self.correlations
                    .process(transform, left, right, &mut work.cross);
                let size: f64 = work
                    .cross
                    .iter()
                    .zip(weight)
                    .map(|(z, w)| z.norm_sqr() * w)
                    .sum();
                sum.independence += per_cross * size;
                if let Some(d_source) = sum.d_source.as_mut().filter(|_| weights[2] != 0.0) {
                    for (z, w) in work.cross.iter_mut().zip(weight) {
                        *z *= 2.0 * weights[2] * per_cross * w;
                    }
                    let (d_left, d_right) = if source_is_left {
                        (Some(d_source), None)
                    } else {
                        (None, Some(d_source))
                    };
                    self.correlations
                        .adjoint(transform, left, right, &work.cross, d_left, d_right);
                }
            }
        }
        self.return_workspace(work);
        sum
    }

    fn measure(&self, layers: &Layers<f64>, phi: &mut [Complex<f64>]) {
        let done = self.covariance.measure_layers(layers, phi);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
    }

    fn measure_adjoint(
        &self,
        layers: &Layers<f64>,
        d_phi: &[Complex<f64>],
        d_layers: &mut Layers<f64>,
    ) {
        let done = self
            .covariance
            .measure_layers_adjoint(layers, d_phi, d_layers);
        debug_assert!(done.is_ok(), "buffers are sized by the plan");
    }

    fn take_workspace(&self) -> Workspace {
        let spare = self
            .workspaces
            .lock()
            .ok()
            .and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Workspace::new(&self.covariance, &self.correlations))
    }

    fn return_workspace(&self, work: Workspace) {
        if let Ok(mut spare) = self.workspaces.lock() {
            spare.push(work);
        }
    }
}

impl Workspace {
    fn new(covariance: &ScatteringCovariance<f64>, correlations: &Correlations) -> Self {
        let transform = covariance.transform();
        Self {
            layers: Layers::new(transform),
            d_layers: Layers::new(transform),
            spectrum: transform.make_spectrum(),
            accumulator: transform.make_spectrum(),
            phi: covariance.make_output(),
            cross: vec![Complex::new(0.0, 0.0); correlations.len()],
            transform: transform.make_scratch(),
        }
    }

    fn analyze(
        &mut self,
        transform: &seismix_scattering::WaveletTransform<f64>,
        layers: &mut Layers<f64>,
        signal: &[f64],
        center: bool,
    ) {
        layers.analyze_first(transform, signal, &mut self.spectrum, &mut self.transform);
        layers.analyze_second(transform, center, &mut self.spectrum, &mut self.transform);
    }

    fn analyze_own(
        &mut self,
        transform: &seismix_scattering::WaveletTransform<f64>,
        signal: &[f64],
    ) {
        self.layers
            .analyze_first(transform, signal, &mut self.spectrum, &mut self.transform);
        self.layers
            .analyze_second(transform, false, &mut self.spectrum, &mut self.transform);
    }

    /// From gradients of the layers (`d_layers`) of the signal behind `layers` to its samples: adds to `gradient`.
    fn backpropagate_own(
        &mut self,
        transform: &seismix_scattering::WaveletTransform<f64>,
        center: bool,
        gradient: &mut [f64],
    ) {
        self.d_layers.backpropagate_second(
            transform,
            center,
            &mut self.accumulator,
            &mut self.transform,
        );
        self.d_layers.backpropagate_modulus(&self.layers);
        self.d_layers.backpropagate_first(
            transform,
            gradient,
            &mut self.accumulator,
            &mut self.transform,
        );
    }
}

fn check_input(mixture: &[f64], snippets: &[Vec<f64>]) -> Result<(), Error> {
    if snippets.len() < 2 {
        return Err(Error::TooFewSnippets {
            found: snippets.len(),
        });
    }
    let not_finite = |what: String, signal: &[f64]| match signal.iter().position(|v| !v.is_finite())
    {
        Some(index) => Err(Error::NotFinite { what, index }),
        None => Ok(()),
    };
    not_finite("the mixture".into(), mixture)?;
    for (index, snippet) in snippets.iter().enumerate() {
        if snippet.len() != mixture.len() {
            return Err(Error::SnippetLength {
                index,
                found: snippet.len(),
                expected: mixture.len(),
            });
        }
        not_finite(format!("snippet {index}"), snippet)?;
    }
    Ok(())
}

/// sum_i w_i |a_i - b_i|^2.
fn distance(a: &[Complex<f64>], b: &[Complex<f64>], weights: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .zip(weights)
        .map(|((a, b), w)| (a - b).norm_sqr() * w)
        .sum()
}

/// 1 / max(std_k, floor)^2 of each coefficient, std_k the complex standard deviation with R - 1; 0 where it is 0.
fn weights(samples: &[Vec<Complex<f64>>], natural_scale: &[f64], floor: f64) -> Vec<f64> {
    let n = samples.len() as f64;
    (0..samples[0].len())
        .map(|i| {
            let mean = samples.iter().map(|z| z[i]).sum::<Complex<f64>>() / n;
            let variance = samples
                .iter()
                .map(|z| (z[i] - mean).norm_sqr())
                .sum::<f64>()
                / (n - 1.0);
            let variance = variance.max((floor * natural_scale[i]).powi(2));
            if variance > 0.0 { 1.0 / variance } else { 0.0 }
        })
        .collect()
}

/// Natural scale of each coefficient: the root of the two energies that it correlates, averaged over the samples.
/// For the first-order ones, the root of the band's power.
fn natural_scales(
    paths: &[ScatteringPath],
    left: &[Vec<Complex<f64>>],
    right: &[Vec<Complex<f64>>],
) -> Vec<f64> {
    let average = |samples: &[Vec<Complex<f64>>], k: usize| {
        samples.iter().map(|phi| phi[k].re.abs()).sum::<f64>() / samples.len() as f64
    };
    let power = |samples: &[Vec<Complex<f64>>], j: usize| {
        let at = paths
            .iter()
            .position(|p| p.kind == CoefficientKind::PowerSpectrum && p.j1_left == j);
        at.map_or(0.0, |k| average(samples, k))
    };
    let envelope = |samples: &[Vec<Complex<f64>>], j1: usize, j2: Option<usize>| {
        let at = paths.iter().position(|p| {
            p.kind == CoefficientKind::Envelope
                && p.j1_left == j1
                && p.j1_right == Some(j1)
                && p.j2 == j2
        });
        at.map_or(0.0, |k| average(samples, k))
    };
    paths
        .iter()
        .map(|path| {
            let right_scale = path.j1_right.unwrap_or(path.j1_left);
            match path.kind {
                CoefficientKind::PhaseEnvelope => {
                    (power(left, path.j1_left) * envelope(right, right_scale, path.j2)).sqrt()
                }
                CoefficientKind::Envelope => (envelope(left, path.j1_left, path.j2)
                    * envelope(right, right_scale, path.j2))
                .sqrt(),
                CoefficientKind::PowerSpectrum => {
                    (power(left, path.j1_left) * power(right, right_scale)).sqrt()
                }
                _ => power(left, path.j1_left).sqrt(),
            }
        })
        .collect()
}
