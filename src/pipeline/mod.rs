//! The stages strung together: records to features, features to a model, clusters, separated records, a report.

pub mod config;
pub mod observer;

pub use observer::{Observer, Silent};
