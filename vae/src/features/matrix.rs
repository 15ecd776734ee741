//! Storing matrices, and eigenvectors of symmetric ones.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

#[derive(Serialize, Deserialize)]
struct Stored {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

/// `#[serde(with = "matrix")]` for `Array2<f64>`; a file whose shape and length disagree is refused.
pub(crate) fn serialize<S: Serializer>(
    matrix: &Array2<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Stored {
        rows: matrix.nrows(),
        columns: matrix.ncols(),
        values: matrix.iter().copied().collect(),
    }
    .serialize(serializer)
}

/// The reading half of [`serialize`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Array2<f64>, D::Error> {
    let stored = Stored::deserialize(deserializer)?;
    Array2::from_shape_vec((stored.rows, stored.columns), stored.values).map_err(D::Error::custom)
}

/// Eigenvalues in ascending order and eigenvectors as columns.
///
/// Signs are fixed (the entry of largest magnitude, the first of equals, is positive), so that the result does not
/// depend on how the solver walked.
pub(crate) fn symmetric_eigen(matrix: ArrayView2<'_, f64>) -> (Array1<f64>, Array2<f64>) {
    let n = matrix.nrows();
    // Rounding leaves products slightly asymmetric; the solver reads one triangle only.
    let symmetric = DMatrix::from_fn(n, n, |i, j| 0.5 * (matrix[[i, j]] + matrix[[j, i]]));
    let solved = SymmetricEigen::new(symmetric);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| solved.eigenvalues[a].total_cmp(&solved.eigenvalues[b]));
    let values = order.iter().map(|&k| solved.eigenvalues[k]).collect();
    let mut vectors = Array2::zeros((n, n));
    for (column, &k) in order.iter().enumerate() {
        let vector = solved.eigenvectors.column(k);
        let mut largest = 0.0f64;
        for &entry in vector.iter() {
            // The margin keeps the choice of sign from depending on the last bit of two equal entries.
            if entry.abs() > largest.abs() * (1.0 + 1e-9) {
                largest = entry;
            }
        }
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        for (row, &entry) in vector.iter().enumerate() {
            vectors[[row, column]] = sign * entry;
        }
    }
    (values, vectors)
}

/// Mean and covariance (population) of the given rows.
pub(crate) fn covariance(rows: ArrayView2<'_, f64>) -> (Array1<f64>, Array2<f64>) {
    let n = rows.nrows().max(1) as f64;
    let mean = rows.sum_axis(ndarray::Axis(0)) / n;
    let centred = &rows - &mean;
    let covariance = centred.t().dot(&centred) / n;
    (mean, covariance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let matrix = arr2(&[[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 1.0]]);
        let (values, vectors) = symmetric_eigen(matrix.view());
        assert!(values[0] <= values[1] && values[1] <= values[2]);
        let rebuilt = vectors.dot(&Array2::from_diag(&values)).dot(&vectors.t());
        assert!((rebuilt - matrix).iter().all(|d| d.abs() < 1e-12));
    }
}
