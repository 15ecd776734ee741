//! Temporal whitening: the directions of feature space that change least between windows that share no sample.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::matrix::symmetric_eigen;
use super::{InputsOptions, Projection, ScaleRole};

/// Slow-feature projection of whitened components (Wiskott and Sejnowski 2002).
///
/// `whitened`: `(window, component)`, of unit covariance over training rows; `pairs`: training rows one window length
/// apart in one segment. W is half the covariance of their differences: 1 where neighbours are independent, 0 where
/// nothing changes. The eigenvectors of W + `slow_ridge` I with the smallest eigenvalues are kept; at the largest scale
/// they are scaled so that their change, not their variance, is one.
pub(super) fn slow_features(
    whitened: ArrayView2<'_, f64>,
    pairs: &[(usize, usize)],
    role: ScaleRole,
    options: &InputsOptions,
) -> Projection {
    // Clusters of the largest scale are long states: unit change gives the slowest directions the largest weight. At
    // middle scales that would hide bursts, so unit variance is used there.
    let (components, unit_change) = match role {
        ScaleRole::Largest => (options.largest_slow, true),
        ScaleRole::Middle | ScaleRole::Finest => (options.middle_slow, false),
    };
    let n = whitened.ncols();
    let mut change = Array2::<f64>::zeros((n, n));
    // A fixed number of parts, added in order: the sum must not depend on the number of threads.
    let chunk = pairs.len().div_ceil(64).max(1);
    let partial: Vec<Array2<f64>> = pairs
        .par_chunks(chunk)
        .map(|pairs| {
            let mut differences = Array2::<f64>::zeros((pairs.len(), n));
            for (&(earlier, later), mut row) in pairs.iter().zip(differences.outer_iter_mut()) {
                row.assign(&(&whitened.row(later) - &whitened.row(earlier)));
            }
            differences.t().dot(&differences)
        })
        .collect();
    for part in &partial {
        change += part;
    }
    change /= 2.0 * pairs.len().max(1) as f64;
    // The ridge bounds the weight of directions that few pairs make look constant.
    let ridge = options.slow_ridge;
    change.diag_mut().mapv_inplace(|value| value + ridge);
    let (values, vectors) = symmetric_eigen(change.view());
    let scale = |k: usize| match unit_change {
        true => values[k].max(ridge).sqrt().recip(),
        false => 1.0,
    };
    let chosen = (0..components.min(n)).map(|k| (k, scale(k)));
    // Whitened components have zero mean over training rows.
    Projection::of_columns(vec![0.0; n], &vectors, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn the_slow_direction_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        // Column 2 keeps its value for 20 rows, the others change at each.
        let mut held = 0.0;
        let rows = Array2::from_shape_fn((2000, 4), |(row, k)| {
            if k == 2 && row % 20 == 0 {
                held = rng.random::<f64>() - 0.5;
            }
            (if k == 2 {
                held
            } else {
                rng.random::<f64>() - 0.5
            }) * 12f64.sqrt()
        });
        let pairs: Vec<_> = (1..2000).map(|later| (later - 1, later)).collect();
        let options = InputsOptions {
            middle_slow: 1,
            ..InputsOptions::default()
        };
        let slow = slow_features(rows.view(), &pairs, ScaleRole::Middle, &options);
        assert!(slow.map[[2, 0]].abs() > 0.99, "{:?}", slow.map);
    }
}
