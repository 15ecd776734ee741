//! Coordinates from a cluster and the network's inputs, plus a random part that the inputs do not determine.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD, ArrayView2, Ix1, Ix2};

use crate::error::{Error, Result};
use crate::file::ExtraArray;
use crate::noise::{NoiseKey, Purpose};

/// `y = a_k + u B + sum_r s_kr e_r f_r`: coordinates of a window of cluster k with the inputs u.
///
/// `e_r` are standard normal; the directions `f_r` are the largest principal components of the residuals of training
/// windows from `a_k + u B`. The rest of the residuals is not drawn: a sample varies a little less than windows do.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearDecoder {
    /// a: `(cluster, coordinate)`.
    pub intercepts: Array2<f64>,
    /// B: `(input, coordinate)`.
    pub slopes: Array2<f64>,
    /// f: `(direction, coordinate)`.
    pub directions: Array2<f64>,
    /// s: `(cluster, direction)`.
    pub sizes: Array2<f64>,
    /// Mean over the training windows of each cluster, `(cluster, coordinate)`; samples are compared with it.
    pub means: Array2<f64>,
    /// Population standard deviation over them.
    pub deviations: Array2<f64>,
    /// Number of them.
    pub counts: Vec<usize>,
    /// Standard deviation of `p(x | z)` in each input at the end of training.
    pub input_deviation: f64,
}

impl LinearDecoder {
    /// Number of inputs.
    pub fn n_inputs(&self) -> usize {
        self.slopes.nrows()
    }

    /// Number of coordinates.
    pub fn n_coordinates(&self) -> usize {
        self.intercepts.ncols()
    }

    /// The mean of the coordinates of windows of a cluster with these inputs, `(window, coordinate)`.
    pub fn expected(&self, inputs: ArrayView2<'_, f64>, cluster: usize) -> Array2<f64> {
        inputs.dot(&self.slopes) + self.intercepts.row(cluster)
    }

    /// Coordinates of new windows of a cluster, `(window, coordinate)`; `decoded`: means of `p(x | z)`, `(window,
    /// input)`. The same seed gives the same windows, and more of them begin with those of fewer.
    pub fn draw(
        &self,
        decoded: ArrayView2<'_, f64>,
        cluster: usize,
        scale: usize,
        seed: u64,
    ) -> Array2<f64> {
        let normal = |purpose, columns: usize| {
            let key = NoiseKey {
                seed,
                epoch: cluster,
                step: 0,
                purpose,
                scale,
            };
            let values = key.normal(decoded.nrows() * columns);
            let mut values = values.into_iter().map(f64::from);
            Array2::from_shape_fn((decoded.nrows(), columns), |_| {
                values.next().unwrap_or_default()
            })
        };
        let inputs = normal(Purpose::SampleInputs, self.n_inputs()) * self.input_deviation;
        let inputs = inputs + decoded;
        // A stream of its own: changing the number of inputs must not change the directions' draws.
        let unknown = normal(Purpose::SampleRest, self.directions.nrows());
        let unknown = unknown * self.sizes.row(cluster);
        self.expected(inputs.view(), cluster) + unknown.dot(&self.directions)
    }

    /// Adds the decoder to a model file's arrays, under names that begin with `prefix`.
    pub fn store(&self, prefix: &str, arrays: &mut BTreeMap<String, ExtraArray>) {
        let mut add = |name: &str, array: ArrayD<f64>| {
            let array = ExtraArray::F32(array.mapv(|v| v as f32));
            arrays.insert(format!("{prefix}/{name}"), array);
        };
        for (name, array) in [
            ("intercepts", &self.intercepts),
            ("slopes", &self.slopes),
            ("directions", &self.directions),
            ("sizes", &self.sizes),
            ("means", &self.means),
            ("deviations", &self.deviations),
        ] {
            add(name, array.clone().into_dyn());
        }
        let counts: Array1<f64> = self.counts.iter().map(|&n| n as f64).collect();
        add("counts", counts.into_dyn());
        add(
            "input_deviation",
            Array1::from_elem(1, self.input_deviation).into_dyn(),
        );
    }

    /// Reads the arrays of [`store`](Self::store); `None` if the file has none.
    ///
    /// # Errors
    /// [`Error::Data`] if the arrays contradict each other or are not finite.
    pub fn load(prefix: &str, arrays: &BTreeMap<String, ExtraArray>) -> Result<Option<Self>> {
        if !arrays.contains_key(&format!("{prefix}/intercepts")) {
            return Ok(None);
        }
        let damaged = |name: &str| {
            Error::Data(format!(
                "`{prefix}/{name}` is missing or damaged in the model file: train it again"
            ))
        };
        let any = |name: &str| -> Result<ArrayD<f64>> {
            match arrays.get(&format!("{prefix}/{name}")) {
                Some(ExtraArray::F32(array)) if array.iter().all(|v| v.is_finite()) => {
                    Ok(array.mapv(f64::from))
                }
                _ => Err(damaged(name)),
            }
        };
        let matrix = |name: &str| -> Result<Array2<f64>> {
            any(name)?
                .into_dimensionality::<Ix2>()
                .map_err(|_| damaged(name))
        };
        let vector = |name: &str| -> Result<Array1<f64>> {
            any(name)?
                .into_dimensionality::<Ix1>()
                .map_err(|_| damaged(name))
        };
        let decoder = Self {
            intercepts: matrix("intercepts")?,
            slopes: matrix("slopes")?,
            directions: matrix("directions")?,
            sizes: matrix("sizes")?,
            means: matrix("means")?,
            deviations: matrix("deviations")?,
            counts: vector("counts")?
                .iter()
                .map(|&n| n.max(0.0) as usize)
                .collect(),
            input_deviation: vector("input_deviation")?.first().copied().unwrap_or(0.0),
        };
        let (k, p) = decoder.intercepts.dim();
        let r = decoder.directions.nrows();
        let fits = decoder.slopes.ncols() == p
            && decoder.directions.ncols() == p
            && decoder.sizes.dim() == (k, r)
            && decoder.means.dim() == (k, p)
            && decoder.deviations.dim() == (k, p)
            && decoder.counts.len() == k;
        if fits {
            Ok(Some(decoder))
        } else {
            Err(damaged("intercepts"))
        }
    }
}
