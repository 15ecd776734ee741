//! Loss and its gradient by their definition: every signal is transformed for every snippet anew, with complex FFTs
//! of the reflected window.

use std::sync::Arc;

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use seismix_scattering::{FilterBank, Wavelet};

pub struct Naive {
    octaves: usize,
    n_samples: usize,
    filters: Vec<Vec<f64>>,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
    mixture: Vec<f64>,
    snippets: Vec<Vec<f64>>,
    phi_mixture: Vec<Complex64>,
    phi_snippets: Vec<Vec<Complex64>>,
    weights: [Vec<f64>; 4],
    table: Vec<[Row; 2]>,
}

type Rows = Vec<Vec<Complex64>>;

/// Both layers of one signal; the second by pairs (j1, j2) in lexicographic order.
#[derive(Clone)]
struct Layers {
    first: Rows,
    modulus: Vec<Vec<f64>>,
    second: Rows,
}

impl Naive {
    pub fn new(mixture: &[f64], snippets: &[Vec<f64>], octaves: usize) -> Self {
        let n = 2 * mixture.len();
        let bank = FilterBank::<f64>::new(Wavelet::default(), octaves, n).expect("a filter bank");
        let filters = (0..=octaves)
            .map(|j| (0..n).map(|k| bank.value(j, k)).collect())
            .collect();
        let mut planner = FftPlanner::new();
        let mut naive = Self {
            octaves,
            n_samples: mixture.len(),
            filters,
            forward: planner.plan_fft_forward(n),
            inverse: planner.plan_fft_inverse(n),
            mixture: mixture.to_vec(),
            snippets: snippets.to_vec(),
            phi_mixture: Vec::new(),
            phi_snippets: Vec::new(),
            weights: Default::default(),
            table: table(octaves),
        };
        let centered = naive.layers(mixture, true);
        naive.phi_mixture = naive.phi(&naive.layers(mixture, false));
        let mut samples: [Vec<Vec<Complex64>>; 4] = Default::default();
        for snippet in snippets {
            let sum: Vec<f64> = mixture.iter().zip(snippet).map(|(x, n)| x + n).collect();
            let own = naive.layers(snippet, true);
            samples[0].push(naive.phi(&naive.layers(snippet, false)));
            samples[1].push(naive.phi(&naive.layers(&sum, false)));
            samples[2].push(naive.products(&centered, &own));
            samples[3].push(naive.products(&own, &centered));
        }
        naive.weights = samples.each_ref().map(|s| weights(s));
        naive.phi_snippets = std::mem::take(&mut samples[0]);
        naive
    }

