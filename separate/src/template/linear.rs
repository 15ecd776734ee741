//! Small dense and Toeplitz systems, and a simplex search in two unknowns.

/// Cholesky factor L of a symmetric positive matrix `(n, n)`, row by row; a vanishing pivot drops its unknown.
pub(crate) struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

/// Share of the diagonal below which a pivot is due to rounding: the unknown is a combination of those before it.
const VANISHING: f64 = 1e-10;

impl Cholesky {
    pub(crate) fn new(matrix: &[f64], n: usize) -> Self {
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = matrix[i * n + j] - dot;
                lower[i * n + j] = if i == j {
                    // Dividing by an infinite pivot sets the unknown to 0, and a NaN pivot is caught here as well.
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

    /// Solution for one right-hand side: L y = b, then L' x = y.
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

    /// Element of L; 0 for a dropped pivot, whose infinity times 0 would not be a number.
    fn at(&self, row: usize, column: usize) -> f64 {
        let v = self.lower[row * self.n + column];
        if v.is_finite() { v } else { 0.0 }
    }
}

/// Solution of a symmetric Toeplitz system by Levinson's recursion, `first` its first row. `None` if it is not positive
/// definite.
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
        // The prediction error of a positive system remains above 0; written so that NaN is refused too.
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

/// Corner of a simplex: its position, and the function there.
type Corner = ([f64; 2], f64);

/// Minimises a function of two unknowns by a simplex search (Nelder and Mead).
///
/// Starts at `start` with sides `sides`; ends after `evaluations`, or when the sides are below `tolerance`. It is own
/// code, since a search of 80 evaluations is run for every source and must not allocate.
pub(crate) fn simplex(
    function: &mut dyn FnMut([f64; 2]) -> f64,
    start: [f64; 2],
    sides: [f64; 2],
    tolerance: f64,
    evaluations: usize,
) -> Corner {
    let mut corners = [
        start,
        [start[0] + sides[0], start[1]],
        [start[0], start[1] + sides[1]],
    ]
    .map(|at| (at, function(at)));
    let mut used = 3;
    while used < evaluations {
        // NaN is the largest of all in this order, so such a corner is left first.
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let size = (0..2).map(|i| extent(&corners, i)).fold(0.0, f64::max);
        if size < tolerance {
            break;
        }
        let best = corners[0].0;
        let mut counted = |at: [f64; 2]| {
            used += 1;
            (at, function(at))
        };
        match better_corner(&corners, &mut counted) {
            Some(corner) => corners[2] = corner,
            // No point on the line is better: shrink towards the best corner.
            None => {
                for corner in &mut corners[1..] {
                    *corner = counted(along(best, corner.0, 0.5));
                }
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    corners[0]
}

/// Largest distance of a corner from the best along one unknown.
fn extent([best, middle, worst]: &[Corner; 3], i: usize) -> f64 {
    let distance = |corner: &Corner| (corner.0[i] - best.0[i]).abs();
    distance(worst).max(distance(middle))
}

/// Corner in place of the worst, on the line from it through the middle of the others.
///
/// It is reflected, expanded or contracted; `None` if none of these is better.
fn better_corner(
    [best, middle, worst]: &[Corner; 3],
    function: &mut dyn FnMut([f64; 2]) -> Corner,
) -> Option<Corner> {
    let centre = along(best.0, middle.0, 0.5);
    let mut tried = |by: f64| function(along(worst.0, centre, by));
    let reflected = tried(2.0);
    if reflected.1 < best.1 {
        let expanded = tried(3.0);
        return Some(if expanded.1 < reflected.1 {
            expanded
        } else {
            reflected
        });
    }
    if reflected.1 < middle.1 {
        return Some(reflected);
    }
    let contracted = tried(if reflected.1 < worst.1 { 1.5 } else { 0.5 });
    (contracted.1 < worst.1.min(reflected.1)).then_some(contracted)
}

/// Point on a line, at `by` times the way.
fn along(from: [f64; 2], to: [f64; 2], by: f64) -> [f64; 2] {
    [0, 1].map(|i| from[i] + by * (to[i] - from[i]))
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
    fn a_repeated_column_is_dropped() {
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
