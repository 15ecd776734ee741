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

use crate::features::{CoefficientKind, CoefficientTable, InputsError};

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
enum Backend {
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
    /// Backend in its matrix.
    place: usize,
}

/// How the coefficients of a table become coordinates and back.
#[derive(Debug, Clone)]
pub struct Coordinates {
    n_rows: usize,
    /// Rows in an order in which each is computed from earlier ones: power, energies, the rest.
    order: Vec<usize>,
    places: Vec<Backend>,
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
                    (Backend::Power, CoordinateKind::Power)
                }
                CoefficientKind::PowerSpectrum => {
                    return Err(InputsError::Table {
                        what: format!("holds a product of two channels or wavelets in row {index}"),
                    });
                }
                CoefficientKind::Sparsity => {
                    let power = band(row.j1_left, index)?;
                    (Backend::Sparsity { power }, CoordinateKind::Sparsity)
                }
                CoefficientKind::Mean => {
                    let power = band(row.j1_left, index)?;
                    (Backend::Mean { power }, CoordinateKind::Mean)
                }
                CoefficientKind::Scattering => {
                    let node = node(row.j2, row.j1_left, index)?;
                    (Backend::Scattering { node }, CoordinateKind::Scattering)
                }
                CoefficientKind::Envelope if row.j1_left == row.j1_right => {
                    let power = band(row.j1_left, index)?;
                    (Backend::Energy { power }, CoordinateKind::EnvelopeEnergy)
                }
                CoefficientKind::Envelope => {
                    let left = node(row.j2, row.j1_left, index)?;
                    let right = node(row.j2, row.j1_right, index)?;
                    (
                        Backend::Product { left, right },
                        CoordinateKind::EnvelopeProduct,
                    )
                }
                CoefficientKind::PhaseEnv => {
                    let left = node(row.j2, -1, index)?;
                    let right = node(row.j2, row.j1_right, index)?;
                    (
                        Backend::Product { left, right },
                        CoordinateKind::PhaseEnvelope,
                    )
                }
            };
            first.push(kinds.len());
            let parts = match place {
                Backend::Product { .. } if !row.real => 2,
                _ => 1,
            };
            for _ in 0..parts {
                kinds.push(kind);
                rows.push(index);
            }
            places.push(place);
        }
        let rank = |row: &usize| match places[*row] {
            Backend::Power => 0,
            Backend::Energy { .. } => 1,
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
                Backend::Power => out[0] = positive(value.re)?.ln(),
                Backend::Sparsity { power } => {
                    let ratio = value.re.powi(2) / positive(coefficients[power].re)?;
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Backend::Mean { power } => {
                    let ratio = value.re / positive(coefficients[power].re)?.sqrt();
                    out[0] = ratio.clamp(-LARGEST_MEAN, LARGEST_MEAN).atanh();
                }
                Backend::Energy { power } => {
                    let ratio = value.re / positive(coefficients[power].re)?;
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Backend::Scattering { node } => {
                    let energy = coefficients[self.nodes[node].row].re;
                    let ratio = if energy > 0.0 {
                        value.re.powi(2) / energy
                    } else {
                        0.0
                    };
                    out[0] = ratio.max(LEAST_RATIO).ln();
                }
                Backend::Product { left, right } => {
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
                Backend::Power if at < SILENCE + 1.0 => Complex::default(),
                Backend::Power => at.exp().into(),
                Backend::Sparsity { power } => (out[power].re * at.min(0.0).exp()).sqrt().into(),
                Backend::Mean { power } => (out[power].re.sqrt() * at.tanh()).into(),
                Backend::Energy { power } => (out[power].re * at.exp()).into(),
                Backend::Scattering { node } => {
                    let energy = out[self.nodes[node].row].re;
                    (energy * at.min(0.0).exp()).sqrt().into()
                }
                Backend::Product { left, right } => {
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
            if let Backend::Product { left, right } = *place {
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
mod tests;
