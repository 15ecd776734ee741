//! Files: one safetensors container with a checksum for models and checkpoints, written whole or not at all.

pub(crate) mod container;
mod model_file;

pub use model_file::{ExtraArray, ModelFile, load_weights};
