//! Progress of a running stage, and how it learns that it should stop; see [`seismix_core::progress`].

pub use seismix_core::progress::{CancelWhen, NoProgress, Progress as Observer, Stage};
