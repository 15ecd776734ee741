//! Model file: a trained model with its inputs, history and provenance.

use std::collections::BTreeMap;
use std::path::Path;

use burn_tensor::TensorData;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::file::container::{Array, Container};
use crate::model::{Backend, Fvae, FvaeConfig, Parameters, Plan, Precision, TensorSpec};
use crate::train::History;

const KIND: &str = "seismix model";
const VERSION: &str = "1";
/// Prefix of the names of extra arrays.
const EXTRA: &str = "extra/";

/// An array that travels with a model, such as a standardisation.
#[derive(Clone, Debug, PartialEq)]
pub enum ExtraArray {
    /// Single precision.
    F32(ArrayD<f32>),
    /// Double precision.
    F64(ArrayD<f64>),
}

/// A trained model and all that belongs to it.
///
/// On disk: a safetensors file. Weights have their published names, [`arrays`](Self::arrays) names under `extra/`; the
/// metadata hold JSON (`config`, `history`, `inputs`, `provenance`), `preset`, and a sha256 over everything. The same
/// content gives the same bytes.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The model.
    pub model: Fvae,
    /// History of its training.
    pub history: History,
    /// Name of the preset it was trained with, or empty.
    pub preset: String,
    /// Extra arrays by name.
    pub arrays: BTreeMap<String, ExtraArray>,
    /// Transform from features to inputs; not interpreted here.
    pub inputs: Value,
    /// Provenance: version, settings, seed, hashes of inputs; not interpreted here.
    pub provenance: Value,
}

impl ModelFile {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut container = Container::default();
        for (spec, values) in self.model.specs().iter().zip(self.model.to_vecs()) {
            container.insert(spec.name.clone(), Array::f32(spec.shape.clone(), values));
        }
        for (name, array) in &self.arrays {
            let array = match array {
                ExtraArray::F32(a) => Array::f32(a.shape().to_vec(), a.iter().copied()),
                ExtraArray::F64(a) => Array::f64(a.shape().to_vec(), a.iter().copied()),
            };
            container.insert(format!("{EXTRA}{name}"), array);
        }
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Error::file(path, format!("cannot be written as JSON: {error}")))
        };
        for (key, value) in [
            ("kind", KIND.to_owned()),
            ("version", VERSION.to_owned()),
            ("preset", self.preset.clone()),
            ("config", json(serde_json::to_string(self.model.config()))?),
            ("history", json(serde_json::to_string(&self.history))?),
            ("inputs", json(serde_json::to_string(&self.inputs))?),
            ("provenance", json(serde_json::to_string(&self.provenance))?),
        ] {
            container.metadata.insert(key.into(), value);
        }
        container.write(path)
    }

    /// Reads a file and checks all of it: checksum, sizes, the shape of every tensor, and that weights are finite.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::File`] if it is damaged, not a model, or of another version.
    pub fn load(path: &Path) -> Result<Self> {
        let mut container = Container::read(path)?;
        container.expect(path, "kind", KIND)?;
        container.expect(path, "version", VERSION)?;
        let config: FvaeConfig = from_json(path, &container, "config")?;
        config
            .check()
            .map_err(|error| Error::file(path, format!("impossible sizes: {error}")))?;
        let model = take_model(path, &mut container, config)?;
        Ok(Self {
            model,
            history: from_json(path, &container, "history")?,
            preset: text(path, &container, "preset")?.to_owned(),
            inputs: from_json(path, &container, "inputs")?,
            provenance: from_json(path, &container, "provenance")?,
            arrays: take_extra(path, container)?,
        })
    }
}

/// Loads the weights of a state dictionary saved from PyTorch as safetensors, by name.
///
/// Arrays with other names (`num_batches_tracked`) are ignored; double precision is rounded.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] if the file cannot be read, or lacks a tensor or has one of another shape;
/// [`Error::Setting`] for impossible sizes.
pub fn load_weights(path: &Path, config: &FvaeConfig) -> Result<Fvae> {
    config.check()?;
    let mut container = Container::read_unchecked(path)?;
    for array in container.arrays.values_mut() {
        if let Some(values) = array.to_f64() {
            *array = Array::f32(array.shape.clone(), values.into_iter().map(|v| v as f32));
        }
    }
    take_model(path, &mut container, config.clone())
}

fn take_model(path: &Path, container: &mut Container, config: FvaeConfig) -> Result<Fvae> {
    let plan = Plan::new(&config);
    let arrays = plan
        .specs()
        .iter()
        .map(|spec| take_tensor(path, container, spec))
        .collect::<Result<_>>()?;
    let place = Backend::cpu(Precision::Single);
    let parameters = Parameters::from_arrays(&plan, place, arrays)?;
    Ok(Fvae::from_parts(config, plan, parameters))
}

fn take_tensor(path: &Path, container: &mut Container, spec: &TensorSpec) -> Result<TensorData> {
    let values = container.take_f32(path, &spec.name, &spec.shape)?;
    if values.iter().any(|value| !value.is_finite()) {
        let reason = format!("`{}` has values that are not finite", spec.name);
        return Err(Error::file(path, reason));
    }
    let n = values.len();
    Ok(TensorData::new(values, [n]))
}

fn take_extra(path: &Path, container: Container) -> Result<BTreeMap<String, ExtraArray>> {
    container
        .arrays
        .into_iter()
        .filter_map(|(name, array)| Some((name.strip_prefix(EXTRA)?.to_owned(), array)))
        .map(|(name, array)| {
            let shape = || IxDyn(&array.shape);
            let extra = match (array.to_f32(), array.to_f64()) {
                (Some(values), _) => ArrayD::from_shape_vec(shape(), values).map(ExtraArray::F32),
                (_, Some(values)) => ArrayD::from_shape_vec(shape(), values).map(ExtraArray::F64),
                _ => {
                    let reason = format!("`{EXTRA}{name}` is neither F32 nor F64");
                    return Err(Error::file(path, reason));
                }
            };
            extra
                .map(|extra| (name, extra))
                .map_err(|error| Error::file(path, error.to_string()))
        })
        .collect()
}

fn text<'a>(path: &Path, container: &'a Container, key: &str) -> Result<&'a str> {
    container
        .metadata
        .get(key)
        .map(String::as_str)
        .ok_or_else(|| Error::file(path, format!("`{key}` is missing")))
}

fn from_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    container: &Container,
    key: &str,
) -> Result<T> {
    serde_json::from_str(text(path, container, key)?)
        .map_err(|error| Error::file(path, format!("`{key}` is unreadable: {error}")))
}
