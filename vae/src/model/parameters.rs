//! The tensors of a model, in the order of its plan.

use burn_tensor::{DType, Device, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::model::device::ComputeDevice;
use crate::model::plan::{Initial, Plan, TensorKind, TensorSpec};
use crate::noise::{NoiseKey, Purpose};

/// Number format of a model. Training and inference use [`Single`](Precision::Single); double precision is there to
/// check the equations against the golden numbers at 1e-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Precision {
    #[default]
    Single,
    #[cfg_attr(not(test), expect(dead_code, reason = "only the golden tests need it"))]
    Double,
}

impl Precision {
    fn dtype(self) -> DType {
        match self {
            Self::Single => DType::F32,
            Self::Double => DType::F64,
        }
    }
}

/// Device and number format of tensors.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    device: Device,
    precision: Precision,
}

impl Backend {
    /// The CPU.
    pub fn cpu(precision: Precision) -> Self {
        Self {
            device: Device::flex(),
            precision,
        }
    }

    /// On a device, in single precision: what all of them have.
    ///
    /// # Errors
    /// [`Error::Device`] if it is not there.
    pub fn on(device: ComputeDevice) -> Result<Self> {
        Ok(Self {
            device: device.open()?,
            precision: Precision::Single,
        })
    }

    /// A tensor from numbers in C order; `values.len()` must be the product of `shape`.
    pub fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        self.tensor_of(TensorData::new(values, shape))
    }

    /// The tensor of a spec from data of its shape.
    fn parameter(&self, spec: &TensorSpec, data: TensorData) -> Tensor<2> {
        let tensor = self.tensor_of(data);
        if spec.is_transposed() {
            self.tensor_of(tensor.transpose().into_data())
        } else {
            tensor
        }
    }

    /// A tensor from data of any float type.
    pub fn tensor_of<const D: usize>(&self, data: TensorData) -> Tensor<D> {
        Tensor::from_data(data, (&self.device, self.precision.dtype()))
    }
}

/// Tensors of a model. Vectors are held as one row, matrices as (inputs, outputs).
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    pub backend: Backend,
    pub values: Vec<Tensor<2>>,
}

impl Parameters {
    /// Start values: Glorot-normal matrices, zero biases, unit scales.
    pub fn initial(plan: &Plan, backend: Backend, seed: u64) -> Self {
        let values = plan
            .specs()
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                let values = initial_values(spec, index, seed);
                backend.parameter(spec, TensorData::new(values, spec.matrix_shape()))
            })
            .collect();
        Self { backend, values }
    }

    /// From one array per tensor of the plan, in order, each as long as its shape says.
    pub fn from_arrays(plan: &Plan, backend: Backend, arrays: Vec<TensorData>) -> Result<Self> {
        if arrays.len() != plan.specs().len() {
            return Err(Error::shape("tensors", plan.specs().len(), arrays.len()));
        }
        let values = plan
            .specs()
            .iter()
            .zip(arrays)
            .map(|(spec, data)| {
                let [rows, columns] = spec.matrix_shape();
                if data.num_elements() != rows * columns {
                    let found: &[usize] = data.shape();
                    return Err(Error::shape(spec.name.clone(), &spec.shape, found));
                }
                let (bytes, _, dtype) = data.into_parts();
                let data = TensorData::from_bytes(bytes, [rows, columns], dtype);
                Ok(backend.parameter(spec, data))
            })
            .collect::<Result<_>>()?;
        Ok(Self { backend, values })
    }

    /// The values of each tensor of the plan, C order of its shape.
    pub fn to_vecs(&self, plan: &Plan) -> Vec<Vec<f32>> {
        let tensors = plan.specs().iter().zip(&self.values);
        tensors
            .map(|(spec, tensor)| numbers(as_in_files(spec, tensor.clone())))
            .collect()
    }

    /// Copies the tensors to the processor.
    pub fn into_cpu(self) -> Self {
        if self.backend.device == Device::flex() {
            return self;
        }
        let backend = Backend::cpu(self.backend.precision);
        let values = self.values.into_iter();
        // Through plain numbers: backends do not share memory.
        let values = values.map(|tensor| backend.tensor_of(tensor.into_data()));
        Self {
            values: values.collect(),
            backend: backend.clone(),
        }
    }

    /// Tracks gradients of the trainable tensors.
    pub fn into_tracked(self, plan: &Plan) -> Self {
        let values = plan
            .specs()
            .iter()
            .zip(self.values)
            .map(|(spec, tensor)| match spec.kind {
                TensorKind::Parameter => tensor.autodiff().require_grad(),
                TensorKind::Statistic => tensor,
            })
            .collect();
        Self {
            backend: self.backend,
            values,
        }
    }
}

/// A tensor of the plan, with the shape that files give it.
pub(crate) fn as_in_files(spec: &TensorSpec, tensor: Tensor<2>) -> Tensor<2> {
    if spec.is_transposed() {
        tensor.transpose()
    } else {
        tensor
    }
}

/// The numbers of a tensor as f32, C order.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data();
    match data.as_slice::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => doubles(&data).into_iter().map(|v| v as f32).collect(),
    }
}

/// The numbers of a tensor as f64, C order.
pub(crate) fn wide_numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    doubles(&tensor.into_data())
}

fn doubles(data: &TensorData) -> Vec<f64> {
    if let Ok(values) = data.as_slice::<f64>() {
        values.to_vec()
    } else if let Ok(values) = data.as_slice::<f32>() {
        values.iter().map(|&v| f64::from(v)).collect()
    } else {
        Vec::new()
    }
}

fn initial_values(spec: &TensorSpec, index: usize, seed: u64) -> Vec<f32> {
    let [rows, columns] = spec.matrix_shape();
    match spec.initial {
        Initial::Zero => vec![0.0; rows * columns],
        Initial::One => vec![1.0; rows * columns],
        Initial::Glorot => {
            // Glorot and Bengio 2010: keeps the variance of activations and of gradients from layer to layer.
            let scale = (2.0 / (rows + columns) as f64).sqrt() as f32;
            // Keyed by the tensor's index: adding a tensor at the end does not change the others.
            let key = NoiseKey {
                seed,
                epoch: 0,
                step: index,
                purpose: Purpose::Weights,
                scale: 0,
            };
            let mut values = key.normal(rows * columns);
            values.iter_mut().for_each(|v| *v *= scale);
            values
        }
    }
}
