//! Coordinates without bounds that describe the coefficients of one channel, so that they may be averaged and added to.
//!
//! With `G_j2` the matrix of mean products of `W_j2 x` and of every `W_j2 |W_j1 x|`, whose entries are `ps_j2`,
//! `phaseenv` and `envelope`: logarithms of the power spectrum, of `spars^2` and of the diagonal of `envelope` over
//! the power of their wavelet, of `scat^2` over that diagonal; the other entries of `G_j2` divided by the roots of
//! their diagonal; and `mean` over the root of the low-pass's power. So all but the first are free of amplitude.
//!
//! Decoded, any coordinates become coefficients that a signal could have: squares of means do not exceed means of
//! squares, and every `G_j2` is brought to the nearest positive semi-definite one by clipping its eigenvalues.

use std::collections::BTreeMap;
use std::fmt;

use nalgebra::{Complex, DMatrix, SymmetricEigen};

use crate::features::{CoefficientKind, CoefficientRow, CoefficientTable, InputsError};

/// Least ratio of energies; smaller ones are rounding.
const LEAST_RATIO: f64 = 1e-12;
/// Largest mean in roots of the low-pass's power: atanh of 1 is infinite, and a record far from zero reaches it.
const LARGEST_MEAN: f64 = 1.0 - 1e-9;

/// Logarithm of the power of a silent channel: the least that single precision holds.
const SILENCE: f64 = -87.0;

/// Kind of a coordinate.
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

/// Use of a row of the table.
#[derive(Debug, Clone, Copy)]
enum Role {
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
    /// Row and column in its matrix.
    index: usize,
}

/// Map between the coefficients of a table and coordinates.
#[derive(Debug, Clone)]
pub struct Coordinates {
    n_rows: usize,
    /// Rows in an order in which each is computed from earlier ones: power, energies, the rest.
    order: Vec<usize>,
    roles: Vec<Role>,
    real: Vec<bool>,
    nodes: Vec<Node>,
    matrix_sizes: Vec<usize>,
    /// First coordinate of each row.
    first: Vec<usize>,
    kinds: Vec<CoordinateKind>,
    /// Row of each coordinate.
    rows: Vec<usize>,
}

/// Second-layer signals of a table, and the roles of its rows.
struct Planner {
    /// Power-spectrum rows by wavelet.
    power: Vec<usize>,
    nodes: Vec<Node>,
    /// Nodes by (j2, j1), with j1 = -1 for the record itself.
    known: BTreeMap<(i32, i32), usize>,
    matrix_sizes: Vec<usize>,
}

impl Planner {
    fn new(table: &CoefficientTable) -> Result<Self, InputsError> {
        let mut planner = Self {
            power: table.energy_rows()?.power,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            matrix_sizes: Vec::new(),
        };
        // One matrix a j2, numbered in the order of the table.
        let mut matrices: BTreeMap<i32, usize> = BTreeMap::new();
        for (index, row) in table.rows.iter().enumerate() {
            let (j1, energy) = match row.kind {
                CoefficientKind::PhaseEnvelope => (-1, planner.band(row.j1_left, index)?),
                CoefficientKind::Envelope if row.j1_left == row.j1_right => (row.j1_left, index),
                _ => continue,
            };
            if planner.known.contains_key(&(row.j2, j1)) {
                continue;
            }
            let next = matrices.len();
            let matrix = *matrices.entry(row.j2).or_insert(next);
            planner.matrix_sizes.resize(matrices.len(), 0);
            planner.known.insert((row.j2, j1), planner.nodes.len());
            planner.nodes.push(Node {
                row: energy,
                matrix,
                index: planner.matrix_sizes[matrix],
            });
            planner.matrix_sizes[matrix] += 1;
        }
        Ok(planner)
    }

