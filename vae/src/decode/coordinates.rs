//! Coefficients of one channel as numbers that may be averaged and added to.
//!
//! With `G_j2` the matrix of mean products of `W_j2 x` and of every `W_j2 |W_j1 x|`, whose entries are `ps_j2`, `phaseenv`
//! and `envelope`: logarithms of the power spectrum, of `spars^2` and of the diagonal of `envelope` over the power of their
//! wavelet, of `scat^2` over that diagonal; the other entries of `G_j2` divided by the roots of their diagonal; and `mean`
//! over the root of the low-pass's power. So all but the first are free of amplitude.
//!
//! Back from there, a set of numbers becomes one that a signal could have: squares of means do not exceed means of squares,
//! and every `G_j2` is brought to the nearest positive semi-definite one by clipping its eigenvalues.

use std::collections::BTreeMap;
use std::fmt;

use nalgebra::{Complex, DMatrix, SymmetricEigen};

use crate::inputs::{CoefficientKind, CoefficientTable, InputsError};

/// Least ratio of energies: below, it is rounding.
const LEAST_RATIO: f64 = 1e-12;
/// Largest mean in roots of the low-pass's power: a record far off zero holds nothing else in its low-pass.
const LARGEST_MEAN: f64 = 1.0 - 1e-9;

/// Logarithm of the power of a channel without any: the least that single precision holds.
const SILENCE: f64 = -87.0;

/// What a coordinate describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoordinateKind {
    /// `ln ps_j`.
    Power,
    /// `ln (spars_j^2 / ps_j)`.
    Sparsity,
    /// The inverse hyperbolic tangent of `mean / sqrt(ps_J)`.
    Mean,
    /// `ln (scat^2 / envelope)`.
    Scattering,
    /// `ln (envelope(j1,j1,j2) / ps_j1)`.
    EnvelopeEnergy,
    /// `phaseenv` over the roots of the energies it correlates, real or imaginary part.
    PhaseEnvelope,
    /// `envelope` of two different wavelets over the roots of their energies, real or imaginary part.
    EnvelopeProduct,
}

impl CoordinateKind {
    /// All kinds, in order.
    pub const ALL: [Self; 7] = [
        Self::Power,
        Self::Sparsity,
        Self::Mean,
        Self::Scattering,
        Self::EnvelopeEnergy,
        Self::PhaseEnvelope,
        Self::EnvelopeProduct,
    ];
}

impl fmt::Display for CoordinateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Power => "ln ps",
            Self::Sparsity => "ln spars^2/ps",
            Self::Mean => "mean/sqrt(ps)",
            Self::Scattering => "ln scat^2/env",
            Self::EnvelopeEnergy => "ln env/ps",
            Self::PhaseEnvelope => "phaseenv",
            Self::EnvelopeProduct => "envelope",
        })
    }
}

/// Where a row of the table goes.
#[derive(Debug, Clone, Copy)]
enum Place {
    Power,
    Sparsity {
        power: usize,
    },
    Mean {
        power: usize,
    },
    Scattering {
        node: usize,
    },
    Energy {
        power: usize,
    },
    /// Entry of a matrix, lower than its diagonal or above it.
    Product {
        left: usize,
        right: usize,
    },
}

/// A signal of the second layer: `W_j2 x`, or `W_j2 |W_j1 x|`.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Row of the table that holds its energy.
    row: usize,
    matrix: usize,
    /// Place in its matrix.
    place: usize,
}

/// How the coefficients of a table become coordinates and back.
#[derive(Debug, Clone)]
pub struct Coordinates {
    n_rows: usize,
    /// Rows in an order in which each is computed from earlier ones: power, energies, the rest.
    order: Vec<usize>,
    places: Vec<Place>,
    real: Vec<bool>,
    nodes: Vec<Node>,
    matrix_sizes: Vec<usize>,
    /// First coordinate of each row.
    first: Vec<usize>,
    kinds: Vec<CoordinateKind>,
    /// Row of each coordinate.
    rows: Vec<usize>,
}

