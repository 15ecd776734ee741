use super::*;
use crate::noise::{NoiseKey, Purpose};

fn noise(n: usize, step: usize) -> Vec<f64> {
    let key = NoiseKey {
        seed: 3,
        epoch: 0,
        step,
        purpose: Purpose::Latent,
        scale: 0,
    };
    key.normal(n).into_iter().map(f64::from).collect()
}

/// Coefficients that some signals have: every matrix is a mean of products, every mean of moduli that of a signal.
fn coefficients(table: &CoefficientTable) -> Vec<Complex<f64>> {
    let samples = 40;
    let signal = |j1: i32, j2: i32| -> Vec<Complex<f64>> {
        // Wavelets of the modulus share a part with those of the record, else nothing would be correlated.
        let own = noise(2 * samples, (10 * (j1 + 1) + 100 * j2) as usize);
        let common = noise(2 * samples, 7_000 + j2 as usize);
        let size = (0.5 * f64::from(j1 + 2)).exp2();
        own.chunks(2)
            .zip(common.chunks(2))
            .map(|(a, b)| Complex::new(a[0] + 0.8 * b[0], a[1] + 0.8 * b[1]) * size)
            .collect()
    };
    let product = |a: &[Complex<f64>], b: &[Complex<f64>]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| a * b.conj())
            .sum::<Complex<f64>>()
            / samples as f64
    };
    let modulus = |a: &[Complex<f64>]| {
        Complex::from(a.iter().map(|z| z.norm()).sum::<f64>() / samples as f64)
    };
    table
        .rows
        .iter()
        .map(|row| {
            let value = match row.kind {
                CoefficientKind::Sparsity => modulus(&signal(-1, row.j1_left)),
                CoefficientKind::Mean | CoefficientKind::Raw => Complex::from(-0.3),
                CoefficientKind::Scattering => modulus(&signal(row.j1_left, row.j2)),
                CoefficientKind::PowerSpectrum => {
                    let x = signal(-1, row.j1_left);
                    product(&x, &x)
                }
                CoefficientKind::PhaseEnvelope => {
                    product(&signal(-1, row.j2), &signal(row.j1_right, row.j2))
                }
                CoefficientKind::Envelope => {
                    product(&signal(row.j1_left, row.j2), &signal(row.j1_right, row.j2))
                }
            };
            if row.real { value.re.into() } else { value }
        })
        .collect()
}

#[test]
fn coefficients_survive_the_way_there_and_back() {
    for octaves in [2, 5] {
        let table = CoefficientTable::scat_cov(octaves);
        let plan = Coordinates::plan(&table).unwrap();
        let wanted = coefficients(&table);
        let found = plan.decode(&plan.encode(&wanted).unwrap());
        for (row, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            // The low-pass's matrix is real here but was made of complex signals: it remains semi-definite.
            assert!(
                (wanted - found).norm() < 1e-9 * wanted.norm(),
                "row {row} {:?}: {wanted} {found}",
                table.rows[row]
            );
        }
    }
}

#[test]
fn all_but_the_power_is_free_of_amplitude() {
    let table = CoefficientTable::scat_cov(4);
    let plan = Coordinates::plan(&table).unwrap();
    let one = coefficients(&table);
    let scaled: Vec<Complex<f64>> = one
        .iter()
        .zip(&table.rows)
        .map(|(value, row)| match row.kind {
            CoefficientKind::Sparsity | CoefficientKind::Mean | CoefficientKind::Scattering => {
                value * 1e-3
            }
            _ => value * 1e-6,
        })
        .collect();
    let [a, b] = [&one, &scaled].map(|c| plan.encode(c).unwrap());
    for ((a, b), kind) in a.iter().zip(&b).zip(plan.kinds()) {
        let moved = if *kind == CoordinateKind::Power {
            1e-6_f64.ln()
        } else {
            0.0
        };
        assert!((b - a - moved).abs() < 1e-9, "{kind}: {a} {b}");
    }
}

#[test]
fn what_no_signal_has_becomes_what_one_could() {
    let table = CoefficientTable::scat_cov(5);
    let plan = Coordinates::plan(&table).unwrap();
    let mut coordinates = plan.encode(&coefficients(&table)).unwrap();
    for (value, extra) in coordinates.iter_mut().zip(noise(plan.len(), 1)) {
        *value += extra;
    }
    let found = plan.decode(&coordinates);
    let row = |kind, left, right, j2| {
        let is = |r: &CoefficientRow| {
            r.kind == kind && r.j1_left == left && r.j1_right == right && (j2 < 0 || r.j2 == j2)
        };
        found[table.rows.iter().position(is).unwrap()]
    };
    let mut clipped = 0;
    for r in &table.rows {
        match r.kind {
            CoefficientKind::Sparsity => {
                let power = row(CoefficientKind::PowerSpectrum, r.j1_left, r.j1_left, -1).re;
                let value = row(r.kind, r.j1_left, -1, -1).re;
                assert!(value.powi(2) <= power * (1.0 + 1e-9));
            }
            CoefficientKind::Envelope if r.j1_left != r.j1_right => {
                let energy = |j: i32| row(r.kind, j, j, r.j2).re;
                let value = row(r.kind, r.j1_left, r.j1_right, r.j2).norm_sqr();
                let bound = energy(r.j1_left) * energy(r.j1_right);
                assert!(value <= bound * (1.0 + 1e-9));
                clipped += 1;
            }
            CoefficientKind::PhaseEnvelope => {
                let power = row(CoefficientKind::PowerSpectrum, r.j2, r.j2, -1).re;
                let energy = row(CoefficientKind::Envelope, r.j1_right, r.j1_right, r.j2).re;
                let value = row(r.kind, r.j1_left, r.j1_right, r.j2).norm_sqr();
                assert!(value <= power * energy * (1.0 + 1e-9));
            }
            _ => {}
        }
    }
    assert!(clipped > 0);
    assert!(found.iter().all(|z| z.re.is_finite() && z.im.is_finite()));
    let unbounded = plan.decode(&vec![f64::NAN; plan.len()]);
    assert_eq!(unbounded.len(), table.len(), "no panic for a damaged file");
}

#[test]
fn silence_has_no_coordinates() {
    let table = CoefficientTable::scat_cov(3);
    let plan = Coordinates::plan(&table).unwrap();
    assert!(
        plan.encode(&vec![Complex::default(); table.len()])
            .is_none()
    );
    assert!(plan.encode(&[]).is_none());
    let mut flat = coefficients(&table);
    for (value, row) in flat.iter_mut().zip(&table.rows) {
        if row.kind == CoefficientKind::Envelope {
            *value = Complex::default();
        }
    }
    let found = plan.encode(&flat).unwrap();
    assert!(found.iter().all(|v| v.is_finite()));
    let silent = plan.decode(&plan.silence());
    assert!(silent.iter().all(|z| z.norm() == 0.0));
}