    /// Power-spectrum row of wavelet `j`, which row `row` refers to.
    fn band(&self, j: i32, row: usize) -> Result<usize, InputsError> {
        let found = usize::try_from(j).ok().and_then(|j| self.power.get(j));
        found.copied().ok_or_else(|| Self::missing(row))
    }

    fn node(&self, j2: i32, j1: i32, row: usize) -> Result<usize, InputsError> {
        let found = self.known.get(&(j2, j1));
        found.copied().ok_or_else(|| Self::missing(row))
    }

    fn missing(row: usize) -> InputsError {
        InputsError::Table {
            what: format!("has no row with an energy that row {row} is a product of"),
        }
    }

    fn role(
        &self,
        index: usize,
        row: &CoefficientRow,
    ) -> Result<(Role, CoordinateKind), InputsError> {
        let power = || self.band(row.j1_left, index);
        let node = |j1: i32| self.node(row.j2, j1, index);
        let diagonal = row.j1_left == row.j1_right;
        Ok(match row.kind {
            CoefficientKind::PowerSpectrum if diagonal => (Role::Power, CoordinateKind::Power),
            CoefficientKind::PowerSpectrum => {
                return Err(InputsError::Table {
                    what: format!("holds a product of two channels or wavelets in row {index}"),
                });
            }
            CoefficientKind::Raw => {
                return Err(InputsError::Table {
                    what: format!("holds a series without an average in row {index}"),
                });
            }
            CoefficientKind::Sparsity => {
                (Role::Sparsity { power: power()? }, CoordinateKind::Sparsity)
            }
            CoefficientKind::Mean => (Role::Mean { power: power()? }, CoordinateKind::Mean),
            CoefficientKind::Scattering => {
                let node = node(row.j1_left)?;
                (Role::Scattering { node }, CoordinateKind::Scattering)
            }
            CoefficientKind::Envelope if diagonal => {
                let power = power()?;
                (Role::Energy { power }, CoordinateKind::EnvelopeEnergy)
            }
            CoefficientKind::Envelope => {
                let (left, right) = (node(row.j1_left)?, node(row.j1_right)?);
                (
                    Role::Product { left, right },
                    CoordinateKind::EnvelopeProduct,
                )
            }
            CoefficientKind::PhaseEnvelope => {
                let (left, right) = (node(-1)?, node(row.j1_right)?);
                (Role::Product { left, right }, CoordinateKind::PhaseEnvelope)
            }
        })
    }
}