    /// Loss and gradient at `background`.
    pub fn evaluate(&self, background: &[f64]) -> ([f64; 3], Vec<f64>) {
        let n_snippets = self.snippets.len() as f64;
        let source: Vec<f64> = self
            .mixture
            .iter()
            .zip(background)
            .map(|(x, n)| x - n)
            .collect();
        let mut terms = [0.0; 3];
        let mut gradient = vec![0.0; background.len()];
        for (snippet, phi_snippet) in self.snippets.iter().zip(&self.phi_snippets) {
            // L1.
            let layers = self.layers(background, false);
            let phi = self.phi(&layers);
            let per = 1.0 / (n_snippets * phi.len() as f64);
            let d: Vec<Complex64> = phi.iter().zip(phi_snippet).map(|(a, b)| a - b).collect();
            terms[0] += per * size(&d, &self.weights[0]);
            let mut back = self.zeros();
            self.phi_adjoint(&layers, &scaled(&d, &self.weights[0], 2.0 * per), &mut back);
            self.layers_adjoint(&layers, back, false, 1.0, &mut gradient);
            // L2.
            let sum: Vec<f64> = source.iter().zip(snippet).map(|(s, n)| s + n).collect();
            let layers = self.layers(&sum, false);
            let phi = self.phi(&layers);
            let d: Vec<Complex64> = phi
                .iter()
                .zip(&self.phi_mixture)
                .map(|(a, b)| a - b)
                .collect();
            terms[1] += per * size(&d, &self.weights[1]);
            let mut back = self.zeros();
            self.phi_adjoint(&layers, &scaled(&d, &self.weights[1], 2.0 * per), &mut back);
            self.layers_adjoint(&layers, back, false, -1.0, &mut gradient);
            // L3.
            let of_source = self.layers(&source, true);
            let of_snippet = self.layers(snippet, true);
            let mut back = self.zeros();
            for order in 0..2 {
                let (left, right) = if order == 0 {
                    (&of_source, &of_snippet)
                } else {
                    (&of_snippet, &of_source)
                };
                let cross = self.products(left, right);
                let per = 0.5 / (n_snippets * cross.len() as f64);
                let weights = &self.weights[2 + order];
                terms[2] += per * size(&cross, weights);
                let d = scaled(&cross, weights, 2.0 * per);
                self.products_adjoint(left, right, &d, order == 0, order == 1, &mut back);
            }
            self.layers_adjoint(&of_source, back, true, -1.0, &mut gradient);
        }
        (terms, gradient)
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.octaves).flat_map(|j1| (j1 + 1..=self.octaves).map(move |j2| (j1, j2)))
    }

    fn convolve(&self, signal: &[f64], j: usize) -> Vec<Complex64> {
        let padded = signal.iter().chain(signal.iter().rev());
        let mut z: Vec<Complex64> = padded.map(|v| Complex64::new(*v, 0.0)).collect();
        let n = z.len() as f64;
        self.forward.process(&mut z);
        for (z, filter) in z.iter_mut().zip(&self.filters[j]) {
            *z *= filter / n;
        }
        self.inverse.process(&mut z);
        z.truncate(self.n_samples);
        z
    }

    fn convolve_adjoint(&self, d: &[Complex64], j: usize) -> Vec<f64> {
        let mut z = d.to_vec();
        z.resize(2 * self.n_samples, Complex64::ZERO);
        let n = z.len() as f64;
        self.forward.process(&mut z);
        for (z, filter) in z.iter_mut().zip(&self.filters[j]) {
            *z *= filter / n;
        }
        self.inverse.process(&mut z);
        let n = self.n_samples;
        (0..n).map(|t| z[t].re + z[2 * n - 1 - t].re).collect()
    }

    fn layers(&self, signal: &[f64], center: bool) -> Layers {
        let first: Rows = (0..=self.octaves)
            .map(|j| self.convolve(signal, j))
            .collect();
        let modulus: Vec<Vec<f64>> = first[..self.octaves]
            .iter()
            .map(|row| row.iter().map(|z| z.norm()).collect())
            .collect();
        let second = self
            .pairs()
            .map(|(j1, j2)| {
                let mut u = modulus[j1].clone();
                if center {
                    let mean = u.iter().sum::<f64>() / u.len() as f64;
                    u.iter_mut().for_each(|v| *v -= mean);
                }
                self.convolve(&u, j2)
            })
            .collect();
        Layers {
            first,
            modulus,
            second,
        }
    }

    fn zeros(&self) -> Layers {
        let row = vec![Complex64::ZERO; self.n_samples];
        Layers {
            first: vec![row.clone(); self.octaves + 1],
            modulus: vec![vec![0.0; self.n_samples]; self.octaves],
            second: vec![row; self.pairs().count()],
        }
    }

    fn layers_adjoint(
        &self,
        layers: &Layers,
        mut d: Layers,
        center: bool,
        sign: f64,
        gradient: &mut [f64],
    ) {
        for (pair, (j1, j2)) in self.pairs().enumerate() {
            let mut back = self.convolve_adjoint(&d.second[pair], j2);
            if center {
                let mean = back.iter().sum::<f64>() / back.len() as f64;
                back.iter_mut().for_each(|v| *v -= mean);
            }
            for (to, v) in d.modulus[j1].iter_mut().zip(back) {
                *to += v;
            }
        }
        for j in 0..=self.octaves {
            if j < self.octaves {
                for ((to, z), (u, g)) in d.first[j]
                    .iter_mut()
                    .zip(&layers.first[j])
                    .zip(layers.modulus[j].iter().zip(&d.modulus[j]))
                {
                    if *u > 0.0 {
                        *to += z * (g / u);
                    }
                }
            }
            let back = self.convolve_adjoint(&d.first[j], j);
            for (to, v) in gradient.iter_mut().zip(back) {
                *to += sign * v;
            }
        }
    }

    /// All products of left with conjugate right rows, averaged over time.
    fn products(&self, left: &Layers, right: &Layers) -> Vec<Complex64> {
        let n = self.n_samples as f64;
        self.table
            .iter()
            .map(|[l, r]| {
                let rows = left.row(*l).iter().zip(right.row(*r));
                rows.map(|(a, b)| a * b.conj()).sum::<Complex64>() / n
            })
            .collect()
    }

    fn products_adjoint(
        &self,
        left: &Layers,
        right: &Layers,
        d: &[Complex64],
        to_left: bool,
        to_right: bool,
        back: &mut Layers,
    ) {
        let n = self.n_samples as f64;
        for ([l, r], d) in self.table.iter().zip(d) {
            let d = d / n;
            if to_left {
                for (to, b) in back.row_mut(*l).iter_mut().zip(right.row(*r)) {
                    *to += d * b;
                }
            }
            if to_right {
                for (to, a) in back.row_mut(*r).iter_mut().zip(left.row(*l)) {
                    *to += d.conj() * a;
                }
            }
        }
    }

    /// Mean moduli, mean, and products of a signal with itself.
    fn phi(&self, layers: &Layers) -> Vec<Complex64> {
        let n = self.n_samples as f64;
        let mut phi: Vec<Complex64> = layers
            .modulus
            .iter()
            .map(|u| Complex64::new(u.iter().sum::<f64>() / n, 0.0))
            .collect();
        phi.push(layers.first[self.octaves].iter().sum::<Complex64>() / n);
        phi.extend(self.products(layers, layers));
        phi
    }

    fn phi_adjoint(&self, layers: &Layers, d: &[Complex64], back: &mut Layers) {
        let n = self.n_samples as f64;
        for (u, d) in back.modulus.iter_mut().zip(d) {
            u.iter_mut().for_each(|v| *v += d.re / n);
        }
        for z in &mut back.first[self.octaves] {
            *z += d[self.octaves] / n;
        }
        let products = &d[self.octaves + 1..];
        self.products_adjoint(layers, layers, products, true, true, back);
    }
}

