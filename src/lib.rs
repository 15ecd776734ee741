//! seismix takes seismic records that mix sources of very different durations and, without labels,
//! groups their windows into clusters at several time scales and separates a chosen source from the rest.
//!
//! This crate is the facade. It re-exports the crates of the workspace ([`data`], [`scattering`], [`vae`],
//! [`separation`]) and connects them in stages, from records to a report: [`features`], [`train`], [`cluster`],
//! [`separate`] and [`report`], one after the other in [`run`]. Nothing here prints; a stage reports to a
//! [`stage::Observer`].
//!
//! Records, transform and NumPy files need no feature; `vae`, `separate`, `pipeline` (all stages) and `cli` (the
//! command, in the default build) add a part each.

pub mod arrays;
#[cfg(feature = "pipeline")]
pub mod cluster;
pub mod config;
#[cfg(feature = "pipeline")]
pub mod deglitch;
#[cfg(feature = "pipeline")]
pub mod demo;
#[cfg(feature = "pipeline")]
pub mod features;
#[cfg(feature = "pipeline")]
pub mod records;
#[cfg(feature = "pipeline")]
pub mod report;
#[cfg(feature = "pipeline")]
pub mod run;
#[cfg(feature = "pipeline")]
pub mod separate;
#[cfg(feature = "pipeline")]
pub mod stage;
#[cfg(feature = "pipeline")]
mod subtraction;
#[cfg(feature = "pipeline")]
pub mod synth;
#[cfg(feature = "pipeline")]
pub mod train;

pub use seismix_data as data;
pub use seismix_scattering as scattering;
#[cfg(feature = "separate")]
pub use seismix_separate as separation;
#[cfg(feature = "vae")]
pub use seismix_vae as vae;
