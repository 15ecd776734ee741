//! seismix takes seismic records that mix sources of very different durations and, without labels,
//! groups their windows into clusters at several time scales and separates a chosen source from the rest.
//!
//! This crate is the facade. It re-exports the crates of the workspace ([`data`], [`scattering`], [`vae`],
//! [`separation`]) and connects them in stages, from records to a report: [`features`], [`train`], [`cluster`],
//! [`separate`] and [`report`], one after the other in [`run`]. Nothing here prints; a stage reports to a
//! [`stage::Observer`].

pub mod arrays;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod features;
pub mod records;
pub mod report;
pub mod run;
pub mod separate;
pub mod stage;
pub mod synth;

pub mod train;

pub use seismix_data as data;
pub use seismix_scattering as scattering;
pub use seismix_separate as separation;
pub use seismix_vae as vae;
