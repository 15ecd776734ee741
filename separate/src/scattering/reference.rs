//! Reference of a term: one coefficient vector per snippet, and the weights from their spread.

use seismix_scattering::Complex;

use crate::scattering::spread::Spread;

/// R coefficient vectors and the weights that their spread gives.
pub(crate) struct Reference {
    /// R of K.
    pub samples: Vec<Vec<Complex<f64>>>,
    /// Mean and variance over the samples.
    pub spread: Spread,
    /// 1 / std_k^2.
    pub weights: Vec<f64>,
}

impl Reference {
    /// With deviations of at least `floor` times the natural scale.
    pub fn new(samples: Vec<Vec<Complex<f64>>>, natural_scale: &[f64], floor: f64) -> Self {
        let spread = Spread::new(&samples, natural_scale, floor);
        let weights = spread.weights();
        Self {
            samples,
            spread,
            weights,
        }
    }

    /// The weights from all samples but one.
    pub fn weights_without(&self, left_out: usize) -> Vec<f64> {
        self.spread.weights_without(&self.samples[left_out])
    }
}
