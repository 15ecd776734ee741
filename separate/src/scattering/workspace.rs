//! Buffers that one task works in.

use seismix_scattering::{
    Complex, Layers, Real, ScatteringCovariance, TransformScratch, WaveletTransform,
};

/// Layers of one signal with their gradients, coefficients, and the transform's scratch.
pub(crate) struct Workspace<F: Real = f64> {
    pub layers: Layers<F>,
    pub d_layers: Layers<F>,
    pub phi: Vec<Complex<F>>,
    pub cross: Vec<Complex<F>>,
    spectrum: Vec<F>,
    accumulator: Vec<F>,
    transform: TransformScratch<F>,
}

impl<F: Real> Workspace<F> {
    /// With room for `n_crosses` cross covariances.
    pub fn new(covariance: &ScatteringCovariance<F>, n_crosses: usize) -> Self {
        let transform = covariance.transform();
        Self {
            layers: Layers::new(transform),
            d_layers: Layers::new(transform),
            spectrum: transform.make_spectrum(),
            accumulator: transform.make_spectrum(),
            phi: covariance.make_output(),
            cross: vec![Complex::new(F::zero(), F::zero()); n_crosses],
            transform: transform.make_scratch(),
        }
    }

    /// Both layers of `signal` into `layers`; with `center`, moduli lose their mean before the second.
    pub fn analyze(
        &mut self,
        transform: &WaveletTransform<F>,
        layers: &mut Layers<F>,
        signal: &[F],
        center: bool,
    ) {
        layers.analyze_first(transform, signal, &mut self.spectrum, &mut self.transform);
        self.analyze_second(transform, layers, center);
    }

    /// The second layer of `layers` from their first.
    pub fn analyze_second(
        &mut self,
        transform: &WaveletTransform<F>,
        layers: &mut Layers<F>,
        center: bool,
    ) {
        layers.analyze_second(transform, center, &mut self.spectrum, &mut self.transform);
    }

    /// Both layers of `signal` into the workspace's own.
    pub fn analyze_own(&mut self, transform: &WaveletTransform<F>, signal: &[F]) {
        self.layers
            .analyze_first(transform, signal, &mut self.spectrum, &mut self.transform);
        self.analyze_second_own(transform);
    }

    /// The second layer of the workspace's own layers from their first.
    pub fn analyze_second_own(&mut self, transform: &WaveletTransform<F>) {
        self.layers
            .analyze_second(transform, false, &mut self.spectrum, &mut self.transform);
    }

    /// From gradients of the own layers to those of the first layer, all in `d_layers`.
    pub fn backpropagate_to_first(&mut self, transform: &WaveletTransform<F>) {
        self.backpropagate_second(transform, false);
    }

    /// From gradients of the own layers (`d_layers`) to those of the signal behind them: adds to `gradient`.
    pub fn backpropagate_own(
        &mut self,
        transform: &WaveletTransform<F>,
        center: bool,
        gradient: &mut [F],
    ) {
        self.backpropagate_second(transform, center);
        self.d_layers.backpropagate_first(
            transform,
            gradient,
            &mut self.accumulator,
            &mut self.transform,
        );
    }

    fn backpropagate_second(&mut self, transform: &WaveletTransform<F>, center: bool) {
        self.d_layers.backpropagate_second(
            transform,
            center,
            &mut self.accumulator,
            &mut self.transform,
        );
        self.d_layers.backpropagate_modulus(&self.layers);
    }
}
