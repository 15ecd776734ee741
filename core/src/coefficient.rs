//! Kinds and table rows of scattering coefficients.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of a scattering coefficient; `E` is the mean over time, `W_j` a wavelet, `phi` the low-pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoefficientKind {
    /// `spars`: `E|W_j x|`.
    #[doc(alias = "spars")]
    #[serde(rename = "spars")]
    Sparsity,
    /// `mean`: `E[x * phi]`.
    Mean,
    /// `scat`: `E|W_j2 |W_j1 x||^q`, or `E|W_j x|^q`.
    #[doc(alias = "scat")]
    #[serde(rename = "scat")]
    Scattering,
    /// `ps`: `E|W_j x|^2`.
    #[doc(alias = "ps")]
    #[serde(rename = "ps")]
    PowerSpectrum,
    /// `phaseenv`: `E[W_j2 x . conj(W_j2 |W_j1 x|)]`.
    #[doc(alias = "phaseenv")]
    #[serde(rename = "phaseenv")]
    PhaseEnvelope,
    /// `envelope`: `E[W_j2 |W_j1 x| . conj(W_j2 |W_j1' x|)]`.
    Envelope,
    /// `raw`: `W_j x(t)` or `W_j2 |W_j1 x|(t)`, without an average.
    Raw,
}

impl CoefficientKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Sparsity,
        Self::Mean,
        Self::Scattering,
        Self::PowerSpectrum,
        Self::PhaseEnvelope,
        Self::Envelope,
        Self::Raw,
    ];

    /// Name in tables and files: `spars`, `mean`, `scat`, `ps`, `phaseenv`, `envelope`, `raw`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sparsity => "spars",
            Self::Mean => "mean",
            Self::Scattering => "scat",
            Self::PowerSpectrum => "ps",
            Self::PhaseEnvelope => "phaseenv",
            Self::Envelope => "envelope",
            Self::Raw => "raw",
        }
    }

    /// The kind of this [`name`](Self::name), if any.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for CoefficientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One row of a coefficient table. Wavelets are numbered from 0 (shortest), the low-pass last; -1 means none.
///
/// Conventions of the columns `jl1`, `jr1`, `j2` of the index tables: for `spars` and `mean` only `j1_left` is set;
/// for `scat` `j1_left` is the first and `j2` the second layer; for `ps` both sides are `j`; for `phaseenv` the left
/// side is `j2` itself and the right one `j1`; for `envelope` the sides are `j1` and `j1'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CoefficientRow {
    /// Kind of the coefficient.
    pub kind: CoefficientKind,
    /// First-layer wavelet of the left factor.
    pub j1_left: i32,
    /// First-layer wavelet of the right factor, -1 where there is none.
    pub j1_right: i32,
    /// Second-layer wavelet, -1 where there is none.
    pub j2: i32,
    /// True where the imaginary part is 0 by construction.
    pub real: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_serialised_names_agree() {
        for kind in CoefficientKind::ALL {
            assert_eq!(CoefficientKind::from_name(kind.name()), Some(kind));
            let json = serde_json::to_string(&kind).unwrap_or_default();
            assert_eq!(json, format!("\"{}\"", kind.name()));
        }
        assert_eq!(CoefficientKind::from_name("Spars"), None);
    }
}