impl Coordinates {
    /// Of a `scat+cov` table.
    ///
    /// # Errors
    /// [`InputsError::Table`] as in [`CoefficientTable::energy_rows`], or if a product has no energies in the table.
    pub fn plan(table: &CoefficientTable) -> Result<Self, InputsError> {
        let power = table.energy_rows()?.power;
        let missing = |row: usize| InputsError::Table {
            what: format!("has no row with an energy that row {row} is a product of"),
        };
        let band = |j: i32, row: usize| {
            let found = usize::try_from(j).ok().and_then(|j| power.get(j));
            found.copied().ok_or_else(|| missing(row))
        };
        // Matrices by j2; nodes by (j2, j1), with j1 = -1 for the record itself.
        let mut nodes = Vec::new();
        let mut known: BTreeMap<(i32, i32), usize> = BTreeMap::new();
        let mut matrices: BTreeMap<i32, usize> = BTreeMap::new();
        let mut matrix_sizes: Vec<usize> = Vec::new();
        let mut add = |j2: i32, j1: i32, row: usize| {
            if known.contains_key(&(j2, j1)) {
                return;
            }
            let matrix = *matrices.entry(j2).or_insert_with(|| {
                matrix_sizes.push(0);
                matrix_sizes.len() - 1
            });
            let place = matrix_sizes[matrix];
            matrix_sizes[matrix] += 1;
            known.insert((j2, j1), nodes.len());
            nodes.push(Node { row, matrix, place });
        };
        for (index, row) in table.rows.iter().enumerate() {
            match row.kind {
                CoefficientKind::PhaseEnv => add(row.j2, -1, band(row.j1_left, index)?),
                CoefficientKind::Envelope if row.j1_left == row.j1_right => {
                    add(row.j2, row.j1_left, index);
                }
                _ => {}
            }
        }
        let node = |j2: i32, j1: i32, row: usize| {
            known.get(&(j2, j1)).copied().ok_or_else(|| missing(row))
        };
        let mut places = Vec::new();
        let mut kinds = Vec::new();
        let (mut first, mut rows) = (Vec::new(), Vec::new());
        for (index, row) in table.rows.iter().enumerate() {
            let (place, kind) = match row.kind {
                CoefficientKind::PowerSpectrum if row.j1_left == row.j1_right => {
                    (Place::Power, CoordinateKind::Power)
                }
                CoefficientKind::PowerSpectrum => {
                    return Err(InputsError::Table {
                        what: format!("holds a product of two channels or wavelets in row {index}"),
                    });
                }
                CoefficientKind::Sparsity => {
                    let power = band(row.j1_left, index)?;
                    (Place::Sparsity { power }, CoordinateKind::Sparsity)
                }
                CoefficientKind::Mean => {
                    let power = band(row.j1_left, index)?;
                    (Place::Mean { power }, CoordinateKind::Mean)
                }
                CoefficientKind::Scattering => {
                    let node = node(row.j2, row.j1_left, index)?;
                    (Place::Scattering { node }, CoordinateKind::Scattering)
                }
                CoefficientKind::Envelope if row.j1_left == row.j1_right => {
                    let power = band(row.j1_left, index)?;
                    (Place::Energy { power }, CoordinateKind::EnvelopeEnergy)
                }
                CoefficientKind::Envelope => {
                    let left = node(row.j2, row.j1_left, index)?;
                    let right = node(row.j2, row.j1_right, index)?;
                    (
                        Place::Product { left, right },
                        CoordinateKind::EnvelopeProduct,
                    )
                }
                CoefficientKind::PhaseEnv => {
                    let left = node(row.j2, -1, index)?;
                    let right = node(row.j2, row.j1_right, index)?;
                    (
                        Place::Product { left, right },
                        CoordinateKind::PhaseEnvelope,
                    )
                }
            };
            first.push(kinds.len());
            let parts = match place {
                Place::Product { .. } if !row.real => 2,
                _ => 1,
            };
            for _ in 0..parts {
                kinds.push(kind);
                rows.push(index);
            }
            places.push(place);
        }
        let rank = |row: &usize| match places[*row] {
            Place::Power => 0,
            Place::Energy { .. } => 1,
            _ => 2,
        };
        let mut order: Vec<usize> = (0..table.len()).collect();
        order.sort_by_key(rank);
        Ok(Self {
            n_rows: table.len(),
            order,
            places,
            real: table.rows.iter().map(|row| row.real).collect(),
            nodes,
            matrix_sizes,
            first,
            kinds,
            rows,
        })
    }

    /// Number of coordinates of a channel.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Never true for a table that was accepted.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// What each coordinate describes.
    pub fn kinds(&self) -> &[CoordinateKind] {
        &self.kinds
    }

    /// Row of the table that each coordinate belongs to.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The first coordinate of a row: the only one, or the real part.
    pub fn of_row(&self, row: usize) -> usize {
        self.first[row]
    }

