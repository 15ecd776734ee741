//! Files: one safetensors container with a checksum for models and checkpoints, written whole or not at all.

mod atomic;
pub(crate) mod container;
mod model_file;

pub use atomic::write_atomically;
pub use model_file::{ExtraArray, ModelFile, load_weights};
