//! Provenance of an output, and the check that it is current.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::stage::manifest::read_in_pieces;
use crate::stage::{PipelineError, Result};

/// Version that made an output.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One input with its hash, for the provenance of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct InputFile {
    /// File name, without the folders that differ from machine to machine.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

impl InputFile {
    /// Hashes a file.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if it cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut hasher = Sha256::new();
        let read = read_in_pieces(path, |piece| hasher.update(piece));
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            bytes: read.map_err(PipelineError::io("reading", path))?,
            sha256: hexadecimal(&hasher.finalize()),
        })
    }
}

/// Provenance of an output of `stage`: version, full configuration, seed, inputs.
pub fn provenance(
    stage: &str,
    configuration: &impl Serialize,
    seed: u64,
    inputs: &impl Serialize,
) -> Value {
    json!({
        "program": "seismix",
        "version": VERSION,
        "stage": stage,
        "configuration": to_value(configuration),
        "seed": seed,
        "inputs": to_value(inputs),
    })
}

/// Hash of a provenance: two outputs with one fingerprint hold the same numbers.
pub fn fingerprint(provenance: &Value) -> String {
    // serde_json keeps objects sorted by key, so equal values print equally.
    hexadecimal(&Sha256::digest(provenance.to_string()))
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
