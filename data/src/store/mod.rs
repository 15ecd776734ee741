//! Files between the stages: FEATURES (one HDF5 file a station and UTC day) and `clusters.csv`.
//!
//! A feature file `XB.ELYSE.02.2019.156.h5` holds the windows that END on its day. It keeps the smallest blocks only;
//! windows of every scale are means of blocks, made when read ([`WindowGrid`]). Layout, all little-endian:
//!
//! | name | type, shape | what |
//! |---|---|---|
//! | `/coefficients/<block>` | f32 (block, channel, coefficient, 2) | pooled coefficients; chunked, gzipped |
//! | `/time` | i64 (block) | first sample of each block, ns UTC |
//! | `/segment` | i32 (block) | number of the gap-free segment the block lies in |
//! | `/index/{kind,j1_left,j1_right,j2,real}` | (coefficient) | what each coefficient is |
//! | `/features/<scale>` | f32 (window, channel, feature) | only on request |
//!
//! Everything else is an attribute of the root: one attribute a fact for people (`station`, `scales`, ...), and the
//! same facts as JSON in `meta`, which is what [`read_day`] reads. `provenance` is JSON as well. Two hashes
//! (`meta_sha256`, and `sha256` of the coefficients) tell damage from data.
//!
//! A file is written to a temporary name, synced and renamed, and never appended to; the same data give the same bytes.

mod clusters;
mod day;
mod error;
mod grid;
mod hdf5;
mod meta;
mod set;

pub use clusters::{ClusterRow, ClusterTable, ClusterWriter, read_clusters, write_clusters};
pub use day::{
    DayFeatures, DayHeader, Materialised, read_day, read_header, write_day, write_day_materialised,
};
pub use error::StoreError;
pub use grid::{BlockLayout, DayPiece, Window, WindowGrid, day_pieces};
pub use meta::{FORMAT_VERSION, FeatureMeta};
pub use seismix_core::coefficient::{CoefficientKind, CoefficientRow};
pub use seismix_core::window::WindowLayout;
pub use set::{DayEntry, FeatureSet, RejectedFile};