    /// Coordinates of coefficients in the order of the table; `None` for a band without power, or of another length.
    pub fn encode(&self, coefficients: &[Complex<f64>]) -> Option<Vec<f64>> {
        if coefficients.len() != self.n_rows {
            return None;
        }
        let mut out = vec![0.0; self.len()];
        for (row, place) in self.places.iter().enumerate() {
            let value = coefficients[row];
            let out = &mut out[self.first[row]..];
            match *place {
                Place::Power => out[0] = positive(value.re)?.ln(),
                Place::Sparsity { power } => {
                    let ratio = value.re.powi(2) / positive(coefficients[power].re)?;
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Place::Mean { power } => {
                    let ratio = value.re / positive(coefficients[power].re)?.sqrt();
                    out[0] = ratio.clamp(-LARGEST_MEAN, LARGEST_MEAN).atanh();
                }
                Place::Energy { power } => {
                    let ratio = value.re / positive(coefficients[power].re)?;
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Place::Scattering { node } => {
                    let energy = coefficients[self.nodes[node].row].re;
                    let ratio = if energy > 0.0 {
                        value.re.powi(2) / energy
                    } else {
                        0.0
                    };
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Place::Product { left, right } => {
                    let energy = |node: usize| coefficients[self.nodes[node].row].re.max(0.0);
                    let scale = (energy(left) * energy(right)).sqrt();
                    let ratio = if scale > 0.0 {
                        value / scale
                    } else {
                        Complex::default()
                    };
                    out[0] = ratio.re;
                    if !self.real[row] {
                        out[1] = ratio.im;
                    }
                }
            }
        }
        out.iter().all(|v| v.is_finite()).then_some(out)
    }

    /// Coordinates of a channel without signal; [`decode`](Self::decode) makes zeros of them.
    pub fn silence(&self) -> Vec<f64> {
        let of = |kind: &CoordinateKind| match kind {
            CoordinateKind::Power => SILENCE,
            _ => 0.0,
        };
        self.kinds.iter().map(of).collect()
    }

    /// The coefficients, in the order of the table, that are nearest to these coordinates and that a signal could have.
    ///
    /// Back from [`encode`](Self::encode) they are the same, up to what grids of finite step have taken from them.
    pub fn decode(&self, coordinates: &[f64]) -> Vec<Complex<f64>> {
        debug_assert_eq!(coordinates.len(), self.len());
        let mut out = vec![Complex::default(); self.n_rows];
        let products = self.products(coordinates);
        for &row in &self.order {
            let at = coordinates[self.first[row]];
            out[row] = match self.places[row] {
                Place::Power if at < SILENCE + 1.0 => Complex::default(),
                Place::Power => at.exp().into(),
                Place::Sparsity { power } => (out[power].re * at.min(0.0).exp()).sqrt().into(),
                Place::Mean { power } => (out[power].re.sqrt() * at.tanh()).into(),
                Place::Energy { power } => (out[power].re * at.exp()).into(),
                Place::Scattering { node } => {
                    let energy = out[self.nodes[node].row].re;
                    (energy * at.min(0.0).exp()).sqrt().into()
                }
                Place::Product { left, right } => {
                    let [left, right] = [left, right].map(|node| self.nodes[node]);
                    let scale = (out[left.row].re * out[right.row].re).sqrt();
                    let product = products[left.matrix][(left.place, right.place)] * scale;
                    if self.real[row] {
                        product.re.into()
                    } else {
                        product
                    }
                }
            };
        }
        out
    }

    /// The normalised matrices, positive semi-definite with a diagonal of 1.
    fn products(&self, coordinates: &[f64]) -> Vec<DMatrix<Complex<f64>>> {
        let mut matrices: Vec<DMatrix<Complex<f64>>> = self
            .matrix_sizes
            .iter()
            .map(|&n| DMatrix::identity(n, n))
            .collect();
        for (row, place) in self.places.iter().enumerate() {
            if let Place::Product { left, right } = *place {
                let [left, right] = [left, right].map(|node| self.nodes[node]);
                let at = self.first[row];
                let im = if self.real[row] {
                    0.0
                } else {
                    coordinates[at + 1]
                };
                let value = Complex::new(coordinates[at], im);
                matrices[left.matrix][(left.place, right.place)] = value;
                matrices[left.matrix][(right.place, left.place)] = value.conj();
            }
        }
        matrices.into_iter().map(semi_definite).collect()
    }
}

fn positive(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// A Hermitian matrix with its negative eigenvalues clipped and its diagonal brought back to 1.
fn semi_definite(matrix: DMatrix<Complex<f64>>) -> DMatrix<Complex<f64>> {
    let n = matrix.nrows();
    if n < 2 || !matrix.iter().all(|z| z.re.is_finite() && z.im.is_finite()) {
        return DMatrix::identity(n, n);
    }
    let solved = SymmetricEigen::new(matrix.clone());
    if solved.eigenvalues.iter().all(|value| *value >= 0.0) {
        return matrix;
    }
    let mut scaled = solved.eigenvectors.clone();
    for (mut column, value) in scaled.column_iter_mut().zip(&solved.eigenvalues) {
        column *= Complex::from(value.max(0.0));
    }
    let clipped = scaled * solved.eigenvectors.adjoint();
    // A row that is all noise would be divided by nothing.
    let root: Vec<f64> = (0..n)
        .map(|i| clipped[(i, i)].re.max(1e-9).sqrt())
        .collect();
    DMatrix::from_fn(n, n, |i, j| {
        if i == j {
            Complex::from(1.0)
        } else {
            clipped[(i, j)] / (root[i] * root[j])
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
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
                    CoefficientKind::Mean => Complex::from(-0.3),
                    CoefficientKind::Scattering => modulus(&signal(row.j1_left, row.j2)),
                    CoefficientKind::PowerSpectrum => {
                        let x = signal(-1, row.j1_left);
                        product(&x, &x)
                    }
                    CoefficientKind::PhaseEnv => {
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
                // The low-pass's matrix is real here but was made of complex signals: it stays semi-definite.
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
            let is = |r: &crate::inputs::CoefficientRow| {
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
                CoefficientKind::PhaseEnv => {
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
}
