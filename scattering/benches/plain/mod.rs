//! `scat+cov` as the definition has it: everything at full rate, one complex FFT of the padded window for each filter,
//! each modulus padded again. The same FFT library, nothing else in common.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner};
use seismix_scattering::{Complex, FilterBank, Real, Wavelet};

pub struct PlainPlan<F: Real> {
    octaves: usize,
    filters: Vec<Vec<F>>,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    scratch: Vec<Complex<F>>,
}

impl<F: Real> PlainPlan<F> {
    pub fn new(window: usize, octaves: usize) -> Self {
        let n = 2 * window;
        let bank = FilterBank::<F>::new(Wavelet::BattleLemarie, octaves, n).unwrap();
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(n), planner.plan_fft_inverse(n));
        let scale = F::one() / F::of(n as f64);
        let zero = Complex::new(F::zero(), F::zero());
        Self {
            octaves,
            filters: (0..=octaves)
                .map(|j| (0..n).map(|k| bank.value(j, k) * scale).collect())
                .collect(),
            scratch: vec![zero; forward.get_inplace_scratch_len()],
            forward,
            inverse,
        }
    }

    fn spectrum(&mut self, x: &[F]) -> Vec<Complex<F>> {
        let padded = x.iter().chain(x.iter().rev());
        let mut z: Vec<Complex<F>> = padded.map(|&x| Complex::new(x, F::zero())).collect();
        self.forward.process_with_scratch(&mut z, &mut self.scratch);
        z
    }

    fn filter(&mut self, spectrum: &[Complex<F>], j: usize) -> Vec<Complex<F>> {
        let filtered = spectrum.iter().zip(&self.filters[j]);
        let mut z: Vec<Complex<F>> = filtered.map(|(z, psi)| z * psi).collect();
        self.inverse.process_with_scratch(&mut z, &mut self.scratch);
        z.truncate(spectrum.len() / 2);
        z
    }

    pub fn process(&mut self, x: &[F]) -> Vec<Complex<F>> {
        let spectrum = self.spectrum(x);
        let first: Vec<_> = (0..=self.octaves)
            .map(|j| self.filter(&spectrum, j))
            .collect();
        let real = |value: F| Complex::new(value, F::zero());
        let mean_modulus =
            |z: &[Complex<F>]| real(z.iter().map(|z| z.norm()).sum::<F>() / F::of(z.len() as f64));
        let mut out: Vec<Complex<F>> = first[..self.octaves]
            .iter()
            .map(|z| mean_modulus(z))
            .collect();
        out.push(mean(&first[self.octaves], None));
        out.extend(first.iter().map(|z| mean(z, Some(z))));
        let mut second: Vec<Vec<Vec<Complex<F>>>> = vec![Vec::new(); self.octaves + 1];
        for (j1, first) in first[..self.octaves].iter().enumerate() {
            let modulus: Vec<F> = first.iter().map(|z| z.norm()).collect();
            let spectrum = self.spectrum(&modulus);
            for (j2, second) in second.iter_mut().enumerate().skip(j1 + 1) {
                second.push(self.filter(&spectrum, j2));
            }
        }
        for (j2, rows) in second.iter().enumerate() {
            for (j1, row) in rows.iter().enumerate() {
                out.push(mean_modulus(row));
                out.push(mean(&first[j2], Some(row)));
                out.extend(rows[..=j1].iter().map(|right| mean(row, Some(right))));
            }
        }
        out
    }

    pub fn ffts_alone(&mut self) {
        let zero = Complex::new(F::zero(), F::zero());
        let mut z = vec![zero; self.filters[0].len()];
        let inverse = (self.octaves + 1) * (self.octaves + 2) / 2 + self.octaves;
        for _ in 0..=self.octaves {
            self.forward.process_with_scratch(&mut z, &mut self.scratch);
        }
        for _ in self.octaves..inverse {
            self.inverse.process_with_scratch(&mut z, &mut self.scratch);
        }
    }
}

/// Mean over time of a, or of a conj(b).
fn mean<F: Real>(a: &[Complex<F>], b: Option<&Vec<Complex<F>>>) -> Complex<F> {
    let sum: Complex<F> = match b {
        None => a.iter().sum(),
        Some(b) => a.iter().zip(b).map(|(a, b)| a * b.conj()).sum(),
    };
    sum / F::of(a.len() as f64)
}
