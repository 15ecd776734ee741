//! seismix takes seismic records that mix sources of very different durations and, without labels,
//! groups their windows into clusters at several time scales and separates a chosen source from the rest.
//!
//! This crate is the facade: it re-exports the parts and strings them together in [`pipeline`].

pub mod pipeline;
pub mod report;

pub use seismix_data as data;
pub use seismix_scattering as scattering;
pub use seismix_separate as separate;
pub use seismix_vae as vae;
