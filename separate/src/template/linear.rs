//! Least squares in a few dozen unknowns.

/// Lower triangle of a symmetric positive matrix `(n, n)`, row by row; a pivot that vanishes drops its unknown.
pub(crate) struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

/// A pivot this much below the diagonal is nothing but rounding.
const VANISHING: f64 = 1e-10;

impl Cholesky {
    pub(crate) fn new(matrix: &[f64], n: usize) -> Self {
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = matrix[i * n + j] - dot;
                lower[i * n + j] = if i == j {
                    if rest > VANISHING * matrix[i * n + i] {
                        rest.sqrt()
                    } else {
                        f64::INFINITY
                    }
                } else {
                    rest / lower[j * n + j]
                };
            }
        }
        Self { n, lower }
    }

    /// Solution for one right-hand side.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let n = self.n;
        let mut x = right.to_vec();
        for i in 0..n {
            let dot: f64 = (0..i).map(|k| self.at(i, k) * x[k]).sum();
            x[i] = (x[i] - dot) / self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            let dot: f64 = ((i + 1)..n).map(|k| self.at(k, i) * x[k]).sum();
            x[i] = (x[i] - dot) / self.lower[i * n + i];
        }
        x
    }

    /// The inverse, `(n, n)`.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let n = self.n;
        let mut inverse = vec![0.0; n * n];
        for j in 0..n {
            let unit: Vec<f64> = (0..n).map(|i| if i == j { 1.0 } else { 0.0 }).collect();
            for (i, v) in self.solve(&unit).into_iter().enumerate() {
                inverse[i * n + j] = v;
            }
        }
        inverse
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        let v = self.lower[row * self.n + column];
        if v.is_finite() { v } else { 0.0 }
    }
}

/// Solution of a symmetric Toeplitz system by Levinson's recursion, `first` its first row. `None` if it is not positive.
pub(crate) fn toeplitz(first: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    if n == 0 || first[0].is_nan() || first[0] <= 0.0 {
        return None;
    }
    let mut predictor = vec![1.0];
    let mut error = first[0];
    let mut x = vec![right[0] / first[0]];
    for m in 1..n {
        let dot: f64 = (0..m).map(|i| predictor[i] * first[m - i]).sum();
        let reflection = -dot / error;
        predictor.push(0.0);
        let old = predictor.clone();
        for i in 1..=m {
            predictor[i] = old[i] + reflection * old[m - i];
        }
        error *= 1.0 - reflection * reflection;
        if !(error > 0.0 && error.is_finite()) {
            return None;
        }
        let dot: f64 = (0..m).map(|i| first[m - i] * x[i]).sum();
        let step = (right[m] - dot) / error;
        x.push(0.0);
        for i in 0..=m {
            x[i] += step * predictor[m - i];
        }
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

/// A short simplex search (Nelder and Mead) for the least of a function of two unknowns.
///
/// Starts at `start` with sides `sides`; ends after `evaluations` or when the sides are below `tolerance`.
pub(crate) fn simplex(
    function: &mut dyn FnMut([f64; 2]) -> f64,
    start: [f64; 2],
    sides: [f64; 2],
    tolerance: f64,
    evaluations: usize,
) -> ([f64; 2], f64) {
    let mut corners = [
        start,
        [start[0] + sides[0], start[1]],
        [start[0], start[1] + sides[1]],
    ]
    .map(|at| (at, function(at)));
    let mut used = 3;
    let along = |from: [f64; 2], to: [f64; 2], by: f64| {
        [
            from[0] + by * (to[0] - from[0]),
            from[1] + by * (to[1] - from[1]),
        ]
    };
    while used < evaluations {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let [best, middle, worst] = corners;
        let size = (0..2)
            .map(|i| {
                (worst.0[i] - best.0[i])
                    .abs()
                    .max((middle.0[i] - best.0[i]).abs())
            })
            .fold(0.0, f64::max);
        if size < tolerance {
            break;
        }
        let centre = along(best.0, middle.0, 0.5);
        let mut tried = |by: f64| {
            let at = along(worst.0, centre, by);
            used += 1;
            (at, function(at))
        };
        let reflected = tried(2.0);
        corners[2] = if reflected.1 < best.1 {
            let expanded = tried(3.0);
            if expanded.1 < reflected.1 {
                expanded
            } else {
                reflected
            }
        } else if reflected.1 < middle.1 {
            reflected
        } else {
            let contracted = tried(if reflected.1 < worst.1 { 1.5 } else { 0.5 });
            if contracted.1 < worst.1.min(reflected.1) {
                contracted
            } else {
                for corner in &mut corners[1..] {
                    let at = along(best.0, corner.0, 0.5);
                    *corner = (at, function(at));
                }
                used += 2;
                continue;
            }
        };
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    corners[0]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_solvers_agree_with_the_product() {
        let first: Vec<f64> = (0..6).map(|i| 0.7_f64.powi(i)).collect();
        let n = first.len();
        let matrix: Vec<f64> = (0..n * n)
            .map(|at| first[(at / n).abs_diff(at % n)])
            .collect();
        let x: Vec<f64> = (0..n).map(|i| (i as f64).sin() + 0.3).collect();
        let right: Vec<f64> = (0..n)
            .map(|i| (0..n).map(|j| matrix[i * n + j] * x[j]).sum())
            .collect();
        let dense = Cholesky::new(&matrix, n).solve(&right);
        let levinson = toeplitz(&first, &right).unwrap();
        for i in 0..n {
            assert!((dense[i] - x[i]).abs() < 1e-12);
            assert!((levinson[i] - x[i]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_column_twice_counts_once() {
        let solved = Cholesky::new(&[2.0, 2.0, 2.0, 2.0], 2).solve(&[3.0, 3.0]);
        assert!(
            (solved[0] - 1.5).abs() < 1e-12 && solved[1] == 0.0,
            "{solved:?}"
        );
    }

    #[test]
    fn the_simplex_finds_a_narrow_valley() {
        let mut bowl = |[x, y]: [f64; 2]| 100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2);
        let (at, least) = simplex(&mut bowl, [-1.0, 1.0], [0.5, 0.5], 1e-6, 400);
        assert!((at[0] - 1.0).abs() < 1e-3 && least < 1e-6, "{at:?}");
    }
}