/// A row of the layers.
#[derive(Clone, Copy)]
enum Row {
    First(usize),
    Second(usize),
}

impl Layers {
    fn row(&self, row: Row) -> &[Complex64] {
        match row {
            Row::First(j) => &self.first[j],
            Row::Second(pair) => &self.second[pair],
        }
    }

    fn row_mut(&mut self, row: Row) -> &mut [Complex64] {
        match row {
            Row::First(j) => &mut self.first[j],
            Row::Second(pair) => &mut self.second[pair],
        }
    }
}

/// The products: power spectrum, phase-envelope, envelope. Their order does not matter to the loss.
fn table(octaves: usize) -> Vec<[Row; 2]> {
    let pair = |j1: usize, j2: usize| {
        Row::Second((0..j1).map(|j| octaves - j).sum::<usize>() + j2 - j1 - 1)
    };
    let mut table: Vec<[Row; 2]> = (0..=octaves)
        .map(|j| [Row::First(j), Row::First(j)])
        .collect();
    for j2 in 1..=octaves {
        for j1 in 0..j2 {
            table.push([Row::First(j2), pair(j1, j2)]);
            table.extend((0..=j1).map(|other| [pair(j1, j2), pair(other, j2)]));
        }
    }
    table
}

fn weights(samples: &[Vec<Complex64>]) -> Vec<f64> {
    let n = samples.len() as f64;
    (0..samples[0].len())
        .map(|i| {
            let mean = samples.iter().map(|z| z[i]).sum::<Complex64>() / n;
            let squares: f64 = samples.iter().map(|z| (z[i] - mean).norm_sqr()).sum();
            (n - 1.0) / squares
        })
        .collect()
}

fn size(z: &[Complex64], weights: &[f64]) -> f64 {
    z.iter().zip(weights).map(|(z, w)| z.norm_sqr() * w).sum()
}

fn scaled(z: &[Complex64], weights: &[f64], factor: f64) -> Vec<Complex64> {
    z.iter()
        .zip(weights)
        .map(|(z, w)| z * (w * factor))
        .collect()
}