impl Coordinates {
    /// Plans the coordinates of a `scat+cov` table.
    ///
    /// # Errors
    /// [`InputsError::Table`] as in [`CoefficientTable::energy_rows`], or if a product has no energies in the table.
    pub fn plan(table: &CoefficientTable) -> Result<Self, InputsError> {
        let planner = Planner::new(table)?;
        let (mut roles, mut kinds) = (Vec::new(), Vec::new());
        let (mut first, mut rows) = (Vec::new(), Vec::new());
        for (index, row) in table.rows.iter().enumerate() {
            let (role, kind) = planner.role(index, row)?;
            let parts = match role {
                Role::Product { .. } if !row.real => 2,
                _ => 1,
            };
            first.push(kinds.len());
            kinds.extend(std::iter::repeat_n(kind, parts));
            rows.extend(std::iter::repeat_n(index, parts));
            roles.push(role);
        }
        let rank = |row: &usize| match roles[*row] {
            Role::Power => 0,
            Role::Energy { .. } => 1,
            _ => 2,
        };
        let mut order: Vec<usize> = (0..table.len()).collect();
        // Stable: rows of equal rank remain in the order of the table.
        order.sort_by_key(rank);
        Ok(Self {
            n_rows: table.len(),
            order,
            roles,
            real: table.rows.iter().map(|row| row.real).collect(),
            nodes: planner.nodes,
            matrix_sizes: planner.matrix_sizes,
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

    /// Kind of each coordinate.
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
        let energy_of = |node: usize| coefficients[self.nodes[node].row].re;
        for (row, role) in self.roles.iter().enumerate() {
            let value = coefficients[row];
            let over = |power: usize| positive(coefficients[power].re);
            let out = &mut out[self.first[row]..];
            // A floor under each ratio: the logarithm of a mean of squares that rounding left at 0 would be infinite.
            let ln_ratio = |ratio: f64| ratio.max(LEAST_RATIO).ln();
            out[0] = match *role {
                Role::Power => positive(value.re)?.ln(),
                Role::Sparsity { power } => ln_ratio(value.re.powi(2) / over(power)?),
                Role::Mean { power } => {
                    let ratio = value.re / over(power)?.sqrt();
                    ratio.clamp(-LARGEST_MEAN, LARGEST_MEAN).atanh()
                }
                Role::Energy { power } => ln_ratio(value.re / over(power)?),
                Role::Scattering { node } => match energy_of(node) {
                    energy if energy > 0.0 => ln_ratio(value.re.powi(2) / energy),
                    _ => ln_ratio(0.0),
                },
                Role::Product { left, right } => {
                    let scale = (energy_of(left).max(0.0) * energy_of(right).max(0.0)).sqrt();
                    let ratio = match scale > 0.0 {
                        true => value / scale,
                        false => Complex::default(),
                    };
                    if !self.real[row] {
                        out[1] = ratio.im;
                    }
                    ratio.re
                }
            };
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

    /// Nearest coefficients to these coordinates that a signal could have, in the order of the table.
    ///
    /// Inverts [`encode`](Self::encode) up to the aliasing of grids of finite step.
    pub fn decode(&self, coordinates: &[f64]) -> Vec<Complex<f64>> {
        debug_assert_eq!(coordinates.len(), self.len());
        let mut out = vec![Complex::default(); self.n_rows];
        let products = self.products(coordinates);
        // Powers first, then energies: each role below reads rows that are already there.
        for &row in &self.order {
            let at = coordinates[self.first[row]];
            out[row] = match self.roles[row] {
                Role::Power if at < SILENCE + 1.0 => Complex::default(),
                Role::Power => at.exp().into(),
                Role::Sparsity { power } => (out[power].re * at.min(0.0).exp()).sqrt().into(),
                Role::Mean { power } => (out[power].re.sqrt() * at.tanh()).into(),
                Role::Energy { power } => (out[power].re * at.exp()).into(),
                Role::Scattering { node } => {
                    let energy = out[self.nodes[node].row].re;
                    (energy * at.min(0.0).exp()).sqrt().into()
                }
                Role::Product { left, right } => {
                    let [left, right] = [left, right].map(|node| self.nodes[node]);
                    let scale = (out[left.row].re * out[right.row].re).sqrt();
                    let product = products[left.matrix][(left.index, right.index)] * scale;
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
        for (row, role) in self.roles.iter().enumerate() {
            if let Role::Product { left, right } = *role {
                let [left, right] = [left, right].map(|node| self.nodes[node]);
                let at = self.first[row];
                // A product that is real by construction has one coordinate only.
                let im = if self.real[row] {
                    0.0
                } else {
                    coordinates[at + 1]
                };
                let value = Complex::new(coordinates[at], im);
                matrices[left.matrix][(left.index, right.index)] = value;
                matrices[left.matrix][(right.index, left.index)] = value.conj();
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
    // An admissible matrix is returned unchanged, not rebuilt with rounding.
    if solved.eigenvalues.iter().all(|value| *value >= 0.0) {
        return matrix;
    }
    let mut scaled = solved.eigenvectors.clone();
    for (mut column, value) in scaled.column_iter_mut().zip(&solved.eigenvalues) {
        column *= Complex::from(value.max(0.0));
    }
    // V max(L, 0) V*: the nearest positive semi-definite matrix in the Frobenius norm.
    let clipped = scaled * solved.eigenvectors.adjoint();
    // A row whose whole energy was clipped would be divided by 0.
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
